//! What is done in a lab while its places are watched: scenes that were written for it, and the probes of any lab file. Pure.

mod written;

use std::collections::BTreeSet;
use std::net::IpAddr;

use fabric::engine::{ListenerState, Probe, Sender, Traffic};
use fabric::packet::icmp;
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
    /// An echo request of ICMP or ICMPv6.
    Echo {
        /// Hops that it may take.
        ttl: u8,
        /// Bytes of data.
        size: u16,
        /// Whether nobody may cut it; over IPv6 nobody may.
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
    /// A question for the Ethernet address of a neighbour, by ARP or by neighbour discovery.
    Neighbour,
    /// Records of a type of a name, from the resolver at the destination.
    Dns(&'static str, &'static str),
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
    /// Whether it is about who has which Ethernet address.
    pub fn is_about_neighbours(&self) -> bool {
        self.acts.iter().any(|act| act.what == What::Neighbour)
    }

    /// The ports that every system calls alike.
    pub fn known_ports(&self) -> BTreeSet<u16> {
        let port = |act: &Act| match act.what {
            What::Udp { port, .. } | What::Tcp { port, .. } => Some(port),
            What::Dns(..) => Some(53),
            What::Echo { .. } | What::Neighbour => None,
        };
        self.acts.iter().filter_map(port).collect()
    }

    /// A scene of a probe; `None` for what is none, and for an address of the sender's own subnet that nobody has: a simulated
    /// guest asks for it in vain, and one of the linux engine, which knows its router by heart, sends to that. Nor does a kernel connect to many at once.
    pub fn of_probe(fabric: &Fabric, named: &Named) -> Option<Scene> {
        let Probe::Packet(probe) = named.request(fabric)?.probe else { return None };
        let is_open = probe.listener == ListenerState::Open;
        let is_for_many = probe.to.is_multicast() || matches!(probe.to, IpAddr::V4(to) if to.is_broadcast());
        if is_for_many && matches!(probe.traffic, Traffic::Tcp { .. }) {
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
        let request = if probe.to.is_ipv6() { icmp::V6_ECHO_REQUEST } else { icmp::ECHO_REQUEST };
        let what = match probe.traffic {
            Traffic::Tcp { destination_port: port, .. } => What::Tcp { port, ttl: 64, talk: is_open.then_some(talk) },
            Traffic::Udp { destination_port: port, .. } => What::Udp { port, ttl: 64, size: 6, is_open },
            Traffic::Icmp { icmp_type, code: 0 } if icmp_type == request => What::Echo { ttl: 64, size: 6, dont_fragment: true },
            Traffic::Icmp { .. } | Traffic::Other(_) => return None,
        };
        Some(Scene { name: named.to_string(), acts: vec![Act { from: probe.from, to: probe.to, what }] })
    }
}

/// The scenes that come with the program, on the fabric of [`LAB`]. Errors: a name that the lab does not have.
pub fn built_in(fabric: &Fabric) -> Result<Vec<Scene>, String> {
    let scene = |(name, acts): &written::Written| {
        let act = |(from, to, what): &(&str, &str, What)| {
            let from = sender(fabric, from).ok_or_else(|| format!("nobody called {from}"))?;
            let to = address(fabric, to).ok_or_else(|| format!("no address of {to}"))?;
            Ok(Act { from, to, what: *what })
        };
        let acts = acts.iter().map(act).collect::<Result<_, String>>()?;
        Ok(Scene { name: (*name).to_owned(), acts })
    };
    written::SCENES.iter().map(scene).collect()
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
    if let Some(name) = word.strip_suffix("/6") {
        return instance(fabric, name)?.ipv6.first().copied().map(IpAddr::V6);
    }
    let outside = || fabric.outside.values().find(|host| host.name == word)?.addresses.first().copied();
    instance(fabric, word).map(|own| IpAddr::V4(own.primary_address())).or_else(outside)
}
