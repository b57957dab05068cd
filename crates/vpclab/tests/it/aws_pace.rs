//! `serve --ec2 --aws-like`: what clients begin takes its time, whatever dies meanwhile.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::{Cloud, kill_daemon};
use crate::home::Home;

/// Looks until an answer has a word at a place.
fn wait_for(cloud: &Cloud, operation: &str, arguments: &Value, path: &str, word: &str) {
    let begun = Instant::now();
    loop {
        let answer = cloud.call(operation, arguments.clone()).unwrap();
        if answer.pointer(path).and_then(Value::as_str) == Some(word) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never {word}: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const STATE: &str = "/Reservations/0/Instances/0/State/Name";

#[test]
fn what_clients_begin_passes_through_states_and_a_killed_daemon_forgets_no_time() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &["--aws-like"]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let group = cloud.id("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "web"}), "/GroupId");
    let rule = json!([{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]);
    cloud.call("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": rule})).unwrap();
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let launch = |name: &str| {
        let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
        let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "SecurityGroupIds": [group], "TagSpecifications": tags});
        json!({"InstanceIds": [cloud.id("RunInstances", launch, "/Instances/0/InstanceId")]})
    };
    let (web, db) = (launch("web"), launch("db"));
    let gateway = cloud.id("CreateTransitGateway", json!({}), "/TransitGateway/TransitGatewayId");
    assert_eq!(cloud.call("DescribeInstances", web.clone()).unwrap().pointer(STATE), Some(&json!("pending")));
    assert_eq!(cloud.call("StopInstances", web.clone()), Err("IncorrectInstanceState".to_owned()));
    let attach = json!({"TransitGatewayId": gateway, "VpcId": vpc, "SubnetIds": [subnet]});
    assert_eq!(cloud.call("CreateTransitGatewayVpcAttachment", attach), Err("IncorrectState".to_owned()));

    kill_daemon(&home);
    // Said by nobody, so the door has the pace that it had.
    let cloud = Cloud::serve(&home, &[]);
    for both in [&web, &db] {
        wait_for(&cloud, "DescribeInstances", both, STATE, "running");
    }
    let status = cloud.call("DescribeInstanceStatus", web.clone()).unwrap();
    assert_eq!(status.pointer("/InstanceStatuses/0/InstanceStatus/Status"), Some(&json!("initializing")));
    let begun = Instant::now();
    // The kernel hears of it within a second.
    while home.run(&["ping", "web", "db", "-c", "1"]).code != 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing passes");
    }

    cloud.call("TerminateInstances", web.clone()).unwrap();
    assert_eq!(cloud.call("DescribeInstances", web.clone()).unwrap().pointer(STATE), Some(&json!("shutting-down")));
    wait_for(&cloud, "DescribeInstances", &web, STATE, "terminated");

    let instant = Cloud::serve(&home, &["--instant"]);
    assert_eq!(instant.key, cloud.key);
    instant.call("StopInstances", db.clone()).unwrap();
    assert_eq!(instant.call("DescribeInstances", db.clone()).unwrap().pointer(STATE), Some(&json!("stopped")));
    // What was begun before takes the time that it was said to take.
    let gateways = json!({"TransitGatewayIds": [gateway]});
    wait_for(&instant, "DescribeTransitGateways", &gateways, "/TransitGateways/0/State", "available");
    instant.call("DeleteTransitGateway", json!({"TransitGatewayId": gateway})).unwrap();
    let gone = instant.call("DescribeTransitGateways", gateways).unwrap();
    assert_eq!(gone.pointer("/TransitGateways/0/State"), Some(&json!("deleted")), "it is seen for an hour");
}

#[test]
fn a_command_leaves_the_clock_where_it_is() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &["--aws-like"]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
    let id = cloud.id("RunInstances", launch, "/Instances/0/InstanceId");
    let one = json!({"InstanceIds": [id]});
    assert_ne!(home.run(&["stop", &id]).code, 0, "a command is told what a client is told: it is pending");
    wait_for(&cloud, "DescribeInstances", &one, STATE, "running");
    // The command sees it within a second.
    let begun = Instant::now();
    while home.run(&["stop", &id]).code != 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it cannot be stopped");
    }
    assert_eq!(cloud.call("DescribeInstances", one.clone()).unwrap().pointer(STATE), Some(&json!("stopped")));
    cloud.call("StartInstances", one.clone()).unwrap();
    // Three seconds, and not the minutes by which the command was ahead.
    wait_for(&cloud, "DescribeInstances", &one, STATE, "running");
}
