//! What a shared medium is like, in bit times as the standard has it, and the same in nanoseconds.

use serde::Serialize;

use crate::frame::{GAP_BITS, PREAMBLE, wire_bits};
use crate::time::Span;

/// What a shared medium is like (IEEE 802.3 4A.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SegmentSpec {
    /// Bits per second.
    pub rate_bits_per_second: u64,
    /// Unit of backoff, and how long after its start a transmission may collide.
    pub slot_bits: u64,
    /// Silence between frames.
    pub gap_bits: u64,
    /// What a station goes on sending so that all notice a collision.
    pub jam_bits: u64,
    /// Attempts after which a frame is given up.
    pub attempts: u32,
    /// Collisions after which the range of backoff grows no more: 10 for 0 to 1,023 slots.
    pub backoff_limit: u32,
    /// Frames that wait at a station, besides the one whose turn it is.
    pub queue_frames: u32,
    /// How long a station takes from the end of one frame until it has the next one ready; nothing in an ideal one.
    pub turnaround: Span,
}

impl Default for SegmentSpec {
    /// Ethernet of 10 Mb/s.
    fn default() -> Self {
        Self {
            rate_bits_per_second: 10_000_000,
            slot_bits: 512,
            gap_bits: GAP_BITS,
            jam_bits: 32,
            attempts: 16,
            backoff_limit: 10,
            queue_frames: 1_000,
            turnaround: Span::ZERO,
        }
    }
}

/// The same in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub slot: u64,
    pub gap: u64,
    /// Carrier in the first two thirds of the gap makes it begin anew; in the last third it is ignored, for fairness
    /// (4.2.3.2.2).
    pub watched_gap: u64,
    pub jam: u64,
    pub preamble: u64,
    rate: u64,
}

impl Timing {
    pub fn new(spec: &SegmentSpec) -> Self {
        let rate = spec.rate_bits_per_second;
        let bits = |bits| Span::of_bits(bits, rate).0;
        Self {
            slot: bits(spec.slot_bits),
            gap: bits(spec.gap_bits),
            watched_gap: bits(spec.gap_bits * 2 / 3),
            jam: bits(spec.jam_bits),
            preamble: bits(8 * PREAMBLE as u64),
            rate,
        }
    }

    /// How long so many bytes take with all that belongs to them but the gap.
    pub fn frame(&self, bytes: usize) -> u64 {
        Span::of_bits(wire_bits(bytes), self.rate).0
    }
}
