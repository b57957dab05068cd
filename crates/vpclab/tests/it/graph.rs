//! `graph` as a person types it.

use std::process::{Command, Output};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");

fn vpclab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn out(arguments: &[&str]) -> String {
    let done = vpclab(arguments);
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// A folder that is this test's alone.
fn folder(name: &str) -> String {
    scratch_folder!("{name}").display().to_string()
}

#[test]
fn a_terminal_gets_a_tree_unless_told_otherwise() {
    let tree = out(&["graph", "-f", SHOP]);
    assert!(tree.starts_with("ap-northeast-2\n") && tree.contains("└── db-1  192.168.0.132  sg:db"), "{tree}");
    assert_eq!(out(&["graph", SHOP]), tree, "the file by position");
    assert_eq!(out(&["graph", SHOP, "--kind", "tree"]), tree);
    assert!(out(&["graph", SHOP, "--kind", "mermaid"]).starts_with("flowchart TB\n"));
    assert!(out(&["graph", SHOP, "-k", "svg", "-w", "-"]).starts_with("<svg "));
}

#[test]
fn the_ending_of_the_file_says_what_to_draw() {
    let folder = folder("endings");
    for (name, starts) in [("a.svg", "<svg "), ("a.mmd", "flowchart TB\n"), ("a.md", "```mermaid\nflowchart TB\n"), ("a.txt", "ap-northeast-2\n")] {
        let path = format!("{folder}/{name}");
        assert_eq!(out(&["graph", SHOP, "-w", &path]), "", "the picture is in the file");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(starts) && text.ends_with('\n'), "{name}: {text}");
    }
    // A picture is replaced, and nothing is left beside it.
    assert_eq!(out(&["graph", SHOP, "-w", &format!("{folder}/a.svg"), "--kind", "tree"]), "");
    assert!(std::fs::read_to_string(format!("{folder}/a.svg")).unwrap().starts_with("ap-northeast-2\n"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
}

#[test]
fn what_cannot_be_written_is_said_with_what_to_do() {
    let done = vpclab(&["graph", SHOP, "-w", "picture.bmp"]);
    assert_eq!(done.status.code(), Some(2));
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(error.contains("picture.bmp") && error.contains("--kind svg"), "{error}");
    let nowhere = format!("{}/nowhere/a.svg", folder("nowhere"));
    let done = vpclab(&["graph", SHOP, "-w", &nowhere]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8(done.stderr).unwrap().contains(&nowhere));
    assert!(!std::path::Path::new("picture.bmp").exists());
}

#[test]
fn the_pictures_in_the_documents_are_those_that_the_command_draws() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut seen = 0;
    for entry in std::fs::read_dir(format!("{root}/docs/pictures")).unwrap() {
        let picture = entry.unwrap().path();
        let name = picture.file_stem().unwrap().to_str().unwrap().to_owned();
        // What `anatomy` draws of a live container has its numbers of that day; what `sim domains` draws, simulating.rs compares.
        if ["container", "domains"].contains(&name.as_str()) {
            continue;
        }
        let again = format!("vpclab graph examples/{name}.yaml -w docs/pictures/{name}.svg");
        let drawn = out(&["graph", &format!("{root}/examples/{name}.yaml"), "--kind", "svg"]);
        assert!(drawn == std::fs::read_to_string(&picture).unwrap(), "{} is not current: {again}", picture.display());
        seen += 1;
    }
    assert_eq!(seen, std::fs::read_dir(format!("{root}/examples")).unwrap().filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "yaml")).count(), "a picture for each example");
}
