//! Sets of small numbers as machine words: atoms of traffic, classes of places.

use std::ops::Range;

/// A set of numbers below a bound that its maker knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    /// None of the numbers below `bound`.
    pub(crate) fn none(bound: usize) -> Self {
        Self(vec![0; bound.div_ceil(64)].into_boxed_slice())
    }

    /// Every number below `bound`.
    pub(crate) fn all(bound: usize) -> Self {
        let mut bits = Self::none(bound);
        bits.insert_run(0..bound);
        bits
    }

    pub(crate) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    /// Takes in every number of a run, a word at a time.
    pub(crate) fn insert_run(&mut self, run: Range<usize>) {
        let mut at = run.start;
        while at < run.end {
            let (word, bit) = (at / 64, at % 64);
            let count = (64 - bit).min(run.end - at);
            self.0[word] |= (u64::MAX >> (64 - count)) << bit;
            at += count;
        }
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        (self.0[number / 64] >> (number % 64)) & 1 == 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Takes every number out.
    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Becomes the other one, of the same bound.
    pub(crate) fn copy(&mut self, other: &Self) {
        self.0.copy_from_slice(&other.0);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0
            .iter_mut()
            .zip(&other.0)
            .for_each(|(own, other)| *own |= other);
    }

    pub(crate) fn keep(&mut self, other: &Self) {
        self.0
            .iter_mut()
            .zip(&other.0)
            .for_each(|(own, other)| *own &= other);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_in_and_come_out_in_order() {
        let mut bits = Bits::none(130);
        for number in [129, 0, 63, 64] {
            bits.insert(number);
        }
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 129]);
        let mut all = Bits::all(130);
        assert_eq!(all.iter().count(), 130);
        all.keep(&bits);
        assert_eq!(all, bits);
        let mut none = Bits::none(130);
        none.add(&bits);
        assert_eq!(none, bits);
        for run in [0..0, 3..3, 0..1, 0..64, 5..64, 63..65, 1..130, 64..128, 128..130] {
            let (mut whole, mut single) = (Bits::none(130), Bits::none(130));
            whole.insert_run(run.clone());
            run.clone().for_each(|number| single.insert(number));
            assert_eq!(whole, single, "{run:?}");
        }
    }
}
