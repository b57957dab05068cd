//! Network ACLs (ACL-1 … ACL-14).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{Context, NetworkAclAssociationId, NetworkAclId, Origin, SubnetId, Tags, TrafficMatch, VpcId};

/// A network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    /// Identifier.
    pub id: NetworkAclId,
    /// The VPC it belongs to.
    pub vpc_id: VpcId,
    /// Whether it is the list that came with the VPC (ACL-2).
    pub is_default: bool,
    /// Entries for what enters the subnet, by ascending rule number; the final `*` is implied.
    pub ingress: Vec<NetworkAclEntry>,
    /// Entries for what leaves the subnet, by ascending rule number; the final `*` is implied.
    pub egress: Vec<NetworkAclEntry>,
    /// The subnets that use it (ACL-4); every subnet stands in exactly one list.
    pub associations: Vec<NetworkAclAssociation>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl NetworkAcl {
    /// The list that comes with a VPC: allow all (ACL-2).
    pub(crate) fn default_for(vpc_id: &VpcId, has_ipv6: bool, context: &mut Context, origin: &Origin) -> Self {
        let entries = Self::default_entries(has_ipv6, origin);
        Self {
            id: context.next_id(),
            vpc_id: vpc_id.clone(),
            is_default: true,
            ingress: entries.clone(),
            egress: entries,
            associations: Vec::new(),
            tags: Tags::new(),
            origin: origin.clone(),
        }
    }

    /// Entries of either direction of the default list: 100 allows IPv4, 101 allows IPv6 if the VPC has it (ACL-2).
    pub fn default_entries(has_ipv6: bool, origin: &Origin) -> Vec<NetworkAclEntry> {
        let families = [(100, IpNet::V4(Ipv4Net::default())), (101, IpNet::V6(Ipv6Net::default()))];
        let chosen = families.into_iter().take(if has_ipv6 { 2 } else { 1 });
        chosen
            .map(|(rule_number, cidr_block)| NetworkAclEntry {
                rule_number,
                traffic: TrafficMatch::All,
                cidr_block,
                allow: true,
                origin: origin.clone(),
            })
            .collect()
    }
}

/// One use of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAclAssociation {
    /// Identifier.
    pub id: NetworkAclAssociationId,
    /// The subnet.
    pub subnet_id: SubnetId,
}

/// One numbered entry (ACL-5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAclEntry {
    /// 1 to 32766 (ACL-1).
    pub rule_number: u16,
    /// Protocol, and destination ports or ICMP type.
    pub traffic: TrafficMatch,
    /// Source of what enters, destination of what leaves.
    pub cidr_block: IpNet,
    /// Allow or deny.
    pub allow: bool,
    /// Where it was written.
    pub origin: Origin,
}
