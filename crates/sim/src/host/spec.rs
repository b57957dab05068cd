//! What a host is made of: interfaces, routes, services. Plain data.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use wire::Mac;

/// A protocol over IP, by its number (IANA "Assigned Internet Protocol Numbers").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP.
    pub const ICMP: Self = Self(wire::protocol::ICMP);
    /// TCP.
    pub const TCP: Self = Self(wire::protocol::TCP);
    /// UDP.
    pub const UDP: Self = Self(wire::protocol::UDP);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(wire::protocol::ICMPV6);
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::ICMP => f.pad("icmp"),
            Self::TCP => f.pad("tcp"),
            Self::UDP => f.pad("udp"),
            Self::ICMPV6 => f.pad("icmpv6"),
            Self(other) => f.pad(&other.to_string()),
        }
    }
}

/// An interface; its number is that of the node's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceSpec {
    /// `eth0`.
    pub name: String,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its addresses, the first of a family being the one that it sends from, with the length of its subnet's prefix.
    pub addresses: Vec<IpNet>,
    /// Longest packet that it sends, bytes; 0 for what the link takes.
    pub mtu: u32,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteSpec {
    /// For packets to these addresses.
    pub destination: IpNet,
    /// Through this neighbour; on the link itself if there is none.
    pub via: Option<IpAddr>,
    /// Out of this interface.
    pub interface: u16,
    /// Among equals, the lowest wins.
    pub metric: u32,
}

/// What a host is made of.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// Interfaces; number i is port i of the node.
    pub interfaces: Vec<InterfaceSpec>,
    /// Routes besides those to the subnets of its own addresses.
    pub routes: Vec<RouteSpec>,
    /// Whether it passes on what is not for itself: a router does.
    pub forwarding: bool,
    /// The interface out of which it hides others behind its own address.
    pub masquerade: Option<u16>,
    /// Hops that its packets may take.
    pub ttl: u8,
    /// Whether it announces its addresses when it starts (RFC 5227).
    pub announces: bool,
    /// Whether it asks before it uses an IPv6 address (RFC 4862, duplicate address detection).
    pub detects_duplicates: bool,
}

impl Default for HostSpec {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            routes: Vec::new(),
            forwarding: false,
            masquerade: None,
            ttl: 64,
            announces: false,
            detects_duplicates: false,
        }
    }
}

/// Who answers without a program being there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// Every TCP port accepts, every UDP port echoes, other protocols are echoed with their addresses exchanged.
    pub default_open: bool,
    /// These answer as well.
    pub open: BTreeSet<(Protocol, u16)>,
    /// These do not, whatever else is said.
    pub closed: BTreeSet<(Protocol, u16)>,
}

impl Services {
    /// Whether a port answers.
    pub fn answers(&self, protocol: Protocol, port: u16) -> bool {
        (self.default_open || self.open.contains(&(protocol, port))) && !self.closed.contains(&(protocol, port))
    }
}
