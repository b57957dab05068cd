//! A cloud on an engine, and probes through it: what `check`, `test` and `matrix` share.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use conformance::EngineName;
use fabric::engine::{Leg, ListenerState, Outcome, PacketProbe, Probe, Request, Sender, Traffic};
use fabric::{Called, Component, EndError, Engine, Fabric, Family, InterfaceIndex};
use model::guest::Listener;
use model::selector::End;
use model::{Model, ProbePacket, Selector, TrafficMatch};
use proof::who::natural;

use super::running::Running;
use super::target::Target;
use crate::exit::{Failure, Result};

/// Most ports of one range that are tried; probes are no proof of ranges.
pub const MAX_PORTS: u32 = 64;

/// Probes that are in flight together: enough for every place to take part, and a lab in use is not kept for long.
const AT_ONCE: usize = 32_768;

/// Source port of every probe, of the ephemeral range.
pub const SOURCE_PORT: u16 = 49_152;

/// A cloud that an engine carries.
pub struct Prober {
    model: Arc<Model>,
    fabric: Arc<Fabric>,
    called: Called,
    carrier: Carrier,
}

/// What the packets go through.
enum Carrier {
    /// An engine of this command's own.
    Own(Box<dyn Engine>),
    /// A lab that is up.
    Lab(std::sync::Arc<Running>),
}

/// What a probe showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A service answered; the receiver saw this source.
    Open(IpAddr),
    /// The host answered that nothing listens.
    Refused,
    /// Silence.
    Dropped {
        /// The reply was lost, not the request.
        is_reply: bool,
        /// What dropped it, where the engine can tell.
        at: Option<Component>,
    },
    /// The receiver has no public address to send to.
    NoPublicAddress,
}

/// Somebody who may send or receive.
pub struct Place {
    /// Name, for people.
    pub name: String,
    /// As it is typed.
    pub selector: Selector,
    /// What it is.
    pub end: End,
}

/// One sender and one address.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What was typed for the sender.
    pub from: String,
    /// The sender.
    pub sender: Sender,
    /// The receiver as an end.
    pub end: End,
    /// Its address; `None`: it has no public one.
    pub to: Option<IpAddr>,
    /// Its name.
    pub to_name: String,
}

impl Pair {
    /// The receiver's interface, where it is one of the cloud.
    pub fn interface(&self) -> Option<&model::NetworkInterfaceId> {
        match &self.end {
            End::Interface { interface, .. } => Some(interface),
            End::Outside(_) | End::Internet | End::Address(_) | End::Block(_) => None,
        }
    }

    /// Both ends as people read them.
    pub fn text(&self) -> String {
        format!("{} -> {}", self.from, self.to_text())
    }

    /// The receiver's address, or its name where it has none.
    pub fn to_text(&self) -> String {
        self.to.map_or_else(|| self.to_name.clone(), |to| to.to_string())
    }
}

impl Seen {
    /// One word or two, the same in every format.
    pub fn result(&self) -> &'static str {
        match self {
            Seen::Open(_) => "open",
            Seen::Refused => "refused",
            Seen::Dropped { is_reply: false, .. } => "filtered",
            Seen::Dropped { is_reply: true, .. } => "reply filtered",
            Seen::NoPublicAddress => "no public address",
        }
    }

    /// What dropped it, where that is known.
    pub fn at(&self) -> Option<Component> {
        match self {
            Seen::Dropped { at, .. } => *at,
            _ => None,
        }
    }

    /// The same with the place: `filtered at sg-in:db-1`.
    pub fn text(&self, fabric: &Fabric) -> String {
        let at = match self.at() {
            // Not the fabric: the instance's own routes or filters.
            Some(at @ Component::Guest(_)) => format!(" at {} itself", at.label(fabric)),
            Some(at) => format!(" at {}", at.label(fabric)),
            None => String::new(),
        };
        format!("{}{at}", self.result())
    }
}

impl Prober {
    /// Takes the running lab, or starts the engine and brings the cloud up on it.
    pub fn start(target: &Target, named: EngineName) -> Result<Prober> {
        match &target.running {
            Some(running) if named == EngineName::Linux => {
                let (model, fabric) = (target.model.clone(), Arc::new(Fabric::compile(&target.model)));
                Ok(Prober { called: Called::of(&fabric), model, fabric, carrier: Carrier::Lab(running.clone()) })
            }
            _ => Prober::on(named.start().map_err(|e| Failure::environment(e.to_string()))?, target),
        }
    }

