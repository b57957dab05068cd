//! A packet as the stages see it: addresses, what it carries, and the few facts besides that decide (TTL, size,
//! fragmentation). No bytes: those are `wire`'s.

use std::fmt;
use std::net::IpAddr;

use model::traffic::protocol;
use model::TrafficMatch;
use serde::{Deserialize, Serialize};

/// IPv4 or IPv6; the two never mix (RT-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Addresses and payload: everything that a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Header {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// What it carries.
    pub transport: Transport,
}

/// What a packet carries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A TCP segment.
    Tcp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// Its part in the connection.
        segment: Segment,
    },
    /// A UDP datagram.
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// An ICMP or, between IPv6 addresses, ICMPv6 message that is no error.
    Icmp {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
        /// Identifier of the exchange.
        identifier: u16,
    },
    /// An ICMP or ICMPv6 error about another packet.
    IcmpError {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
        /// Next-hop MTU of "fragmentation needed" and "packet too big", in bytes.
        mtu: Option<u16>,
        /// The packet it is about, as it was where the error arose.
        quoted: Box<Header>,
    },
    /// Any other protocol.
    Other {
        /// Protocol number.
        protocol: u8,
    },
}

/// The part of a TCP segment in its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Segment {
    /// Opens.
    Syn,
    /// Answers a SYN.
    SynAck,
    /// Anything in an open connection.
    Ack,
    /// Ends it at once.
    Rst,
}

/// ICMP and ICMPv6 message types with a part here.
pub mod icmp {
    /// Echo reply (RFC 792).
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable (RFC 792).
    pub const UNREACHABLE: u8 = 3;
    /// Code of [`UNREACHABLE`]: nobody listens on the port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// Code of [`UNREACHABLE`]: too big and not to be fragmented.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Echo request (RFC 792).
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded (RFC 792).
    pub const TIME_EXCEEDED: u8 = 11;
    /// ICMPv6: destination unreachable (RFC 4443).
    pub const V6_UNREACHABLE: u8 = 1;
    /// ICMPv6: packet too big (RFC 4443).
    pub const V6_PACKET_TOO_BIG: u8 = 2;
    /// ICMPv6: time exceeded (RFC 4443).
    pub const V6_TIME_EXCEEDED: u8 = 3;
    /// ICMPv6: echo request (RFC 4443).
    pub const V6_ECHO_REQUEST: u8 = 128;
    /// ICMPv6: echo reply (RFC 4443).
    pub const V6_ECHO_REPLY: u8 = 129;

    /// The type that answers a request of this type; `None` for what nobody answers.
    pub fn reply_to(icmp_type: u8, v6: bool) -> Option<u8> {
        match (icmp_type, v6) {
            (ECHO_REQUEST, false) => Some(ECHO_REPLY),
            (13, false) => Some(14), // timestamp (RFC 792)
            (V6_ECHO_REQUEST, true) => Some(V6_ECHO_REPLY),
            _ => None,
        }
    }

    /// The type of the request that a message of this type answers.
    pub fn request_of(icmp_type: u8, v6: bool) -> Option<u8> {
        match (icmp_type, v6) {
            (ECHO_REPLY, false) => Some(ECHO_REQUEST),
            (14, false) => Some(13),
            (V6_ECHO_REPLY, true) => Some(V6_ECHO_REQUEST),
            _ => None,
        }
    }
}

impl Header {
    /// The family of its addresses.
    pub fn family(&self) -> Family {
        Family::of(self.destination)
    }

    /// IP protocol number.
    pub fn protocol(&self) -> u8 {
        match (&self.transport, self.family()) {
            (Transport::Tcp { .. }, _) => protocol::TCP,
            (Transport::Udp { .. }, _) => protocol::UDP,
            (Transport::Icmp { .. } | Transport::IcmpError { .. }, Family::V4) => protocol::ICMP,
            (Transport::Icmp { .. } | Transport::IcmpError { .. }, Family::V6) => protocol::ICMPV6,
            (Transport::Other { protocol }, _) => *protocol,
        }
    }

