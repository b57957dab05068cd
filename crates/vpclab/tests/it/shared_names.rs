//! Names that clients of AWS give: several instances may have one, one may hold a line break, and who is terminated keeps his for an hour.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::home::Home;

/// How long what was answered may take to be so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Launches instances of these names into a subnet of their own: their ids.
fn launched(cloud: &Cloud, names: &[&str]) -> Vec<String> {
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let launch = |name: &&str| {
        let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
        let wanted = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "TagSpecifications": tags});
        cloud.id("RunInstances", wanted, "/Instances/0/InstanceId")
    };
    names.iter().map(launch).collect()
}

fn running(home: &Home) -> usize {
    let rows: Value = serde_json::from_str(&home.yes(&["ps", "-o", "json"])).unwrap();
    rows.as_array().unwrap().iter().filter(|row| row["state"] == "running").count()
}

#[test]
fn a_name_that_several_instances_have_means_none_of_them() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let mut ids = launched(&cloud, &["app", "app", "app", "web"]);
    let web = ids.pop().unwrap();
    ids.sort();
    let said = format!("`app` is 3 instances: {}: say which", ids.join(", "));
    for arguments in [
        &["rm", "app"][..],
        &["stop", "app"],
        &["start", "app"],
        &["exec", "app", "--", "hostname"],
        &["logs", "app"],
        &["sockets", "app"],
        &["capture", "app", "-c", "1"],
        &["ping", "app", "web", "-c", "1"],
        &["ping", "web", "app", "-c", "1"],
        &["traceroute", "web", "app"],
        &["check", "app", "web", "tcp/80"],
        &["check", "web", "app", "tcp/80"],
        &["check", "web", "app", "tcp/80", "--engine", "proof"],
        &["check", "web", "app", "tcp/80", "--engine", "sim"],
        &["why", "web", "app", "tcp/80"],
        &["who", "can", "reach", "app", "tcp/80"],
        &["sim", "ping", "web", "app"],
        &["forward", "0", "app:80"],
        &["anatomy", "app"],
    ] {
        let done = home.run(arguments);
        assert!(done.code == 2 && done.stderr.contains(&said), "{arguments:?}: {} {}{}", done.code, done.stdout, done.stderr);
    }
    assert_eq!(running(&home), 4, "nothing was done to any");
    home.write("claims.yaml", "expect: [app -> web tcp/80: blocked]\n");
    let test = home.run(&["test", "--expect", "claims.yaml", "--engine", "proof"]);
    assert!(test.code != 0 && test.stdout.contains(&said), "{}{}", test.stdout, test.stderr);

    let table = home.yes(&["ps"]);
    assert!(ids.iter().all(|id| table.contains(id.as_str())), "rows that look alike are told apart: {table}");
    let mut names: Vec<String> = home.yes(&["ps", "-o", "name"]).lines().map(str::to_owned).collect();
    names.sort();
    let mut wanted = ids.clone();
    wanted.push("web".to_owned());
    wanted.sort();
    assert_eq!(names, wanted, "what is printed can be typed");
    assert_eq!(home.yes(&["exec", &ids[1], "--", "echo", "here"]), "here\n");
    home.yes(&["rm", &ids[0], &ids[1]]);
    assert_eq!(running(&home), 2);
    assert_eq!(home.yes(&["exec", "app", "--", "echo", "alone"]), "alone\n", "of three two are gone");
    assert!(!home.yes(&["ps"]).contains(&web), "without need no ids");
}

