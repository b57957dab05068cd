//! Managed prefix lists (RT-21, SG-15).

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Origin, PrefixListId, Tags};

/// A prefix list; users always follow the newest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    /// Identifier.
    pub id: PrefixListId,
    /// Name.
    pub name: String,
    /// Whether it holds IPv6 blocks instead of IPv4 ones.
    pub is_ipv6: bool,
    /// What a rule or route that names it counts as (RT-17, SG-15).
    pub max_entries: u32,
    /// Version, from 1.
    pub version: u64,
    /// Whether it was changed since it was made; clients wait for either state.
    #[serde(default)]
    pub is_modified: bool,
    /// Blocks of the newest version with their descriptions, sorted.
    pub entries: Vec<PrefixListEntry>,
    /// Whether AWS owns it (a gateway endpoint's service).
    pub is_aws_managed: bool,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// One block of a prefix list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PrefixListEntry {
    /// The block.
    pub cidr: IpNet,
    /// Free text.
    pub description: String,
}
