//! Rule sets on a real kernel: packets go through them, and they are read back.

use std::time::{Duration, Instant};

use netlink::nft::build::{self, Load, by_verdict_map, ct_state_is, from_map, in_set, is, is_not, verdict};
use netlink::nft::{
    Base, Chain, Checksum, CtKey, Data, DynamicOp, Element, Expr, Family, Field, Hook, Key, LimitUnit, MetaKey, Reg, Set,
    Table, TableFlags, Transaction, Verdict, comment, comment_text, concat, ct_state, dump, priority, trace,
};
use netlink::{Error, Protocol, Socket, conntrack, nflog};

use crate::common::{self, PATIENCE, Router, delivered, in_own_namespaces, is_lost};

const UDP: u8 = 17;

fn table(name: &str) -> Table {
    Table::new(Family::Ip, name)
}

/// Everything a firewall is made of, in one table; the names in the test below.
fn firewall(table: &Table) -> Transaction {
    let mut change = Transaction::new();
    let key = [Load::SourceV4, Load::ProtocolV4, Load::DestinationPort];
    let allowed = Set::new("allowed", build::field_lengths(&key)).interval();
    let ttl = Set::map("ttl_plus_one", [1], 1).constant();
    let marks = Set::map("marks", [4], 4);
    let by_device = Set::verdict_map("by_device", [4]);
    let per_device = Set { data: Some(netlink::nft::SetData::Counter), ..Set::new("per_device", [4]) };
    change.add_table(table, TableFlags::default());
    change.add_counter(table, "admitted").add_counter(table, "to_server");
    for set in [&allowed, &ttl, &marks, &by_device, &per_device] {
        change.add_set(table, set);
    }
    change.add_chain(table, &Chain::base("pre", Hook::Prerouting, priority::MANGLE));
    change.add_chain(table, &Chain::base("forward", Hook::Forward, priority::FILTER).policy_drop());
    change.add_chain(table, &Chain::new("from_client")).add_chain(table, &Chain::new("from_server"));

    let range = Key::Range(
        concat(&[Field(vec![10, 0, 1, 0]), Field::byte(UDP), Field::port(5000)]),
        concat(&[Field(vec![10, 0, 1, 255]), Field::byte(UDP), Field::port(5010)]),
    );
    let Key::Range(from, to) = range else { unreachable!() };
    change.add_elements(table, &allowed, &[Element::range(from, to)]);
    let plus_one: Vec<_> = (1..=254).map(|ttl| Element::new([ttl]).value([ttl + 1])).collect();
    change.add_elements(table, &ttl, &plus_one);
    change.add_elements(table, &marks, &[Element::new(Router::CLIENT_DEVICE.to_ne_bytes()).value(0x77u32.to_ne_bytes())]);
    change.add_elements(
        table,
        &by_device,
        &[
            Element::new(Router::CLIENT_DEVICE.to_ne_bytes()).verdict(Verdict::Jump("from_client".into())),
            Element::new(Router::SERVER_DEVICE.to_ne_bytes()).verdict(Verdict::Goto("from_server".into())),
        ],
    );
    change.add_elements(table, &per_device, &[Element::new(Router::SERVER_DEVICE.to_ne_bytes()).counter("to_server")]);

    let set_mark = [from_map(&[Load::Iif], "marks"), vec![Expr::MetaStore { key: MetaKey::Mark, register: Reg(0) }]].concat();
    let restore_ttl = [
        from_map(&[Load::Ttl], "ttl_plus_one"),
        vec![Expr::PayloadStore { base: Base::Network, offset: 8, length: 1, register: Reg(0), checksum: Checksum::IPV4_HEADER }],
    ]
    .concat();
    change.append(table, "pre", &set_mark).append(table, "pre", &restore_ttl);
    let log = vec![Expr::Log { group: 7, prefix: "fwd".into(), snaplen: 0, threshold: 0 }];
    change.append(table, "forward", &log);
    change.append(table, "forward", &build::count_in_map(&[Load::Oif], "per_device"));
    change.append(table, "forward", &[ct_state_is(ct_state::ESTABLISHED | ct_state::RELATED), verdict(Verdict::Accept)].concat());
    change.append(table, "forward", &by_verdict_map(&[Load::Iif], "by_device"));
    let admit = [
        in_set(&key, "allowed"),
        build::set_ct_mark_bits(0x10, 0xf0),
        build::set_ct_labels(&[3, 70]),
        vec![Expr::NamedCounter("admitted".into())],
        verdict(Verdict::Accept),
    ]
    .concat();
    change.add_rule(table, "from_client", netlink::nft::Position::Last, &admit, &comment("sg-1 rule 4"));
    change.append(table, "from_client", &[vec![Expr::Counter], verdict(Verdict::Drop)].concat());
    change
}

