//! `test`: the promises of a lab file (`expect:`), proved; and with real packets where the engine is linux.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use conformance::EngineName;
use fabric::Fabric;
use model::claim::Claim;
use model::ProbePacket;
use proof::claim::{Breach, Proof, Prover, Undecided};
use proof::{Options, Reach, TrafficSet, who};

use super::advice;
use super::gaps::marked;
use super::lan_claims::{Asked, Carried};
use super::lan_ends::is_of_lan;
use super::mutate;
use super::promise::{self, Sent};
use super::report;
use super::simulated::Simulated;
use super::source;
use super::target::Target;
use super::test_rights;
use crate::cli::engine;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Broken pairs of one claim that are listed one by one; more of them by what they have in common.
const LISTED: usize = 8;
/// What they have in common, at most so many times.
const GROUPS: usize = 40;
/// Broken pairs of one claim that a program gets one by one.
pub const MAX_BROKEN: usize = 1_000;
/// Claims that are listed when a filter matches none.
const LISTED_CLAIMS: usize = 20;

/// `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Only claims whose text contains this
    pub filter: Option<String>,
    /// proof decides every pair and every port, and needs neither privileges nor a daemon; linux does the same, then
    /// sends real packets: those that break a promise, and one pair of each kind. Claims that name hosts of lans are judged by
    /// the simulator, and linux sends their packets for real beside it
    #[arg(long, default_value = "linux", value_parser = engine())]
    pub engine: EngineName,
    /// Take the claims (`expect:`) of this file instead
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Make every mistake that people make, in a copy, and list those that no claim would notice
    #[arg(long)]
    pub mutate: bool,
}

/// What is promised.
pub enum Promised {
    /// Of traffic.
    Traffic(Box<Claim>),
    /// Of rights.
    Rights(iam::Claim),
}

impl std::fmt::Display for Promised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Traffic(claim) => claim.fmt(f),
            Self::Rights(claim) => claim.fmt(f),
        }
    }
}

/// A claim and what came of it.
pub struct Tried {
    /// The claim.
    pub claim: Promised,
    /// Why nothing can decide it.
    pub undecided: Option<String>,
    /// How many pairs it speaks of.
    pub pairs: usize,
    /// How many of them are not as promised.
    pub broken_pairs: usize,
    /// The same one by one, up to [`MAX_BROKEN`]; only where a program asks.
    pub broken: Vec<Broken>,
    /// The same for people, a line each; long lists by what they have in common.
    pub reasons: Vec<String>,
    /// Real packets that were sent for it.
    pub packets: usize,
    /// Real packets that found another network than the proof says.
    pub disagreements: Vec<String>,
    /// Real packets that found another service than the file says.
    pub services: Vec<String>,
    /// Who judged it.
    pub engine: EngineName,
}

/// One pair that is not as promised.
pub struct Broken {
    /// The sender.
    pub from: String,
    /// The address asked, or the receiver's name where it has none.
    pub to: String,
    /// The packet that stands for all that are not as promised.
    pub packet: ProbePacket,
    /// All of them.
    pub traffic: TrafficSet,
    /// What it finds.
    pub seen: String,
    /// Who decided that.
    pub why: Vec<String>,
}

impl Tried {
    /// A claim that the simulator is about to judge.
    pub fn simulated(claim: Claim) -> Self {
        Self::of(Promised::Traffic(Box::new(claim)))
    }

    /// A claim that somebody is about to judge.
    pub fn of(claim: Promised) -> Self {
        Self {
            claim,
            undecided: None,
            pairs: 0,
            broken_pairs: 0,
            broken: Vec::new(),
            reasons: Vec::new(),
            packets: 0,
            disagreements: Vec::new(),
            services: Vec::new(),
            engine: EngineName::Sim,
        }
    }

    /// Whether the claim holds.
    pub fn holds(&self) -> bool {
        self.undecided.is_none() && self.broken_pairs == 0 && self.disagreements.is_empty() && self.services.is_empty()
    }
}

