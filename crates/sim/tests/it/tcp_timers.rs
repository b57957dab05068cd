//! When things are sent again, how often, and when a connection gives up (RFC 6298, RFC 1122 4.2.3, RFC 9293 3.8.4).

use sim::tcp::{Error, Event, KeepAlive, State, Terms, Unreachable};
use sim::{Span, Time};
use wire::tcp::{Flags, TcpOption};

use crate::tcp_hand::*;
use crate::tcp_pair::{Pair, Path};

#[test]
fn a_syn_goes_out_at_0_1_3_7_15_31_and_63_seconds_and_is_given_up_a_minute_later() {
    let mut pair = Pair::new(Terms::default(), Terms::default(), Path::PERFECT);
    pair.drops = Box::new(|_| true);
    pair.run_out();
    assert_eq!(pair.times(0, |_| true), [0, 1000, 3000, 7000, 15_000, 31_000, 63_000]);
    assert!(pair.sent.iter().all(|sent| sent.header == pair.sent[0].header));
    assert_eq!((pair.now, pair.end(0).error()), (Time::ZERO + Span::seconds(123), Some(Error::TimedOut)));
    assert!(pair.end(0).take_events().has(Event::GaveUp));
}

#[test]
fn a_syn_ack_is_sent_again_five_times_and_then_given_up() {
    let mut pair = Pair::new(Terms::default(), Terms::default(), Path::PERFECT);
    pair.drops = Box::new(|sent| sent.end == 1 || sent.time > Time::ZERO);
    pair.run_out();
    assert_eq!(pair.times(1, |_| true), [10, 1010, 3010, 7010, 15_010, 31_010]);
    assert_eq!(pair.end(1).error(), Some(Error::TimedOut));
}

#[test]
fn a_syn_to_a_closed_port_is_refused_a_round_trip_later() {
    let mut pair = Pair::new(Terms::default(), Terms::default(), Path::PERFECT);
    pair.listens = false;
    pair.run_out();
    assert_eq!((pair.state(0), pair.end(0).error()), (State::Closed, Some(Error::Refused)));
    assert_eq!((pair.now, pair.sent.len()), (Time::ZERO + Span::milliseconds(20), 2));
}

#[test]
fn data_is_sent_again_after_the_timeout_doubled_each_time_up_to_a_minute_and_fifteen_times() {
    let mut hand = Hand::established(&plain());
    hand.connection.send(b"data");
    assert_eq!(hand.take(), [out("P.", 1, 1, 4)]);
    let mut times = Vec::new();
    while hand.connection.state() == State::Established {
        times.push(hand.wait());
        let again = if times.len() <= 15 { vec![out("P.", 1, 1, 4)] } else { vec![] };
        assert_eq!(hand.take(), again);
    }
    // The handshake took no time at all, so the minimum counts: 0.2 s, then twice as long each time.
    let expected = [
        200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200, 162_200, 222_200, 282_200, 342_200, 402_200,
        462_200, 522_200,
    ];
    assert_eq!(times, expected);
    assert_eq!(hand.connection.error(), Some(Error::TimedOut));
    assert_eq!(hand.connection.inspect().retransmissions, 15);
}

#[test]
fn a_lost_syn_makes_the_first_timeout_three_seconds_and_the_first_window_one_segment() {
    let mut hand = Hand::connect(&plain());
    hand.take();
    assert_eq!(hand.wait(), 1000);
    hand.take();
    hand.give(SYN_ACK, 0, 1, b"");
    let view = hand.connection.inspect();
    // Which SYN was answered cannot be told: no measurement (Karn).
    assert_eq!((view.rto, view.srtt, view.cwnd), (Span::seconds(3), None, 100));
}

#[test]
fn the_round_trip_of_the_handshake_is_the_first_measurement() {
    let mut pair = Pair::established(Terms::default(), Terms::default(), Path::PERFECT);
    for end in 0..2 {
        let view = pair.end(end).inspect();
        // 20 ms and its half; 20 + 4 * 10 is less than the minimum.
        assert_eq!(view.srtt, Some(Span::milliseconds(20)));
        assert_eq!((view.rttvar, view.rto), (Some(Span::milliseconds(10)), Span::milliseconds(200)));
    }
}

