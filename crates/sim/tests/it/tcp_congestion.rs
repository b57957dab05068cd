//! Congestion control with numbers that were worked out by hand (RFC 5681, RFC 6582, RFC 6675, RFC 3042).

use sim::tcp::{Event, Phase, State, Terms};
use sim::{Span, Time};
use wire::tcp::TcpOption;

use crate::tcp_hand::*;
use crate::tcp_pair::{self, Pair, Path, bytes};

fn segments(range: std::ops::Range<i64>) -> Vec<Out> {
    range.map(|at| out(".", 1 + at * 100, 1, 100)).collect()
}

/// Established, with a window of so many segments of 100 bytes all under way, and much more to send.
fn sending(terms: &Terms, options: Vec<TcpOption>) -> Hand {
    let mut hand = Hand::established_with(terms, options);
    hand.connection.send_pattern(1_000_000);
    assert_eq!(hand.take(), segments(0..10));
    hand
}

fn sack(blocks: &[(i64, i64)]) -> Vec<TcpOption> {
    let number = |segment: i64| (i64::from(OURS) + 1 + segment * 100) as u32;
    vec![TcpOption::Sack(blocks.iter().map(|&(from, to)| (number(from), number(to))).collect())]
}

#[test]
fn slow_start_sends_two_segments_for_each_acknowledged() {
    let mut hand = sending(&plain(), vec![]);
    let mut next = 10;
    for acknowledged in 1..=10 {
        hand.give(ACK, 1, 1 + acknowledged * 100, b"");
        assert_eq!(hand.take(), segments(next..next + 2));
        next += 2;
    }
    assert_eq!((hand.connection.inspect().cwnd, hand.connection.inspect().ssthresh), (2000, None));
}

#[test]
fn rfc_5681_3_2_the_third_duplicate_sends_again_at_once_and_halves_the_window() {
    let mut hand = sending(&plain(), vec![]);
    // Segment 0 is lost. The first two duplicates each let one more go (RFC 3042).
    hand.give(ACK, 1, 1, b"");
    assert_eq!(hand.take(), segments(10..11));
    hand.give(ACK, 1, 1, b"");
    assert_eq!(hand.take(), segments(11..12));
    assert!(!hand.connection.take_events().has(Event::FastRetransmission));
    hand.give(ACK, 1, 1, b"");
    assert_eq!(hand.take(), segments(0..1));
    assert!(hand.connection.take_events().has(Event::FastRetransmission));
    // Half of the ten in flight, without what Limited Transmit sent; and three that left.
    let view = hand.connection.inspect();
    assert_eq!((view.ssthresh, view.cwnd, view.phase), (Some(500), 800, Phase::Recovery));
    // Eleven more arrived, so eight duplicates more come: 12 in flight, from the fifth on there is room for a new one.
    let sent: Vec<usize> = (0..8)
        .map(|_| {
            hand.give(ACK, 1, 1, b"");
            hand.take().len()
        })
        .collect();
    assert_eq!(sent, [0, 0, 0, 0, 1, 1, 1, 1]);
    // All that was in flight is acknowledged; what came after it is in flight: 4 segments.
    hand.give(ACK, 1, 1201, b"");
    let view = hand.connection.inspect();
    assert_eq!((view.phase, view.cwnd, view.ssthresh), (Phase::Open, 500, Some(500)));
    assert_eq!(hand.take(), segments(16..17));
}

#[test]
fn rfc_6582_a_partial_acknowledgement_sends_the_next_lost_segment_at_once() {
    let mut hand = sending(&plain(), vec![]);
    // Segments 0 and 4 are lost.
    for _ in 0..3 {
        hand.give(ACK, 1, 1, b"");
    }
    assert_eq!(hand.take()[0], out(".", 1, 1, 100));
    let timer = hand.connection.inspect().retransmission_timer;
    hand.after(Span::milliseconds(50));
    hand.connection.take_events();
    hand.give(ACK, 1, 401, b"");
    assert_eq!(hand.take()[0], out(".", 401, 1, 100));
    let events = hand.connection.take_events();
    assert!(
        events.has(Event::PartialAcknowledgement) && events.has(Event::Retransmission) && !events.has(Event::Recovered)
    );
    let view = hand.connection.inspect();
    // 800 less the 400 acknowledged, and one segment more.
    assert_eq!((view.phase, view.cwnd), (Phase::Recovery, 500));
    assert_ne!(view.retransmission_timer, timer, "the first partial acknowledgement restarts the timer");
    hand.give(ACK, 1, 1001, b"");
    assert_eq!(hand.connection.inspect().phase, Phase::Open);
}

