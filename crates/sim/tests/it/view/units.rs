//! What a frame is made of, and the line that says it.

use sim::Framing;
use sim::view::summary::summary;
use sim::view::unit::units;
use wire::tcp::Flags;
use wire::{EtherType, Ethernet, Ipv4, Mac};

use super::world::{PC_1, arp_request, echo, tcp, to_web, udp};

fn words(frame: &[u8], framing: Framing) -> String {
    units(frame, framing).iter().map(|unit| unit.protocol).collect::<Vec<_>>().join(" ")
}

fn ethernet(destination: Mac, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Ethernet { destination, source: PC_1.0, ether_type: EtherType(ether_type) }.emit(&mut frame);
    frame.extend_from_slice(payload);
    frame
}

fn bpdu() -> Vec<u8> {
    let mut bpdu = vec![0x42, 0x42, 0x03, 0, 0, 0, 0, 1];
    bpdu.extend_from_slice(&[0x80, 0, 2, 0, 0, 0, 9, 9, 0, 0, 0, 19, 0x80, 0, 2, 0, 0, 0, 9, 8, 0x80, 1]);
    bpdu.extend_from_slice(&[0, 0, 20, 0, 2, 0, 15, 0]);
    ethernet(Mac([1, 0x80, 0xc2, 0, 0, 0]), bpdu.len() as u16, &bpdu)
}

fn ppp(protocol: u16, payload: &[u8]) -> Vec<u8> {
    [&[0xff, 0x03], &protocol.to_be_bytes()[..], payload].concat()
}

fn ip() -> Vec<u8> {
    Ipv4::new(PC_1.1, [224, 0, 0, 5].into(), 89).packet(&ospf())
}

fn ospf() -> Vec<u8> {
    let mut hello = vec![2, 1, 0, 44, 10, 0, 0, 1, 0, 0, 0, 0];
    hello.resize(44, 0);
    hello
}

fn dns() -> Vec<u8> {
    wire::dns::Query::new(9, "example.com", wire::dns::Kind::A).emit().expect("a question")
}

