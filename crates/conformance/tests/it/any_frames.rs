//! Whatever bytes come to a node of any kind, nothing panics: frames that were really sent are changed and arrive in the midst
//! of what they belong to, with checksums that are right again. It ends after a fixed number of frames; with
//! `VPCLAB_FUZZ_SECONDS` it goes on for so long, from `VPCLAB_FUZZ_SEED` on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::Fabric;
use lab::{Files, load};
use model::{Context, Model, Region, Timestamp};
use sim::app::{
    ConnectSpec, DatagramSpec, FtpSpec, GetSpec, LookupSpec, PingSpec, SmtpSpec, SnmpSpec, TelnetSpec, TftpSpec, TracerouteSpec, snmp,
};
use sim::host::Host;
use sim::view::layers::Layers;
use sim::view::tables::Tables;
use sim::view::{Filter, List, View, capture};
use sim::{Bounds, FrameId, NodeId, Simulator, Span, Verb, World};

use crate::mutate::{Chance, change, mend};

pub struct One<'t>(pub &'t str);

impl Files for One<'_> {
    fn read(&self, _: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok(("lab.yaml".to_owned(), self.0.to_owned()))
    }
}

const CAMPUS: &str = include_str!("../frames/campus.yaml");
/// Clouds, each with gateways, groups and lists of another kind.
const CLOUDS: [&str; 4] = [
    include_str!("../../../../examples/shop.yaml"),
    include_str!("../../../../examples/peering.yaml"),
    include_str!("../../../../examples/three-tier.yaml"),
    include_str!("../../../../examples/middlebox.yaml"),
];
/// Events of a stretch of time; a storm ends there.
const BUDGET: u64 = 40_000;
/// Frames that arrive changed in one world before another one begins.
const A_WORLD: usize = 400;

fn world(text: &str, seed: u64) -> World {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    let lab = load("lab.yaml", &One(text)).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    lab.apply(&mut model).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let fabric = Arc::new(Fabric::compile(&model));
    let mut world = World::new(Arc::new(model), fabric, seed, Bounds::default()).expect("a world");
    world.serve_listeners();
    world
}

fn run(simulator: &mut Simulator, span: Span) {
    let until = simulator.now() + span;
    simulator.run_until(until, BUDGET);
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Lets the hosts of the campus talk in all protocols at once.
fn busy_campus(world: &mut World) {
    let simulator = world.simulator();
    let mut at = |name: &str, act: &mut dyn FnMut(&mut Host, &mut sim::Context<'_>)| {
        let node = simulator.find(name).expect("a node");
        simulator.with(node, |host: &mut Host, context| act(host, context)).expect("a host");
    };
    let (srv, far) = (address("10.0.2.80"), address("10.0.4.10"));
    at("pc-1", &mut |host, context| {
        host.lookup(context, LookupSpec::new("www.campus"));
        host.lookup(context, LookupSpec::reverse(srv));
        host.smtp_send(context, SmtpSpec::new(srv, "a@campus", "b@campus", "Subject: x\n\nhello"));
        host.ftp_get(context, FtpSpec::new(srv, "long.txt"));
        host.ftp_get(context, FtpSpec { is_passive: false, ..FtpSpec::new(srv, "readme.txt") });
        host.tftp_get(context, TftpSpec::new(srv, "long.txt"));
        host.snmp_get(context, SnmpSpec::new(srv, &[snmp::NAME, snmp::UP_TIME]));
        host.telnet(context, TelnetSpec::new(srv, "a", "b"));
        host.https_get(context, GetSpec::new(srv, 443));
        host.http_get(context, GetSpec::new(address("10.0.2.100"), 80));
        host.ping(context, PingSpec { size: 3_000, count: 3, ..PingSpec::new(far) });
        host.ping(context, PingSpec { size: 3_000, count: 3, ..PingSpec::new(address("2001:db8:1::13")) });
        host.traceroute(context, TracerouteSpec::new(far));
        host.send_bulk(context, address("10.0.1.13"), 5001, 60_000);
        host.run(context, sim::routing::igmp::Member::new(0, [239, 1, 2, 3].into()));
    });
    at("inside", &mut |host, context| {
        host.http_get(context, GetSpec::new(far, 80));
        host.ping(context, PingSpec::new(far));
        host.datagram(context, DatagramSpec::new(far, 7, b"hello"));
    });
    at("old-1", &mut |host, context| {
        host.ping(context, PingSpec::new(address("10.0.3.11")));
        host.datagram(context, DatagramSpec::new(address("10.0.2.100"), 7, b"hello"));
        host.connect(context, ConnectSpec { keep_open: true, ..ConnectSpec::new(far, 80) });
    });
}

/// Lets every host of a cloud talk to some others, inside and outside.
fn busy_cloud(world: &mut World) {
    let simulator = &world.cloud.simulator;
    let hosts: Vec<NodeId> = simulator.nodes().filter(|node| simulator.get::<Host>(*node).is_some()).collect();
    let addresses: Vec<IpAddr> = hosts.iter().flat_map(|node| world.place(*node).addresses).collect();
    for (at, node) in hosts.iter().enumerate() {
        for to in addresses.iter().cycle().skip(at + 1).take(4) {
            world.simulator().with(*node, |host: &mut Host, context| {
                host.ping(context, PingSpec { count: 2, ..PingSpec::new(*to) });
                host.connect(context, ConnectSpec { keep_open: true, ..ConnectSpec::new(*to, 80) });
                host.datagram(context, DatagramSpec::new(*to, 53, b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x03www\x04shop\0\0\x01\0\x01"));
            });
        }
    }
}

/// Frames as they came to nodes: where, and which.
type Arrivals = Vec<(NodeId, u16, Vec<u8>)>;

/// Those that the trace has, a few of each length and kind at each port.
fn arrivals(simulator: &Simulator) -> Arrivals {
    const ALIKE: usize = 3;
    let mut seen: BTreeMap<(NodeId, u16, Vec<u8>, usize), usize> = BTreeMap::new();
    let mut found = Arrivals::new();
    for event in simulator.trace().events().iter().filter(|event| event.verb == Verb::Receive && event.frame != FrameId::NONE) {
        let bytes = simulator.frames().bytes(event.frame);
        let kind = [bytes.get(12..15).unwrap_or_default(), bytes.get(23..24).unwrap_or_default(), bytes.get(34..38).unwrap_or_default()].concat();
        let count = seen.entry((event.node, event.port, kind, bytes.len() / 32)).or_default();
        *count += 1;
        if *count <= ALIKE {
            found.push((event.node, event.port, bytes.to_vec()));
        }
    }
    found
}

/// Says which frame it was, if there is a panic.
struct Trail {
    seed: u64,
    node: String,
    bytes: Vec<u8>,
}

impl Drop for Trail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let bytes: String = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("seed {}, to {}: {bytes}", self.seed, self.node);
        }
    }
}

