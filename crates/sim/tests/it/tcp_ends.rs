//! How connections of two ends begin and end: at once, by halves, by a reset, and when one end has forgotten the other.

use sim::tcp::{Connection, Error, Event, Phase, State, Terms};
use sim::{Span, Time};
use wire::tcp::Flags;

use crate::tcp_pair::{Pair, Path, SERVER_ISN, bytes};

fn established() -> Pair {
    Pair::established(Terms::default(), Terms::default(), Path::PERFECT)
}

#[test]
fn both_begin_at_once_and_have_one_connection() {
    for loss in 0..5 {
        let path = Path { loss: loss * 10, seed: u64::from(loss), ..Path::PERFECT };
        let mut pair = Pair::new(Terms::default(), Terms::default(), path);
        pair.ends[1] = Some(Connection::connect(Time::ZERO, &Terms::default(), 80, 40_000, SERVER_ISN));
        pair.run_until(|pair| pair.state(0) == State::Established && pair.state(1) == State::Established);
        if loss == 0 {
            let flags: Vec<String> = pair.sent.iter().map(|sent| sent.header.flags.to_string()).collect();
            assert_eq!(flags, ["S", "S", "S.", "S."]);
        }
        pair.end(0).send(b"one");
        pair.end(1).send(b"two");
        pair.run_until(|pair| pair.end(0).receivable() == 3 && pair.end(1).receivable() == 3);
        assert_eq!((pair.read(0), pair.read(1)), (b"two".to_vec(), b"one".to_vec()));
    }
}

#[test]
fn both_close_at_once_and_wait() {
    let mut pair = established();
    pair.end(0).close();
    pair.end(1).close();
    pair.run_until(|pair| pair.state(0) == State::Closing);
    pair.run_until(|pair| pair.state(0) == State::TimeWait && pair.state(1) == State::TimeWait);
    pair.run_out();
    assert_eq!([0, 1].map(|end| (pair.state(end), pair.end(end).error())), [(State::Closed, None); 2]);
}

#[test]
fn one_closes_and_the_other_answers_at_length() {
    let mut pair = established();
    pair.end(0).send(b"question");
    pair.end(0).close();
    pair.run_until(|pair| pair.end(1).receivable() == 8 && pair.state(1) == State::CloseWait);
    let answer = bytes(100_000, 9);
    assert_eq!(pair.end(1).send(&answer), answer.len());
    pair.end(1).close();
    let mut read = Vec::new();
    pair.run_until(|pair| {
        read.extend(pair.read(0));
        pair.state(0) == State::TimeWait
    });
    assert!(read == answer);
    assert!(pair.end(0).is_finished());
    let end = pair.now;
    pair.run_out();
    assert_eq!((pair.state(1), pair.now.since(end)), (State::Closed, Span::seconds(60)));
}

#[test]
fn an_abort_resets_the_other_end() {
    let mut pair = established();
    pair.end(1).send_pattern(1_000_000);
    pair.run_until(|pair| pair.end(0).receivable() > 50_000);
    pair.end(0).abort();
    pair.run_out();
    assert_eq!([0, 1].map(|end| pair.end(end).error()), [Some(Error::Aborted), Some(Error::Reset)]);
    assert!(pair.end(1).take_events().has(Event::ResetByPeer));
    // What had arrived can still be read.
    assert!(pair.end(0).receivable() > 50_000);
}

#[test]
fn rfc_9293_3_5_1_an_end_that_forgot_resets_the_one_that_remembers() {
    let mut pair = established();
    pair.ends[1] = None;
    pair.listens = false;
    pair.end(0).send(b"are you there?");
    pair.run_out();
    assert_eq!((pair.state(0), pair.end(0).error()), (State::Closed, Some(Error::Reset)));
}

#[test]
fn rfc_9293_3_5_1_an_end_that_forgot_and_begins_anew_finds_out_and_begins_again() {
    // The SYN of figure 9: the end that remembers answers by an acknowledgement, which makes the other one reset it.
    let mut pair = established();
    pair.run_to(Time::ZERO + Span::seconds(10));
    pair.ends[0] = Some(Connection::connect(pair.now, &Terms::default(), 40_000, 80, 77_777));
    pair.run_until(|pair| pair.state(0) == State::Established && pair.state(1) == State::Established);
    let after: Vec<String> = pair.sent[3..].iter().map(|sent| sent.header.flags.to_string()).collect();
    assert_eq!(after, ["S", ".", "R", "S", "S.", "."]);
    assert_eq!(pair.now, Time::ZERO + Span::seconds(11) + Span::milliseconds(30));
}

#[test]
fn a_cable_that_is_cut_for_a_while_only_delays() {
    let mut pair = established();
    let data = bytes(200_000, 4);
    assert_eq!(pair.end(0).send(&data), data.len());
    let (from, to) = (pair.now + Span::milliseconds(25), pair.now + Span::seconds(30));
    pair.drops = Box::new(move |sent| sent.time >= from && sent.time < to);
    pair.run_until(|pair| pair.end(1).receivable() == data.len());
    assert!(pair.read(1) == data);
    let view = pair.end(0).inspect();
    assert!(pair.now >= to && view.phase != Phase::Recovery);
    assert_eq!(view.error, None);
}

#[test]
fn a_last_acknowledgement_that_is_lost_is_given_again_from_time_wait() {
    let mut pair = established();
    pair.end(0).close();
    pair.run_until(|pair| pair.state(1) == State::CloseWait);
    pair.end(1).close();
    let from = pair.now + Span::milliseconds(10);
    pair.drops = Box::new(move |sent| sent.end == 0 && sent.time >= from && sent.time < from + Span::milliseconds(300));
    pair.run_until(|pair| pair.state(1) == State::Closed);
    let fins = pair.times(1, |sent| sent.has(Flags::FIN));
    assert!(fins.len() >= 2, "{fins:?}");
    assert_eq!((pair.state(0), pair.end(1).error()), (State::TimeWait, None));
}

#[test]
fn a_view_is_told_in_the_rfcs_names() {
    let mut pair = established();
    let view = serde_json::to_value(pair.end(0).inspect()).unwrap();
    assert_eq!((&view["state"], &view["phase"]), (&"ESTABLISHED".into(), &"open".into()));
    assert_eq!(
        (&view["cwnd"], &view["ssthresh"], &view["mss"]),
        (&14_600.into(), &serde_json::Value::Null, &1460.into())
    );
}
