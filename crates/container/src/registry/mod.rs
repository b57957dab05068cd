//! Images from registries and to them: the client side of the OCI distribution specification.
//!
//! Start reading at [`pull`] and [`push`]; [`client`] sends requests to one registry and decides what is tried again,
//! [`blob`] brings one blob to disk and goes on where another process was interrupted, [`manifest`] finds the image behind
//! a name. This is the only part of the room that opens connections. Nothing that a registry says is believed: bytes are
//! compared with their digests, and addresses it sends one to with what may be asked in the clear.

mod answer;
pub(crate) mod blob;
mod challenge;
pub(crate) mod client;
pub mod credentials;
pub mod failure;
pub mod host;
mod login;
pub(crate) mod manifest;
mod pulling;
mod pushing;
mod source;
mod trial;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::digest::Digest;
use crate::oci::Platform;

pub(crate) use client::trust;
pub use credentials::{Credentials, Login};
pub use failure::Failure;
pub use host::Mirror;
pub use pulling::{Pulled, pull};
pub use pushing::{Pushed, push};
pub use trial::{Known, check_login, known};

/// What to ask, of whom, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which image where there are several; this machine's if nothing is said.
    pub platform: Option<Platform>,
    /// Who is asked before a registry, in order.
    pub mirrors: Vec<Mirror>,
    /// Whether plain HTTP and certificates of nobody are taken, of every host. Loopback is asked in the clear anyway.
    pub is_insecure: bool,
    /// Of the user.
    pub credentials: Credentials,
    /// Blobs at once.
    pub parallel: usize,
    /// How long to wait.
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            platform: None,
            mirrors: Vec::new(),
            is_insecure: false,
            credentials: Credentials::default(),
            parallel: 3,
            patience: Patience::default(),
        }
    }
}

/// Bounds on waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a name and a connection.
    pub connect: Duration,
    /// For the next byte.
    pub stall: Duration,
    /// Times that one thing is tried without any byte of it coming.
    pub tries: u32,
    /// Before the second try; it doubles.
    pub first_wait: Duration,
    /// The longest between two tries, even if the registry asks for more.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            tries: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// It is known how much there is: blobs that are not there yet, and their bytes.
    Begins {
        /// Blobs.
        blobs: usize,
        /// Bytes.
        bytes: u64,
    },
    /// Something about one blob.
    Blob {
        /// Which.
        digest: &'a Digest,
        /// Its bytes.
        size: u64,
        /// What.
        state: State,
    },
    /// So many more bytes of a blob have passed.
    Bytes {
        /// Which.
        digest: &'a Digest,
        /// How many.
        count: u64,
    },
    /// It did not go well and is tried again after a while.
    Again {
        /// Why.
        why: &'a Failure,
        /// After how long.
        wait: Duration,
    },
    /// A mirror is of no use, and the next one or the registry itself is asked.
    Elsewhere {
        /// Why.
        why: &'a crate::Error,
        /// Who is asked instead.
        next: &'a str,
    },
}

/// What happens to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was there before.
    There,
    /// It is not there, and is brought when its turn comes.
    Missing,
    /// Another process brings it.
    Waits,
    /// So many of its bytes are there from an earlier time.
    Resumes(u64),
    /// All of it is there now.
    Done,
}

/// Watches; called from several threads.
pub trait Progress: Sync {
    /// Something happened.
    fn event(&self, event: Event);

    /// Whether nobody wants it any more: the work ends at the next occasion, and what came stays for the next time.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn event(&self, _: Event) {}
}

/// One pull or push: what all of its threads share.
pub(crate) struct Job<'a> {
    pub settings: &'a Settings,
    pub progress: &'a dyn Progress,
    /// One thread failed for good: the others need not go on.
    given_up: AtomicBool,
}

impl<'a> Job<'a> {
    pub fn new(settings: &'a Settings, progress: &'a dyn Progress) -> Job<'a> {
        Job {
            settings,
            progress,
            given_up: AtomicBool::new(false),
        }
    }

    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Errs once another thread has failed; whose error is shown is decided by [`Job::each`].
    pub fn check(&self) -> crate::Result<()> {
        if self.given_up.load(Ordering::Relaxed) || self.progress.is_cancelled() {
            return Err(Failure::GivenUp.into());
        }
        Ok(())
    }

    /// Waits, unless there is no reason to any more.
    pub fn wait(&self, how_long: Duration) -> crate::Result<()> {
        let end = Instant::now() + how_long;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// Does something to each, several at once. The first failure ends all of it.
    pub fn each<T: Sync>(
        &self,
        items: &[T],
        each: impl Fn(&T) -> crate::Result<()> + Sync,
    ) -> crate::Result<()> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let first = std::sync::Mutex::new(None);
        let work = || {
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.check().and_then(|()| each(item)) {
                    let mut first = first
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    if first.is_none() {
                        *first = Some(error);
                    }
                    self.give_up();
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.settings.parallel.clamp(1, 16).min(items.len()) {
                scope.spawn(work);
            }
        });
        let first = first
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        first.map_or(Ok(()), Err)
    }
}
