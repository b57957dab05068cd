//! The kernel takes every instruction, in a chain where it makes sense, and shows it under its name.

use std::time::Duration;

use netlink::nft::build::{self, Load};
use netlink::nft::{
    Base, Chain, Checksum, CompareOp, CtDirection, CtKey, DynamicOp, Element, Expr, ExthdrOp, Family, FibResult, Hook,
    LimitUnit, MetaKey, NatKind, Position, Reg, Reject, RtKey, Set, Table, TableFlags, Transaction, Verdict, dump, fib_flags,
    nat_flags, priority,
};

use crate::common::{Router, delivered, in_own_namespaces, is_lost};

const R: Reg = Reg(0);

fn constant(bytes: &[u8]) -> Expr {
    Expr::Immediate { register: R, value: bytes.to_vec() }
}

/// Instructions, the names under which the kernel shows them, and the chain for which they are.
fn cases() -> Vec<(&'static str, Vec<Expr>, &'static str)> {
    let port = || Some((Reg(1), None));
    let reg1 = |bytes: &[u8]| Expr::Immediate { register: Reg(1), value: bytes.to_vec() };
    let load = |key| Expr::Meta { key, register: R };
    let v4 = || constant(&[10, 0, 0, 1]);
    let dynamic = |expressions: Vec<Expr>, op, set: &str| Expr::DynamicSet {
        set: set.into(),
        op,
        key: R,
        data: None,
        timeout: None,
        expressions,
        inverted: false,
    };
    let limit = |bytes| Expr::Limit { rate: 1_000_000, unit: LimitUnit::Second, burst: 10, bytes, inverted: false };
    let mut cases = vec![
        ("forward", vec![Expr::Payload { base: Base::Network, offset: 12, length: 4, register: R }], "payload"),
        ("forward", vec![Expr::Payload { base: Base::Inner, offset: 0, length: 4, register: R }], "payload"),
        ("forward", vec![constant(&[9]), Expr::PayloadStore { base: Base::Network, offset: 8, length: 1, register: R, checksum: Checksum::IPV4_HEADER }], "immediate payload"),
        ("forward", vec![constant(&[0, 9]), Expr::PayloadStore { base: Base::Transport, offset: 2, length: 2, register: R, checksum: Checksum::UDP }], "immediate payload"),
        ("forward", vec![constant(&[0, 9]), Expr::PayloadStore { base: Base::Transport, offset: 2, length: 2, register: R, checksum: Checksum::TCP }], "immediate payload"),
        ("forward", vec![constant(&[0, 9]), Expr::PayloadStore { base: Base::Transport, offset: 4, length: 2, register: R, checksum: Checksum::ICMP }], "immediate payload"),
        ("forward", vec![constant(&[0; 6]), Expr::PayloadStore { base: Base::Link, offset: 0, length: 6, register: R, checksum: Checksum::None }], "immediate payload"),
        ("forward", build::in_range(Load::DestinationPort, &[0, 80], &[1, 0]), "payload range"),
        ("forward", build::in_prefix(Load::SourceV4, "10.0.0.0/8".parse().expect("prefix")), "payload bitwise cmp"),
        ("forward", vec![load(MetaKey::Mark), Expr::Shift { from: R, to: R, bits: 4 }, Expr::Shift { from: R, to: R, bits: -4 }], "meta bitwise bitwise"),
        ("forward", vec![load(MetaKey::Mark), Expr::ByteOrder { from: R, to: R, to_network: true, length: 4, size: 4 }], "meta byteorder"),
        ("forward", build::not_in_set(&[Load::SourceV4], "addresses"), "payload lookup"),
        ("forward", build::from_map(&[Load::SourceV4], "values"), "payload lookup"),
        ("forward", build::by_verdict_map(&[Load::SourceV4, Load::DestinationPort], "verdicts"), "payload payload lookup"),
        ("forward", build::count_in_map(&[Load::SourceV4], "counters"), "payload objref"),
        ("forward", vec![v4(), dynamic(vec![], DynamicOp::Add, "timed")], "immediate dynset"),
        ("forward", vec![v4(), dynamic(vec![Expr::Counter, limit(false)], DynamicOp::Update, "timed")], "immediate dynset"),
        ("forward", vec![v4(), dynamic(vec![], DynamicOp::Delete, "timed")], "immediate dynset"),
        ("forward", vec![v4(), dynamic(vec![Expr::ConnLimit { count: 3, inverted: false }], DynamicOp::Add, "plain")], "immediate dynset"),
        ("forward", build::set_ct(CtKey::Mark, &[1, 2, 3, 4]), "immediate ct"),
        ("forward", vec![Expr::NumberGenerator { modulus: 3, offset: 7, register: R }], "numgen"),
        ("forward", build::set_ct_labels(&[1, 100]), "immediate ct"),
        ("forward", build::has_ct_label(&[1]), "ct bitwise cmp"),
        ("forward", vec![Expr::Ct { key: CtKey::Packets, direction: Some(CtDirection::Original), register: R }], "ct"),
        ("forward", vec![Expr::Counter], "counter"),
        ("forward", vec![Expr::NamedCounter("named".into())], "objref"),
        ("forward", vec![limit(false), limit(true)], "limit limit"),
        ("forward", vec![Expr::ConnLimit { count: 5, inverted: true }], "connlimit"),
        ("forward", vec![Expr::Log { group: 3, prefix: "p".into(), snaplen: 64, threshold: 1 }], "log"),
        ("forward", vec![Expr::Reject(Reject::Icmp(3))], "reject"),
        ("forward", vec![Expr::Reject(Reject::TcpReset)], "reject"),
        ("forward", vec![Expr::Fib { result: FibResult::OifName, flags: fib_flags::DADDR, register: R }], "fib"),
        ("pre", build::fib_type_is(fib_flags::DADDR, 2), "fib cmp"),
        ("pre", vec![Expr::Fib { result: FibResult::Oif, flags: fib_flags::SADDR | fib_flags::IIF, register: R }], "fib"),
        ("pre", vec![Expr::NoTrack], "notrack"),
        ("pre", build::set_ct(CtKey::Zone, &5u16.to_ne_bytes()), "immediate ct"),
        ("pre", build::set_meta(MetaKey::NfTrace, &[1]), "immediate meta"),
        ("forward", build::clamp_mss_to_route(), "rt byteorder exthdr"),
        ("forward", vec![build::load_mss()], "exthdr"),
        ("forward", vec![Expr::Exthdr { op: ExthdrOp::TcpOption, kind: 4, offset: 0, length: 1, present: true, register: R }], "exthdr"),
        ("forward", vec![Expr::Rt { key: RtKey::NextHop4, register: R }], "rt"),
        ("forward", vec![load(MetaKey::Mark), Expr::Hash { from: R, length: 4, modulus: 8, seed: 1, offset: 0, register: Reg(1) }], "meta hash"),
        ("forward", vec![v4(), Expr::Duplicate { address: Some(R), device: None }], "immediate dup"),
        ("dstnat", vec![v4(), reg1(&[0, 80]), Expr::Nat { kind: NatKind::Destination, family: Family::Ip, address: Some((R, None)), port: port(), flags: 0 }], "immediate immediate nat"),
        ("srcnat", vec![v4(), reg1(&[10, 0, 0, 9]), Expr::Nat { kind: NatKind::Source, family: Family::Ip, address: Some((R, Some(Reg(1)))), port: None, flags: nat_flags::PERSISTENT }], "immediate immediate nat"),
        ("srcnat", vec![reg1(&[4, 0]), Expr::Masquerade { port: port(), flags: nat_flags::RANDOM }], "immediate masq"),
        ("srcnat", vec![Expr::Masquerade { port: None, flags: 0 }], "masq"),
        ("dstnat", vec![reg1(&[0, 80]), Expr::Redirect { port: port(), flags: 0 }], "immediate redir"),
        ("ingress", vec![constant(&200u32.to_ne_bytes()), Expr::Forward { device: R }], "immediate fwd"),
        ("ingress", vec![constant(&200u32.to_ne_bytes()), Expr::Duplicate { address: None, device: Some(R) }], "immediate dup"),
        ("six", build::in_prefix(Load::SourceV6, "fd00::/8".parse().expect("prefix")), "payload bitwise cmp"),
        ("six", vec![Expr::Exthdr { op: ExthdrOp::Ipv6, kind: 44, offset: 0, length: 1, present: true, register: R }], "exthdr"),
        ("inet", vec![Expr::Reject(Reject::Icmpx(3))], "reject"),
        ("inet", build::is(Load::NfProto, &[10]), "meta cmp"),
        ("arp", [build::is(Load::ArpOperation, &[0, 1]), build::is(Load::ArpTargetV4, &[10, 0, 0, 1])].concat(), "payload cmp payload cmp"),
    ];
    for key in [
        MetaKey::Length, MetaKey::Protocol, MetaKey::Priority, MetaKey::Mark, MetaKey::Iif, MetaKey::Oif, MetaKey::IifName,
        MetaKey::OifName, MetaKey::IifType, MetaKey::OifType, MetaKey::SocketUid, MetaKey::SocketGid,
        MetaKey::NfProto, MetaKey::L4Proto, MetaKey::PacketType, MetaKey::Cpu, MetaKey::IifGroup, MetaKey::OifGroup,
        MetaKey::Random, MetaKey::TimeNs,
    ] {
        cases.push(("forward", vec![load(key)], "meta"));
    }
    for key in [CtKey::State, CtKey::Direction, CtKey::Status, CtKey::Mark, CtKey::Expiration, CtKey::Labels, CtKey::Zone, CtKey::Id] {
        cases.push(("forward", vec![Expr::Ct { key, direction: None, register: R }], "ct"));
    }
    for key in [CtKey::SourceV4, CtKey::DestinationV4, CtKey::ProtoSource, CtKey::ProtoDestination, CtKey::L3Protocol, CtKey::Protocol] {
        cases.push(("forward", vec![Expr::Ct { key, direction: Some(CtDirection::Reply), register: R }], "ct"));
    }
    for op in [CompareOp::Eq, CompareOp::Neq, CompareOp::Lt, CompareOp::Lte, CompareOp::Gt, CompareOp::Gte] {
        cases.push(("forward", vec![load(MetaKey::Mark), Expr::Compare { register: R, op, value: vec![0, 0, 0, 1] }], "meta cmp"));
    }
    for decision in [
        Verdict::Accept, Verdict::Drop, Verdict::Continue, Verdict::Return, Verdict::Jump("plain".into()), Verdict::Goto("plain".into()),
    ] {
        cases.push(("forward", build::verdict(decision), "immediate"));
    }
    cases
}

