//! Security groups: all rules of all groups of an interface are one set; any match allows (SG-2, SG-3).
//! State comes before rules and is the caller's (SG-16); which flows it may remember is decided here (SG-17).

use std::net::IpAddr;

use crate::fabric::Fabric;
use crate::group::{GroupRule, RulePeer};
use crate::index::InterfaceIndex;
use crate::packet::{Family, Header};
use crate::reason::{Component, Decision, Direction, ExplanationCode, Reason, Rule, Stage};

/// Decides by the rules alone. `straight` says that the packet comes from, or goes to, the other interface without
/// being passed on in between: only then does a reference to a group match (SG-12).
pub fn decide(
    fabric: &Fabric,
    interface: InterfaceIndex,
    header: &Header,
    direction: Direction,
    straight: bool,
) -> Decision {
    let at = Component::SecurityGroups(interface, direction);
    let reason = |text: &str| Reason::new(Stage::SecurityGroup, at, text).direction(direction);
    let Some(set) = fabric.interfaces[interface].group_set else {
        return Decision::Pass(reason("the interface has no security groups"));
    };
    let found = fabric.rules_about(set, direction, header).find(|(_, rule)| matches(fabric, rule, header, direction, straight));
    match found {
        Some((index, rule)) => {
            let group = fabric.groups[index.group].id.clone();
            let rule = Rule::SecurityGroup { group, rule: rule.id.clone(), origin: rule.origin.clone() };
            Decision::Pass(reason("a rule allows it").rule(rule))
        }
        None if fabric.group_sets[set].rules(direction).is_empty() => {
            Decision::Drop(reason("the groups have no rules in this direction").code(ExplanationCode::SgHasNoRules))
        }
        None => Decision::Drop(reason("no rule allows it").code(ExplanationCode::EniSgRulesMismatch)),
    }
}

/// Whether a rule admits a packet (SG-7 … SG-12, SG-15).
pub fn matches(fabric: &Fabric, rule: &GroupRule, header: &Header, direction: Direction, straight: bool) -> bool {
    let peer = match direction {
        Direction::Ingress => header.source,
        Direction::Egress => header.destination,
    };
    header.fits(rule.traffic) && peer_matches(fabric, &rule.peer, peer, straight)
}

/// Whether the other side of a rule has an address (SG-11 … SG-15).
pub fn peer_matches(fabric: &Fabric, peer: &RulePeer, address: IpAddr, straight: bool) -> bool {
    match peer {
        RulePeer::Block(block) => block.contains(&address),
        RulePeer::PrefixList { blocks, .. } => blocks.iter().any(|block| block.contains(&address)),
        // SG-11: private addresses of members, and only while nothing passed the packet on (SG-12).
        RulePeer::Group { group: Some(group), .. } => {
            straight && fabric.groups[*group].member_addresses.binary_search(&address).is_ok()
        }
        // SG-14: a stale rule matches nothing.
        RulePeer::Group { group: None, .. } => false,
    }
}

/// Whether a flow that starts with this packet is left untracked (SG-17): TCP or UDP, admitted by a rule from
/// anywhere, and the other direction is open on every port. Rules that are narrower do not matter.
pub fn is_untracked(fabric: &Fabric, interface: InterfaceIndex, header: &Header, direction: Direction) -> bool {
    let Some(set) = fabric.interfaces[interface].group_set else { return false };
    let family = Family::of(header.destination);
    let open = fabric.group_sets[set].open(direction.opposite()).covers(header.protocol(), family);
    let from_anywhere = |rule: &GroupRule| rule.anywhere == Some(family) && header.fits(rule.traffic);
    open && fabric.rules_about(set, direction, header).any(|(_, rule)| from_anywhere(rule))
}
