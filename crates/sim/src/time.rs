//! Simulated time: whole nanoseconds, so that every platform counts alike.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use serde::Serialize;

/// A moment: nanoseconds since the simulation began. The last one, 584 years in, stands for never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Time(pub u64);

/// A length of time in nanoseconds; sums stop at the largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span(pub u64);

impl Time {
    /// The beginning.
    pub const ZERO: Self = Self(0);
    /// Never.
    pub const NEVER: Self = Self(u64::MAX);

    /// How long ago `earlier` was; nothing if it is yet to come.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the beginning.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Nanoseconds.
    pub const fn nanoseconds(n: u64) -> Self {
        Self(n)
    }

    /// Microseconds.
    pub const fn microseconds(n: u64) -> Self {
        Self(n.saturating_mul(1_000))
    }

    /// Milliseconds.
    pub const fn milliseconds(n: u64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }

    /// Seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(n.saturating_mul(1_000_000_000))
    }

    /// So many times as long.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// How long `bits` take at a rate in bits per second, rounded up; forever at none.
    pub const fn of_bits(bits: u64, bits_per_second: u64) -> Self {
        if bits_per_second == 0 {
            return Self(u64::MAX);
        }
        // In 64 bits for all frames of real links; a product beyond that takes 128.
        match bits.checked_mul(1_000_000_000) {
            Some(product) => Self(product.div_ceil(bits_per_second)),
            None => {
                let wide = (bits as u128 * 1_000_000_000).div_ceil(bits_per_second as u128);
                if wide > u64::MAX as u128 { Self(u64::MAX) } else { Self(wide as u64) }
            }
        }
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Time {
    /// In the unit that people read: `1.204 ms`, `12 µs`, `3.000001 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_unit(f, self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_unit(f, self.0)
    }
}

fn write_unit(f: &mut fmt::Formatter<'_>, nanoseconds: u64) -> fmt::Result {
    if nanoseconds == u64::MAX {
        return f.pad("never");
    }
    let (unit, name) = match nanoseconds {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (whole, mut rest, mut digits) = (nanoseconds / unit, nanoseconds % unit, unit.ilog10() as usize);
    while digits > 0 && rest.is_multiple_of(10) {
        rest /= 10;
        digits -= 1;
    }
    match digits {
        0 => f.pad(&format!("{whole} {name}")),
        _ => f.pad(&format!("{whole}.{rest:0digits$} {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        let table = [(0, "0 ns"), (999, "999 ns"), (1_500, "1.5 µs"), (1_204_000, "1.204 ms"), (3_000_001_000, "3.000001 s")];
        for (nanoseconds, text) in table {
            assert_eq!(Time(nanoseconds).to_string(), text);
        }
        assert_eq!(Time::NEVER.to_string(), "never");
    }

    #[test]
    fn bits_take_as_long_as_the_rate_says_rounded_up() {
        assert_eq!(Span::of_bits(512, 10_000_000), Span(51_200));
        assert_eq!(Span::of_bits(1, 3_000_000_000), Span(1));
        assert_eq!(Span::of_bits(1, 0), Span(u64::MAX));
        assert_eq!(Span::of_bits(u64::MAX, u64::MAX), Span(1_000_000_000));
    }
}