#[test]
fn the_kernel_takes_every_expression() {
    in_own_namespaces("expressions::the_kernel_takes_every_expression", || {
        let mut router = Router::new();
        let ip = Table::new(Family::Ip, "all");
        let table = |chain: &str| match chain {
            "ingress" => Table::new(Family::Netdev, "all"),
            "six" => Table::new(Family::Ip6, "all"),
            "inet" => Table::new(Family::Inet, "all"),
            "arp" => Table::new(Family::Arp, "all"),
            _ => ip.clone(),
        };
        let mut change = Transaction::new();
        for chain in ["forward", "ingress", "six", "inet", "arp"] {
            change.add_table(&table(chain), TableFlags::default());
        }
        change.add_chain(&ip, &Chain::new("plain"));
        change.add_chain(&ip, &Chain::base("pre", Hook::Prerouting, priority::RAW));
        change.add_chain(&ip, &Chain::base("forward", Hook::Forward, priority::FILTER));
        change.add_chain(&ip, &Chain::base("dstnat", Hook::Prerouting, priority::DSTNAT).nat());
        change.add_chain(&ip, &Chain::base("srcnat", Hook::Postrouting, priority::SRCNAT).nat());
        change.add_chain(&table("ingress"), &Chain::base("ingress", Hook::Ingress, 0).devices(["v100"]));
        change.add_chain(&table("six"), &Chain::base("six", Hook::Forward, 0));
        change.add_chain(&table("inet"), &Chain::base("inet", Hook::Input, 0));
        change.add_chain(&table("arp"), &Chain::base("arp", Hook::Input, 0));
        change.add_counter(&ip, "named");
        for set in [
            Set::new("addresses", [4]),
            Set::map("values", [4], 4),
            Set::verdict_map("verdicts", [4, 2]),
            Set { data: Some(netlink::nft::SetData::Counter), ..Set::new("counters", [4]) },
            Set::new("timed", [4]).dynamic(16, Duration::from_secs(5)),
            Set::new("plain", [4]).dynamic(16, Duration::ZERO),
        ] {
            change.add_set(&ip, &set);
        }
        change.commit(&mut router.nft).expect("tables");

        let cases = cases();
        for (chain, expressions, names) in &cases {
            let mut change = Transaction::new();
            change.add_rule(&table(chain), chain, Position::Last, expressions, names.as_bytes());
            if let Err(error) = change.commit(&mut router.nft) {
                panic!("{expressions:?}: {error}");
            }
        }
        for chain in ["pre", "forward", "dstnat", "srcnat", "ingress", "six", "inet", "arp"] {
            let rules = dump::rules(&mut router.nft, &table(chain), Some(chain)).expect("rules");
            let wanted: Vec<_> = cases.iter().filter(|case| case.0 == chain).map(|case| case.2).collect();
            assert_eq!(rules.iter().map(|rule| rule.expressions.join(" ")).collect::<Vec<_>>(), wanted);
            assert!(rules.iter().all(|rule| rule.user_data == rule.expressions.join(" ").as_bytes()));
        }
    });
}

