//! Real packets through a real kernel: a small VPC brought up behind a holder, probed with sockets.
#![cfg(target_os = "linux")]

use std::net::IpAddr;

use fabric::engine::{Sender, Traffic};

use crate::bench::{Bench, cloud, ip};

fn tcp_to(port: u16) -> Traffic {
    Traffic::Tcp { source_port: 40_000, destination_port: port }
}

const ECHO: Traffic = Traffic::Icmp { icmp_type: 8, code: 0 };

#[test]
fn packets_meet_groups_gateways_and_routes_as_described() {
    let cloud = cloud();
    let mut bench = Bench::up(&cloud.model);
    let web = || Sender::Interface(cloud.web.clone());
    let app = || Sender::Interface(cloud.app.clone());
    let host = |address: &str| Sender::Outside(IpAddr::V4(ip(address)));
    for (from, to, traffic, expected) in [
        (host("192.0.2.77"), "198.51.100.10", tcp_to(443), "192.0.2.77 > 10.0.0.10"),
        (host("192.0.2.77"), "198.51.100.10", tcp_to(22), "Forward sg-in:web1 ENI_SG_RULES_MISMATCH"),
        (web(), "10.0.10.10", tcp_to(8080), "10.0.0.10 > 10.0.10.10"),
        (web(), "10.0.10.10", tcp_to(22), "Forward sg-in:app1 ENI_SG_RULES_MISMATCH"),
        (web(), "192.0.2.77", tcp_to(443), "198.51.100.10 > 192.0.2.77"),
        (app(), "192.0.2.77", tcp_to(443), "198.51.100.20 > 192.0.2.77"),
        (app(), "192.0.2.77", ECHO, "198.51.100.20 > 192.0.2.77"),
        (app(), "192.0.2.77", Traffic::Other(47), "Forward nat-a PROTOCOL_RESTRICTION"),
        (host("192.0.2.77"), "198.51.100.20", tcp_to(443), "Forward nat-a none"),
        (app(), "198.51.100.10", tcp_to(443), "198.51.100.20 > 10.0.0.10"),
        (app(), "10.0.0.99", tcp_to(80), "Forward fabric NO_POSSIBLE_DESTINATION"),
        (app(), "10.0.0.200", ECHO, "Forward nat-a none"),
        (web(), "10.1.2.3", tcp_to(22), "Forward igw-a IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS"),
        (web(), "192.0.2.1", tcp_to(22), "Forward internet none"),
    ] {
        let what = format!("{from:?} to {to} {traffic:?}");
        assert_eq!(bench.probe(from, to, traffic), expected, "{what}");
    }
}
