//! Every stage alone: a cloud, a packet, the decision, the rule id.

use std::net::IpAddr;

use ::fabric::packet::icmp;
use ::fabric::stage::{self, exempt, interface_state, internet_gateway, local_delivery, nat_gateway};
use ::fabric::*;
use model::InstanceState;

use crate::support::{Bench, World};

const IN: Direction = Direction::Ingress;
const OUT: Direction = Direction::Egress;

fn header(source: &str, destination: &str, transport: Transport) -> Header {
    Header { source: source.parse().unwrap(), destination: destination.parse().unwrap(), transport }
}

fn tcp(source: &str, destination: &str, port: u16) -> Header {
    let segment = Segment::Syn;
    header(source, destination, Transport::Tcp { source_port: 40_000, destination_port: port, segment })
}

fn udp(source: &str, destination: &str, ports: (u16, u16)) -> Header {
    header(source, destination, Transport::Udp { source_port: ports.0, destination_port: ports.1 })
}

fn icmp(source: &str, destination: &str, icmp_type: u8) -> Header {
    header(source, destination, Transport::Icmp { icmp_type, code: 0, identifier: 7 })
}

fn other(source: &str, destination: &str, protocol: u8) -> Header {
    header(source, destination, Transport::Other { protocol })
}

/// `pass`, or the code of the drop.
fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Pass(reason) => {
            assert_eq!(reason.code, None, "a pass has no code");
            "pass"
        }
        Decision::Drop(reason) => reason.code.map_or("drop", |code| code.as_str()),
    }
}

#[test]
fn source_dest_check() {
    let bench = Bench::with(World::mb(), |w| w.eni("cli").private_ip_addresses.push("10.3.1.11".parse().unwrap()));
    let foreign = "ENI_SOURCE_DEST_CHECK_RESTRICTION";
    for (rule, name, packet, direction, expected) in [
        ("ENI-5 own source", "cli", tcp("10.3.1.10", "10.3.3.10", 80), OUT, "pass"),
        ("SG-30 a secondary address is its own", "cli", tcp("10.3.1.11", "10.3.3.10", 80), OUT, "pass"),
        ("ENI-5 foreign source", "cli", tcp("10.3.1.12", "10.3.3.10", 80), OUT, foreign),
        ("ENI-5 own destination", "cli", tcp("10.3.3.10", "10.3.1.10", 80), IN, "pass"),
        ("ENI-5 foreign destination", "cli", tcp("10.3.1.10", "10.3.3.10", 80), IN, foreign),
        ("ENI-5 switched off", "fw", tcp("10.3.1.10", "10.3.3.10", 80), IN, "pass"),
        ("ENI-5 switched off", "fw", tcp("10.3.1.10", "10.3.3.10", 80), OUT, "pass"),
    ] {
        let decision = stage::source_dest_check::decide(&bench.fabric, bench.interface(name), &packet, direction);
        assert_eq!(word(&decision), expected, "{rule}");
    }
}

