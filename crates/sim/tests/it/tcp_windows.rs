//! Windows that close and open, are probed and scaled; Nagle; silly windows (RFC 9293 3.7.4, 3.8.6; RFC 7323 2).

use sim::tcp::{Error, Event, State, Terms, pattern_byte};
use sim::{Span, Time};
use wire::tcp::TcpOption;

use crate::tcp_hand::*;
use crate::tcp_pair::{Pair, Path, bytes};

#[test]
fn a_closed_window_is_probed_at_longer_and_longer_intervals_as_long_as_the_peer_answers() {
    let mut hand = Hand::established(&plain());
    hand.window = 0;
    hand.give(ACK, 1, 1, b"");
    assert!(hand.connection.take_events().has(Event::ZeroWindow));
    hand.connection.send(&[5; 300]);
    assert_eq!(hand.take(), []);
    let mut times = Vec::new();
    for _ in 0..40 {
        times.push(hand.wait());
        assert_eq!(hand.take(), [out(".", 1, 1, 1)]);
        assert!(hand.connection.take_events().has(Event::WindowProbe));
        hand.give(ACK, 1, 1, b"");
    }
    assert_eq!(times[..10], [200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200, 162_200]);
    assert_eq!(hand.connection.state(), State::Established, "waiting has no limit");
    hand.window = WINDOW;
    hand.give(ACK, 1, 1, b"");
    assert!(hand.connection.take_events().has(Event::WindowOpened));
    assert_eq!(hand.take(), [out(".", 1, 1, 100), out(".", 101, 1, 100), out("P.", 201, 1, 100)]);
    assert_eq!(hand.connection.inspect().persist_timer, None);
}

#[test]
fn a_probe_that_was_taken_is_not_sent_again() {
    let mut hand = Hand::established(&plain());
    hand.window = 0;
    hand.give(ACK, 1, 1, b"");
    hand.connection.send(&[5; 300]);
    hand.take();
    hand.wait();
    hand.take();
    hand.window = WINDOW;
    hand.give(ACK, 1, 2, b"");
    assert_eq!(hand.take()[0], out(".", 2, 1, 100));
}

#[test]
fn probes_that_nobody_answers_end_the_connection() {
    let mut hand = Hand::established(&plain());
    hand.window = 0;
    hand.give(ACK, 1, 1, b"");
    hand.connection.send(b"data");
    let mut probes = 0;
    hand.take();
    while hand.connection.state() == State::Established {
        hand.wait();
        probes += hand.take().len();
    }
    assert_eq!((probes, hand.connection.error()), (15, Some(Error::TimedOut)));
}

#[test]
fn a_fin_waits_for_the_window_too_and_probes_it() {
    let mut hand = Hand::established(&plain());
    hand.window = 0;
    hand.give(ACK, 1, 1, b"");
    hand.connection.close();
    assert_eq!((hand.take(), hand.connection.state()), (vec![], State::FinWait1));
    hand.wait();
    assert_eq!(hand.take(), [out("F.", 1, 1, 0)]);
    hand.give(ACK, 1, 1, b"");
    hand.wait();
    assert_eq!(hand.take(), [out("F.", 1, 1, 0)]);
    hand.give(ACK, 1, 2, b"");
    assert_eq!(hand.connection.state(), State::FinWait2);
}

#[test]
fn a_probe_is_answered_and_its_acknowledgement_counts() {
    let mut hand = Hand::established(&Terms { receive_buffer: 100, ..plain() });
    hand.connection.send(b"mine");
    hand.take();
    hand.give(ACK, 1, 1, &[1; 100]);
    assert_eq!((hand.take(), hand.last.as_ref().unwrap().window), (vec![out(".", 5, 101, 0)], 0));
    hand.give(ACK, 101, 5, b"?");
    assert_eq!((hand.take(), hand.connection.inspect().flight), (vec![out(".", 5, 101, 0)], 0));
    assert_eq!(hand.connection.receivable(), 100);
    hand.give(FIN_ACK, 101, 5, b"");
    assert_eq!((hand.take(), hand.connection.state()), (vec![out(".", 5, 101, 0)], State::Established));
}