    /// Brings the cloud up on an engine.
    pub fn on(mut engine: Box<dyn Engine>, target: &Target) -> Result<Prober> {
        let (model, fabric) = (target.model.clone(), Arc::new(Fabric::compile(&target.model)));
        engine.apply(&model, &fabric).map_err(|e| Failure::environment(e.to_string()))?;
        Ok(Prober { called: Called::of(&fabric), model, fabric, carrier: Carrier::Own(engine) })
    }

    /// Everybody who may send or receive: running instances by name, then named places outside, then the internet.
    pub fn places(&self) -> Vec<Place> {
        places(&self.fabric, &self.called)
    }

    /// What a selector means. Errors: nothing.
    pub fn ends(&self, selector: &Selector) -> Result<Vec<End>> {
        let ends = selector
            .ends(&self.model)
            .map_err(|e| super::ends::nothing(&e))?;
        match ends.is_empty() {
            true => Err(Failure::usage(format!("`{selector}` selects nothing"))),
            false => Ok(ends),
        }
    }

    /// Every sender with every address of the receivers; nobody is paired with itself. Addresses of IPv6 as such are asked over IPv6.
    pub fn pairs(&self, from: &Selector, sources: &[End], destinations: &[End]) -> Result<Vec<Pair>> {
        if !destinations.is_empty() && destinations.iter().all(super::ends::is_ipv6) {
            return self.ipv6_pairs(from, sources, destinations);
        }
        let bad = |e: EndError| Failure::usage(e.to_string());
        let mut pairs = Vec::new();
        for source in sources {
            for sender in self.fabric.senders(source).map_err(bad)? {
                for end in destinations.iter().filter(|end| *end != source) {
                    let addresses = match self.fabric.destinations(&sender, end) {
                        Ok(addresses) => self.of_one_family(&sender, addresses).into_iter().map(Some).collect(),
                        Err(EndError::NoPublicAddress(_)) => vec![None],
                        Err(other) => return Err(bad(other)),
                    };
                    let pair = |to| Pair {
                        from: self.sender_name(from, &sender),
                        sender: sender.clone(),
                        end: end.clone(),
                        to,
                        to_name: self.end_name(end),
                    };
                    pairs.extend(addresses.into_iter().map(pair));
                }
            }
        }
        Ok(pairs)
    }

    /// The same over IPv6; who has no address of it is left out.
    pub fn ipv6_pairs(&self, from: &Selector, sources: &[End], destinations: &[End]) -> Result<Vec<Pair>> {
        let bad = |e: EndError| Failure::usage(e.to_string());
        let mut pairs = Vec::new();
        for source in sources {
            let senders = self.fabric.ipv6_senders(source).map_err(bad)?;
            for sender in senders.into_iter().filter(|sender| self.fabric.speaks(sender, Family::V6)) {
                for end in destinations.iter().filter(|end| *end != source) {
                    let addresses = match self.fabric.ipv6_destinations(&sender, end) {
                        Ok(addresses) => addresses,
                        Err(EndError::NoIpv6Address(_)) => continue,
                        Err(other) => return Err(bad(other)),
                    };
                    pairs.extend(addresses.into_iter().map(|to| Pair {
                        from: self.sender_name(from, &sender),
                        sender: sender.clone(),
                        end: end.clone(),
                        to: Some(to),
                        to_name: self.end_name(end),
                    }));
                }
            }
        }
        Ok(pairs)
    }

    /// Of several addresses those that a sender can ask at all; one that was typed is asked, come what may.
    fn of_one_family(&self, sender: &Sender, addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        match addresses.len() {
            0 | 1 => addresses,
            _ => addresses.into_iter().filter(|to| self.fabric.speaks(sender, Family::of(*to))).collect(),
        }
    }

    /// Sends packets, all at once where the engine can; what was seen of each, in order.
    pub fn probe_all(&mut self, tries: &[(&Pair, ProbePacket)]) -> Result<Vec<Seen>> {
        let mut seen = Vec::with_capacity(tries.len());
        for part in tries.chunks(AT_ONCE) {
            seen.extend(self.probe_some(part)?);
        }
        Ok(seen)
    }

