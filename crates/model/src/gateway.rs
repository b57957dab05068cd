//! Internet gateway (IGW-1 … IGW-11), egress-only internet gateway (EIGW-1), virtual private gateway (VPN-1).

use serde::{Deserialize, Serialize};

use crate::{EgressOnlyInternetGatewayId, InternetGatewayId, Origin, Tags, VpcId, VpnGatewayId};

/// An internet gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// Identifier.
    pub id: InternetGatewayId,
    /// The VPC it is attached to (IGW-1).
    pub vpc_id: Option<VpcId>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// An egress-only internet gateway: IPv6, outbound flows only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressOnlyInternetGateway {
    /// Identifier.
    pub id: EgressOnlyInternetGatewayId,
    /// The VPC it serves.
    pub vpc_id: VpcId,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// A virtual private gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpnGateway {
    /// Identifier.
    pub id: VpnGatewayId,
    /// The VPC it is attached to (VPN-1).
    pub vpc_id: Option<VpcId>,
    /// The VPC it was attached to before, until it is attached again: shown as `detached`, which clients wait for.
    #[serde(default)]
    pub detached_vpc_id: Option<VpcId>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}
