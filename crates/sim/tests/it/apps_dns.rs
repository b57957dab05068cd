//! Names: a server that knows some, and hosts that ask it, alone or as part of another program.

use std::net::IpAddr;

use sim::app::dns::{Server, Zone};
use sim::app::{AppId, End, GetSpec, LookupSpec, PingSpec, http};
use sim::{NodeId, Reason, Verb};
use wire::dns::Kind;

use crate::hosts_net::{Net, address};

/// a - r - dns, and the names that dns knows.
fn network(names: &[(&str, &[IpAddr])]) -> (Net, NodeId, NodeId) {
    let mut net = Net::new();
    let a = net.host("a", &[&["10.0.1.2/24"]], "10.0.1.1");
    let r = net.router("r", &["10.0.1.1/24", "10.0.2.1/24"], vec![]);
    let dns = net.host("dns", &[&["10.0.2.2/24"]], "10.0.2.1");
    net.connect((a, 0), (r, 0));
    net.connect((r, 1), (dns, 0));
    let zone = Zone::new(names.iter().copied());
    net.at(dns, |host, context| host.run(context, Server::new(zone)));
    net.at(a, |host, _| host.set_name_servers(vec![address("10.0.2.2")]));
    (net, a, dns)
}

fn lookup(net: &mut Net, node: NodeId, spec: LookupSpec) -> AppId {
    let app = net.at(node, |host, context| host.lookup(context, spec));
    net.run(60);
    app
}

#[test]
fn a_name_is_asked_for_and_its_addresses_are_answered_in_two_datagrams() {
    let web = [address("10.0.2.2"), address("2001:db8::2")];
    let (mut net, a, dns) = network(&[("web.lab", &web)]);
    let app = lookup(&mut net, a, LookupSpec::new("WEB.lab"));
    let outcome = net.outcome(a, app);
    assert_eq!((outcome.end, &outcome.addresses[..], outcome.sent), (End::Answered, &web[..1], 1));
    assert_eq!(outcome.data, b"WEB.lab A 10.0.2.2\n");
    assert_eq!(net.count(dns, Verb::Deliver, Reason::Datagram), 1);
    assert_eq!(net.table(dns, "names"), [["web.lab", "A", "10.0.2.2"], ["web.lab", "AAAA", "2001:db8::2"]]);
}

#[test]
fn what_is_found_and_what_is_not() {
    let (mut net, a, _) = network(&[("six.lab", &[address("2001:db8::6")]), ("web.lab", &[address("10.0.2.2")])]);
    let mail = LookupSpec { kinds: vec![Kind::MX], ..LookupSpec::new("web.lab") };
    for (spec, end, data, sent) in [
        (LookupSpec::new("six.lab"), End::Answered, "six.lab AAAA 2001:db8::6\n", 2),
        (LookupSpec::reverse(address("10.0.2.2")), End::Answered, "2.2.0.10.in-addr.arpa PTR web.lab\n", 1),
        (LookupSpec::new("nobody.lab"), End::Failed(Reason::NoSuchName), "", 1),
        (LookupSpec::new(&"x".repeat(64)), End::Failed(Reason::NoSuchName), "", 0),
        (mail, End::Failed(Reason::NoRecord), "", 1),
    ] {
        let app = lookup(&mut net, a, spec.clone());
        let outcome = net.outcome(a, app);
        let found = (outcome.end, String::from_utf8_lossy(&outcome.data), outcome.sent);
        assert_eq!(found, (end, data.into(), sent), "{spec:?}");
    }
}

#[test]
fn a_long_answer_comes_over_a_connection() {
    let many: Vec<IpAddr> = (0..200).map(|n| IpAddr::from([10, 9, 0, n])).collect();
    let (mut net, a, dns) = network(&[("many.lab", &many)]);
    let app = lookup(&mut net, a, LookupSpec::new("many.lab"));
    assert_eq!((net.outcome(a, app).end, &net.outcome(a, app).addresses), (End::Answered, &many));
    assert!(net.count(dns, Verb::Deliver, Reason::Handshake) > 0);
}

#[test]
fn the_next_server_is_asked_where_one_is_silent_or_refuses() {
    let (mut net, a, _) = network(&[("web.lab", &[address("10.0.2.2")])]);
    for (first, seconds) in [("10.0.1.1", 0), ("10.0.1.99", 3), ("10.0.2.2", 0)] {
        net.at(a, |host, _| host.set_name_servers(vec![address(first), address("10.0.2.2")]));
        let before = net.seconds();
        let app = net.at(a, |host, context| host.lookup(context, LookupSpec::new("web.lab")));
        net.run(60);
        let outcome = net.outcome(a, app);
        let took = outcome.ended.map(|at| at.seconds() - before);
        assert_eq!((outcome.end, took), (End::Answered, Some(seconds)), "{first}");
    }
}

