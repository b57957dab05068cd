//! `test`: the promises of a lab file (`expect:`), each tried with probes.

use std::process::ExitCode;

use fabric::Component;
use model::ProbePacket;
use model::claim::{Blocker, Claim, Expected, Sources, Waypoint};

use super::probing::{Pair, Prober, Seen};
use super::promise::{self, Try};
use super::report;
use super::target::Target;
use super::witness::Witnesses;
use crate::cli::TestArgs;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Broken pairs of one claim that are listed; the others are counted.
const LISTED: usize = 8;
/// Claims that are listed when a filter matches none.
const LISTED_CLAIMS: usize = 20;

/// A claim and what came of it.
pub struct Tried {
    /// The claim.
    pub claim: Claim,
    /// Why probes cannot decide it.
    pub undecided: Option<String>,
    /// Everything that was not as promised.
    pub broken: Vec<Broken>,
    /// How many packets were sent for it.
    pub packets: usize,
}

/// One packet that was not answered as promised.
pub struct Broken {
    /// The sender.
    pub from: String,
    /// The address asked.
    pub to: String,
    /// The packet.
    pub packet: ProbePacket,
    /// What was seen.
    pub seen: String,
}

impl Tried {
    /// Whether the claim holds.
    pub fn holds(&self) -> bool {
        self.undecided.is_none() && self.broken.is_empty()
    }

    /// Why it does not, a line each; long lists are cut.
    pub fn reasons(&self) -> Vec<String> {
        let line = |b: &Broken| format!("{} -> {} {}: {}", b.from, b.to, b.packet, b.seen);
        let more = self.broken.len().saturating_sub(LISTED);
        let mut lines: Vec<String> = self.undecided.iter().cloned().chain(self.broken.iter().take(LISTED).map(line)).collect();
        if more > 0 {
            lines.push(format!("and {more} more of {} packets", self.packets));
        }
        lines
    }
}

/// Tries every claim. Exit 0 when all hold.
pub fn run(arguments: &TestArgs, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Tap, Format::Junit])?;
    let claims = chosen(target.claims.clone(), arguments.filter.as_deref())?;
    let mut prober = Prober::start(target, &arguments.engine)?;
    let tried = try_all(claims, &target.claims, &mut prober)?;
    let failed = tried.iter().filter(|tried| !tried.holds()).count();
    match output.format {
        Format::Json => output.json(&report::json(&tried))?,
        Format::Tap => output.line(report::tap(&tried).trim_end()),
        Format::Junit => output.line(report::junit(&target.name, &tried).trim_end()),
        _ => {
            for tried in &tried {
                output.line(format!("{} {}", if tried.holds() { "ok  " } else { "FAIL" }, tried.claim));
                tried.reasons().iter().for_each(|why| output.line(format!("       {why}")));
            }
            output.line(format!("{} passed, {failed} failed", tried.len() - failed));
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { exit::NO.into() })
}

/// The claims whose text contains the filter; none at all is a mistake.
fn chosen(claims: Vec<Claim>, filter: Option<&str>) -> Result<Vec<Claim>> {
    if claims.is_empty() {
        return Err(Failure::usage("the lab promises nothing").hint("write claims under `expect:`, such as `internet -> web-1 tcp/80: open`"));
    }
    let Some(filter) = filter else { return Ok(claims) };
    let (chosen, others): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|claim| claim.to_string().contains(filter));
    if chosen.is_empty() {
        let mut list: Vec<String> = others.iter().take(LISTED_CLAIMS).map(|claim| format!("\n  {claim}")).collect();
        if others.len() > LISTED_CLAIMS {
            list.push(format!("\n  and {} more", others.len() - LISTED_CLAIMS));
        }
        return Err(Failure::usage(format!("no claim contains `{filter}`; there are:{}", list.concat())).hint("a filter is a part of a claim, spelled as above"));
    }
    Ok(chosen)
}