#[test]
fn a_window_that_opens_again_is_announced_once_it_is_worth_a_segment() {
    let mut hand = Hand::established(&Terms { receive_buffer: 1000, ..plain() });
    for at in 0..10 {
        hand.give(ACK, 1 + at * 100, 1, &[1; 100]);
    }
    hand.take();
    assert_eq!(hand.last.as_ref().unwrap().window, 0);
    hand.connection.consume(99);
    assert_eq!(hand.take(), []);
    hand.connection.consume(1);
    assert_eq!((hand.take(), hand.last.as_ref().unwrap().window), (vec![out(".", 1, 1001, 0)], 100));
    // From here on it goes with the next acknowledgement, or when half of the buffer opened.
    hand.connection.consume(400);
    assert_eq!(hand.take(), []);
    hand.connection.consume(100);
    assert_eq!((hand.take().len(), hand.last.as_ref().unwrap().window), (1, 600));
}

#[test]
fn data_beyond_the_window_is_cut() {
    let mut hand = Hand::established(&Terms { receive_buffer: 150, ..plain() });
    hand.give(ACK, 1, 1, &[1; 100]);
    hand.take();
    hand.give(FIN_ACK, 101, 1, &[2; 100]);
    assert_eq!((hand.take(), hand.connection.receivable()), (vec![out(".", 1, 151, 0)], 150));
    assert!(hand.connection.take_events().has(Event::BeyondWindow));
    assert_eq!(hand.connection.state(), State::Established, "the FIN was beyond, too");
}

#[test]
fn what_was_there_already_is_cut() {
    let mut hand = Hand::established(&plain());
    hand.give(ACK, 1, 1, b"abcd");
    hand.give(ACK, 3, 1, b"cdef");
    assert_eq!(hand.connection.peek().0, b"abcdef");
    assert!(hand.connection.take_events().has(Event::Duplicate));
}

#[test]
fn windows_are_scaled_but_in_syns() {
    let terms = Terms { window_scale: Some(3), receive_buffer: 200_000, ..plain() };
    let mut hand = Hand::established_with(&terms, vec![TcpOption::WindowScale(2)]);
    assert_eq!(hand.last.as_ref().unwrap().window, 25_000);
    hand.give(ACK, 1, 1, b"");
    assert_eq!(hand.connection.inspect().snd_wnd, 40_000);
}

#[test]
fn a_scaled_window_is_not_taken_back_by_rounding() {
    let terms = Terms { window_scale: Some(7), receive_buffer: 4096, ..plain() };
    let mut hand = Hand::established_with(&terms, vec![TcpOption::WindowScale(0)]);
    let (mut sequence, mut edge) = (1, 0);
    while hand.last.as_ref().unwrap().window > 0 {
        hand.give(ACK, sequence, 1, &[0; 333]);
        sequence += 333;
        hand.take();
        let next = hand.next().1 + (i64::from(hand.last.as_ref().unwrap().window) << 7);
        assert!(next >= edge, "{next} {edge}");
        edge = next;
    }
    assert!(hand.connection.receivable() >= 4096 && hand.connection.receivable() < 4096 + 2048);
}

#[test]
fn bytes_that_come_one_by_one_close_a_scaled_window_too() {
    let terms = Terms { window_scale: Some(7), receive_buffer: 4096, ..plain() };
    let mut hand = Hand::established_with(&terms, vec![TcpOption::WindowScale(0)]);
    for sequence in 1..7000 {
        hand.give(ACK, sequence, 1, b"1");
        hand.take();
    }
    assert_eq!((hand.connection.receivable(), hand.last.unwrap().window), (4096 + 2048, 0));
}

#[test]
fn an_older_segment_does_not_change_the_window() {
    let mut hand = Hand::established(&plain());
    hand.give(ACK, 1, 1, b"abc");
    hand.give(ACK, 4, 1, b"d");
    hand.window = 0;
    hand.give(ACK, 1, 1, b"abcde");
    assert_eq!(hand.connection.inspect().snd_wnd, u32::from(WINDOW));
    hand.give(ACK, 6, 1, b"");
    assert_eq!(hand.connection.inspect().snd_wnd, 0);
}

#[test]
fn nagle_small_segments_wait_while_data_is_under_way() {
    let mut hand = Hand::established(&Terms { nagle: true, ..plain() });
    hand.connection.send(b"a");
    assert_eq!(hand.take(), [out("P.", 1, 1, 1)]);
    hand.connection.send(b"b");
    hand.connection.send(b"c");
    assert_eq!(hand.take(), []);
    hand.connection.send(&[0; 100]);
    assert_eq!(hand.take(), [out(".", 2, 1, 100)]);
    hand.give(ACK, 1, 102, b"");
    assert_eq!(hand.take(), [out("P.", 102, 1, 2)]);
    // The last of all has nothing to wait for.
    hand.connection.send(b"z");
    hand.connection.close();
    assert_eq!(hand.take(), [out("FP.", 104, 1, 1)]);
}

