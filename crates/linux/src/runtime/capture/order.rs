//! One stream in the order of time, out of many that each are in order. Pure.

use std::time::Duration;

use super::Captured;

/// How long after its time stamp a packet may still be on its way into its socket's queue: the kernel stamps first.
const SETTLING: Duration = Duration::from_millis(2);

/// Holds packets back until no earlier one can come.
#[derive(Debug, Default)]
pub struct Order {
    held: Vec<Captured>,
}

impl Order {
    /// Takes in what was read.
    pub fn add(&mut self, captured: Captured) {
        self.held.push(captured);
    }

    /// Whether anything is held back.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Gives out what is final, in order. `read_at`: when reading began, by the clock of the time stamps. `behind`: the
    /// time of the last packet read of each source that has more to read.
    pub fn release(&mut self, read_at: Duration, behind: impl IntoIterator<Item = Duration>) -> Vec<Captured> {
        let settled = read_at.saturating_sub(SETTLING);
        let until = behind.into_iter().fold(settled, Duration::min);
        self.held.sort_by_key(|captured| (captured.time, captured.hop));
        let count = self.held.partition_point(|captured| captured.time <= until);
        self.held.drain(..count).collect()
    }

    /// Gives out everything, in order.
    pub fn rest(&mut self) -> Vec<Captured> {
        self.held.sort_by_key(|captured| (captured.time, captured.hop));
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Direction;
    use super::*;

    fn at(hop: usize, millis: u64) -> Captured {
        let time = Duration::from_millis(millis);
        Captured { hop, time, direction: Direction::Inbound, device: 1, bytes: Vec::new(), original_length: 0 }
    }

    fn times(captured: &[Captured]) -> Vec<(usize, u128)> {
        captured.iter().map(|c| (c.hop, c.time.as_millis())).collect()
    }

    #[test]
    fn packets_of_several_sources_come_out_by_time() {
        let mut order = Order::default();
        [at(1, 30), at(1, 50), at(0, 10), at(0, 40), at(2, 99)].into_iter().for_each(|captured| order.add(captured));
        assert_eq!(times(&order.release(Duration::from_millis(100), [])), [(0, 10), (1, 30), (0, 40), (1, 50)]);
        assert!(!order.is_empty(), "99 is too young at 100: an earlier one may still come");
        order.add(at(0, 98));
        assert_eq!(times(&order.rest()), [(0, 98), (2, 99)]);
        assert!(order.is_empty());
    }

    #[test]
    fn nothing_overtakes_a_source_that_has_more_to_read() {
        let mut order = Order::default();
        [at(0, 10), at(1, 20), at(0, 30)].into_iter().for_each(|captured| order.add(captured));
        assert_eq!(times(&order.release(Duration::from_millis(1_000), [Duration::from_millis(20)])), [(0, 10), (1, 20)]);
        assert_eq!(times(&order.release(Duration::from_millis(1_000), [])), [(0, 30)]);
    }
}
