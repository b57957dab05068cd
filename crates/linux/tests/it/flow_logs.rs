//! What routers count for flow logs, on a real kernel: which interface sees which packets, and that none is counted twice or
//! never.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use fabric::Direction;
use fabric::engine::{Engine as _, GuestCommand, PacketProbe, Probe, Sender, Traffic};
use fabric::flow_log::{Harvest, Sighting};
use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogFormat, TrafficType};
use model::operation::{CreateFlowLog, create_flow_log};
use model::{Model, NetworkInterfaceId};
use sandbox::SocketSpec;

use crate::bench::{Bench, cloud, ip};

fn log(model: &mut Model, resource: FlowLogResource) {
    let request = CreateFlowLog {
        resource,
        traffic_type: TrafficType::All,
        interval: AggregationInterval::OneMinute,
        format: LogFormat::default(),
        destination: LogDestination::CloudWatchLogs { log_group: "flows".to_owned() },
        deliver_logs_permission_arn: None,
        tags: Default::default(),
        origin: Default::default(),
    };
    create_flow_log(model, request).unwrap();
}

fn log_vpc(model: &mut Model) {
    let vpc = model.vpcs.keys().next().unwrap().clone();
    log(model, FlowLogResource::Vpc(vpc));
}

/// Sightings as `INTERFACE in|out ACTION SOURCE > DESTINATION PROTOCOL`, once each; ports of TCP only where they were asked for.
fn seen(bench: &mut Bench, harvest: &Harvest) -> BTreeSet<String> {
    let fabric = bench.engine.lab().fabric().clone();
    let line = |sighting: &Sighting| {
        let interface = fabric.interface_by_id(&sighting.interface).unwrap();
        let flow = &sighting.flow;
        let way = if flow.direction == Direction::Ingress { "in" } else { "out" };
        let name = &fabric.interfaces[interface].name;
        format!("{name} {way} {} {} > {} {}", flow.action.as_str(), flow.source, flow.destination, flow.protocol)
    };
    harvest.sightings.iter().map(line).collect()
}

fn tcp_to(port: u16) -> Traffic {
    Traffic::Tcp { source_port: 40_000, destination_port: port }
}

#[test]
fn each_end_sees_what_groups_and_lists_made_of_a_packet_there() {
    let mut cloud = cloud();
    log_vpc(&mut cloud.model);
    let mut bench = Bench::up(&cloud.model);
    let web = || Sender::Interface(cloud.web.clone());
    let app = || Sender::Interface(cloud.app.clone());
    let host = |address: &str| Sender::Outside(IpAddr::V4(ip(address)));
    for (what, from, to, traffic, expected) in [
        (
            "allowed both ways",
            host("192.0.2.77"),
            "198.51.100.10",
            tcp_to(443),
            vec!["web1 in ACCEPT 192.0.2.77 > 10.0.0.10 6", "web1 out ACCEPT 10.0.0.10 > 192.0.2.77 6"],
        ),
        ("denied by the receiver's groups", host("192.0.2.77"), "198.51.100.10", tcp_to(22), vec!["web1 in REJECT 192.0.2.77 > 10.0.0.10 6"]),
        (
            "sent by one, denied at the other",
            web(),
            "10.0.10.10",
            tcp_to(22),
            vec!["app1 in REJECT 10.0.0.10 > 10.0.10.10 6", "web1 out ACCEPT 10.0.0.10 > 10.0.10.10 6"],
        ),
        ("to nobody (FL-13)", app(), "10.0.0.99", tcp_to(80), vec!["app1 out ACCEPT 10.0.10.10 > 10.0.0.99 6"]),
        (
            "through a NAT gateway (FL-7)",
            app(),
            "192.0.2.77",
            tcp_to(443),
            vec![
                "app1 in ACCEPT 192.0.2.77 > 10.0.10.10 6",
                "app1 out ACCEPT 10.0.10.10 > 192.0.2.77 6",
                "nat-a in ACCEPT 10.0.10.10 > 192.0.2.77 6",
                "nat-a in ACCEPT 192.0.2.77 > 10.0.0.200 6",
                "nat-a out ACCEPT 10.0.0.200 > 192.0.2.77 6",
                "nat-a out ACCEPT 192.0.2.77 > 10.0.10.10 6",
            ],
        ),
        ("dropped by the internet gateway (FL-13)", web(), "10.1.2.3", tcp_to(22), vec!["web1 out ACCEPT 10.0.0.10 > 10.1.2.3 6"]),
        ("to the router's own address (FL-9)", web(), "10.0.0.1", tcp_to(22), vec![]),
        (
            "another protocol, which comes back",
            web(),
            "192.0.2.77",
            Traffic::Other(47),
            vec!["web1 in ACCEPT 192.0.2.77 > 10.0.0.10 47", "web1 out ACCEPT 10.0.0.10 > 192.0.2.77 47"],
        ),
    ] {
        bench.engine.take_flows().unwrap();
        bench.probe(from, to, traffic);
        let harvest = bench.engine.take_flows().unwrap();
        let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
        let mut seen = seen(&mut bench, &harvest);
        // Who knows nothing of a protocol says so by ICMP; that is no part of the probe.
        seen.retain(|line| !line.ends_with(" 1"));
        assert_eq!(seen, expected, "{what}");
        assert_eq!(harvest.lost, BTreeSet::new(), "{what}");
    }
}

