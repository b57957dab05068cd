//! What happened, and the frames it is about, held as long as the trace is.
//!
//! Everything that is shown (lists, layers, captures, hashes) is made of this and of nothing else. A trace has a bound; what
//! came after it is not recorded, and [`Trace::is_cut`] says so.

mod events;
mod reason;
mod verb;

pub use events::Events;
pub use reason::Reason;
pub use verb::{Layer, Verb};

use crate::frame::{FrameId, Frames};
use crate::node::NodeId;
use crate::time::Time;

use events::Recorded;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceEvent {
    /// When.
    pub time: Time,
    /// At which node.
    pub node: NodeId,
    /// The frame it is about, or [`FrameId::NONE`].
    pub frame: FrameId,
    /// More about it: a place in [`Trace::details`], or [`TraceEvent::NO_DETAIL`].
    pub detail: u32,
    /// At which port, or [`TraceEvent::NO_PORT`].
    pub port: u16,
    /// What happened.
    pub verb: Verb,
    /// Why.
    pub reason: Reason,
    /// A number that belongs to the verb and the reason: attempts, a delay in bits, a sequence of bytes.
    pub value: u32,
}

impl TraceEvent {
    /// The event is about no port.
    pub const NO_PORT: u16 = u16::MAX;
    /// There is nothing more to say.
    pub const NO_DETAIL: u32 = u32::MAX;
}

/// More about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A sentence.
    Text(Box<str>),
    /// What a stage of a VPC decided.
    Stage(Box<fabric::Reason>),
}

/// Bounds on what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most events; 0 records nothing.
    pub events: usize,
    /// Most bytes of frames.
    pub frame_bytes: usize,
}

impl Bounds {
    /// No trace at all.
    pub const NONE: Self = Self { events: 0, frame_bytes: 0 };
}

impl Default for Bounds {
    /// Eight million events (128 MiB, as a rule) and 512 MiB of frames.
    fn default() -> Self {
        Self { events: 8_000_000, frame_bytes: 512 << 20 }
    }
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Trace {
    events: Recorded,
    details: Vec<Detail>,
    bounds: Bounds,
    frame_bytes: usize,
    /// Events that may still be recorded.
    left: usize,
    is_cut: bool,
    is_on: bool,
}

impl Trace {
    /// An empty trace.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, left: bounds.events, is_on: bounds.events > 0, ..Self::default() }
    }

    /// Whether anything is recorded. What is costly to say need not be said otherwise.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether something happened that found no room.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Everything recorded, in order.
    pub fn events(&self) -> Events<'_> {
        Events::of(&self.events)
    }

    /// More about an event.
    pub fn detail(&self, event: &TraceEvent) -> Option<&Detail> {
        self.details.get(event.detail as usize)
    }

    /// Records an event and holds its frame.
    #[inline(always)]
    pub fn record(&mut self, event: TraceEvent, frames: &mut Frames) {
        if self.left == 0 || !self.events.is_ready(event.time) {
            return self.record_anew(event, frames);
        }
        self.left -= 1;
        self.events.push(&event);
        if event.frame != FrameId::NONE && frames.keep(event.frame) {
            self.count(event.frame, frames);
        }
    }

    /// Where there is no room, or memory is needed first.
    #[cold]
    fn record_anew(&mut self, event: TraceEvent, frames: &mut Frames) {
        if self.left == 0 {
            return self.cut();
        }
        self.events.make_ready(event.time);
        self.record(event, frames);
    }

    /// A frame is held that was not before.
    #[inline(never)]
    fn count(&mut self, frame: FrameId, frames: &Frames) {
        self.frame_bytes += frames.bytes_kept(frame);
        if self.frame_bytes > self.bounds.frame_bytes {
            self.left = 0;
        }
    }

    /// Something happened that finds no room, unless nothing is recorded anyway.
    #[cold]
    fn cut(&mut self) {
        self.is_cut |= self.is_on;
        self.is_on = false;
    }

    /// Records an event with more to say.
    pub fn record_with(&mut self, mut event: TraceEvent, detail: Detail, frames: &mut Frames) {
        if self.is_on() {
            event.detail = self.details.len() as u32;
            self.details.push(detail);
            self.record(event, frames);
        }
    }

    /// Forgets everything; bounds and the world stay.
    pub fn clear(&mut self, frames: &mut Frames) {
        for event in self.events().iter() {
            frames.let_go(event.frame);
        }
        self.events.clear();
        self.details.clear();
        (self.frame_bytes, self.left) = (0, self.bounds.events);
        (self.is_cut, self.is_on) = (false, self.bounds.events > 0);
    }

    /// A number that is the same for the same events with the same bytes in the same order, on every platform (FNV-1a, 64 bits).
    pub fn hash(&self, frames: &Frames) -> u64 {
        let mut hash = Fnv::default();
        for event in self.events().iter() {
            hash.write(&event.time.0.to_le_bytes());
            hash.write(&event.node.0.to_le_bytes());
            hash.write(&event.port.to_le_bytes());
            // By their words: a reason more leaves the hash of a trace without it as it was.
            hash.write(event.verb.word().as_bytes());
            hash.write(event.reason.word().as_bytes());
            hash.write(&event.value.to_le_bytes());
            match self.detail(&event) {
                None => {}
                Some(Detail::Text(text)) => hash.write(text.as_bytes()),
                Some(Detail::Stage(reason)) => hash.write(reason.text.as_bytes()),
            }
            if event.frame != FrameId::NONE {
                hash.write(frames.bytes(event.frame));
            }
        }
        hash.0
    }
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
