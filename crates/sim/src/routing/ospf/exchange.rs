//! The exchange of databases with a neighbour: who leads, what there is, and what is missing (RFC 2328 10.6 to 10.10).

use std::net::Ipv4Addr;

use crate::app::Calls;
use crate::time::Time;
use crate::trace::{Reason, Verb};

use super::lsa::{EXTERNAL, Key, OPTIONS, ROUTER, Recency};
use super::neighbor::{Neighbor, State};
use super::packet::{Body, Description, INIT, MASTER, MORE};
use super::{ALL_ROUTERS, Ospf};

/// Headers in a description: as many as fit a packet of 1,500 bytes behind the headers of IP, OSPF and itself.
const MOST_HEADERS: usize = (1_500 - 20 - 24 - 8) / 20;
/// Keys in a request: 12 bytes each.
const MOST_KEYS: usize = (1_500 - 20 - 24) / 12;

impl Ospf {
    pub(super) fn neighbor(&mut self, at: usize, id: Ipv4Addr) -> Option<&mut Neighbor> {
        self.interfaces[at].neighbors.get_mut(&id)
    }

    /// Where packets for one neighbour go: on a serial link there is no other (8.1).
    pub(super) fn towards(&self, at: usize, id: Ipv4Addr) -> Ipv4Addr {
        let interface = &self.interfaces[at];
        interface.neighbors.get(&id).filter(|_| interface.is_broadcast).map_or(ALL_ROUTERS, |neighbor| neighbor.address)
    }

    /// Both claim to lead until one hears of the other's higher id.
    pub(super) fn begin_exchange(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        let mtu = calls.mtu(self.interfaces[at].port);
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        neighbor.clear();
        neighbor.sequence = neighbor.sequence.wrapping_add(1);
        neighbor.is_master = true;
        let (flags, sequence) = (INIT | MORE | MASTER, neighbor.sequence);
        neighbor.sent = Some(Description { mtu, options: OPTIONS, flags, sequence, headers: Vec::new() });
        self.set_progress(calls, at, id, State::ExStart);
        self.is_changed = true;
        self.send_description(calls, at, id);
    }

    /// Sends what was described last, again where it is the second time.
    fn send_description(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        let (to, again) = (self.towards(at, id), calls.now() + self.spec.retransmit);
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        let Some(description) = neighbor.sent.clone() else {
            return;
        };
        // Who follows answers, and sends nothing of its own accord.
        let waits = neighbor.is_master && neighbor.state <= State::Exchange;
        neighbor.describe_at = if waits { again } else { Time::NEVER };
        self.send(calls, at, to, Body::Description(description));
    }

    /// Describes what comes next.
    fn describe(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        let mtu = calls.mtu(self.interfaces[at].port);
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        let count = neighbor.summary.len().min(MOST_HEADERS);
        let headers = neighbor.summary.drain(..count).collect();
        let more = if neighbor.summary.is_empty() { 0 } else { MORE };
        let flags = more | if neighbor.is_master { MASTER } else { 0 };
        neighbor.sent = Some(Description { mtu, options: OPTIONS, flags, sequence: neighbor.sequence, headers });
        self.send_description(calls, at, id);
    }

    /// A description came (10.6).
    pub(super) fn described(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, came: &Description) {
        let (own_id, port) = (self.id, self.interfaces[at].port);
        if came.mtu > calls.mtu(port) {
            return Self::ignore(calls, port, || {
                format!("{id} sends packets of {} bytes, too long for this link", came.mtu)
            });
        }
        if self.neighbor(at, id).is_some_and(|neighbor| neighbor.state == State::Init) {
            // It hears this router, or it would not describe.
            self.set_progress(calls, at, id, State::TwoWay);
            if self.interfaces[at].neighbors.get(&id).is_some_and(|one| self.interfaces[at].is_adjacent_to(one)) {
                self.begin_exchange(calls, at, id);
            }
        }
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        let key = (came.flags, came.options, came.sequence);
        let leads = came.flags & MASTER != 0;
        match neighbor.state {
            State::Init | State::TwoWay => return,
            State::ExStart => {
                if came.flags == INIT | MORE | MASTER && came.headers.is_empty() && id > own_id {
                    (neighbor.is_master, neighbor.sequence) = (false, came.sequence);
                } else if came.flags & (INIT | MASTER) != 0 || came.sequence != neighbor.sequence || id >= own_id {
                    return;
                }
                self.negotiated(calls, at, id);
            }
            State::Exchange | State::Loading | State::Full => {
                if neighbor.last == Some(key) {
                    if !neighbor.is_master {
                        self.send_description(calls, at, id);
                    }
                    return;
                }
                let wanted = neighbor.sequence.wrapping_add(u32::from(!neighbor.is_master));
                let is_next = neighbor.state == State::Exchange && came.flags & INIT == 0 && came.sequence == wanted;
                if leads == neighbor.is_master || !is_next {
                    Self::ignore(calls, port, || format!("{id} describes out of turn, the exchange begins anew"));
                    return self.begin_exchange(calls, at, id);
                }
            }
        }
        self.read_description(calls, at, id, came);
    }

