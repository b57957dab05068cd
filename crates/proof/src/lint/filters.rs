//! Filters that filter nothing: entries of network ACLs that no packet gets to, rules that add nothing, groups that
//! nobody carries.

use std::net::IpAddr;

use fabric::group::{GroupRule, RulePeer};
use fabric::index::GroupIndex;
use fabric::{Acl, Direction, Fabric};
use ipnet::IpNet;
use model::network_acl::NetworkAclEntry;
use model::{Model, TrafficMatch};

use super::{Check, Finding};
use crate::traffic::TrafficSet;

pub(super) fn findings(model: &Model, fabric: &Fabric) -> Vec<Finding> {
    let mut findings = Vec::new();
    for acl in fabric.acls.values() {
        for direction in [Direction::Ingress, Direction::Egress] {
            findings.extend(entries(acl, direction));
        }
    }
    for (index, group) in fabric.groups.iter() {
        for direction in [Direction::Ingress, Direction::Egress] {
            findings.extend(rules(fabric, index, direction));
        }
        let is_default = model
            .security_groups
            .get(&group.id)
            .is_some_and(|own| own.is_default());
        if !is_default && group.members.is_empty() && !is_named(fabric, index) {
            findings.push(Finding::new(
                Check::UnusedGroup,
                format!("sg {}", group.name),
                "nothing carries the group, and no rule names it",
                "give it to an instance, or remove it",
                &group.origin,
            ));
        }
    }
    findings
}

/// Entries that decide about no packet, because those before them decide about all that they match.
fn entries(acl: &Acl, direction: Direction) -> Vec<Finding> {
    let all = acl.entries(direction);
    let mut findings = Vec::new();
    for (position, entry) in all.iter().enumerate() {
        let before = &all[..position];
        let Some(deciding) = covering(entry, before) else {
            continue;
        };
        let numbers: Vec<String> = deciding
            .iter()
            .map(|e| format!("#{}", e.rule_number))
            .collect();
        let overruled = deciding.iter().any(|e| e.allow != entry.allow);
        let (check, text) = match overruled {
            true => (
                Check::OverruledEntry,
                format!(
                    "{} decide otherwise about every packet of it",
                    numbers.join(", ")
                ),
            ),
            false => (
                Check::RedundantEntry,
                format!(
                    "{} decide the same about every packet of it",
                    numbers.join(", ")
                ),
            ),
        };
        let (name, way) = (
            &acl.name,
            if direction == Direction::Ingress {
                "in"
            } else {
                "out"
            },
        );
        let verb = if entry.allow { "allow" } else { "deny" };
        findings.push(Finding::new(
            check,
            format!(
                "acl {name} {way} #{} {verb} {} {}",
                entry.rule_number, entry.traffic, entry.cidr_block
            ),
            if numbers.len() == 1 {
                text.replace(" decide ", " decides ")
            } else {
                text
            },
            if overruled {
                "entries are asked by number: give it a lower one, or remove it"
            } else {
                "remove it"
            },
            &entry.origin,
        ));
    }
    findings
}

/// The entries that together decide about every packet of `entry`, in order; `None` if some packet gets past them.
fn covering<'a>(
    entry: &NetworkAclEntry,
    before: &'a [NetworkAclEntry],
) -> Option<Vec<&'a NetworkAclEntry>> {
    let wanted = TrafficSet::of(entry.traffic);
    let mut deciding: Vec<usize> = Vec::new();
    for segment in segments(
        entry.cidr_block,
        before.iter().map(|other| other.cidr_block),
    ) {
        let mut left = wanted.clone();
        for (position, other) in before.iter().enumerate() {
            if left.is_empty() {
                break;
            }
            let decided = TrafficSet::of(other.traffic);
            if other.cidr_block.contains(&segment) && !decided.intersection(&left).is_empty() {
                left = left.difference(&decided);
                deciding.push(position);
            }
        }
        if !left.is_empty() {
            return None;
        }
    }
    deciding.sort_unstable();
    deciding.dedup();
    Some(
        deciding
            .into_iter()
            .map(|position| &before[position])
            .collect(),
    )
}

/// One address of each part of a block that some other blocks tell apart: where the block begins, where a block inside
/// it begins, and behind where one ends.
fn segments(block: IpNet, others: impl Iterator<Item = IpNet>) -> Vec<IpAddr> {
    let mut starts = vec![block.network()];
    for other in others.filter(|other| block.contains(other)) {
        starts.push(other.network());
        starts.extend(after(other.broadcast()).filter(|next| block.contains(next)));
    }
    starts.sort();
    starts.dedup();
    starts
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address)
            .checked_add(1)
            .map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address)
            .checked_add(1)
            .map(|next| IpAddr::V6(next.into())),
    }
}

