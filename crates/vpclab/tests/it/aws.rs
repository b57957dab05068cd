//! Clients of AWS at a running lab: what they build carries packets, and what was answered is there whatever dies.
#![cfg(target_os = "linux")]

use std::net::TcpStream;
use std::process::Command;

use serde_json::json;

use crate::cloud::{Cloud, exchange, kill_daemon, post};
use crate::home::Home;

#[test]
fn what_clients_build_carries_packets_as_its_rules_say_and_outlives_the_daemon() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let group = cloud.id("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "web"}), "/GroupId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    for name in ["web", "db"] {
        let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
        let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "SecurityGroupIds": [group], "TagSpecifications": tags});
        cloud.call("RunInstances", launch).unwrap();
    }
    let states = cloud.call("DescribeInstances", json!({})).unwrap().to_string();
    assert_eq!((states.matches("\"running\"").count(), states.matches("\"pending\"").count()), (2, 0), "{states}");
    let ping = ["ping", "web", "db", "-c", "1"];
    assert_ne!(home.run(&ping).code, 0, "the group lets nothing in");
    let rule = json!([{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]);
    cloud.call("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": rule})).unwrap();
    home.yes(&ping);

    cloud.call("iam:CreateUser", json!({"UserName": "dev"})).unwrap();
    let key = cloud.call("iam:CreateAccessKey", json!({"UserName": "dev"})).unwrap();
    kill_daemon(&home);
    home.yes(&ping);
    let again = Cloud::serve(&home, &[]);
    assert_eq!((&again.key, &again.secret), (&cloud.key, &cloud.secret), "the owner keeps the key");
    let dev = again.by(&key["AccessKey"]);
    assert_eq!(dev.call("DescribeVpcs", json!({})), Err("UnauthorizedOperation".to_owned()));
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]});
    again.call("iam:PutUserPolicy", json!({"UserName": "dev", "PolicyName": "p", "PolicyDocument": document.to_string()})).unwrap();
    assert_eq!(dev.id("DescribeVpcs", json!({}), "/Vpcs/0/VpcId"), vpc);
    assert_eq!(dev.call("DeleteVpc", json!({"VpcId": vpc})), Err("UnauthorizedOperation".to_owned()));

    let lines = home.yes(&["env"]);
    assert!(lines.contains(&format!("export AWS_ENDPOINT_URL=http://{}\n", again.address)), "{lines}");
    home.yes(&["down", "--lab", "cloud", "--yes"]);
    assert!(TcpStream::connect(&again.address).is_err(), "nobody is answered for a lab that is gone");
    assert!(!home.path("home/labs/cloud/accounts").exists());
}

const LAB: &str = "\
vpcs:
  net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28 } } }
instances:
  web-1: { subnet: a }
";

#[test]
fn a_lab_of_a_file_is_the_same_thing_and_both_ways_to_change_it_meet() {
    let home = Home::with_lab(LAB);
    let refused = home.run(&["serve", "--ec2", "127.0.0.1:0"]);
    assert!(refused.code != 0 && refused.stderr.contains("is not up"), "{}", refused.stderr);
    home.yes(&["up"]);
    let cloud = Cloud::serve(&home, &[]);
    assert_eq!(Cloud::serve(&home, &[]), cloud, "one door a lab");
    let instances = cloud.call("DescribeInstances", json!({})).unwrap().to_string();
    assert!(instances.contains("web-1"), "{instances}");
    home.write("lab.yaml", LAB.replace("web-1: { subnet: a }", "web-1: { subnet: a }\n  web-2: { subnet: a }"));
    home.yes(&["up"]);
    let instances = cloud.call("DescribeInstances", json!({})).unwrap().to_string();
    assert!(instances.contains("web-2"), "{instances}");
    // Many at once: each is there once, none is lost.
    let vpc = cloud.id("DescribeVpcs", json!({}), "/Vpcs/0/VpcId");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (cloud, vpc) = (&cloud, &vpc);
            scope.spawn(move || {
                let name = format!("g{number}");
                cloud.call("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": name, "Description": "d"})).unwrap();
            });
        }
        home.yes(&["stop", "web-1"]);
    });
    let groups = cloud.call("DescribeSecurityGroups", json!({})).unwrap().to_string();
    assert!((0..8).all(|number| groups.contains(&format!("\"g{number}\""))), "{groups}");
}