#[test]
fn a_whole_firewall_passes_marks_counts_and_logs() {
    in_own_namespaces("nftables::a_whole_firewall_passes_marks_counts_and_logs", || {
        let mut router = Router::new();
        let table = table("fw");
        firewall(&table).commit(&mut router.nft).expect("commit");
        let mut log = Socket::open(Protocol::Netfilter).expect("socket");
        nflog::bind(&mut log, &nflog::Config { connection: true, ..nflog::Config::new(7) }).expect("bind");

        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        let other = router.server.udp("10.0.2.2:6000");
        assert_eq!(delivered(&client, "10.0.2.2:5005", &server, b"hello").to_string(), "10.0.1.2:4000");
        assert_eq!(delivered(&server, "10.0.1.2:4000", &client, b"welcome").to_string(), "10.0.2.2:5005");
        assert!(is_lost(&client, "10.0.2.2:6000", &other, b"nobody"));
        assert!(is_lost(&other, "10.0.1.2:4001", &client, b"unasked"), "from_server admits nothing new");

        let counters = dump::counters(&mut router.nft, &table, false).expect("counters");
        let seen: Vec<_> = counters.iter().map(|(name, count)| (name.as_str(), count.packets, count.bytes)).collect();
        assert_eq!(seen, [("admitted", 1, 28 + 5), ("to_server", 2, 28 + 5 + 28 + 6)]);
        assert_eq!(dump::counter(&mut router.nft, &table, "admitted", true).expect("counter").packets, 1);
        assert_eq!(dump::counter(&mut router.nft, &table, "admitted", false).expect("counter").packets, 0, "it was reset");

        let mut packets = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while packets.len() < 4 && Instant::now() < deadline {
            nflog::receive(&mut log, Duration::from_millis(100), &mut packets).expect("receive");
        }
        assert_eq!(packets.len(), 4);
        let first = &packets[0];
        assert_eq!((first.group, first.prefix.as_str(), first.hook, first.protocol), (7, "fwd", 2, 0x0800));
        assert_eq!((first.iif, first.oif, first.mark), (Some(Router::CLIENT_DEVICE), Some(Router::SERVER_DEVICE), 0x77));
        assert_eq!(first.payload[8], 64, "the map gave back the hop that forwarding takes");
        assert_eq!((&first.payload[12..20], &first.payload[28..]), (&[10, 0, 1, 2, 10, 0, 2, 2][..], &b"hello"[..]));
        let original = conntrack::Tuple::ports(UDP, (common::ip("10.0.1.2"), 4000), (common::ip("10.0.2.2"), 5005));
        if let Some(connection) = &first.connection {
            assert_eq!((connection.original, first.connection_info), (original, Some(2)), "new");
        }

        let mut ct = Socket::open(Protocol::Netfilter).expect("socket");
        let connections = conntrack::dump(&mut ct).expect("dump");
        let found = connections.iter().find(|c| c.original == original).expect("tracked");
        assert_eq!((found.mark, found.labels), (0x10, build::labels(&[3, 70])));
        assert_ne!(found.status & conntrack::status::SEEN_REPLY, 0);

        let rules = dump::rules(&mut router.nft, &table, Some("from_client")).expect("rules");
        assert_eq!(rules.len(), 2);
        assert_eq!(comment_text(&rules[0].user_data), Some("sg-1 rule 4"));
        assert_eq!(rules[1].count.map(|count| count.packets), Some(1), "the datagram to 6000");
        assert_eq!(rules[0].expressions[..4], ["payload", "payload", "payload", "lookup"]);
        let elements = dump::elements(&mut router.nft, &table, "by_device").expect("elements");
        assert_eq!(elements[0].data, Some(Data::Verdict(Verdict::Jump("from_client".into()))));
        let elements = dump::elements(&mut router.nft, &table, "allowed").expect("elements");
        assert_eq!(elements[0].key, [10, 0, 1, 0, UDP, 0, 0, 0, 0x13, 0x88, 0, 0]);
        assert_eq!(elements[0].last.as_deref(), Some(&[10, 0, 1, 255, UDP, 0, 0, 0, 0x13, 0x92, 0, 0][..]));
        assert_eq!(dump::elements(&mut router.nft, &table, "ttl_plus_one").expect("elements").len(), 254);
        let chains = dump::chains(&mut router.nft, &table).expect("chains");
        let forward = chains.iter().find(|chain| chain.name == "forward").expect("forward");
        assert_eq!((forward.hook, forward.drop), (Some((2, priority::FILTER)), true));
        assert_eq!(dump::sets(&mut router.nft, &table).expect("sets"), ["allowed", "by_device", "marks", "per_device", "ttl_plus_one"]);
    });
}