#[test]
fn security_group() {
    let bench = Bench::with(World::p2(), |w| {
        w.allow_in("app", "icmp 8 10.9.0.0/16");
        w.allow_in("app", "tcp 8000-8010 10.9.0.0/16");
        w.allow_in("app", "47 10.9.0.0/16");
        w.group("empty", "a", &[]);
        w.clear_out("empty");
        w.groups("web2", &["web", "empty"]);
        w.groups("app2", &["empty"]);
        w.allow_in("b", "tcp 22 sg-app");
        w.revoke_in("b", "all 10.0.0.0/8");
    });
    let (mismatch, none) = ("ENI_SG_RULES_MISMATCH", "SG_HAS_NO_RULES");
    for (rule, name, packet, direction, straight, expected) in [
        ("SG-11 a member's private address", "app1", tcp("10.0.0.10", "10.0.10.10", 8080), IN, true, "pass"),
        ("SG-12 a packet passed on has lost the reference", "app1", tcp("10.0.0.10", "10.0.10.10", 8080), IN, false, mismatch),
        ("SG-11 a public address is no member", "app1", tcp("198.51.100.10", "10.0.10.10", 8080), IN, true, mismatch),
        ("SG-6 membership alone grants nothing", "app1", tcp("10.0.10.11", "10.0.10.10", 8080), IN, true, mismatch),
        ("SG-13 over an active peering", "bhost", tcp("10.0.10.10", "10.1.0.10", 22), IN, true, "pass"),
        ("SG-7 lower end of a range", "app1", tcp("10.9.0.1", "10.0.10.10", 8000), IN, true, "pass"),
        ("SG-7 upper end of a range", "app1", tcp("10.9.0.1", "10.0.10.10", 8010), IN, true, "pass"),
        ("SG-7 past the end", "app1", tcp("10.9.0.1", "10.0.10.10", 8011), IN, true, mismatch),
        ("SG-7 another protocol", "app1", udp("10.9.0.1", "10.0.10.10", (1, 8000)), IN, true, mismatch),
        ("SG-8 any other number is all of it", "app1", other("10.9.0.1", "10.0.10.10", 47), IN, true, "pass"),
        ("SG-9 type by type", "app1", icmp("10.9.0.1", "10.0.10.10", 0), IN, true, mismatch),
        ("SG-3 groups add up", "web2", tcp("192.0.2.77", "10.0.0.11", 443), IN, true, "pass"),
        ("SG-2 no rule", "web2", tcp("192.0.2.77", "10.0.0.11", 25), IN, true, mismatch),
        ("RA-9 an empty group says so", "app2", tcp("10.0.10.11", "192.0.2.77", 443), OUT, true, none),
        ("RA-9 an empty group says so", "app2", tcp("10.0.0.10", "10.0.10.11", 22), IN, true, none),
        ("SG-4 a new group lets everything out", "web1", other("10.0.0.10", "192.0.2.77", 50), OUT, true, "pass"),
        ("NAT-13 a NAT gateway has no group", "nat-a", tcp("192.0.2.77", "10.0.0.200", 1), IN, true, "pass"),
    ] {
        let decision = stage::security_group::decide(&bench.fabric, bench.interface(name), &packet, direction, straight);
        assert_eq!(word(&decision), expected, "{rule}");
    }
}

#[test]
fn which_flows_are_left_untracked() {
    let bench = Bench::with(World::t3(), |w| {
        w.group("narrow", "a", &["tcp 443 0.0.0.0/0", "udp 53 0.0.0.0/0", "icmp 0.0.0.0/0"]);
        w.clear_out("narrow");
        w.allow_out("narrow", "tcp 0.0.0.0/0");
        w.groups("web2", &["narrow"]);
        w.group("both", "a", &["tcp 443 192.0.2.0/24", "tcp 443 0.0.0.0/0"]);
        w.groups("app2", &["both"]);
    });
    for (rule, name, packet, direction, expected) in [
        ("both directions open", "web1", tcp("192.0.2.77", "10.0.0.10", 443), IN, true),
        ("the rule names a group", "app1", tcp("10.0.0.10", "10.0.10.10", 8080), IN, false),
        ("the rule names a block", "bastion", tcp("203.0.113.50", "10.0.90.10", 22), IN, false),
        ("ingress is not open on every port", "web1", tcp("10.0.0.10", "192.0.2.77", 443), OUT, false),
        ("egress is open for TCP", "web2", tcp("192.0.2.77", "10.0.0.11", 443), IN, true),
        ("egress is not open for UDP", "web2", udp("192.0.2.77", "10.0.0.11", (1, 53)), IN, false),
        ("ICMP is always tracked", "web2", icmp("192.0.2.77", "10.0.0.11", 8), IN, false),
        ("a narrower rule besides does not matter", "app2", tcp("192.0.2.77", "10.0.10.11", 443), IN, true),
    ] {
        let untracked = stage::security_group::is_untracked(&bench.fabric, bench.interface(name), &packet, direction);
        assert_eq!(untracked, expected, "SG-17 {rule}");
    }
}

