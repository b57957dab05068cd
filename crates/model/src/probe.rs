//! One question to an engine: may this packet go from here to there? Written `web-1 db-1 tcp/3306`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::selector::Selector;
use crate::traffic::protocol;

/// Source, destination and the packet's protocol and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Probe {
    /// Who sends.
    pub source: Selector,
    /// Who receives.
    pub destination: Selector,
    /// What is sent.
    pub packet: ProbePacket,
}

/// What a probe sends: exactly one protocol and port, unlike a rule's ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbePacket {
    /// A TCP SYN to this port.
    Tcp(u16),
    /// A UDP datagram to this port.
    Udp(u16),
    /// An ICMP message; an echo request is type 8, code 0.
    Icmp {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
    },
    /// An ICMPv6 message; an echo request is type 128, code 0.
    Icmpv6 {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
    },
    /// A packet of another protocol by number.
    Other(u8),
}

impl ProbePacket {
    /// ICMP echo request.
    pub const ECHO: Self = Self::Icmp { icmp_type: 8, code: 0 };

    /// ICMPv6 echo request.
    pub const ECHO_V6: Self = Self::Icmpv6 { icmp_type: 128, code: 0 };

    /// What is sent over IPv6 when these words are said: an echo request is one of ICMPv6 there. `None`: IPv4 alone has such a
    /// message (RFC 4443 gives types other meanings).
    pub fn over_ipv6(self) -> Option<Self> {
        match self {
            Self::ECHO => Some(Self::ECHO_V6),
            Self::Icmp { .. } => None,
            other => Some(other),
        }
    }

    /// The IP protocol number.
    pub fn protocol(self) -> u8 {
        match self {
            Self::Tcp(_) => protocol::TCP,
            Self::Udp(_) => protocol::UDP,
            Self::Icmp { .. } => protocol::ICMP,
            Self::Icmpv6 { .. } => protocol::ICMPV6,
            Self::Other(number) => number,
        }
    }

    /// The destination port, for TCP and UDP.
    pub fn port(self) -> Option<u16> {
        match self {
            Self::Tcp(port) | Self::Udp(port) => Some(port),
            _ => None,
        }
    }
}

impl fmt::Display for ProbePacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Tcp(port) => write!(f, "tcp/{port}"),
            Self::Udp(port) => write!(f, "udp/{port}"),
            Self::ECHO => f.write_str("icmp/echo"),
            Self::Icmp { icmp_type, code } => write!(f, "icmp/{icmp_type}/{code}"),
            Self::Icmpv6 { icmp_type: 128, code: 0 } => f.write_str("icmpv6/echo"),
            Self::Icmpv6 { icmp_type, code } => write!(f, "icmpv6/{icmp_type}/{code}"),
            Self::Other(number) => write!(f, "proto-{number}"),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.source, self.destination, self.packet)
    }
}
