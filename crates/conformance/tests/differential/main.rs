//! The engines agree: random clouds, the same probes on `proof` and on `linux`, and every difference is an error.
//!
//! `VPCLAB_DIFFERENTIAL_SEEDS=N` tries N clouds instead of a few, `VPCLAB_DIFFERENTIAL_FIRST=S` begins at seed S.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what cannot be prepared is a failed test")]

mod clouds;

sandbox::reexec_in_tests!();

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use conformance::EngineName;
use fabric::engine::{Answer, Drop, EngineError, Leg, ListenerState, Outcome, PacketProbe, Probe, Request, Sender, Traffic};
use fabric::fabric::InterfaceKind;
use fabric::{Component, Fabric};
use lab::{Files, load};
use model::{Context, Model, Region, Timestamp};

struct One(String);

impl Files for One {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.clone()))
    }
}

fn model(text: &str, seed: u64) -> Model {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(seed, Timestamp::default()));
    let lab = load("lab.yaml", &One(text.to_owned())).unwrap_or_else(|e| panic!("seed {seed}:\n{text}\n{e}"));
    lab.apply(&mut model).unwrap_or_else(|e| panic!("seed {seed}:\n{text}\n{e}"));
    model
}

/// Addresses that nobody has, inside VPCs and outside; broadcast and multicast, which go nowhere (L2-4); a host outside
/// that no lab names; a router and a resolver (PIPE-2).
const OTHERS: [&str; 11] = [
    "10.1.1.200", "10.2.1.200", "10.9.9.9", "198.18.7.7", "192.0.2.50", "8.8.8.8", "10.1.0.255", "255.255.255.255", "224.0.0.1",
    "10.1.0.1", "10.1.0.2",
];

/// Everybody to every address that there is, the own ones too, and to some that no instance has.
fn requests(fabric: &Fabric) -> Vec<Request> {
    let guests = || fabric.interfaces.values().filter(|i| matches!(i.kind, InterfaceKind::Instance { .. }));
    let outside = || fabric.outside.values().flat_map(|host| host.addresses.iter().copied());
    let held = guests().flat_map(|i| &i.addresses).flat_map(|a| [Some(a.private), a.public]).flatten().map(IpAddr::V4);
    let others = OTHERS.iter().map(|address| address.parse().unwrap());
    let targets: BTreeSet<IpAddr> = held.chain(outside()).chain(others).collect();
    let kinds = |source_port| {
        let tcp = |port| Traffic::Tcp { source_port, destination_port: port };
        let udp = |port| Traffic::Udp { source_port, destination_port: port };
        [
            (tcp(22), ListenerState::Open),
            (tcp(80), ListenerState::Closed),
            (udp(53), ListenerState::Open),
            (udp(67), ListenerState::Closed),
            (Traffic::Icmp { icmp_type: 8, code: 0 }, ListenerState::Open),
        ]
    };
    // No probe is mistaken for a part of an earlier one by a guest that remembers what it hid: how long those are remembered
    // (RFC 4787) is not what is compared.
    let mut source_ports = 32_768..=u16::MAX;
    let mut all = Vec::new();
    let senders = guests().map(|from| Sender::Interface(from.id.clone())).chain(outside().map(Sender::Outside));
    for from in senders {
        for to in targets.iter().filter(|to| from != Sender::Outside(**to)) {
            for (traffic, listener) in kinds(source_ports.next().unwrap()) {
                let probe = PacketProbe { listener, ..PacketProbe::new(from.clone(), *to, traffic) };
                all.push(Probe::Packet(probe).into());
            }
        }
    }
    all
}

/// What both engines can say: the outcome, the leg and the component of a loss, and the addresses of an arrival (the
/// port that a NAT gateway takes is its own choice, NAT-12).
fn told(fabric: &Fabric, answer: &Result<Answer, EngineError>) -> (String, Option<Component>) {
    match answer {
        Err(error) => (format!("error: {error}"), None),
        Ok(Answer { outcome, .. }) => match outcome {
            Outcome::Allowed(arrival) => (format!("allowed, seen as {} > {}", arrival.source, arrival.destination), None),
            Outcome::Dropped(drop) => (format!("dropped on the {:?} leg", drop.leg), drop.at),
            Outcome::Refused { at } => ("refused".to_owned(), *at),
            Outcome::Observed(seen) => (format!("{seen:?} {}", fabric.vpcs.len()), None),
        },
    }
}

/// How often what was decided, by the answers of `proof`: probes by verdict, and lost ones by what lost them.
#[derive(Default)]
struct Tally {
    verdicts: BTreeMap<&'static str, usize>,
    stages: BTreeMap<String, usize>,
}

