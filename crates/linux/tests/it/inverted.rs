//! Turned around, every stage is noticed: a test that passes either way proves nothing.

use fabric::Stage;
use linux::plan::Options;

use crate::support::{Lab, World, in_own_namespaces};

/// A few probes that touch every stage of the kernel's.
const PROBES: [(&str, &str, &str, u16, &str); 9] = [
    ("internet", "192.0.2.77", "198.51.100.10", 443, "web1"),
    ("web1", "10.0.0.10", "10.0.10.10", 8080, "app1"),
    ("app1", "10.0.10.10", "192.0.2.77", 443, "internet"),
    ("app1", "10.0.10.10", "10.1.0.10", 22, "bhost"),
    ("app1", "10.0.10.10", "10.0.0.2", 53, "vpc/vpc-a"),
    ("internet", "192.0.2.77", "198.51.100.10", 22, "web1"),
    ("app1", "10.0.10.10", "10.0.20.99", 80, "db1"),
    ("db1", "10.0.20.10", "192.0.2.77", 443, "internet"),
    ("web1", "10.0.0.10", "192.0.2.78", 443, "internet"),
];

fn observe(lab: &mut Lab, probe: usize) -> String {
    let (from, source, to, port, at) = PROBES[probe];
    lab.drops();
    let answer = lab.tcp(from, source, to, port, at).pair();
    format!("{from} {to}:{port} {answer} {}", lab.why().join(" "))
}

#[test]
fn every_stage_is_noticed() {
    in_own_namespaces("inverted::every_stage_is_noticed", || {
        let world = World::p2();
        let mut lab = Lab::of(&world);
        let straight: Vec<String> = (0..PROBES.len()).map(|probe| observe(&mut lab, probe)).collect();
        for stage in [
            Stage::Exempt,
            Stage::SourceDestCheck,
            Stage::SecurityGroup,
            Stage::NetworkAcl,
            Stage::RouteTable,
            Stage::LocalDelivery,
            Stage::InternetGateway,
            Stage::NatGateway,
            Stage::Peering,
            Stage::InterfaceState,
            Stage::Internet,
        ] {
            let options = Options { invert: Some(stage), ..Options::default() };
            let mut turned = Lab::with(&world.model, options);
            let noticed = (0..PROBES.len()).any(|probe| observe(&mut turned, probe) != straight[probe]);
            assert!(noticed, "{stage:?} turned around changes nothing");
        }
    });
}
