//! Answers that are lost: requests that arrive, and whose answers do not.
//!
//! What loses answers is what keeps no state, lists and routes. So a second cloud is asked first, in which every security
//! group lets everything pass: its places fall into few classes, and pairs of them that lose nothing there lose nothing
//! here, whatever the groups say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use fabric::engine::PacketProbe;
use fabric::route::NextHop;
use fabric::{Fabric, Family, Stage, explain};
use ipnet::Ipv4Net;
use model::{Model, Peer, PortRange, TrafficMatch};

use super::{Check, Finding};
use crate::class::named_blocks;
use crate::place::{Place, PlaceIndex};
use crate::reach::{Options, Reach, traffic};
use crate::traffic::TrafficSet;

/// By receiver and sender.
pub(super) fn findings(model: &Model, fabric: &Fabric, reach: &Reach) -> Vec<Finding> {
    let answers = Options::default().ephemeral;
    let ports_of_answers =
        TrafficSet::of_any(&[TrafficMatch::Tcp(answers), TrafficMatch::Udp(answers)]);
    // Entries that let answers out let requests to the same ports out too; hosts outside have no group that says whether
    // one is meant.
    let lost_between = |reach: &Reach, from: PlaceIndex, to: PlaceIndex| {
        let between = reach.between(from, to);
        let one_way = between.request.difference(&between.both);
        match reach.places()[to.0 as usize].is_outside() {
            true => one_way.difference(&ports_of_answers),
            false => one_way,
        }
    };
    let stateless = Stateless::of(model, fabric);
    let mut lost: BTreeMap<(String, String), Lost> = BTreeMap::new();
    let kinds = kinds(fabric, reach, stateless.as_ref());
    for ((outside, kind), senders) in &kinds {
        for ((outside_too, other), receivers) in &kinds {
            // How hosts outside reach each other is not the cloud's affair.
            if *outside && *outside_too {
                continue;
            }
            let most = match (kind, other, &stateless) {
                (Some(from), Some(to), Some(stateless)) => match stateless.lost(*from, *to, &lost_between) {
                    most if most.is_empty() => continue,
                    most => Some(most),
                },
                _ => None,
            };
            for (from, to) in pairs(reach, senders, receivers) {
                let (source, place) = (reach.places()[from.0 as usize], reach.places()[to.0 as usize]);
                let key = (subnet_of(fabric, source), subnet_of(fabric, place));
                let known = lost.get(&key).map(|known| &known.traffic);
                if let (Some(known), Some(most)) = (known, &most)
                    && most.is_subset(known)
                {
                    continue;
                }
                let one_way = lost_between(reach, from, to);
                if one_way.is_empty() {
                    continue;
                }
                let entry = lost.entry(key).or_insert_with(|| Lost {
                    traffic: TrafficSet::empty(),
                    stages: BTreeSet::new(),
                    origin: origin_of(fabric, place),
                });
                entry.traffic = entry.traffic.union(&one_way);
                entry.stages.extend(stages(fabric, reach, (source, place), &one_way));
            }
        }
    }
    let finding = |((from, to), Lost { traffic, stages, origin }): ((String, String), Lost)| {
        Finding::new(
            Check::AnswerLost,
            format!("{from} -> {to}"),
            format!("requests arrive, and their answers are lost on the way back: {traffic}"),
            advice(&traffic, &stages),
            &origin,
        )
    };
    lost.into_iter().map(finding).collect()
}

/// Answers between two subnets that are lost.
struct Lost {
    traffic: TrafficSet,
    /// Where, of one packet of each pair of places.
    stages: BTreeSet<Stage>,
    origin: model::Origin,
}

