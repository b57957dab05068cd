//! Which mistakes a lab's promises would not notice.

use std::process::{Command, Output};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");

fn vpclab(arguments: &[&str]) -> Output {
    // No lab of whoever runs the tests takes part.
    let home = scratch!("home");
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(name: &str, content: &str) -> String {
    let path = scratch!("{name}.yaml");
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_port_that_no_claim_speaks_of_is_missed_and_a_claim_notices_it() {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let done = vpclab(&["test", "--mutate", "-f", SHOP]);
    let out = text(&done.stdout);
    let missed: Vec<&str> = out.lines().filter(|line| line.starts_with("MISSED")).collect();
    assert_eq!(missed.len(), 2, "{out}");
    assert!(missed.iter().all(|line| line.contains("sg web: the rule `tcp/443 from anywhere`")), "{out}");
    assert!(out.ends_with("mistakes noticed, 2 missed\n"), "{out}");
    assert_eq!(done.status.code(), Some(1));

    let told = shop.replace("  - office -> bastion tcp/22: open", "  - internet -> web-1, web-2 tcp/443: allowed\n  - office -> bastion tcp/22: open");
    assert_ne!(told, shop);
    let done = vpclab(&["test", "--mutate", "-f", &file("told", &told), "-o", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&done.stdout).unwrap();
    assert!(rows.iter().all(|row| row["fate"] != "missed"), "{}", text(&done.stdout));
    let noticed = rows.iter().find(|row| row["text"].as_str().unwrap().contains("`tcp/443 from anywhere` is gone")).unwrap();
    assert_eq!(noticed["by"], "internet -> web-1, web-2 tcp/443: allowed");
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn a_lab_that_breaks_a_promise_already_says_so_first() {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let broken = file("broken-already", &shop.replace("tcp/3306 from sg:web", "tcp/3307 from sg:web"));
    let done = vpclab(&["test", "--mutate", "-f", &broken]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).starts_with("error: a promise is broken already: web-1, web-2 -> db-1 tcp/3306: open\n"), "{}", text(&done.stderr));
}