#[test]
fn rfc_6582_duplicates_of_what_was_already_recovered_send_nothing_again() {
    let mut hand = sending(&plain(), vec![]);
    hand.wait();
    assert_eq!(hand.take(), segments(0..1));
    for _ in 0..5 {
        hand.give(ACK, 1, 1, b"");
    }
    assert_eq!(hand.take(), []);
    assert!(!hand.connection.take_events().has(Event::FastRetransmission));
}

#[test]
fn rfc_6582_3_2_duplicates_caused_by_going_back_after_a_timeout_tell_no_loss() {
    let mut hand = sending(&plain(), vec![]);
    hand.wait();
    hand.take();
    hand.give(ACK, 1, 1001, b"");
    // All ten had arrived; what was sent again makes duplicates that acknowledge nothing beyond the tenth.
    assert!(!hand.take().is_empty());
    for _ in 0..3 {
        hand.give(ACK, 1, 1001, b"");
    }
    assert!(!hand.connection.take_events().has(Event::FastRetransmission));
    // Beyond it they count again.
    hand.give(ACK, 1, 1101, b"");
    hand.take();
    for _ in 0..3 {
        hand.give(ACK, 1, 1101, b"");
    }
    assert!(hand.connection.take_events().has(Event::FastRetransmission));
}

#[test]
fn rfc_6582_3_2_only_the_first_partial_acknowledgement_restarts_the_timer() {
    let mut hand = sending(&plain(), vec![]);
    for _ in 0..3 {
        hand.give(ACK, 1, 1, b"");
    }
    let timers: Vec<u64> = [201, 401, 601]
        .into_iter()
        .map(|acknowledgement| {
            hand.after(Span::milliseconds(10));
            hand.give(ACK, 1, acknowledgement, b"");
            hand.take();
            hand.connection.inspect().retransmission_timer.map_or(0, |time| time.0 / 1_000_000)
        })
        .collect();
    assert_eq!(timers, [210, 210, 210]);
}

#[test]
fn rfc_5681_3_1_a_timeout_begins_again_with_one_segment() {
    let mut hand = sending(&plain(), vec![]);
    hand.wait();
    assert_eq!(hand.take(), segments(0..1));
    let view = hand.connection.inspect();
    assert_eq!((view.cwnd, view.ssthresh, view.phase, view.pipe), (100, Some(500), Phase::Loss, 100));
    // A second timeout keeps the threshold.
    hand.wait();
    assert_eq!(hand.take(), segments(0..1));
    assert_eq!(hand.connection.inspect().ssthresh, Some(500));
    // Slow start through what was lost: 2, 4 ... and then congestion avoidance.
    hand.give(ACK, 1, 101, b"");
    assert_eq!(hand.take(), segments(1..3));
    hand.give(ACK, 1, 201, b"");
    assert_eq!(hand.take(), segments(3..5));
    hand.give(ACK, 1, 301, b"");
    assert_eq!(hand.take(), segments(5..7));
    assert_eq!(hand.connection.inspect().cwnd, 400);
    hand.give(ACK, 1, 1001, b"");
    let view = hand.connection.inspect();
    assert_eq!((view.cwnd, view.phase), (500, Phase::Open));
}

#[test]
fn rfc_5681_3_1_congestion_avoidance_adds_a_segment_each_round_trip() {
    let mut hand = sending(&plain(), vec![]);
    for _ in 0..3 {
        hand.give(ACK, 1, 1, b"");
    }
    hand.take();
    hand.give(ACK, 1, 1001, b"");
    // Nothing was left in flight, so two segments go out and no burst; slow start to the threshold of 500 follows.
    assert_eq!((hand.connection.inspect().cwnd, hand.take()), (200, segments(10..12)));
    let mut acknowledged = 1001;
    let windows: Vec<u32> = (0..5)
        .map(|_| {
            let view = hand.connection.inspect();
            let next = i64::from(view.snd_nxt.0) - i64::from(OURS);
            while acknowledged < next {
                acknowledged += 100;
                hand.give(ACK, 1, acknowledged, b"");
                hand.take();
            }
            hand.connection.inspect().cwnd
        })
        .collect();
    assert_eq!(windows, [400, 500, 600, 700, 800]);
}

