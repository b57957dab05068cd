//! What a host does on its own link: ARP, echoes, UDP, errors.

use sim::app::{ConnectSpec, DatagramSpec, End, PingSpec, RefusedBy};
use sim::host::{HostSpec, Protocol, Services, WAITING};
use sim::{NodeId, Reason, Verb};
use wire::{Arp, Ethernet};

use crate::hosts_net::{Net, address};

fn pair() -> (Net, NodeId, NodeId) {
    let mut net = Net::new();
    let a = net.host("a", &[&["10.0.0.1/24", "2001:db8::1/64"]], "");
    let b = net.host("b", &[&["10.0.0.2/24", "2001:db8::2/64"]], "");
    net.connect((a, 0), (b, 0));
    (net, a, b)
}

#[test]
fn a_ping_asks_for_the_mac_address_once_and_each_echo_comes_back() {
    let (mut net, a, b) = pair();
    let app = net.at(a, |host, context| host.ping(context, PingSpec::new(address("10.0.0.2"))));
    net.run(10);
    let outcome = net.outcome(a, app);
    assert_eq!((outcome.end, outcome.sent, outcome.replies.len()), (End::Answered, 4, 4));
    assert!(
        outcome.replies.iter().all(|reply| reply.ttl == 64 && reply.bytes == 56 && reply.from.ip() == address("10.0.0.2"))
    );
    assert!(outcome.replies[0].rtt > outcome.replies[1].rtt, "the first one waits for ARP");
    assert_eq!(net.count(b, Verb::Answer, Reason::ArpRequest), 1);
    assert_eq!(net.count(b, Verb::Deliver, Reason::EchoRequest), 4);
    assert_eq!(net.count(a, Verb::Deliver, Reason::EchoReply), 4);
    assert_eq!(net.table(a, "arp")[0][..4], ["10.0.0.2", "02:00:00:00:01:00", "eth0", "reachable"].map(String::from));
    assert_eq!(net.drops(), []);
}

#[test]
fn ipv6_finds_its_neighbour_by_solicitation_and_pings() {
    let (mut net, a, b) = pair();
    let app = net.at(a, |host, context| host.ping(context, PingSpec::new(address("2001:db8::2"))));
    net.run(10);
    assert_eq!((net.outcome(a, app).end, net.outcome(a, app).replies.len()), (End::Answered, 4));
    assert_eq!(net.count(b, Verb::Answer, Reason::NeighborSolicitation), 1);
    assert_eq!(net.table(a, "neighbors")[0][..2], ["2001:db8::2", "02:00:00:00:01:00"].map(String::from));
}

#[test]
fn rfc_1122_what_is_for_the_loopback_stays_in_the_host_and_is_answered() {
    let (mut net, a, _) = pair();
    for to in ["127.0.0.1", "127.9.9.9", "::1"] {
        let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address(to)) }));
        net.run(10);
        let outcome = net.outcome(a, app);
        assert_eq!((outcome.end, outcome.replies[0].from.ip()), (End::Answered, address(to)));
        let connection = net.at(a, |host, context| host.connect(context, ConnectSpec::new(address(to), 9)));
        net.run(10);
        assert!(matches!(net.outcome(a, connection).end, End::Refused(_)), "{to}");
    }
    assert_eq!(net.frames(a, Verb::Send, Reason::Wire).len(), 0);
}

#[test]
fn rfc_6724_the_scope_of_the_destination_decides_from_where_and_not_that_of_the_router() {
    let mut net = Net::new();
    let own: &[&str] = &["10.0.0.1/24", "fd00:1::1/64", "2001:db8::1/64"];
    let a = net.host("a", &[own], "fe80::1");
    let r = net.with_spec("r", &[&["fe80::1/64"]], HostSpec { forwarding: true, ..HostSpec::default() });
    net.connect((a, 0), (r, 0));
    let link_local = net.host_ref(a).addresses(0).into_iter().map(|own| own.addr());
    let link_local = link_local.filter(|own| own.to_string().starts_with("fe80:")).collect::<Vec<_>>();
    let [link_local] = link_local[..] else { panic!("{link_local:?}") };
    for (to, from) in [
        ("2001:db8:9::1", address("2001:db8::1")),
        ("fd00:9::1", address("fd00:1::1")),
        ("fe80::1", link_local),
        ("ff02::5", link_local),
        ("2001:db8::1", address("2001:db8::1")),
    ] {
        assert_eq!(net.host_ref(a).source_for(address(to)), Some(from), "{to}");
    }
    // Nothing but the address of the link is better than nothing.
    let b = net.host("b", &[&["fe80::2/64"]], "fe80::1");
    assert_eq!(net.host_ref(b).source_for(address("2001:db8:9::1")), Some(address("fe80::2")));
}

