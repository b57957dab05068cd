//! Translation, port forwards and the filter of a router.

use sim::app::{ConnectSpec, DatagramSpec, End, PingSpec, RefusedBy};
use sim::host::{Action, FilterRule, FilterSpec, HostSpec, PortForward, Protocol, Services};
use sim::{LinkSpec, NodeId, Reason, Verb};

use crate::hosts_net::{Net, address, route};

/// Two hosts inside (each on a link of its own), the router, and a host outside that knows nothing of the inside.
fn inside_and_outside(masquerade: bool) -> (Net, [NodeId; 4]) {
    let mut net = Net::new();
    let a = net.host("a", &[&["192.168.1.2/24"]], "192.168.1.1");
    let b = net.host("b", &[&["192.168.2.2/24"]], "192.168.2.1");
    let spec = HostSpec { forwarding: true, masquerade: masquerade.then_some(2), ..HostSpec::default() };
    let router = net.with_spec("r", &[&["192.168.1.1/24"], &["192.168.2.1/24"], &["203.0.113.1/24"]], spec);
    let c = net.host("c", &[&["203.0.113.9/24"]], "");
    net.connect((a, 0), (router, 0));
    net.connect((b, 0), (router, 1));
    net.connect((router, 2), (c, 0));
    net.at(c, |host, _| host.set_services(Services { default_open: true, ..Services::default() }));
    (net, [a, b, router, c])
}

#[test]
fn the_outside_sees_one_address_and_answers_find_their_way() {
    let (mut net, [a, b, router, c]) = inside_and_outside(true);
    let to = address("203.0.113.9");
    // So that nothing waits for ARP at the router, where no more than three packets may.
    net.at(router, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(to) }));
    net.run(5);
    net.sim.clear_trace();
    let mut apps = Vec::new();
    for node in [a, b] {
        apps.push((node, net.at(node, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(to) }))));
        let spec = DatagramSpec { source_port: Some(5_000), ..DatagramSpec::new(to, 53, b"hello") };
        apps.push((node, net.at(node, |host, context| host.datagram(context, spec))));
        let spec = ConnectSpec { source_port: Some(6_000), keep_open: true, ..ConnectSpec::new(to, 80) };
        apps.push((node, net.at(node, |host, context| host.connect(context, spec))));
    }
    net.run(5);
    for (node, app) in apps {
        assert_eq!(
            (net.outcome(node, app).end, net.outcome(node, app).replies.len()),
            (End::Answered, 1),
            "{node:?} {app:?}"
        );
    }
    for reason in [Reason::EchoRequest, Reason::Datagram, Reason::Handshake] {
        let sources: Vec<_> = net.frames(c, Verb::Deliver, reason).iter().map(|frame| frame[26..30].to_vec()).collect();
        assert_eq!(sources, vec![vec![203, 0, 113, 1]; 2], "{reason}");
    }
    let rows = net.table(router, "nat");
    let find = |protocol: &str, inside: &str| {
        let row = rows.iter().find(|row| row[0] == protocol && row[1].starts_with(inside)).expect("an entry");
        (row[2].clone(), row[4].clone(), row[5].split(' ').next().unwrap_or("").split('.').next().unwrap_or("").to_string())
    };
    let (outside, state, left) = find("tcp", "192.168.1.2:6000");
    assert_eq!(
        (&outside[..], &state[..], &left[..]),
        ("203.0.113.1:6000", "answered", "431995"),
        "a port that is free stays"
    );
    assert_eq!(find("tcp", "192.168.2.2:6000").0, "203.0.113.1:1026", "one that is not becomes one from 1024 on");
    assert_eq!(find("udp", "192.168.1.2:5000").2, "175");
    assert_eq!(find("udp", "192.168.2.2:5000").0, "203.0.113.1:1025");
    assert_eq!(find("icmp", "192.168.1.2").2, "25");
    assert_eq!(net.drops(), []);
}

