//! A cloud on an engine, and probes through it: what `check` and `test` share.

use std::net::IpAddr;
use std::sync::Arc;

use conformance::EngineName;
use fabric::engine::{Leg, ListenerState, Outcome, PacketProbe, Probe, Sender, Traffic};
use fabric::{Component, EndError, Engine, Fabric};
use model::guest::Listener;
use model::selector::End;
use model::{Model, ProbePacket, Selector};

use crate::exit::{Failure, Result};

/// Source port of every probe, of the ephemeral range.
const SOURCE_PORT: u16 = 49_152;

/// A cloud that an engine carries.
pub struct Prober {
    model: Arc<Model>,
    fabric: Arc<Fabric>,
    engine: Box<dyn Engine>,
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

/// One sender and one address.
pub struct Pair {
    /// What was typed for the sender.
    pub from: String,
    /// The sender.
    pub sender: Sender,
    /// The receiver as an end.
    pub end: End,
    /// Its address; `None`: it has no public one.
    pub to: Option<IpAddr>,
}

impl Prober {
    /// Starts the engine and brings the cloud up on it.
    pub fn start(model: &Model, engine: &str) -> Result<Prober> {
        let named = EngineName::parse(engine).ok_or_else(|| Failure::usage(format!("no engine is named `{engine}`")))?;
        let (model, fabric) = (Arc::new(model.clone()), Arc::new(Fabric::compile(model)));
        let mut engine = named.start().map_err(|e| Failure::environment(e.to_string()))?;
        engine.apply(&model, &fabric).map_err(|e| Failure::environment(e.to_string()))?;
        Ok(Prober { model, fabric, engine })
    }

    /// What a selector means. Errors: nothing.
    pub fn ends(&self, selector: &Selector) -> Result<Vec<End>> {
        let ends = selector
            .ends(&self.model)
            .map_err(|e| Failure::usage(e.to_string()).hint(format!("there are: {}", e.known.join(", "))))?;
        match ends.is_empty() {
            true => Err(Failure::usage(format!("`{selector}` selects nothing"))),
            false => Ok(ends),
        }
    }

    /// Every sender with every address of the receivers; nobody is paired with itself.
    pub fn pairs(&self, from: &Selector, sources: &[End], destinations: &[End]) -> Result<Vec<Pair>> {
        let bad = |e: EndError| Failure::usage(e.to_string());
        let mut pairs = Vec::new();
        for source in sources {
            for sender in self.fabric.senders(source).map_err(bad)? {
                for end in destinations.iter().filter(|end| *end != source) {
                    let addresses = match self.fabric.destinations(&sender, end) {
                        Ok(addresses) => addresses.into_iter().map(Some).collect(),
                        Err(EndError::NoPublicAddress(_)) => vec![None],
                        Err(other) => return Err(bad(other)),
                    };
                    let pair = |to| Pair { from: self.sender_name(from, &sender), sender: sender.clone(), end: end.clone(), to };
                    pairs.extend(addresses.into_iter().map(pair));
                }
            }
        }
        Ok(pairs)
    }

    /// Sends one packet.
    pub fn probe(&mut self, pair: &Pair, packet: ProbePacket) -> Result<Seen> {
        let Some(to) = pair.to else { return Ok(Seen::NoPublicAddress) };
        let listener = if self.listens(pair, packet) { ListenerState::Open } else { ListenerState::Closed };
        let probe = PacketProbe { listener, ..PacketProbe::new(pair.sender.clone(), to, traffic_of(packet)?) };
        let answer = self.engine.probe(&Probe::Packet(probe).into()).map_err(|e| Failure::environment(e.to_string()))?;
        match answer.outcome {
            Outcome::Allowed(arrival) => Ok(Seen::Open(arrival.source)),
            Outcome::Refused { .. } => Ok(Seen::Refused),
            Outcome::Dropped(drop) => Ok(Seen::Dropped { is_reply: drop.leg == Leg::Return, at: drop.at }),
            Outcome::Observed(seen) => Err(Failure::environment(format!("the engine answered {seen:?}"))),
        }
    }

    /// Whether an address is one that a NAT gateway sends from.
    pub fn is_nat(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        self.model.nat_gateways.values().any(|nat| {
            let elastic = nat.allocation_id.as_ref().and_then(|id| self.model.addresses.get(id));
            if nat.is_public { elastic.is_some_and(|e| e.public_ip == address) } else { nat.private_ip == Some(address) }
        })
    }

    /// Whether an interface carries a security group of this name or id.
    pub fn carries(&self, interface: fabric::InterfaceIndex, group: &str) -> bool {
        let eni = self.model.network_interfaces.get(&self.fabric.interfaces[interface].id);
        model::selector::security_groups(&self.model, group).any(|g| eni.is_some_and(|eni| eni.groups.contains(&g.id)))
    }

    /// Whether a subnet's network ACL has this name or id.
    pub fn is_filtered_by(&self, subnet: fabric::SubnetIndex, acl: &str) -> bool {
        let subnet = &self.fabric.subnets[subnet].id;
        self.model.network_acls.values().any(|a| {
            let is_named = a.id.as_str() == acl || model::tag::name(&a.tags) == Some(acl);
            is_named && a.associations.iter().any(|s| s.subnet_id == *subnet)
        })
    }

    /// The compiled cloud, for names.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// Instances answer at what their file says; the hosts of the internet at every port.
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
        instance.and_then(|id| self.model.guests.get(&id)).is_some_and(|guest| guest.listen.contains(&own))
    }

    fn sender_name(&self, written: &Selector, sender: &Sender) -> String {
        match sender {
            Sender::Interface(id) | Sender::Container(id) => {
                self.fabric.interface_by_id(id).map_or_else(|| id.to_string(), |index| self.fabric.interfaces[index].name.clone())
            }
            Sender::Outside(address) => format!("{written} ({address})"),
        }
    }
}

fn traffic_of(packet: ProbePacket) -> Result<Traffic> {
    Ok(match packet {
        ProbePacket::Tcp(destination_port) => Traffic::Tcp { source_port: SOURCE_PORT, destination_port },
        ProbePacket::Udp(destination_port) => Traffic::Udp { source_port: SOURCE_PORT, destination_port },
        ProbePacket::Icmp { icmp_type, code } => Traffic::Icmp { icmp_type, code },
        ProbePacket::Other(number) => Traffic::Other(number),
        ProbePacket::Icmpv6 { .. } => return Err(Failure::usage("ICMPv6 is not built yet")),
    })
}
