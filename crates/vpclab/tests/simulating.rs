//! `sim` as a person types them: exit codes, what is printed where, and that the same seed gives the same frames.

use std::process::{Command, Output};

use serde_json::Value;

const CLASSROOM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/classroom.yaml");

fn sim(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(["-f", CLASSROOM, "sim"]).args(words.split(' ')).env("NO_COLOR", "1");
    command.output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_exit_code_says_whether_it_came_through() {
    for (words, code, expected) in [
        ("ping pc-1 pc-4", 0, "1 sent, 1 received, 0% loss"),
        ("ping pc-1 10.0.3.99", 1, "0 received, 100% loss"),
        ("ping pc-1 10.200.0.1", 1, "unreachable"),
        ("check pc-1 server tcp/http", 0, "open"),
        ("check pc-1 server tcp/81", 1, "refused by 10.0.3.10 with RST"),
        ("traceroute pc-1 server", 0, "10.0.3.10"),
        ("http pc-1 server", 0, "200"),
        ("http pc-1 pc-4", 1, "refused"),
        ("domains", 0, "collision domain 1: "),
    ] {
        let done = sim(words);
        let said = text(&done.stdout).to_lowercase();
        assert!(done.status.code() == Some(code) && said.contains(&expected.to_lowercase()), "{words}: {:?}\n{said}\n{}", done.status, text(&done.stderr));
    }
}

#[test]
fn what_names_nothing_is_wrong_usage_and_prints_no_frames() {
    for (words, hint) in [
        ("ping pc-1 pc-44", "there are: pc-1"),
        ("ping pc-44 pc-1", "pc-44"),
        ("check pc-1 pc-4 tcp/htpp", "http"),
        ("ping pc-1 pc-4 --filter bogus:", "no word of a filter"),
        ("ping pc-1 pc-4 --tables bogus", "there are:"),
        ("run /nowhere/script", "/nowhere/script"),
    ] {
        let done = sim(words);
        let said = text(&done.stderr);
        assert!(matches!(done.status.code(), Some(2 | 3)) && done.stdout.is_empty() && said.contains(hint), "{words}: {:?} {said}", done.status);
    }
}

#[test]
fn the_same_seed_gives_the_same_frames_and_json_keeps_its_keys() {
    let json = |words: &str| -> Value {
        let done = sim(words);
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{words}: {error}: {}", text(&done.stderr)))
    };
    let first = json("ping pc-1 server -o json --seed 7");
    assert_eq!(first, json("ping pc-1 server -o json --seed 7"));
    for key in ["schema", "seed", "ended_nanoseconds", "cut", "trace_hash", "result", "events"] {
        assert!(first.get(key).is_some(), "{key}");
    }
    assert_eq!((&first["schema"], &first["seed"]), (&Value::from("vpclab-sim/1"), &Value::from(7)));
}

/// Blocks of a pcapng file: type and body.
fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = word(bytes, 4) as usize;
        found.push((word(bytes, 0), &bytes[8..length - 4]));
        bytes = &bytes[length..];
    }
    found
}

#[test]
fn a_capture_goes_to_a_file_or_alone_to_a_pipe_and_obeys_the_filter() {
    let kinds = |bytes: &[u8]| -> (Vec<u8>, usize) {
        let blocks = blocks(bytes);
        let mut kinds: Vec<u8> = blocks.iter().filter(|(kind, _)| *kind == 1).map(|(_, body)| body[0]).collect();
        kinds.sort_unstable();
        kinds.dedup();
        (kinds, blocks.iter().filter(|(kind, _)| *kind == 6).count())
    };
    let (all, frames) = kinds(&sim("ping pc-1 server --pcap -").stdout);
    assert!(all == [1, 9] && frames > 10, "Ethernet and PPP: {all:?}, {frames}");
    let narrowed = |pcap: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(["-f", CLASSROOM, "sim", "ping", "pc-1", "server", "--filter", "node pc-1", "--pcap", pcap]);
        command.output().expect("it runs")
    };
    // tcpdump takes no file with interfaces of two kinds.
    let piped = narrowed("-");
    let (one, fewer) = kinds(&piped.stdout);
    assert!(one == [1] && fewer > 3 && fewer < frames, "{one:?}, {fewer} of {frames}");
    let path = format!("{}/narrowed.pcapng", env!("CARGO_TARGET_TMPDIR"));
    let filed = narrowed(&path);
    assert!(std::fs::read(&path).expect("the file") == piped.stdout && text(&filed.stdout).contains("1 received"));
    assert!(text(&filed.stderr).contains(&format!("{fewer} frames in {path}")), "{}", text(&filed.stderr));
}

#[test]
fn lessons_are_told_in_the_language_of_a_locale() {
    let learn = |code: &str| Command::new(env!("CARGO_BIN_EXE_vpclab")).arg("learn").env("VPCLAB_LANG", code).output().expect("it runs");
    let [korean, locale] = ["ko", "ko_KR.UTF-8"].map(|code| text(&learn(code).stdout));
    assert!(korean == locale && korean.contains("허브"), "{locale}");
    assert_eq!(text(&learn("C.UTF-8").stdout), text(&learn("en").stdout));
    let other = learn("fr");
    assert!(other.status.code() == Some(2) && text(&other.stderr).contains("en, ko"), "{}", text(&other.stderr));
}
