//! Times as AWS's tools print them: `2026-11-25T09:08:29+00:00`, `2026-11-25T09:08:29.000Z`.

use model::Timestamp;

/// Reads a time in UTC. Times are shown and decide nothing, so what cannot be read is the beginning of time.
pub(super) fn parse(text: &str) -> Timestamp {
    read(text).map_or(Timestamp(0), Timestamp)
}

fn read(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days from a civil date (Howard Hinnant's `days_from_civil`, a published formula), for years after 1970.
    let y = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (y / 400, y % 400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_prints_is_read_again() {
        for seconds in [0, 951_782_400, 951_868_799, 1_795_597_709, 4_102_444_800] {
            assert_eq!(parse(&Timestamp(seconds).iso8601()), Timestamp(seconds));
        }
        assert_eq!(parse("2026-11-25T09:08:29+00:00"), Timestamp(1_795_597_709));
        for text in ["", "yesterday", "2026-13-25T09:08:29Z", "1-1-1"] {
            assert_eq!(parse(text), Timestamp(0), "{text}");
        }
    }
}