/// Decides every claim. Exit 0 when all hold, 5 when real packets find another network than the proof says.
pub fn run(arguments: &TestArgs, target: &Target, output: &Output) -> Result {
    if !arguments.mutate {
        output.only(&[Format::Table, Format::Json, Format::Tap, Format::Junit])?;
    }
    let (claims, rights) = match &arguments.expect {
        Some(path) => {
            let file = source::load(path, output)?;
            (file.claims(), file.rights())
        }
        None => (target.claims.clone(), target.rights.clone()),
    };
    let (chosen, rights) = chosen(&claims, &rights, arguments)?;
    if arguments.mutate {
        let (of_lans, of_cloud): (Vec<Claim>, Vec<Claim>) = chosen.into_iter().partition(|claim| is_of_lan(&target.model, claim));
        if !of_lans.is_empty() {
            output.note(format!("{} of hosts in lans left out: mistakes are made in the cloud, and proved", many(of_lans.len(), "claim")));
        }
        if !rights.is_empty() {
            output.note(format!("{} about rights left out: mistakes are made in networks", many(rights.len(), "claim")));
        }
        return mutate::run(&target.model, &of_cloud, output);
    }
    let mut tried = decide(arguments, &claims, chosen, target, output)?;
    tried.extend(test_rights::judge(rights, target, arguments.engine)?);
    told(arguments, &tried, target, output)
}

/// Claims about lans by the simulator, with real packets beside it where they are asked for; all others by proof and the engine that was asked for; in their order.
fn decide(arguments: &TestArgs, claims: &[Claim], chosen: Vec<Claim>, target: &Target, output: &Output) -> Result<Vec<Tried>> {
    let of_lan: Vec<bool> = chosen.iter().map(|claim| is_of_lan(&target.model, claim)).collect();
    let of_cloud: Vec<Claim> = claims.iter().filter(|claim| !is_of_lan(&target.model, claim)).cloned().collect();
    let (for_simulator, for_proof): (Vec<_>, Vec<_>) = chosen.into_iter().zip(&of_lan).partition(|(_, of_lan)| **of_lan);
    let mut simulated = match for_simulator.is_empty() {
        true => None,
        false => Some(Simulated::new(target, output)?),
    };
    let carried = match simulated.is_some() && arguments.engine == EngineName::Linux {
        true => carried(target, output)?,
        false => None,
    };
    let mut by_simulator = Vec::new();
    for (claim, _) in for_simulator {
        let Some(simulated) = simulated.as_mut() else { continue };
        by_simulator.push(tried_for_real(simulated.judge(&claim, output), &simulated.take_asked(), carried.as_ref())?);
    }
    let mut by_simulator = by_simulator.into_iter();
    let for_proof = for_proof.into_iter().map(|(claim, _)| claim).collect::<Vec<_>>();
    let mut proved = match for_proof.is_empty() {
        true => Vec::new(),
        false => prove(arguments, &of_cloud, for_proof, target, output)?,
    }
    .into_iter();
    Ok(of_lan.iter().filter_map(|of_lan| if *of_lan { by_simulator.next() } else { proved.next() }).collect())
}

/// Lans that real packets can go through, else a word why none do.
fn carried(target: &Target, output: &Output) -> Result<Option<Carried>> {
    match Carried::of(target)? {
        Ok(carried) => Ok(Some(carried)),
        Err(why) => {
            output.note(format!("claims about lans are the simulator's here: {why}"));
            Ok(None)
        }
    }
}

/// What the simulator said of a claim, with what real packets found beside it.
fn tried_for_real(tried: Tried, asked: &[Asked], carried: Option<&Carried>) -> Result<Tried> {
    let Some(carried) = carried.filter(|_| tried.undecided.is_none()) else { return Ok(tried) };
    let sent = carried.compare(asked)?;
    if sent.packets == 0 {
        return Ok(tried);
    }
    let reasons = tried.reasons.into_iter().chain(sent.disagreements.iter().cloned()).collect();
    Ok(Tried { reasons, packets: sent.packets, disagreements: sent.disagreements, engine: EngineName::Linux, ..tried })
}

fn prove(arguments: &TestArgs, claims: &[Claim], chosen: Vec<Claim>, target: &Target, output: &Output) -> Result<Vec<Tried>> {
    let fabric = Fabric::compile(&target.model);
    let options = Options::default();
    let reach = Reach::of(&fabric, options).map_err(|e| Failure::environment(e.to_string()))?;
    let prover = Prover::new(&target.model, &fabric, &reach, options, claims);
    let proofs: Vec<Proof> = chosen.iter().map(|claim| prover.prove(claim)).collect();
    let sent = match arguments.engine {
        EngineName::Proof => chosen.iter().map(|_| Sent::default()).collect(),
        engine => promise::send(&chosen, &proofs, &prover, target, engine)?,
    };
    let (engine, is_json) = (arguments.engine, output.format == Format::Json);
    let tried = chosen.into_iter().zip(proofs).zip(sent).map(|((claim, proof), sent)| tried(claim, proof, sent, &prover, engine, is_json));
    Ok(tried.collect())
}

