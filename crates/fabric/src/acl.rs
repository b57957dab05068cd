//! Network ACLs as the fabric keeps them: entries in the order in which they are asked. Decided in
//! [`crate::stage::network_acl`].

use model::network_acl::NetworkAclEntry;
use model::{NetworkAclId, Origin};
use serde::Serialize;

use crate::index::VpcIndex;
use crate::reason::Direction;

/// A network ACL. After the last entry stands the implied `*` that denies (ACL-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acl {
    /// Identifier.
    pub id: NetworkAclId,
    /// `Name` tag, else the id.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Whether it came with the VPC (ACL-2).
    pub is_default: bool,
    /// Entries for what enters the subnet, ascending.
    pub ingress: Vec<NetworkAclEntry>,
    /// Entries for what leaves the subnet, ascending.
    pub egress: Vec<NetworkAclEntry>,
    /// Where it was written.
    pub origin: Origin,
}

impl Acl {
    /// The entries of one direction, ascending.
    pub fn entries(&self, direction: Direction) -> &[NetworkAclEntry] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}
