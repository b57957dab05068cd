//! How fast the simulator is, for `docs/benchmarks.md`: packets through switches and routers, TCP, a saturated hub, memory
//! of hosts, and what an event costs. With `--ns3 PROGRAM` the first three beside ns-3, in turn in the same run.
//!
//! `cargo run --release -p sim --example speed -- [chain|subnets|bulk|hub|memory|events]… [--runs N] [--scale N] [--ns3 PROGRAM]`
//!
//! `--once on|off` lets each of the first three run once, with or without the trace, and says what happened instead of how
//! long it took: for programs that count instructions.

mod figure;
mod nets;
mod peer;
mod wheel;

use std::path::PathBuf;

use sim::media::Segment;
use sim::{Bounds, Simulator, Span, Time};

use figure::{Clock, at_least, at_most, median, ratio, show, table};

/// The program's allocator, as the command line has it.
#[global_allocator]
static HEAP: heap::Heap = heap::Heap;

/// A trace that is never cut here.
const ON: Bounds = Bounds { events: 1 << 32, frame_bytes: 1 << 40 };

struct Wanted {
    what: Vec<String>,
    runs: usize,
    /// Per cent of the usual amount of work.
    scale: u64,
    ns3: Option<PathBuf>,
    /// Nothing is timed; whether there is a trace.
    once: Option<bool>,
}

impl Wanted {
    fn read() -> Result<Self, String> {
        let mut wanted = Self { what: Vec::new(), runs: 5, scale: 100, ns3: None, once: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok()).ok_or("a number is missing");
            match argument.as_str() {
                "--runs" => wanted.runs = number()? as usize,
                "--scale" => wanted.scale = number()?.max(1),
                "--ns3" => wanted.ns3 = Some(arguments.next().ok_or("where is ns-3's program?")?.into()),
                "--once" => match arguments.next().as_deref() {
                    Some("on") => wanted.once = Some(true),
                    Some("off") => wanted.once = Some(false),
                    _ => return Err("on or off?".to_owned()),
                },
                "chain" | "subnets" | "bulk" | "hub" | "memory" | "events" => wanted.what.push(argument),
                other => return Err(format!("{other} is nothing to measure")),
            }
        }
        Ok(wanted)
    }

    fn wants(&self, what: &str) -> bool {
        self.what.is_empty() || self.what.iter().any(|wanted| wanted == what)
    }

    fn scaled(&self, amount: u64) -> u64 {
        (amount * self.scale / 100).max(1)
    }
}

fn main() -> std::process::ExitCode {
    let wanted = match Wanted::read() {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("speed: {error}");
            return std::process::ExitCode::from(2);
        }
    };
    if let Some(is_traced) = wanted.once {
        once(&wanted, is_traced);
        return std::process::ExitCode::SUCCESS;
    }
    if ["chain", "subnets", "bulk"].iter().any(|what| wanted.wants(what)) {
        packets(&wanted);
    }
    if wanted.wants("hub") {
        hub(&wanted);
    }
    if wanted.wants("memory") {
        memory(&wanted);
    }
    if wanted.wants("events") {
        wheel::measure(wanted.runs);
    }
    std::process::ExitCode::SUCCESS
}

/// A network under load: how it is made, what counts, how much of it, and what is wanted a second with the trace and without.
struct Load {
    name: &'static str,
    what: &'static str,
    make: fn(Bounds, u64) -> Simulator,
    count: fn(&Simulator) -> u64,
    amount: u64,
    targets: (f64, f64),
}

const LOADS: [Load; 3] = [
    Load {
        name: "chain",
        what: "4 switches in a row, 10 pairs",
        make: nets::chain,
        count: nets::delivered,
        amount: 20_000,
        targets: (1.2, 2.0),
    },
    Load {
        name: "subnets",
        what: "100 hosts, 10 routed subnets",
        make: nets::subnets,
        count: nets::delivered,
        amount: 2_000,
        targets: (1.2, 2.0),
    },
    Load {
        name: "bulk",
        what: "TCP through a router",
        make: nets::bulk,
        count: nets::sent,
        amount: 400_000_000,
        targets: (1.0, 1.0),
    },
];

/// Millions a second of what counts, and of events.
fn run(load: &Load, bounds: Bounds, amount: u64) -> (f64, f64, f64) {
    let mut sim = (load.make)(bounds, amount);
    let clock = Clock::start();
    sim.run_until(Time(u64::MAX - 1), u64::MAX);
    let seconds = clock.seconds();
    let count = (load.count)(&sim) as f64;
    (count / seconds / 1e6, sim.happened() as f64 / seconds / 1e6, count)
}

/// Runs what is wanted, and says what happened.
fn once(wanted: &Wanted, is_traced: bool) {
    let bounds = if is_traced { ON } else { Bounds::NONE };
    for load in LOADS.iter().filter(|load| wanted.wants(load.name)) {
        let mut sim = (load.make)(bounds, wanted.scaled(load.amount));
        sim.run_until(Time(u64::MAX - 1), u64::MAX);
        println!("{} delivered {} events {}", load.name, (load.count)(&sim), sim.happened());
    }
}

