//! What a lab adds to the cloud: what runs inside instances, and who lives on the internet. AWS knows none of it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Origin;

/// What an instance's own system does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// Built-in listeners that answer with the instance's name.
    pub listen: Vec<Listener>,
    /// Command lines kept running.
    pub run: Vec<String>,
    /// Whether the system forwards packets between or through its interfaces (a router, a firewall).
    pub ip_forward: bool,
    /// Whether it also hides what it forwards behind its own address (a NAT instance, NATI-1).
    pub masquerade: bool,
}

/// A built-in listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listener {
    /// TCP port.
    Tcp(u16),
    /// UDP port.
    Udp(u16),
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(port) => write!(f, "tcp/{port}"),
            Self::Udp(port) => write!(f, "udp/{port}"),
        }
    }
}

impl OutsideHost {
    /// Whether a host can have an address: not loopback, link-local, multicast, unspecified or reserved (RFC 6890).
    pub fn may_have(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                let special = v4.is_loopback() || v4.is_multicast() || v4.is_link_local() || v4.octets()[0] == 0;
                !special && v4.octets()[0] < 240
            }
            IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_multicast() || v6.is_unspecified() || v6.is_unicast_link_local()),
        }
    }
}

/// A named place on the internet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideHost {
    /// Its addresses; at least one.
    pub addresses: Vec<IpAddr>,
    /// Where it was written.
    pub origin: Origin,
}
