//! Whatever a path does to segments, both ends read exactly what the other wrote, and end.

use proptest::prelude::*;
use sim::tcp::{Connection, State, Terms};
use sim::{Span, Time};

use crate::tcp_pair::{Pair, Path, bytes};

/// Both write so much, read at once, close when written, and end.
fn exchange(terms: [Terms; 2], path: Path, lengths: [usize; 2], reads: usize) -> Result<Pair, TestCaseError> {
    let [client, server] = terms;
    let mut pair = Pair::new(client, server, path);
    let written = [bytes(lengths[0], 0), bytes(lengths[1], 0x55)];
    let (mut taken, mut read) = ([0, 0], [Vec::new(), Vec::new()]);
    let limit = Time::ZERO + Span::seconds(20_000);
    let done = |pair: &Pair| {
        (0..2).all(|end| matches!(pair.state(end), State::Closed | State::TimeWait) && pair.ends[end].is_some())
    };
    while !done(&pair) {
        prop_assert!(
            pair.now < limit,
            "too slow: {:?}",
            pair.ends.each_ref().map(|e| e.as_ref().map(Connection::inspect))
        );
        for end in 0..2 {
            let Some(connection) = pair.ends[end].as_mut() else { continue };
            taken[end] += connection.send(&written[end][taken[end]..]);
            if taken[end] == written[end].len() && connection.state() != State::SynSent {
                connection.close();
            }
            let mut into = vec![0; reads];
            let got = connection.receive(&mut into);
            read[1 - end].extend_from_slice(&into[..got]);
        }
        prop_assert!(pair.step(), "stuck");
    }
    for end in 0..2 {
        let rest = pair.read(end);
        read[1 - end].extend_from_slice(&rest);
        prop_assert_eq!(pair.end(end).error(), None);
    }
    prop_assert!(read[0] == written[0] && read[1] == written[1], "bytes differ");
    Ok(pair)
}

fn terms() -> impl Strategy<Value = Terms> {
    let numbers = (100u16..1500, 600u32..20_000, 600u32..20_000);
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(0u8..5), any::<bool>());
    (numbers, switches, prop_oneof![Just(None), (1u8..12).prop_map(Some)]).prop_map(
        |((mss, receive_buffer, send_buffer), (sack, nagle, timestamps, window_scale, delays), initial_segments)| {
            Terms {
                mss,
                receive_buffer,
                send_buffer,
                sack,
                nagle,
                timestamps,
                window_scale,
                initial_segments,
                delayed_ack: if delays { Span::milliseconds(40) } else { Span::ZERO },
                retries: 60,
                syn_retries: 60,
                syn_ack_retries: 60,
                ..Terms::default()
            }
        },
    )
}

fn path() -> impl Strategy<Value = Path> {
    (1u64..200, 0u64..100, 0u32..25, 0u32..20, any::<u64>()).prop_map(|(delay, jitter, loss, duplication, seed)| Path {
        delay: Span::milliseconds(delay),
        jitter: Span::milliseconds(jitter),
        loss,
        duplication,
        seed,
    })
}

proptest! {
    #[test]
    fn both_ends_read_what_was_written(
        client in terms(), server in terms(), path in path(),
        up in 0usize..60_000, down in 0usize..60_000, reads in 50usize..8000,
    ) {
        exchange([client, server], path, [up, down], reads)?;
    }
}

#[test]
fn a_perfect_path_needs_no_retransmission() {
    let mut pair =
        exchange([Terms::default(), Terms::default()], Path::PERFECT, [1_000_000, 1_000_000], 1 << 20).unwrap();
    assert_eq!([0, 1].map(|end| pair.end(end).inspect().retransmissions), [0, 0]);
}

#[test]
fn the_same_seed_gives_the_same_segments() {
    let run = || {
        let path = Path { loss: 5, jitter: Span::milliseconds(7), duplication: 5, seed: 42, ..Path::PERFECT };
        let pair = exchange([Terms::default(), Terms::default()], path, [200_000, 50_000], 4096).unwrap();
        pair.sent.iter().map(|sent| (sent.time, sent.end, sent.header.clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
