//! NAT gateway (NAT-1 … NAT-22).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AllocationId, ErrorCode, NatGatewayId, NetworkInterfaceId, Origin, SubnetId, Tags, Timestamp, VpcId};

/// A NAT gateway in one subnet. Its interface is requester-managed and carries its private address (NAT-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// Identifier.
    pub id: NatGatewayId,
    /// The subnet whose route table and network ACL it uses (NAT-13, NAT-17).
    pub subnet_id: SubnetId,
    /// The VPC it is in.
    pub vpc_id: VpcId,
    /// Whether it is of the public type (NAT-2).
    pub is_public: bool,
    /// Its interface; `None` when creation failed.
    pub network_interface_id: Option<NetworkInterfaceId>,
    /// Its private address; `None` when creation failed.
    pub private_ip: Option<Ipv4Addr>,
    /// The Elastic IP address given at creation (NAT-2).
    pub allocation_id: Option<AllocationId>,
    /// State.
    pub state: NatGatewayState,
    /// Why creation failed (NAT-3), known from the start, shown once the state is `failed`.
    pub failure: Option<(ErrorCode, String)>,
    /// When the present transition ends (`pending` to `available` or `failed`; `deleting` to `deleted`).
    pub settles_at: Timestamp,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was deleted.
    pub delete_time: Option<Timestamp>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// NAT-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatGatewayState {
    /// Being made; carries no traffic yet.
    Pending,
    /// Could not be made (NAT-3).
    Failed,
    /// Works.
    Available,
    /// On its way out.
    Deleting,
    /// Gone; routes to it are blackholes (NAT-18).
    Deleted,
}

impl NatGatewayState {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Available => "available",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}
