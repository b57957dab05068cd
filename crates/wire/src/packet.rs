//! A whole packet at a glance: addresses, flow, flags, and one line of text as tcpdump would write it.

use std::fmt;
use std::net::IpAddr;

use crate::arp::{Arp, Operation};
use crate::ethernet::{EtherType, Ethernet};
use crate::icmpv4::{Icmpv4, unreachable};
use crate::icmpv6::Icmpv6;
use crate::ipv4::Ipv4;
use crate::ipv6::Ipv6;
use crate::protocol;
use crate::read::Malformed;
use crate::tcp::{Flags, Tcp, TcpOption};
use crate::udp::Udp;

/// What a frame or packet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The frame's header, if it came in a frame.
    pub link: Option<Ethernet>,
    /// What the frame carries.
    pub network: Network,
}

/// The network layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// ARP.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// Anything else, or what could not be read.
    Other {
        /// The frame's type; none for a packet of neither IP version.
        ether_type: Option<EtherType>,
        /// Bytes.
        length: usize,
        /// Why it could not be read.
        error: Option<Malformed>,
    },
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// IP protocol, behind extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Identification of an IPv4 packet.
    pub identification: u16,
    /// Flow label of an IPv6 packet, 20 bits.
    pub flow_label: u32,
    /// Must not be fragmented; always so with IPv6.
    pub dont_fragment: bool,
    /// Offset in bytes, and whether more follows, of a fragment.
    pub fragment: Option<(u16, bool)>,
    /// What all fragments of the packet have in common, of either version; 0 of an IPv6 packet that is whole.
    pub fragment_id: u32,
    /// What it carries.
    pub transport: Transport,
}

/// The transport layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// TCP, and the bytes of its payload that were captured.
    Tcp(Tcp, usize),
    /// UDP, and the bytes of its payload.
    Udp(Udp, usize),
    /// ICMP.
    Icmpv4(Icmpv4),
    /// ICMPv6.
    Icmpv6(Icmpv6),
    /// Another protocol, a later fragment, or what could not be read; bytes.
    Other(usize),
}

/// What tells a conversation from others. ICMP has its type where TCP has ports: see [`Flow::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// IP protocol.
    pub protocol: u8,
    /// Sender.
    pub source: IpAddr,
    /// Sender's port; of an ICMP echo: its identifier.
    pub source_port: u16,
    /// Receiver.
    pub destination: IpAddr,
    /// Receiver's port; of ICMP: type and code.
    pub destination_port: u16,
}

impl Flow {
    /// The flow of a packet: zero ports where it has none.
    pub fn of(ip: &Ip) -> Flow {
        let pair = |(kind, code): (u8, u8)| u16::from_be_bytes([kind, code]);
        let (source_port, destination_port) = match &ip.transport {
            Transport::Tcp(tcp, _) => (tcp.source_port, tcp.destination_port),
            Transport::Udp(udp, _) => (udp.source_port, udp.destination_port),
            Transport::Icmpv4(icmp) => match icmp {
                Icmpv4::Echo { id, .. } | Icmpv4::Timestamp { id, .. } => (*id, pair(icmp.kind())),
                _ => (0, pair(icmp.kind())),
            },
            Transport::Icmpv6(icmp) => match icmp {
                Icmpv6::Echo { id, .. } => (*id, pair(icmp.kind())),
                _ => (0, pair(icmp.kind())),
            },
            Transport::Other(_) => (0, 0),
        };
        Flow { protocol: ip.protocol, source: ip.source, source_port, destination: ip.destination, destination_port }
    }

    /// The other direction of a TCP or UDP flow.
    #[must_use]
    pub fn reversed(self) -> Flow {
        Flow {
            source: self.destination,
            source_port: self.destination_port,
            destination: self.source,
            destination_port: self.source_port,
            ..self
        }
    }
}

impl Packet {
    /// Reads an Ethernet frame. What cannot be read further is [`Network::Other`]: a capture shows all.
    pub fn from_frame(frame: &[u8]) -> Packet {
        let (link, mut rest) = match Ethernet::parse(frame) {
            Ok(parsed) => parsed,
            Err(error) => return Packet { link: None, network: other(None, frame, Some(error)) },
        };
        let mut ether_type = link.ether_type;
        // 802.1Q: two bytes of tag, then the type of what it tags.
        if let (EtherType::VLAN, [_, _, high, low, tagged @ ..]) = (ether_type, rest) {
            ether_type = EtherType(u16::from_be_bytes([*high, *low]));
            rest = tagged;
        }
        let network = match ether_type {
            EtherType::ARP => Arp::parse(rest).map_or_else(|error| other(Some(ether_type), rest, Some(error)), Network::Arp),
            EtherType::IPV4 | EtherType::IPV6 => {
                Ip::parse(rest).map_or_else(|error| other(Some(ether_type), rest, Some(error)), Network::Ip)
            }
            _ => other(Some(ether_type), rest, None),
        };
        Packet { link: Some(link), network }
    }