/// Which stages drop the answer to one packet of some traffic. Empty: the walker cannot be asked.
fn stages(fabric: &Fabric, reach: &Reach, (from, to): (Place, Place), lost: &TrafficSet) -> Vec<Stage> {
    let sender = from.sender(fabric);
    let address = match to.family() {
        Family::V4 => fabric.destinations(&sender, &to.end(fabric)),
        Family::V6 => fabric.ipv6_destinations(&sender, &to.end(fabric)),
    };
    let Some(address) = address.ok().and_then(|all| all.first().copied()) else { return Vec::new() };
    let Some(packet) = lost.over(to.family()).lowest() else { return Vec::new() };
    // The port of the client that loses it may be any of those that stand for all.
    let answers = reach.atoms().reply_ports().iter().filter_map(|port| {
        let probe = PacketProbe::new(sender.clone(), address, traffic(packet, *port));
        explain(fabric, &probe).ok()?.reply
    });
    answers.flat_map(|reply| reply.blockers).map(|reason| reason.stage).collect()
}

/// One pair of places for each pair of classes.
fn pairs<'r>(
    reach: &'r Reach,
    senders: &'r [usize],
    receivers: &'r [usize],
) -> impl Iterator<Item = (PlaceIndex, PlaceIndex)> + 'r {
    senders.iter().flat_map(move |from| {
        receivers.iter().filter_map(move |to| {
            let sender = reach.classes()[*from].members[0];
            let others = &reach.classes()[*to].members;
            Some((sender, *others.iter().find(|other| **other != sender)?))
        })
    })
}

/// Whether places are outside, and whom in the second cloud they are like; `None` where nobody is known to be.
type Kind = (bool, Option<PlaceIndex>);

/// Classes by what lists and routes make of their places.
fn kinds(
    fabric: &Fabric,
    reach: &Reach,
    stateless: Option<&Stateless>,
) -> BTreeMap<Kind, Vec<usize>> {
    let mut kinds: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for (number, class) in reach.classes().iter().enumerate() {
        let place = reach.places()[class.members[0].0 as usize];
        let kind = stateless.and_then(|stateless| stateless.like(fabric, place));
        kinds.entry((place.is_outside(), kind)).or_default().push(number);
    }
    kinds
}

/// The second cloud.
struct Stateless {
    fabric: Fabric,
    reach: Reach,
    /// One place for each class.
    first: Vec<PlaceIndex>,
    /// Blocks that lists and routes name.
    blocks: BTreeSet<Ipv4Net>,
    /// Hosts of the internet by the narrowest of these blocks around them.
    internet: BTreeMap<Option<Ipv4Net>, PlaceIndex>,
    interfaces: BTreeMap<model::NetworkInterfaceId, PlaceIndex>,
    outside: BTreeMap<Ipv4Addr, PlaceIndex>,
}

impl Stateless {
    /// `None` where answers may be lost at a security group too: at a middlebox that saw no request.
    fn of(model: &Model, fabric: &Fabric) -> Option<Self> {
        let mut hops = fabric.route_tables.values().flat_map(|table| &table.routes);
        if hops.any(|route| matches!(route.next_hop, NextHop::Interface(_))) {
            return None;
        }
        let mut model = model.clone();
        let mut rules = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
        // Without any rule nothing arrives that could be answered.
        let mut open = rules.next()?.clone();
        (open.traffic, open.peer) = (TrafficMatch::All, Peer::Ipv4(Ipv4Net::default()));
        let mut of_vpc = BTreeMap::new();
        for group in model.security_groups.values_mut() {
            let is_first = !of_vpc.contains_key(&group.vpc_id);
            let rules = if is_first { vec![open.clone()] } else { Vec::new() };
            (group.ingress, group.egress) = (rules.clone(), rules);
            of_vpc.entry(group.vpc_id.clone()).or_insert_with(|| group.id.clone());
        }
        for interface in model.network_interfaces.values_mut().filter(|interface| !interface.groups.is_empty()) {
            interface.groups = vec![of_vpc.get(&interface.vpc_id)?.clone()];
        }
        let fabric = Fabric::compile(&model);
        let reach = Reach::of(&fabric, Options::default()).ok()?;
        let first: Vec<PlaceIndex> = reach.classes().iter().map(|class| class.members[0]).collect();
        let blocks: BTreeSet<Ipv4Net> = named_blocks(&fabric).into_iter().collect();
        let mut all = Self {
            first,
            blocks,
            internet: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            outside: BTreeMap::new(),
            fabric,
            reach,
        };
        for (index, place) in all.reach.indices().collect::<Vec<_>>() {
            match place {
                Place::Interface(interface) => {
                    let id = all.fabric.interfaces[interface].id.clone();
                    all.interfaces.insert(id, index);
                }
                Place::Outside(_, IpAddr::V4(address)) => {
                    all.outside.insert(address, index);
                }
                Place::Internet(IpAddr::V4(address)) => {
                    let block = all.narrowest(address);
                    all.internet.insert(block, index);
                }
                // Of IPv6 each pair is asked in the real cloud.
                Place::Outside(..) | Place::Internet(_) | Place::Ipv6(_) => {}
            }
        }
        Some(all)
    }