#[test]
fn a_neighbour_that_is_not_there_is_asked_for_three_times_and_then_unreachable() {
    let (mut net, a, _) = pair();
    for (missing, (kind, code)) in [("10.0.0.9", (3, 1)), ("2001:db8::9", (1, 3))] {
        let spec = PingSpec { count: 1, ..PingSpec::new(address(missing)) };
        let before = net.seconds();
        let app = net.at(a, |host, context| host.ping(context, spec));
        net.run(10);
        let End::Unreachable(error) = net.outcome(a, app).end else { panic!("{missing}: {:?}", net.outcome(a, app)) };
        assert_eq!((error.kind, error.code, error.at.seconds() - before), (kind, code, 3), "{missing}");
    }
    let requests = net.frames(a, Verb::Send, Reason::Wire);
    let asks = requests.iter().filter(|frame| frame[12..14] == [8, 6]).count();
    assert_eq!(asks, 3);
    assert_eq!(net.drops().iter().filter(|(_, reason)| *reason == Reason::ArpTimeout).count(), 1);
    assert_eq!(net.drops().iter().filter(|(_, reason)| *reason == Reason::NeighborTimeout).count(), 1);
    assert!(net.table(a, "arp").is_empty());
}

#[test]
fn a_hundred_packets_wait_for_a_neighbour_and_the_oldest_gives_way() {
    let (mut net, a, b) = pair();
    let sent = u16::try_from(WAITING).unwrap() + 2;
    for port in 1..=sent {
        let spec = DatagramSpec { source_port: Some(5_000), ..DatagramSpec::new(address("10.0.0.2"), port, b"x") };
        net.at(a, |host, context| host.datagram(context, spec));
    }
    net.run(5);
    let came: Vec<u16> = net
        .frames(b, Verb::Drop, Reason::PortUnreachable)
        .iter()
        .map(|frame| u16::from_be_bytes([frame[36], frame[37]]))
        .collect();
    assert_eq!(came, (3..=sent).collect::<Vec<u16>>());
    assert_eq!(net.count(a, Verb::Drop, Reason::NeighborQueue), 2);
}

#[test]
fn udp_echoes_where_a_service_is_and_is_refused_by_icmp_where_none_is() {
    let (mut net, a, b) = pair();
    let open = [(Protocol::UDP, 7)].into_iter().collect();
    net.at(b, |host, _| host.set_services(Services { open, ..Services::default() }));
    for to in ["10.0.0.2", "2001:db8::2"] {
        let app = net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address(to), 7, b"hello")));
        net.run(5);
        let outcome = net.outcome(a, app);
        assert_eq!(
            (outcome.end, &outcome.data[..], outcome.replies[0].from.port()),
            (End::Answered, &b"hello"[..], 7),
            "{to}"
        );
        let app = net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address(to), 8, b"hello")));
        net.run(5);
        let End::Refused(RefusedBy::Icmp(error)) = net.outcome(a, app).end else { panic!("{to}") };
        assert_eq!((error.from, error.about.destination_port), (address(to), 8));
    }
}

#[test]
fn two_hosts_that_echo_everything_do_not_echo_each_other_for_ever() {
    let (mut net, a, b) = pair();
    let services = Services { default_open: true, ..Services::default() };
    net.at(a, |host, _| host.set_services(services.clone()));
    net.at(b, |host, _| host.set_services(services));
    let app = net.at(a, |host, context| {
        let app = host.datagram(context, DatagramSpec::new(address("10.0.0.2"), 9, b"x"));
        host.cancel(context, app);
        app
    });
    net.run(10);
    assert_eq!(net.outcome(a, app).end, End::Cancelled);
    assert_eq!(net.count(b, Verb::Deliver, Reason::Datagram), 1);
    assert_eq!(net.count(a, Verb::Drop, Reason::PortUnreachable), 1);
}

#[test]
fn a_forged_datagram_between_two_that_echo_everything_goes_round_only_so_often() {
    let (mut net, a, b) = pair();
    let services = Services { default_open: true, ..Services::default() };
    net.at(a, |host, _| host.set_services(services.clone()));
    net.at(b, |host, _| host.set_services(services));
    net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address("10.0.0.2")) }));
    net.run(1);
    let udp = wire::Udp { source_port: 7, destination_port: 7 }.datagram(address("10.0.0.1"), address("10.0.0.2"), b"x");
    for (number, payload) in [(17, &udp[..]), (47, b"x")] {
        let packet = wire::Ipv4::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), number).packet(payload);
        net.sim.with(a, |_: &mut sim::host::Host, context| {
            let frame = context.make(sim::FrameId::NONE, |out| {
                out.extend_from_slice(&[2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 8, 0]);
                out.extend_from_slice(&packet);
            });
            context.send(0, frame);
        });
    }
    assert_eq!(net.sim.run_until(sim::Time(100_000_000_000), 10_000), sim::Stop::Quiet);
    assert_eq!(net.count(b, Verb::Note, Reason::DuplicateSegment), 2);
}

