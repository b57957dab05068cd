//! The law of edits: whatever is edited in whatever cloud, what a standing proof says then is what a proof made anew says.

use std::fmt::Write;

use fabric::{Fabric, InterfaceIndex};
use model::endpoint::VpcEndpointState;
use model::operation::*;
use model::random::SplitMix64;
use model::route_table::{Associated, RouteOrigin};
use model::{Destination, Model, Origin, Peer, PortRange, Route, RouteTarget, SecurityGroupRule, Tags, TrafficMatch};
use proof::matrix::{Edit, Standing, Taken, Why};
use proof::{Options, Place, Reach};

use crate::clouds;
use crate::support;

/// Edits of each cloud.
const EDITS: usize = 12;

fn many() -> u64 {
    std::env::var("VPCLAB_LAW_CLOUDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

/// What the rules of a cloud speak of, and now and then something that none does.
fn traffic(dice: &mut SplitMix64, known: &[TrafficMatch]) -> TrafficMatch {
    match dice.below(5) {
        0 => TrafficMatch::Tcp(PortRange::one(1 + dice.below(65_000) as u16)),
        1 => TrafficMatch::All,
        _ => dice.pick(known),
    }
}

fn peer(dice: &mut SplitMix64, known: &[Peer]) -> Peer {
    const MORE: [&str; 4] = ["0.0.0.0/0", "10.0.0.0/25", "203.0.113.0/24", "10.0.0.0/8"];
    match dice.below(4) {
        0 => Peer::Ipv4(MORE[dice.below(MORE.len())].parse().unwrap()),
        _ => dice.pick(known),
    }
}

/// Edits a group's rules.
fn rules(dice: &mut SplitMix64, model: &mut Model) -> Option<Edit> {
    let all: Vec<SecurityGroupRule> =
        model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress)).cloned().collect();
    let mut peers: Vec<Peer> = all.iter().map(|rule| rule.peer.clone()).collect();
    peers.extend(model.security_groups.keys().map(|id| Peer::SecurityGroup(id.clone())));
    let known: Vec<TrafficMatch> = all.iter().map(|rule| rule.traffic).collect();
    let id = dice.pick(&model.security_groups.keys().cloned().collect::<Vec<_>>());
    let mut new = all.first()?.clone();
    (new.traffic, new.peer) = (traffic(dice, &known), peer(dice, &peers));
    let group = model.security_groups.get_mut(&id)?;
    let rules = if dice.below(3) == 0 { &mut group.egress } else { &mut group.ingress };
    match dice.below(3) {
        0 if !rules.is_empty() => drop(rules.remove(dice.below(rules.len()))),
        1 if !rules.is_empty() => {
            let at = dice.below(rules.len());
            rules[at] = new;
        }
        _ => rules.push(new),
    }
    Some(Edit::Rules(id))
}

/// Edits a list's entries.
fn entries(dice: &mut SplitMix64, model: &mut Model) -> Option<Edit> {
    let all: Vec<_> = model.network_acls.values().flat_map(|acl| acl.ingress.iter().chain(&acl.egress)).cloned().collect();
    let groups = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
    let known: Vec<TrafficMatch> = groups.map(|rule| rule.traffic).collect();
    let id = dice.pick(&model.network_acls.keys().cloned().collect::<Vec<_>>());
    let acl = model.network_acls.get_mut(&id)?;
    let entries = if dice.below(2) == 0 { &mut acl.egress } else { &mut acl.ingress };
    match dice.below(3) {
        0 if !entries.is_empty() => drop(entries.remove(dice.below(entries.len()))),
        1 if !entries.is_empty() => {
            let at = dice.below(entries.len());
            entries[at].allow ^= true;
        }
        _ => {
            let mut new = dice.pick(&all);
            new.traffic = traffic(dice, &known);
            new.cidr_block = dice.pick(&["0.0.0.0/0", "10.0.0.0/25", "10.0.0.0/8"]).parse().unwrap();
            new.allow = dice.below(2) == 0;
            new.rule_number = entries.first().map_or(100, |first| first.rule_number.saturating_sub(1));
            entries.insert(0, new);
        }
    }
    Some(Edit::Entries(id))
}

