//! Elastic IP addresses (EIP-1 … EIP-10).

use std::net::Ipv4Addr;

use super::{invalid_value, tag};
use crate::address::AddressAssociation;
use crate::network_interface::InterfaceType;
use crate::*;

/// Seconds until a new auto-assigned address comes after an Elastic IP address left (EIP-6).
const NEW_ADDRESS_AFTER: u64 = 30;

/// Parameters of AllocateAddress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllocateAddress {
    /// This address, if nobody has it; any of the pool if absent.
    pub address: Option<Ipv4Addr>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Allocates an address. Errors: `AddressLimitExceeded` (EIP-1), `InvalidParameterValue` (the wanted address is not
/// a public one), `InvalidIPAddress.InUse` (somebody has it).
pub fn allocate_address(model: &mut Model, request: AllocateAddress) -> Result<AllocationId, ApiError> {
    tag::check(&request.tags)?;
    if model.addresses.len() >= model.quotas.addresses_per_region {
        let message = "The maximum number of addresses has been reached.";
        return Err(ApiError::new(ErrorCode::AddressLimitExceeded, message));
    }
    let public_ip = match request.address {
        None => public_address::draw(model),
        Some(wanted) if !is_public(wanted) => {
            return Err(invalid_value(wanted, "address", "It is not a public address."));
        }
        Some(wanted) if is_used(model, wanted) => {
            let message = format!("Address {wanted} is in use.");
            return Err(ApiError::new(ErrorCode::InvalidIpAddressInUse, message));
        }
        Some(wanted) => wanted,
    };
    let id: AllocationId = model.context.next_id();
    let (tags, origin) = (request.tags, request.origin);
    let address = Address { allocation_id: id.clone(), public_ip, association: None, tags, origin };
    model.addresses.insert(id.clone(), address);
    model.generation += 1;
    Ok(id)
}

/// How a call names an Elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressName {
    /// By allocation.
    Allocation(AllocationId),
    /// By the address itself.
    PublicIp(Ipv4Addr),
}

/// Parameters of AssociateAddress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateAddress {
    /// The address.
    pub address: AddressName,
    /// Who gets it.
    pub target: AddressTarget,
    /// Which private address; the primary one if absent (EIP-3).
    pub private_ip_address: Option<Ipv4Addr>,
    /// Whether the address may come from another holder; true if absent (EIP-4).
    pub allow_reassociation: Option<bool>,
}

/// Who gets an Elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressTarget {
    /// An interface.
    NetworkInterface(NetworkInterfaceId),
    /// The only interface of an instance (EIP-3).
    Instance(InstanceId),
}

/// Associates an address with a private address. Moves it there (EIP-4), displaces the one that stood there, and
/// releases the auto-assigned address for good (EIP-6). Errors: `InvalidAllocationID.NotFound`,
/// `InvalidAddress.NotFound`, `InvalidNetworkInterfaceID.NotFound`, `InvalidInstanceID.NotFound`, `InvalidInstanceID`
/// (several interfaces, EIP-3), `IncorrectInstanceState`, `InvalidParameterValue` (not a private address of the
/// interface), `OperationNotPermitted` (a requester-managed interface), `Gateway.NotAttached` (EIP-5),
/// `Resource.AlreadyAssociated` (EIP-4), `AuthFailure` (a NAT gateway has it).
pub fn associate_address(model: &mut Model, request: AssociateAddress) -> Result<AddressAssociationId, ApiError> {
    let address = find(model, &request.address)?;
    let interface = match &request.target {
        AddressTarget::NetworkInterface(id) => model.network_interface(id)?,
        AddressTarget::Instance(id) => {
            let instance = model.instance(id)?;
            if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
                let state = instance.state.as_str();
                let message = format!("The {state} instance '{id}' is not in a valid state for this operation.");
                return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
            }
            sole_interface(model, id)?
        }
    };
    if interface.interface_type != InterfaceType::Interface {
        let message = format!("You are not allowed to manage '{}'", interface.id);
        return Err(ApiError::new(ErrorCode::OperationNotPermitted, message));
    }
    let private = request.private_ip_address.unwrap_or_else(|| interface.primary_address());
    if !interface.private_ip_addresses.contains(&private) {
        let why = format!("It is not assigned to interface {}.", interface.id);
        return Err(invalid_value(private, "privateIpAddress", why));
    }
    if model.internet_gateway_of(&interface.vpc_id).is_none() {
        let message = format!("Network {} is not attached to any internet gateway", interface.vpc_id);
        return Err(ApiError::new(ErrorCode::GatewayNotAttached, message));
    }
    let displaced = model.elastic_ip_of(&interface.id, private).map(|address| address.allocation_id.clone());
    if let Some(present) = &address.association {
        if displaced.as_ref() == Some(&address.allocation_id) {
            return Ok(present.id.clone());
        }
        check_not_of_a_nat_gateway(model, address)?;
    }
    if request.allow_reassociation == Some(false) && (address.association.is_some() || displaced.is_some()) {
        let message = match &displaced {
            Some(_) => format!("resource {} is already associated with an address", interface.id),
            None => format!("resource {} is already associated", address.allocation_id),
        };
        return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
    }

    let (allocation, interface) = (address.allocation_id.clone(), interface.id.clone());
    let is_primary = model.network_interface(&interface)?.primary_address() == private;
    unmap(model, &allocation);
    if let Some(displaced) = displaced {
        model.address_mut(&displaced)?.association = None;
    }
    let association = map(model, &allocation, &interface, private)?;
    if is_primary {
        let interface = model.network_interface_mut(&interface)?;
        (interface.auto_public_ip, interface.auto_public_ip_due) = (None, None);
    }
    model.generation += 1;
    Ok(association)
}