#[test]
fn rules_go_where_they_are_told() {
    in_own_namespaces("expressions::rules_go_where_they_are_told", || {
        let mut router = Router::new();
        let table = Table::new(Family::Ip, "order");
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default()).add_chain(&table, &Chain::new("c"));
        for name in ["b", "d"] {
            change.add_rule(&table, "c", Position::Last, &[Expr::Counter], name.as_bytes());
        }
        change.commit(&mut router.nft).expect("commit");
        let handles: Vec<u64> = dump::rules(&mut router.nft, &table, None).expect("rules").iter().map(|r| r.handle).collect();
        let mut change = Transaction::new();
        for (position, name) in [
            (Position::First, "a"),
            (Position::After(handles[0]), "c"),
            (Position::Last, "f"),
            (Position::Replace(handles[1]), "D"),
        ] {
            change.add_rule(&table, "c", position, &[Expr::Counter], name.as_bytes());
        }
        change.commit(&mut router.nft).expect("commit");
        let order = |router: &mut Router| {
            let rules = dump::rules(&mut router.nft, &table, Some("c")).expect("rules");
            (rules.iter().map(|r| String::from_utf8_lossy(&r.user_data).into_owned()).collect::<String>(), rules)
        };
        let (text, rules) = order(&mut router);
        assert_eq!(text, "abcDf");
        let mut change = Transaction::new();
        change.add_rule(&table, "c", Position::Before(rules[4].handle), &[Expr::Counter], b"e");
        change.delete_rule(&table, "c", rules[0].handle);
        change.commit(&mut router.nft).expect("commit");
        assert_eq!(order(&mut router).0, "bcDef");
    });
}

#[test]
fn a_catch_all_element_answers_for_the_rest() {
    in_own_namespaces("expressions::a_catch_all_element_answers_for_the_rest", || {
        let mut router = Router::new();
        let table = Table::new(Family::Ip, "rest");
        let map = Set::verdict_map("by_source", [4]).interval();
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default()).add_set(&table, &map);
        change.add_elements(
            &table,
            &map,
            &[
                Element::prefix("10.0.1.0/24".parse().unwrap()).verdict(Verdict::Accept),
                Element::catch_all().verdict(Verdict::Drop),
            ],
        );
        change.add_chain(&table, &Chain::base("forward", Hook::Forward, 0));
        change.append(&table, "forward", &build::by_verdict_map(&[Load::SourceV4], "by_source"));
        change.commit(&mut router.nft).expect("commit");
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        delivered(&client, "10.0.2.2:5005", &server, b"x");
        assert!(is_lost(&server, "10.0.1.2:4000", &client, b"x"));
    });
}
