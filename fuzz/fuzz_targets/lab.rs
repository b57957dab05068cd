//! A lab file of any bytes: read, applied, planned again, and an edit of it applied to what it made.
//!
//! The input is one file, or two with a line `=====` between them: the second is applied to what the first made.

#![no_main]

use lab::{Files, Lab, load};
use libfuzzer_sys::fuzz_target;
use model::{Context, Model, Region, Timestamp};

struct One<'t>(&'t str);

impl Files for One<'_> {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        match name {
            "lab.yaml" => Ok((name.to_owned(), self.0.to_owned())),
            _ => Err("no such file".to_owned()),
        }
    }
}

fn empty() -> Model {
    Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()))
}

/// Reads and applies; what is wrong must have words.
fn apply(text: &str, model: &mut Model) -> Option<Lab> {
    let before = model.clone();
    let applied = load("lab.yaml", &One(text)).and_then(|lab| lab.apply(model).map(|_| lab));
    match applied {
        Ok(lab) => {
            assert_eq!(lab.plan(model).ok(), Some(Vec::new()), "a plan after apply is empty");
            Some(lab)
        }
        Err(problems) => {
            assert!(*model == before, "a refused edit changes nothing");
            assert!(!problems.list.is_empty() && !problems.render(true).is_empty());
            None
        }
    }
}

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once("\n=====\n").unwrap_or((text, ""));
    let mut model = empty();
    apply(first, &mut model);
    if !second.is_empty() {
        // What stands on its own stands after any other file.
        let alone = apply(second, &mut empty()).is_some();
        assert_eq!(apply(second, &mut model).is_some(), alone, "an edit ends where a new lab begins");
    }
});
