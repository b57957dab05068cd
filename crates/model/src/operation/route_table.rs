//! Route tables and who uses them (RT-11 … RT-13, RT-18, RT-22). The routes inside: [`super::route`].

use super::{has_dependencies, route, tag, vpc};
use crate::endpoint::VpcEndpointKind;
use crate::route_table::{Associated, RouteTableAssociation};
use crate::*;

/// Parameters of CreateRouteTable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRouteTable {
    /// The VPC.
    pub vpc_id: VpcId,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a table with the local routes (RT-1). Errors: `InvalidVpcID.NotFound`, `RouteTableLimitExceeded` (QUO-1).
pub fn create_route_table(model: &mut Model, request: CreateRouteTable) -> Result<RouteTableId, ApiError> {
    tag::check(&request.tags)?;
    let routes = vpc::local_routes(model.vpc(&request.vpc_id)?);
    let present = model.route_tables.values().filter(|table| table.vpc_id == request.vpc_id).count();
    if present >= model.quotas.route_tables_per_vpc {
        let message = "The maximum number of route tables has been reached.";
        return Err(ApiError::new(ErrorCode::RouteTableLimitExceeded, message));
    }
    let id: RouteTableId = model.context.next_id();
    let table = RouteTable {
        id: id.clone(),
        vpc_id: request.vpc_id,
        routes,
        associations: Vec::new(),
        propagating_vgws: Vec::new(),
        tags: request.tags,
        origin: request.origin,
    };
    model.route_tables.insert(id.clone(), table);
    model.generation += 1;
    Ok(id)
}

/// Deletes a table. Errors: `InvalidRouteTableID.NotFound`, `DependencyViolation` while it is associated or main
/// (RT-11, RT-13).
pub fn delete_route_table(model: &mut Model, id: &RouteTableId) -> Result<(), ApiError> {
    if !model.route_table(id)?.associations.is_empty() {
        return Err(has_dependencies("routeTable", id));
    }
    model.route_tables.remove(id);
    let is_gateway = |endpoint: &VpcEndpoint| matches!(endpoint.kind, VpcEndpointKind::Gateway { .. });
    for (_, endpoint) in model.vpc_endpoints.iter_mut_where(|_, endpoint| is_gateway(endpoint)) {
        if let VpcEndpointKind::Gateway { route_table_ids, .. } = &mut endpoint.kind {
            route_table_ids.retain(|table| table != id);
        }
    }
    model.generation += 1;
    Ok(())
}

/// Parameters of AssociateRouteTable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateRouteTable {
    /// The table.
    pub route_table_id: RouteTableId,
    /// A subnet, or a gateway (edge association, RT-18). [`Associated::Main`] is refused: see
    /// [`replace_route_table_association`].
    pub to: Associated,
}

/// Associates a table with a subnet or a gateway; asking again for the same is no error. Errors:
/// `InvalidRouteTableID.NotFound`, `InvalidSubnetID.NotFound`, `InvalidInternetGatewayID.NotFound`,
/// `InvalidVpnGatewayID.NotFound`, `Resource.AlreadyAssociated` (RT-22), `InvalidParameterValue` (another network,
/// or routes that a gateway's table must not have, RT-18).
pub fn associate_route_table(
    model: &mut Model,
    request: AssociateRouteTable,
) -> Result<RouteTableAssociationId, ApiError> {
    let table = model.route_table(&request.route_table_id)?;
    check_partner(model, table, &request.to)?;
    let present = model.route_tables.values().find_map(|other| {
        other.associations.iter().find(|a| a.to == request.to).map(|a| (&other.id, &a.id))
    });
    match present {
        Some((holder, association)) if *holder == table.id => return Ok(association.clone()),
        Some((_, association)) => {
            let message = format!(
                "the specified association for route table {} conflicts with an existing association {association}",
                table.id
            );
            return Err(ApiError::new(ErrorCode::ResourceAlreadyAssociated, message));
        }
        None => {}
    }
    let id: RouteTableAssociationId = model.context.next_id();
    let association = RouteTableAssociation { id: id.clone(), to: request.to };
    model.route_table_mut(&request.route_table_id)?.associations.push(association);
    model.generation += 1;
    Ok(id)
}

