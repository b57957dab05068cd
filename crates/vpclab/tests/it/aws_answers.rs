//! What commands answer about labs that clients of AWS made: what listens there, and what is counted beside users' traffic.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::home::Home;

/// A network that may be asked at tcp/80 and tcp/81, with instances `web` and `db`.
fn build(cloud: &Cloud) -> Value {
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let group = cloud.id("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "web"}), "/GroupId");
    let from_vpc = json!([{"CidrIp": "10.0.0.0/16"}]);
    let rule = |port: u16| json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": from_vpc});
    cloud.call("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": [rule(80), rule(81)]})).unwrap();
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    for name in ["web", "db"] {
        let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
        let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "SecurityGroupIds": [group], "TagSpecifications": tags});
        cloud.call("RunInstances", launch).unwrap();
    }
    vpc.into()
}

fn word(home: &Home, arguments: &[&str]) -> String {
    let done = home.run(arguments);
    let all: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}{}", done.stdout, done.stderr));
    all.pointer("/0/result").or(all.get("result")).and_then(Value::as_str).unwrap_or_else(|| panic!("{all}")).to_owned()
}

#[test]
fn what_listens_where_nobody_said_it_is_what_the_kernel_says() {
    let home = Home::new();
    build(&Cloud::serve(&home, &[]));
    let mut program = home.command(&["exec", "web", "--", "nc", "-l", "-k", "-p", "80"]).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !home.yes(&["sockets", "web", "--listening"]).contains(":80") {
        assert!(Instant::now() < until, "nothing listens");
        std::thread::sleep(Duration::from_millis(50));
    }
    home.write("claims.yaml", "expect: [\"db -> web tcp/80: open\", \"db -> web tcp/81: refused\", \"web -> db tcp/80: refused\"]\n");
    for engine in ["proof", "linux"] {
        let told = home.run(&["test", "--expect", "claims.yaml", "--engine", engine]);
        assert_eq!(told.code, 0, "{engine}: {}{}", told.stdout, told.stderr);
    }
    for (to, port, expected) in [("web", "tcp/80", "open"), ("web", "tcp/81", "refused"), ("db", "tcp/80", "refused")] {
        let from = if to == "web" { "db" } else { "web" };
        for engine in ["linux", "proof"] {
            assert_eq!(word(&home, &["check", from, to, port, "--engine", engine, "-o", "json"]), expected, "{to} {port} {engine}");
        }
        let simulated = home.run(&["sim", "check", from, to, port]);
        assert!(simulated.stdout.contains(expected), "{to} {port}: {}{}", simulated.stdout, simulated.stderr);
    }
    // 5: two engines disagree.
    let both = home.run(&["matrix", "tcp/80", "tcp/81", "--engine", "proof,linux"]);
    assert_eq!(both.code, 0, "{}{}", both.stdout, both.stderr);
    // It is no part of the lab.
    assert!(!home.yes(&["export", "lab"]).contains("listen"));
    let _ = program.kill();
    let _ = program.wait();
}

#[test]
fn asking_what_became_of_a_ping_is_no_traffic_of_anybodys() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = build(&cloud);
    let log = json!({"ResourceType": "VPC", "ResourceIds": [vpc], "TrafficType": "ALL", "MaxAggregationInterval": 60, "LogGroupName": "flows",
        "DeliverLogsPermissionArn": "arn:aws:iam::123456789012:role/flows"});
    cloud.call("CreateFlowLogs", log).unwrap();
    // Nothing lets echo requests in: all are lost, and `ping` asks where.
    let lost = home.run(&["ping", "db", "web", "-c", "3", "-i", "0.01"]);
    assert!(lost.code == 1 && lost.stdout.contains("sg-in:web"), "{}{}", lost.stdout, lost.stderr);
    let told: Value = serde_json::from_str(&home.yes(&["flowlogs", "--open", "--filter", "protocol=1", "-o", "json"])).unwrap();
    let counted: Vec<_> = told.as_array().unwrap().iter().map(|record| (record["action"].as_str().unwrap(), record["packets"].as_u64().unwrap())).collect();
    assert_eq!(counted.iter().map(|(_, packets)| *packets).collect::<Vec<_>>(), [3, 3], "{counted:?}");
}
