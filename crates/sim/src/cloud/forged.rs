//! Bytes for a header that somebody made up: what a probe injects or forges.

use std::net::IpAddr;

use fabric::packet::icmp as types;
use fabric::{Header, Segment, Transport};
use wire::ethernet::Mac;
use wire::tcp::Flags;
use wire::{EtherType, Ethernet, Icmpv4, Icmpv6, Ipv4, Ipv6, Tcp, Udp};

use super::router::FABRIC;

/// A frame with a packet of this header, between devices of the fabric.
pub fn frame(header: &Header) -> Vec<u8> {
    let ether_type = if header.source.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
    let mut out = Vec::new();
    Ethernet { destination: Mac(FABRIC), source: Mac(FABRIC), ether_type }.emit(&mut out);
    out.extend_from_slice(&packet(header));
    out
}

fn packet(header: &Header) -> Vec<u8> {
    let (source, destination) = (header.source, header.destination);
    let payload = match &header.transport {
        Transport::Tcp { source_port, destination_port, segment } => {
            let flags = match segment {
                Segment::Syn => Flags::SYN,
                Segment::SynAck => Flags::SYN.with(Flags::ACK),
                Segment::Ack => Flags::ACK,
                Segment::Rst => Flags::RST,
            };
            let segment = Tcp {
                source_port: *source_port,
                destination_port: *destination_port,
                sequence: 1,
                acknowledgement: 0,
                flags,
                window: 65_535,
                urgent: 0,
                options: Vec::new(),
            };
            segment.segment(source, destination, &[])
        }
        Transport::Udp { source_port, destination_port } => {
            Udp { source_port: *source_port, destination_port: *destination_port }.datagram(source, destination, b"vpclab")
        }
        Transport::Icmp { .. } | Transport::IcmpError { .. } => icmp(header),
        Transport::Other { .. } => b"vpclab".to_vec(),
    };
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            Ipv4 { dont_fragment: true, ..Ipv4::new(source, destination, header.protocol()) }.packet(&payload)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => Ipv6::new(source, destination, header.protocol()).packet(&payload),
        _ => Vec::new(),
    }
}

/// An ICMP or ICMPv6 message of this header, with its checksum.
pub fn icmp(header: &Header) -> Vec<u8> {
    match (&header.transport, header.source, header.destination) {
        (Transport::Icmp { icmp_type, code, identifier }, IpAddr::V4(_), _) => message_v4(*icmp_type, *code, *identifier).message(),
        (Transport::Icmp { icmp_type, code, identifier }, IpAddr::V6(source), IpAddr::V6(destination)) => {
            let [high, low] = identifier.to_be_bytes();
            let message = match *icmp_type {
                types::V6_ECHO_REQUEST | types::V6_ECHO_REPLY => Icmpv6::Echo {
                    reply: *icmp_type == types::V6_ECHO_REPLY,
                    id: *identifier,
                    sequence: 1,
                    data: b"vpclab".to_vec(),
                },
                kind => Icmpv6::Other { kind, code: *code, rest: [high, low, 0, 1], data: b"vpclab".to_vec() },
            };
            message.message(source, destination)
        }
        (Transport::IcmpError { icmp_type, code, mtu, quoted }, IpAddr::V4(_), _) => {
            let quoted = wire::icmpv4::quote(&packet(quoted));
            let message = match *icmp_type {
                types::UNREACHABLE => Icmpv4::Unreachable { code: *code, mtu: mtu.unwrap_or_default(), quoted },
                types::TIME_EXCEEDED => Icmpv4::TimeExceeded { code: *code, quoted },
                kind => Icmpv4::Other { kind, code: *code, rest: [0; 4], data: quoted },
            };
            message.message()
        }
        (Transport::IcmpError { icmp_type, code, mtu, quoted }, IpAddr::V6(source), IpAddr::V6(destination)) => {
            let quoted = wire::icmpv6::quote(&packet(quoted));
            let message = match *icmp_type {
                types::V6_UNREACHABLE => Icmpv6::Unreachable { code: *code, quoted },
                types::V6_PACKET_TOO_BIG => Icmpv6::PacketTooBig { mtu: u32::from(mtu.unwrap_or(1_280)), quoted },
                types::V6_TIME_EXCEEDED => Icmpv6::TimeExceeded { code: *code, quoted },
                kind => Icmpv6::Other { kind, code: *code, rest: [0; 4], data: quoted },
            };
            message.message(source, destination)
        }
        _ => Vec::new(),
    }
}

fn message_v4(icmp_type: u8, code: u8, identifier: u16) -> Icmpv4 {
    let [high, low] = identifier.to_be_bytes();
    match icmp_type {
        types::ECHO_REQUEST | types::ECHO_REPLY => {
            Icmpv4::Echo { reply: icmp_type == types::ECHO_REPLY, id: identifier, sequence: 1, data: b"vpclab".to_vec() }
        }
        13 | 14 => {
            let (originate, receive, transmit) = (0, 0, 0);
            Icmpv4::Timestamp { reply: icmp_type == 14, id: identifier, sequence: 1, originate, receive, transmit }
        }
        kind => Icmpv4::Other { kind, code, rest: [high, low, 0, 1], data: b"vpclab".to_vec() },
    }
}

/// The header of an echo request.
pub fn echo(source: IpAddr, destination: IpAddr, identifier: u16) -> Header {
    let icmp_type = if destination.is_ipv4() { types::ECHO_REQUEST } else { types::V6_ECHO_REQUEST };
    Header { source, destination, transport: Transport::Icmp { icmp_type, code: 0, identifier } }
}
