//! What goes wrong at the door of a lab: the daemon killed while hundreds of clients change it, and clients that are slow, many, or send
//! too much. What was answered is there, nothing is half done, and whoever looks is answered.
//!
//! A program of its own: it needs most of the descriptors that a process may have, and measures times.
//!
//! `VPCLAB_SOAK_CALLS` sets how many changes are under way when the daemon is killed (default 120); `make soak` takes 1,000.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloud::{Cloud, exchange, kill_daemon, post};
use home::Home;
use serde_json::{Value, json};

#[allow(dead_code, reason = "this program uses a part of it")]
#[path = "it/cloud/mod.rs"]
mod cloud;
#[allow(dead_code, reason = "this program uses a part of it")]
#[path = "it/home/mod.rs"]
mod home;

const THREADS: usize = 16;

/// What was answered to one thread.
#[derive(Default)]
struct Answered {
    groups: Vec<(String, String)>,
    instances: Vec<String>,
    users: Vec<String>,
}

/// Makes things by turns until nobody answers: a group with a rule and a tag each, an instance, a user.
fn work(cloud: &Cloud, (vpc, subnet, image): (&str, &str, &str), thread: usize, made: &AtomicUsize) -> Answered {
    let mut answered = Answered::default();
    for number in 0.. {
        let name = format!("x{thread}-{number}x");
        match (thread + number) % 4 {
            0 => {
                let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
                let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "TagSpecifications": tags});
                match cloud.attempt("RunInstances", launch) {
                    Some(Ok(answer)) => answered.instances.push(answer["Instances"][0]["InstanceId"].as_str().unwrap().to_owned()),
                    Some(Err(code)) => panic!("{name}: {code}"),
                    None => return answered,
                }
            }
            1 => match cloud.attempt("iam:CreateUser", json!({"UserName": name})) {
                Some(Ok(_)) => answered.users.push(name),
                Some(Err(code)) => panic!("{name}: {code}"),
                None => return answered,
            },
            _ => {
                let tags = json!([{"ResourceType": "security-group", "Tags": [{"Key": "of", "Value": name}]}]);
                let group = json!({"VpcId": vpc, "GroupName": name, "Description": "d", "TagSpecifications": tags});
                match cloud.attempt("CreateSecurityGroup", group) {
                    Some(Ok(answer)) => answered.groups.push((answer["GroupId"].as_str().unwrap().to_owned(), name)),
                    Some(Err(code)) => panic!("{name}: {code}"),
                    None => return answered,
                }
            }
        }
        made.fetch_add(1, Ordering::Relaxed);
    }
    answered
}

#[test]
fn what_was_answered_is_there_after_the_daemon_was_killed_in_the_middle_nothing_is_half_done_and_packets_agree() {
    let wanted: usize = std::env::var("VPCLAB_SOAK_CALLS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/20"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let made = AtomicUsize::new(0);
    let answered: Vec<Answered> = std::thread::scope(|scope| {
        let (cloud, made, place) = (&cloud, &made, (vpc.as_str(), subnet.as_str(), image.as_str()));
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(cloud, place, thread, made))).collect();
        let begun = Instant::now();
        while made.load(Ordering::Relaxed) < wanted && begun.elapsed() < Duration::from_secs(120) {
            std::thread::sleep(Duration::from_millis(5));
        }
        kill_daemon(&home);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.load(Ordering::Relaxed) >= wanted, "{made:?}");
    // The next daemon begins with the next command, at the same place.
    let listed: Value = serde_json::from_str(&home.yes(&["ls", "instances", "-o", "json"])).unwrap();
    let groups = cloud.call("DescribeSecurityGroups", json!({})).unwrap();
    let by_id: BTreeMap<&str, &Value> = groups["SecurityGroups"].as_array().unwrap().iter().map(|g| (g["GroupId"].as_str().unwrap(), g)).collect();
    for (id, name) in answered.iter().flat_map(|answered| &answered.groups) {
        assert_eq!(by_id.get(id.as_str()).map(|group| group["GroupName"].as_str().unwrap()), Some(name.as_str()), "{id}");
    }
    for group in by_id.values().filter(|group| group["GroupName"] != "default") {
        assert_eq!(group["Tags"][0]["Value"], group["GroupName"], "half of a group: {group}");
        assert_eq!(group["IpPermissionsEgress"].as_array().unwrap().len(), 1, "half of a group: {group}");
    }
    let users = cloud.call("iam:ListUsers", json!({"MaxItems": 1000})).unwrap().to_string();
    let lost: Vec<_> = answered.iter().flat_map(|answered| &answered.users).filter(|name| !users.contains(&format!("\"{name}\""))).collect();
    assert_eq!(lost, [""; 0]);
    let rows = listed.as_array().unwrap();
    let lost: Vec<_> = answered.iter().flat_map(|answered| &answered.instances).filter(|id| !rows.iter().any(|row| row["id"] == **id)).collect();
    assert_eq!(lost, [""; 0]);

    // Every instance that the model has runs, and nothing else does; the default group lets them in to each other.
    let holder = sandbox::Client::connect(&control::paths::Paths { home: home.path("home") }.holder_socket("cloud")).unwrap();
    for row in rows {
        assert_eq!(row["state"], "running", "{row}");
    }
    drop(holder);
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    for pair in names.windows(2).take(6) {
        home.yes(&["ping", pair[0], pair[1], "-c", "1"]);
    }
    cloud.call("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.128.0/24"})).unwrap();
}

