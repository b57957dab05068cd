//! What the sender knows of its unacknowledged bytes: which arrived (SACK), which are lost, which were sent again
//! (RFC 6675; without SACK the same three answers, from cumulative acknowledgements alone). When to send is told by
//! the congestion window.

use super::Sequence;
use super::ranges::{Range, Ranges};

/// Duplicate acknowledgements, or ranges that arrived above a byte, that tell that it is lost (RFC 6675 2, RFC 5681 3.2).
pub const DUPLICATE_THRESHOLD: usize = 3;
/// Ranges remembered at most; blocks that would make more are ignored, which costs a retransmission.
const MAXIMUM_RANGES: usize = 256;

/// The bytes from the first unacknowledged to the last sent.
#[derive(Debug, Clone)]
pub struct Scoreboard {
    sacked: Ranges,
    /// What did not arrive before this place is lost.
    lost: Sequence,
    /// What was lost before this place was sent again (HighRxt).
    resent: Sequence,
}

impl Scoreboard {
    /// Nothing is known of bytes from here on.
    pub fn new(first: Sequence) -> Self {
        Self { sacked: Ranges::default(), lost: first, resent: first }
    }

    /// Everything before `first` is acknowledged.
    pub fn acknowledge(&mut self, first: Sequence) {
        self.lost = self.lost.latest(first);
        self.resent = self.resent.latest(first);
        if !self.sacked.is_empty() {
            self.sacked.remove_before(first);
        }
    }

    /// A block that the receiver reports (RFC 2018 3). Returns how many bytes of it are news.
    pub fn report(&mut self, (from, to): Range, first: Sequence, next: Sequence) -> u32 {
        // A block below is about duplicates (RFC 2883), one beyond is about nothing that was sent.
        if !to.after(first) || to.after(next) || !from.before(to) {
            return 0;
        }
        let range = (from.latest(first), to);
        if self.sacked.as_slice().len() >= MAXIMUM_RANGES && self.sacked.would_grow(range) {
            return 0;
        }
        self.sacked.insert(range)
    }

    /// Bytes that arrived out of order.
    pub fn sacked(&self) -> u32 {
        self.sacked.bytes()
    }

    /// Bytes that are thought to be in the network (RFC 6675 "pipe").
    pub fn pipe(&self, first: Sequence, next: Sequence) -> u32 {
        let missing = |from: Sequence, to: Sequence| to.since(from) - self.sacked.bytes_between(from, to);
        if self.lost == first && self.resent == first {
            return next.since(first) - self.sacked.bytes();
        }
        missing(self.lost, next) + missing(first, self.resent)
    }

    /// True if so much arrived above the first unacknowledged byte that it is lost (RFC 6675 "IsLost").
    pub fn first_is_lost(&self, first: Sequence, segment: u32) -> bool {
        self.edge(segment).is_some_and(|edge| edge.after(first))
    }

    /// Takes for lost what reported blocks say is.
    pub fn note_losses(&mut self, segment: u32) {
        if let Some(edge) = self.edge(segment) {
            self.lost = self.lost.latest(edge);
        }
    }

    /// Takes for lost what did not arrive before `end`.
    pub fn lose_before(&mut self, end: Sequence) {
        self.lost = self.lost.latest(end);
    }

    /// A recovery begins: nothing was sent again in it.
    pub fn begin(&mut self, first: Sequence) {
        (self.lost, self.resent) = (first, first);
    }

    /// The timer ran out or the path changed: everything sent is lost, reported or not, for a receiver may let go of what
    /// it reported (RFC 2018 8).
    pub fn lose_all(&mut self, first: Sequence, next: Sequence) {
        self.sacked.clear();
        (self.lost, self.resent) = (next, first);
    }

    /// The next lost bytes to send again (RFC 6675 NextSeg rule 1).
    pub fn next_lost(&self) -> Option<Range> {
        if !self.resent.before(self.lost) {
            return None;
        }
        self.sacked.gap(self.resent, self.lost)
    }

