//! Network ACLs (ACL-1 … ACL-14).

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{NetworkAclAssociationId, NetworkAclId, Origin, SubnetId, Tags, TrafficMatch, VpcId};

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
