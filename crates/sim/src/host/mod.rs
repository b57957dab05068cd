//! Hosts and routers: one node, as a router is a host that forwards. Everything that it knows can be looked at.
//!
//! Start at [`Host`]; [`HostSpec`] is what it is made of. A frame comes in by [`input`](self) and is for the host (`icmp`,
//! `datagram`, `stream`), or goes on (`forward`); what the host sends goes through `output`, and waits in `neighbor` for the
//! Ethernet address of the next hop. Programs are [`crate::app`]'s, TCP itself is [`crate::tcp`]'s.

mod apps;
mod arp;
mod balancer;
mod counters;
mod datagram;
mod deadlines;
mod doors;
mod echo;
mod filter;
mod forward;
mod fragment;
mod icmp;
mod input;
mod interface;
mod link_layer;
mod name_servers;
mod nat;
mod ndp;
mod neighbor;
mod output;
mod packet;
mod programs;
mod rewind;
mod route;
mod services;
mod settings;
mod socket;
mod spec;
mod stream;
mod streams;
mod tables;
mod translate;
mod way;

use std::collections::VecDeque;
use std::net::IpAddr;

pub use balancer::{Backend, BalancerSpec, SKIPPED};
pub use counters::Counters;
pub use filter::{Action, FilterRule, FilterSpec};
pub use icmp::{ERROR_BURST, ERROR_INTERVAL};
pub(crate) use interface::link_local;
pub use interface::{Address, Interface};
pub use nat::PortForward;
pub use neighbor::{ATTEMPTS, DELAY, REACHABLE, RETRANSMISSION, State as NeighborState, WAITING};
pub use output::{Outgoing, SendError};
pub use rewind::Saved;
pub use route::{Origin, Route, Routes};
pub use socket::FIRST_EPHEMERAL;
pub use spec::{HostSpec, InterfaceSpec, Protocol, RouteSpec, Services};
pub use streams::{BACKLOG, Flow};

use crate::app::StreamId;
use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::tcp::Terms;
use crate::time::Time;

use apps::Apps;
use balancer::Balancer;
use deadlines::{Alarm, Deadlines};
use echo::Echoes;
use filter::Filter;
use fragment::Pending;
use icmp::ErrorRate;
use interface::{Locals, Own};
use name_servers::NameServers;
use nat::Nat;
use neighbor::Neighbors;
use socket::Sockets;
use streams::Streams;
use way::LastWay;

/// A host or router.
pub struct Host {
    interfaces: Vec<Interface>,
    locals: Locals,
    routes: Routes,
    forwarding: bool,
    announces: bool,
    detects_duplicates: bool,
    ttl: u8,
    neighbors: Neighbors,
    fragments: Vec<Pending>,
    path_mtus: Vec<(IpAddr, u32, Time)>,
    services: Services,
    echoes: Echoes,
    nat: Option<Box<Nat>>,
    filter: Option<Box<Filter>>,
    balancer: Option<Box<Balancer>>,
    sockets: Sockets,
    streams: Streams,
    /// Connections that programs touched and that are to be attended to.
    dirty: Vec<StreamId>,
    tcp_terms: Option<Box<Terms>>,
    name_servers: NameServers,
    apps: Apps,
    deadlines: Deadlines,
    loopback: VecDeque<FrameId>,
    last_way: Option<LastWay>,
    /// What is sent from this address goes out of this interface, whatever the routes say.
    bound: Option<(IpAddr, u16)>,
    identification: u16,
    next_echo: u16,
    error_rate: ErrorRate,
    counters: Counters,
}

impl Host {
    /// A host; interface i is port i of the node.
    pub fn new(spec: HostSpec) -> Self {
        let interfaces: Vec<Interface> = spec.interfaces.into_iter().map(Interface::new).collect();
        let mut host = Self {
            locals: Locals::default(),
            interfaces,
            routes: Routes::default(),
            forwarding: spec.forwarding,
            announces: spec.announces,
            detects_duplicates: spec.detects_duplicates,
            ttl: spec.ttl,
            neighbors: Neighbors::default(),
            fragments: Vec::new(),
            path_mtus: Vec::new(),
            services: Services::default(),
            echoes: Echoes::default(),
            nat: spec.masquerade.map(|outside| Box::new(Nat::new(Some(outside)))),
            filter: None,
            balancer: None,
            sockets: Sockets::default(),
            streams: Streams::default(),
            dirty: Vec::new(),
            tcp_terms: None,
            name_servers: NameServers::default(),
            apps: Apps::default(),
            deadlines: Deadlines::default(),
            loopback: VecDeque::new(),
            last_way: None,
            bound: None,
            identification: 0,
            next_echo: 0,
            error_rate: ErrorRate::default(),
            counters: Counters::default(),
        };
        for interface in &mut host.interfaces {
            interface.add_link_local();
        }
        host.connect_routes();
        for route in spec.routes {
            host.set_route(route);
        }
        host
    }

    /// Its interfaces.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Its routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// What it counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether it passes on what is not for itself.
    pub fn forwards(&self) -> bool {
        self.forwarding
    }

    /// Whether an address is its own.
    pub fn is_own(&self, address: IpAddr) -> bool {
        matches!(self.locals.find(address), Some((Own::Unicast, _)))
    }

    /// Ends every call from outside: what programs asked for goes out, what the host sent to itself comes in, and the alarm
    /// is set.
    #[inline]
    fn settle(&mut self, context: &mut Context<'_>) {
        if !self.dirty.is_empty() || !self.loopback.is_empty() {
            self.attend_to_all(context);
        }
        self.deadlines.arm(context);
    }

    #[inline(never)]
    fn attend_to_all(&mut self, context: &mut Context<'_>) {
        loop {
            if let Some(id) = self.dirty.pop() {
                self.attend(context, id, crate::trace::TraceEvent::NO_PORT, FrameId::NONE);
            } else if let Some(frame) = self.loopback.pop_front() {
                self.receive_loopback(context, frame);
            } else {
                break;
            }
        }
    }
}

impl Node for Host {
    fn kind(&self) -> &'static str {
        match () {
            () if self.balancer.is_some() => "balancer",
            () if self.forwarding => "router",
            () => "host",
        }
    }

    fn start(&mut self, context: &mut Context<'_>) {
        self.start_interfaces(context);
        self.start_apps(context);
        self.settle(context);
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        self.receive_frame(context, port, frame);
        self.settle(context);
    }

    fn on_timer(&mut self, context: &mut Context<'_>, token: u64) {
        if !self.deadlines.fires(token) {
            return;
        }
        while let Some(alarm) = self.deadlines.pop(context.now()) {
            match alarm {
                Alarm::Neighbor(interface, address) => self.neighbor_is_due(context, interface, address),
                Alarm::Fragments => self.fragments_are_due(context),
                Alarm::Stream(at) => self.stream_is_due(context, at),
                Alarm::Address(interface, address) => self.address_is_due(interface, address),
                Alarm::App(app, key) => self.with_app(context, app, |app, calls| app.on_timer(calls, key)),
            }
        }
        self.settle(context);
    }

    fn on_link(&mut self, context: &mut Context<'_>, port: u16, is_up: bool) {
        if !is_up {
            self.forget_neighbors(context, port);
        }
        self.tell_link(context, port, is_up);
        self.settle(context);
    }

    fn inspect(&self, now: Time) -> Vec<Table> {
        self.tables(now)
    }
}
