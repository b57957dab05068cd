//! Who is there: interfaces that come and go, hellos, and the election (RFC 2328 9.3 to 9.5, 10.5).

use std::net::Ipv4Addr;

use crate::app::Calls;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

use super::election::{Candidate, elect};
use super::interface::State;
use super::lsa::OPTIONS;
use super::neighbor::{Neighbor, State as Progress};
use super::packet::{Body, Hello};
use super::{ALL_DESIGNATED, ALL_ROUTERS, NONE, Ospf};

impl Ospf {
    pub(super) fn interface_up(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let (now, wait, can) = (calls.now(), self.spec.dead(), self.interfaces[at].priority > 0);
        let state = match self.interfaces[at].is_broadcast {
            false => State::PointToPoint,
            true if can => State::Waiting,
            true => State::Other,
        };
        self.interfaces[at].hello_at = now;
        if state == State::Waiting {
            self.interfaces[at].wait_until = now + wait;
        }
        calls.set_member(self.interfaces[at].port, ALL_ROUTERS, true);
        self.set_state(calls, at, state);
    }

    pub(super) fn interface_down(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let ids: Vec<Ipv4Addr> = self.interfaces[at].neighbors.keys().copied().collect();
        for id in ids {
            self.lose(calls, at, id, "the link is down");
        }
        let interface = &mut self.interfaces[at];
        (interface.designated, interface.backup) = (NONE, NONE);
        (interface.hello_at, interface.wait_until, interface.acknowledge_at) = (Time::NEVER, Time::NEVER, Time::NEVER);
        interface.acknowledgments.clear();
        calls.set_member(interface.port, ALL_ROUTERS, false);
        self.set_state(calls, at, State::Down);
    }

    fn set_state(&mut self, calls: &mut Calls<'_, '_>, at: usize, state: State) {
        let interface = &mut self.interfaces[at];
        let was = std::mem::replace(&mut interface.state, state);
        if was == state {
            return;
        }
        let (port, designated, backup) = (interface.port, interface.designated, interface.backup);
        calls.set_member(port, ALL_DESIGNATED, state.is_elected());
        calls.trace(port, Verb::State, Reason::OpenShortestPath, || {
            format!("interface {} to {}, DR {designated}, BDR {backup}", was.word(), state.word())
        });
    }

    /// A neighbour gets further, or back.
    pub(super) fn set_progress(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, state: Progress) {
        let interface = &mut self.interfaces[at];
        let Some(neighbor) = interface.neighbors.get_mut(&id) else {
            return;
        };
        let was = std::mem::replace(&mut neighbor.state, state);
        if was != state {
            calls.trace(interface.port, Verb::State, Reason::OpenShortestPath, || {
                format!("neighbor {id}: {} to {}", was.word(), state.word())
            });
        }
    }

    fn lose(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, why: &str) {
        if let Some(neighbor) = self.interfaces[at].neighbors.remove(&id) {
            let (port, state) = (self.interfaces[at].port, neighbor.state.word());
            calls.trace(port, Verb::Forget, Reason::OpenShortestPath, || format!("neighbor {id}: {state} to Down, {why}"));
            self.is_changed = true;
        }
    }

    fn say_hello(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let interface = &mut self.interfaces[at];
        interface.hello_at = calls.now() + Span::seconds(self.spec.hello_seconds.into());
        let hello = Hello {
            mask: interface.net.netmask(),
            interval: self.spec.hello_seconds,
            options: OPTIONS,
            priority: interface.priority,
            dead: self.spec.dead_seconds,
            designated: interface.designated,
            backup: interface.backup,
            neighbors: interface.neighbors.keys().copied().collect(),
        };
        self.send(calls, at, ALL_ROUTERS, Body::Hello(hello));
    }

