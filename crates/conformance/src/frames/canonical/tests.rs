use std::net::Ipv4Addr;

use wire::{Icmpv4, Ipv4, Ipv6};

use super::*;
use crate::frames::compare;

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn frame(header: &Ipv4, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Ethernet { destination: Mac::default(), source: Mac::default(), ether_type: EtherType::IPV4 }.emit(&mut frame);
    header.emit(payload, &mut frame);
    frame
}

fn passed(is_outbound: bool, frame: Vec<u8>) -> Passed {
    Passed { place: "a".to_owned(), is_outbound, frame }
}

/// A segment from A's port to B's 80, or back.
fn segment(is_outbound: bool, port: u16, sequence: u32, flags: Flags, data: &[u8]) -> Passed {
    let (source, destination) = if is_outbound { (A, B) } else { (B, A) };
    let (source_port, destination_port) = if is_outbound { (port, 80) } else { (80, port) };
    let tcp = Tcp { source_port, destination_port, sequence, acknowledgement: 7, flags, window: 9, urgent: 0, options: Vec::new() };
    let header = Ipv4 { dont_fragment: true, ..Ipv4::new(source, destination, protocol::TCP) };
    passed(is_outbound, frame(&header, &tcp.segment(source.into(), destination.into(), data)))
}

fn told(passed: &[Passed]) -> Vec<Sequence> {
    sequences(passed, &Known { ports: BTreeSet::from([80]), stations: BTreeSet::from([Mac([4; 6])]) })
}

/// A connection in which `port` says a word that is cut into pieces.
fn connection(port: u16, initial: u32, pieces: &[&[u8]]) -> Vec<Passed> {
    let mut all = vec![
        segment(true, port, initial, Flags::SYN, b""),
        segment(false, port, 500, Flags::SYN.with(Flags::ACK), b""),
        segment(true, port, initial.wrapping_add(1), Flags::ACK, b""),
    ];
    let mut next = initial.wrapping_add(1);
    for piece in pieces {
        all.push(segment(true, port, next, Flags::ACK.with(Flags::PSH), piece));
        next = next.wrapping_add(piece.len() as u32);
    }
    all.push(segment(true, port, next, Flags::FIN.with(Flags::ACK), b""));
    all
}

#[test]
fn ports_numbers_acknowledgements_and_cuts_do_not_count() {
    let one = told(&connection(40_000, 1, &[b"hello"]));
    assert_eq!(one, told(&connection(50_000, u32::MAX - 2, &[b"he", b"", b"llo"])));
    let lines = ["out > ttl 64 df: [S]", "in  < ttl 64 df: [S.]", "out > ttl 64 df: 5 bytes hello", "out > ttl 64 df: [F.]"];
    assert_eq!((one.len(), one[0].flow.as_str(), one[0].lines.clone()), (1, "tcp 10.0.0.1:~1 > 10.0.0.2:80", lines.map(str::to_owned).to_vec()));
}

#[test]
fn what_is_sent_again_is_not_seen_and_what_is_new_in_it_is() {
    let mut again = connection(40_000, 1, &[b"hel"]);
    let fin = again.pop();
    again.push(again[0].clone());
    again.push(segment(true, 40_000, 3, Flags::ACK, b"ello"));
    again.extend(fin.map(|_| segment(true, 40_000, 7, Flags::FIN.with(Flags::ACK), b"")));
    again.push(segment(true, 40_000, 7, Flags::FIN.with(Flags::ACK), b""));
    assert_eq!(told(&again), told(&connection(40_000, 1, &[b"hello"])));
}

#[test]
fn an_answer_to_a_syn_that_is_sent_again_is_the_same_whatever_it_begins_with() {
    let begun = |initial: u32| segment(false, 40_000, initial, Flags::SYN.with(Flags::ACK), b"");
    let mut again = connection(40_000, 1, &[b"hello"]);
    again.insert(2, again[0].clone());
    again.insert(3, begun(900));
    assert_eq!(told(&again), told(&connection(40_000, 1, &[b"hello"])));
}

#[test]
fn flags_payload_ttl_and_direction_count() {
    let base = || connection(40_000, 1, &[b"hello"]);
    let mut reset = base();
    reset.pop();
    reset.push(segment(true, 40_000, 7, Flags::RST.with(Flags::ACK), b""));
    let mut turned = base();
    turned[1].is_outbound = true;
    let mut lower = base();
    // TTL, behind an Ethernet header of 14 bytes.
    lower[0].frame[14 + 8] -= 1;
    for other in [reset, turned, lower, connection(40_000, 1, &[b"hallo"])] {
        assert!(compare::first(&told(&base()), &told(&other)).is_some(), "{other:?}");
    }
}

#[test]
fn an_icmp_error_belongs_to_the_flow_that_it_is_about() {
    let request = Udp { source_port: 40_000, destination_port: 80 }.datagram(A.into(), B.into(), b"?");
    let request = frame(&Ipv4::new(A, B, protocol::UDP), &request);
    let quoted = request[14..].to_vec();
    let length = quoted.len();
    let error = Icmpv4::Unreachable { code: 3, mtu: 0, quoted }.message();
    let error = frame(&Ipv4::new(B, A, protocol::ICMP), &error);
    let told = told(&[passed(true, request), passed(false, error)]);
    assert_eq!(told.len(), 1);
    let about = format!("in  < ttl 64: icmp 3/3 about udp 10.0.0.1:~1 > 10.0.0.2:80, {length} bytes of it");
    assert_eq!(told[0].lines, ["out > ttl 64: 1 bytes ?".to_owned(), about]);
}