#[test]
fn a_verdict_map_element_flips_in_one_transaction() {
    in_own_namespaces("nftables::a_verdict_map_element_flips_in_one_transaction", || {
        let mut router = Router::new();
        let table = table("fw");
        firewall(&table).commit(&mut router.nft).expect("commit");
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:6000");
        assert!(is_lost(&client, "10.0.2.2:6000", &server, b"closed"));
        let map = Set::verdict_map("by_device", [4]);
        let key = Router::CLIENT_DEVICE.to_ne_bytes();
        let mut flip = Transaction::new();
        flip.add_chain(&table, &Chain::new("open")).append(&table, "open", &verdict(Verdict::Accept));
        flip.delete_elements(&table, &map, &[Element::new(key)]);
        flip.add_elements(&table, &map, &[Element::new(key).verdict(Verdict::Jump("open".into()))]);
        flip.flush_chain(&table, "from_client").delete_chain(&table, "from_client");
        flip.commit(&mut router.nft).expect("flip");
        delivered(&client, "10.0.2.2:6000", &server, b"open");
    });
}

#[test]
fn an_address_rewritten_in_the_packet_arrives_with_good_checksums() {
    in_own_namespaces("nftables::an_address_rewritten_in_the_packet_arrives_with_good_checksums", || {
        let mut router = Router::new();
        let table = table("rewrite");
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default());
        change.add_chain(&table, &Chain::base("pre", Hook::Prerouting, priority::RAW));
        let store = |offset, address: [u8; 4]| {
            vec![
                Expr::Immediate { register: Reg(0), value: address.to_vec() },
                Expr::PayloadStore { base: Base::Network, offset, length: 4, register: Reg(0), checksum: Checksum::IPV4_ADDRESS },
            ]
        };
        change.append(&table, "pre", &[is(Load::DestinationV4, &[203, 0, 113, 9]), store(16, [10, 0, 2, 2])].concat());
        change.append(&table, "pre", &[is(Load::SourceV4, &[10, 0, 2, 2]), store(12, [203, 0, 113, 9])].concat());
        change.commit(&mut router.nft).expect("commit");
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        assert_eq!(delivered(&client, "203.0.113.9:5005", &server, b"in").to_string(), "10.0.1.2:4000");
        assert_eq!(delivered(&server, "10.0.1.2:4000", &client, b"out").to_string(), "203.0.113.9:5005");
    });
}

