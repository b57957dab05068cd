//! Labs on which engines once said different things, cut down: each is here with the probe that showed it.
#![cfg(target_os = "linux")]

use conformance::EngineName;
use conformance::fuzz::probes::{End, Named};
use conformance::fuzz::{Cloud, Contender, differ};
use fabric::engine::{ListenerState, Traffic};

const ECHO: Traffic = Traffic::Icmp { icmp_type: 8, code: 0 };

const fn udp(destination_port: u16) -> Traffic {
    Traffic::Udp { source_port: 32_949, destination_port }
}

/// What is sent to a whole subnet is lost there, whatever the sender's groups say of it (L2-4).
const TO_MANY: &str = r#"
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24 }
security_groups:
  web: { rules: [ "out tcp to anywhere" ] }
instances:
  web2: { subnet: a/pub, sg: web }
"#;

/// The answer goes round between a NAT gateway and the system that its subnet's table leads back to, until its hops run out and
/// whoever answered hears of that.
const CIRCLE: &str = r#"
outside:
  home: 198.51.100.40
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      app: { cidr: 10.1.1.0/24, route: t-app }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    nat_gateways:
      p: { subnet: app }
    route_tables:
      t-app: { routes: { 0.0.0.0/0: instance fw } }
      t-fw: { routes: { 198.51.100.0/24: nat@p } }
security_groups:
  box: { rules: [ "all from anywhere" ] }
instances:
  fw: { subnet: a/fw, sg: box, public_ip: eip, forward: true }
"#;

/// An echo that comes back to its sender on the way, who hides others behind its address: the answer to that flow passes the
/// sender and is not its own answer.
const OWN_MIDDLEBOX: &str = r#"
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24, route: t-pub }
      db: { cidr: 10.1.2.0/24 }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    nat_gateways:
      n: { subnet: pub }
    route_tables:
      t-edge: { edge: igw, routes: { 10.1.2.0/24: instance fw } }
      t-pub: { routes: { 0.0.0.0/0: igw } }
      t-fw: { routes: { 0.0.0.0/0: nat@n } }
security_groups:
  web: { rules: ["all from sg:box" ] }
  box: { rules: [ "icmp from anywhere"] }
instances:
  db1: { subnet: a/db, sg: web, public_ip: eip }
  fw: { subnet: a/fw, sg: box, public_ip: true, masquerade: true }
"#;

/// The same over UDP: what comes back to its sender, about the hidden flow, is no refusal of his own datagram.
const OWN_MIDDLEBOX_REFUSED: &str = r#"
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24, route: t-pub }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    nat_gateways:
      n: { subnet: pub }
    route_tables:
      t-edge: { edge: igw, routes: { 10.1.0.0/24: instance fw } }
      t-pub: { routes: { 0.0.0.0/0: igw } }
      t-fw: { routes: { 0.0.0.0/0: nat@n } }
security_groups:
  db: { rules: ["all from sg:box" ] }
  box: { rules: [ "all from anywhere" ] }
instances:
  web1: { subnet: a/pub, sg: [ db], public_ip: eip }
  fw: { subnet: a/fw, sg: box, public_ip: true, masquerade: true }
"#;

/// A refusal that comes back to its sender after his own hiding gave his datagram another port on the way.
const OTHER_PORT: &str = r#"
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      app: { cidr: 10.1.1.0/24 }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    route_tables:
      t-edge: { edge: igw, routes: { 10.1.1.0/24: instance fw } }
      t-fw: { routes: { 0.0.0.0/0: igw } }
security_groups:
  db: { rules: ["all from sg:box" ] }
  box: { rules: ["all from anywhere" ] }
instances:
  app2: { subnet: a/app, sg: db, public_ip: eip }
  fw: { subnet: a/fw, sg: box, public_ip: eip, masquerade: true }
"#;

/// Whoever passes IPv6 on needs no address for it but its link's own.
const WITHOUT_ADDRESS: &str = r#"
vpcs:
  a:
    cidr: 10.1.0.0/16
    igw: true
    subnets:
      app: { cidr: 10.1.1.0/24, route: t-app }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    route_tables:
      t-app: {}
      t-fw: { routes: { 0.0.0.0/0: igw } }
security_groups:
  box: { rules: [ "tcp from anywhere"] }
instances:
  app1: { subnet: a/app }
  fw: { subnet: a/fw, sg: box, forward: true }
