//! The congestion window in bytes: slow start, congestion avoidance, fast recovery (RFC 5681, RFC 6582, RFC 6675).
//! Which bytes are lost is the scoreboard's to know.

use serde::Serialize;

/// What the sender does about losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No loss: slow start below the threshold, congestion avoidance above.
    Open,
    /// Duplicate acknowledgements told a loss: fast recovery.
    Recovery,
    /// The retransmission timer told a loss: slow start through what was lost.
    Loss,
}

/// Window and threshold of one direction.
#[derive(Debug, Clone)]
pub struct Congestion {
    window: u32,
    threshold: u32,
    segment: u32,
    /// Bytes acknowledged since the window grew, in congestion avoidance.
    acknowledged: u32,
    initial: u32,
    phase: Phase,
}

impl Congestion {
    /// For segments of this size; the initial window is of so many (RFC 6928 2), or RFC 5681's.
    pub fn new(segment: u32, initial_segments: Option<u8>) -> Self {
        let initial = match initial_segments {
            Some(count) => {
                let count = u32::from(count.max(1));
                (count * segment).min((count * 1460).max(2 * segment))
            }
            None if segment > 2190 => 2 * segment,
            None if segment > 1095 => 3 * segment,
            None => 4 * segment,
        };
        Self { window: initial, threshold: u32::MAX, segment, acknowledged: 0, initial, phase: Phase::Open }
    }

    /// Bytes that may be in the network (cwnd).
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Where slow start ends (ssthresh); the largest number before the first loss.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// What is being done about losses.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// A SYN was lost: begin with one segment (RFC 5681 3.1).
    pub fn after_lost_syn(&mut self) {
        self.window = self.segment;
        self.initial = self.segment;
    }

    /// New bytes were acknowledged outside fast recovery, with so many in flight before.
    pub fn acknowledged(&mut self, bytes: u32, flight: u32) {
        // A window that was not used says nothing about the path (RFC 7661 4.2).
        if self.window < self.threshold {
            if flight >= self.window / 2 {
                self.window = self.window.saturating_add(bytes.min(self.segment));
            }
        } else if flight.saturating_add(self.segment) > self.window {
            self.acknowledged = self.acknowledged.saturating_add(bytes);
            if self.acknowledged >= self.window {
                self.acknowledged -= self.window;
                self.window = self.window.saturating_add(self.segment);
            }
        }
    }

    /// Duplicate acknowledgements tell a loss. Without SACK the window grows by what they tell has left the network.
    pub fn enter_recovery(&mut self, flight: u32, sack: bool) {
        // What Limited Transmit sent beyond the window does not count (RFC 5681 3.2, step 2).
        self.threshold = (flight.min(self.window) / 2).max(2 * self.segment);
        self.window = if sack { self.threshold } else { self.threshold + 3 * self.segment };
        self.acknowledged = 0;
        self.phase = Phase::Recovery;
    }

    /// A duplicate acknowledgement in recovery without SACK: another segment has left (RFC 5681 3.2, step 4).
    pub fn inflate(&mut self) {
        self.window = self.window.saturating_add(self.segment);
    }

    /// A partial acknowledgement in recovery without SACK (RFC 6582 3.2, step 3).
    pub fn deflate(&mut self, bytes: u32) {
        self.window = self.window.saturating_sub(bytes);
        if bytes >= self.segment {
            self.window += self.segment;
        }
        self.window = self.window.max(self.segment);
    }

    /// All that was in flight when recovery began is acknowledged. Without SACK the window is such that no burst
    /// follows (RFC 6582 3.2, step 3, option 1).
    pub fn leave_recovery(&mut self, flight: u32, sack: bool) {
        self.window = if sack { self.threshold } else { self.threshold.min(flight.max(self.segment) + self.segment) };
        self.phase = Phase::Open;
    }

    /// The retransmission timer ran out; `again` if for bytes that it sent again before (RFC 5681 3.1).
    pub fn timed_out(&mut self, flight: u32, again: bool) {
        if !again {
            self.threshold = (flight / 2).max(2 * self.segment);
        }
        self.window = self.segment;
        self.acknowledged = 0;
        self.phase = Phase::Loss;
    }

    /// All that was in flight when the timer ran out is acknowledged.
    pub fn leave_loss(&mut self) {
        self.phase = Phase::Open;
    }

    /// Nothing was sent for longer than the retransmission timeout (RFC 5681 4.1).
    pub fn restart_after_idle(&mut self) {
        self.window = self.window.min(self.initial);
    }

    /// Segments have another size now.
    pub fn resize(&mut self, segment: u32) {
        self.segment = segment;
        self.window = self.window.max(segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_window_is_rfc_6928s_or_rfc_5681s() {
        let table = [
            (1460, Some(10), 14_600),
            (536, Some(10), 5_360),
            (8960, Some(10), 17_920),
            (1460, Some(1), 1460),
            (1460, None, 4380),
            (536, None, 2144),
            (8960, None, 17_920),
        ];
        for (segment, count, window) in table {
            assert_eq!(Congestion::new(segment, count).window(), window, "{segment} {count:?}");
        }
    }

    #[test]
    fn slow_start_grows_by_what_is_acknowledged_at_most_a_segment() {
        let mut congestion = Congestion::new(1000, Some(2));
        for (bytes, window) in [(1000, 3000), (2000, 4000), (300, 4300)] {
            congestion.acknowledged(bytes, congestion.window());
            assert_eq!(congestion.window(), window);
        }
    }

    #[test]
    fn congestion_avoidance_grows_a_segment_a_window() {
        let mut congestion = Congestion::new(1000, Some(8));
        congestion.enter_recovery(8000, true);
        congestion.leave_recovery(0, true);
        assert_eq!((congestion.window(), congestion.threshold()), (4000, 4000));
        let windows: Vec<u32> = (0..9)
            .map(|_| {
                congestion.acknowledged(1000, congestion.window());
                congestion.window()
            })
            .collect();
        assert_eq!(windows, [4000, 4000, 4000, 5000, 5000, 5000, 5000, 5000, 6000]);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut congestion = Congestion::new(1000, Some(4));
        congestion.acknowledged(1000, 1000);
        assert_eq!(congestion.window(), 4000);
    }

    #[test]
    fn recovery_without_sack_follows_rfc_6582() {
        let mut congestion = Congestion::new(1000, Some(10));
        congestion.enter_recovery(10_000, false);
        assert_eq!((congestion.threshold(), congestion.window()), (5000, 8000));
        congestion.inflate();
        assert_eq!(congestion.window(), 9000);
        congestion.deflate(3000);
        assert_eq!(congestion.window(), 7000);
        congestion.deflate(500);
        assert_eq!(congestion.window(), 6500);
        congestion.leave_recovery(2000, false);
        assert_eq!((congestion.window(), congestion.phase()), (3000, Phase::Open));
    }

    #[test]
    fn a_second_timeout_for_the_same_bytes_keeps_the_threshold() {
        let mut congestion = Congestion::new(1000, Some(10));
        congestion.timed_out(10_000, false);
        assert_eq!((congestion.threshold(), congestion.window()), (5000, 1000));
        congestion.timed_out(1000, true);
        assert_eq!((congestion.threshold(), congestion.window()), (5000, 1000));
    }
}
