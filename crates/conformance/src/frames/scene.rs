//! What is done in a lab while its places are watched: scenes that were written for it, and the probes of any lab file. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fabric::engine::{ListenerState, Probe, Sender, Traffic};
use fabric::gateway::VpcEndpointKind;
use fabric::stage::exempt::RESOLVER;
use fabric::{Fabric, InterfaceKind};

use crate::fuzz::probes::Named;

/// The lab of the scenes that come with the program.
pub const LAB: &str = include_str!("lab.yaml");

/// Something that a host does, to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who.
    pub from: Sender,
    /// With whom.
    pub to: IpAddr,
    /// What.
    pub what: What,
}

/// What a host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An ICMP echo request.
    Echo {
        /// Hops that it may take.
        ttl: u8,
        /// Bytes of data.
        size: u16,
        /// Whether nobody may cut it.
        dont_fragment: bool,
    },
    /// A datagram.
    Udp {
        /// To this port.
        port: u16,
        /// Hops that it may take.
        ttl: u8,
        /// Bytes of payload.
        size: u16,
        /// Whether somebody listens, who sends it back.
        is_open: bool,
    },
    /// A connection.
    Tcp {
        /// To this port.
        port: u16,
        /// Hops that the client's segments may take.
        ttl: u8,
        /// What the two talk; `None`: nobody listens.
        talk: Option<Talk>,
    },
    /// A question for the Ethernet address of a neighbour.
    Arp,
    /// The address of a name, from the resolver at the destination.
    Dns(&'static str),
}

/// What client and server talk over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Talk {
    /// Bytes from the client.
    pub there: usize,
    /// Bytes from the server, once it has those.
    pub back: usize,
    /// How it ends.
    pub end: End,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client closes when it has everything, and then the server.
    ClientCloses,
    /// The client closes when it has sent everything; the server answers after that.
    HalfClose,
    /// The server closes when it has answered, and then the client.
    ServerCloses,
    /// The client resets when it has everything.
    ClientResets,
    /// The server resets instead of answering.
    ServerResets,
}

fn is_service_of_an_endpoint(fabric: &Fabric, address: IpAddr) -> bool {
    fabric.vpc_endpoints.values().any(|endpoint| match &endpoint.kind {
        VpcEndpointKind::Gateway { blocks, .. } => blocks.iter().any(|block| block.contains(&address)),
        _ => false,
    })
}

/// So many bytes, the same on every engine.
pub fn payload(length: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(length).collect()
}

/// Acts with one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// What it is about.
    pub name: String,
    /// In order.
    pub acts: Vec<Act>,
}

impl Scene {
    /// Whether it is about ARP.
    pub fn is_arp(&self) -> bool {
        self.acts.iter().any(|act| act.what == What::Arp)
    }

    /// The ports that every system calls alike.
    pub fn known_ports(&self) -> BTreeSet<u16> {
        let port = |act: &Act| match act.what {
            What::Udp { port, .. } | What::Tcp { port, .. } => Some(port),
            What::Dns(_) => Some(53),
            What::Echo { .. } | What::Arp => None,
        };
        self.acts.iter().filter_map(port).collect()
    }