#[test]
fn rfc_5681_4_1_after_a_pause_the_window_is_the_initial_one() {
    let mut hand = Hand::established(&Terms { initial_segments: Some(2), ..plain() });
    hand.connection.send(&[0; 1000]);
    for _ in 0..10 {
        hand.take();
        let (next, _) = hand.next();
        hand.give(ACK, 1, next, b"");
    }
    assert!(hand.connection.inspect().cwnd >= 400);
    hand.after(Span::milliseconds(201));
    hand.connection.send(&[0; 1000]);
    assert_eq!(hand.take().len(), 2);
}

#[test]
fn rfc_6675_sack_sends_again_what_is_lost_and_nothing_else() {
    let terms = Terms { sack: true, ..plain() };
    let mut hand = sending(&terms, vec![TcpOption::SackPermitted]);
    // Segments 0, 2 and 3 are lost.
    hand.give_with(ACK, 1, 1, b"", sack(&[(1, 2)]));
    assert_eq!(hand.take(), segments(10..11));
    hand.give_with(ACK, 1, 1, b"", sack(&[(4, 5), (1, 2)]));
    assert_eq!(hand.take(), segments(11..12));
    hand.give_with(ACK, 1, 1, b"", sack(&[(4, 6), (1, 2)]));
    // More than two segments above segment 0 arrived: it is lost. Half of ten may be in the network.
    let view = hand.connection.inspect();
    assert_eq!((view.cwnd, view.ssthresh, view.phase, view.sacked), (500, Some(500), Phase::Recovery, 300));
    assert_eq!(hand.take(), segments(0..1));
    // Segments 2 and 3 are not known to be lost before more arrived above them.
    hand.give_with(ACK, 1, 1, b"", sack(&[(4, 7), (1, 2)]));
    // In the network: 0 again, and 7 to 11: no room.
    assert_eq!((hand.connection.inspect().pipe, hand.take()), (600, vec![]));
    hand.give_with(ACK, 1, 1, b"", sack(&[(4, 8), (1, 2)]));
    assert_eq!((hand.connection.inspect().pipe, hand.take()), (500, vec![]));
    hand.give_with(ACK, 1, 1, b"", sack(&[(4, 9), (1, 2)]));
    assert_eq!(hand.take(), segments(2..3));
    hand.give_with(ACK, 1, 1, b"", sack(&[(4, 10), (1, 2)]));
    assert_eq!(hand.take(), segments(3..4));
    hand.give_with(ACK, 1, 1, b"", sack(&[(4, 11), (1, 2)]));
    assert_eq!(hand.take(), segments(12..13));
    hand.give(ACK, 1, 1201, b"");
    let view = hand.connection.inspect();
    assert_eq!((view.phase, view.cwnd, view.retransmissions, view.sacked), (Phase::Open, 500, 3, 0));
}

#[test]
fn rfc_2018_reports_the_latest_block_first_and_at_most_four() {
    let mut hand = Hand::established_with(&Terms { sack: true, ..plain() }, vec![TcpOption::SackPermitted]);
    let mut last = Vec::new();
    for segment in [2, 4, 6, 8, 10] {
        hand.give(ACK, 1 + segment * 100, 1, &[0; 100]);
        assert_eq!(hand.take(), [out(".", 1, 1, 0)]);
        last = hand.last.clone().unwrap().options;
    }
    let number = |segment: u32| THEIRS + 1 + segment * 100;
    let block = |segment: u32| (number(segment), number(segment + 1));
    assert_eq!(last, [TcpOption::Sack(vec![block(10), block(8), block(6), block(4)])]);
    assert_eq!(hand.connection.inspect().out_of_order, 500);
    // A segment with data has less room beside the blocks.
    hand.connection.send(&[0; 200]);
    assert_eq!(hand.take()[0].3, 100 - 36);
}

