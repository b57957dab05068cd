//! VPC peering connections (PCX-1, PCX-2, PCX-8).

use super::{invalid_value, tag};
use crate::cidr::overlaps;
use crate::peering::PeeringStatus;
use crate::*;

/// Seconds that `initiating-request`, `provisioning` and `deleting` last.
const SETTLES_AFTER: u64 = 3;

/// Seconds until a request that nobody answers expires: seven days (PCX-1).
const EXPIRES_AFTER: u64 = 7 * 86_400;

/// Parameters of CreateVpcPeeringConnection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateVpcPeeringConnection {
    /// Who asks.
    pub vpc_id: VpcId,
    /// Who answers.
    pub peer_vpc_id: VpcId,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Asks for a connection: `initiating-request`, then `pending-acceptance`, or `failed` when blocks overlap (PCX-2).
/// Errors: `InvalidVpcID.NotFound`, `InvalidParameterValue` (a VPC with itself),
/// `VpcPeeringConnectionAlreadyExists` (PCX-1), `OutstandingVpcPeeringConnectionLimitExceeded` (PCX-8).
pub fn create_vpc_peering_connection(
    model: &mut Model,
    request: CreateVpcPeeringConnection,
) -> Result<VpcPeeringConnectionId, ApiError> {
    tag::check(&request.tags)?;
    let (requester, accepter) = (model.vpc(&request.vpc_id)?, model.vpc(&request.peer_vpc_id)?);
    if requester.id == accepter.id {
        return Err(invalid_value(&accepter.id, "peerVpcId", "A VPC cannot be peered with itself."));
    }
    let open = |connection: &&VpcPeeringConnection| {
        connection.status.is_open() && connection.peer_of(&requester.id) == Some(&accepter.id)
    };
    if let Some(present) = model.vpc_peering_connections.values().find(open) {
        let message = format!("A VPC peering connection {} between these VPCs already exists", present.id);
        return Err(ApiError::new(ErrorCode::VpcPeeringConnectionAlreadyExists, message));
    }
    let is_outstanding = |connection: &&VpcPeeringConnection| {
        matches!(connection.status, PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance)
            && connection.requester_vpc_id == requester.id
    };
    let outstanding = model.vpc_peering_connections.values().filter(is_outstanding).count();
    if outstanding >= model.quotas.outstanding_peerings {
        let message = "The maximum number of outstanding VPC peering connection requests has been reached.";
        return Err(ApiError::new(ErrorCode::OutstandingVpcPeeringConnectionLimitExceeded, message));
    }
    let outcome = match share_addresses(requester, accepter) {
        true => PeeringStatus::Failed,
        false => PeeringStatus::PendingAcceptance,
    };
    let now = model.context.now;
    let id: VpcPeeringConnectionId = model.context.next_id();
    let connection = VpcPeeringConnection {
        id: id.clone(),
        requester_vpc_id: request.vpc_id,
        accepter_vpc_id: request.peer_vpc_id,
        status: PeeringStatus::InitiatingRequest,
        settles: Some((outcome, now.plus(SETTLES_AFTER))),
        status_message: String::new(),
        expiration_time: now.plus(EXPIRES_AFTER),
        requester_allows_dns_resolution: false,
        accepter_allows_dns_resolution: false,
        tags: request.tags,
        origin: request.origin,
    };
    model.vpc_peering_connections.insert(id.clone(), connection);
    model.generation += 1;
    Ok(id)
}

/// Whether any blocks of the two VPCs overlap, in either family (PCX-2).
fn share_addresses(a: &Vpc, b: &Vpc) -> bool {
    let ipv4 = a.ipv4_blocks().any(|x| b.ipv4_blocks().any(|y| overlaps(x, y)));
    ipv4 || a.ipv6_blocks().any(|x| b.ipv6_blocks().any(|y| x.contains(&y) || y.contains(&x)))
}

