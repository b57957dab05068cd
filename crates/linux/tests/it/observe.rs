//! What is seen of a running lab: packets at every hop, open sockets, the way of a packet.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use fabric::engine::{Sender, Traffic};
use linux::runtime::capture::{Capture, Captured, Direction, Hop};
use linux::runtime::open_sockets::open_sockets;
use linux::runtime::place::Place;
use linux::runtime::trace::{Request, Trace, trace};
use netlink::sock_diag::State;
use sandbox::SocketSpec;
use wire::{Filter, Packet};

use crate::bench::{Bench, cloud, ip};

const PATIENCE: Duration = Duration::from_secs(30);

/// Captured packets as `HOP in|out SOURCE > DESTINATION`.
fn lines(capture: &Capture, captured: &[Captured], filter: &str) -> Vec<String> {
    let filter = Filter::parse(&[filter], |_| None).unwrap();
    let line = |captured: &Captured| {
        let packet = Packet::from_frame(&captured.bytes);
        let ip = packet.ip().filter(|_| filter.matches(&packet))?;
        let way = if captured.direction == Direction::Inbound { "in" } else { "out" };
        let link = capture.hops()[captured.hop].link(captured.device).unwrap_or("?");
        Some(format!("{} {way} {link}: {} > {}", capture.hops()[captured.hop].name, ip.source, ip.destination))
    };
    captured.iter().filter_map(line).collect()
}

#[test]
fn every_hop_sees_a_packet_with_the_addresses_that_it_has_there() {
    let cloud = cloud();
    let mut bench = Bench::up(&cloud.model);
    let fabric = bench.engine.lab().fabric().clone();
    let hops = Hop::all(&fabric);
    let names: Vec<&str> = hops.iter().map(|hop| hop.name.as_str()).collect();
    assert_eq!(names, ["app1", "web1", "vpc-a router", "nat-a", "igw", "internet"]);
    let mut capture = Capture::open(bench.engine.lab().client(), hops).unwrap();
    let to = Traffic::Tcp { source_port: 40_000, destination_port: 443 };
    assert_eq!(bench.probe(Sender::Interface(cloud.app.clone()), "192.0.2.77", to), "198.51.100.20 > 192.0.2.77");
    let mut captured = capture.next(&[], PATIENCE).unwrap();
    captured.extend(capture.rest().unwrap());
    assert!(captured.is_sorted_by_key(|captured| captured.time), "in the order of the kernel's time");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(captured.iter().all(|c| c.time < now && now - c.time < Duration::from_secs(60)));
    assert_eq!(captured.iter().find(|c| c.bytes.len() != c.original_length), None);
    let there = lines(&capture, &captured, "tcp dst port 443");
    let way = [
        "app1 out vpc-a router: 10.0.10.10 > 192.0.2.77",
        "vpc-a router in app1: 10.0.10.10 > 192.0.2.77",
        "vpc-a router out nat-a: 10.0.10.10 > 192.0.2.77",
        "nat-a in vpc-a router: 10.0.10.10 > 192.0.2.77",
        "nat-a out vpc-a router: 10.0.0.200 > 192.0.2.77",
        "vpc-a router in nat-a: 10.0.0.200 > 192.0.2.77",
        "vpc-a router out igw: 10.0.0.200 > 192.0.2.77",
        "igw in vpc-a router: 10.0.0.200 > 192.0.2.77",
        "igw out internet: 198.51.100.20 > 192.0.2.77",
        "internet in igw: 198.51.100.20 > 192.0.2.77",
    ];
    assert_eq!(there[..way.len()], way);
    let back = lines(&capture, &captured, "tcp src port 443");
    let translated = ["nat-a in vpc-a router: 192.0.2.77 > 10.0.0.200", "nat-a out vpc-a router: 192.0.2.77 > 10.0.10.10"];
    let at_nat: Vec<&String> = back.iter().filter(|line| line.starts_with("nat-a")).take(2).collect();
    assert_eq!(at_nat, translated);
    let counts = capture.counts().unwrap();
    assert!(counts.iter().zip(capture.hops()).all(|(c, hop)| c.dropped == 0 && (c.received > 0) == (hop.name != "web1")), "{counts:?}");
}

