//! Durations, sizes, shares of processors, rates, lengths: numbers that say what they count.

use std::ops::Range;

use model::lan::{MILLION, rate_problem};

use super::SentenceError;
use crate::code::Code;

/// Units of time in nanoseconds.
const TIME: [(&str, u64); 6] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];
/// Units of memory in bytes, in small letters. Docker's `kb` is 1,024 bytes as its `k` is.
const SIZE: [(&str, u64); 13] = [
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("tb", 1 << 40),
    ("tib", 1 << 40),
];

/// Reads `2s`, `1m30s`, `500ms`: milliseconds.
pub fn parse_duration(text: &str) -> Result<u64, SentenceError> {
    match parse_time(text)? {
        0 => Ok(0),
        nanoseconds if nanoseconds < 1_000_000 => {
            let error = SentenceError::new(Code::BadDuration, 0..text.len(), format!("`{text}` is too short: at least 1ms"));
            Err(error.label("too short").hint(FORM))
        }
        nanoseconds => Ok(nanoseconds / 1_000_000),
    }
}

const FORM: &str = "such as `2s`, `1m30s` or `500ms`";

/// Reads `5us`, `1m30s`: nanoseconds.
pub fn parse_time(text: &str) -> Result<u64, SentenceError> {
    let bad = |range, message: String| SentenceError::new(Code::BadDuration, range, message).hint(FORM);
    let mut nanoseconds = 0u64;
    let mut at = 0;
    if text.is_empty() {
        return Err(bad(0..0, "a duration is missing".to_owned()).label("nothing"));
    }
    while at < text.len() {
        let rest = &text[at..];
        let digits = number_length(rest);
        let unit: &str = rest[digits..].split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let range = at..at + (digits + unit.len()).max(1).min(rest.len());
        let range = if text.is_char_boundary(range.end) { range } else { at..text.len() };
        if digits == 0 {
            return Err(bad(at..text.len(), format!("`{text}` is not a duration")).label("not understood"));
        }
        let number = &rest[..digits];
        let Some((_, factor)) = TIME.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => bad(range, format!("`{number}` of what?")).label("a unit is missing").hint(format!("seconds are `{number}s`")),
                _ => bad(range, format!("`{unit}` is not a unit of time")).label("unknown unit").hint("known: ns, us, ms, s, m, h"),
            });
        };
        let part = scaled(number, *factor).and_then(|part| nanoseconds.checked_add(part));
        nanoseconds = part.ok_or_else(|| bad(range, format!("`{text}` is too long")).label("too long"))?;
        at += digits + unit.len();
    }
    Ok(nanoseconds)
}

/// Units of a rate in bits per second, and other ways to write them.
const RATE: [(&str, u64, &[&str]); 4] = [
    ("b", 1, &["bps", "bit/s", "b/s"]),
    ("k", 1_000, &["K", "kbps", "kbit/s", "kb/s", "Kbps"]),
    ("M", 1_000_000, &["Mbps", "Mbit/s", "Mb/s"]),
    ("G", 1_000_000_000, &["Gbps", "Gbit/s", "Gb/s"]),
];

/// Reads `10M`, `64k`, `1.5G`, `300b`: bits per second that a link can have.
pub fn parse_rate(text: &str) -> Result<u64, SentenceError> {
    let bad = |range: Range<usize>, message: String| {
        SentenceError::new(Code::BadRate, range, message).hint("bits per second: `10M`, `64k` or `1G`")
    };
    let digits = number_length(text);
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if digits == 0 {
        return Err(bad(0..text.len(), format!("`{text}` is not a rate")).label("not understood"));
    }
    if unit.is_empty() {
        return Err(bad(0..text.len(), format!("`{text}` of what?")).label("a unit is missing").hint(format!("megabits per second are `{text}M`")));
    }
    let Some((_, factor, _)) = RATE.iter().find(|(name, _, others)| *name == unit || others.contains(&unit)) else {
        let error = bad(text.len() - unit.len()..text.len(), format!("`{unit}` is not a unit of rates")).label("unknown unit");
        let near = RATE.iter().find(|(name, ..)| unit.get(..1).is_some_and(|first| first.eq_ignore_ascii_case(name)));
        return Err(match near {
            Some((name, ..)) => error.hint(format!("did you mean `{number}{name}`? b, k, M and G are bits per second")),
            None => error.hint("known: b, k, M, G, each 1,000 times the last"),
        });
    };
    let rate = scaled(number, *factor).ok_or_else(|| bad(0..text.len(), format!("`{text}` is too much, or no number")).label("too much"))?;
    rate_problem(rate).map_or(Ok(rate), |why| Err(bad(0..text.len(), why).label("no rate of a link")))
}

/// Reads `1%`, `0.05%`: millionths.
pub fn parse_share(text: &str) -> Result<u32, SentenceError> {
    let bad = |message: String| SentenceError::new(Code::BadShare, 0..text.len(), message).hint("such as `1%` or `0.05%`");
    let Some(number) = text.strip_suffix('%') else {
        let error = bad(format!("`{text}` is not a share")).label("not understood");
        return Err(if text.len() == number_length(text) && !text.is_empty() { error.label("without %").hint(format!("write `{text}%`")) } else { error });
    };
    let share = if number_length(number) == number.len() { scaled(number, u64::from(MILLION) / 100) } else { None };
    match share.and_then(|share| u32::try_from(share).ok()) {
        Some(share) if share <= MILLION => Ok(share),
        Some(_) => Err(bad(format!("`{text}` is more than all")).label("0% to 100%")),
        None => Err(bad(format!("`{text}` is not a share: 0% to 100%")).label("not understood")),
    }
}