#6 vpc a cidr6 + 2001:db8:a::/56
#6 host six = 2001:db8:ffff::7
#6 subnet app cidr6 = 2001:db8:a:2::/64
#6 subnet fw cidr6 = 2001:db8:a:4::/64
#6 rt t-app + ::/0 > fw
#6 rt t-fw + ::/0 > igw-a
#6 eni app1 ip6 + 2001:db8:a:2::11
#6 sg box out + all all ::/0
"#;

/// A host outside is alone on its link, and so in the groups of it (RFC 4291, 2.7.1).
const ALONE: &str = r#"
vpcs: {}
#6 host six = 2001:db8:ffff::7
"#;

/// A middlebox brings the resolver a question from another VPC, and the resolver has no way back there.
const RESOLVER_OF_OTHERS: &str = r#"
vpcs:
  c:
    cidr: 10.3.0.0/16
    subnets:
      c1: { cidr: 10.3.1.0/24, route: t-c1 }
    route_tables:
      t-c1: {}
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24 }
      db: { cidr: 10.1.2.0/24, route: t-db }
      fw: { cidr: 10.1.3.0/24 }
    route_tables:
      t-db: { routes: { 10.1.0.0/24: instance fw } }
security_groups:
  box: { vpc: a, rules: [ "all from anywhere" ] }
instances:
  cc1: { subnet: c/c1 }
  fw: { subnet: a/fw, sg: box, forward: true }
#t tgw hub = db,c1
#t rt t-c1 + 0.0.0.0/0 > hub
"#;

/// The answer to a flow that a VPC only passed through comes to an interface there that has the asker's address: its groups have
/// not seen that flow (SG-16).
const PASSED_THROUGH: &str = r#"
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
      app: { cidr: 10.1.1.0/24, route: t-app }
    route_tables:
      t-app: { routes: { 10.2.0.0/16: peering ab } }
  b:
    cidr: 10.2.0.0/16
    subnets:
      app2: { cidr: 10.2.1.0/24, route: t-app2 }
    route_tables:
      t-app2: { routes: { 10.1.0.0/16: peering ab } }
peerings:
  ab: [a, b]
security_groups:
  db: { vpc: a, rules: [ "tcp/22 from anywhere" ] }
instances:
  cc1: { subnet: c/c1 }
  app1: { subnet: a/app, sg: [ db] }
  far2: { subnet: b/app2 }
#t tgw hub = app2,c1
#t tgwrt hub + 10.1.1.0/24 > b
#t rt t-c1 + 0.0.0.0/0 > hub
"#;

/// A refusal that passes one router twice, by its transit gateway: the first pass ends the flow.
const REFUSED_TWICE_ROUND: &str = r#"
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24, route: t-pub }
      app: { cidr: 10.1.1.0/24, route: t-app }
    nat_gateways:
      n: { subnet: pub }
    route_tables:
      t-pub: {}
      t-app: { routes: { 10.2.0.0/16: peering ab } }
  b:
    cidr: 10.2.0.0/16
    subnets:
      app2: { cidr: 10.2.1.0/24, route: t-app2 }
    route_tables:
      t-app2: { routes: { 10.1.0.0/16: peering ab } }
peerings:
  ab: [a, b]
security_groups:
  db: { vpc: a, rules: [ "all from 10.2.1.0/24" ] }
instances:
  web2: { subnet: a/pub, sg: db }
  far2: { subnet: b/app2 }
#t tgw hub = app
#t tgwrt hub + 10.2.0.0/16 > a
#t rt t-pub + 10.2.0.0/16 > hub
"#;

/// An answer that reaches who asked, from an address that he does not wait for; his refusal comes back behind the address of who
/// passes it on.
const REFUSAL_IN_HIDING: &str = r#"
outside:
  home: 198.51.100.40
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      pub: { cidr: 10.1.0.0/24, route: t-pub }
      db: { cidr: 10.1.2.0/24 }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    nat_gateways:
      n: { subnet: pub }
    route_tables:
      t-edge: { edge: igw, routes: { 10.1.2.0/24: instance fw } }
      t-pub: { routes: { 0.0.0.0/0: igw } }
      t-fw: { routes: { 0.0.0.0/0: nat@n } }
security_groups:
  open: { rules: [ "all from anywhere" ] }
