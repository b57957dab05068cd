//! Internet gateways: made, attached, detached (IGW-1, IGW-9, IGW-10).

use super::{has_dependencies, tag};
use crate::route_table::Associated;
use crate::*;

/// Parameters of CreateInternetGateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateInternetGateway {
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a gateway, attached to nothing. Errors: `InternetGatewayLimitExceeded` (QUO-1).
pub fn create_internet_gateway(
    model: &mut Model,
    request: CreateInternetGateway,
) -> Result<InternetGatewayId, ApiError> {
    tag::check(&request.tags)?;
    if model.internet_gateways.len() >= model.quotas.internet_gateways_per_region {
        let message = "The maximum number of internet gateways has been reached.";
        return Err(ApiError::new(ErrorCode::InternetGatewayLimitExceeded, message));
    }
    let id: InternetGatewayId = model.context.next_id();
    let gateway = InternetGateway { id: id.clone(), vpc_id: None, tags: request.tags, origin: request.origin };
    model.internet_gateways.insert(id.clone(), gateway);
    model.generation += 1;
    Ok(id)
}

/// Attaches a gateway to a VPC. Errors: `InvalidInternetGatewayID.NotFound`, `InvalidVpcID.NotFound`,
/// `Resource.AlreadyAssociated` (the gateway is attached), `InvalidParameterValue` (the VPC has one; both IGW-1).
pub fn attach_internet_gateway(model: &mut Model, id: &InternetGatewayId, vpc: &VpcId) -> Result<(), ApiError> {
    let gateway = model.internet_gateway(id)?;
    model.vpc(vpc)?;
    if let Some(attached) = &gateway.vpc_id {
        let message = format!("resource {id} is already attached to network {attached}");
        return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
    }
    if model.internet_gateway_of(vpc).is_some() {
        let message = format!("Network {vpc} already has an internet gateway attached");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    model.internet_gateway_mut(id)?.vpc_id = Some(vpc.clone());
    model.generation += 1;
    Ok(())
}

/// Detaches a gateway; routes to it become blackholes (RT-9), its edge association goes with it. Errors:
/// `InvalidInternetGatewayID.NotFound`, `InvalidVpcID.NotFound`, `Gateway.NotAttached`, `DependencyViolation` while
/// the VPC has a mapped public address (IGW-9).
pub fn detach_internet_gateway(model: &mut Model, id: &InternetGatewayId, vpc: &VpcId) -> Result<(), ApiError> {
    let gateway = model.internet_gateway(id)?;
    model.vpc(vpc)?;
    if gateway.vpc_id.as_ref() != Some(vpc) {
        let message = format!("resource {id} is not attached to network {vpc}");
        return Err(ApiError::new(ErrorCode::GatewayNotAttached, message));
    }
    let mut interfaces = model.network_interfaces.values().filter(|eni| eni.vpc_id == *vpc);
    if interfaces.any(|eni| eni.private_ip_addresses.iter().any(|a| model.public_ip_of(eni, *a).is_some())) {
        let message = format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before \
             detaching the gateway."
        );
        return Err(ApiError::new(ErrorCode::DependencyViolation, message));
    }
    model.internet_gateway_mut(id)?.vpc_id = None;
    let own = Associated::InternetGateway(id.clone());
    for (_, table) in model.route_tables.iter_mut_where(|_, table| table.associations.iter().any(|a| a.to == own)) {
        table.associations.retain(|a| a.to != own);
    }
    model.generation += 1;
    Ok(())
}

/// Deletes a gateway. Errors: `InvalidInternetGatewayID.NotFound`, `DependencyViolation` while attached (IGW-10).
pub fn delete_internet_gateway(model: &mut Model, id: &InternetGatewayId) -> Result<(), ApiError> {
    if model.internet_gateway(id)?.vpc_id.is_some() {
        return Err(has_dependencies("internetGateway", id));
    }
    model.internet_gateways.remove(id);
    model.generation += 1;
    Ok(())
}
