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
use fabric::engine::{Answer, EngineError, ListenerState, Outcome, PacketProbe, Probe, Request, Sender, Traffic};
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

/// Everybody to every address that there is, and to some that nobody has.
fn requests(fabric: &Fabric) -> Vec<Request> {
    let guests = || fabric.interfaces.values().filter(|i| matches!(i.kind, InterfaceKind::Instance { .. }));
    let instance = |i: &fabric::Interface| match i.kind {
        InterfaceKind::Instance { instance, .. } => Some(instance),
        _ => None,
    };
    // Left out: what a guest sends to an address of its own. The kernel keeps it inside, where no interface sees it, and
    // the linux engine takes that for a loss.
    let mut senders: Vec<(Sender, BTreeSet<IpAddr>)> = guests()
        .map(|from| {
            let own = guests().filter(|i| instance(i) == instance(from)).flat_map(|i| &i.addresses);
            let own = own.flat_map(|a| [Some(a.private), a.public]).flatten().map(IpAddr::V4).collect();
            (Sender::Interface(from.id.clone()), own)
        })
        .collect();
    let outside = || fabric.outside.values().flat_map(|host| host.addresses.iter().copied());
    senders.extend(outside().map(|address| (Sender::Outside(address), BTreeSet::from([address]))));
    let mut targets: BTreeSet<IpAddr> = senders.iter().flat_map(|(_, own)| own.iter().copied()).collect();
    for nobody in ["10.1.1.200", "10.2.1.200", "10.9.9.9", "198.18.7.7"] {
        targets.insert(nobody.parse().unwrap());
    }
    let tcp = |port| Traffic::Tcp { source_port: 40_000, destination_port: port };
    let kinds = [
        (tcp(22), ListenerState::Open),
        (tcp(80), ListenerState::Closed),
        (Traffic::Udp { source_port: 40_000, destination_port: 53 }, ListenerState::Open),
        (Traffic::Icmp { icmp_type: 8, code: 0 }, ListenerState::Open),
    ];
    let mut all = Vec::new();
    for (from, own) in &senders {
        for to in targets.iter().filter(|to| !own.contains(to)) {
            for (traffic, listener) in kinds {
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

/// The differences on the cloud of a seed, and how many probes were compared.
fn differences(seed: u64) -> (Vec<String>, BTreeMap<&'static str, usize>) {
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
    let (mut found, mut kinds) = (Vec::new(), BTreeMap::new());
    for ((request, proof), linux) in requests.iter().zip(&proof).zip(&linux) {
        let ((one, at), (other, other_at)) = (told(&fabric, proof), told(&fabric, linux));
        *kinds.entry(if one.starts_with('a') { "allowed" } else if one.starts_with('d') { "dropped" } else { "refused" }).or_insert(0) += 1;
        // Linux names a component only where it counts or logs the loss.
        if one == other && (other_at.is_none() || at == other_at) {
            continue;
        }
        let Probe::Packet(probe) = &request.probe else { continue };
        // Left out: which component dropped a reply, in two cases. A sender refuses a datagram from an address that it
        // did not ask, and linux names what drops the refusal. And where an interface with source/dest check is made a
        // router of replies, its groups let them in on linux, as part of a tracked flow, and the check drops them.
        let is_router = matches!((at, other_at), (Some(Component::SecurityGroups(one, _)), Some(Component::SourceDestCheck(other))) if one == other);
        let is_excused = is_router || (matches!(at, Some(Component::Outside(_))) && matches!(probe.traffic, Traffic::Udp { .. }));
        let is_reply_lost = is_excused && one == other && one == "dropped on the Return leg";
        if is_reply_lost {
            continue;
        }
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
    (found, kinds)
}

#[test]
fn proof_and_linux_agree_on_random_clouds() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text}: not a number")));
    let (first, count) = (number("VPCLAB_DIFFERENTIAL_FIRST").unwrap_or(1), number("VPCLAB_DIFFERENTIAL_SEEDS").unwrap_or(6));
    let (mut wrong, mut kinds) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for seed in first..first + count {
        let (found, of) = differences(seed);
        of.into_iter().for_each(|(kind, number)| *kinds.entry(kind).or_default() += number);
        if !found.is_empty() {
            wrong.push(seed);
            eprintln!("seed {seed}: {}", found.join("\n  "));
        }
    }
    eprintln!("{count} clouds from seed {first}: {kinds:?}");
    assert!(wrong.is_empty(), "the engines disagree on seeds {wrong:?}");
    // Agreement on nothing but losses would say little.
    assert!(["allowed", "dropped", "refused"].iter().all(|kind| kinds.get(kind).is_some_and(|n| *n > 0)), "{kinds:?}");
}
