//! One rule on a running lab: how long until it holds, and whether flows that it does not concern lose packets meanwhile.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fabric::Fabric;
use model::operation::{self, AuthorizeSecurityGroup, RevokeSecurityGroup, RuleSpecification};
use model::{Model, Origin, Peer, PortRange, Tags, TrafficMatch};

use crate::cli::Result;
use crate::cloud::{Cloud, instance};
use crate::figure::{Figure, table, verdict};
use crate::machine::load;
use crate::packet::udp;
use crate::running::Running;

/// A change may take this long, milliseconds.
const MOST: f64 = 20.0;
/// Datagrams that are on their way at a time: fewer than any queue holds, so that only the network can lose one.
const WINDOW: u64 = 32;
/// The rule that comes and goes; nobody uses its port.
const PORT: u16 = 7_777;

#[derive(Default)]
struct Steps {
    operation: Figure,
    compile: Figure,
    apply: Figure,
    total: Figure,
    /// CPU time of the thread that changes, the kernel's work for it included: what remains when the machine is busy.
    processor: Figure,
}

/// Measures and prints.
pub fn measure(size: usize, changes: usize, runs: usize) -> Result {
    let (mut running, _) = Running::up(&Cloud { instances: size, rules: 10 }.model()?)?;
    let mut quiet = Steps::default();
    for _ in 0..runs.max(2) {
        change(&mut running, true, &mut quiet)?;
        change(&mut running, false, &mut quiet)?;
    }
    let mut busy = Steps::default();
    let flood = Flood::start(&running)?;
    for number in 0..changes {
        change(&mut running, number % 2 == 0, &mut busy)?;
    }
    let seen = flood.stop()?;
    let milliseconds = |figure: &Figure| figure.show(1);
    let row = |name: &str, steps: &Steps| {
        vec![
            name.to_owned(),
            steps.total.values.len().to_string(),
            milliseconds(&steps.total),
            milliseconds(&steps.operation),
            milliseconds(&steps.compile),
            milliseconds(&steps.apply),
            milliseconds(&steps.processor),
            verdict(steps.total.median(), MOST).to_owned(),
        ]
    };
    let title = format!("One rule of the group of {size} instances comes or goes, until it holds (load {})", load());
    let head = ["while", "changes", "ms", "operation ms", "compile ms", "apply ms", "CPU ms", "≤ 20 ms"];
    table(&title, &head, &[row("nothing else", &quiet), row("flood", &busy)]);
    let rows = seen.iter().map(|flow| {
        vec![
            flow.name.to_owned(),
            flow.sent.to_string(),
            format!("{:.0}", flow.sent as f64 / flow.duration.as_secs_f64()),
            format!("{:.1}", flow.duration.as_secs_f64()),
            changes.to_string(),
            (flow.sent - flow.received).to_string(),
            if flow.sent == flow.received { "met" } else { "MISSED" }.to_owned(),
        ]
    });
    table(
        "Flood of unaffected flows meanwhile",
        &["flow", "sent", "per s", "s", "changes", "lost", "0 lost"],
        &rows.collect::<Vec<_>>(),
    );
    running.down().map(drop)
}

/// Authorizes or revokes the rule by an operation, and makes the lab hold it.
fn change(running: &mut Running, allow: bool, steps: &mut Steps) -> Result {
    let (start, before) = (Instant::now(), crate::packet::cpu());
    let mut model = Model::clone(&running.model);
    let group = model.security_groups.values().find(|g| g.group_name == "crowd").ok_or("no group")?.id.clone();
    let traffic = TrafficMatch::Udp(PortRange::one(PORT));
    let peer = Peer::Ipv4("10.0.0.0/8".parse()?);
    if allow {
        let rule = RuleSpecification { traffic, peer, description: String::new(), tags: Tags::new(), origin: Origin::default() };
        operation::authorize_security_group_ingress(&mut model, AuthorizeSecurityGroup { group_id: group, rules: vec![rule] })?;
    } else {
        let request = RevokeSecurityGroup { group_id: group, rules: vec![(traffic, peer)], security_group_rule_ids: Vec::new() };
        operation::revoke_security_group_ingress(&mut model, request)?;
    }
    let model = Arc::new(model);
    let operation = start.elapsed();
    let at = Instant::now();
    let fabric = Arc::new(Fabric::compile(&model));
    let compile = at.elapsed();
    let at = Instant::now();
    running.lab.apply(&fabric)?;
    let apply = at.elapsed();
    let (total, spent) = (start.elapsed(), crate::packet::cpu() - before);
    running.model = model;
    let put = |figure: &mut Figure, time: Duration| figure.values.push(time.as_secs_f64() * 1e3);
    put(&mut steps.operation, operation);
    put(&mut steps.compile, compile);
    put(&mut steps.apply, apply);
    put(&mut steps.total, total);
    steps.processor.values.push(spent / 1e6);
    Ok(())
}

/// What became of a flow.
struct Seen {
    name: &'static str,
    sent: u64,
    received: u64,
    duration: Duration,
}

/// Threads that send as fast as they can.
struct Flood {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<std::io::Result<Seen>>>,
}

impl Flood {
    fn start(running: &Running) -> Result<Flood> {
        let stop = Arc::new(AtomicBool::new(false));
        let client = running.lab.client();
        let at = |name| instance(running.lab.fabric(), name);
        let mut threads = Vec::new();
        // One flow that references to the group admit, one that a block admits; between subnets and within one.
        for (name, from, to, port) in
            [("by a rule on the group", "n-1", "n-2", 9_000), ("by a rule on a block, other subnet", "m", "n-3", 9_001)]
        {
            let (from, to) = (at(from)?, at(to)?);
            let server = udp(client, &to.0, to.1, port)?;
            let sender = udp(client, &from.0, from.1, 0)?;
            sender.connect((to.1, port))?;
            let stop = stop.clone();
            threads.push(std::thread::spawn(move || flow(name, &sender, &server, &stop)));
        }
        Ok(Flood { stop, threads })
    }

    fn stop(self) -> Result<Vec<Seen>> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| Ok(thread.join().map_err(|_| "a flood panicked")??)).collect()
    }
}

/// Sends a window, takes it in, and again. A datagram that is not there after two seconds is lost.
fn flow(name: &'static str, sender: &UdpSocket, server: &UdpSocket, stop: &AtomicBool) -> std::io::Result<Seen> {
    let (mut sent, mut received, start) = (0, 0, Instant::now());
    let mut buffer = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..WINDOW {
            sender.send(&[1; 32])?;
        }
        sent += WINDOW;
        for _ in 0..WINDOW {
            match server.recv(&mut buffer) {
                Ok(_) => received += 1,
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Seen { name, sent, received, duration: start.elapsed() })
}
