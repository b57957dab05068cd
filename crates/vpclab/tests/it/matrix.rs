//! `matrix`, and what `test` says of broken promises, as a person types them.

use std::process::{Command, Output};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");
const MIDDLEBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/middlebox.yaml");

/// No lab of whoever runs the tests takes part.
fn vpclab(arguments: &[&str]) -> Output {
    let home = scratch!("home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).env_remove("COLUMNS").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn out(arguments: &[&str], code: i32) -> String {
    let done = vpclab(arguments);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

#[test]
fn both_engines_print_the_same_table() {
    let expanded = "\
tcp/22
          bastion  db-1  web-1  web-2  office  internet
bastion            ·     ●      ●      ●       ●
db-1      ·              ·      ·      ●       ●
web-1     ·        ·            ·      ●       ●
web-2     ·        ·     ·             ●       ●
office    ●        ·     ·      ·
internet  ·        ·     ·      ·

tcp/443
          bastion  db-1  web-1  web-2  office  internet
bastion            ·     ○      ○      ●       ●
db-1      ·              ○      ○      ●       ●
web-1     ·        ·            ○      ●       ●
web-2     ·        ·     ○             ●       ●
office    ·        ·     ○      ○
internet  ·        ·     ○      ○

● open  ○ refused  · filtered; rows send, columns receive
";
    let grouped = "\
tcp/22
          bastion  db-1  2 web  office  internet
bastion            ·     ●      ●       ●
db-1      ·              ·      ●       ●
2 web     ·        ·     ·      ●       ●
office    ●        ·     ·
internet  ·        ·     ·

tcp/443
          bastion  db-1  2 web  office  internet
bastion            ·     ○      ●       ●
db-1      ·              ○      ●       ●
2 web     ·        ·     ○      ●       ●
office    ·        ·     ○
internet  ·        ·     ○

2 web: web-1, web-2
● open  ○ refused  · filtered; rows send, columns receive
";
    for engine in ["proof", "linux"] {
        assert_eq!(out(&["matrix", "tcp/443,22", "-f", SHOP, "--engine", engine], 0), grouped, "{engine}");
        assert_eq!(out(&["matrix", "tcp/443,22", "--expand", "-f", SHOP, "--engine", engine], 0), expanded, "{engine}");
    }
}

#[test]
fn what_is_grouped_holds_for_every_pair_on_every_example() {
    for name in ["bastion", "middlebox", "peering", "shop", "three-tier"] {
        let path = format!("{}/../../examples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let read = |arguments: &[&str]| -> Vec<serde_json::Value> { serde_json::from_str(&out(&[&["matrix", "-f", &path, "--json"], arguments].concat(), 0)).unwrap() };
        let mut grouped = std::collections::BTreeMap::new();
        for row in read(&["--engine", "proof"]) {
            let names = |key: &str| row[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>();
            let mut pairs = 0;
            for from in names("from") {
                for to in names("to").into_iter().filter(|to| *to != from) {
                    let key = (from.clone(), to, row["packet"].as_str().unwrap().to_owned());
                    assert_eq!(grouped.insert(key, row["result"].as_str().unwrap().to_owned()), None);
                    pairs += 1;
                }
            }
            assert_eq!(row["pairs"], pairs, "{name}: {row}");
        }
        // The walker, asked one by one, says the same.
        let mut asked = std::collections::BTreeSet::new();
        for row in read(&["--engine", "proof", "--expand"]) {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let key = (text("from"), text("to"), text("packet"));
            let result = text("result").replace("no public address", "filtered");
            assert_eq!(grouped.get(&key), Some(&result), "{name}: {key:?}");
            asked.insert(key);
        }
        assert_eq!(asked.len(), grouped.len(), "{name}");
    }
}

#[test]
fn the_proof_knows_every_port_of_a_range() {
    let table = out(&["matrix", "tcp/1-65535", "udp", "-f", SHOP, "--engine", "proof"], 0);
    assert!(table.starts_with("tcp/1-65535\n") && table.contains("\n2 web     ·        ◐     ◐      ●       ●\n"), "{table}");
    assert!(table.contains("\nudp\n") && table.contains("◐ some of it only"), "{table}");
}

#[test]
fn a_page_shows_the_map_and_needs_nothing_else() {
    for engine in ["proof", "linux"] {
        let page = out(&["matrix", "-f", SHOP, "--engine", engine, "-o", "html"], 0);
        assert!(page.starts_with("<!DOCTYPE html>\n") && page.ends_with("</html>\n"), "{page}");
        assert!(page.contains("<title>Who reaches whom in shop</title>") && page.contains("<dt>2 web</dt><dd>web-1, web-2</dd>"), "{page}");
        assert!(page.contains("title=\"2 web → db-1 tcp/3306: open\">●</td>") && page.contains("title=\"2 web → db-1: tcp/3306\">1</td>"), "{page}");
        assert!(!page.contains("http") && !page.contains("<script"), "{page}");
    }
}

#[test]
fn two_engines_are_compared_on_every_port_that_a_rule_names() {
    assert_eq!(out(&["matrix", "-f", SHOP, "--engine", "proof,linux"], 0), "proof and linux disagree on 0 of 140 probes\n");
    let json = out(&["matrix", "-f", SHOP, "--engine", "linux,proof", "--json"], 0);
    assert_eq!(json, "{\n  \"probes\": 140,\n  \"disagreements\": [],\n  \"incomplete\": false,\n  \"gaps\": []\n}\n");
}

#[test]
fn a_refusal_through_an_appliance_is_one_in_both_engines() {
    // The answer to a probe of a closed port, a reset, passes the router twice.
    let compared = out(&["matrix", "tcp/443", "-f", MIDDLEBOX, "--engine", "proof,linux"], 0);
    assert_eq!(compared, "proof and linux disagree on 0 of 12 probes\n");
    for engine in ["proof", "linux"] {
        let said = out(&["check", "app-1", "db-1", "tcp/443", "-f", MIDDLEBOX, "--engine", engine], 1);
        assert_eq!(said, "app-1 -> 10.0.3.4: refused\n", "{engine}");
    }
}

#[test]
fn programs_read_a_row_for_every_packet() {
    let grouped = out(&["matrix", "tcp/3306", "-f", SHOP, "-o", "csv"], 0);
    assert!(grouped.starts_with("from,to,pairs,packet,result\n") && grouped.contains("\nweb-1;web-2,db-1,2,tcp/3306,open\n"), "{grouped}");
    let csv = out(&["matrix", "tcp/3306", "--expand", "-f", SHOP, "-o", "csv"], 0);
    assert!(csv.starts_with("from,to,address,packet,result,at\n"), "{csv}");
    assert!(csv.contains("\nbastion,db-1,192.168.0.132,tcp/3306,filtered,sg-in:db-1\n"), "{csv}");
    assert!(csv.contains("\ninternet,db-1,,tcp/3306,no public address,\n"), "{csv}");
    let json = out(&["matrix", "tcp/3306", "--expand", "-f", SHOP, "-o", "json"], 0);
    assert_eq!(json.matches("\"from\"").count(), csv.lines().count() - 1);
    let markdown = out(&["matrix", "tcp/3306", "-f", SHOP, "-o", "markdown"], 0);
    assert!(markdown.contains("\n| 2 web | · | ● | · | ● | ● |\n"), "{markdown}");
}

#[test]
fn mistakes_say_what_to_type() {
    let cases: [(&[&str], &str); 5] = [
        (&["matrix", "--engine", "proof,linux", "-o", "html"], "two engines are compared as a table"),
        (&["matrix", "tcp/0-65535"], "name at most 64 ports"),
        (&["matrix", "tpc/22"], "did you mean `tcp`?"),
        (&["matrix", "-o", "tap"], "-o table, wide, csv, json, markdown, html"),
        (&["matrix", "--engine", "proof,linux,proof"], "--engine proof,linux"),
    ];
    for (arguments, wanted) in cases {
        let done = vpclab(&[arguments, &["-f", SHOP]].concat());
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert!(text(&done.stderr).contains(wanted) && done.stdout.is_empty(), "{arguments:?}: {}", text(&done.stderr));
    }
}

fn broken() -> String {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let broken = shop.replace("tcp/3306 from sg:web", "tcp/3307 from sg:web");
    assert_ne!(broken, shop);
    let path = scratch!("broken-for-matrix.yaml");
    std::fs::write(&path, broken).unwrap();
    path
}

#[test]
fn a_broken_promise_names_every_pair_in_every_format() {
    let path = broken();
    let pairs = ["web-1 -> 192.168.0.132 tcp/3306: dropped at sg-in:db-1", "web-2 -> 192.168.0.132 tcp/3306: dropped at sg-in:db-1"];
    let table = out(&["test", "-f", &path], 1);
    assert!(pairs.iter().all(|pair| table.contains(&format!("       {pair}\n"))), "{table}");
    let tap = out(&["test", "-f", &path, "-o", "tap"], 1);
    assert!(tap.starts_with("TAP version 14\n1..8\nok 1 - "), "{tap}");
    assert!(tap.contains("\nnot ok 6 - web-1, web-2 -> db-1 tcp/3306: open\n  ---\n  broken:\n    - \"web-1 -> "), "{tap}");
    assert_eq!(tap.matches("\nok ").count() + tap.matches("\nnot ok ").count(), 8);
    let junit = out(&["test", "-f", &path, "-o", "junit"], 1);
    assert!(junit.contains("tests=\"8\" failures=\"1\"") && junit.contains("<failure message=\"web-1 -&gt; 192.168.0.132"), "{junit}");
    assert_eq!(junit.matches("<testcase ").count(), 8);
    let json = out(&["test", "-f", &path, "-o", "json"], 1);
    assert!(json.contains("\"to\": \"192.168.0.132\"") && json.matches("\"status\": \"passed\"").count() == 7, "{json}");
}

#[test]
fn a_filter_that_matches_nothing_lists_the_claims() {
    let done = vpclab(&["test", "-f", SHOP, "frobnicate"]);
    let error = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2));
    assert!(error.contains("no claim contains `frobnicate`") && error.contains("\n  db-1 -> internet tcp/443: allowed via nat\n"), "{error}");
    assert!(done.stdout.is_empty());
    assert!(out(&["test", "-f", SHOP, "tcp/22"], 0).ends_with("3 passed, 0 failed\n"));
}

#[test]
fn only_and_nothing_else_ask_everybody_else_too() {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let claims = [
        ("only web-1, web-2 -> db-1 tcp/3306: open", None),
        ("only office -> bastion tcp/22: open", None),
        ("nothing else -> db-1: blocked", None),
        ("bastion -> db-1 any: blocked by sg", None),
        ("only bastion -> web-1 tcp/80: allowed", Some("web-2 -> 192.168.0.4 tcp/80: open, and only others may")),
        ("nothing else -> web-2 tcp/1-1000: blocked", Some("db-1 -> 192.168.0.68 tcp/80: open, and no claim says so (same for tcp/80,443)")),
        ("only db-1 -> internet tcp/443: allowed", Some("bastion -> 198.18.0.1 tcp/443: open, and only others may")),
        // One port of a wide range that is open is found.
        ("web-1 -> db-1 tcp/1-6000: blocked", Some("web-1 -> 192.168.0.132 tcp/3306: open")),
    ];
    let lines: String = claims.iter().map(|(claim, _)| format!("  - {claim}\n")).collect();
    let path = scratch!("only.yaml");
    std::fs::write(&path, shop.trim_end().to_owned() + "\n" + &lines).unwrap();
    let printed = ["proof", "linux"].map(|engine| out(&["test", "-f", &path, "--engine", engine], 1));
    assert_eq!(printed[0], printed[1]);
    assert!(printed[0].ends_with("12 passed, 4 failed\n"), "{}", printed[0]);
    for why in claims.iter().filter_map(|(_, why)| *why) {
        assert!(printed[0].contains(&format!("       {why}\n")), "{why}: {}", printed[0]);
    }
}
