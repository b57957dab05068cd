//! What links and shared media need of the world: the present, what is to come, frames, the trace, the seed.

use crate::frame::{FrameId, Frames};
use crate::node::NodeId;
use crate::time::Time;
use crate::trace::{Bounds, Reason, Trace, TraceEvent, Verb};
use crate::wheel::{Event, Happening, Wheel};

/// The world below the nodes.
#[derive(Debug)]
pub struct Wires {
    /// The present.
    pub now: Time,
    /// All frames.
    pub frames: Frames,
    /// What happened.
    pub trace: Trace,
    /// What all chance comes from.
    pub seed: u64,
    wheel: Wheel,
    under_way: usize,
}

impl Wires {
    pub(crate) fn new(seed: u64, bounds: Bounds) -> Self {
        let (now, frames, trace) = (Time::ZERO, Frames::default(), Trace::new(bounds));
        Self { now, frames, trace, seed, wheel: Wheel::default(), under_way: 0 }
    }

    /// Events to come.
    pub fn pending(&self) -> usize {
        self.wheel.pending()
    }

    /// Frames that have not arrived, and what shared media still have to do.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    #[inline]
    pub(crate) fn next(&mut self, limit: Time) -> Option<Event> {
        let event = self.wheel.pop(limit)?;
        self.now = self.now.max(event.time);
        if !matches!(event.what, Happening::Timer { .. }) {
            self.under_way -= 1;
        }
        Some(event)
    }

    /// A frame will have arrived at the other end of a cable. The reference to it goes over to the event.
    pub(crate) fn cross(&mut self, at: Time, link: u32, side: u8, frame: FrameId, epoch: u32) {
        self.under_way += 1;
        self.wheel.push(Event { time: at, what: Happening::Crossed { link, side, frame, epoch } });
    }

    /// A frame will have arrived at a port of a shared medium. The reference to it goes over to the event.
    pub fn deliver(&mut self, at: Time, node: NodeId, port: u16, frame: FrameId) {
        self.under_way += 1;
        self.wheel.push(Event { time: at, what: Happening::Frame { node, port, frame } });
    }

    /// A frame will have arrived at several ports of a shared medium. The reference to it goes over to the event.
    pub fn deliver_to_group(&mut self, at: Time, medium: u32, group: u32, frame: FrameId) {
        self.under_way += 1;
        self.wheel.push(Event { time: at, what: Happening::Heard { medium, group, frame } });
    }

    /// A shared medium will have something to do.
    pub fn call_medium(&mut self, at: Time, medium: u32, first: u32, second: u32) {
        self.under_way += 1;
        self.wheel.push(Event { time: at, what: Happening::Medium { medium, first, second } });
    }

    /// A node will be woken.
    pub fn wake(&mut self, node: NodeId, at: Time, token: u64) {
        self.wheel.push(Event { time: at, what: Happening::Timer { node, token } });
    }

    /// An event of this moment.
    #[inline]
    pub fn event(&self, node: NodeId, port: u16, verb: Verb, reason: Reason, frame: FrameId, value: u32) -> TraceEvent {
        TraceEvent { time: self.now, node, frame, detail: TraceEvent::NO_DETAIL, port, verb, reason, value }
    }

    /// Records something that happened at a port.
    #[inline]
    pub fn record(&mut self, node: NodeId, port: u16, verb: Verb, reason: Reason, frame: FrameId, value: u32) {
        if self.trace.is_on() {
            match value {
                0 => self.record_plain(node, port, verb, reason, frame),
                _ => self.record_on(node, port, verb, reason, frame, value),
            }
        }
    }

    /// In one place for all who call: most runs have no trace, and most events no number.
    #[inline(never)]
    fn record_plain(&mut self, node: NodeId, port: u16, verb: Verb, reason: Reason, frame: FrameId) {
        let event = self.event(node, port, verb, reason, frame, 0);
        self.trace.record(event, &mut self.frames);
    }

    #[inline(never)]
    fn record_on(&mut self, node: NodeId, port: u16, verb: Verb, reason: Reason, frame: FrameId, value: u32) {
        let event = self.event(node, port, verb, reason, frame, value);
        self.trace.record(event, &mut self.frames);
    }
}
