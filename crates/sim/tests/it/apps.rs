//! Programs on hosts: how they end and what they see.

use sim::app::bulk::Receiver;
use sim::app::flow::{Echo, Sink};
use sim::app::traceroute::Method;
use sim::app::{ConnectSpec, DatagramSpec, End, GetSpec, RawSpec, SourceSpec, TracerouteSpec, http};
use sim::host::{Flow, Protocol, Services};
use sim::{LinkSpec, NodeId, Reason, Span, Verb};

use crate::hosts_net::{Net, address, route};

/// a - r1 - r2 - b.
fn chain() -> (Net, [NodeId; 4]) {
    let mut net = Net::new();
    let a = net.host("a", &[&["10.0.1.2/24"]], "10.0.1.1");
    let r1 = net.router("r1", &["10.0.1.1/24", "10.9.0.1/30"], vec![route("10.0.2.0/24", "10.9.0.2", 1)]);
    let r2 = net.router("r2", &["10.9.0.2/30", "10.0.2.1/24"], vec![route("10.0.1.0/24", "10.9.0.1", 0)]);
    let b = net.host("b", &[&["10.0.2.2/24"]], "10.0.2.1");
    net.connect((a, 0), (r1, 0));
    net.connect((r1, 1), (r2, 0));
    net.connect((r2, 1), (b, 0));
    (net, [a, r1, r2, b])
}

const B: &str = "10.0.2.2";

#[test]
fn a_traceroute_names_every_router_whatever_its_probes_are() {
    let (mut net, [a, _, _, b]) = chain();
    for (method, is_open) in [(Method::Icmp, false), (Method::Udp, false), (Method::Tcp(80), true), (Method::Tcp(80), false)]
    {
        net.at(b, |host, _| host.set_services(Services { default_open: is_open, ..Services::default() }));
        let spec = TracerouteSpec { method, ..TracerouteSpec::new(address(B)) };
        let app = net.at(a, |host, context| host.traceroute(context, spec));
        net.run(60);
        let outcome = net.outcome(a, app);
        let hops: Vec<_> = outcome.hops.iter().map(|hop| (hop.ttl, hop.answers[0].expect("an answer").0)).collect();
        assert_eq!(hops, [(1, address("10.0.1.1")), (2, address("10.9.0.2")), (3, address(B))], "{method:?} {is_open}");
        assert_eq!((outcome.end, outcome.sent), (End::Answered, 9));
        assert!(outcome.hops[2].is_destination && outcome.hops.iter().all(|hop| hop.answers.len() == 3));
    }
}

#[test]
fn a_traceroute_shows_silence_and_what_ends_it() {
    let (mut net, [a, r1, ..]) = chain();
    let spec = TracerouteSpec { last_ttl: 4, probes: 1, ..TracerouteSpec::new(address("10.0.2.99")) };
    let app = net.at(a, |host, context| host.traceroute(context, spec));
    net.run(60);
    let outcome = net.outcome(a, app);
    assert_eq!(outcome.hops[2].answers, [None], "the last router is still asking with ARP");
    assert_eq!(outcome.end, End::Nothing);
    net.at(r1, |host, _| host.remove_route("10.0.2.0/24".parse().expect("a net")));
    let app = net.at(a, |host, context| host.traceroute(context, TracerouteSpec::new(address(B))));
    net.run(60);
    assert!(matches!(net.outcome(a, app).end, End::Unreachable(error) if (error.kind, error.code) == (3, 0)));
}

#[test]
fn an_arping_counts_the_answers_of_one_neighbour() {
    let (mut net, [a, ..]) = chain();
    let app = net.at(a, |host, context| host.arping(context, 0, address("10.0.1.1"), 3));
    let nobody = net.at(a, |host, context| host.arping(context, 0, address("10.0.1.9"), 2));
    net.run(10);
    let outcome = net.outcome(a, app);
    assert_eq!((outcome.end, outcome.sent, outcome.replies.len()), (End::Answered, 3, 3));
    assert_eq!(outcome.replies[0].mac.map(|mac| mac.to_string()).as_deref(), Some("02:00:00:00:01:00"));
    assert_eq!((net.outcome(a, nobody).end, net.outcome(a, nobody).sent), (End::Nothing, 2));
}