#[test]
fn fragments_keep_their_flow_and_their_cuts() {
    let whole = Udp { source_port: 40_000, destination_port: 80 }.datagram(A.into(), B.into(), &[7; 40]);
    let header = Ipv4 { identification: 9, more_fragments: true, ..Ipv4::new(A, B, protocol::UDP) };
    let second = Ipv4 { fragment_offset: 32, more_fragments: false, ..header.clone() };
    let told = told(&[passed(true, frame(&header, &whole[..32])), passed(true, frame(&second, &whole[32..]))]);
    assert_eq!((told.len(), told[0].flow.as_str()), (1, "udp 10.0.0.1:~1 > 10.0.0.2:80"));
    assert_eq!(told[0].lines, ["out > ttl 64: bytes 0 to 32, more follow", "out > ttl 64: bytes 32 to 48"]);
}

#[test]
fn arp_is_a_list_of_who_was_asked_for_however_often() {
    let request = Arp::request(Mac([2; 6]), A, B);
    let answer = request.reply(Mac([4; 6]));
    assert_eq!(told(&[passed(false, request.reply(Mac([5; 6])).frame())])[0].lines, ["in  10.0.0.2 is at the router"]);
    let once = told(&[passed(true, request.frame()), passed(false, answer.frame())]);
    let twice = told(&[passed(true, request.frame()), passed(true, request.frame()), passed(false, answer.frame())]);
    assert_eq!(once, twice);
    assert_eq!(once[0].lines, ["in  10.0.0.2 is at 04:04:04:04:04:04", "out who has 10.0.0.2, says 10.0.0.1"]);
}

#[test]
fn a_flow_that_only_one_engine_has_is_a_difference_at_its_place() {
    let both = told(&connection(40_000, 1, &[b"hello"]));
    let difference = compare::first(&both, &[]).expect("a difference");
    assert_eq!((difference.place.as_str(), difference.other.as_deref()), ("a", None));
    assert!(difference.told("sim", "linux").contains("linux: nothing more"), "{}", difference.told("sim", "linux"));
    assert_eq!(compare::first(&both, &both), None);
}

const A6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const B6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

fn frame_v6(header: &Ipv6, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Ethernet { destination: Mac::default(), source: Mac::default(), ether_type: EtherType::IPV6 }.emit(&mut frame);
    header.emit(payload, &mut frame);
    frame
}

#[test]
fn what_is_too_big_over_ipv6_is_said_in_its_flow_with_the_mtu() {
    let request = Udp { source_port: 40_000, destination_port: 80 }.datagram(A6.into(), B6.into(), b"?");
    let request = frame_v6(&Ipv6 { flow_label: 7, ..Ipv6::new(A6, B6, protocol::UDP) }, &request);
    let quoted = request[14..].to_vec();
    let length = quoted.len();
    let error = Icmpv6::PacketTooBig { mtu: 1_500, quoted }.message(B6, A6);
    let error = frame_v6(&Ipv6::new(B6, A6, protocol::ICMPV6), &error);
    let told = told(&[passed(true, request), passed(false, error)]);
    assert_eq!((told.len(), told[0].flow.as_str()), (1, "udp [2001:db8::1]:~1 > [2001:db8::2]:80"));
    let about = format!("in  < ttl 64: icmpv6 2/0 mtu 1500 about udp [2001:db8::1]:~1 > [2001:db8::2]:80, {length} bytes of it");
    assert_eq!(told[0].lines, ["out > ttl 64: 1 bytes ?".to_owned(), about]);
}

#[test]
fn fragments_of_ipv6_keep_their_flow() {
    let whole = Udp { source_port: 40_000, destination_port: 80 }.datagram(A6.into(), B6.into(), &[7; 40]);
    let header = Ipv6::new(A6, B6, 44);
    let piece = |offset: u8, more: u8, bytes: &[u8]| [&[protocol::UDP, 0, 0, offset | more, 0, 0, 0, 9][..], bytes].concat();
    let told = told(&[
        passed(true, frame_v6(&header, &piece(0, 1, &whole[..32]))),
        passed(true, frame_v6(&header, &piece(32, 0, &whole[32..]))),
    ]);
    assert_eq!((told.len(), told[0].flow.as_str()), (1, "udp [2001:db8::1]:~1 > [2001:db8::2]:80"));
    assert_eq!(told[0].lines, ["out > ttl 64: bytes 0 to 32, more follow", "out > ttl 64: bytes 32 to 48"]);
}

#[test]
fn neighbour_discovery_is_a_list_as_arp_is_and_what_else_neighbours_say_is_nothing() {
    let message = |kind: u8, flags: u8, option: [u8; 8]| {
        let data = [&B6.octets()[..], &option].concat();
        let (from, to) = if kind == SOLICITATION { (A6, B6) } else { (B6, A6) };
        let message = Icmpv6::Other { kind, code: 0, rest: [flags, 0, 0, 0], data }.message(from, to);
        frame_v6(&Ipv6 { hop_limit: 255, ..Ipv6::new(from, to, protocol::ICMPV6) }, &message)
    };
    let told = told(&[
        passed(true, message(SOLICITATION, 0, [1, 1, 2, 2, 2, 2, 2, 2])),
        passed(false, message(ADVERTISEMENT, 0x60, [2, 1, 4, 4, 4, 4, 4, 4])),
        passed(true, message(143, 0, [0; 8])),
    ]);
    assert_eq!((told.len(), told[0].flow.as_str()), (1, NEIGHBOURS));
    let lines = ["in  2001:db8::2 is at 04:04:04:04:04:04, flags 0x60", "out who has 2001:db8::2, says 2001:db8::1"];
    assert_eq!(told[0].lines, lines);
}
