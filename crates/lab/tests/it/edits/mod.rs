//! Whatever a lab was, an edited file makes of it what it makes of nothing.
//!
//! Random pairs of lab files: the second is applied to what the first made, and to an empty cloud. Both must mean the
//! same for packets (asked of the stages, one by one) and for whoever reads the cloud (`describe`), apart from ids and
//! from addresses that nobody chose.

mod by_hand;
mod describe;
mod ipv6;
mod labs;
mod meddling;
mod packets;

use lab::{Change, Diagnostics, Lab, load};
use model::{Context, Model, Region, Timestamp};
use proptest::prelude::*;

use crate::texts::One;

fn read(text: &str) -> Lab {
    load("lab.yaml", &One(text.to_owned())).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn empty(seed: u64) -> Model {
    Model::new("000000000000", Region::default(), Context::seeded(seed, Timestamp(1_795_597_709)))
}

fn apply(text: &str, model: &mut Model) -> Result<Vec<Change>, Diagnostics> {
    read(text).apply(model)
}

/// The law: after any edit the cloud is what the second file makes of nothing.
fn check_edit(model: &mut Model, second: &str) -> Result<(), TestCaseError> {
    let mut fresh = empty(2);
    let from_nothing = apply(second, &mut fresh);
    let before = model.clone();
    let planned = read(second).plan(model);
    prop_assert_eq!(&*model, &before, "planning changes nothing");
    match (apply(second, model), from_nothing) {
        (Ok(changes), Ok(_)) => {
            prop_assert_eq!(planned.ok(), Some(changes));
            prop_assert_eq!(read(second).plan(model).ok(), Some(vec![]), "a plan after apply is empty");
            let once = model.clone();
            prop_assert_eq!(apply(second, model).ok(), Some(vec![]));
            prop_assert_eq!(&*model, &once, "applied again, nothing moves");
            let (is, wanted) = (describe::describe(model), describe::describe(&fresh));
            let lines = |a: &std::collections::BTreeSet<String>, b: &std::collections::BTreeSet<String>| {
                a.difference(b).cloned().collect::<Vec<_>>().join("\n")
            };
            prop_assert!(is == wanted, "too much:\n{}\ntoo little:\n{}", lines(&is, &wanted), lines(&wanted, &is));
            let (is, wanted) = (packets::verdicts(model), packets::verdicts(&fresh));
            let differs = is.iter().filter(|(probe, verdict)| wanted.get(*probe) != Some(verdict));
            let differs: Vec<_> = differs.map(|(probe, verdict)| format!("{probe}: {verdict}, not {:?}", wanted.get(probe))).collect();
            prop_assert!(is == wanted, "other packets pass:\n{}", differs.join("\n"));
        }
        (Err(_), Err(_)) => prop_assert_eq!(&*model, &before, "a refused edit changes nothing"),
        (Err(error), Ok(_)) => prop_assert!(false, "refused after an edit, not on its own:\n{error}"),
        (Ok(_), Err(error)) => prop_assert!(false, "refused on its own, not after an edit:\n{error}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_ends_where_a_new_lab_begins(first in labs::lab(), second in labs::lab(), third in labs::lab()) {
        let (first, second, third) = (first.to_string(), second.to_string(), third.to_string());
        let mut model = empty(1);
        let _ = apply(&first, &mut model);
        check_edit(&mut model, &second)?;
        check_edit(&mut model, &third)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// By the API anything can have been done meanwhile; the file has the last word.
    #[test]
    fn whatever_was_done_meanwhile_the_file_has_the_last_word(
        first in labs::lab(), second in labs::lab(), meddling in proptest::collection::vec(any::<[u8; 4]>(), 0..12),
    ) {
        let (first, second) = (first.to_string(), second.to_string());
        let mut model = empty(1);
        let _ = apply(&first, &mut model);
        meddling.iter().for_each(|bytes| meddling::meddle(&mut model, *bytes));
        check_edit(&mut model, &second)?;
    }
}

/// `EDITS=10000 cargo test` looks longer.
fn cases() -> u32 {
    std::env::var("EDITS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

#[test]
fn most_random_labs_are_legal() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut why = std::collections::BTreeMap::new();
    let mut legal = 0;
    for _ in 0..200 {
        let lab = labs::lab().new_tree(&mut runner).unwrap().current().to_string();
        match apply(&lab, &mut empty(1)) {
            Ok(_) => legal += 1,
            Err(error) => *why.entry(error.list[0].message.clone()).or_insert(0) += 1,
        }
    }
    assert!(legal > 120, "{legal} of 200 labs are legal: {why:#?}");
}
