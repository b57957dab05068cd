//! The route table: longest prefix first, among equals the lowest metric, then the oldest.

use std::net::IpAddr;

use ipnet::IpNet;

/// Who put a route into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The subnet of an own address.
    Connected,
    /// The description.
    Static,
    /// DHCP.
    Dhcp,
    /// OSPF.
    Ospf,
    /// RIP.
    Rip,
}

impl Origin {
    /// As tables show it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Static => "static",
            Self::Dhcp => "dhcp",
            Self::Ospf => "ospf",
            Self::Rip => "rip",
        }
    }
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// For packets to these addresses.
    pub destination: IpNet,
    /// Through this neighbour; on the link itself if there is none.
    pub via: Option<IpAddr>,
    /// Out of this interface.
    pub interface: u16,
    /// Among equals, the lowest wins.
    pub metric: u32,
    /// Who says so.
    pub origin: Origin,
}

/// All routes of a host.
#[derive(Debug, Default)]
pub struct Routes {
    v4: Family,
    v6: Family,
}

/// Routes of one family, the longest prefixes first; within a length in order of network and metric.
#[derive(Debug, Default)]
struct Family {
    sorted: Vec<(Key, Route)>,
    /// Where each length begins.
    lengths: Vec<(u8, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// 128 less the length: the longest first.
    shortness: u8,
    network: u128,
    metric: u32,
}

/// An address as the upper bits of a number, so that prefixes of both families are masks from the top.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

impl Family {
    fn index(&mut self) {
        self.lengths.clear();
        for (at, (key, _)) in self.sorted.iter().enumerate() {
            let length = 128 - key.shortness;
            if self.lengths.last().is_none_or(|(last, _)| *last != length) {
                self.lengths.push((length, at as u32));
            }
        }
    }

    fn find(&self, address: u128) -> Option<&Route> {
        for (at, (length, from)) in self.lengths.iter().enumerate() {
            let to = self.lengths.get(at + 1).map_or(self.sorted.len(), |(_, next)| *next as usize);
            let (same, network) = (&self.sorted[*from as usize..to], address & mask(*length));
            let first = same.partition_point(|(key, _)| key.network < network);
            if let Some((_, route)) = same.get(first).filter(|(key, _)| key.network == network) {
                return Some(route);
            }
        }
        None
    }
}

impl Routes {
    fn family(&mut self, net: IpNet) -> &mut Family {
        match net {
            IpNet::V4(_) => &mut self.v4,
            IpNet::V6(_) => &mut self.v6,
        }
    }

    /// Adds a route; one to the same destination with the same metric and origin is replaced.
    pub fn set(&mut self, mut route: Route) {
        route.destination = route.destination.trunc();
        let key = Key {
            shortness: 128 - route.destination.prefix_len(),
            network: bits(route.destination.network()),
            metric: route.metric,
        };
        let family = self.family(route.destination);
        let same = |known: &(Key, Route)| {
            known.0 == key
                && known.1.origin == route.origin
                && (route.origin != Origin::Connected || known.1.interface == route.interface)
        };
        match family.sorted.iter().position(same) {
            Some(at) => family.sorted[at].1 = route,
            None => {
                let at = family.sorted.partition_point(|(known, _)| *known <= key);
                family.sorted.insert(at, (key, route));
            }
        }
        family.index();
    }

    /// Takes out the routes that fit. Returns how many there were.
    pub fn remove(&mut self, fits: impl Fn(&Route) -> bool) -> usize {
        let before = self.len();
        for family in [&mut self.v4, &mut self.v6] {
            family.sorted.retain(|(_, route)| !fits(route));
            family.index();
        }
        before - self.len()
    }

    /// The route for an address.
    pub fn find(&self, address: IpAddr) -> Option<&Route> {
        match address {
            IpAddr::V4(_) => self.v4.find(bits(address)),
            IpAddr::V6(_) => self.v6.find(bits(address)),
        }
    }

    /// All routes, IPv4 first, the longest prefixes first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.v4.sorted.iter().chain(&self.v6.sorted).map(|(_, route)| route)
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.v4.sorted.len() + self.v6.sorted.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(destination: &str, interface: u16, metric: u32) -> Route {
        Route { destination: destination.parse().unwrap(), via: None, interface, metric, origin: Origin::Static }
    }

    #[test]
    fn the_longest_prefix_decides_then_the_metric() {
        let mut routes = Routes::default();
        let table = [("0.0.0.0/0", 0, 0), ("10.0.0.0/8", 1, 0), ("10.1.0.0/16", 2, 5), ("10.1.0.0/16", 3, 1), ("::/0", 4, 0)];
        table.into_iter().for_each(|(net, interface, metric)| routes.set(route(net, interface, metric)));
        let out = |address: &str| routes.find(address.parse().unwrap()).map(|route| route.interface);
        assert_eq!([out("10.1.2.3"), out("10.2.0.1"), out("8.8.8.8"), out("2001:db8::1")], [Some(3), Some(1), Some(0), Some(4)]);
    }

    #[test]
    fn the_same_route_said_again_replaces_the_first() {
        let mut routes = Routes::default();
        routes.set(route("10.0.0.0/8", 1, 0));
        routes.set(route("10.0.0.0/8", 2, 0));
        assert_eq!(routes.iter().map(|route| route.interface).collect::<Vec<_>>(), [2]);
        assert_eq!(routes.remove(|route| route.interface == 2), 1);
        assert!(routes.is_empty() && routes.find([10, 0, 0, 1].into()).is_none());
    }

    proptest! {
        #[test]
        fn a_scan_of_all_routes_finds_the_same(nets in prop::collection::vec((any::<[u8; 4]>(), 0u8..=32), 0..40), address: [u8; 4]) {
            let mut routes = Routes::default();
            for (octets, length) in nets {
                let destination = IpNet::new(octets.into(), length).unwrap();
                routes.set(Route { destination, via: None, interface: 0, metric: 0, origin: Origin::Static });
            }
            let address = IpAddr::from(address);
            let scanned = routes.iter().filter(|route| route.destination.contains(&address));
            let longest = scanned.max_by_key(|route| route.destination.prefix_len()).map(|route| route.destination);
            prop_assert_eq!(routes.find(address).map(|route| route.destination), longest);
        }
    }
}
