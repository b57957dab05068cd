//! What a router says of itself: its links, the networks that it speaks for, and written routes (RFC 2328 12.4).

use std::collections::BTreeMap;

use crate::app::Calls;
use crate::time::Time;
use crate::trace::{Reason, TraceEvent, Verb};

use super::interface::{Interface, State};
use super::lsa::{
    EXTERNAL, ExternalBody, INITIAL_SEQUENCE, Key, Link, LinkKind, Lsa, NETWORK, NetworkBody, ROUTER, RouterBody,
};
use super::{NONE, Ospf};

/// What a route from outside costs (the usual metric of type 2).
const EXTERNAL_METRIC: u32 = 20;

/// The links of an interface (12.4.1).
fn links(interface: &Interface, out: &mut Vec<Link>) {
    let (cost, own) = (interface.cost, interface.address());
    let stub = |net: ipnet::Ipv4Net| Link { kind: LinkKind::Stub, id: net.network(), data: net.netmask(), cost };
    match interface.state {
        State::Down => return,
        State::PointToPoint => {
            let link = |id| Link { kind: LinkKind::PointToPoint, id, data: own, cost };
            out.extend(interface.full().map(|neighbor| link(neighbor.id)));
            out.push(stub(interface.net));
        }
        _ if interface.is_transit() => {
            out.push(Link { kind: LinkKind::Transit, id: interface.designated, data: own, cost });
        }
        _ => out.push(stub(interface.net)),
    }
    out.extend(interface.others.iter().copied().map(stub));
}

impl Ospf {
    /// Everything that it should have said by now.
    fn sayings(&self, calls: &Calls<'_, '_>) -> BTreeMap<Key, Vec<u8>> {
        let key = |kind, id| Key { kind, id, router: self.id };
        let mut all = BTreeMap::new();
        let routes = if self.spec.tells_static { calls.static_routes() } else { Vec::new() };
        let mut own = RouterBody { is_border: false, links: Vec::new() };
        for interface in &self.interfaces {
            links(interface, &mut own.links);
            if interface.state == State::Designated && interface.is_transit() {
                let routers = [self.id].into_iter().chain(interface.full().map(|neighbor| neighbor.id)).collect();
                let body = NetworkBody { mask: interface.net.netmask(), routers };
                all.insert(key(NETWORK, interface.address()), body.emit());
            }
        }
        for (to, _) in routes.into_iter().filter(|(_, port)| calls.is_up(*port)) {
            own.is_border = true;
            let body =
                ExternalBody { mask: to.netmask(), is_type_2: true, metric: EXTERNAL_METRIC, forwarding: NONE, tag: 0 };
            // Two networks with one address differ by their host bits (appendix E).
            let id = if all.contains_key(&key(EXTERNAL, to.network())) { to.broadcast() } else { to.network() };
            all.insert(key(EXTERNAL, id), body.emit());
        }
        all.insert(key(ROUTER, self.id), own.emit());
        all
    }

    /// Says what is new of itself, says again what it said long ago, and takes back what is no longer so.
    pub(super) fn originate(&mut self, calls: &mut Calls<'_, '_>) {
        let now = calls.now();
        self.say_at = Time::NEVER;
        let sayings = self.sayings(calls);
        for (key, body) in &sayings {
            let known = self.database.header(key, now);
            let refresh_at = self.said.get(key).map_or(Time::ZERO, |said| *said + self.spec.refresh);
            let is_said = self.database.body(key, now).is_some_and(|said| said == body);
            if is_said && refresh_at > now && !self.strange.contains(key) {
                self.say_at = self.say_at.min(refresh_at);
                continue;
            }
            // While the end of the sequence is flushed, nothing can be said (12.1.6).
            let is_ending = self.flushing.contains(key) && known.is_some_and(|known| known.sequence == i32::MAX);
            let free_at = self.said.get(key).map_or(now, |said| *said + self.spec.least_interval);
            if is_ending || free_at > now {
                self.say_at = self.say_at.min(free_at.max(now + self.spec.acknowledge));
                continue;
            }
            self.strange.remove(key);
            match known.map(|known| known.sequence.checked_add(1)) {
                Some(None) => self.database.flush(key, now),
                next => self.say(calls, *key, next.flatten().unwrap_or(INITIAL_SEQUENCE), body.clone()),
            }
        }
        self.take_back(&sayings, now);
    }

    fn say(&mut self, calls: &mut Calls<'_, '_>, key: Key, sequence: i32, body: Vec<u8>) {
        self.said.insert(key, calls.now());
        self.say_at = self.say_at.min(calls.now() + self.spec.refresh);
        calls.trace(TraceEvent::NO_PORT, Verb::State, Reason::OpenShortestPath, || {
            format!("says {} {}, sequence {sequence:#010x}", super::view::kind(key.kind), key.id)
        });
        self.spread(calls, Lsa::new(key, sequence, body), None);
    }

    /// Flushes own advertisements that are no longer so, and those left of an earlier life (13.4).
    fn take_back(&mut self, sayings: &BTreeMap<Key, Vec<u8>>, now: Time) {
        let (id, strange) = (self.id, std::mem::take(&mut self.strange));
        let is_stale = |key: &Key| (key.router == id || strange.contains(key)) && !sayings.contains_key(key);
        let stale: Vec<Key> =
            self.database.headers(now).filter(|known| !known.is_flushed()).map(|known| known.key).collect();
        for key in stale.iter().filter(|key| is_stale(key)) {
            self.database.flush(key, now);
            self.said.remove(key);
        }
        self.strange = strange.into_iter().filter(|key| sayings.contains_key(key)).collect();
    }
}
