//! Ways that lead nowhere: blackholes, gateways without a VPC, subnets without the internet that their name promises.

use std::collections::BTreeMap;

use fabric::index::{SubnetIndex, VpcIndex};
use fabric::route::NextHop;
use fabric::{Entity, Fabric, InterfaceKind};
use ipnet::IpNet;
use model::route_table::{Associated, RouteTarget};
use model::{Model, Subnet};

use super::{Check, Finding, name_of};

pub(super) fn findings(model: &Model, fabric: &Fabric) -> Vec<Finding> {
    let mut findings = routes(model, fabric);
    findings.extend(gateways(model, fabric));
    findings.extend(subnets(model, fabric));
    findings.extend(peerings(fabric));
    findings
}

fn routes(model: &Model, fabric: &Fabric) -> Vec<Finding> {
    let mut findings = Vec::new();
    for table in fabric.route_tables.values() {
        for route in &table.routes {
            let subject = format!(
                "rtb {} {} -> {}",
                table.name,
                route.destination,
                target(fabric, &route.target)
            );
            match route.next_hop {
                NextHop::Blackhole(why) => findings.push(Finding::new(
                    Check::Blackhole,
                    subject,
                    format!(
                        "the target {}: what the route matches is dropped",
                        why.text()
                    ),
                    "remove the route, or give it a target that works",
                    &route.origin,
                )),
                NextHop::Interface(interface) if fabric.interfaces[interface].source_dest_check => {
                    let name = &fabric.interfaces[interface].name;
                    findings.push(Finding::new(
                        Check::CheckedMiddlebox,
                        subject,
                        format!(
                            "{name} checks sources and destinations: it drops what is not its own"
                        ),
                        format!("{name}: {{ source_dest_check: false }}"),
                        &route.origin,
                    ));
                }
                _ => {}
            }
        }
    }
    for table in model.route_tables.values() {
        // A main table serves every subnet that has none of its own, those to come too.
        if table.is_main()
            || table
                .associations
                .iter()
                .any(|a| !matches!(a.to, Associated::Main))
        {
            continue;
        }
        findings.push(Finding::new(
            Check::UnusedRouteTable,
            format!("rtb {}", name_of(&table.tags, &table.id)),
            "no subnet and no gateway uses it",
            "associate it, or remove it",
            &table.origin,
        ));
    }
    findings
}

fn gateways(model: &Model, fabric: &Fabric) -> Vec<Finding> {
    let mut findings = Vec::new();
    let unattached = |subject: String, origin| {
        Finding::new(
            Check::UnattachedGateway,
            subject,
            "it is attached to no VPC and carries nothing",
            "attach it, or remove it",
            origin,
        )
    };
    for igw in model
        .internet_gateways
        .values()
        .filter(|igw| igw.vpc_id.is_none())
    {
        findings.push(unattached(
            format!("igw {}", name_of(&igw.tags, &igw.id)),
            &igw.origin,
        ));
    }
    for vgw in model
        .vpn_gateways
        .values()
        .filter(|vgw| vgw.vpc_id.is_none())
    {
        findings.push(unattached(
            format!("vgw {}", name_of(&vgw.tags, &vgw.id)),
            &vgw.origin,
        ));
    }
    let in_use = |nat: &fabric::gateway::NatGateway| {
        nat.state == model::nat_gateway::NatGatewayState::Available
    };
    for nat in fabric
        .nat_gateways
        .values()
        .filter(|nat| in_use(nat) && nat.is_public)
    {
        if !leads_to_internet(fabric, nat.subnet) {
            let subnet = &fabric.subnets[nat.subnet].name;
            findings.push(Finding::new(
                Check::NatWithoutInternet,
                format!("nat {}", nat.name),
                format!("its subnet {subnet} has no route to an internet gateway: what it translates goes nowhere"),
                format!("put it in a public subnet, or give {subnet} a route: igw"),
                &nat.origin,
            ));
        }
    }
    for (index, nat) in fabric.nat_gateways.iter().filter(|(_, nat)| in_use(nat)) {
        let leads = |route: &fabric::route::Route| route.next_hop == NextHop::NatGateway(index);
        if !fabric.route_tables.values().any(|table| table.routes.iter().any(leads)) {
            findings.push(Finding::new(
                Check::IdleNatGateway,
                format!("nat {}", nat.name),
                "no route leads to it: it carries nothing",
                "route a private subnet to it (route: nat@NAME), or remove it",
                &nat.origin,
            ));
        }
    }
    findings
}

