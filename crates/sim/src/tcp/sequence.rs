//! Sequence numbers: 32 bits that wrap, compared by the shorter way round (RFC 9293 3.4). No ranges here.

use std::fmt;

use serde::Serialize;

/// A place in the sequence space of one direction. There is no total order: of two places less than 2^31 apart,
/// [`Sequence::before`] says which comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Sequence(pub u32);

impl Sequence {
    /// So many bytes on.
    #[must_use]
    pub const fn plus(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// So many bytes back.
    #[must_use]
    pub const fn minus(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }

    /// How many bytes lie between an `earlier` place and this one.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// True if this place comes before the other.
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// True if this place comes after the other.
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// The later of both.
    #[must_use]
    pub const fn latest(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of both.
    #[must_use]
    pub const fn earliest(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_of_the_space_comes_before_its_beginning() {
        assert!(Sequence(u32::MAX).before(Sequence(0)));
        assert!(Sequence(3).after(Sequence(u32::MAX - 5)));
        assert!(!Sequence(7).before(Sequence(7)) && !Sequence(7).after(Sequence(7)));
        assert_eq!(Sequence(2).since(Sequence(u32::MAX)), 3);
    }

    proptest! {
        #[test]
        fn what_lies_less_than_half_the_space_ahead_comes_after(place: u32, bytes in 1u32..1 << 31) {
            let (earlier, later) = (Sequence(place), Sequence(place).plus(bytes));
            prop_assert!(earlier.before(later) && later.after(earlier) && !later.before(earlier));
            prop_assert_eq!(later.since(earlier), bytes);
            prop_assert_eq!(later.minus(bytes), earlier);
            prop_assert_eq!((earlier.latest(later), earlier.earliest(later)), (later, earlier));
        }
    }
}