    /// Reads an IPv4 or IPv6 packet, told apart by its first bits.
    pub fn from_ip(bytes: &[u8]) -> Packet {
        Packet { link: None, network: Ip::parse(bytes).map_or_else(|error| other(None, bytes, Some(error)), Network::Ip) }
    }

    /// The IP packet, if it is one.
    pub fn ip(&self) -> Option<&Ip> {
        match &self.network {
            Network::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// The flow it belongs to, if it is an IP packet.
    pub fn flow(&self) -> Option<Flow> {
        self.ip().map(Flow::of)
    }
}

fn other(ether_type: Option<EtherType>, bytes: &[u8], error: Option<Malformed>) -> Network {
    Network::Other { ether_type, length: bytes.len(), error }
}

impl Ip {
    /// Reads an IPv4 or IPv6 packet. A transport header that cannot be read is [`Transport::Other`].
    pub fn parse(bytes: &[u8]) -> Result<Ip, Malformed> {
        if bytes.first().is_some_and(|first| first >> 4 == 6) {
            let (header, payload) = Ipv6::parse(bytes)?;
            let upper = header.upper(payload)?;
            let later = upper.fragment.is_some_and(|(offset, _)| offset > 0);
            return Ok(Ip {
                source: header.source.into(),
                destination: header.destination.into(),
                protocol: upper.protocol,
                ttl: header.hop_limit,
                identification: 0,
                flow_label: header.flow_label,
                dont_fragment: true,
                fragment: upper.fragment,
                fragment_id: upper.identification,
                transport: Transport::parse(upper.protocol, upper.payload, later),
            });
        }
        let (header, payload) = Ipv4::parse(bytes)?;
        Ok(Ip {
            source: header.source.into(),
            destination: header.destination.into(),
            protocol: header.protocol,
            ttl: header.ttl,
            identification: header.identification,
            flow_label: 0,
            dont_fragment: header.dont_fragment,
            fragment: header.is_fragment().then_some((header.fragment_offset, header.more_fragments)),
            fragment_id: header.identification.into(),
            transport: Transport::parse(header.protocol, payload, header.is_later_fragment()),
        })
    }

    /// The packet that an ICMP error is about, as far as it is quoted.
    pub fn quoted(&self) -> Option<Ip> {
        let quoted = match &self.transport {
            Transport::Icmpv4(icmp) => icmp.quoted(),
            Transport::Icmpv6(icmp) => icmp.quoted(),
            _ => None,
        };
        Ip::parse(quoted?).ok()
    }

    /// TCP flags.
    pub fn tcp_flags(&self) -> Option<Flags> {
        match &self.transport {
            Transport::Tcp(tcp, _) => Some(tcp.flags),
            _ => None,
        }
    }
}

impl Transport {
    fn parse(protocol: u8, payload: &[u8], later_fragment: bool) -> Transport {
        let unread = Transport::Other(payload.len());
        if later_fragment {
            return unread;
        }
        let read = match protocol {
            protocol::TCP => Tcp::parse(payload).map(|(tcp, data)| Transport::Tcp(tcp, data.len())).ok(),
            protocol::UDP => Udp::parse(payload).map(|(udp, data)| Transport::Udp(udp, data.len())).ok(),
            protocol::ICMP => Icmpv4::parse(payload).map(Transport::Icmpv4).ok(),
            protocol::ICMPV6 => Icmpv6::parse(payload).map(Transport::Icmpv6).ok(),
            _ => None,
        };
        // An ICMP error quotes at least the ports (RFC 792), not always all of a TCP header.
        read.or_else(|| quoted_ports(protocol, payload)).unwrap_or(unread)
    }
}

/// Ports and sequence number of a TCP header that was cut after its first 8 bytes.
fn quoted_ports(protocol: u8, payload: &[u8]) -> Option<Transport> {
    if protocol != protocol::TCP || payload.len() < 8 || payload.len() >= Tcp::LENGTH {
        return None;
    }
    let tcp = Tcp {
        source_port: crate::read::u16_at(payload, 0),
        destination_port: crate::read::u16_at(payload, 2),
        sequence: crate::read::u32_at(payload, 4),
        acknowledgement: 0,
        flags: Flags::default(),
        window: 0,
        urgent: 0,
        options: Vec::new(),
    };
    Some(Transport::Tcp(tcp, 0))
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.network {
            Network::Arp(arp) => match arp.operation {
                Operation::Request => write!(f, "ARP, Request who-has {} tell {}", arp.target, arp.sender),
                Operation::Reply => write!(f, "ARP, Reply {} is-at {}", arp.sender, arp.sender_mac),
            },
            Network::Ip(ip) => ip.fmt(f),
            Network::Other { ether_type, length, error } => {
                match ether_type {
                    Some(ether_type) => write!(f, "{ether_type}, length {length}")?,
                    None => write!(f, "not IP, length {length}")?,
                }
                error.map_or(Ok(()), |error| write!(f, " ({error})"))
            }
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, destination) = (self.source, self.destination);
        f.write_str(if source.is_ipv6() { "IP6 " } else { "IP " })?;
        match &self.transport {
            Transport::Tcp(tcp, length) => {
                write!(f, "{source}.{} > {destination}.{}: {}", tcp.source_port, tcp.destination_port, TcpText(tcp, *length))?;
            }
            Transport::Udp(udp, length) => {
                write!(f, "{source}.{} > {destination}.{}: UDP, length {length}", udp.source_port, udp.destination_port)?;
            }
            Transport::Icmpv4(icmp) => {
                write!(f, "{source} > {destination}: ICMP ")?;
                icmpv4(f, icmp, self.quoted().as_ref())?;
            }
            Transport::Icmpv6(icmp) => {
                write!(f, "{source} > {destination}: ICMP6, ")?;
                icmpv6(f, icmp)?;
            }
            Transport::Other(length) => {
                write!(f, "{source} > {destination}: ")?;
                match self.protocol {
                    protocol::TCP => f.write_str("tcp")?,
                    protocol::UDP => f.write_str("udp")?,
                    protocol::ICMP => f.write_str("icmp")?,
                    protocol::ICMPV6 => f.write_str("icmp6")?,
                    protocol::GRE => f.write_str("gre")?,
                    protocol::ESP => f.write_str("esp")?,
                    other => write!(f, "ip-proto-{other}")?,
                }
                write!(f, ", length {length}")?;
            }
        }
        match self.fragment {
            Some((offset, more)) => write!(f, " (frag {}:{offset}{})", self.fragment_id, if more { "+" } else { "" }),
            None => Ok(()),
        }
    }
}

struct TcpText<'a>(&'a Tcp, usize);

