//! Explanations name every stage and every blocker, and never contradict the engine.

use fabric::engine::PacketProbe;
use fabric::walker::{Explanation, Verdict, explain};

use crate::support::{Bench, World};

fn asked(bench: &Bench, from: &str, to: &str, what: &str) -> Explanation {
    explain(&bench.fabric, &bench.probe(from, to, what)).unwrap()
}

fn blockers(bench: &Bench, why: &Explanation) -> Vec<String> {
    let text = |reason: &fabric::Reason| {
        format!("{} {}", reason.at.label(&bench.fabric), reason.code.map_or("none", |code| code.as_str()))
    };
    why.blockers().map(text).collect()
}

fn components(bench: &Bench, way: &fabric::walker::Way) -> String {
    way.components().iter().map(|at| at.label(&bench.fabric)).collect::<Vec<_>>().join(" ")
}

#[test]
fn components_come_in_the_order_of_aws() {
    // SC-126, RA-6
    let bench = Bench::of(World::t3());
    let why = asked(&bench, "inet2", "198.51.100.10", "tcp 443");
    assert_eq!(why.verdict, Verdict::Allowed);
    assert_eq!(components(&bench, &why.request), "igw-a acl-in:pub-a sg-in:web1 eni:web1 web1");
    let reply = why.reply.as_ref().unwrap();
    assert_eq!(components(&bench, reply), "web1 eni:web1 sg-out:web1 acl-out:pub-a rtb:rt-pub igw-a");
    // The translation shows between two hops.
    let seen: Vec<String> = why.request.hops.iter().map(|hop| hop.header.destination.to_string()).collect();
    assert_eq!(seen.first().map(String::as_str), Some("198.51.100.10"));
    assert_eq!(seen.last().map(String::as_str), Some("10.0.0.10"));
    assert_eq!(reply.arrived.as_ref().unwrap().source.to_string(), "198.51.100.10");
}

#[test]
fn every_blocker_is_named_and_not_only_the_first() {
    let closed = |w: &mut World| w.acl("closed", "db-a");
    for (name, bench, (from, to, what), verdict, expected) in [
        (
            "SC-127",
            Bench::with(World::t3(), closed),
            ("web1", "10.0.20.10", "tcp 5432"),
            Verdict::Denied,
            // The reply of what got through would meet the list as well.
            vec![
                "acl-in:db-a SUBNET_ACL_RESTRICTION",
                "sg-in:db1 ENI_SG_RULES_MISMATCH",
                "acl-out:db-a SUBNET_ACL_RESTRICTION",
            ],
        ),
        (
            "ACL-7: the reply alone",
            Bench::with(World::t3(), |w| {
                w.acl("app", "app-a");
                w.entry("app", "in 100 allow tcp 8080 10.0.0.0/24");
            }),
            ("web1", "10.0.10.10", "tcp 8080"),
            Verdict::OneWay,
            vec!["acl-out:app-a SUBNET_ACL_RESTRICTION"],
        ),
        (
            "PCX-3: no route on either side, and a group behind them",
            Bench::with(World::p2(), |w| {
                w.unroute("app", "10.1.0.0/16");
                w.unroute("app", "0.0.0.0/0");
                w.unroute("b", "10.0.0.0/16");
                w.revoke_in("b", "all 10.0.0.0/8");
            }),
            ("app1", "10.1.0.10", "tcp 22"),
            Verdict::Denied,
            vec![
                "rtb:rt-app NO_ROUTE_TO_DESTINATION",
                "sg-in:bhost SG_HAS_NO_RULES",
                "rtb:rt-b NO_ROUTE_TO_DESTINATION",
            ],
        ),
        (
            "IGW-3: what an answer would look like is open",
            Bench::with(World::t3(), |w| w.clear_out("web")),
            ("web2", "192.0.2.77", "tcp 443"),
            Verdict::Denied,
            vec!["sg-out:web2 SG_HAS_NO_RULES", "igw-a IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"],
        ),
        (
            "no route out, a NAT gateway is there",
            Bench::with(World::t3(), |w| {
                w.acl("closed", "pub-a");
                w.entry("closed", "in 100 allow all 0.0.0.0/0");
            }),
            ("db1", "192.0.2.77", "tcp 443"),
            Verdict::Denied,
            vec![
                "rtb:rt-db NO_ROUTE_TO_DESTINATION",
                "acl-out:pub-a SUBNET_ACL_RESTRICTION",
                "acl-out:pub-a SUBNET_ACL_RESTRICTION",
            ],
        ),
        (
            "ENI-5: in and out, there and back",
            Bench::with(World::mb(), |w| {
                w.check("fw", true);
                w.revoke_in("fw", "all 10.3.0.0/16");
            }),
            ("cli", "10.3.3.10", "tcp 80"),
            Verdict::Denied,
            vec![
                "sg-in:fw SG_HAS_NO_RULES",
                "check:fw ENI_SOURCE_DEST_CHECK_RESTRICTION",
                "check:fw ENI_SOURCE_DEST_CHECK_RESTRICTION",
                "check:fw ENI_SOURCE_DEST_CHECK_RESTRICTION",
                "check:fw ENI_SOURCE_DEST_CHECK_RESTRICTION",
            ],
        ),
        (
            "SG-16: the reply of what was let in by assumption is a reply",
            Bench::with(World::t3(), |w| w.clear_out("db")),
            ("web1", "10.0.20.10", "tcp 5432"),
            Verdict::Denied,
            vec!["sg-in:db1 ENI_SG_RULES_MISMATCH"],
        ),
        (
            "nobody there: nothing to go on with",
            Bench::of(World::t3()),
            ("app1", "10.0.77.1", "tcp 80"),
            Verdict::Denied,
            vec!["fabric NO_POSSIBLE_DESTINATION"],
        ),
    ] {
        let why = asked(&bench, from, to, what);
        let found = blockers(&bench, &why);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!((why.verdict, found), (verdict, expected), "{name}");
    }
}