    fn narrowest(&self, address: Ipv4Addr) -> Option<Ipv4Net> {
        let around = (0..=32).rev().filter_map(|length| Ipv4Net::new(address, length).ok());
        around.map(|block| block.trunc()).find(|block| self.blocks.contains(block))
    }

    /// Whom a place of the real cloud is like: the first of the class there.
    fn like(&self, fabric: &Fabric, place: Place) -> Option<PlaceIndex> {
        let there = match place {
            Place::Interface(interface) => self.interfaces.get(&fabric.interfaces[interface].id),
            Place::Outside(_, IpAddr::V4(address)) => self.outside.get(&address),
            Place::Internet(IpAddr::V4(address)) => self.internet.get(&self.narrowest(address)),
            Place::Outside(..) | Place::Internet(_) | Place::Ipv6(_) => None,
        };
        there.map(|there| self.first[self.reach.class_of(*there)])
    }

    /// What of all requests of one to another arrives and is not answered there.
    fn lost(
        &self,
        from: PlaceIndex,
        to: PlaceIndex,
        lost: &impl Fn(&Reach, PlaceIndex, PlaceIndex) -> TrafficSet,
    ) -> TrafficSet {
        let members = &self.reach.classes()[self.reach.class_of(to)].members;
        // Two of one class are asked about each other; one alone is asked about nobody.
        let other = members.iter().find(|other| **other != from);
        other.map_or_else(TrafficSet::empty, |to| lost(&self.reach, from, *to))
    }
}

fn subnet_of(fabric: &Fabric, place: Place) -> String {
    match place {
        Place::Interface(interface) | Place::Ipv6(interface) => format!(
            "subnet {}",
            fabric.subnets[fabric.interfaces[interface].subnet].name
        ),
        Place::Internet(_) => "internet".to_owned(),
        Place::Outside(host, _) => fabric.outside[host].name.clone(),
    }
}

fn origin_of(fabric: &Fabric, place: Place) -> model::Origin {
    match place {
        Place::Interface(interface) | Place::Ipv6(interface) => fabric.interfaces[interface].origin.clone(),
        _ => model::Origin::default(),
    }
}

/// What to do about answers that are lost, by what loses them; of lists, answers of ports go to ports, those of messages do not.
fn advice(lost: &TrafficSet, stages: &BTreeSet<Stage>) -> String {
    let of_ports = [TrafficMatch::Tcp(PortRange::ALL), TrafficMatch::Udp(PortRange::ALL)];
    let of_list = match lost.intersection(&TrafficSet::of_any(&of_ports)).is_empty() {
        true => "network ACLs know no connections: allow the answers too, such as icmp from the block that was asked",
        false => "network ACLs know no connections: allow answers to ports 1024-65535 too",
    };
    let mut parts: Vec<&str> = Vec::new();
    for stage in stages {
        let part = match stage {
            Stage::NetworkAcl => of_list,
            Stage::RouteTable => "a route back is missing",
            Stage::SourceDestCheck => {
                "who has several interfaces answers by the first, or by the one in the asker's subnet, whichever was asked (ENI-11), and the \
                 source/dest check drops that: ask at the address of that interface, or route by source address in the instance"
            }
            Stage::SecurityGroup => "a security group that saw no request stops the answer: let both ways go by the same interfaces",
            _ => "something else on the way back stops them",
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    if parts.is_empty() {
        parts.push(of_list);
    }
    format!("{} (vpclab why)", parts.join("; "))
}
