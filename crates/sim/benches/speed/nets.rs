//! The networks that are measured.

use sim::app::SourceSpec;
use sim::app::bulk::{Receiver, Sender};
use sim::app::flow::{Sink, Source};
use sim::device::{Switch, SwitchSettings};
use sim::host::{Host, HostSpec, InterfaceSpec, RouteSpec};
use sim::media::{Layout, Segment, SegmentSpec};
use sim::{Bounds, Context, FrameId, LinkSpec, MediumId, Node, NodeId, Simulator, Span, Table, Time};
use wire::Mac;

/// Bytes of payload of a datagram: frames of 142 bytes.
pub const PAYLOAD: u16 = 100;
/// Between two datagrams of one sender.
const INTERVAL: Span = Span::microseconds(20);
/// Switches of the chain.
pub const SWITCHES: u32 = 4;
/// Pairs of hosts, one at each end of the chain.
pub const PAIRS: u32 = 10;

fn interface(node: u32, number: u8, address: String) -> InterfaceSpec {
    let [_, b, c, d] = node.to_be_bytes();
    let address = address.parse().expect("an address");
    InterfaceSpec { name: format!("eth{number}"), mac: Mac([2, 0, b, c, d, number]), addresses: vec![address], mtu: 0 }
}

fn default_route(via: String) -> RouteSpec {
    let (destination, via) = ("0.0.0.0/0".parse().expect("a net"), via.parse().expect("an address"));
    RouteSpec { destination, via: Some(via), interface: 0, metric: 0 }
}

/// Datagrams to an address; `index` tells senders apart, so that they do not begin at one moment.
fn source(to: String, packets: u64, index: u32) -> Source {
    let (count, size, after) = (packets, PAYLOAD, Span(u64::from(index) * 151));
    let spec = SourceSpec::new(to.parse().expect("an address"), 9);
    Source::new(SourceSpec { count, interval: INTERVAL, size, after, ..spec })
}

/// Switches in a row, and pairs of hosts of which one is at the first switch and sends to the other one at the last.
pub fn chain(bounds: Bounds, packets: u64) -> Simulator {
    let mut sim = Simulator::new(1, bounds);
    let switch = |index| (format!("s{index}"), Switch::new(SwitchSettings::default()));
    let switches: Vec<NodeId> = (0..SWITCHES).map(switch).map(|(name, switch)| sim.add(&name, switch)).collect();
    for pair in switches.windows(2) {
        sim.join(pair[0], pair[1], LinkSpec::default());
    }
    for pair in 0..PAIRS {
        let host = |number: u32| {
            let interfaces = vec![interface(number, 0, format!("10.0.0.{number}/24"))];
            Host::new(HostSpec { interfaces, ..HostSpec::default() })
        };
        let (from, to) = (1 + 2 * pair, 2 + 2 * pair);
        let (mut a, mut b) = (host(from), host(to));
        a.install(source(format!("10.0.0.{to}"), packets, pair));
        b.install(Sink::new(9));
        let (a, b) = (sim.add(&format!("h{from}"), a), sim.add(&format!("h{to}"), b));
        sim.join(switches[0], a, LinkSpec::default());
        sim.join(switches[switches.len() - 1], b, LinkSpec::default());
    }
    sim
}

/// A router with ten subnets, each a switch with ten hosts; every host sends to one in another subnet.
pub fn subnets(bounds: Bounds, packets: u64) -> Simulator {
    let mut sim = Simulator::new(1, bounds);
    let interfaces = (0..10).map(|subnet| interface(1_000, subnet as u8, format!("10.0.{subnet}.1/24"))).collect();
    let router = sim.add("router", Host::new(HostSpec { interfaces, forwarding: true, ..HostSpec::default() }));
    let fast = LinkSpec { rate_bits_per_second: 10_000_000_000, ..LinkSpec::default() };
    for subnet in 0..10u32 {
        let switch = sim.add(&format!("s{subnet}"), Switch::new(SwitchSettings::default()));
        sim.join(router, switch, fast);
        for number in 0..10u32 {
            let index = subnet * 10 + number;
            let interfaces = vec![interface(index, 0, format!("10.0.{subnet}.{}/24", 10 + number))];
            let routes = vec![default_route(format!("10.0.{subnet}.1"))];
            let mut host = Host::new(HostSpec { interfaces, routes, ..HostSpec::default() });
            let to = (index + 37) % 100;
            host.install(source(format!("10.0.{}.{}", to / 10, 10 + to % 10), packets, index));
            host.install(Sink::new(9));
            let host = sim.add(&format!("h{index}"), host);
            sim.join(switch, host, LinkSpec::default());
        }
    }
    sim
}