#[test]
fn karn_what_was_sent_twice_is_not_measured_and_keeps_the_backoff() {
    let mut hand = Hand::established(&plain());
    hand.connection.send(b"one");
    hand.take();
    hand.wait();
    hand.take();
    hand.after(Span::milliseconds(5));
    hand.give(ACK, 1, 4, b"");
    let view = hand.connection.inspect();
    assert_eq!((view.srtt, view.rto, view.attempts), (Some(Span::ZERO), Span::milliseconds(400), 0));
    hand.connection.send(b"two");
    hand.take();
    hand.after(Span::milliseconds(80));
    hand.give(ACK, 1, 7, b"");
    // SRTT = 80/8, RTTVAR = 80/4: 10 + 4 * 20 ms, and the minimum.
    let view = hand.connection.inspect();
    assert_eq!((view.srtt, view.rttvar), (Some(Span::milliseconds(10)), Some(Span::milliseconds(20))));
    assert_eq!(view.rto, Span::milliseconds(200));
}

#[test]
fn karn_a_fast_retransmission_is_not_measured_either() {
    let mut hand = Hand::established(&plain());
    hand.connection.send_pattern(1000);
    assert_eq!(hand.take().len(), 10);
    for _ in 0..3 {
        hand.give(ACK, 1, 1, b"");
    }
    hand.take();
    hand.after(Span::milliseconds(100));
    hand.give(ACK, 1, 1001, b"");
    let view = hand.connection.inspect();
    assert_eq!((view.flight, view.retransmissions, view.srtt), (0, 1, Some(Span::ZERO)));
}

#[test]
fn with_timestamps_what_was_sent_twice_is_measured_by_its_echo() {
    let terms = Terms { timestamps: true, ..plain() };
    let mut hand = Hand::established_with(&terms, vec![TcpOption::Timestamps(1, 0)]);
    hand.after(Span::milliseconds(10));
    hand.connection.send(b"one");
    hand.take();
    hand.wait();
    hand.take();
    let Some(TcpOption::Timestamps(sent, 1)) = hand.last.as_ref().unwrap().options.first().cloned() else { panic!() };
    assert_eq!(sent, 210);
    hand.after(Span::milliseconds(40));
    hand.give_with(ACK, 1, 4, b"", vec![TcpOption::Timestamps(2, sent)]);
    let view = hand.connection.inspect();
    assert_eq!((view.srtt, view.rto), (Some(Span::milliseconds(5)), Span::milliseconds(200)));
}

#[test]
fn rfc_7323_5_a_segment_with_an_older_timestamp_is_not_taken() {
    let terms = Terms { timestamps: true, ..plain() };
    let mut hand = Hand::established_with(&terms, vec![TcpOption::Timestamps(1000, 0)]);
    hand.give_with(ACK, 1, 1, b"old", vec![TcpOption::Timestamps(999, 0)]);
    assert_eq!((hand.take(), hand.connection.receivable()), (vec![out(".", 1, 1, 0)], 0));
    assert!(hand.connection.take_events().has(Event::OldTimestamp));
    hand.give_with(ACK, 1, 1, b"new", vec![TcpOption::Timestamps(1001, 0)]);
    hand.take();
    assert_eq!(hand.connection.receivable(), 3);
    assert_eq!(hand.last.unwrap().options, [TcpOption::Timestamps(0, 1001)]);
}

#[test]
fn a_fin_is_sent_again_until_it_is_acknowledged() {
    let mut hand = Hand::established(&plain());
    hand.connection.close();
    assert_eq!(hand.take(), [out("F.", 1, 1, 0)]);
    for time in [200, 600, 1400] {
        assert_eq!(hand.wait(), time);
        assert_eq!(hand.take(), [out("F.", 1, 1, 0)]);
    }
    hand.give(ACK, 1, 2, b"");
    assert_eq!((hand.connection.state(), hand.connection.next_timer()), (State::FinWait2, None));
}

#[test]
fn an_acknowledgement_waits_40_ms_for_company_and_the_second_segment_ends_the_wait() {
    let terms = Terms { delayed_ack: Span::milliseconds(40), ..plain() };
    let mut hand = Hand::established(&terms);
    hand.give(ACK, 1, 1, b"one");
    assert_eq!(hand.take(), []);
    assert_eq!((hand.wait(), hand.take()), (40, vec![out(".", 1, 4, 0)]));
    hand.give(ACK, 4, 1, b"two");
    assert_eq!(hand.take(), []);
    hand.give(ACK, 7, 1, b"three");
    assert_eq!((hand.take(), hand.connection.next_timer()), (vec![out(".", 1, 12, 0)], None));
    // Data that goes out takes the acknowledgement along.
    hand.give(ACK, 12, 1, b"four");
    hand.connection.send(b"answer");
    assert_eq!(hand.take(), [out("P.", 1, 16, 6)]);
    assert_eq!(hand.connection.inspect().acknowledgement_timer, None);
}

