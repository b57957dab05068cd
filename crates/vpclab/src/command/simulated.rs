//! Claims about lans, judged by simulated packets: every sender with every receiver, every port that is named.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::Parser;
use fabric::Stage as FabricStage;
use model::claim::{AddressFamily, Blocker, Claim, Ends, Expected, Sources};
use model::selector::End;
use model::{Model, ProbePacket, Selector};
use proof::TrafficSet;

use super::lan_claims::Asked;
use super::lan_ends::{addresses, lan_end};
use super::probing;
use super::sim::ask::{RUNNING, Tried as Answer, try_packet};
use super::sim::ends::Stage;
use super::sim::{ShowArgs, show};
use super::target::Target;
use super::test::{Broken, MAX_BROKEN, Tried};
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Packets that one claim may take.
const MOST_PACKETS: usize = 4_096;
/// Broken pairs that are shown one by one.
const LISTED: usize = 8;

/// A lab in the simulator that is asked packet by packet.
pub struct Simulated {
    stage: Stage,
    show: ShowArgs,
    asked: Vec<Asked>,
}

/// As `sim` has its settings where none is typed.
#[derive(Debug, Parser)]
struct Plain {
    #[command(flatten)]
    show: ShowArgs,
}

/// Settings of a simulation of which only the answer is shown.
pub fn quiet() -> ShowArgs {
    ShowArgs { quiet: true, ..Plain::parse_from(["vpclab"]).show }
}

/// Who is meant, and at which address where one is written: a device may be asked at several.
type Key = (String, Option<IpAddr>);

/// Somebody whom a selector means: the same one has the same key, whatever he is called.
type Who = BTreeMap<Key, Selector>;

impl Simulated {
    /// Builds the lab, and lets it run until routing protocols and leases have settled.
    pub fn new(target: &Target, output: &Output) -> Result<Self> {
        let show = quiet();
        Ok(Self { stage: Stage::new(target, &show, output)?, show, asked: Vec::new() })
    }

    /// Sends one packet and waits for what comes of it. Errors: an end is nobody's.
    pub fn ask(&mut self, from: &Selector, to: &Selector, packet: ProbePacket, output: &Output) -> Result<Answer> {
        self.stage.world.simulator().clear_trace();
        let from = self.stage.from(from)?;
        let to = self.stage.to(to, &from)?;
        let from = self.stage.facing(from, to)?;
        try_packet(&mut self.stage, &from, to, packet, &self.show, output)
    }

    /// What was asked since the last call, for real packets to compare with.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// Judges a claim.
    pub fn judge(&mut self, claim: &Claim, output: &Output) -> Tried {
        match self.pairs(claim) {
            Ok((expected, others, packets)) => self.tried(claim, expected, others, &packets, output),
            Err(why) => undecided(claim, why),
        }
    }

    /// The pairs that must be as the claim says, those that must be blocked beside them, and the packets; or why none can be
    /// tried.
    #[allow(clippy::type_complexity, reason = "two lists of pairs and one of packets, used once")]
    fn pairs(&self, claim: &Claim) -> std::result::Result<(Vec<(Selector, Selector)>, Vec<(Selector, Selector)>, Vec<ProbePacket>), String> {
        if claim.through.is_some() || claim.via.is_some() {
            return Err("the simulator is not asked by which way a packet goes".to_owned());
        }
        if let Expected::Blocked(Some(Blocker::SecurityGroup(Some(name)) | Blocker::NetworkAcl(Some(name)))) = &claim.expected {
            return Err(format!("the simulator tells the stage that drops, and not whether it is `{name}`"));
        }
        if claim.over == Some(AddressFamily::Ipv6) {
            return Err("a VPC and a lan reach each other over IPv4: a claim about hosts of lans is one of IPv4".to_owned());
        }
        let packets = probing::packets(&claim.traffic.0)?;
        let model = &self.stage.world.model;
        let to = who(model, &claim.destinations)?;
        let (from, others) = match &claim.sources {
            Sources::Each(ends) => (who(model, ends)?, Who::new()),
            Sources::Only(ends) => {
                let from = who(model, ends)?;
                let others = everybody(model).into_iter().filter(|((name, _), _)| from.keys().all(|(of, _)| of != name)).collect();
                (from, others)
            }
            Sources::NothingElse => return Err("`nothing else` is decided for the cloud alone: name no host of a lan in it".to_owned()),
        };
        let pairs = |from: &Who| -> Vec<(Selector, Selector)> {
            let pairs = from.iter().flat_map(|(a, from)| to.iter().filter(move |(b, _)| b.0 != a.0).map(move |(_, to)| (from.clone(), to.clone())));
            pairs.collect()
        };
        let (expected, others) = (pairs(&from), pairs(&others));
        let packets_needed = (expected.len() + others.len()) * packets.len();
        if packets_needed > MOST_PACKETS {
            return Err(format!("{packets_needed} packets are too many for the simulator (at most {MOST_PACKETS}): name fewer ports or ends"));
        }
        Ok((expected, others, packets))
    }

