//! Gateways as the fabric keeps them: internet, egress-only, NAT, transit and virtual private gateways, peering
//! connections, endpoints. What each does with a packet is decided in the [`crate::stage`] of its name.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use model::endpoint::VpcEndpointState;
use model::nat_gateway::NatGatewayState;
use model::peering::PeeringStatus;
use model::{
    EgressOnlyInternetGatewayId, InternetGatewayId, NatGatewayId, Origin, PrefixListId, TransitGatewayAttachmentId,
    TransitGatewayId, TransitGatewayRouteTableId, VpcEndpointId, VpcPeeringConnectionId, VpnGatewayId,
};
use serde::Serialize;

use crate::index::*;

/// An internet gateway with its 1:1 translation (IGW-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InternetGateway {
    /// Identifier.
    pub id: InternetGatewayId,
    /// `Name` tag, else the id.
    pub name: String,
    /// The VPC it is attached to.
    pub vpc: Option<VpcIndex>,
    /// Gateway route table for what comes in (RT-18).
    pub edge_route_table: Option<RouteTableIndex>,
    /// Public address to private address and its interface.
    pub by_public: BTreeMap<Ipv4Addr, PublicMapping>,
    /// Private address to public address: the same pairs.
    pub by_private: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a public address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PublicMapping {
    /// The VPC of the interface.
    pub vpc: VpcIndex,
    /// The interface that holds the private address.
    pub interface: InterfaceIndex,
    /// The private address.
    pub private: Ipv4Addr,
}

/// An egress-only internet gateway (EIGW-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressOnlyInternetGateway {
    /// Identifier.
    pub id: EgressOnlyInternetGatewayId,
    /// `Name` tag, else the id.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Where it was written.
    pub origin: Origin,
}

/// A virtual private gateway (VPN-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpnGateway {
    /// Identifier.
    pub id: VpnGatewayId,
    /// `Name` tag, else the id.
    pub name: String,
    /// The VPC it is attached to.
    pub vpc: Option<VpcIndex>,
    /// Gateway route table for what comes in (RT-18).
    pub edge_route_table: Option<RouteTableIndex>,
    /// Networks of lans that are linked to the VPC, as they are announced, longest prefix first.
    pub networks: Vec<Ipv4Net>,
    /// Networks that interfaces of those lans are in, sorted.
    pub own: Vec<Ipv4Net>,
    /// Addresses that somebody in those lans has, or may be lent: ranges, sorted by their first.
    pub held: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Where it was written.
    pub origin: Origin,
}

impl VpnGateway {
    /// Whether an interface of a linked lan is in the network of an address.
    pub fn is_near(&self, address: Ipv4Addr) -> bool {
        self.own.iter().any(|network| network.contains(&address))
    }

    /// The network of a linked lan in which an address lies that nobody there has, the longest prefix of several.
    pub fn vacant_in(&self, address: IpAddr) -> Option<Ipv4Net> {
        let IpAddr::V4(address) = address else { return None };
        let is_held = self.held.iter().any(|(first, last)| (*first..=*last).contains(&address));
        let near = self.own.iter().filter(|network| !is_held && network.contains(&address));
        near.max_by_key(|network| network.prefix_len()).copied()
    }

    /// The announced network that an address lies in, the longest prefix of several.
    pub fn network_of(&self, address: IpAddr) -> Option<Ipv4Net> {
        let IpAddr::V4(address) = address else { return None };
        self.networks.iter().find(|network| network.contains(&address)).copied()
    }
}

/// A transit gateway (TGW-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGateway {
    /// Identifier.
    pub id: TransitGatewayId,
    /// `Name` tag, else the id.
    pub name: String,
    /// What is attached to it, by id; a peering is attached to both gateways.
    pub attachments: Vec<TransitGatewayAttachment>,
    /// Its route tables, by id.
    pub tables: Vec<TransitGatewayTable>,
    /// Where it was written.
    pub origin: Origin,
}

/// Something attached to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayAttachment {
    /// Identifier.
    pub id: TransitGatewayAttachmentId,
    /// `Name` tag, else the id.
    pub name: String,
    /// What it leads to.
    pub to: TransitEnd,
    /// Position of the table that routes what comes from it; `None`: what comes from it is dropped.
    pub table: Option<usize>,
}

