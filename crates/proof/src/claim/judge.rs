//! Decides one pair: which packets are not as a claim says, exactly.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::Family;
use fabric::engine::{Engine, EngineError, ListenerState, Outcome, PacketProbe, Probe, Sender};
use fabric::{Component, Walker};
use model::claim::{Expected, Sources};
use model::traffic::protocol;
use model::{Claim, PortRange, TrafficMatch};

use super::node::{Node, Stop};
use super::{Breach, Broken, Party, Prover, Undecided};
use crate::atom::Atom;
use crate::reach::{self, Between};
use crate::traffic::TrafficSet;

/// A claim, its names resolved.
pub(super) struct Judge<'p, 'a> {
    prover: &'p Prover<'a>,
    claim: &'p Claim,
    /// What the claim names, over IPv4 and over IPv6.
    traffic: [TrafficSet; 2],
    stop: Option<Stop>,
    nodes: Vec<(String, Node)>,
}

impl<'p, 'a> Judge<'p, 'a> {
    pub fn of(prover: &'p Prover<'a>, claim: &'p Claim) -> Result<Self, Undecided> {
        let stop = match &claim.expected {
            Expected::Blocked(Some(blocker)) => Some(Stop::of(prover, blocker)?),
            Expected::NoRoute => Some(Stop::NoRoute),
            Expected::NoPublicAddress => Some(Stop::NoPublicAddress),
            _ => None,
        };
        let traffic = TrafficSet::of_any(&claim.traffic.0);
        let mut nodes = Vec::new();
        for waypoint in claim.through.iter().chain(&claim.via) {
            nodes.push((waypoint.to_string(), Node::of(prover, waypoint)?));
        }
        Ok(Self {
            prover,
            claim,
            traffic: [Family::V4, Family::V6].map(|family| traffic.over(family)),
            stop,
            nodes,
        })
    }

    fn traffic(&self, family: Family) -> &TrafficSet {
        let [v4, v6] = &self.traffic;
        if family == Family::V4 { v4 } else { v6 }
    }

    /// A pair that the claim names.
    pub fn named(&self, from: &Party, to: &Party) -> Result<Option<Broken>, EngineError> {
        let prover = self.prover;
        let Some(address) = prover.address(from, to)? else {
            // Nothing can be sent: as good as blocked, and no stage's merit.
            let holds = matches!(
                self.claim.expected,
                Expected::NoPublicAddress | Expected::Blocked(None)
            );
            let broken = (!holds).then(|| (self.traffic(to.family()).clone(), Breach::Result));
            return Ok(broken.and_then(|(bad, breach)| self.broken(from, to, None, bad, breach)));
        };
        let between = prover.between(from, to)?;
        let (bad, breach) = self.wrong(from, to, address, &between)?;
        if !bad.is_empty() {
            return Ok(self.broken(from, to, Some(address), bad, breach));
        }
        for (name, node) in &self.nodes {
            let bypassing = self.packets(to.family(), |atom| {
                let way = prover.worst(&from.who, address, atom.packet)?;
                Ok(!node.is_passed(&prover.fabric, &way.request))
            })?;
            if !bypassing.is_empty() {
                let breach = Breach::Bypasses(name.clone());
                return Ok(self.broken(from, to, Some(address), bypassing, breach));
            }
        }
        Ok(None)
    }

    /// Packets of a named pair that are not as expected.
    fn wrong(
        &self,
        from: &Party,
        to: &Party,
        address: IpAddr,
        between: &Between,
    ) -> Result<(TrafficSet, Breach), EngineError> {
        let traffic = self.traffic(to.family());
        let lost = traffic.difference(&between.both);
        let exposed = traffic.intersection(&between.request);
        let answered = || self.prover.answers(to);
        Ok(match &self.claim.expected {
            Expected::Allowed => (lost, Breach::Result),
            Expected::Open => {
                let silent = traffic.difference(&answered());
                (lost.union(&silent), Breach::Result)
            }
            Expected::Refused => {
                let unrefused = self.unrefused(from, address)?;
                let open = traffic.intersection(&answered());
                (lost.union(&open).union(&unrefused), Breach::Result)
            }
            _ if !exposed.is_empty() => (exposed, Breach::Exposed),
            Expected::Blocked(None) => (exposed, Breach::Exposed),
            Expected::Blocked(Some(_)) | Expected::NoRoute | Expected::NoPublicAddress => {
                let elsewhere = self.packets(to.family(), |atom| {
                    let way = self.prover.worst(&from.who, address, atom.packet)?;
                    let at = way.request.blockers.first().map(|reason| reason.at);
                    Ok(!at.is_some_and(|at| self.stops(from, at)))
                })?;
                (elsewhere, Breach::Result)
            }
        })
    }

