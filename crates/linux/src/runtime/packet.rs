//! Packets as probes make and recognise them: the few facts of a captured packet, and a built one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::traffic::protocol;

/// What a captured packet says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// What it carries.
    pub payload: Payload,
}

/// What a captured packet carries, as far as probes look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// TCP: ports and flag byte (RFC 9293).
    Tcp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
        flags: u8,
    },
    /// UDP: ports.
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// ICMP or ICMPv6 that is no error.
    Icmp {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
        /// Identifier.
        identifier: u16,
    },
    /// An ICMP error (types 3, 4, 5, 11 and 12), or one of ICMPv6 (1 to 4).
    IcmpError {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
        /// What it complains of, as far as probes tell errors apart.
        complaint: Complaint,
        /// Next-hop MTU in bytes, of "fragmentation needed" (RFC 1191) and "packet too big" (RFC 4443).
        mtu: Option<u16>,
        /// The packet it complains about.
        quoted: Option<Box<Seen>>,
    },
    /// Anything else, and fragments behind the first.
    Other,
}

/// What an ICMP error complains of, in either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// Nobody listens on the port (RFC 792, RFC 4443).
    NobodyListens,
    /// The time to live ran out.
    TimeExceeded,
    /// Anything else.
    Other,
}

impl Complaint {
    /// What an error of this type and code complains of; `None` if it is no error.
    pub fn of(is_v6: bool, icmp_type: u8, code: u8) -> Option<Complaint> {
        match (is_v6, icmp_type, code) {
            (false, 3, 3) | (true, 1, 4) => Some(Complaint::NobodyListens),
            (false, 11, _) | (true, 3, _) => Some(Complaint::TimeExceeded),
            (false, 3 | 4 | 5 | 12, _) | (true, 1 | 2 | 4, _) => Some(Complaint::Other),
            _ => None,
        }
    }
}

/// The type of an echo request or of its reply (RFC 792, RFC 4443).
pub fn echo_type(is_v6: bool, is_reply: bool) -> u8 {
    match (is_v6, is_reply) {
        (false, false) => 8,
        (false, true) => 0,
        (true, false) => 128,
        (true, true) => 129,
    }
}

impl Seen {
    /// Reads a packet from its first header byte on; it may be cut short behind the transport header.
    pub fn parse(bytes: &[u8]) -> Option<Seen> {
        match bytes.first()? >> 4 {
            4 => Seen::parse_v4(bytes),
            6 => Seen::parse_v6(bytes),
            _ => None,
        }
    }

    /// Of IPv6 no extension headers are read: what is behind one is [`Payload::Other`].
    fn parse_v6(bytes: &[u8]) -> Option<Seen> {
        let (header, rest) = bytes.split_at_checked(40)?;
        let payload = match header[6] {
            protocol::TCP => tcp(rest),
            protocol::UDP => ports(rest).map(|(source_port, destination_port)| Payload::Udp { source_port, destination_port }),
            protocol::ICMPV6 => icmp(rest, true),
            _ => None,
        };
        let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(header.get(at..at + 16)?).ok()?).into());
        Some(Seen {
            source: address(8)?,
            destination: address(24)?,
            protocol: header[6],
            ttl: header[7],
            payload: payload.unwrap_or(Payload::Other),
        })
    }

    fn parse_v4(bytes: &[u8]) -> Option<Seen> {
        let header = bytes.get(..20)?;
        let header_length = usize::from(header[0] & 0xf) * 4;
        if header_length < 20 {
            return None;
        }
        let is_later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
        let rest = bytes.get(header_length..).unwrap_or_default();
        let payload = match header[9] {
            _ if is_later_fragment => None,
            6 => tcp(rest),
            17 => ports(rest).map(|(source_port, destination_port)| Payload::Udp { source_port, destination_port }),
            1 => icmp(rest, false),
            _ => None,
        };
        Some(Seen {
            source: four(header, 12)?,
            destination: four(header, 16)?,
            protocol: header[9],
            ttl: header[8],
            payload: payload.unwrap_or(Payload::Other),
        })
    }

    /// Source and destination port, for TCP and UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.payload {
            Payload::Tcp { source_port, destination_port, .. } | Payload::Udp { source_port, destination_port } => {
                Some((source_port, destination_port))
            }
            _ => None,
        }
    }
}

fn four(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes).into())
}

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn ports(bytes: &[u8]) -> Option<(u16, u16)> {
    Some((two(bytes, 0)?, two(bytes, 2)?))
}

