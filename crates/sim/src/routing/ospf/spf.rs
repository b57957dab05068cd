//! Shortest ways on the map that the database is (RFC 2328 16.1, 16.4), after Dijkstra.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::routing::bytes::block;
use crate::time::Time;

use super::database::Database;
use super::lsa::{EXTERNAL, ExternalBody, Key, LinkKind, NETWORK, NetworkBody, ROUTER, RouterBody};

/// The first step of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// Out of this interface.
    pub interface: u16,
    /// To this router; on the link if there is none.
    pub via: Option<Ipv4Addr>,
}

/// A way to a network. The least is the best: inside before outside, then the cost, then the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// 0 inside; outside 1 or 2, by the type of its metric.
    pub outside: u8,
    /// What it costs; of an outside route of type 2, what it costs outside.
    pub cost: u32,
    /// To the router that knows of the outside.
    inside: u32,
    /// The first step.
    pub hop: Hop,
}

/// A place of the map. Networks come before routers at the same distance (16.1 step 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Vertex {
    /// By its designated router's address.
    Network(Ipv4Addr),
    /// By its id.
    Router(Ipv4Addr),
}

/// Own interfaces by address: the interface, and on a serial link the address of the other end.
pub type Own = BTreeMap<Ipv4Addr, (u16, Option<Ipv4Addr>)>;

struct Map<'a> {
    database: &'a Database,
    now: Time,
}

impl Map<'_> {
    fn router(&self, id: Ipv4Addr) -> Option<RouterBody> {
        let body = self.database.body(&Key { kind: ROUTER, id, router: id }, self.now)?;
        RouterBody::parse(body).ok()
    }

    fn network(&self, id: Ipv4Addr) -> Option<NetworkBody> {
        // Only who is on the network itself can speak for it.
        let speaks = |(key, body): (Key, &[u8])| {
            let body = NetworkBody::parse(body).ok()?;
            let is_there = self.leads(key.router, LinkKind::Transit, id);
            (body.routers.contains(&key.router) && is_there).then_some(body)
        };
        self.database.about(NETWORK, id, self.now).find_map(speaks)
    }

    /// Whether a router has such a link.
    fn leads(&self, router: Ipv4Addr, kind: LinkKind, to: Ipv4Addr) -> bool {
        self.router(router).is_some_and(|body| body.links.iter().any(|link| (link.kind, link.id) == (kind, to)))
    }

    /// Where a place leads, at which cost, and by which own address; both ends must say so.
    fn edges(&self, from: Vertex) -> Vec<(Vertex, u32, Ipv4Addr)> {
        match from {
            Vertex::Router(id) => {
                let edge = |link: &super::Link| {
                    let to = match link.kind {
                        LinkKind::PointToPoint if self.leads(link.id, LinkKind::PointToPoint, id) => Vertex::Router(link.id),
                        LinkKind::Transit if self.network(link.id)?.routers.contains(&id) => Vertex::Network(link.id),
                        _ => return None,
                    };
                    Some((to, u32::from(link.cost), link.data))
                };
                self.router(id).map(|body| body.links.iter().filter_map(edge).collect()).unwrap_or_default()
            }
            Vertex::Network(address) => {
                let routers = self.network(address).map(|body| body.routers).unwrap_or_default();
                let edge = |id: Ipv4Addr| {
                    let body = self.router(id)?;
                    let link = body.links.iter().find(|link| (link.kind, link.id) == (LinkKind::Transit, address))?;
                    Some((Vertex::Router(id), 0, link.data))
                };
                routers.into_iter().filter_map(edge).collect()
            }
        }
    }
}