#[test]
fn bad_input_is_refused_as_aws_would_and_nobody_outside_is_served() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let host = format!("Host: {}\r\n", cloud.address);
    let (status, body) = post(&cloud.address, &host, "Action=DescribeVpcs&Version=2016-11-15");
    assert!(status == 403 && body.contains("<Code>MissingAuthenticationToken</Code>"), "{body}");
    let (status, body) = post(&cloud.address, &host, &"a".repeat(2 << 20));
    assert!(status == 413 && body.contains("<Code>RequestEntityTooLarge</Code>"), "{body}");
    let wrong = Cloud { secret: "wrong".to_owned(), ..cloud.clone() };
    assert_eq!(wrong.call("DescribeVpcs", json!({})), Err("SignatureDoesNotMatch".to_owned()));
    assert_eq!(cloud.in_region("mars-north-1").call("DescribeVpcs", json!({})), Err("SignatureDoesNotMatch".to_owned()));
    let (status, _) = exchange(&cloud.address, b"\0\0\0\r\n\r\n").unwrap();
    assert_eq!(status, 400);
    let public = home.run(&["serve", "--ec2", "0.0.0.0:0"]);
    assert!(public.code != 0 && public.stderr.contains("can be reached by others"), "{}", public.stderr);
    assert_ne!(home.run(&["serve", "--no-auth"]).code, 0);

    let told = home.run(&["serve", "--ec2", "127.0.0.1:0", "--no-auth", "-o", "json"]);
    assert!(told.stderr.contains("warning: whatever runs on this machine can change lab cloud"), "{}", told.stderr);
    let open = Cloud::serve(&home, &["--no-auth"]);
    let form = "Action=DescribeVpcs&Version=2016-11-15";
    assert_eq!(post(&open.address, &format!("Host: {}\r\n", open.address), form).0, 200);
    for headers in ["Host: evil.example\r\n".to_owned(), format!("Host: {}\r\nOrigin: http://evil.example\r\n", open.address)] {
        assert_eq!(post(&open.address, &headers, form).0, 403, "{headers}");
    }
}

#[test]
fn the_aws_command_builds_a_lab_that_ls_shows() {
    if !Command::new("aws").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("without aws: not tried");
        return;
    }
    let home = Home::new();
    home.yes(&["serve", "--ec2", "127.0.0.1:0"]);
    let script = "eval \"$(\"$0\" env)\" && aws ec2 create-vpc --cidr-block 10.3.0.0/16 --query Vpc.State --output text && aws sts get-caller-identity --query Arn --output text";
    let command = home.command(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_vpclab")]).current_dir(home.path(""));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("AWS_PAGER", "").env("no_proxy", "127.0.0.1").env_remove("AWS_PROFILE");
    let output = shell.output().unwrap();
    let (told, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("arn:aws:iam::") && told.contains(":root"), "{told}{why}");
    assert!(home.yes(&["ls", "vpcs"]).contains("10.3.0.0/16"));
}

#[test]
fn a_command_that_finds_the_daemon_dead_asks_the_lab_all_the_same() {
    let home = Home::with_lab(LAB);
    home.yes(&["up"]);
    let cloud = Cloud::serve(&home, &[]);
    let subnet = cloud.id("DescribeSubnets", json!({}), "/Subnets/0/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "extra"}]}]);
    cloud.call("RunInstances", json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "TagSpecifications": tags})).unwrap();
    kill_daemon(&home);
    // The file knows no such instance.
    let checked = home.run(&["check", "web-1", "extra", "tcp/80"]);
    assert!(checked.code == 1 && checked.stdout.contains(": refused"), "{}{}", checked.stdout, checked.stderr);
    kill_daemon(&home);
    assert!(home.run(&["why", "web-1", "extra", "tcp/80"]).stdout.contains("extra"));
    kill_daemon(&home);
    assert!(home.yes(&["env"]).contains(&cloud.address));
    home.yes(&["down", "--yes"]);
    home.yes(&["daemon", "stop"]);
    // Nothing is up: nothing is started.
    home.run(&["check", "web-1", "web-1", "tcp/80"]);
    assert_eq!(home.run(&["daemon", "status"]).code, 1);
}
