//! Route tables and routes (RT-1 … RT-22). A route's state is derived: [`crate::Model::route_state`].

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{
    EgressOnlyInternetGatewayId, InternetGatewayId, NatGatewayId, NetworkInterfaceId, Origin,
    PrefixListId, RouteTableAssociationId, RouteTableId, SubnetId, Tags, TransitGatewayId,
    VpcEndpointId, VpcId, VpcPeeringConnectionId, VpnGatewayId,
};

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Identifier.
    pub id: RouteTableId,
    /// The VPC it is in.
    pub vpc_id: VpcId,
    /// All routes, the local ones included (RT-1).
    pub routes: Vec<Route>,
    /// What uses the table explicitly, and the main mark (RT-11, RT-12, RT-18).
    pub associations: Vec<RouteTableAssociation>,
    /// Virtual private gateways that may add routes (RT-10).
    pub propagating_vgws: Vec<VpnGatewayId>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl RouteTable {
    /// Whether this is the VPC's main table (RT-11).
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|a| a.to == Associated::Main)
    }
}

/// One use of a route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableAssociation {
    /// Identifier.
    pub id: RouteTableAssociationId,
    /// Who uses the table.
    pub to: Associated,
}

/// Who uses a route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Associated {
    /// Every subnet without an association of its own.
    Main,
    /// One subnet.
    Subnet(SubnetId),
    /// Traffic that comes in by an internet gateway (edge association, RT-18).
    InternetGateway(InternetGatewayId),
    /// Traffic that comes in by a virtual private gateway (RT-18).
    VpnGateway(VpnGatewayId),
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Destination.
    pub destination: Destination,
    /// Target; may name a resource that is gone (RT-9).
    pub target: RouteTarget,
    /// How the route came to be (RT-10).
    pub created_by: RouteOrigin,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a route applies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// An IPv4 block in canonical form.
    Ipv4(Ipv4Net),
    /// An IPv6 block in canonical form.
    Ipv6(Ipv6Net),
    /// Every entry of a prefix list's newest version (RT-21).
    PrefixList(PrefixListId),
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ipv4(net) => net.fmt(f),
            Self::Ipv6(net) => net.fmt(f),
            Self::PrefixList(id) => id.fmt(f),
        }
    }
}

/// Where a route leads (RT-16). An instance given as target is stored as its only interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteTarget {
    /// Inside the VPC.
    Local,
    /// An internet gateway.
    InternetGateway(InternetGatewayId),
    /// A NAT gateway.
    NatGateway(NatGatewayId),
    /// A network interface, usually a middlebox.
    NetworkInterface(NetworkInterfaceId),
    /// A VPC peering connection.
    VpcPeeringConnection(VpcPeeringConnectionId),
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayId),
    /// A gateway endpoint (VPCE-1) or a Gateway Load Balancer endpoint.
    VpcEndpoint(VpcEndpointId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
    /// A transit gateway.
    TransitGateway(TransitGatewayId),
}

impl std::fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::InternetGateway(id) => id.fmt(f),
            Self::NatGateway(id) => id.fmt(f),
            Self::NetworkInterface(id) => id.fmt(f),
            Self::VpcPeeringConnection(id) => id.fmt(f),
            Self::EgressOnlyInternetGateway(id) => id.fmt(f),
            Self::VpcEndpoint(id) => id.fmt(f),
            Self::VpnGateway(id) => id.fmt(f),
            Self::TransitGateway(id) => id.fmt(f),
        }
    }
}

/// How a route came to be (RT-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteOrigin {
    /// Made with the table: a local route.
    CreateRouteTable,
    /// Made by a call.
    CreateRoute,
    /// Propagated by a virtual private gateway (RT-5, RT-6).
    EnableVgwRoutePropagation,
}

/// Whether a route leads anywhere (RT-9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteState {
    /// In use.
    Active,
    /// The target is gone or not usable: packets that match are dropped (PIPE-4).
    Blackhole,
}
