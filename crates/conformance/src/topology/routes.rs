//! What deltas do to route tables: routes, associations, edges.

use ipnet::IpNet;
use model::operation::{self as op, AssociateRouteTable, CreateRoute};
use model::route_table::{Associated, RouteOrigin};
use model::*;

use super::apply::Outcome;
use super::{World, WorldError};
use crate::scenario::delta::{RouteDestination, SubnetTable};

pub(super) fn route_destination(world: &World, destination: &RouteDestination) -> Result<Destination, WorldError> {
    match destination {
        RouteDestination::Cidr(IpNet::V4(net)) => Ok(Destination::Ipv4(*net)),
        RouteDestination::Cidr(IpNet::V6(net)) => Ok(Destination::Ipv6(*net)),
        RouteDestination::PrefixList(list) => Ok(Destination::PrefixList(world.names.prefix_lists.find(list)?)),
    }
}

/// Whatever a route may lead to (RT-16).
pub(super) fn route_target(world: &World, name: &str) -> Result<RouteTarget, WorldError> {
    let names = &world.names;
    let found = match name {
        "local" => Some(RouteTarget::Local),
        _ => None,
    };
    found
        .or_else(|| names.internet_gateways.get(name).map(RouteTarget::InternetGateway))
        .or_else(|| names.nat_gateways.get(name).map(RouteTarget::NatGateway))
        .or_else(|| names.interfaces.get(name).map(RouteTarget::NetworkInterface))
        .or_else(|| names.peerings.get(name).map(RouteTarget::VpcPeeringConnection))
        .or_else(|| names.egress_only_gateways.get(name).map(RouteTarget::EgressOnlyInternetGateway))
        .or_else(|| names.vpn_gateways.get(name).map(RouteTarget::VpnGateway))
        .or_else(|| names.transit_gateways.get(name).map(RouteTarget::TransitGateway))
        .or_else(|| names.endpoints.get(name).map(RouteTarget::VpcEndpoint))
        .ok_or_else(|| WorldError::Unknown { what: "route target", name: name.to_owned() })
}

pub(super) fn add_route(world: &mut World, table: &str, destination: &RouteDestination, target: &str, propagated: bool) -> Outcome {
    let route_table_id = world.names.route_tables.find(table)?;
    let destination = route_destination(world, destination)?;
    if propagated {
        let gateway = world.names.vpn_gateways.find(target)?;
        let enabled = world.model.route_tables.get(&route_table_id).is_some_and(|t| t.propagating_vgws.contains(&gateway));
        if !enabled {
            op::enable_vgw_route_propagation(&mut world.model, &route_table_id, &gateway)?;
        }
        return Ok(op::propagate_route(&mut world.model, &route_table_id, &gateway, destination, Origin::default())?);
    }
    let target = route_target(world, target)?;
    let routes = world.model.route_tables.get(&route_table_id).map_or(&[][..], |t| &t.routes);
    let is_there = routes
        .iter()
        .any(|r| r.created_by != RouteOrigin::EnableVgwRoutePropagation && r.destination == canonical(&destination));
    let request = CreateRoute { route_table_id, destination, target, origin: Origin::default() };
    match is_there {
        true => Ok(op::replace_route(&mut world.model, request)?),
        false => Ok(op::create_route(&mut world.model, request)?),
    }
}

pub(super) fn canonical(destination: &Destination) -> Destination {
    match destination {
        Destination::Ipv4(net) => Destination::Ipv4(net.trunc()),
        Destination::Ipv6(net) => Destination::Ipv6(net.trunc()),
        Destination::PrefixList(list) => Destination::PrefixList(list.clone()),
    }
}

/// Removes the static route, else the propagated ones: the gateway no longer announces the block.
pub(super) fn remove_route(world: &mut World, table: &RouteTableId, destination: &Destination) -> Outcome {
    let destination = canonical(destination);
    let Some(routes) = world.model.route_tables.get_mut(table).map(|t| &mut t.routes) else { return Ok(()) };
    let propagated = |r: &Route| r.created_by == RouteOrigin::EnableVgwRoutePropagation;
    let is_static = routes.iter().any(|r| r.destination == destination && !propagated(r));
    if !is_static && routes.iter().any(|r| r.destination == destination) {
        routes.retain(|r| r.destination != destination);
        world.model.generation += 1;
        return Ok(());
    }
    Ok(op::delete_route(&mut world.model, table, &destination)?)
}

pub(super) fn edge(world: &mut World, gateway: &str, table: &str) -> Outcome {
    let to = match (world.names.internet_gateways.get(gateway), world.names.vpn_gateways.get(gateway)) {
        (Some(igw), _) => Associated::InternetGateway(igw),
        (None, Some(vgw)) => Associated::VpnGateway(vgw),
        (None, None) => return Err(WorldError::Unknown { what: "gateway", name: gateway.to_owned() }),
    };
    let table = world.names.route_tables.find(table)?;
    associate(world, to, &table)
}

pub(super) fn subnet_table(world: &mut World, subnet: &str, table: &SubnetTable) -> Outcome {
    let to = Associated::Subnet(world.names.subnets.find(subnet)?);
    match table {
        SubnetTable::Named(table) => {
            let table = world.names.route_tables.find(table)?;
            associate(world, to, &table)
        }
        SubnetTable::Main => match association(world, &to) {
            Some((_, id)) => Ok(op::disassociate_route_table(&mut world.model, &id)?),
            None => Ok(()),
        },
    }
}

/// Associates a table, in the place of another one if need be.
pub(super) fn associate(world: &mut World, to: Associated, table: &RouteTableId) -> Outcome {
    match association(world, &to) {
        Some((present, _)) => replace_association(world, &to, &present, table),
        None => {
            op::associate_route_table(&mut world.model, AssociateRouteTable { route_table_id: table.clone(), to })?;
            Ok(())
        }
    }
}

pub(super) fn replace_association(world: &mut World, to: &Associated, from: &RouteTableId, table: &RouteTableId) -> Outcome {
    if from == table {
        return Ok(());
    }
    let associations = world.model.route_tables.get(from).into_iter().flat_map(|t| &t.associations);
    let Some(id) = associations.into_iter().find(|a| a.to == *to).map(|a| a.id.clone()) else { return Ok(()) };
    op::replace_route_table_association(&mut world.model, &id, table)?;
    Ok(())
}

pub(super) fn association(world: &World, to: &Associated) -> Option<(RouteTableId, RouteTableAssociationId)> {
    let mut tables = world.model.route_tables.values();
    tables.find_map(|t| Some((t.id.clone(), t.associations.iter().find(|a| a.to == *to)?.id.clone())))
}
