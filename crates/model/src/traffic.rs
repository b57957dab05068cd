//! What a rule says about a packet's protocol: shared by security groups (SG-7…SG-10), network ACLs
//! (ACL-5, ACL-6) and claims.

use serde::{Deserialize, Serialize};

/// IP protocol numbers with a meaning of their own here (IANA assigned numbers).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// GRE.
    pub const GRE: u8 = 47;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// Lowest port.
    pub from: u16,
    /// Highest port, not below `from`.
    pub to: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { from: 0, to: u16::MAX };

    /// A single port.
    pub const fn one(port: u16) -> Self {
        Self { from: port, to: port }
    }

    /// Whether `port` lies inside.
    pub const fn contains(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.from == self.to {
            true => write!(f, "{}", self.from),
            false => write!(f, "{}-{}", self.from, self.to),
        }
    }
}

/// ICMP type and code; `None` = any. No type means no code either (SG-9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IcmpMatch {
    /// ICMP type, or any.
    pub icmp_type: Option<u8>,
    /// ICMP code, or any.
    pub code: Option<u8>,
}

impl IcmpMatch {
    /// Whether a message of this type and code fits.
    pub fn matches(self, icmp_type: u8, code: u8) -> bool {
        self.icmp_type.is_none_or(|wanted| wanted == icmp_type)
            && self.code.is_none_or(|wanted| wanted == code)
    }
}

/// The protocol part of a rule. Ports are destination ports (SG-7, ACL-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrafficMatch {
    /// Protocol -1: everything, whatever ports were given (SG-8, ACL-6).
    All,
    /// TCP with a range of destination ports.
    Tcp(PortRange),
    /// UDP with a range of destination ports.
    Udp(PortRange),
    /// ICMP for IPv4; never matches ICMPv6 (SG-10).
    Icmp(IcmpMatch),
    /// ICMP for IPv6; never matches ICMP (SG-10).
    Icmpv6(IcmpMatch),
    /// Any other protocol by number, all of it (SG-8, ACL-6).
    Other(u8),
}

impl TrafficMatch {
    /// The protocol number, or `None` for all.
    pub fn protocol(self) -> Option<u8> {
        match self {
            Self::All => None,
            Self::Tcp(_) => Some(protocol::TCP),
            Self::Udp(_) => Some(protocol::UDP),
            Self::Icmp(_) => Some(protocol::ICMP),
            Self::Icmpv6(_) => Some(protocol::ICMPV6),
            Self::Other(number) => Some(number),
        }
    }
}

impl std::fmt::Display for TrafficMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let icmp = |f: &mut std::fmt::Formatter<'_>, name: &str, m: &IcmpMatch| match *m {
            IcmpMatch { icmp_type: None, .. } => f.write_str(name),
            IcmpMatch { icmp_type: Some(8), code: None } if name == "icmp" => f.write_str("icmp/echo"),
            IcmpMatch { icmp_type: Some(t), code: None } => write!(f, "{name}/{t}"),
            IcmpMatch { icmp_type: Some(t), code: Some(c) } => write!(f, "{name}/{t}/{c}"),
        };
        match self {
            Self::All => f.write_str("all"),
            Self::Tcp(PortRange::ALL) => f.write_str("tcp"),
            Self::Udp(PortRange::ALL) => f.write_str("udp"),
            Self::Tcp(ports) => write!(f, "tcp/{ports}"),
            Self::Udp(ports) => write!(f, "udp/{ports}"),
            Self::Icmp(m) => icmp(f, "icmp", m),
            Self::Icmpv6(m) => icmp(f, "icmpv6", m),
            Self::Other(number) => write!(f, "proto-{number}"),
        }
    }
}