fn told(arguments: &TestArgs, tried: &[Tried], target: &Target, output: &Output) -> Result {
    let failed = tried.iter().filter(|tried| !tried.holds()).count();
    match output.format {
        Format::Json => output.json(&marked(report::json(tried), &target.gaps.listed()))?,
        Format::Tap => output.line(report::tap(tried, &target.gaps).trim_end()),
        Format::Junit => output.line(report::junit(&target.name, tried, &target.gaps).trim_end()),
        _ => {
            for tried in tried {
                let by = if tried.engine == arguments.engine { String::new() } else { format!(" (by the {} engine)", tried.engine.as_str()) };
                output.line(format!("{} {}{by}", if tried.holds() { "ok  " } else { "FAIL" }, tried.claim));
                tried.reasons.iter().for_each(|why| output.line(format!("       {why}")));
            }
            let mark = target.gaps.mark().map_or_else(String::new, |mark| format!(" ({mark})"));
            output.line(format!("{} passed, {failed} failed{mark}", tried.len() - failed));
            target.gaps.lines().iter().skip(1).for_each(|line| output.line(line));
        }
    }
    Ok(match (failed, tried.iter().all(|tried| tried.disagreements.is_empty())) {
        (0, _) => ExitCode::SUCCESS,
        (_, true) => exit::NO.into(),
        (_, false) => exit::DISAGREEMENT.into(),
    })
}

/// The claims whose text contains the filter; none at all is a mistake.
fn chosen(claims: &[Claim], rights: &[iam::Claim], arguments: &TestArgs) -> Result<(Vec<Claim>, Vec<iam::Claim>)> {
    if claims.is_empty() && rights.is_empty() {
        let what = match &arguments.expect {
            Some(path) => format!("{} promises nothing", path.display()),
            None => "the lab promises nothing".to_owned(),
        };
        let hint = "write claims under `expect:`, such as `internet -> web-1 tcp/80: open`, or name their file: --expect FILE";
        return Err(Failure::usage(what).hint(hint));
    }
    let Some(filter) = &arguments.filter else { return Ok((claims.to_vec(), rights.to_vec())) };
    let chosen: Vec<Claim> = claims.iter().filter(|claim| claim.to_string().contains(filter.as_str())).cloned().collect();
    let of_rights: Vec<iam::Claim> = rights.iter().filter(|claim| claim.to_string().contains(filter.as_str())).cloned().collect();
    if chosen.is_empty() && of_rights.is_empty() {
        let all = claims.iter().map(ToString::to_string).chain(rights.iter().map(ToString::to_string));
        let mut list: Vec<String> = all.take(LISTED_CLAIMS).map(|claim| format!("\n  {claim}")).collect();
        if claims.len() + rights.len() > LISTED_CLAIMS {
            list.push(format!("\n  and {} more", claims.len() + rights.len() - LISTED_CLAIMS));
        }
        return Err(Failure::usage(format!("no claim contains `{filter}`; there are:{}", list.concat())).hint("a filter is a part of a claim, spelled as above"));
    }
    Ok((chosen, of_rights))
}

