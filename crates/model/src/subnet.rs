//! Subnet (SUB-1 … SUB-12). Which route table and network ACL it uses stands in those (SUB-9).

use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::vpc::CidrBlock;
use crate::{Origin, SubnetCidrAssociationId, SubnetId, Tags, Timestamp, VpcId};

/// A subnet: one block of addresses in one zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Identifier.
    pub id: SubnetId,
    /// The VPC it is in.
    pub vpc_id: VpcId,
    /// Its IPv4 block, fixed (SUB-1).
    pub cidr_block: Ipv4Net,
    /// Its IPv6 blocks, each a /64 (VPC-10).
    pub ipv6_cidr_blocks: Vec<CidrBlock<Ipv6Net, SubnetCidrAssociationId>>,
    /// Zone name, such as `ap-northeast-2a` (GEO-2).
    pub availability_zone: String,
    /// Whether primary interfaces made at launch get a public address (SUB-6).
    pub map_public_ip_on_launch: bool,
    /// Whether primary interfaces made at launch get an IPv6 address.
    #[serde(default)]
    pub assign_ipv6_address_on_creation: bool,
    /// Whether it is a default subnet (VPC-12).
    pub default_for_az: bool,
    /// When the subnet turns from `pending` to `available` (SUB-12).
    pub available_at: Timestamp,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl Subnet {
    /// The IPv6 block that is in force; a subnet has one at most.
    pub fn ipv6_block(&self) -> Option<Ipv6Net> {
        self.ipv6_cidr_blocks.iter().find(|b| b.state.is_live()).map(|b| b.block)
    }

    /// The router's address, base + 1 (SUB-2).
    pub fn router_address(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.cidr_block.network()) + 1)
    }

    /// Whether AWS keeps this address of the block for itself: +0 to +3 and the last (SUB-2).
    pub fn is_reserved(&self, address: Ipv4Addr) -> bool {
        let base = u32::from(self.cidr_block.network());
        let offset = u32::from(address).wrapping_sub(base);
        offset < 4 || address == self.cidr_block.broadcast()
    }
}
