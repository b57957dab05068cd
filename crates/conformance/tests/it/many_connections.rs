//! Scenarios with tens of thousands of connections, on the engines that need no kernel for them.

use std::path::PathBuf;

use conformance::run::run_on;
use conformance::scenario::Corpus;
use conformance::{EngineName, Options, Status};

#[test]
fn what_finds_no_port_at_one_address_of_a_nat_gateway_goes_out_from_the_next() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/many");
    let corpus = Corpus::load(&[path]).expect("the corpus is read");
    for engine in [EngineName::Proof, EngineName::Sim] {
        let report = run_on(&corpus, engine, &mut None, &Options::default(), &mut std::io::sink()).expect("it runs");
        assert_eq!((report.count(Status::Passed), report.results.len()), (1, 1), "{engine:?}: {:#?}", report.results);
    }
}
