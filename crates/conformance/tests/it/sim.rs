//! The project's corpus in the simulator: everything that it serves passes, and twice the same frames come of it.

use std::path::PathBuf;

use conformance::run::{run_corpus, run_on};
use conformance::scenario::{Corpus, Kind};
use conformance::{EngineName, Options, Status};

fn corpus() -> Corpus {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    Corpus::load(&[path]).expect("the corpus is read")
}

/// Kinds that frames decide: all of them are served, and none may be skipped.
const OF_FRAMES: [Kind; 4] = [Kind::Packet, Kind::L2, Kind::Ipv6, Kind::FlowLog];

#[test]
fn every_scenario_that_frames_decide_passes_and_none_is_skipped() {
    let corpus = corpus();
    let report = run_on(&corpus, EngineName::Sim, &mut None, &Options::default(), &mut std::io::sink()).expect("it runs");
    let results = || corpus.scenarios.iter().zip(&report.results);
    let failed: Vec<String> = results()
        .filter(|(scenario, result)| match result.status {
            Status::Passed => false,
            Status::Skipped => OF_FRAMES.contains(&scenario.kind),
            _ => true,
        })
        .map(|(_, result)| format!("{}: {:?} {:?} {:?}", result.id, result.expected, result.got, result.reason))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let served = results().filter(|(scenario, _)| OF_FRAMES.contains(&scenario.kind)).count();
    assert!(served >= 90, "{served} scenarios are about frames");
}

#[test]
fn the_same_run_twice_writes_the_same() {
    let corpus = corpus();
    let output = || {
        let mut out = Vec::new();
        run_corpus(&corpus, EngineName::Sim, &Options::default(), &mut out).expect("it runs");
        out
    };
    assert_eq!(output(), output());
}
