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

/// No frame is as long.
const NO_LAST: (usize, Span, Span) = (usize::MAX, Span::ZERO, Span::ZERO);

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
    /// Longest frame, bytes.
    longest: usize,
    /// Whether anything may go wrong.
    has_chance: bool,
    /// Bytes of the last frame, and what [`Link::lasts`] says of it.
    last: (usize, Span, Span),
    /// Counts failures, so that what was under way at one is lost.
    pub(crate) epoch: u32,
}

impl Link {
    pub(crate) fn new(spec: LinkSpec, a: (NodeId, u16), b: (NodeId, u16)) -> Self {
        let way = |from, to| OneWay { from, to, free_at: Time::ZERO, waiting: VecDeque::new(), chance: None };
        let mut link = Self {
            spec,
            ways: [way(a, b), way(b, a)],
            is_up: true,
            bit: None,
            longest: 0,
            has_chance: false,
            last: NO_LAST,
            epoch: 0,
        };
        link.set_spec(spec);
        link
    }

    /// What it is like.
    pub fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// Changes what it is like for frames sent from now on.
    pub fn set_spec(&mut self, spec: LinkSpec) {
        self.spec = spec;
        self.bit = whole_bit(spec.rate_bits_per_second);
        // A tag of IEEE 802.1Q may come on top of the Ethernet header of 14 bytes.
        self.longest = spec.mtu_bytes as usize + if spec.framing == Framing::Ethernet { 18 } else { 4 };
        self.has_chance = spec.loss_per_million | spec.duplicate_per_million | spec.reorder_per_million != 0;
        self.last = NO_LAST;
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

    /// The port that a frame from one side comes to.
    pub(crate) fn other_end(&self, side: u8) -> (NodeId, u16) {
        self.ways[usize::from(side & 1)].to
    }

    /// How long a frame occupies the sender, and after which time the receiver has it.
    fn lasts(&mut self, bytes: usize) -> (Span, Span) {
        // Frames of one length often follow each other.
        if self.last.0 != bytes {
            self.measure(bytes);
        }
        (self.last.1, self.last.2)
    }

    #[inline(never)]
    fn measure(&mut self, bytes: usize) {
        let lasts = |bits| match self.bit {
            Some(bit) => Span(bit * bits),
            None => Span::of_bits(bits, self.spec.rate_bits_per_second),
        };
        let framing = self.spec.framing;
        let received = lasts(framing.bits_received(bytes)).0.saturating_add(self.spec.delay.0);
        self.last = (bytes, lasts(framing.bits(bytes)), Span(received));
    }

    /// Sends a frame from one side of the link, whose number is given; the reference goes over.
    pub(crate) fn transmit(&mut self, wires: &mut Wires, (number, side): (u32, u8), frame: FrameId) {
        let bytes = wires.frames.length(frame);
        let (occupies, takes) = self.lasts(bytes);
        let way = &mut self.ways[usize::from(side & 1)];
        let ((node, port), now) = (way.from, wires.now);
        let start = if !self.is_up {
            Err(Reason::LinkDown)
        } else if bytes > self.longest {
            Err(Reason::TooLong)
        } else {
            way.queue(now, self.spec.queue_frames)
        };
        let start = match start {
            Ok(start) => start,
            Err(reason) => return lose(wires, (node, port), reason, frame),
        };
        way.free_at = start + occupies;
        let mut arrival = start + takes;
        wires.record(node, port, Verb::Send, Reason::Wire, frame, 0);
        if self.has_chance {
            let chance = Chance { spec: &self.spec, link: (number, side), epoch: self.epoch };
            match chance.decide(way, wires, arrival, frame) {
                Some(later) => arrival = later,
                None => return lose(wires, (node, port), Reason::Lost, frame),
            }
        }
        wires.cross(arrival, number, side, frame, self.epoch);
    }
}

impl OneWay {
    /// When a frame that comes now begins to be sent. Errors: too many wait.
    fn queue(&mut self, now: Time, most: u32) -> Result<Time, Reason> {
        if self.free_at <= now {
            if !self.waiting.is_empty() {
                self.waiting.clear();
            }
            return Ok(now);
        }
        while self.waiting.front().is_some_and(|start| *start <= now) {
            self.waiting.pop_front();
        }
        if self.waiting.len() >= most as usize {
            return Err(Reason::QueueFull);
        }
        self.waiting.push_back(self.free_at);
        Ok(self.free_at)
    }
}

#[cold]
fn lose(wires: &mut Wires, (node, port): (NodeId, u16), reason: Reason, frame: FrameId) {
    wires.record(node, port, Verb::Drop, reason, frame, 0);
    wires.frames.release(frame);
}

/// What may go wrong on the way of a frame.
struct Chance<'a> {
    spec: &'a LinkSpec,
    link: (u32, u8),
    epoch: u32,
}

impl Chance<'_> {
    /// When the frame arrives; nothing if it is lost.
    #[inline(never)]
    fn decide(&self, way: &mut OneWay, wires: &mut Wires, arrival: Time, frame: FrameId) -> Option<Time> {
        let (node, port) = way.from;
        // One end's chance for each port: the port is part of the purpose.
        let chance = way.chance.get_or_insert_with(|| Box::new(Random::new(wires.seed, node, &format!("link {port}"))));
        if chance.happens(self.spec.loss_per_million) {
            return None;
        }
        if chance.happens(self.spec.duplicate_per_million) {
            wires.record(node, port, Verb::Note, Reason::Duplicated, frame, 0);
            wires.frames.hold(frame);
            wires.cross(arrival, self.link.0, self.link.1, frame, self.epoch);
        }
        if chance.happens(self.spec.reorder_per_million) {
            wires.record(node, port, Verb::Note, Reason::Reordered, frame, 0);
            return Some(arrival + self.spec.reorder_delay);
        }
        Some(arrival)
    }
}