fn subnets(model: &Model, fabric: &Fabric) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, subnet) in fabric.subnets.iter() {
        let Some(own) = model.subnets.get(&subnet.id) else {
            continue;
        };
        if leads_to_internet(fabric, index) {
            continue;
        }
        if let Some(promise) = promise(own) {
            findings.push(Finding::new(
                Check::NotPublic,
                format!("subnet {}", subnet.name),
                format!("it {promise}, and its route table has no route to an internet gateway"),
                "give it one (route: igw), or another name",
                &own.origin,
            ));
        }
        for interface in subnet
            .interfaces
            .iter()
            .map(|interface| &fabric.interfaces[*interface])
        {
            // A NAT gateway has a finding of its own.
            let is_instances = matches!(interface.kind, InterfaceKind::Instance { .. });
            let Some(public) = interface
                .addresses
                .iter()
                .find_map(|a| a.public)
                .filter(|_| is_instances)
            else {
                continue;
            };
            findings.push(Finding::new(
                Check::UselessPublicAddress,
                interface.name.clone(),
                format!("nothing leads from its subnet {} to an internet gateway: {public} is of no use", subnet.name),
                format!("give {} a route: igw, or take the public address away", subnet.name),
                &interface.origin,
            ));
        }
    }
    findings
}

/// What a subnet says of itself.
fn promise(subnet: &Subnet) -> Option<&'static str> {
    let name = model::tag::name(&subnet.tags)
        .unwrap_or_default()
        .to_lowercase();
    let is_public = name
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word == "public" || word == "pub" || word == "dmz");
    match (is_public, subnet.map_public_ip_on_launch) {
        (true, _) => Some("is called public"),
        (_, true) => Some("gives its instances public addresses"),
        _ => None,
    }
}

fn leads_to_internet(fabric: &Fabric, subnet: SubnetIndex) -> bool {
    let table = &fabric.route_tables[fabric.subnets[subnet].route_table];
    table
        .routes
        .iter()
        .any(|route| matches!(route.next_hop, NextHop::InternetGateway(_)))
}

fn peerings(fabric: &Fabric) -> Vec<Finding> {
    let mut findings = Vec::new();
    let active: Vec<_> = fabric
        .peerings
        .iter()
        .filter(|(_, peering)| peering.is_active())
        .collect();
    for (index, peering) in &active {
        let sides = [peering.requester, peering.accepter];
        for vpc in sides.into_iter().flatten() {
            let leads = |route: &fabric::route::Route| matches!(route.next_hop, NextHop::Peering { peering, .. } if peering == *index);
            let mut tables = fabric
                .route_tables
                .values()
                .filter(|table| table.vpc == vpc);
            if !tables.any(|table| table.routes.iter().any(leads)) {
                let name = &fabric.vpcs[vpc].name;
                findings.push(Finding::new(
                    Check::PeeringWithoutRoute,
                    format!("pcx {}", peering.name),
                    format!("no route table of {name} leads to it: nothing goes over it from there, no answer either"),
                    format!("add a route in {name} for the blocks of the other side"),
                    &peering.origin,
                ));
            }
        }
    }
    let mut peers: BTreeMap<VpcIndex, Vec<VpcIndex>> = BTreeMap::new();
    for (_, peering) in &active {
        if let (Some(one), Some(two)) = (peering.requester, peering.accepter) {
            peers.entry(one).or_default().push(two);
            peers.entry(two).or_default().push(one);
        }
    }
    for (vpc, mut others) in peers {
        others.sort();
        others.dedup();
        for (position, one) in others.iter().enumerate() {
            for two in &others[position + 1..] {
                findings.extend(overlap(fabric, vpc, *one, *two));
            }
        }
    }
    findings
}

fn overlap(fabric: &Fabric, vpc: VpcIndex, one: VpcIndex, two: VpcIndex) -> Option<Finding> {
    let (own, one, two) = (&fabric.vpcs[vpc], &fabric.vpcs[one], &fabric.vpcs[two]);
    let blocks = one
        .blocks
        .iter()
        .flat_map(|a| two.blocks.iter().map(move |b| (*a, *b)));
    let (a, b) = blocks
        .into_iter()
        .find(|(a, b)| a.contains(b) || b.contains(a))
        .map(|(a, b)| (IpNet::V4(a), IpNet::V4(b)))?;
    Some(Finding::new(
        Check::OverlappingPeers,
        format!("vpc {}", own.name),
        format!(
            "its peers {} ({a}) and {} ({b}) have the same addresses: each route reaches only one of them",
            one.name, two.name
        ),
        "route the narrow blocks that are meant, or renumber one of them",
        &model::Origin::default(),
    ))
}

/// A route's target by name where it has one.
fn target(fabric: &Fabric, target: &RouteTarget) -> String {
    let id = target.to_string();
    let name = match fabric.find(&id) {
        Some(Entity::Interface(index)) => &fabric.interfaces[index].name,
        Some(Entity::InternetGateway(index)) => &fabric.internet_gateways[index].name,
        Some(Entity::NatGateway(index)) => &fabric.nat_gateways[index].name,
        Some(Entity::Peering(index)) => &fabric.peerings[index].name,
        Some(Entity::VpcEndpoint(index)) => &fabric.vpc_endpoints[index].name,
        Some(Entity::VpnGateway(index)) => &fabric.vpn_gateways[index].name,
        _ => &id,
    };
    name.clone()
}
