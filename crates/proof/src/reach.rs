//! Who reaches whom with what: every pair of places, every packet.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use fabric::engine::{EngineError, PacketProbe, Sender, Traffic};
use fabric::index::{InterfaceIndex, RowIndex};
use fabric::walker::Verdict;
use fabric::{EndError, Fabric, explain};
use model::{PortRange, ProbePacket};
use serde::Serialize;

use crate::atom::Atoms;
use crate::bits::Bits;
use crate::class::{Class, Classes};
use crate::plain::{Passing, Plain};
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

/// Who reaches whom with what. Answers are found when they are asked for and kept: by class, because places of one class
/// cannot be told apart.
#[derive(Debug, Clone)]
pub struct Reach {
    places: Vec<Place>,
    classes: Arc<Classes>,
    asked: Arc<Asked>,
}

/// A cloud, and what is known of it by now.
#[derive(Debug)]
struct Asked {
    fabric: Fabric,
    atoms: Atoms,
    plain: Plain,
    known: RwLock<HashMap<(u32, u32), Arc<Between>>>,
    sets: RwLock<HashMap<Bits, TrafficSet>>,
}

/// What a change of the cloud may touch.
pub(crate) struct Change<'r> {
    pub(crate) fabric: &'r mut Fabric,
    pub(crate) atoms: &'r Atoms,
    pub(crate) plain: &'r mut Plain,
    pub(crate) places: &'r mut Vec<Place>,
    pub(crate) classes: &'r mut Classes,
}

impl Reach {
    /// Makes ready to answer for every pair of places and every packet between them.
    pub fn of(fabric: &Fabric, options: Options) -> Result<Self, EngineError> {
        let places = Place::all(fabric);
        let atoms = Atoms::of(fabric, options.ephemeral);
        let classes = Arc::new(Classes::of(fabric, &places));
        let plain = Plain::of(fabric, &atoms);
        let (known, sets) = (RwLock::default(), RwLock::default());
        let asked = Arc::new(Asked { fabric: fabric.clone(), atoms, plain, known, sets });
        Ok(Self { places, classes, asked })
    }

    /// Everybody.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Every place with its index, in order.
    pub fn indices(&self) -> impl Iterator<Item = (PlaceIndex, Place)> + '_ {
        self.places.iter().enumerate().map(|(row, place)| (PlaceIndex::from_usize(row), *place))
    }

    /// The classes of places that nobody can tell apart, in the order of their first members (in a proof that took over
    /// edits, parts of what was one class come behind all other classes of interfaces).
    pub fn classes(&self) -> &[Class] {
        &self.classes.classes
    }

    /// The class of a place, by its position in [`Reach::classes`].
    pub fn class_of(&self, place: PlaceIndex) -> usize {
        self.classes.of[place.as_usize()] as usize
    }

    /// The distinctions between packets that the cloud makes.
    pub fn atoms(&self) -> &Atoms {
        &self.asked.atoms
    }

    /// What one place can say to another. Nobody asks itself over the network, how hosts outside reach each other is
    /// not the cloud's affair, and no packet is of two families: nothing.
    pub fn between(&self, from: PlaceIndex, to: PlaceIndex) -> Between {
        let place = |place: PlaceIndex| self.places[place.as_usize()];
        if from == to || (place(from).is_outside() && place(to).is_outside()) || place(from).family() != place(to).family() {
            return Between::default();
        }
        let of = &self.classes.of;
        let key = (of[from.as_usize()], of[to.as_usize()]);
        // A lock that a panic left behind guards answers that are true all the same.
        if let Some(known) = self.asked.known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return (**known).clone();
        }
        let between = self.asked.ask(self.places[from.as_usize()], self.places[to.as_usize()]);
        self.asked.known.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(between.clone()));
        between
    }

    /// What somebody of one class can say to somebody else of another; `None` where there is nobody else.
    pub fn between_classes(&self, from: usize, to: usize) -> Option<Between> {
        let (sender, receivers) = (self.classes()[from].members[0], &self.classes()[to].members);
        let receiver = receivers.iter().find(|receiver| **receiver != sender)?;
        Some(self.between(sender, *receiver))
    }
}

impl Reach {
    pub(crate) fn fabric(&self) -> &Fabric {
        &self.asked.fabric
    }

    /// What a change may touch; `None` while a clone of this proof answers by it. Answers that are kept are forgotten.
    pub(crate) fn change(&mut self) -> Option<Change<'_>> {
        let classes = Arc::get_mut(&mut self.classes)?;
        let Asked { fabric, atoms, plain, known, .. } = Arc::get_mut(&mut self.asked)?;
        known.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        Some(Change { fabric, atoms, plain, places: &mut self.places, classes })
    }

    pub(crate) fn plain(&self) -> &Plain {
        &self.asked.plain
    }

    pub(crate) fn is_alone(&self, interface: InterfaceIndex) -> bool {
        self.asked.is_alone(interface)
    }
}

impl Asked {
    fn ask(&self, from: Place, to: Place) -> Between {
        if let (Place::Interface(sender), Place::Interface(receiver)) = (from, to)
            && self.is_alone(sender)
            && self.is_alone(receiver)
            && let Some(Passing { request, both }) = self.plain.between(&self.fabric, sender, receiver)
        {
            return Between { request: self.set(request), both: self.set(both) };
        }
        // The walker refuses ends that are not there and addresses of two families; places are neither.
        walk(&self.fabric, &self.atoms, from, to).unwrap_or_default()
    }

    /// Whether an interface is the only one of its system.
    fn is_alone(&self, interface: InterfaceIndex) -> bool {
        let instance = self.fabric.interfaces[interface].instance();
        instance.is_some_and(|instance| self.fabric.instances[instance].interfaces.len() == 1)
    }

    fn set(&self, atoms: Bits) -> TrafficSet {
        if let Some(known) = self.sets.read().unwrap_or_else(PoisonError::into_inner).get(&atoms) {
            return known.clone();
        }
        let all: Vec<&TrafficSet> = self.atoms.iter().map(|atom| &atom.traffic).collect();
        let set = TrafficSet::union_of(atoms.iter().map(|number| all[number]));
        self.sets.write().unwrap_or_else(PoisonError::into_inner).insert(atoms, set.clone());
        set
    }
}

/// Asks the walker about one packet of every atom; between two families there is none.
pub fn walk(
    fabric: &Fabric,
    atoms: &Atoms,
    from: Place,
    to: Place,
) -> Result<Between, EngineError> {
    if from.family() != to.family() {
        return Ok(Between::default());
    }
    let sender = from.sender(fabric);
    let address = match fabric.destinations(&sender, &to.end(fabric)) {
        Ok(addresses) => addresses.first().copied(),
        Err(EndError::NoPublicAddress(_)) => None,
        Err(other) => return Err(EngineError::BadProbe(other.to_string())),
    };
    let Some(address) = address else {
        return Ok(Between::default());
    };
    let (mut requests, mut answered) = (Vec::new(), Vec::new());
    for atom in atoms.of_family(from.family()) {
        let (request, both) = arrives(fabric, &sender, address, atom.packet, atoms.reply_ports())?;
        requests.extend(request.then_some(&atom.traffic));
        answered.extend(both.then_some(&atom.traffic));
    }
    Ok(Between { request: TrafficSet::union_of(requests), both: TrafficSet::union_of(answered) })
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
