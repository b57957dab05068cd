//! Ports of an instance that lead into containers, and which of them claim the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{Listener, PortRange, TrafficMatch};

/// Published ports and ranges of one instance at most: each is compared with all others.
pub const MOST_PUBLISHED: usize = 10_000;

/// Ports of an instance that lead to as many ports of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortMapping {
    /// Protocol.
    pub protocol: PortProtocol,
    /// Ports of the instance, from 1.
    pub host: PortRange,
    /// Ports of the container, as many.
    pub container: PortRange,
    /// Address of the instance at which it is reached; 0.0.0.0 = every one.
    pub host_address: Ipv4Addr,
}

impl PortMapping {
    /// What a built-in listener of the instance claims.
    pub fn of_listener(listener: Listener) -> Self {
        let (protocol, port) = match listener {
            Listener::Tcp(port) => (PortProtocol::Tcp, port),
            Listener::Udp(port) => (PortProtocol::Udp, port),
        };
        let ports = PortRange::one(port);
        Self { protocol, host: ports, container: ports, host_address: Ipv4Addr::UNSPECIFIED }
    }

    /// Whether both claim a port at one address.
    pub fn collides_with(&self, other: &Self) -> bool {
        let addresses = [self.host_address, other.host_address];
        let meets = addresses[0] == addresses[1] || addresses.iter().any(Ipv4Addr::is_unspecified);
        meets && self.protocol == other.protocol && self.host.from <= other.host.to && other.host.from <= self.host.to
    }

    /// What it listens on for others than the instance itself; `None` for one at a loopback address.
    pub fn traffic(&self) -> Option<TrafficMatch> {
        (!self.host_address.is_loopback()).then_some(match self.protocol {
            PortProtocol::Tcp => TrafficMatch::Tcp(self.host),
            PortProtocol::Udp => TrafficMatch::Udp(self.host),
        })
    }
}

impl std::fmt::Display for PortMapping {
    /// `8080->80`, `127.0.0.1:53->53/udp`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.host_address.is_unspecified() {
            write!(f, "{}:", self.host_address)?;
        }
        write!(f, "{}->{}", self.host, self.container)?;
        match self.protocol {
            PortProtocol::Tcp => Ok(()),
            PortProtocol::Udp => f.write_str("/udp"),
        }
    }
}

/// Protocols whose ports can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Which mappings claim a port that an earlier one of the list has at the same address: places of the earlier and of the
/// later one, each later one once, in the order of the later ones.
pub fn collisions(mappings: &[PortMapping]) -> Vec<(usize, usize)> {
    // Intervals by protocol and address, in which none overlaps another.
    let mut taken: BTreeMap<(PortProtocol, Ipv4Addr), BTreeMap<u16, (u16, usize)>> = BTreeMap::new();
    fn meets(intervals: &BTreeMap<u16, (u16, usize)>, ports: PortRange) -> Option<usize> {
        let (_, (to, place)) = intervals.range(..=ports.to).next_back()?;
        (*to >= ports.from).then_some(*place)
    }
    let mut found = Vec::new();
    for (place, mapping) in mappings.iter().enumerate() {
        let (protocol, address, ports) = (mapping.protocol, mapping.host_address, mapping.host);
        let at = |address| taken.get(&(protocol, address)).and_then(|intervals| meets(intervals, ports));
        let earlier = match address.is_unspecified() {
            true => {
                let all = taken.range((protocol, Ipv4Addr::UNSPECIFIED)..=(protocol, Ipv4Addr::BROADCAST));
                all.filter_map(|(_, intervals)| meets(intervals, ports)).min()
            }
            false => at(address).or_else(|| at(Ipv4Addr::UNSPECIFIED)),
        };
        match earlier {
            Some(earlier) => found.push((earlier, place)),
            None => drop(taken.entry((protocol, address)).or_default().insert(ports.from, (ports.to, place))),
        }
    }
    found
}

impl crate::Model {
    /// What the published ports of an instance's containers listen on, for others than the instance itself: sorted.
    pub fn published_ports(&self, instance: &crate::InstanceId) -> Vec<TrafficMatch> {
        let containers = self.containers.get(instance).into_iter().flat_map(BTreeMap::values);
        let mut all: Vec<_> = containers.flat_map(|spec| &spec.publish).filter_map(PortMapping::traffic).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_collide_at_one_address_and_at_every_one() {
        let mapping = |address: [u8; 4], from, to| PortMapping {
            protocol: PortProtocol::Tcp,
            host: PortRange { from, to },
            container: PortRange { from, to },
            host_address: address.into(),
        };
        let any = mapping([0, 0, 0, 0], 80, 90);
        assert!(any.collides_with(&mapping([127, 0, 0, 1], 90, 99)) && !any.collides_with(&mapping([0, 0, 0, 0], 91, 99)));
        assert!(!mapping([127, 0, 0, 1], 80, 80).collides_with(&mapping([10, 0, 0, 5], 80, 80)));
        assert!(!any.collides_with(&PortMapping { protocol: PortProtocol::Udp, ..any }));
        assert_eq!(mapping([127, 0, 0, 1], 80, 80).traffic(), None);
        let (own, far) = (mapping([127, 0, 0, 1], 1, 100), mapping([10, 0, 0, 5], 1, 5));
        assert_eq!(collisions(&[own, far, mapping([10, 0, 0, 6], 50, 60), mapping([0, 0, 0, 0], 80, 80)]), [(0, 3)]);
        assert_eq!(collisions(&[mapping([0, 0, 0, 0], 80, 90), own, far, far]), [(0, 1), (2, 3)]);
    }
}
