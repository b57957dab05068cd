//! Moments and spans as Docker writes them: RFC 3339 with nanoseconds, and Go's durations (`1m30s`).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400;

/// A moment, UTC, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Below a second.
    pub nanoseconds: u32,
}

impl Moment {
    /// The present.
    pub fn now() -> Moment {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Moment {
            seconds: since.as_secs().cast_signed(),
            nanoseconds: since.subsec_nanos(),
        }
    }

    /// How long before `later` this is; nothing when it is not.
    pub fn until(self, later: Moment) -> Duration {
        let total = |moment: Moment| {
            i128::from(moment.seconds) * 1_000_000_000 + i128::from(moment.nanoseconds)
        };
        let nanoseconds = (total(later) - total(self)).max(0);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// This much earlier.
    pub fn before(self, span: Duration) -> Moment {
        let (seconds, nanoseconds) = (
            span.as_secs().min(i64::MAX as u64 / 2).cast_signed(),
            span.subsec_nanos(),
        );
        match self.nanoseconds.checked_sub(nanoseconds) {
            Some(nanoseconds) => Moment {
                seconds: self.seconds.saturating_sub(seconds),
                nanoseconds,
            },
            None => Moment {
                seconds: self.seconds.saturating_sub(seconds).saturating_sub(1),
                nanoseconds: self.nanoseconds + 1_000_000_000 - nanoseconds,
            },
        }
    }

    /// This much later.
    pub fn after(self, span: Duration) -> Moment {
        let nanoseconds = self.nanoseconds + span.subsec_nanos();
        let seconds = span.as_secs().min(i64::MAX as u64 / 2).cast_signed()
            + i64::from(nanoseconds / 1_000_000_000);
        Moment {
            seconds: self.seconds.saturating_add(seconds),
            nanoseconds: nanoseconds % 1_000_000_000,
        }
    }

    /// Reads RFC 3339, also without a zone (then UTC), without seconds or without a time of day.
    pub fn parse(text: &str) -> Option<Moment> {
        let (date, rest) = match text.split_once(['T', 't', ' ']) {
            Some((date, rest)) => (date, rest),
            None => (text, ""),
        };
        let mut parts = date.splitn(3, '-');
        let (year, month, day) = (
            digits(parts.next()?, 4)?,
            digits(parts.next()?, 2)?,
            digits(parts.next()?, 2)?,
        );
        if !(1..=12).contains(&month) || day < 1 || day > month_length(year, month) {
            return None;
        }
        let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
        let (clock, zone) = rest.split_at(zone_at);
        let offset = match zone {
            "" | "Z" | "z" => 0,
            _ => {
                let (hours, minutes) = zone[1..].split_once(':')?;
                let offset = digits(hours, 2)? * 3_600 + digits(minutes, 2)? * 60;
                if zone.starts_with('-') {
                    -offset
                } else {
                    offset
                }
            }
        };
        let mut clock_parts = clock.splitn(3, ':');
        let hours = match clock_parts.next() {
            None | Some("") => 0,
            Some(hours) => digits(hours, 2)?,
        };
        let minutes = clock_parts
            .next()
            .map_or(Some(0), |minutes| digits(minutes, 2))?;
        let (seconds, nanoseconds) = match clock_parts.next() {
            None => (0, 0),
            Some(seconds) => {
                let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
                (digits(whole, 2)?, fraction(part)?)
            }
        };
        if hours > 23 || minutes > 59 || seconds > 60 {
            return None;
        }
        let of_day = hours * 3_600 + minutes * 60 + seconds;
        Some(Moment {
            seconds: days(year, month, day) * DAY + of_day - offset,
            nanoseconds,
        })
    }

    /// What `--since` and `--until` say: a moment, seconds since 1970 (with a fraction), or a span before now.
    pub fn parse_or_ago(text: &str, now: Moment) -> Option<Moment> {
        if let Some(span) = parse_span(text) {
            return Some(now.before(span));
        }
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        if !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Moment {
                seconds: whole.parse().ok()?,
                nanoseconds: fraction(part)?,
            });
        }
        Moment::parse(text)
    }
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// Nanoseconds of the digits behind a point; more than nine are cut off.
fn fraction(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine: String = text.chars().chain(std::iter::repeat('0')).take(9).collect();
    nine.parse().ok()
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a date of the Gregorian calendar (years begin in March, so that the leap day is the last).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day
        - 1
        - 719_468
}