#[test]
fn a_page_is_fetched_and_both_ends_close() {
    let (mut net, [a, _, _, b]) = chain();
    let body = vec![b'x'; 20_000];
    net.at(b, |host, context| host.run(context, http::Server::new(80, &body)));
    let app = net.at(a, |host, context| host.http_get(context, GetSpec::new(address(B), 80)));
    net.run(5);
    let outcome = net.outcome(a, app);
    let (code, start) = http::status(&outcome.data).expect("a status");
    assert_eq!((outcome.end, code, &outcome.data[start..]), (End::Answered, 200, &body[..]));
    net.run(130);
    assert!(net.table(a, "tcp").is_empty() && net.table(b, "tcp").is_empty(), "after TIME-WAIT nothing is left");
    let refused = net.at(a, |host, context| host.http_get(context, GetSpec::new(address(B), 81)));
    net.run(5);
    assert!(matches!(net.outcome(a, refused).end, End::Refused(_)));
}

#[test]
fn bulk_data_arrives_whole_over_a_link_that_loses() {
    let (mut net, [a, r1, r2, b]) = chain();
    let link = net.sim.link_between(r1, r2).expect("a link");
    let spec = LinkSpec { loss_per_million: 10_000, delay: Span::milliseconds(5), ..LinkSpec::default() };
    net.sim.set_spec(link, spec);
    let receiver = net.at(b, |host, context| host.run(context, Receiver::new(5_001)));
    let app = net.at(a, |host, context| host.send_bulk(context, address(B), 5_001, 3_000_000));
    net.run(120);
    assert_eq!((net.outcome(a, app).end, net.outcome(a, app).bytes_sent), (End::Answered, 3_000_000));
    let wrong = net.host_ref(b).app_ref::<Receiver>(receiver).expect("it runs").wrong;
    assert_eq!((net.host_ref(b).progress(receiver).bytes_received, wrong), (3_000_000, 0));
    assert!(net.count(a, Verb::Retransmit, Reason::RetransmissionTimeout) > 0);
    assert!(net.drops().iter().all(|(_, reason)| *reason == Reason::Lost));
}

#[test]
fn datagrams_at_a_rate_take_as_long_as_they_should() {
    let (mut net, [a, _, _, b]) = chain();
    let sink = net.at(b, |host, context| host.run(context, Sink::new(9_000)));
    let spec = SourceSpec { count: 500, interval: Span::milliseconds(2), ..SourceSpec::new(address(B), 9_000) };
    let app = net.at(a, |host, context| host.send_flow(context, spec));
    net.run(10);
    let outcome = net.outcome(a, app);
    assert_eq!((outcome.end, outcome.ended.map(|at| at.0)), (End::Done, Some(1_000_000_000)));
    let sink = net.host_ref(b).app_ref::<Sink>(sink).expect("it runs");
    assert_eq!((sink.received, sink.bytes, sink.reordered), (500, 50_000, 0));
}

#[test]
fn an_echo_server_echoes_both_datagrams_and_streams() {
    let (mut net, [a, _, _, b]) = chain();
    net.at(b, |host, context| host.run(context, Echo::new(7)));
    let udp = net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address(B), 7, b"over udp")));
    let tcp =
        net.at(a, |host, context| host.connect(context, ConnectSpec { keep_open: true, ..ConnectSpec::new(address(B), 7) }));
    net.run(5);
    net.at(a, |host, context| host.send_on(context, tcp, b"over tcp"));
    net.at(a, |host, context| host.send_on(context, udp, b" and more"));
    net.run(5);
    assert_eq!(net.host_ref(a).progress(udp).data, b"over udp and more");
    assert_eq!(net.host_ref(a).progress(tcp).data, b"over tcp");
}

