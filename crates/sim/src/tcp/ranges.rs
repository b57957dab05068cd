//! A sorted list of ranges of sequence numbers, none touching another. What they mean is told by who keeps them.

use super::Sequence;

/// From the first byte (included) to the last (excluded).
pub type Range = (Sequence, Sequence);

/// Ranges in order, apart from each other. Takes no memory while empty and new.
#[derive(Debug, Clone, Default)]
pub struct Ranges {
    sorted: Vec<Range>,
    bytes: u32,
}

impl Ranges {
    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Bytes in all ranges.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// The ranges, first one first.
    pub fn as_slice(&self) -> &[Range] {
        &self.sorted
    }

    /// True if taking this range would make one more.
    pub fn would_grow(&self, (from, to): Range) -> bool {
        !self.sorted.iter().any(|&(start, end)| !from.after(end) && !start.after(to))
    }

    /// Takes a range in and joins what touches. Returns how many bytes were not there.
    pub fn insert(&mut self, (mut from, mut to): Range) -> u32 {
        if !from.before(to) {
            return 0;
        }
        let first = self.sorted.partition_point(|&(_, end)| end.before(from));
        let mut last = first;
        let mut had = 0;
        while let Some(&(start, end)) = self.sorted.get(last).filter(|(start, _)| !start.after(to)) {
            (from, to) = (from.earliest(start), to.latest(end));
            had += end.since(start);
            last += 1;
        }
        if last == first {
            self.sorted.insert(first, (from, to));
        } else {
            self.sorted[first] = (from, to);
            self.sorted.drain(first + 1..last);
        }
        let added = to.since(from) - had;
        self.bytes += added;
        added
    }

    /// Lets go of everything before `place`.
    pub fn remove_before(&mut self, place: Sequence) {
        let gone = self.sorted.partition_point(|&(_, end)| !end.after(place));
        for (start, end) in self.sorted.drain(..gone) {
            self.bytes -= end.since(start);
        }
        if let Some(first) = self.sorted.first_mut().filter(|(start, _)| start.before(place)) {
            self.bytes -= place.since(first.0);
            first.0 = place;
        }
    }

    /// Lets go of everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.sorted.clear();
        self.bytes = 0;
    }

    /// The range that holds this place.
    pub fn holding(&self, place: Sequence) -> Option<Range> {
        let at = self.sorted.partition_point(|&(_, end)| !end.after(place));
        self.sorted.get(at).copied().filter(|(start, _)| !start.after(place))
    }

    /// The first gap at or after `place` and before `limit`.
    pub fn gap(&self, place: Sequence, limit: Sequence) -> Option<Range> {
        let mut from = place;
        for &(start, end) in &self.sorted[self.sorted.partition_point(|&(_, end)| !end.after(place))..] {
            if from.before(start) {
                return from.before(limit).then(|| (from, start.earliest(limit)));
            }
            from = end;
        }
        from.before(limit).then_some((from, limit))
    }

    /// Bytes of the ranges that lie from one place to another.
    pub fn bytes_between(&self, from: Sequence, to: Sequence) -> u32 {
        self.sorted
            .iter()
            .map(|&(start, end)| (start.latest(from), end.earliest(to)))
            .filter(|(start, end)| start.before(*end))
            .map(|(start, end)| end.since(start))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(ranges: &Ranges) -> Vec<(u32, u32)> {
        ranges.as_slice().iter().map(|&(from, to)| (from.0, to.0)).collect()
    }

    fn range(from: u32, to: u32) -> Range {
        (Sequence(from), Sequence(to))
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut ranges = Ranges::default();
        for (from, to) in [(10, 20), (30, 40), (50, 60)] {
            assert_eq!(ranges.insert(range(from, to)), 10);
        }
        assert_eq!(of(&ranges), [(10, 20), (30, 40), (50, 60)]);
        assert!(ranges.would_grow(range(61, 65)) && !ranges.would_grow(range(60, 65)));
        assert_eq!(ranges.insert(range(20, 55)), 20);
        assert_eq!(of(&ranges), [(10, 60)]);
        assert_eq!(ranges.insert(range(12, 14)), 0);
    }

    #[test]
    fn gaps_are_found_from_any_place() {
        let mut ranges = Ranges::default();
        ranges.insert(range(10, 20));
        ranges.insert(range(30, 40));
        let table = [
            ((0, 50), Some((0, 10))),
            ((15, 50), Some((20, 30))),
            ((25, 28), Some((25, 28))),
            ((35, 50), Some((40, 50))),
        ];
        for ((from, to), gap) in table {
            assert_eq!(ranges.gap(Sequence(from), Sequence(to)).map(|(a, b)| (a.0, b.0)), gap);
        }
        assert_eq!(ranges.gap(Sequence(12), Sequence(18)), None);
        assert_eq!(ranges.gap(Sequence(33), Sequence(40)), None);
    }

    proptest! {
        #[test]
        fn ranges_are_the_set_of_the_bytes_taken_in(
            base: u32, taken in prop::collection::vec((0u32..120, 0u32..30), 0..20), cut in 0u32..150,
        ) {
            let mut ranges = Ranges::default();
            let mut set = [false; 150];
            for (from, length) in taken {
                let added = ranges.insert((Sequence(base).plus(from), Sequence(base).plus(from + length)));
                let fresh = set[from as usize..(from + length) as usize].iter_mut().filter(|byte| !**byte);
                prop_assert_eq!(added as usize, fresh.map(|byte| *byte = true).count());
            }
            ranges.remove_before(Sequence(base).plus(cut));
            set[..cut as usize].fill(false);
            for (at, held) in set.iter().enumerate() {
                prop_assert_eq!(ranges.holding(Sequence(base).plus(at as u32)).is_some(), *held);
            }
            let held = set.iter().filter(|held| **held).count();
            prop_assert_eq!(ranges.bytes() as usize, held);
            prop_assert_eq!(ranges.bytes_between(Sequence(base), Sequence(base).plus(150)) as usize, held);
            prop_assert!(ranges.as_slice().windows(2).all(|pair| pair[0].1.before(pair[1].0)));
        }
    }
}
