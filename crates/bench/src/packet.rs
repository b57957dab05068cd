//! What the way of a packet costs: CPU time of one pinned thread that drives both ends, so that sending, forwarding, filtering
//! and receiving all happen in it and what else the machine does weighs little.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use sandbox::{Client, SocketSpec};

use crate::cli::Result;
use crate::cloud::{Cloud, instance};
use crate::figure::{Figure, table, verdict};
use crate::machine::load;
use crate::reference;
use crate::running::Running;

/// Round trips of one run.
const ROUNDS: u32 = 20_000;
/// New flows of one run.
const FLOWS: u16 = 500;
/// A round trip may cost so many times that of a bare veth pair.
const MOST: f64 = 1.8;
/// What is to be flat may differ by this much.
const FLAT: f64 = 1.1;
/// For the group itself: tracked at both ends.
const TO_GROUP: u16 = 9_000;

/// A sender and a receiver.
struct Way {
    name: String,
    client: UdpSocket,
    server: UdpSocket,
    /// Where the sockets of new flows come from.
    holder: std::path::PathBuf,
    namespace: String,
    source: Ipv4Addr,
    round_trip: Figure,
    new_flow: Figure,
}

/// Measures and prints.
pub fn measure(interfaces: usize, runs: usize) -> Result {
    pin()?;
    let small = |rules| Cloud { instances: 3, rules };
    let mut labs = Vec::new();
    for cloud in [small(10), small(1_000), small(10_000), Cloud { instances: interfaces, rules: 10 }] {
        labs.push(Running::up(&cloud.model()?)?.0);
    }
    let mut ways = Vec::new();
    for (name, ends) in
        [("bare veth", reference::veth(labs[0].lab.client())?), ("bare bridge", reference::bridge(labs[0].lab.client())?)]
    {
        ways.push(Way::new(
            name,
            labs[0].lab.client(),
            [(&ends.namespaces[0], ends.addresses[0]), (&ends.namespaces[1], ends.addresses[1])],
        )?);
    }
    let last = format!("n-{}", interfaces - 1);
    for (name, lab, from, to) in [
        ("same subnet, 10 rules, 3 interfaces".to_owned(), &labs[0], "n-1", "n-2"),
        ("other subnet, 10 rules, 3 interfaces".to_owned(), &labs[0], "n-1", "m"),
        ("same subnet, 1,000 rules".to_owned(), &labs[1], "n-1", "n-2"),
        ("same subnet, 10,000 rules".to_owned(), &labs[2], "n-1", "n-2"),
        (format!("same subnet, 10 rules, {interfaces} interfaces"), &labs[3], "n-1", last.as_str()),
    ] {
        let (from, to) = (instance(lab.lab.fabric(), from)?, instance(lab.lab.fabric(), to)?);
        ways.push(Way::new(&name, lab.lab.client(), [(&from.0, from.1), (&to.0, to.1)])?);
    }
    for way in &ways {
        way.rounds(2_000)?;
    }
    for run in 0..runs {
        // In turn, beginning elsewhere each time: what else runs here hits all of them.
        // Known flows would weigh on new ones: the kernel goes through those that it counts (SG-31).
        labs.iter_mut().try_for_each(|lab| lab.lab.forget_connections())?;
        for at in 0..ways.len() {
            let count = ways.len();
            let way = &mut ways[(at + run) % count];
            let start = cpu();
            way.rounds(ROUNDS)?;
            let cost = (cpu() - start) / f64::from(ROUNDS);
            way.round_trip.values.push(cost);
            let cost = way.new_flows(run)?;
            way.new_flow.values.push(cost);
        }
    }
    report(&ways, runs);
    labs.into_iter().try_for_each(|lab| lab.down().map(drop))
}

