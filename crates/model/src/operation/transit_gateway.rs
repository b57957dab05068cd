//! Transit gateways, their attachments and route tables (TGW-1 … TGW-3). Here an attachment takes no address of its
//! subnets, and associations and propagations are there at once. What time does is in `transit_gateway_state`.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::transit_gateway_state::{self as state, GATEWAY, ATTACHMENT, ROUTE_TABLE};
use super::{has_dependencies, tag};
use crate::transit_gateway::*;
use crate::*;

/// Transit gateways an account may have, and how many a VPC may be attached to (QUO-1).
const PER_ACCOUNT: usize = 5;
/// Static routes of one table (QUO-1).
const ROUTES_PER_TABLE: usize = 10_000;

/// Parameters of CreateTransitGateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTransitGateway {
    /// Whether there is a table that every new attachment is associated with and announced in.
    pub default_route_table: bool,
    /// SG-13; off unless asked for.
    pub security_group_referencing: bool,
    /// What is shown of it; the time is the operation's.
    pub settings: TransitGatewaySettings,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl Default for CreateTransitGateway {
    /// AWS's defaults.
    fn default() -> Self {
        Self { default_route_table: true, security_group_referencing: false, settings: TransitGatewaySettings::default(), tags: Tags::new(), origin: Origin::default() }
    }
}

/// Parameters of CreateTransitGatewayVpcAttachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTransitGatewayVpcAttachment {
    /// The gateway.
    pub transit_gateway_id: TransitGatewayId,
    /// The VPC.
    pub vpc_id: VpcId,
    /// One subnet in each zone that may use it (TGW-1).
    pub subnet_ids: Vec<SubnetId>,
    /// What it lets through.
    pub options: VpcAttachmentOptions,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a gateway. Errors: `TransitGatewayLimitExceeded`, those of tags.
pub fn create_transit_gateway(model: &mut Model, request: CreateTransitGateway) -> Result<TransitGatewayId, ApiError> {
    tag::check(&request.tags)?;
    if model.transit_gateways.len() >= PER_ACCOUNT {
        let message = "The maximum number of transit gateways has been reached.";
        return Err(ApiError::new(ErrorCode::TransitGatewayLimitExceeded, message));
    }
    let id: TransitGatewayId = model.context.next_id();
    let default_route_table = request.default_route_table.then(|| new_table(model, &id, Tags::new(), request.origin.clone()));
    let gateway = TransitGateway {
        id: id.clone(),
        default_route_table,
        security_group_referencing: request.security_group_referencing,
        settings: TransitGatewaySettings { create_time: model.context.now, ..request.settings },
        state: state::pending(model, GATEWAY),
        tags: request.tags,
        origin: request.origin,
    };
    model.transit_gateways.insert(id.clone(), gateway);
    model.generation += 1;
    Ok(id)
}

/// Deletes a gateway with its tables. Errors: `InvalidTransitGatewayID.NotFound`, `IncorrectState` while it is being made or anything
/// is attached.
pub fn delete_transit_gateway(model: &mut Model, id: &TransitGatewayId) -> Result<(), ApiError> {
    state::check(id, model.transit_gateway(id)?.state)?;
    let leaving = model.gone_transit.attachments.values().filter(|attachment| attachment.state.as_str(model.context.now) == "deleting");
    if model.transit_gateway_attachments.values().chain(leaving).any(|attachment| attachment.is_of(id)) {
        return Err(ApiError::new(ErrorCode::IncorrectState, format!("{id} has non-deleted attachments.")));
    }
    state::forget_gateway(model, id);
    model.generation += 1;
    Ok(())
}

