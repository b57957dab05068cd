//! Filters that filter nothing: entries of network ACLs that no packet gets to, rules that add nothing, groups that
//! nobody carries.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;

use fabric::group::{GroupRule, RulePeer};
use fabric::index::GroupIndex;
use fabric::{Acl, Direction, Fabric};
use ipnet::IpNet;
use model::network_acl::NetworkAclEntry;
use model::Model;

use super::cover::{Cover, Whom, width};
use super::{Check, Finding};
use crate::traffic::TrafficSet;

pub(super) fn findings(model: &Model, fabric: &Fabric) -> Vec<Finding> {
    let mut findings = Vec::new();
    for acl in fabric.acls.values() {
        for direction in [Direction::Ingress, Direction::Egress] {
            findings.extend(entries(acl, direction));
        }
    }
    let named = named(fabric);
    for (index, group) in fabric.groups.iter() {
        for direction in [Direction::Ingress, Direction::Egress] {
            findings.extend(rules(fabric, index, direction));
        }
        let is_default = model
            .security_groups
            .get(&group.id)
            .is_some_and(|own| own.is_default());
        if !is_default && group.members.is_empty() && !named.contains(&index) {
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
    let filters: Vec<_> = all
        .iter()
        .map(|entry| (vec![Whom::Block(entry.cidr_block)], entry.traffic))
        .collect();
    let mut cover = Cover::new(&filters);
    for (position, entry) in all.iter().enumerate() {
        let is_covered = cover.covers_block(entry.cidr_block, entry.traffic);
        cover.put(position);
        if !is_covered {
            continue;
        }
        let Some(deciding) = covering(entry, settling(entry, &all[..position])) else {
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

/// The first entries after which nothing of `entry` is left for later ones, as far as entries for all of its block tell.
fn settling<'a>(entry: &NetworkAclEntry, before: &'a [NetworkAclEntry]) -> &'a [NetworkAclEntry] {
    let mut left = TrafficSet::of(entry.traffic);
    for (position, other) in before.iter().enumerate() {
        if other.cidr_block.contains(&entry.cidr_block) {
            left = left.difference(&TrafficSet::of(other.traffic));
            if left.is_empty() {
                return &before[..=position];
            }
        }
    }
    before
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

/// Rules of a group that admit nobody, or nothing that the others do not admit. All that is found can be removed together:
/// narrow rules before wide ones, and of two equal ones the later.
fn rules(fabric: &Fabric, index: GroupIndex, direction: Direction) -> Vec<Finding> {
    let group = &fabric.groups[index];
    let all = group.rules(direction);
    let mut findings = Vec::new();
    let filters: Vec<_> = all.iter().map(|rule| (whom(rule), rule.traffic)).collect();
    let mut cover = Cover::new(&filters);
    (0..all.len()).for_each(|position| cover.put(position));
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|position| {
        let rule = &all[*position];
        let length = match &rule.peer {
            RulePeer::Block(block) => block.prefix_len(),
            RulePeer::PrefixList { .. } | RulePeer::Group { .. } => u8::MAX,
        };
        (Reverse(length), width(rule.traffic), Reverse(*position))
    });
    for position in order {
        let rule = &all[position];
        let way = if direction == Direction::Ingress {
            "from"
        } else {
            "to"
        };
        let finding = |check, text: &str, hint: &str| {
            let peer = peer(fabric, rule);
            let subject = format!("sg {} {} {way} {peer}", group.name, rule.traffic);
            Finding::new(check, subject, text, hint, &rule.origin)
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
        cover.take(position);
        if is_covered(fabric, rule, &cover) {
            findings.push(finding(
                Check::RedundantRule,
                "other rules of the group admit all that it admits",
                "remove it",
            ));
        } else {
            cover.put(position);
        }
    }
    findings
}

/// Whom a rule admits. A list is its entries today, and itself tomorrow.
fn whom(rule: &GroupRule) -> Vec<Whom> {
    match &rule.peer {
        RulePeer::Block(block) => vec![Whom::Block(*block)],
        RulePeer::PrefixList { id, blocks } => {
            let blocks = blocks.iter().map(|block| Whom::Block(*block));
            std::iter::once(Whom::Named(id.to_string())).chain(blocks).collect()
        }
        RulePeer::Group { id, .. } => vec![Whom::Named(id.to_string())],
    }
}

/// Whether the rules of a cover admit all that a rule admits.
fn is_covered(fabric: &Fabric, rule: &GroupRule, cover: &Cover) -> bool {
    match &rule.peer {
        RulePeer::Block(block) => cover.covers_block(*block, rule.traffic),
        RulePeer::PrefixList { id, blocks } => {
            let mut blocks_of = blocks.iter();
            cover.covers_named(id.as_str(), false, rule.traffic)
                || (!blocks.is_empty()
                    && blocks_of.all(|block| cover.covers_block(*block, rule.traffic)))
        }
        // Members come and go, so a block that holds them today covers no reference.
        RulePeer::Group { id, group } => {
            let has_ipv6 = group.is_some_and(|group| {
                let members = &fabric.groups[group].member_addresses;
                members.iter().any(IpAddr::is_ipv6)
            });
            cover.covers_named(id.as_str(), !has_ipv6, rule.traffic)
        }
    }
}

/// Groups that rules of other groups name.
fn named(fabric: &Fabric) -> BTreeSet<GroupIndex> {
    let mut named = BTreeSet::new();
    for (index, group) in fabric.groups.iter() {
        for rule in group.ingress.iter().chain(&group.egress) {
            match &rule.peer {
                RulePeer::Group { group: Some(other), .. } if *other != index => {
                    named.insert(*other);
                }
                _ => {}
            }
        }
    }
    named
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
