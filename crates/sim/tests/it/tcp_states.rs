//! Each state and what segments and calls do to it, by section of RFC 9293 and RFC 5961.

use sim::tcp::{Error, Event, Segment, State, State::*, Terms};
use sim::{Span, Time};
use wire::tcp::{Flags, TcpOption};

use crate::tcp_hand::*;

const SYNCHRONIZED: [State; 7] = [Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait];

#[test]
fn rfc_9293_3_5_the_handshake_of_the_one_who_begins() {
    let mut hand = Hand::connect(&plain());
    assert_eq!(hand.take(), [out("S", 0, 0, 0)]);
    hand.give(SYN_ACK, 0, 1, b"");
    assert_eq!(hand.take(), [out(".", 1, 1, 0)]);
    let events = hand.connection.take_events();
    assert_eq!(events.change, Some((SynSent, Established)));
    assert!(!hand.connection.is_passive());
}

#[test]
fn the_third_step_goes_out_alone_before_what_a_program_sends_that_only_then_hears_of_the_connection() {
    let mut hand = Hand::connect(&plain());
    hand.take();
    hand.give(SYN_ACK, 0, 1, b"");
    assert_eq!(hand.connection.send(b"x"), 1);
    hand.connection.close();
    assert_eq!(hand.take(), [out(".", 1, 1, 0), out("FP.", 1, 1, 1)]);
}

#[test]
fn rfc_9293_3_5_the_handshake_of_the_one_who_accepts() {
    let mut hand = Hand::in_state(SynReceived);
    hand.give(ACK, 1, 1, b"");
    assert_eq!((hand.take(), hand.connection.state()), (vec![], Established));
    assert!(hand.connection.is_passive());
}

#[test]
fn rfc_9293_3_5_both_begin_at_once() {
    let mut hand = Hand::in_state(SynSent);
    hand.give(SYN, 0, -i64::from(OURS), b"");
    assert_eq!((hand.connection.state(), hand.take()), (SynReceived, vec![out("S.", 0, 1, 0)]));
    hand.give(SYN_ACK, 0, 1, b"");
    assert_eq!(hand.connection.state(), Established);
}

#[test]
fn only_a_syn_that_begins_a_connection_is_accepted() {
    for flags in [ACK, SYN_ACK, RST, FIN_ACK, Flags(0), SYN.with(RST), SYN.with(Flags::FIN)] {
        let header = header(flags, 0, 0, WINDOW);
        let segment = Segment { header: &header, payload: b"" };
        assert!(sim::tcp::Connection::accept(Time::ZERO, &plain(), &segment, OURS).is_none(), "{flags}");
    }
}

#[test]
fn rfc_9293_3_10_7_3_in_syn_sent() {
    let reset = |sequence| vec![out("R", sequence, 0, 0)];
    let table = [
        // An acknowledgement of something never sent: half-open, answered by an RST.
        (ACK, 0, SynSent, None, reset(0)),
        (ACK, 2, SynSent, None, reset(2)),
        (SYN_ACK, 500, SynSent, None, reset(500)),
        // RSTs count only with a good acknowledgement.
        (RST_ACK, 1, Closed, Some(Error::Refused), vec![]),
        (RST_ACK, 2, SynSent, None, vec![]),
        (RST, 0, SynSent, None, vec![]),
        // Neither SYN nor RST: dropped.
        (ACK, 1, SynSent, None, vec![]),
        (FIN_ACK, 1, SynSent, None, vec![]),
        (SYN_ACK, 1, Established, None, vec![out(".", 1, 1, 0)]),
    ];
    for (flags, acknowledgement, state, error, sent) in table {
        let mut hand = Hand::in_state(SynSent);
        hand.give(flags, 0, acknowledgement, b"");
        let found = (hand.connection.state(), hand.connection.error(), hand.take());
        assert_eq!(found, (state, error, sent), "{flags} {acknowledgement}");
    }
}