/// Attaches a VPC; where the gateway has a default table, the attachment is associated with it and announced in it.
///
/// Errors: `InvalidTransitGatewayID.NotFound`, `InvalidVpcID.NotFound`, `InvalidSubnetID.NotFound`, `MissingParameter`
/// (no subnet), `IncorrectState` (the gateway is being made), `InvalidParameterValue` (a subnet of another VPC), `DuplicateSubnetsInSameZone` (TGW-1),
/// `DuplicateTransitGatewayAttachment` (TGW-3), `TransitGatewayAttachmentLimitExceeded`.
pub fn create_transit_gateway_vpc_attachment(
    model: &mut Model,
    request: CreateTransitGatewayVpcAttachment,
) -> Result<TransitGatewayAttachmentId, ApiError> {
    tag::check(&request.tags)?;
    let gateway = request.transit_gateway_id.clone();
    if request.subnet_ids.is_empty() {
        return Err(ApiError::new(ErrorCode::MissingParameter, "The request must contain the parameter subnetIds"));
    }
    state::check(&gateway, model.transit_gateway(&gateway)?.state)?;
    model.vpc(&request.vpc_id)?;
    check_subnets(model, &request.vpc_id, &request.subnet_ids)?;
    let of_vpc = || model.transit_gateway_attachments.values().filter(|a| a.vpc_id() == Some(&request.vpc_id));
    if of_vpc().any(|attachment| attachment.transit_gateway_id == gateway) {
        let message = format!("{gateway} has non-deleted Transit Gateway Attachments with same VPC ID.");
        return Err(ApiError::new(ErrorCode::DuplicateTransitGatewayAttachment, message));
    }
    if of_vpc().count() >= PER_ACCOUNT {
        let message = format!("VPC {} is attached to {PER_ACCOUNT} transit gateways already.", request.vpc_id);
        return Err(ApiError::new(ErrorCode::TransitGatewayAttachmentLimitExceeded, message));
    }
    let id: TransitGatewayAttachmentId = model.context.next_id();
    let attachment = TransitGatewayAttachment {
        id: id.clone(),
        transit_gateway_id: gateway.clone(),
        to: AttachedTo::Vpc {
            vpc_id: request.vpc_id,
            subnet_ids: request.subnet_ids,
            options: request.options,
        },
        create_time: model.context.now,
        state: state::pending(model, ATTACHMENT),
        tags: request.tags,
        origin: request.origin,
    };
    model.transit_gateway_attachments.insert(id.clone(), attachment);
    let default = model.transit_gateway(&gateway)?.default_route_table.clone();
    if let Some(table) = default.and_then(|table| model.transit_gateway_route_tables.get_mut(&table)) {
        table.associations.insert(id.clone());
        table.propagations.insert(id.clone());
    }
    model.generation += 1;
    Ok(id)
}

/// TGW-1: subnets of the VPC, each in a zone of its own.
fn check_subnets(model: &Model, vpc: &VpcId, subnets: &[SubnetId]) -> Result<(), ApiError> {
    let mut zones = BTreeSet::new();
    for id in subnets {
        let subnet = model.subnet(id)?;
        if subnet.vpc_id != *vpc {
            let message = format!("Subnet {id} does not belong to VPC {vpc}");
            return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
        }
        if !zones.insert(&subnet.availability_zone) {
            let message = format!("Two subnets are in zone {}: an attachment has one a zone.", subnet.availability_zone);
            return Err(ApiError::new(ErrorCode::DuplicateSubnetsInSameZone, message));
        }
    }
    Ok(())
}