    fn tried(
        &mut self,
        claim: &Claim,
        expected: Vec<(Selector, Selector)>,
        others: Vec<(Selector, Selector)>,
        packets: &[ProbePacket],
        output: &Output,
    ) -> Tried {
        let mut tried = Tried::simulated(claim.clone());
        tried.pairs = expected.len() + others.len();
        let blocked = Expected::Blocked(None);
        let wanted = expected.iter().map(|pair| (pair, &claim.expected)).chain(others.iter().map(|pair| (pair, &blocked)));
        for ((from, to), wanted) in wanted {
            let mut is_broken = false;
            if self.has_no_public_address(from, to) {
                if !matches!(wanted, Expected::Blocked(None) | Expected::NoPublicAddress) {
                    tried.broken_pairs += 1;
                    tried.reasons.push(format!("{from} -> {to}: no public address"));
                }
                continue;
            }
            for packet in packets {
                let answer = match self.ask(from, to, *packet, output) {
                    Ok(answer) => answer,
                    Err(failure) => return undecided(claim, failure.message),
                };
                if answer.word == RUNNING {
                    return undecided(claim, format!("{from} -> {to} {packet}: the simulation ended before anything came of it"));
                }
                tried.packets += 1;
                self.asked.push(Asked { from: from.clone(), to: to.clone(), packet: *packet, word: answer.word });
                if self.is_as_wanted(wanted, *packet, &answer) || is_broken {
                    continue;
                }
                is_broken = true;
                tried.broken_pairs += 1;
                // A request that arrives is exposure, even if its answer is lost.
                let arrives = matches!(answer.word, "filtered" | "reply filtered") && show::is_delivered(&self.stage, answer.to);
                let seen = if arrives { "the request arrives, the answer is lost" } else { answer.word };
                let broken = Broken {
                    from: from.to_string(),
                    to: to.to_string(),
                    packet: *packet,
                    traffic: TrafficSet::packet(*packet),
                    seen: seen.to_owned(),
                    why: answer.why,
                };
                if tried.broken.len() < LISTED {
                    tried.reasons.push(format!("{from} -> {to} {packet}: {seen}"));
                    tried.reasons.extend(broken.why.iter().map(|why| format!("  {why}")));
                }
                if tried.broken.len() < MAX_BROKEN {
                    tried.broken.push(broken);
                }
            }
        }
        if tried.broken_pairs > LISTED {
            tried.reasons.push(format!("and {} more pairs", tried.broken_pairs - LISTED));
        }
        tried
    }

    /// Whether somebody outside has no address to send to.
    fn has_no_public_address(&self, from: &Selector, to: &Selector) -> bool {
        let (model, fabric) = (&self.stage.world.model, &self.stage.fabric);
        let (Ok(from), Ok(to)) = (from.ends(model), to.ends(model)) else { return false };
        let ([from], [to]) = (from.as_slice(), to.as_slice()) else { return false };
        let sender = fabric.senders(from).ok().and_then(|senders| senders.into_iter().next());
        sender.is_some_and(|sender| matches!(fabric.destinations(&sender, to), Err(fabric::EndError::NoPublicAddress(_))))
    }

    fn is_as_wanted(&self, wanted: &Expected, packet: ProbePacket, answer: &Answer) -> bool {
        let is_udp = matches!(packet, ProbePacket::Udp(_));
        let is_silent = || !matches!(answer.word, "open" | "refused" | "delivered, no answer") && !show::is_delivered(&self.stage, answer.to);
        let dropped_by = |wanted: &[FabricStage]| show::dropping_stage(&self.stage).is_some_and(|stage| wanted.contains(&stage));
        match wanted {
            Expected::Open => answer.word == "open" || (is_udp && answer.word == "delivered, no answer"),
            Expected::Allowed => matches!(answer.word, "open" | "refused" | "delivered, no answer"),
            Expected::Refused => answer.word == "refused",
            Expected::Blocked(None) => is_silent(),
            Expected::Blocked(Some(by)) => {
                let stage = match by {
                    Blocker::SecurityGroup(_) => FabricStage::SecurityGroup,
                    Blocker::NetworkAcl(_) => FabricStage::NetworkAcl,
                    Blocker::InternetGateway => FabricStage::InternetGateway,
                    Blocker::EgressOnlyInternetGateway => FabricStage::EgressOnlyInternetGateway,
                    Blocker::Nat => FabricStage::NatGateway,
                    Blocker::Peering => FabricStage::Peering,
                    Blocker::TransitGateway => FabricStage::TransitGateway,
                    Blocker::SourceDestCheck => FabricStage::SourceDestCheck,
                };
                is_silent() && dropped_by(&[stage])
            }
            Expected::NoRoute => is_silent() && (answer.is_without_route || dropped_by(&[FabricStage::RouteTable])),
            Expected::NoPublicAddress => false,
        }
    }
}