#[test]
fn without_the_option_in_the_syn_no_block_is_reported() {
    let mut hand = Hand::established(&Terms { sack: true, ..plain() });
    hand.give(ACK, 201, 1, &[0; 100]);
    hand.take();
    assert_eq!(hand.last.unwrap().options, []);
}

#[test]
fn a_segment_whose_bytes_all_wait_behind_a_gap_makes_no_block_grow() {
    let mut hand = Hand::established(&plain());
    for _ in 0..2 {
        hand.give(ACK, 201, 1, &[0; 100]);
        assert_eq!(hand.take(), [out(".", 1, 1, 0)]);
    }
    assert_eq!(hand.connection.inspect().out_of_order, 100);
}

/// Sends bytes over a path that loses the data segments with these numbers, once each; how long it took in milliseconds,
/// and how often bytes were sent again.
fn transfer(sack: bool, lost: &'static [u32]) -> (u64, u64, bool) {
    let terms = Terms { sack, mss: 1000, initial_segments: Some(20), ..Terms::default() };
    let mut pair = Pair::established(terms.clone(), terms, Path::PERFECT);
    let mut left: Vec<u32> = lost.iter().map(|segment| tcp_pair::CLIENT_ISN.wrapping_add(1 + segment * 1000)).collect();
    pair.drops = Box::new(move |sent| {
        let found = left.iter().position(|&number| !sent.payload.is_empty() && number == sent.header.sequence);
        found.map(|at| left.remove(at)).is_some()
    });
    let start = pair.now;
    let data = bytes(100_000, 1);
    assert_eq!(pair.end(0).send(&data), data.len());
    pair.run_until(|pair| pair.end(1).receivable() == 100_000);
    assert_eq!(pair.read(1), data);
    let time = pair.now.since(start).0 / 1_000_000;
    pair.run_until(|pair| pair.end(0).inspect().flight == 0);
    let timed_out = pair.end(0).take_events().has(Event::RetransmissionTimeout);
    (time, pair.end(0).inspect().retransmissions, timed_out)
}

#[test]
fn losses_in_the_middle_are_repaired_without_a_timeout_and_only_what_was_lost_is_sent_again() {
    for (sack, lost) in [
        (false, &[][..]),
        (false, &[3]),
        (false, &[3, 4, 5]),
        (false, &[0, 7, 12]),
        (true, &[]),
        (true, &[3]),
        (true, &[3, 4, 5]),
        (true, &[0, 7, 12]),
        (true, &[1, 3, 5, 7, 9, 11, 13]),
    ] {
        let (_, retransmissions, timed_out) = transfer(sack, lost);
        assert_eq!((retransmissions, timed_out), (lost.len() as u64, false), "{sack} {lost:?}");
    }
}

#[test]
fn with_sack_many_losses_take_less_time_than_one_round_trip_each() {
    let lost = &[1, 3, 5, 7, 9, 11, 13];
    let (with, without) = (transfer(true, lost).0, transfer(false, lost).0);
    assert!(with < without, "{with} ms with SACK, {without} ms without");
}

#[test]
fn a_lost_tail_takes_the_timeout() {
    let (time, retransmissions, timed_out) = transfer(true, &[99]);
    let (whole, ..) = transfer(true, &[]);
    assert!(timed_out && retransmissions == 1);
    assert!(time >= whole + 200, "{time} ms, {whole} ms without a loss");
}

#[test]
fn a_window_of_ten_segments_fills_a_long_path_once_a_round_trip_and_doubles() {
    let path = Path { delay: Span::milliseconds(50), ..Path::PERFECT };
    let terms = Terms { mss: 1000, delayed_ack: Span::ZERO, ..Terms::default() };
    let mut pair = Pair::established(terms.clone(), terms, path);
    pair.end(0).send_pattern(150_000);
    pair.run_until(|pair| pair.end(1).receivable() == 150_000);
    assert_eq!(pair.state(0), State::Established);
    let sent = |round: u64| {
        pair.times(0, |sent| !sent.payload.is_empty()).iter().filter(|&&time| time == 150 + round * 100).count()
    };
    assert_eq!([0, 1, 2, 3].map(sent), [10, 20, 40, 80]);
    assert_eq!(pair.now, Time::ZERO + Span::milliseconds(150 + 3 * 100 + 50));
}
