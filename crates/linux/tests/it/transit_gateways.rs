//! Transit gateways in plans and in the kernel. What they decide, the scenarios of `conformance/transit-gateways.md` say on every
//! engine; here is how little a change of one touches, and that whoever asks gets one answer.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use fabric::engine::{Answer, Engine as _, EngineError, Outcome, PacketProbe, Probe, Request, Sender, Traffic};
use fabric::{Fabric, Stage, Walker};
use linux::diff::Changes;
use linux::plan::{Options, Plan};
use model::operation::*;
use model::settle::finish_all;
use model::{Destination, Origin, RouteTarget, SubnetId, Tags, TransitGatewayId, TransitGatewayRouteTableId};

use crate::bench::{self, Bench, ip};
use crate::support::World;

/// Two VPCs with a zone of their own each for a second subnet, and nothing that joins them.
fn apart() -> World {
    let mut world = World::new();
    for (vpc, second) in [("b", 1u8), ("c", 2)] {
        world.vpc(vpc, &format!("10.{second}.0.0/16"));
        world.table(vpc, vpc);
        world.group(vpc, vpc, &["all 10.0.0.0/8"]);
        for (place, zone) in [("near", "a"), ("far", "c")] {
            let subnet = format!("{vpc}{place}");
            let third = if zone == "a" { 0 } else { 1 };
            world.subnet(&subnet, vpc, &format!("10.{second}.{third}.0/24"), vpc);
            let made = world.model.subnets.get_mut(&subnet_id(&subnet)).expect("subnet");
            made.availability_zone = format!("ap-northeast-2{zone}");
            world.instance(&format!("{subnet}1"), &subnet, &format!("10.{second}.{third}.10"), vpc);
        }
    }
    world
}

fn subnet_id(name: &str) -> SubnetId {
    format!("subnet-{name}").parse().expect("id")
}

/// What was begun is made.
fn finish(world: &mut World) {
    let now = world.model.context.now;
    finish_all(&mut world.model, now);
}

fn hub(world: &mut World, subnets: &[&str]) -> (TransitGatewayId, TransitGatewayRouteTableId) {
    let id = create_transit_gateway(&mut world.model, CreateTransitGateway { tags: bench::tags("hub"), ..Default::default() }).expect("gateway");
    finish(world);
    for subnet in subnets {
        let subnet = world.model.subnets[&subnet_id(subnet)].clone();
        let request = CreateTransitGatewayVpcAttachment {
            transit_gateway_id: id.clone(),
            vpc_id: subnet.vpc_id,
            subnet_ids: vec![subnet.id],
            options: Default::default(),
            tags: Tags::new(),
            origin: Origin::default(),
        };
        create_transit_gateway_vpc_attachment(&mut world.model, request).expect("attachment");
    }
    finish(world);
    let table = world.model.transit_gateways[&id].default_route_table.clone().expect("table");
    (id, table)
}

fn route(world: &mut World, table: &str, destination: &str, gateway: &TransitGatewayId) {
    let request = CreateRoute {
        route_table_id: format!("rtb-{table}").parse().expect("id"),
        destination: Destination::Ipv4(destination.parse().expect("block")),
        target: RouteTarget::TransitGateway(gateway.clone()),
        origin: Origin::default(),
    };
    create_route(&mut world.model, request).expect("route");
}

/// Both VPCs attached by their near subnets, and routed.
fn joined() -> (World, TransitGatewayId, TransitGatewayRouteTableId) {
    let mut world = apart();
    let (id, table) = hub(&mut world, &["bnear", "cnear"]);
    route(&mut world, "b", "10.0.0.0/8", &id);
    route(&mut world, "c", "10.1.0.0/16", &id);
    (world, id, table)
}

fn fabric(world: &World) -> Fabric {
    Fabric::compile(&world.model)
}

fn plan(world: &World) -> Plan {
    Plan::new(&fabric(world), Options::default()).expect("plan")
}

