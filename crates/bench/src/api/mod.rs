//! The doors of the cloud beside moto's server, in the same run: the same calls, signed, by the same client.
//!
//! [`server`] starts both, [`client`] speaks to them, [`scenario`] is what is called. Vpclab verifies signatures, keeps each change on
//! disk before it answers and has the kernel do it; moto does none of the three.

mod client;
mod scenario;
mod server;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::Result;
use crate::figure::{Figure, median, table, verdict};
use crate::machine::load;
use client::{Client, Place};
use server::Server;

/// Connections at a time.
const MANY: usize = 32;
/// No question is asked for longer; each connection asks it once.
const LONG: Duration = Duration::from_secs(12);
/// Instances of the large cloud.
const INSTANCES: usize = 1_000;

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// Where moto's Python environment is
    #[arg(long, default_value = "target/peers")]
    environments: PathBuf,
    /// Scenarios one after the other
    #[arg(long, default_value_t = 50)]
    scenarios: usize,
    /// Only vpclab
    #[arg(long)]
    alone: bool,
    /// Where vpclab keeps its state; default: a new folder below the system's for temporary files. A folder in memory shows what the disk costs
    #[arg(long)]
    home: Option<PathBuf>,
}

/// Times of calls, and how long all of them took together.
struct Times {
    each: Vec<Duration>,
    whole: Duration,
}

impl Times {
    fn per_second(&self) -> f64 {
        self.each.len() as f64 / self.whole.as_secs_f64()
    }

    /// Milliseconds that so many of a hundred calls did not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.each.clone();
        sorted.sort();
        let at = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len());
        sorted[at - 1].as_secs_f64() * 1e3
    }
}

/// What came of one question, a value a run.
#[derive(Default)]
struct Row {
    per_second: Figure,
    half: Figure,
    most: Figure,
}

impl Row {
    fn add(&mut self, times: &Times) {
        self.per_second.values.push(times.per_second());
        self.half.values.push(times.percentile(50));
        self.most.values.push(times.percentile(99));
    }
}

/// Measures and prints.
pub fn measure(wanted: &Wanted, runs: usize) -> Result {
    let moto = Server::moto_python(&wanted.environments).filter(|_| !wanted.alone);
    if moto.is_none() {
        println!("moto is not measured: make bench-peers installs it");
    }
    println!("load {}", load());
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..runs {
        let server = Server::vpclab(wanted.home.as_deref())?;
        run(&server, wanted.scenarios, &mut ours)?;
        drop(server);
        if let Some(python) = &moto {
            let server = Server::moto(python)?;
            run(&server, wanted.scenarios, &mut theirs)?;
        }
    }
    show(&ours, &theirs);
    println!("\nload {}", load());
    Ok(())
}

const QUESTIONS: [&str; 8] = [
    "25-call VPC scenario, one after the other",
    "the same, 32 connections",
    "DescribeInstances, none there",
    "the same, 32 connections",
    "DescribeInstances, 1,000 there",
    "the same, 32 connections",
    "the same, a tag changed before each",
    "DescribeVpcs while 32 connections make changes",
];

fn run(server: &Server, scenarios: usize, rows: &mut Vec<Row>) -> Result {
    let place = &server.place;
    if rows.is_empty() {
        rows.resize_with(QUESTIONS.len(), Row::default);
    }
    scenario::run(&mut Client::new(place), &mut Vec::new())?;
    rows[0].add(&repeat(place, 1, scenarios, |client, each| scenario::run(client, each))?);
    rows[1].add(&repeat(place, MANY, scenarios.max(MANY * 4), |client, each| scenario::run(client, each))?);
    let describe = |client: &mut Client, each: &mut Vec<Duration>| {
        client.time("DescribeInstances", &json!({}), each)?;
        Ok(())
    };
    rows[2].add(&repeat(place, 1, 400, describe)?);
    rows[3].add(&repeat(place, MANY, 1_600, describe)?);
    let mut client = Client::new(place);
    let instance = scenario::launch(&mut client, INSTANCES)?;
    server.settle()?;
    rows[4].add(&repeat(place, 1, 150, describe)?);
    rows[5].add(&repeat(place, MANY, 320, describe)?);
    let touched = |client: &mut Client, each: &mut Vec<Duration>| {
        client.call("CreateTags", &json!({"Resources": [instance], "Tags": [{"Key": "n", "Value": each.len().to_string()}]}))?;
        client.time("DescribeInstances", &json!({}), each)?;
        Ok(())
    };
    rows[6].add(&without_waits(repeat(place, 1, 60, touched)?));
    rows[7].add(&looking_while_changing(place)?);
    Ok(())
}