impl Tally {
    fn count(&mut self, answer: &Result<Answer, EngineError>) {
        let verdict = match answer.as_ref().map(|answer| &answer.outcome) {
            Ok(Outcome::Allowed(_)) => "allowed",
            Ok(Outcome::Refused { .. }) => "refused",
            Ok(Outcome::Dropped(Drop { leg: Leg::Forward, .. })) => "request lost",
            Ok(Outcome::Dropped(Drop { leg: Leg::Return, .. })) => "reply lost",
            Ok(Outcome::Observed(_)) | Err(_) => "other",
        };
        *self.verdicts.entry(verdict).or_default() += 1;
        if let Ok(Answer { outcome: Outcome::Dropped(Drop { reason: Some(reason), .. }), .. }) = answer {
            let direction = reason.direction.map_or(String::new(), |direction| format!(" {direction:?}"));
            *self.stages.entry(format!("{:?}{direction}", reason.stage)).or_default() += 1;
        }
    }

    fn add(&mut self, other: Tally) {
        other.verdicts.into_iter().for_each(|(verdict, count)| *self.verdicts.entry(verdict).or_default() += count);
        other.stages.into_iter().for_each(|(stage, count)| *self.stages.entry(stage).or_default() += count);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: usize = self.verdicts.values().sum();
        let lost: usize = self.stages.values().sum();
        let percent = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
        writeln!(f, "{all} probes:")?;
        for (verdict, count) in &self.verdicts {
            writeln!(f, "  {verdict:<32} {count:>8} {:>6.2} %", percent(*count, all))?;
        }
        writeln!(f, "{lost} of them lost, at:")?;
        for (stage, count) in &self.stages {
            writeln!(f, "  {stage:<32} {count:>8} {:>6.2} %", percent(*count, lost))?;
        }
        Ok(())
    }
}

/// The differences on the cloud of a seed, and what was decided there.
fn differences(seed: u64) -> (Vec<String>, Tally) {
    let text = clouds::lab(seed);
    let model = Arc::new(model(&text, seed));
    let fabric = Arc::new(Fabric::compile(&model));
    let requests = requests(&fabric);
    let up = |name: EngineName| {
        let mut engine = name.start().unwrap_or_else(|why| panic!("{why}"));
        engine.apply(&model, &fabric).unwrap();
        engine
    };
    let [proof, linux] = [EngineName::Proof, EngineName::Linux].map(|name| up(name).probe_all(&requests));
    assert_eq!((proof.len(), linux.len()), (requests.len(), requests.len()));
    let (mut found, mut tally) = (Vec::new(), Tally::default());
    for ((request, proof), linux) in requests.iter().zip(&proof).zip(&linux) {
        let ((one, at), (other, other_at)) = (told(&fabric, proof), told(&fabric, linux));
        tally.count(proof);
        // Linux names a component only where it counts or logs the loss.
        if one == other && (other_at.is_none() || at == other_at) {
            continue;
        }
        let Probe::Packet(probe) = &request.probe else { continue };
        let label = |at: Option<Component>| at.map_or_else(|| "?".to_owned(), |at| at.label(&fabric));
        let from = match &probe.from {
            Sender::Interface(id) => fabric.interfaces.values().find(|i| i.id == *id).map_or(String::new(), |i| i.name.clone()),
            other => format!("{other:?}"),
        };
        let owner = fabric.interfaces.values().find(|i| {
            i.addresses.iter().any(|a| [Some(a.private), a.public].into_iter().flatten().any(|a| IpAddr::V4(a) == probe.to))
        });
        let to = owner.map_or(String::new(), |i| format!(" ({})", i.name));
        found.push(format!(
            "{from} -> {}{to} {:?} {:?}\n    proof: {one} at {}\n    linux: {other} at {}",
            probe.to,
            probe.traffic,
            probe.listener,
            label(at),
            label(other_at)
        ));
    }
    if !found.is_empty() {
        found.insert(0, format!("{} of {} probes differ on this lab:\n{text}", found.len(), requests.len()));
    }
    (found, tally)
}

#[test]
fn proof_and_linux_agree_on_random_clouds() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text}: not a number")));
    let (first, count) = (number("VPCLAB_DIFFERENTIAL_FIRST").unwrap_or(1), number("VPCLAB_DIFFERENTIAL_SEEDS").unwrap_or(6));
    let (mut wrong, mut tally) = (Vec::new(), Tally::default());
    for seed in first..first + count {
        let (found, of) = differences(seed);
        tally.add(of);
        if !found.is_empty() {
            wrong.push(seed);
            eprintln!("seed {seed}: {}", found.join("\n  "));
        }
    }
    eprintln!("{count} clouds from seed {first}; {tally}");
    assert!(wrong.is_empty(), "the engines disagree on seeds {wrong:?}");
    // Agreement on nothing but losses would say little.
    assert!(["allowed", "refused", "request lost", "reply lost"].iter().all(|verdict| tally.verdicts.contains_key(verdict)), "{tally}");
}
