//! Clients of AWS at a running lab: what they build carries packets, and what was answered is there whatever dies.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use home::Home;
use model::Timestamp;
use query::sigv4::{Signer, sign};
use query::{Request, Response, form, parameters, reply, shapes};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

mod home;

/// What `serve --ec2` prints, and a key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cloud {
    address: String,
    region: String,
    key: String,
    secret: String,
}

impl Cloud {
    fn serve(home: &Home, more: &[&str]) -> Self {
        let told: BTreeMap<String, String> =
            serde_json::from_str(&home.yes(&[&["serve", "--ec2", "127.0.0.1:0", "-o", "json"], more].concat())).unwrap();
        Self {
            address: told["AWS_ENDPOINT_URL"].strip_prefix("http://").unwrap().to_owned(),
            region: told["AWS_DEFAULT_REGION"].clone(),
            key: told["AWS_ACCESS_KEY_ID"].clone(),
            secret: told["AWS_SECRET_ACCESS_KEY"].clone(),
        }
    }

    /// The same place with another key.
    fn by(&self, key: &Value) -> Self {
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        Self { key: text("AccessKeyId"), secret: text("SecretAccessKey"), ..self.clone() }
    }

    /// A call, signed: the answer, or the code of the refusal.
    fn call(&self, operation: &str, arguments: Value) -> Result<Value, String> {
        self.attempt(operation, arguments).unwrap_or_else(|| panic!("{operation}: no answer"))
    }

    /// The same where nobody may answer.
    fn attempt(&self, operation: &str, arguments: Value) -> Option<Result<Value, String>> {
        let (service, name) = operation.split_once(':').unwrap_or(("ec2", operation));
        let service = shapes::service(service).unwrap();
        let operation = service.operation(name).unwrap();
        let mut pairs = parameters::write(service, operation, &arguments);
        pairs.extend([("Action".to_owned(), name.to_owned()), ("Version".to_owned(), service.version.to_owned())]);
        let body = form::write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).into_bytes();
        let headers = vec![("Host".to_owned(), self.address.clone())];
        let mut request = Request { method: "POST".to_owned(), path: "/".to_owned(), headers, body, ..Request::default() };
        let now = Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
        let (region, service_name) = (self.region.as_str(), service.name);
        sign(&mut request, Signer { access_key_id: &self.key, secret_access_key: &self.secret, session_token: None, region, service: service_name }, now);
        let mut text = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n", request.body.len());
        request.headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        let bytes = [(text + "\r\n").as_bytes(), &request.body].concat();
        let (status, body) = exchange(&self.address, &bytes)?;
        let response = Response { status, headers: Vec::new(), body, operation: None, code: None };
        // What breaks off is no answer.
        reply::read(service, operation, &response).ok().map(|read| read.map_err(|refused| refused.code))
    }

    fn id(&self, operation: &str, arguments: Value, path: &str) -> String {
        let answer = self.call(operation, arguments).unwrap_or_else(|code| panic!("{operation}: {code}"));
        answer.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} in {answer}")).to_owned()
    }
}

/// Sends bytes and reads to the end: status and body, if anything is answered.
fn exchange(address: &str, bytes: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    // A server that refuses early may close before all was sent.
    let _ = stream.write_all(bytes);
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told).into_owned();
    let status = told.split(' ').nth(1)?.parse().ok()?;
    Some((status, told.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

/// A form without a signature.
fn post(address: &str, headers: &str, form: &str) -> (u16, String) {
    let text = format!("POST / HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{form}", form.len());
    exchange(address, text.as_bytes()).unwrap()
}

fn kill_daemon(home: &Home) {
    let daemon = control::client::Daemon::find(control::paths::Paths { home: home.path("home") }).unwrap().unwrap();
    kill_process(Pid::from_raw(daemon.about().unwrap().pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}

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
    let elsewhere = Cloud { region: "eu-west-3".to_owned(), ..cloud.clone() };
    assert_eq!(elsewhere.call("DescribeVpcs", json!({})), Err("OptInRequired".to_owned()));
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
fn what_was_answered_is_there_after_the_daemon_was_killed_in_the_middle() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    // Groups and users: what the lab's record holds, and what the file of its identities does.
    let answered: Vec<String> = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let (cloud, vpc) = (&cloud, &vpc);
            move || {
                let mut answered = Vec::new();
                for number in 0.. {
                    let name = format!("x{thread}-{number}x");
                    let call = match thread % 2 {
                        0 => cloud.attempt("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": name, "Description": "d"})),
                        _ => cloud.attempt("iam:CreateUser", json!({"UserName": name})),
                    };
                    match call {
                        Some(Ok(_)) => answered.push(name),
                        Some(Err(code)) => panic!("{name}: {code}"),
                        None => break,
                    }
                }
                answered
            }
        };
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(work(thread))).collect();
        std::thread::sleep(Duration::from_millis(700));
        kill_daemon(&home);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answered.len() > 20, "{answered:?}");
    let cloud = Cloud::serve(&home, &[]);
    let groups = cloud.call("DescribeSecurityGroups", json!({})).unwrap().to_string();
    let users = cloud.call("iam:ListUsers", json!({"MaxItems": 1000})).unwrap().to_string();
    let lost: Vec<&String> = answered.iter().filter(|name| ![&groups, &users].iter().any(|list| list.contains(&format!("\"{name}\"")))).collect();
    assert!(lost.is_empty(), "{lost:?}");
    cloud.call("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"})).unwrap();
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