fn undecided(claim: &Claim, why: String) -> Tried {
    let place = if claim.origin.is_known() { format!(" ({})", claim.origin) } else { String::new() };
    let why = format!("{why}{place}");
    Tried { reasons: vec![why.clone()], undecided: Some(why), ..Tried::simulated(claim.clone()) }
}

/// Everybody whom ends mean, each once, without those who are left out.
fn who(model: &Model, ends: &Ends) -> std::result::Result<Who, String> {
    let mut all = Who::new();
    for selector in &ends.of {
        all.extend(each(model, selector)?);
    }
    for selector in &ends.except {
        for (name, at) in each(model, selector)?.into_keys() {
            all.retain(|(of, own), _| *of != name || own.is_some() && at.is_some() && *own != at);
        }
    }
    if all.is_empty() { Err(format!("`{ends}` selects nobody")) } else { Ok(all) }
}

/// The one address that a selector is.
fn written(selector: &Selector) -> Option<IpAddr> {
    match selector {
        Selector::Address(address) => Some(*address),
        Selector::Block(block) if block.prefix_len() == block.max_prefix_len() => Some(block.addr()),
        _ => None,
    }
}

/// Everybody whom a selector means: devices of lans by name, interfaces by id, places outside.
fn each(model: &Model, selector: &Selector) -> std::result::Result<Who, String> {
    if let Some(end) = lan_end(model, selector) {
        // An address that somebody wrote is asked at that address.
        return Ok(Who::from([((end.device, written(selector)), selector.clone())]));
    }
    let mut all = Who::new();
    if let Selector::Block(block) = selector {
        for (name, device) in model.lans.values().flat_map(|lan| &lan.devices) {
            for address in addresses(device).filter(|own| block.contains(own)) {
                all.insert((name.clone(), Some(address)), Selector::Address(address));
            }
        }
        for interface in model.network_interfaces.values().filter(|eni| block.contains(&std::net::IpAddr::V4(eni.primary_address()))) {
            all.insert((interface.id.to_string(), None), Selector::Named(interface.id.to_string()));
        }
        return if all.is_empty() { Err(format!("nobody has an address in {block}")) } else { Ok(all) };
    }
    let ends = selector.ends(model).map_err(|error| error.to_string())?;
    for end in ends {
        let (name, selector) = match end {
            End::Interface { interface, .. } => match selector {
                Selector::Named(name) => (interface.to_string(), Selector::Named(name.clone())),
                _ => (interface.to_string(), Selector::Named(called(model, &interface))),
            },
            _ => (selector.to_string(), selector.clone()),
        };
        all.insert((name, None), selector);
    }
    Ok(all)
}

/// An interface by the name of its instance where that means it.
fn called(model: &Model, interface: &model::NetworkInterfaceId) -> String {
    let instance = model.network_interfaces.get(interface).and_then(|eni| model.instances.get(eni.instance_id()?));
    let name = instance.and_then(|instance| model::tag::name(&instance.tags)).map(str::to_owned);
    let means_it = |name: &String| match Selector::Named(name.clone()).ends(model).as_deref() {
        Ok([End::Interface { interface: own, .. }]) => own == interface,
        _ => false,
    };
    name.filter(means_it).unwrap_or_else(|| interface.to_string())
}

/// Everybody who may send: devices of lans with addresses, running instances, places outside, the internet.
fn everybody(model: &Model) -> Who {
    let mut all = Who::new();
    for (name, device) in model.lans.values().flat_map(|lan| &lan.devices) {
        if device.interfaces().is_some() {
            all.insert((name.clone(), None), Selector::Named(name.clone()));
        }
    }
    let running = model.instances.values().filter(|instance| instance.state == model::InstanceState::Running);
    for interface in running.filter_map(|instance| model.interfaces_of(&instance.id).first().map(|eni| eni.id.clone())) {
        let name = called(model, &interface);
        all.insert((interface.to_string(), None), Selector::Named(name));
    }
    for name in model.outside.keys() {
        all.insert((name.clone(), None), Selector::Named(name.clone()));
    }
    if !model.vpcs.is_empty() {
        all.insert(("internet".to_owned(), None), Selector::Internet);
    }
    all
}

/// What `check` says of one pair by the simulator.
pub fn check(target: &Target, from: &Selector, to: &Selector, packet: ProbePacket, output: &Output) -> Result<Vec<(Selector, Selector, Answer)>> {
    let mut simulated = Simulated::new(target, output)?;
    let one = |selector: &Selector| each(&target.model, selector).map_err(Failure::usage);
    let (from, to) = (one(from)?, one(to)?);
    let mut answers = Vec::new();
    for (a, from) in &from {
        for (_, to) in to.iter().filter(|(b, _)| b.0 != a.0) {
            answers.push((from.clone(), to.clone(), simulated.ask(from, to, packet, output)?));
        }
    }
    match answers.is_empty() {
        true => Err(Failure::usage("the two ends are one and the same")),
        false => Ok(answers),
    }
}
