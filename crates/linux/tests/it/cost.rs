//! What a packet costs: CPU time of UDP round trips with one thread at both ends, against a bare veth. Run it by hand:
//! `cargo nextest run --release -p linux --test it --run-ignored all --no-capture cost::`.

use std::net::UdpSocket;

use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, LinkKind, LinkSpec, Target};
use netlink::{Batch, Protocol};
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::AsFd;

use crate::support::{Lab, Namespace, World, in_own_namespaces};

const ROUNDS: u32 = 20_000;

fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Nanoseconds of CPU a round trip of a known flow.
fn round_trip(client: &UdpSocket, server: &UdpSocket) -> f64 {
    let mut buffer = [0u8; 64];
    let mut rounds = |count: u32| {
        for _ in 0..count {
            client.send(&[1; 8]).expect("send");
            let (read, peer) = server.recv_from(&mut buffer).expect("request");
            server.send_to(&buffer[..read], peer).expect("answer");
            client.recv(&mut buffer).expect("answer");
        }
    };
    rounds(500);
    let start = cpu();
    rounds(ROUNDS);
    (cpu() - start) / f64::from(ROUNDS)
}

/// Nanoseconds of CPU for the first packet of a flow, one way.
fn new_flow(namespace: &Namespace, source: &str, server: &UdpSocket, target: &str) -> f64 {
    let mut buffer = [0u8; 64];
    let mut spent = 0.0;
    for port in 0..5_000u16 {
        let client = namespace.enter(|| UdpSocket::bind((source, 20_000 + port)).expect("bind"));
        client.connect((target, 9_000)).expect("connect");
        let start = cpu();
        client.send(&[1; 8]).expect("send");
        server.recv_from(&mut buffer).expect("request");
        spent += cpu() - start;
    }
    spent / 5_000.0
}

fn pair(client: &Namespace, from: &str, server: &Namespace, to: &str) -> (UdpSocket, UdpSocket) {
    let server = server.enter(|| UdpSocket::bind((to, 9_000)).expect("bind"));
    let client = client.enter(|| UdpSocket::bind((from, 0)).expect("bind"));
    client.connect((to, 9_000)).expect("connect");
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(std::time::Duration::from_secs(2))).expect("timeout");
    }
    (client, server)
}

#[test]
#[ignore = "a measurement, not a check"]
fn cost_of_a_packet() {
    in_own_namespaces("cost::cost_of_a_packet", || {
        let (a, b) = (Namespace::new(), Namespace::new());
        let mut batch = Batch::new();
        let far = LinkSpec { namespace: Some(b.as_fd()), index: Some(10), ..LinkSpec::named("v") };
        link::create(&mut batch, &LinkSpec { index: Some(10), ..LinkSpec::named("v") }, &LinkKind::Veth(far));
        a.socket(Protocol::Route).execute(&batch).expect("veth");
        for (namespace, address) in [(&a, "10.9.0.1/24"), (&b, "10.9.0.2/24")] {
            let mut batch = Batch::new();
            address::add(&mut batch, &Address::new(10, address.parse().expect("prefix")));
            link::set_up(&mut batch, Target::Index(10), true);
            namespace.socket(Protocol::Route).execute(&batch).expect("address");
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        let (client, server) = pair(&a, "10.9.0.1", &b, "10.9.0.2");
        println!("bare veth: round trip {:.0} ns", round_trip(&client, &server));
        drop((client, server));
        let server = b.enter(|| UdpSocket::bind(("10.9.0.2", 9_000)).expect("bind"));
        println!("bare veth: new flow {:.0} ns", new_flow(&a, "10.9.0.1", &server, "10.9.0.2"));

        let mut world = World::t3();
        world.allow_in("app", "udp 9000 sg-web");
        world.allow_in("web", "udp 9000 0.0.0.0/0");
        for rules in [0, 1_000] {
            for number in 0..rules {
                world.allow_in("app", &format!("udp {} 10.{}.0.0/16", 10_000 + number, number % 250 + 1));
            }
            let lab = Lab::of(&world);
            let (web, app) = (lab.namespace("web1"), lab.namespace("app1"));
            let (client, server) = pair(web, "10.0.0.10", app, "10.0.10.10");
            println!("{rules} more rules, tracked: round trip {:.0} ns", round_trip(&client, &server));
            println!("{rules} more rules, tracked: new flow {:.0} ns", new_flow(web, "10.0.0.10", &server, "10.0.10.10"));
            let (client, server) = pair(app, "10.0.10.10", web, "10.0.0.10");
            println!("{rules} more rules, untracked at one end: round trip {:.0} ns", round_trip(&client, &server));
        }
    });
}