impl fmt::Display for TcpText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TcpText(tcp, length) = self;
        write!(f, "Flags [{}], seq {}", tcp.flags, tcp.sequence)?;
        if *length > 0 {
            write!(f, ":{}", tcp.sequence.wrapping_add(*length as u32))?;
        }
        if tcp.flags.has(Flags::ACK) {
            write!(f, ", ack {}", tcp.acknowledgement)?;
        }
        write!(f, ", win {}", tcp.window)?;
        for (at, option) in tcp.options.iter().enumerate() {
            f.write_str(if at == 0 { ", options [" } else { "," })?;
            match option {
                TcpOption::MaximumSegmentSize(size) => write!(f, "mss {size}")?,
                TcpOption::WindowScale(shift) => write!(f, "wscale {shift}")?,
                TcpOption::SackPermitted => f.write_str("sackOK")?,
                TcpOption::Sack(blocks) => {
                    write!(f, "sack {}", blocks.len())?;
                    for (from, to) in blocks {
                        write!(f, " {{{from}:{to}}}")?;
                    }
                }
                TcpOption::Timestamps(value, echo) => write!(f, "TS val {value} ecr {echo}")?,
                TcpOption::Other(kind, _) => write!(f, "opt-{kind}")?,
            }
        }
        f.write_str(if tcp.options.is_empty() { "" } else { "]" })?;
        write!(f, ", length {length}")
    }
}

