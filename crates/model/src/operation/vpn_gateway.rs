//! Virtual private gateways as far as routes need them (VPN-1): no tunnels.

use super::{has_dependencies, route, tag};
use crate::gateway::VpnGateway;
use crate::route_table::Associated;
use crate::*;

/// Virtual private gateways a region may have (QUO-1).
const PER_REGION: usize = 5;

/// Parameters of CreateVpnGateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateVpnGateway {
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a gateway, attached to nothing. Errors: `VpnGatewayLimitExceeded`.
pub fn create_vpn_gateway(model: &mut Model, request: CreateVpnGateway) -> Result<VpnGatewayId, ApiError> {
    tag::check(&request.tags)?;
    if model.vpn_gateways.len() >= PER_REGION {
        let message = "The maximum number of virtual private gateways has been reached.";
        return Err(ApiError::new(ErrorCode::VpnGatewayLimitExceeded, message));
    }
    let id: VpnGatewayId = model.context.next_id();
    let gateway = VpnGateway { id: id.clone(), vpc_id: None, detached_vpc_id: None, tags: request.tags, origin: request.origin };
    model.vpn_gateways.insert(id.clone(), gateway);
    model.generation += 1;
    Ok(id)
}

/// Attaches a gateway to a VPC; asking again for the same is no error. Errors: `InvalidVpnGatewayID.NotFound`,
/// `InvalidVpcID.NotFound`, `Resource.AlreadyAssociated` (one a VPC and one VPC each, VPN-1).
pub fn attach_vpn_gateway(model: &mut Model, id: &VpnGatewayId, vpc: &VpcId) -> Result<(), ApiError> {
    let gateway = model.vpn_gateway(id)?;
    model.vpc(vpc)?;
    match &gateway.vpc_id {
        Some(attached) if attached == vpc => return Ok(()),
        Some(attached) => {
            let message = format!("The vpnGateway '{id}' is already attached to {attached}");
            return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
        }
        None => {}
    }
    if let Some(other) = model.vpn_gateways.values().find(|gateway| gateway.vpc_id.as_ref() == Some(vpc)) {
        let message = format!("The vpc '{vpc}' already has the vpnGateway {} attached", other.id);
        return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
    }
    let gateway = model.vpn_gateway_mut(id)?;
    (gateway.vpc_id, gateway.detached_vpc_id) = (Some(vpc.clone()), None);
    model.generation += 1;
    Ok(())
}

/// Detaches a gateway: its propagated routes and its edge association go, routes made to it become blackholes.
/// Errors: `InvalidVpnGatewayID.NotFound`, `InvalidVpnGatewayAttachment.NotFound`.
pub fn detach_vpn_gateway(model: &mut Model, id: &VpnGatewayId, vpc: &VpcId) -> Result<(), ApiError> {
    if model.vpn_gateway(id)?.vpc_id.as_ref() != Some(vpc) {
        let message = format!("The attachment with vpn gateway ID '{id}' and vpc ID '{vpc}' does not exist");
        return Err(ApiError::new(ErrorCode::VpnGatewayAttachmentNotFound, message));
    }
    let gateway = model.vpn_gateway_mut(id)?;
    (gateway.vpc_id, gateway.detached_vpc_id) = (None, Some(vpc.clone()));
    for table in model.route_tables.values_mut() {
        table.associations.retain(|a| a.to != Associated::VpnGateway(id.clone()));
        table.propagating_vgws.retain(|gateway| gateway != id);
        table.routes.retain(|r| !route::is_propagated_by(r, id));
    }
    model.generation += 1;
    Ok(())
}

/// Deletes a gateway. Errors: `InvalidVpnGatewayID.NotFound`, `DependencyViolation` while attached.
pub fn delete_vpn_gateway(model: &mut Model, id: &VpnGatewayId) -> Result<(), ApiError> {
    if model.vpn_gateway(id)?.vpc_id.is_some() {
        return Err(has_dependencies("vpnGateway", id));
    }
    model.vpn_gateways.remove(id);
    model.generation += 1;
    Ok(())
}