    /// Source and destination port of TCP and UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            Transport::Tcp { source_port, destination_port, .. } | Transport::Udp { source_port, destination_port } => {
                Some((source_port, destination_port))
            }
            _ => None,
        }
    }

    /// Destination port of TCP and UDP.
    pub fn destination_port(&self) -> Option<u16> {
        self.ports().map(|(_, destination)| destination)
    }

    /// Type and code of ICMP and ICMPv6.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        match self.transport {
            Transport::Icmp { icmp_type, code, .. } | Transport::IcmpError { icmp_type, code, .. } => {
                Some((icmp_type, code))
            }
            _ => None,
        }
    }

    /// The packet that an error message is about.
    pub fn quoted(&self) -> Option<&Header> {
        match &self.transport {
            Transport::IcmpError { quoted, .. } => Some(quoted),
            _ => None,
        }
    }

    /// Whether the protocol part of a rule fits: destination ports, ICMP type and code (SG-7 … SG-10, ACL-5, ACL-6).
    pub fn fits(&self, traffic: TrafficMatch) -> bool {
        match traffic {
            TrafficMatch::All => true,
            TrafficMatch::Tcp(ports) | TrafficMatch::Udp(ports) => {
                traffic.protocol() == Some(self.protocol()) && self.destination_port().is_some_and(|p| ports.contains(p))
            }
            TrafficMatch::Icmp(wanted) | TrafficMatch::Icmpv6(wanted) => {
                traffic.protocol() == Some(self.protocol()) && self.icmp().is_some_and(|(t, c)| wanted.matches(t, c))
            }
            TrafficMatch::Other(number) => number == self.protocol(),
        }
    }

    /// What a host that runs the wanted service sends back; `None` for what nobody answers.
    pub fn reply(&self) -> Option<Header> {
        let transport = match &self.transport {
            Transport::Tcp { source_port, destination_port, segment } => Transport::Tcp {
                source_port: *destination_port,
                destination_port: *source_port,
                segment: match segment {
                    Segment::Syn => Segment::SynAck,
                    Segment::SynAck | Segment::Ack => Segment::Ack,
                    Segment::Rst => return None,
                },
            },
            Transport::Udp { source_port, destination_port } => {
                Transport::Udp { source_port: *destination_port, destination_port: *source_port }
            }
            Transport::Icmp { icmp_type, identifier, .. } => Transport::Icmp {
                icmp_type: icmp::reply_to(*icmp_type, self.family() == Family::V6)?,
                code: 0,
                identifier: *identifier,
            },
            Transport::IcmpError { .. } => return None,
            Transport::Other { protocol } => Transport::Other { protocol: *protocol },
        };
        Some(Header { source: self.destination, destination: self.source, transport })
    }

    /// The reset that answers a TCP segment.
    pub fn reset(&self) -> Option<Header> {
        let (source_port, destination_port) = match self.transport {
            Transport::Tcp { source_port, destination_port, .. } => (source_port, destination_port),
            _ => return None,
        };
        let transport =
            Transport::Tcp { source_port: destination_port, destination_port: source_port, segment: Segment::Rst };
        Some(Header { source: self.destination, destination: self.source, transport })
    }

    /// An error message about this packet, from `source` to its sender.
    pub fn error(&self, source: IpAddr, icmp_type: u8, code: u8, mtu: Option<u16>) -> Header {
        let transport = Transport::IcmpError { icmp_type, code, mtu, quoted: Box::new(self.clone()) };
        Header { source, destination: self.source, transport }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, destination) = (self.source, self.destination);
        match &self.transport {
            Transport::Tcp { source_port: s, destination_port: d, .. } => write!(f, "{source}:{s} > {destination}:{d} tcp"),
            Transport::Udp { source_port: s, destination_port: d } => write!(f, "{source}:{s} > {destination}:{d} udp"),
            Transport::Icmp { icmp_type, code, .. } | Transport::IcmpError { icmp_type, code, .. } => {
                write!(f, "{source} > {destination} icmp type {icmp_type} code {code}")
            }
            Transport::Other { protocol } => write!(f, "{source} > {destination} proto-{protocol}"),
        }
    }
}

/// A packet under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packet {
    /// Addresses and payload.
    pub header: Header,
    /// IP time to live, or hop limit.
    pub ttl: u8,
    /// Length of the whole IP packet in bytes.
    pub length: u32,
    /// Whether it must not be fragmented (DF; always so in IPv6).
    pub dont_fragment: bool,
    /// Whether it travels in fragments (NAT-14).
    pub fragmented: bool,
}

impl Packet {
    /// TTL that hosts send with (Linux's default).
    pub const DEFAULT_TTL: u8 = 64;

    /// A small packet with the usual TTL.
    pub fn new(header: Header) -> Self {
        Self { header, ttl: Self::DEFAULT_TTL, length: 60, dont_fragment: true, fragmented: false }
    }
}

/// One direction of a flow: what connection tracking keys on (SG-16).
///
/// TCP and UDP: the 5-tuple. ICMP: addresses, request type and identifier. Other protocols: addresses and protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FlowKey {
    /// Source of the flow's first packet.
    pub source: IpAddr,
    /// Destination of the flow's first packet.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port; ICMP identifier; 0.
    pub source_port: u16,
    /// Destination port; ICMP type of the request; 0.
    pub destination_port: u16,
}

impl FlowKey {
    /// The flow that a packet would start; for an ICMP error, the flow that it is about, as its sender sent it.
    pub fn started_by(header: &Header) -> Self {
        let (source_port, destination_port) = match &header.transport {
            Transport::Tcp { source_port, destination_port, .. } | Transport::Udp { source_port, destination_port } => {
                (*source_port, *destination_port)
            }
            Transport::Icmp { icmp_type, identifier, .. } => (*identifier, u16::from(*icmp_type)),
            Transport::IcmpError { quoted, .. } => return Self::started_by(quoted),
            Transport::Other { .. } => (0, 0),
        };
        let (source, destination) = (header.source, header.destination);
        Self { source, destination, protocol: header.protocol(), source_port, destination_port }
    }

    /// The flow that a packet would be a reply of; `None` for what answers nothing.
    pub fn answered_by(header: &Header) -> Option<Self> {
        let (source_port, destination_port) = match &header.transport {
            Transport::Tcp { source_port, destination_port, .. } | Transport::Udp { source_port, destination_port } => {
                (*destination_port, *source_port)
            }
            Transport::Icmp { icmp_type, identifier, .. } => {
                (*identifier, u16::from(icmp::request_of(*icmp_type, header.family() == Family::V6)?))
            }
            Transport::IcmpError { quoted, .. } => return Self::answered_by(quoted),
            Transport::Other { .. } => (0, 0),
        };
        let (source, destination) = (header.destination, header.source);
        Some(Self { source, destination, protocol: header.protocol(), source_port, destination_port })
    }
}
