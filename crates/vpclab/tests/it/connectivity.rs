//! `who`, `what`, `diff` and the connectivity of `plan`, as a person and a pipeline type them.

use std::process::{Command, Output};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");

/// No lab of whoever runs the tests takes part.
fn vpclab(arguments: &[&str]) -> Output {
    let home = scratch!("home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).env("VPCLAB_FILE", SHOP).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn out(arguments: &[&str], code: i32) -> String {
    let done = vpclab(arguments);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

fn mistake(arguments: &[&str]) -> String {
    let done = vpclab(arguments);
    assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", text(&done.stdout));
    assert!(done.stdout.is_empty(), "{arguments:?}");
    text(&done.stderr)
}

/// A database that everybody reaches, and a web server less; in a file of this name.
fn exposed(name: &str) -> String {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let shop = shop.split("expect:").next().unwrap();
    let edited = shop
        .replace("tcp/3306 from sg:web", "tcp/3306 from anywhere")
        .replace("db-1:    { subnet: internal", "db-1:    { public_ip: true, subnet: public-a")
        .replace("  web-2:", "  web-3:");
    let path = scratch!("{name}.yaml");
    std::fs::write(&path, edited).unwrap();
    path
}

#[test]
fn who_and_what_are_answered_for_everybody_and_the_internet() {
    assert_eq!(out(&["who", "can", "reach", "db-1"], 0), "FROM          TO    REQUESTS  ANSWERS\nweb-1, web-2  db-1  tcp/3306  arrive\n");
    let wanted = "\
FROM   TO                REQUESTS    ANSWERS
web-1  db-1              tcp/3306    arrive
web-1  web-2             tcp/80,443  arrive
web-1  office, internet  all         arrive
";
    assert_eq!(out(&["what", "can", "web-1", "reach"], 0), wanted);
    assert_eq!(out(&["what", "can", "internet", "reach", "tcp/22"], 1), "internet can reach nobody with tcp/22\n");
    assert_eq!(out(&["who", "can", "reach", "db-1:22"], 1), "nobody can reach db-1 with tcp/22\n");
    assert_eq!(out(&["who", "can", "reach", "sg:web", "tcp/22-80", "-o", "name"], 0), "bastion\ndb-1\ninternet\noffice\nweb-1\nweb-2\n");
    // An address of the internet that no rule speaks of.
    assert!(out(&["what", "can", "8.8.8.8", "reach", "-o", "csv"], 0).contains("\ninternet (8.8.8.8),web-1;web-2,\"tcp/80,443\",arrive\n"));
    let json: serde_json::Value = serde_json::from_str(&out(&["who", "can", "reach", "bastion", "--json"], 0)).unwrap();
    let route = serde_json::json!({"from": ["office"], "to": ["bastion"], "traffic": ["tcp/22"], "answered": true});
    assert_eq!(json, serde_json::json!({"schema": "vpclab-who/1", "routes": [route], "incomplete": false, "gaps": []}));
}

#[test]
fn questions_that_mean_nothing_say_what_to_type() {
    for (arguments, wanted) in [
        (&["who", "can", "reach"][..], "hint: vpclab who can reach db-1 tcp/3306"),
        (&["who", "can", "reach", "sg:wbe"], "did you mean `sg:web`?"),
        (&["who", "can", "reach", "bd-1"], "did you mean `db-1`?"),
        (&["who", "can", "reach", "db-1", "3306"], "hint: tcp/3306 or udp/3306"),
        (&["what", "can", "web-1", "reach", "tpc/22"], "did you mean `tcp`?"),
        (&["what", "can", "web-1", "reach", "tcp/22", "now"], "hint: vpclab what can web-1 reach tcp/443"),
        (&["what", "can", "web-1", "reach", "-o", "tap"], "only `test`, `sim test` and `matrix` report as TAP"),
        (&["who"], "<QUESTION>"),
    ] {
        let error = mistake(arguments);
        assert!(error.contains(wanted), "{arguments:?}: {error}");
    }
}

#[test]
fn a_difference_shows_what_opens_and_closes_beside_what_changes() {
    let exposed = exposed("difference");
    let there = out(&["diff", SHOP, &exposed], 0);
    let connectivity: Vec<&str> = there.lines().skip_while(|line| *line != "connectivity:").collect();
    assert_eq!(connectivity[1..5], ["  new: web-3", "  gone: web-2", "  internet, office -> db-1 tcp/3306: blocked -> OPEN", "  internet, office -> web-3 tcp/80,443: not there -> OPEN"]);
    assert!(there.contains("~ security group db: + tcp/3306 from 0.0.0.0/0\n") && there.contains("- instance web-2\n"), "{there}");
    let back = out(&["diff", &exposed, SHOP], 0);
    assert!(back.contains("\n  internet, office -> db-1 tcp/3306: open -> blocked\n"), "{back}");
    assert_eq!(there.matches(" -> OPEN\n").count(), back.matches(": open -> ").count());
    assert_eq!(out(&["diff", SHOP, SHOP, "--exit-code"], 0), "");
    assert_eq!(out(&["diff", SHOP, &exposed, "--exit-code"], 1), there);
}

#[test]
fn a_pull_request_gets_a_table_and_programs_get_rows() {
    let exposed = exposed("pull-request");
    let markdown = out(&["diff", SHOP, &exposed, "-o", "markdown", "--exit-code"], 1);
    assert!(markdown.contains("| from | to | requests | before | after |\n|---|---|---|---|---|\n"), "{markdown}");
    assert!(markdown.contains("\n| internet, office | db-1 | tcp/3306 | blocked | **OPEN** |\n"), "{markdown}");
    assert!(markdown.contains("\n```diff\n") && markdown.ends_with("```\n"), "{markdown}");
    let csv = out(&["diff", SHOP, &exposed, "-o", "csv"], 0);
    assert!(csv.starts_with("from,to,requests,before,after\ninternet;office,db-1,tcp/3306,blocked,open\n"), "{csv}");
    let json: serde_json::Value = serde_json::from_str(&out(&["diff", SHOP, &exposed, "--json"], 0)).unwrap();
    let first = &json["connectivity"]["changes"][0];
    assert_eq!((&first["from"], &first["before"], &first["after"]), (&serde_json::json!(["internet", "office"]), &"blocked".into(), &"open".into()));
    assert_eq!((&json["connectivity"]["appear"], &json["connectivity"]["vanish"]), (&serde_json::json!(["web-3"]), &serde_json::json!(["web-2"])));
    assert!(json["changes"].as_array().unwrap().len() > 3);
}

#[test]
fn a_plan_of_a_new_lab_says_what_will_be_open() {
    let plan = out(&["plan", "--exit-code"], 1);
    assert!(plan.contains("\nconnectivity:\n  new: 4 places (bastion … web-2)\n  internet, office -> web-1, web-2 tcp/80,443: not there -> OPEN\n"), "{plan}");
    let json: serde_json::Value = serde_json::from_str(&out(&["plan", "--json"], 0)).unwrap();
    assert_eq!(json["connectivity"]["appear"].as_array().unwrap().len(), 4);
    let markdown = out(&["plan", "-o", "markdown"], 0);
    assert!(markdown.starts_with("## lab shop\n\n### Who reaches whom\n"), "{markdown}");
}

#[test]
fn what_is_neither_a_file_nor_a_lab_is_said_to_be() {
    for (arguments, wanted) in [
        (&["diff", SHOP, "nowhere.yaml"][..], "`nowhere.yaml` is neither a file here nor a lab"),
        (&["diff", SHOP], "<AFTER>"),
        (&["diff", "-", "-"], "standard input can be one of the two only"),
        (&["diff", SHOP, SHOP, "-o", "name"], "-o table, wide, json, csv, markdown"),
    ] {
        let error = mistake(arguments);
        assert!(error.contains(wanted), "{arguments:?}: {error}");
    }
}
