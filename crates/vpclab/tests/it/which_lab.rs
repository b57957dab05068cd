//! Which lab a command means, as the environment, the folder and what is typed say it: docs/reference.md, "Which lab is meant".
#![cfg(target_os = "linux")]

use std::net::TcpListener;

use serde_json::json;

use crate::cloud::{Cloud, kill_daemon};
use crate::home::{Done, Home};

const SHOP: &str = "\
vpcs:
  net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28, route: igw } } }
security_groups: { web: [tcp/80 from anywhere] }
instances:
  web-1: { subnet: a, sg: web, public_ip: true, listen: tcp/80 }
";

/// A command in a shell that read `vpclab env` while lab cloud was the only one: `VPCLAB_LAB=cloud`.
fn in_cloud(home: &Home, arguments: &[&str]) -> Done {
    home.behind("export VPCLAB_LAB=cloud", arguments)
}

fn vpcs(home: &Home, lab: &str) -> String {
    home.yes(&["ls", "vpcs", "--lab", lab, "-o", "name"])
}

#[test]
fn a_file_that_is_typed_comes_before_the_lab_of_the_environment() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    home.write("shop.yaml", SHOP);
    home.write("empty.yaml", "");
    let plan = in_cloud(&home, &["plan", "-f", "shop.yaml"]);
    assert!(plan.code == 0 && plan.stderr.contains("0 to remove; lab shop is not there yet"), "{}{}", plan.stdout, plan.stderr);
    // A command that asks answers about the file, whether its lab is up or not.
    for is_up in [false, true] {
        for arguments in [
            &["matrix", "-f", "shop.yaml"][..],
            &["why", "internet", "web-1", "tcp/80", "-f", "shop.yaml"],
            &["who", "can", "reach", "web-1", "tcp/80", "-f", "shop.yaml"],
            &["graph", "-f", "shop.yaml"],
            &["graph", "shop.yaml"],
        ] {
            let done = in_cloud(&home, arguments);
            assert!(done.code == 0 && done.stdout.contains("web-1"), "{arguments:?}: {}{}", done.stdout, done.stderr);
        }
        if !is_up {
            let up = in_cloud(&home, &["up", "shop.yaml"]);
            assert!(up.code == 0 && up.stdout.contains("shop ready"), "{}{}", up.stdout, up.stderr);
        }
    }
    assert!(in_cloud(&home, &["ls", "instances", "-f", "shop.yaml"]).stdout.contains("web-1"));
    assert!(!in_cloud(&home, &["ls", "instances"]).stdout.contains("web-1"), "without -f the environment says it");
    for arguments in [&["matrix", "-f", "nonexist.yaml"][..], &["matrix", "-f", "empty.yaml"], &["ls", "vpcs", "-f", "nonexist.yaml"]] {
        let done = in_cloud(&home, arguments);
        assert!(done.code == 2 && done.stdout.is_empty(), "{arguments:?}: {}{}", done.stdout, done.stderr);
    }
    assert_eq!(vpcs(&home, "cloud"), format!("{vpc}\n"));
    let down = in_cloud(&home, &["down", "-f", "shop.yaml"]);
    assert_eq!((down.code, down.stdout.as_str()), (0, "- shop: 1 instance\n"));
    assert_eq!(vpcs(&home, "cloud"), format!("{vpc}\n"), "what -f does not name stays");
    // Both typed: the file says what, the name says which.
    assert!(in_cloud(&home, &["up", "-f", "shop.yaml", "--lab", "test"]).stdout.contains("test ready"));
    assert_eq!(vpcs(&home, "cloud"), format!("{vpc}\n"));
}

#[test]
fn a_file_that_lies_about_changes_no_lab_that_the_environment_names() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    home.write("vpclab.yaml", format!("name: shop\n{SHOP}"));
    for verb in ["up", "plan", "down"] {
        let done = in_cloud(&home, &[verb]);
        let said = "VPCLAB_LAB says lab cloud, and ";
        assert!(done.code == 2 && done.stderr.contains(said) && done.stderr.contains("describes lab shop\nhint: -f "), "{verb}: {}", done.stderr);
    }
    assert_eq!(vpcs(&home, "cloud"), format!("{vpc}\n"));
    // A lab that is not there yet may be called as the environment says; then that is the file's lab.
    let in_test = |arguments: &[&str]| home.behind("export VPCLAB_LAB=test", arguments);
    for (arguments, said) in [(&["up"][..], "test ready"), (&["up"], "test no changes"), (&["down"], "- test: 1 instance")] {
        let done = in_test(arguments);
        assert!(done.code == 0 && done.stdout.contains(said), "{arguments:?}: {}{}", done.stdout, done.stderr);
    }
    assert_eq!(in_cloud(&home, &["down", "--lab", "cloud"]).code, 0);
    // What `env` printed for a lab of a file that is down again still means its file.
    let in_shop = home.behind("export VPCLAB_LAB=shop", &["check", "internet", "web-1", "tcp/80", "--engine", "proof"]);
    assert_eq!(in_shop.code, 0, "{}{}", in_shop.stdout, in_shop.stderr);
}

