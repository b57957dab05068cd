//! A cable between two ports, full duplex: a rate, a delay, a queue at each end, and what may go wrong on the way.

use std::collections::VecDeque;

use serde::Serialize;

use crate::frame::{CHECK_SEQUENCE, FrameId, GAP_BITS, PREAMBLE, SHORTEST};
use crate::node::NodeId;
use crate::random::Random;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};
use crate::wires::Wires;

/// How bytes become frames on a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// IEEE 802.3, with addresses.
    #[default]
    Ethernet,
    /// PPP in HDLC-like framing (RFC 1661, RFC 1662).
    Ppp,
    /// Cisco's HDLC.
    Hdlc,
}

impl Framing {
    /// Bits that a frame takes, gap included.
    pub fn bits(self, bytes: usize) -> u64 {
        match self {
            Self::Ethernet => 8 * (bytes.max(SHORTEST) + CHECK_SEQUENCE + PREAMBLE) as u64 + GAP_BITS,
            // A flag and two bytes of check sequence (RFC 1662 3.1); the flag of the next frame ends this one.
            Self::Ppp | Self::Hdlc => 8 * (bytes + 3) as u64,
        }
    }

    /// Bits after which the receiver has the frame: the gap is silence.
    fn bits_received(self, bytes: usize) -> u64 {
        match self {
            Self::Ethernet => self.bits(bytes) - GAP_BITS,
            Self::Ppp | Self::Hdlc => self.bits(bytes),
        }
    }
}

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LinkSpec {
    /// Bits per second, each way.
    pub rate_bits_per_second: u64,
    /// From one end to the other.
    pub delay: Span,
    /// Frames that wait at an end, besides the one being sent.
    pub queue_frames: u32,
    /// Longest payload of a frame, bytes.
    pub mtu_bytes: u32,
    /// Of a million frames, so many are lost.
    pub loss_per_million: u32,
    /// Of a million frames, so many arrive twice.
    pub duplicate_per_million: u32,
    /// Of a million frames, so many arrive later by [`LinkSpec::reorder_delay`].
    pub reorder_per_million: u32,
    /// How much later.
    pub reorder_delay: Span,
    /// How it frames.
    pub framing: Framing,
}

impl Default for LinkSpec {
    /// A gigabit over ten metres of cable, with a thousand frames of queue (Linux's `txqueuelen`).
    fn default() -> Self {
        Self {
            rate_bits_per_second: 1_000_000_000,
            delay: Span::nanoseconds(50),
            queue_frames: 1_000,
            mtu_bytes: 1_500,
            loss_per_million: 0,
            duplicate_per_million: 0,
            reorder_per_million: 0,
            reorder_delay: Span::milliseconds(1),
            framing: Framing::Ethernet,
        }
    }
}

/// Nanoseconds of a bit at a rate, if they are whole.
fn whole_bit(bits_per_second: u64) -> Option<u64> {
    let is_whole = bits_per_second > 0 && 1_000_000_000_u64.is_multiple_of(bits_per_second);
    is_whole.then(|| 1_000_000_000 / bits_per_second)
}

/// One way of a link.
#[derive(Debug)]
struct OneWay {
    to: (NodeId, u16),
    from: (NodeId, u16),
    /// When the last bit that was accepted, and the gap after it, are sent.
    free_at: Time,
    /// When each frame that waits begins to be sent.
    waiting: VecDeque<Time>,
    chance: Option<Box<Random>>,
}

/// A link.
#[derive(Debug)]
pub struct Link {
    spec: LinkSpec,
    ways: [OneWay; 2],
    is_up: bool,
    /// How long a bit takes, if that is a whole number of nanoseconds: it saves divisions.
    bit: Option<u64>,
    /// Counts failures, so that what was under way at one is lost.
    pub(crate) epoch: u32,
}

