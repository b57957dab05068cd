//! The part of a cloud answers as the whole does, byte for byte: random clouds and the examples, fixes included.

use fabric::Fabric;
use fabric::walker::Verdict;
use model::{Model, ProbePacket};
use proof::why::{Asker, Effort, Question, part};
use proof::{Options, Place};

use crate::clouds;
use crate::support;

/// Clouds of a usual run; `VPCLAB_PART_CLOUDS` makes it longer.
const CLOUDS: u64 = 12;

/// What was compared.
#[derive(Debug, Default)]
struct Seen {
    pairs: usize,
    denied: usize,
    allowed: usize,
    one_way: usize,
    fixed: usize,
    left_out: usize,
    groups_left_out: usize,
}

/// Some questions of a cloud, asked of the whole and of the part.
fn compare(name: &str, model: &Model, salt: usize, most: usize, seen: &mut Seen) {
    let options = Options::default();
    let fabric = Fabric::compile(model);
    // No reach is counted, as in a cloud that is large.
    let whole = Asker::of_part(model, &fabric, options);
    let places = Place::all(&fabric);
    let all = places.iter().flat_map(|from| places.iter().map(move |to| (*from, *to)));
    let meant: Vec<_> = all.filter(|(from, to)| from != to && !(from.is_outside() && to.is_outside())).collect();
    let packets = [ProbePacket::Tcp(80), ProbePacket::Tcp(22), ProbePacket::Tcp(443), ProbePacket::Udp(53), ProbePacket::Tcp(5432)];
    for number in 0..most.min(meant.len()) {
        let (from, to) = meant[(number * 7919 + salt * 104_729) % meant.len()];
        let question = Question { from: from.sender(&fabric), to: to.end(&fabric), packet: packets[(number + salt) % packets.len()] };
        let sender = match &question.from {
            fabric::engine::Sender::Outside(address) => model::selector::End::Address(*address),
            _ => from.end(&fabric),
        };
        let small = part(model, &[sender, question.to.clone()]);
        let compiled = Fabric::compile(&small);
        let asker = Asker::of_part(&small, &compiled, options);
        let json = |asker: &Asker<'_>| match asker.why(&question, Effort { fixes: true }) {
            Ok(why) => (Some(why.verdict), why.fixes.len(), serde_json::to_string_pretty(&why).unwrap()),
            Err(error) => (None, 0, error.to_string()),
        };
        let (said, found) = (json(&whole), json(&asker));
        assert_eq!(found.2, said.2, "{name}: {question:?}");
        seen.pairs += 1;
        match said.0 {
            Some(Verdict::Denied) => seen.denied += 1,
            Some(Verdict::Allowed) => seen.allowed += 1,
            Some(Verdict::OneWay) => seen.one_way += 1,
            None => {}
        }
        seen.fixed += usize::from(said.1 > 0);
        seen.left_out += usize::from(small.network_interfaces.len() < model.network_interfaces.len());
        seen.groups_left_out += usize::from(small.security_groups.len() < model.security_groups.len());
    }
}

#[test]
fn what_is_said_of_a_pair_in_its_part_is_what_is_said_in_the_whole() {
    let many = std::env::var("VPCLAB_PART_CLOUDS").ok().and_then(|text| text.parse().ok()).unwrap_or(CLOUDS);
    let mut seen = Seen::default();
    for seed in 1..=many {
        let (model, _) = support::cloud("random.yaml", &clouds::lab(seed));
        compare(&format!("seed {seed}"), &model, seed as usize, 4, &mut seen);
    }
    println!("{seen:?}");
    // A part that is the whole would prove nothing, nor would one kind of verdict.
    assert!(seen.left_out * 2 > seen.pairs && seen.groups_left_out * 10 > seen.pairs, "{seen:?}");
    assert!(seen.denied * 5 > seen.pairs && seen.allowed * 20 > seen.pairs && seen.fixed * 10 > seen.pairs, "{seen:?}");
}

#[test]
fn the_examples_too() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seen = Seen::default();
    for folder in ["examples", "examples/why"] {
        let mut paths: Vec<_> = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        paths.sort();
        for path in paths {
            let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
            let (model, _) = support::example(&name);
            compare(&name, &model, 1, 6, &mut seen);
        }
    }
    assert!(seen.pairs > 30 && seen.fixed > 5, "{seen:?}");
}
