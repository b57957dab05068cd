//! Laws that hold for every cloud: compiling repeats, routes break ties by rule, and no packet walks for ever.

use std::collections::BTreeSet;

use fabric::engine::{Outcome, Probe, Sender};
use fabric::packet::Family;
use fabric::walker::{Verdict, explain};
use fabric::{Direction, EndError, Entity, Fabric, NextHop, RulePeer};
use model::network_interface::InterfaceType;
use model::peering::PeeringStatus;
use model::prefix_list::{PrefixList, PrefixListEntry};
use model::route_table::RouteOrigin;
use model::selector::End;
use model::{Destination, Origin, Route, RouteTarget, Tags};
use proptest::prelude::*;

use crate::support::{Bench, World, interface, sender};

/// A cloud with choices made by numbers: middleboxes that lead anywhere, lists and groups that say anything.
fn cloud(choices: &[u8]) -> World {
    let mut world = World::p2();
    let mut next = choices.iter().copied().cycle();
    let mut pick = |from: &[&'static str]| from[usize::from(next.next().unwrap()) % from.len()];
    for name in ["web2", "app2", "db1"] {
        world.check(name, pick(&["on", "off"]) == "on");
        if pick(&["forward", "masquerade"]) == "forward" { world.forward(name) } else { world.masquerade(name) }
    }
    let targets = ["igw-a", "nat-a", "eni-web2", "eni-app2", "eni-db1", "pcx-ab", "igw-gone"];
    let blocks = ["10.0.0.0/24", "10.0.10.0/24", "10.0.20.0/24", "10.1.0.0/16", "10.2.0.0/16", "192.0.2.0/24", "0.0.0.0/0"];
    for table in ["pub", "app", "db"] {
        for _ in 0..3 {
            world.route(table, pick(&blocks), pick(&targets));
        }
    }
    for group in ["web", "app", "db"] {
        world.allow_in(group, pick(&["all 0.0.0.0/0", "tcp 0.0.0.0/0", "tcp 8080 sg-web", "icmp 0.0.0.0/0", "udp 10.0.0.0/8"]));
        if pick(&["keep", "keep", "clear"]) == "clear" {
            world.clear_out(group);
        }
    }
    if pick(&["open", "closed"]) == "closed" {
        world.acl("list", pick(&["pub-a", "app-a", "db-a"]));
        world.entry("list", pick(&["in 100 allow all 0.0.0.0/0", "in 100 allow tcp 8080 10.0.0.0/16"]));
        world.entry("list", pick(&["out 100 allow all 0.0.0.0/0", "out 100 deny all 10.0.0.0/8"]));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn compiling_the_same_model_gives_the_same_fabric(choices in prop::collection::vec(any::<u8>(), 40)) {
        let model = cloud(&choices).model;
        let text = serde_json::to_string(&model).unwrap();
        let again: model::Model = serde_json::from_str(&text).unwrap();
        let (one, two) = (Fabric::compile(&model), Fabric::compile(&again));
        prop_assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&two).unwrap());
        prop_assert_eq!(one, two);
    }

    #[test]
    fn every_packet_ends_and_is_explained_as_it_ended(choices in prop::collection::vec(any::<u8>(), 40)) {
        let world = cloud(&choices);
        let fabric = Fabric::compile(&world.model);
        for from in ["web1", "app1", "db1", "bhost", "inet2"] {
            for to in ["10.0.0.10", "10.0.0.11", "10.0.20.10", "10.1.0.10", "10.2.0.10", "192.0.2.77", "198.51.100.10"] {
                for what in ["tcp 8080", "udp 53", "icmp"] {
                    let mut bench = Bench::of(same(&world));
                    let probe = bench.probe(from, to, what);
                    let why = explain(&fabric, &probe).unwrap();
                    let answer = fabric::Engine::probe(&mut bench.walker, &Probe::Packet(probe).into()).unwrap();
                    let first = why.blockers().next().map(|reason| (reason.at, reason.code));
                    match answer.outcome {
                        Outcome::Allowed(_) => prop_assert_eq!((why.verdict, first), (Verdict::Allowed, None)),
                        Outcome::Dropped(drop) => {
                            prop_assert!(why.verdict != Verdict::Allowed);
                            prop_assert_eq!(first, Some((drop.at.unwrap(), drop.code)));
                        }
                        other => prop_assert!(false, "{:?}", other),
                    }
                    // Soft blockers never come after the end, and every one of them stands in the path.
                    let in_path = why.request.hops.iter().filter(|hop| hop.blocks).count();
                    prop_assert!(in_path >= why.request.blockers.len().saturating_sub(1));
                }
            }
        }
    }

    #[test]
    fn the_longest_prefix_decides(choices in prop::collection::vec(any::<u8>(), 40), address in any::<u32>()) {
        let fabric = Fabric::compile(&cloud(&choices).model);
        // Half of the addresses near the blocks that are routed.
        let address = std::net::Ipv4Addr::from(if address % 2 == 0 { 0x0a00_0000 | (address >> 14) } else { address });
        for table in fabric.route_tables.values() {
            let best = table.routes.iter().filter(|r| r.destination.contains(&std::net::IpAddr::V4(address)));
            let best = best.max_by_key(|route| route.destination.prefix_len()).map(|route| route.destination);
            prop_assert_eq!(table.lookup(address.into()).map(|route| route.destination), best);
            let destinations: BTreeSet<_> = table.routes.iter().map(|route| route.destination).collect();
            prop_assert_eq!(destinations.len(), table.routes.len(), "one route a prefix");
        }
    }
}

