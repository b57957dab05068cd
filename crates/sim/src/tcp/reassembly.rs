//! What arrived beyond a gap: which ranges, and in which order to report them (RFC 2018 4). The bytes themselves
//! lie in the receive buffer, at their places.

use super::Sequence;
use super::ranges::{Range, Ranges};

/// Out-of-order ranges kept at most; a segment that would make one more is not kept, and comes again.
pub const MAXIMUM_RANGES: usize = 64;
/// Blocks that fit beside no other option (RFC 2018 3).
pub const MAXIMUM_BLOCKS: usize = 4;

/// The ranges beyond the next expected byte.
#[derive(Debug, Clone, Default)]
pub struct Reassembly {
    ranges: Ranges,
    /// A byte of each of the ranges that changed last, the latest first.
    recent: [Option<Sequence>; MAXIMUM_BLOCKS],
}

impl Reassembly {
    /// No gap.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Bytes that wait behind a gap.
    pub fn bytes(&self) -> u32 {
        self.ranges.bytes()
    }

    /// Notes a range beyond a gap. False if there are too many, and its bytes are not to be kept.
    pub fn insert(&mut self, range: Range) -> bool {
        if self.ranges.as_slice().len() >= MAXIMUM_RANGES && self.ranges.would_grow(range) {
            return false;
        }
        self.ranges.insert(range);
        let whole = self.ranges.holding(range.0);
        // Ranges that were joined are reported once, as the latest.
        let same = |place: &Sequence| whole.is_some_and(|(from, to)| !place.before(from) && place.before(to));
        let mut recent = [None; MAXIMUM_BLOCKS];
        let others = self.recent.iter().flatten().filter(|place| !same(place)).copied();
        for (slot, place) in recent.iter_mut().zip([range.0].into_iter().chain(others)) {
            *slot = Some(place);
        }
        self.recent = recent;
        true
    }

    /// Everything before `next` has arrived in order. Returns where the data is whole up to, `next` or later.
    pub fn advance(&mut self, next: Sequence) -> Sequence {
        if self.ranges.is_empty() {
            return next;
        }
        let whole = self.ranges.holding(next).map_or(next, |(_, to)| to);
        self.ranges.remove_before(whole);
        if self.ranges.is_empty() {
            self.recent = [None; MAXIMUM_BLOCKS];
        }
        whole
    }

    /// The blocks to report, the one that changed last first, at most so many.
    pub fn blocks(&self, most: usize) -> impl Iterator<Item = (u32, u32)> {
        let ranges = self.recent.iter().flatten().filter_map(|&place| self.ranges.holding(place));
        ranges.take(most).map(|(from, to)| (from.0, to.0))
    }

    /// Lets go of everything, its memory too.
    pub fn release(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: u32, to: u32) -> Range {
        (Sequence(from), Sequence(to))
    }

    #[test]
    fn the_block_that_changed_last_is_reported_first() {
        let mut reassembly = Reassembly::default();
        for (from, to) in [(20, 30), (40, 50), (60, 70), (80, 90), (100, 110)] {
            assert!(reassembly.insert(range(from, to)));
        }
        assert_eq!(reassembly.blocks(4).collect::<Vec<_>>(), [(100, 110), (80, 90), (60, 70), (40, 50)]);
        assert!(reassembly.insert(range(50, 60)));
        assert_eq!(reassembly.blocks(3).collect::<Vec<_>>(), [(40, 70), (100, 110), (80, 90)]);
        assert_eq!(reassembly.bytes(), 60);
    }

    #[test]
    fn a_filled_gap_gives_all_up_to_the_next_one() {
        let mut reassembly = Reassembly::default();
        reassembly.insert(range(20, 30));
        reassembly.insert(range(40, 50));
        assert_eq!(reassembly.advance(Sequence(10)), Sequence(10));
        assert_eq!(reassembly.advance(Sequence(20)), Sequence(30));
        assert_eq!(reassembly.blocks(4).collect::<Vec<_>>(), [(40, 50)]);
        assert_eq!(reassembly.advance(Sequence(45)), Sequence(50));
        assert!(reassembly.is_empty());
    }

    #[test]
    fn ranges_are_bounded_and_growing_one_is_always_possible() {
        let mut reassembly = Reassembly::default();
        for i in 0..MAXIMUM_RANGES as u32 {
            assert!(reassembly.insert(range(i * 10 + 5, i * 10 + 6)));
        }
        assert!(!reassembly.insert(range(5_000, 5_001)));
        assert!(reassembly.insert(range(6, 8)));
        assert_eq!(reassembly.bytes() as usize, MAXIMUM_RANGES + 2);
    }
}
