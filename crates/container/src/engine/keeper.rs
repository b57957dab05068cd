//! Who looks after the containers of a lab while nobody asks: restarts, removals, health, names. One a lab, in the daemon; a
//! new one goes on where the last one ended.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Result;
use super::health::Checks;
use super::lab::Engine;
use super::networks::namespace;
use super::record::Record;
use super::time::Moment;
use super::wake::Wake;
use crate::network::dns::{Resolver, Zone};
use crate::network::{self, Endpoint, Network};

/// Looks after one lab's containers.
pub struct Keeper {
    engine: Engine,
    checks: Checks,
    names: Option<Names>,
    wake: Wake,
    /// Rules of instances as they were seen last, and when that was.
    rules: BTreeMap<String, u32>,
    rules_seen: Option<Instant>,
    /// What went wrong with them then.
    rules_said: Vec<String>,
    /// What went wrong at the last one.
    said: Vec<String>,
}

/// How often rules of instances are looked at: whoever flushes them has containers again soon.
const RULES_PACE: Duration = Duration::from_secs(2);

/// The embedded DNS server, once a container is in a network that has names.
struct Names {
    resolver: Resolver,
    served: BTreeSet<String>,
}

impl Keeper {
    /// With an engine of its own.
    pub fn new(engine: Engine) -> Keeper {
        Keeper {
            wake: Wake::new(&engine),
            engine,
            checks: Checks::default(),
            names: None,
            rules: BTreeMap::new(),
            rules_seen: None,
            rules_said: Vec::new(),
            said: Vec::new(),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Descriptors that become readable when there is something to do.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.wake.descriptors()
    }

    /// When there is something to do though none of them is readable.
    pub fn due(&self) -> Instant {
        self.wake.due()
    }

    /// Does what is due. Called when [`Keeper::descriptors`] or [`Keeper::due`] say so, harmless at other times. Answers what
    /// went wrong, in sentences; an error: the holder is gone.
    pub fn tick(&mut self) -> Result<Vec<String>> {
        let mut failures = Vec::new();
        let mut is_held = false;
        for id in self.wake.ended() {
            match self.engine.tend_if_free(&id) {
                Ok(true) => {}
                // Somebody has it, who may have looked before it ended.
                Ok(false) => is_held = true,
                Err(error) => failures.push((id.short().to_owned(), error)),
            }
        }
        if !self.wake.is_time() && failures.is_empty() && !is_held {
            return Ok(self.said.clone());
        }
        failures.extend(self.engine.tend(Moment::now())?);
        let records = self.engine.folder.list()?;
        failures.extend(self.checks.tend(&self.engine, &records));
        let mut said: Vec<String> = failures
            .into_iter()
            .map(|(name, error)| format!("container {name}: {error}"))
            .collect();
        if self.rules_seen.is_none_or(|seen| seen.elapsed() >= RULES_PACE) {
            self.rules_seen = Some(Instant::now());
            let failures = self.engine.mend_networks(&mut self.rules)?;
            let words = |(instance, error)| format!("networks of instance {instance}: {error}");
            self.rules_said = failures.into_iter().map(words).collect();
        }
        said.extend(self.rules_said.iter().cloned());
        if let Err(error) = self.serve_names(&records) {
            said.push(format!("names of containers: {error}"));
        }
        self.wake
            .expect(&self.engine, &records, self.checks.next(), is_held);
        self.said.clone_from(&said);
        Ok(said)
    }

    /// Gives every container in a user network the names of the others.
    fn serve_names(&mut self, records: &[Record]) -> Result<()> {
        let mut wanted = BTreeSet::new();
        let instances: BTreeSet<&str> = records
            .iter()
            .filter(|r| !r.endpoints.is_empty())
            .map(|r| r.instance.as_str())
            .collect();
        for instance in instances {
            let networks: Vec<Network> = self
                .engine
                .networks(instance)?
                .networks
                .into_values()
                .collect();
            let has_names = |endpoint: &&Endpoint| {
                networks
                    .iter()
                    .any(|network| network.id == endpoint.network && !network.is_default())
            };
            let inside = || records.iter().filter(|record| record.instance == instance);
            let endpoints: Vec<Endpoint> = inside()
                .flat_map(|record| record.endpoints.iter().cloned())
                .collect();
            for record in inside()
                .filter(|record| record.endpoints.iter().any(|endpoint| has_names(&endpoint)))
            {
                let zone = Zone::of(
                    record.id.as_str(),
                    &networks,
                    &endpoints,
                    &self.engine.forward_to(record),
                );
                let key = namespace(&record.id);
                let names = match &mut self.names {
                    Some(names) => names,
                    none => {
                        let client = sandbox::Client::connect(self.engine.client.socket())?;
                        none.insert(Names {
                            resolver: Resolver::start(Arc::new(client))?,
                            served: BTreeSet::new(),
                        })
                    }
                };
                names
                    .resolver
                    .serve(&mut network::Lab::new(&self.engine.client), &key, zone)?;
                names.served.insert(key.clone());
                wanted.insert(key);
            }
        }
        if let Some(names) = &mut self.names {
            for gone in names.served.difference(&wanted) {
                names.resolver.end(gone);
            }
            names.served = wanted;
        }
        Ok(())
    }
}
