//! The laws of `fuzz/`, tried for a few seconds without its tools: seeds are cut, joined, repeated and changed, and
//! whatever comes out gets an answer. `MUTATION_SECONDS=600 cargo test` looks longer.

use std::time::{Duration, Instant};

use lab::sentence::{
    parse_acl_entry, parse_claim, parse_filter_rule, parse_link, parse_probe, parse_rule, parse_selector, parse_service, parse_static_route,
};
use lab::{Files, load};
use model::random::SplitMix64;
use model::{Context, Model, Region, Timestamp};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

struct One<'t>(&'t str);

impl Files for One<'_> {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        match name {
            "lab.yaml" => Ok((name.to_owned(), self.0.to_owned())),
            _ => Err("no such file".to_owned()),
        }
    }
}

fn seeds(folders: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for folder in folders {
        let mut paths: Vec<_> =
            std::fs::read_dir(format!("{ROOT}/{folder}")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        all.extend(paths.iter().filter(|path| path.is_file()).filter_map(|path| std::fs::read_to_string(path).ok()));
    }
    assert!(all.len() >= 5);
    all
}

/// Pieces that mean something to YAML or to sentences.
const PIECES: [&str; 44] = [
    "",
    " ",
    "\n",
    "\n  ",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "!t ",
    "#",
    "\"",
    "'",
    "|",
    ">",
    "?",
    "%",
    "\t",
    "\0",
    "\u{feff}",
    "é",
    "한",
    "<<: *a",
    "~",
    "null",
    "true",
    "no",
    "0",
    "-1",
    "65536",
    "4294967296",
    "10.0.0.0/16",
    "0.0.0.0/0",
    "::/0",
    "/28",
    "->",
    "sg:",
    "like",
    "count",
];

fn mutate(text: &str, other: &str, random: &mut SplitMix64) -> String {
    let mut text = text.to_owned();
    for _ in 0..=random.below(4) {
        let mut at = || {
            let mut at = random.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (a, b) = (at(), at());
        let (start, end) = (a.min(b), a.max(b).min(a.min(b) + 40));
        let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(start);
        let lines: Vec<&str> = text.lines().collect();
        let (from, to) = (random.below(lines.len()), random.below(lines.len()));
        text = match random.below(6) {
            0 => format!("{}{}{}", &text[..start], PIECES[random.below(PIECES.len())], &text[start..]),
            1 => format!("{}{}{}", &text[..start], PIECES[random.below(PIECES.len())], &text[end..]),
            2 => format!("{}{}{}", &text[..start], text[start..end].repeat(2 + random.below(3)), &text[end..]),
            3 if !lines.is_empty() => {
                let mut lines = lines;
                lines.swap(from, to);
                lines.join("\n")
            }
            4 if !lines.is_empty() => {
                let mut lines = lines;
                let line = lines[from];
                lines.insert(to, line);
                lines.join("\n")
            }
            _ => {
                let lines: Vec<&str> = other.lines().collect();
                let line = lines.get(random.below(lines.len())).copied().unwrap_or_default();
                format!("{}\n{line}\n{}", &text[..start], &text[start..])
            }
        };
    }
    text
}

fn until() -> Instant {
    let seconds = std::env::var("MUTATION_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    Instant::now() + Duration::from_secs(seconds)
}

fn empty() -> Model {
    Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()))
}

fn apply(text: &str, model: &mut Model) -> bool {
    let before = model.clone();
    let start = Instant::now();
    let done = match load("lab.yaml", &One(text)).and_then(|lab| lab.apply(model).map(|_| lab)) {
        Ok(lab) => {
            assert_eq!(lab.plan(model).ok(), Some(Vec::new()), "a plan after apply is empty:\n{text}");
            true
        }
        Err(problems) => {
            assert!(*model == before, "a refused edit changes nothing:\n{text}");
            assert!(!problems.list.is_empty() && !problems.render(true).is_empty());
            false
        }
    };
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}:\n{text}", start.elapsed());
    done
}

#[test]
fn changed_labs_get_an_answer_and_edits_end_where_new_labs_begin() {
    let seeds: Vec<String> = seeds(&["examples", "fuzz/seeds/lab"])
        .iter()
        .flat_map(|text| text.split("\n=====\n").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let (mut random, until) = (SplitMix64(1), until());
    let (mut tried, mut legal) = (0, 0);
    let mut model = empty();
    while Instant::now() < until {
        let seed = &seeds[random.below(seeds.len())];
        let text = mutate(seed, &seeds[random.below(seeds.len())], &mut random);
        let alone = apply(&text, &mut empty());
        assert_eq!(apply(&text, &mut model), alone, "legal on its own, and after another file:\n{text}");
        (tried, legal) = (tried + 1, legal + usize::from(alone));
    }
    assert!(tried > 20 && legal > 1, "{legal} legal ones of {tried}");
}

#[test]
fn changed_sentences_get_an_answer_and_read_back_as_they_print() {
    let seeds = seeds(&["fuzz/seeds/sentences"]);
    let (mut random, until) = (SplitMix64(2), until());
    let (mut understood, mut linked) = (0, 0);
    while Instant::now() < until {
        let text = mutate(&seeds[random.below(seeds.len())], &seeds[random.below(seeds.len())], &mut random);
        let is_inside = |range: &std::ops::Range<usize>| range.start <= range.end && range.end <= text.len() + 1;
        match parse_rule(&text) {
            Ok((rule, _)) => assert_eq!(parse_rule(&rule.to_string()).map(|(again, _)| again), Ok(rule)),
            Err(error) => assert!(is_inside(&error.range), "{text}"),
        }
        match parse_acl_entry(&text) {
            Ok((entry, _)) => assert_eq!(parse_acl_entry(&entry.to_string()).map(|(again, _)| again), Ok(entry)),
            Err(error) => assert!(is_inside(&error.range), "{text}"),
        }
        match parse_claim(&text) {
            Ok((claim, _)) => {
                assert_eq!(parse_claim(&claim.to_string()).map(|(again, _)| again), Ok(claim), "{text}");
                understood += 1;
            }
            Err(error) => assert!(is_inside(&error.range), "{text}"),
        }
        if let Ok(selector) = parse_selector(&text) {
            assert_eq!(parse_selector(&selector.to_string()), Ok(selector), "{text}");
        }
        match parse_static_route(&text) {
            Ok(route) => assert_eq!(parse_static_route(&route.to_string()), Ok(route), "{text}"),
            Err(error) => assert!(is_inside(&error.range), "{text}"),
        }
        match parse_filter_rule(&text) {
            Ok(rule) => assert_eq!(parse_filter_rule(&rule.to_string()), Ok(rule), "{text}"),
            Err(error) => assert!(is_inside(&error.range), "{text}"),
        }
        match parse_service(&text) {
            Ok(service) => assert_eq!(parse_service(&service.to_string()), Ok(service), "{text}"),
            Err(error) => assert!(is_inside(&error.range), "{text}"),
        }
        match parse_link(&text) {
            Ok(link) => linked += link.a.len(),
            Err(error) => assert!(is_inside(&error.range), "{text}"),
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let _ = parse_probe(&words);
    }
    assert!(understood > 50 && linked > 5);
}
