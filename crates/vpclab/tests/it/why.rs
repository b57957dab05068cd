//! `why` as a person types it, and as a program reads it. What it prints for people stands in `docs/why.md`, which a test
//! runs.

use std::process::{Command, Output};

use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

fn vpclab(arguments: &[&str], columns: Option<&str>) -> Output {
    // No lab of whoever runs the tests takes part.
    let home = scratch!("home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.arg("why").args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).env_remove("COLUMNS");
    command.envs(columns.map(|columns| ("COLUMNS", columns))).output().unwrap()
}

fn why(file: &str, arguments: &[&str]) -> Output {
    let path = format!("{EXAMPLES}/{file}.yaml");
    vpclab(&[&["-f", &path], arguments].concat(), None)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(done: &Output) -> Value {
    serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", text(&done.stdout), text(&done.stderr)))
}

/// The names of components in order, by what stands before the colon and after it.
fn places(way: &Value) -> Vec<&str> {
    way["hops"].as_array().unwrap().iter().map(|hop| hop["at"].as_str().unwrap()).collect()
}

#[test]
fn programs_get_verdict_hops_and_blockers() {
    let done = why("why/b", &["web-1", "db-1", "tcp/3306", "-o", "json"]);
    assert_eq!(done.status.code(), Some(1));
    let told = json(&done);
    assert_eq!((&told["schema"], &told["verdict"]), (&"vpclab-why/1".into(), &"one-way".into()));
    assert_eq!((&told["request"]["delivered"], &told["reply"]["delivered"]), (&true.into(), &false.into()));
    let there = ["web-1", "eni:web-1", "sg-out:web-1", "acl-out:web-a", "rtb:rtb-web", "acl-in:db-a", "sg-in:db-1", "eni:db-1", "db-1"];
    assert_eq!(places(&told["request"]), there);
    let ids: Vec<&str> = told["request"]["hops"].as_array().unwrap().iter().map(|hop| hop["id"].as_str().unwrap()).collect();
    let kinds: Vec<&str> = ids.iter().map(|id| id.split('-').next().unwrap()).collect();
    assert_eq!(kinds, ["i", "eni", "sg", "acl", "rtb", "acl", "sg", "eni", "i"]);
    assert_eq!(told["request"]["blockers"], Value::Array(Vec::new()));
    let [blocker] = told["reply"]["blockers"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&blocker["code"], &blocker["at"]), (&"SUBNET_ACL_RESTRICTION".into(), &"acl-in:web-a".into()));
    let rule = &blocker["rule"];
    assert_eq!((&rule["number"], &rule["allow"], &rule["cidr"]), (&90.into(), &false.into(), &"10.0.2.0/24".into()));
    let line = std::fs::read_to_string(format!("{EXAMPLES}/why/b.yaml")).unwrap().lines().position(|l| l.contains("90 deny")).unwrap() + 1;
    assert!(rule["origin"].as_str().unwrap().ends_with(&format!("b.yaml:{line}")), "{rule}");
    assert_eq!(told["fixes"][0]["edits"][0]["text"], "89 allow tcp/1024-65535 from 10.0.2.20/32");
}

#[test]
fn addresses_are_told_before_and_behind_each_translation() {
    let told = json(&why("shop", &["db-1", "internet", "tcp/443", "-o", "json"]));
    assert_eq!(told["verdict"], "allowed");
    let changed = |way: &Value, stage: &str, field: &str| {
        let hop = way["hops"].as_array().unwrap().iter().find(|hop| hop["stage"] == stage).unwrap().clone();
        let text = |header: &Value| header[field].as_str().unwrap().to_owned();
        (text(&hop["before"]), text(&hop["after"]))
    };
    let (request, reply) = (&told["request"], &told["reply"]);
    let (private, gateway) = changed(request, "nat-gateway", "source");
    let (still, public) = changed(request, "internet-gateway", "source");
    assert_eq!((private.as_str(), gateway.as_str()), ("192.168.0.132", still.as_str()));
    assert_eq!(changed(reply, "internet-gateway", "destination"), (public.clone(), gateway.clone()));
    assert_eq!(changed(reply, "nat-gateway", "destination"), (gateway, private));
    assert_eq!(request["arrived"]["source"], public);
}

#[test]
fn the_answer_of_aws_has_its_fields_and_codes() {
    let found = json(&why("why/d", &["web-1", "db-1", "tcp/3306", "-o", "aws"]));
    let analysis = &found["NetworkInsightsAnalyses"][0];
    assert_eq!((&analysis["Status"], &analysis["NetworkPathFound"]), (&"succeeded".into(), &true.into()));
    let components = |key: &str| -> Vec<String> {
        let rows = analysis[key].as_array().unwrap().iter().enumerate();
        rows.map(|(position, row)| {
            assert_eq!(row["SequenceNumber"], position + 1);
            row["Component"]["Id"].as_str().unwrap().split('-').next().unwrap().to_owned()
        })
        .collect()
    };
    assert_eq!(components("ForwardPathComponents"), ["i", "eni", "sg", "acl", "rtb", "acl", "sg", "eni", "i"]);
    assert_eq!(components("ReturnPathComponents"), ["i", "eni", "sg", "acl", "rtb", "acl", "sg", "eni", "i"]);
    assert!(analysis["ForwardPathComponents"][0]["InboundHeader"]["DestinationPortRanges"][0]["From"] == 3306);
    assert_eq!(analysis["ForwardPathComponents"][6]["SecurityGroupRule"]["Direction"], "ingress");
    assert_eq!(analysis["ReturnPathComponents"][2].get("SecurityGroupRule"), None, "kept state is no rule (RA-5)");
    let done = why("why/a", &["web-1", "db-1", "tcp/3306", "-o", "aws"]);
    assert_eq!(done.status.code(), Some(1));
    let blocked = &json(&done)["NetworkInsightsAnalyses"][0];
    let explanation = &blocked["Explanations"][0];
    assert_eq!(explanation["ExplanationCode"], "ENI_SG_RULES_MISMATCH");
    assert_eq!((&explanation["Direction"], &explanation["Port"], &explanation["Protocol"]), (&"ingress".into(), &3306.into(), &"tcp".into()));
    assert_eq!(explanation["SecurityGroups"].as_array().unwrap().len(), 2);
}

#[test]
fn every_way_to_write_the_question_is_the_same_question() {
    let [first, others @ ..] = [
        &["web-1", "db-1", "tcp/3306"][..],
        &["web-1", "db-1:3306"],
        &["web-1", "db-1", "tcp:3306"],
        &["web-1 db-1 tcp 3306"],
        &["db-1", "tcp/3306", "--from", "web-1"],
        &["192.168.0.4", "192.168.0.132", "tcp/3306"],
    ]
    .map(|words| text(&why("shop", &[words, &["--brief"]].concat()).stdout));
    assert_eq!(first, "ALLOWED  web-1 -> db-1 tcp/3306\n");
    others.iter().for_each(|other| assert_eq!(*other, first));
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_to_type() {
    for (words, message, hint) in [
        (&["web-1", "-", "db-1", "tcp/3306"][..], "a probe has no arrow", "A B PROTO/PORT"),
        (&["web-1", "->", "db-1", "tcp/3306"], "a probe has no arrow", "A B PROTO/PORT"),
        (&["web-1", "db-1"], "no protocol and port", "--all-ports"),
        (&["web-1", "bd-1", "tcp/3306"], "`bd-1` names nothing in this lab", "did you mean `db-1`?"),
        (&["web-1", "web-1", "tcp/3306"], "one and the same", ""),
        (&["internet", "office", "tcp/3306"], "both ends are outside", "name an instance"),
        (&["web-1", "db-1", "tcp/3306", "--ephemeral", "9-1"], "a range of ports", ""),
        (&["web-1", "db-1", "tcp/3306", "-o", "csv"], "does not print as csv", "-o table, wide, json, aws"),
        (&["192.168.0.200", "db-1", "tcp/3306"], "nobody has an address in 192.168.0.200", ""),
        (&["web-1", "2001:db8::1", "tcp/80"], "web-1 has no IPv6 address", ""),
    ] {
        let done = why("shop", words);
        let told = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{words:?}: {told}");
        assert!(told.contains(message) && told.contains(hint) && done.stdout.is_empty(), "{words:?}: {told}");
    }
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_vpclab")).args(["cidr", "info", "10.0.0.0/8", "-o", "aws"]).output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(2));
}

#[test]
fn several_pairs_are_told_once_for_each_way_they_fare() {
    let done = why("shop", &["192.168.0.0/24", "db-1", "tcp/3306", "-o", "json"]);
    assert_eq!(done.status.code(), Some(1), "one pair is denied");
    let told = json(&done);
    assert_eq!((&told["verdict"], &told["pairs"], &told["from"]["name"]), (&"denied".into(), &1.into(), &"bastion".into()));
    assert_eq!((&told["others"][0]["verdict"], &told["others"][0]["pairs"]), (&"allowed".into(), &2.into()));
    let ports = json(&why("shop", &["web-1", "db-1", "--all-ports", "-o", "json"]));
    let allowed = &ports["pairs"][0]["ports"][0];
    assert_eq!((&allowed["verdict"], &allowed["traffic"]), (&"allowed".into(), &serde_json::json!(["tcp/3306"])));
}

#[test]
fn no_line_is_longer_than_the_terminal() {
    for (file, to) in [("a", "db-1"), ("b", "db-1"), ("c", "db-9"), ("d", "db-1")] {
        for columns in ["80", "120"] {
            let path = format!("why/{file}.yaml");
            let done = Command::new(env!("CARGO_BIN_EXE_vpclab"))
                .args(["why", "-f", &path, "web-1", to, "tcp/3306"])
                .current_dir(EXAMPLES)
                .env("COLUMNS", columns)
                .env("VPCLAB_HOME", scratch!("home"))
                .output()
                .unwrap();
            let most: usize = columns.parse().unwrap();
            for line in text(&done.stdout).lines() {
                assert!(line.chars().count() <= most, "{columns}: {line}");
            }
        }
    }
    // Colour is a bonus, and takes no room.
    let plain = vpclab(&["-f", &format!("{EXAMPLES}/why/c.yaml"), "web-1", "db-9", "tcp/3306"], Some("80"));
    let painted = Command::new(env!("CARGO_BIN_EXE_vpclab"))
        .args(["why", "--color", "always", "-f", &format!("{EXAMPLES}/why/c.yaml"), "web-1", "db-9", "tcp/3306"])
        .env("COLUMNS", "80")
        .env("VPCLAB_HOME", scratch!("home"))
        .output()
        .unwrap();
    let mut bare = text(&painted.stdout);
    for escape in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
        bare = bare.replace(escape, "");
    }
    assert_ne!(bare.len(), painted.stdout.len());
    assert_eq!(bare, text(&plain.stdout));
}

#[test]
fn a_packet_that_is_sent_agrees_with_what_is_predicted() {
    for (file, words, verdict, observed) in [
        ("shop", ["web-1", "db-1", "tcp/3306"], "allowed", "open"),
        ("shop", ["web-1", "db-1", "tcp/22"], "denied", "filtered"),
        ("why/b", ["web-1", "db-1", "tcp/3306"], "one-way", "reply filtered"),
    ] {
        let told = json(&why(file, &[&words[..], &["--verify", "-o", "json"]].concat()));
        let verified = &told["verified"];
        assert_eq!((&told["verdict"], &verified["predicted"], &verified["observed"]), (&verdict.into(), &verdict.into(), &observed.into()), "{told}");
        assert_eq!((&verified["agrees"], &verified["observed_at"]), (&true.into(), &verified["predicted_at"]));
    }
}

/// Routes that lead in a circle: between middleboxes, and through a NAT gateway to itself.
const CIRCLES: [(&str, [&str; 3], &str, &str); 2] = [
    (
        "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    subnets:\n      a: { az: a, cidr: 10.0.0.0/24, route: ra }\n      m1: { az: a, cidr: 10.0.1.0/24, route: r1 }\n      \
         m2: { az: a, cidr: 10.0.2.0/24, route: r2 }\n      b: { az: a, cidr: 10.0.3.0/24 }\n    route_tables:\n      ra: { routes: { 10.0.3.0/24: instance box1 } }\n      \
         r1: { routes: { 10.0.3.0/24: instance box2 } }\n      r2: { routes: { 10.0.3.0/24: instance box1 } }\nsecurity_groups:\n  g: [ all from anywhere ]\ninstances:\n  \
         x: { subnet: a, sg: g }\n  y: { subnet: b, sg: g, listen: [tcp/80] }\n  box1: { subnet: m1, sg: g, source_dest_check: false, forward: true }\n  \
         box2: { subnet: m2, sg: g, source_dest_check: false, forward: true }\n",
        ["x", "y", "tcp/80"],
        "fabric",
        "routes lead in a circle",
    ),
    (
        "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    igw: true\n    subnets:\n      pub: { az: a, cidr: 10.0.0.0/24, route: rn }\n      in: { az: a, cidr: 10.0.1.0/24, route: rn }\n    \
         nat_gateways:\n      n: { subnet: pub }\n    route_tables:\n      rn: { routes: { 0.0.0.0/0: nat@n } }\nsecurity_groups:\n  g: [ all from anywhere ]\ninstances:\n  \
         x: { subnet: in, sg: g }\n",
        ["x", "internet", "tcp/443"],
        "n",
        "its subnet's route leads back to the gateway itself",
    ),
];

#[test]
fn a_circle_ends_and_is_the_reason() {
    for (number, (lab, words, at, reason)) in CIRCLES.into_iter().enumerate() {
        let path = scratch!("circle-{number}.yaml");
        std::fs::write(&path, lab).unwrap();
        let told = json(&vpclab(&[&["-f", &path, "-o", "json"][..], &words].concat(), None));
        let [blocker] = told["request"]["blockers"].as_array().unwrap().as_slice() else { panic!("{told}") };
        assert_eq!((&told["verdict"], &blocker["at"], &blocker["text"]), (&"denied".into(), &at.into(), &reason.into()));
        let home = scratch!("home");
        let mut matrix = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        let done = matrix.args(["matrix", "-f", &path, "--engine", "proof", words[2], "-o", "csv"]).env("VPCLAB_HOME", home).output().unwrap();
        let row = text(&done.stdout).lines().find(|row| row.split(',').next().unwrap().split(';').any(|name| name == "x") && row.split(',').nth(1) == Some(words[1])).map(str::to_owned);
        assert!(row.as_ref().is_some_and(|row| row.ends_with(",filtered")), "{row:?}: {}{}", text(&done.stdout), text(&done.stderr));
    }
}

/// Names of fields that the page describes, by what stands before the dot.
fn documented() -> std::collections::BTreeSet<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/why.md")).unwrap();
    let json = page.split("\n## JSON\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let words = json.split('`').skip(1).step_by(2);
    words.flat_map(|word| word.split(['.', ' ', ','])).map(|word| word.trim_end_matches("[]").to_owned()).collect()
}

#[test]
fn every_field_that_a_program_gets_is_described_on_the_page() {
    fn fields(value: &Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(entries) => entries.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                // What traffic consists of is data, not form.
                if key != "all_ports" {
                    fields(value, found);
                }
            }),
            Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
            _ => {}
        }
    }
    let mut found = std::collections::BTreeSet::new();
    for (file, words) in [
        ("why/a", ["web-1", "db-1", "tcp/3306"]), ("why/b", ["web-1", "db-1", "tcp/3306"]), ("why/c", ["web-1", "db-9", "tcp/3306"]),
        ("why/d", ["web-1", "db-1", "tcp/3306"]), ("shop", ["db-1", "internet", "tcp/443"]), ("shop", ["192.168.0.0/24", "db-1", "tcp/3306"]),
    ] {
        let told = json(&why(file, &[&words[..], &["-o", "json"]].concat()));
        assert_eq!(told["schema"], "vpclab-why/1", "{file}");
        for key in ["schema", "verdict", "summary", "packet", "ephemeral", "from", "to", "request", "reply", "fixes", "depends", "same_for", "all_ports", "notes", "incomplete", "gaps", "pairs"] {
            assert!(told.get(key).is_some(), "{file}: {key} is always there");
        }
        fields(&told, &mut found);
    }
    let known = documented();
    let missing: Vec<&String> = found.difference(&known).collect();
    assert!(found.len() > 60 && missing.is_empty(), "{} fields, not in docs/why.md: {missing:?}", found.len());
}

