//! What routing protocols end with: no router speaks RIP (RFC 2453) or OSPF (RFC 2328) here, so the routes that they would
//! agree on are computed from the lan. A link that goes down by hand changes none; one that the lab file takes down does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use model::lan::{Device, Router, RoutingProtocol};

use super::wiring::Wiring;

/// A distance that means: it cannot be reached (RFC 2453, 3.6).
const RIP_INFINITY: u32 = 16;
/// A link of this rate costs OSPF 1, bits per second.
const OSPF_REFERENCE: u64 = 100_000_000;

/// A route that a protocol found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Learned {
    pub destination: Ipv4Net,
    pub via: Ipv4Addr,
    pub interface: String,
}

/// Learned routes by router.
pub(super) type Routes = BTreeMap<String, Vec<Learned>>;

/// The first step from a router to a neighbour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Step<'w> {
    cost: u32,
    to: &'w str,
    via: Ipv4Addr,
    interface: &'w str,
}

/// All routes, of both protocols: what OSPF knows is trusted more.
pub(super) fn converged(wiring: &Wiring) -> Routes {
    let mut routes = Routes::new();
    for protocol in [RoutingProtocol::Ospf, RoutingProtocol::Rip] {
        let speakers: BTreeMap<&str, &Router> = routers(wiring).filter(|(_, router)| router.protocols.contains(&protocol)).collect();
        for name in speakers.keys() {
            let known = routes.entry((*name).to_owned()).or_default();
            let had: BTreeSet<Ipv4Net> = known.iter().map(|route| route.destination).collect();
            known.extend(from(wiring, &speakers, protocol, name).into_iter().filter(|route| !had.contains(&route.destination)));
        }
    }
    routes
}

fn routers(wiring: &Wiring) -> impl Iterator<Item = (&str, &Router)> {
    wiring.lan.devices.iter().filter_map(|(name, device)| match device {
        Device::Router(router) => Some((name.as_str(), router)),
        _ => None,
    })
}

/// The IPv4 addresses of an interface that carries packets.
fn addresses(wiring: &Wiring, device: &str, interface: &str) -> Vec<Ipv4Net> {
    let own = wiring.addresses(device, interface).into_iter().filter(|_| wiring.is_up(device, interface));
    own.filter_map(|address| if let IpNet::V4(address) = address { Some(address) } else { None }).collect()
}

/// What leaving by an interface costs.
fn cost(wiring: &Wiring, protocol: RoutingProtocol, device: &str, interface: &str) -> u32 {
    let rate = wiring.link(device, interface).map_or(u64::MAX, |link| link.rate_bits_per_second);
    match protocol {
        RoutingProtocol::Rip => 1,
        RoutingProtocol::Ospf => u32::try_from((OSPF_REFERENCE / rate.max(1)).clamp(1, 65_535)).unwrap_or(65_535),
    }
}

/// The neighbours of a router that speak the protocol too.
fn steps<'w>(wiring: &'w Wiring, speakers: &BTreeMap<&'w str, &'w Router>, protocol: RoutingProtocol, from: &'w str) -> Vec<Step<'w>> {
    let mut steps = Vec::new();
    for (interface, _) in wiring.interfaces(from) {
        let (own, domain) = (addresses(wiring, from, interface), wiring.domain(from, interface));
        let cost = cost(wiring, protocol, from, interface);
        for other in speakers.keys().copied().filter(|other| *other != from) {
            for (at, _) in wiring.interfaces(other).filter(|(at, _)| wiring.domain(other, at) == domain) {
                let theirs = addresses(wiring, other, at).into_iter();
                let shared = theirs.filter(|address| own.iter().any(|block| block.trunc() == address.trunc()));
                steps.extend(shared.map(|address| Step { cost, to: other, via: address.addr(), interface }));
            }
        }
    }
    steps.sort();
    steps
}

/// Networks that a router tells of itself, and at which cost; whether they are only written there, not its own.
fn told<'w>(wiring: &'w Wiring, protocol: RoutingProtocol, name: &'w str, router: &'w Router) -> Vec<(Ipv4Net, u32, bool)> {
    /// What an outside route costs more than all inside (RFC 2328, 2.3: type 2).
    const OUTSIDE: u32 = 20;
    let mut told = Vec::new();
    for (interface, _) in wiring.interfaces(name) {
        let cost = cost(wiring, protocol, name, interface);
        told.extend(addresses(wiring, name, interface).into_iter().map(|address| (address.trunc(), cost, false)));
    }
    for route in &router.routes {
        let named = route.interface.as_deref();
        let towards = || wiring.interfaces(name).map(|(at, _)| at).find(|at| route.via.is_some_and(|via| holds(wiring, name, at, via)));
        let interface = named.or_else(towards).filter(|at| wiring.is_up(name, at));
        if let (IpNet::V4(to), Some(_)) = (route.destination, interface) {
            told.push((to, if protocol == RoutingProtocol::Ospf { OUTSIDE } else { 1 }, true));
        }
    }
    told.extend(wiring.told_by_vpcs(name).map(|(block, _)| (block, if protocol == RoutingProtocol::Ospf { OUTSIDE } else { 1 }, true)));
    told
}

fn holds(wiring: &Wiring, device: &str, interface: &str, address: std::net::IpAddr) -> bool {
    wiring.addresses(device, interface).iter().any(|block| block.contains(&address))
}

/// The routes of one router: Dijkstra over its neighbours.
fn from<'w>(
    wiring: &'w Wiring,
    speakers: &BTreeMap<&'w str, &'w Router>,
    protocol: RoutingProtocol,
    own: &'w str,
) -> Vec<Learned> {
    type First<'w> = Option<(Ipv4Addr, &'w str)>;
    let mut open: BTreeSet<(u32, &str, First<'_>)> = BTreeSet::from([(0, own, None)]);
    let mut done: BTreeMap<&str, (u32, First<'_>)> = BTreeMap::new();
    while let Some((distance, name, first)) = open.pop_first() {
        if done.contains_key(name) {
            continue;
        }
        done.insert(name, (distance, first));
        for step in steps(wiring, speakers, protocol, name) {
            let first = first.or(Some((step.via, step.interface)));
            open.insert((distance + step.cost, step.to, first));
        }
    }
    // Inside before outside; of outside ways the one that costs less outside, then the nearer one.
    type Rank = (bool, u32, u32);
    let mut best: BTreeMap<Ipv4Net, (Rank, Ipv4Addr, &str)> = BTreeMap::new();
    let own_networks: BTreeSet<Ipv4Net> =
        speakers.get(own).into_iter().flat_map(|router| told(wiring, protocol, own, router)).map(|(to, ..)| to).collect();
    for (name, (distance, first)) in &done {
        let (Some((via, interface)), Some(router)) = (first, speakers.get(name)) else { continue };
        for (to, cost, is_outside) in told(wiring, protocol, name, router) {
            let rank = match protocol {
                RoutingProtocol::Rip => (false, distance + 1, 0),
                RoutingProtocol::Ospf if is_outside => (true, cost, *distance),
                RoutingProtocol::Ospf => (false, distance + cost, 0),
            };
            let is_too_far = protocol == RoutingProtocol::Rip && rank.1 >= RIP_INFINITY;
            let is_better = best.get(&to).is_none_or(|(known, ..)| rank < *known);
            if !is_too_far && is_better && !own_networks.contains(&to) {
                best.insert(to, (rank, *via, interface));
            }
        }
    }
    best.into_iter().map(|(destination, (_, via, interface))| Learned { destination, via, interface: interface.to_owned() }).collect()
}