    /// It is clear who leads: what is known is to be described.
    fn negotiated(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        let (now, again) = (calls.now(), calls.now() + self.spec.retransmit);
        let headers: Vec<_> = self.database.headers(now).collect();
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        for header in headers {
            if header.is_flushed() {
                neighbor.unacknowledged.insert(header.key, header);
                neighbor.resend_at = again;
            } else {
                neighbor.summary.push_back(header);
            }
        }
        self.set_progress(calls, at, id, State::Exchange);
    }

    fn read_description(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, came: &Description) {
        let now = calls.now();
        if came.headers.iter().any(|header| !(ROUTER..=EXTERNAL).contains(&header.key.kind)) {
            return self.begin_exchange(calls, at, id);
        }
        let is_missing = |header: &&super::LsaHeader| {
            let known = self.database.header(&header.key, now);
            known.is_none_or(|known| header.compare(&known) == Recency::Newer)
        };
        let missing: Vec<_> = came.headers.iter().filter(is_missing).copied().collect();
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        neighbor.last = Some((came.flags, came.options, came.sequence));
        neighbor.requests.extend(missing.into_iter().map(|header| (header.key, header)));
        let has_more = came.flags & MORE != 0;
        if neighbor.is_master {
            neighbor.sequence = neighbor.sequence.wrapping_add(1);
            let all_sent = neighbor.sent.as_ref().is_some_and(|sent| sent.flags & (MORE | INIT) == 0);
            if all_sent && !has_more {
                return self.exchanged(calls, at, id);
            }
            return self.describe(calls, at, id);
        }
        neighbor.sequence = came.sequence;
        self.describe(calls, at, id);
        let all_sent = self.neighbor(at, id).is_some_and(|neighbor| neighbor.summary.is_empty());
        if all_sent && !has_more {
            self.exchanged(calls, at, id);
        }
    }

    /// Both know what the other has.
    fn exchanged(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        if let Some(neighbor) = self.neighbor(at, id) {
            neighbor.describe_at = Time::NEVER;
        }
        self.set_progress(calls, at, id, State::Loading);
        self.ask(calls, at, id);
    }

    /// Asks for what is missing; if nothing is, the databases are the same.
    pub(super) fn ask(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        let (to, again) = (self.towards(at, id), calls.now() + self.spec.retransmit);
        let Some(neighbor) = self.neighbor(at, id).filter(|neighbor| neighbor.state == State::Loading) else {
            return;
        };
        if neighbor.requests.is_empty() {
            neighbor.ask_at = Time::NEVER;
            self.set_progress(calls, at, id, State::Full);
            self.is_changed = true;
            return;
        }
        let keys: Vec<Key> = neighbor.requests.keys().take(MOST_KEYS).copied().collect();
        neighbor.asked = keys.iter().copied().collect();
        neighbor.ask_at = again;
        self.send(calls, at, to, Body::Request(keys));
    }

    /// Somebody asks for advertisements (10.7).
    pub(super) fn requested(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, keys: &[Key]) {
        let now = calls.now();
        if self.neighbor(at, id).is_none_or(|neighbor| neighbor.state < State::Exchange) {
            return;
        }
        let found: Option<Vec<_>> = keys.iter().map(|key| self.database.get(key, now)).collect();
        match found {
            Some(all) => self.send_updates(calls, at, self.towards(at, id), all),
            None => self.begin_exchange(calls, at, id),
        }
    }

    /// Sends again what a neighbour has not answered.
    pub(super) fn send_again(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        let (now, port, again) = (calls.now(), self.interfaces[at].port, calls.now() + self.spec.retransmit);
        let Some(neighbor) = self.neighbor(at, id) else {
            return;
        };
        let (describes, asks, resends) = (neighbor.describe_at <= now, neighbor.ask_at <= now, neighbor.resend_at <= now);
        if describes || asks || resends {
            calls.trace(port, Verb::Retransmit, Reason::OpenShortestPath, || format!("neighbor {id} has not answered"));
        }
        if describes {
            self.send_description(calls, at, id);
        }
        if asks {
            self.ask(calls, at, id);
        }
        let Some(neighbor) = self.neighbor(at, id).filter(|_| resends) else {
            return;
        };
        neighbor.resend_at = again;
        let keys: Vec<Key> = neighbor.unacknowledged.keys().copied().collect();
        let all: Vec<_> = keys.iter().filter_map(|key| self.database.get(key, now)).collect();
        self.send_updates(calls, at, self.towards(at, id), all);
    }
}