#[test]
fn a_netdev_chain_checks_sources_at_two_devices() {
    in_own_namespaces("nftables::a_netdev_chain_checks_sources_at_two_devices", || {
        let mut router = Router::new();
        let table = Table::new(Family::Netdev, "ports");
        let pairs = Set::new("sources", [4, 4]);
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default()).add_set(&table, &pairs);
        let chain = Chain::base("in", Hook::Ingress, 0).devices(["v100", "v200"]);
        change.add_chain(&table, &chain);
        let key = |device: u32, address: [u8; 4]| concat(&[Field::native(device), Field(address.to_vec())]);
        let (client_key, server_key) = (key(Router::CLIENT_DEVICE, [10, 0, 1, 2]), key(Router::SERVER_DEVICE, [10, 0, 2, 2]));
        change.add_elements(&table, &pairs, &[Element::new(client_key.clone()), Element::new(server_key)]);
        let spoofed = [
            is(Load::PacketProtocol, &[8, 0]),
            build::not_in_set(&[Load::Iif, Load::SourceV4], "sources"),
            vec![Expr::Counter],
            verdict(Verdict::Drop),
        ];
        change.append(&table, "in", &spoofed.concat());
        change.commit(&mut router.nft).expect("commit");
        let chains = dump::chains(&mut router.nft, &table).expect("chains");
        assert_eq!(chains[0].devices, ["v100", "v200"]);
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        delivered(&client, "10.0.2.2:5005", &server, b"honest");
        let mut change = Transaction::new();
        change.delete_elements(&table, &pairs, &[Element::new(client_key)]);
        change.commit(&mut router.nft).expect("commit");
        assert!(is_lost(&client, "10.0.2.2:5005", &server, b"spoofed"));
        let count = dump::rules(&mut router.nft, &table, Some("in")).expect("rules")[0].count;
        assert_eq!(count.map(|count| count.packets), Some(1));
    });
}

#[test]
fn interval_sets_hold_prefixes_and_lose_them() {
    in_own_namespaces("nftables::interval_sets_hold_prefixes_and_lose_them", || {
        let mut nft = Socket::open(Protocol::Netfilter).expect("socket");
        let table = table("sets");
        let set = Set::new("prefixes", [4]).interval();
        let prefixes = ["10.0.0.0/8", "192.168.1.0/24", "255.255.255.0/24", "203.0.113.7/32"];
        let elements: Vec<Element> = prefixes.iter().map(|p| Element::prefix(p.parse().unwrap())).collect();
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default()).add_set(&table, &set).add_elements(&table, &set, &elements);
        change.commit(&mut nft).expect("commit");
        let starts = |nft: &mut Socket| {
            let found = dump::elements(nft, &table, "prefixes").expect("elements");
            found.into_iter().filter(|e| !e.interval_end).map(|e| e.key).collect::<Vec<_>>()
        };
        assert_eq!(starts(&mut nft), [[10, 0, 0, 0], [192, 168, 1, 0], [203, 0, 113, 7], [255, 255, 255, 0]]);
        let mut change = Transaction::new();
        change.delete_elements(&table, &set, &elements[..3]);
        change.commit(&mut nft).expect("delete");
        assert_eq!(starts(&mut nft), [[203, 0, 113, 7]]);
        let mut change = Transaction::new();
        change.flush_set(&table, "prefixes");
        change.commit(&mut nft).expect("flush");
        assert!(starts(&mut nft).is_empty());
    });
}

