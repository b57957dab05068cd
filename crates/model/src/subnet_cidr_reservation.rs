//! Parts of subnets that are kept back: addresses that nobody gets who does not ask for one of them.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Origin, SubnetCidrReservationId, SubnetId, Tags};

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetCidrReservation {
    /// Identifier.
    pub id: SubnetCidrReservationId,
    /// The subnet.
    pub subnet_id: SubnetId,
    /// The part, within a block of the subnet.
    pub cidr: IpNet,
    /// What for.
    pub kind: ReservationType,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// What a reservation is for; neither kind of address is ever chosen for an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReservationType {
    /// Prefixes of interfaces.
    Prefix,
    /// Addresses that somebody asks for by name.
    Explicit,
}

impl ReservationType {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Explicit => "explicit",
        }
    }
}