/// Accepts a request: `provisioning`, then `active`. A request that was made a moment ago and will not fail can be
/// accepted without waiting. Errors: `InvalidVpcPeeringConnectionID.NotFound`, `InvalidStateTransition`,
/// `ActiveVpcPeeringConnectionPerVpcLimitExceeded` (PCX-8).
pub fn accept_vpc_peering_connection(model: &mut Model, id: &VpcPeeringConnectionId) -> Result<(), ApiError> {
    let connection = model.vpc_peering_connection(id)?;
    if !waits_for_an_answer(connection) {
        return Err(no_transition(connection, "active"));
    }
    for vpc in [&connection.requester_vpc_id, &connection.accepter_vpc_id] {
        let is_active = |other: &&VpcPeeringConnection| {
            matches!(other.status, PeeringStatus::Provisioning | PeeringStatus::Active) && other.peer_of(vpc).is_some()
        };
        if model.vpc_peering_connections.values().filter(is_active).count() >= model.quotas.active_peerings_per_vpc {
            let message = format!("The maximum number of active VPC peering connections of {vpc} has been reached.");
            return Err(ApiError::new(ErrorCode::ActiveVpcPeeringConnectionPerVpcLimitExceeded, message));
        }
    }
    go(model, id, PeeringStatus::Provisioning, Some(PeeringStatus::Active))
}

/// Turns a request down. Errors: `InvalidVpcPeeringConnectionID.NotFound`, `InvalidStateTransition`.
pub fn reject_vpc_peering_connection(model: &mut Model, id: &VpcPeeringConnectionId) -> Result<(), ApiError> {
    let connection = model.vpc_peering_connection(id)?;
    match waits_for_an_answer(connection) {
        true => go(model, id, PeeringStatus::Rejected, None),
        false => Err(no_transition(connection, "rejected")),
    }
}

/// Ends a connection or withdraws a request: `deleting`, then `deleted`; routes become blackholes at once. Deleting
/// twice is no error. Errors: `InvalidVpcPeeringConnectionID.NotFound`, `InvalidStateTransition` (failed, rejected
/// and expired ones go by themselves).
pub fn delete_vpc_peering_connection(model: &mut Model, id: &VpcPeeringConnectionId) -> Result<(), ApiError> {
    let connection = model.vpc_peering_connection(id)?;
    match connection.status {
        PeeringStatus::Deleting | PeeringStatus::Deleted => Ok(()),
        status if status.is_open() => go(model, id, PeeringStatus::Deleting, Some(PeeringStatus::Deleted)),
        _ => Err(no_transition(connection, "deleted")),
    }
}

/// Parameters of ModifyVpcPeeringConnectionOptions; absent = as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyVpcPeeringConnectionOptions {
    /// The connection.
    pub vpc_peering_connection_id: VpcPeeringConnectionId,
    /// Whether public names of the requester's VPC resolve to private addresses from the other side (DNS-8).
    pub requester_allows_dns_resolution: Option<bool>,
    /// The same for the accepter's VPC.
    pub accepter_allows_dns_resolution: Option<bool>,
}

/// Sets DNS options. Errors: `InvalidVpcPeeringConnectionID.NotFound`, `OperationNotPermitted` (not active, DNS-8).
pub fn modify_vpc_peering_connection_options(
    model: &mut Model,
    request: ModifyVpcPeeringConnectionOptions,
) -> Result<(), ApiError> {
    let connection = model.vpc_peering_connection_mut(&request.vpc_peering_connection_id)?;
    if connection.status != PeeringStatus::Active {
        let message = format!(
            "Peering options can be modified only for active connections; {} is {}.",
            connection.id,
            connection.status.as_str()
        );
        return Err(ApiError::new(ErrorCode::OperationNotPermitted, message));
    }
    if let Some(value) = request.requester_allows_dns_resolution {
        connection.requester_allows_dns_resolution = value;
    }
    if let Some(value) = request.accepter_allows_dns_resolution {
        connection.accepter_allows_dns_resolution = value;
    }
    model.generation += 1;
    Ok(())
}

fn waits_for_an_answer(connection: &VpcPeeringConnection) -> bool {
    match connection.status {
        PeeringStatus::PendingAcceptance => true,
        PeeringStatus::InitiatingRequest => {
            connection.settles.is_some_and(|(outcome, _)| outcome == PeeringStatus::PendingAcceptance)
        }
        _ => false,
    }
}

fn go(
    model: &mut Model,
    id: &VpcPeeringConnectionId,
    status: PeeringStatus,
    then: Option<PeeringStatus>,
) -> Result<(), ApiError> {
    let at = model.context.now.plus(SETTLES_AFTER);
    let connection = model.vpc_peering_connection_mut(id)?;
    connection.status = status;
    connection.settles = then.map(|outcome| (outcome, at));
    model.generation += 1;
    Ok(())
}

fn no_transition(connection: &VpcPeeringConnection, wanted: &str) -> ApiError {
    let message = format!(
        "Invalid state transition for {}, attempted to transition from {} to {wanted}",
        connection.id,
        connection.status.as_str()
    );
    ApiError::new(ErrorCode::InvalidStateTransition, message)
}
