//! Where a packet would get to by the routes alone: which of several VPCs with one address is meant. Pure; nothing here says
//! whether it gets there.

use std::net::IpAddr;

use fabric::gateway::TransitEnd;
use fabric::stage::transit_gateway;
use fabric::{Fabric, InterfaceIndex, NextHop, SubnetIndex, TransitGatewayIndex, VpcIndex};

/// Bound on routers that send on: routes may lead in a circle.
const LONGEST: usize = 64;

/// The VPC that the routes from an interface lead to by a transit gateway, also behind appliances, if it has the address.
pub fn by_transit_gateway(fabric: &Fabric, from: InterfaceIndex, to: IpAddr) -> Option<VpcIndex> {
    let mut subnet = fabric.interfaces[from].subnet;
    let mut crossed = false;
    for _ in 0..LONGEST {
        let vpc = fabric.subnets[subnet].vpc;
        if fabric.subnets[subnet].contains(to) {
            return crossed.then_some(vpc);
        }
        let table = &fabric.route_tables[fabric.subnets[subnet].route_table];
        subnet = match table.lookup(to)?.next_hop {
            NextHop::Local => return (crossed && fabric.vpcs[vpc].addresses.contains_key(&to)).then_some(vpc),
            NextHop::Peering { vpc, .. } => return crossed.then_some(vpc),
            NextHop::Interface(interface) => fabric.interfaces[interface].subnet,
            NextHop::NatGateway(gateway) => fabric.nat_gateways[gateway].subnet,
            NextHop::TransitGateway(gateway) => {
                crossed = true;
                through(fabric, gateway, subnet, to)?
            }
            _ => return None,
        };
    }
    None
}

/// The subnet by which a packet comes out of a transit gateway, or of those behind it.
fn through(fabric: &Fabric, gateway: TransitGatewayIndex, from: SubnetIndex, to: IpAddr) -> Option<SubnetIndex> {
    let zone = &fabric.subnets[from].availability_zone;
    let (mut came_by, _) = transit_gateway::enter(fabric, gateway, from).1?;
    let mut gateway = gateway;
    for _ in 0..LONGEST {
        let next = transit_gateway::route(fabric, gateway, came_by, to).1?;
        match &fabric.transit_gateways[gateway].attachments.get(next)?.to {
            TransitEnd::Peering { gateway: other, attachment } => (gateway, came_by) = (*other, *attachment),
            TransitEnd::Vpc { subnets, .. } => return transit_gateway::leave(fabric, subnets, zone),
        }
    }
    None
}