/// Puts another table in the place of an association, the main one included (RT-11), and returns its new id.
/// Errors: `InvalidAssociationID.NotFound`, `InvalidRouteTableID.NotFound`, `InvalidParameterValue` (another
/// network; a gateway's table cannot be main, RT-18).
pub fn replace_route_table_association(
    model: &mut Model,
    association: &RouteTableAssociationId,
    route_table: &RouteTableId,
) -> Result<RouteTableAssociationId, ApiError> {
    let (old_table, to) = find_association(model, association)?;
    let table = model.route_table(route_table)?;
    if to == Associated::Main {
        if model.route_table(&old_table)?.vpc_id != table.vpc_id {
            return Err(other_network(&table.id, "route table", &old_table));
        }
        if route::is_gateway_table(table) {
            let why = format!("Route table {route_table} is associated with a gateway and cannot be the main one");
            return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
        }
    } else {
        check_partner(model, table, &to)?;
    }
    let id: RouteTableAssociationId = model.context.next_id();
    model.route_table_mut(&old_table)?.associations.retain(|a| a.id != *association);
    model.route_table_mut(route_table)?.associations.push(RouteTableAssociation { id: id.clone(), to });
    model.generation += 1;
    Ok(id)
}

/// Ends an association; a subnet returns to the main table (RT-13). Errors: `InvalidAssociationID.NotFound`,
/// `InvalidParameterValue` (the main association, which can only be replaced).
pub fn disassociate_route_table(model: &mut Model, association: &RouteTableAssociationId) -> Result<(), ApiError> {
    let (table, to) = find_association(model, association)?;
    if to == Associated::Main {
        let message = format!("cannot disassociate the main route table association {association}");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    model.route_table_mut(&table)?.associations.retain(|a| a.id != *association);
    model.generation += 1;
    Ok(())
}

/// Lets a virtual private gateway add its routes to a table (RT-10). Errors: `InvalidRouteTableID.NotFound`,
/// `InvalidVpnGatewayID.NotFound`, `Gateway.NotAttached` (not attached to the table's VPC), `InvalidParameterValue`
/// (a gateway's table, RT-18).
pub fn enable_vgw_route_propagation(
    model: &mut Model,
    route_table: &RouteTableId,
    gateway: &VpnGatewayId,
) -> Result<(), ApiError> {
    let table = model.route_table(route_table)?;
    let attached = model.vpn_gateway(gateway)?.vpc_id.as_ref();
    if attached != Some(&table.vpc_id) {
        let message = format!("The gateway ID '{gateway}' is not attached to the VPC {}", table.vpc_id);
        return Err(ApiError::new(ErrorCode::GatewayNotAttached, message));
    }
    if route::is_gateway_table(table) {
        let why = format!("Route table {route_table} is associated with a gateway and cannot take propagated routes");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
    }
    let table = model.route_table_mut(route_table)?;
    if !table.propagating_vgws.contains(gateway) {
        table.propagating_vgws.push(gateway.clone());
        model.generation += 1;
    }
    Ok(())
}

/// Ends propagation; the propagated routes go. Errors: `InvalidRouteTableID.NotFound`, `InvalidVpnGatewayID.NotFound`.
pub fn disable_vgw_route_propagation(
    model: &mut Model,
    route_table: &RouteTableId,
    gateway: &VpnGatewayId,
) -> Result<(), ApiError> {
    model.vpn_gateway(gateway)?;
    let table = model.route_table_mut(route_table)?;
    table.propagating_vgws.retain(|id| id != gateway);
    table.routes.retain(|route| !route::is_propagated_by(route, gateway));
    model.generation += 1;
    Ok(())
}

fn find_association(
    model: &Model,
    id: &RouteTableAssociationId,
) -> Result<(RouteTableId, Associated), ApiError> {
    let found = model.route_tables.values().find_map(|table| {
        table.associations.iter().find(|a| a.id == *id).map(|a| (table.id.clone(), a.to.clone()))
    });
    found.ok_or_else(|| {
        let message = format!("The association ID '{id}' does not exist");
        ApiError::new(ErrorCode::InvalidAssociationIdNotFound, message)
    })
}

/// Whether a table may serve this subnet or gateway.
fn check_partner(model: &Model, table: &RouteTable, to: &Associated) -> Result<(), ApiError> {
    match to {
        Associated::Main => {
            let why = "The main association is replaced, never made";
            Err(ApiError::new(ErrorCode::InvalidParameterValue, why))
        }
        Associated::Subnet(id) => match model.subnet(id)?.vpc_id == table.vpc_id {
            true => Ok(()),
            false => Err(other_network(&table.id, "subnet", id)),
        },
        Associated::InternetGateway(id) => {
            match model.internet_gateway(id)?.vpc_id.as_ref() == Some(&table.vpc_id) {
                true => route::check_fits_gateway(model, table),
                false => Err(other_network(&table.id, "network gateway", id)),
            }
        }
        Associated::VpnGateway(id) => match model.vpn_gateway(id)?.vpc_id.as_ref() == Some(&table.vpc_id) {
            true => route::check_fits_gateway(model, table),
            false => Err(other_network(&table.id, "network gateway", id)),
        },
    }
}

/// RT-14 and its likes.
pub(crate) fn other_network(table: &RouteTableId, kind: &str, id: impl std::fmt::Display) -> ApiError {
    let message = format!("route table {table} and {kind} {id} belong to different networks");
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}