instances:
  db1: { subnet: a/db, sg: open, public_ip: true }
  fw: { subnet: a/fw, sg: open, public_ip: true, masquerade: true }
"#;

/// The same where the answer passes the hiding system on its way, too.
const HIDDEN_BOTH_WAYS: &str = r#"
vpcs:
  a:
    cidr: 10.1.0.0/16
    subnets:
      app: { cidr: 10.1.1.0/24, route: t-app }
      fw: { cidr: 10.1.3.0/24, route: t-app }
    route_tables:
      t-edge: { edge: igw, routes: { 10.1.1.0/24: instance fw } }
      t-app: { routes: { 0.0.0.0/0: igw } }
security_groups:
  open: { rules: [ "all from anywhere" ] }
instances:
  app1: { subnet: a/app, sg: open, public_ip: true }
  app2: { subnet: a/app, sg: open, public_ip: true }
  fw: { subnet: a/fw, sg: open, public_ip: true, masquerade: true }
"#;

/// The resolver's address, asked for from another VPC, where a table of the attachment leads its subnet to a system that hides others:
/// it would ask in its own name.
const RESOLVER_BEHIND_A_MIDDLEBOX: &str = r#"
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
      pub: { cidr: 10.1.0.0/24 }
      app: { cidr: 10.1.1.0/24, route: t-app }
      fw: { cidr: 10.1.3.0/24, route: t-fw }
    route_tables:
      t-app: { routes: { 10.1.0.0/24: instance fw } }
      t-fw: {}
security_groups:
  open: { vpc: a, rules: [ "all from anywhere" ] }
instances:
  cc1: { subnet: c/c1 }
  fw: { subnet: a/fw, sg: open, masquerade: true }
#t tgw hub = app,c1
#t rt t-c1 + 0.0.0.0/0 > hub
#t rt t-fw + 10.2.0.0/16 > hub
"#;

#[test]
fn engines_agree_where_they_once_did_not() {
    let own = |name: &str| End::Interface(name.to_owned(), 0, false);
    let public = |name: &str| End::Interface(name.to_owned(), 0, true);
    let at = |address: &str| End::Address(address.parse().unwrap());
    let (open, closed) = (ListenerState::Open, ListenerState::Closed);
    let contenders = EngineName::ALL.map(Contender::of);
    for (lab, from, to, traffic, listener) in [
        (TO_MANY, own("web2"), at("10.1.0.255"), udp(67), closed),
        (TO_MANY, own("web2"), at("10.1.0.255"), ECHO, open),
        (CIRCLE, at("198.51.100.40"), public("fw"), udp(53), open),
        (OWN_MIDDLEBOX, own("fw"), public("db1"), ECHO, open),
        (OWN_MIDDLEBOX_REFUSED, own("fw"), public("web1"), udp(67), closed),
        (OTHER_PORT, own("fw"), public("app2"), udp(67), closed),
        (WITHOUT_ADDRESS, own("app1"), at("2001:db8:ffff::7"), Traffic::Tcp { source_port: 32_796, destination_port: 80 }, closed),
        (RESOLVER_OF_OTHERS, own("cc1"), at("10.1.0.2"), udp(53), open),
        (PASSED_THROUGH, own("cc1"), own("app1"), Traffic::Tcp { source_port: 32_832, destination_port: 22 }, open),
        (REFUSED_TWICE_ROUND, own("far2"), own("web2"), Traffic::Tcp { source_port: 32_960, destination_port: 80 }, closed),
        (REFUSAL_IN_HIDING, at("198.51.100.40"), public("db1"), udp(53), open),
        (RESOLVER_BEHIND_A_MIDDLEBOX, own("cc1"), at("10.1.0.2"), udp(53), open),
        (HIDDEN_BOTH_WAYS, own("app2"), public("app1"), udp(53), open),
        (ALONE, at("2001:db8:ffff::7"), at("ff02::1"), Traffic::Icmp { icmp_type: 128, code: 0 }, open),
    ] {
        let probe = Named { from, to, traffic, listener };
        let cloud = Cloud::of(lab, 1).unwrap_or_else(|error| panic!("{probe}: {error}"));
        assert!(probe.request(&cloud.fabric).is_some(), "{probe}: its ends are there");
        assert_eq!(differ(lab, 1, &probe, &contenders), None, "{probe}");
    }
}