/// A random cloud with some who are alike, a transit gateway, a virtual private gateway and an endpoint.
fn cloud(seed: u64) -> (String, Model) {
    let mut text = clouds::lab(seed);
    for (name, subnet, group) in [("fleet", "a/app", "web"), ("crowd", "a/db", "db"), ("throng", "b/app2", "far")] {
        if group != "far" || text.contains("  far:") {
            let _ = writeln!(text, "  {name}: {{ subnet: {subnet}, sg: {group}, count: 4 }}");
        }
    }
    let (mut model, _) = support::cloud("random.yaml", &text);
    let hub = create_transit_gateway(&mut model, CreateTransitGateway::default()).unwrap();
    let now = model.context.now;
    model::settle::finish_all(&mut model, now);
    let vpn = create_vpn_gateway(&mut model, CreateVpnGateway::default()).unwrap();
    for (number, vpc_id) in model.vpcs.keys().cloned().collect::<Vec<_>>().into_iter().enumerate() {
        let of_vpc = |subnet: &&model::Subnet| subnet.vpc_id == vpc_id;
        let subnet_ids = model.subnets.values().filter(of_vpc).map(|subnet| subnet.id.clone()).take(1).collect();
        // The second VPC is joined by a peering connection alone, in every second cloud.
        if number == 0 || seed.is_multiple_of(2) {
            let request = CreateTransitGatewayVpcAttachment {
                transit_gateway_id: hub.clone(),
                vpc_id: vpc_id.clone(),
                subnet_ids,
                options: Default::default(),
                tags: Tags::new(),
                origin: Origin::default(),
            };
            create_transit_gateway_vpc_attachment(&mut model, request).unwrap();
            model::settle::finish_all(&mut model, now);
        }
        if number == 0 {
            attach_vpn_gateway(&mut model, &vpn, &vpc_id).unwrap();
            let request = CreateVpcEndpoint {
                vpc_id,
                service_name: format!("com.amazonaws.{}.s3", model.region.0),
                kind: CreateVpcEndpointKind::Gateway { route_table_ids: Vec::new() },
                policy_document: None,
                tags: Tags::new(),
                origin: Origin::default(),
            };
            let endpoint = create_vpc_endpoint(&mut model, request).unwrap();
            model.vpc_endpoints.get_mut(&endpoint).unwrap().state = VpcEndpointState::Available;
        }
    }
    (text, model)
}

