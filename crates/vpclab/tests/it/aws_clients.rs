//! Programs that speak to AWS, unchanged, at a lab: what `make test-clients` brought is used, so these run there alone. Terraform
//! has a file of its own.
#![cfg(target_os = "linux")]

use std::path::Path;

use serde_json::json;

use crate::aws_client::{Desk, PUBLIC_KEY, brought, content};
use crate::home::{find, repository};

/// The VPCs, groups and users that are left, by number.
fn left(desk: &Desk) -> (usize, usize, usize) {
    let count = |operation: &str, list: &str| desk.cloud.call(operation, json!({})).unwrap()[list].as_array().map_or(0, Vec::len);
    (count("DescribeVpcs", "Vpcs"), count("DescribeSecurityGroups", "SecurityGroups"), count("iam:ListUsers", "Users"))
}

#[test]
#[ignore = "make test-clients"]
fn a_playbook_of_ansible_changes_nothing_the_second_time_and_packets_agree() {
    let desk = Desk::new();
    let play = |more: &[&str]| {
        let mut command = desk.client(brought("aws/bin/ansible-playbook"));
        command.arg(repository("clients/ansible/shop.yaml")).args(more).env("PUBLIC_KEY", PUBLIC_KEY);
        command.env("ANSIBLE_COLLECTIONS_PATH", brought("aws/collections")).env("ANSIBLE_NOCOLOR", "1");
        command.env("ANSIBLE_LOCALHOST_WARNING", "false").env("ANSIBLE_INVENTORY_UNPARSED_WARNING", "false");
        content(&mut command)
    };
    let first = play(&[]);
    assert!(!first.contains("changed=0 "), "{first}");
    desk.probes(&[
        ("internet web tcp/443", "refused"),
        ("internet web tcp/22", "filtered at sg-in:web"),
        ("web db tcp/5432", "refused"),
        ("web db tcp/5433", "filtered at sg-in:db"),
        ("db internet tcp/443", "open"),
    ]);
    let second = play(&[]);
    assert!(second.contains("changed=0 "), "{second}");
    play(&["-e", "gone=true"]);
    assert_eq!(left(&desk), (0, 0, 0));
}

#[test]
#[ignore = "make test-clients"]
fn the_sdk_for_javascript_is_content() {
    assert!(find("node").is_some(), "node is in no folder of PATH; apt-get install nodejs npm brings it (20 or later)");
    let desk = Desk::new();
    // Modules are looked for beside the script.
    let script = brought("js/shop.js");
    std::fs::copy(repository("clients/js/shop.js"), &script).unwrap();
    let instances = content(desk.client("node").arg(&script));
    let first = instances.lines().next().unwrap();
    desk.probes(&[
        (&format!("internet {first} tcp/80"), "refused"),
        (&format!("internet {first} tcp/22"), "filtered at sg-in:js"),
    ]);
    content(desk.client("node").arg(&script).arg("gone"));
    assert_eq!(left(&desk), (0, 0, 0));
}

fn the_command_line_is_content(aws: &Path) {
    let desk = Desk::new();
    let shop = |more: &[&str]| content(desk.client("sh").arg(repository("clients/awscli/shop.sh")).args(more).env("AWS", aws));
    assert!(shop(&[]).starts_with("i-"));
    desk.probes(&[("internet cli tcp/80", "refused"), ("internet cli tcp/22", "filtered at sg-in:cli")]);
    shop(&["gone"]);
    assert_eq!(left(&desk), (0, 0, 0));
}

#[test]
#[ignore = "make test-clients"]
fn the_command_line_of_debian_is_content() {
    the_command_line_is_content(&brought("awscli/aws"));
}

#[test]
#[ignore = "make test-clients"]
fn the_command_line_of_path_is_content() {
    match find("aws") {
        Some(aws) => the_command_line_is_content(&aws),
        None => eprintln!("without aws in PATH: that of Debian alone is tried"),
    }
}

#[test]
#[ignore = "make test-clients"]
fn the_waiters_of_boto3_end_whether_things_take_time_or_not() {
    for pace in ["--instant", "--aws-like"] {
        let desk = Desk::new();
        desk.home.yes(&["serve", "--ec2", "127.0.0.1:0", pace]);
        let told = content(desk.client(brought("aws/bin/python")).arg(repository("clients/boto3/waits.py")));
        assert_eq!(told, "all waits ended\n", "{pace}");
    }
}
