//! Terraform at a lab: the provider of AWS, unchanged, builds what clients/terraform says, and packets agree. The calls that it
//! made are replayed where there is no Terraform.
#![cfg(target_os = "linux")]

mod replay;

use std::process::Command;

use serde_json::{Value, json};

use crate::aws_client::{Desk, PUBLIC_KEY, brought, run};
use crate::home::{Done, find, repository};

/// What to type where there is none.
const INSTALL: &str = "terraform is in no folder of PATH; this brings it: curl -fsSLo terraform.zip \
    https://releases.hashicorp.com/terraform/1.11.4/terraform_1.11.4_linux_amd64.zip && unzip terraform.zip terraform -d /usr/local/bin";

/// A folder with the configuration, at a lab of its own.
struct Terraform {
    desk: Desk,
}

impl Terraform {
    fn new() -> Self {
        assert!(find("terraform").is_some(), "{INSTALL}");
        let desk = Desk::new();
        for file in std::fs::read_dir(repository("clients/terraform")).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "tf") {
                desk.home.write(&format!("shop/{}", file.file_name().unwrap().display()), std::fs::read(&file).unwrap());
            }
        }
        let terraform = Self { desk };
        terraform.yes(&["init", "-input=false"]);
        terraform
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.client("terraform");
        command.arg(format!("-chdir={}", self.desk.home.path("shop").display())).args(arguments);
        command.env("TF_CLI_CONFIG_FILE", brought("terraform/terraformrc")).env("TF_IN_AUTOMATION", "1").env("TF_CLI_ARGS", "-no-color");
        command.env("TF_LOG", "TRACE").env("TF_LOG_PATH", self.desk.home.path("trace"));
        command.env("TF_VAR_endpoint", &self.desk.told["AWS_ENDPOINT_URL"]).env("TF_VAR_public_key", PUBLIC_KEY);
        command
    }

    /// Runs a command; the trace is that of this command alone.
    fn run(&self, arguments: &[&str]) -> (Done, String) {
        let trace = self.desk.home.path("trace");
        let _ = std::fs::remove_file(&trace);
        let done = run(&mut self.command(arguments));
        (done, String::from_utf8_lossy(&std::fs::read(&trace).unwrap_or_default()).into_owned())
    }

    fn yes(&self, arguments: &[&str]) -> String {
        let (done, _) = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}\n{}\n{}", done.stdout, done.stderr);
        done.stdout
    }

    /// A command that calls and waits. It must not be made to wait or to try again: each wait sees at its first look what it waits
    /// for. `own`: how often the provider tries again of its own accord.
    fn smoothly(&self, arguments: &[&str], own: usize) -> String {
        let (done, trace) = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}\n{}\n{}", done.stdout, done.stderr);
        assert!(trace.contains("Waiting for state to become"), "the trace tells of no waiting: its words have changed");
        let looks: Vec<&str> = trace.lines().filter(|line| line.contains("before next try") || line.contains("Retrying")).collect();
        assert_eq!(looks.len(), own, "{arguments:?}: {looks:#?}");
        done.stdout
    }

    /// What was applied is what the configuration says.
    fn has_nothing_to_do(&self) {
        let (done, _) = self.run(&["plan", "-input=false", "-detailed-exitcode"]);
        assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    }
}

const APPLY: [&str; 3] = ["apply", "-auto-approve", "-input=false"];

#[test]
#[ignore = "make test-clients"]
fn terraform_builds_changes_takes_over_and_takes_down_a_shop_that_carries_packets() {
    let terraform = Terraform::new();
    let (desk, cloud) = (&terraform.desk, &terraform.desk.cloud);
    terraform.smoothly(&APPLY, 0);
    let made = terraform.yes(&["state", "list"]);
    let made = made.lines().filter(|line| !line.starts_with("data.")).count();
    assert!(made >= 40, "{made}");
    terraform.has_nothing_to_do();
    desk.probes(&[
        ("internet web-1 tcp/80", "open"),
        ("internet web-2 tcp/443", "refused"),
        ("internet web-1 tcp/22", "filtered at sg-in:web-1"),
        ("internet bastion tcp/22", "refused"),
        ("bastion web-2 tcp/22", "refused"),
        ("web-1 db tcp/5432", "refused"),
        ("desk db tcp/5432", "refused"),
        ("bastion db tcp/5432", "filtered at sg-in:db"),
        ("db desk tcp/22", "filtered at sg-out:db"),
        ("db internet tcp/443", "open"),
        ("db internet tcp/80", "filtered at sg-out:db"),
    ]);
    desk.home.yes(&["why", "-6", "internet", "web-1", "tcp/80", "--brief"]);

    // Whom it made may do what it says.
    let key: Value = serde_json::from_str(&terraform.yes(&["output", "-json", "kim"])).unwrap();
    let kim = cloud.by(&json!({"AccessKeyId": key["id"], "SecretAccessKey": key["secret"]}));
    let db = kim.id("DescribeInstances", json!({"Filters": [{"Name": "tag:Name", "Values": ["db"]}]}), "/Reservations/0/Instances/0/InstanceId");
    kim.call("RebootInstances", json!({"InstanceIds": [db]})).unwrap();
    assert_eq!(kim.call("TerminateInstances", json!({"InstanceIds": [db]})), Err("UnauthorizedOperation".to_owned()));
    assert_eq!(kim.call("DeleteKeyPair", json!({"KeyName": "admin"})), Err("UnauthorizedOperation".to_owned()));

    let changed = json!({
        "web_type": "t3.small",
        "web_ports": [80],
        "bastion_from": ["198.51.100.0/24"],
        "stage": "live",
        "partner_networks": {"203.0.113.0/26": "printer, 2nd floor", "192.0.2.0/24": "carrier"},
    });
    desk.home.write("shop/terraform.tfvars.json", changed.to_string());
    terraform.smoothly(&APPLY, 0);
    terraform.has_nothing_to_do();
    desk.probes(&[
        ("internet web-1 tcp/443", "filtered at sg-in:web-1"),
        // Stopped and started, for its type: user data runs once.
        ("internet web-2 tcp/80", "refused"),
        ("web-1 db tcp/5432", "refused"),
    ]);
    // From the administrators' addresses it is let through, from elsewhere no longer.
    assert_eq!(desk.probe("internet bastion tcp/22"), ["filtered at sg-in:bastion", "refused"].map(str::to_owned).into());
    assert_eq!(kim.call("RebootInstances", json!({"InstanceIds": [db]})), Err("UnauthorizedOperation".to_owned()), "its stage is live");

    // Forgotten, and found again by id.
    let taken = ["aws_vpc.office", "aws_subnet.desks", "aws_network_acl.private", "aws_iam_role.web", "aws_instance.desk", "aws_vpc_endpoint.s3"];
    let state: Value = serde_json::from_str(&terraform.yes(&["show", "-json"])).unwrap();
    let resources = state["values"]["root_module"]["resources"].as_array().unwrap();
    let id = |address: &str| resources.iter().find(|r| r["address"] == address).unwrap()["values"]["id"].as_str().unwrap().to_owned();
    let import = |address: &&str| format!("import {{\n  to = {address}\n  id = \"{}\"\n}}\n", id(address));
    desk.home.write("shop/imports.tf", taken.iter().map(import).collect::<String>());
    terraform.yes(&[&["state", "rm"], &taken[..]].concat());
    let told = terraform.yes(&APPLY);
    assert!(told.contains("6 imported, 0 added, 0 changed, 0 destroyed"), "{told}");
    terraform.has_nothing_to_do();

    // A network ACL is deleted first, and its subnets moved when that is refused.
    terraform.smoothly(&["destroy", "-auto-approve", "-input=false"], 1);
    is_empty(desk);
}