#[test]
fn a_dynamic_set_remembers_flows_and_ages() {
    in_own_namespaces("nftables::a_dynamic_set_remembers_flows_and_ages", || {
        let mut router = Router::new();
        let table = table("state");
        let key = [Load::SourceV4, Load::DestinationV4, Load::SourcePort, Load::DestinationPort];
        let flows = Set::new("flows", build::field_lengths(&key)).dynamic(1000, Duration::from_secs(180));
        let (load, _) = build::load_key(&key, Reg(0));
        let remember = Expr::DynamicSet {
            set: "flows".into(),
            op: DynamicOp::Update,
            key: Reg(0),
            data: None,
            timeout: Some(Duration::from_secs(30)),
            expressions: vec![Expr::Counter],
            inverted: false,
        };
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default()).add_set(&table, &flows);
        change.add_chain(&table, &Chain::base("forward", Hook::Forward, 0));
        change.append(&table, "forward", &[is(Load::ProtocolV4, &[UDP]), load, vec![remember]].concat());
        change.commit(&mut router.nft).expect("commit");
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        for _ in 0..3 {
            delivered(&client, "10.0.2.2:5005", &server, b"x");
        }
        let found = dump::elements(&mut router.nft, &table, "flows").expect("elements");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].key, [10, 0, 1, 2, 10, 0, 2, 2, 0x0f, 0xa0, 0, 0, 0x13, 0x8d, 0, 0]);
        assert_eq!(found[0].count.map(|c| c.packets), Some(3));
        assert_eq!(found[0].timeout, Some(Duration::from_secs(30)));
        assert!(found[0].expires.is_some_and(|left| left <= Duration::from_secs(30)));

        // Virtual time: the same element with less left.
        let mut age = Transaction::new();
        let aged = Element {
            timeout: Some(Duration::from_secs(30)),
            expires: Some(Duration::from_millis(50)),
            expressions: vec![Expr::Counter],
            ..Element::new(found[0].key.clone())
        };
        age.delete_elements(&table, &flows, std::slice::from_ref(&aged)).add_elements(&table, &flows, &[aged]);
        age.commit(&mut router.nft).expect("age");
        let deadline = Instant::now() + PATIENCE;
        while !dump::elements(&mut router.nft, &table, "flows").expect("elements").is_empty() {
            assert!(Instant::now() < deadline, "the element expires");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

/// How many of `sockets` get a datagram through a router that drops what is over `limit` for its device.
fn passes(test: &str, limit: Expr, sources: &'static [u16], expected: &'static [bool]) {
    in_own_namespaces(test, move || {
        let mut router = Router::new();
        let table = table("limits");
        let meter = Expr::DynamicSet {
            set: "meter".into(),
            op: DynamicOp::Add,
            key: Reg(0),
            data: None,
            timeout: None,
            expressions: vec![limit],
            inverted: false,
        };
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default());
        change.add_set(&table, &Set::new("meter", [4]).dynamic(100, Duration::ZERO));
        change.add_chain(&table, &Chain::base("forward", Hook::Forward, 0));
        let over = [vec![Load::Iif.into_register(Reg(0)), meter], verdict(Verdict::Drop)].concat();
        change.append(&table, "forward", &[ct_state_is(ct_state::NEW), over].concat());
        change.commit(&mut router.nft).expect("commit");
        let server = router.server.udp("10.0.2.2:5005");
        let clients: Vec<_> = sources.iter().map(|port| router.client.udp(&format!("10.0.1.2:{port}"))).collect();
        for (client, passes) in clients.iter().zip(expected) {
            match passes {
                true => assert_eq!(delivered(client, "10.0.2.2:5005", &server, b"x"), client.local_addr().expect("address")),
                false => assert!(is_lost(client, "10.0.2.2:5005", &server, b"x"), "{client:?}"),
            }
        }
        let back = router.client.udp("10.0.1.2:9");
        assert_eq!(delivered(&server, "10.0.1.2:9", &back, b"x").ip(), common::ip("10.0.2.2"), "the other device has its own");
    });
}

#[test]
fn a_connection_limit_holds_for_each_key() {
    let two = Expr::ConnLimit { count: 2, inverted: true };
    passes("nftables::a_connection_limit_holds_for_each_key", two, &[4000, 4001, 4002], &[true, true, false]);
}

