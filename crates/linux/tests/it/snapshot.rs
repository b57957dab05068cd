//! The plan of a small cloud, read as a person reads it.

use fabric::Fabric;
use linux::plan::{Options, Plan};

use crate::support::World;

#[test]
fn an_appliance_an_internet_gateway_and_a_nat_gateway() {
    let mut world = World::mb();
    world.igw("m", "m");
    world.route("fw", "0.0.0.0/0", "igw-m");
    world.eip("198.51.100.7", "fw", "10.3.2.10");
    world.nat("m", "fw", "10.3.2.200", Some("198.51.100.8"));
    world.route("cli", "0.0.0.0/0", "nat-m");
    world.allow_in("srv", "icmp 8 sg-cli");
    world.acl("srv", "srv");
    world.entry("srv", "in 100 allow tcp 80 10.3.0.0/16");
    world.entry("srv", "out 100 allow tcp 1024-65535 10.3.0.0/16");
    world.host("inet1", "203.0.113.50");
    let plan = Plan::new(&Fabric::compile(&world.model), Options::default()).expect("plan");
    insta::assert_snapshot!(plan);
}

#[test]
fn a_nat_gateway_with_two_addresses_counts_at_each_and_translates_to_either() {
    let mut world = World::mb();
    world.nat("m", "fw", "10.3.2.200", None);
    world.route("cli", "0.0.0.0/0", "nat-m");
    let id = world.model.nat_gateways.keys().next().expect("a gateway").clone();
    let further = "10.3.2.201".parse().expect("an address");
    model::operation::assign_private_nat_gateway_address(&mut world.model, &id, &[further], 0).expect("assigned");
    let plan = Plan::new(&Fabric::compile(&world.model), Options::default()).expect("plan").to_string();
    let at = |text: &str| plan.find(text).unwrap_or_else(|| panic!("no `{text}` in {plan}"));
    // What the first has no room for goes on to the second, and what that has no room for goes nowhere.
    let key = "{ ip daddr . l4proto . th dport ct count over 55000 }";
    for protocol in [6, 17] {
        at(&format!("l4proto {protocol} add @connections {key} goto further_1\n"));
    }
    at(&format!("    add @connections_1 {key} goto drop_nat_limit\n"));
    assert!(at("nat to 0xc902030a:1024-65535") < at("nat to 0xc802030a:1024-65535"), "{plan}");
}
