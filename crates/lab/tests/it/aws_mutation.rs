//! Broken dumps: cut off anywhere, values of other types, numbers beyond all bounds. Nothing panics, what is refused is
//! refused with file and place, and what is accepted can be compiled, written as a lab file, and made again.

use fabric::Fabric;
use lab::aws::DumpFile;
use lab::load;
use model::{Context, Model, Timestamp};

use crate::dumps;
use crate::texts::One;

/// Reads a dump of which one file is not as it should be. Answers whether it was accepted.
fn survives(files: Vec<DumpFile>, changed: &str) -> bool {
    match dumps::read(files) {
        Ok(import) => {
            let fabric = Fabric::compile(&import.model);
            assert_eq!(fabric.vpcs.len(), import.model.vpcs.len());
            let exported = lab::export(&import.model, "again");
            let lab = load("again.yaml", &One(exported.text.clone())).unwrap_or_else(|e| panic!("{}\n{e}", exported.text));
            let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp(0)));
            lab.apply(&mut model).unwrap_or_else(|e| panic!("{}\n{e}", exported.text));
            true
        }
        Err(problems) => {
            let text = problems.render(false);
            assert!(!problems.list.is_empty() && text.starts_with("error: "));
            for problem in &problems.list {
                assert!(problem.place.is_some() && !problem.message.is_empty(), "{text}");
            }
            let named = problems.list.iter().filter_map(|p| Some(problems.sources.origin(p.place?).file)).any(|file| file == changed);
            let other = problems.list.iter().filter_map(|p| Some(problems.sources.origin(p.other.as_ref()?.0).file)).any(|file| file == changed);
            assert!(named || other || text.contains("lies outside") || text.contains("two main"), "{changed} is to blame:\n{text}");
            false
        }
    }
}

fn with(at: usize, text: String) -> (Vec<DumpFile>, String) {
    let mut files = dumps::files();
    let name = files[at].name.clone();
    files[at].text = text;
    (files, name)
}

#[test]
fn a_file_that_is_cut_off_is_named() {
    let files = dumps::files();
    for (at, file) in files.iter().enumerate() {
        let whole = file.text.trim_end().len();
        for end in (0..whole).step_by(97) {
            let (cut, name) = with(at, file.text[..end].to_owned());
            assert!(!survives(cut, &name), "{name} ends at {end}");
        }
    }
}

/// Where values stand in a JSON text: after a colon, or in a list.
fn values(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let start = at;
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                if !text[at..].trim_start().starts_with(':') {
                    all.push(start..at);
                }
            }
            b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => {
                let start = at;
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || b"+-.".contains(&bytes[at])) {
                    at += 1;
                }
                all.push(start..at);
            }
            _ => at += 1,
        }
    }
    all
}

#[test]
fn a_value_of_another_kind_is_read_or_refused() {
    let long = format!("\"{}\"", "x".repeat(5_000));
    let others = [
        "null", "true", "[]", "{}", "-1", "18446744073709551616", "1e999", "\"\"", "\"\\u0000\\ud800\"", "0.0000001", "\"255.255.255.255/0\"", "[[[[]]]]",
        "{\"VpcId\": \"vpc-1\"}", "\"-\"", "\"::/0\"", long.as_str(), "\"10.10.0.10\"", "65535", "\"local\"",
    ];
    let (mut accepted, mut refused, mut turn) = (0, 0, 0);
    for (at, file) in dumps::files().iter().enumerate() {
        // Each value meets some of the others, all of them in turn; a prime step keeps the pairs from repeating.
        for range in values(&file.text).into_iter().step_by(3) {
            turn += 7;
            let text = format!("{}{}{}", &file.text[..range.start], others[turn % others.len()], &file.text[range.end..]);
            let (files, name) = with(at, text);
            match survives(files, &name) {
                true => accepted += 1,
                false => refused += 1,
            }
        }
    }
    assert!(accepted > 50 && refused > 50, "{accepted} accepted, {refused} refused: the test is about both");
}

/// Values of the dump in each other's places: facts about the wrong thing, several at once.
/// `VPCLAB_MUTATIONS=N` tries N dumps instead of a few.
#[test]
fn values_that_changed_places_are_read_or_refused() {
    let files = dumps::files();
    let places: Vec<(usize, std::ops::Range<usize>)> =
        files.iter().enumerate().flat_map(|(at, file)| values(&file.text).into_iter().map(move |range| (at, range))).collect();
    let wanted = std::env::var("VPCLAB_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut accepted = 0;
    for _ in 0..wanted {
        let mut dump = files.clone();
        let mut edits: Vec<usize> = (0..=draw(4)).map(|_| draw(places.len())).collect();
        // From the end, so that places before stay where they are.
        edits.sort_unstable_by(|a, b| b.cmp(a));
        edits.dedup();
        for edit in edits {
            let ((at, range), (from, other)) = (&places[edit], &places[draw(places.len())]);
            let value = files[*from].text[other.clone()].to_owned();
            dump[*at].text.replace_range(range.clone(), &value);
        }
        if let Ok(import) = dumps::read(dump) {
            accepted += 1;
            let fabric = Fabric::compile(&import.model);
            assert_eq!(fabric.vpcs.len(), import.model.vpcs.len());
            let exported = lab::export(&import.model, "again");
            let lab = load("again.yaml", &One(exported.text.clone())).unwrap_or_else(|e| panic!("{}\n{e}", exported.text));
            let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp(0)));
            lab.apply(&mut model).unwrap_or_else(|e| panic!("{}\n{e}", exported.text));
        }
    }
    assert!(accepted * 10 > wanted, "{accepted} of {wanted} were accepted");
}

#[test]
fn a_line_that_is_missing_or_doubled_is_read_or_refused() {
    for (at, file) in dumps::files().iter().enumerate() {
        let lines: Vec<&str> = file.text.lines().collect();
        for line in (0..lines.len()).step_by(5) {
            for copies in [0, 2] {
                let text = lines.iter().enumerate().flat_map(|(n, text)| vec![*text; if n == line { copies } else { 1 }]).collect::<Vec<_>>().join("\n");
                let (files, name) = with(at, text);
                survives(files, &name);
            }
        }
    }
}

#[test]
fn much_of_everything_is_no_matter_of_minutes() {
    let begun = std::time::Instant::now();
    let groups: Vec<String> = (0..20_000)
        .map(|n| format!(r#"{{"GroupId": "sg-{n:x}", "GroupName": "g{n}", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": []}}"#))
        .collect();
    let mut files = dumps::files();
    let known = dumps::read(files.clone()).unwrap().model.security_groups.len();
    files.push(DumpFile { name: "d/many.json".into(), text: format!("{{\"SecurityGroups\": [{}]}}", groups.join(",")) });
    files.push(DumpFile { name: "d/vpc.json".into(), text: r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.99.0.0/16"}]}"#.into() });
    assert_eq!(dumps::read(files).unwrap().model.security_groups.len(), known + 20_000);
    let deep = "{\"Vpcs\":".repeat(100_000);
    assert!(dumps::read(vec![DumpFile { name: "deep.json".into(), text: deep }]).unwrap_err().to_string().contains("levels deep"));
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
