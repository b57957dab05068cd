//! A disk without room: every command that writes says so and ends with 3, whether the disk is behind a file or behind standard output.
#![cfg(target_os = "linux")]

use std::fs::OpenOptions;
use std::time::{Duration, Instant};

use crate::home::Home;

const LAB: &str = "\
vpcs:
  net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28 } } }
instances:
  web-1: { subnet: a, run: [\"echo printed\"], listen: [tcp/80] }
  web-2: { subnet: a }
";

/// Runs a command whose standard output is a full disk.
fn into_a_full_disk(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = home.command(arguments).stdout(full).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_full_disk_is_said_and_ends_with_3() {
    let home = Home::with_lab(LAB);
    home.yes(&["up"]);
    // What `run:` lines print takes a moment.
    let begun = Instant::now();
    while !home.run(&["logs", "web-1"]).stdout.contains("printed") {
        assert!(begun.elapsed() < Duration::from_secs(30), "web-1 prints nothing");
    }
    let scenarios = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance");
    for arguments in [
        &["logs", "web-1"][..],
        &["images", "ls"],
        &["ls", "instances"],
        &["capture", "web-1", "--duration", "0", "-w", "-"],
        &["conformance", "run", scenarios, "--engine", "proof"],
        &["snapshot", "-w", "/dev/stdout", "--force"],
    ] {
        let (code, said) = into_a_full_disk(&home, arguments);
        assert!(code == Some(3) && said.contains("No space left on device"), "{arguments:?}: {code:?} {said}");
    }
    for arguments in [
        &["capture", "web-1", "--duration", "0", "-w", "/dev/full"][..],
        &["graph", "-w", "/dev/full", "--kind", "svg", "--force"],
        &["snapshot", "-w", "/dev/full", "--force"],
    ] {
        let done = home.run(arguments);
        assert!(done.code == 3 && done.stderr.contains("No space left on device"), "{arguments:?}: {} {}", done.code, done.stderr);
    }
}
