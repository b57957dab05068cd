//! Transit gateways of topologies: gateways, attachments, tables (TGW-1 … TGW-3).

use model::operation::{self as op, *};
use model::*;
use model::transit_gateway::VpcAttachmentOptions;

use super::apply::Outcome;
use super::{World, WorldError};
use crate::scenario::delta::TransitDelta;

/// What is made is available at once.
pub(super) fn apply(world: &mut World, delta: &TransitDelta) -> Outcome {
    let before = world.model.clone();
    make(world, delta)?;
    settle::finish_what_began(&mut world.model, &before);
    Ok(())
}

fn make(world: &mut World, delta: &TransitDelta) -> Outcome {
    match delta {
        TransitDelta::New { gateway, subnets } => {
            world.names.transit_gateways.check_free(gateway)?;
            // What a subnet is called is asked before anything is made.
            subnets.iter().try_for_each(|subnet| world.names.subnets.find(subnet).map(drop))?;
            let before = world.model.clone();
            let id = op::create_transit_gateway(&mut world.model, CreateTransitGateway::default())?;
            settle::finish_what_began(&mut world.model, &before);
            world.names.transit_gateways.add(gateway, id.clone())?;
            if let Some(table) = world.model.transit_gateways.get(&id).and_then(|made| made.default_route_table.clone()) {
                world.names.transit_gateway_tables.add(gateway, table)?;
            }
            attach(world, &id, subnets)
        }
        TransitDelta::Attach { gateway, subnets } => {
            let id = world.names.transit_gateways.find(gateway)?;
            attach(world, &id, subnets)
        }
        TransitDelta::Detach { gateway, vpc } => {
            let id = world.names.transit_gateways.find(gateway)?;
            let attachment = attachment(world, &id, vpc)?;
            op::delete_transit_gateway_attachment(&mut world.model, &attachment)?;
            Ok(())
        }
        TransitDelta::Ipv6 { gateway, vpc, on } => {
            let id = world.names.transit_gateways.find(gateway)?;
            let attachment = attachment(world, &id, vpc)?;
            let options = VpcAttachmentOptions { ipv6_support: *on, ..Default::default() };
            op::modify_transit_gateway_vpc_attachment(&mut world.model, &attachment, &[], &[], Some(options))?;
            Ok(())
        }
        TransitDelta::Peer { gateway, other } => {
            let [id, other] = [gateway, other].map(|name| world.names.transit_gateways.find(name));
            op::create_transit_gateway_peering_attachment(&mut world.model, &id?, &other?)?;
            Ok(())
        }
        TransitDelta::NewTable { table, gateway } => {
            world.names.transit_gateway_tables.check_free(table)?;
            let id = world.names.transit_gateways.find(gateway)?;
            let made = op::create_transit_gateway_route_table(&mut world.model, &id, Tags::new(), Origin::default())?;
            world.names.transit_gateway_tables.add(table, made)
        }
        TransitDelta::AddRoute { table, destination, target } => {
            let (table, gateway) = find(world, table)?;
            let to = match target.as_str() {
                "blackhole" => None,
                name => Some(attachment(world, &gateway, name)?),
            };
            let routes = world.model.transit_gateway_route_tables.get(&table).map(|table| &table.routes);
            if routes.is_some_and(|routes| routes.contains_key(&destination.trunc())) {
                op::delete_transit_gateway_route(&mut world.model, &table, *destination)?;
            }
            Ok(op::create_transit_gateway_route(&mut world.model, &table, *destination, to.as_ref())?)
        }
        TransitDelta::RemoveRoute { table, destination } => {
            let (table, _) = find(world, table)?;
            Ok(op::delete_transit_gateway_route(&mut world.model, &table, *destination)?)
        }
        TransitDelta::Associate { table, attached } => {
            let (table, gateway) = find(world, table)?;
            let attachment = attachment(world, &gateway, attached)?;
            let tables = world.model.transit_gateway_route_tables.values();
            let mut present = tables.filter(|t| t.transit_gateway_id == gateway && t.associations.contains(&attachment));
            if let Some(present) = present.next().map(|table| table.id.clone()) {
                op::disassociate_transit_gateway_route_table(&mut world.model, &present, &attachment)?;
            }
            Ok(op::associate_transit_gateway_route_table(&mut world.model, &table, &attachment)?)
        }
        TransitDelta::Disassociate { table, attached } => {
            let (table, gateway) = find(world, table)?;
            let attachment = attachment(world, &gateway, attached)?;
            Ok(op::disassociate_transit_gateway_route_table(&mut world.model, &table, &attachment)?)
        }
        TransitDelta::Propagate { table, attached, enabled } => {
            let (table, gateway) = find(world, table)?;
            let attachment = attachment(world, &gateway, attached)?;
            Ok(op::set_transit_gateway_route_table_propagation(&mut world.model, &table, &attachment, *enabled)?)
        }
    }
}

/// One attachment a VPC, by these of its subnets.
fn attach(world: &mut World, gateway: &TransitGatewayId, subnets: &[String]) -> Outcome {
    let mut by_vpc: Vec<(VpcId, Vec<SubnetId>)> = Vec::new();
    for subnet in subnets {
        let subnet = world.model.subnet(&world.names.subnets.find(subnet)?)?;
        match by_vpc.iter_mut().find(|(vpc, _)| *vpc == subnet.vpc_id) {
            Some((_, of_vpc)) => of_vpc.push(subnet.id.clone()),
            None => by_vpc.push((subnet.vpc_id.clone(), vec![subnet.id.clone()])),
        }
    }
    for (vpc_id, subnet_ids) in by_vpc {
        let request = CreateTransitGatewayVpcAttachment {
            transit_gateway_id: gateway.clone(),
            vpc_id,
            subnet_ids,
            options: VpcAttachmentOptions { ipv6_support: true, ..Default::default() },
            tags: Tags::new(),
            origin: Origin::default(),
        };
        op::create_transit_gateway_vpc_attachment(&mut world.model, request)?;
    }
    Ok(())
}

/// A table and its gateway.
fn find(world: &World, table: &str) -> Result<(TransitGatewayRouteTableId, TransitGatewayId), WorldError> {
    let id = world.names.transit_gateway_tables.find(table)?;
    let gateway = world.model.transit_gateway_route_table(&id)?.transit_gateway_id.clone();
    Ok((id, gateway))
}

/// What of a gateway is attached to a VPC, or to another gateway.
fn attachment(world: &World, gateway: &TransitGatewayId, name: &str) -> Result<TransitGatewayAttachmentId, WorldError> {
    let of_gateway = || world.model.transit_gateway_attachments.values().filter(|attachment| attachment.is_of(gateway));
    let found = match (world.names.vpcs.get(name), world.names.transit_gateways.get(name)) {
        (Some(vpc), _) => of_gateway().find(|attachment| attachment.vpc_id() == Some(&vpc)),
        (None, Some(other)) => of_gateway().find(|attachment| attachment.vpc_id().is_none() && attachment.is_of(&other)),
        (None, None) => None,
    };
    let unknown = || WorldError::Unknown { what: "attachment to", name: name.to_owned() };
    found.map(|attachment| attachment.id.clone()).ok_or_else(unknown)
}
