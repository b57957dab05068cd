//! How long to wait for an acknowledgement: smoothed round-trip time, its variation, backoff (RFC 6298). When to ask
//! for it, and which samples Karn's algorithm forbids, is the connection's to know.

use crate::{Span, Time};

/// Before the first measurement (RFC 6298 2.1).
pub const INITIAL: Span = Span::seconds(1);
/// Where a handshake needed its timer, until there is a measurement (RFC 6298 5.7).
pub const AFTER_LOST_SYN: Span = Span::seconds(3);
/// The longest (RFC 6298 2.5 asks for at least this).
pub const MAXIMUM: Span = Span::seconds(60);

/// The estimate of one connection. All arithmetic is in whole nanoseconds.
#[derive(Debug, Clone)]
pub struct Estimator {
    smoothed: Span,
    variation: Span,
    timeout: Span,
    minimum: Span,
    measured: bool,
}

impl Estimator {
    /// Without a measurement: one second, or the minimum if that is longer.
    pub fn new(minimum: Span) -> Self {
        Self { smoothed: Span::ZERO, variation: Span::ZERO, timeout: INITIAL.max(minimum), minimum, measured: false }
    }

    /// A round trip was measured (RFC 6298 2.2 and 2.3, with alpha 1/8 and beta 1/4). Ends any backoff.
    pub fn measure(&mut self, round_trip: Span) {
        if self.measured {
            let difference = self.smoothed.0.abs_diff(round_trip.0);
            self.variation = Span((self.variation.0 / 4 * 3).saturating_add(difference / 4));
            self.smoothed = Span((self.smoothed.0 / 8 * 7).saturating_add(round_trip.0 / 8));
        } else {
            self.smoothed = round_trip;
            self.variation = Span(round_trip.0 / 2);
            self.measured = true;
        }
        self.timeout = (self.smoothed + self.variation.times(4)).max(self.minimum).min(MAXIMUM);
    }

    /// The timer ran out: twice as long (RFC 6298 5.5), up to the maximum.
    pub fn back_off(&mut self) {
        self.timeout = self.timeout.times(2).min(MAXIMUM);
    }

    /// The handshake needed its timer and is over: three seconds, unless something was measured (RFC 6298 5.7).
    pub fn after_lost_syn(&mut self) {
        if !self.measured {
            self.timeout = AFTER_LOST_SYN.max(self.minimum);
        }
    }

    /// How long to wait now, backoff included.
    pub fn timeout(&self) -> Span {
        self.timeout
    }

    /// The smoothed round-trip time and its variation; nothing before the first measurement.
    pub fn round_trip(&self) -> Option<(Span, Span)> {
        self.measured.then_some((self.smoothed, self.variation))
    }
}

/// The segment whose round trip is being measured: one at a time.
#[derive(Debug, Clone, Copy)]
pub struct Timed {
    /// The acknowledgement that ends it covers this place.
    pub end: super::Sequence,
    /// When it was sent.
    pub sent: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(estimator: &Estimator) -> u64 {
        estimator.timeout().0 / 1_000_000
    }

    #[test]
    fn without_a_measurement_it_is_a_second() {
        assert_eq!(Estimator::new(Span::milliseconds(200)).timeout(), Span::seconds(1));
        assert_eq!(Estimator::new(Span::seconds(2)).timeout(), Span::seconds(2));
    }

    #[test]
    fn measurements_follow_the_formulas_of_rfc_6298() {
        let mut estimator = Estimator::new(Span::milliseconds(200));
        estimator.measure(Span::milliseconds(100));
        assert_eq!(estimator.round_trip(), Some((Span::milliseconds(100), Span::milliseconds(50))));
        assert_eq!(milliseconds(&estimator), 300);
        // RTTVAR = 3/4 * 50 + 1/4 * |100 - 180| = 57.5 ms; SRTT = 7/8 * 100 + 1/8 * 180 = 110 ms.
        estimator.measure(Span::milliseconds(180));
        assert_eq!(estimator.round_trip(), Some((Span::milliseconds(110), Span::microseconds(57_500))));
        assert_eq!(milliseconds(&estimator), 340);
    }

    #[test]
    fn the_minimum_and_the_maximum_hold() {
        let mut estimator = Estimator::new(Span::milliseconds(200));
        estimator.measure(Span::microseconds(50));
        assert_eq!(milliseconds(&estimator), 200);
        estimator.measure(Span::seconds(400));
        assert_eq!(estimator.timeout(), MAXIMUM);
    }

    #[test]
    fn backoff_doubles_to_the_maximum_and_ends_with_a_measurement() {
        let mut estimator = Estimator::new(Span::milliseconds(200));
        let waits: Vec<u64> = (0..7)
            .map(|_| {
                estimator.back_off();
                estimator.timeout().0 / 1_000_000_000
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        estimator.measure(Span::milliseconds(10));
        assert_eq!(milliseconds(&estimator), 200);
    }

    #[test]
    fn a_lost_syn_gives_three_seconds_only_where_nothing_was_measured() {
        let mut estimator = Estimator::new(Span::milliseconds(200));
        estimator.back_off();
        estimator.after_lost_syn();
        assert_eq!(estimator.timeout(), Span::seconds(3));
        estimator.measure(Span::milliseconds(80));
        estimator.after_lost_syn();
        assert_eq!(milliseconds(&estimator), 240);
    }
}
