//! Labs in which a frame once passed a place on one engine and not on the other, cut down: each is here with what passes now.
#![cfg(target_os = "linux")]

use conformance::frames::{Both, Compared};
use conformance::fuzz::probes::{End, Named};
use fabric::engine::{ListenerState, Traffic};

const SSH: Traffic = Traffic::Tcp { source_port: 32_768, destination_port: 22 };
const DNS: Traffic = Traffic::Udp { source_port: 32_768, destination_port: 53 };
const ECHO: Traffic = Traffic::Icmp { icmp_type: 8, code: 0 };
const ECHO_V6: Traffic = Traffic::Icmp { icmp_type: 128, code: 0 };

fn own(name: &str) -> End {
    End::Interface(name.to_owned(), 0, false)
}

fn at(address: &str) -> End {
    End::Address(address.parse().unwrap())
}

/// What both engines have of such probes of a lab, which must be the same; one after the other.
fn compared<const N: usize>(lab: &str, probes: [(End, End, Traffic); N]) -> [Compared; N] {
    let listener = ListenerState::Open;
    let probes = probes.map(|(from, to, traffic)| Named { from, to, traffic, listener });
    let mut all = Vec::new();
    Both::of_probes(lab, 1, &probes).unwrap().run(|compared| all.push(compared.clone())).unwrap();
    let told = |compared: &Compared| compared.difference.as_ref().map(|difference| format!("{}\n{}", compared.scene, difference.told("sim", "linux")));
    let differences: Vec<String> = all.iter().filter_map(told).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    all.try_into().unwrap_or_else(|all: Vec<_>| panic!("{} of {N} probes are scenes", all.len()))
}

fn places(compared: &Compared) -> Vec<&str> {
    compared.sim.iter().map(|sequence| sequence.place.as_str()).collect()
}

/// A NAT gateway whose own subnet's table leads back to it, for what lies outside and for a subnet of the VPC.
const LEADS_BACK: &str = r#"
outside:
  office: 203.0.113.7
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24, route: t-pub }
      app: { cidr: 10.1.1.0/24, route: t-app }
      db: { cidr: 10.1.2.0/24 }
    nat_gateways:
      n: { subnet: pub }
    route_tables:
      t-pub: { routes: { 0.0.0.0/0: nat@n, 10.1.1.0/24: nat@n } }
      t-app: { routes: { 0.0.0.0/0: nat@n, 10.1.2.0/24: nat@n } }
security_groups:
  open: { rules: [ "all from anywhere" ] }
instances:
  app1: { subnet: a/app, sg: open }
  db1: { subnet: a/db, sg: open }
"#;

/// NAT-17: the router does what the table says, and the gateway, to which its own packet comes back, lets it die.
#[test]
fn what_a_nat_gateway_sent_comes_back_to_it_where_its_subnets_route_leads_back() {
    let comes_back = |lines: &[String]| {
        let rest = |line: &String| line.get(3..).map(str::to_owned);
        lines.windows(2).any(|pair| pair[0].starts_with("out") && pair[1].starts_with("in ") && rest(&pair[0]) == rest(&pair[1]))
    };
    let probes = [(own("app1"), at("203.0.113.7"), SSH), (own("app1"), own("db1"), SSH), (own("app1"), own("db1"), ECHO), (own("db1"), own("app1"), DNS)];
    for (compared, comes) in compared(LEADS_BACK, probes).iter().zip(["tcp 10.1.0.4:", "tcp 10.1.1.4:", "icmp 10.1.1.4 ", "udp 10.1.1.4:"]) {
        let at_nat = compared.sim.iter().filter(|sequence| sequence.place == "nat n" && sequence.flow.starts_with(comes));
        let back = at_nat.filter(|sequence| comes_back(&sequence.lines)).count();
        // Its last packet is a refusal of what the gateway translated, which comes back as one about no translation.
        let is_refusal = comes.starts_with("udp");
        assert!(back > 0, "{}: {:#?}", compared.scene, compared.sim);
        assert_eq!(is_refusal, format!("{:?}", compared.sim).contains("icmp 3/3"), "{}", compared.scene);
    }
}

