//! Whatever a file holds, reading it ends soon, without a panic, and within bounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lab::{Code, Diagnostics, Files, Lab, load};
use model::{Context, Model, Region, Timestamp};
use proptest::prelude::*;

struct Map(BTreeMap<String, String>);

impl Files for Map {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        self.0.get(name).map(|text| (name.to_owned(), text.clone())).ok_or_else(|| "no such file".to_owned())
    }
}

fn read(text: &str) -> Result<Lab, Diagnostics> {
    load("a.yaml", &Map([("a.yaml".to_owned(), text.to_owned())].into()))
}

fn read_and_apply(text: &str) {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    match read(text).and_then(|lab| lab.apply(&mut model)) {
        Ok(_) => {}
        Err(problems) => assert!(!problems.list.is_empty() && !problems.render(true).is_empty()),
    }
}

fn quickly<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    // Generous: debug builds on a busy machine. What is caught here is a square or worse, which takes minutes.
    assert!(start.elapsed() < Duration::from_secs(30), "{what} took {:?}", start.elapsed());
    result
}

#[test]
fn files_that_double_at_every_level_are_refused() {
    let files = (0..40).map(|n| (format!("{n}.yaml"), format!("include: [{0}.yaml, {0}.yaml]\n", n + 1)));
    let files = files.chain([("40.yaml".to_owned(), "name: last\n".to_owned())]);
    let error = quickly("including", || load("0.yaml", &Map(files.collect()))).unwrap_err();
    assert_eq!(error.list[0].code, Code::IncludeCycle, "{error}");
}

#[test]
fn files_that_include_each_other_are_refused() {
    let files = [("a.yaml", "include: b.yaml"), ("b.yaml", "include: a.yaml")];
    let error = load("a.yaml", &Map(files.map(|(n, t)| (n.to_owned(), t.to_owned())).into())).unwrap_err();
    assert_eq!(error.list[0].code, Code::IncludeCycle, "{error}");
}

#[test]
fn a_long_chain_of_like_is_refused() {
    let mut text = "instances:\n  i0: { subnet: a }\n".to_owned();
    for n in 1..20_000 {
        text.push_str(&format!("  i{n}: {{ like: i{} }}\n", n - 1));
    }
    // In file order each link is whole when the next one needs it; backwards the chain is as long as it looks.
    let backwards: Vec<&str> = text.lines().skip(1).collect();
    let backwards = format!("instances:\n{}\n", backwards.into_iter().rev().collect::<Vec<_>>().join("\n"));
    let error = quickly("a chain", || read(&backwards)).unwrap_err();
    assert_eq!(error.list[0].code, Code::LikeCycle);
    quickly("a chain in file order", || read(&text)).unwrap();
}

#[test]
fn like_cannot_fill_the_memory() {
    let run = "x, ".repeat(2_000);
    let mut text = format!("instances:\n  i: {{ subnet: a, run: [{run}] }}\n");
    for n in 0..2_000 {
        text.push_str(&format!("  i{n}: {{ like: i }}\n"));
    }
    let error = quickly("copying", || read(&text)).unwrap_err();
    assert_eq!(error.list[0].code, Code::TooManyAliases, "{error}");
}

#[test]
fn many_counts_end_at_a_limit() {
    let mut text = "instances:\n".to_owned();
    for n in 0..200 {
        text.push_str(&format!("  i{n}: {{ subnet: a, count: 5000 }}\n"));
    }
    let error = quickly("counting", || read(&text)).unwrap_err();
    assert_eq!(error.list[0].code, Code::OutOfRange, "{error}");
}

#[test]
fn large_files_are_read_in_time() {
    let mut text = "outside:\n".to_owned();
    for n in 0..100_000 {
        text.push_str(&format!("  host-{n}: 203.0.113.7\n"));
    }
    quickly("many places", || read(&text)).unwrap();
    let mut text = "vpcs:\n".to_owned();
    for n in 0..100_000 {
        text.push_str(&format!("  vpc-{n}: {{ cidr: 10.0.0.0/16, wrong: 1 }}\n"));
    }
    let error = quickly("many errors", || read(&text)).unwrap_err();
    assert!(quickly("drawing", || error.render(false)).lines().count() < 500);
}

const SHOP: &str = include_str!("../../../examples/shop.yaml");

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,200}") {
        read_and_apply(&text);
    }

    #[test]
    fn any_text_of_yaml_signs_gets_an_answer(text in "[a-z0-9 \\n\\t:,\\-\\[\\]{}&*!|>'\"%@#.?/]{0,120}") {
        read_and_apply(&text);
    }

    #[test]
    fn a_lab_with_a_piece_changed_gets_an_answer(at in 0..SHOP.len(), length in 0usize..12, piece in "[a-z0-9 \\n:,\\-\\[\\]{}&*/.]{0,8}") {
        let (start, end) = (floor(at), floor((at + length).min(SHOP.len())));
        read_and_apply(&format!("{}{piece}{}", &SHOP[..start], &SHOP[end..]));
    }

    #[test]
    fn a_lab_with_two_words_swapped_gets_an_answer(a in 0usize..200, b in 0usize..200) {
        let mut words: Vec<&str> = SHOP.split_inclusive([' ', '\n']).collect();
        let (a, b) = (a % words.len(), b % words.len());
        words.swap(a, b);
        read_and_apply(&words.concat());
    }
}

fn floor(mut at: usize) -> usize {
    while !SHOP.is_char_boundary(at) {
        at -= 1;
    }
    at
}