#[test]
fn translations_are_forgotten_when_they_are_old() {
    let (mut net, [a, _, router, c]) = inside_and_outside(true);
    let spec = DatagramSpec { source_port: Some(5_000), ..DatagramSpec::new(address("203.0.113.9"), 53, b"hello") };
    net.at(a, |host, context| host.datagram(context, spec));
    net.run(170);
    assert_eq!(net.table(router, "nat").len(), 1);
    net.run(20);
    assert_eq!(net.table(router, "nat").len(), 0);
    let spec = DatagramSpec { source_port: Some(53), ..DatagramSpec::new(address("203.0.113.1"), 5_000, b"late") };
    let app = net.at(c, |host, context| host.datagram(context, spec));
    net.run(5);
    assert!(matches!(net.outcome(c, app).end, End::Refused(RefusedBy::Icmp(_))));
}

/// As Linux does: what continues such a connection is of nobody.
#[test]
fn a_connection_that_was_only_reset_is_forgotten_at_once() {
    let (mut net, [a, _, router, c]) = inside_and_outside(true);
    net.at(c, |host, _| host.set_services(Services::default()));
    let app = net.at(a, |host, context| host.connect(context, ConnectSpec::new(address("203.0.113.9"), 80)));
    net.run(5);
    assert!(matches!(net.outcome(a, app).end, End::Refused(RefusedBy::Reset { .. })));
    assert_eq!(net.table(router, "nat").len(), 0);
}

#[test]
fn errors_from_outside_reach_the_host_inside_in_its_own_words() {
    let (mut net, [a, _, _, c]) = inside_and_outside(true);
    net.at(c, |host, _| host.set_services(Services::default()));
    let spec = DatagramSpec { source_port: Some(500), ..DatagramSpec::new(address("203.0.113.9"), 53, b"hello") };
    let app = net.at(a, |host, context| host.datagram(context, spec));
    net.run(5);
    let End::Refused(RefusedBy::Icmp(error)) = net.outcome(a, app).end else { panic!("{:?}", net.outcome(a, app)) };
    assert_eq!(
        (error.from, error.about.source, error.about.source_port),
        (address("203.0.113.9"), address("192.168.1.2"), 500)
    );
    let app = net.at(a, |host, context| host.connect(context, ConnectSpec::new(address("203.0.113.77"), 80)));
    net.run(10);
    let End::Unreachable(error) = net.outcome(a, app).end else { panic!("{:?}", net.outcome(a, app)) };
    assert_eq!(((error.kind, error.code), error.from), ((3, 1), address("192.168.1.1")), "nobody there, says the router");
}

#[test]
fn pieces_are_put_together_before_they_are_translated() {
    let (mut net, [a, _, router, c]) = inside_and_outside(true);
    let app = net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address("203.0.113.9"), 53, &[9; 4_000])));
    net.run(5);
    assert_eq!((net.outcome(a, app).end, net.outcome(a, app).bytes_received), (End::Answered, 4_000));
    assert_eq!(net.count(router, Verb::Fragment, Reason::Reassembled), 2);
    assert_eq!(net.count(c, Verb::Fragment, Reason::Reassembled), 1);
}

#[test]
fn a_port_forward_lets_strangers_in_and_answers_come_from_the_outer_address() {
    let (mut net, [_, b, router, c]) = inside_and_outside(true);
    net.at(b, |host, _| host.set_services(Services { default_open: true, ..Services::default() }));
    let forward = PortForward { protocol: Protocol::TCP, port: 8_080, to: address("192.168.2.2"), to_port: 80 };
    net.at(router, |host, _| host.set_port_forward(forward));
    let app = net.at(c, |host, context| host.connect(context, ConnectSpec::new(address("203.0.113.1"), 8_080)));
    net.run(5);
    assert_eq!((net.outcome(c, app).end, net.outcome(c, app).replies[0].ttl), (End::Answered, 63));
    assert_eq!(net.frames(b, Verb::Deliver, Reason::Handshake)[0][36..38], [0, 80]);
    let app = net.at(c, |host, context| host.connect(context, ConnectSpec::new(address("203.0.113.1"), 8_081)));
    net.run(5);
    assert!(matches!(net.outcome(c, app).end, End::Refused(RefusedBy::Reset { .. })));
}