    fn stops(&self, from: &Party, at: Component) -> bool {
        let stop = self.stop.as_ref();
        stop.is_some_and(|stop| stop.is_at(&self.prover.fabric, &from.who, at))
    }

    /// Datagrams whose refusal is lost: it is a message (ICMP port unreachable), which a list may drop where it lets a
    /// datagram pass.
    fn unrefused(&self, from: &Party, address: IpAddr) -> Result<TrafficSet, EngineError> {
        let udp = TrafficSet::of(TrafficMatch::Udp(PortRange::ALL));
        let mut lost = TrafficSet::empty();
        let mut walker = Walker::new();
        let (model, fabric) = (self.prover.model, &self.prover.fabric);
        let mut is_ready = false;
        for atom in self.prover.atoms.iter() {
            let named = self.traffic(Family::of(address));
            let part = atom.traffic.intersection(named).intersection(&udp);
            let Some(packet) = part.lowest() else {
                continue;
            };
            debug_assert_eq!(packet.protocol(), protocol::UDP);
            if !is_ready {
                // Shared ownership is the door's form; a claim about refused datagrams is rare.
                walker.apply(&model.clone().into(), &fabric.clone().into())?;
                is_ready = true;
            }
            for port in self.prover.atoms.reply_ports() {
                let probe = PacketProbe {
                    listener: ListenerState::Closed,
                    ..PacketProbe::new(from.who.clone(), address, reach::traffic(packet, *port))
                };
                let answer = walker.probe(&Probe::Packet(probe).into())?;
                if !matches!(answer.outcome, Outcome::Refused { .. }) {
                    lost = lost.union(&part);
                }
            }
        }
        Ok(lost)
    }

    /// A pair that must not get through because the claim is about others.
    pub fn other(&self, from: &Party, to: &Party) -> Result<Option<Broken>, EngineError> {
        let exposed = self.prover.between(from, to)?.request;
        let exposed = exposed.intersection(self.traffic(to.family()));
        let (bad, breach) = match self.claim.sources {
            Sources::NothingElse if !exposed.is_empty() => {
                let stated = self.prover.stated_between(from, to);
                (exposed.difference(&stated), Breach::Unstated)
            }
            _ => (exposed, Breach::OnlyOthers),
        };
        if bad.is_empty() {
            return Ok(None);
        }
        let address = self.prover.address(from, to)?;
        Ok(self.broken(from, to, address, bad, breach))
    }

    /// The packets of the claim of which something holds, atom by atom.
    fn packets(
        &self,
        family: Family,
        holds: impl Fn(&Atom) -> Result<bool, EngineError>,
    ) -> Result<TrafficSet, EngineError> {
        let mut all = TrafficSet::empty();
        for atom in self.prover.atoms.of_family(family) {
            let part = atom.traffic.intersection(self.traffic(family));
            if !part.is_empty() && holds(atom)? {
                all = all.union(&part);
            }
        }
        Ok(all)
    }

    fn broken(
        &self,
        from: &Party,
        to: &Party,
        address: Option<IpAddr>,
        traffic: TrafficSet,
        breach: Breach,
    ) -> Option<Broken> {
        // Something that answers is a plainer witness than a port where nobody listens.
        let answered = || traffic.intersection(&self.prover.answers(to)).lowest();
        let is_exposure = breach != Breach::Result;
        let packet = is_exposure.then(answered).flatten();
        let packet = packet
            .filter(|packet| packet.port().is_some())
            .or(traffic.lowest())?;
        Some(Broken {
            from: Arc::new(from.clone()),
            to: Arc::new(to.clone()),
            address,
            traffic: Arc::new(traffic),
            packet,
            breach,
        })
    }
}

impl Stop {
    fn is_at(&self, fabric: &fabric::Fabric, from: &Sender, at: Component) -> bool {
        match self {
            // A sender inside has no public address to leave with.
            Self::NoPublicAddress => {
                matches!(at, Component::InternetGateway(_)) && matches!(from, Sender::Interface(_))
            }
            Self::NoRoute => matches!(at, Component::RouteTable(_)),
            stage => stage.is_stage(fabric, at),
        }
    }
}