#[test]
fn network_acl() {
    let bench = Bench::with(World::t3(), |w| {
        w.acl("app", "app-a");
        w.entry("app", "in 90 deny tcp 443 192.0.2.0/24");
        w.entry("app", "in 110 deny tcp 8080 10.0.0.0/24");
        w.entry("app", "in 100 allow tcp 400-9000 0.0.0.0/0");
        w.entry("app", "out 100 allow icmp 0 0.0.0.0/0");
        w.acl("empty", "db-a");
    });
    let subnet = |name: &str| bench.fabric.subnets.iter().find(|(_, s)| s.name == name).unwrap().0;
    let deny = "SUBNET_ACL_RESTRICTION";
    for (rule, name, packet, direction, expected, number) in [
        ("ACL-1 the lowest number first", "app-a", tcp("192.0.2.77", "10.0.10.10", 443), IN, deny, Some(90)),
        ("ACL-1 an allow before a deny", "app-a", tcp("10.0.0.10", "10.0.10.10", 8080), IN, "pass", Some(100)),
        ("ACL-5 destination port, not source", "app-a", tcp("10.0.0.10", "10.0.10.10", 80), IN, deny, None),
        ("ACL-5 by destination on the way out", "app-a", icmp("10.0.10.10", "10.0.0.10", 0), OUT, "pass", Some(100)),
        ("ACL-5 ICMP by type", "app-a", icmp("10.0.10.10", "10.0.0.10", 8), OUT, deny, None),
        ("ACL-2 a new list denies everything", "db-a", tcp("10.0.0.10", "10.0.20.10", 22), IN, deny, None),
        ("ACL-2 the default list allows everything", "pub-a", other("10.0.0.10", "1.1.1.1", 47), OUT, "pass", Some(100)),
    ] {
        let decision = stage::network_acl::decide(&bench.fabric, subnet(name), &packet, direction);
        assert_eq!(word(&decision), expected, "{rule}");
        let Some(Rule::NetworkAclEntry { rule_number, .. }) = &decision.reason().rule else { panic!("{rule}") };
        assert_eq!(*rule_number, number, "{rule}");
    }
}

#[test]
fn route_table() {
    let bench = Bench::with(World::t3(), |w| {
        w.route("app", "192.0.2.0/24", "igw-a");
        w.route("app", "203.0.113.0/24", "igw-gone");
        w.route("db", "0.0.0.0/0", "eni-web2");
        w.state("web2", InstanceState::Stopped);
    });
    let table = |name: &str| bench.fabric.route_tables.iter().find(|(_, t)| t.name == name).unwrap().0;
    let decide = |name: &str, to: &str| stage::route_table::decide(&bench.fabric, table(name), to.parse().unwrap());
    for (rule, name, to, expected, hop) in [
        ("RT-1 local", "rt-app", "10.0.20.10", "pass", Some("Local")),
        ("RT-2 the longer prefix", "rt-app", "192.0.2.77", "pass", Some("InternetGateway")),
        ("RT-2 the rest", "rt-app", "192.0.3.1", "pass", Some("NatGateway")),
        ("PIPE-4 a blackhole swallows", "rt-app", "203.0.113.1", "BAD_STATE_ROUTE", Some("TargetGone")),
        ("RT-9 a stopped appliance", "rt-db", "1.1.1.1", "BAD_STATE_ROUTE", Some("NotRunning")),
        ("RT-3 families are apart", "rt-app", "2001:db8::1", "NO_ROUTE_TO_DESTINATION", None),
        ("RT-8 whatever covers it", "rt-app", "169.254.171.9", "NO_ROUTE_TO_DESTINATION", None),
    ] {
        let (decision, found) = decide(name, to);
        assert_eq!(word(&decision), expected, "{rule}");
        let found = found.map(|hop| format!("{hop:?}"));
        assert!(found.is_some() == hop.is_some() && found.unwrap_or_default().contains(hop.unwrap_or("")), "{rule}");
    }
}