#[test]
fn a_file_called_like_a_lab_of_clients_does_not_take_its_place_unnoticed() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "own"}]}]);
    cloud.call("RunInstances", json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "TagSpecifications": tags})).unwrap();
    home.write("cloud.yaml", SHOP);
    let done = home.run(&["up", "-f", "cloud.yaml"]);
    assert!(done.code == 2 && done.stderr.contains("a lab cloud is up already, and came from no file"), "{}", done.stderr);
    assert_eq!(vpcs(&home, "cloud"), format!("{vpc}\n"));
}

#[test]
fn env_says_where_aws_is_answered_or_fails() {
    let home = Home::new();
    let none = home.run(&["env"]);
    assert!(none.code == 2 && none.stdout.is_empty() && none.stderr.contains("hint: vpclab up -f FILE"), "{}{}", none.stdout, none.stderr);
    let cloud = Cloud::serve(&home, &[]);
    let endpoint = format!("export AWS_ENDPOINT_URL=http://{}\n", cloud.address);
    for away in [&["daemon", "stop"][..], &[]] {
        match away {
            [] => kill_daemon(&home),
            arguments => drop(home.yes(arguments)),
        }
        assert!(home.yes(&["env"]).contains(&endpoint), "{away:?}");
    }
    home.write("vpclab.yaml", format!("name: shop\n{SHOP}"));
    let lines = home.yes(&["env", "--lab", "cloud"]);
    assert!(lines.contains("export VPCLAB_LAB=cloud\n") && !lines.contains("VPCLAB_FILE"), "a file of another lab is not exported: {lines}");
    let of_file = home.run(&["env"]);
    assert!(of_file.code == 0 && of_file.stdout.contains("export VPCLAB_LAB=shop\n") && !of_file.stdout.contains("AWS_"), "{}", of_file.stdout);
    assert!(of_file.stderr.contains("clients of AWS are not answered for lab shop, which is not up"), "{}", of_file.stderr);
    home.yes(&["down", "--lab", "cloud"]);
    std::fs::remove_file(home.path("vpclab.yaml")).unwrap();
    let gone = in_cloud(&home, &["env"]);
    assert!(gone.code == 2 && gone.stdout.is_empty() && gone.stderr.contains("unset VPCLAB_LAB"), "{}{}", gone.stdout, gone.stderr);
}

#[test]
fn a_dead_daemon_is_brought_back_by_whoever_asks() {
    let home = Home::new();
    home.write("sub/shop.yaml", SHOP);
    home.yes(&["up", "-q", "-f", "sub/shop.yaml"]);
    for arguments in [
        &["check", "internet", "web-1", "tcp/80"][..],
        &["why", "internet", "web-1", "tcp/80"],
        &["matrix"],
        &["lint"],
        &["who", "can", "reach", "web-1", "tcp/80"],
        &["what", "can", "web-1", "reach"],
        &["iam", "lint"],
        &["env"],
        &["plan", "-f", "sub/shop.yaml"],
        &["diff", "shop", "sub/shop.yaml"],
    ] {
        home.yes(&["daemon", "stop"]);
        let done = home.run(arguments);
        assert!(done.code < 2 && !done.stderr.contains("no lab file here"), "{arguments:?}: {}{}", done.stdout, done.stderr);
        assert_eq!(home.run(&["daemon", "status"]).code, 0, "{arguments:?}");
    }
}

#[test]
fn a_door_that_stays_shut_is_told_and_opens_for_the_first_who_looks() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    kill_daemon(&home);
    // A process that was killed holds its port for a moment.
    let begun = std::time::Instant::now();
    let taken = loop {
        match TcpListener::bind(&cloud.address) {
            Ok(taken) => break taken,
            Err(error) => assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{error}"),
        }
    };
    let listed = home.run(&["ls"]);
    let said = "clients of AWS are not answered: listening on ";
    assert!(listed.code == 0 && listed.stderr.contains(&format!("note: lab cloud: {said}{}", cloud.address)), "{}", listed.stderr);
    let status = home.yes(&["daemon", "status"]);
    assert!(status.contains(&format!("lab cloud: {said}")) && status.starts_with("running as process ") && status.contains(", 1 lab up; "), "{status}");
    let env = home.run(&["env"]);
    assert!(env.code == 3 && env.stdout.is_empty() && env.stderr.contains("not answered for lab cloud: listening on"), "{}{}", env.stdout, env.stderr);
    drop(taken);
    assert_eq!(home.run(&["ls"]).stderr, "");
    cloud.call("DescribeVpcs", json!({})).unwrap();
}

#[test]
fn a_door_keeps_its_port_whether_signatures_are_asked_for_or_not() {
    let home = Home::new();
    let signed = Cloud::serve(&home, &[]);
    for more in [&["--no-auth"][..], &[], &["--no-auth"], &[]] {
        let now = Cloud::serve(&home, more);
        assert_eq!(now.address, signed.address, "{more:?}");
        now.call("DescribeVpcs", json!({})).unwrap();
    }
    let wrong = Cloud { secret: "wrong".to_owned(), ..signed };
    assert_eq!(wrong.call("DescribeVpcs", json!({})), Err("SignatureDoesNotMatch".to_owned()), "signatures are asked for again");
}
