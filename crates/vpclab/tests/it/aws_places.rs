//! One door, several regions and accounts; every command at a lab that clients of AWS built; the door after a daemon's death.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::{Cloud, kill_daemon};
use crate::home::Home;

const OTHER: &str = "222233334444";

/// A network with two instances of which one may be asked at port 80.
fn build(cloud: &Cloud) {
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let group = cloud.id("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "web"}), "/GroupId");
    let rule = json!([{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}]);
    cloud.call("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": rule})).unwrap();
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    for name in ["web", "db"] {
        let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
        let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "SecurityGroupIds": [group], "TagSpecifications": tags});
        cloud.call("RunInstances", launch).unwrap();
    }
}

fn vpcs(cloud: &Cloud) -> usize {
    cloud.call("DescribeVpcs", json!({})).unwrap()["Vpcs"].as_array().unwrap().len()
}

#[test]
fn regions_and_accounts_are_networks_of_their_own_behind_one_door() {
    let home = Home::new();
    let here = Cloud::serve(&home, &[]);
    let there = here.in_region("eu-west-1");
    let other = Cloud::serve(&home, &["--account", OTHER]);
    assert_eq!((&other.address, other.key == here.key), (&here.address, false));
    assert_eq!(Cloud::serve(&home, &["--account", OTHER]), other, "an account is made once");
    assert_eq!(other.call("sts:GetCallerIdentity", json!({})).unwrap()["Account"], OTHER);
    assert_eq!([vpcs(&here), vpcs(&there), vpcs(&other)], [0, 0, 0]);
    build(&there);
    assert_eq!([vpcs(&here), vpcs(&there), vpcs(&other)], [0, 1, 0], "GEO-1");
    let zones = there.call("DescribeAvailabilityZones", json!({})).unwrap().to_string();
    assert!(zones.contains("eu-west-1a") && !zones.contains(&here.region), "{zones}");
    other.call("CreateVpc", json!({"CidrBlock": "10.9.0.0/16"})).unwrap();
    assert_eq!([vpcs(&here), vpcs(&there), vpcs(&other)], [0, 1, 1]);

    home.yes(&["ping", "--lab", "cloud.eu-west-1", "web", "db", "-c", "1"]);
    let rows: Value = serde_json::from_str(&home.yes(&["ls", "-o", "json"])).unwrap();
    let labs: BTreeSet<_> = rows.as_array().unwrap().iter().map(|row| (row["name"].as_str().unwrap(), row["part_of"].as_str().unwrap())).collect();
    let of_other = format!("cloud.{OTHER}.{}", here.region);
    assert_eq!(labs, [("cloud", "-"), ("cloud.eu-west-1", "cloud"), (of_other.as_str(), "cloud")].into_iter().collect());
    assert!(home.yes(&["ls", "vpcs"]).lines().count() <= 1, "who names no lab means the whole one");
    let told = Cloud::told(&home.yes(&["env", "--lab", "cloud.eu-west-1", "-o", "json"]));
    assert_eq!(told, there);

    kill_daemon(&home);
    home.yes(&["ping", "--lab", "cloud.eu-west-1", "web", "db", "-c", "1"]);
    assert_eq!([vpcs(&here), vpcs(&there), vpcs(&other)], [0, 1, 1], "the next daemon has them all");
    let refused = home.run(&["down", "cloud.eu-west-1"]);
    assert!(refused.code != 0 && refused.stderr.contains("vpclab down cloud"), "{}", refused.stderr);
    home.yes(&["down", "cloud"]);
    assert_eq!(home.yes(&["ls", "-o", "json"]).trim(), "[]");
    assert_eq!(std::fs::read_dir(home.path("home/labs")).unwrap().filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).count(), 0);
}

