//! Durations, sizes and shares of processors: numbers that say what they count.

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
    const FORM: &str = "such as `2s`, `1m30s` or `500ms`";
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
    match nanoseconds / 1_000_000 {
        0 if nanoseconds > 0 => Err(bad(0..text.len(), format!("`{text}` is too short: at least 1ms")).label("too short")),
        milliseconds => Ok(milliseconds),
    }
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