/// A Terraform plan of a VPC in which nobody has a public IPv4 address, and `web` is open to all of IPv6.
const IPV6: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/tests/terraform/ipv6.plan.json");

#[test]
fn the_same_question_over_ipv6_is_another() {
    let verdict = |arguments: &[&str]| {
        let done = vpclab(&[&["-f", IPV6, "--brief"], arguments].concat(), None);
        (text(&done.stdout).split_whitespace().next().unwrap_or("").to_owned(), done.status.code())
    };
    assert_eq!(verdict(&["internet", "web", "tcp/443"]), ("DENIED".to_owned(), Some(1)));
    assert_eq!(verdict(&["--ipv6", "internet", "web", "tcp/443"]), ("ALLOWED".to_owned(), Some(0)));
    assert_eq!(verdict(&["2001:db8:7::1", "web", "tcp/443"]), ("ALLOWED".to_owned(), Some(0)));
    assert_eq!(verdict(&["-6", "internet", "worker", "tcp/443"]), ("DENIED".to_owned(), Some(1)), "egress only");
    assert_eq!(verdict(&["-6", "worker", "internet", "tcp/443"]), ("ALLOWED".to_owned(), Some(0)));
    // Whoever is named by an address of IPv6 is asked over it.
    assert_eq!(verdict(&["2406:da12:0:1::4", "worker", "tcp/443"]).1, Some(0));
    assert_eq!(verdict(&["2600::/16", "web", "tcp/443"]).1, Some(0));
    let done = vpclab(&["-f", IPV6, "10.0.0.4", "2406:da12::4", "tcp/443"], None);
    assert!(done.status.code() == Some(2) && text(&done.stderr).contains("two families"), "{}", text(&done.stderr));
    let done = vpclab(&["-f", IPV6, "-6", "internet", "old", "tcp/443"], None);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("old has no IPv6 address"), "{}", text(&done.stderr));
    let said = |arguments: &[&str]| {
        let done = vpclab(&[&["-f", IPV6], arguments].concat(), None);
        (done.status.code(), text(&done.stdout) + &text(&done.stderr))
    };
    for (arguments, code, part) in [
        (&["2001:db8::1", "web", "icmp"][..], 1, "web icmpv6/echo"),
        (&["-6", "internet", "web", "icmp/13"], 2, "icmp/13/0 is a message of IPv4"),
        (&["internet", "web", "icmpv6/echo"], 2, "icmpv6/echo is sent over IPv6 alone"),
        (&["[2001:db8::1]", "web", "tcp/443"], 0, "2001:db8::1 -> web"),
        (&["2001:db8::zz", "web", "tcp/443"], 2, "`2001:db8::zz` is no IPv6 address"),
        (&["127.0.0.1", "web", "tcp/443"], 2, "127.0.0.1 is no host's address"),
        (&["fe80::1", "web", "tcp/443"], 2, "fe80::1 is no host's address"),
        // Of several those that have an address of IPv6 are asked.
        (&["-6", "internet", "sg:web", "tcp/443"], 1, "worker"),
    ] {
        let (found, text) = said(arguments);
        assert!(found == Some(code) && text.contains(part), "{arguments:?}: {found:?} {text}");
    }
    let done = why("shop", &["-6", "internet", "web-1", "tcp/443"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("nobody in this cloud has an IPv6 address"), "{}", text(&done.stderr));
}