fn tcp(bytes: &[u8]) -> Option<Payload> {
    let (source_port, destination_port) = ports(bytes)?;
    Some(Payload::Tcp { source_port, destination_port, flags: *bytes.get(13)? })
}

fn icmp(bytes: &[u8], is_v6: bool) -> Option<Payload> {
    let (icmp_type, code) = (*bytes.first()?, *bytes.get(1)?);
    let says_mtu = matches!((is_v6, icmp_type, code), (false, 3, 4) | (true, 2, _));
    Some(match Complaint::of(is_v6, icmp_type, code) {
        Some(complaint) => Payload::IcmpError {
            icmp_type,
            code,
            complaint,
            // ICMPv6 has 32 bits for it, and no link here takes that much.
            mtu: if says_mtu { two(bytes, 6) } else { None },
            quoted: bytes.get(8..).and_then(Seen::parse).map(Box::new),
        },
        None => Payload::Icmp { icmp_type, code, identifier: two(bytes, 4)? },
    })
}

/// A packet to be sent through a raw socket; of IPv4 the kernel fills in identification, length and header checksum.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Whether fragmentation is forbidden; IPv6 knows nothing else.
    pub dont_fragment: bool,
    /// What follows the IP header, checksum included.
    pub payload: Vec<u8>,
    /// Whether it is a question aside, see [`crate::aside`].
    pub is_aside: bool,
}

impl Raw {
    /// The bytes from the IP header on, header checksum included.
    pub fn bytes(&self) -> Vec<u8> {
        if self.destination.is_ipv6() {
            let length = u16::try_from(self.payload.len()).unwrap_or(u16::MAX).to_be_bytes();
            let class = if self.is_aside { crate::aside::field(true).2 } else { [0, 0] };
            let start = vec![0x60 | class[0], class[1], 0, 0, length[0], length[1], self.protocol, self.ttl];
            return [start, octets(self.source), octets(self.destination), self.payload.clone()].concat();
        }
        let length = u16::try_from(20 + self.payload.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![0x45, if self.is_aside { crate::aside::DS_FIELD } else { 0 }];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, if self.dont_fragment { 0x40 } else { 0 }, 0, self.ttl, self.protocol, 0, 0]);
        bytes.extend(octets(self.source));
        bytes.extend(octets(self.destination));
        let sum = checksum(&[&bytes]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An ICMP message, between addresses of IPv6 one of ICMPv6: `rest` is the second word of the header (identifier and sequence, or
/// unused and MTU).
pub fn icmp_message(ends: (IpAddr, IpAddr), icmp_type: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![icmp_type, code, 0, 0];
    bytes.extend(rest);
    bytes.extend(body);
    let sum = match ends.0.is_ipv6() {
        false => checksum(&[&bytes]),
        true => transport_checksum(ends.0, ends.1, protocol::ICMPV6, &bytes),
    };
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A TCP SYN without options.
pub fn tcp_syn(source: (IpAddr, u16), destination: (IpAddr, u16), sequence: u32) -> Vec<u8> {
    tcp_segment(source, destination, sequence, 2)
}

/// A TCP reset from whoever sent the octet before `sequence` (RFC 9293 §3.5.3).
pub fn tcp_reset(source: (IpAddr, u16), destination: (IpAddr, u16), sequence: u32) -> Vec<u8> {
    tcp_segment(source, destination, sequence, 4)
}

fn tcp_segment(source: (IpAddr, u16), destination: (IpAddr, u16), sequence: u32, flags: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20);
    bytes.extend(source.1.to_be_bytes());
    bytes.extend(destination.1.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    let sum = transport_checksum(source.0, destination.0, 6, &bytes);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A UDP datagram.
pub fn udp_datagram(source: (IpAddr, u16), destination: (IpAddr, u16), body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + body.len());
    bytes.extend(source.1.to_be_bytes());
    bytes.extend(destination.1.to_be_bytes());
    bytes.extend(u16::try_from(8 + body.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(body);
    // RFC 768: a computed zero is sent as all ones.
    let sum = match transport_checksum(source.0, destination.0, 17, &bytes) {
        0 => u16::MAX,
        sum => sum,
    };
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// With the pseudo header of the family (RFC 9293 3.1, RFC 8200 8.1): their sums differ in the addresses alone.
fn transport_checksum(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    checksum(&[&octets(source), &octets(destination), &[0, protocol, length[0], length[1]], bytes])
}

/// RFC 1071. All parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