#[test]
fn packets_bytes_ports_and_flags_are_those_of_the_packets() {
    let mut cloud = cloud();
    log(&mut cloud.model, FlowLogResource::NetworkInterface(cloud.web.clone()));
    let mut bench = Bench::up(&cloud.model);
    let from = Sender::Outside(IpAddr::V4(ip("192.0.2.77")));
    let command = GuestCommand::Ping {
        to: IpAddr::V4(ip("198.51.100.10")),
        count: 4,
        ttl: None,
        size: Some(56),
        dont_fragment: false,
        broadcast: false,
    };
    bench.engine.probe(&Probe::Guest { from: from.clone(), command }.into()).unwrap();
    let harvest = bench.engine.take_flows().unwrap();
    let [echo] = &harvest.sightings[..] else { panic!("{harvest:?}") };
    assert_eq!((echo.packets, echo.bytes, echo.flow.source_port, echo.flow.destination_port), (4, 336, 0, 0));

    bench.probe(from, "198.51.100.10", tcp_to(443));
    let harvest = bench.engine.take_flows().unwrap();
    let flags = |direction: Direction| {
        let of = harvest.sightings.iter().filter(|s| s.flow.direction == direction);
        of.fold(0, |all, sighting| all | sighting.tcp_flags)
    };
    assert_eq!((flags(Direction::Ingress) & 0x12, flags(Direction::Egress) & 0x12), (2, 18), "SYN came in, SYN-ACK went out");
    let ports = harvest.sightings.iter().filter(|s| s.flow.direction == Direction::Ingress).map(|s| (s.flow.source_port, s.flow.destination_port));
    assert!(ports.clone().count() > 0 && ports.clone().all(|ports| ports == (40_000, 443)), "{harvest:?}");
}

#[test]
fn a_question_aside_is_counted_nowhere_whatever_becomes_of_it() {
    let mut cloud = cloud();
    log_vpc(&mut cloud.model);
    let mut bench = Bench::up(&cloud.model);
    let echo = Traffic::Icmp { icmp_type: 8, code: 0 };
    for (to, traffic) in [("198.51.100.10", echo), ("198.51.100.20", echo), ("198.51.100.10", tcp_to(22))] {
        let from = Sender::Outside(IpAddr::V4(ip("192.0.2.77")));
        let asked = PacketProbe { is_aside: true, ..PacketProbe::new(from, IpAddr::V4(ip(to)), traffic) };
        let alone = bench.engine.probe(&Probe::Packet(asked.clone()).into()).unwrap().outcome;
        let together = bench.engine.probe_all(&[Probe::Packet(asked.clone()).into(), Probe::Packet(asked.clone()).into()]);
        assert!(together.iter().all(|answer| answer.as_ref().unwrap().outcome == alone), "{alone:?} and {together:?}");
        let counted = bench.engine.take_flows().unwrap().sightings;
        assert!(counted.is_empty(), "{to} {traffic:?}: {counted:?}");
        // An ordinary one fares alike, and is counted.
        let plain = PacketProbe { is_aside: false, ..asked };
        assert_eq!(bench.engine.probe(&Probe::Packet(plain).into()).unwrap().outcome, alone);
        assert!(!bench.engine.take_flows().unwrap().sightings.is_empty(), "{to} {traffic:?}");
    }
}