#[test]
fn rfc_9293_3_10_7_4_in_syn_received() {
    let table = [
        (ACK, 1, 1, Established, None, vec![]),
        (ACK, 1, 0, SynReceived, None, vec![out("R", 0, 0, 0)]),
        (ACK, 1, 2, SynReceived, None, vec![out("R", 2, 0, 0)]),
        (RST, 1, 0, Closed, Some(Error::Refused), vec![]),
        (FIN_ACK, 1, 1, CloseWait, None, vec![out(".", 1, 2, 0)]),
        // The SYN-ACK was lost, and the SYN comes again.
        (SYN, 0, -1000, SynReceived, None, vec![out("S.", 0, 1, 0)]),
    ];
    for (flags, sequence, acknowledgement, state, error, sent) in table {
        let mut hand = Hand::in_state(SynReceived);
        hand.give(flags, sequence, acknowledgement, b"");
        let found = (hand.connection.state(), hand.connection.error(), hand.take());
        assert_eq!(found, (state, error, sent), "{flags} {sequence} {acknowledgement}");
    }
}

#[test]
fn rfc_5961_3_an_rst_ends_a_connection_only_with_the_exact_number() {
    for state in SYNCHRONIZED {
        let (_, theirs) = Hand::in_state(state).next();
        let mut hand = Hand::in_state(state);
        hand.give(RST, theirs, 0, b"");
        assert_eq!((hand.connection.state(), hand.take()), (Closed, vec![]), "{state}");
        let expected = (!matches!(state, Closing | LastAck | TimeWait)).then_some(Error::Reset);
        assert_eq!(hand.connection.error(), expected, "{state}");
        assert_eq!(hand.connection.next_timer(), None);

        let mut hand = Hand::in_state(state);
        let (ours, theirs) = hand.next();
        hand.give(RST, theirs + 1, 0, b"");
        assert_eq!((hand.connection.state(), hand.take()), (state, vec![out(".", ours, theirs, 0)]), "{state}");
        assert!(hand.connection.take_events().has(Event::Challenge));

        let mut hand = Hand::in_state(state);
        for sequence in [theirs - 1, theirs + 20_000] {
            hand.give(RST, sequence, 0, b"");
            assert_eq!((hand.connection.state(), hand.take()), (state, vec![]), "{state} {sequence}");
        }
    }
}

#[test]
fn rfc_5961_4_a_syn_in_a_connection_is_answered_by_an_acknowledgement() {
    for state in SYNCHRONIZED {
        for (flags, distance) in [(SYN, 0), (SYN, 50), (SYN_ACK, 0), (SYN, -1), (SYN, 1_000_000)] {
            let mut hand = Hand::in_state(state);
            let (ours, theirs) = hand.next();
            hand.give(flags, theirs + distance, 1, b"");
            assert_eq!(
                (hand.connection.state(), hand.take()),
                (state, vec![out(".", ours, theirs, 0)]),
                "{state} {flags} {distance}"
            );
        }
    }
}

#[test]
fn rfc_5961_5_acknowledgements_of_what_was_never_sent_or_long_ago_are_answered_and_change_nothing() {
    for state in SYNCHRONIZED {
        for acknowledgement in [100, -20_000] {
            let mut hand = Hand::in_state(state);
            let (ours, theirs) = hand.next();
            hand.give(ACK, theirs, acknowledgement, b"");
            assert_eq!((hand.connection.state(), hand.take()), (state, vec![out(".", ours, theirs, 0)]), "{state}");
        }
    }
}

#[test]
fn rfc_9293_3_10_7_4_segments_without_ack_are_dropped() {
    for state in [SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait] {
        let mut hand = Hand::in_state(state);
        let (_, theirs) = hand.next();
        hand.give(Flags(0), theirs, 0, b"data");
        hand.give(Flags::FIN, theirs, 0, b"");
        assert_eq!((hand.connection.state(), hand.take(), hand.connection.receivable()), (state, vec![], 0), "{state}");
    }
}

#[test]
fn rfc_9293_3_10_7_4_old_and_far_data_is_answered_and_not_taken() {
    for state in SYNCHRONIZED {
        let mut hand = Hand::in_state(state);
        let (ours, theirs) = hand.next();
        for sequence in [theirs - 4, theirs + 10_000] {
            hand.give(ACK, sequence, 1, b"data");
            assert_eq!(hand.take(), [out(".", ours, theirs, 0)], "{state} {sequence}");
        }
        assert_eq!((hand.connection.state(), hand.connection.receivable()), (state, 0), "{state}");
    }
}

