//! VPC (VPC-1 … VPC-15).

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{DhcpOptionsId, Origin, Tags, Timestamp, VpcCidrAssociationId, VpcId};

/// A virtual private cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Identifier.
    pub id: VpcId,
    /// IPv4 blocks, the primary one first (VPC-4). Only `associated` and `associating` ones count.
    pub cidr_blocks: Vec<CidrBlock<Ipv4Net>>,
    /// IPv6 blocks (VPC-10).
    pub ipv6_cidr_blocks: Vec<CidrBlock<Ipv6Net>>,
    /// When the VPC turns from `pending` to `available` (VPC-2).
    pub available_at: Timestamp,
    /// Option set; `None` = the word `default` was given, meaning no options (DHCP-1).
    pub dhcp_options_id: Option<DhcpOptionsId>,
    /// Whether instances run on dedicated hardware (VPC-9).
    pub dedicated_tenancy: bool,
    /// Whether this is the region's default VPC (VPC-11).
    pub is_default: bool,
    /// DNS-2, DNS-7.
    pub enable_dns_support: bool,
    /// DNS-5, DNS-7.
    pub enable_dns_hostnames: bool,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl Vpc {
    /// The primary IPv4 block.
    pub fn primary_cidr_block(&self) -> Ipv4Net {
        self.cidr_blocks[0].block
    }

    /// The IPv4 blocks that are in force.
    pub fn ipv4_blocks(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        self.cidr_blocks.iter().filter(|b| b.state.is_live()).map(|b| b.block)
    }

    /// The IPv6 blocks that are in force.
    pub fn ipv6_blocks(&self) -> impl Iterator<Item = Ipv6Net> + '_ {
        self.ipv6_cidr_blocks.iter().filter(|b| b.state.is_live()).map(|b| b.block)
    }
}

/// A block of addresses associated with a VPC or a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CidrBlock<Net, AssociationId = VpcCidrAssociationId> {
    /// Identifier of the association.
    pub association_id: AssociationId,
    /// The block in canonical form.
    pub block: Net,
    /// State of the association.
    pub state: CidrBlockState,
    /// When `associating` becomes `associated`, or `disassociating` `disassociated`.
    pub settles_at: Timestamp,
}

/// State of a block's association (VPC-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CidrBlockState {
    /// Asked for; already usable here.
    Associating,
    /// In force.
    Associated,
    /// On its way out.
    Disassociating,
    /// Gone.
    Disassociated,
}

impl CidrBlockState {
    /// Whether addresses of the block belong to the VPC now.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Associating | Self::Associated)
    }

    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Associating => "associating",
            Self::Associated => "associated",
            Self::Disassociating => "disassociating",
            Self::Disassociated => "disassociated",
        }
    }
}
