//! Random clouds on engines that must agree, and engines that are wrong, which must be caught.
#![cfg(target_os = "linux")]

use conformance::EngineName;
use conformance::engine::proof_with_inverted;
use conformance::fuzz::{self, Cloud, Contender, Fate, Round, lab_of, probes, tally::Tally};
use fabric::Stage;

fn told(seed: u64, found: &[fuzz::Difference]) {
    found.iter().for_each(|difference| eprintln!("{difference}{}", difference.lab));
    eprintln!("seed {seed}: {} differences", found.len());
}

/// A number from the environment, for longer runs: `VPCLAB_FUZZ_SEED=5000 VPCLAB_FUZZ_LABS=500`.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn proof_sim_and_linux_agree_on_random_clouds() {
    let contenders = EngineName::ALL.map(Contender::of);
    let (first, labs) = (number("VPCLAB_FUZZ_SEED", 1), number("VPCLAB_FUZZ_LABS", 6));
    let report = fuzz::round::run(Round { first, labs, probes: 50, jobs: 3, until: None }, &contenders, told).unwrap();
    assert_eq!(report.tally.probes() as u64, 50 * labs, "{}", report.tally);
    assert!(report.differences.is_empty(), "{} differences", report.differences.len());
}

#[test]
fn every_verdict_and_stage_has_its_share() {
    let mut tally = Tally::default();
    for seed in 1..=200 {
        let cloud = Cloud::of(&lab_of(seed), seed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        tally.add(probes::choose(&cloud, seed, 50).unwrap().1);
    }
    eprintln!("{tally}");
    assert_eq!(tally.too_rare(), Vec::<String>::new(), "{tally}");
}

#[test]
fn the_same_seed_is_the_same_probes() {
    let chosen = |seed| probes::choose(&Cloud::of(&lab_of(seed), seed).unwrap(), seed, 50).unwrap().0;
    assert_eq!(chosen(7), chosen(7));
    assert_ne!(chosen(7), chosen(8));
}

#[test]
fn an_engine_that_is_wrong_is_caught_and_its_lab_cut_down() {
    let wrong = Contender { name: "wrong", start: Box::new(|| Ok(proof_with_inverted(Stage::SourceDestCheck))) };
    let contenders = [Contender::of(EngineName::Proof), wrong];
    let (found, _) = fuzz::lab(1, 50, &contenders).unwrap();
    let difference = found.first().expect("an inverted check shows");
    let whole = lab_of(1);
    assert!(difference.fate == Fate::CutDown && difference.lab.lines().count() * 3 < whole.lines().count(), "{difference}{}", difference.lab);
}