#[test]
fn rfc_9293_3_10_7_4_a_fin_moves_each_state_as_figure_5_says() {
    let table = [
        (Established, 1, CloseWait),
        (FinWait1, 1, Closing),
        (FinWait1, 2, TimeWait),
        (FinWait2, 2, TimeWait),
        // The FIN came before, and comes again.
        (CloseWait, 1, CloseWait),
        (Closing, 1, Closing),
        (LastAck, 1, LastAck),
        (TimeWait, 2, TimeWait),
    ];
    for (state, acknowledgement, next) in table {
        let mut hand = Hand::in_state(state);
        let (ours, _) = hand.next();
        hand.give(FIN_ACK, 1, acknowledgement, b"");
        assert_eq!((hand.connection.state(), hand.take()), (next, vec![out(".", ours, 2, 0)]), "{state}");
    }
}

#[test]
fn rfc_9293_3_10_7_4_the_acknowledgement_of_our_fin_moves_on() {
    for (state, next) in [(FinWait1, FinWait2), (Closing, TimeWait), (LastAck, Closed)] {
        let mut hand = Hand::in_state(state);
        let (_, theirs) = hand.next();
        hand.give(ACK, theirs, 2, b"");
        assert_eq!((hand.connection.state(), hand.take(), hand.connection.error()), (next, vec![], None), "{state}");
    }
}

#[test]
fn data_is_taken_in_the_states_before_the_peers_fin_only() {
    for (state, taken) in [
        (SynReceived, 4),
        (Established, 4),
        (FinWait1, 4),
        (FinWait2, 4),
        (CloseWait, 0),
        (Closing, 0),
        (LastAck, 0),
        (TimeWait, 0),
    ] {
        let mut hand = Hand::in_state(state);
        let (ours, theirs) = hand.next();
        hand.give(ACK, theirs, ours, b"data");
        assert_eq!(hand.connection.receivable(), taken, "{state}");
    }
}

#[test]
fn rfc_9293_3_10_4_close_by_state() {
    let table = [
        (SynSent, Closed, vec![]),
        (SynReceived, SynReceived, vec![]),
        (Established, FinWait1, vec![out("F.", 1, 1, 0)]),
        (FinWait1, FinWait1, vec![]),
        (FinWait2, FinWait2, vec![]),
        (CloseWait, LastAck, vec![out("F.", 1, 2, 0)]),
        (Closing, Closing, vec![]),
        (LastAck, LastAck, vec![]),
        (TimeWait, TimeWait, vec![]),
        (Closed, Closed, vec![]),
    ];
    for (state, next, sent) in table {
        let mut hand = if state == Closed { closed() } else { Hand::in_state(state) };
        hand.connection.close();
        assert_eq!((hand.connection.state(), hand.take()), (next, sent), "{state}");
        assert_eq!((hand.connection.sendable(), hand.connection.send(b"late")), (0, 0), "{state}");
        assert!(!hand.connection.send_pattern(1), "{state}");
    }
}

#[test]
fn a_fin_that_was_asked_for_in_the_handshake_follows_it() {
    let mut hand = Hand::in_state(SynReceived);
    hand.connection.close();
    hand.give(ACK, 1, 1, b"");
    assert_eq!((hand.connection.state(), hand.take()), (FinWait1, vec![out("F.", 1, 1, 0)]));
}

#[test]
fn rfc_9293_3_10_5_abort_by_state() {
    for (state, resets) in [
        (SynSent, false),
        (SynReceived, true),
        (Established, true),
        (FinWait1, true),
        (FinWait2, true),
        (CloseWait, true),
        (Closing, false),
        (LastAck, false),
        (TimeWait, false),
    ] {
        let mut hand = Hand::in_state(state);
        let (ours, theirs) = hand.next();
        hand.connection.abort();
        let sent = if resets { vec![out("R.", ours, theirs, 0)] } else { vec![] };
        assert_eq!((hand.connection.state(), hand.take()), (Closed, sent), "{state}");
        assert_eq!(hand.connection.error(), Some(Error::Aborted));
        assert_eq!((hand.take(), hand.connection.next_timer()), (vec![], None), "{state}");
    }
}

fn closed() -> Hand {
    let mut hand = Hand::in_state(LastAck);
    hand.give(ACK, 2, 2, b"");
    hand
}

#[test]
fn a_closed_connection_takes_and_gives_nothing() {
    let mut hand = closed();
    for flags in [ACK, SYN, RST, FIN_ACK] {
        hand.give(flags, 2, 2, b"data");
    }
    assert_eq!((hand.take(), hand.connection.receivable(), hand.connection.state()), (vec![], 0, Closed));
}

