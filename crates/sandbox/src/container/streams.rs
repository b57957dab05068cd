//! Where a container's output goes and its input comes from: pipes of attached callers, with bounded queues.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::log::Stream;
use super::spec::Attach;

/// What a caller may leave unread before the container has to wait for it.
const LARGEST_QUEUE: usize = 1 << 20;
/// How long the container waits for a caller that reads nothing at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Input that the container has not read yet; no more is taken from callers then.
const LARGEST_INPUT: usize = 64 << 10;

/// A caller that hears one stream.
pub(super) struct Listener {
    stream: Stream,
    pipe: OwnedFd,
    queue: VecDeque<u8>,
    /// Since when it has taken nothing although there is something.
    stalled: Option<Instant>,
}

impl Listener {
    /// Writes what the pipe takes; false when nobody reads it any more.
    fn flush(&mut self) -> bool {
        while !self.queue.is_empty() {
            match rustix::io::write(&self.pipe, self.queue.as_slices().0) {
                Ok(count) => {
                    self.queue.drain(..count);
                    self.stalled = None;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return true;
                }
                Err(_) => return false,
            }
        }
        self.stalled = None;
        true
    }
}

/// All that hear.
#[derive(Default)]
pub(super) struct Listeners(Vec<Listener>);

impl Listeners {
    /// The shim's ends of a caller's pipes, in the order input, output, errors; the one for input comes back.
    pub(super) fn attach(&mut self, attach: Attach, pipes: Vec<OwnedFd>) -> Option<OwnedFd> {
        let mut pipes = pipes.into_iter();
        let input = if attach.input { pipes.next() } else { None };
        for (wanted, stream) in [(attach.output, Stream::Output), (attach.errors, Stream::Errors)] {
            if wanted
                && let Some(pipe) = pipes.next()
                && rustix::io::ioctl_fionbio(&pipe, true).is_ok()
            {
                self.0.push(Listener { stream, pipe, queue: VecDeque::new(), stalled: None });
            }
        }
        input
    }

    /// Passes on what was read.
    pub(super) fn hear(&mut self, stream: Stream, bytes: &[u8]) {
        self.0.retain_mut(|listener| {
            if listener.stream != stream {
                return true;
            }
            listener.queue.extend(bytes);
            listener.flush()
        });
    }

    /// Whether more of a stream may be read from the container.
    pub(super) fn have_room(&self, stream: Stream) -> bool {
        !self.0.iter().any(|listener| listener.stream == stream && listener.queue.len() >= LARGEST_QUEUE)
    }

    /// Writes what can be written, and lets those go that have gone or that never read.
    pub(super) fn flush(&mut self) {
        self.0.retain_mut(|listener| {
            listener.flush() && listener.stalled.is_none_or(|since| since.elapsed() < PATIENCE)
        });
    }

    /// Pipes, and whether there is something to write to each.
    pub(super) fn sources(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.0.iter().map(|listener| (listener.pipe.as_fd(), !listener.queue.is_empty()))
    }

    /// When patience with somebody ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|listener| Some(listener.stalled? + PATIENCE)).min()
    }

    /// The stream is over: those that have everything learn it.
    pub(super) fn end(&mut self) {
        self.0.retain_mut(|listener| listener.flush() && !listener.queue.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A container's input.
#[derive(Default)]
pub(super) struct Input {
    /// Not there: it has none, or that has ended.
    to: Option<OwnedFd>,
    queue: VecDeque<u8>,
    from: Vec<OwnedFd>,
    /// The first end of input is the container's.
    once: bool,
    ending: bool,
}

impl Input {
    pub(super) fn new(to: Option<OwnedFd>, once: bool) -> io::Result<Input> {
        if let Some(to) = &to {
            rustix::io::ioctl_fionbio(to, true)?;
        }
        Ok(Input { to, once, ..Input::default() })
    }

    /// A caller writes here.
    pub(super) fn add(&mut self, from: OwnedFd) {
        // Dropped where there is no input: the caller's next write says so.
        if self.to.is_some() && !self.ending && rustix::io::ioctl_fionbio(&from, true).is_ok() {
            self.from.push(from);
        }
    }

    /// Takes from callers what there is, and passes on what the container takes.
    pub(super) fn pump(&mut self) {
        let mut buffer = [0; 16 << 10];
        let mut ended = false;
        let queue = &mut self.queue;
        self.from.retain(|from| {
            while queue.len() < LARGEST_INPUT {
                match rustix::io::read(from, &mut buffer) {
                    Ok(0) => {
                        ended = true;
                        return false;
                    }
                    Ok(count) => queue.extend(&buffer[..count]),
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return true,
                    Err(_) => return false,
                }
            }
            true
        });
        self.ending |= ended && self.once;
        while let Some(to) = self.to.as_ref().filter(|_| !self.queue.is_empty()) {
            match rustix::io::write(to, self.queue.as_slices().0) {
                Ok(count) => {
                    self.queue.drain(..count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The program closed its input, or has ended.
                Err(_) => return self.close(),
            }
        }
        if self.ending {
            self.close();
        }
    }

    pub(super) fn close(&mut self) {
        self.to = None;
        self.from.clear();
        self.queue.clear();
    }

    /// The container's end, when there is something to write to it.
    pub(super) fn wants_to_write(&self) -> Option<BorrowedFd<'_>> {
        self.to.as_ref().filter(|_| !self.queue.is_empty()).map(AsFd::as_fd)
    }

    /// Callers' ends that may be read.
    pub(super) fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.from.iter().filter(|_| self.queue.len() < LARGEST_INPUT).map(AsFd::as_fd)
    }
}
