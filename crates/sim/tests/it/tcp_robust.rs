//! Nothing that arrives, in any order and state, makes a connection panic, send for ever or forget what is true of it.

use proptest::prelude::*;
use sim::tcp::{Connection, Event, Segment, State, Terms, Unreachable};
use sim::{Span, Time};
use wire::Tcp;
use wire::tcp::{Flags, TcpOption};

use crate::tcp_hand::*;

#[derive(Debug, Clone)]
enum Step {
    /// Flags, sequence and acknowledgement numbers from the next ones on, window, bytes, blocks from SND.UNA on, timestamps.
    Segment(u8, i32, i32, u16, u16, Vec<(i32, i32)>, Option<(u32, u32)>),
    /// A segment that brings what is next and acknowledges everything.
    Good(u16),
    Send(u16),
    Pattern(u32),
    Read(u16),
    Timer,
    Wait(u32),
    Close,
    Detach,
    Abort,
    TooBig(i32, u16),
    Unreachable(i32),
}

fn near() -> impl Strategy<Value = i32> {
    prop_oneof![4 => -3i32..4, 4 => -3000i32..3000, 1 => any::<i32>()]
}

fn step() -> impl Strategy<Value = Step> {
    let blocks = prop::collection::vec((near(), near()), 0..4);
    let segment = (
        prop_oneof![6 => Just(Flags::ACK.0), 2 => Just(Flags::ACK.0 | Flags::FIN.0), 1 => any::<u8>()],
        (near(), near()),
        (prop_oneof![Just(0), Just(1), any::<u16>()], 0u16..2000),
        blocks,
        prop::option::weighted(0.1, any::<(u32, u32)>()),
    );
    prop_oneof![
        12 => segment.prop_map(|(flags, (sequence, acknowledgement), (window, length), blocks, stamps)| {
            Step::Segment(flags, sequence, acknowledgement, window, length, blocks, stamps)
        }),
        8 => (0u16..1500).prop_map(Step::Good),
        6 => any::<u16>().prop_map(Step::Send),
        1 => any::<u32>().prop_map(Step::Pattern),
        4 => any::<u16>().prop_map(Step::Read),
        4 => Just(Step::Timer),
        2 => any::<u32>().prop_map(Step::Wait),
        1 => Just(Step::Close),
        1 => prop_oneof![3 => Just(Step::Close), 1 => Just(Step::Detach), 1 => Just(Step::Abort)],
        1 => (near(), any::<u16>()).prop_map(|(place, mss)| Step::TooBig(place, mss)),
        1 => near().prop_map(Step::Unreachable),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    (any::<u16>(), 1u32..20_000, (any::<bool>(), any::<bool>(), any::<bool>()), prop::option::of(any::<u8>())).prop_map(
        |(mss, buffer, (sack, timestamps, nagle), window_scale)| Terms {
            mss,
            receive_buffer: buffer,
            send_buffer: buffer,
            sack,
            timestamps,
            nagle,
            window_scale,
            ..Terms::default()
        },
    )
}

/// Takes a step; the bytes read in it.
fn take(connection: &mut Connection, now: &mut Time, step: &Step) -> usize {
    let view = connection.inspect();
    let header = |flags: u8, sequence: u32, acknowledgement: u32, window: u16, options: Vec<TcpOption>| Tcp {
        source_port: 80,
        destination_port: 40_000,
        sequence,
        acknowledgement,
        flags: Flags(flags),
        window,
        urgent: 0,
        options,
    };
    let place = |from: u32, distance: i32| from.wrapping_add_signed(distance);
    match step {
        Step::Segment(flags, sequence, acknowledgement, window, length, blocks, stamps) => {
            let blocks = blocks.iter().map(|&(a, b)| (place(view.snd_una.0, a), place(view.snd_una.0, b))).collect();
            let mut options = vec![TcpOption::Sack(blocks)];
            options.extend(stamps.map(|(value, echo)| TcpOption::Timestamps(value, echo)));
            let (sequence, acknowledgement) =
                (place(view.rcv_nxt.0, *sequence), place(view.snd_nxt.0, *acknowledgement));
            let header = header(*flags, sequence, acknowledgement, *window, options);
            connection.on_segment(*now, &Segment { header: &header, payload: &vec![7; usize::from(*length)] });
        }
        Step::Good(length) => {
            let flags = if view.state == State::SynSent { SYN_ACK } else { ACK };
            let header = header(flags.0, view.rcv_nxt.0, view.snd_nxt.0, 5000, vec![TcpOption::SackPermitted]);
            connection.on_segment(*now, &Segment { header: &header, payload: &vec![7; usize::from(*length)] });
        }
        Step::Send(length) => {
            connection.send(&vec![1; usize::from(*length)]);
        }
        Step::Pattern(length) => {
            connection.send_pattern(u64::from(*length));
        }
        Step::Read(length) => return connection.receive(&mut vec![0; usize::from(*length)]),
        Step::Timer => {
            if let Some(time) = connection.next_timer() {
                *now = (*now).max(time);
                connection.on_timer(*now);
            }
        }
        Step::Wait(nanoseconds) => {
            *now += Span::nanoseconds(u64::from(*nanoseconds));
            connection.on_timer(*now);
        }
        Step::Close => connection.close(),
        Step::Detach => connection.detach(*now),
        Step::Abort => connection.abort(),
        Step::TooBig(distance, mss) => connection.on_packet_too_big(place(view.snd_una.0, *distance), *mss),
        Step::Unreachable(distance) => connection.on_unreachable(place(view.snd_una.0, *distance), Unreachable::Soft),
    }
    0
}

fn check(connection: &Connection, terms: &Terms, now: Time) -> Result<(), TestCaseError> {
    let view = connection.inspect();
    prop_assert!(view.pipe <= 2 * view.flight && view.sacked <= view.flight, "{view:?}");
    prop_assert!(u64::from(view.flight) <= view.send_queue + 1 || view.state == State::Closed, "{view:?}");
    let most = terms.receive_buffer + terms.receive_buffer / 2;
    prop_assert!(view.receive_queue <= most && view.receive_queue + view.out_of_order <= most, "{view:?}");
    prop_assert!(view.cwnd >= view.mss.min(28) && view.mss <= u32::from(terms.mss.max(28)), "{view:?}");
    if view.state == State::Closed {
        prop_assert!(connection.next_timer().is_none(), "{view:?}");
    }
    // What is under way has a timer that cares for it.
    let cared_for = view.retransmission_timer.or(view.persist_timer).is_some();
    prop_assert!(view.flight == 0 || view.state == State::Closed || cared_for, "{view:?}");
    prop_assert!(view.wait_timer.is_some() || view.state != State::TimeWait, "{view:?}");
    prop_assert!(connection.next_timer().is_none_or(|timer| timer > now), "{view:?}");
    Ok(())
}

proptest! {
    #[test]
    fn nothing_that_arrives_breaks_a_connection(
        terms in terms(), passive: bool, steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut now = Time::ZERO;
        let mut connection = if passive {
            let syn = Tcp { options: vec![TcpOption::SackPermitted], ..header(SYN, 0, 0, 1000) };
            Connection::accept(now, &terms, &Segment { header: &syn, payload: b"" }, u32::MAX - 500).unwrap()
        } else {
            Connection::connect(now, &terms, 40_000, 80, u32::MAX - 500)
        };
        let mut polled = 0;
        for step in &steps {
            let ready = connection.receivable();
            let read = take(&mut connection, &mut now, step);
            prop_assert!(connection.receivable() + read >= ready, "bytes were lost");
            connection.on_timer(now);
            while let Some(outgoing) = connection.poll_transmit(now) {
                let (first, second) = connection.payload(&outgoing);
                prop_assert_eq!(first.len() + second.len(), outgoing.length as usize);
                let options = outgoing.header.segment([0, 0, 0, 0].into(), [0, 0, 0, 0].into(), &[]).len();
                prop_assert!(options <= 60);
                polled += 1;
                prop_assert!(polled < 20_000, "it sends for ever");
            }
            check(&connection, &terms, now)?;
            connection.take_events();
        }
    }
}

#[test]
fn a_connection_is_small() {
    assert!(size_of::<Connection>() <= 600, "{} bytes", size_of::<Connection>());
}

#[test]
fn a_connection_can_be_copied_and_the_copy_goes_on_by_itself() {
    let mut hand = Hand::established(&plain());
    hand.connection.send(b"data");
    let before = hand.connection.clone();
    assert_eq!(hand.take().len(), 1);
    hand.connection = before;
    assert_eq!(hand.take(), [out("P.", 1, 1, 4)]);
    hand.give(ACK, 1, 5, b"");
    assert!(hand.connection.take_events().iter().all(|event| event != Event::Retransmission));
}