fn icmpv4(f: &mut fmt::Formatter<'_>, icmp: &Icmpv4, quoted: Option<&Ip>) -> fmt::Result {
    let about = quoted.map_or_else(|| "host".to_owned(), |ip| ip.destination.to_string());
    match icmp {
        Icmpv4::Echo { reply, id, sequence, data } => {
            let what = if *reply { "reply" } else { "request" };
            write!(f, "echo {what}, id {id}, seq {sequence}, length {}", data.len() + Icmpv4::LENGTH)
        }
        Icmpv4::Unreachable { code, mtu, .. } => match (*code, quoted.map(|ip| (Flow::of(ip), &ip.transport))) {
            (unreachable::PORT, Some((flow, Transport::Udp(..)))) => {
                write!(f, "{about} udp port {} unreachable", flow.destination_port)
            }
            (unreachable::PORT, Some((flow, Transport::Tcp(..)))) => {
                write!(f, "{about} tcp port {} unreachable", flow.destination_port)
            }
            (unreachable::PORT, _) => write!(f, "{about} port unreachable"),
            (unreachable::NETWORK, _) => write!(f, "net {about} unreachable"),
            (unreachable::HOST, _) => write!(f, "host {about} unreachable"),
            (unreachable::PROTOCOL, Some((flow, _))) => write!(f, "{about} protocol {} unreachable", flow.protocol),
            (unreachable::FRAGMENTATION_NEEDED, _) => write!(f, "{about} unreachable - need to frag (mtu {mtu})"),
            (
                unreachable::NETWORK_PROHIBITED | unreachable::HOST_PROHIBITED | unreachable::ADMINISTRATIVELY_PROHIBITED,
                _,
            ) => write!(f, "host {about} unreachable - admin prohibited"),
            (code, _) => write!(f, "{about} unreachable, code {code}"),
        },
        Icmpv4::Redirect { gateway, .. } => write!(f, "redirect {about} to {gateway}"),
        Icmpv4::TimeExceeded { code: 0, .. } => f.write_str("time exceeded in-transit"),
        Icmpv4::TimeExceeded { .. } => f.write_str("ip reassembly time exceeded"),
        Icmpv4::Timestamp { reply, id, sequence, .. } => {
            write!(f, "time stamp {} id {id} seq {sequence}", if *reply { "reply" } else { "query" })
        }
        Icmpv4::Other { kind, code, .. } => write!(f, "type {kind}, code {code}"),
    }
}