    /// A scene of a probe; `None` for what is none, and for an address of the sender's own subnet that nobody has: a simulated
    /// guest asks for it in vain, and one of the linux engine, which knows its router by heart, sends to that. Nor does a kernel connect to many at once.
    /// What a resolver makes of bytes that are no question is its own business; and a host outside that is an endpoint's service,
    /// which the kernel has once and the simulator twice, knows of a connection that it began by the internet and is answered
    /// through the endpoint only where it is one.
    pub fn of_probe(fabric: &Fabric, named: &Named) -> Option<Scene> {
        let Probe::Packet(probe) = named.request(fabric)?.probe else { return None };
        let is_open = probe.listener == ListenerState::Open;
        let is_for_many = matches!(probe.to, IpAddr::V4(to) if to.is_broadcast() || to.is_multicast());
        if is_for_many && matches!(probe.traffic, Traffic::Tcp { .. }) {
            return None;
        }
        if matches!(&probe.from, Sender::Outside(address) if is_service_of_an_endpoint(fabric, *address)) && matches!(probe.traffic, Traffic::Tcp { .. }) {
            return None;
        }
        let is_question = matches!(probe.traffic, Traffic::Udp { destination_port: 53, .. });
        if is_question && fabric.vpcs.values().any(|vpc| probe.to == IpAddr::V4(vpc.resolver) || probe.to == IpAddr::V4(RESOLVER)) {
            return None;
        }
        if let Sender::Interface(id) = &probe.from {
            let own = &fabric.interfaces[fabric.interface_by_id(id)?];
            let is_held = fabric.vpcs[own.vpc].addresses.contains_key(&probe.to);
            if fabric.subnets[own.subnet].contains(probe.to) && !is_held {
                return None;
            }
        }
        let talk = Talk { there: 6, back: 6, end: End::ClientCloses };
        let what = match probe.traffic {
            Traffic::Tcp { destination_port: port, .. } => What::Tcp { port, ttl: 64, talk: is_open.then_some(talk) },
            Traffic::Udp { destination_port: port, .. } => What::Udp { port, ttl: 64, size: 6, is_open },
            Traffic::Icmp { icmp_type: 8, code: 0 } => What::Echo { ttl: 64, size: 6, dont_fragment: true },
            Traffic::Icmp { .. } | Traffic::Other(_) => return None,
        };
        Some(Scene { name: named.to_string(), acts: vec![Act { from: probe.from, to: probe.to, what }] })
    }
}

const ECHO: What = What::Echo { ttl: 64, size: 56, dont_fragment: false };

const fn echo(ttl: u8) -> What {
    What::Echo { ttl, size: 32, dont_fragment: false }
}

const fn udp(port: u16, is_open: bool) -> What {
    What::Udp { port, ttl: 64, size: 6, is_open }
}

const fn tcp(port: u16, end: End) -> What {
    What::Tcp { port, ttl: 64, talk: Some(Talk { there: 5, back: 7, end }) }
}

const fn closed(port: u16) -> What {
    What::Tcp { port, ttl: 64, talk: None }
}

const fn bulk(port: u16, there: usize, back: usize) -> What {
    What::Tcp { port, ttl: 64, talk: Some(Talk { there, back, end: End::ClientCloses }) }
}