fn packets(wanted: &Wanted) {
    let (mut rows, mut beside) = (Vec::new(), Vec::new());
    for load in LOADS.iter().filter(|load| wanted.wants(load.name)) {
        let amount = wanted.scaled(load.amount);
        let [mut on, mut off, mut events, mut ns3] = [const { Vec::new() }; 4];
        let (mut own_count, mut ns3_count) = (0.0, 0.0);
        for _ in 0..wanted.runs {
            let (rate, _, _) = run(load, ON, amount);
            on.push(rate);
            let (rate, happened, count) = run(load, Bounds::NONE, amount);
            off.push(rate);
            events.push(happened);
            own_count = count;
            // It is slower by so much that a tenth of the work takes longer.
            if let Some(counted) = peer::run(wanted.ns3.as_deref(), load.name, (amount / 10).max(1)) {
                ns3.push(counted.count / counted.seconds / 1e6);
                ns3_count = counted.count;
            }
        }
        let (with, without) = load.targets;
        rows.push(vec![
            load.what.to_owned(),
            format!("{own_count:.0}"),
            show(&on, 2),
            at_least(median(&on), with).to_owned(),
            show(&off, 2),
            at_least(median(&off), without).to_owned(),
            show(&events, 1),
        ]);
        if !ns3.is_empty() {
            let (with, without) = (ratio(&on, &ns3), ratio(&off, &ns3));
            beside.push(vec![
                load.what.to_owned(),
                format!("{ns3_count:.0}"),
                show(&ns3, 4),
                format!("{with:.1}"),
                at_least(with, 10.0).to_owned(),
                format!("{without:.1}"),
                at_least(without, 20.0).to_owned(),
            ]);
        }
    }
    let head = ["network", "delivered", "trace on, M/s", "", "trace off, M/s", "", "events, M/s"];
    table("Packets", &head, &rows);
    if !beside.is_empty() {
        let head = ["network", "delivered", "ns-3, M/s", "trace on ÷ ns-3", "≥ 10", "off ÷ ns-3", "≥ 20"];
        table("Beside ns-3", &head, &beside);
    }
}

fn hub(wanted: &Wanted) {
    let mut rows = Vec::new();
    for (stations, bytes) in [(1, 64), (2, 64), (8, 64), (24, 64), (24, 1_518)] {
        let [mut sent, mut came] = [const { Vec::new() }; 2];
        let mut utilisation = 0.0;
        for _ in 0..wanted.runs {
            let (mut sim, medium) = nets::hub(stations, bytes);
            // As many bits of payload take as long on the wire, and large frames are few.
            let simulated = wanted.scaled(20 * bytes as u64 / 64);
            let clock = Clock::start();
            sim.run_until(Time::ZERO + Span::seconds(simulated), u64::MAX);
            let seconds = clock.seconds();
            let frames = sim.medium::<Segment>(medium).map_or(0, |segment| segment.total().sent) as f64;
            sent.push(frames / seconds / 1e6);
            came.push(nets::came(&sim) as f64 / seconds / 1e6);
            utilisation = frames * bytes as f64 * 8.0 / (simulated as f64 * 10e6);
        }
        rows.push(vec![
            stations.to_string(),
            bytes.to_string(),
            format!("{utilisation:.4}"),
            show(&sent, 2),
            at_least(median(&sent), 2.0).to_owned(),
            show(&came, 2),
        ]);
    }
    let head = ["stations", "bytes", "utilisation", "frames sent, M/s", "≥ 2", "frames received, M/s"];
    table("Saturated hub", &head, &rows);
}

/// Hosts that are simulated at once.
const HOSTS: u32 = 100_000;

fn memory(wanted: &Wanted) {
    let [mut each, mut building, mut running] = [const { Vec::new() }; 3];
    let mut alive = Vec::new();
    for _ in 0..wanted.runs.min(3) {
        let before = figure::resident();
        let clock = Clock::start();
        let mut sim = nets::idle(HOSTS);
        building.push(clock.seconds());
        let clock = Clock::start();
        sim.run_until(Time::ZERO + Span::seconds(60), u64::MAX);
        running.push(clock.seconds());
        if let (Some(before), Some(after)) = (before, figure::resident()) {
            each.push((after - before) as f64 / f64::from(HOSTS));
        }
        // What is freed serves the next one, and would hide what that takes.
        alive.push(sim);
    }
    let rows = [vec![
        HOSTS.to_string(),
        show(&each, 0),
        at_most(median(&each), 2_000.0).to_owned(),
        show(&building, 2),
        show(&running, 2),
    ]];
    table("Idle hosts", &["hosts", "bytes each", "≤ 2,000", "s to build", "s for a minute"], &rows);
}