/// Changes the subnets of a VPC's attachment, and what it lets through; `None` stays.
///
/// Errors: `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState` (it is being made), `InvalidParameterValue` (one to remove that is not there, none left), those of
/// [`create_transit_gateway_vpc_attachment`] for subnets.
pub fn modify_transit_gateway_vpc_attachment(
    model: &mut Model,
    id: &TransitGatewayAttachmentId,
    add: &[SubnetId],
    remove: &[SubnetId],
    options: Option<VpcAttachmentOptions>,
) -> Result<(), ApiError> {
    let AttachedTo::Vpc { vpc_id, mut subnet_ids, options: before } = model.transit_gateway_attachment(id)?.to.clone() else {
        return Err(TransitGatewayAttachmentId::not_found(id.as_str()));
    };
    state::check(id, model.transit_gateway_attachment(id)?.state)?;
    if let Some(stranger) = remove.iter().find(|subnet| !subnet_ids.contains(subnet)) {
        let message = format!("{stranger} is no subnet of {id}.");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    subnet_ids.retain(|subnet| !remove.contains(subnet));
    subnet_ids.extend(add.iter().cloned());
    if subnet_ids.is_empty() {
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, format!("{id} needs a subnet.")));
    }
    check_subnets(model, &vpc_id, &subnet_ids)?;
    let options = options.unwrap_or(before);
    model.transit_gateway_attachment_mut(id)?.to = AttachedTo::Vpc { vpc_id, subnet_ids, options };
    model.generation += 1;
    Ok(())
}

