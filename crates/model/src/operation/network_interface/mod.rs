//! Network interfaces (ENI-1 … ENI-10): making and deleting them here, the rest in the files below.

mod address;
mod attach;
mod attribute;
mod public_address;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

pub use address::*;
pub use attach::*;
pub use attribute::*;
pub(crate) use public_address::{grant_public_address, settle_public_address};

use super::address::unmap_interface;
use super::security_group::groups_for_interface;
use super::tag;
use crate::network_interface::{InterfaceType, MacAddress};
use crate::*;

/// Parameters of CreateNetworkInterface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNetworkInterface {
    /// The subnet, for life.
    pub subnet_id: SubnetId,
    /// Free text.
    pub description: String,
    /// Security groups; none = the VPC's default group (SG-5).
    pub groups: Vec<SecurityGroupId>,
    /// Private addresses, the primary one first; none = one is chosen.
    pub private_ip_addresses: Vec<Ipv4Addr>,
    /// How many secondary addresses to choose.
    pub secondary_private_ip_address_count: usize,
    /// IPv6 addresses.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// How many IPv6 addresses to choose; `None` = as the subnet has it.
    pub ipv6_address_count: Option<usize>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl CreateNetworkInterface {
    /// An interface with nothing but defaults in a subnet.
    pub fn in_subnet(subnet_id: SubnetId) -> Self {
        Self {
            subnet_id,
            description: String::new(),
            groups: Vec::new(),
            private_ip_addresses: Vec::new(),
            secondary_private_ip_address_count: 0,
            ipv6_addresses: Vec::new(),
            ipv6_address_count: None,
            tags: Tags::new(),
            origin: Origin::default(),
        }
    }
}

/// Creates an interface that nothing is attached to.
///
/// Errors: `InvalidSubnetID.NotFound`, `InvalidGroup.NotFound`, `SecurityGroupsPerInterfaceLimitExceeded` (SG-28),
/// `InvalidParameterValue` (address outside the subnet, ENI-10, or reserved, SUB-2), `InvalidIPAddress.InUse`
/// (ENI-10), `InvalidParameterCombination` (secondary addresses both named and counted),
/// `InsufficientFreeAddressesInSubnet` (SUB-5), `NetworkInterfaceLimitExceeded` (QUO-1), those of tags.
pub fn create_network_interface(
    model: &mut Model,
    request: CreateNetworkInterface,
) -> Result<NetworkInterfaceId, ApiError> {
    check_quota(model, 1)?;
    let planned = plan(model, &mut AddressPlan::default(), request)?;
    let id = make(model, planned);
    model.generation += 1;
    Ok(id)
}

/// An interface whose addresses and groups are settled and legal, and that does not exist yet.
pub(crate) struct PlannedInterface {
    request: CreateNetworkInterface,
    vpc_id: VpcId,
    groups: Vec<SecurityGroupId>,
    addresses: ChosenAddresses,
}

/// Checks a request and chooses its addresses. Errors: as [`create_network_interface`].
pub(crate) fn plan(
    model: &Model,
    taken: &mut AddressPlan,
    request: CreateNetworkInterface,
) -> Result<PlannedInterface, ApiError> {
    let subnet = model.subnet(&request.subnet_id)?;
    tag::check(&request.tags)?;
    let groups = groups_for_interface(model, &subnet.vpc_id, &request.groups)?;
    let wanted = AddressWish {
        ipv4: &request.private_ip_addresses,
        secondary_count: request.secondary_private_ip_address_count,
        ipv6: &request.ipv6_addresses,
        ipv6_count: match request.ipv6_address_count {
            Some(count) => count,
            None => usize::from(subnet.assign_ipv6_address_on_creation && request.ipv6_addresses.is_empty()),
        },
    };
    let addresses = taken.choose(model, subnet, &wanted)?;
    Ok(PlannedInterface { vpc_id: subnet.vpc_id.clone(), groups, addresses, request })
}

