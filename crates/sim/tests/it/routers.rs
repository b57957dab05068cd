//! What routers do: longest prefix, TTL, errors, pieces, links without Ethernet.

use sim::app::{ConnectSpec, DatagramSpec, End, PingSpec, RawSpec};
use sim::host::Services;
use sim::{Framing, LinkSpec, NodeId, Reason, Verb};

use crate::hosts_net::{Net, address, route};

/// a - r1 - r2 - b, with IPv4 and IPv6; the middle link as said.
fn chain(middle: LinkSpec) -> (Net, [NodeId; 4]) {
    let mut net = Net::new();
    let default = |via4, via6| vec![route("0.0.0.0/0", via4, 0), route("::/0", via6, 0)];
    let spec = |routes, forwarding| sim::host::HostSpec { routes, forwarding, ..Default::default() };
    let a = net.with_spec("a", &[&["10.0.1.2/24", "2001:db8:1::2/64"]], spec(default("10.0.1.1", "2001:db8:1::1"), false));
    let there = vec![route("10.0.2.0/24", "10.9.0.2", 1), route("2001:db8:2::/64", "2001:db8:9::2", 1)];
    let r1 = net.with_spec(
        "r1",
        &[&["10.0.1.1/24", "2001:db8:1::1/64"], &["10.9.0.1/30", "2001:db8:9::1/64"]],
        spec(there, true),
    );
    let back = vec![route("10.0.1.0/24", "10.9.0.1", 0), route("2001:db8:1::/64", "2001:db8:9::1", 0)];
    let r2 =
        net.with_spec("r2", &[&["10.9.0.2/30", "2001:db8:9::2/64"], &["10.0.2.1/24", "2001:db8:2::1/64"]], spec(back, true));
    let b = net.with_spec("b", &[&["10.0.2.2/24", "2001:db8:2::2/64"]], spec(default("10.0.2.1", "2001:db8:2::1"), false));
    net.connect((a, 0), (r1, 0));
    net.connect_as((r1, 1), (r2, 0), middle);
    net.connect((r2, 1), (b, 0));
    net.at(b, |host, _| host.set_services(Services { default_open: true, ..Services::default() }));
    (net, [a, r1, r2, b])
}

const ENDS: [&str; 2] = ["10.0.2.2", "2001:db8:2::2"];

#[test]
fn a_packet_loses_a_hop_at_each_router_and_its_parents_lead_back_to_the_first() {
    for framing in [Framing::Ethernet, Framing::Ppp, Framing::Hdlc] {
        let (mut net, [a, r1, r2, b]) = chain(LinkSpec { framing, ..LinkSpec::default() });
        for to in ENDS {
            let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 2, ..PingSpec::new(address(to)) }));
            net.run(10);
            let outcome = net.outcome(a, app);
            assert_eq!(outcome.replies.iter().map(|reply| reply.ttl).collect::<Vec<_>>(), [62, 62], "{framing:?} {to}");
        }
        assert_eq!([r1, r2].map(|router| net.count(router, Verb::Forward, Reason::Route)), [8, 8]);
        let came = net.events().iter().find(|event| event.node == b && event.reason == Reason::EchoRequest).expect("came");
        let frames = net.sim.frames();
        let first = frames.parent(frames.parent(came.frame));
        assert_eq!(frames.bytes(first)[22], 64, "the sender's own frame");
        assert_eq!(net.drops(), [], "{framing:?}");
    }
}

#[test]
fn hops_that_run_out_are_told_by_the_router_where_it_happens() {
    let (mut net, [a, ..]) = chain(LinkSpec::default());
    for (ttl, from) in [(1, "10.0.1.1"), (2, "10.9.0.2")] {
        let spec = PingSpec { count: 1, ttl: Some(ttl), ..PingSpec::new(address(ENDS[0])) };
        let app = net.at(a, |host, context| host.ping(context, spec));
        net.run(5);
        let End::Unreachable(error) = net.outcome(a, app).end else { panic!("{ttl}") };
        assert!(error.is_time_exceeded() && error.code == 0);
        assert_eq!((error.from, error.about.destination), (address(from), address(ENDS[0])));
    }
    for (ttl, from) in [(1, "2001:db8:1::1"), (2, "2001:db8:9::2")] {
        let spec = PingSpec { count: 1, ttl: Some(ttl), ..PingSpec::new(address(ENDS[1])) };
        let app = net.at(a, |host, context| host.ping(context, spec));
        net.run(5);
        let End::Unreachable(error) = net.outcome(a, app).end else { panic!("{ttl}") };
        assert_eq!((error.is_time_exceeded(), error.from), (true, address(from)));
    }
}