#[test]
fn a_packet_that_a_group_denies_is_last_seen_at_the_router() {
    let cloud = cloud();
    let mut bench = Bench::up(&cloud.model);
    let fabric = bench.engine.lab().fabric().clone();
    let mut capture = Capture::open(bench.engine.lab().client(), Hop::all(&fabric)).unwrap();
    let to = Traffic::Tcp { source_port: 40_000, destination_port: 22 };
    bench.probe(Sender::Interface(cloud.web.clone()), "10.0.10.10", to);
    let mut captured = capture.next(&[], PATIENCE).unwrap();
    captured.extend(capture.rest().unwrap());
    let seen = lines(&capture, &captured, "tcp");
    assert_eq!(seen[..2], ["web1 out vpc-a router: 10.0.0.10 > 10.0.10.10", "vpc-a router in web1: 10.0.0.10 > 10.0.10.10"]);
    assert_eq!(seen.iter().find(|line| line.starts_with("app1") || line.starts_with("vpc-a router out")), None);
}

#[test]
fn hops_have_many_names() {
    let cloud = cloud();
    let fabric = fabric::Fabric::compile(&cloud.model);
    let named = |word: &str| Hop::named(&fabric, word).into_iter().map(|hop| hop.name).collect::<Vec<_>>().join(" + ");
    for (word, expected) in [
        ("web1", "web1"),
        ("10.0.0.10", "web1"),
        ("198.51.100.10", "web1"),
        (cloud.web.as_str(), "web1"),
        ("app-a", "app1"),
        ("vpc-a", "vpc-a router"),
        ("vpc-a router", "vpc-a router"),
        ("router", "vpc-a router"),
        ("igw-a", "igw"),
        ("igw", "igw"),
        ("nat-a", "nat-a"),
        ("nat", "nat-a"),
        ("internet", "internet"),
        ("inet1", "internet"),
        ("192.0.2.77", "internet"),
        ("web2", ""),
        ("192.0.2.1", ""),
    ] {
        assert_eq!(named(word), expected, "{word}");
    }
}

#[test]
fn a_listener_and_its_three_clients_are_told_apart() {
    let cloud = cloud();
    let mut bench = Bench::up(&cloud.model);
    let fabric = bench.engine.lab().fabric().clone();
    let client = bench.engine.lab().client();
    let namespace = |name: &str| Hop::named(&fabric, name).remove(0).namespace;
    let address: SocketAddr = "10.0.10.10:8080".parse().unwrap();
    let spec = SocketSpec::tcp_listener(namespace("app1"), address);
    let listener = TcpListener::from(client.open_socket(spec).unwrap());
    let connect = |port: u16| -> (TcpStream, TcpStream) {
        let from: SocketAddr = (ip("10.0.0.10"), port).into();
        let bind = Some(sandbox::spec::SocketAddress::Inet(from));
        let socket: OwnedFd = client.open_socket(SocketSpec { bind, ..SocketSpec::tcp(namespace("web1"), false) }).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        (TcpStream::from(socket), listener.accept().unwrap().0)
    };
    let pairs = [50_001, 50_002, 50_003].map(connect);
    (&pairs[1].0).write_all(b"12345").unwrap();

    let shown = |name: &str| -> Vec<String> {
        let found = open_sockets(client, &namespace(name)).unwrap();
        let me = std::process::id().cast_signed();
        assert!(found.iter().all(|(_, holders)| holders.iter().any(|holder| holder.pid == me)), "{found:?}");
        found.iter().map(|(open, _)| format!("{:?} {} {} {}", open.state, open.local, open.remote, open.receive_queue)).collect()
    };
    let expected = [
        "Listen 10.0.10.10:8080 0.0.0.0:0 0",
        "Established 10.0.10.10:8080 10.0.0.10:50001 0",
        "Established 10.0.10.10:8080 10.0.0.10:50002 5",
        "Established 10.0.10.10:8080 10.0.0.10:50003 0",
    ];
    let deadline = Instant::now() + PATIENCE;
    while shown("app1") != expected && Instant::now() < deadline {}
    assert_eq!(shown("app1"), expected);
    assert_eq!(shown("web1").len(), 3, "the clients' side");

    let [(first, accepted), ..] = pairs;
    drop(first);
    let is_closing = || open_sockets(client, &namespace("app1")).unwrap().iter().any(|(open, _)| open.state == State::CloseWait);
    while !is_closing() && Instant::now() < deadline {}
    assert!(is_closing(), "its client has closed, it has not");
    drop(accepted);
}

