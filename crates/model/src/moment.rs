//! Moments as clients and answers write them: ISO 8601 with fractions and offsets, seconds since 1970, and the short form
//! of signatures. The one reader of such texts; [`Timestamp`] counts whole seconds; fractions are kept for what is only passed on.

use crate::Timestamp;

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Reads `2026-11-25T09:00:00Z`, with a fraction or an offset if there is one, or a date alone, or seconds
    /// since 1970 (ISO 8601, RFC 3339; what SDKs write). `None` for anything else and for years outside 1970 … 9999.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds: u64 = text.parse().ok()?;
            return (seconds <= LAST_SECOND).then_some(Self(seconds * 1000));
        }
        let (date, time) = match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => (date, time),
            None => (text, "00:00:00Z"),
        };
        let days = days_of(date)?;
        let (clock, offset) = split_offset(time)?;
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut parts = clock.split(':').map(|part| digits(part, 2));
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 || clock.ends_with(':') {
            return None;
        }
        let seconds = days * 86_400 + (hour * 3_600 + minute * 60 + second) as i64 - offset * 60;
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= LAST_SECOND)?;
        Some(Self(seconds * 1000 + milliseconds(fraction)?))
    }

    /// Reads the `X-Amz-Date` of a signature: `20261125T090000Z`.
    pub fn parse_basic(text: &str) -> Option<Timestamp> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let is_plain = date.len() == 8 && time.len() == 6 && text.is_ascii();
        let extended = is_plain.then(|| {
            let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
            format!("{date}T{}:{}:{}Z", &time[..2], &time[2..4], &time[4..])
        });
        Self::parse(&extended?).map(|moment| Timestamp(moment.0 / 1000))
    }

    /// ISO 8601 in UTC with milliseconds, as EC2's answers have it: `2026-11-25T09:00:00.000Z`.
    pub fn with_milliseconds(self) -> String {
        let whole = Timestamp(self.0 / 1000).iso8601();
        format!("{}.{:03}Z", whole.trim_end_matches('Z'), self.0 % 1000)
    }

    /// The same without a fraction where it has none, as parameters and the answers of IAM and STS have it.
    pub fn shortest(self) -> String {
        match self.0 % 1000 {
            0 => Timestamp(self.0 / 1000).iso8601(),
            _ => self.with_milliseconds(),
        }
    }
}

/// The short form of signatures: `20261125T090000Z`.
pub fn basic(moment: Timestamp) -> String {
    moment.iso8601().replace(['-', ':'], "")
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

fn digits(text: &str, length: usize) -> Option<u64> {
    let is_number = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Days since 1970 of `YYYY-MM-DD` (Howard Hinnant's `days_from_civil`, a published formula).
fn days_of(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=length).contains(&day) {
        return None;
    }
    let (year, month, day) = (year as i64 - i64::from(month <= 2), month as i64, day as i64);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// A time without its offset, and the offset in minutes.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(place) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (clock, offset) = time.split_at(place);
    let (sign, offset) = offset.split_at(1);
    let (hours, minutes) = match offset.split_once(':') {
        Some((hours, minutes)) => (digits(hours, 2)?, digits(minutes, 2)?),
        None => (digits(offset.get(..2)?, 2)?, digits(offset.get(2..)?, 2)?),
    };
    let minutes = (hours * 60 + minutes) as i64;
    Some((clock, if sign == "-" { -minutes } else { minutes }))
}

fn milliseconds(fraction: &str) -> Option<u64> {
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<3}").get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_that_clients_write_are_read() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-25T09:00:00Z", 1_795_597_200_000),
            ("2026-11-25T09:00:00.25Z", 1_795_597_200_250),
            ("2026-11-25T09:00:00.123456Z", 1_795_597_200_123),
            ("2026-11-25T11:00:00+02:00", 1_795_597_200_000),
            ("2026-11-25T08:00:00-0100", 1_795_597_200_000),
            ("2026-11-25 09:00:00", 1_795_597_200_000),
            ("2026-11-25", 1_795_564_800_000),
            ("2024-02-29", 1_709_164_800_000),
            ("1795597200", 1_795_597_200_000),
        ] {
            assert_eq!(Moment::parse(text), Some(Moment(milliseconds)), "{text}");
        }
        for wrong in ["", "x", "2026-13-01", "2026-02-29", "2026-11-25T24:00:00Z", "2026-11-25T09", "2026-11-25T09:00.Zx"] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
        for wrong in ["1969-12-31T23:59:59Z", "99999999999999999999", "2026-11-25T09:00:00+1", "2026-11-25T09:00:0é"] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Moment::parse_basic("20261125T090000Z"), Some(Timestamp(1_795_597_200)));
        for wrong in ["20261125T0900Z", "2026-11-25T09:00:00Z", "é0261125T09000Z", ""] {
            assert_eq!(Moment::parse_basic(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(milliseconds in 0..LAST_SECOND * 1000) {
            let moment = Moment(milliseconds);
            prop_assert_eq!(Moment::parse(&moment.with_milliseconds()), Some(moment));
            prop_assert_eq!(Moment::parse(&moment.shortest()), Some(moment));
            let whole = Timestamp(milliseconds / 1000);
            prop_assert_eq!(Moment::parse_basic(&basic(whole)), Some(whole));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            let _ = (Moment::parse(&text), Moment::parse_basic(&text));
        }
    }
}