fn icmpv6(f: &mut fmt::Formatter<'_>, icmp: &Icmpv6) -> fmt::Result {
    match icmp {
        Icmpv6::Echo { reply, id, sequence, data } => {
            let what = if *reply { "reply" } else { "request" };
            write!(f, "echo {what}, id {id}, seq {sequence}, length {}", data.len() + Icmpv6::LENGTH)
        }
        Icmpv6::Unreachable { code, .. } => f.write_str(match code {
            0 => "destination unreachable, no route",
            1 => "destination unreachable, admin prohibited",
            3 => "destination unreachable, address",
            4 => "destination unreachable, port",
            _ => "destination unreachable",
        }),
        Icmpv6::PacketTooBig { mtu, .. } => write!(f, "packet too big, mtu {mtu}"),
        Icmpv6::TimeExceeded { .. } => f.write_str("time exceeded in-transit"),
        Icmpv6::Other { kind, code, .. } => match kind {
            133 => f.write_str("router solicitation"),
            134 => f.write_str("router advertisement"),
            135 => f.write_str("neighbor solicitation"),
            136 => f.write_str("neighbor advertisement"),
            _ => write!(f, "type {kind}, code {code}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethernet::Mac;
    use crate::icmpv4::quote;
    use std::net::Ipv4Addr;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn udp(length: usize) -> Vec<u8> {
        let datagram = Udp { source_port: 4000, destination_port: 53 }.datagram(A.into(), B.into(), &vec![0; length]);
        Ipv4::new(A, B, protocol::UDP).packet(&datagram)
    }

    fn syn() -> Vec<u8> {
        let tcp = Tcp {
            source_port: 40000,
            destination_port: 443,
            sequence: 7,
            acknowledgement: 0,
            flags: Flags::SYN,
            window: 64240,
            urgent: 0,
            options: vec![TcpOption::MaximumSegmentSize(8961), TcpOption::SackPermitted],
        };
        Ipv4::new(A, B, protocol::TCP).packet(&tcp.segment(A.into(), B.into(), &[]))
    }

    fn icmp(message: &Icmpv4) -> Vec<u8> {
        Ipv4::new(B, A, protocol::ICMP).packet(&message.message())
    }

    #[test]
    fn lines_read_like_tcpdump() {
        let echo = Icmpv4::Echo { reply: false, id: 9, sequence: 1, data: vec![0; 56] };
        let big = Icmpv4::Unreachable { code: 4, mtu: 1500, quoted: quote(&syn()) };
        let port = Icmpv4::Unreachable { code: 3, mtu: 0, quoted: quote(&udp(5)) };
        // RFC 792 quotes 8 bytes behind the header: the ports, but no whole TCP header.
        let short = Icmpv4::Unreachable { code: 3, mtu: 0, quoted: syn()[..28].to_vec() };
        let expired = Icmpv4::TimeExceeded { code: 0, quoted: quote(&udp(5)) };
        for (packet, line) in [
            (udp(5), "IP 10.0.0.1.4000 > 10.0.0.2.53: UDP, length 5"),
            (syn(), "IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 7, win 64240, options [mss 8961,sackOK], length 0"),
            (icmp(&echo), "IP 10.0.0.2 > 10.0.0.1: ICMP echo request, id 9, seq 1, length 64"),
            (icmp(&big), "IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 unreachable - need to frag (mtu 1500)"),
            (icmp(&port), "IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 udp port 53 unreachable"),
            (icmp(&short), "IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 tcp port 443 unreachable"),
            (icmp(&expired), "IP 10.0.0.2 > 10.0.0.1: ICMP time exceeded in-transit"),
            (Ipv4::new(A, B, protocol::GRE).packet(&[0; 9]), "IP 10.0.0.1 > 10.0.0.2: gre, length 9"),
            (
                Ipv4 { fragment_offset: 1480, identification: 3, ..Ipv4::new(A, B, protocol::UDP) }.packet(&[0; 20]),
                "IP 10.0.0.1 > 10.0.0.2: udp, length 20 (frag 3:1480)",
            ),
            (
                // A fragment header (RFC 8200, 4.5) of UDP: offset 1448, more to come, identification 65,537.
                Ipv6::new(std::net::Ipv6Addr::LOCALHOST, std::net::Ipv6Addr::LOCALHOST, 44).packet(&[&[17, 0, 0x05, 0xa9, 0, 1, 0, 1][..], &[0; 24]].concat()),
                "IP6 ::1 > ::1: udp, length 24 (frag 65537:1448+)",
            ),
            (vec![0; 3], "not IP, length 3 (IPv4 is cut: 3 bytes of at least 20)"),
        ] {
            assert_eq!(Packet::from_ip(&packet).to_string(), line);
        }
        let (a, b) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let question = Arp::request(a, A, B);
        assert_eq!(Packet::from_frame(&question.frame()).to_string(), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1");
        assert_eq!(Packet::from_frame(&question.reply(b).frame()).to_string(), "ARP, Reply 10.0.0.2 is-at 02:00:00:00:00:02");
    }

    #[test]
    fn a_flow_has_ports_or_type_and_identifier() {
        let flow = Packet::from_ip(&udp(5)).flow().unwrap();
        assert_eq!((flow.protocol, flow.source_port, flow.destination_port), (17, 4000, 53));
        assert_eq!(flow.reversed().reversed(), flow);
        let echo = Icmpv4::Echo { reply: false, id: 9, sequence: 1, data: Vec::new() };
        let flow = Packet::from_ip(&icmp(&echo)).flow().unwrap();
        assert_eq!((flow.protocol, flow.source_port, flow.destination_port), (1, 9, 0x0800));
        let error = icmp(&Icmpv4::TimeExceeded { code: 0, quoted: quote(&udp(5)) });
        let quoted = Packet::from_ip(&error).ip().and_then(Ip::quoted).unwrap();
        assert_eq!(Flow::of(&quoted), Packet::from_ip(&udp(5)).flow().unwrap());
    }

    #[test]
    fn a_tagged_frame_shows_what_it_carries() {
        let mut frame = Vec::new();
        Ethernet { destination: Mac::BROADCAST, source: Mac([2, 0, 0, 0, 0, 1]), ether_type: EtherType::VLAN }.emit(&mut frame);
        frame.extend_from_slice(&[0, 7, 8, 0]);
        frame.extend_from_slice(&udp(5));
        assert!(Packet::from_frame(&frame).flow().is_some());
    }

    proptest::proptest! {
        #[test]
        fn anything_has_a_line(mut bytes: Vec<u8>, version in 0u8..16) {
            let _ = Packet::from_frame(&bytes).to_string();
            if let Some(first) = bytes.first_mut() {
                *first = version << 4 | *first & 0xf;
            }
            let packet = Packet::from_ip(&bytes);
            let _ = (packet.to_string(), packet.flow(), packet.ip().and_then(Ip::quoted));
        }
    }
}
