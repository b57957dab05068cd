//! Elastic IP addresses (EIP-1 … EIP-10). Auto-assigned public addresses stand on the interface (PIP-1).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AddressAssociationId, AllocationId, NetworkInterfaceId, Origin, Tags};

/// An allocated Elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Identifier of the allocation.
    pub allocation_id: AllocationId,
    /// The public address.
    pub public_ip: Ipv4Addr,
    /// The private address it stands for, if any (EIP-2).
    pub association: Option<AddressAssociation>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// An Elastic IP address in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressAssociation {
    /// Identifier.
    pub id: AddressAssociationId,
    /// The interface.
    pub network_interface_id: NetworkInterfaceId,
    /// Which of its private addresses.
    pub private_ip_address: Ipv4Addr,
}