/// What an attachment leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransitEnd {
    /// A VPC, by these subnets, each of another zone, sorted by zone.
    Vpc {
        /// The VPC.
        vpc: VpcIndex,
        /// The subnets.
        subnets: Vec<SubnetIndex>,
    },
    /// Another gateway, at this position of its attachments.
    Peering {
        /// The other gateway.
        gateway: TransitGatewayIndex,
        /// The same attachment there.
        attachment: usize,
    },
}

/// A route table of a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayTable {
    /// Identifier.
    pub id: TransitGatewayRouteTableId,
    /// `Name` tag, else the id.
    pub name: String,
    /// One route a prefix, longest prefix first, then by address: the first that contains an address is the one.
    pub routes: Vec<TransitGatewayRoute>,
}

/// A route of such a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayRoute {
    /// Destination block.
    pub destination: IpNet,
    /// Position of the attachment; `None` = blackhole.
    pub attachment: Option<usize>,
    /// Whether the VPC announced it; static routes win (TGW-2).
    pub propagated: bool,
}

/// A NAT gateway (NAT-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NatGateway {
    /// Identifier.
    pub id: NatGatewayId,
    /// `Name` tag, else the id.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// The subnet whose network ACL and route table it uses (NAT-13, NAT-17).
    pub subnet: SubnetIndex,
    /// Its interface; `None` when creation failed or it is gone.
    pub interface: Option<InterfaceIndex>,
    /// The address it hides others behind (NAT-5).
    pub private_address: Option<Ipv4Addr>,
    /// What the internet gateway makes of that address.
    pub public_address: Option<Ipv4Addr>,
    /// Public or private type (NAT-2).
    pub is_public: bool,
    /// State; only `available` carries traffic.
    pub state: NatGatewayState,
    /// Where it was written.
    pub origin: Origin,
}

/// A VPC peering connection (PCX-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peering {
    /// Identifier.
    pub id: VpcPeeringConnectionId,
    /// `Name` tag, else the id.
    pub name: String,
    /// Who asked; `None` when that VPC is gone.
    pub requester: Option<VpcIndex>,
    /// Who answers; `None` when that VPC is gone.
    pub accepter: Option<VpcIndex>,
    /// State; only `active` carries traffic.
    pub status: PeeringStatus,
    /// Whether public names of the requester's VPC lead the other side to private addresses (DNS-8).
    #[serde(skip)]
    pub requester_allows_dns_resolution: bool,
    /// The same of the accepter's VPC.
    #[serde(skip)]
    pub accepter_allows_dns_resolution: bool,
    /// Where it was written.
    pub origin: Origin,
}

impl Peering {
    /// Whether it carries traffic.
    pub fn is_active(&self) -> bool {
        self.status == PeeringStatus::Active && self.requester.is_some() && self.accepter.is_some()
    }

    /// The other side, seen from `vpc`.
    pub fn peer_of(&self, vpc: VpcIndex) -> Option<VpcIndex> {
        match () {
            () if self.requester == Some(vpc) => self.accepter,
            () if self.accepter == Some(vpc) => self.requester,
            () => None,
        }
    }
}

/// A VPC endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpcEndpoint {
    /// Identifier.
    pub id: VpcEndpointId,
    /// `Name` tag, else the id.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Such as `com.amazonaws.ap-northeast-2.s3`.
    pub service_name: String,
    /// What kind.
    pub kind: VpcEndpointKind,
    /// State; only `available` carries traffic.
    pub state: VpcEndpointState,
    /// Where it was written.
    pub origin: Origin,
}

/// The two kinds of endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VpcEndpointKind {
    /// A route to the service's prefix list (VPCE-1); hosts inside its blocks are the service.
    Gateway {
        /// The list.
        prefix_list: PrefixListId,
        /// Its blocks.
        blocks: Vec<IpNet>,
    },
    /// Interfaces in subnets (VPCE-5).
    Interface {
        /// The interfaces.
        interfaces: Vec<InterfaceIndex>,
    },
}
