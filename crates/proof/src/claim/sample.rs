//! Which packets are worth sending for real beside a proof: one pair for each class of pairs, and of each kind of
//! packet that some rule tells apart the plainest one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fabric::Family;
use fabric::engine::{EngineError, Sender};
use model::claim::Expected;
use model::{Claim, ProbePacket, TrafficMatch};

use super::{Broken, Party, Prover, is_pair};
use crate::traffic::TrafficSet;

/// One packet from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Who sends.
    pub from: Party,
    /// Who receives.
    pub to: Party,
    /// At this address.
    pub address: IpAddr,
    /// What.
    pub packet: ProbePacket,
}

/// What is the same for all interfaces of a class: their subnet, groups, services and gateways decide the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Interface(Box<Likeness>),
    Own(Sender),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    subnet: u32,
    groups: Vec<u32>,
    is_checked: bool,
    is_public: bool,
    is_running: bool,
    answers: TrafficSet,
}

impl Prover<'_> {
    /// Packets that show for real what a claim says: of each class of pairs the first.
    pub fn samples(&self, claim: &Claim) -> Result<Vec<Sample>, EngineError> {
        let Ok((named, others)) = self.sources(claim) else {
            return Ok(Vec::new());
        };
        let Ok(destinations) = self.destinations(claim) else {
            return Ok(Vec::new());
        };
        let traffic = [Family::V4, Family::V6].map(|family| TrafficSet::of_any(&claim.traffic.0).over(family));
        let mut known = BTreeSet::new();
        let mut samples = Vec::new();
        for from in named
            .iter()
            .chain(&others)
            .filter(|from| self.is_there(from))
        {
            for to in destinations.iter().filter(|to| self.is_there(to)) {
                let is_new = is_pair(from, to) && known.insert((self.class(from), self.class(to), to.family()));
                let address = if is_new {
                    self.address(from, to)?
                } else {
                    None
                };
                if let Some(address) = address {
                    let [v4, v6] = &traffic;
                    let packets = self.packets(claim, if to.family() == Family::V4 { v4 } else { v6 }, to);
                    samples.extend(packets.into_iter().map(|packet| Sample {
                        from: from.clone(),
                        to: to.clone(),
                        address,
                        packet,
                    }));
                }
            }
        }
        Ok(samples)
    }

    /// The same of a pair that breaks a promise.
    pub fn witness(&self, broken: &Broken) -> Option<Sample> {
        let is_there = self.is_there(&broken.from) && self.is_there(&broken.to);
        Some(Sample {
            from: (*broken.from).clone(),
            to: (*broken.to).clone(),
            address: broken.address.filter(|_| is_there)?,
            packet: sendable(&TrafficSet::packet(broken.packet), broken.to.family())?,
        })
    }

    /// Whether real packets find anybody there: a host that stands for a block which only a claim names is nowhere.
    fn is_there(&self, party: &Party) -> bool {
        match &party.who {
            Sender::Outside(address) => self.real.is_outside_host(*address),
            Sender::Interface(_) | Sender::Container(_) => true,
        }
    }

    fn class(&self, party: &Party) -> Class {
        let (Sender::Interface(id) | Sender::Container(id)) = &party.who else {
            return Class::Own(party.who.clone());
        };
        let Some(index) = self.fabric.interface_by_id(id) else {
            return Class::Own(party.who.clone());
        };
        let interface = &self.fabric.interfaces[index];
        Class::Interface(Box::new(Likeness {
            subnet: interface.subnet.0,
            groups: interface.groups.iter().map(|group| group.0).collect(),
            is_checked: interface.source_dest_check,
            is_public: interface.addresses.iter().any(|own| own.public.is_some()),
            is_running: interface.status.is_running(),
            answers: self.answers(party),
        }))
    }

    fn packets(&self, claim: &Claim, traffic: &TrafficSet, to: &Party) -> BTreeSet<ProbePacket> {
        let answers = self.answers(to);
        let named = claim.traffic.0.iter().filter_map(|named| match named {
            TrafficMatch::Other(number) => Some(ProbePacket::Other(*number)),
            _ => None,
        });
        let mut all: BTreeSet<ProbePacket> = named.collect();
        for atom in self.atoms.of_family(to.family()) {
            let part = atom.traffic.intersection(traffic);
            all.extend(sendable(&part, to.family()));
            // A service answers at one port and not at the next.
            if matches!(claim.expected, Expected::Open | Expected::Refused) {
                all.extend(sendable(&part.intersection(&answers), to.family()));
                all.extend(sendable(&part.difference(&answers), to.family()));
            }
        }
        all
    }
}

/// A packet of a set that a host can send over a family and another would answer.
fn sendable(set: &TrafficSet, family: Family) -> Option<ProbePacket> {
    let packet = set.lowest()?;
    match packet {
        ProbePacket::Tcp(0) | ProbePacket::Udp(0) => None,
        ProbePacket::ECHO_V6 if family == Family::V6 => Some(packet),
        ProbePacket::Icmpv6 { .. } => None,
        // Hosts answer no other message.
        ProbePacket::Icmp { icmp_type, code } => {
            (code == 0 && matches!(icmp_type, 8 | 13)).then_some(packet)
        }
        // Without ports or numbers, a question the other way round is an answer to this one (SG-16): whatever was sent
        // before would decide.
        ProbePacket::Other(_) => None,
        ProbePacket::Tcp(_) | ProbePacket::Udp(_) => Some(packet),
    }
}
