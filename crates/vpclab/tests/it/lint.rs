//! `lint` as a person types it.

use std::process::{Command, Output};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

fn vpclab(arguments: &[&str]) -> Output {
    // No lab of whoever runs the tests takes part.
    let home = scratch!("home");
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn careless(name: &str) -> String {
    let path = scratch!("{name}.yaml");
    let shop = std::fs::read_to_string(format!("{EXAMPLES}/shop.yaml")).unwrap();
    let text = shop.replace("    - tcp/22 from office", "    - tcp/22 from anywhere\n    - tcp/22 from office");
    assert_ne!(text, shop);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn nothing_looks_wrong_in_the_examples() {
    for example in ["shop", "three-tier", "dual-stack", "bastion", "peering", "middlebox"] {
        let done = vpclab(&["lint", "--strict", "-f", &format!("{EXAMPLES}/{example}.yaml")]);
        assert_eq!(text(&done.stdout), "nothing looks wrong\n", "{example}");
        assert_eq!(done.status.code(), Some(0), "{example}");
    }
}

#[test]
fn the_file_may_be_given_by_position_and_where_it_may_not_the_hint_has_the_flag() {
    let shop = format!("{EXAMPLES}/shop.yaml");
    let done = vpclab(&["lint", &shop]);
    assert_eq!((text(&done.stdout).as_str(), done.status.code()), ("nothing looks wrong\n", Some(0)));
    let nowhere = tempfile::tempdir().unwrap();
    let wrong = Command::new(env!("CARGO_BIN_EXE_vpclab")).args(["test", &shop]).current_dir(&nowhere).env("VPCLAB_HOME", nowhere.path()).output().unwrap();
    let said = text(&wrong.stderr);
    assert!(wrong.status.code() == Some(2) && said.contains(&format!("hint: -f {shop} says that it is the lab file")), "{said}");
}

#[test]
fn an_open_door_is_named_with_its_rule_and_exits_1() {
    let path = careless("careless");
    let done = vpclab(&["lint", "-f", &path]);
    let line = text(&std::fs::read(&path).unwrap()).lines().position(|line| line.contains("tcp/22 from anywhere")).unwrap() + 1;
    let expected = format!(
        "error: bastion: tcp/22 (ssh) is open to the internet [admin-port-open]  {path}:{line}\n  \
         let only a bastion or a known address in: tcp/22 from sg:bastion\n\
         info: sg bastion tcp/22 from 203.0.113.7/32: other rules of the group admit all that it admits [redundant-rule]  {path}:{}\n  \
         remove it\n\
         1 error, 1 remark\n",
        line + 1
    );
    assert_eq!(text(&done.stdout), expected);
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn what_is_meant_can_be_allowed() {
    let path = careless("allowed");
    let remarks = vpclab(&["lint", "-f", &path, "--allow", "admin-port-open"]);
    assert!(text(&remarks.stdout).ends_with("\n1 remark\n"), "{}", text(&remarks.stdout));
    assert_eq!(remarks.status.code(), Some(0));
    let strict = vpclab(&["lint", "-f", &path, "--allow", "admin-port-open", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    let none = vpclab(&["lint", "-f", &path, "--allow", "admin-port-open,redundant-rule", "--strict", "-o", "json"]);
    assert_eq!(text(&none.stdout), "[]\n");
    assert_eq!(none.status.code(), Some(0));
}

#[test]
fn a_check_that_is_not_there_is_refused_with_the_nearest_one() {
    let done = vpclab(&["lint", "--allow", "unused-grop", "-f", &format!("{EXAMPLES}/shop.yaml")]);
    assert_eq!(done.status.code(), Some(2));
    assert_eq!(text(&done.stderr), "error: no check is named `unused-grop`\nhint: did you mean `unused-group`?\n");
    let list = vpclab(&["lint", "--list", "-o", "name"]);
    assert!(text(&list.stdout).lines().any(|line| line == "unused-group"));
    let none = vpclab(&["lint", "--allow", "WRONG", "-f", &format!("{EXAMPLES}/shop.yaml")]);
    assert_eq!(none.status.code(), Some(2));
    for check in text(&list.stdout).lines() {
        assert!(text(&none.stderr).contains(&format!("`{check}`")), "{check} is not said: {}", text(&none.stderr));
    }
}

#[test]
fn a_lab_file_in_json_is_a_lab_file_and_a_plan_is_a_plan() {
    let path = scratch!("inline.json");
    let lab = r#"{"vpcs": {"shop": {"cidr": "10.0.0.0/16", "subnets": {"a": {"az": "a", "cidr": "/24", "route": "igw"}}}},
        "security_groups": {"web": ["tcp/22 from anywhere"]},
        "instances": {"web-1": {"subnet": "a", "sg": "web", "public_ip": true}}}"#;
    std::fs::write(&path, lab).unwrap();
    let done = vpclab(&["lint", "-f", &path]);
    assert!(text(&done.stdout).contains("web-1: tcp/22 (ssh) is open to the internet [admin-port-open]"), "{done:?}");
    assert_eq!(done.status.code(), Some(1));
    // What is neither is still refused as no plan, with the way to make one.
    std::fs::write(&path, r#"{"Vpcs": []}"#).unwrap();
    let done = vpclab(&["lint", "-f", &path]);
    assert!(text(&done.stderr).contains("VL0606"), "{done:?}");
    assert_eq!(done.status.code(), Some(2));
    let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/tests/terraform/shop.plan.json");
    assert_eq!(text(&vpclab(&["lint", "-f", plan]).stdout), "nothing looks wrong\n");
}