#[test]
fn the_next_daemon_opens_the_door_at_the_same_place_with_the_same_keys_and_knows_what_tokens_were_answered() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let create = json!({"CidrBlock": "10.1.0.0/16", "AmazonProvidedIpv6CidrBlock": false});
    cloud.call("CreateVpc", create).unwrap();
    let vpc = cloud.id("DescribeVpcs", json!({}), "/Vpcs/0/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.1.1.0/24"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let launch = |token: &str, count: u32| json!({"ImageId": image, "MinCount": count, "MaxCount": count, "SubnetId": subnet, "ClientToken": token});
    let first = cloud.id("RunInstances", launch("one", 1), "/Instances/0/InstanceId");
    for end in ["killed", "restarted"] {
        match end {
            "killed" => kill_daemon(&home),
            _ => drop(home.yes(&["daemon", "stop"])),
        }
        let begun = Instant::now();
        while TcpStream::connect(&cloud.address).is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{end}: nobody answers for a daemon that is gone");
        }
        home.yes(&["ls"]);
        let again = Cloud::told(&home.yes(&["env", "-o", "json"]));
        assert_eq!(again, cloud, "{end}: nobody asked for the door");
        assert_eq!(again.id("RunInstances", launch("one", 1), "/Instances/0/InstanceId"), first, "{end}");
        assert_eq!(again.call("RunInstances", launch("one", 2)), Err("IdempotentParameterMismatch".to_owned()), "{end}");
    }
    let instances = cloud.call("DescribeInstances", json!({})).unwrap().to_string();
    assert_eq!(instances.matches("\"InstanceId\"").count(), 1, "{instances}");

    // A port that somebody else took meanwhile is waited for.
    home.yes(&["daemon", "stop"]);
    let address: SocketAddr = cloud.address.parse().unwrap();
    let taken = TcpListener::bind(address).unwrap();
    home.yes(&["ls"]);
    let shut = home.run(&["env"]);
    assert!(shut.code == 3 && shut.stdout.is_empty() && shut.stderr.contains("not answered for lab cloud: listening on"), "{}{}", shut.stdout, shut.stderr);
    drop(taken);
    assert!(home.yes(&["env"]).contains("AWS_ENDPOINT_URL"), "who looks has it opened");
    assert_eq!(vpcs(&cloud), 1);
}

#[test]
fn every_command_works_at_a_lab_that_clients_built_and_its_file_makes_the_same_lab() {
    let home = Home::new();
    let cloud = Cloud::told(&home.yes(&["daemon", "start", "--ec2", "127.0.0.1:0", "-o", "json"]));
    build(&cloud);
    assert!(home.yes(&["ls", "instances"]).contains("running"));
    assert!(home.yes(&["why", "web", "db", "tcp/80"]).contains("ALLOWED"));
    assert_ne!(home.run(&["why", "web", "db", "tcp/81"]).code, 0);
    // Both engines, which end with 5 where they differ.
    home.yes(&["matrix", "tcp/80,81", "--engine", "proof,linux"]);
    assert!(home.yes(&["graph"]).contains("10.0.1.0/24"));
    assert!(home.yes(&["graph", "-k", "svg"]).contains("<svg"), "a picture");
    let seen = std::thread::scope(|scope| {
        let capture = scope.spawn(|| home.yes(&["capture", "web", "-c", "2", "--duration", "60"]));
        while !capture.is_finished() {
            home.yes(&["ping", "web", "db", "-c", "1"]);
        }
        capture.join().unwrap()
    });
    assert!(seen.contains("ICMP echo request") && seen.contains("10.0.1."), "{seen}");
    let inspected = home.yes(&["inspect", "web"]);
    assert!(inspected.contains("kind: instance"), "{inspected}");

    let text = home.yes(&["export", "lab"]);
    home.yes(&["export", "lab", "-w", "same.yaml"]);
    assert_ne!(home.run(&["export", "lab", "-w", "same.yaml"]).code, 0, "it is there");
    home.yes(&["validate", "same.yaml"]);
    assert!(text.contains("web") && text.contains("db"), "{text}");
    home.yes(&["why", "-f", "same.yaml", "web", "db", "tcp/80"]);
    home.yes(&["down", "--all"]);
    home.yes(&["up", "-f", "same.yaml"]);
    home.yes(&["ping", "web", "db", "-c", "1"]);
}