/// Connects two gateways; each associates the attachment with a table of its own and has static routes to it (TGW-3).
///
/// Errors: `InvalidTransitGatewayID.NotFound` of either, `InvalidParameterValue` (one and the same),
/// `DuplicateTransitGatewayAttachment`.
pub fn create_transit_gateway_peering_attachment(
    model: &mut Model,
    requester: &TransitGatewayId,
    accepter: &TransitGatewayId,
) -> Result<TransitGatewayAttachmentId, ApiError> {
    model.transit_gateway(requester)?;
    model.transit_gateway(accepter)?;
    if requester == accepter {
        let message = "A transit gateway cannot be peered with itself.";
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    let joins = |a: &TransitGatewayAttachment| a.vpc_id().is_none() && a.is_of(requester) && a.is_of(accepter);
    if model.transit_gateway_attachments.values().any(joins) {
        let message = format!("{requester} and {accepter} are peered already.");
        return Err(ApiError::new(ErrorCode::DuplicateTransitGatewayAttachment, message));
    }
    let id: TransitGatewayAttachmentId = model.context.next_id();
    let attachment = TransitGatewayAttachment {
        id: id.clone(),
        transit_gateway_id: requester.clone(),
        to: AttachedTo::Peering { accepter: accepter.clone() },
        create_time: model.context.now,
        state: TransitGatewayState::Available,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    model.transit_gateway_attachments.insert(id.clone(), attachment);
    model.generation += 1;
    Ok(id)
}

/// Deletes an attachment: tables forget it, static routes to it are blackholes.
///
/// Errors: `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState` (it is being made).
pub fn delete_transit_gateway_attachment(model: &mut Model, id: &TransitGatewayAttachmentId) -> Result<(), ApiError> {
    state::check(id, model.transit_gateway_attachment(id)?.state)?;
    state::forget_attachment(model, id);
    for table in model.transit_gateway_route_tables.values_mut() {
        table.associations.remove(id);
        table.propagations.remove(id);
        for target in table.routes.values_mut().filter(|target| target.as_ref() == Some(id)) {
            *target = None;
        }
    }
    model.generation += 1;
    Ok(())
}

/// Creates a table. Errors: `InvalidTransitGatewayID.NotFound`, `IncorrectState` (the gateway is being made), those of tags.
pub fn create_transit_gateway_route_table(
    model: &mut Model,
    gateway: &TransitGatewayId,
    tags: Tags,
    origin: Origin,
) -> Result<TransitGatewayRouteTableId, ApiError> {
    tag::check(&tags)?;
    state::check(gateway, model.transit_gateway(gateway)?.state)?;
    let id = new_table(model, gateway, tags, origin);
    model.generation += 1;
    Ok(id)
}

/// Deletes a table. Errors: `InvalidRouteTableID.NotFound`, `DependencyViolation` (an attachment is associated with it),
/// `IncorrectState` (it is the default one, or is being made).
pub fn delete_transit_gateway_route_table(model: &mut Model, id: &TransitGatewayRouteTableId) -> Result<(), ApiError> {
    let table = model.transit_gateway_route_table(id)?;
    state::check(id, table.state)?;
    if !table.associations.is_empty() {
        return Err(has_dependencies("transitGatewayRouteTable", id));
    }
    if model.transit_gateways.values().any(|gateway| gateway.default_route_table.as_ref() == Some(id)) {
        return Err(ApiError::new(ErrorCode::IncorrectState, format!("{id} is the default route table.")));
    }
    state::forget_route_table(model, id);
    model.generation += 1;
    Ok(())
}

/// Routes what comes from an attachment by a table (TGW-2).
///
/// Errors: `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`, `InvalidParameterValue` (of
/// another gateway), `Resource.AlreadyAssociated` (with another table of the gateway).
pub fn associate_transit_gateway_route_table(
    model: &mut Model,
    table: &TransitGatewayRouteTableId,
    attachment: &TransitGatewayAttachmentId,
) -> Result<(), ApiError> {
    let gateway = check_partners(model, table, attachment)?;
    let mut of_gateway = model.transit_gateway_route_tables.values().filter(|t| t.transit_gateway_id == gateway);
    if let Some(present) = of_gateway.find(|t| t.associations.contains(attachment)) {
        let message = format!("{attachment} is already associated with {}.", present.id);
        return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
    }
    model.transit_gateway_route_table_mut(table)?.associations.insert(attachment.clone());
    model.generation += 1;
    Ok(())
}

/// Ends an association: what comes from the attachment is dropped until there is another one. Errors:
/// `InvalidRouteTableID.NotFound`, `InvalidAssociation.NotFound`.
pub fn disassociate_transit_gateway_route_table(
    model: &mut Model,
    table: &TransitGatewayRouteTableId,
    attachment: &TransitGatewayAttachmentId,
) -> Result<(), ApiError> {
    let own = model.transit_gateway_route_table_mut(table)?;
    if !own.associations.remove(attachment) {
        let message = format!("{attachment} is not associated with {table}.");
        return Err(ApiError::new(ErrorCode::InvalidAssociationNotFound, message));
    }
    model.generation += 1;
    Ok(())
}

/// Announces a VPC's blocks in a table, or takes them back; saying it twice is no error.
///
/// Errors: `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`, `InvalidParameterValue` (of
/// another gateway; a peering announces nothing, TGW-3).
pub fn set_transit_gateway_route_table_propagation(
    model: &mut Model,
    table: &TransitGatewayRouteTableId,
    attachment: &TransitGatewayAttachmentId,
    enabled: bool,
) -> Result<(), ApiError> {
    check_partners(model, table, attachment)?;
    if model.transit_gateway_attachment(attachment)?.vpc_id().is_none() {
        let message = format!("{attachment} is a peering attachment: it has static routes only.");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    let propagations = &mut model.transit_gateway_route_table_mut(table)?.propagations;
    match enabled {
        true => propagations.insert(attachment.clone()),
        false => propagations.remove(attachment),
    };
    model.generation += 1;
    Ok(())
}

/// Adds a static route to an attachment, or a blackhole.
///
/// Errors: `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`, `InvalidParameterValue` (of
/// another gateway), `RouteAlreadyExists`, `RouteLimitExceeded`.
pub fn create_transit_gateway_route(
    model: &mut Model,
    table: &TransitGatewayRouteTableId,
    destination: IpNet,
    to: Option<&TransitGatewayAttachmentId>,
) -> Result<(), ApiError> {
    let destination = destination.trunc();
    match to {
        Some(attachment) => drop(check_partners(model, table, attachment)?),
        None => drop(model.transit_gateway_route_table(table)?),
    }
    let routes = &mut model.transit_gateway_route_table_mut(table)?.routes;
    if routes.contains_key(&destination) {
        let message = format!("The route identified by {destination} already exists.");
        return Err(ApiError::new(ErrorCode::RouteAlreadyExists, message));
    }
    if routes.len() >= ROUTES_PER_TABLE {
        let message = "The maximum number of routes of a transit gateway route table has been reached.";
        return Err(ApiError::new(ErrorCode::RouteLimitExceeded, message));
    }
    routes.insert(destination, to.cloned());
    model.generation += 1;
    Ok(())
}

/// Deletes a static route. Errors: `InvalidRouteTableID.NotFound`, `InvalidRoute.NotFound`.
pub fn delete_transit_gateway_route(
    model: &mut Model,
    table: &TransitGatewayRouteTableId,
    destination: IpNet,
) -> Result<(), ApiError> {
    let destination = destination.trunc();
    if model.transit_gateway_route_table_mut(table)?.routes.remove(&destination).is_none() {
        let message = format!("no route with destination {destination} in route table {table}");
        return Err(ApiError::new(ErrorCode::InvalidRouteNotFound, message));
    }
    model.generation += 1;
    Ok(())
}

fn new_table(model: &mut Model, gateway: &TransitGatewayId, tags: Tags, origin: Origin) -> TransitGatewayRouteTableId {
    let id: TransitGatewayRouteTableId = model.context.next_id();
    let table = TransitGatewayRouteTable {
        id: id.clone(),
        transit_gateway_id: gateway.clone(),
        associations: BTreeSet::new(),
        propagations: BTreeSet::new(),
        routes: Default::default(),
        state: state::pending(model, ROUTE_TABLE),
        tags,
        origin,
    };
    model.transit_gateway_route_tables.insert(id.clone(), table);
    id
}

/// The gateway that both belong to. Errors: one is not there, or being made (`IncorrectState`); they belong to two.
fn check_partners(
    model: &Model,
    table: &TransitGatewayRouteTableId,
    attachment: &TransitGatewayAttachmentId,
) -> Result<TransitGatewayId, ApiError> {
    let (own, there) = (model.transit_gateway_route_table(table)?, model.transit_gateway_attachment(attachment)?);
    state::check(table, own.state)?;
    state::check(attachment, there.state)?;
    let gateway = own.transit_gateway_id.clone();
    if !there.is_of(&gateway) {
        let message = format!("{attachment} and {table} belong to different transit gateways");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    Ok(gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway that is there.
    fn gateway(model: &mut Model) -> TransitGatewayId {
        let id = create_transit_gateway(model, CreateTransitGateway::default()).unwrap();
        crate::settle::finish_all(model, model.context.now);
        id
    }

    /// A VPC with a subnet in each of these zones.
    fn vpc(model: &mut Model, third: u8, zones: &[&str]) -> (VpcId, Vec<SubnetId>) {
        let block = format!("10.{third}.0.0/16").parse().unwrap();
        let request = super::super::CreateVpc { cidr_block: block, ..Default::default() };
        let vpc = super::super::create_vpc(model, request).unwrap();
        let subnet = |(number, zone): (usize, &&str)| {
            let block = format!("10.{third}.{number}.0/24").parse().unwrap();
            let mut request = super::super::CreateSubnet::new(vpc.clone(), block);
            request.availability_zone = Some(format!("{}{zone}", model.region));
            super::super::create_subnet(model, request).unwrap()
        };
        let subnets = zones.iter().enumerate().map(subnet).collect();
        (vpc, subnets)
    }

    fn attach(model: &mut Model, gateway: &TransitGatewayId, vpc: &VpcId, subnets: &[SubnetId]) -> Result<TransitGatewayAttachmentId, ApiError> {
        let request = CreateTransitGatewayVpcAttachment {
            transit_gateway_id: gateway.clone(),
            vpc_id: vpc.clone(),
            subnet_ids: subnets.to_vec(),
            options: VpcAttachmentOptions::default(),
            tags: Tags::new(),
            origin: Origin::default(),
        };
        let attachment = create_transit_gateway_vpc_attachment(model, request);
        crate::settle::finish_all(model, model.context.now);
        attachment
    }

    #[test]
    fn an_attachment_is_one_a_vpc_and_has_one_subnet_a_zone() {
        let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp(0)));
        let (one, subnets) = vpc(&mut model, 1, &["a", "a", "c"]);
        let (_, others) = vpc(&mut model, 2, &["a"]);
        let gateway = gateway(&mut model);
        let mut refused = |subnets: &[SubnetId]| attach(&mut model, &gateway, &one, subnets).unwrap_err().code;
        assert_eq!(refused(&[]), ErrorCode::MissingParameter);
        assert_eq!(refused(&subnets[..2]), ErrorCode::DuplicateSubnetsInSameZone);
        assert_eq!(refused(&others), ErrorCode::InvalidParameterValue);
        let attachment = attach(&mut model, &gateway, &one, &subnets[1..]).unwrap();
        assert_eq!(attach(&mut model, &gateway, &one, &subnets[1..]).unwrap_err().code, ErrorCode::DuplicateTransitGatewayAttachment);
        let table = model.transit_gateways[&gateway].default_route_table.clone().unwrap();
        assert!(model.transit_gateway_route_tables[&table].associations.contains(&attachment));
        assert_eq!(delete_transit_gateway(&mut model, &gateway).unwrap_err().code, ErrorCode::IncorrectState);
        delete_transit_gateway_attachment(&mut model, &attachment).unwrap();
        assert_eq!(delete_transit_gateway(&mut model, &gateway).unwrap_err().code, ErrorCode::IncorrectState, "it is being detached");
        crate::settle::finish_all(&mut model, Timestamp(0));
        delete_transit_gateway(&mut model, &gateway).unwrap();
        assert!(model.transit_gateway_route_tables.is_empty());
    }

    #[test]
    fn a_static_route_to_what_is_gone_is_a_blackhole() {
        let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp(0)));
        let (one, subnets) = vpc(&mut model, 1, &["a"]);
        let gateway = gateway(&mut model);
        let attachment = attach(&mut model, &gateway, &one, &subnets).unwrap();
        let table = create_transit_gateway_route_table(&mut model, &gateway, Tags::new(), Origin::default()).unwrap();
        crate::settle::finish_all(&mut model, Timestamp(0));
        let associated = associate_transit_gateway_route_table(&mut model, &table, &attachment);
        assert_eq!(associated.unwrap_err().code, ErrorCode::ResourceAlreadyAssociated);
        let anywhere: IpNet = "0.0.0.0/0".parse().unwrap();
        create_transit_gateway_route(&mut model, &table, anywhere, Some(&attachment)).unwrap();
        let again = create_transit_gateway_route(&mut model, &table, anywhere, None).unwrap_err();
        assert_eq!(again.code, ErrorCode::RouteAlreadyExists);
        delete_transit_gateway_attachment(&mut model, &attachment).unwrap();
        assert_eq!(model.transit_gateway_route_tables[&table].routes[&anywhere], None);
        delete_transit_gateway_route(&mut model, &table, anywhere).unwrap();
        assert_eq!(delete_transit_gateway_route(&mut model, &table, anywhere).unwrap_err().code, ErrorCode::InvalidRouteNotFound);
    }

    #[test]
    fn a_peering_announces_nothing() {
        let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp(0)));
        let one = gateway(&mut model);
        let two = gateway(&mut model);
        let peering = create_transit_gateway_peering_attachment(&mut model, &one, &two).unwrap();
        let table = model.transit_gateways[&two].default_route_table.clone().unwrap();
        let refused = set_transit_gateway_route_table_propagation(&mut model, &table, &peering, true).unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidParameterValue);
        associate_transit_gateway_route_table(&mut model, &table, &peering).unwrap();
        let again = create_transit_gateway_peering_attachment(&mut model, &two, &one).unwrap_err();
        assert_eq!(again.code, ErrorCode::DuplicateTransitGatewayAttachment);
    }
}