#[test]
fn no_route_and_no_neighbour_are_told_by_the_router_that_knows() {
    let (mut net, [a, r1, r2, _]) = chain(LinkSpec::default());
    let table = [
        ("10.77.0.1", (3, 0), "10.0.1.1", r1, Reason::NoRoute),
        ("10.0.2.99", (3, 1), "10.9.0.2", r2, Reason::ArpTimeout),
        ("2001:db8:77::1", (1, 0), "2001:db8:1::1", r1, Reason::NoRoute),
        ("2001:db8:2::99", (1, 3), "2001:db8:9::2", r2, Reason::NeighborTimeout),
    ];
    for (to, kind, from, router, reason) in table {
        let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address(to)) }));
        net.run(10);
        let End::Unreachable(error) = net.outcome(a, app).end else { panic!("{to}") };
        assert_eq!(((error.kind, error.code), error.from), (kind, address(from)), "{to}");
        assert_eq!(net.drops().last(), Some(&(router, reason)), "{to}");
    }
}

#[test]
fn an_error_quotes_the_packet_that_it_is_about_up_to_its_own_limit() {
    let (mut net, [a, ..]) = chain(LinkSpec::default());
    for (to, size, length) in [("10.77.0.1", 1_000, 576), ("10.77.0.1", 10, 66), ("2001:db8:77::1", 1_400, 1_280)] {
        net.at(a, |host, context| host.ping(context, PingSpec { count: 1, size, ..PingSpec::new(address(to)) }));
        net.run(5);
        let errors = net.frames(a, Verb::Deliver, Reason::IcmpError);
        assert_eq!(errors.last().map(|frame| frame.len() - 14), Some(length), "{to} {size}");
    }
}

#[test]
fn long_packets_are_cut_and_put_together_again_both_by_hosts_and_by_routers() {
    let narrow = LinkSpec { mtu_bytes: 1_400, ..LinkSpec::default() };
    let (mut net, [a, r1, _, b]) = chain(narrow);
    let app =
        net.at(a, |host, context| host.ping(context, PingSpec { count: 1, size: 4_000, ..PingSpec::new(address(ENDS[0])) }));
    net.run(10);
    let outcome = net.outcome(a, app);
    assert_eq!((outcome.end, outcome.replies[0].bytes), (End::Answered, 4_000));
    assert_eq!(net.count(b, Verb::Fragment, Reason::Reassembled), 1);
    // Three pieces of 1,500: two of them are too long for the next link.
    assert_eq!(net.count(r1, Verb::Fragment, Reason::Fragmented), 2);
    assert_eq!(net.count(a, Verb::Fragment, Reason::Reassembled), 1);
    assert!(net.table(b, "fragments").is_empty());
}

#[test]
fn what_must_not_be_cut_is_refused_with_the_mtu_and_the_sender_remembers() {
    let narrow = LinkSpec { mtu_bytes: 1_400, ..LinkSpec::default() };
    let (mut net, [a, ..]) = chain(narrow);
    let spec = |to, dont_fragment| PingSpec { count: 1, size: 1_440, dont_fragment, ..PingSpec::new(address(to)) };
    for (to, kind) in [(ENDS[0], (3, 4)), (ENDS[1], (2, 0))] {
        let app = net.at(a, |host, context| host.ping(context, spec(to, true)));
        net.run(10);
        let End::Unreachable(error) = net.outcome(a, app).end else { panic!("{to}") };
        assert_eq!(((error.kind, error.code), error.mtu), (kind, Some(1_400)), "{to}");
        // Over IPv6, the first answer meets the same link, and the answering host learns.
        let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 2, ..spec(to, false) }));
        net.run(10);
        assert_eq!(net.outcome(a, app).end, End::Answered, "{to}: cut by the sender now");
        let app = net.at(a, |host, context| host.ping(context, spec(to, true)));
        net.run(10);
        assert_eq!(net.outcome(a, app).end, End::Failed(Reason::FragmentationNeeded), "{to}: the host knows");
    }
}

