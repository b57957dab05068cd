//! Advertisements that come, go on to others, are acknowledged, and end (RFC 2328 13, 14).

use std::net::Ipv4Addr;

use crate::app::Calls;
use crate::time::Time;
use crate::trace::{Reason, TraceEvent, Verb};

use super::interface::State;
use super::lsa::{EXTERNAL, HEADER, Header, Key, Lsa, MAX_AGE, NETWORK, ROUTER, Recency};
use super::neighbor::{Neighbor, State as Progress};
use super::packet::Body;
use super::{ALL_DESIGNATED, ALL_ROUTERS, Ospf};

/// Seconds by which an advertisement is taken to age on a link (InfTransDelay).
const ON_THE_WAY: u16 = 1;
/// Bytes of advertisements in an update, unless one alone is longer.
const MOST_BYTES: usize = 1_500 - 20 - 24 - 4;
/// Headers in an acknowledgement.
const MOST_HEADERS: usize = (1_500 - 20 - 24) / HEADER;

impl Ospf {
    /// Sends advertisements as they are.
    pub(super) fn send_updates(&self, calls: &mut Calls<'_, '_>, at: usize, to: Ipv4Addr, all: Vec<Lsa>) {
        let mut packet: Vec<Lsa> = Vec::new();
        let mut bytes = 0;
        for mut lsa in all {
            lsa.header.age = (lsa.header.age + ON_THE_WAY).min(MAX_AGE);
            let length = HEADER + lsa.body.len();
            if bytes + length > MOST_BYTES && !packet.is_empty() {
                self.send(calls, at, to, Body::Update(std::mem::take(&mut packet)));
                bytes = 0;
            }
            bytes += length;
            packet.push(lsa);
        }
        if !packet.is_empty() {
            self.send(calls, at, to, Body::Update(packet));
        }
    }

    /// Where packets for all who keep databases with this router go.
    fn towards_all(&self, at: usize) -> Ipv4Addr {
        match self.interfaces[at].state {
            State::PointToPoint | State::Backup | State::Designated => ALL_ROUTERS,
            State::Down | State::Waiting | State::Other => ALL_DESIGNATED,
        }
    }

    /// Advertisements came (13).
    pub(super) fn updated(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, all: Vec<Lsa>) {
        if self.neighbor(at, id).is_none_or(|neighbor| neighbor.state < Progress::Exchange) {
            return;
        }
        let mut direct = Vec::new();
        for lsa in all {
            self.take(calls, at, id, lsa, &mut direct);
        }
        for headers in direct.chunks(MOST_HEADERS) {
            self.send(calls, at, self.towards(at, id), Body::Acknowledgment(headers.to_vec()));
        }
        // What was asked for has come: on to the rest of what is missing.
        let is_answered = |neighbor: &mut Neighbor| {
            neighbor.state == Progress::Loading && neighbor.asked.iter().all(|key| !neighbor.requests.contains_key(key))
        };
        if self.neighbor(at, id).is_some_and(is_answered) {
            self.ask(calls, at, id);
        }
    }

    fn exchanges(&self) -> bool {
        let mut all = self.interfaces.iter().flat_map(|interface| interface.neighbors.values());
        all.any(|neighbor| matches!(neighbor.state, Progress::Exchange | Progress::Loading))
    }

    fn take(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, lsa: Lsa, direct: &mut Vec<Header>) {
        let (now, port) = (calls.now(), self.interfaces[at].port);
        let (header, key) = (lsa.header, lsa.header.key);
        if !lsa.is_intact() || !(ROUTER..=EXTERNAL).contains(&key.kind) {
            return Self::ignore(calls, port, || {
                format!("an advertisement of type {} from {id} is damaged or unknown", key.kind)
            });
        }
        let known = self.database.header(&key, now);
        if header.is_flushed() && known.is_none() && !self.exchanges() {
            return direct.push(header);
        }
        let recency = known.map_or(Recency::Newer, |known| header.compare(&known));
        if recency == Recency::Newer {
            let is_early = |came: Time| now.since(came) < self.spec.least_arrival;
            if self.database.flooded(&key).is_some_and(is_early) {
                return;
            }
            return self.take_newer(calls, at, id, lsa);
        }
        let (is_backup, designated) = (self.interfaces[at].state == State::Backup, self.interfaces[at].designated);
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        if neighbor.requests.contains_key(&key) {
            // It described something that it does not have.
            return self.begin_exchange(calls, at, id);
        }
        if recency == Recency::Same {
            if neighbor.unacknowledged.contains_key(&key) {
                neighbor.acknowledged(&key);
                if is_backup && neighbor.address == designated {
                    self.acknowledge_later(calls, at, header);
                }
            } else {
                direct.push(header);
            }
            return;
        }
        if let Some(newer) = self.database.get(&key, now) {
            self.send_updates(calls, at, self.towards(at, id), vec![newer]);
        }
    }

    fn take_newer(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, lsa: Lsa) {
        let (header, key) = (lsa.header, lsa.header.key);
        let is_back = self.spread(calls, lsa, Some((at, id)));
        let interface = &self.interfaces[at];
        let by_designated = interface.neighbors.get(&id).is_some_and(|neighbor| neighbor.address == interface.designated);
        // Table 19 of the RFC: sending it back acknowledges, and a backup leaves that to the designated router.
        if !is_back && (interface.state != State::Backup || by_designated) {
            self.acknowledge_later(calls, at, header);
        }
        let is_own_network = key.kind == NETWORK && self.interfaces.iter().any(|own| own.address() == key.id);
        if key.router == self.id || is_own_network {
            self.strange.insert(key);
        }
    }

