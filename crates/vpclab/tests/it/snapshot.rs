//! `snapshot`, and `-f` with what it wrote, as a person types them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn vpclab(arguments: &[&str]) -> Output {
    // No lab of whoever runs the tests takes part.
    let home = scratch!("home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.current_dir(ROOT).args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    scratch_folder!("{name}")
}

/// A snapshot of a source, in a folder of the test's own.
fn taken(folder: &Path, source: &str) -> String {
    let file = folder.join("taken.snapshot").to_string_lossy().into_owned();
    let done = vpclab(&["snapshot", "-f", source, "-w", &file, "--force"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    file
}

#[test]
fn answers_are_those_of_the_source() {
    let folder = folder("snapshot-answers");
    let dump = "crates/lab/tests/dump";
    let commands: [(&str, &[&str]); 8] = [
        ("examples/shop.yaml", &["why", "-o", "json", "web-1", "db-1", "tcp/3306"]),
        ("examples/shop.yaml", &["why", "-o", "json", "internet", "db-1", "tcp/3306"]),
        ("examples/shop.yaml", &["why", "internet", "web-1", "tcp/23"]),
        ("examples/shop.yaml", &["test", "--engine", "proof"]),
        ("examples/iam.yaml", &["test", "--engine", "proof"]),
        (dump, &["matrix", "--engine", "proof", "-o", "json"]),
        (dump, &["lint", "-o", "json"]),
        (dump, &["graph"]),
    ];
    for (source, command) in commands {
        let file = taken(&folder, source);
        let (before, after) = (vpclab(&[command, &["-f", source]].concat()), vpclab(&[command, &["-f", &file]].concat()));
        assert_eq!(text(&after.stdout), text(&before.stdout), "{command:?}");
        assert!(!before.stdout.is_empty(), "{command:?}: {}", text(&before.stderr));
        assert_eq!(after.status.code(), before.status.code());
        // What was said of the source is said of its snapshot, behind a word about itself.
        let said = text(&after.stderr);
        let (own, rest) = said.split_once('\n').unwrap();
        assert!(own.contains(&format!("{file} is a snapshot of {source}, taken ")), "{own}");
        assert_eq!(rest, text(&before.stderr), "{command:?}");
    }
}

#[test]
fn a_file_that_is_there_stays_unless_that_is_said() {
    let folder = folder("snapshot-there");
    let file = folder.join("shop.snapshot").to_string_lossy().into_owned();
    let take = |more: &[&str]| vpclab(&[&["snapshot", "-f", "examples/shop.yaml", "-w", &file], more].concat());
    let done = take(&[]);
    let told = text(&done.stdout);
    assert!(told.starts_with(&format!("{file} written: 1 VPC, 4 subnets, 5 network interfaces, 4 security groups; ")), "{told}");
    let again = take(&[]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(text(&again.stderr), format!("error: {file} exists\nhint: --force writes over it\n"));
    assert_eq!(take(&["--force"]).status.code(), Some(0));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing lies beside it");
}

#[test]
fn what_cannot_be_used_says_what_to_type() {
    let folder = folder("snapshot-broken");
    let file = taken(&folder, "examples/shop.yaml");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 9]).unwrap();
    let done = vpclab(&["why", "-f", &file, "web-1", "db-1", "tcp/3306"]);
    assert_eq!(done.status.code(), Some(2));
    let said = text(&done.stderr);
    assert!(said.starts_with(&format!("error: {file} cannot be read: it is damaged: it is cut short: ")), "{said}");
    assert!(said.ends_with(&format!("[VL0701]\nhint: make it anew: vpclab snapshot -f SOURCE -w {file} --force\n")), "{said}");
    // Commands that need a lab file say so.
    let file = taken(&folder, "examples/shop.yaml");
    let done = vpclab(&["plan", &file]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("is a snapshot, not a lab file"), "{}", text(&done.stderr));
}