#[test]
fn internet_gateway() {
    let bench = Bench::of(World::t3());
    let igw = InternetGatewayIndex(0);
    for (rule, packet, direction, expected) in [
        ("IGW-3 mapped", tcp("10.0.0.10", "192.0.2.77", 1), OUT, "pass"),
        ("IGW-3 not mapped", tcp("10.0.0.11", "192.0.2.77", 1), OUT, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"),
        (
            "IGW-5 the destination comes first",
            tcp("10.0.0.11", "172.16.0.1", 1),
            OUT,
            "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS",
        ),
        ("IGW-5", tcp("10.0.0.10", "100.64.0.1", 1), OUT, "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS"),
        ("IGW-4 mapped", tcp("192.0.2.77", "198.51.100.10", 1), IN, "pass"),
        ("IGW-4 not mapped", tcp("192.0.2.77", "198.51.100.11", 1), IN, "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"),
        ("IGW-5", tcp("192.168.0.1", "198.51.100.10", 1), IN, "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS"),
        ("IGW-5", tcp("100.64.0.1", "198.51.100.10", 1), IN, "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS"),
        ("IGW-6", tcp("10.0.0.11", "198.51.100.10", 1), IN, "GATEWAY_REJECTS_SPOOFED_TRAFFIC"),
    ] {
        let decision = match direction {
            Direction::Egress => internet_gateway::egress(&bench.fabric, igw, &packet),
            Direction::Ingress => internet_gateway::ingress(&bench.fabric, igw, &packet),
        };
        assert_eq!(word(&decision), expected, "{rule}");
    }
    let out = internet_gateway::translate_egress(&bench.fabric, igw, &tcp("10.0.0.10", "192.0.2.77", 443));
    assert_eq!(out, tcp("198.51.100.10", "192.0.2.77", 443), "IGW-2: one address, no port");
    // An error about what went out quotes the public source; inside it must be the private one again.
    let error = out.error("192.0.2.1".parse().unwrap(), icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, Some(1_400));
    let inside = internet_gateway::translate_ingress(&bench.fabric, igw, &error);
    assert_eq!(inside.destination, "10.0.0.10".parse::<IpAddr>().unwrap());
    assert_eq!(inside.quoted(), Some(&tcp("10.0.0.10", "192.0.2.77", 443)));
}

#[test]
fn nat_gateway() {
    let bench = Bench::of(World::t3());
    let nat = NatGatewayIndex(0);
    let own = nat_gateway::addresses(&bench.fabric, nat)[0].to_string();
    let packet = |header: Header| Packet::new(header);
    let fragment = |header: Header| Packet { fragmented: true, ..Packet::new(header) };
    for (rule, packet, expected) in [
        ("NAT-8 TCP", packet(tcp("10.0.10.10", "192.0.2.77", 1)), "pass"),
        ("NAT-8 UDP", packet(udp("10.0.10.10", "192.0.2.77", (1, 1))), "pass"),
        ("NAT-8 ICMP", packet(icmp("10.0.10.10", "192.0.2.77", 8)), "pass"),
        ("NAT-8 GRE", packet(other("10.0.10.10", "192.0.2.77", 47)), "PROTOCOL_RESTRICTION"),
        ("NAT-10", packet(tcp("10.1.0.10", "192.0.2.77", 1)), "NGW_REQUIRES_SOURCE_IN_VPC"),
        ("NAT-17 what it sent itself", packet(tcp(&own, "192.0.2.77", 1)), "drop"),
        ("NAT-14 UDP in fragments", fragment(udp("10.0.10.10", "192.0.2.77", (1, 1))), "pass"),
        ("NAT-14 TCP in fragments", fragment(tcp("10.0.10.10", "192.0.2.77", 1)), "drop"),
        ("NAT-14 ICMP in fragments", fragment(icmp("10.0.10.10", "192.0.2.77", 8)), "drop"),
    ] {
        assert_eq!(word(&nat_gateway::decide(&bench.fabric, nat, &packet, false)), expected, "{rule}");
    }
    assert_eq!(word(&nat_gateway::inbound(nat, false, "192.0.2.77".parse().unwrap())), "drop", "NAT-9");
    let addresses: [std::net::Ipv4Addr; 2] = ["10.0.1.200", "10.0.1.201"].map(|address| address.parse().unwrap());
    for (in_use, of, expected) in [
        ([54_999, 0], 1, Some(addresses[0])),
        ([55_000, 0], 1, None),
        ([54_999, 0], 2, Some(addresses[0])),
        ([55_000, 54_999], 2, Some(addresses[1])),
        ([55_000, 55_000], 2, None),
    ] {
        let taken = |address| if address == addresses[0] { in_use[0] } else { in_use[1] };
        let (decision, chosen) = nat_gateway::choose(nat, &addresses[..of], taken);
        assert_eq!((word(&decision), chosen), (if expected.is_some() { "pass" } else { "drop" }, expected), "NAT-11 {in_use:?} of {of}");
    }
}

#[test]
fn peering() {
    let bench = Bench::of(World::p2());
    let (a, b) = (VpcIndex(0), VpcIndex(1));
    let transit = "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR";
    for (rule, packet, expected) in [
        ("PCX-4 between the two", tcp("10.0.10.10", "10.1.0.10", 22), "pass"),
        ("PCX-4 not through the peer", tcp("10.0.10.10", "10.2.0.10", 22), transit),
        ("PCX-4 not from behind", tcp("10.2.0.10", "10.1.0.10", 22), transit),
        ("PCX-4 not to the peer's internet", tcp("10.0.10.10", "192.0.2.77", 22), transit),
    ] {
        let decision = stage::peering::decide(&bench.fabric, PeeringIndex(0), a, b, &packet);
        assert_eq!(word(&decision), expected, "{rule}");
    }
}

#[test]
fn exempt_traffic() {
    let bench = Bench::of(World::t3());
    let app1 = bench.interface("app1");
    for (rule, packet, is_exempt) in [
        ("DNS-1 base + 2 of the primary block", udp("10.0.10.10", "10.0.0.2", (1, 53)), true),
        ("DNS-1 the other address", udp("10.0.10.10", "169.254.169.253", (1, 53)), true),
        ("SUB-3 base + 2 of a subnet is nobody", udp("10.0.10.10", "10.0.10.2", (1, 53)), false),
        ("PIPE-2 metadata", tcp("10.0.10.10", "169.254.169.254", 80), true),
        ("PIPE-2 time", udp("10.0.10.10", "169.254.169.123", (1, 123)), true),
        ("PIPE-2 the router", icmp("10.0.10.10", "10.0.10.1", 8), true),
        ("PIPE-2 DHCP", udp("10.0.10.10", "255.255.255.255", (68, 67)), true),
        ("PIPE-2 another DHCP server is ordinary", udp("10.0.10.10", "10.0.20.10", (68, 67)), false),
        ("PIPE-2 another DNS server is ordinary", udp("10.0.10.10", "10.0.20.10", (1, 53)), false),
    ] {
        assert_eq!(exempt::decide(&bench.fabric, app1, &packet).passes(), is_exempt, "{rule}");
    }
}

#[test]
fn delivery_and_state() {
    let bench = Bench::with(World::t3(), |w| w.state("web1", InstanceState::Stopped));
    let at = |name: &str| bench.interface(name);
    assert_eq!(word(&interface_state::decide(&bench.fabric, at("web1"))), "BAD_STATE", "INST-6");
    assert_eq!(word(&interface_state::decide(&bench.fabric, at("web2"))), "pass", "INST-6");
    for (address, holder) in [("10.0.0.10", Some("web1")), ("10.0.0.99", None), ("198.51.100.10", None)] {
        let (decision, found) = local_delivery::decide(&bench.fabric, VpcIndex(0), address.parse().unwrap());
        assert_eq!(word(&decision), if holder.is_some() { "pass" } else { "NO_POSSIBLE_DESTINATION" }, "RT-2 {address}");
        assert_eq!(found, holder.map(at), "{address}");
    }
    for (address, unicast) in
        [("10.0.0.255", false), ("255.255.255.255", false), ("224.0.0.1", false), ("10.0.10.255", true), ("ff02::1", false)]
    {
        let decision = local_delivery::is_unicast(&bench.fabric, at("web2"), address.parse().unwrap());
        assert_eq!(decision.passes(), unicast, "L2-4 {address}");
    }
}