#[test]
fn pieces_that_do_not_all_come_are_given_up_after_thirty_seconds_and_told() {
    let (mut net, [a, _, _, b]) = chain(LinkSpec::default());
    let mut packet = wire::Ipv4::new([10, 0, 1, 2].into(), [10, 0, 2, 2].into(), 17);
    packet.more_fragments = true;
    // ARP first, so that the frame has where to go.
    net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address(ENDS[0])) }));
    net.run(5);
    net.sim.with(a, |_: &mut sim::host::Host, context| {
        let frame = context.make(sim::FrameId::NONE, |out| {
            out.extend_from_slice(&[2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 8, 0]);
            packet.emit(&[7; 64], out);
        });
        context.send(0, frame);
    });
    net.run(10);
    assert_eq!(net.table(b, "fragments").len(), 1);
    net.run(25);
    assert!(net.table(b, "fragments").is_empty());
    assert_eq!(net.count(b, Verb::Drop, Reason::ReassemblyTimeout), 1);
    let errors = net.frames(a, Verb::Deliver, Reason::IcmpError);
    assert_eq!(errors[0][34..36], [11, 1]);
}

#[test]
fn tcp_finds_the_path_mtu_and_connects_refuses_and_times_out() {
    let narrow = LinkSpec { mtu_bytes: 1_400, ..LinkSpec::default() };
    let (mut net, [a, _, _, b]) = chain(narrow);
    for to in ENDS {
        let spec = ConnectSpec { keep_open: true, ..ConnectSpec::new(address(to), 80) };
        let app = net.at(a, |host, context| host.connect(context, spec));
        net.run(2);
        assert_eq!((net.outcome(a, app).end, net.outcome(a, app).replies[0].ttl), (End::Answered, 62));
        assert!(net.at(a, |host, context| host.send_on(context, app, &[1; 20_000])));
        net.run(5);
        let row = net.table(a, "tcp").into_iter().next_back().expect("a connection");
        let mss = if to == ENDS[0] { "1360" } else { "1340" };
        assert_eq!((&row[1][..], &row[7][..], &row[14][..]), ("ESTABLISHED", mss, "0"), "{to}: all is acknowledged");
    }
    let closed = [(sim::host::Protocol::TCP, 81)].into_iter().collect();
    net.at(b, |host, _| host.set_services(Services { default_open: true, closed, ..Services::default() }));
    let app = net.at(a, |host, context| host.connect(context, ConnectSpec::new(address(ENDS[0]), 81)));
    net.run(5);
    let End::Refused(sim::app::RefusedBy::Reset { from, ttl }) = net.outcome(a, app).end else { panic!("refused") };
    assert_eq!((from, ttl), (address(ENDS[0]), 62));
    let app = net.at(a, |host, context| host.connect(context, ConnectSpec::new(address("10.0.2.99"), 81)));
    net.run(20);
    assert!(matches!(net.outcome(a, app).end, End::Unreachable(error) if (error.kind, error.code) == (3, 1)));
}

#[test]
fn other_protocols_come_back_and_are_refused_by_protocol_where_nobody_speaks_them() {
    let (mut net, [a, _, _, b]) = chain(LinkSpec::default());
    for to in ENDS {
        let app = net.at(a, |host, context| host.raw(context, RawSpec::new(address(to), 47, b"tunnel")));
        net.run(5);
        let outcome = net.outcome(a, app);
        assert_eq!((outcome.end, &outcome.data[..], outcome.replies[0].ttl), (End::Answered, &b"tunnel"[..], 62));
    }
    let timestamp = [13, 0, 0, 0, 0, 7, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
    let app = net.at(a, |host, context| host.raw(context, RawSpec::new(address(ENDS[0]), 1, &timestamp)));
    net.run(5);
    assert_eq!(
        net.outcome(a, app).data[..12],
        [14, 0, net.outcome(a, app).data[2], net.outcome(a, app).data[3], 0, 7, 0, 1, 0, 0, 0, 5]
    );
    net.at(b, |host, _| host.set_services(Services::default()));
    for (to, kind) in [(ENDS[0], (3, 2)), (ENDS[1], (4, 1))] {
        let app = net.at(a, |host, context| host.raw(context, RawSpec::new(address(to), 47, b"tunnel")));
        net.run(5);
        let End::Unreachable(error) = net.outcome(a, app).end else { panic!("{to}") };
        assert_eq!((error.kind, error.code), kind);
    }
}

#[test]
fn errors_are_not_sent_about_errors_broadcasts_or_later_pieces_and_not_too_many() {
    let (mut net, [a, r1, ..]) = chain(LinkSpec::default());
    // About an error.
    let app = net.at(a, |host, context| host.raw(context, RawSpec::new(address("10.77.0.1"), 1, &[3, 3, 0, 0, 0, 0, 0, 0])));
    net.run(5);
    assert_eq!((net.outcome(a, app).end, net.count(r1, Verb::Note, Reason::IcmpBound)), (End::Nothing, 1));
    // About a broadcast to a closed port.
    let app = net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address("10.0.1.255"), 9, b"x")));
    net.run(5);
    assert_eq!((net.outcome(a, app).end, net.count(r1, Verb::Note, Reason::IcmpBound)), (End::Nothing, 2));
    // Sixty within a moment.
    for _ in 0..60 {
        net.at(a, |host, context| host.raw(context, RawSpec::new(address("10.77.0.1"), 47, b"x")));
    }
    net.run(5);
    assert!(net.count(r1, Verb::Note, Reason::IcmpRate) > 0);
}

