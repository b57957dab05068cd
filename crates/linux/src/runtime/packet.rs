//! Packets as probes make and recognise them: the few facts of a captured IPv4 packet, and a built one.

use std::net::Ipv4Addr;

/// What a captured IPv4 packet says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// IP protocol number.
    pub protocol: u8,
    /// Time to live.
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
    /// ICMP that is no error.
    Icmp {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
        /// Identifier.
        identifier: u16,
    },
    /// An ICMP error (types 3, 4, 5, 11 and 12).
    IcmpError {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
        /// Next-hop MTU in bytes, of "fragmentation needed" (RFC 1191).
        mtu: Option<u16>,
        /// The packet it complains about.
        quoted: Option<Box<Seen>>,
    },
    /// Anything else, and fragments behind the first.
    Other,
}


impl Seen {
    /// Reads an IPv4 packet from its first header byte on; it may be cut short behind the transport header.
    pub fn parse(bytes: &[u8]) -> Option<Seen> {
        let header = bytes.get(..20)?;
        let header_length = usize::from(header[0] & 0xf) * 4;
        if header[0] >> 4 != 4 || header_length < 20 {
            return None;
        }
        let is_later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
        let rest = bytes.get(header_length..).unwrap_or_default();
        let payload = match header[9] {
            _ if is_later_fragment => None,
            6 => tcp(rest),
            17 => ports(rest).map(|(source_port, destination_port)| Payload::Udp { source_port, destination_port }),
            1 => icmp(rest),
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

fn four(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(bytes.into())
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

fn icmp(bytes: &[u8]) -> Option<Payload> {
    let (icmp_type, code) = (*bytes.first()?, *bytes.get(1)?);
    Some(match icmp_type {
        3 | 4 | 5 | 11 | 12 => Payload::IcmpError {
            icmp_type,
            code,
            mtu: if (icmp_type, code) == (3, 4) { two(bytes, 6) } else { None },
            quoted: bytes.get(8..).and_then(Seen::parse).map(Box::new),
        },
        _ => Payload::Icmp { icmp_type, code, identifier: two(bytes, 4)? },
    })
}

/// An IPv4 packet to be sent through a raw socket; the kernel fills in identification, length and header checksum.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// IP protocol number.
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Whether fragmentation is forbidden.
    pub dont_fragment: bool,
    /// What follows the IP header, checksum included.
    pub payload: Vec<u8>,
}

impl Raw {
    /// The bytes from the IP header on, header checksum included.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u16::try_from(20 + self.payload.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![0x45, 0];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, if self.dont_fragment { 0x40 } else { 0 }, 0, self.ttl, self.protocol, 0, 0]);
        bytes.extend(self.source.octets());
        bytes.extend(self.destination.octets());
        let sum = checksum(&[&bytes]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// An ICMP message: `rest` is the second word of the header (identifier and sequence, or unused and MTU).
pub fn icmp_message(icmp_type: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![icmp_type, code, 0, 0];
    bytes.extend(rest);
    bytes.extend(body);
    let sum = checksum(&[&bytes]);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A TCP SYN without options.
pub fn tcp_syn(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), sequence: u32) -> Vec<u8> {
    tcp_segment(source, destination, sequence, 2)
}

/// A TCP reset from whoever sent the octet before `sequence` (RFC 9293 §3.5.3).
pub fn tcp_reset(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), sequence: u32) -> Vec<u8> {
    tcp_segment(source, destination, sequence, 4)
}

fn tcp_segment(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), sequence: u32, flags: u8) -> Vec<u8> {
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
pub fn udp_datagram(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), body: &[u8]) -> Vec<u8> {
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

fn transport_checksum(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, bytes: &[u8]) -> u16 {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    checksum(&[&source.octets(), &destination.octets(), &[0, protocol, length[0], length[1]], bytes])
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
