//! When a keeper has something to do: a container ended, an event was written, or a time has come.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use sandbox::ContainerExit;

use super::events;
use super::id::Id;
use super::lab::Engine;
use super::record::Record;
use super::time::Moment;

/// How long each container lets the next look wait, whatever happens: a thousand are looked at once a second at most.
const PACE: Duration = Duration::from_millis(1);
/// Between two looks at least.
const LEAST: Duration = Duration::from_millis(5);
/// How long a look waits when nothing happens; where nothing can be heard it does not wait long.
const SELDOM: Duration = Duration::from_secs(2);
const OFTEN: Duration = Duration::from_millis(100);

/// What a keeper waits for.
pub(super) struct Wake {
    /// Tells that an event was written; none: it cannot be heard.
    news: Option<OwnedFd>,
    /// Ends of containers that run, with the run that they are of.
    exits: BTreeMap<Id, (Option<Moment>, ContainerExit)>,
    /// Not before is the next look, whatever happens.
    earliest: Instant,
    /// Then is the next look, even when nothing happens.
    latest: Instant,
}

impl Wake {
    pub(super) fn new(engine: &Engine) -> Wake {
        let news = || -> std::io::Result<OwnedFd> {
            let folder = engine.events.folder().map_err(std::io::Error::other)?;
            let news = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::ONLYDIR;
            add_watch(&news, folder, what)?;
            Ok(news)
        };
        Wake {
            news: news().ok(),
            exits: BTreeMap::new(),
            earliest: Instant::now(),
            latest: Instant::now(),
        }
    }

    /// Readable when there is something to do.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let exits = self.exits.values().map(|(_, exit)| exit.exit_descriptor());
        exits.chain(self.news.as_ref().map(AsFd::as_fd))
    }

    /// When there is something to do though none of them is.
    pub(super) fn due(&self) -> Instant {
        self.latest
    }

    /// Whether it is time for a look. What was heard until now is taken note of.
    pub(super) fn is_time(&mut self) -> bool {
        if self.has_news() {
            self.latest = self.latest.min(self.earliest);
        }
        Instant::now() >= self.latest
    }

    /// Containers whose end has come, each told once.
    pub(super) fn ended(&mut self) -> Vec<Id> {
        let mut descriptors: Vec<PollFd<'_>> = self
            .exits
            .values()
            .map(|(_, exit)| PollFd::from_borrowed_fd(exit.exit_descriptor(), PollFlags::IN))
            .collect();
        let none = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if !matches!(poll(&mut descriptors, Some(&none)), Ok(1..)) {
            return Vec::new();
        }
        let ended: Vec<Id> = self
            .exits
            .keys()
            .zip(&descriptors)
            .filter(|(_, descriptor)| !descriptor.revents().is_empty())
            .map(|(id, _)| id.clone())
            .collect();
        self.exits.retain(|id, _| !ended.contains(id));
        ended
    }

    /// Whether an event was written since the last call.
    fn has_news(&self) -> bool {
        let Some(news) = &self.news else { return false };
        let (mut buffer, mut has) = ([MaybeUninit::uninit(); 4_096], false);
        let mut reader = Reader::new(news, &mut buffer);
        while let Ok(event) = reader.next() {
            // Locks and documents of networks lie beside it.
            has |= event
                .file_name()
                .is_none_or(|name| name.to_bytes() == events::FILE.as_bytes());
        }
        has
    }

    /// Takes hold of the ends of those that run, and works out when the next look has to be; `asked`: when health does.
    /// `soon`: something was left undone.
    pub(super) fn expect(
        &mut self,
        engine: &Engine,
        records: &[Record],
        asked: Option<Instant>,
        soon: bool,
    ) {
        let now = Instant::now();
        let alive: BTreeMap<&Id, Option<Moment>> = records
            .iter()
            .filter(|record| record.state.status.is_alive())
            .map(|record| (&record.id, record.state.started))
            .collect();
        self.exits.retain(|id, (run, _)| alive.get(id) == Some(run));
        for (id, run) in alive {
            if !self.exits.contains_key(id)
                // One that the holder does not know any more is seen at the next look.
                && let Ok(exit) = engine.client.wait_container(id.as_str())
            {
                self.exits.insert(id.clone(), (run, exit));
            }
        }
        let restarts = records.iter().filter_map(|record| record.state.restart_at);
        let restarts = restarts.map(|at| now + Moment::now().until(at));
        let is_seldom = self.news.is_some() && !soon;
        let usual = now + if is_seldom { SELDOM } else { OFTEN };
        let pace = PACE * u32::try_from(records.len()).unwrap_or(u32::MAX);
        self.earliest = now + pace.max(LEAST);
        let next = restarts.chain(asked).fold(usual, Instant::min);
        self.latest = next.max(self.earliest);
    }
}