fn tried(claim: Claim, proof: Proof, sent: Sent, prover: &Prover, engine: EngineName, is_for_programs: bool) -> Tried {
    let undecided = proof.undecided.as_ref().map(|why| undecided(why, &claim));
    let mut reasons: Vec<String> = undecided.iter().cloned().collect();
    reasons.extend(lines(&proof, prover));
    reasons.extend(sent.disagreements.iter().chain(&sent.services).cloned());
    let listed = if is_for_programs { MAX_BROKEN } else { 0 };
    let broken = proof.broken.iter().take(listed).map(|broken| of(broken, prover)).collect();
    let Sent { packets, disagreements, services } = sent;
    let claim = Promised::Traffic(Box::new(claim));
    Tried { claim, undecided, pairs: proof.pairs, broken_pairs: proof.broken.len(), broken, reasons, packets, disagreements, services, engine }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Why a claim says nothing about this cloud, with the place where it stands: the file of claims may be another one.
fn undecided(why: &Undecided, claim: &Claim) -> String {
    let hint = hint(why).map_or_else(String::new, |hint| format!("; {hint}"));
    let place = if claim.origin.is_known() { format!(" ({})", claim.origin) } else { String::new() };
    format!("{why}{hint}{place}")
}

/// What may have been meant, written as it was: `sg:web` for `sg:wbe`.
pub fn hint(why: &Undecided) -> Option<String> {
    let Undecided::Unknown { what, name, known } = why else { return None };
    let kind = name.rsplit_once(':').map_or(String::new(), |(kind, _)| format!("{kind}:"));
    let known: Vec<String> = known.iter().map(|known| if known.starts_with(&kind) { known.clone() } else { format!("{kind}{known}") }).collect();
    Some(source::did_you_mean(name, what, &known.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn of(broken: &proof::claim::Broken, prover: &Prover) -> Broken {
    let because = prover.because(broken);
    let ends = [&broken.from.who, &broken.to.who];
    let stopped = ends.into_iter().filter_map(|who| advice::stopped_end(prover.fabric(), who));
    Broken {
        from: broken.from.name.clone(),
        to: broken.address.map_or_else(|| broken.to.name.clone(), |address| address.to_string()),
        packet: broken.packet,
        traffic: (*broken.traffic).clone(),
        seen: because.seen,
        why: because.why.into_iter().chain(stopped).collect(),
    }
}

/// What is broken, for people: each pair, or groups of pairs that are broken alike, each with a witness and its reasons.
fn lines(proof: &Proof, prover: &Prover) -> Vec<String> {
    let mut lines = Vec::new();
    let mut known: Vec<String> = Vec::new();
    let mut show = |broken: &proof::claim::Broken, lines: &mut Vec<String>| {
        let broken = of(broken, prover);
        let all = if broken.traffic == TrafficSet::packet(broken.packet) { String::new() } else { format!(" (same for {})", broken.traffic) };
        lines.push(format!("{} -> {} {}: {}{all}", broken.from, broken.to, broken.packet, broken.seen));
        for why in broken.why {
            // What was said of the pair before needs no saying again.
            if !known.contains(&why) {
                lines.push(format!("  {why}"));
                known.push(why);
            }
        }
    };
    if proof.broken.len() <= LISTED {
        proof.broken.iter().for_each(|broken| show(broken, &mut lines));
        return lines;
    }
    let groups = alike(proof);
    for (first, from, to) in groups.iter().take(GROUPS) {
        show(first, &mut lines);
        let names = |names: &[&str]| who::label(names);
        if from.len() * to.len() > 1 {
            lines.push(format!("  and so {} -> {}", names(from), names(to)));
        }
    }
    if groups.len() > GROUPS {
        lines.push(format!("and {} more groups of pairs", groups.len() - GROUPS));
    }
    lines
}

type Alike<'p> = (&'p proof::claim::Broken, Vec<&'p str>, Vec<&'p str>);

/// Pairs that are broken by the same packets in the same way, together; in the order of their first pairs.
fn alike(proof: &Proof) -> Vec<Alike<'_>> {
    type Kind<'p> = (&'p TrafficSet, &'p Breach, bool);
    let mut kinds: Vec<(Kind<'_>, Vec<usize>)> = Vec::new();
    for (index, broken) in proof.broken.iter().enumerate() {
        let key = (&*broken.traffic, &broken.breach, broken.from.is_outside());
        match kinds.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(index),
            None => kinds.push((key, vec![index])),
        }
    }
    // A name stands where it is met first.
    let mut names: Vec<&str> = Vec::new();
    let mut order: BTreeMap<&str, usize> = BTreeMap::new();
    for name in proof.broken.iter().flat_map(|broken| [broken.from.name.as_str(), broken.to.name.as_str()]) {
        if !order.contains_key(name) {
            order.insert(name, names.len());
            names.push(name);
        }
    }
    let mut groups: Vec<(usize, Alike<'_>)> = Vec::new();
    for (_, members) in &kinds {
        let pair = |index: &usize| {
            let broken = &proof.broken[*index];
            (order[broken.from.name.as_str()], order[broken.to.name.as_str()])
        };
        for (from, to) in who::products(members.iter().map(pair)) {
            let is_first = |index: &&usize| {
                let (a, b) = pair(index);
                from.contains(&a) && to.contains(&b)
            };
            let Some(first) = members.iter().find(is_first) else { continue };
            let named = |set: &BTreeSet<usize>| set.iter().map(|at| names[*at]).collect::<Vec<_>>();
            groups.push((*first, (&proof.broken[*first], named(&from), named(&to))));
        }
    }
    groups.sort_by_key(|(first, _)| *first);
    groups.into_iter().map(|(_, group)| group).collect()
}