/// Everything that shows frames and nodes reads them, too.
fn look(world: &World) {
    let simulator = &world.cloud.simulator;
    let view = View::new(simulator);
    let all = Filter::parse("", &view, &|_| Vec::new()).expect("everything");
    let narrowed = Filter::parse("not (dns or tls or ospf) and layer 3", &view, &|_| Vec::new()).expect("a filter");
    for filter in [&all, &narrowed] {
        assert!(!List::new(&view, filter, true).text().is_empty());
        let _ = Layers::new(&view, filter).text();
        capture::write(&view, filter, std::io::sink()).expect("a sink takes everything");
    }
    assert!(!Tables::new(simulator, simulator.nodes(), None).text().is_empty());
}

/// One world, in which frames arrive changed; how many did, and at which kinds of nodes.
fn play(text: &str, busy: fn(&mut World), seed: u64, kinds: &mut BTreeSet<&'static str>) -> usize {
    let mut chance = Chance::new(seed);
    let mut trail = Trail { seed, node: String::new(), bytes: Vec::new() };
    let mut world = world(text, seed);
    run(world.simulator(), Span::seconds(45));
    // Hellos and updates of the beginning count, too.
    let mut known = arrivals(&world.cloud.simulator);
    world.simulator().clear_trace();
    busy(&mut world);
    for count in 0..A_WORLD {
        let simulator = world.simulator();
        run(simulator, Span::microseconds([0, 50, 500, 20_000][chance.below(4)]));
        if count % 16 == 0 {
            known.extend(arrivals(simulator));
            let most = 4_000;
            known.drain(..known.len().saturating_sub(most));
        }
        if known.is_empty() {
            continue;
        }
        // The last ones belong to what is under way.
        let recent = known.len().min(60);
        let at = if chance.below(2) == 0 { known.len() - 1 - chance.below(recent) } else { chance.below(known.len()) };
        let other = known[chance.below(known.len())].2.clone();
        let (node, port, mut bytes) = known[at].clone();
        if chance.below(16) > 0 {
            change(&mut chance, &mut bytes, &other);
        }
        if chance.below(8) > 0 {
            let has_right_lengths = chance.below(2) == 0;
            mend(&mut bytes, has_right_lengths);
        }
        (trail.node, trail.bytes) = (simulator.name(node).to_owned(), bytes.clone());
        kinds.insert(simulator.kind(node));
        simulator.deliver(node, port, &bytes);
        if count % 100 == 99 {
            look(&world);
            world.simulator().clear_trace();
            // Timers of what came.
            run(world.simulator(), Span::seconds(3));
            busy(&mut world);
        }
    }
    run(world.simulator(), Span::seconds(400));
    look(&world);
    A_WORLD
}

fn seed() -> u64 {
    std::env::var("VPCLAB_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// What sets the nodes of a world to work.
type Busy = fn(&mut World);

/// Plays world after world until the time is over; without one as many as are said.
fn many(labs: &[(&str, Busy)], worlds: usize) -> BTreeSet<&'static str> {
    let seconds = std::env::var("VPCLAB_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut kinds, mut frames) = (BTreeSet::new(), 0);
    for number in 0.. {
        if end.map_or(number >= worlds, |end| Instant::now() >= end) {
            break;
        }
        let (text, busy) = labs[number % labs.len()];
        frames += play(text, busy, seed() + number as u64, &mut kinds);
    }
    println!("{frames} frames came changed to {kinds:?}");
    kinds
}

#[test]
fn no_frame_upsets_a_node_of_a_lan() {
    let kinds = many(&[(CAMPUS, busy_campus)], 2);
    for kind in ["host", "router", "switch", "bridge", "balancer"] {
        assert!(kinds.contains(kind), "nothing came to a {kind}: {kinds:?}");
    }
}

#[test]
fn no_frame_upsets_a_node_of_a_cloud() {
    let labs = CLOUDS.map(|text| (text, busy_cloud as Busy));
    let kinds = many(&labs, labs.len());
    assert!(kinds.len() >= 3, "{kinds:?}");
}
