//! Times as AWS's tools print them: `2026-11-25T09:08:29+00:00`, `2026-11-25T09:08:29.000Z`.

use model::{Moment, Timestamp};

/// Reads a time in UTC. Times are shown and decide nothing, so what cannot be read is the beginning of time.
pub(super) fn parse(text: &str) -> Timestamp {
    Moment::parse(text).map_or(Timestamp(0), |moment| Timestamp(moment.0 / 1_000))
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
