//! VPC peering connections (PCX-1 … PCX-8).

use serde::{Deserialize, Serialize};

use crate::{Origin, Tags, Timestamp, VpcId, VpcPeeringConnectionId};

/// A peering connection between two VPCs of the region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcPeeringConnection {
    /// Identifier.
    pub id: VpcPeeringConnectionId,
    /// Who asked.
    pub requester_vpc_id: VpcId,
    /// Who answers.
    pub accepter_vpc_id: VpcId,
    /// State.
    pub status: PeeringStatus,
    /// What the present transition ends in, and when (`initiating-request`, `provisioning`, `deleting`).
    pub settles: Option<(PeeringStatus, Timestamp)>,
    /// Why it failed, or empty.
    pub status_message: String,
    /// When a pending request lapses (PCX-1).
    pub expiration_time: Timestamp,
    /// Whether public names of the requester's VPC resolve to private addresses from the other side (DNS-8).
    pub requester_allows_dns_resolution: bool,
    /// The same for the accepter's VPC (DNS-8).
    pub accepter_allows_dns_resolution: bool,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl VpcPeeringConnection {
    /// The other side, seen from `vpc`; `None` if `vpc` is neither.
    pub fn peer_of(&self, vpc: &VpcId) -> Option<&VpcId> {
        match () {
            () if *vpc == self.requester_vpc_id => Some(&self.accepter_vpc_id),
            () if *vpc == self.accepter_vpc_id => Some(&self.requester_vpc_id),
            () => None,
        }
    }
}

/// PCX-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeeringStatus {
    /// Asked for a moment ago.
    InitiatingRequest,
    /// Waits for the accepter.
    PendingAcceptance,
    /// Cannot be, for example because blocks overlap (PCX-2).
    Failed,
    /// Nobody accepted within seven days.
    Expired,
    /// Turned down.
    Rejected,
    /// Accepted a moment ago.
    Provisioning,
    /// Carries traffic.
    Active,
    /// On its way out.
    Deleting,
    /// Gone.
    Deleted,
}

impl PeeringStatus {
    /// Whether the connection carries traffic or may come to do so; there is one such a pair of VPCs (PCX-1).
    pub fn is_open(self) -> bool {
        matches!(self, Self::InitiatingRequest | Self::PendingAcceptance | Self::Provisioning | Self::Active)
    }

    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InitiatingRequest => "initiating-request",
            Self::PendingAcceptance => "pending-acceptance",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}
