//! A connection to a holder that threads share: they send as they like, and each waits for its own answer.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::channel::{Channel, Message, Received};
use crate::error::{Error, Result};
use crate::process::poll_readable;
use crate::protocol::{Answer, Request};

/// The longest that one answer may take before the holder counts as gone.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Connection {
    state: Mutex<State>,
    /// The socket once more, to wait at without keeping others from sending.
    readable: OwnedFd,
    /// Told when an answer is in `early`, and when nobody waits at the socket any more.
    news: Condvar,
}

struct State {
    channel: Channel,
    last_id: u64,
    /// Requests that somebody waits for, or will.
    asked: BTreeSet<u64>,
    /// Answers that others read while they waited for theirs.
    early: BTreeMap<u64, Message>,
    /// Whether somebody waits at the socket, on behalf of all who wait.
    is_watched: bool,
}

/// A request that was sent, to be answered. Dropping it leaves the answer to nobody.
pub(crate) struct Pending<'a> {
    connection: &'a Connection,
    id: u64,
}

impl Connection {
    /// Of a blocking socket.
    pub(crate) fn new(socket: OwnedFd) -> Result<Connection> {
        Ok(Connection {
            readable: socket.try_clone().map_err(Error::os("duplicating a descriptor"))?,
            state: Mutex::new(State {
                channel: Channel::new(socket),
                last_id: 0,
                asked: BTreeSet::new(),
                early: BTreeMap::new(),
                is_watched: false,
            }),
            news: Condvar::new(),
        })
    }

    /// Whether the other end has gone, as far as that can be told without asking it.
    pub(crate) fn is_lost(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut descriptors = [PollFd::new(&self.readable, PollFlags::empty())];
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut descriptors, Some(&none)).is_ok()
            && descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    /// Sends a request; others may be sent before it is answered.
    pub(crate) fn begin(&self, request: &Request, descriptors: Vec<OwnedFd>) -> Result<Pending<'_>> {
        let payload = serde_json::to_vec(request)
            .map_err(|error| Error::Malformed(format!("request: {error}")))?;
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state
            .channel
            .send(id, payload, descriptors)
            .map_err(|error| Error::Disconnected(error.to_string()))?;
        state.asked.insert(id);
        Ok(Pending { connection: self, id })
    }

    /// Until the other end has gone. Errors: it does not go.
    pub(crate) fn wait_for_its_end(&self) -> Result<()> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !poll_readable(self.readable.as_fd(), left)? {
                return Err(Error::Disconnected("it does not end".into()));
            }
            match state.channel.receive() {
                Ok(Received::Closed(_)) | Err(_) => return Ok(()),
                Ok(Received::Message(_) | Received::Nothing) => {}
            }
        }
    }

    /// A thread that panicked while it held the lock left at most an unread answer behind, and answers are told apart by id.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request. Of all who wait, one waits at the socket and hands the others theirs.
    fn receive(&self, id: u64) -> Result<Message> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut state = self.lock();
        loop {
            if let Some(message) = state.early.remove(&id) {
                return Ok(message);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Disconnected(format!(
                    "no answer within {} s",
                    ANSWER_TIMEOUT.as_secs()
                )));
            }
            if state.is_watched {
                let waited = self.news.wait_timeout(state, left);
                (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_watched = true;
            drop(state);
            let readable = poll_readable(self.readable.as_fd(), left);
            state = self.lock();
            state.is_watched = false;
            let read = readable.and_then(|readable| match readable {
                true => state.read_one(),
                false => Ok(()),
            });
            // Also who is to wait at the socket from now on.
            self.news.notify_all();
            read?;
        }
    }
}

impl State {
    /// Reads a message, and keeps it if somebody waits for it: it may answer a request that timed out earlier.
    fn read_one(&mut self) -> Result<()> {
        let received = self.channel.receive();
        match received.map_err(|error| Error::Disconnected(error.to_string()))? {
            Received::Message(message) => {
                if self.asked.contains(&message.id) {
                    self.early.insert(message.id, message);
                }
                Ok(())
            }
            Received::Nothing => Ok(()),
            Received::Closed(why) => Err(Error::Disconnected(
                why.unwrap_or("it closed the connection").into(),
            )),
        }
    }
}

impl Pending<'_> {
    /// Waits for the answer.
    pub(crate) fn answer(self) -> Result<(Answer, Message)> {
        let message = self.connection.receive(self.id)?;
        let answer = serde_json::from_slice(&message.payload)
            .map_err(|error| Error::Malformed(format!("answer: {error}")))?;
        match answer {
            Answer::Refused(fault) => Err(fault.into()),
            answer => Ok((answer, message)),
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut state = self.connection.lock();
        state.asked.remove(&self.id);
        state.early.remove(&self.id);
    }
}