#[test]
fn a_public_address_that_nobody_has_is_a_host_that_answers() {
    let brief = |from: &str, to: &str, port: &str| text(&why("shop", &[from, to, port, "--brief"]).stdout);
    assert_eq!(brief("9.9.9.9", "web-1", "tcp/80"), "ALLOWED  9.9.9.9 -> web-1 tcp/80\n");
    assert!(brief("9.9.9.9", "web-1", "tcp/81").starts_with("DENIED  9.9.9.9 -> web-1 tcp/81"));
    assert_eq!(brief("web-1", "9.9.9.9", "tcp/80"), "ALLOWED  web-1 -> 9.9.9.9 tcp/80\n");
    assert!(brief("9.9.9.0/24", "web-1", "tcp/80").starts_with("ALLOWED"));
    assert!(brief("web-1", "9.9.9.0/24", "tcp/80").starts_with("ALLOWED"));
    // `office` may, and it is not all of its block.
    assert!(brief("203.0.113.0/24", "bastion", "tcp/22").starts_with("DENIED"));
    // Nobody on the internet has a private address.
    assert!(brief("web-1", "172.31.9.9", "tcp/80").starts_with("DENIED"));
}

#[test]
fn by_name_between_vpcs_the_private_way_is_told_where_one_could_be_meant() {
    // A route leads to a peering that ends elsewhere: by name as by address.
    let at = |to: &str| json(&why("peering", &["web-1", to, "tcp/443", "-o", "json"]));
    let (named, typed) = (at("ledger-1"), at("10.3.0.10"));
    let blockers = |told: &Value| told["request"]["blockers"].as_array().unwrap().iter().map(|b| b["code"].clone()).collect::<Vec<_>>();
    assert_eq!(blockers(&named), ["PCX_REQUIRES_ADDRESS_IN_VPC_CIDR"], "{named}");
    assert_eq!(blockers(&named), blockers(&typed));
    let told = text(&why("peering", &["web-1", "ledger-1", "tcp/443"]).stdout);
    assert!(told.contains("peering is not transitive"), "{told}");
    // Who has a public address is asked there by whom no private way leads to it.
    let public = json(&why("peering", &["ledger-1", "web-1", "tcp/443", "-o", "json"]));
    assert!(!public.to_string().contains("NO_PUBLIC_ADDRESS") && !public["request"]["blockers"].as_array().unwrap().is_empty(), "{public}");
}