#[test]
fn without_nagle_nothing_waits() {
    let mut hand = Hand::established(&plain());
    for at in 0..3 {
        hand.connection.send(b"a");
        assert_eq!(hand.take(), [out("P.", 1 + at, 1, 1)]);
    }
}

#[test]
fn a_sliver_of_window_is_left_alone_until_the_timer_says_otherwise() {
    let mut hand = Hand::established(&plain());
    hand.window = 10;
    hand.give(ACK, 1, 1, b"");
    hand.connection.send(&[0; 300]);
    assert_eq!(hand.take(), []);
    assert_eq!((hand.wait(), hand.take()), (200, vec![out(".", 1, 1, 10)]));
}

#[test]
fn a_peer_with_a_buffer_smaller_than_a_segment_gets_what_it_takes() {
    let mut hand = Hand::connect(&plain());
    hand.take();
    hand.window = 60;
    hand.give(SYN_ACK, 0, 1, b"");
    hand.connection.send(&[0; 100]);
    assert_eq!(hand.take(), [out(".", 1, 1, 0), out(".", 1, 1, 60)]);
}

#[test]
fn the_send_buffer_takes_so_much_and_a_pattern_takes_none() {
    let mut hand = Hand::established(&Terms { send_buffer: 500, ..plain() });
    assert_eq!(hand.connection.send(&[1; 600]), 500);
    assert_eq!(hand.connection.sendable(), 0);
    assert!(hand.connection.send_pattern(1 << 40));
    assert_eq!(hand.connection.unacknowledged(), 500 + (1 << 40));
    assert_eq!(hand.take().len(), 10);
    hand.give(ACK, 1, 301, b"");
    assert_eq!(hand.connection.sendable(), 300);
}

#[test]
fn a_slow_reader_gets_everything_through_a_window_that_closes_again_and_again() {
    let server = Terms { receive_buffer: 3000, ..Terms::default() };
    let mut pair = Pair::established(Terms::default(), server, Path::PERFECT);
    let data = bytes(50_000, 3);
    assert_eq!(pair.end(0).send(&data), data.len());
    pair.end(0).close();
    let (mut read, mut closed) = (Vec::new(), 0);
    while pair.state(1) != State::CloseWait || pair.end(1).receivable() > 0 {
        let until = pair.now + Span::milliseconds(700);
        pair.run_to(until);
        closed += u32::from(pair.end(0).take_events().has(Event::ZeroWindow));
        read.extend(pair.read(1));
    }
    assert!(closed >= 10, "{closed}");
    assert!(read == data);
    assert_eq!(pair.end(0).error(), None);
}

#[test]
fn a_lost_window_update_is_repaired_by_a_probe() {
    let server = Terms { receive_buffer: 3000, ..Terms::default() };
    let mut pair = Pair::established(Terms::default(), server, Path::PERFECT);
    pair.end(0).send(&[9; 6000]);
    pair.run_until(|pair| pair.end(0).inspect().snd_wnd == 0);
    let deaf_until = pair.now + Span::milliseconds(150);
    pair.drops = Box::new(move |sent| sent.end == 1 && sent.time < deaf_until);
    pair.read(1);
    pair.run_until(|pair| pair.end(0).inspect().send_queue == 0 || pair.end(1).receivable() == 3000);
    assert!(pair.end(0).take_events().has(Event::WindowProbe));
}

#[test]
fn the_pattern_arrives_as_it_is_across_4_gib() {
    // Sequence numbers wrap; nearly all of it is skipped by a receiver that never was.
    let mut hand = Hand::established(&Terms { mss: 60_000, window_scale: Some(7), unannounced_mss: 60_000, ..plain() });
    hand.connection.send_pattern(5_000_000_000);
    let mut position = 0u64;
    hand.window = u16::MAX;
    while position < 5_000_000_000 {
        while let Some(outgoing) = hand.connection.poll_transmit(hand.now) {
            let (first, second) = hand.connection.payload(&outgoing);
            assert_eq!((first[0], second.len()), (pattern_byte(position), 0));
            assert_eq!(first[first.len() - 1], pattern_byte(position + first.len() as u64 - 1));
            position += first.len() as u64;
        }
        let view = hand.connection.inspect();
        let next = i64::from(view.snd_nxt.0) - i64::from(OURS);
        hand.give(ACK, 1, next, b"");
    }
    let view = hand.connection.inspect();
    assert_eq!((view.delivered, view.send_queue, view.flight), (5_000_000_000, 0, 0));
    assert_eq!(hand.now, Time::ZERO);
}