#[test]
fn the_serving_end_of_an_exchange_can_speak_as_well() {
    let (mut net, [a, _, _, b]) = chain();
    net.at(b, |host, _| host.set_services(Services { default_open: true, ..Services::default() }));
    let tcp = net
        .at(a, |host, context| host.connect(context, ConnectSpec { keep_open: true, ..ConnectSpec::new(address(B), 80) }));
    let udp = net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address(B), 80, b"hello")));
    net.run(5);
    for (app, protocol) in [(tcp, Protocol::TCP), (udp, Protocol::UDP)] {
        let port = net.host_ref(a).progress(app).local.expect("a port").port();
        let flow = Flow { local: address(B), port: 80, remote: address("10.0.1.2"), remote_port: port };
        assert!(net.at(b, |host, context| host.answer_on(context, protocol, flow, b" from b")));
        net.run(1);
    }
    assert_eq!(net.host_ref(a).progress(tcp).data, b" from b");
    assert_eq!(net.host_ref(a).progress(udp).data, b"hello from b");
}

#[test]
fn what_is_cancelled_sends_nothing_more() {
    let (mut net, [a, _, _, b]) = chain();
    net.at(b, |host, _| host.set_services(Services { default_open: true, ..Services::default() }));
    let tcp = net
        .at(a, |host, context| host.connect(context, ConnectSpec { keep_open: true, ..ConnectSpec::new(address(B), 80) }));
    let raw = net.at(a, |host, context| host.raw(context, RawSpec::new(address("10.0.2.99"), 47, b"x")));
    net.run(1);
    net.sim.clear_trace();
    net.at(a, |host, context| host.cancel(context, tcp));
    net.at(a, |host, context| host.cancel(context, raw));
    net.run(20);
    assert_eq!(net.count(a, Verb::Send, Reason::Wire), 0);
    assert_eq!((net.outcome(a, tcp).end, net.outcome(a, raw).end), (End::Answered, End::Cancelled));
    assert!(net.table(a, "tcp").is_empty());
}

#[test]
fn a_filtered_port_is_told_apart_from_a_closed_one_by_its_silence() {
    let (mut net, [a, _, r2, _]) = chain();
    net.at(r2, |host, _| {
        host.set_filter(Some(sim::host::FilterSpec { default: sim::host::Action::Deny, ..Default::default() }))
    });
    let app = net.at(a, |host, context| host.connect(context, ConnectSpec::new(address(B), 80)));
    net.run(30);
    let outcome = net.outcome(a, app);
    assert_eq!((outcome.end, outcome.ended.map(|at| at.seconds())), (End::Nothing, Some(10)));
    assert_eq!(net.count(r2, Verb::Drop, Reason::FilterRule), 4, "at 0, 1, 3 and 7 seconds");
}

#[test]
fn many_clients_share_one_listening_port() {
    let (mut net, [a, _, _, b]) = chain();
    net.at(b, |host, _| host.set_services(Services { default_open: true, ..Services::default() }));
    let connect = |net: &mut Net| {
        net.at(a, |host, context| host.connect(context, ConnectSpec { keep_open: true, ..ConnectSpec::new(address(B), 80) }))
    };
    let apps: Vec<_> = (0..3).map(|_| connect(&mut net)).collect();
    net.run(3);
    assert!(apps.iter().all(|app| net.outcome(a, *app).end == End::Answered));
    let remotes: Vec<_> = net.table(b, "sockets").iter().map(|row| (row[1].clone(), row[2].clone())).collect();
    let row = |port: u16| ("10.0.2.2:80".to_string(), format!("10.0.1.2:{port}"));
    assert_eq!(remotes, [row(49_152), row(49_153), row(49_154)]);
}