#[test]
fn nobody_who_knows_is_said_so() {
    let (mut net, a, dns) = network(&[]);
    net.at(dns, |host, context| host.cancel(context, AppId(0)));
    let app = lookup(&mut net, a, LookupSpec::new("web.lab"));
    assert!(matches!(net.outcome(a, app).end, End::Refused(_)));
    assert_eq!(net.outcome(a, app).sent, 2, "two rounds");
    net.at(a, |host, _| host.set_name_servers(vec![]));
    let app = lookup(&mut net, a, LookupSpec::new("web.lab"));
    assert_eq!(net.outcome(a, app).end, End::Failed(Reason::NoNameServer));
}

#[test]
fn a_ping_by_name_is_a_ping() {
    let (mut net, a, _) = network(&[("web.lab", &[address("10.0.2.2")])]);
    let app = net.at(a, |host, context| host.ping_name(context, "web.lab", PingSpec::new(address("0.0.0.0"))));
    let lost = net.at(a, |host, context| host.ping_name(context, "db.lab", PingSpec::new(address("0.0.0.0"))));
    net.run(10);
    let outcome = net.outcome(a, app);
    assert_eq!((outcome.end, outcome.sent, outcome.replies.len()), (End::Answered, 4, 4));
    assert_eq!(outcome.replies[3].from.ip(), address("10.0.2.2"));
    assert_eq!(net.outcome(a, lost).end, End::Failed(Reason::NoSuchName));
}

#[test]
fn any_program_can_begin_with_a_name() {
    let (mut net, a, dns) = network(&[("web.lab", &[address("10.0.2.2")])]);
    net.at(dns, |host, context| host.run(context, http::Server::new(80, b"hello")));
    let spec = GetSpec { host: "web.lab".to_owned(), ..GetSpec::new(address("0.0.0.0"), 80) };
    let begin = move |destination| Box::new(http::Get::new(GetSpec { destination, ..spec })) as Box<dyn sim::app::App>;
    let app = net.at(a, |host, context| host.run_named(context, "http", LookupSpec::new("web.lab"), begin));
    net.run(10);
    assert!(net.outcome(a, app).data.ends_with(b"hello"));
}

#[test]
fn the_same_seed_asks_with_the_same_numbers() {
    let hash = || {
        let (mut net, a, _) = network(&[("web.lab", &[address("10.0.2.2")])]);
        lookup(&mut net, a, LookupSpec::new("web.lab"));
        net.sim.trace_hash()
    };
    assert_eq!(hash(), hash());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_upset_the_server(bytes: Vec<u8>) {
        let (mut net, a, _) = network(&[("web.lab", &[address("10.0.2.2")])]);
        let datagram = sim::app::DatagramSpec::new(address("10.0.2.2"), 53, &bytes);
        net.at(a, |host, context| host.datagram(context, datagram));
        let spec = sim::app::ConnectSpec { keep_open: true, ..sim::app::ConnectSpec::new(address("10.0.2.2"), 53) };
        let tcp = net.at(a, |host, context| host.connect(context, spec));
        net.run(2);
        net.at(a, |host, context| host.send_on(context, tcp, &bytes));
        net.run(5);
        let app = lookup(&mut net, a, LookupSpec::new("web.lab"));
        proptest::prop_assert_eq!(net.outcome(a, app).end, End::Answered);
    }
}

#[test]
fn rfc_5452_9_2_each_question_of_a_host_has_a_number_that_the_ones_before_do_not_tell() {
    let numbers = || {
        let (mut net, a, _) = network(&[("web.lab", &[address("10.0.2.2")])]);
        for name in ["web.lab", "web.lab", "nobody.lab", "web.lab"] {
            lookup(&mut net, a, LookupSpec::new(name));
        }
        let frames = net.frames(a, Verb::Send, Reason::Wire);
        let questions = frames.iter().filter(|frame| frame.get(23) == Some(&17) && frame.get(36..38) == Some(&[0, 53]));
        questions.map(|frame| u16::from_be_bytes([frame[42], frame[43]])).collect::<Vec<_>>()
    };
    let all = numbers();
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{all:?}");
    assert_eq!(all, numbers(), "the same seed, the same run");
}
