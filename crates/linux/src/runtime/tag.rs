//! A number in a packet that tells it from those of all other probes, wherever it is seen: address translation leaves
//! TCP's sequence numbers and the bodies of UDP and ICMP alone, answers repeat them, and ICMP errors quote them.

use std::net::IpAddr;

use fabric::engine::Traffic;

use model::traffic::protocol;

use super::packet::{self, Complaint, echo_type};
use super::packet_probe::BODY;

/// What a tagged packet is to its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The request.
    Request,
    /// The answer.
    Reply,
    /// A TCP reset from the receiver.
    Refusal,
    /// The sender's last word: its kernel knows of no connection, so it resets what the receiver opened.
    End,
    /// An ICMP error about the request or the answer.
    Error {
        /// What it complains of.
        complaint: Complaint,
        /// Whether it is the answer that it complains about.
        about_answer: bool,
    },
}

/// The transport part of a request with this tag; `None` where a packet has no room for one.
pub fn request(traffic: Traffic, tag: u32, identifier: u16, source: IpAddr, destination: IpAddr) -> Option<Vec<u8>> {
    let body = [BODY, &tag.to_be_bytes()].concat();
    Some(match traffic {
        Traffic::Tcp { source_port, destination_port } => {
            packet::tcp_syn((source, source_port), (destination, destination_port), tag)
        }
        Traffic::Udp { source_port, destination_port } => {
            packet::udp_datagram((source, source_port), (destination, destination_port), &body)
        }
        Traffic::Icmp { icmp_type, code } if icmp_type == echo_type(destination.is_ipv6(), false) => {
            let [high, low] = identifier.to_be_bytes();
            packet::icmp_message((source, destination), icmp_type, code, [high, low, 0, 1], &body)
        }
        Traffic::Icmp { .. } | Traffic::Other(_) => return None,
    })
}

/// TCP's flags that tell the packets of a probe apart (RFC 9293).
const SYN: u8 = 2;
/// As above.
pub const RST: u8 = 4;
/// As above.
pub const ACK: u8 = 16;

/// Tag and role of a packet from its IP header on; `destination_port` of the probe with a tag says which way a
/// datagram goes.
pub fn read(bytes: &[u8], destination_port: impl Fn(u32) -> Option<u16>) -> Option<(u32, Role)> {
    let is_v6 = bytes.first()? >> 4 == 6;
    let (header, number) = match bytes.first()? >> 4 {
        6 => (40, *bytes.get(6)?),
        4 => (usize::from(bytes[0] & 0xf) * 4, *bytes.get(9)?),
        _ => return None,
    };
    if !is_v6 && u16::from_be_bytes([*bytes.get(6)?, *bytes.get(7)?]) & 0x1fff != 0 {
        return None; // a later fragment
    }
    let rest = bytes.get(header..)?;
    match number {
        protocol::TCP => {
            // An ICMP error may quote no more than the ports and the sequence number.
            let flags = rest.get(13).map_or(SYN, |flags| flags & (SYN | RST | ACK));
            Some(match flags {
                SYN => (word(rest, 4)?, Role::Request),
                RST => (word(rest, 4)?.wrapping_sub(1), Role::End),
                flags if flags == SYN | ACK => (word(rest, 8)?.wrapping_sub(1), Role::Reply),
                flags if flags == RST | ACK => (word(rest, 8)?.wrapping_sub(1), Role::Refusal),
                _ => return None,
            })
        }
        protocol::UDP => {
            let tag = body(rest)?;
            let towards = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
            Some((tag, if destination_port(tag)? == towards { Role::Request } else { Role::Reply }))
        }
        protocol::ICMP | protocol::ICMPV6 if (number == protocol::ICMPV6) == is_v6 => match *rest.first()? {
            icmp_type if icmp_type == echo_type(is_v6, false) => Some((body(rest)?, Role::Request)),
            icmp_type if icmp_type == echo_type(is_v6, true) => Some((body(rest)?, Role::Reply)),
            icmp_type => {
                let complaint = Complaint::of(is_v6, icmp_type, *rest.get(1)?)?;
                let (tag, role) = read(rest.get(8..)?, destination_port)?;
                Some((tag, Role::Error { complaint, about_answer: role == Role::Reply }))
            }
        },
        _ => None,
    }
}

