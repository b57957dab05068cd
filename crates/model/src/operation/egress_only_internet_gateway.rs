//! Egress-only internet gateways (EIGW-1).

use super::tag;
use crate::*;

/// Parameters of CreateEgressOnlyInternetGateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateEgressOnlyInternetGateway {
    /// The VPC.
    pub vpc_id: VpcId,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a gateway, attached to its VPC at once. Errors: `InvalidVpcID.NotFound`, `Resource.AlreadyAssociated`
/// (one a VPC, EIGW-1), `EgressOnlyInternetGatewayLimitExceeded` (QUO-1).
pub fn create_egress_only_internet_gateway(
    model: &mut Model,
    request: CreateEgressOnlyInternetGateway,
) -> Result<EgressOnlyInternetGatewayId, ApiError> {
    model.vpc(&request.vpc_id)?;
    tag::check(&request.tags)?;
    let present = model.egress_only_internet_gateways.values().find(|gateway| gateway.vpc_id == request.vpc_id);
    if let Some(present) = present {
        let message = format!("Network {} already has an egress-only internet gateway {}", request.vpc_id, present.id);
        return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
    }
    if model.egress_only_internet_gateways.len() >= model.quotas.egress_only_internet_gateways_per_region {
        let message = "The maximum number of egress-only internet gateways has been reached.";
        return Err(ApiError::new(ErrorCode::EgressOnlyInternetGatewayLimitExceeded, message));
    }
    let id: EgressOnlyInternetGatewayId = model.context.next_id();
    let (vpc_id, tags, origin) = (request.vpc_id, request.tags, request.origin);
    let gateway = EgressOnlyInternetGateway { id: id.clone(), vpc_id, tags, origin };
    model.egress_only_internet_gateways.insert(id.clone(), gateway);
    model.generation += 1;
    Ok(id)
}

/// Deletes a gateway; routes to it become blackholes (RT-9). Errors: `InvalidEgressOnlyInternetGatewayId.NotFound`.
pub fn delete_egress_only_internet_gateway(
    model: &mut Model,
    id: &EgressOnlyInternetGatewayId,
) -> Result<(), ApiError> {
    model.egress_only_internet_gateway(id)?;
    model.egress_only_internet_gateways.remove(id);
    model.generation += 1;
    Ok(())
}