#[test]
fn half_closed_the_other_end_goes_on_sending() {
    let mut hand = Hand::in_state(FinWait2);
    hand.give(ACK, 1, 2, b"still here");
    assert_eq!(hand.take(), [out(".", 2, 11, 0)]);
    let mut read = [0; 20];
    assert_eq!(hand.connection.receive(&mut read), 10);
    assert_eq!(&read[..10], b"still here");
    assert!(!hand.connection.is_finished());
    hand.give(FIN_ACK, 11, 2, b"");
    assert!(hand.connection.is_finished());
    assert_eq!(hand.connection.state(), TimeWait);
}

#[test]
fn in_close_wait_data_still_goes_out_and_the_fin_with_the_last_of_it() {
    let mut hand = Hand::in_state(CloseWait);
    assert_eq!(hand.connection.send(&[7; 150]), 150);
    hand.connection.close();
    assert_eq!(hand.take(), [out(".", 1, 2, 100), out("FP.", 101, 2, 50)]);
}

#[test]
fn a_fin_beyond_a_gap_waits_for_the_gap() {
    let mut hand = Hand::in_state(Established);
    hand.give(FIN_ACK, 5, 1, b"tail");
    assert_eq!((hand.connection.state(), hand.take()), (Established, vec![out(".", 1, 1, 0)]));
    hand.give(ACK, 1, 1, b"head");
    assert_eq!((hand.connection.state(), hand.take()), (CloseWait, vec![out(".", 1, 10, 0)]));
    let (first, second) = hand.connection.peek();
    assert_eq!([first, second].concat(), b"headtail");
}

#[test]
fn a_bare_fin_beyond_a_gap_is_answered_by_what_is_missing() {
    let mut hand = Hand::in_state(Established);
    hand.give(FIN_ACK, 5, 1, b"");
    assert_eq!((hand.connection.state(), hand.take()), (Established, vec![out(".", 1, 1, 0)]));
    hand.give(ACK, 1, 1, b"head");
    assert_eq!((hand.connection.state(), hand.take()), (CloseWait, vec![out(".", 1, 6, 0)]));
}

#[test]
fn data_and_fin_may_come_with_the_syn_ack() {
    let mut hand = Hand::in_state(SynSent);
    hand.give(SYN_ACK.with(Flags::FIN), 0, 1, b"all");
    assert_eq!((hand.connection.state(), hand.take()), (CloseWait, vec![out(".", 1, 5, 0)]));
    assert_eq!(hand.connection.peek().0, b"all");
}

#[test]
fn time_wait_lasts_as_long_as_it_is_set_to_and_begins_anew_with_each_fin() {
    let mut hand = Hand::in_state(TimeWait);
    assert_eq!(hand.connection.next_timer(), Some(Time::ZERO + Span::seconds(60)));
    hand.after(Span::seconds(50));
    hand.give(FIN_ACK, 1, 2, b"");
    assert_eq!(hand.take(), [out(".", 2, 2, 0)]);
    assert_eq!(hand.wait(), 110_000);
    assert_eq!((hand.connection.state(), hand.connection.error()), (Closed, None));
}

#[test]
fn rfc_9293_3_6_1_time_wait_yields_to_a_later_syn() {
    let hand = Hand::in_state(TimeWait);
    for (flags, sequence, yields) in
        [(SYN, 2, false), (SYN, 3, true), (SYN, -100, false), (SYN_ACK, 3, false), (ACK, 3, false)]
    {
        let header = header(flags, sequence, 0, WINDOW);
        assert_eq!(hand.connection.yields_to(&Segment { header: &header, payload: b"" }), yields, "{flags} {sequence}");
    }
    let header = header(SYN, 3, 0, WINDOW);
    assert!(!Hand::in_state(Established).connection.yields_to(&Segment { header: &header, payload: b"" }));
}

#[test]
fn what_nobody_will_read_is_reset() {
    // Unread data at the end of the user, and data after it (RFC 1122 4.2.2.13).
    let mut hand = Hand::in_state(Established);
    hand.give(ACK, 1, 1, b"unread");
    hand.take();
    hand.connection.detach(hand.now);
    assert_eq!((hand.take(), hand.connection.state()), (vec![out("R.", 1, 7, 0)], Closed));

    let mut hand = Hand::in_state(Established);
    hand.connection.detach(hand.now);
    assert_eq!((hand.take(), hand.connection.state()), (vec![out("F.", 1, 1, 0)], FinWait1));
    hand.give(ACK, 1, 2, b"late");
    assert_eq!((hand.take(), hand.connection.state()), (vec![out("R.", 2, 1, 0)], Closed));
}