#[test]
fn a_rate_limit_holds_for_each_key() {
    let three = Expr::Limit { rate: 1, unit: LimitUnit::Day, burst: 3, bytes: false, inverted: true };
    passes("nftables::a_rate_limit_holds_for_each_key", three, &[4000, 4001, 4002, 4003], &[true, true, true, false]);
}

#[test]
fn trace_events_name_the_rules_on_the_way() {
    in_own_namespaces("nftables::trace_events_name_the_rules_on_the_way", || {
        let mut router = Router::new();
        let table = table("fw");
        firewall(&table).commit(&mut router.nft).expect("commit");
        let mut change = Transaction::new();
        change.add_chain(&table, &Chain::base("trace", Hook::Prerouting, priority::RAW - 50));
        let probe = [is(Load::DestinationPort, &5005u16.to_be_bytes()), build::set_meta(MetaKey::NfTrace, &[1])].concat();
        change.append(&table, "trace", &probe);
        change.commit(&mut router.nft).expect("commit");
        let mut listener = Socket::open(Protocol::Netfilter).expect("socket");
        trace::subscribe(&mut listener).expect("subscribe");
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        delivered(&client, "10.0.2.2:5005", &server, b"traced");
        let mut events = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while !events.iter().any(|e: &trace::TraceEvent| e.chain == "from_client") && Instant::now() < deadline {
            trace::receive(&mut listener, Duration::from_millis(100), &mut events).expect("receive");
        }
        let rules = dump::rules(&mut router.nft, &table, Some("from_client")).expect("rules");
        let admitted = events.iter().find(|event| event.rule == Some(rules[0].handle)).expect("the admitting rule");
        assert_eq!((admitted.kind, &admitted.verdict), (trace::TraceKind::Rule, &Some(Verdict::Accept)));
        assert!(events.iter().all(|event| event.id == admitted.id), "one packet");
        let header = events.iter().find(|event| !event.network_header.is_empty()).expect("a header");
        assert_eq!((header.iif, &header.network_header[12..16]), (Some(Router::CLIENT_DEVICE), &[10, 0, 1, 2][..]));
    });
}

#[test]
fn a_refused_transaction_changes_nothing_and_names_its_change() {
    in_own_namespaces("nftables::a_refused_transaction_changes_nothing_and_names_its_change", || {
        let mut nft = Socket::open(Protocol::Netfilter).expect("socket");
        let table = table("broken");
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default()).add_chain(&table, &Chain::new("c"));
        change.append(&table, "c", &is_not(Load::Ttl, &[1]));
        change.append(&table, "c", &in_set(&[Load::SourceV4], "missing"));
        let before = dump::generation(&mut nft).expect("generation");
        let refusal = change.commit(&mut nft).expect_err("no such set");
        let refusal = refusal.refusal().expect("a refusal");
        assert_eq!((refusal.index, refusal.errno), (Some(3), libc::ENOENT));
        assert_eq!(refusal.request.as_deref(), Some("new rule, table broken, chain c"));
        assert_eq!(dump::tables(&mut nft).expect("tables"), []);
        assert_eq!(dump::generation(&mut nft).expect("generation"), before);

        let mut stale = Transaction::at_generation(before + 100);
        stale.add_table(&table, TableFlags::default());
        let refusal = stale.commit(&mut nft).expect_err("stale");
        assert_eq!(refusal.refusal().map(|r| (r.index, r.errno)), Some((None, libc::ERESTART)));
        let mut current = Transaction::at_generation(before);
        current.add_table(&table, TableFlags::default());
        current.commit(&mut nft).expect("current generation");
        let mut gone = Transaction::new();
        gone.destroy_table(&table).destroy_table(&Table::new(Family::Inet, "never there"));
        gone.commit(&mut nft).expect("destroy");
        assert_eq!(dump::tables(&mut nft).expect("tables"), []);
    });
}

