//! What scenarios cannot say of transit gateways: static routes, gateways joined to each other, a common way out.

use model::operation::*;
use model::{
    Destination, Model, Origin, RouteTarget, SubnetId, Tags, TransitGatewayAttachmentId, TransitGatewayId,
    TransitGatewayRouteTableId,
};
use model::settle::finish_all;

use crate::support::{Bench, World};

fn gateway(model: &mut Model) -> (TransitGatewayId, TransitGatewayRouteTableId) {
    let id = create_transit_gateway(model, CreateTransitGateway::default()).unwrap();
    finish_all(model, model.context.now);
    let table = model.transit_gateways[&id].default_route_table.clone().unwrap();
    (id, table)
}

/// Attaches the VPC of a subnet by it.
fn attach(model: &mut Model, gateway: &TransitGatewayId, subnet: &str) -> TransitGatewayAttachmentId {
    let subnet = model.subnets[&format!("subnet-{subnet}").parse().unwrap()].clone();
    let subnet_ids: Vec<SubnetId> = vec![subnet.id];
    let request = CreateTransitGatewayVpcAttachment {
        transit_gateway_id: gateway.clone(),
        vpc_id: subnet.vpc_id,
        subnet_ids,
        options: Default::default(),
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let attachment = create_transit_gateway_vpc_attachment(model, request).unwrap();
    finish_all(model, model.context.now);
    attachment
}

fn route(model: &mut Model, table: &str, destination: &str, gateway: &TransitGatewayId) {
    let request = CreateRoute {
        route_table_id: format!("rtb-{table}").parse().unwrap(),
        destination: Destination::Ipv4(destination.parse().unwrap()),
        target: RouteTarget::TransitGateway(gateway.clone()),
        origin: Origin::default(),
    };
    create_route(model, request).unwrap();
}

/// P2 without its peerings' routes.
fn apart() -> World {
    let mut world = World::p2();
    for (table, destination) in [("app", "10.1.0.0/16"), ("b", "10.0.0.0/16"), ("b", "10.2.0.0/16"), ("c", "10.1.0.0/16")] {
        world.unroute(table, destination);
    }
    world
}

/// NAT-10, TGW-2: a VPC without a gateway of its own leaves by the NAT gateway of another one.
#[test]
fn several_vpcs_leave_by_one_nat_gateway() {
    let mut world = apart();
    let (hub, table) = gateway(&mut world.model);
    attach(&mut world.model, &hub, "b");
    let egress = attach(&mut world.model, &hub, "app-a");
    create_transit_gateway_route(&mut world.model, &table, "0.0.0.0/0".parse().unwrap(), Some(&egress)).unwrap();
    route(&mut world.model, "b", "0.0.0.0/0", &hub);
    let mut bench = Bench::of(world);
    // The NAT gateway's subnet has no route back but the one to the internet.
    assert_eq!(bench.ask("bhost", "203.0.113.50", "tcp 443"), "return igw-a IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS");
    bench.change(|world| route(&mut world.model, "pub", "10.1.0.0/16", &hub));
    assert_eq!(bench.ask("bhost", "203.0.113.50", "tcp 443"), "198.51.100.20 > 203.0.113.50");
}

/// TGW-2: a static route wins over an announced one of the same length, and a blackhole swallows.
#[test]
fn static_routes_win_and_blackholes_swallow() {
    let mut world = apart();
    let (hub, table) = gateway(&mut world.model);
    attach(&mut world.model, &hub, "b");
    attach(&mut world.model, &hub, "c");
    route(&mut world.model, "b", "10.2.0.0/16", &hub);
    route(&mut world.model, "c", "10.1.0.0/16", &hub);
    let mut bench = Bench::of(world);
    assert_eq!(bench.ask("bhost", "10.2.0.10", "tcp 80"), "10.1.0.10 > 10.2.0.10");
    bench.change(|world| create_transit_gateway_route(&mut world.model, &table, "10.2.0.0/16".parse().unwrap(), None).unwrap());
    let answer = bench.ask("bhost", "10.2.0.10", "tcp 80");
    assert!(answer.starts_with("forward tgw-") && answer.ends_with("TGW_RTB_BAD_STATE_ROUTE"), "{answer}");
}

/// TGW-3: two gateways, each with a static route to the other; each routes by its own table.
#[test]
fn gateways_that_are_peered_pass_packets_on() {
    let mut world = apart();
    let (one, one_table) = gateway(&mut world.model);
    let (two, two_table) = gateway(&mut world.model);
    attach(&mut world.model, &one, "b");
    attach(&mut world.model, &two, "c");
    let peering = create_transit_gateway_peering_attachment(&mut world.model, &one, &two).unwrap();
    route(&mut world.model, "b", "10.2.0.0/16", &one);
    route(&mut world.model, "c", "10.1.0.0/16", &two);
    create_transit_gateway_route(&mut world.model, &one_table, "10.2.0.0/16".parse().unwrap(), Some(&peering)).unwrap();
    create_transit_gateway_route(&mut world.model, &two_table, "10.1.0.0/16".parse().unwrap(), Some(&peering)).unwrap();
    let mut bench = Bench::of(world);
    let answer = bench.ask("bhost", "10.2.0.10", "tcp 80");
    assert!(answer.ends_with("TGW_ATTACH_MISSING_TGW_RTB_ASSOCIATION"), "{answer}");
    bench.change(|world| {
        associate_transit_gateway_route_table(&mut world.model, &one_table, &peering).unwrap();
        associate_transit_gateway_route_table(&mut world.model, &two_table, &peering).unwrap();
    });
    assert_eq!(bench.ask("bhost", "10.2.0.10", "tcp 80"), "10.1.0.10 > 10.2.0.10");
}

/// Routes of gateways that lead in a circle end, and say so.
#[test]
fn a_circle_of_gateways_ends() {
    let mut world = apart();
    let (one, one_table) = gateway(&mut world.model);
    let (two, two_table) = gateway(&mut world.model);
    attach(&mut world.model, &one, "b");
    let peering = create_transit_gateway_peering_attachment(&mut world.model, &one, &two).unwrap();
    for table in [&one_table, &two_table] {
        associate_transit_gateway_route_table(&mut world.model, table, &peering).unwrap();
        create_transit_gateway_route(&mut world.model, table, "10.2.0.0/16".parse().unwrap(), Some(&peering)).unwrap();
    }
    route(&mut world.model, "b", "10.2.0.0/16", &one);
    let mut bench = Bench::of(world);
    assert_eq!(bench.ask("bhost", "10.2.0.10", "tcp 80"), "forward fabric none");
}
