//! `conformance fuzz`: what it prints, and what it refuses.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

fn fuzz(arguments: &[&str]) -> Output {
    let home = scratch!("home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(["conformance", "fuzz"]).args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).output().unwrap()
}

#[test]
fn the_same_seed_prints_the_same() {
    let run = || fuzz(&["--engines", "proof,linux", "--seed", "5", "--labs", "1", "--probes", "12", "-o", "json"]);
    let (one, other) = (run(), run());
    assert_eq!(one.status.code(), Some(0), "{}", String::from_utf8_lossy(&one.stderr));
    assert_eq!(one.stdout, other.stdout);
    let told: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!((&told["probes"], &told["labs"], &told["seed"]), (&12.into(), &1.into(), &5.into()));
    assert_eq!(told["differences"], serde_json::json!([]));
    assert!(told["stages"]["VpnGateway"]["not_reached"].is_string(), "{told}");
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_type() {
    for (arguments, said) in [
        (&["--engines", "proof"][..], "--engines proof,linux"),
        (&["--engines", "proof,proof"], "--engines proof,linux"),
        (&["--engines", "proof,moon"], "possible values: proof, sim, linux"),
        (&["--labs", "0"], "1..="),
        (&["--seed", "18446744073709551615"], "a smaller seed"),
        (&["--save", "/dev/null/x"], "a folder that can be written"),
    ] {
        let refused = fuzz(arguments);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && text.contains(said), "{arguments:?}: {text}");
    }
}