    /// The same with an engine that forgets every flow before each packet: what the network means, whatever was sent
    /// before. Only for an engine of this command's own.
    pub fn probe_apart(&mut self, tries: &[(&Pair, ProbePacket)]) -> Result<Vec<Seen>> {
        let mut seen = Vec::with_capacity(tries.len());
        for one in tries.chunks(1) {
            if let Carrier::Own(engine) = &mut self.carrier {
                engine.reset().map_err(|e| Failure::environment(e.to_string()))?;
            }
            seen.extend(self.probe_some(one)?);
        }
        Ok(seen)
    }

    fn probe_some(&mut self, tries: &[(&Pair, ProbePacket)]) -> Result<Vec<Seen>> {
        let mut requests: Vec<Request> = Vec::new();
        for (pair, packet) in tries {
            // A pair without an address has nothing to send.
            let Some(to) = pair.to else { continue };
            let listener = if self.listens(pair, *packet) { ListenerState::Open } else { ListenerState::Closed };
            let probe = PacketProbe { listener, ..PacketProbe::new(pair.sender.clone(), to, traffic_of(*packet, to)?) };
            requests.push(Probe::Packet(probe).into());
        }
        let mut answers = match &mut self.carrier {
            Carrier::Own(engine) => engine.probe_all(&requests).into_iter().map(|answer| answer.map_err(|e| e.to_string())).collect(),
            Carrier::Lab(running) => running.probe(&requests)?,
        }
        .into_iter();
        let seen = |(pair, packet): &(&Pair, ProbePacket)| {
            if pair.to.is_none() {
                return Ok(Seen::NoPublicAddress);
            }
            let failed = |why: String| Failure::environment(format!("{} {packet}: {why}", pair.text()));
            let answer = answers.next().ok_or_else(|| failed("no answer".to_owned()))?;
            seen(answer.map_err(failed)?.outcome)
        };
        tries.iter().map(seen).collect()
    }

    /// The compiled cloud, for names.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// Instances answer at what their file says, published ports of containers included; the hosts of the internet at every port.
    fn listens(&self, pair: &Pair, packet: ProbePacket) -> bool {
        let own = match packet {
            ProbePacket::Tcp(port) => Listener::Tcp(port),
            ProbePacket::Udp(port) => Listener::Udp(port),
            ProbePacket::Icmp { .. } | ProbePacket::Icmpv6 { .. } | ProbePacket::Other(_) => return true,
        };
        let instance = match &pair.end {
            End::Interface { instance, .. } => instance.clone(),
            End::Address(_) | End::Block(_) => match pair.to.and_then(|to| self.fabric.find_address(to)) {
                Some(fabric::Entity::Interface(index)) => {
                    self.model.network_interfaces.get(&self.fabric.interfaces[index].id).and_then(|eni| eni.instance_id().cloned())
                }
                _ => return true,
            },
            End::Outside(_) | End::Internet => return true,
        };
        let Some(id) = instance else { return false };
        let published = || self.model.published_ports(&id).into_iter().any(|traffic| match (traffic, own) {
            (TrafficMatch::Tcp(ports), Listener::Tcp(port)) | (TrafficMatch::Udp(ports), Listener::Udp(port)) => ports.contains(port),
            _ => false,
        });
        // In a lab that is up the container itself answers, or nobody does.
        let stands_in = !matches!(self.carrier, Carrier::Lab(_));
        self.model.guests.get(&id).is_some_and(|guest| guest.listen.contains(&own)) || (stands_in && published())
    }

    /// An end's name.
    pub fn end_name(&self, end: &End) -> String {
        match end {
            End::Interface { interface, .. } => self.interface_name(interface),
            End::Outside(name) => name.clone(),
            End::Internet => "internet".to_owned(),
            End::Address(address) => address.to_string(),
            End::Block(block) => block.to_string(),
        }
    }

    fn interface_name(&self, id: &model::NetworkInterfaceId) -> String {
        self.fabric.interface_by_id(id).map_or_else(|| id.to_string(), |index| self.called.name(&self.fabric, index).to_owned())
    }

    fn sender_name(&self, written: &Selector, sender: &Sender) -> String {
        match sender {
            Sender::Interface(id) | Sender::Container(id) => self.interface_name(id),
            Sender::Outside(address) => format!("{written} ({address})"),
        }
    }
}

