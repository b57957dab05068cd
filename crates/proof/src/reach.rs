//! Who reaches whom with what: every pair of places, every packet.

use std::net::IpAddr;

use fabric::engine::{EngineError, PacketProbe, Sender, Traffic};
use fabric::index::RowIndex;
use fabric::walker::Verdict;
use fabric::{EndError, Fabric, explain};
use model::{PortRange, ProbePacket};
use serde::Serialize;

use crate::atom::Atoms;
use crate::place::{Place, PlaceIndex};
use crate::traffic::TrafficSet;

/// What a proof takes for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The ports that clients send from; an answer must come through to every one of them.
    pub ephemeral: PortRange,
}

impl Default for Options {
    /// What AWS asks of network ACLs: 1024-65535.
    fn default() -> Self {
        Self {
            ephemeral: PortRange {
                from: 1_024,
                to: u16::MAX,
            },
        }
    }
}

/// What two places can say to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Between {
    /// Requests that arrive.
    pub request: TrafficSet,
    /// Those of them whose answers arrive too, or that nobody answers.
    pub both: TrafficSet,
}

/// Who reaches whom with what.
#[derive(Debug, Clone)]
pub struct Reach {
    places: Vec<Place>,
    between: Vec<Between>,
}

impl Reach {
    /// Answers for every pair of places and every IPv4 packet.
    pub fn of(fabric: &Fabric, options: Options) -> Result<Self, EngineError> {
        let places = Place::all(fabric);
        let atoms = Atoms::of(fabric, options.ephemeral);
        let mut between = Vec::with_capacity(places.len().pow(2));
        for from in &places {
            for to in &places {
                between.push(match from == to || (from.is_outside() && to.is_outside()) {
                    // Nobody asks itself over the network, and how hosts outside reach each other is not the cloud's affair.
                    true => Between::default(),
                    false => walk(fabric, &atoms, *from, *to)?,
                });
            }
        }
        Ok(Self { places, between })
    }

    /// Everybody.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Every place with its index, in order.
    pub fn indices(&self) -> impl Iterator<Item = (PlaceIndex, Place)> + '_ {
        self.places
            .iter()
            .enumerate()
            .map(|(row, place)| (PlaceIndex::from_usize(row), *place))
    }

    /// What one place can say to another.
    pub fn between(&self, from: PlaceIndex, to: PlaceIndex) -> Between {
        self.between[from.as_usize() * self.places.len() + to.as_usize()].clone()
    }
}

/// Asks the walker about one packet of every atom.
pub fn walk(
    fabric: &Fabric,
    atoms: &Atoms,
    from: Place,
    to: Place,
) -> Result<Between, EngineError> {
    let sender = from.sender(fabric);
    let address = match fabric.destinations(&sender, &to.end(fabric)) {
        Ok(addresses) => addresses.first().copied(),
        Err(EndError::NoPublicAddress(_)) => None,
        Err(other) => return Err(EngineError::BadProbe(other.to_string())),
    };
    let mut between = Between::default();
    let Some(address) = address else {
        return Ok(between);
    };
    for atom in atoms.iter() {
        let (request, both) = arrives(fabric, &sender, address, atom.packet, atoms.reply_ports())?;
        if request {
            between.request = between.request.union(&atom.traffic);
        }
        if both {
            between.both = between.both.union(&atom.traffic);
        }
    }
    Ok(between)
}

/// Whether a request arrives from every source port, and whether its answer does.
fn arrives(
    fabric: &Fabric,
    from: &Sender,
    to: IpAddr,
    packet: ProbePacket,
    source_ports: &[u16],
) -> Result<(bool, bool), EngineError> {
    // Only answers to ports depend on the port that they go to.
    let source_ports = if packet.port().is_some() {
        source_ports
    } else {
        &source_ports[..1]
    };
    let (mut request, mut both) = (true, true);
    for source_port in source_ports {
        let probe = PacketProbe::new(from.clone(), to, traffic(packet, *source_port));
        let verdict = explain(fabric, &probe)?.verdict;
        request &= verdict != Verdict::Denied;
        both &= verdict == Verdict::Allowed;
    }
    Ok((request, both))
}

/// A packet as an engine sends it.
pub fn traffic(packet: ProbePacket, source_port: u16) -> Traffic {
    match packet {
        ProbePacket::Tcp(destination_port) => Traffic::Tcp {
            source_port,
            destination_port,
        },
        ProbePacket::Udp(destination_port) => Traffic::Udp {
            source_port,
            destination_port,
        },
        ProbePacket::Icmp { icmp_type, code } | ProbePacket::Icmpv6 { icmp_type, code } => {
            Traffic::Icmp { icmp_type, code }
        }
        ProbePacket::Other(number) => Traffic::Other(number),
    }
}