/// One connection through a router that carries so many bytes.
pub fn bulk(bounds: Bounds, bytes: u64) -> Simulator {
    let mut sim = Simulator::new(1, bounds);
    let host = |number: u32| {
        Host::new(HostSpec {
            interfaces: vec![interface(number, 0, format!("10.0.{number}.2/24"))],
            routes: vec![default_route(format!("10.0.{number}.1"))],
            ..HostSpec::default()
        })
    };
    let (mut a, mut b) = (host(0), host(1));
    a.install(Sender::new([10, 0, 1, 2].into(), 5_001, bytes));
    b.install(Receiver::new(5_001));
    let interfaces = vec![interface(9, 0, "10.0.0.1/24".to_owned()), interface(9, 1, "10.0.1.1/24".to_owned())];
    let router = Host::new(HostSpec { interfaces, forwarding: true, ..HostSpec::default() });
    let (a, router, b) = (sim.add("a", a), sim.add("r", router), sim.add("b", b));
    let spec = LinkSpec { delay: Span::microseconds(100), ..LinkSpec::default() };
    sim.join(a, router, spec);
    sim.join(router, b, spec);
    sim
}

/// Packets that hosts delivered to their programs.
pub fn delivered(sim: &Simulator) -> u64 {
    hosts(sim).map(|host| host.counters().delivered).sum()
}

/// Packets that hosts sent: of [`bulk`], segments.
pub fn sent(sim: &Simulator) -> u64 {
    hosts(sim).map(|host| host.counters().sent).sum()
}

fn hosts(sim: &Simulator) -> impl Iterator<Item = &Host> {
    sim.nodes().filter_map(|node| sim.get::<Host>(node))
}

/// Hosts without a word to say, a switch for every thousand.
pub fn idle(count: u32) -> Simulator {
    let mut sim = Simulator::new(1, Bounds::NONE);
    let mut switch = NodeId(0);
    for index in 0..count {
        if index % 1_000 == 0 {
            switch = sim.add(&format!("s{}", index / 1_000), Switch::new(SwitchSettings::default()));
        }
        let interfaces = vec![interface(index, 0, format!("10.{}.{}.{}/8", index >> 16, index >> 8 & 255, index & 255))];
        let host = sim.add(&format!("h{index}"), Host::new(HostSpec { interfaces, ..HostSpec::default() }));
        sim.join(switch, host, LinkSpec::default());
    }
    sim
}

/// A station that always has a frame to send.
struct Saturated {
    bytes: usize,
    came: u64,
    frame: Option<FrameId>,
}

impl Saturated {
    /// With how many frames the queue is filled.
    const FRAMES: usize = 200;

    /// How often: when three quarters of them can have been sent at 10 Mb/s.
    fn fill(&self) -> Span {
        Span::nanoseconds(self.bytes as u64 * 8 * 100 * Self::FRAMES as u64 * 3 / 4)
    }
}

impl Node for Saturated {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn start(&mut self, context: &mut Context<'_>) {
        let (bytes, node) = (self.bytes, context.node().0 as u8);
        self.frame = Some(context.make(FrameId::NONE, |frame| {
            frame.extend([2, 0, 0, 0, 0, 255, 2, 0, 0, 0, 0, node, 0x88, 0xb5]);
            frame.resize(bytes - 4, 0);
        }));
        self.on_timer(context, 0);
    }

    fn on_frame(&mut self, _: &mut Context<'_>, _: u16, _: FrameId) {
        self.came += 1;
    }

    fn on_timer(&mut self, context: &mut Context<'_>, _: u64) {
        let Some(frame) = self.frame else { return };
        for _ in context.queued(0)..Self::FRAMES {
            context.forward(0, frame);
        }
        context.wake_after(self.fill(), 0);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

/// So many stations on a hub, a microsecond of cable each, all of them with frames of so many bytes to send at any time.
pub fn hub(stations: u32, bytes: usize) -> (Simulator, MediumId) {
    let mut sim = Simulator::new(1, Bounds::NONE);
    let layout = Layout::Star { hub: Span::ZERO };
    let segment = Segment::new(sim.next_medium(), SegmentSpec::default(), layout);
    let medium = sim.add_medium(Box::new(segment));
    for index in 0..stations {
        let node = sim.add(&format!("s{index}"), Saturated { bytes, came: 0, frame: None });
        let port = sim.new_port(node);
        sim.attach(node, port, medium, 1_000);
    }
    (sim, medium)
}

/// Frames that came whole to stations.
pub fn came(sim: &Simulator) -> u64 {
    sim.nodes().filter_map(|node| sim.get::<Saturated>(node)).map(|station| station.came).sum()
}
