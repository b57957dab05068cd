//! The commands as a person types them.

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
    let path = scratch!("{name}");
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn the_example_keeps_its_promises_on_both_engines() {
    for engine in ["proof", "linux"] {
        let done = vpclab(&["test", "-f", SHOP, "--engine", engine]);
        assert!(text(&done.stdout).ends_with("8 passed, 0 failed\n"), "{engine}: {}{}", text(&done.stdout), text(&done.stderr));
        assert_eq!(done.status.code(), Some(0));
    }
}

#[test]
fn a_broken_rule_breaks_the_promise_that_needs_it_and_no_other() {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let broken = shop.replace("tcp/3306 from sg:web", "tcp/3307 from sg:web");
    assert_ne!(broken, shop);
    let path = file("broken.yaml", &broken);
    for engine in ["proof", "linux"] {
        let done = vpclab(&["test", "-f", &path, "--engine", engine]);
        let out = text(&done.stdout);
        assert!(out.contains("FAIL web-1, web-2 -> db-1 tcp/3306: open\n"), "{out}");
        assert!(out.contains("dropped at sg-in:db-1"), "{out}");
        assert!(out.ends_with("7 passed, 1 failed\n"), "{out}");
        assert_eq!(done.status.code(), Some(1));
    }
}

#[test]
fn a_port_is_open_refused_or_filtered() {
    let cases = [("web-1", "db-1:3306", "open", 0), ("internet", "web-1:443", "refused", 1), ("bastion", "db-1:3306", "filtered at sg-in:db-1", 1)];
    for (from, to, result, code) in cases {
        let done = vpclab(&["check", "-f", SHOP, from, to]);
        let out = text(&done.stdout);
        assert!(out.contains(&format!(": {result}\n")), "{from} {to}: {out}{}", text(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{from} {to}");
    }
}

#[test]
fn the_plan_of_the_example_is_the_same_every_time() {
    let first = vpclab(&["plan", SHOP, "-o", "json"]);
    assert_eq!(first.status.code(), Some(0));
    assert!(text(&first.stdout).contains("192.168.0.128/27"));
    assert_eq!(first.stdout, vpclab(&["plan", SHOP, "-o", "json"]).stdout);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let path = file("typo.yaml", "vpcs:\n  a:\n    cdir: 10.0.0.0/16\n");
    let done = vpclab(&["validate", &path]);
    let error = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2));
    assert!(error.contains("typo.yaml:3:5") && error.contains("did you mean `cidr`?"), "{error}");
    for wrong in [&["check", "-f", SHOP, "nobody", "web-1:80"][..], &["check", "-f", SHOP, "web-1", "db-1"], &["validate", "nowhere.yaml"], &["frobnicate"]] {
        let done = vpclab(wrong);
        assert_eq!(done.status.code(), Some(2), "{wrong:?}");
        assert!(!done.stderr.is_empty() && done.stdout.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_block_with_host_bits_is_told_what_it_may_mean() {
    for (typed, wanted) in [("10.0.0.0/0", "0.0.0.0/0"), ("10.0.0.1/16", "10.0.0.0/16"), ("192.168.0.130/27", "192.168.0.128/27")] {
        let done = vpclab(&["cidr", "info", typed]);
        assert_eq!(done.status.code(), Some(2));
        assert_eq!(text(&done.stderr), format!("error: `{typed}` has host bits set\nhint: did you mean {wanted}?\n"));
    }
}

#[test]
fn yaml_says_what_json_says_and_a_query_takes_a_part_of_it() {
    let cut = ["cidr", "split", "10.0.0.0/24", "/26", "/26"];
    let shaped = |flags: &[&str]| vpclab(&[&cut[..], flags].concat());
    let json: serde_json::Value = serde_json::from_slice(&shaped(&["-o", "json"]).stdout).unwrap();
    let yaml = text(&shaped(&["-o", "yaml"]).stdout);
    assert!(yaml.starts_with(|first: char| first.is_ascii_lowercase()), "{yaml}");
    assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&yaml).unwrap(), json);

    let key = json.as_object().unwrap().keys().next().unwrap();
    let part: serde_json::Value = serde_json::from_slice(&shaped(&["--query", key]).stdout).unwrap();
    assert_eq!(part, json[key]);

    for (flags, said) in [
        (&["--query", "[.name"][..], "Parse error"),
        (&["--query", "nothing(@)"], "undefined function"),
        (&["--query", "a", "-o", "csv"], "--query asks JSON"),
    ] {
        let refused = shaped(flags);
        assert_eq!(refused.status.code(), Some(2), "{flags:?}");
        assert!(text(&refused.stderr).contains(said), "{}", text(&refused.stderr));
    }
}

#[test]
fn a_kind_that_is_none_is_answered_with_the_kinds_that_there_are() {
    for (kind, near) in [("zebras", ""), ("subnet", "did you mean `subnets`?\n")] {
        let done = vpclab(&["ls", kind]);
        let said = text(&done.stderr);
        assert!(said.contains(&format!("hint: {near}kinds are: labs, vpcs, subnets, ")) && said.contains("policies"), "{said}");
        assert_eq!(done.status.code(), Some(2));
    }
}
