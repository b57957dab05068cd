//! A cloud that this machine cannot run: whoever asks is told which of it is not there, and why.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use base64::Engine as _;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::home::Home;

/// Leaves the lab's holder a few open files more than it has.
fn starve(home: &Home) {
    let folder = home.path("home");
    let holders = sandbox::running::holders();
    let holder = holders.iter().find(|holder| holder.socket.starts_with(&folder)).expect("the lab's holder");
    let pid = holder.process.pid;
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
    let limit = Rlimit { current: Some(open + 8), maximum: Some(open + 8) };
    prlimit(Pid::from_raw(pid), Resource::Nofile, limit).unwrap();
}

#[test]
fn what_does_not_follow_is_named_by_everything_that_shows_the_lab_until_it_does() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let launch = |name: &str, count: u32| {
        let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
        let launch = json!({"ImageId": image, "MinCount": count, "MaxCount": count, "SubnetId": subnet, "TagSpecifications": tags});
        cloud.id("RunInstances", launch, "/Instances/0/InstanceId")
    };
    launch("old", 1);
    home.yes(&["ls", "instances"]);
    starve(&home);
    let id = launch("new", 20);

    let begun = Instant::now();
    let refused = loop {
        let labs: Value = serde_json::from_str(&home.yes(&["ls", "-o", "json"])).unwrap();
        if labs[0]["state"] == "up, refused" {
            break home.run(&["ls"]);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was refused: {labs}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(refused.stderr.contains("which this machine refuses: ") && refused.stderr.contains("without: instance new (20 of them)"), "{}", refused.stderr);
    let instances = home.run(&["ls", "instances"]);
    let state = |name: &str| instances.stdout.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(state("new").contains("running, refused") && !state("old").contains("refused"), "{}", instances.stdout);
    let told: Value = serde_json::from_str(&home.yes(&["daemon", "status", "-o", "json"])).unwrap();
    assert!(told["refused"]["cloud"]["lacks"].to_string().contains(&id), "{told}");
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout.contains("which this machine refuses: "), "{}", doctor.stdout);
    let check = home.run(&["check", "old", &id, "tcp/80"]);
    assert!(check.code == 3 && check.stderr.contains("which this machine refuses: "), "{}", check.stderr);
    let why = home.run(&["why", "old", &id, "tcp/80"]);
    assert!(why.stderr.contains("warning: lab cloud: packets meet what was there before"), "{}", why.stderr);
    let console = cloud.call("GetConsoleOutput", json!({"InstanceId": id})).unwrap();
    let console = base64::engine::general_purpose::STANDARD.decode(console["Output"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&console).contains("vpclab: this instance is not what its cloud says: "), "{console:?}");

    // The next change is tried with all of it, by a holder that has what it needs.
    cloud.call("CreateTags", json!({"Resources": [vpc], "Tags": [{"Key": "Name", "Value": "net"}]})).unwrap();
    let begun = Instant::now();
    while home.run(&["ls"]).stdout.contains("refused") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not tried again");
        std::thread::sleep(Duration::from_millis(100));
    }
    home.yes(&["exec", &id, "--", "true"]);
}
