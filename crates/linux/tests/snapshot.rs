//! The plan of a small cloud, read as a person reads it.

mod support;

use fabric::Fabric;
use linux::plan::{Options, Plan};
use support::World;

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
