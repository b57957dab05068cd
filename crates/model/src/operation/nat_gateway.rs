//! NAT gateways: made, failed, deleted (NAT-1 … NAT-4, NAT-18). How they translate is decided in `fabric`.

use std::net::Ipv4Addr;

use super::address::map;
use super::managed_interface::{self, ManagedInterface};
use super::network_interface;
use super::subnet::{check_address_is_free, lowest_free_address};
use super::tag;
use crate::nat_gateway::NatGatewayState;
use crate::network_interface::InterfaceType;
use crate::*;

/// Seconds from `pending` to `available` or `failed`.
const SETTLES_AFTER: u64 = 30;

/// Seconds from `deleting` to `deleted`.
const DELETED_AFTER: u64 = 30;

/// Parameters of CreateNatGateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNatGateway {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// Whether it is of the public type (NAT-2).
    pub is_public: bool,
    /// The Elastic IP address; a must for the public type, forbidden for the private one.
    pub allocation_id: Option<AllocationId>,
    /// This private address; the lowest free one if absent.
    pub private_ip_address: Option<Ipv4Addr>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Starts to create a gateway: `pending`, then `available` or `failed` (NAT-3). No route is looked at (NAT-4). Errors:
/// `InvalidSubnetID.NotFound`, `MissingParameter` (public without address), `InvalidParameterCombination` (private
/// with one), `InvalidParameterValue`, `InvalidIPAddress.InUse` (private address), `NatGatewayLimitExceeded`.
pub fn create_nat_gateway(model: &mut Model, request: CreateNatGateway) -> Result<NatGatewayId, ApiError> {
    tag::check(&request.tags)?;
    match (request.is_public, &request.allocation_id) {
        (true, None) => {
            let message = "The request must include the AllocationId parameter. Add the required parameter and retry \
                           the request.";
            return Err(ApiError::new(ErrorCode::MissingParameter, message));
        }
        (false, Some(_)) => {
            let message = "A private NAT gateway cannot have an Elastic IP address.";
            return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
        }
        _ => {}
    }
    let subnet = model.subnet(&request.subnet_id)?;
    if let Some(address) = request.private_ip_address {
        check_address_is_free(model, subnet, address)?;
    }
    check_quota(model, subnet)?;

    let vpc_id = subnet.vpc_id.clone();
    let outcome = match prepare(model, subnet, &request) {
        Ok(address) => Ok(request.private_ip_address.unwrap_or(address)),
        Err(error) => Err((error.code, error.message)),
    };
    let now = model.context.now;
    let id: NatGatewayId = model.context.next_id();
    let (private_ip, failure) = match outcome {
        Ok(address) => (Some(address), None),
        Err(failure) => (None, Some(failure)),
    };
    let network_interface_id = private_ip.map(|address| {
        let interface = ManagedInterface {
            subnet_id: request.subnet_id.clone(),
            vpc_id: vpc_id.clone(),
            address,
            groups: Vec::new(),
            interface_type: InterfaceType::NatGateway,
            description: format!("Interface for NAT Gateway {id}"),
            origin: request.origin.clone(),
        };
        managed_interface::create(model, interface)
    });
    if let (Some(allocation), Some(interface), Some(address)) =
        (&request.allocation_id, &network_interface_id, private_ip)
    {
        map(model, allocation, interface, address)?;
    }
    let gateway = NatGateway {
        id: id.clone(),
        subnet_id: request.subnet_id,
        vpc_id,
        is_public: request.is_public,
        network_interface_id,
        private_ip,
        allocation_id: request.allocation_id,
        state: NatGatewayState::Pending,
        failure,
        settles_at: now.plus(SETTLES_AFTER),
        create_time: now,
        delete_time: None,
        tags: request.tags,
        origin: request.origin,
    };
    model.nat_gateways.insert(id.clone(), gateway);
    model.generation += 1;
    Ok(id)
}

/// What makes a gateway fail after it was accepted (NAT-3); else the private address that is free.
fn prepare(model: &Model, subnet: &Subnet, request: &CreateNatGateway) -> Result<Ipv4Addr, ApiError> {
    if let Some(allocation) = &request.allocation_id {
        let address = model.address(allocation).map_err(|error| {
            let message = format!("Elastic IP address [{allocation}] could not be associated with this NAT gateway");
            ApiError::new(error.code, message)
        })?;
        if address.association.is_some() {
            let message = format!("Elastic IP address [{allocation}] is already associated");
            return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
        }
    }
    if request.is_public && model.internet_gateway_of(&subnet.vpc_id).is_none() {
        let message = format!("Network {} has no Internet gateway attached", subnet.vpc_id);
        return Err(ApiError::new(ErrorCode::GatewayNotAttached, message));
    }
    match request.private_ip_address {
        Some(address) => Ok(address),
        None => lowest_free_address(model, subnet),
    }
}

/// QUO-1: pending, available and deleting gateways of the zone count.
fn check_quota(model: &Model, subnet: &Subnet) -> Result<(), ApiError> {
    use NatGatewayState::{Available, Deleting, Pending};
    let counts = |gateway: &&NatGateway| {
        let zone = model.subnets.get(&gateway.subnet_id).map(|s| &s.availability_zone);
        zone == Some(&subnet.availability_zone) && matches!(gateway.state, Pending | Available | Deleting)
    };
    let limit = model.quotas.nat_gateways_per_zone;
    match model.nat_gateways.values().filter(counts).count() < limit {
        true => Ok(()),
        false => {
            let message = format!("Performing this operation would exceed the limit of {limit} NAT gateways");
            Err(ApiError::new(ErrorCode::NatGatewayLimitExceeded, message))
        }
    }
}

/// Deletes a gateway: `deleting`, then `deleted`, shown for about an hour. Its interface goes at once, its Elastic IP
/// address is disassociated and stays allocated, routes to it become blackholes (NAT-18). Deleting twice is no error
/// as long as it lasts. Errors: `NatGatewayNotFound`.
pub fn delete_nat_gateway(model: &mut Model, id: &NatGatewayId) -> Result<(), ApiError> {
    let now = model.context.now;
    let gateway = model.nat_gateway_mut(id)?;
    match gateway.state {
        NatGatewayState::Deleting => return Ok(()),
        NatGatewayState::Deleted => {
            let message = format!("NatGateway {id} was not found");
            return Err(ApiError::new(ErrorCode::NatGatewayNotFound, message));
        }
        NatGatewayState::Pending | NatGatewayState::Available | NatGatewayState::Failed => {}
    }
    gateway.state = NatGatewayState::Deleting;
    (gateway.settles_at, gateway.delete_time) = (now.plus(DELETED_AFTER), Some(now));
    if let Some(interface) = gateway.network_interface_id.clone() {
        network_interface::remove(model, &interface);
    }
    model.generation += 1;
    Ok(())
}
