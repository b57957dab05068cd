//! VPC endpoints (VPCE-1 … VPCE-6).

use serde::{Deserialize, Serialize};

use crate::{NetworkInterfaceId, Origin, PrefixListId, RouteTableId, SubnetId, Tags, Timestamp, VpcEndpointId, VpcId};

/// An endpoint for a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcEndpoint {
    /// Identifier.
    pub id: VpcEndpointId,
    /// The VPC it serves.
    pub vpc_id: VpcId,
    /// Such as `com.amazonaws.ap-northeast-2.s3`.
    pub service_name: String,
    /// What kind of endpoint.
    pub kind: VpcEndpointKind,
    /// State.
    pub state: VpcEndpointState,
    /// When `pending` or `deleting` ends.
    pub settles_at: Timestamp,
    /// When it was made.
    pub create_time: Timestamp,
    /// Policy document as given; `None` = full access (VPCE-6).
    pub policy_document: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// The two kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VpcEndpointKind {
    /// A route from chosen tables to the service's prefix list (VPCE-1).
    Gateway {
        /// The service's addresses.
        prefix_list_id: PrefixListId,
        /// Tables that got the route.
        route_table_ids: Vec<RouteTableId>,
    },
    /// Interfaces in chosen subnets (VPCE-5).
    Interface {
        /// Chosen subnets.
        subnet_ids: Vec<SubnetId>,
        /// One interface a subnet.
        network_interface_ids: Vec<NetworkInterfaceId>,
        /// Whether the service's name resolves to the interfaces.
        private_dns_enabled: bool,
    },
}

/// VPCE-6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VpcEndpointState {
    /// Being made.
    Pending,
    /// Works.
    Available,
    /// On its way out.
    Deleting,
    /// Gone.
    Deleted,
}

impl VpcEndpointState {
    /// Whether the VPC cannot be deleted because of it (VPC-14).
    pub fn holds_the_vpc(self) -> bool {
        matches!(self, Self::Pending | Self::Available)
    }

    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}