    /// The next bytes below what arrived that are not known to be lost (RFC 6675 NextSeg rule 3).
    pub fn next_hole(&self) -> Option<Range> {
        let highest = self.sacked.as_slice().last()?.0;
        self.sacked.gap(self.resent, highest)
    }

    /// Bytes up to `end` were sent again.
    pub fn resent_to(&mut self, end: Sequence) {
        self.resent = self.resent.latest(end);
    }

    /// The highest place below which everything that did not arrive is lost.
    fn edge(&self, segment: u32) -> Option<Sequence> {
        let mut bytes = 0;
        for (count, &(from, to)) in self.sacked.as_slice().iter().rev().enumerate() {
            bytes += to.since(from);
            if count + 1 >= DUPLICATE_THRESHOLD || bytes > (DUPLICATE_THRESHOLD as u32 - 1) * segment {
                return Some(from);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u32 = 100;

    /// Ten segments from 1000 on, of which the numbered ones arrived.
    fn board(arrived: &[u32]) -> Scoreboard {
        let mut board = Scoreboard::new(Sequence(1000));
        for segment in arrived {
            let from = Sequence(1000 + segment * SEGMENT);
            assert_eq!(board.report((from, from.plus(SEGMENT)), Sequence(1000), Sequence(2000)), SEGMENT);
        }
        board
    }

    #[test]
    fn three_ranges_or_more_than_two_segments_above_tell_a_loss() {
        for (arrived, lost) in [
            (&[][..], None),
            (&[1, 2], None),
            (&[1, 3], None),
            (&[1, 2, 3], Some(1100)),
            (&[1, 3, 5], Some(1100)),
            (&[1, 3, 5, 7], Some(1300)),
            (&[1, 5, 6, 7], Some(1500)),
        ] {
            let mut board = board(arrived);
            assert_eq!(board.first_is_lost(Sequence(1000), SEGMENT), lost.is_some(), "{arrived:?}");
            board.note_losses(SEGMENT);
            assert_eq!(board.lost.0, lost.unwrap_or(1000), "{arrived:?}");
        }
    }

    #[test]
    fn the_pipe_counts_what_neither_arrived_nor_is_lost_and_what_was_sent_again() {
        let (first, next) = (Sequence(1000), Sequence(2000));
        let mut board = board(&[2, 5, 6, 7]);
        assert_eq!(board.pipe(first, next), 600);
        board.note_losses(SEGMENT);
        // Segments 0, 1, 3 and 4 are lost, 8 and 9 are under way.
        assert_eq!(board.pipe(first, next), 200);
        assert_eq!(board.next_lost(), Some((Sequence(1000), Sequence(1200))));
        board.resent_to(Sequence(1100));
        assert_eq!(board.pipe(first, next), 300);
        board.resent_to(Sequence(1200));
        assert_eq!(board.next_lost(), Some((Sequence(1300), Sequence(1500))));
        board.resent_to(Sequence(1500));
        assert_eq!((board.next_lost(), board.pipe(first, next)), (None, 600));
    }

    #[test]
    fn holes_that_are_not_known_to_be_lost_come_last() {
        let board = board(&[1, 3]);
        assert_eq!(board.next_lost(), None);
        assert_eq!(board.next_hole(), Some((Sequence(1000), Sequence(1100))));
    }

    #[test]
    fn blocks_about_nothing_outstanding_are_ignored() {
        let mut board = Scoreboard::new(Sequence(1000));
        for (from, to) in [(900, 1000), (1900, 2001), (1200, 1100), (1100, 1100)] {
            assert_eq!(board.report((Sequence(from), Sequence(to)), Sequence(1000), Sequence(2000)), 0);
        }
        assert_eq!(board.sacked(), 0);
    }

    #[test]
    fn a_timeout_forgets_what_was_reported() {
        let mut board = board(&[3, 4]);
        board.lose_all(Sequence(1000), Sequence(2000));
        assert_eq!(board.pipe(Sequence(1000), Sequence(2000)), 0);
        assert_eq!(board.next_lost(), Some((Sequence(1000), Sequence(2000))));
    }
}