    /// Keeps an advertisement and sends it on (13.3). Whether it went out where it came from.
    pub(super) fn spread(&mut self, calls: &mut Calls<'_, '_>, lsa: Lsa, from: Option<(usize, Ipv4Addr)>) -> bool {
        let (now, again) = (calls.now(), calls.now() + self.spec.retransmit);
        let (header, key) = (lsa.header, lsa.header.key);
        let asked = |(at, id): (usize, Ipv4Addr)| {
            let by: Option<&Neighbor> = self.interfaces[at].neighbors.get(&id);
            by.is_some_and(|by| by.requests.contains_key(&key))
        };
        let is_flooded = from.is_some_and(|from| !asked(from));
        let mut is_back = false;
        for at in 0..self.interfaces.len() {
            let mut has_takers = false;
            let mut satisfied = Vec::new();
            for neighbor in self.interfaces[at].neighbors.values_mut() {
                neighbor.acknowledged(&key);
                if neighbor.state < Progress::Exchange {
                    continue;
                }
                if let Some(wanted) = neighbor.requests.get(&key) {
                    let recency = header.compare(wanted);
                    if recency != Recency::Older {
                        neighbor.requests.remove(&key);
                        satisfied.push(neighbor.id);
                    }
                    if recency != Recency::Newer {
                        continue;
                    }
                }
                if from == Some((at, neighbor.id)) {
                    continue;
                }
                if neighbor.unacknowledged.is_empty() {
                    neighbor.resend_at = again;
                }
                neighbor.unacknowledged.insert(key, header);
                has_takers = true;
            }
            let interface = &self.interfaces[at];
            let came_here = from.filter(|(here, _)| *here == at).map(|(_, id)| id);
            let is_told = came_here.is_some_and(|id| {
                let by = interface.neighbors.get(&id).map(|neighbor| neighbor.address);
                by == Some(interface.designated) || by == Some(interface.backup) || interface.state == State::Backup
            });
            if has_takers && !is_told {
                is_back |= came_here.is_some();
                self.send_updates(calls, at, self.towards_all(at), vec![lsa.clone()]);
            }
            for id in satisfied.into_iter().filter(|id| from.map(|(_, by)| by) != Some(*id)) {
                if self.neighbor(at, id).is_some_and(|neighbor| neighbor.requests.is_empty()) {
                    self.ask(calls, at, id);
                }
            }
        }
        self.flushing.remove(&key);
        if header.is_flushed() {
            self.flushing.insert(key);
        }
        let verb = if header.is_flushed() { Verb::Forget } else { Verb::Learn };
        let is_news = self.database.install(lsa, is_flooded, now);
        self.is_changed |= is_news;
        if is_news {
            let port = from.map_or(TraceEvent::NO_PORT, |(at, _)| self.interfaces[at].port);
            calls.trace(port, verb, Reason::OpenShortestPath, || {
                format!("{} {} of {}, sequence {:#010x}", super::view::kind(key.kind), key.id, key.router, header.sequence)
            });
        }
        is_back
    }

    /// Acknowledgements came (13.7).
    pub(super) fn acknowledged(&mut self, at: usize, id: Ipv4Addr, headers: &[Header]) {
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        for header in headers {
            let sent = neighbor.unacknowledged.get(&header.key);
            if sent.is_some_and(|sent| header.compare(sent) == Recency::Same) {
                neighbor.acknowledged(&header.key);
            }
        }
    }

    fn acknowledge_later(&mut self, calls: &Calls<'_, '_>, at: usize, header: Header) {
        let due = calls.now() + self.spec.acknowledge;
        let interface = &mut self.interfaces[at];
        interface.acknowledgments.push(header);
        interface.acknowledge_at = interface.acknowledge_at.min(due);
    }

    /// Sends the acknowledgements that waited.
    pub(super) fn acknowledge(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        if self.interfaces[at].acknowledge_at > calls.now() {
            return;
        }
        self.interfaces[at].acknowledge_at = Time::NEVER;
        let headers = std::mem::take(&mut self.interfaces[at].acknowledgments);
        for headers in headers.chunks(MOST_HEADERS) {
            self.send(calls, at, self.towards_all(at), Body::Acknowledgment(headers.to_vec()));
        }
    }

    /// Tells all of what became too old, and forgets it when all know (14).
    pub(super) fn flush(&mut self, calls: &mut Calls<'_, '_>) {
        let now = calls.now();
        let is_new = |header: &Header| header.is_flushed() && !self.flushing.contains(&header.key);
        let old: Vec<Key> = self.database.headers(now).filter(is_new).map(|header| header.key).collect();
        for key in old {
            self.is_changed = true;
            calls.trace(TraceEvent::NO_PORT, Verb::Forget, Reason::OpenShortestPath, || {
                format!("{} {} of {} is flushed", super::view::kind(key.kind), key.id, key.router)
            });
            if let Some(lsa) = self.database.get(&key, now) {
                self.spread(calls, lsa, None);
            }
        }
        if self.flushing.is_empty() || self.exchanges() {
            return;
        }
        let neighbors = || self.interfaces.iter().flat_map(|interface| interface.neighbors.values());
        let waits = |key: &Key| neighbors().any(|neighbor| neighbor.unacknowledged.contains_key(key));
        let gone: Vec<Key> = self.flushing.iter().filter(|key| !waits(key)).copied().collect();
        for key in gone {
            self.flushing.remove(&key);
            self.database.remove(&key);
        }
    }
}
