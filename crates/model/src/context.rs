//! Where time and identifiers come from: injected, never read from the machine.

use serde::{Deserialize, Serialize};

use crate::id::RawId;

/// Seconds since 1970-01-01T00:00:00Z on the engine's clock, which tests move at will.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment and `seconds` more.
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// ISO 8601 in UTC with whole seconds, as the EC2 API prints it: `2026-11-25T09:00:00Z`.
    pub fn iso8601(self) -> String {
        // Days since the epoch to a civil date (Howard Hinnant's `civil_from_days`, a published formula).
        let (days, seconds) = ((self.0 / 86_400) as i64, self.0 % 86_400);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The clock and the source of identifiers, carried by the model so that a clone repeats both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The engine's present; see [`crate::Model::advance_to`].
    pub now: Timestamp,
    seed: u64,
    drawn: u64,
    public_addresses_drawn: u64,
}

impl Context {
    /// A context whose identifiers repeat for the same seed.
    pub fn seeded(seed: u64, now: Timestamp) -> Self {
        Self { now, seed, drawn: 0, public_addresses_drawn: 0 }
    }

    /// A fresh identifier, distinct from every earlier one of this context.
    pub fn next_id<Id: From<RawId>>(&mut self) -> Id {
        let (high, low) = (self.next_u64(), self.next_u64());
        Id::from(RawId((u128::from(high) << 64) | u128::from(low)))
    }

    /// How many public addresses were drawn before, counting up: the pool walks through all of its addresses
    /// before one comes again, so an address that was given back is not given out next (PIP-1).
    pub(crate) fn next_public_address_index(&mut self) -> u64 {
        let index = self.public_addresses_drawn;
        self.public_addresses_drawn += 1;
        index
    }

    /// 64 pseudo-random bits; draws never repeat.
    pub fn next_u64(&mut self) -> u64 {
        self.drawn += 1;
        crate::random::draw(self.seed, self.drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_iso_8601() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_597_709, "2026-11-25T09:08:29Z"),
        ] {
            assert_eq!(Timestamp(seconds).iso8601(), text);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_ids() {
        let draw = |seed| -> crate::VpcId { Context::seeded(seed, Timestamp(0)).next_id() };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_eq!(draw(7).as_str().len(), "vpc-".len() + 17);
    }
}