#[test]
fn slow_many_and_broken_clients_are_bounded_and_keep_nobody_else_waiting() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let host = format!("Host: {}\r\n", cloud.address);
    let connect = || {
        let stream = TcpStream::connect(&cloud.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    };
    // Headers that never end, and bodies that never come.
    let mut slow: Vec<TcpStream> = (0..1_000).map(|_| connect()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        let text = match number % 2 {
            0 => "POST / HTTP/1.1\r\nHost: ".to_owned(),
            _ => format!("POST / HTTP/1.1\r\n{host}Content-Length: 900000\r\n\r\nAction="),
        };
        stream.write_all(text.as_bytes()).unwrap();
    }
    let begun = Instant::now();
    cloud.call("DescribeVpcs", json!({})).unwrap();
    cloud.call("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "a thousand clients that wait are in nobody's way: {:?}", begun.elapsed());
    drop(slow);

    // A body that ends early: there is nobody to answer, and nothing happens.
    let mut cut = connect();
    cut.write_all(format!("POST / HTTP/1.1\r\n{host}Content-Length: 100\r\n\r\nAction=CreateVpc").as_bytes()).unwrap();
    cut.shutdown(std::net::Shutdown::Write).unwrap();
    let mut told = String::new();
    let _ = cut.read_to_string(&mut told);
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 400 "), "{told}");

    for (what, length) in [("one", 1 << 20), ("ten", 10 << 20)] {
        let (status, body) = post(&cloud.address, &host, &"a".repeat(length + 1));
        assert!(status == 413 && body.contains("<Code>RequestEntityTooLarge</Code>"), "{what}: {status} {body}");
    }
    let many_headers: String = (0..300).map(|number| format!("X-{number}: 1\r\n")).collect();
    for bytes in [
        b"\0\0\0\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        format!("POST / HTTP/1.1\r\n{host}{many_headers}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes(),
        format!("POST / HTTP/1.1\r\n{host}Content-Length: x\r\nConnection: close\r\n\r\n").into_bytes(),
        format!("POST /{} HTTP/1.1\r\n{host}Connection: close\r\n\r\n", "p".repeat(100_000)).into_bytes(),
        format!("DELETE / HTTP/1.1\r\n{host}Connection: close\r\n\r\n").into_bytes(),
    ] {
        let told = exchange(&cloud.address, &bytes);
        assert!(told.as_ref().is_some_and(|(status, _)| (400..500).contains(status)), "{:?}: {told:?}", String::from_utf8_lossy(&bytes[..40.min(bytes.len())]));
    }
    cloud.call("DescribeVpcs", json!({})).unwrap();
}

#[test]
fn who_looks_does_not_wait_for_who_changes() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/20"}), "/Subnet/SubnetId");
    let image = cloud.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let launch = json!({"ImageId": image, "MinCount": 60, "MaxCount": 60, "SubnetId": subnet});
    cloud.call("RunInstances", launch).unwrap();
    // The kernel is busy with sixty instances for hundreds of milliseconds from here on.
    let slowest = (0..20).map(|_| {
        let begun = Instant::now();
        assert_eq!(cloud.call("DescribeSubnets", json!({})).unwrap()["Subnets"].as_array().unwrap().len(), 1);
        begun.elapsed()
    });
    let mut times: Vec<Duration> = slowest.collect();
    times.sort();
    assert!(times[10] < Duration::from_millis(250), "{times:?}");
    // Commands see what the kernel does.
    let listed: Value = serde_json::from_str(&home.yes(&["ls", "instances", "-o", "json"])).unwrap();
    assert_eq!(listed.as_array().unwrap().iter().filter(|row| row["state"] == "running").count(), 60);
}