#[test]
fn an_explanation_keeps_nothing() {
    let mut bench = Bench::of(World::t3());
    asked(&bench, "web1", "10.0.20.10", "tcp 5432");
    assert_eq!(bench.ask("web1", "10.0.20.10", "tcp 5432"), "forward sg-in:db1 ENI_SG_RULES_MISMATCH");
}

#[test]
fn verdict_and_first_blocker_are_those_of_the_engine() {
    let mut worlds = vec![World::t3(), World::p2(), World::mb()];
    let mut narrow = World::p2();
    narrow.acl("app", "app-a");
    narrow.entry("app", "in 100 allow tcp 8080 10.0.0.0/16");
    narrow.entry("app", "out 100 allow all 0.0.0.0/0");
    narrow.clear_out("web");
    narrow.unroute("b", "10.0.0.0/16");
    worlds.push(narrow);
    let mut asked_for = 0;
    for world in worlds {
        let bench = Bench::of(world);
        let names: Vec<String> = bench.fabric.interfaces.values().map(|i| i.name.clone()).collect();
        let outside = bench.fabric.outside.values().map(|host| host.name.clone());
        let targets: Vec<String> = bench
            .fabric
            .interfaces
            .values()
            .flat_map(|i| i.addresses.iter().flat_map(|a| [Some(a.private), a.public]).flatten())
            .map(|a| a.to_string())
            .chain(["192.0.2.77".to_owned(), "10.0.77.1".to_owned(), "198.18.0.1".to_owned()])
            .collect();
        for from in names.iter().cloned().chain(outside).filter(|name| !name.starts_with("nat")) {
            for to in &targets {
                for what in ["tcp 22", "tcp 8080", "udp 53", "icmp", "gre"] {
                    let probe: PacketProbe = bench.probe(&from, to, what);
                    let why = explain(&bench.fabric, &probe).unwrap();
                    let mut fresh = Bench::of(same(&bench));
                    let got = fresh.send(probe);
                    let first = blockers(&bench, &why).first().cloned();
                    let expected = match (why.verdict, first) {
                        (Verdict::Allowed, None) => None,
                        (Verdict::Denied, Some(first)) => Some(format!("forward {first}")),
                        (Verdict::OneWay, Some(first)) => Some(format!("return {first}")),
                        other => panic!("{from} {to} {what}: {other:?}"),
                    };
                    match expected {
                        Some(expected) => assert_eq!(got, expected, "{from} {to} {what}"),
                        None => assert!(got.contains(" > "), "{from} {to} {what}: {got}"),
                    }
                    asked_for += 1;
                }
            }
        }
    }
    assert!(asked_for > 1_000, "{asked_for}");
}

fn same(bench: &Bench) -> World {
    let mut world = World::new();
    world.model = bench.world.model.clone();
    world
}