/// The tag behind eight bytes of header and [`BODY`].
fn body(rest: &[u8]) -> Option<u32> {
    word(rest.get(8..)?.strip_prefix(BODY)?, 0)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::packet::Raw;
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const TAG: u32 = 0xfeed_0042;

    fn packet(protocol: u8, payload: Vec<u8>) -> Vec<u8> {
        Raw { source: A, destination: B, protocol, ttl: 64, dont_fragment: true, payload, is_aside: false }.bytes()
    }

    fn role(bytes: &[u8]) -> Option<(u32, Role)> {
        read(bytes, |tag| (tag == TAG).then_some(53))
    }

    #[test]
    fn requests_carry_their_tag_and_errors_quote_it() {
        let tcp = Traffic::Tcp { source_port: 49_152, destination_port: 53 };
        let udp = Traffic::Udp { source_port: 49_152, destination_port: 53 };
        let echo = Traffic::Icmp { icmp_type: 8, code: 0 };
        for (number, traffic) in [(6, tcp), (17, udp), (1, echo)] {
            let bytes = packet(number, request(traffic, TAG, 7, A, B).unwrap());
            assert_eq!(role(&bytes), Some((TAG, Role::Request)), "{traffic:?}");
            let error = packet(1, packet::icmp_message((A, B), 3, 13, [0; 4], &bytes));
            assert_eq!(role(&error), Some((TAG, Role::Error { complaint: Complaint::Other, about_answer: false })), "{traffic:?}");
        }
        // RFC 792 promises eight bytes behind the quoted header, enough for TCP.
        let bytes = packet(6, request(tcp, TAG, 7, A, B).unwrap());
        let error = packet(1, packet::icmp_message((A, B), 3, 3, [0; 4], &bytes[..28]));
        assert_eq!(role(&error), Some((TAG, Role::Error { complaint: Complaint::NobodyListens, about_answer: false })));
        assert_eq!(request(Traffic::Other(47), TAG, 0, A, B), None);
        assert_eq!(request(Traffic::Icmp { icmp_type: 13, code: 0 }, TAG, 0, A, B), None);
    }

    #[test]
    fn packets_of_ipv6_carry_it_as_well() {
        let (a, b): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let packet = |protocol: u8, payload: Vec<u8>| {
            Raw { source: a, destination: b, protocol, ttl: 64, dont_fragment: true, payload, is_aside: false }.bytes()
        };
        let body = [BODY, &TAG.to_be_bytes()].concat();
        let echo = Traffic::Icmp { icmp_type: 128, code: 0 };
        let tcp = Traffic::Tcp { source_port: 49_152, destination_port: 53 };
        for (number, traffic) in [(6, tcp), (58, echo)] {
            let bytes = packet(number, request(traffic, TAG, 7, a, b).unwrap());
            assert_eq!(role(&bytes), Some((TAG, Role::Request)), "{traffic:?}");
            let refused = packet(58, packet::icmp_message((a, b), 1, 4, [0; 4], &bytes));
            assert_eq!(role(&refused), Some((TAG, Role::Error { complaint: Complaint::NobodyListens, about_answer: false })), "{traffic:?}");
            let expired = packet(58, packet::icmp_message((a, b), 3, 0, [0; 4], &bytes));
            assert_eq!(role(&expired), Some((TAG, Role::Error { complaint: Complaint::TimeExceeded, about_answer: false })), "{traffic:?}");
        }
        let reply = packet(58, packet::icmp_message((b, a), 129, 0, [0, 7, 0, 1], &body));
        assert_eq!(role(&reply), Some((TAG, Role::Reply)));
        // IPv4's echo is nothing between addresses of IPv6, and the reverse (SG-10).
        assert_eq!(role(&packet(58, packet::icmp_message((a, b), 8, 0, [0, 7, 0, 1], &body))), None);
        assert_eq!(request(Traffic::Icmp { icmp_type: 8, code: 0 }, TAG, 0, a, b), None);
    }

    #[test]
    fn answers_repeat_the_tag() {
        let tcp = |flags: u8, sequence: u32, acknowledged: u32| {
            let mut segment = packet::tcp_syn((B, 53), (A, 49_152), sequence);
            segment[8..12].copy_from_slice(&acknowledged.to_be_bytes());
            segment[13] = flags;
            role(&packet(6, segment))
        };
        assert_eq!(tcp(SYN | ACK, 99, TAG + 1), Some((TAG, Role::Reply)));
        assert_eq!(tcp(RST | ACK, 0, TAG + 1), Some((TAG, Role::Refusal)));
        assert_eq!(tcp(RST, TAG + 1, 0), Some((TAG, Role::End)));
        assert_eq!(tcp(ACK, TAG + 1, 100), None);
        let body = [BODY, &TAG.to_be_bytes()].concat();
        let datagram = packet::udp_datagram((B, 53), (A, 49_152), &body);
        let datagram = packet(17, datagram);
        assert_eq!(role(&datagram), Some((TAG, Role::Reply)));
        let refused = packet(1, packet::icmp_message((A, B), 3, 3, [0; 4], &datagram));
        assert_eq!(role(&refused), Some((TAG, Role::Error { complaint: Complaint::NobodyListens, about_answer: true })));
        assert_eq!(role(&packet(1, packet::icmp_message((A, B), 0, 0, [0, 7, 0, 1], &body))), Some((TAG, Role::Reply)));
        assert_eq!(role(&packet(1, packet::icmp_message((A, B), 0, 0, [0, 7, 0, 1], b"other body"))), None);
    }

    #[test]
    fn other_bytes_are_nobody_s() {
        let bytes = packet(6, packet::tcp_syn((A, 1), (B, 2), TAG));
        for length in 0..28 {
            assert_eq!(role(&bytes[..length]), None, "{length} bytes");
        }
        let mut fragment = bytes;
        fragment[7] = 1;
        assert_eq!(role(&fragment), None);
    }
}
