//! The routes of a table (RT-1 … RT-9, RT-14 … RT-18).

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::address::sole_interface;
use super::invalid_value;
use super::route_table::other_network;
use crate::nat_gateway::NatGatewayState;
use crate::peering::PeeringStatus;
use crate::route_table::{Associated, RouteOrigin};
use crate::*;

/// Destinations that AWS keeps for itself (RT-8).
const RESERVED_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 168, 0), 22);
/// RT-8.
const RESERVED_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);

/// Parameters of CreateRoute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRoute {
    /// The table.
    pub route_table_id: RouteTableId,
    /// Destination; host bits are cleared.
    pub destination: Destination,
    /// Target. For an instance see [`route_target_of_instance`].
    pub target: RouteTarget,
    /// Where it was written.
    pub origin: Origin,
}

/// Adds a route; asking again for the same is no error. Errors: `…NotFound` of table, target and prefix list;
/// `InvalidParameterValue` (inside the VPC, RT-4; reserved destination, RT-8; target of another network, RT-14;
/// family, RT-16; endpoint or local as target, RT-16; gateway's table, RT-18); `RouteAlreadyExists` (RT-15);
/// `RouteLimitExceeded` (RT-17).
pub fn create_route(model: &mut Model, request: CreateRoute) -> Result<(), ApiError> {
    let table = model.route_table(&request.route_table_id)?;
    let destination = canonical(request.destination);
    check_target(model, table, &destination, &request.target)?;
    check_destination(model, table, &destination, &request.target)?;
    if let Some(present) = static_route(table, &destination) {
        if present.target == request.target {
            return Ok(());
        }
        let message = format!("The route identified by {destination} already exists.");
        return Err(ApiError::new(ErrorCode::RouteAlreadyExists, message));
    }
    if is_gateway_table(table) {
        check_fits(model, table, &destination, &request.target)?;
    }
    check_quota(model, table, &destination)?;
    let route = Route {
        destination,
        target: request.target,
        created_by: RouteOrigin::CreateRoute,
        origin: request.origin,
    };
    model.route_table_mut(&request.route_table_id)?.routes.push(route);
    model.generation += 1;
    Ok(())
}

/// Gives a route another target. The local route may lead to an interface or NAT gateway, and back to
/// [`RouteTarget::Local`] (RT-1). Errors: as [`create_route`], and `InvalidParameterValue` when there is no such
/// route (RT-15) or an endpoint made it (RT-16).
pub fn replace_route(model: &mut Model, request: CreateRoute) -> Result<(), ApiError> {
    let table = model.route_table(&request.route_table_id)?;
    let destination = canonical(request.destination);
    let Some(present) = static_route(table, &destination) else {
        let message = format!(
            "There is no route defined for '{destination}' in the route table. Use CreateRoute instead."
        );
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    };
    check_not_of_an_endpoint(present)?;
    let is_local = present.created_by == RouteOrigin::CreateRouteTable;
    match &request.target {
        RouteTarget::Local if is_local => {}
        RouteTarget::NetworkInterface(_) | RouteTarget::NatGateway(_) if is_local => {
            check_target(model, table, &destination, &request.target)?;
        }
        target if is_local => {
            let why = "A local route can lead to a network interface, a NAT gateway or the local target only.";
            return Err(invalid_value(target, "target", why));
        }
        target => {
            check_target(model, table, &destination, target)?;
            check_destination(model, table, &destination, target)?;
        }
    }
    if is_gateway_table(table) {
        check_fits(model, table, &destination, &request.target)?;
    }
    let table = model.route_table_mut(&request.route_table_id)?;
    for route in table.routes.iter_mut().filter(|r| is_static(r) && r.destination == destination) {
        route.target = request.target.clone();
        // A lab that replaces a route wrote the reason for what it does now; an API call has nothing to say.
        if request.origin.is_known() {
            route.origin = request.origin.clone();
        }
    }
    model.generation += 1;
    Ok(())
}