fn same(world: &World) -> World {
    let mut other = World::new();
    other.model = world.model.clone();
    other
}

fn list(world: &mut World, name: &str, blocks: &[&str]) -> model::PrefixListId {
    let id: model::PrefixListId = format!("pl-{name}").parse().unwrap();
    let entry = |block: &&str| PrefixListEntry { cidr: block.parse().unwrap(), description: String::new() };
    let made = PrefixList {
        id: id.clone(),
        name: name.to_owned(),
        is_ipv6: false,
        max_entries: 10,
        version: 1,
        entries: blocks.iter().map(entry).collect(),
        is_aws_managed: false,
        is_modified: false,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    world.model.prefix_lists.insert(id.clone(), made);
    id
}

fn push(world: &mut World, table: &str, destination: Destination, target: RouteTarget, created_by: RouteOrigin) {
    let table = world.model.route_tables.get_mut(&format!("rtb-{table}").parse().unwrap()).unwrap();
    table.routes.push(Route { destination, target, created_by, origin: Origin::default() });
}

#[test]
fn ties_are_broken_by_origin_then_by_list() {
    let mut world = World::t3();
    let vgw = model::gateway::VpnGateway {
        id: "vgw-a".parse().unwrap(),
        vpc_id: Some("vpc-a".parse().unwrap()),
        detached_vpc_id: None,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    world.model.vpn_gateways.insert(vgw.id.clone(), vgw.clone());
    let (late, early) = (list(&mut world, "b", &["192.168.0.0/16", "172.20.0.0/16"]), list(&mut world, "a", &["172.20.0.0/16"]));
    let nat = || RouteTarget::NatGateway("nat-a".parse().unwrap());
    let igw = || RouteTarget::InternetGateway("igw-a".parse().unwrap());
    let vpn = || RouteTarget::VpnGateway(vgw.id.clone());
    let block = |text: &str| Destination::Ipv4(text.parse().unwrap());
    let (made, propagated) = (RouteOrigin::CreateRoute, RouteOrigin::EnableVgwRoutePropagation);
    for (destination, target, created_by) in [
        (block("10.0.20.0/25"), vpn(), propagated),
        (block("192.168.0.0/16"), vpn(), propagated),
        (block("192.168.5.0/24"), vpn(), propagated),
        (Destination::PrefixList(late.clone()), nat(), made),
        (block("192.168.0.0/16"), igw(), made),
        (Destination::PrefixList(early), igw(), made),
    ] {
        push(&mut world, "db", destination, target, created_by);
    }
    let fabric = Fabric::compile(&world.model);
    let (_, table) = fabric.route_tables.iter().find(|(_, t)| t.name == "rt-db").unwrap();
    let leads = |to: &str| table.lookup(to.parse().unwrap()).unwrap().next_hop;
    assert!(matches!(leads("192.168.9.9"), NextHop::InternetGateway(_)), "RT-5: static before list before propagated");
    assert!(matches!(leads("192.168.5.9"), NextHop::VpnGateway(_)), "RT-6: the longer prefix whatever its origin");
    assert_eq!(leads("10.0.20.9"), NextHop::Local, "RT-6: a propagated route never beats the local one");
    assert!(matches!(leads("172.20.1.1"), NextHop::InternetGateway(_)), "RT-7: the lower list id");
    let mut beaten: Vec<_> = table.beaten.iter().map(|b| (b.route.destination.to_string(), b.rule)).collect();
    beaten.sort();
    let expected = [("10.0.20.0/25", "RT-6"), ("172.20.0.0/16", "RT-7"), ("192.168.0.0/16", "RT-5"), ("192.168.0.0/16", "RT-5")];
    assert_eq!(beaten, expected.map(|(block, rule)| (block.to_owned(), rule)));
}

#[test]
fn a_reference_is_stale_without_an_active_peering() {
    // SG-13, SG-14
    let mut world = World::p2();
    world.allow_in("b", "tcp 22 sg-app");
    let group = |world: &World| {
        let fabric = Fabric::compile(&world.model);
        let (_, b) = fabric.groups.iter().find(|(_, g)| g.id.as_str() == "sg-b").unwrap();
        match &b.rules(Direction::Ingress)[1].peer {
            RulePeer::Group { group, .. } => group.map(|g| fabric.groups[g].member_addresses.len()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(group(&world), Some(2), "app1 and app2");
    let pcx = "pcx-ab".parse().unwrap();
    world.model.vpc_peering_connections.get_mut(&pcx).unwrap().status = PeeringStatus::PendingAcceptance;
    assert_eq!(group(&world), None);
    world.model.vpc_peering_connections.get_mut(&pcx).unwrap().status = PeeringStatus::Active;
    world.model.security_groups.remove(&"sg-app".parse().unwrap());
    assert_eq!(group(&world), None);
}

#[test]
fn things_are_found_by_name_id_and_address() {
    let fabric = Fabric::compile(&World::t3().model);
    let web1 = interface(&fabric, "web1");
    assert!(matches!(fabric.find("web1"), Some(Entity::Instance(_))), "the instance before its interface");
    assert!(matches!(fabric.find("inet1"), Some(Entity::Outside(_))));
    for text in ["eni-web1", "10.0.0.10", "198.51.100.10"] {
        assert_eq!(fabric.find(text), Some(Entity::Interface(web1)), "{text}");
    }
    assert!(matches!(fabric.find("sg-web"), Some(Entity::Group(_))));
    assert!(matches!(fabric.find("203.0.113.50"), Some(Entity::Outside(_))));
    assert_eq!(fabric.find("web3"), None);
    assert!(fabric.find_all("app-a").iter().any(|e| matches!(e, Entity::Subnet(_))));
}

#[test]
fn of_several_vpcs_with_one_address_the_first_by_id_is_found() {
    let mut world = World::t3();
    let mut add = |vpc: &str, address: &str| {
        let (subnet, group, name) = (format!("{vpc}-s"), format!("{vpc}-g"), format!("{vpc}-i"));
        world.vpc(vpc, "10.0.0.0/16");
        world.table(vpc, vpc);
        world.subnet(&subnet, vpc, "10.0.0.0/24", vpc);
        world.group(&group, vpc, &[]);
        world.instance(&name, &subnet, address, &group);
        let fabric = Fabric::compile(&world.model);
        // As reading every VPC's table in turn finds it, whoever it is.
        for address in fabric.vpcs.values().flat_map(|vpc| vpc.addresses.keys()) {
            let first = fabric.vpcs.values().find_map(|vpc| vpc.addresses.get(address)).copied();
            assert_eq!(fabric.find_address(*address), first.map(Entity::Interface), "{address}");
        }
        let found = fabric.find("10.0.0.10");
        let Some(Entity::Interface(found)) = found else { panic!("{found:?}") };
        fabric.interfaces[found].name.clone()
    };
    assert_eq!(add("z", "10.0.0.10"), "web1");
    assert_eq!(add("y", "10.0.0.99"), "web1");
    assert_eq!(add("0", "10.0.0.10"), "0-i");
}

#[test]
fn witnesses_stand_inside_and_outside_of_every_named_block() {
    let mut world = World::t3();
    world.allow_in("web", "tcp 22 203.0.112.0/20"); // around sg-bastion's 203.0.113.0/24
    world.allow_in("web", "tcp 23 203.0.112.0/24"); // its first quarter: the next witness must jump over it
    world.allow_in("web", "tcp 24 10.7.0.0/16"); // private: no witness
    world.allow_in("web", "tcp 25 198.18.0.0/24"); // where the general one would be
    world.route("pub", "192.0.2.0/24", "nat-a"); // a route alone tells addresses apart too
    world.allow_in("web", "tcp 26 192.0.2.77/32"); // taken by inet2
    let fabric = Fabric::compile(&world.model);
    let found: Vec<String> = fabric.representatives().iter().map(ToString::to_string).collect();
    assert_eq!(found, ["192.0.2.1", "198.18.0.1", "198.18.1.0", "203.0.112.1", "203.0.113.1", "203.0.114.0"]);
    assert_eq!(fabric.representative().unwrap().to_string(), "198.18.1.0");
}

#[test]
fn ends_become_senders_and_addresses() {
    let fabric = Fabric::compile(&World::p2().model);
    let end = |name: &str| End::Interface { interface: format!("eni-{name}").parse().unwrap(), instance: None };
    let ask = |from: &str, to: &End| {
        let found = fabric.destinations(&sender(&fabric, from), to);
        found.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    for (from, to, expected) in [
        ("app1", end("web1"), Ok("10.0.0.10")),
        ("bhost", end("web1"), Ok("10.0.0.10")),
        ("chost", end("web1"), Ok("198.51.100.10")),
        ("inet2", end("web1"), Ok("198.51.100.10")),
        ("inet2", end("app1"), Err(EndError::NoPublicAddress("app1".into()))),
        ("app1", End::Outside("inet1".into()), Ok("203.0.113.50")),
        ("app1", End::Address("1.2.3.4".parse().unwrap()), Ok("1.2.3.4")),
        ("app1", End::Block("10.0.10.0/24".parse().unwrap()), Ok("10.0.10.10 10.0.10.11")),
        ("app1", End::Block("10.9.0.0/16".parse().unwrap()), Err(EndError::Nobody("10.9.0.0/16".into()))),
        ("app1", End::Outside("nowhere".into()), Err(EndError::NotFound("nowhere".into()))),
    ] {
        assert_eq!(ask(from, &to), expected.map(str::to_owned), "{from} to {to:?}");
    }
    assert_eq!(fabric.senders(&end("web1")), Ok(vec![sender(&fabric, "web1")]));
    assert_eq!(fabric.senders(&End::Address("198.51.100.10".parse().unwrap())), Ok(vec![sender(&fabric, "web1")]));
    assert_eq!(fabric.senders(&End::Internet).unwrap().len(), fabric.representatives().len());
    let outside = |text: &str| Ok(vec![Sender::Outside(text.parse().unwrap())]);
    assert_eq!(fabric.senders(&End::Block("9.9.9.0/24".parse().unwrap())), outside("9.9.9.1"), "anybody on the internet");
    assert!(fabric.senders(&End::Address("10.0.77.1".parse().unwrap())).is_err(), "nobody has it");
}

#[test]
fn a_private_way_is_meant_where_one_is_or_nearly_is() {
    let mut world = World::p2();
    world.vpc("d", "10.4.0.0/16");
    world.table("d", "d");
    world.subnet("d", "d", "10.4.0.0/24", "d");
    world.group("d", "d", &["all 10.0.0.0/8"]);
    world.instance("dhost", "d", "10.4.0.10", "d");
    let ask = |world: &World, from: &str, to: &str| {
        let fabric = Fabric::compile(&world.model);
        let end = End::Interface { interface: format!("eni-{to}").parse().unwrap(), instance: None };
        fabric.destinations(&sender(&fabric, from), &end).map(|all| all[0].to_string()).map_err(|e| e.to_string())
    };
    let none = |name: &str| Err(format!("{name} has no public address"));
    assert_eq!(ask(&world, "app1", "chost"), Ok("10.2.0.10".into()), "by b, which passes nothing on");
    assert_eq!(ask(&world, "app1", "dhost"), none("dhost"), "nothing leads there");
    assert_eq!(ask(&world, "chost", "web1"), Ok("198.51.100.10".into()), "what its public name leads to (DNS-5)");
    // A route for the address says that the private one is meant.
    world.route("c", "10.0.0.0/16", "pcx-bc");
    assert_eq!(ask(&world, "chost", "web1"), Ok("10.0.0.10".into()));
    world.route("c", "10.0.0.0/16", "eni-chost");
    assert_eq!(ask(&world, "chost", "web1"), Ok("10.0.0.10".into()), "a middlebox");
    // A default route does not.
    world.unroute("c", "10.0.0.0/16");
    world.route("c", "0.0.0.0/0", "pcx-bc");
    assert_eq!(ask(&world, "chost", "web1"), Ok("198.51.100.10".into()));
    assert_eq!(ask(&world, "chost", "app1"), Ok("10.0.10.10".into()), "which has no other address");
    // An address of the sender's own VPC leads nowhere else, whatever is joined.
    world.vpc("e", "10.4.0.0/16");
    world.table("e", "e");
    world.subnet("e", "e", "10.4.0.0/24", "e");
    world.group("e", "e", &["all 10.0.0.0/8"]);
    world.instance("ehost", "e", "10.4.0.20", "e");
    world.peering("de", "d", "b");
    world.peering("eb", "e", "b");
    assert_eq!(ask(&world, "ehost", "dhost"), none("dhost"));
}

#[test]
fn groups_merge_into_sets_that_interfaces_share() {
    let mut world = World::t3();
    world.groups("app2", &["app", "web"]);
    let fabric = Fabric::compile(&world.model);
    let of = |name: &str| fabric.interfaces[interface(&fabric, name)].group_set;
    assert_eq!(of("web1"), of("web2"));
    assert_ne!(of("app1"), of("app2"));
    let merged = of("app2").unwrap();
    assert_eq!(fabric.rules_of(merged, Direction::Ingress).count(), 5, "SG-3");
    assert!(fabric.group_sets[merged].egress_open.covers(6, Family::V4) && !fabric.group_sets[merged].ingress_open.tcp_v4);
    let nat = fabric.interfaces.values().find(|i| i.name == "nat-a").unwrap();
    assert_eq!((nat.group_set, world.eni("nat-a").interface_type), (None, InterfaceType::NatGateway));
}