/// The date of a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year_of_era, month + 3)
    } else {
        (year_of_era + 1, month - 9)
    };
    (year + era * 400, month, day)
}

impl fmt::Display for Moment {
    /// With nine digits behind the point, so that texts sort as moments do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.seconds.div_euclid(DAY));
        let of_day = self.seconds.rem_euclid(DAY);
        let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:09}Z",
            self.nanoseconds
        )
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Moment, String> {
        Moment::parse(&text).ok_or_else(|| format!("`{text}` is no time"))
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_string()
    }
}

/// Reads a duration as Go writes them: `300ms`, `1.5s`, `1h30m`; `0`. None: it is none, or longer than centuries.
pub fn parse_span(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, 0f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..number_end].parse().ok()?;
        rest = &rest[number_end..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let seconds = match &rest[..unit_end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        total += number * seconds;
        rest = &rest[unit_end..];
    }
    // Rounded to nanoseconds: a sum of parts of ten is not exact.
    (total < 1e10).then(|| Duration::from_nanos((total * 1e9).round() as u64))
}

/// How long ago, for people: `5 seconds`, `About an hour`, `3 days`, as Docker's columns have it.
pub fn rough(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1_800) / 3_600);
    match seconds {
        0 => "Less than a second".into(),
        1 => "1 second".into(),
        2..=59 => format!("{seconds} seconds"),
        60..=119 => "About a minute".into(),
        120..=3_599 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 730 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Moment {
        Moment {
            seconds,
            nanoseconds,
        }
    }

    #[test]
    fn a_moment_is_written_and_read() {
        for (moment, text) in [
            (at(0, 0), "1970-01-01T00:00:00.000000000Z"),
            (at(951_827_696, 789), "2000-02-29T12:34:56.000000789Z"),
            (
                at(1_795_658_522, 120_000_000),
                "2026-11-26T02:02:02.120000000Z",
            ),
            (at(-1, 999_999_999), "1969-12-31T23:59:59.999999999Z"),
            (at(4_107_542_399, 0), "2100-02-28T23:59:59.000000000Z"),
        ] {
            assert_eq!(moment.to_string(), text);
            assert_eq!(Moment::parse(text), Some(moment));
        }
    }

    #[test]
    fn every_day_of_eight_hundred_years_is_its_own() {
        let mut last = days(1_600, 1, 1) - 1;
        for year in 1_600..2_400 {
            for month in 1..=12 {
                for day in 1..=month_length(year, month) {
                    let number = days(year, month, day);
                    assert_eq!((number, date(number)), (last + 1, (year, month, day)));
                    last = number;
                }
            }
        }
    }

    #[test]
    fn zones_and_short_forms_are_read_and_nonsense_is_not() {
        assert_eq!(
            Moment::parse("2000-02-29T13:34:56+01:00"),
            Moment::parse("2000-02-29T12:34:56Z")
        );
        assert_eq!(
            Moment::parse("2000-02-29T12:34"),
            Moment::parse("2000-02-29T12:34:00Z")
        );
        assert_eq!(
            Moment::parse("2000-02-29"),
            Moment::parse("2000-02-29T00:00:00Z")
        );
        for text in [
            "",
            "yesterday",
            "2001-02-29",
            "2000-13-01",
            "2000-02-29T25:00:00Z",
            "2000-02-29T12:00:00+1",
            "2000-2-9",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn since_takes_spans_seconds_and_moments() {
        let now = at(1_000_000, 500_000_000);
        for (text, expected) in [
            ("10m", at(999_400, 500_000_000)),
            ("600ms", at(999_999, 900_000_000)),
            ("1000.25", at(1_000, 250_000_000)),
            ("1970-01-01T00:00:07Z", at(7, 0)),
        ] {
            assert_eq!(Moment::parse_or_ago(text, now), Some(expected), "{text}");
        }
        assert_eq!(Moment::parse_or_ago("soon", now), None);
    }

    #[test]
    fn spans_are_those_of_go() {
        for (text, expected) in [
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("300ms", 300),
            ("2h", 7_200_000),
            ("0", 0),
            ("1h0.1s", 3_600_100),
        ] {
            assert_eq!(
                parse_span(text),
                Some(Duration::from_millis(expected)),
                "{text}"
            );
        }
        for text in ["", "5", "s", "1d", "-1s", "1s2", "1..s", "99999999h"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_said_roughly() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (4_000, "About an hour"),
            (7_200, "2 hours"),
            (259_200, "3 days"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), text);
        }
    }
}