/// Nothing is left but what AWS shows for an hour, too.
fn is_empty(desk: &Desk) {
    let own = json!({"Filters": [{"Name": "owner-id", "Values": [desk.cloud.id("sts:GetCallerIdentity", json!({}), "/Account")]}]});
    for (operation, arguments, list) in [
        ("DescribeVpcs", json!({}), "Vpcs"),
        ("DescribeSubnets", json!({}), "Subnets"),
        ("DescribeRouteTables", json!({}), "RouteTables"),
        ("DescribeNetworkAcls", json!({}), "NetworkAcls"),
        ("DescribeSecurityGroups", json!({}), "SecurityGroups"),
        ("DescribeNetworkInterfaces", json!({}), "NetworkInterfaces"),
        ("DescribeAddresses", json!({}), "Addresses"),
        ("DescribeInternetGateways", json!({}), "InternetGateways"),
        ("DescribeEgressOnlyInternetGateways", json!({}), "EgressOnlyInternetGateways"),
        ("DescribeVpnGateways", json!({}), "VpnGateways"),
        ("DescribeDhcpOptions", json!({"Filters": [{"Name": "tag-key", "Values": ["Stage"]}]}), "DhcpOptions"),
        ("DescribeKeyPairs", json!({}), "KeyPairs"),
        ("DescribeVpcEndpoints", json!({}), "VpcEndpoints"),
        ("DescribeManagedPrefixLists", own, "PrefixLists"),
        ("DescribeVolumes", json!({}), "Volumes"),
        ("DescribeSnapshots", json!({"OwnerIds": ["self"]}), "Snapshots"),
        ("DescribeLaunchTemplates", json!({}), "LaunchTemplates"),
        ("DescribeTransitGateways", json!({"Filters": [{"Name": "state", "Values": ["pending", "available", "deleting"]}]}), "TransitGateways"),
        ("iam:ListUsers", json!({}), "Users"),
        ("iam:ListGroups", json!({}), "Groups"),
        ("iam:ListRoles", json!({}), "Roles"),
        ("iam:ListInstanceProfiles", json!({}), "InstanceProfiles"),
        ("iam:ListPolicies", json!({"Scope": "Local"}), "Policies"),
    ] {
        let left = desk.cloud.call(operation, arguments).unwrap();
        assert_eq!(left[list].as_array().map_or(0, Vec::len), 0, "{operation}: {left}");
    }
    let running = json!({"Filters": [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped", "shutting-down"]}]});
    let left = desk.cloud.call("DescribeInstances", running).unwrap();
    assert_eq!(left["Reservations"].as_array().map_or(0, Vec::len), 0, "{left}");
    assert!(!desk.home.yes(&["ls", "vpcs"]).contains("10."));
}

#[test]
fn calls_as_terraform_makes_them_are_answered_as_they_were_and_leave_nothing() {
    let desk = Desk::new();
    let mut replay = replay::Replay::new(&desk.cloud);
    let (apply, destroy) = include_str!("terraform/calls.txt").split_once("# destroy\n").unwrap();
    replay.play(apply);
    desk.probes(&[
        ("internet web-1 tcp/443", "refused"),
        ("internet web-1 tcp/22", "filtered at sg-in:web-1"),
        ("desk db tcp/5432", "refused"),
        ("bastion db tcp/5432", "filtered at sg-in:db"),
        ("db internet tcp/443", "open"),
    ]);
    replay.play(destroy);
    is_empty(&desk);
}