#[test]
fn without_a_user_fin_wait_2_ends_by_itself() {
    let mut hand = Hand::in_state(FinWait2);
    assert_eq!(hand.connection.next_timer(), None);
    hand.connection.detach(hand.now);
    assert_eq!((hand.wait(), hand.connection.state()), (60_000, Closed));
}

#[test]
fn a_segment_without_data_is_not_answered_again_at_once() {
    let mut hand = Hand::in_state(Established);
    let sent: Vec<usize> = (0..6)
        .map(|_| {
            hand.give(ACK, 20_000, 1, b"");
            hand.after(Span::milliseconds(100));
            hand.take().len()
        })
        .collect();
    assert_eq!(sent, [1, 0, 0, 0, 0, 1]);
}

#[test]
fn two_ends_that_disagree_do_not_answer_each_other_for_ever() {
    let (mut a, mut b) = (Hand::in_state(Established), Hand::in_state(Established));
    a.connection.on_segment(a.now, &Segment { header: &header(ACK, 50_000, 70_000, WINDOW), payload: b"" });
    for exchange in 0.. {
        let Some(segment) = a.connection.poll_transmit(a.now) else { break };
        assert!(exchange < 3);
        b.connection.on_segment(b.now, &Segment { header: &segment.header, payload: b"" });
        std::mem::swap(&mut a, &mut b);
    }
}

#[test]
fn what_a_syn_offers_and_gets() {
    let terms =
        Terms { mss: 1400, receive_buffer: 200_000, window_scale: Some(3), timestamps: true, ..Terms::default() };
    let mut hand = Hand::connect(&terms);
    hand.now = Time::ZERO + Span::milliseconds(5);
    hand.take();
    let syn = hand.last.clone().unwrap();
    assert_eq!(syn.window, 65_535);
    let ours = [
        TcpOption::MaximumSegmentSize(1400),
        TcpOption::SackPermitted,
        TcpOption::Timestamps(5, 0),
        TcpOption::WindowScale(3),
    ];
    assert_eq!(syn.options, ours);
    let cases = [
        (vec![], (536, 0, 0, false, false)),
        (vec![TcpOption::MaximumSegmentSize(1000)], (1000, 0, 0, false, false)),
        (vec![TcpOption::MaximumSegmentSize(9000), TcpOption::WindowScale(5)], (1400, 5, 3, false, false)),
        (vec![TcpOption::MaximumSegmentSize(0), TcpOption::WindowScale(20)], (28, 14, 3, false, false)),
        (vec![TcpOption::SackPermitted, TcpOption::Timestamps(9, 5)], (536, 0, 0, true, true)),
    ];
    for (options, expected) in cases {
        let mut hand = Hand::connect(&terms);
        hand.take();
        hand.give_with(SYN_ACK, 0, 1, b"", options.clone());
        let view = hand.connection.inspect();
        let found = (view.mss, view.snd_wind_shift, view.rcv_wind_shift, view.sack, view.timestamps);
        assert_eq!(found, expected, "{options:?}");
        assert_eq!(view.snd_wnd, 10_000, "the window of a SYN is not scaled");
    }
}

#[test]
fn a_syn_ack_offers_only_what_the_syn_did() {
    let terms = Terms { timestamps: true, ..Terms::default() };
    let mut offers = Vec::new();
    for options in [vec![], vec![TcpOption::WindowScale(0), TcpOption::SackPermitted]] {
        let syn = wire::Tcp { options, ..header(SYN, 0, 0, WINDOW) };
        let segment = Segment { header: &syn, payload: b"" };
        let mut connection = sim::tcp::Connection::accept(Time::ZERO, &terms, &segment, OURS).unwrap();
        offers.push(connection.poll_transmit(Time::ZERO).unwrap().header.options);
    }
    assert_eq!(offers[0], [TcpOption::MaximumSegmentSize(1460)]);
    assert_eq!(offers[1], [TcpOption::MaximumSegmentSize(1460), TcpOption::SackPermitted, TcpOption::WindowScale(7)]);
}
