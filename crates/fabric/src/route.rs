//! Route tables as the fabric keeps them: one winner for each prefix, next hops resolved. Which route a packet
//! takes is decided in [`crate::stage::route_table`].

use std::net::IpAddr;

use ipnet::IpNet;
use model::route_table::RouteOrigin;
use model::{Origin, PrefixListId, RouteTableId, RouteTarget};
use serde::{Deserialize, Serialize};

use crate::index::*;

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteTable {
    /// Identifier.
    pub id: RouteTableId,
    /// `Name` tag, else the id.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Whether it is the VPC's main table (RT-11).
    pub is_main: bool,
    /// One route for each prefix, prefix lists expanded; longest prefix first, then by address. The first that
    /// contains an address is the one (RT-2). Blackholes are in it: they swallow (PIPE-4).
    pub routes: Vec<Route>,
    /// Routes that never decide because another one beats them (RT-5, RT-6, RT-7); for explanations.
    pub beaten: Vec<BeatenRoute>,
    /// Where it was written.
    pub origin: Origin,
}

impl RouteTable {
    /// Longest prefix match (RT-2).
    pub fn lookup(&self, destination: IpAddr) -> Option<&Route> {
        self.routes.iter().find(|route| route.destination.contains(&destination))
    }
}

/// A route that may decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Destination block.
    pub destination: IpNet,
    /// The prefix list that the block comes from.
    pub prefix_list: Option<PrefixListId>,
    /// Where it leads, as written.
    pub target: RouteTarget,
    /// Where it leads, resolved.
    pub next_hop: NextHop,
    /// How it came to be.
    pub created_by: RouteOrigin,
    /// Where it was written.
    pub origin: Origin,
}

/// A route that never decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BeatenRoute {
    /// The route.
    pub route: Route,
    /// Destination of the route that beats it: the same block, or the local block around it (RT-6).
    pub beaten_by: IpNet,
    /// The rule that says so: `RT-5`, `RT-6` or `RT-7`.
    pub rule: &'static str,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextHop {
    /// Straight to whoever holds the address in this VPC.
    Local,
    /// The VPC's internet gateway.
    InternetGateway(InternetGatewayIndex),
    /// A NAT gateway.
    NatGateway(NatGatewayIndex),
    /// A network interface of a running instance, usually a middlebox.
    Interface(InterfaceIndex),
    /// A peering connection, with the VPC on its other side.
    Peering {
        /// The connection.
        peering: PeeringIndex,
        /// The VPC on the other side.
        vpc: VpcIndex,
    },
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayIndex),
    /// A gateway endpoint.
    VpcEndpoint(VpcEndpointIndex),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayIndex),
    /// A transit gateway that the VPC is attached to.
    TransitGateway(TransitGatewayIndex),
    /// Nowhere: the target is gone or unusable; what matches is dropped (RT-9, PIPE-4).
    Blackhole(BlackholeReason),
}

/// Why a route leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlackholeReason {
    /// The target no longer exists.
    TargetGone,
    /// The gateway is not attached to this VPC.
    NotAttached,
    /// The interface's instance is not running, or the interface is not attached.
    NotRunning,
    /// The NAT gateway, endpoint or peering connection is not in a state that carries traffic.
    NotAvailable,
    /// A kind of target that carries no traffic here (an interface endpoint).
    Unsupported,
    /// The VPC is attached to the transit gateway without IPv6.
    NoIpv6,
}

impl BlackholeReason {
    /// A clause that follows the target's name.
    pub fn text(self) -> &'static str {
        match self {
            Self::TargetGone => "no longer exists",
            Self::NotAttached => "is not attached to this VPC",
            Self::NotRunning => "has no running instance",
            Self::NotAvailable => "is not in a state that carries traffic",
            Self::Unsupported => "carries no traffic here",
            Self::NoIpv6 => "takes no IPv6 from this VPC (its attachment has no `ipv6_support`)",
        }
    }
}
