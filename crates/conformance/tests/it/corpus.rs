//! The project's own corpus is understood to the last word.

use std::path::PathBuf;

use conformance::scenario::{Corpus, Kind};

fn corpus() -> Corpus {
    Corpus::load(&[PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/scenarios.md")]).unwrap()
}

#[test]
fn every_scenario_and_its_topology_can_be_read() {
    let corpus = corpus();
    assert_eq!(corpus.scenarios.len(), 142);
    for (index, scenario) in corpus.scenarios.iter().enumerate() {
        assert_eq!(scenario.id, format!("SC-{:03}", index + 1));
        let body = scenario.body.as_ref().unwrap_or_else(|fault| panic!("{} line {}: {fault}", scenario.id, fault.line));
        corpus.topology(&body.base, &scenario.place.file).unwrap_or_else(|why| panic!("{}: {why}", scenario.id));
    }
    let count = |kind| corpus.scenarios.iter().filter(|s| s.kind == kind).count();
    assert_eq!((count(Kind::Ipv6), count(Kind::L2), count(Kind::Iam)), (2, 5, 10));
}
