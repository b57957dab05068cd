//! Security groups as the fabric keeps them: rules with resolved peers, and one merged filter for each set of
//! groups. Decided in [`crate::stage::security_group`].

use std::net::IpAddr;

use ipnet::IpNet;
use model::{Origin, PrefixListId, SecurityGroupId, SecurityGroupRuleId, TrafficMatch};
use serde::{Deserialize, Serialize};

use crate::by_port::ByPort;
use crate::fabric::Fabric;
use crate::index::*;
use crate::packet::{Family, Header};
use crate::reason::Direction;

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// Identifier.
    pub id: SecurityGroupId,
    /// Group name.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Rules for what comes in, as written.
    pub ingress: Vec<GroupRule>,
    /// Rules for what goes out, as written.
    pub egress: Vec<GroupRule>,
    /// Interfaces that carry the group.
    pub members: Vec<InterfaceIndex>,
    /// Private and IPv6 addresses of the members, sorted: what a reference to the group means (SG-11).
    pub member_addresses: Vec<IpAddr>,
    /// Where it was written.
    pub origin: Origin,
}

impl SecurityGroup {
    /// The rules of one direction.
    pub fn rules(&self, direction: Direction) -> &[GroupRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// One rule. It allows; there is no deny (SG-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupRule {
    /// Identifier.
    pub id: SecurityGroupRuleId,
    /// Protocol and destination ports.
    pub traffic: TrafficMatch,
    /// Source of an ingress rule, destination of an egress rule.
    pub peer: RulePeer,
    /// The family of which the rule covers every address (0.0.0.0/0 or ::/0, SG-17).
    pub anywhere: Option<Family>,
    /// Free text.
    pub description: String,
    /// Where it was written.
    pub origin: Origin,
}

/// The resolved other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RulePeer {
    /// One block.
    Block(IpNet),
    /// A prefix list (SG-15).
    PrefixList {
        /// The list.
        id: PrefixListId,
        /// Blocks of its newest version, sorted; empty when the list is gone.
        blocks: Vec<IpNet>,
    },
    /// Members of a group (SG-11): see [`SecurityGroup::member_addresses`].
    ///
    /// Matches only what comes straight from, or goes straight to, a member: a packet that an appliance, a NAT
    /// gateway or an internet gateway passed on has lost the reference (SG-12).
    Group {
        /// The group as written.
        id: SecurityGroupId,
        /// The group; `None` when it is stale: gone, or in a VPC without an active peering (SG-13, SG-14).
        group: Option<GroupIndex>,
    },
}

/// The rules of a set of groups as one filter (SG-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupSet {
    /// The groups, sorted.
    pub groups: Vec<GroupIndex>,
    /// All ingress rules of all groups, in group order.
    pub ingress: Vec<RuleIndex>,
    /// All egress rules of all groups, in group order.
    pub egress: Vec<RuleIndex>,
    /// Whether ingress lets every TCP or UDP port in from everywhere (SG-17).
    pub ingress_open: OpenPorts,
    /// Whether egress lets every TCP or UDP port out to everywhere (SG-17).
    pub egress_open: OpenPorts,
    /// The ingress rules by what packets they may fit.
    #[serde(skip)]
    pub(crate) ingress_by_port: ByPort,
    /// The egress rules likewise.
    #[serde(skip)]
    pub(crate) egress_by_port: ByPort,
}

impl GroupSet {
    /// The merged rules of one direction.
    pub fn rules(&self, direction: Direction) -> &[RuleIndex] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// Whether one direction is open on all ports (SG-17).
    pub fn open(&self, direction: Direction) -> OpenPorts {
        match direction {
            Direction::Ingress => self.ingress_open,
            Direction::Egress => self.egress_open,
        }
    }
}

/// A rule by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleIndex {
    /// The group.
    pub group: GroupIndex,
    /// Position in the group's list of that direction.
    pub rule: u32,
}

/// Per protocol and family: is there a rule for ports 0-65535 whose address part is the whole family?
/// A flow is untracked if the rule that allows it is from anywhere and the *other* direction is open (SG-17).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpenPorts {
    /// TCP over IPv4.
    pub tcp_v4: bool,
    /// UDP over IPv4.
    pub udp_v4: bool,
    /// TCP over IPv6.
    pub tcp_v6: bool,
    /// UDP over IPv6.
    pub udp_v6: bool,
}

impl OpenPorts {
    /// The fact for one protocol and family; false for all but TCP and UDP.
    pub fn covers(self, protocol: u8, family: Family) -> bool {
        use model::traffic::protocol::{TCP, UDP};
        match (protocol, family) {
            (TCP, Family::V4) => self.tcp_v4,
            (TCP, Family::V6) => self.tcp_v6,
            (UDP, Family::V4) => self.udp_v4,
            (UDP, Family::V6) => self.udp_v6,
            _ => false,
        }
    }
}

impl Fabric {
    /// A rule by its place.
    pub fn rule(&self, index: RuleIndex, direction: Direction) -> &GroupRule {
        &self.groups[index.group].rules(direction)[index.rule as usize]
    }

    /// The merged rules of a set of groups in one direction.
    pub fn rules_of(&self, set: GroupSetIndex, direction: Direction) -> impl Iterator<Item = (RuleIndex, &GroupRule)> {
        self.group_sets[set].rules(direction).iter().map(move |index| (*index, self.rule(*index, direction)))
    }

    /// Those of them, in the same order, whose protocol part may fit a packet; a long list is not read from end to end.
    pub(crate) fn rules_about<'f>(
        &'f self,
        set: GroupSetIndex,
        direction: Direction,
        header: &Header,
    ) -> impl Iterator<Item = (RuleIndex, &'f GroupRule)> {
        let set = &self.group_sets[set];
        let (rules, by_port) = match direction {
            Direction::Ingress => (&set.ingress, &set.ingress_by_port),
            Direction::Egress => (&set.egress, &set.egress_by_port),
        };
        let candidates = by_port.candidates(header);
        let all = if candidates.is_none() { rules.as_slice() } else { &[] };
        let few = candidates.into_iter().flatten().map(|position| &rules[position as usize]);
        all.iter().chain(few).map(move |index| (*index, self.rule(*index, direction)))
    }
}