/// Running instances by name, then the named places outside, then the internet.
fn places(fabric: &Fabric, called: &Called) -> Vec<Place> {
    let own = |(index, interface): (InterfaceIndex, &fabric::Interface)| {
        let instance = &fabric.instances[interface.instance()?];
        let is_running = instance.state == model::InstanceState::Running;
        let end = End::Interface { interface: interface.id.clone(), instance: Some(instance.id.clone()) };
        is_running.then(|| Place { name: called.name(fabric, index).to_owned(), selector: Selector::Named(interface.name.clone()), end })
    };
    let mut places: Vec<Place> = fabric.interfaces.iter().filter_map(own).collect();
    places.sort_by_cached_key(|place| natural(&place.name));
    let outside = fabric.outside.values().map(|host| host.name.clone()).collect::<BTreeSet<_>>();
    places.extend(outside.into_iter().map(|name| Place {
        selector: Selector::Named(name.clone()),
        end: End::Outside(name.clone()),
        name,
    }));
    places.push(Place { name: "internet".to_owned(), selector: Selector::Internet, end: End::Internet });
    places
}

fn seen(outcome: Outcome) -> Result<Seen> {
    match outcome {
        Outcome::Allowed(arrival) => Ok(Seen::Open(arrival.source)),
        Outcome::Refused { .. } => Ok(Seen::Refused),
        Outcome::Dropped(drop) => Ok(Seen::Dropped { is_reply: drop.leg == Leg::Return, at: drop.at }),
        Outcome::Observed(seen) => Err(Failure::environment(format!("the engine answered {seen:?}"))),
    }
}

/// The packets that stand for some traffic, or why no packets can.
pub fn packets(traffic: &[TrafficMatch]) -> std::result::Result<Vec<ProbePacket>, String> {
    let mut packets = Vec::new();
    for traffic in traffic {
        match traffic {
            TrafficMatch::Tcp(range) | TrafficMatch::Udp(range) => {
                if u32::from(range.to) - u32::from(range.from) >= MAX_PORTS {
                    return Err(format!("probes cannot try {traffic}: name at most {MAX_PORTS} ports"));
                }
                let is_tcp = matches!(traffic, TrafficMatch::Tcp(_));
                packets.extend((range.from..=range.to).map(|port| if is_tcp { ProbePacket::Tcp(port) } else { ProbePacket::Udp(port) }));
            }
            TrafficMatch::Icmp(icmp) => match (icmp.icmp_type, icmp.code) {
                (Some(icmp_type), code) => packets.push(ProbePacket::Icmp { icmp_type, code: code.unwrap_or(0) }),
                (None, _) => packets.push(ProbePacket::ECHO),
            },
            TrafficMatch::Other(number) => packets.push(ProbePacket::Other(*number)),
            TrafficMatch::Icmpv6(icmp) => match (icmp.icmp_type, icmp.code) {
                (Some(icmp_type), code) => packets.push(ProbePacket::Icmpv6 { icmp_type, code: code.unwrap_or(0) }),
                (None, _) => packets.push(ProbePacket::ECHO_V6),
            },
            TrafficMatch::All => return Err(format!("probes cannot try `{traffic}`: name a protocol and ports")),
        }
    }
    Ok(packets)
}

/// What is sent to an address, which says the family. Errors: that has no such message.
pub fn traffic_of(packet: ProbePacket, to: IpAddr) -> Result<Traffic> {
    let over = match (to, packet) {
        (IpAddr::V6(_), packet) => packet.over_ipv6(),
        (IpAddr::V4(_), ProbePacket::Icmpv6 { .. }) => None,
        (IpAddr::V4(_), packet) => Some(packet),
    };
    let wrong = || {
        let hint = "over IPv4 ask for icmp/TYPE, over IPv6 for icmpv6/TYPE; icmp/echo is meant for either";
        Failure::usage(format!("{packet} is not sent to {to}: it is a message of the other family")).hint(hint)
    };
    Ok(match over.ok_or_else(wrong)? {
        ProbePacket::Tcp(destination_port) => Traffic::Tcp { source_port: SOURCE_PORT, destination_port },
        ProbePacket::Udp(destination_port) => Traffic::Udp { source_port: SOURCE_PORT, destination_port },
        ProbePacket::Icmp { icmp_type, code } | ProbePacket::Icmpv6 { icmp_type, code } => Traffic::Icmp { icmp_type, code },
        ProbePacket::Other(number) => Traffic::Other(number),
    })
}