/// How a call names an association to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssociationName {
    /// By its id.
    Association(AddressAssociationId),
    /// By the public address.
    PublicIp(Ipv4Addr),
}

/// Ends an association; the interface may get a new auto-assigned address after a while (EIP-6). Ending what an
/// address does not have is no error. Errors: `InvalidAssociationID.NotFound`, `InvalidAddress.NotFound`,
/// `AuthFailure` (a NAT gateway has it).
pub fn disassociate_address(model: &mut Model, name: &AssociationName) -> Result<(), ApiError> {
    let address = match name {
        AssociationName::PublicIp(address) => find(model, &AddressName::PublicIp(*address))?,
        AssociationName::Association(id) => {
            let has = |address: &&Address| address.association.as_ref().is_some_and(|a| a.id == *id);
            model.addresses.values().find(has).ok_or_else(|| {
                let message = format!("The association ID '{id}' does not exist");
                ApiError::new(ErrorCode::InvalidAssociationIdNotFound, message)
            })?
        }
    };
    if address.association.is_none() {
        return Ok(());
    }
    check_not_of_a_nat_gateway(model, address)?;
    let id = address.allocation_id.clone();
    unmap(model, &id);
    model.generation += 1;
    Ok(())
}

/// Gives an address back. In the default VPC an association ends by itself (EIP-7). Errors:
/// `InvalidAllocationID.NotFound`, `InvalidAddress.NotFound`, `InvalidIPAddress.InUse`.
pub fn release_address(model: &mut Model, name: &AddressName) -> Result<(), ApiError> {
    let address = find(model, name)?;
    if let Some(association) = &address.association {
        let interface = model.network_interfaces.get(&association.network_interface_id);
        let vpc = interface.and_then(|eni| model.vpcs.get(&eni.vpc_id));
        let is_managed = interface.is_some_and(|eni| eni.interface_type != InterfaceType::Interface);
        if is_managed || !vpc.is_some_and(|vpc| vpc.is_default) {
            let message = format!("Address {} is in use.", address.public_ip);
            return Err(ApiError::new(ErrorCode::InvalidIpAddressInUse, message));
        }
    }
    let id = address.allocation_id.clone();
    unmap(model, &id);
    model.addresses.remove(&id);
    model.generation += 1;
    Ok(())
}

/// The only interface of an instance. Errors: `InvalidInstanceID` when it has several or none (EIP-3, RT-16).
pub(crate) fn sole_interface<'m>(model: &'m Model, id: &InstanceId) -> Result<&'m NetworkInterface, ApiError> {
    match model.interfaces_of(id)[..] {
        [only] => Ok(only),
        [] => Err(ApiError::new(
            ErrorCode::InvalidInstanceId,
            format!("There is no interface attached to instance '{id}'."),
        )),
        _ => Err(ApiError::new(
            ErrorCode::InvalidInstanceId,
            format!(
                "There are multiple interfaces attached to instance '{id}'. Please specify an interface ID for the \
                 operation instead."
            ),
        )),
    }
}

