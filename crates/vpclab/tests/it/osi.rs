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
        (&["osi", "22/tcp"], "services    ssh (tcp/22)"),
        (&["osi", "68"], "DHCP DHCPOFFER"),
        (&["osi", "0"], "reserved"),
        (&["osi", "segment"], "Layer 4, transport"),
        (&["osi", "quic"], "RFC 9000"),
        (&["osi", "전송", "계층", "--lang", "ko"], "4계층, 전송 계층"),
        (&["osi", "--lang", "ko"], "7     응용"),
    ] {
        let done = vpclab(words);
        assert!(done.status.success() && text(&done.stdout).contains(expected), "{words:?}: {}{}", text(&done.stdout), text(&done.stderr));
    }
}

#[test]
fn what_is_none_of_these_is_wrong_usage_and_says_what_may_be_meant() {
    for (word, hint) in [("htpp", "did you mean `http`?"), ("70000", "ports are 0 to 65535"), ("tcp/htps", "did you mean `https`?"), ("NAT", "vpclab learn glossary NAT explains it")] {
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
    assert_eq!(names.lines().collect::<Vec<_>>(), ["tcp", "udp", "quic"]);
}

#[test]
fn a_service_stands_for_its_port_in_a_question() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");
    let ask = |port: &str| text(&vpclab(&["why", "-f", shop, "internet", "web-1", port]).stdout);
    assert!(!ask("tcp/80").is_empty());
    assert_eq!(ask("tcp/http"), ask("tcp/80"));
}

#[test]
fn a_korean_asks_and_is_answered_in_korean() {
    let ask = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(words).env("NO_COLOR", "1").env("VPCLAB_LANG", "ko_KR.UTF-8").output().expect("it runs")
    };
    let arp = text(&ask(&["osi", "arp"]).stdout);
    assert!(arp.starts_with("arp: 주소 결정 프로토콜\n") && arp.contains("  계층        2 데이터 링크\n"), "{arp}");
    let slip = ask(&["osi", "htpp"]);
    assert_eq!(slip.status.code(), Some(2));
    assert!(text(&slip.stderr).contains("혹시 `http` 말인가요?"), "{}", text(&slip.stderr));
    let json: Value = serde_json::from_slice(&ask(&["osi", "2", "-o", "json"]).stdout).expect("JSON");
    assert_eq!((json["layers"][0]["number"].as_u64(), json["layers"][0]["name"].as_str()), (Some(2), Some("데이터 링크")));
}
