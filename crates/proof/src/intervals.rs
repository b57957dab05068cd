//! Sets of 16-bit numbers as sorted intervals that neither touch nor overlap: equal sets are equal values.

use serde::Serialize;

/// A set of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Intervals(Vec<(u16, u16)>);

impl Intervals {
    /// Every number from `first` to `last`, both included; empty when they are the wrong way round.
    pub(crate) fn range(first: u16, last: u16) -> Self {
        Self(if first <= last {
            vec![(first, last)]
        } else {
            Vec::new()
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, number: u16) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after > 0 && number <= self.0[after - 1].1
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::of(self.0.iter().chain(&other.0).copied().collect())
    }

    /// Every number of some ranges, in any order, each the right way round: sorted once, however many there are.
    pub(crate) fn of(mut all: Vec<(u16, u16)>) -> Self {
        all.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match merged.last_mut() {
                // Neighbours become one, so that equal sets are equal values.
                Some(open) if u32::from(first) <= u32::from(open.1) + 1 => {
                    open.1 = open.1.max(last)
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let (mut one, mut two) = (
            self.0.iter().copied().peekable(),
            other.0.iter().copied().peekable(),
        );
        let mut both = Vec::new();
        while let (Some(a), Some(b)) = (one.peek().copied(), two.peek().copied()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                both.push((first, last));
            }
            if a.1 < b.1 {
                one.next()
            } else {
                two.next()
            };
        }
        Self(both)
    }

    pub(crate) fn complement(&self) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut next = 0_u32;
        for (first, last) in self.iter() {
            if next < u32::from(first) {
                gaps.push((next as u16, first - 1));
            }
            next = u32::from(last) + 1;
        }
        if let Ok(next) = u16::try_from(next) {
            gaps.push((next, u16::MAX));
        }
        Self(gaps)
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets() -> impl Strategy<Value = Intervals> {
        let edges = prop_oneof![0_u16..=40, (u16::MAX - 20)..=u16::MAX];
        let ranges = proptest::collection::vec((edges.clone(), edges), 0..6);
        ranges.prop_map(|ranges| {
            ranges
                .into_iter()
                .fold(Intervals::default(), |all, (a, b)| {
                    all.union(&Intervals::range(a.min(b), a.max(b)))
                })
        })
    }

    proptest! {
        #[test]
        fn operations_are_those_of_sets(one in sets(), two in sets(), number in prop_oneof![0_u16..=42, (u16::MAX - 22)..=u16::MAX]) {
            let (a, b) = (one.contains(number), two.contains(number));
            prop_assert_eq!(one.union(&two).contains(number), a || b);
            prop_assert_eq!(one.intersection(&two).contains(number), a && b);
            prop_assert_eq!(one.difference(&two).contains(number), a && !b);
            prop_assert_eq!(one.complement().contains(number), !a);
        }

        #[test]
        fn equal_sets_are_equal_values(one in sets(), two in sets()) {
            prop_assert_eq!(one.union(&two), two.union(&one));
            prop_assert_eq!(one.difference(&two).union(&one.intersection(&two)), one.clone());
            prop_assert_eq!(one.complement().complement(), one.clone());
            prop_assert!(one.intersection(&one.complement()).is_empty());
        }
    }
}