impl Link {
    pub(crate) fn new(spec: LinkSpec, a: (NodeId, u16), b: (NodeId, u16)) -> Self {
        let way = |from, to| OneWay { from, to, free_at: Time::ZERO, waiting: VecDeque::new(), chance: None };
        Self { spec, ways: [way(a, b), way(b, a)], is_up: true, bit: whole_bit(spec.rate_bits_per_second), epoch: 0 }
    }

    /// What it is like.
    pub fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// Changes what it is like for frames sent from now on.
    pub fn set_spec(&mut self, spec: LinkSpec) {
        self.spec = spec;
        self.bit = whole_bit(spec.rate_bits_per_second);
    }

    /// Whether it works.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Its two ends.
    pub fn ends(&self) -> [(NodeId, u16); 2] {
        [self.ways[0].from, self.ways[1].from]
    }

    /// Makes it fail or work again; whether that is a change.
    pub(crate) fn set_up(&mut self, is_up: bool) -> bool {
        let changed = self.is_up != is_up;
        if changed && !is_up {
            self.epoch = self.epoch.wrapping_add(1);
            for way in &mut self.ways {
                way.waiting.clear();
                way.free_at = Time::ZERO;
            }
        }
        self.is_up = is_up;
        changed
    }

    /// Frames that wait or are being sent at an end.
    pub fn queued(&self, side: usize, now: Time) -> usize {
        let way = &self.ways[side];
        way.waiting.iter().filter(|start| **start > now).count() + usize::from(way.free_at > now)
    }

    /// Sends a frame from one side; the reference goes over.
    pub(crate) fn transmit(&mut self, wires: &mut Wires, side: usize, frame: FrameId) {
        let spec = self.spec;
        let bit = self.bit;
        let lasts = |bits| match bit {
            Some(bit) => Span(bit * bits),
            None => Span::of_bits(bits, spec.rate_bits_per_second),
        };
        let way = &mut self.ways[side];
        let ((node, port), now) = (way.from, wires.now);
        let lose = |wires: &mut Wires, reason| {
            wires.record(node, port, Verb::Drop, reason, frame, 0);
            wires.frames.release(frame);
        };
        if !self.is_up {
            return lose(wires, Reason::LinkDown);
        }
        let bytes = wires.frames.bytes(frame).len();
        // A tag of IEEE 802.1Q may come on top of the Ethernet header of 14 bytes.
        let header = if spec.framing == Framing::Ethernet { 18 } else { 4 };
        if bytes > spec.mtu_bytes as usize + header {
            return lose(wires, Reason::TooLong);
        }
        let start = if way.free_at <= now {
            way.waiting.clear();
            now
        } else {
            while way.waiting.front().is_some_and(|start| *start <= now) {
                way.waiting.pop_front();
            }
            if way.waiting.len() >= spec.queue_frames as usize {
                return lose(wires, Reason::QueueFull);
            }
            way.waiting.push_back(way.free_at);
            way.free_at
        };
        way.free_at = start + lasts(spec.framing.bits(bytes));
        let mut arrival = start + lasts(spec.framing.bits_received(bytes)) + spec.delay;
        wires.record(node, port, Verb::Send, Reason::Wire, frame, 0);
        if spec.loss_per_million | spec.duplicate_per_million | spec.reorder_per_million != 0 {
            // One end's chance for each port: the port is part of the purpose.
            let chance = way.chance.get_or_insert_with(|| Box::new(Random::new(wires.seed, node, &format!("link {port}"))));
            if chance.happens(spec.loss_per_million) {
                return lose(wires, Reason::Lost);
            }
            if chance.happens(spec.duplicate_per_million) {
                wires.record(node, port, Verb::Note, Reason::Duplicated, frame, 0);
                wires.frames.hold(frame);
                wires.deliver(arrival, way.to.0, way.to.1, frame, self.epoch);
            }
            if chance.happens(spec.reorder_per_million) {
                wires.record(node, port, Verb::Note, Reason::Reordered, frame, 0);
                arrival += spec.reorder_delay;
            }
        }
        wires.deliver(arrival, way.to.0, way.to.1, frame, self.epoch);
    }
}
