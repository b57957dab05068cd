//! boto3 and the AWS command, unchanged, against the endpoint on a socket; where they are installed.
#![allow(clippy::unwrap_used, reason = "what cannot be prepared is a failed test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use model::{Context, Model, Region, Timestamp};
use query::endpoint::Authentication;
use query::sigv4::Secret;
use query::{Backend, Call, Endpoint, Refusal, Request, answer};
use serde_json::{Value, json};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ACCOUNT: &str = "111122223333";

/// A cloud on the machine's clock, in which things happen a hundred times as fast.
struct Cloud {
    model: Model,
    start: Timestamp,
}

fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

impl Backend for Cloud {
    fn now(&self) -> Timestamp {
        now()
    }

    fn secret(&self, access_key_id: &str) -> Option<Secret> {
        (access_key_id == KEY).then(|| Secret { secret_access_key: SECRET.to_owned(), session: None })
    }

    fn account(&self, _: Option<&str>) -> String {
        ACCOUNT.to_owned()
    }

    fn call(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        if call.operation.name == "GetCallerIdentity" {
            let arn = format!("arn:aws:iam::{ACCOUNT}:root");
            return Ok(json!({"Account": call.account, "UserId": call.account, "Arn": arn}));
        }
        self.model.advance_to(self.start.plus(100 * (self.now().0 - self.start.0)));
        let answer = ec2::call(&mut self.model, call.operation.name, call.parameters)?;
        assert_eq!(answer::strangers(call.service, call.operation, &answer), [""; 0], "{}", call.operation.name);
        Ok(answer)
    }
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

/// Serves one connection after the other; ends with the process.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let start = now();
        let mut cloud = Cloud { model: Model::new(ACCOUNT, Region::default(), Context::seeded(3, start)), start };
        let mut endpoint = Endpoint::new(Authentication::Signed, 1);
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            if let Some(request) = read(&mut stream) {
                let response = endpoint.answer(&mut cloud, &request);
                let headers = response.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
                let mut text = format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\n", response.status, response.body.len());
                text.extend(headers);
                text += "Connection: close\r\n\r\n";
                stream.get_mut().write_all((text + &response.body).as_bytes()).unwrap();
            }
        }
    });
    address
}

fn client(program: &str, address: &str, secret: &str) -> Command {
    let mut command = Command::new(program);
    command.env("AWS_ENDPOINT_URL", address).env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_PAGER", "");
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", secret).env_remove("AWS_SESSION_TOKEN");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("no_proxy", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn has(program: &str, arguments: &[&str]) -> bool {
    let has = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("without {program} {arguments:?}: not tried");
    }
    has
}

#[test]
fn boto3_builds_a_network_reads_it_page_by_page_and_takes_it_down() {
    if !has("python3", &["-c", "import boto3"]) {
        return;
    }
    let address = serve();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/boto.py");
    let output = client("python3", &address, SECRET).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_aws_command_is_understood_and_a_wrong_secret_is_not() {
    if !has("aws", &["--version"]) {
        return;
    }
    let address = serve();
    let aws = |secret: &str, arguments: &[&str]| {
        let output = client("aws", &address, secret).args(arguments).args(["--output", "json"]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let tags = ["--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=a b}]"];
    let create = [&["ec2", "create-vpc", "--cidr-block", "10.0.0.0/16"][..], &tags].concat();
    let (is_ok, vpc, why) = aws(SECRET, &create);
    assert!(is_ok, "{why}");
    let vpc: Value = serde_json::from_str(&vpc).unwrap();
    assert_eq!(vpc["Vpc"]["Tags"], json!([{"Key": "Name", "Value": "a b"}]));
    let (_, identity, why) = aws(SECRET, &["sts", "get-caller-identity"]);
    assert!(identity.contains(ACCOUNT), "{why}");
    let (is_ok, _, why) = aws(SECRET, &["ec2", "delete-vpc", "--vpc-id", "vpc-0123456789abcdef0"]);
    assert!(!is_ok && why.contains("(InvalidVpcID.NotFound)"), "{why}");
    let (is_ok, _, why) = aws("wrong", &["ec2", "describe-vpcs"]);
    assert!(!is_ok && why.contains("(SignatureDoesNotMatch)"), "{why}");
}
