//! How fast hosts and routers are: UDP through ten routed subnets, and bulk TCP through a router.

use sim::app::SourceSpec;
use sim::app::bulk::{Receiver, Sender};
use sim::app::flow::{Sink, Source};
use sim::host::{Host, HostSpec, InterfaceSpec, RouteSpec};
use sim::{Bounds, LinkSpec, NodeId, Simulator, Span, Time};
use wire::Mac;

fn interface(node: u32, number: u8, address: &str) -> InterfaceSpec {
    let [.., c, d] = node.to_be_bytes();
    InterfaceSpec {
        name: format!("eth{number}"),
        mac: Mac([2, 0, 0, c, d, number]),
        addresses: vec![address.parse().expect("an address")],
        mtu: 0,
    }
}

fn default_route(via: &str, interface: u16) -> RouteSpec {
    RouteSpec { destination: "0.0.0.0/0".parse().expect("a net"), via: Some(via.parse().expect("an address")), interface, metric: 0 }
}

/// A router with ten subnets of ten hosts, each host on a link of its own (/30).
fn star(bounds: Bounds, packets: u64, size: u16) -> (Simulator, Vec<NodeId>) {
    let mut sim = Simulator::new(1, bounds);
    let mut router = HostSpec { forwarding: true, ..HostSpec::default() };
    for index in 0..100u32 {
        router.interfaces.push(interface(999, index as u8, &format!("10.{}.{}.1/24", index / 10, index % 10)));
    }
    let router = sim.add("router", Host::new(router));
    let mut hosts = Vec::new();
    for index in 0..100u32 {
        let (subnet, number) = (index / 10, index % 10);
        let mut host = Host::new(HostSpec {
            interfaces: vec![interface(index, 0, &format!("10.{subnet}.{number}.2/24"))],
            routes: vec![default_route(&format!("10.{subnet}.{number}.1"), 0)],
            ..HostSpec::default()
        });
        host.install(Sink::new(9));
        let to = (index + 37) % 100;
        let spec = SourceSpec {
            count: packets,
            interval: Span::microseconds(20),
            size,
            after: Span(u64::from(index) * 151),
            ..SourceSpec::new(format!("10.{}.{}.2", to / 10, to % 10).parse().expect("an address"), 9)
        };
        host.install(Source::new(spec));
        let node = sim.add(&format!("h{index}"), host);
        sim.join(router, node, LinkSpec::default());
        hosts.push(node);
    }
    (sim, hosts)
}

fn chain(bounds: Bounds, packets: u64, size: u16) -> (Simulator, NodeId) {
    let mut sim = Simulator::new(1, bounds);
    let mut a = Host::new(HostSpec {
        interfaces: vec![interface(0, 0, "10.0.0.1/24")],
        routes: vec![default_route("10.0.0.2", 0)],
        ..HostSpec::default()
    });
    let spec = SourceSpec { count: packets, interval: Span::microseconds(20), size, ..SourceSpec::new([10, 0, 10, 2].into(), 9) };
    a.install(Source::new(spec));
    let mut last = sim.add("a", a);
    for index in 0..10u32 {
        let routes = vec![default_route(&format!("10.0.{}.2", index + 1), 1)];
        let router = HostSpec {
            interfaces: vec![
                interface(index + 1, 0, &format!("10.0.{index}.2/24")),
                interface(index + 1, 1, &format!("10.0.{}.1/24", index + 1)),
            ],
            routes: if index == 9 { Vec::new() } else { routes },
            forwarding: true,
            ..HostSpec::default()
        };
        let router = sim.add(&format!("r{index}"), Host::new(router));
        sim.join(last, router, LinkSpec::default());
        last = router;
    }
    let mut b = Host::new(HostSpec { interfaces: vec![interface(99, 0, "10.0.10.2/24")], ..HostSpec::default() });
    b.install(Sink::new(9));
    let b = sim.add("b", b);
    sim.join(last, b, LinkSpec::default());
    (sim, b)
}

fn bulk(bounds: Bounds, bytes: u64) -> Simulator {
    let mut sim = Simulator::new(1, bounds);
    let host = |number: u32| {
        Host::new(HostSpec {
            interfaces: vec![interface(number, 0, &format!("10.0.{number}.2/24"))],
            routes: vec![default_route(&format!("10.0.{number}.1"), 0)],
            ..HostSpec::default()
        })
    };
    let (mut a, mut b) = (host(0), host(1));
    a.install(Sender::new([10, 0, 1, 2].into(), 5_001, bytes));
    b.install(Receiver::new(5_001));
    let router = HostSpec {
        interfaces: vec![interface(9, 0, "10.0.0.1/24"), interface(9, 1, "10.0.1.1/24")],
        forwarding: true,
        ..HostSpec::default()
    };
    let (a, router, b) = (sim.add("a", a), sim.add("r", Host::new(router)), sim.add("b", b));
    let spec = LinkSpec { delay: Span::microseconds(100), ..LinkSpec::default() };
    sim.join(a, router, spec);
    sim.join(router, b, spec);
    sim
}

/// Seconds that this thread was on a processor.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).expect("a number") / 1e9
}

fn received(sim: &Simulator, node: NodeId) -> u64 {
    sim.get::<Host>(node).map_or(0, |host| host.counters().delivered)
}

fn main() {
    let on = Bounds { events: 100_000_000, frame_bytes: 16 << 30 };
    let arguments: Vec<String> = std::env::args().collect();
    let scale: u64 = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    for (name, bounds) in [("on", on), ("off", Bounds::NONE)] {
        let wanted = |what: &str| arguments.get(2).is_none_or(|only| only == what);
        if wanted("star") {
        let (mut sim, hosts) = star(bounds, scale / 10, 100);
        let begin = cpu();
        sim.run_until(Time(u64::MAX - 1), u64::MAX);
        let elapsed = cpu() - begin;
        let count: u64 = hosts.iter().map(|node| received(&sim, *node)).sum();
        let (events, happened) = (sim.trace().events().len(), sim.happened());
        println!("star, trace {name}: {count} delivered, {:.2} M/s, {happened} events, {events} traced", count as f64 / elapsed / 1e6);

        }
        if wanted("chain") {
        let (mut sim, b) = chain(bounds, scale, 100);
        let begin = cpu();
        sim.run_until(Time(u64::MAX - 1), u64::MAX);
        let elapsed = cpu() - begin;
        let count = received(&sim, b);
        println!(
            "ten routers in a row, trace {name}: {count} delivered, {:.2} M/s, {:.2} M hops/s",
            count as f64 / elapsed / 1e6,
            count as f64 * 11.0 / elapsed / 1e6
        );

        }
        if wanted("bulk") {
        let mut sim = bulk(bounds, scale * 5_000);
        let begin = cpu();
        sim.run_until(Time(u64::MAX - 1), u64::MAX);
        let elapsed = cpu() - begin;
        let counters = |name: &str| sim.find(name).and_then(|node| sim.get::<Host>(node)).map_or(0, |host| host.counters().sent);
        let segments = counters("a") + counters("b");
        println!("bulk TCP through a router, trace {name}: {segments} segments, {:.2} M/s", segments as f64 / elapsed / 1e6);
        }
    }
}
