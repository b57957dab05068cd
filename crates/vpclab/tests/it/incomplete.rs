//! A source that lacks something: every command that gives a verdict says that it is incomplete, and what is missing.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

const DUMP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/tests/dump/accounts/123456789012/ap-northeast-2");
const PLAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/tests/terraform/shop.plan.json");

/// What is printed on stdout.
fn out(arguments: &[&str]) -> String {
    let home = scratch!("home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    let done = command.args(arguments).env("NO_COLOR", "1").env("COLUMNS", "200").env("VPCLAB_HOME", home).output().unwrap();
    assert!(done.status.code().is_some_and(|code| code < 2), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&out(&[arguments, &["-o", "json"]].concat())).unwrap()
}

/// The dump without some of its files.
fn without(name: &str, files: &[&str]) -> PathBuf {
    let folder = scratch_folder!("{name}");
    for file in std::fs::read_dir(DUMP).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !files.contains(&name.as_str()) {
            std::fs::copy(&file, folder.join(name)).unwrap();
        }
    }
    folder
}

#[test]
fn a_reference_that_dangles_marks_every_verdict() {
    let folder = without("dangling", &["transit-gateways.json", "vpc-peering-connections.json"]);
    let dump = folder.to_str().unwrap();
    let claims = folder.with_extension("claims.yaml");
    std::fs::write(&claims, "expect:\n  - app-1 -> db-1 tcp/5432: blocked\n").unwrap();
    let claims = claims.to_str().unwrap();
    let is_peering = |gap: &Value| gap["kind"] == "missing" && gap["text"].as_str().unwrap().contains("pcx-") && gap["origin"].as_str().unwrap().contains("route-tables.json:");

    let why = json(&["why", "-f", dump, "app-1", "db-1", "tcp/5432"]);
    assert_eq!((&why["verdict"], &why["incomplete"]), (&"denied".into(), &true.into()), "what is absent carries nothing");
    assert!(is_peering(&why["gaps"][0]), "the route on the way comes first: {}", why["gaps"]);
    for (arguments, rows) in [
        (&["matrix", "-f", dump, "--engine", "proof", "tcp/5432"][..], None),
        (&["matrix", "-f", dump, "--engine", "proof", "tcp/5432", "--expand"], None),
        (&["test", "-f", dump, "--engine", "proof", "--expect", claims], None),
        (&["who", "can", "reach", "db-1", "tcp/5432", "-f", dump], Some("routes")),
        (&["what", "can", "app-1", "reach", "-f", dump], Some("routes")),
        (&["diff", dump, DUMP], Some("connectivity")),
        (&["why", "-f", dump, "app-1", "db-1", "--all-ports"], Some("pairs")),
    ] {
        let told = json(arguments);
        let marked = match rows {
            None => told.as_array().unwrap().clone(),
            Some(key) => {
                assert!(told.get(key).is_some(), "{arguments:?}: {told}");
                vec![told]
            }
        };
        assert!(!marked.is_empty() && marked.iter().all(|row| row["incomplete"] == true), "{arguments:?}");
        assert!(marked.iter().all(|row| row["gaps"].as_array().unwrap().iter().any(is_peering)), "{arguments:?}: {}", marked[0]);
    }
    let findings = json(&["lint", "-f", dump]);
    let is_gap = |finding: &&Value| finding["check"] == "incomplete" && finding["text"].as_str().unwrap().contains("pcx-");
    assert!(findings.as_array().unwrap().iter().any(|finding| is_gap(&finding)), "{findings}");
    let aws = &json(&["why", "-f", dump, "app-1", "db-1", "tcp/22"]);
    assert_eq!(aws["incomplete"], true);
    let aws: Value = serde_json::from_str(&out(&["why", "-f", dump, "app-1", "db-1", "tcp/5432", "-o", "aws"])).unwrap();
    assert!(aws["NetworkInsightsAnalyses"][0]["WarningMessage"].as_str().unwrap().contains("pcx-"), "{aws}");

    // The same for people.
    assert!(out(&["why", "-f", dump, "app-1", "db-1", "tcp/5432", "--brief"]).starts_with("DENIED (incomplete)  app-1 -> db-1 tcp/5432"));
    for arguments in [
        &["why", "-f", dump, "app-1", "db-1", "tcp/5432"][..],
        &["matrix", "-f", dump, "--engine", "proof", "tcp/5432"],
        &["matrix", "-f", dump, "--engine", "proof", "tcp/5432", "-o", "markdown"],
        &["matrix", "-f", dump, "--engine", "proof", "tcp/5432", "-o", "html"],
        &["who", "can", "reach", "db-1", "tcp/22", "-f", dump],
        &["test", "-f", dump, "--engine", "proof", "--expect", claims],
        &["test", "-f", dump, "--engine", "proof", "--expect", claims, "-o", "tap"],
        &["test", "-f", dump, "--engine", "proof", "--expect", claims, "-o", "junit"],
        &["lint", "-f", dump],
        &["diff", dump, DUMP],
        &["diff", dump, DUMP, "-o", "markdown"],
    ] {
        let text = out(arguments);
        assert!(text.contains("incomplete") && text.contains("missing: ") && text.contains("pcx-"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_source_that_says_all_is_not_marked() {
    let folder = without("complete", &["transit-gateways.json"]);
    for source in [folder.to_str().unwrap(), concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml")] {
        let why = json(&["why", "-f", source, "bastion", "internet", "tcp/443"]);
        assert_eq!((&why["incomplete"], &why["gaps"]), (&false.into(), &serde_json::json!([])), "{source}");
        let matrix = json(&["matrix", "-f", source, "--engine", "proof", "tcp/22"]);
        assert!(matrix.as_array().unwrap().iter().all(|row| row["incomplete"] == false), "{source}");
        // Where the file lies has the word in it.
        let text = out(&["why", "-f", source, "bastion", "internet", "tcp/443"]).replace("/incomplete/", "/");
        assert!(!text.contains("incomplete"), "{source}: {text}");
    }
}

#[test]
fn what_a_plan_leaves_open_is_unknown_and_never_allowed() {
    let own = "\"source_security_group_id\":{\"references\":[\"aws_security_group.app.id\",\"aws_security_group.app\"]}";
    let plan = std::fs::read_to_string(PLAN).unwrap();
    assert!(plan.contains(own));
    let file = PathBuf::from(scratch!("open.plan.json"));
    std::fs::write(&file, plan.replace(own, "\"source_security_group_id\":{\"references\":[\"local.source\"]}")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(json(&["why", "-f", PLAN, "app-a", "db", "tcp/5432"])["verdict"], "allowed");
    let why = json(&["why", "-f", file, "app-a", "db", "tcp/5432"]);
    assert_eq!((&why["verdict"], &why["incomplete"], &why["gaps"][0]["kind"]), (&"denied".into(), &true.into(), &"unknown".into()));
    assert!(why["gaps"][0]["text"].as_str().unwrap().contains("db_from_app.source_security_group_id"), "{}", why["gaps"]);
    let text = out(&["why", "-f", file, "app-a", "db", "tcp/5432"]);
    assert!(text.starts_with("DENIED (incomplete)  app-a -> db") && text.contains("    unknown: "), "{text}");
}
