//! The route table: longest prefix first, among equals the origin that is trusted most, then the lowest metric, then the
//! oldest.

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;

/// Who put a route into the table. The first is trusted most: what a router is part of, then what somebody wrote, then what
/// is computed from the whole map, then what neighbours say.
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
    /// Among equals of one origin, the lowest wins.
    pub metric: u32,
    /// Who says so.
    pub origin: Origin,
}

/// Destinations that are remembered: a power of two.
const RECENT: usize = 512;

/// All routes of a host.
#[derive(Debug, Default)]
pub struct Routes {
    v4: Family<u32>,
    v6: Family<u128>,
    /// Grows whenever a route is set or taken out.
    changes: u32,
    /// Destinations of IPv4 that were looked up last, each at the place that it gives itself, and the numbers of their routes.
    recent: Vec<(u32, u32)>,
}

/// Routes of one family, the longest prefixes first; within a length in order of network, origin and metric.
#[derive(Debug)]
struct Family<T> {
    /// Networks of the routes, apart from them: what is searched lies close together.
    networks: Vec<T>,
    routes: Vec<Route>,
    /// Each length that there is, with its mask, and where its routes begin.
    lengths: Vec<(T, u32)>,
}

impl<T> Default for Family<T> {
    fn default() -> Self {
        Self { networks: Vec::new(), routes: Vec::new(), lengths: Vec::new() }
    }
}

/// An address of a family as a number, and the masks of prefixes.
trait Bits: Copy + Ord + std::ops::BitAnd<Output = Self> {
    fn of(address: IpAddr) -> Self;
    fn mask(length: u8) -> Self;
}

impl Bits for u32 {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(_) => 0,
        }
    }

    fn mask(length: u8) -> Self {
        Self::MAX.checked_shl(Self::BITS - u32::from(length)).unwrap_or(0)
    }
}

impl Bits for u128 {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => 0,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn mask(length: u8) -> Self {
        Self::MAX.checked_shl(Self::BITS - u32::from(length)).unwrap_or(0)
    }
}

/// Longest prefix, network, origin, lowest metric: the order of the table.
fn order(route: &Route) -> (Reverse<u8>, IpAddr, Origin, u32) {
    (Reverse(route.destination.prefix_len()), route.destination.network(), route.origin, route.metric)
}

impl<T: Bits> Family<T> {
    fn index(&mut self) {
        self.networks = self.routes.iter().map(|route| T::of(route.destination.network())).collect();
        self.lengths.clear();
        let mut last = None;
        for (at, route) in self.routes.iter().enumerate() {
            let length = route.destination.prefix_len();
            if last != Some(length) {
                self.lengths.push((T::mask(length), at as u32));
                last = Some(length);
            }
        }
    }

    fn set(&mut self, route: Route) {
        let same = |known: &Route| {
            order(known) == order(&route)
                && known.origin == route.origin
                && (route.origin != Origin::Connected || known.interface == route.interface)
        };
        match self.routes.iter().position(same) {
            Some(at) => self.routes[at] = route,
            None => {
                if self.routes.is_empty() {
                    // Most hosts have one.
                    self.routes.reserve_exact(1);
                }
                let at = self.routes.partition_point(|known| order(known) <= order(&route));
                self.routes.insert(at, route);
            }
        }
        self.index();
    }

    fn remove(&mut self, fits: &impl Fn(&Route) -> bool) {
        self.routes.retain(|route| !fits(route));
        self.index();
    }

    /// The place of the route for an address.
    fn position(&self, address: T) -> Option<usize> {
        for (at, (mask, from)) in self.lengths.iter().enumerate() {
            let from = *from as usize;
            let to = self.lengths.get(at + 1).map_or(self.networks.len(), |(_, next)| *next as usize);
            let (same, network) = (&self.networks[from..to], address & *mask);
            let first = same.partition_point(|known| *known < network);
            if same.get(first) == Some(&network) {
                return Some(from + first);
            }
        }
        None
    }
}

impl Routes {
    /// Adds a route; one to the same destination with the same metric and origin is replaced.
    pub fn set(&mut self, mut route: Route) {
        self.change();
        route.destination = route.destination.trunc();
        match route.destination {
            IpNet::V4(_) => self.v4.set(route),
            IpNet::V6(_) => self.v6.set(route),
        }
    }

    /// Takes out the routes that fit. Returns how many there were.
    pub fn remove(&mut self, fits: impl Fn(&Route) -> bool) -> usize {
        self.change();
        let before = self.len();
        self.v4.remove(&fits);
        self.v6.remove(&fits);
        before - self.len()
    }

    fn change(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.recent.clear();
    }

    /// The same as [`Routes::find`], for who looks up much: the last answers are remembered until a route changes.
    #[inline]
    pub(crate) fn find_often(&mut self, address: IpAddr) -> Option<&Route> {
        let IpAddr::V4(v4) = address else { return self.find(address) };
        let bits = v4.to_bits();
        let place = (bits.wrapping_mul(0x9e37_79b1) >> (32 - RECENT.ilog2())) as usize;
        match self.recent.get(place) {
            Some((known, at)) if *known == bits => self.v4.routes.get(*at as usize),
            _ => self.remember(bits, place),
        }
    }

    #[inline(never)]
    fn remember(&mut self, address: u32, place: usize) -> Option<&Route> {
        let at = self.v4.position(address)?;
        // No route leads from an address to that number.
        self.recent.resize(RECENT, (address, u32::MAX));
        self.recent[place] = (address, at as u32);
        self.v4.routes.get(at)
    }

    /// Another number after every change of the routes.
    pub(crate) fn changes(&self) -> u32 {
        self.changes
    }

    /// The route for an address.
    pub fn find(&self, address: IpAddr) -> Option<&Route> {
        match address {
            IpAddr::V4(address) => self.v4.position(address.to_bits()).map(|at| &self.v4.routes[at]),
            IpAddr::V6(address) => self.v6.position(address.to_bits()).map(|at| &self.v6.routes[at]),
        }
    }

    /// All routes, IPv4 first, the longest prefixes first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.v4.routes.iter().chain(&self.v6.routes)
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.v4.routes.len() + self.v6.routes.len()
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
        let table =
            [("0.0.0.0/0", 0, 0), ("10.0.0.0/8", 1, 0), ("10.1.0.0/16", 2, 5), ("10.1.0.0/16", 3, 1), ("::/0", 4, 0)];
        table.into_iter().for_each(|(net, interface, metric)| routes.set(route(net, interface, metric)));
        let out = |address: &str| routes.find(address.parse().unwrap()).map(|route| route.interface);
        assert_eq!(
            [out("10.1.2.3"), out("10.2.0.1"), out("8.8.8.8"), out("2001:db8::1")],
            [Some(3), Some(1), Some(0), Some(4)]
        );
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
            let address = IpAddr::from(address);
            for (octets, length) in nets {
                let destination = IpNet::new(octets.into(), length).unwrap();
                routes.set(Route { destination, via: None, interface: 0, metric: 0, origin: Origin::Static });
                for asked in [address, IpAddr::from(octets), address] {
                    prop_assert_eq!(routes.find_often(asked).copied(), routes.find(asked).copied(), "what is remembered is what is there");
                }
            }
            let scanned = routes.iter().filter(|route| route.destination.contains(&address));
            let longest = scanned.max_by_key(|route| route.destination.prefix_len()).map(|route| route.destination);
            prop_assert_eq!(routes.find(address).map(|route| route.destination), longest);
        }
    }
}