#[test]
fn transactions_fit_up_to_the_socket_s_capacity() {
    in_own_namespaces("nftables::transactions_fit_up_to_the_socket_s_capacity", || {
        let mut nft = Socket::open(Protocol::Netfilter).expect("socket");
        let capacity = nft.send_capacity().expect("capacity");
        let table = table("big");
        let rule = [is(Load::SourceV4, &[10, 0, 0, 1]), is(Load::ProtocolV4, &[6]), verdict(Verdict::Accept)].concat();
        let mut fits = Transaction::new();
        fits.add_table(&table, TableFlags::default()).add_chain(&table, &Chain::new("c"));
        let empty = fits.byte_len();
        fits.append(&table, "c", &rule);
        let rules = (capacity - empty) / (fits.byte_len() - empty);
        for _ in 1..rules {
            fits.append(&table, "c", &rule);
        }
        let mut over = fits.clone();
        over.append(&table, "c", &rule);
        let error = over.commit(&mut nft).expect_err("one rule too many");
        assert!(matches!(error, Error::TooLarge { limit, .. } if limit == capacity), "{error}");
        fits.commit(&mut nft).expect("the largest that fits");
        assert_eq!(dump::rules(&mut nft, &table, None).expect("rules").len(), rules);
    });
}

#[test]
fn a_table_with_an_owner_goes_with_its_socket() {
    in_own_namespaces("nftables::a_table_with_an_owner_goes_with_its_socket", || {
        let mut owner = Socket::open(Protocol::Netfilter).expect("socket");
        let mut other = Socket::open(Protocol::Netfilter).expect("socket");
        let table = table("owned");
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags { owner: true, dormant: false });
        change.commit(&mut owner).expect("commit");
        let mut intrusion = Transaction::new();
        intrusion.delete_table(&table);
        assert_eq!(intrusion.commit(&mut other).expect_err("not the owner").errno(), Some(libc::EPERM));
        drop(owner);
        assert_eq!(dump::tables(&mut other).expect("tables"), []);
    });
}

#[test]
fn ten_thousand_elements_are_cut_into_messages_and_read_back() {
    in_own_namespaces("nftables::ten_thousand_elements_are_cut_into_messages_and_read_back", || {
        let mut nft = Socket::open(Protocol::Netfilter).expect("socket");
        let table = table("many");
        let set = Set::map("zones", [4, 2], 4);
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default()).add_set(&table, &set);
        change.commit(&mut nft).expect("commit");
        let elements: Vec<Element> = (0..10_000u32)
            .map(|at| Element::new(concat(&[Field::native(at), Field::port(at as u16)])).value(at.to_ne_bytes()))
            .collect();
        for part in elements.chunks(4_000) {
            let mut change = Transaction::new();
            change.add_elements(&table, &set, part);
            assert!(change.len() > 1, "more than one attribute holds");
            change.commit(&mut nft).expect("commit");
        }
        let found = dump::elements(&mut nft, &table, "zones").expect("elements");
        assert_eq!(found.len(), 10_000);
        assert!(found.iter().all(|e| e.data == Some(Data::Bytes(e.key[..4].to_vec()))));
    });
}

#[test]
fn zones_and_connection_marks_are_set_by_rules() {
    in_own_namespaces("nftables::zones_and_connection_marks_are_set_by_rules", || {
        let mut router = Router::new();
        let table = table("zones");
        let mut change = Transaction::new();
        change.add_table(&table, TableFlags::default());
        change.add_chain(&table, &Chain::base("raw", Hook::Prerouting, priority::RAW));
        change.append(&table, "raw", &build::set_ct(CtKey::Zone, &7u16.to_ne_bytes()));
        change.commit(&mut router.nft).expect("commit");
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        delivered(&client, "10.0.2.2:5005", &server, b"x");
        let mut ct = Socket::open(Protocol::Netfilter).expect("socket");
        let zones: Vec<u16> = conntrack::dump(&mut ct).expect("dump").iter().map(|c| c.zone).collect();
        assert_eq!(zones, [7]);
    });
}