fn rip() -> Vec<u8> {
    let mut rip = vec![2, 2, 0, 0, 0, 2, 0, 0, 10, 9, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    rip.truncate(24);
    rip
}

fn table() -> Vec<(Vec<u8>, Framing, &'static str, &'static str)> {
    let snmp = [0x30, 0x13, 2, 1, 1, 4, 6, b'p', b'u', b'b', b'l', b'i', b'c', 0xa0, 6, 2, 1, 1, 2, 1, 0];
    let e = Framing::Ethernet;
    vec![
        (arp_request(), e, "ethernet arp", "ARP, Request who-has 10.0.0.254 tell 10.0.0.1"),
        (echo(9), e, "ethernet ipv4 icmp data", "IP 10.0.0.1 > 10.0.1.2: ICMP echo request, id 7, seq 1, length 64"),
        (
            bpdu(),
            e,
            "ethernet stp",
            "STP, root 0x8000/02:00:00:00:09:09, cost 19, bridge 0x8000/02:00:00:00:09:08, port 0x8001, topology change",
        ),
        (
            tcp(80, Flags::SYN, b""),
            e,
            "ethernet ipv4 tcp socket",
            "IP 10.0.0.1.40000 > 10.0.1.2.80: Flags [S], seq 1000, win 65535, length 0",
        ),
        (
            tcp(8080, Flags::PSH.with(Flags::ACK), b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
            e,
            "ethernet ipv4 tcp socket encoding http",
            "IP 10.0.0.1.40000 > 10.0.1.2.8080: Flags [P.], seq 1000:1028, ack 0, win 65535, length 28: \
             HTTP: GET /a HTTP/1.1",
        ),
        (
            tcp(443, Flags::ACK, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
            e,
            "ethernet ipv4 tcp socket tls tls-handshake",
            "IP 10.0.0.1.40000 > 10.0.1.2.443: Flags [.], seq 1000:1010, ack 0, win 65535, length 10: TLS: ClientHello",
        ),
        (
            tcp(25, Flags::ACK, b"MAIL FROM:<a@example.com>\r\n"),
            e,
            "ethernet ipv4 tcp socket encoding smtp",
            "IP 10.0.0.1.40000 > 10.0.1.2.25: Flags [.], seq 1000:1027, ack 0, win 65535, length 27: \
             SMTP: MAIL FROM:<a@example.com>",
        ),
        (
            udp(53, &dns()),
            e,
            "ethernet ipv4 udp socket encoding dns",
            "IP 10.0.0.1.40000 > 10.0.1.2.53: 9+ A? example.com. (40)",
        ),
        (
            udp(520, &rip()),
            e,
            "ethernet ipv4 udp socket encoding rip",
            "IP 10.0.0.1.40000 > 10.0.1.2.520: RIPv2, response, routes: 1",
        ),
        (
            udp(161, &snmp),
            e,
            "ethernet ipv4 udp socket encoding snmp",
            "IP 10.0.0.1.40000 > 10.0.1.2.161: SNMPv2c GetRequest",
        ),
        (
            udp(69, b"\0\x01boot.img\0octet\0"),
            e,
            "ethernet ipv4 udp socket encoding tftp",
            "IP 10.0.0.1.40000 > 10.0.1.2.69: TFTP RRQ \"boot.img\"",
        ),
        (
            udp(9_999, b"abc"),
            e,
            "ethernet ipv4 udp socket encoding data",
            "IP 10.0.0.1.40000 > 10.0.1.2.9999: UDP, length 3",
        ),
        (
            to_web(2, 1, &[0x16, 0, 0x09, 0xfc, 224, 0, 0, 3]),
            e,
            "ethernet ipv4 igmp",
            "IP 10.0.0.1 > 10.0.1.2: igmp membership report v2 224.0.0.3",
        ),
        (
            ppp(0x21, &ip()),
            Framing::Ppp,
            "ppp ipv4 ospf",
            "IP 10.0.0.1 > 224.0.0.5: OSPFv2, Hello, router 10.0.0.1, area 0.0.0.0, length 44",
        ),
        (ppp(0xc021, &[1, 5, 0, 4]), Framing::Ppp, "ppp lcp", "LCP, Configure-Request, id 5, length 4"),
        (
            [&[0x0f, 0, 8, 0][..], &ip()].concat(),
            Framing::Hdlc,
            "hdlc ipv4 ospf",
            "IP 10.0.0.1 > 224.0.0.5: OSPFv2, Hello, router 10.0.0.1, area 0.0.0.0, length 44",
        ),
        (
            [&[0x8f, 0, 0x80, 0x35][..], &[0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 6, 0xff, 0xff]].concat(),
            Framing::Hdlc,
            "hdlc slarp",
            "SLARP, keepalive, mine 7, yours 6",
        ),
        (
            ethernet(Mac([4; 6]), 0x88cc, &[1, 2]),
            e,
            "ethernet data",
            "02:00:00:00:00:01 > 04:04:04:04:04:04: ethertype 0x88cc, length 2",
        ),
        (vec![1, 2, 3], e, "data", "ethernet frame, length 3"),
    ]
}

#[test]
fn a_frame_is_told_apart_into_its_protocols_and_said_in_a_line() {
    for (frame, framing, expected, line) in table() {
        assert_eq!((words(&frame, framing).as_str(), summary(&frame, framing).as_str()), (expected, line));
    }
}

#[test]
fn headers_follow_each_other_without_a_gap_and_end_with_the_frame() {
    for (frame, framing, ..) in table() {
        let mut at = 0;
        for unit in units(&frame, framing) {
            // Layers 5 and 6 have no bytes of their own beside the data; a quoted or padded frame may have more.
            if unit.protocol != "socket" && unit.protocol != "encoding" {
                let is_after_llc = unit.protocol == "stp";
                assert_eq!(
                    unit.start,
                    at + if is_after_llc { 3 } else { 0 },
                    "{} in {}",
                    unit.protocol,
                    words(&frame, framing)
                );
                at = unit.start + unit.length;
            }
        }
        assert!(at <= frame.len(), "{}", words(&frame, framing));
    }
}

#[test]
fn a_wrong_checksum_is_seen() {
    let mut frame = tcp(80, Flags::SYN, b"");
    let judge = |frame: &[u8]| {
        let units = units(frame, Framing::Ethernet);
        let field = |protocol: &str, field: &str| {
            units
                .iter()
                .find(|unit| unit.protocol == protocol)
                .and_then(|unit| unit.field(field))
                .map(|value| value.contains("(correct)"))
        };
        (field("ipv4", "header checksum"), field("tcp", "checksum"))
    };
    assert_eq!(judge(&frame), (Some(true), Some(true)));
    frame[14 + 20 + 4] ^= 1;
    assert_eq!(judge(&frame), (Some(true), Some(false)));
    frame[14 + 8] ^= 1;
    assert_eq!(judge(&frame), (Some(false), Some(false)));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_shown(bytes: Vec<u8>, which in 0..19usize, at: usize, with: u8) {
        for framing in [Framing::Ethernet, Framing::Ppp, Framing::Hdlc] {
            let _ = (units(&bytes, framing), summary(&bytes, framing));
        }
        // A real frame with one byte changed and its end cut.
        let (mut frame, framing, ..) = table().swap_remove(which);
        let cut = at % (frame.len() + 1);
        let place = bytes.len() % frame.len();
        frame[place] = with;
        let _ = (units(&frame, framing), summary(&frame, framing));
        frame.truncate(cut);
        let _ = (units(&frame, framing), summary(&frame, framing));
    }
}