/// Deletes a route. Errors: `InvalidRouteTableID.NotFound`, `InvalidRoute.NotFound` (RT-15),
/// `InvalidParameterValue` (a local route, RT-1, or an endpoint's, RT-16).
pub fn delete_route(model: &mut Model, id: &RouteTableId, destination: &Destination) -> Result<(), ApiError> {
    let table = model.route_table(id)?;
    let destination = canonical(destination.clone());
    let Some(present) = static_route(table, &destination) else {
        let message = format!("no route with destination-cidr-block {destination} in route table {id}");
        return Err(ApiError::new(ErrorCode::InvalidRouteNotFound, message));
    };
    if present.created_by == RouteOrigin::CreateRouteTable {
        let message = format!("cannot remove local route {destination} in route table {id}");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    check_not_of_an_endpoint(present)?;
    model.route_table_mut(id)?.routes.retain(|r| !is_static(r) || r.destination != destination);
    model.generation += 1;
    Ok(())
}

/// Writes down a route that a virtual private gateway announces to a table (RT-5, RT-6). AWS has no such call: the
/// other end of a VPN connection does it. Errors: `InvalidRouteTableID.NotFound`, `InvalidVpnGatewayID.NotFound`,
/// `Gateway.NotAttached` (propagation is not enabled), `InvalidParameterValue` (not an IPv4 block, VPN-1),
/// `RouteLimitExceeded`.
pub fn propagate_route(
    model: &mut Model,
    route_table: &RouteTableId,
    gateway: &VpnGatewayId,
    destination: Destination,
    origin: Origin,
) -> Result<(), ApiError> {
    const PROPAGATED_PER_TABLE: usize = 100;
    model.vpn_gateway(gateway)?;
    let table = model.route_table(route_table)?;
    let destination = canonical(destination);
    if !matches!(destination, Destination::Ipv4(_)) {
        return Err(invalid_value(destination, "destinationCidrBlock", "A VPN announces IPv4 blocks."));
    }
    if !table.propagating_vgws.contains(gateway) {
        let message = format!("Propagation from {gateway} is not enabled for route table {route_table}");
        return Err(ApiError::new(ErrorCode::GatewayNotAttached, message));
    }
    if table.routes.iter().any(|r| is_propagated_by(r, gateway) && r.destination == destination) {
        return Ok(());
    }
    if table.routes.iter().filter(|r| !is_static(r)).count() >= PROPAGATED_PER_TABLE {
        return Err(limit_exceeded());
    }
    let (target, created_by) = (RouteTarget::VpnGateway(gateway.clone()), RouteOrigin::EnableVgwRoutePropagation);
    model.route_table_mut(route_table)?.routes.push(Route { destination, target, created_by, origin });
    model.generation += 1;
    Ok(())
}

/// What an instance stands for as a target: its only interface (RT-16). Errors: `InvalidInstanceID.NotFound`,
/// `InvalidInstanceID` (several interfaces).
pub fn route_target_of_instance(model: &Model, id: &InstanceId) -> Result<RouteTarget, ApiError> {
    model.instance(id)?;
    Ok(RouteTarget::NetworkInterface(sole_interface(model, id)?.id.clone()))
}

/// Whether the route was made, not propagated.
fn is_static(route: &Route) -> bool {
    route.created_by != RouteOrigin::EnableVgwRoutePropagation
}

fn static_route<'t>(table: &'t RouteTable, destination: &Destination) -> Option<&'t Route> {
    table.routes.iter().find(|route| is_static(route) && route.destination == *destination)
}

/// Whether this gateway announced the route.
pub(crate) fn is_propagated_by(route: &Route, gateway: &VpnGatewayId) -> bool {
    !is_static(route) && route.target == RouteTarget::VpnGateway(gateway.clone())
}

/// Whether the table is associated with a gateway (RT-18).
pub(crate) fn is_gateway_table(table: &RouteTable) -> bool {
    let is_gateway = |to: &Associated| matches!(to, Associated::InternetGateway(_) | Associated::VpnGateway(_));
    table.associations.iter().any(|a| is_gateway(&a.to))
}

