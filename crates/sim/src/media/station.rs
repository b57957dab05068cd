//! A station of a shared medium: what waits there, and what it has been through.

use std::collections::VecDeque;

use crate::frame::FrameId;
use crate::node::NodeId;
use crate::random::Random;

/// What happened at a station so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were sent whole.
    pub sent: u64,
    /// Bits of those, preamble and padding included.
    pub sent_bits: u64,
    /// Attempts that ended in a collision.
    pub collided: u64,
    /// Of those, later than the slot time.
    pub late: u64,
    /// Frames given up after the last attempt.
    pub excessive: u64,
    /// Frames that found the queue full.
    pub queue_full: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            sent_bits: self.sent_bits + other.sent_bits,
            collided: self.collided + other.collided,
            late: self.late + other.late,
            excessive: self.excessive + other.excessive,
            queue_full: self.queue_full + other.queue_full,
        }
    }
}

#[derive(Debug)]
pub(super) struct Station {
    pub node: NodeId,
    pub port: u16,
    pub position: u64,
    /// The first is the one whose turn it is.
    pub queue: VecDeque<FrameId>,
    /// Attempts for the first.
    pub attempts: u32,
    /// Made when it is first needed.
    pub random: Option<Box<Random>>,
    pub counts: Counts,
}

impl Station {
    pub fn new(node: NodeId, port: u16, position: u64) -> Self {
        let (queue, random, counts) = (VecDeque::new(), None, Counts::default());
        Self { node, port, position, queue, attempts: 0, random, counts }
    }

    /// Slots to wait after a collision: truncated binary exponential backoff (4.2.3.2.5).
    pub fn backoff(&mut self, seed: u64, limit: u32) -> u32 {
        let (node, port, range) = (self.node, self.port, 1 << self.attempts.min(limit).min(31));
        // Two ports of a node draw apart: the port is part of the purpose.
        let stream = || Box::new(Random::new(seed, node, &format!("backoff {port}")));
        self.random.get_or_insert_with(stream).below(range)
    }
}