/// Writes an association down, all checks done.
pub(crate) fn map(
    model: &mut Model,
    allocation: &AllocationId,
    interface: &NetworkInterfaceId,
    private: Ipv4Addr,
) -> Result<AddressAssociationId, ApiError> {
    model.address(allocation)?;
    let id: AddressAssociationId = model.context.next_id();
    let association =
        AddressAssociation { id: id.clone(), network_interface_id: interface.clone(), private_ip_address: private };
    model.address_mut(allocation)?.association = Some(association);
    Ok(id)
}

/// Ends the association of an address, if any. When the interface qualifies, a new auto-assigned address is awaited
/// (EIP-6).
pub(crate) fn unmap(model: &mut Model, allocation: &AllocationId) {
    let ended = model.addresses.get_mut(allocation).and_then(|address| address.association.take());
    let Some(association) = ended else { return };
    let due = model.context.now.plus(NEW_ADDRESS_AFTER);
    let Some(interface) = model.network_interfaces.get(&association.network_interface_id) else { return };
    let is_awaited =
        association.private_ip_address == interface.primary_address() && gets_public_address(model, interface);
    if let Some(interface) = model.network_interfaces.get_mut(&association.network_interface_id).filter(|_| is_awaited) {
        interface.auto_public_ip_due = Some(due);
    }
}

/// Ends every association of an interface, or only that of one private address: when the interface goes (EIP-8) or
/// the private address is unassigned (EIP-9). No new address is awaited.
pub(crate) fn unmap_interface(model: &mut Model, interface: &NetworkInterfaceId, private: Option<Ipv4Addr>) {
    let ends = |address: &Address| {
        let own = address.association.as_ref().filter(|a| a.network_interface_id == *interface);
        own.is_some_and(|a| private.is_none_or(|p| p == a.private_ip_address))
    };
    for (_, address) in model.addresses.iter_mut_where(|_, address| ends(address)) {
        address.association = None;
    }
}

/// Whether a running instance's interface is to have an auto-assigned address now (PIP-2, PIP-3, EIP-6).
pub(crate) fn gets_public_address(model: &Model, interface: &NetworkInterface) -> bool {
    let Some(attachment) = interface.attachment.as_ref().filter(|a| a.device_index == 0) else { return false };
    let is_up = model
        .instances
        .get(&attachment.instance_id)
        .is_some_and(|i| matches!(i.state, InstanceState::Pending | InstanceState::Running));
    is_up
        && interface.associate_public_ip_address
        && interface.auto_public_ip.is_none()
        && model.interfaces_of(&attachment.instance_id).len() == 1
        && interface.private_ip_addresses.iter().all(|a| model.elastic_ip_of(&interface.id, *a).is_none())
}

/// Whether somebody has this public address; a VPC may use public ranges for itself (VPC-8).
fn is_used(model: &Model, address: Ipv4Addr) -> bool {
    public_address::is_taken(model, address)
        || model.vpcs.values().flat_map(Vpc::ipv4_blocks).any(|block| block.contains(&address))
}

fn is_public(address: Ipv4Addr) -> bool {
    let is_local = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_unspecified()
        || cidr::RFC_6598.contains(&address);
    !is_local && address.octets()[0] != 0 && address.octets()[0] < 240
}

fn find<'m>(model: &'m Model, name: &AddressName) -> Result<&'m Address, ApiError> {
    match name {
        AddressName::Allocation(id) => model.address(id),
        AddressName::PublicIp(address) => {
            model.addresses.values().find(|a| a.public_ip == *address).ok_or_else(|| {
                ApiError::new(ErrorCode::InvalidAddressNotFound, format!("Address '{address}' not found."))
            })
        }
    }
}

fn check_not_of_a_nat_gateway(model: &Model, address: &Address) -> Result<(), ApiError> {
    let interface = address.association.as_ref().and_then(|a| model.network_interfaces.get(&a.network_interface_id));
    match interface.is_some_and(|eni| eni.interface_type != InterfaceType::Interface) {
        false => Ok(()),
        true => {
            let message = "You do not have permission to access the specified resource.";
            Err(ApiError::new(ErrorCode::AuthFailure, message))
        }
    }
}