fn report(ways: &[Way], runs: usize) {
    let rows = ways.iter().map(|way| {
        vec![
            way.name.clone(),
            way.round_trip.show(0),
            format!("{:.2}", way.round_trip.ratio(&ways[0].round_trip)),
            format!("{:.2}", way.round_trip.ratio(&ways[1].round_trip)),
            way.new_flow.show(0),
            format!("{:.2}", way.new_flow.ratio(&ways[0].new_flow)),
        ]
    });
    let head = ["UDP", "round trip ns", "÷ veth", "÷ bridge", "new flow ns", "÷ veth"];
    let title = format!("CPU time of packets, median of {runs} runs of {ROUNDS} round trips and {FLOWS} flows (load {})", load());
    table(&title, &head, &rows.collect::<Vec<_>>());
    let base = &ways[2];
    let mut rows = Vec::new();
    for (name, value, most) in [
        ("round trip ÷ bare veth", base.round_trip.ratio(&ways[0].round_trip), MOST),
        ("10,000 rules ÷ 10, round trip", ways[5].round_trip.ratio(&base.round_trip), FLAT),
        ("10,000 rules ÷ 10, new flow", ways[5].new_flow.ratio(&base.new_flow), FLAT),
        ("many interfaces ÷ 3, round trip", ways[6].round_trip.ratio(&base.round_trip), FLAT),
        ("many interfaces ÷ 3, new flow", ways[6].new_flow.ratio(&base.new_flow), FLAT),
    ] {
        rows.push(vec![name.to_owned(), format!("{value:.2}"), format!("≤ {most}"), verdict(value, most).to_owned()]);
    }
    table("Targets", &["ratio", "measured", "target", ""], &rows);
}

impl Way {
    fn new(name: &str, client: &Client, [from, to]: [(&String, Ipv4Addr); 2]) -> Result<Way> {
        let server = udp(client, to.0, to.1, TO_GROUP)?;
        let sender = udp(client, from.0, from.1, 0)?;
        sender.connect((to.1, TO_GROUP))?;
        Ok(Way {
            name: name.to_owned(),
            client: sender,
            server,
            holder: client.socket().to_owned(),
            namespace: from.0.clone(),
            source: from.1,
            round_trip: Figure::default(),
            new_flow: Figure::default(),
        })
    }

    fn rounds(&self, count: u32) -> Result {
        let mut buffer = [0; 64];
        let lost = |error| format!("{}: {error}", self.name);
        for _ in 0..count {
            self.client.send(&[1; 8]).map_err(lost)?;
            let (length, peer) = self.server.recv_from(&mut buffer).map_err(lost)?;
            self.server.send_to(&buffer[..length], peer).map_err(lost)?;
            self.client.recv(&mut buffer).map_err(lost)?;
        }
        Ok(())
    }

    /// Nanoseconds of CPU for the first packet of a flow, one way. Source ports differ from run to run: flows are remembered.
    fn new_flows(&self, run: usize) -> Result<f64> {
        let client = Client::connect(&self.holder)?;
        let first = 1_024 + (run as u16 % 120) * FLOWS;
        let specs: Vec<_> =
            (0..FLOWS).map(|n| SocketSpec::udp(&self.namespace, SocketAddr::from((self.source, first + n)))).collect();
        let mut sockets = Vec::new();
        for part in specs.chunks(200) {
            sockets.extend(client.open_sockets(part)?);
        }
        let target = self.client.peer_addr()?;
        let (mut spent, mut buffer) = (0.0, [0; 64]);
        for socket in sockets {
            let socket = UdpSocket::from(socket);
            socket.connect(target)?;
            let start = cpu();
            socket.send(&[1; 8])?;
            self.server.recv_from(&mut buffer).map_err(|error| format!("{}, a new flow: {error}", self.name))?;
            spent += cpu() - start;
        }
        Ok(spent / f64::from(FLOWS))
    }
}

/// A socket in a namespace of a lab. It waits two seconds at most.
pub fn udp(client: &Client, namespace: &str, address: Ipv4Addr, port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::from(client.open_socket(SocketSpec::udp(namespace, SocketAddr::from((address, port))))?);
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(socket)
}

/// Keeps this thread on one processor: packets are worked on where they are sent.
fn pin() -> Result {
    let mut own = CpuSet::new();
    let last = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) - 1;
    own.set(last);
    Ok(sched_setaffinity(None, &own)?)
}

/// Nanoseconds of CPU that this thread has used, the kernel's work on its behalf included.
pub fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
