//! Security groups (SG-1 … SG-31). What their rules mean for packets is decided in `fabric`.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{Context, Origin, PrefixListId, SecurityGroupId, SecurityGroupRuleId, Tags, TrafficMatch, VpcId};

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Identifier.
    pub id: SecurityGroupId,
    /// Name, unique in the VPC, immutable (SG-25).
    pub group_name: String,
    /// Description, immutable (SG-25).
    pub description: String,
    /// The VPC it belongs to (SG-1).
    pub vpc_id: VpcId,
    /// Rules for what comes in.
    pub ingress: Vec<SecurityGroupRule>,
    /// Rules for what goes out.
    pub egress: Vec<SecurityGroupRule>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl SecurityGroup {
    /// The group that comes with a VPC: all from itself in, all out (SG-5; IPv6 too if the VPC has it, SG-4).
    pub(crate) fn default_for(vpc_id: &VpcId, has_ipv6: bool, context: &mut Context, origin: &Origin) -> Self {
        let id: SecurityGroupId = context.next_id();
        let ingress = vec![SecurityGroupRule::all_with(Peer::SecurityGroup(id.clone()), context, origin)];
        let mut egress = vec![SecurityGroupRule::all_with(Peer::Ipv4(Ipv4Net::default()), context, origin)];
        if has_ipv6 {
            egress.push(SecurityGroupRule::all_with(Peer::Ipv6(Ipv6Net::default()), context, origin));
        }
        Self {
            id,
            group_name: "default".to_owned(),
            description: "default VPC security group".to_owned(),
            vpc_id: vpc_id.clone(),
            ingress,
            egress,
            tags: Tags::new(),
            origin: origin.clone(),
        }
    }

    /// Whether it is the group that came with the VPC (SG-5).
    pub fn is_default(&self) -> bool {
        self.group_name == "default"
    }
}

/// One rule: traffic and exactly one peer (SG-7). It allows; there is no deny (SG-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// Identifier.
    pub id: SecurityGroupRuleId,
    /// Protocol and ports.
    pub traffic: TrafficMatch,
    /// Source of an ingress rule, destination of an egress rule.
    pub peer: Peer,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl SecurityGroupRule {
    /// All traffic with a peer.
    pub(crate) fn all_with(peer: Peer, context: &mut Context, origin: &Origin) -> Self {
        Self {
            id: context.next_id(),
            traffic: TrafficMatch::All,
            peer,
            description: String::new(),
            tags: Tags::new(),
            origin: origin.clone(),
        }
    }
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// An IPv4 block.
    Ipv4(Ipv4Net),
    /// An IPv6 block.
    Ipv6(Ipv6Net),
    /// Entries of a prefix list (SG-15).
    PrefixList(PrefixListId),
    /// Private addresses of the interfaces that carry the group (SG-11); may be stale (SG-14).
    SecurityGroup(SecurityGroupId),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ipv4(net) => net.fmt(f),
            Self::Ipv6(net) => net.fmt(f),
            Self::PrefixList(id) => id.fmt(f),
            Self::SecurityGroup(id) => id.fmt(f),
        }
    }
}