#[test]
fn bulk_data_passes_a_translation_with_right_checksums_and_loss() {
    let (mut net, [a, _, router, c]) = inside_and_outside(true);
    let link = net.sim.link_between(router, c).expect("a link");
    net.sim.set_spec(link, LinkSpec { loss_per_million: 20_000, ..LinkSpec::default() });
    let spec = ConnectSpec { keep_open: true, ..ConnectSpec::new(address("203.0.113.9"), 80) };
    let app = net.at(a, |host, context| host.connect(context, spec));
    net.run(5);
    assert!(net.at(a, |host, context| host.send_on(context, app, &[1; 200_000])));
    net.run(60);
    assert_eq!(net.table(a, "tcp")[0][14], "0", "all is acknowledged");
    assert!(net.drops().iter().all(|(_, reason)| *reason == Reason::Lost));
}

fn filter(default: Action, rules: Vec<FilterRule>) -> FilterSpec {
    FilterSpec { rules, default, forwarded_only: false }
}

#[test]
fn a_filter_lets_answers_through_and_denies_strangers() {
    let (mut net, [a, _, router, c]) = inside_and_outside(false);
    net.at(c, |host, _| host.set_route(route("192.168.0.0/16", "203.0.113.1", 0)));
    net.at(a, |host, _| host.set_services(Services { default_open: true, ..Services::default() }));
    let from_inside = FilterRule { from: Some("192.168.0.0/16".parse().expect("a net")), ..FilterRule::default() };
    let ssh = FilterRule { protocol: Some(Protocol::TCP), ports: Some(22..=22), ..FilterRule::default() };
    let no_telnet =
        FilterRule { action: Action::Reject, protocol: Some(Protocol::TCP), ports: Some(23..=23), ..FilterRule::default() };
    net.at(router, |host, _| host.set_filter(Some(filter(Action::Deny, vec![no_telnet, from_inside, ssh]))));
    let (inner, outer) = (address("192.168.1.2"), address("203.0.113.9"));
    let check = |net: &mut Net, node, to, port| {
        let app = net.at(node, |host, context| host.connect(context, ConnectSpec::new(to, port)));
        net.run(15);
        net.outcome(node, app).end
    };
    assert_eq!(check(&mut net, a, outer, 80), End::Answered);
    assert_eq!(check(&mut net, c, inner, 22), End::Answered);
    assert_eq!(check(&mut net, c, inner, 80), End::Nothing);
    let End::Unreachable(error) = check(&mut net, a, outer, 23) else { panic!("rejected") };
    assert_eq!((error.kind, error.code, error.from), (3, 13, address("192.168.1.1")));
    for (node, to, end) in [(a, outer, End::Answered), (c, inner, End::Nothing)] {
        let app = net.at(node, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(to) }));
        net.run(10);
        assert_eq!(net.outcome(node, app).end, end);
    }
    assert!(net.count(router, Verb::Drop, Reason::FilterRule) >= 3);
    assert!(net.count(router, Verb::Pass, Reason::FilterState) > 0);
    let details: Vec<_> = net.events().iter().filter(|event| event.reason == Reason::FilterRule).collect();
    let text = |event: &sim::TraceEvent| match net.sim.trace().detail(event) {
        Some(sim::Detail::Text(text)) => text.to_string(),
        _ => String::new(),
    };
    assert!(
        details.iter().any(|event| text(event) == "rule 2") && details.iter().any(|event| text(event).contains("default"))
    );
}

#[test]
fn a_filtered_host_still_gets_answers_to_what_it_asks_itself() {
    let (mut net, [a, ..]) = inside_and_outside(true);
    net.at(a, |host, _| host.set_filter(Some(filter(Action::Deny, Vec::new()))));
    let app = net.at(a, |host, context| host.connect(context, ConnectSpec::new(address("203.0.113.9"), 80)));
    net.run(15);
    assert_eq!(net.outcome(a, app).end, End::Answered);
}