#[test]
fn a_gateway_between_two_vpcs_with_two_zones() {
    let (world, ..) = joined();
    let plan = plan(&world);
    let gateway = plan.namespaces.keys().find(|key| key.starts_with("tgw/")).expect("the gateway");
    let parts = [gateway.as_str(), "vpc/vpc-b"];
    let shown = Plan {
        namespaces: parts.iter().map(|key| ((*key).to_owned(), plan.namespaces[*key].clone())).collect(),
        links: plan.links.iter().filter(|((key, _), _)| parts.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect(),
    };
    insta::assert_snapshot!(shown);
}

#[test]
fn a_gateway_without_attachments_is_nothing() {
    let mut world = apart();
    let before = plan(&world);
    hub(&mut world, &[]);
    assert!(Changes::between(&before, &plan(&world)).is_empty());
}

#[test]
fn a_static_route_of_a_gateway_is_a_route_in_its_namespace_and_nothing_else() {
    let (mut world, _, table) = joined();
    let before = plan(&world);
    create_transit_gateway_route(&mut world.model, &table, "10.9.0.0/16".parse().expect("block"), None).expect("route");
    let changes = Changes::between(&before, &plan(&world));
    let places: Vec<&String> = changes.inside.keys().collect();
    assert!(places.len() == 1 && places[0].starts_with("tgw/"), "{places:?}");
    let inside = changes.inside.values().next().expect("changes");
    assert_eq!((inside.routes.new.len(), inside.routes.gone.len(), inside.tables.len(), inside.rules.new.len()), (1, 0, 0, 0));
}

#[test]
fn the_first_route_to_a_gateway_touches_the_subnets_of_its_table_only() {
    let mut world = apart();
    world.table("other", "b");
    world.subnet("bother", "b", "10.1.7.0/24", "other");
    world.instance("bother1", "bother", "10.1.7.10", "b");
    let (id, _) = hub(&mut world, &["bother", "cnear"]);
    let (before, old) = (plan(&world), fabric(&world));
    route(&mut world, "b", "10.2.0.0/16", &id);
    let new = fabric(&world);
    let after = Plan::new(&new, Options::default()).expect("plan");
    let changes = Changes::between(&before, &after);
    assert_eq!(changes.inside.keys().collect::<Vec<_>>(), ["vpc/vpc-b"]);
    let tables = &changes.inside["vpc/vpc-b"].tables;
    let chains: Vec<&str> = tables.iter().flat_map(|(_, table)| &table.rules).map(|(name, ..)| name.as_str()).collect();
    assert_eq!(chains, ["ebfar1", "ebnear1"]);
    // What is taken over from an earlier plan knows the new mark.
    assert_eq!(Plan::renew(&before, &old, &new, Options::default()).expect("plan"), after);
}

#[test]
fn what_attaching_adds_detaching_takes_away() {
    let mut world = apart();
    let (id, _) = hub(&mut world, &["bnear"]);
    let before = plan(&world);
    let attached = world.model.clone();
    let subnet = world.model.subnets[&subnet_id("cfar")].clone();
    let request = CreateTransitGatewayVpcAttachment {
        transit_gateway_id: id,
        vpc_id: subnet.vpc_id,
        subnet_ids: vec![subnet.id],
        options: Default::default(),
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let attachment = create_transit_gateway_vpc_attachment(&mut world.model, request).expect("attachment");
    assert!(Changes::between(&before, &plan(&world)).is_empty(), "what is being made carries nothing");
    finish(&mut world);
    assert_eq!(Changes::between(&before, &plan(&world)).new_links.len(), 1);
    delete_transit_gateway_attachment(&mut world.model, &attachment).expect("detached");
    assert!(Changes::between(&before, &plan(&world)).is_empty());
    assert_eq!(attached.subnets, world.model.subnets);
}

fn said(fabric: &Fabric, answer: &Result<Answer, EngineError>) -> String {
    match answer.as_ref().map(|answer| &answer.outcome) {
        Ok(Outcome::Allowed(arrival)) => format!("{} > {}", arrival.source, arrival.destination),
        Ok(Outcome::Dropped(drop)) => {
            let at = drop.at.map_or_else(|| "?".to_owned(), |at| at.label(fabric));
            format!("{:?} {at} {}", drop.leg, drop.code.map_or("none", |code| code.as_str()))
        }
        other => format!("{other:?}"),
    }
}

fn request(from: &str, to: &str, port: u16) -> Request {
    let from = Sender::Interface(format!("eni-{from}").parse().expect("id"));
    Probe::Packet(PacketProbe::new(from, ip(to).into(), Traffic::Tcp { source_port: 49_152, destination_port: port })).into()
}

#[test]
fn one_answer_whoever_asks_and_a_live_change_is_seen_at_once() {
    let (mut world, id, table) = joined();
    let mut bench = Bench::up(&world.model);
    let mut walker = Walker::new();
    let mut ask = |world: &World, bench: &mut Bench, from: &str, to: &str, expected: &str| {
        let fabric = Arc::new(fabric(world));
        walker.apply(&Arc::new(world.model.clone()), &fabric).expect("apply");
        bench.apply(&world.model);
        let request = request(from, to, 80);
        let alone = bench.engine.probe(&request);
        let together = bench.engine.probe_all(std::slice::from_ref(&request)).remove(0);
        let answers = [&walker.probe(&request), &alone, &together].map(|answer| said(&fabric, answer));
        assert_eq!(answers, [expected; 3], "walker, alone, together: {from} > {to}");
    };
    ask(&world, &mut bench, "bnear1", "10.2.0.10", "10.1.0.10 > 10.2.0.10");
    ask(&world, &mut bench, "bfar1", "10.2.0.10", "Forward hub TGW_ROUTE_AZ_RESTRICTION");
    ask(&world, &mut bench, "bnear1", "10.2.1.10", "Return hub TGW_ROUTE_AZ_RESTRICTION");
    ask(&world, &mut bench, "bnear1", "10.2.0.77", "Forward fabric NO_POSSIBLE_DESTINATION");
    ask(&world, &mut bench, "bnear1", "10.9.0.10", "Forward hub TGW_RTB_NO_ROUTE_TO_TGW_ATTACHMENT");
    create_transit_gateway_route(&mut world.model, &table, "10.2.0.0/24".parse().expect("block"), None).expect("route");
    ask(&world, &mut bench, "bnear1", "10.2.0.10", "Forward hub TGW_RTB_BAD_STATE_ROUTE");
    delete_transit_gateway_route(&mut world.model, &table, "10.2.0.0/24".parse().expect("block")).expect("route");
    ask(&world, &mut bench, "bnear1", "10.2.0.10", "10.1.0.10 > 10.2.0.10");
    world.acl("list", "bnear");
    world.entry("list", "out 100 allow all 10.0.0.0/8");
    // ACL-14: what goes to the gateway is asked by its source too.
    ask(&world, &mut bench, "bnear1", "10.2.0.10", "Forward acl-in:bnear SUBNET_ACL_RESTRICTION");
    let attachments: Vec<_> = world.model.transit_gateway_attachments.keys().cloned().collect();
    for attachment in &attachments {
        delete_transit_gateway_attachment(&mut world.model, attachment).expect("detached");
    }
    finish(&mut world);
    delete_transit_gateway(&mut world.model, &id).expect("gateway");
    ask(&world, &mut bench, "cnear1", "10.1.0.10", "Forward rtb:rt-c BAD_STATE_ROUTE");
}

#[test]
fn the_stage_turned_around_is_noticed() {
    let (world, ..) = joined();
    let turned = Options { invert: Some(Stage::TransitGateway), ..Options::default() };
    let turned = Plan::new(&fabric(&world), turned).expect("plan");
    let gateways = |plan: &Plan| plan.namespaces.iter().filter(|(key, _)| key.starts_with("tgw/")).map(|(_, n)| n.routes.clone()).collect::<Vec<_>>();
    assert_ne!(gateways(&plan(&world)), gateways(&turned));
}
