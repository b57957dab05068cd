//! Further addresses of NAT gateways (NAT-9): more ports towards one destination, once those of the first are used up. They are held by
//! the gateway's interface, its first one ahead.

use std::net::Ipv4Addr;

use super::address::map;
use super::invalid_value;
use super::subnet::{check_address_is_free, lowest_free_addresses};
use crate::nat_gateway::NatGatewayState;
use crate::*;

/// Elastic IP addresses of a public gateway (QUO-1).
const PUBLIC_ADDRESSES: usize = 2;
/// Private addresses of a gateway (QUO-1).
const PRIVATE_ADDRESSES: usize = 8;

/// The interface of a gateway that can be changed. Errors: `NatGatewayNotFound`, `IncorrectState` (not available),
/// `InvalidParameter` (of the other type).
fn interface(model: &Model, id: &NatGatewayId, is_public: bool) -> Result<NetworkInterface, ApiError> {
    let gateway = model.nat_gateway(id)?;
    if gateway.is_public != is_public {
        let (has, wants) = if is_public { ("private", "public") } else { ("public", "private") };
        let message = format!("NatGateway {id} is {has}; this is for {wants} ones.");
        return Err(ApiError::new(ErrorCode::InvalidParameter, message));
    }
    let found = gateway.network_interface_id.as_ref().and_then(|id| model.network_interfaces.get(id));
    match (gateway.state, found) {
        (NatGatewayState::Available, Some(interface)) => Ok(interface.clone()),
        (state, _) => {
            let message = format!("NatGateway {id} is in the state {}.", state.as_str());
            Err(ApiError::new(ErrorCode::IncorrectState, message))
        }
    }
}

/// Private addresses that are free: those named, or as many.
fn free(model: &Model, interface: &NetworkInterface, named: &[Ipv4Addr], count: usize) -> Result<Vec<Ipv4Addr>, ApiError> {
    let subnet = model.subnet(&interface.subnet_id)?;
    named.iter().try_for_each(|address| check_address_is_free(model, subnet, *address))?;
    if let Some(twice) = named.iter().enumerate().find(|(at, address)| named[..*at].contains(address)) {
        return Err(invalid_value(twice.1, "privateIpAddress", "It is named twice."));
    }
    match named.is_empty() {
        true => lowest_free_addresses(model, subnet, count, &[]),
        false => Ok(named.to_vec()),
    }
}

fn check_most(has: usize, more: usize, most: usize) -> Result<(), ApiError> {
    match has + more <= most {
        true => Ok(()),
        false => {
            let message = format!("Performing this operation would exceed the limit of {most} addresses of a NAT gateway");
            Err(ApiError::new(ErrorCode::AddressLimitExceeded, message))
        }
    }
}

/// Gives a public gateway further Elastic IP addresses, each at a private address of its own; those named, or free ones.
///
/// Errors: `NatGatewayNotFound`, `IncorrectState`, `InvalidParameter` (a private gateway; not as many private addresses),
/// `InvalidAllocationID.NotFound`, `Resource.AlreadyAssociated`, `AddressLimitExceeded`, `InvalidParameterValue`,
/// `InvalidIPAddress.InUse`, `InsufficientFreeAddressesInSubnet`.
pub fn associate_nat_gateway_address(
    model: &mut Model,
    id: &NatGatewayId,
    allocations: &[AllocationId],
    private: &[Ipv4Addr],
) -> Result<(), ApiError> {
    let interface = interface(model, id, true)?;
    if !private.is_empty() && private.len() != allocations.len() {
        let message = "There must be as many private addresses as allocation ids.";
        return Err(ApiError::new(ErrorCode::InvalidParameter, message));
    }
    check_most(interface.private_ip_addresses.len(), allocations.len(), PUBLIC_ADDRESSES)?;
    for (at, allocation) in allocations.iter().enumerate() {
        if model.address(allocation)?.association.is_some() || allocations[..at].contains(allocation) {
            let message = format!("Elastic IP address [{allocation}] is already associated");
            return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
        }
    }
    let chosen = free(model, &interface, private, allocations.len())?;
    model.network_interface_mut(&interface.id)?.private_ip_addresses.extend(&chosen);
    for (allocation, address) in allocations.iter().zip(chosen) {
        map(model, allocation, &interface.id, address)?;
    }
    model.generation += 1;
    Ok(())
}

/// Takes further Elastic IP addresses away, with the private addresses that they were at.
///
/// Errors: `NatGatewayNotFound`, `IncorrectState`, `InvalidParameter` (a private gateway; the first address),
/// `InvalidAssociationID.NotFound`.
pub fn disassociate_nat_gateway_address(
    model: &mut Model,
    id: &NatGatewayId,
    associations: &[AddressAssociationId],
) -> Result<(), ApiError> {
    let interface = interface(model, id, true)?;
    let mut going = Vec::new();
    for wanted in associations {
        let found = model.addresses.values().find_map(|address| {
            let association = address.association.as_ref().filter(|own| own.id == *wanted && own.network_interface_id == interface.id)?;
            Some((address.allocation_id.clone(), association.private_ip_address))
        });
        let (allocation, private) = found.ok_or_else(|| {
            let message = format!("The association ID '{wanted}' does not exist");
            ApiError::new(ErrorCode::InvalidAssociationIdNotFound, message)
        })?;
        if private == interface.primary_address() {
            let message = format!("The primary address {wanted} of a NAT gateway cannot be disassociated.");
            return Err(ApiError::new(ErrorCode::InvalidParameter, message));
        }
        going.push((allocation, private));
    }
    for (allocation, private) in going {
        model.address_mut(&allocation)?.association = None;
        model.network_interface_mut(&interface.id)?.private_ip_addresses.retain(|held| *held != private);
    }
    model.generation += 1;
    Ok(())
}

/// Gives a private gateway further private addresses: those named, or as many.
///
/// Errors: `NatGatewayNotFound`, `IncorrectState`, `InvalidParameter` (a public gateway), `AddressLimitExceeded`,
/// `InvalidParameterValue`, `InvalidIPAddress.InUse`, `InsufficientFreeAddressesInSubnet`.
pub fn assign_private_nat_gateway_address(
    model: &mut Model,
    id: &NatGatewayId,
    named: &[Ipv4Addr],
    count: usize,
) -> Result<Vec<Ipv4Addr>, ApiError> {
    let interface = interface(model, id, false)?;
    check_most(interface.private_ip_addresses.len(), named.len().max(count), PRIVATE_ADDRESSES)?;
    let chosen = free(model, &interface, named, count)?;
    model.network_interface_mut(&interface.id)?.private_ip_addresses.extend(&chosen);
    model.generation += 1;
    Ok(chosen)
}

/// Takes further private addresses away. Errors: `NatGatewayNotFound`, `IncorrectState`, `InvalidParameter` (a public gateway; the
/// first address), `InvalidParameterValue` (not the gateway's).
pub fn unassign_private_nat_gateway_address(model: &mut Model, id: &NatGatewayId, addresses: &[Ipv4Addr]) -> Result<(), ApiError> {
    let interface = interface(model, id, false)?;
    for address in addresses {
        if *address == interface.primary_address() {
            let message = format!("The primary address {address} of a NAT gateway cannot be unassigned.");
            return Err(ApiError::new(ErrorCode::InvalidParameter, message));
        }
        if !interface.private_ip_addresses.contains(address) {
            return Err(invalid_value(address, "privateIpAddress", format!("It is not assigned to {id}.")));
        }
    }
    model.network_interface_mut(&interface.id)?.private_ip_addresses.retain(|held| !addresses.contains(held));
    model.generation += 1;
    Ok(())
}
