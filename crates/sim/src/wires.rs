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
    audiences: Vec<Box<[(NodeId, u16)]>>,
    spread: Spread,
    /// Events that the wheel does not count: all but the first of each that reaches several ports.
    unspread: usize,
}

/// A frame that is reaching several ports, one after the other.
#[derive(Debug, Default)]
struct Spread {
    audience: u32,
    next: u32,
    left: u32,
    frame: u32,
}

impl Wires {
    pub(crate) fn new(seed: u64, bounds: Bounds) -> Self {
        let (now, frames, trace) = (Time::ZERO, Frames::default(), Trace::new(bounds));
        let (wheel, audiences, spread) = (Wheel::default(), Vec::new(), Spread::default());
        Self { now, frames, trace, seed, wheel, under_way: 0, audiences, spread, unspread: 0 }
    }

    /// Events to come.
    pub fn pending(&self) -> usize {
        self.wheel.pending() + self.unspread
    }

    /// Frames that have not arrived, and what shared media still have to do.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    pub(crate) fn next(&mut self, limit: Time) -> Option<Event> {
        if self.spread.left > 0 {
            // The present may be later than a limit that was set anew.
            if self.now > limit {
                return None;
            }
            self.unspread -= 1;
            return Some(self.next_of_spread());
        }
        let event = self.wheel.pop(limit)?;
        self.now = self.now.max(event.time);
        match event.what {
            Happening::Timer { .. } => {}
            Happening::Frames { audience, frame } => {
                let left = self.audiences[audience as usize].len() as u32;
                self.spread = Spread { audience, next: 0, left, frame: frame.0 };
                return Some(self.next_of_spread());
            }
            Happening::Frame { .. } | Happening::Medium { .. } => self.under_way -= 1,
        }
        Some(event)
    }

    fn next_of_spread(&mut self) -> Event {
        let (node, port) = self.audiences[self.spread.audience as usize][self.spread.next as usize];
        self.spread.next += 1;
        self.spread.left -= 1;
        self.under_way -= 1;
        let frame = FrameId(self.spread.frame);
        Event { time: self.now, what: Happening::Frame { node, port, frame, epoch: 0 } }
    }

    /// Ports of shared media that frames reach at one moment; at least one. Returns its number.
    pub fn add_audience(&mut self, ports: Vec<(NodeId, u16)>) -> u32 {
        self.audiences.push(ports.into_boxed_slice());
        (self.audiences.len() - 1) as u32
    }

    /// A frame will have arrived at all ports of an audience: the same as [`Wires::deliver`] to one after the other. The
    /// event holds a reference of its own for each.
    pub fn deliver_to_all(&mut self, at: Time, audience: u32, frame: FrameId) {
        let ports = self.audiences[audience as usize].len();
        self.frames.hold_times(frame, ports as u32);
        self.under_way += ports;
        self.unspread += ports - 1;
        self.wheel.push(Event { time: at, what: Happening::Frames { audience, frame } });
    }

    /// A frame will have arrived at a port. The reference to it goes over to the event.
    pub fn deliver(&mut self, at: Time, node: NodeId, port: u16, frame: FrameId, epoch: u32) {
        self.under_way += 1;
        self.wheel.push(Event { time: at, what: Happening::Frame { node, port, frame, epoch } });
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
    pub fn event(&self, node: NodeId, port: u16, verb: Verb, reason: Reason, frame: FrameId, value: u32) -> TraceEvent {
        TraceEvent { time: self.now, node, frame, detail: TraceEvent::NO_DETAIL, port, verb, reason, value }
    }

    /// Records something that happened at a port.
    pub fn record(&mut self, node: NodeId, port: u16, verb: Verb, reason: Reason, frame: FrameId, value: u32) {
        if self.trace.is_on() {
            let event = self.event(node, port, verb, reason, frame, value);
            self.trace.record(event, &mut self.frames);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_for_all_is_one_for_each_in_their_order() {
        let mut wires = Wires::new(1, Bounds::NONE);
        let frame = wires.frames.make(FrameId::NONE, |bytes| bytes.push(1));
        let ports = [(NodeId(4), 0), (NodeId(2), 7), (NodeId(3), 1)];
        let audience = wires.add_audience(ports.to_vec());
        wires.wake(NodeId(9), Time(10), 1);
        wires.deliver_to_all(Time(10), audience, frame);
        wires.wake(NodeId(9), Time(10), 2);
        wires.frames.release(frame);
        assert_eq!((wires.pending(), wires.under_way()), (5, 3));
        assert_eq!(wires.next(Time(9)), None);
        let timer = |token| Happening::Timer { node: NodeId(9), token };
        let mut expected = vec![timer(1)];
        expected.extend(ports.map(|(node, port)| Happening::Frame { node, port, frame, epoch: 0 }));
        expected.push(timer(2));
        for (taken, what) in expected.into_iter().enumerate() {
            assert_eq!(wires.next(Time(10)), Some(Event { time: Time(10), what }));
            assert_eq!((wires.pending(), wires.under_way()), (4 - taken, [3, 2, 1, 0, 0][taken]));
            // An earlier limit stops it in the midst of them.
            assert_eq!(wires.next(Time(9)), None);
        }
        (0..3).for_each(|_| wires.frames.release(frame));
        assert_eq!(wires.frames.held(), 0);
    }
}