/// Sends datagrams from web1 to a port at which nobody listens.
fn send(bench: &mut Bench, web: &NetworkInterfaceId, count: usize) {
    let fabric = bench.engine.lab().fabric().clone();
    let interface = fabric.interface_by_id(web).unwrap();
    let key = linux::naming::instance_namespace(&fabric.instances[fabric.interfaces[interface].instance().unwrap()].id);
    let socket = bench.engine.lab().client().open_socket(SocketSpec::udp(&key, SocketAddr::from(([0, 0, 0, 0], 5_000)))).unwrap();
    let to = SocketAddr::from((ip("192.0.2.77"), 5_000));
    for _ in 0..count {
        rustix::net::sendto(&socket, b"x", rustix::net::SendFlags::empty(), &to).unwrap();
    }
}

fn sent(harvest: &Harvest) -> u64 {
    harvest.sightings.iter().filter(|s| s.flow.direction == Direction::Egress && s.flow.destination_port == 5_000).map(|s| s.packets).sum()
}

#[test]
fn no_packet_is_counted_twice_or_never_however_often_one_reads() {
    let mut cloud = cloud();
    log_vpc(&mut cloud.model);
    let mut bench = Bench::up(&cloud.model);
    let (rounds, each) = (40, 250);
    let mut total = 0;
    for _ in 0..rounds {
        send(&mut bench, &cloud.web, each);
        total += sent(&bench.engine.take_flows().unwrap());
    }
    // A busy machine has some still under way.
    let deadline = Instant::now() + Duration::from_secs(10);
    while total < (rounds * each) as u64 && Instant::now() < deadline {
        total += sent(&bench.engine.take_flows().unwrap());
    }
    total += sent(&bench.engine.take_flows().unwrap());
    assert_eq!(total, (rounds * each) as u64);
}

#[test]
fn what_was_counted_outlives_a_change_of_the_lab_and_whoever_looked() {
    let mut cloud = cloud();
    log_vpc(&mut cloud.model);
    let mut bench = Bench::up(&cloud.model);
    send(&mut bench, &cloud.web, 7);
    // A change: the log goes, and with it all that counts.
    let with_log = cloud.model.clone();
    let id = cloud.model.flow_logs.keys().next().unwrap().clone();
    model::operation::delete_flow_log(&mut cloud.model, &id).unwrap();
    bench.apply(&cloud.model);
    send(&mut bench, &cloud.web, 100);
    assert_eq!(sent(&bench.engine.take_flows().unwrap()), 7);
    bench.apply(&with_log);
    send(&mut bench, &cloud.web, 5);
    // Somebody else reads on, who does not know which side is filled.
    let fabric = bench.engine.lab().fabric().clone();
    let client = sandbox::Client::connect(bench.engine.lab().client().socket()).unwrap();
    let lab = linux::Lab::attach(client, linux::Options::default(), fabric, &Default::default()).unwrap();
    let mut other = linux::Engine::new(lab);
    send(&mut bench, &cloud.web, 3);
    assert_eq!(sent(&other.take_flows().unwrap()), 8);
    send(&mut bench, &cloud.web, 2);
    assert_eq!(sent(&other.take_flows().unwrap()), 2);
}

#[test]
fn a_lab_without_flow_logs_counts_nothing() {
    let cloud = cloud();
    let fabric = fabric::Fabric::compile(&cloud.model);
    let plan = linux::Plan::new(&fabric, linux::Options::default()).unwrap();
    let tables = plan.namespaces.values().flat_map(|namespace| namespace.tables.values());
    assert!(!tables.flat_map(|table| table.chains.keys()).any(|chain| chain.starts_with("flow_")));
}
