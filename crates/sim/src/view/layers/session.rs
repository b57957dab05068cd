//! The state of both ends of a TCP connection (RFC 9293, 3.3.2) as somebody knows it who sees the segments being sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wire::tcp::Flags;
use wire::{Packet, Tcp, packet::Transport};

use super::super::View;
use super::super::summary::packet;
use crate::frame::FrameId;
use crate::trace::{Reason, Verb};

/// States of the ends after each segment, by its frame.
pub(super) type States = BTreeMap<FrameId, [(SocketAddr, &'static str); 2]>;

#[derive(Debug, Clone, Copy, Default)]
struct End {
    state: Option<State>,
    /// The sequence number that acknowledges its FIN.
    fin: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    Closing,
    TimeWait,
    CloseWait,
    LastAck,
    Closed,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            // Before it answers nobody knows whether it serves.
            Self::Listen => "LISTEN or CLOSED",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::Closing => "CLOSING",
            Self::TimeWait => "TIME-WAIT",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Closed => "CLOSED",
        }
    }
}

/// Follows all connections of a trace.
pub(super) fn states(view: &View<'_>) -> States {
    let mut states = States::new();
    let mut ends: BTreeMap<(SocketAddr, SocketAddr), [End; 2]> = BTreeMap::new();
    for event in view.events().iter() {
        let is_sent = event.verb == Verb::Send && event.reason == Reason::Wire;
        if !is_sent || states.contains_key(&event.frame) {
            continue;
        }
        let packet = packet(view.bytes(event.frame), view.framing(event.frame));
        let Some((source, destination, tcp, length)) = segment(&packet) else { continue };
        // What a router makes of a segment is that segment, unless its addresses are translated.
        let parent = view.parent(event.frame).and_then(|parent| states.get(&parent)).copied();
        if let Some(parent) = parent.filter(|[from, to]| (from.0, to.0) == (source, destination)) {
            states.insert(event.frame, parent);
            continue;
        }
        let is_first = source <= destination;
        let key = if is_first { (source, destination) } else { (destination, source) };
        let pair = ends.entry(key).or_default();
        let (mut mine, mut yours) = if is_first { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
        sent(&mut mine, &mut yours, tcp, length);
        *pair = if is_first { [mine, yours] } else { [yours, mine] };
        let name = |end: End| end.state.unwrap_or(State::Closed).name();
        states.insert(event.frame, [(source, name(mine)), (destination, name(yours))]);
    }
    states
}

fn segment(packet: &Packet) -> Option<(SocketAddr, SocketAddr, &Tcp, u32)> {
    let ip = packet.ip()?;
    let Transport::Tcp(tcp, length) = &ip.transport else { return None };
    let (source, destination) =
        (SocketAddr::new(ip.source, tcp.source_port), SocketAddr::new(ip.destination, tcp.destination_port));
    Some((source, destination, tcp, *length as u32))
}

/// One end sends a segment to the other.
fn sent(mine: &mut End, yours: &mut End, tcp: &Tcp, length: u32) {
    let has = |flag| tcp.flags.has(flag);
    if has(Flags::RST) {
        (mine.state, yours.state) = (Some(State::Closed), Some(State::Closed));
        return;
    }
    if has(Flags::SYN) && !has(Flags::ACK) {
        *mine = End { state: Some(State::SynSent), fin: None };
        *yours = End { state: yours.state.filter(|state| *state == State::SynSent).or(Some(State::Listen)), fin: None };
        return;
    }
    if has(Flags::SYN) {
        mine.state = Some(State::SynReceived);
        return;
    }
    // Whoever sends without a SYN has seen the other's, also where the trace began later.
    let in_handshake = matches!(mine.state, None | Some(State::Listen | State::SynSent | State::SynReceived));
    if in_handshake && has(Flags::ACK) {
        mine.state = Some(State::Established);
        if yours.state.is_none() {
            yours.state = Some(State::Established);
        }
    }
    if has(Flags::ACK) && yours.fin == Some(tcp.acknowledgement) {
        mine.state = match mine.state {
            Some(State::Established) => Some(State::CloseWait),
            Some(State::FinWait1) => Some(State::Closing),
            Some(State::FinWait2) => Some(State::TimeWait),
            other => other,
        };
        yours.state = match yours.state {
            Some(State::FinWait1) => Some(State::FinWait2),
            Some(State::Closing) => Some(State::TimeWait),
            Some(State::LastAck) => Some(State::Closed),
            other => other,
        };
    }
    if has(Flags::FIN) {
        mine.fin = Some(tcp.sequence.wrapping_add(length).wrapping_add(1));
        mine.state = match mine.state {
            Some(State::Established | State::SynReceived) => Some(State::FinWait1),
            Some(State::CloseWait) => Some(State::LastAck),
            other => other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `S` SYN, `A` ACK, `F` FIN, `R` RST.
    fn segment(letters: &str, sequence: u32, acknowledgement: u32) -> Tcp {
        let all = [('S', Flags::SYN), ('A', Flags::ACK), ('F', Flags::FIN), ('R', Flags::RST)];
        let flags = all
            .iter()
            .filter(|(letter, _)| letters.contains(*letter))
            .fold(Flags::default(), |flags, (_, flag)| flags.with(*flag));
        let (source_port, destination_port, window, urgent) = (1, 2, 0, 0);
        Tcp { source_port, destination_port, sequence, acknowledgement, flags, window, urgent, options: Vec::new() }
    }

    /// Runs `(from the client, letters, sequence, acknowledgement)` and gives both states after each.
    fn run(segments: &[(bool, &str, u32, u32)]) -> Vec<(&'static str, &'static str)> {
        let (mut client, mut server) = (End::default(), End::default());
        let name = |end: End| end.state.map_or("", State::name);
        let step = |(is_client, letters, sequence, acknowledgement): &(bool, &str, u32, u32)| {
            let tcp = segment(letters, *sequence, *acknowledgement);
            match is_client {
                true => sent(&mut client, &mut server, &tcp, 0),
                false => sent(&mut server, &mut client, &tcp, 0),
            }
            (name(client), name(server))
        };
        segments.iter().map(step).collect()
    }

    const OPEN: [(bool, &str, u32, u32); 4] =
        [(true, "S", 10, 0), (false, "SA", 50, 11), (true, "A", 11, 51), (false, "A", 51, 11)];

    #[test]
    fn a_handshake_passes_through_the_states_of_rfc_9293() {
        let expected = [
            ("SYN-SENT", "LISTEN or CLOSED"),
            ("SYN-SENT", "SYN-RECEIVED"),
            ("ESTABLISHED", "SYN-RECEIVED"),
            ("ESTABLISHED", "ESTABLISHED"),
        ];
        assert_eq!(run(&OPEN), expected);
    }

    #[test]
    fn an_end_that_closes_first_waits_and_the_other_is_closed() {
        let close = [(true, "FA", 11, 51), (false, "A", 51, 12), (false, "FA", 51, 12), (true, "A", 12, 52)];
        let expected = [
            ("FIN-WAIT-1", "ESTABLISHED"),
            ("FIN-WAIT-2", "CLOSE-WAIT"),
            ("FIN-WAIT-2", "LAST-ACK"),
            ("TIME-WAIT", "CLOSED"),
        ];
        assert_eq!(run(&[&OPEN[..], &close].concat())[4..], expected);
    }

    #[test]
    fn ends_that_close_at_once_both_wait() {
        let close = [(true, "FA", 11, 51), (false, "FA", 51, 11), (true, "A", 12, 52), (false, "A", 52, 12)];
        assert_eq!(run(&[&OPEN[..], &close].concat())[7], ("TIME-WAIT", "TIME-WAIT"));
    }

    #[test]
    fn a_reset_ends_both_and_a_refused_connection_too() {
        assert_eq!(run(&[(true, "S", 10, 0), (false, "RA", 0, 11)])[1], ("CLOSED", "CLOSED"));
        assert_eq!(run(&[&OPEN[..], &[(true, "R", 11, 0)]].concat())[4], ("CLOSED", "CLOSED"));
    }

    #[test]
    fn a_connection_that_was_open_before_the_trace_is_open() {
        assert_eq!(run(&[(true, "A", 100, 200)]), [("ESTABLISHED", "ESTABLISHED")]);
    }
}