#[test]
fn gaps_their_ends_and_fins_are_acknowledged_at_once() {
    let terms = Terms { delayed_ack: Span::milliseconds(40), ..plain() };
    let mut hand = Hand::established(&terms);
    hand.give(ACK, 4, 1, b"two");
    assert_eq!(hand.take(), [out(".", 1, 1, 0)]);
    hand.give(ACK, 1, 1, b"one");
    assert_eq!(hand.take(), [out(".", 1, 7, 0)]);
    hand.give(FIN_ACK, 7, 1, b"");
    assert_eq!(hand.take(), [out(".", 1, 8, 0)]);
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let keep_alive = KeepAlive { idle: Span::seconds(100), interval: Span::seconds(10), probes: 3 };
    let mut hand = Hand::established(&Terms { keep_alive: Some(keep_alive), ..plain() });
    assert_eq!((hand.wait(), hand.take()), (100_000, vec![out(".", 0, 1, 0)]));
    hand.give(ACK, 1, 1, b"");
    let times: Vec<u64> = (0..4).map(|_| hand.wait()).collect();
    assert_eq!(times, [200_000, 210_000, 220_000, 230_000]);
    assert_eq!((hand.connection.state(), hand.connection.error()), (State::Closed, Some(Error::TimedOut)));
}

#[test]
fn a_keep_alive_is_answered() {
    let mut hand = Hand::established(&plain());
    hand.give(ACK, 0, 1, b"");
    assert_eq!(hand.take(), [out(".", 1, 1, 0)]);
}

#[test]
fn unreachable_ends_what_only_begins_and_never_what_stands() {
    let patient = Terms { soft_errors_end_syn: false, ..plain() };
    for (terms, reason, ends) in [
        (plain(), Unreachable::Hard, true),
        (plain(), Unreachable::Soft, true),
        (patient.clone(), Unreachable::Hard, true),
        (patient.clone(), Unreachable::Soft, false),
    ] {
        let mut hand = Hand::connect(&terms);
        hand.take();
        hand.connection.on_unreachable(OURS + 1, reason);
        assert_eq!(hand.connection.state(), State::SynSent, "the error is about nothing that was sent");
        hand.connection.on_unreachable(OURS, reason);
        assert_eq!(hand.connection.error(), ends.then_some(Error::Unreachable), "{reason:?}");
    }
    let mut hand = Hand::established(&plain());
    hand.connection.send(b"data");
    hand.take();
    hand.connection.on_unreachable(OURS + 1, Unreachable::Hard);
    assert_eq!(hand.connection.state(), State::Established);
    assert!(hand.connection.take_events().has(Event::SoftError));
    while hand.connection.state() == State::Established {
        hand.wait();
        hand.take();
    }
    assert_eq!(hand.connection.error(), Some(Error::Unreachable), "the reason is remembered (RFC 1122 4.2.3.9)");
}

#[test]
fn a_path_that_takes_less_gets_smaller_segments_at_once_and_the_window_stays() {
    let mut hand = Hand::established(&plain());
    hand.connection.send(&[1; 300]);
    assert_eq!(hand.take().len(), 3);
    let before = hand.connection.inspect().cwnd;
    hand.connection.on_packet_too_big(OURS + 500, 60);
    assert_eq!(hand.take(), [], "an error about nothing in flight counts nothing");
    hand.connection.on_packet_too_big(OURS + 1, 60);
    let expected: Vec<Out> = (0..5).map(|at| out(if at == 4 { "P." } else { "." }, 1 + at * 60, 1, 60)).collect();
    assert_eq!(hand.take(), expected);
    hand.connection.on_packet_too_big(OURS + 1, 70);
    let view = hand.connection.inspect();
    assert_eq!((view.mss, view.cwnd, hand.take()), (60, before, vec![]));
}

#[test]
fn a_lost_ack_of_the_handshake_is_repaired_by_the_syn_ack() {
    let mut pair = Pair::new(Terms::default(), Terms::default(), Path::PERFECT);
    pair.drops = Box::new(|sent| sent.end == 0 && sent.has(Flags::ACK) && sent.time < Time::ZERO + Span::seconds(1));
    pair.run_until(|pair| pair.state(1) == State::Established);
    assert_eq!(pair.times(1, |_| true), [10, 1010]);
    assert_eq!(pair.times(0, |sent| sent.has(Flags::ACK)), [20, 1020]);
}