/// Sends the packets of all claims at once; `all` are those of the file.
fn try_all(claims: Vec<Claim>, all: &[Claim], prober: &mut Prober) -> Result<Vec<Tried>> {
    let witnesses = Witnesses::of(prober.model());
    let mut planned = Vec::new();
    for claim in &claims {
        planned.push(promise::plan(claim, all, &witnesses, prober)?);
    }
    let tries: Vec<(&Pair, ProbePacket)> = planned.iter().flatten().flatten().map(|t| (&t.pair, t.packet)).collect();
    let mut seen = prober.probe_all(&tries)?.into_iter();
    let mut tried = Vec::new();
    for (claim, planned) in claims.into_iter().zip(&planned) {
        let (planned, undecided) = match planned {
            Ok(tries) if tries.is_empty() => (&[][..], Some("the claim speaks of no pair".to_owned())),
            Ok(tries) => (&tries[..], None),
            Err(why) => (&[][..], Some(why.clone())),
        };
        let broken = |(t, seen): (&Try, Seen)| {
            let seen = match (t.is_named, &seen) {
                (true, seen) => instead(&claim, seen, &t.pair, prober)?,
                (false, Seen::Open(_) | Seen::Refused) if claim.sources == Sources::NothingElse => format!("{}, and no claim says so", seen.result()),
                (false, Seen::Open(_) | Seen::Refused) => format!("{}, and only others may", seen.result()),
                (false, _) => return None,
            };
            Some(Broken { from: t.pair.from.clone(), to: t.pair.to_text(), packet: t.packet, seen })
        };
        let broken = planned.iter().zip(seen.by_ref()).filter_map(broken).collect();
        tried.push(Tried { undecided, broken, packets: planned.len(), claim });
    }
    Ok(tried)
}

/// What was seen, if it is not what the claim expects.
fn instead(claim: &Claim, seen: &Seen, pair: &Pair, prober: &Prober) -> Option<String> {
    let holds = match (&claim.expected, seen) {
        (Expected::Allowed, Seen::Open(_) | Seen::Refused) | (Expected::Open, Seen::Open(_)) | (Expected::Refused, Seen::Refused) => true,
        (Expected::NoPublicAddress, Seen::NoPublicAddress) => true,
        (Expected::NoPublicAddress, Seen::Dropped { is_reply: false, at: Some(Component::InternetGateway(_)) }) => {
            matches!(pair.sender, fabric::engine::Sender::Interface(_))
        }
        (Expected::NoRoute, Seen::Dropped { at: Some(Component::RouteTable(_)), .. }) => true,
        (Expected::Blocked(None), Seen::Dropped { .. }) => true,
        (Expected::Blocked(Some(blocker)), Seen::Dropped { at: Some(at), .. }) => is_blocker(blocker, *at, prober),
        _ => false,
    };
    let text = match seen {
        Seen::Refused => "refused: nothing listens".to_owned(),
        Seen::Dropped { is_reply, at } => {
            let what = if *is_reply { "reply dropped" } else { "dropped" };
            at.map_or_else(|| what.to_owned(), |at| format!("{what} at {}", at.label(prober.fabric())))
        }
        Seen::Open(_) | Seen::NoPublicAddress => seen.result().to_owned(),
    };
    if !holds {
        return Some(text);
    }
    match (&claim.via, seen) {
        (Some(Waypoint::Nat), Seen::Open(source)) => (!prober.is_nat(*source)).then(|| format!("{text}, but not via a NAT gateway: it came from {source}")),
        (Some(node), _) => Some(format!("{text}, but this command cannot tell yet whether it went via {node}")),
        (None, _) => None,
    }
}

fn is_blocker(blocker: &Blocker, at: Component, prober: &Prober) -> bool {
    match (blocker, at) {
        (Blocker::SecurityGroup(None), Component::SecurityGroups(..)) | (Blocker::NetworkAcl(None), Component::NetworkAcl(..)) => true,
        (Blocker::SecurityGroup(Some(name)), Component::SecurityGroups(index, _)) => prober.carries(index, name),
        (Blocker::NetworkAcl(Some(name)), Component::NetworkAcl(subnet, _)) => prober.is_filtered_by(subnet, name),
        (Blocker::InternetGateway, Component::InternetGateway(_)) | (Blocker::Nat, Component::NatGateway(_)) => true,
        (Blocker::Peering, Component::Peering(_)) | (Blocker::SourceDestCheck, Component::SourceDestCheck(_)) => true,
        _ => false,
    }
}