/// An internet gateway whose own table leads to a middlebox without a public address, over IPv4 and IPv6.
const PRIVATE_MIDDLEBOX: &str = r#"
outside:
  office: 203.0.113.7
  six: 2001:db8:ffff::7
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      db: { cidr: 10.1.2.0/24, route: t-db }
      fw: { cidr: 10.1.3.0/24 }
    route_tables:
      t-edge: { edge: igw, routes: { 10.1.2.0/24: instance fw } }
      t-db: { routes: { 0.0.0.0/0: igw } }
security_groups:
  open: { rules: [ "all from anywhere" ] }
instances:
  db1: { subnet: a/db, sg: open, public_ip: true }
  fw: { subnet: a/fw, sg: open, public_ip: false, source_dest_check: false, forward: true }
#6 vpc a cidr6 + 2001:db8:a::/56
#6 subnet db cidr6 = 2001:db8:a:3::/64
#6 rt t-edge + 2001:db8:a:3::/64 > fw
#6 rt t-db + ::/0 > igw-a
#6 eni db1 ip6 + 2001:db8:a:3::10
#6 sg open in + all all ::/0
#6 sg open out + all all ::/0
"#;

/// RT-19: what an internet gateway refuses to redirect goes no further than to the gateway.
#[test]
fn what_an_internet_gateway_does_not_redirect_never_leaves_it() {
    let public = End::Interface("db1".to_owned(), 0, true);
    let probes = [(at("203.0.113.7"), public, SSH), (at("2001:db8:ffff::7"), End::Ipv6("db1".to_owned(), 0), SSH), (own("db1"), at("203.0.113.7"), SSH)];
    let [from_v4, from_v6, to_v4] = compared(PRIVATE_MIDDLEBOX, probes);
    for compared in [from_v4, from_v6] {
        let places = places(&compared);
        assert!(places.contains(&"igw towards internet") && !places.contains(&"igw towards a router"), "{}: {places:?}", compared.scene);
    }
    let inside = to_v4.sim.iter().find(|sequence| sequence.place == "igw towards a router").unwrap();
    assert!(inside.lines.iter().all(|line| line.starts_with("in ")), "the answer: {inside:?}");
}

/// Addresses that are the fabric's own, asked for from beyond the VPC: by a transit gateway where a table leads their subnet to a
/// middlebox, and from the internet over IPv6.
const RESERVED: &str = r#"
outside:
  six: 2001:db8:ffff::7
vpcs:
  c:
    cidr: 10.2.0.0/16
    subnets:
      c1: { cidr: 10.2.1.0/24, route: t-c1 }
    route_tables:
      t-c1: {}
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24, route: t-pub }
      app: { cidr: 10.1.1.0/24, route: t-app }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    route_tables:
      t-pub: { routes: { 0.0.0.0/0: igw } }
      t-app: { routes: { 10.1.0.0/24: instance fw } }
      t-fw: {}
security_groups:
  open: { vpc: a, rules: [ "all from anywhere" ] }
instances:
  cc1: { subnet: c/c1 }
  fw: { subnet: a/fw, sg: open, masquerade: true }
#6 vpc a cidr6 + 2001:db8:a::/56
#6 subnet pub cidr6 = 2001:db8:a:1::/64
#t tgw hub = app,c1
#t rt t-c1 + 0.0.0.0/0 > hub
#t rt t-fw + 10.2.0.0/16 > hub
"#;

/// PIPE-2: what is for a resolver or a router is taken out before any table is asked, and from beyond the VPC nobody gets there.
#[test]
fn what_is_for_the_fabric_itself_from_beyond_a_vpc_is_led_to_no_middlebox() {
    let probes = [
        (own("cc1"), at("10.1.0.2"), DNS),
        (own("cc1"), at("10.1.0.1"), ECHO),
        (at("2001:db8:ffff::7"), at("2001:db8:a:1::1"), ECHO_V6),
    ];
    for (compared, (came, not)) in compared(RESERVED, probes).iter().zip([("tgw-", "fw"), ("tgw-", "fw"), ("igw towards internet", "igw towards a router")]) {
        let places = places(compared);
        assert!(places.iter().any(|place| place.starts_with(came)) && !places.contains(&not), "{}: {places:?}", compared.scene);
    }
}