/// Only the times of the calls that are timed count: others lay between them.
fn without_waits(times: Times) -> Times {
    Times { whole: times.each.iter().sum(), ..times }
}

/// Describes one after the other while others make changes.
fn looking_while_changing(place: &Place) -> Result<Times> {
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let changing: Vec<_> = (0..MANY)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(place);
                    while !ended.load(Ordering::Relaxed) {
                        scenario::run(&mut client, &mut Vec::new()).map_err(|error| error.to_string())?;
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(200));
        let mut each = Vec::new();
        let mut client = Client::new(place);
        let begun = Instant::now();
        let mut looked = Ok(());
        while looked.is_ok() && begun.elapsed() < Duration::from_secs(3) {
            looked = client.time("DescribeVpcs", &json!({}), &mut each).map(drop);
        }
        let whole = begun.elapsed();
        ended.store(true, Ordering::Relaxed);
        for thread in changing {
            thread.join().map_err(|_| "a client's thread panicked")??;
        }
        looked?;
        Ok(Times { each, whole })
    })
}

/// Does something so many times on so many connections, or until it has taken long.
fn repeat(place: &Place, connections: usize, times: usize, work: impl Fn(&mut Client, &mut Vec<Duration>) -> Result + Sync) -> Result<Times> {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let each = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut each) = (Client::new(place), Vec::new());
                    while next.fetch_add(1, Ordering::Relaxed) < times && (each.is_empty() || begun.elapsed() < LONG) {
                        work(&mut client, &mut each).map_err(|error| error.to_string())?;
                    }
                    Ok::<_, String>(each)
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a client's thread panicked".to_owned())??);
        }
        Ok::<_, String>(all)
    })?;
    Ok(Times { each, whole: begun.elapsed() })
}

fn show(ours: &[Row], theirs: &[Row]) {
    let mut lines = Vec::new();
    for (number, question) in QUESTIONS.iter().enumerate() {
        let Some(own) = ours.get(number) else { continue };
        let target = match number {
            0 | 2 | 4 => Some(10.0),
            1 | 3 | 5 => Some(50.0),
            _ => None,
        };
        let mut line = vec![(*question).to_owned(), own.per_second.show(0), own.half.show(2), own.most.show(2)];
        match theirs.get(number) {
            None => line.extend(std::iter::repeat_n("–".to_owned(), 4)),
            Some(peer) => {
                let ratio = own.per_second.ratio(&peer.per_second);
                line.extend([peer.per_second.show(0), peer.most.show(1), format!("{ratio:.1}")]);
                // More is better here.
                line.push(target.map_or_else(|| "–".to_owned(), |least| format!("≥ {least}: {}", verdict(-ratio, -least))));
            }
        }
        lines.push(line);
    }
    let head = ["calls", "vpclab, a second", "ms, median", "ms, p99", "moto, a second", "moto, ms, p99", "ratio", "target"];
    table("EC2 beside moto's server", &head, &lines);
    // The first is mostly an answer that is given again within a second; before the second something changes each time.
    for (number, how) in [(4, "asked again and again"), (6, "a tag changed before each")] {
        if let Some(row) = ours.get(number) {
            let most = median(&row.most.values);
            println!("\np99 of a describe at 1,000 instances, {how}: {most:.2} ms, target 5 ms: {}", verdict(most, 5.0));
        }
    }
}