/// Makes a planned interface.
pub(crate) fn make(model: &mut Model, planned: PlannedInterface) -> NetworkInterfaceId {
    let PlannedInterface { request, vpc_id, groups, addresses } = planned;
    let id: NetworkInterfaceId = model.context.next_id();
    let interface = NetworkInterface {
        id: id.clone(),
        subnet_id: request.subnet_id,
        vpc_id,
        description: request.description,
        mac_address: fresh_mac_address(model),
        private_ip_addresses: addresses.ipv4,
        ipv6_addresses: addresses.ipv6,
        auto_public_ip: None,
        auto_public_ip_due: None,
        associate_public_ip_address: false,
        groups,
        source_dest_check: true,
        attachment: None,
        interface_type: InterfaceType::Interface,
        tags: request.tags,
        origin: request.origin,
    };
    model.network_interfaces.insert(id.clone(), interface);
    id
}

/// A MAC address that nobody has: locally administered unicast (ENI-9).
pub(crate) fn fresh_mac_address(model: &mut Model) -> MacAddress {
    loop {
        let [_, _, first, rest @ ..] = model.context.next_u64().to_be_bytes();
        let [b, c, d, e, f] = rest;
        let mac = MacAddress([first & 0b1111_1100 | 0b10, b, c, d, e, f]);
        if model.network_interfaces.values().all(|eni| eni.mac_address != mac) {
            return mac;
        }
    }
}

/// Whether `more` interfaces may still be made. Errors: `NetworkInterfaceLimitExceeded`.
pub(crate) fn check_quota(model: &Model, more: usize) -> Result<(), ApiError> {
    match model.network_interfaces.len() + more > model.quotas.interfaces_per_region {
        false => Ok(()),
        true => Err(ApiError::new(
            ErrorCode::NetworkInterfaceLimitExceeded,
            "The maximum number of network interfaces has been reached.",
        )),
    }
}

/// Deletes a detached interface; its Elastic IP addresses stay with the account. Routes to it become blackholes.
///
/// Errors: `InvalidNetworkInterfaceID.NotFound`, `InvalidNetworkInterface.InUse`, `OperationNotPermitted`
/// (requester-managed); ENI-7.
pub fn delete_network_interface(model: &mut Model, id: &NetworkInterfaceId) -> Result<(), ApiError> {
    let interface = model.network_interface(id)?;
    check_is_users_own(interface)?;
    if let Some(attachment) = &interface.attachment {
        let message = format!("Network interface '{id}' is currently in use.");
        let hint = format!("detach it from {} first", attachment.instance_id);
        return Err(ApiError::new(ErrorCode::InvalidNetworkInterfaceInUse, message).with_hint(hint));
    }
    remove(model, id);
    model.generation += 1;
    Ok(())
}

/// Takes an interface out of the model, whatever state it is in, and ends its associations.
pub(crate) fn remove(model: &mut Model, id: &NetworkInterfaceId) {
    unmap_interface(model, id, None);
    super::flow_log::remove_of(model, &crate::flow_log::FlowLogResource::NetworkInterface(id.clone()));
    model.network_interfaces.remove(id);
}

/// ENI-7: what a service made, only the service may change.
/// Errors: `OperationNotPermitted`.
pub(crate) fn check_is_users_own(interface: &NetworkInterface) -> Result<(), ApiError> {
    match interface.interface_type {
        InterfaceType::Interface => Ok(()),
        InterfaceType::NatGateway | InterfaceType::VpcEndpoint => {
            let message = format!("You are not allowed to manage network interface '{}'", interface.id);
            let hint = "it belongs to a NAT gateway or an endpoint; change that instead";
            Err(ApiError::new(ErrorCode::OperationNotPermitted, message).with_hint(hint))
        }
    }
}

/// The type of the instance an interface is attached to.
fn type_of_holder(model: &Model, interface: &NetworkInterface) -> Option<instance_type::InstanceType> {
    let instance = model.instances.get(interface.instance_id()?)?;
    instance_type::find(&instance.instance_type)
}

/// Whether an interface with this many addresses of one family fits a type. Errors:
/// `PrivateIpAddressLimitExceeded` (ENI-4).
pub(crate) fn check_address_limit(
    instance_type: &instance_type::InstanceType,
    addresses: usize,
) -> Result<(), ApiError> {
    match addresses > instance_type.addresses_per_interface as usize {
        false => Ok(()),
        true => Err(ApiError::new(
            ErrorCode::PrivateIpAddressLimitExceeded,
            format!("Number of private addresses will exceed limit for instance type {}.", instance_type.name()),
        )),
    }
}

fn duplicates<T: Ord>(items: &[T]) -> bool {
    let mut seen = BTreeSet::new();
    !items.iter().all(|item| seen.insert(item))
}
