//! OSPF version 2 in one area (RFC 2328): every router tells all others which links it has and what they cost; each computes
//! the shortest ways on the same map.
//!
//! Start at [`Ospf`]. Who is there and who is designated is `hello`'s (`interface`, `neighbor`, `election`), the exchange of
//! databases `exchange`'s, what is passed on and acknowledged `flood`'s, what a router says of itself `originate`'s, the
//! shortest ways `spf`'s. Bytes are `packet`'s and `lsa`'s. Areas other than 0, virtual links, authentication and several
//! ways of the same cost are not done.

mod database;
mod election;
mod exchange;
mod flood;
mod hello;
mod interface;
mod lsa;
mod neighbor;
mod originate;
mod packet;
mod spf;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

pub use lsa::{ExternalBody, Header as LsaHeader, Key, Link, LinkKind, Lsa, NetworkBody, Recency, RouterBody};
pub use packet::{Body, Description, Hello, Packet};

use super::alarm::Alarm;
use crate::app::{App, Calls, Datagram, End, SendTo, SocketId};
use crate::host::{Host, Origin};
use crate::link::Framing;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::{Reason, TraceEvent, Verb};

use database::Database;
use interface::{Interface, State};

/// The IP protocol (IANA "Assigned Internet Protocol Numbers").
pub const PROTOCOL: u8 = 89;
/// The type of service of its packets: precedence "internetwork control" (RFC 2328 A.1), DSCP CS6.
const INTERNETWORK_CONTROL: u8 = 0xc0;
/// All routers that speak OSPF.
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
/// The designated router and its backup.
pub const ALL_DESIGNATED: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);
/// The backbone, and here the only area.
pub const AREA: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// How OSPF is set. [`OspfSpec::default`] is what RFC 2328 says (B, C.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OspfSpec {
    /// The router's id; the highest of its addresses if there is none.
    pub id: Option<Ipv4Addr>,
    /// Seconds between two hellos.
    pub hello_seconds: u16,
    /// Seconds of silence after which a neighbour is gone, and that a new interface listens.
    pub dead_seconds: u32,
    /// After so long without an acknowledgement something is sent again.
    pub retransmit: Span,
    /// Acknowledgements wait so long for others.
    pub acknowledge: Span,
    /// After so long a router says again what it said.
    pub refresh: Span,
    /// Between two advertisements of a router about the same, at least.
    pub least_interval: Span,
    /// Between two advertisements about the same that are taken, at least.
    pub least_arrival: Span,
    /// How much it wants to be designated.
    pub priority: u8,
    /// A link of this rate costs 1, one of a tenth 10, bits per second.
    pub reference_rate: u64,
    /// Whether neighbours learn routes that somebody wrote.
    pub tells_static: bool,
}

impl Default for OspfSpec {
    fn default() -> Self {
        Self {
            id: None,
            hello_seconds: 10,
            dead_seconds: 40,
            retransmit: Span::seconds(5),
            acknowledge: Span::seconds(1),
            refresh: Span::seconds(1_800),
            least_interval: Span::seconds(5),
            least_arrival: Span::seconds(1),
            priority: 1,
            reference_rate: 100_000_000,
            tells_static: true,
        }
    }
}

impl OspfSpec {
    /// What a packet pays at a rate in bits per second.
    pub fn cost(&self, rate: u64) -> u16 {
        let cost = self.reference_rate.checked_div(rate).unwrap_or(u64::MAX).max(1);
        u16::try_from(cost).unwrap_or(u16::MAX)
    }

    fn dead(&self) -> Span {
        Span::seconds(self.dead_seconds.into())
    }
}

/// The program.
pub struct Ospf {
    spec: OspfSpec,
    id: Ipv4Addr,
    interfaces: Vec<Interface>,
    database: Database,
    /// Advertisements that are too old and that all are told of.
    flushing: BTreeSet<Key>,
    /// Own advertisements of which others have a newer one, left from before.
    strange: BTreeSet<Key>,
    /// When it said its own advertisements.
    said: BTreeMap<Key, Time>,
    /// When the next of those that wait may be said.
    say_at: Time,
    /// Whether the map is another one than the ways were computed on.
    is_changed: bool,
    /// Routes that it put into the table.
    installed: BTreeSet<Ipv4Net>,
    /// Where it begins to count descriptions.
    next_sequence: u32,
    alarm: Alarm,
}

impl Ospf {
    /// To be run on a router.
    pub fn new(spec: OspfSpec) -> Self {
        Self {
            spec,
            id: NONE,
            interfaces: Vec::new(),
            database: Database::default(),
            flushing: BTreeSet::new(),
            strange: BTreeSet::new(),
            said: BTreeMap::new(),
            say_at: Time::NEVER,
            is_changed: false,
            installed: BTreeSet::new(),
            next_sequence: 0,
            alarm: Alarm::default(),
        }
    }

    /// Its router id.
    pub fn id(&self) -> Ipv4Addr {
        self.id
    }

    fn at(&self, port: u16) -> Option<usize> {
        self.interfaces.iter().position(|interface| interface.port == port)
    }

    /// Sends a packet out of an interface.
    fn send(&self, calls: &mut Calls<'_, '_>, at: usize, to: Ipv4Addr, body: Body) {
        let packet = Packet { router: self.id, area: AREA, body };
        let (interface, source) = (self.interfaces[at].port, self.interfaces[at].address());
        let how = SendTo {
            ttl: Some(1),
            interface: Some(interface),
            source: Some(source.into()),
            service: INTERNETWORK_CONTROL,
            ..SendTo::default()
        };
        match calls.send_raw(PROTOCOL, to.into(), how, &packet.emit()) {
            Ok(()) => calls.outcome().sent += 1,
            Err(error) => calls.say(error.into(), || "ospf: cannot send".to_owned()),
        }
    }