#[test]
fn a_host_that_does_not_forward_drops_what_is_not_for_it() {
    let (mut net, [a, r1, ..]) = chain(LinkSpec::default());
    net.at(r1, |host, _| host.set_forwarding(false));
    let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address(ENDS[0])) }));
    net.run(10);
    assert_eq!((net.outcome(a, app).end, net.count(r1, Verb::Drop, Reason::NotForMe)), (End::Nothing, 1));
}

#[test]
fn a_router_says_of_a_group_that_it_is_not_a_member_and_not_that_it_does_not_forward() {
    let (mut net, [a, r1, ..]) = chain(LinkSpec::default());
    net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address("239.1.1.1"), 9, b"x")));
    net.run(10);
    assert_eq!((net.count(r1, Verb::Drop, Reason::NotMember), net.count(r1, Verb::Drop, Reason::NotForMe)), (1, 0));
}

#[test]
fn rfc_4291_2_8_a_router_is_in_the_groups_of_all_routers_and_a_host_is_not() {
    let mut net = Net::new();
    let a = net.host("a", &[&["10.0.0.1/24", "fe80::1/64"]], "");
    let r = net.router("r", &["10.0.0.254/24", "10.0.1.254/24"], vec![]);
    net.connect((a, 0), (r, 0));
    net.at(r, |host, _| host.add_address(0, "fe80::ff/64".parse().expect("a net")));
    let ping = |net: &mut Net, to: &str| {
        let spec = PingSpec { count: 1, interface: Some(0), ..PingSpec::new(address(to)) };
        let app = net.at(a, |host, context| host.ping(context, spec));
        net.run(10);
        net.outcome(a, app).end
    };
    assert_eq!(ping(&mut net, "ff02::2"), End::Answered);
    assert_eq!(ping(&mut net, "224.0.0.2"), End::Nothing);
    assert_eq!((net.count(r, Verb::Drop, Reason::EchoToMany), net.count(r, Verb::Drop, Reason::NotMember)), (1, 0));
    net.at(r, |host, _| host.set_forwarding(false));
    assert_eq!((ping(&mut net, "ff02::2"), ping(&mut net, "224.0.0.2")), (End::Nothing, End::Nothing));
    assert_eq!(net.count(r, Verb::Drop, Reason::NotMember), 2);
}

#[test]
fn routes_and_addresses_change_while_it_runs() {
    let (mut net, [a, r1, r2, _]) = chain(LinkSpec::default());
    let ping = |net: &mut Net, to: &str| {
        let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address(to)) }));
        net.run(10);
        net.outcome(a, app).end
    };
    net.at(r2, |host, _| host.add_address(1, "10.3.0.1/24".parse().expect("a net")));
    assert!(matches!(ping(&mut net, "10.3.0.1"), End::Unreachable(error) if error.code == 0));
    net.at(r1, |host, _| host.set_route(route("10.3.0.0/24", "10.9.0.2", 1)));
    assert_eq!(ping(&mut net, "10.3.0.1"), End::Answered);
    net.at(r2, |host, _| assert!(host.remove_address(1, address("10.3.0.1"))));
    assert!(matches!(ping(&mut net, "10.3.0.1"), End::Unreachable(_)));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = || {
        let (mut net, [a, ..]) = chain(LinkSpec { loss_per_million: 100_000, ..LinkSpec::default() });
        let spec = ConnectSpec { keep_open: true, ..ConnectSpec::new(address(ENDS[0]), 80) };
        let app = net.at(a, |host, context| host.connect(context, spec));
        net.run(10);
        net.at(a, |host, context| host.send_on(context, app, &[1; 50_000]));
        net.run(100);
        net.sim.trace_hash()
    };
    assert_eq!(run(), run());
}