#[test]
fn an_entry_grows_stale_is_used_and_asked_for_again_by_unicast() {
    let (mut net, a, b) = pair();
    let spec = PingSpec { count: 1, ..PingSpec::new(address("10.0.0.2")) };
    net.at(a, |host, context| host.ping(context, spec));
    net.run(31);
    assert_eq!(net.table(a, "arp")[0][3], "stale");
    net.at(a, |host, context| host.ping(context, spec));
    assert_eq!(net.table(a, "arp")[0][3], "delay");
    net.run(6);
    assert_eq!(net.table(a, "arp")[0][3], "reachable");
    let asked = net.frames(b, Verb::Answer, Reason::ArpRequest);
    assert_eq!(asked.iter().map(|frame| frame[0]).collect::<Vec<_>>(), [0xff, 0x02], "first to all, then to the one");
}

#[test]
fn two_hosts_with_one_address_notice_and_say_so() {
    let mut net = Net::new();
    let spec = || sim::host::HostSpec { announces: true, ..Default::default() };
    let a = net.with_spec("a", &[&["10.0.0.1/24"]], spec());
    let b = net.with_spec("b", &[&["10.0.0.1/24"]], spec());
    net.connect((a, 0), (b, 0));
    net.run(1);
    assert_eq!([net.count(a, Verb::Note, Reason::ArpConflict), net.count(b, Verb::Note, Reason::ArpConflict)], [1, 1]);
    assert_eq!(net.host_ref(a).counters().conflicts, 1);
    let frames = net.frames(a, Verb::Send, Reason::Wire);
    let arp = Arp::parse(&frames[0][Ethernet::LENGTH..]).expect("ARP");
    assert_eq!((arp.sender, arp.target), (arp.target, arp.sender));
}

#[test]
fn an_address_that_somebody_has_is_given_up_when_duplicates_are_detected() {
    let mut net = Net::new();
    let a = net.host("a", &[&["2001:db8::1/64"]], "");
    let spec = sim::host::HostSpec { detects_duplicates: true, ..Default::default() };
    let b = net.with_spec("b", &[&["2001:db8::1/64"]], spec);
    net.connect((a, 0), (b, 0));
    net.run(3);
    assert!(net.host_ref(a).is_own(address("2001:db8::1")));
    assert!(!net.host_ref(b).is_own(address("2001:db8::1")));
    assert!(net.host_ref(b).is_own(address("fe80::ff:fe00:100")), "the link-local one is nobody else's");
}

#[test]
fn a_wrong_checksum_is_dropped_with_its_layer_named() {
    let table = [(24, Reason::HeaderChecksum), (43, Reason::TransportChecksum)];
    for (byte, reason) in table {
        let (mut net, a, b) = pair();
        let app = net.at(a, |host, context| host.datagram(context, DatagramSpec::new(address("10.0.0.2"), 9, b"xyz")));
        net.run(4);
        assert!(matches!(net.outcome(a, app).end, End::Refused(_)));
        let sent = net.frames(a, Verb::Send, Reason::Wire);
        let mut frame = sent.into_iter().find(|frame| frame[12..14] == [8, 0]).expect("the datagram");
        frame[byte] ^= 0x40;
        net.sim.with(a, |_: &mut sim::host::Host, context| {
            let id = context.make(sim::FrameId::NONE, |out| out.extend_from_slice(&frame));
            context.send(0, id);
        });
        net.run(1);
        assert_eq!(net.drops().last(), Some(&(b, reason)));
    }
}

#[test]
fn a_host_pings_itself_without_the_wire() {
    let (mut net, a, _) = pair();
    let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 2, ..PingSpec::new(address("10.0.0.1")) }));
    net.run(5);
    assert_eq!((net.outcome(a, app).end, net.outcome(a, app).replies.len()), (End::Answered, 2));
    assert_eq!(net.count(a, Verb::Send, Reason::Wire), 0);
}

#[test]
fn links_that_fail_make_neighbours_forgotten() {
    let (mut net, a, b) = pair();
    net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address("10.0.0.2")) }));
    net.run(5);
    let link = net.sim.link_between(a, b).expect("a link");
    net.sim.set_link(link, false);
    assert!(net.table(a, "arp").is_empty());
}

#[test]
fn an_idle_host_takes_less_than_two_kilobytes() {
    assert!(size_of::<sim::host::Host>() < 1_200, "{}", size_of::<sim::host::Host>());
}

#[test]
fn rfc_1122_an_echo_request_to_everybody_is_not_answered_over_ipv4_and_is_over_ipv6() {
    for (to, answers) in [("10.0.0.255", 0), ("255.255.255.255", 0), ("224.0.0.1", 0), ("ff02::1", 1)] {
        let (mut net, a, b) = pair();
        let app = net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address(to)) }));
        net.run(10);
        assert_eq!(net.outcome(a, app).replies.len(), answers, "{to}");
        assert_eq!(net.count(b, Verb::Drop, Reason::EchoToMany), 1 - answers, "{to}");
    }
}