/// The first step to a place behind another one (16.1.1). `data` is the address of the router at its end of the link.
fn step(own: &Own, from: (Vertex, Option<Hop>), to: Vertex, data: Ipv4Addr) -> Option<Hop> {
    match (from, to) {
        // From the root itself.
        ((_, None), Vertex::Network(_)) => own.get(&data).map(|(interface, _)| Hop { interface: *interface, via: None }),
        ((_, None), Vertex::Router(_)) => own.get(&data).map(|(interface, peer)| Hop { interface: *interface, via: *peer }),
        // From a network of the root's own.
        ((Vertex::Network(_), Some(hop)), _) if hop.via.is_none() => Some(Hop { via: Some(data), ..hop }),
        ((_, hop), _) => hop,
    }
}

/// The shortest ways from a router to every network.
pub fn ways(database: &Database, root: Ipv4Addr, own: &Own, now: Time) -> BTreeMap<Ipv4Net, Way> {
    let map = Map { database, now };
    let mut tree: BTreeMap<Vertex, (u32, Option<Hop>)> = BTreeMap::new();
    let mut open: BTreeSet<(u32, Vertex, Option<Hop>)> = [(0, Vertex::Router(root), None)].into();
    while let Some((cost, vertex, hop)) = open.pop_first() {
        if tree.contains_key(&vertex) {
            continue;
        }
        tree.insert(vertex, (cost, hop));
        for (next, more, data) in map.edges(vertex) {
            if !tree.contains_key(&next)
                && let Some(hop) = step(own, (vertex, hop), next, data)
            {
                open.insert((cost + more, next, Some(hop)));
            }
        }
    }
    let mut ways = BTreeMap::new();
    for (vertex, (cost, hop)) in &tree {
        let Some(hop) = hop else { continue };
        for (to, more) in networks_of(&map, *vertex) {
            better(&mut ways, to, Way { outside: 0, cost: cost + more, inside: 0, hop: *hop });
        }
    }
    let inside = ways.clone();
    for key in database.headers(now).map(|header| header.key).filter(|key| key.kind == EXTERNAL && key.router != root) {
        let border =
            tree.get(&Vertex::Router(key.router)).filter(|_| map.router(key.router).is_some_and(|body| body.is_border));
        if let (Some((cost, Some(hop))), Some(body)) = (border, database.body(&key, now))
            && let Ok(body) = ExternalBody::parse(body)
            && let Some(to) = block(key.id, body.mask)
            && let Some(way) = outside(&inside, &body, *cost, *hop)
        {
            better(&mut ways, to, way);
        }
    }
    ways
}

fn better(ways: &mut BTreeMap<Ipv4Net, Way>, to: Ipv4Net, way: Way) {
    let best = ways.entry(to).or_insert(way);
    *best = way.min(*best);
}

/// Networks at a place, and what the last step costs.
fn networks_of(map: &Map<'_>, vertex: Vertex) -> Vec<(Ipv4Net, u32)> {
    match vertex {
        Vertex::Network(address) => {
            let net = map.network(address).and_then(|body| block(address, body.mask));
            net.map(|net| (net, 0)).into_iter().collect()
        }
        Vertex::Router(id) => {
            let links = map.router(id).map(|body| body.links).unwrap_or_default();
            let stubs = links.into_iter().filter(|link| link.kind == LinkKind::Stub);
            stubs.filter_map(|link| Some((block(link.id, link.data)?, u32::from(link.cost)))).collect()
        }
    }
}

/// A way outside (16.4): by the router that told it, or by another one that it names.
fn outside(inside: &BTreeMap<Ipv4Net, Way>, body: &ExternalBody, cost: u32, hop: Hop) -> Option<Way> {
    let (cost, hop) = if body.forwarding.is_unspecified() {
        (cost, hop)
    } else {
        let near = inside.iter().filter(|(net, _)| net.contains(&body.forwarding));
        let (_, way) = near.max_by_key(|(net, _)| net.prefix_len())?;
        (way.cost, Hop { via: way.hop.via.or(Some(body.forwarding)), ..way.hop })
    };
    Some(if body.is_type_2 {
        Way { outside: 2, cost: body.metric, inside: cost, hop }
    } else {
        Way { outside: 1, cost: cost + body.metric, inside: 0, hop }
    })
}
