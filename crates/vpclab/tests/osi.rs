//! `osi` as a person types it.

use std::process::{Command, Output};

use serde_json::Value;

fn vpclab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_layer_a_protocol_and_a_port_are_told_however_they_are_written() {
    for (words, expected) in [
        (&["osi"][..], "7      application"),
        (&["osi", "2"], "Layer 2, data link"),
        (&["osi", "data", "link"], "Layer 2, data link"),
        (&["osi", "layer", "3"], "Layer 3, network"),
        (&["osi", "ARP"], "arp: address resolution protocol"),
        (&["osi", "443"], "services    https (tcp/443)"),
        (&["osi", "udp/53"], "services    dns (udp/53)"),
        (&["osi", "tcp", "ssh"], "port 22"),
    ] {
        let done = vpclab(words);
        assert!(done.status.success() && text(&done.stdout).contains(expected), "{words:?}: {}{}", text(&done.stdout), text(&done.stderr));
    }
}

#[test]
fn what_is_none_of_these_is_wrong_usage_and_says_what_may_be_meant() {
    for (word, hint) in [("htpp", "did you mean `http`?"), ("70000", "ports are 0 to 65535"), ("tcp/htps", "did you mean `https`?")] {
        let done = vpclab(&["osi", word]);
        assert_eq!(done.status.code(), Some(2), "{word}");
        assert!(text(&done.stderr).contains(hint) && done.stdout.is_empty(), "{word}: {}", text(&done.stderr));
    }
}

#[test]
fn programs_get_json_and_names() {
    let json = |words: &[&str]| serde_json::from_slice::<Value>(&vpclab(&[words, &["-o", "json"]].concat()).stdout).expect("JSON");
    let all = json(&["osi"]);
    assert_eq!((all["schema"].as_str(), all["layers"].as_array().map(Vec::len)), (Some("vpclab-osi/1"), Some(7)));
    assert_eq!(json(&["osi", "ssh"])["protocol"]["ports"][0]["port"], 22);
    let names = text(&vpclab(&["osi", "4", "-o", "name"]).stdout);
    assert_eq!(names.lines().collect::<Vec<_>>(), ["tcp", "udp"]);
}

#[test]
fn a_service_stands_for_its_port_in_a_question() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");
    let ask = |port: &str| text(&vpclab(&["why", "-f", shop, "internet", "web-1", port]).stdout);
    assert!(!ask("tcp/80").is_empty());
    assert_eq!(ask("tcp/http"), ask("tcp/80"));
}