/// Edits a table's routes: one more, one instead of another, one less.
fn routes(dice: &mut SplitMix64, model: &mut Model) -> Option<Edit> {
    const BLOCKS: [&str; 14] = [
        "0.0.0.0/0", "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/24", "10.1.1.0/24", "10.1.1.0/29", "10.1.2.0/24", "10.1.2.6/31",
        "10.2.0.0/16", "10.2.0.0/16", "10.2.1.0/24", "10.2.1.4/30", "203.0.113.0/24", "198.51.100.0/24",
    ];
    let mut targets: Vec<RouteTarget> = vec![
        RouteTarget::Local,
        RouteTarget::InternetGateway("igw-0123456789abcdef0".parse().unwrap()),
    ];
    targets.extend(model.internet_gateways.keys().cloned().map(RouteTarget::InternetGateway));
    targets.extend(model.nat_gateways.keys().cloned().map(RouteTarget::NatGateway));
    targets.extend(model.vpc_peering_connections.keys().cloned().map(RouteTarget::VpcPeeringConnection));
    targets.extend(model.transit_gateways.keys().cloned().map(RouteTarget::TransitGateway));
    targets.extend(model.vpn_gateways.keys().cloned().map(RouteTarget::VpnGateway));
    targets.extend(model.vpc_endpoints.keys().cloned().map(RouteTarget::VpcEndpoint));
    let interfaces: Vec<_> = model.network_interfaces.keys().cloned().map(RouteTarget::NetworkInterface).collect();
    let named = model.route_tables.values().flat_map(|table| &table.routes);
    let mut middleboxes: Vec<_> = named.map(|route| route.target.clone()).collect();
    middleboxes.retain(|target| matches!(target, RouteTarget::NetworkInterface(_)));
    let lists: Vec<_> = model.prefix_lists.keys().cloned().collect();
    let target = match dice.below(4) {
        0 => dice.pick(&interfaces),
        1 if !middleboxes.is_empty() => dice.pick(&middleboxes),
        _ => dice.pick(&targets),
    };
    let destination = match dice.below(8) {
        0 if !lists.is_empty() => Destination::PrefixList(dice.pick(&lists)),
        1 => Destination::Ipv6("::/0".parse().unwrap()),
        _ => Destination::Ipv4(dice.pick(&BLOCKS).parse().unwrap()),
    };
    let new = Route { destination, target, created_by: RouteOrigin::CreateRoute, origin: Origin::default() };
    // Now and then the table of a gateway, or one that nobody uses.
    let of_gateway = |table: &&model::RouteTable| {
        table.associations.iter().any(|used| matches!(used.to, Associated::InternetGateway(_) | Associated::VpnGateway(_)))
    };
    let all = || model.route_tables.values();
    let tables: Vec<_> = match dice.below(10) {
        0 => all().map(|table| table.id.clone()).collect(),
        _ => all().filter(|table| !of_gateway(table) && !table.associations.is_empty()).map(|table| table.id.clone()).collect(),
    };
    let id = dice.pick(&tables);
    let routes = &mut model.route_tables.get_mut(&id)?.routes;
    let at = dice.below(routes.len());
    match dice.below(4) {
        0 if !routes.is_empty() => drop(routes.remove(at)),
        1 if !routes.is_empty() => routes[at].target = new.target,
        _ => {
            routes.retain(|route| route.destination != new.destination);
            routes.push(new);
        }
    }
    Some(Edit::Routes(id))
}

/// Associates a subnet with another table of its VPC, or with the main one.
fn association(dice: &mut SplitMix64, model: &mut Model) -> Option<Edit> {
    let subnet = dice.pick(&model.subnets.values().cloned().collect::<Vec<_>>());
    let own = Associated::Subnet(subnet.id.clone());
    let mut moved = None;
    for table in model.route_tables.values_mut() {
        let at = table.associations.iter().position(|used| used.to == own);
        moved = moved.or(at.map(|at| table.associations.remove(at)));
    }
    let of_vpc = |table: &&model::RouteTable| table.vpc_id == subnet.vpc_id;
    let tables: Vec<_> = model.route_tables.values().filter(of_vpc).map(|table| table.id.clone()).collect();
    if let Some(association) = moved.filter(|_| dice.below(4) > 0) {
        model.route_tables.get_mut(&dice.pick(&tables))?.associations.push(association);
    }
    Some(Edit::Association(subnet.id))
}

/// Some pairs of which the walker says, packet by packet, something else than a proof.
fn walked_otherwise(dice: &mut SplitMix64, reach: &Reach, fabric: &Fabric) -> Vec<String> {
    let all: Vec<_> = reach.indices().collect();
    let mut otherwise = Vec::new();
    for _ in 0..12 {
        let ((from, source), (to, place)) = (dice.pick(&all), dice.pick(&all));
        if from == to || source.is_outside() || place.is_outside() {
            continue;
        }
        let walked = proof::reach::walk(fabric, reach.atoms(), source, place).unwrap();
        if walked != reach.between(from, to) {
            otherwise.push(format!("{} -> {}", source.name(fabric), place.name(fabric)));
        }
    }
    otherwise
}

/// Pairs of interfaces that know each other's addresses, of which one gets through to the other: asked pair by pair.
fn exposed(reach: &Reach, fabric: &Fabric) -> u64 {
    let vpc = |index: InterfaceIndex| fabric.interfaces[index].vpc;
    let mut exposed = 0;
    for (from, source) in reach.indices() {
        for (to, place) in reach.indices() {
            let (Place::Interface(one), Place::Interface(other)) = (source, place) else { continue };
            if vpc(one) == vpc(other) || fabric.are_joined(vpc(one), vpc(other)) {
                exposed += u64::from(!reach.between(from, to).request.is_empty());
            }
        }
    }
    exposed
}