/// Scenes of [`LAB`]: a name, and who does what with whom, `NAME` for a host's own address and `NAME!` for its public one.
const SCENES: &[(&str, &[(&str, &str, What)])] = &[
    ("ARP", &[
        ("web", "10.1.0.1", What::Arp),
        ("app", "shut", What::Arp),
        ("app", "10.1.1.200", What::Arp),
        ("app", "web", What::Arp),
    ]),
    ("ping", &[("web", "app", ECHO), ("web", "office", ECHO), ("office", "web!", ECHO), ("app", "db", ECHO)]),
    ("ping through NAT", &[("app", "office", ECHO)]),
    ("ping without an answer", &[("app", "shut", ECHO), ("office", "app", ECHO)]),
    ("TCP, open", &[
        ("web", "app", tcp(80, End::ClientCloses)),
        ("office", "web!", tcp(80, End::ClientCloses)),
        ("web", "office", tcp(443, End::ServerCloses)),
        ("app", "web", tcp(80, End::HalfClose)),
        ("app", "db", tcp(5_432, End::ClientCloses)),
    ]),
    ("TCP, closed", &[("web", "app", closed(81)), ("office", "web!", closed(81)), ("app", "db", closed(81))]),
    ("TCP, filtered", &[("web", "shut", closed(80)), ("office", "app", closed(80))]),
    ("TCP, bulk", &[("web", "app", bulk(80, 100_000, 50_000)), ("office", "web!", bulk(80, 30_000, 60_000))]),
    ("reset", &[
        ("web", "app", tcp(80, End::ClientResets)),
        ("web", "app", tcp(80, End::ServerResets)),
        ("office", "web!", tcp(80, End::ServerResets)),
        ("app", "office", tcp(80, End::ClientResets)),
    ]),
    ("UDP, open", &[("web", "app", udp(5_000, true)), ("office", "web!", udp(5_000, true)), ("app", "db", udp(5_000, true))]),
    ("UDP, closed", &[("web", "app", udp(5_001, false)), ("office", "web!", udp(5_001, false)), ("app", "db", udp(5_001, false))]),
    ("UDP, filtered", &[("web", "shut", udp(5_000, true))]),
    ("NAT", &[
        ("app", "office", tcp(443, End::ClientCloses)),
        ("app", "office", closed(444)),
        ("app", "office", udp(5_000, true)),
        ("app", "office", udp(5_001, false)),
        ("app", "office", bulk(443, 20_000, 40_000)),
    ]),
    ("NAT, from outside", &[("web", "10.1.0.100", closed(80)), ("web", "10.1.0.100", udp(5_000, true)), ("web", "10.1.0.100", ECHO)]),
    ("traceroute by ICMP", &[("app", "office", echo(1)), ("app", "office", echo(2)), ("app", "db", echo(1)), ("app", "db", echo(2)), ("web", "office", echo(1))]),
    ("traceroute by UDP", &[
        ("app", "office", What::Udp { port: 33_434, ttl: 1, size: 32, is_open: false }),
        ("app", "office", What::Udp { port: 33_435, ttl: 2, size: 32, is_open: false }),
        ("app", "db", What::Udp { port: 33_434, ttl: 1, size: 32, is_open: false }),
        ("app", "db", What::Udp { port: 33_435, ttl: 2, size: 32, is_open: false }),
    ]),
    ("traceroute by TCP", &[
        ("app", "office", What::Tcp { port: 80, ttl: 1, talk: None }),
        ("app", "office", What::Tcp { port: 80, ttl: 2, talk: None }),
        ("app", "db", What::Tcp { port: 80, ttl: 1, talk: None }),
        ("app", "db", What::Tcp { port: 80, ttl: 2, talk: None }),
    ]),
    ("DNS", &[
        ("web", "10.1.0.2", What::Dns("ip-10-1-1-10.ap-northeast-2.compute.internal")),
        ("app", "169.254.169.253", What::Dns("ip-10-1-1-10.ap-northeast-2.compute.internal")),
        ("web", "10.1.0.2", What::Dns("nowhere.ap-northeast-2.compute.internal")),
    ]),
    ("path-MTU discovery", &[
        ("web", "app", What::Echo { ttl: 64, size: 4_000, dont_fragment: true }),
        ("web", "office", What::Echo { ttl: 64, size: 2_000, dont_fragment: true }),
        ("app", "office", What::Echo { ttl: 64, size: 2_000, dont_fragment: true }),
        ("web", "office", What::Echo { ttl: 64, size: 1_472, dont_fragment: true }),
    ]),
    ("fragments", &[("web", "app", What::Udp { port: 5_000, ttl: 64, size: 20_000, is_open: true })]),
];

/// The scenes that come with the program, on the fabric of [`LAB`]. Errors: a name that the lab does not have.
pub fn built_in(fabric: &Fabric) -> Result<Vec<Scene>, String> {
    let scene = |(name, acts): &(&str, &[(&str, &str, What)])| {
        let act = |(from, to, what): &(&str, &str, What)| {
            let from = sender(fabric, from).ok_or_else(|| format!("nobody called {from}"))?;
            let to = address(fabric, to).ok_or_else(|| format!("no address of {to}"))?;
            Ok(Act { from, to, what: *what })
        };
        let acts = acts.iter().map(act).collect::<Result<_, String>>()?;
        Ok(Scene { name: (*name).to_owned(), acts })
    };
    SCENES.iter().map(scene).collect()
}

fn instance<'a>(fabric: &'a Fabric, name: &str) -> Option<&'a fabric::Interface> {
    let is_it = |own: &&fabric::Interface| matches!(own.kind, InterfaceKind::Instance { instance, device_index: 0 } if fabric.instances[instance].name == name);
    fabric.interfaces.values().find(is_it)
}

fn sender(fabric: &Fabric, name: &str) -> Option<Sender> {
    match instance(fabric, name) {
        Some(own) => Some(Sender::Interface(own.id.clone())),
        None => address(fabric, name).map(Sender::Outside),
    }
}

fn address(fabric: &Fabric, word: &str) -> Option<IpAddr> {
    if let Ok(address) = word.parse() {
        return Some(address);
    }
    if let Some(name) = word.strip_suffix('!') {
        let own = instance(fabric, name)?;
        return own.addresses.iter().find_map(|held| held.public).map(IpAddr::V4);
    }
    let outside = || fabric.outside.values().find(|host| host.name == word)?.addresses.first().copied();
    instance(fabric, word).map(|own| IpAddr::V4(own.primary_address())).or_else(outside)
}
