//! boto3 and the AWS command, unchanged, against a cloud on a socket; where they are installed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;
use query::Request;
use query::endpoint::Authentication;
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Client, World};

fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

/// One request of HTTP/1.1 with a length, as the clients send it.
fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request { method, path: path.to_owned(), query: query.to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    if request.header("expect").is_some() {
        stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    request.body = vec![0; request.header("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// Serves one connection after the other, on the machine's clock; ends with the process. Where, and the owner's key.
fn serve() -> (String, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut world = World::with(Authentication::Signed, now());
    let owner = world.owner.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            if let Some(request) = read(&mut stream) {
                world.now = now();
                let response = world.send(&request);
                let headers = response.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
                let mut text = format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\n", response.status, response.body.len());
                text.extend(headers);
                text += "Connection: close\r\n\r\n";
                stream.get_mut().write_all((text + &response.body).as_bytes()).unwrap();
            }
        }
    });
    (address, owner)
}

fn command(program: &str, address: &str, client: &Client) -> Command {
    let mut command = Command::new(program);
    command.env("AWS_ENDPOINT_URL", address).env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_PAGER", "");
    command.env("AWS_ACCESS_KEY_ID", &client.id).env("AWS_SECRET_ACCESS_KEY", &client.secret).env_remove("AWS_SESSION_TOKEN");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("no_proxy", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(token) = &client.token {
        command.env("AWS_SESSION_TOKEN", token);
    }
    command
}

fn has(program: &str, arguments: &[&str]) -> bool {
    let has = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("without {program} {arguments:?}: not tried");
    }
    has
}

fn boto3(script: &str) {
    if !has("python3", &["-c", "import boto3"]) {
        return;
    }
    let (address, owner) = serve();
    let script = format!("{}/tests/clients/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = command("python3", &address, &owner).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn boto3_builds_a_network_reads_it_page_by_page_and_takes_it_down() {
    boto3("network.py");
}

#[test]
fn boto3_makes_the_calls_of_an_ordinary_vpc() {
    boto3("vpc.py");
}

#[test]
fn boto3_is_refused_allowed_and_assumes_a_role() {
    boto3("identity.py");
}

#[test]
fn the_aws_command_is_understood_refused_by_name_and_told_of_a_wrong_secret() {
    if !has("aws", &["--version"]) {
        return;
    }
    let (address, owner) = serve();
    let aws = |client: &Client, arguments: &[&str]| {
        let output = command("aws", &address, client).args(arguments).args(["--output", "json"]).output().unwrap();
        match output.status.success() {
            true if output.stdout.is_empty() => Ok(Value::Null),
            true => Ok(serde_json::from_slice::<Value>(&output.stdout).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    };
    let tags = ["--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=a b}]"];
    let vpc = aws(&owner, &[&["ec2", "create-vpc", "--cidr-block", "10.0.0.0/16"][..], &tags].concat()).unwrap();
    assert_eq!(vpc["Vpc"]["Tags"], json!([{"Key": "Name", "Value": "a b"}]));
    let identity = aws(&owner, &["sts", "get-caller-identity"]).unwrap();
    assert_eq!(identity["Arn"], format!("arn:aws:iam::{ACCOUNT}:root"));
    let why = aws(&owner, &["ec2", "delete-vpc", "--vpc-id", "vpc-0123456789abcdef0"]).unwrap_err();
    assert!(why.contains("(InvalidVpcID.NotFound)"), "{why}");
    let wrong = Client { secret: "wrong".to_owned(), ..owner.clone() };
    let why = aws(&wrong, &["ec2", "describe-vpcs"]).unwrap_err();
    assert!(why.contains("(SignatureDoesNotMatch)"), "{why}");

    aws(&owner, &["iam", "create-user", "--user-name", "dev"]).unwrap();
    let dev = Client::read(&aws(&owner, &["iam", "create-access-key", "--user-name", "dev"]).unwrap()["AccessKey"]);
    let why = aws(&dev, &["ec2", "describe-vpcs"]).unwrap_err();
    assert!(why.contains("(UnauthorizedOperation)") && why.contains("user/dev"), "{why}");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:DescribeVpcs","Resource":"*"}]}"#;
    aws(&owner, &["iam", "put-user-policy", "--user-name", "dev", "--policy-name", "see", "--policy-document", policy]).unwrap();
    assert_eq!(aws(&dev, &["ec2", "describe-vpcs"]).unwrap()["Vpcs"][0]["VpcId"], vpc["Vpc"]["VpcId"]);
    let why = aws(&dev, &["iam", "list-users"]).unwrap_err();
    assert!(why.contains("(AccessDenied)"), "{why}");
}