/// What differs between a standing proof and one made anew.
fn differences(standing: &Standing, fabric: &Fabric) -> Vec<String> {
    let (own, anew) = (standing.reach(), Reach::of(fabric, Options::default()).unwrap());
    let mut differ = Vec::new();
    let (said, counted) = (standing.totals(), anew.totals());
    let one_by_one = exposed(&anew, fabric);
    if (said.pairs, said.exposed) != (counted.pairs, counted.exposed) || said.exposed != one_by_one {
        differ.push(format!("said {said:?}, counted {counted:?}, asked {one_by_one}"));
    }
    assert_eq!(own.places(), anew.places());
    for (from, source) in anew.indices() {
        for (to, place) in anew.indices() {
            if own.between(from, to) != anew.between(from, to) {
                let name = |place: Place| place.name(fabric);
                differ.push(format!("{} -> {}", name(source), name(place)));
            }
        }
    }
    differ
}

#[test]
fn after_every_edit_a_standing_proof_says_what_one_made_anew_says() {
    let (mut rows, mut packets, mut others, mut moved) = (0, 0, 0, [0; 4]);
    let (mut hosts, mut parted) = (0, 0);
    for seed in 1..=many() {
        let (text, mut model) = cloud(seed);
        let fabric = Fabric::compile(&model);
        let mut standing = Standing::of(&fabric, Options::default()).unwrap();
        assert_eq!(differences(&standing, &fabric), [""; 0], "seed {seed}, before any edit\n{text}");
        let mut dice = SplitMix64(seed);
        for number in 0..EDITS {
            let edit = match dice.below(6) {
                0 => entries(&mut dice, &mut model),
                1 => rules(&mut dice, &mut model),
                2 => association(&mut dice, &mut model),
                _ => routes(&mut dice, &mut model),
            };
            let Some(edit) = edit else { continue };
            let (before, classes) = (standing.totals().exposed, standing.reach().classes().len());
            let witnesses = standing.fabric().representatives();
            let taken = standing.take(&model, &edit).unwrap();
            let fabric = Fabric::compile(&model);
            match taken {
                Taken::Rows(_) => rows += 1,
                Taken::Anew(Why::Packets) => packets += 1,
                Taken::Anew(_) => others += 1,
            }
            assert!(*standing.fabric() == fabric, "seed {seed}, edit {number} {edit:?}: another fabric than is compiled");
            let differ = differences(&standing, &fabric);
            let otherwise = walked_otherwise(&mut dice, standing.reach(), &fabric);
            let context = || format!("seed {seed}, edit {number} {edit:?}, {taken:?}\n{:#?}\n{text}", edited(&model, &edit));
            assert!(differ.is_empty(), "{}\n{}", differ.join("\n"), context());
            assert!(otherwise.is_empty(), "the walker says otherwise:\n{}\n{}", otherwise.join("\n"), context());
            if matches!(taken, Taken::Rows(_)) {
                let kind = match edit {
                    Edit::Rules(_) => 0,
                    Edit::Entries(_) => 1,
                    Edit::Routes(_) => 2,
                    Edit::Association(_) => 3,
                };
                moved[kind] += usize::from(before != standing.totals().exposed);
                let are_others = fabric.representatives() != witnesses;
                hosts += usize::from(are_others);
                parted += usize::from(!are_others && standing.reach().classes().len() > classes);
            }
        }
    }
    println!("rows {rows}, anew for packets {packets}; hosts {hosts}, classes parted {parted}; counts changed by kind {moved:?}");
    assert_eq!(others, 0);
    // Edits that nobody notices would prove nothing.
    let many = many() as usize;
    assert!(rows > 8 * many && moved[2] > many / 2, "{rows} {moved:?}");
    assert!(moved.iter().all(|moved| *moved > many / 20) && packets > 0 && hosts > 0 && parted > 0, "{moved:?} {packets} {hosts} {parted}");
}

