//! Everybody who may have an image: mirrors in order, then the registry itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Client;
use super::{Event, Failure, Job};
use crate::error::{Error, Result};
use crate::reference::Reference;

/// Tries of one thing where somebody else can be asked.
const TRIES: u32 = 2;

pub(super) struct Sources<'a> {
    job: &'a Job<'a>,
    repository: String,
    hosts: Vec<(String, Mutex<Option<Arc<Client<'a>>>>)>,
    /// Who had the manifest, and is asked first from then on.
    preferred: AtomicUsize,
}

impl<'a> Sources<'a> {
    pub fn of(job: &'a Job<'a>, reference: &Reference) -> Sources<'a> {
        let mirrors = job
            .settings
            .mirrors
            .iter()
            .filter(|mirror| mirror.of == reference.registry);
        let mut hosts: Vec<&str> = mirrors.map(|mirror| mirror.host.as_str()).collect();
        hosts.push(&reference.registry);
        Sources {
            job,
            repository: reference.repository.clone(),
            hosts: hosts
                .into_iter()
                .map(|host| (host.to_owned(), Mutex::new(None)))
                .collect(),
            preferred: AtomicUsize::new(0),
        }
    }

    fn client(&self, at: usize) -> Result<Arc<Client<'a>>> {
        let (host, client) = &self.hosts[at];
        let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let patience = &self.job.settings.patience;
        let tries = if at + 1 < self.hosts.len() {
            TRIES.min(patience.tries)
        } else {
            patience.tries
        };
        let new = Arc::new(Client::connect(
            self.job,
            host,
            &self.repository,
            "pull",
            tries,
        )?);
        *client = Some(new.clone());
        Ok(new)
    }

    /// Asks one after the other until one has it.
    pub fn ask<T>(&self, mut ask: impl FnMut(&Client<'a>) -> Result<T>) -> Result<T> {
        let preferred = self.preferred.load(Ordering::Relaxed);
        let others = (0..self.hosts.len()).filter(|at| *at != preferred);
        let order: Vec<usize> = std::iter::once(preferred).chain(others).collect();
        for (place, at) in order.iter().enumerate() {
            let error = match self.client(*at).and_then(|client| ask(&client)) {
                Ok(answer) => {
                    self.preferred.store(*at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            // A full disk is full whoever is asked.
            let is_theirs = match &error {
                Error::Registry(failure) => *failure != Failure::GivenUp,
                Error::Digest { .. } | Error::Malformed { .. } | Error::Limit { .. } => true,
                _ => false,
            };
            match order.get(place + 1) {
                Some(next) if is_theirs => {
                    let next = &self.hosts[*next].0;
                    self.job
                        .progress
                        .event(Event::Elsewhere { why: &error, next });
                }
                _ => return Err(error),
            }
        }
        unreachable!("the registry itself is always asked")
    }
}
