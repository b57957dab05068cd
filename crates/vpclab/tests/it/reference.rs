//! `docs/reference.md` and the manual pages say what this program is.

use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn vpclab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn out(arguments: &[&str]) -> String {
    let done = vpclab(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_reference_is_current() {
    let made = out(&["man", "--markdown"]);
    let kept = std::fs::read_to_string(format!("{ROOT}/docs/reference.md")).unwrap();
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(made == kept, "docs/reference.md is not current; `make docs` makes it anew. The first difference: {differs:#?}");
}

#[test]
fn every_command_of_the_help_has_its_section_and_its_page() {
    let help = out(&["--help"]);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = commands.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   ")).filter_map(|l| l.split_whitespace().next()).collect();
    assert!(names.len() > 8, "{names:?}");
    let folder = scratch_folder!("man").display().to_string();
    out(&["man", &folder]);
    let reference = out(&["man", "--markdown"]);
    for name in names {
        assert!(reference.contains(&format!("\n### vpclab {name}\n")), "{name}");
        let page = std::fs::read_to_string(format!("{folder}/vpclab-{name}.1")).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&format!("vpclab\\-{name}")), "{name}: {page}");
    }
    assert!(out(&["man"]).contains(".TH vpclab 1"));
}

#[test]
fn every_key_of_a_lab_file_is_in_the_reference_with_its_value_and_meaning() {
    let reference = out(&["man", "--markdown"]);
    let schema: serde_json::Value = serde_json::from_str(&out(&["schema"])).unwrap();
    let kinds = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let forms = kinds.flat_map(|kind| kind["anyOf"].as_array().into_iter().flatten().chain([kind]));
    // What is not built yet is known to the schema so that it is refused with this reason.
    let is_built = |value: &serde_json::Value| value.get("not").is_none();
    let keys: Vec<&String> =
        forms.filter_map(|form| form["properties"].as_object()).flatten().filter(|(_, value)| is_built(value)).map(|(key, _)| key).collect();
    assert!(keys.len() > 60);
    for key in keys {
        let rows: Vec<&str> = reference.lines().filter(|line| line.starts_with(&format!("| `{key}` |"))).collect();
        assert!(!rows.is_empty(), "{key}");
        for row in rows {
            assert!(row.split(" | ").all(|cell| !cell.trim_matches(['|', ' ']).is_empty()), "{row}");
        }
    }
}