/// Whether a table as it is may be associated with a gateway (RT-18). Errors: `InvalidParameterValue`.
pub(crate) fn check_fits_gateway(model: &Model, table: &RouteTable) -> Result<(), ApiError> {
    if table.is_main() || !table.propagating_vgws.is_empty() {
        let message = format!(
            "Route table {} cannot be associated with a gateway: it is the main one or takes propagated routes",
            table.id
        );
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    table.routes.iter().try_for_each(|route| check_fits(model, table, &route.destination, &route.target))
}

/// RT-18: whole blocks and subnets of the VPC, to local or an interface.
fn check_fits(
    model: &Model,
    table: &RouteTable,
    destination: &Destination,
    target: &RouteTarget,
) -> Result<(), ApiError> {
    let vpc = model.vpc(&table.vpc_id)?;
    let is_whole = match destination {
        Destination::Ipv4(block) => {
            vpc.ipv4_blocks().any(|b| b == *block) || is_whole_subnet(model, &vpc.id, destination)
        }
        Destination::Ipv6(block) => {
            vpc.ipv6_blocks().any(|b| b == *block) || is_whole_subnet(model, &vpc.id, destination)
        }
        Destination::PrefixList(_) => false,
    };
    match (is_whole, target) {
        (true, RouteTarget::Local | RouteTarget::NetworkInterface(_)) => Ok(()),
        _ => {
            let message = format!(
                "Route table {} is associated with a gateway: {destination} > {target} is not a route from a whole \
                 block of the VPC or of a subnet to a network interface or the local target",
                table.id
            );
            Err(ApiError::new(ErrorCode::InvalidParameterValue, message))
        }
    }
}

fn is_whole_subnet(model: &Model, vpc: &VpcId, destination: &Destination) -> bool {
    let mut subnets = model.subnets.values().filter(|subnet| subnet.vpc_id == *vpc);
    subnets.any(|subnet| match destination {
        Destination::Ipv4(block) => subnet.cidr_block == *block,
        Destination::Ipv6(block) => subnet.ipv6_cidr_blocks.iter().any(|b| b.state.is_live() && b.block == *block),
        Destination::PrefixList(_) => false,
    })
}

fn canonical(destination: Destination) -> Destination {
    match destination {
        Destination::Ipv4(block) => Destination::Ipv4(block.trunc()),
        Destination::Ipv6(block) => Destination::Ipv6(block.trunc()),
        list => list,
    }
}

/// RT-4, RT-8.
fn check_destination(
    model: &Model,
    table: &RouteTable,
    destination: &Destination,
    target: &RouteTarget,
) -> Result<(), ApiError> {
    let vpc = model.vpc(&table.vpc_id)?;
    let (is_reserved, is_inside, is_local) = match destination {
        Destination::Ipv4(block) => (
            RESERVED_IPV4.contains(block),
            vpc.ipv4_blocks().any(|b| b.contains(block)),
            vpc.ipv4_blocks().any(|b| b == *block),
        ),
        Destination::Ipv6(block) => (
            RESERVED_IPV6.contains(block),
            vpc.ipv6_blocks().any(|b| b.contains(block)),
            vpc.ipv6_blocks().any(|b| b == *block),
        ),
        Destination::PrefixList(id) => {
            model.prefix_list(id)?;
            (false, false, false)
        }
    };
    if is_reserved {
        return Err(invalid_value(destination, "destinationCidrBlock", "The range is reserved for AWS services."));
    }
    if !is_inside {
        return Ok(());
    }
    if !matches!(target, RouteTarget::NetworkInterface(_) | RouteTarget::NatGateway(_)) {
        let message = format!(
            "The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR \
             blocks. This route can target only an interface or an instance."
        );
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    if !is_local && !is_whole_subnet(model, &vpc.id, destination) {
        let why = "A route inside the VPC must match the whole block of a subnet.";
        return Err(invalid_value(destination, "destinationCidrBlock", why));
    }
    Ok(())
}

/// RT-14, RT-16: the target exists, belongs to this VPC and carries this family.
fn check_target(
    model: &Model,
    table: &RouteTable,
    destination: &Destination,
    target: &RouteTarget,
) -> Result<(), ApiError> {
    let is_ipv6 = match destination {
        Destination::Ipv4(_) => false,
        Destination::Ipv6(_) => true,
        Destination::PrefixList(id) => model.prefix_list(id)?.is_ipv6,
    };
    let same_network = |is_same: bool, kind: &str| match is_same {
        true => Ok(()),
        false => Err(other_network(&table.id, kind, target)),
    };
    let not_a_target = |why: &str| Err(invalid_value(target, "target", why));
    match target {
        RouteTarget::Local => not_a_target("Local routes come with the table."),
        RouteTarget::VpcEndpoint(_) => {
            not_a_target("Routes to a gateway endpoint are made by associating the table with the endpoint.")
        }
        RouteTarget::InternetGateway(id) => {
            let gateway = model.internet_gateway(id).map_err(|_| gateway_not_found(id))?;
            same_network(gateway.vpc_id.as_ref() == Some(&table.vpc_id), "network gateway")
        }
        RouteTarget::VpnGateway(id) => {
            if is_ipv6 {
                return not_a_target("A virtual private gateway carries IPv4 only.");
            }
            let gateway = model.vpn_gateway(id).map_err(|_| gateway_not_found(id))?;
            same_network(gateway.vpc_id.as_ref() == Some(&table.vpc_id), "network gateway")
        }
        RouteTarget::NatGateway(id) => {
            let gateway = model.nat_gateway(id)?;
            if matches!(gateway.state, NatGatewayState::Failed | NatGatewayState::Deleting | NatGatewayState::Deleted) {
                let message = format!("NatGateway {id} is {} and cannot be a target", gateway.state.as_str());
                return Err(ApiError::new(ErrorCode::NatGatewayNotFound, message));
            }
            if is_ipv6 {
                return not_a_target("A NAT gateway carries IPv4 only.");
            }
            same_network(gateway.vpc_id == table.vpc_id, "NAT gateway")
        }
        RouteTarget::NetworkInterface(id) => {
            same_network(model.network_interface(id)?.vpc_id == table.vpc_id, "interface")
        }
        RouteTarget::EgressOnlyInternetGateway(id) => {
            let gateway = model.egress_only_internet_gateway(id)?;
            if !is_ipv6 {
                return not_a_target("An egress-only internet gateway carries IPv6 only.");
            }
            same_network(gateway.vpc_id == table.vpc_id, "egress-only internet gateway")
        }
        RouteTarget::VpcPeeringConnection(id) => {
            let connection = model.vpc_peering_connection(id)?;
            use PeeringStatus::{Deleted, Deleting, Expired, Failed, Rejected};
            if matches!(connection.status, Failed | Expired | Rejected | Deleting | Deleted) {
                let message = format!("The vpcPeeringConnection ID '{id}' is {}", connection.status.as_str());
                return Err(ApiError::new(ErrorCode::InvalidVpcPeeringConnectionIdNotFound, message));
            }
            same_network(connection.peer_of(&table.vpc_id).is_some(), "vpc peering connection")
        }
        RouteTarget::TransitGateway(id) => {
            model.transit_gateway(id)?;
            match model.transit_gateway_attachment_of(id, &table.vpc_id) {
                Some(_) => Ok(()),
                None => {
                    let message = format!("Transit Gateway {id} has no attachment in VPC {}.", table.vpc_id);
                    Err(ApiError::new(ErrorCode::InvalidTransitGatewayIdNotFound, message))
                }
            }
        }
    }
}

fn gateway_not_found(id: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::InvalidGatewayIdNotFound, format!("The gateway ID '{id}' does not exist"))
}

fn check_not_of_an_endpoint(route: &Route) -> Result<(), ApiError> {
    match &route.target {
        RouteTarget::VpcEndpoint(id) => {
            let message = format!("the route to {} is managed by VPC endpoint {id}", route.destination);
            Err(ApiError::new(ErrorCode::InvalidParameterValue, message))
        }
        _ => Ok(()),
    }
}

/// RT-17: routes by family; a prefix list counts as its maximum of entries.
fn check_quota(model: &Model, table: &RouteTable, added: &Destination) -> Result<(), ApiError> {
    let weight = |destination: &Destination| match destination {
        Destination::Ipv4(_) => (false, 1),
        Destination::Ipv6(_) => (true, 1),
        Destination::PrefixList(id) => {
            model.prefix_lists.get(id).map_or((false, 1), |list| (list.is_ipv6, list.max_entries as usize))
        }
    };
    let (family, more) = weight(added);
    let made = table.routes.iter().filter(|route| route.created_by == RouteOrigin::CreateRoute);
    let present: usize = made.map(|route| weight(&route.destination)).filter(|w| w.0 == family).map(|w| w.1).sum();
    match present + more <= model.quotas.routes_per_table {
        true => Ok(()),
        false => Err(limit_exceeded()),
    }
}

fn limit_exceeded() -> ApiError {
    ApiError::new(ErrorCode::RouteLimitExceeded, "The maximum number of routes has been reached.")
}