#[test]
fn who_reaches_whom_tells_instances_of_one_name_apart() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let ids = launched(&cloud, &["app", "app", "web"]);
    let [first, second] = [0, 1].map(|n| format!("app ({})", ids[n]));
    for engine in ["linux", "proof", "sim"] {
        let rows: Value = serde_json::from_str(&home.yes(&["matrix", "icmp/echo", "--engine", engine, "--expand", "-o", "json"])).unwrap();
        let has = |from: &str, to: &str| rows.as_array().unwrap().iter().filter(|row| row["from"] == *from && row["to"] == *to).count();
        assert_eq!([has(&first, &second), has(&second, &first), has(&first, "web"), has("app", "web")], [1, 1, 1, 0], "{engine}: {rows}");
        let table = home.yes(&["matrix", "icmp/echo", "--engine", engine, "--expand"]);
        assert!(table.contains(&first) && table.contains(&second), "{engine}: {table}");
    }
    let compared: Value = serde_json::from_str(&home.yes(&["matrix", "icmp/echo", "--engine", "linux,proof", "-o", "json"])).unwrap();
    assert_eq!(compared["disagreements"], json!([]));
    let who = home.yes(&["who", "can", "reach", "web", "icmp/echo", "-o", "json"]);
    assert!(who.contains(&first) && who.contains(&second), "{who}");
}

#[test]
fn each_of_several_instances_of_one_name_has_a_console_of_its_own() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web/a"}]}]);
    // Where cloud-init notes whose disk it is.
    let script = BASE64_STANDARD.encode(b"#!/bin/sh\nls /var/lib/cloud/instances\n");
    let wanted = json!({
        "ImageId": image, "MinCount": 2, "MaxCount": 2, "SubnetId": subnet, "TagSpecifications": tags, "UserData": script,
    });
    let launched = cloud.call("RunInstances", wanted).unwrap();
    let ids: Vec<&str> = launched["Instances"].as_array().unwrap().iter().map(|one| one["InstanceId"].as_str().unwrap()).collect();
    for id in &ids {
        let deadline = Instant::now() + PATIENCE;
        while home.yes(&["logs", id]) != format!("{id}\n") {
            assert!(Instant::now() < deadline, "{}", home.yes(&["logs", id]));
            std::thread::sleep(Duration::from_millis(50));
        }
        let console = cloud.call("GetConsoleOutput", json!({"InstanceId": id})).unwrap();
        let printed = BASE64_STANDARD.decode(console["Output"].as_str().unwrap()).unwrap();
        assert!(String::from_utf8(printed).unwrap().ends_with(&format!("{id}\n")), "{console}");
    }
    let several = home.run(&["logs", "web/a"]);
    assert!(several.code == 2 && several.stderr.contains("say which"), "{}", several.stderr);
    home.yes(&["rm", ids[0]]);
    assert_eq!(home.yes(&["logs", "web/a"]), format!("{}\n", ids[1]), "the name is one's alone");
}

#[test]
fn who_is_terminated_is_said_to_be_and_not_suggested() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    launched(&cloud, &["db-1", "web-1"]);
    home.yes(&["rm", "db-1"]);
    for arguments in [&["exec", "db-1", "--", "true"][..], &["stop", "db-1"], &["start", "db-1"], &["logs", "db-1"], &["rm", "db-1"]] {
        let done = home.run(arguments);
        assert!(done.code == 2 && done.stderr.contains("error: db-1 is terminated, and does not come back\nhint: vpclab ps"), "{arguments:?}: {}", done.stderr);
    }
    let other = home.run(&["exec", "db-2", "--", "true"]);
    assert!(other.code == 2 && !other.stderr.contains("db-1"), "{}", other.stderr);
}

#[test]
fn a_name_with_a_line_break_stays_in_its_line() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    launched(&cloud, &["two\nlines", "one"]);
    let table = home.yes(&["ps"]);
    assert!(table.lines().count() == 3 && table.contains(r"two\nlines "), "{table}");
    assert_eq!(home.yes(&["ps", "-o", "name"]).lines().count(), 2);
    let rows: Value = serde_json::from_str(&home.yes(&["ps", "-o", "json"])).unwrap();
    assert!(rows.to_string().contains(r"two\nlines"), "data is as it is: {rows}");
}
