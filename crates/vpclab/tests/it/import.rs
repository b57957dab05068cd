//! `import` and `-f DIR` as a person types them: a folder that the AWS command line filled.

use std::path::PathBuf;
use std::process::{Command, Output};

const DUMP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/tests/dump");

fn vpclab(arguments: &[&str]) -> Output {
    // No lab of whoever runs the tests takes part.
    let home = scratch!("home");
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    scratch_folder!("{name}")
}

#[test]
fn a_dump_becomes_a_lab_file_that_is_legal() {
    let file = folder("imported").join("prod.yaml");
    let path = file.to_string_lossy();
    let done = vpclab(&["import", "aws", DUMP, "-w", &path]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), format!("{path} written: 3 VPCs, 8 subnets, 5 instances\n"));
    let notes = text(&done.stderr);
    assert!(notes.contains("note: changed: the name `web 1` of i-") && notes.contains("becomes `web-1`"), "{notes}");
    assert!(!notes.contains("note: left out: tgw-") && notes.contains("note: missing: the route-tables of tgw-"), "{notes}");
    let legal = vpclab(&["validate", &path]);
    assert_eq!((text(&legal.stdout).as_str(), legal.status.code()), ("prod is legal\n", Some(0)), "{}", text(&legal.stderr));
    // What is there is not written over, unless that is said.
    let again = vpclab(&["import", "aws", DUMP, "-w", &path]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(text(&again.stderr), format!("error: {path} exists\nhint: --force writes over it\n"));
    assert_eq!(vpclab(&["import", "aws", DUMP, "-w", &path, "--force"]).status.code(), Some(0));
}

#[test]
fn without_a_file_the_lab_goes_to_stdout_and_the_rest_to_stderr() {
    let done = vpclab(&["import", "aws", DUMP]);
    let lab = text(&done.stdout);
    assert!(lab.starts_with("# dump.yaml: ") && lab.contains("\ninstances:\n"), "{lab}");
    assert!(text(&done.stderr).lines().all(|line| line.starts_with("note: ")), "{}", text(&done.stderr));
    let json: serde_json::Value = serde_json::from_slice(&vpclab(&["import", "aws", DUMP, "--json"]).stdout).unwrap();
    assert_eq!((json["text"].as_str().unwrap().trim_end(), &json["incomplete"]), (lab.trim_end(), &serde_json::json!(true)));
    assert_eq!(json["notes"][0]["kind"], "missing");
    assert_eq!(vpclab(&["import", "aws", DUMP, "--strict"]).status.code(), Some(1), "the tables of a transit gateway are missing");
}

#[test]
fn commands_ask_a_folder_and_say_what_it_lacks() {
    let done = vpclab(&["check", "-f", DUMP, "--engine", "proof", "app-1", "db-1", "tcp/5432"]);
    assert_eq!((text(&done.stdout).as_str(), done.status.code()), ("app-1 -> 10.20.0.10: open\n", Some(0)), "{}", text(&done.stderr));
    assert!(text(&done.stderr).ends_with("note: incomplete: what is missing is treated as absent; the real cloud may differ\n"));
    let lint = vpclab(&["lint", "-f", DUMP]);
    assert!(text(&lint.stdout).contains("subnets.json:"), "findings point into the dump: {}", text(&lint.stdout));
    let graph = vpclab(&["graph", DUMP]);
    assert!(text(&graph.stdout).contains("shop-data: shop <-> data"));
}

#[test]
fn a_dump_runs_with_real_packets() {
    for (probe, answer, code) in [
        (["app-1", "db-1", "tcp/5432"], "app-1 -> 10.20.0.10: open\n", 0),
        (["bastion", "db-1", "tcp/5432"], "bastion -> 10.20.0.10: filtered at shop-igw\n", 1),
    ] {
        let done = vpclab(&[&["check", "-f", DUMP][..], &probe].concat());
        assert_eq!((text(&done.stdout).as_str(), done.status.code()), (answer, Some(code)), "{}", text(&done.stderr));
    }
}

#[test]
fn what_is_wrong_is_named_with_file_and_field() {
    let broken = folder("broken-dump");
    std::fs::write(broken.join("vpcs.json"), "{\"Vpcs\": [\n  {\"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.0.0/99\"}\n]}").unwrap();
    let place = broken.join("vpcs.json");
    let done = vpclab(&["lint", "-f", &broken.to_string_lossy()]);
    let expected = format!(
        "error: vpc-1.CidrBlock is not an IPv4 block: `10.0.0.0/99` [VL0602]\n ┌─ {}:2:35\n\
         2│   {{\"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.0.0/99\"}}\n │                                   ^^^^^^^^^^^^^ an IPv4 block belongs here\n",
        place.display()
    );
    assert_eq!((text(&done.stderr), done.status.code()), (expected, Some(2)));
    std::fs::write(&place, "{\"Vpcs\": [").unwrap();
    let done = vpclab(&["import", "aws", &broken.to_string_lossy()]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).starts_with("error: a value is missing: the file ends here [VL0601]\n"), "{}", text(&done.stderr));
    std::fs::write(&place, [0xff, 0xfe]).unwrap();
    let done = vpclab(&["import", "aws", &broken.to_string_lossy()]);
    assert!(text(&done.stderr).contains("vpcs.json: invalid utf-8"), "{}", text(&done.stderr));
    let empty = folder("empty-dump");
    let done = vpclab(&["validate", &empty.to_string_lossy()]);
    assert!(text(&done.stderr).contains("holds no .json file") && text(&done.stderr).contains("hint: such as: aws ec2 describe-vpcs"));
    let up = vpclab(&["up", DUMP]);
    assert_eq!(up.status.code(), Some(2));
    assert!(text(&up.stderr).contains("is a folder, not a lab file") && text(&up.stderr).contains("hint: of AWS's output a lab file is made: vpclab import aws"));
}

/// What `terraform show -json` wrote of the shop's plan.
const PLAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/tests/terraform/shop.plan.json");

#[test]
fn a_plan_of_terraform_becomes_a_lab_file_that_is_legal() {
    let up = vpclab(&["plan", "-f", PLAN]);
    assert_eq!(up.status.code(), Some(2));
    let wanted = format!("hint: a lab file is made of it: vpclab import terraform {PLAN} -w shop.yaml\n");
    assert!(text(&up.stderr).ends_with(&wanted), "{}", text(&up.stderr));
    let file = folder("planned").join("shop.yaml");
    let path = file.to_string_lossy();
    let done = vpclab(&["import", "terraform", PLAN, "-w", &path]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let legal = vpclab(&["validate", &path]);
    assert_eq!((text(&legal.stdout).as_str(), legal.status.code()), ("shop is legal\n", Some(0)), "{}", text(&legal.stderr));
    // Both say the same of a packet.
    let verdict = |file: &str, port: &str| vpclab(&["check", "-f", file, "--engine", "proof", "internet", "web-1", port]).status.code();
    for (port, code) in [("tcp/443", 0), ("tcp/80", 1)] {
        assert_eq!((verdict(PLAN, port), verdict(&path, port)), (Some(code), Some(code)), "{port}");
    }
    let none = vpclab(&["import", "terraform", "nowhere.json"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("nowhere.json"), "{}", text(&none.stderr));
}