    /// A packet came (8.2).
    fn receive(&mut self, calls: &mut Calls<'_, '_>, datagram: &Datagram) {
        let (IpAddr::V4(source), Some(at)) = (datagram.source.ip(), self.at(datagram.interface)) else {
            return;
        };
        let packet = match Packet::parse(calls.payload(datagram)) {
            Ok(packet) => packet,
            Err(error) => return Self::ignore(calls, datagram.interface, || error.to_string()),
        };
        let interface = &self.interfaces[at];
        let is_near = !interface.is_broadcast || interface.net.contains(&source);
        if interface.state == State::Down || packet.router == self.id || source == interface.address() {
            return;
        }
        if packet.area != AREA || !is_near {
            return Self::ignore(calls, datagram.interface, || format!("{source} is in another area or network"));
        }
        match packet.body {
            Body::Hello(hello) => self.hear(calls, at, packet.router, source, &hello),
            Body::Description(description) => self.described(calls, at, packet.router, &description),
            Body::Request(keys) => self.requested(calls, at, packet.router, &keys),
            Body::Update(all) => self.updated(calls, at, packet.router, all),
            Body::Acknowledgment(headers) => self.acknowledged(at, packet.router, &headers),
        }
    }

    fn ignore(calls: &mut Calls<'_, '_>, interface: u16, why: impl FnOnce() -> String) {
        calls.trace(interface, Verb::Note, Reason::OpenShortestPath, || format!("ignored: {}", why()));
    }

    /// Ends every call: what is due is done, what is new of the router itself is said, ways are computed, the alarm is set.
    fn settle(&mut self, calls: &mut Calls<'_, '_>) {
        for at in 0..self.interfaces.len() {
            self.interface_is_due(calls, at);
        }
        self.originate(calls);
        self.flush(calls);
        if std::mem::take(&mut self.is_changed) {
            self.route(calls);
        }
        let interfaces = self.interfaces.iter().map(Interface::next).min().unwrap_or(Time::NEVER);
        let next = interfaces.min(self.say_at).min(self.database.next_flush(calls.now()));
        self.alarm.set(calls, next);
    }

    /// The shortest ways become routes.
    fn route(&mut self, calls: &mut Calls<'_, '_>) {
        let now = calls.now();
        let own = |interface: &Interface| {
            let peer = interface.neighbors.values().next().filter(|_| !interface.is_broadcast).map(|peer| peer.address);
            (interface.address(), (interface.port, peer))
        };
        let up = || self.interfaces.iter().filter(|interface| interface.state != State::Down);
        let ways = spf::ways(&self.database, self.id, &up().map(own).collect(), now);
        let connected: BTreeSet<Ipv4Net> =
            up().flat_map(|up| up.others.iter().chain([&up.net]).map(Ipv4Net::trunc).collect::<Vec<_>>()).collect();
        calls.trace(TraceEvent::NO_PORT, Verb::State, Reason::OpenShortestPath, || {
            format!("shortest ways to {} networks", ways.len())
        });
        let mut wanted = BTreeSet::new();
        for (to, way) in ways {
            if way.hop.via.is_some() && !connected.contains(&to) {
                calls.install(Origin::Ospf, to, way.hop.via, way.hop.interface, way.cost);
                wanted.insert(to);
            }
        }
        for to in self.installed.difference(&wanted) {
            calls.uninstall(Origin::Ospf, *to);
        }
        self.installed = wanted;
    }

    fn add_interface(&mut self, calls: &mut Calls<'_, '_>, port: u16) {
        let subnets = calls.subnets(port);
        let Some((net, others)) = subnets.split_first() else {
            return;
        };
        self.interfaces.push(Interface {
            port,
            net: *net,
            others: others.to_vec(),
            is_broadcast: calls.framing(port) == Framing::Ethernet,
            cost: self.spec.cost(calls.rate(port)),
            priority: self.spec.priority,
            state: State::Down,
            designated: NONE,
            backup: NONE,
            hello_at: Time::NEVER,
            wait_until: Time::NEVER,
            neighbors: BTreeMap::new(),
            acknowledgments: Vec::new(),
            acknowledge_at: Time::NEVER,
        });
    }
}

impl App for Ospf {
    fn kind(&self) -> &'static str {
        "ospf"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Err(reason) = calls.bind_protocol(PROTOCOL, None) {
            return calls.finish(End::Failed(reason));
        }
        self.next_sequence = calls.random("ospf").bits() >> 1;
        for port in 0..calls.interfaces() {
            self.add_interface(calls, port);
            calls.follow_link(port);
        }
        let addresses = self.interfaces.iter().map(Interface::address);
        self.id = self.spec.id.or(addresses.max()).unwrap_or(NONE);
        calls.say(Reason::OpenShortestPath, || format!("ospf: router {} in area {AREA}", self.id));
        for at in 0..self.interfaces.len() {
            if calls.is_up(self.interfaces[at].port) {
                self.interface_up(calls, at);
            }
        }
        self.settle(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        self.receive(calls, datagram);
        self.settle(calls);
    }

    fn on_link(&mut self, calls: &mut Calls<'_, '_>, interface: u16, is_up: bool) {
        calls.follow_link(interface);
        if let Some(at) = self.at(interface) {
            if is_up {
                self.interfaces[at].cost = self.spec.cost(calls.rate(interface));
                self.interface_up(calls, at);
            } else {
                self.interface_down(calls, at);
            }
        }
        self.settle(calls);
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        self.alarm.rings(calls.now());
        self.settle(calls);
    }

    fn inspect(&self, host: &Host, now: Time) -> Vec<Table> {
        vec![self.interface_table(host, now), self.neighbor_table(host, now), self.database_table(now)]
    }
}