/// Rules of a group that admit nobody, or nothing that the others do not admit.
fn rules(fabric: &Fabric, index: GroupIndex, direction: Direction) -> Vec<Finding> {
    let group = &fabric.groups[index];
    let all = group.rules(direction);
    let mut findings = Vec::new();
    for (position, rule) in all.iter().enumerate() {
        let way = if direction == Direction::Ingress {
            "from"
        } else {
            "to"
        };
        let subject = format!(
            "sg {} {} {way} {}",
            group.name,
            rule.traffic,
            peer(fabric, rule)
        );
        let finding = |check, text: &str, hint: &str| {
            Finding::new(check, subject.clone(), text, hint, &rule.origin)
        };
        match &rule.peer {
            RulePeer::Group { group: None, .. } => {
                findings.push(finding(
                    Check::StaleRule,
                    "the group is gone, or its VPC is not peered: the rule matches nothing",
                    "remove the rule, or connect the VPCs",
                ));
                continue;
            }
            // A group without members that names itself is one finding, not two.
            RulePeer::Group {
                group: Some(named), ..
            } if *named != index && fabric.groups[*named].member_addresses.is_empty() => {
                let text = "nobody carries that group: the rule matches nothing";
                findings.push(finding(
                    Check::MemberlessPeer,
                    text,
                    "give the group to an instance, or remove the rule",
                ));
                continue;
            }
            _ => {}
        }
        let others = || {
            all.iter()
                .enumerate()
                .filter(|(other, _)| *other != position)
        };
        // Of two equal rules the first one stays.
        let stays = |other: usize| {
            other < position || !is_covered(fabric, &all[other], std::iter::once(rule))
        };
        if is_covered(
            fabric,
            rule,
            others()
                .filter(|(other, _)| stays(*other))
                .map(|(_, rule)| rule),
        ) {
            findings.push(finding(
                Check::RedundantRule,
                "other rules of the group admit all that it admits",
                "remove it",
            ));
        }
    }
    findings
}

/// Whether some rules admit all that a rule admits.
fn is_covered<'r>(
    fabric: &Fabric,
    rule: &GroupRule,
    others: impl Iterator<Item = &'r GroupRule>,
) -> bool {
    let others: Vec<&GroupRule> = others.collect();
    let wanted = TrafficSet::of(rule.traffic);
    match &rule.peer {
        RulePeer::Block(block) => block_is_covered(*block, &wanted, &others),
        RulePeer::PrefixList { id, blocks } => {
            let same = |other: &&GroupRule| matches!(&other.peer, RulePeer::PrefixList { id: own, .. } if own == id);
            let by_same: Vec<TrafficMatch> = others
                .iter()
                .copied()
                .filter(same)
                .map(|other| other.traffic)
                .collect();
            wanted.is_subset(&TrafficSet::of_any(&by_same))
                || (!blocks.is_empty()
                    && blocks
                        .iter()
                        .all(|block| block_is_covered(*block, &wanted, &others)))
        }
        // Members come and go, so a block that holds them today covers no reference.
        RulePeer::Group { group, .. } => {
            let same = |other: &&GroupRule| matches!(&other.peer, RulePeer::Group { group: own, .. } if own == group);
            let by_same: Vec<TrafficMatch> = others
                .iter()
                .copied()
                .filter(same)
                .map(|other| other.traffic)
                .collect();
            let everywhere = |other: &&GroupRule| other.anywhere == Some(fabric::Family::V4);
            let by_all: Vec<TrafficMatch> = others
                .iter()
                .copied()
                .filter(everywhere)
                .map(|other| other.traffic)
                .collect();
            let has_ipv6 = group.is_some_and(|g| {
                fabric.groups[g]
                    .member_addresses
                    .iter()
                    .any(IpAddr::is_ipv6)
            });
            let by_all = if has_ipv6 {
                TrafficSet::empty()
            } else {
                TrafficSet::of_any(&by_all)
            };
            wanted.is_subset(&TrafficSet::of_any(&by_same).union(&by_all))
        }
    }
}

fn block_is_covered(block: IpNet, wanted: &TrafficSet, others: &[&GroupRule]) -> bool {
    let blocks = |rule: &GroupRule| match &rule.peer {
        RulePeer::Block(block) => vec![*block],
        RulePeer::PrefixList { blocks, .. } => blocks.clone(),
        RulePeer::Group { .. } => Vec::new(),
    };
    let known: Vec<(IpNet, TrafficSet)> = others
        .iter()
        .flat_map(|rule| {
            blocks(rule)
                .into_iter()
                .map(|b| (b, TrafficSet::of(rule.traffic)))
        })
        .collect();
    segments(block, known.iter().map(|(block, _)| *block))
        .into_iter()
        .all(|address| {
            let admitted = known.iter().filter(|(block, _)| block.contains(&address));
            wanted.is_subset(
                &admitted.fold(TrafficSet::empty(), |all, (_, traffic)| all.union(traffic)),
            )
        })
}

fn is_named(fabric: &Fabric, group: GroupIndex) -> bool {
    let others = fabric.groups.iter().filter(|(index, _)| *index != group);
    let mut rules = others.flat_map(|(_, other)| other.ingress.iter().chain(&other.egress));
    rules.any(
        |rule| matches!(&rule.peer, RulePeer::Group { group: Some(named), .. } if *named == group),
    )
}

fn peer(fabric: &Fabric, rule: &GroupRule) -> String {
    match &rule.peer {
        RulePeer::Block(_) if rule.anywhere.is_some() => "anywhere".to_owned(),
        RulePeer::Block(block) => block.to_string(),
        RulePeer::PrefixList { id, .. } => id.to_string(),
        RulePeer::Group {
            group: Some(group), ..
        } => format!("sg:{}", fabric.groups[*group].name),
        RulePeer::Group { id, group: None } => format!("sg:{id}"),
    }
}