fn traced(bench: &mut Bench, from: &Sender, to: &str, traffic: Traffic) -> Trace {
    let fabric = bench.engine.lab().fabric().clone();
    let wait = Duration::from_millis(if to == "10.0.10.10" { 500 } else { 5_000 });
    let from = Place::of_sender(&fabric, from).unwrap();
    let request = Request { from, to: IpAddr::V4(ip(to)), traffic, most: 8, queries: 2, wait };
    trace(bench.engine.lab().client(), &fabric, &request).unwrap()
}

fn told(trace: &Trace) -> (String, String) {
    let step = |step: &Vec<linux::runtime::trace::Step>| {
        let mut from: Vec<String> = step.iter().map(|s| s.from.map_or("*".to_owned(), |from| from.to_string())).collect();
        assert!(step.iter().all(|s| s.from.is_none() || s.time.is_some_and(|time| time < PATIENCE)));
        from.dedup();
        from.join("/")
    };
    let steps: Vec<String> = trace.steps.iter().map(step).collect();
    let passed: Vec<String> = trace.passed.iter().map(|hop| hop.name.clone()).collect();
    (steps.join(", "), passed.join(", "))
}

#[test]
fn a_trace_shows_who_answers_and_who_is_passed_in_silence() {
    let cloud = cloud();
    let mut bench = Bench::up(&cloud.model);
    let (web, app) = (Sender::Interface(cloud.web.clone()), Sender::Interface(cloud.app.clone()));
    let tcp = |destination_port| Traffic::Tcp { source_port: 0, destination_port };
    let echo = Traffic::Icmp { icmp_type: 8, code: 0 };
    let way_out = "vpc-a router, nat-a, vpc-a router, igw, internet";
    for (from, to, traffic, steps, passed) in [
        (&app, "192.0.2.77", echo, "10.0.0.200, 192.0.2.77", way_out),
        // Nobody listens there: the host's reset is an answer, and the way the same.
        (&app, "192.0.2.77", tcp(443), "10.0.0.200, 192.0.2.77", way_out),
        (&app, "192.0.2.77", Traffic::Udp { source_port: 0, destination_port: 9 }, "10.0.0.200, 192.0.2.77", way_out),
        (&web, "192.0.2.77", echo, "192.0.2.77", "vpc-a router, igw, internet"),
        (&Sender::Outside(IpAddr::V4(ip("192.0.2.77"))), "198.51.100.10", tcp(443), "198.51.100.10", "igw, vpc-a router, web1"),
    ] {
        let trace = traced(&mut bench, from, to, traffic);
        assert_eq!(told(&trace), (steps.to_owned(), passed.to_owned()), "{from:?} {to} {traffic:?}");
        assert!(trace.reached && trace.arrived, "{trace:?}");
        assert_eq!(trace.refused, traffic != echo);
    }
    let denied = traced(&mut bench, &web, "10.0.10.10", tcp(22));
    assert_eq!(told(&denied), (String::new(), "vpc-a router".to_owned()));
    assert!(!denied.reached && !denied.arrived);
}
