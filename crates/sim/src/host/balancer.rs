//! An L4 switch: connections and datagrams to ports of a virtual address go to servers in turn, and what belongs to one goes
//! where its first packet went. It translates both ends (RFC 2663, 4.3, "twice NAT"), so that answers come back through it
//! wherever client and server are: a server sees the balancer as its client.
//!
//! A server that does not answer for its address, or refuses, is left out for a while ([`SKIPPED`]). What goes through is in
//! `packets`; the tables are in `tables`.

mod packets;
mod tables;

use std::collections::BTreeMap;
use std::net::IpAddr;

use wire::protocol;

use crate::node::Context;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

use super::Host;
use super::nat::{BOUND, FIRST_PORT, Progress};
use super::spec::Protocol;
use super::Flow;

/// A server that failed gets no connections for so long.
pub const SKIPPED: Span = Span::seconds(30);

/// A server behind a balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its address; one without gets nothing.
    pub address: Option<IpAddr>,
}

/// What a balancer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerSpec {
    /// The address that clients know.
    pub virtual_address: IpAddr,
    /// Ports that it spreads, of TCP and UDP.
    pub ports: Vec<(Protocol, u16)>,
    /// The servers, in their order.
    pub backends: Vec<Backend>,
}

/// A connection, or datagrams between the same ends.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// As the client sees it: local is the virtual address.
    client: Flow,
    /// As the server sees it: local is the balancer.
    inside: Flow,
    backend: usize,
    progress: Progress,
    until: Time,
}

#[derive(Debug)]
pub(crate) struct Balancer {
    spec: BalancerSpec,
    /// Whose turn it is, by port.
    turns: BTreeMap<(u8, u16), usize>,
    /// Until when each server is left out.
    skipped: Vec<Time>,
    /// Connections that each server got.
    served: Vec<u64>,
    by_client: BTreeMap<(u8, Flow), Entry>,
    /// The client's flow of each inside one.
    by_inside: BTreeMap<(u8, Flow), Flow>,
}

impl Balancer {
    fn new(spec: BalancerSpec) -> Self {
        let count = spec.backends.len();
        Self {
            spec,
            turns: BTreeMap::new(),
            skipped: vec![Time::ZERO; count],
            served: vec![0; count],
            by_client: BTreeMap::new(),
            by_inside: BTreeMap::new(),
        }
    }

    fn spreads(&self, number: u8, flow: &Flow) -> bool {
        flow.local == self.spec.virtual_address && self.spec.ports.contains(&(Protocol(number), flow.port))
    }

    fn find(&mut self, number: u8, client: &Flow, now: Time) -> Option<Entry> {
        let entry = *self.by_client.get(&(number, *client))?;
        if entry.until <= now {
            self.forget(number, &entry);
            return None;
        }
        Some(entry)
    }

    fn find_inside(&mut self, number: u8, inside: &Flow, now: Time) -> Option<Entry> {
        let client = *self.by_inside.get(&(number, *inside))?;
        self.find(number, &client, now)
    }

    fn forget(&mut self, number: u8, entry: &Entry) {
        self.by_client.remove(&(number, entry.client));
        self.by_inside.remove(&(number, entry.inside));
    }

    fn touch(&mut self, number: u8, entry: &Entry, is_answer: bool, flags: u8, now: Time) {
        if let Some(known) = self.by_client.get_mut(&(number, entry.client)) {
            known.progress = known.progress.after(is_answer, flags);
            known.until = now + known.progress.timeout(number);
        }
    }

    /// The next server in turn that is not left out.
    fn choose(&mut self, number: u8, port: u16, now: Time) -> Option<(usize, IpAddr)> {
        let count = self.spec.backends.len();
        let turn = self.turns.entry((number, port)).or_default();
        for step in 0..count {
            let at = (*turn + step) % count;
            let address = self.spec.backends[at].address;
            let is_family = address.is_some_and(|address| address.is_ipv4() == self.spec.virtual_address.is_ipv4());
            if self.skipped[at] <= now && is_family {
                *turn = (at + 1) % count;
                return address.map(|address| (at, address));
            }
        }
        None
    }

    /// A port of the balancer's own towards a server: the client's if that is free.
    fn port(&self, number: u8, wanted: Flow, is_taken: impl Fn(u16) -> bool) -> Option<Flow> {
        let free = |flow: &Flow| !self.by_inside.contains_key(&(number, *flow)) && !is_taken(flow.port);
        let first = wanted.port.max(FIRST_PORT);
        let ports = (first..=u16::MAX).chain(FIRST_PORT..first);
        ports.map(|port| Flow { port, ..wanted }).find(free)
    }
}

impl Host {
    /// Makes it a balancer: it answers for the virtual address as well.
    pub fn set_balancer(&mut self, spec: BalancerSpec) {
        let address = spec.virtual_address;
        if !self.is_own(address) {
            let holds = |at: &super::Interface| at.usable().any(|net| net.contains(&address));
            let interface = self.interfaces.iter().position(holds).unwrap_or(0);
            self.add_address(interface as u16, address.into());
        }
        self.balancer = Some(Box::new(Balancer::new(spec)));
    }

    /// A server is left out for a while.
    fn skip_backend(&mut self, context: &mut Context<'_>, at: usize, reason: Reason) {
        let until = context.now() + SKIPPED;
        let Some(balancer) = self.balancer.as_deref_mut() else { return };
        balancer.skipped[at] = until;
        let name = &balancer.spec.backends[at].name;
        context.note(Verb::State, reason, || format!("{name} gets nothing for {SKIPPED}"));
    }

    /// A new entry for a client, with the server whose turn it is. Errors: no server, or no room.
    fn begin_balancing(&mut self, number: u8, client: Flow, now: Time) -> Result<Entry, Reason> {
        let (backend, address) = match self.balancer.as_deref_mut() {
            Some(balancer) => balancer.choose(number, client.port, now).ok_or(Reason::NoBackend)?,
            None => return Err(Reason::NoBackend),
        };
        let own = self.source_for(address).ok_or(Reason::NoRoute)?;
        let wanted = Flow { local: own, port: client.remote_port, remote: address, remote_port: client.port };
        let (sockets, streams) = (&self.sockets, &self.streams);
        let is_taken = |port| sockets.is_bound(number, port) || number == protocol::TCP && streams.listens(port);
        let Some(balancer) = self.balancer.as_deref_mut() else { return Err(Reason::NoBackend) };
        if balancer.by_client.len() >= BOUND {
            balancer.by_client.retain(|_, entry| entry.until > now);
            let known = &balancer.by_client;
            balancer.by_inside.retain(|(number, _), client| known.contains_key(&(*number, *client)));
        }
        if balancer.by_client.len() >= BOUND {
            return Err(Reason::NatPorts);
        }
        let inside = balancer.port(number, wanted, is_taken).ok_or(Reason::NatPorts)?;
        let progress = Progress::Asked;
        let entry = Entry { client, inside, backend, progress, until: now + progress.timeout(number) };
        balancer.by_client.insert((number, client), entry);
        balancer.by_inside.insert((number, inside), client);
        balancer.served[backend] += 1;
        Ok(entry)
    }
}
