//! `test`: the promises of a lab file (`expect:`), each tried with probes.

use std::process::ExitCode;

use fabric::Component;
use lab::Lab;
use model::claim::{Blocker, Claim, Ends, Expected, Sources, Waypoint};
use model::selector::End;
use model::{Model, ProbePacket, Selector, TrafficMatch};
use serde_json::json;

use super::probing::{Pair, Prober, Seen};
use crate::cli::TestArgs;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Most ports of one claim that are tried; probes are no proof of ranges.
const MAX_PORTS: u32 = 64;

/// Tries every claim. Exit 0 when all hold.
pub fn run(arguments: &TestArgs, lab: &Lab, model: &Model, output: &Output) -> Result {
    let wanted = |claim: &Claim| arguments.filter.as_ref().is_none_or(|filter| claim.to_string().contains(filter.as_str()));
    let claims: Vec<Claim> = lab.claims().into_iter().filter(wanted).collect();
    if claims.is_empty() {
        return Err(Failure::usage("no claim to test").hint("write some under `expect:`, or leave the filter out"));
    }
    let mut prober = Prober::start(model, &arguments.engine)?;
    let (mut rows, mut failed) = (Vec::new(), 0);
    for claim in &claims {
        let broken = tried(claim, &mut prober)?;
        failed += usize::from(broken.is_some());
        if output.format != Format::Json {
            output.line(format!("{} {claim}", if broken.is_some() { "FAIL" } else { "ok  " }));
            broken.iter().for_each(|why| output.line(format!("       {why}")));
        }
        rows.push(json!({"claim": claim.to_string(), "status": if broken.is_some() { "failed" } else { "passed" }, "reason": broken}));
    }
    match output.format {
        Format::Json => output.json(&rows)?,
        _ => output.line(format!("{} passed, {failed} failed", claims.len() - failed)),
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { exit::NO.into() })
}

/// Why a claim does not hold; `None`: it does.
fn tried(claim: &Claim, prober: &mut Prober) -> Result<Option<String>> {
    let Sources::Each(sources) = &claim.sources else {
        return Ok(Some("`only` and `nothing else` are not built yet".to_owned()));
    };
    if claim.through.is_some() {
        return Ok(Some("`through` is not built yet".to_owned()));
    }
    let destinations: Vec<End> = selected(&claim.destinations, prober)?.into_iter().flat_map(|(_, ends)| ends).collect();
    let mut tried = 0;
    for (selector, ends) in selected(sources, prober)? {
        for pair in prober.pairs(&selector, &ends, &destinations)? {
            let packets = match (packets(claim), pair.to) {
                // Without an address there is nothing to send, whatever the ports.
                (_, None) => vec![ProbePacket::ECHO],
                (Ok(packets), Some(_)) => packets,
                (Err(why), Some(_)) => return Ok(Some(why)),
            };
            for packet in packets {
                tried += 1;
                let seen = prober.probe(&pair, packet)?;
                if let Some(instead) = instead(claim, &seen, &pair, prober) {
                    let to = pair.to.map_or_else(|| claim.destinations.to_string(), |to| to.to_string());
                    return Ok(Some(format!("{} -> {to} {}: {instead}", pair.from, packet_name(packet))));
                }
            }
        }
    }
    Ok((tried == 0).then(|| "the claim speaks of no pair".to_owned()))
}

/// The ends of a claim by selector, those left out gone.
fn selected(ends: &Ends, prober: &Prober) -> Result<Vec<(Selector, Vec<End>)>> {
    let mut except = Vec::new();
    for selector in &ends.except {
        except.extend(prober.ends(selector)?);
    }
    let own = |selector: &Selector| {
        let of = prober.ends(selector)?.into_iter().filter(|end| !except.contains(end)).collect();
        Ok((selector.clone(), of))
    };
    ends.of.iter().map(own).collect()
}

/// The packets that stand for the traffic of a claim, or why no packets can.
fn packets(claim: &Claim) -> std::result::Result<Vec<ProbePacket>, String> {
    let mut packets = Vec::new();
    for traffic in &claim.traffic.0 {
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
            TrafficMatch::All | TrafficMatch::Icmpv6(_) => return Err(format!("probes cannot try `{traffic}`: name a protocol and ports")),
        }
    }
    Ok(packets)
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
        Seen::Open(_) => "open".to_owned(),
        Seen::Refused => "refused: nothing listens".to_owned(),
        Seen::NoPublicAddress => "no public address".to_owned(),
        Seen::Dropped { is_reply, at } => {
            let what = if *is_reply { "reply dropped" } else { "dropped" };
            at.map_or_else(|| what.to_owned(), |at| format!("{what} at {}", at.label(prober.fabric())))
        }
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

fn packet_name(packet: ProbePacket) -> String {
    match packet {
        ProbePacket::Tcp(port) => format!("tcp/{port}"),
        ProbePacket::Udp(port) => format!("udp/{port}"),
        ProbePacket::Icmp { icmp_type, .. } => format!("icmp/{icmp_type}"),
        ProbePacket::Icmpv6 { icmp_type, .. } => format!("icmpv6/{icmp_type}"),
        ProbePacket::Other(number) => format!("proto/{number}"),
    }
}