/// What an edit is about, for whoever reads why the law is broken.
fn edited(model: &Model, edit: &Edit) -> String {
    match edit {
        Edit::Routes(id) => {
            let route = |route: &Route| format!("{} -> {}", route.destination, route.target);
            model.route_tables[id].routes.iter().map(route).collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    }
}

/// Many who are alike, which random clouds seldom have.
const FLEET: &str = "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    subnets:\n      a: { az: a, cidr: 10.0.0.0/24 }\n      b: { az: a, cidr: 10.0.1.0/24 }\n\
                     security_groups:\n  web: [ tcp/80 from anywhere ]\n  db: [ tcp/3306 from sg:web ]\n\
                     instances:\n  web: { subnet: a, sg: web, count: 20 }\n  db: { subnet: b, sg: db, count: 5 }\n";

#[test]
fn a_block_that_parts_a_fleet_is_noticed_and_one_that_does_not_costs_nothing() {
    let (mut model, fabric) = support::cloud("fleet.yaml", FLEET);
    let mut standing = Standing::of(&fabric, Options::default()).unwrap();
    let id = model.security_groups.values().find(|group| group.group_name == "db").unwrap().id.clone();
    let classes = standing.reach().classes().len();
    // One class of receivers, from one VPC; but the parted fleet's VPC is counted again.
    for (block, taken, more) in [("10.0.0.0/29", Taken::Rows(3), 1), ("10.7.0.0/16", Taken::Rows(1), 1)] {
        let group = model.security_groups.get_mut(&id).unwrap();
        let mut rule = group.ingress[0].clone();
        rule.peer = Peer::Ipv4(block.parse().unwrap());
        group.ingress.push(rule);
        assert_eq!(standing.take(&model, &Edit::Rules(id.clone())).unwrap(), taken, "{block}");
        assert_eq!(differences(&standing, &Fabric::compile(&model)), [""; 0], "{block}");
        assert_eq!(standing.reach().classes().len(), classes + more, "{block}");
    }
}

#[test]
fn what_nobody_has_and_what_somebody_else_holds_is_proved_anew() {
    let (mut model, fabric) = support::cloud("fleet.yaml", FLEET);
    let mut standing = Standing::of(&fabric, Options::default()).unwrap();
    let id = model.security_groups.values().find(|group| group.group_name == "db").unwrap().id.clone();
    let clone = standing.reach().clone();
    model.security_groups.get_mut(&id).unwrap().ingress.clear();
    assert_eq!(standing.take(&model, &Edit::Rules(id.clone())).unwrap(), Taken::Anew(Why::Shared));
    assert_eq!(differences(&standing, &Fabric::compile(&model)), [""; 0]);
    // Whoever holds the clone still asks about the cloud as it was.
    assert!(clone.totals().exposed > standing.totals().exposed);
}

#[test]
fn what_a_group_lets_out_is_counted_when_it_is_closed_narrowed_and_opened() {
    let (mut model, fabric) = support::cloud("fleet.yaml", FLEET);
    let mut standing = Standing::of(&fabric, Options::default()).unwrap();
    let id = model.security_groups.values().find(|group| group.group_name == "web").unwrap().id.clone();
    let everything = model.security_groups[&id].egress.clone();
    let mut narrow = everything.clone();
    narrow.iter_mut().for_each(|rule| rule.peer = Peer::Ipv4("10.0.1.0/24".parse().unwrap()));
    let twice: Vec<_> = everything.iter().chain(&narrow).cloned().collect();
    let mut exposed = vec![standing.totals().exposed];
    // 20 web reach each other and 5 db; the last edit lets out what is let out already.
    for egress in [Vec::new(), narrow, everything, twice] {
        model.security_groups.get_mut(&id).unwrap().egress = egress;
        let taken = standing.take(&model, &Edit::Rules(id.clone())).unwrap();
        assert!(matches!(taken, Taken::Rows(_)), "{taken:?}");
        assert_eq!(differences(&standing, &Fabric::compile(&model)), [""; 0]);
        exposed.push(standing.totals().exposed);
    }
    let (all, from_db) = (20 * 19 + 20 * 5 + 5 * 20, 5 * 20);
    assert_eq!(exposed, [all, from_db, from_db + 20 * 5, all, all]);
}
