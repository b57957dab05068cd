//! Rates, times and shares, written with the largest unit that keeps them whole.

use std::fmt;

/// A rate, written `10M`, `64k`, `1.544M`, `300b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitsPerSecond(pub u64);

/// A time, written `5us`, `1.5ms`, `10s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanoseconds(pub u64);

/// A share in millionths, written `1%`, `0.05%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerMillion(pub u32);

impl fmt::Display for BitsPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &[("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000), ("b", 1)])
    }
}

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &[("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)])
    }
}

impl fmt::Display for PerMillion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, u64::from(self.0), &[("%", 10_000)])
    }
}

/// `number` in the first unit that is not larger than it, with as many decimals as it needs.
fn scaled(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    let unit = units.iter().find(|(_, factor)| number >= *factor).or(units.last());
    let Some((name, factor)) = unit else { return write!(f, "{number}") };
    let (whole, rest) = (number / factor, number % factor);
    let width = factor.ilog10() as usize;
    match rest {
        0 => write!(f, "{whole}{name}"),
        _ => write!(f, "{whole}.{}{name}", format!("{rest:0width$}").trim_end_matches('0')),
    }
}