/// Reads `100m`, `2km`, `1.5m`: centimetres.
pub fn parse_length(text: &str) -> Result<u64, SentenceError> {
    let bad = |message: String| SentenceError::new(Code::LinkSyntax, 0..text.len(), message).hint("such as `utp 100m` or `fiber 2km`");
    let (number, unit) = text.split_at(number_length(text));
    let factor = match unit {
        "m" => 100,
        "km" => 100_000,
        "cm" => 1,
        _ => return Err(bad(format!("`{text}` is not a length")).label("m, km or cm")),
    };
    scaled(number, factor).ok_or_else(|| bad(format!("`{text}` is not a length")).label("too long, or no number"))
}

/// Reads `512m`, `1.5g`, `64KiB`: bytes.
pub fn parse_size(text: &str) -> Result<u64, SentenceError> {
    let whole = || 0..text.len();
    let bad = |message: String| SentenceError::new(Code::BadSize, whole(), message).hint("such as `512m` or `1.5g`");
    let digits = number_length(text);
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if digits == 0 {
        return Err(bad(format!("`{text}` is not a size")).label("not understood"));
    }
    if unit.is_empty() {
        return Err(bad(format!("`{text}` of what?")).label("a unit is missing").hint(format!("`{text}m` are mebibytes, `{text}b` bytes")));
    }
    let Some((_, factor)) = SIZE.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name)) else {
        let error = SentenceError::new(Code::BadSize, text.len() - unit.len()..text.len(), format!("`{unit}` is not a unit of memory"));
        return Err(error.label("unknown unit").hint("known: b, k, m, g, t, each 1,024 times the last"));
    };
    scaled(number, *factor).ok_or_else(|| bad(format!("`{text}` is too large, or no number")).label("too large"))
}

/// Reads `0.5` or `2`: billionths of a processor.
pub fn parse_cpus(text: &str) -> Result<u64, SentenceError> {
    let bad = |message: String| SentenceError::new(Code::OutOfRange, 0..text.len(), message).hint("such as `0.5` or `2`");
    match text.len() == number_length(text) && !text.is_empty() {
        true => match scaled(text, 1_000_000_000) {
            Some(nano) if nano >= 10_000_000 => Ok(nano),
            Some(_) => Err(bad(format!("`{text}` of a processor is too little: at least 0.01")).label("too little")),
            None => Err(bad(format!("`{text}` is not a number of processors")).label("not understood")),
        },
        false => Err(bad(format!("`{text}` is not a number of processors")).label("not understood")),
    }
}

/// How much of the beginning is a decimal number.
fn number_length(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count()
}

/// A decimal number times a factor, cut off behind the point; `None` when it is no number or too large.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(fraction) || fraction.len() > 18 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let below = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? * u128::from(factor) / 10u128.pow(fraction.len() as u32) };
    whole.checked_mul(factor)?.checked_add(u64::try_from(below).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_what_they_say() {
        for (text, wanted) in [("2s", 2_000), ("1m30s", 90_000), ("500ms", 500), ("1.5s", 1_500), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(wanted), "{text}");
        }
        for (text, wanted) in [("512m", 512 << 20), ("1.5g", 3 << 29), ("64KiB", 1 << 16), ("10 MB", 10 << 20), ("7b", 7)] {
            assert_eq!(parse_size(text), Ok(wanted), "{text}");
        }
        for (text, wanted) in [("0.5", 500_000_000), ("2", 2_000_000_000), (".25", 250_000_000)] {
            assert_eq!(parse_cpus(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn rates_shares_and_lengths_are_what_they_say() {
        for (text, wanted) in [("10M", 10_000_000), ("64k", 64_000), ("1.544M", 1_544_000), ("400G", 400_000_000_000), ("1b", 1), ("100 Mbps", 100_000_000)] {
            assert_eq!(parse_rate(text), Ok(wanted), "{text}");
        }
        for (text, wanted) in [("0%", 0), ("1%", 10_000), ("0.05%", 500), ("0.0001%", 1), ("100%", 1_000_000)] {
            assert_eq!(parse_share(text), Ok(wanted), "{text}");
        }
        for (text, wanted) in [("100m", 10_000), ("2km", 200_000), ("1.5m", 150), ("30cm", 30)] {
            assert_eq!(parse_length(text), Ok(wanted), "{text}");
        }
        for (text, wanted) in [("5us", 5_000), ("1ns", 1), ("0s", 0)] {
            assert_eq!(parse_time(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn rates_shares_and_lengths_that_cannot_be_are_refused() {
        for text in ["", "10", "0M", "0.5b", "401G", "10m", "10x", "M", "1..5M", "99999999999G", "가M"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        for text in ["", "1", "101%", "-1%", "%", "1..5%", "가%", "5000000000%"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
        for text in ["", "100", "m", "100ft", "99999999999999999999km", "가m"] {
            assert!(parse_length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_without_one_and_no_numbers_are_refused() {
        for text in ["", "2", "2x", "s", "1m30", "1..5s", "1µs", "999999999999h", "1us", "-1s", "가"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["", "512", "m", "512q", "99999999999t", "1.2.3m", "-1m", "가m"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        for text in ["", "0", "0.001", "x", "1e3", "99999999999", "-1"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }
}
