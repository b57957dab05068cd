//! Random clouds written as lab files and made again: nothing would change, and everybody reaches the same.

use std::collections::BTreeMap;

use conformance::fuzz::clouds;
use fabric::Fabric;
use lab::{Files, Lab, load};
use model::{Context, Model, Timestamp};
use proof::{Between, Options, Reach};

/// Clouds tried.
const SEEDS: u64 = 30;

struct One(String);

impl Files for One {
    fn read(&self, name: &str, from: Option<&str>) -> Result<(String, String), String> {
        match from {
            None => Ok((name.to_owned(), self.0.clone())),
            // Examples include others.
            Some(_) => std::fs::read_to_string(format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR")))
                .map(|text| (name.to_owned(), text))
                .map_err(|e| e.to_string()),
        }
    }
}

fn made(text: &str, seed: u64) -> (Lab, Model) {
    let lab = load("lab.yaml", &One(text.to_owned())).unwrap_or_else(|e| panic!("seed {seed}:\n{text}\n{e}"));
    let mut model = Model::new("000000000000", lab.region(), Context::seeded(seed, Timestamp::default()));
    lab.apply(&mut model).unwrap_or_else(|e| panic!("seed {seed}:\n{text}\n{e}"));
    (lab, model)
}

fn reach(model: &Model) -> BTreeMap<(String, String), Between> {
    let fabric = Fabric::compile(model);
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    let places: Vec<_> = reach.indices().map(|(index, place)| (index, place.name(&fabric))).collect();
    let pairs = places.iter().flat_map(|from| places.iter().map(move |to| (from, to)));
    pairs.map(|((from, source), (to, target))| ((source.clone(), target.clone()), reach.between(*from, *to))).collect()
}

#[test]
fn a_random_cloud_written_and_read_is_the_same_cloud() {
    for seed in 0..SEEDS {
        let (_, model) = made(&clouds::lab(seed), seed);
        let exported = lab::export(&model, "again");
        let (again, twin) = made(&exported.text, seed + 1_000);
        let changes = again.plan(&model).unwrap_or_else(|e| panic!("seed {seed}:\n{}\n{e}", exported.text));
        assert_eq!(changes, vec![], "seed {seed}:\n{}\n{}", clouds::lab(seed), exported.text);
        assert_eq!(exported.unsaid, Vec::<String>::new(), "seed {seed}");
        let (one, other) = (reach(&model), reach(&twin));
        for (pair, between) in &one {
            assert_eq!(Some(between), other.get(pair), "seed {seed}, {pair:?}:\n{}", exported.text);
        }
    }
}
