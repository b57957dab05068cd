//! Every ordered pair of many instances, one TCP port: all at once against one after another.
//!
//! `cargo bench -p linux --bench matrix [-- INSTANCES]`; prints seconds, probes a second, and the ratio.

#[path = "../tests/support/world.rs"]
#[allow(dead_code, reason = "the worlds of the tests")]
mod world;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use fabric::Fabric;
use fabric::engine::{Answer, Engine as _, EngineError, Outcome, PacketProbe, Probe, Request, Sender, Traffic};
use linux::{Engine, Lab};
use sandbox::{HolderSpec, SelfCommand};
use world::World;

/// Sequential probing of all pairs would take minutes: so many stand for them.
const SAMPLE: usize = 600;

fn main() {
    sandbox::entry::dispatch();
    // Cargo passes `--bench`.
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(200);
    let folder = tempfile::tempdir().expect("temporary folder");
    let spec = HolderSpec {
        socket: folder.path().join("holder.sock"),
        lab_name: "matrix".to_owned(),
        log: folder.path().join("holder.log"),
        command: SelfCommand::current().expect("/proc"),
    };
    let client = sandbox::launch(&spec).expect("holder").client().expect("client");
    let mut engine = Engine::new(Lab::empty(client, linux::runtime::lab::options()));
    let model = Arc::new(crowd(count).model);
    let start = Instant::now();
    engine.apply(&model, &Arc::new(Fabric::compile(&model))).expect("apply");
    println!("{count} instances up in {:.2} s", start.elapsed().as_secs_f64());

    let requests = pairs(&model);
    let stride = (requests.len() / SAMPLE).max(1);
    let sample: Vec<&Request> = requests.iter().step_by(stride).collect();
    let start = Instant::now();
    let one_by_one: Vec<_> = sample.iter().map(|request| engine.probe(request)).collect();
    let sequential = start.elapsed().as_secs_f64() / sample.len() as f64;
    println!("one after another: {} probes, {:.3} ms each: {}", sample.len(), sequential * 1e3, tally(&one_by_one));

    let start = Instant::now();
    let answers = engine.probe_all(&requests);
    let elapsed = start.elapsed().as_secs_f64();
    let each = elapsed / requests.len() as f64;
    println!("all at once: {} probes in {elapsed:.2} s, {:.3} ms each: {}", requests.len(), each * 1e3, tally(&answers));
    println!("ratio: {:.1}", sequential / each);
    let differ = sample.iter().zip(one_by_one).zip(answers.iter().step_by(stride)).filter(|((_, one), all)| one != *all).count();
    println!("answers that differ from sequential ones: {differ}");

    let socket = engine.lab().client().socket().to_owned();
    sandbox::Client::connect(&socket).and_then(|client| client.shutdown()).expect("shutdown");
}

/// A VPC on subnets of 100, three kinds of instances: web is open to all, app to web and app, db to app.
fn crowd(count: usize) -> World {
    let mut world = World::new();
    world.vpc("a", "10.0.0.0/16");
    world.table("a", "a");
    world.group("web", "a", &["tcp 80 0.0.0.0/0"]);
    world.group("app", "a", &["tcp 80 sg-web", "tcp 80 sg-app"]);
    world.group("db", "a", &["tcp 80 sg-app"]);
    for subnet in 0..count.div_ceil(100) {
        world.subnet(&format!("s{subnet}"), "a", &format!("10.0.{subnet}.0/24"), "a");
    }
    for number in 0..count {
        let (subnet, host) = (number / 100, number % 100 + 10);
        let group = ["web", "app", "db"][number % 3];
        world.instance(&format!("n{number}"), &format!("s{subnet}"), &format!("10.0.{subnet}.{host}"), group);
    }
    world
}

fn pairs(model: &model::Model) -> Vec<Request> {
    let mut requests = Vec::new();
    for from in model.network_interfaces.values() {
        for to in model.network_interfaces.values().filter(|to| to.id != from.id) {
            let traffic = Traffic::Tcp { source_port: 49_152, destination_port: 80 };
            let address = IpAddr::V4(to.primary_address());
            requests.push(Probe::Packet(PacketProbe::new(Sender::Interface(from.id.clone()), address, traffic)).into());
        }
    }
    requests
}

/// How many answers of each kind; a drop without a place is a packet that was lost.
fn tally(answers: &[Result<Answer, EngineError>]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for answer in answers {
        let kind = match answer {
            Ok(Answer { outcome: Outcome::Allowed(_), .. }) => "open",
            Ok(Answer { outcome: Outcome::Refused { .. }, .. }) => "refused",
            Ok(Answer { outcome: Outcome::Dropped(drop), .. }) if drop.at.is_some() => "filtered",
            Ok(_) => "lost",
            Err(_) => "failed",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}