    /// A hello came (10.5).
    pub(super) fn hear(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, source: Ipv4Addr, hello: &Hello) {
        let (spec, interface) = (self.spec, &mut self.interfaces[at]);
        let (port, now) = (interface.port, calls.now());
        let is_same = (hello.interval, hello.dead) == (spec.hello_seconds, spec.dead_seconds)
            && (!interface.is_broadcast || hello.mask == interface.net.netmask());
        if !is_same {
            return Self::ignore(calls, port, || format!("{source} has another mask, hello or dead interval"));
        }
        let is_new = !interface.neighbors.contains_key(&id);
        if is_new {
            self.next_sequence = self.next_sequence.wrapping_add(1);
            calls.trace(port, Verb::Learn, Reason::OpenShortestPath, || format!("neighbor {id} at {source}: Init"));
        }
        let sequence = self.next_sequence;
        let neighbor = interface.neighbors.entry(id).or_insert_with(|| Neighbor::new(id, source, sequence));
        let was = (
            neighbor.priority,
            neighbor.designated == source,
            neighbor.backup == source,
            neighbor.state >= Progress::TwoWay,
        );
        (neighbor.address, neighbor.priority) = (source, hello.priority);
        (neighbor.designated, neighbor.backup) = (hello.designated, hello.backup);
        neighbor.dead_at = now + spec.dead();
        let state = neighbor.state;
        let sees_us = hello.neighbors.contains(&self.id);
        if sees_us && state == Progress::Init {
            self.set_progress(calls, at, id, Progress::TwoWay);
            self.consider(calls, at, id);
        } else if !sees_us && state >= Progress::TwoWay {
            self.give_up(calls, at, id, Progress::Init);
        }
        let Some(neighbor) = self.interfaces[at].neighbors.get(&id) else {
            return;
        };
        let is = (
            neighbor.priority,
            neighbor.designated == source,
            neighbor.backup == source,
            neighbor.state >= Progress::TwoWay,
        );
        let speaks_for_others = is.3 && (is.2 || is.1 && hello.backup == NONE);
        match self.interfaces[at].state {
            State::Waiting if speaks_for_others => self.elect(calls, at),
            State::Other | State::Backup | State::Designated if is != was => self.elect(calls, at),
            _ => {}
        }
        // Whoever is new need not wait to be told that it is heard.
        if is_new {
            self.say_hello(calls, at);
        }
    }

    /// Decides who is designated (9.4).
    fn elect(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let id = self.id;
        let interface = &mut self.interfaces[at];
        let (address, was) = (interface.address(), (interface.designated, interface.backup));
        let own = Candidate { priority: interface.priority, id, address, designated: was.0, backup: was.1 };
        let is = elect(own, &interface.candidates());
        (interface.designated, interface.backup) = is;
        interface.wait_until = Time::NEVER;
        let state = match () {
            () if is.0 == address => State::Designated,
            () if is.1 == address => State::Backup,
            () => State::Other,
        };
        self.set_state(calls, at, state);
        if is != was {
            let ids: Vec<Ipv4Addr> = self.interfaces[at].neighbors.keys().copied().collect();
            ids.into_iter().for_each(|id| self.consider(calls, at, id));
            self.say_hello(calls, at);
        }
    }

    /// Begins the exchange with a neighbour, or ends it, if that is how it should be now (10.3, AdjOK?).
    fn consider(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr) {
        let interface = &self.interfaces[at];
        let Some(neighbor) = interface.neighbors.get(&id) else {
            return;
        };
        match (neighbor.state, interface.is_adjacent_to(neighbor)) {
            (Progress::TwoWay, true) => self.begin_exchange(calls, at, id),
            (state, false) if state > Progress::TwoWay => self.give_up(calls, at, id, Progress::TwoWay),
            _ => {}
        }
    }

    fn give_up(&mut self, calls: &mut Calls<'_, '_>, at: usize, id: Ipv4Addr, state: Progress) {
        if let Some(neighbor) = self.interfaces[at].neighbors.get_mut(&id) {
            neighbor.clear();
        }
        self.set_progress(calls, at, id, state);
        self.is_changed = true;
    }

    /// Does what is due at an interface and with its neighbours.
    pub(super) fn interface_is_due(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let now = calls.now();
        if self.interfaces[at].next() > now {
            return;
        }
        let dead = self.interfaces[at].neighbors.values().filter(|neighbor| neighbor.dead_at <= now);
        let dead: Vec<Ipv4Addr> = dead.map(|neighbor| neighbor.id).collect();
        let has_lost = !dead.is_empty();
        for id in dead {
            self.lose(calls, at, id, "silent for the dead interval");
        }
        let is_elected = !matches!(self.interfaces[at].state, State::Waiting | State::PointToPoint | State::Down);
        if self.interfaces[at].wait_until <= now || has_lost && is_elected {
            self.elect(calls, at);
        }
        if self.interfaces[at].hello_at <= now {
            self.say_hello(calls, at);
        }
        self.acknowledge(calls, at);
        let ids: Vec<Ipv4Addr> = self.interfaces[at].neighbors.keys().copied().collect();
        ids.into_iter().for_each(|id| self.send_again(calls, at, id));
    }
}
