//! How long the wire takes, in processor time: reading the shapes, a request, an answer of a thousand instances. `cargo run --release -p
//! query --example speed`.
#![allow(clippy::unwrap_used, reason = "what cannot be prepared is a failed measurement")]

use std::hint::black_box;
use std::time::Duration;

use model::Timestamp;
use query::form::{self, Node};
use query::sigv4::{Secret, Signer, sign, verify};
use query::{Request, answer, parameters, shapes};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

fn main() {
    println!("shapes read in {:?}", mean(1, || !shapes::services().is_empty()));

    let ec2 = shapes::service("ec2").unwrap();
    let describe = ec2.operation("DescribeInstances").unwrap();
    let body = "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3AName&Filter.1.Value.1=web*&MaxResults=5";
    let headers = vec![("Host".to_owned(), "127.0.0.1".to_owned())];
    let mut request = Request { method: "POST".to_owned(), path: "/".to_owned(), headers, ..Request::default() };
    request.body = body.as_bytes().to_vec();
    let signer = Signer {
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
        region: "us-east-1",
        service: "ec2",
    };
    let now = Timestamp(1_795_597_200);
    sign(&mut request, signer, now);
    let secret = Secret { secret_access_key: signer.secret_access_key.to_owned(), session: None };
    println!("signature verified in {:?}", mean(10_000, || verify(&request, now, |_| Some(secret.clone())).is_ok()));
    println!("parameters read in {:?}", mean(10_000, || {
        let pairs = form::pairs(&request.body).unwrap();
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).skip(2);
        parameters::read(ec2, describe, &Node::of(pairs).unwrap()).is_ok()
    }));
    let instance = json!({
        "InstanceId": "i-0123456789abcdef0", "ImageId": "ami-0123456789abcdef0", "State": {"Code": 16, "Name": "running"},
        "LaunchTime": "2026-11-25T09:00:00Z", "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web"}],
        "Tags": [{"Key": "Name", "Value": "web-1"}], "SubnetId": "subnet-1", "VpcId": "vpc-1", "SourceDestCheck": true,
    });
    let reservations: Value = (0..1000).map(|_| json!({"ReservationId": "r-1", "Instances": [instance]})).collect();
    let thousand = json!({"Reservations": reservations});
    println!("a thousand instances written in {:?}", mean(100, || answer::write(ec2, describe, &thousand, "r").is_ok()));
}

fn mean(times: u32, mut body: impl FnMut() -> bool) -> Duration {
    let start = spent();
    for _ in 0..times {
        assert!(black_box(body()));
    }
    (spent() - start) / times
}

/// Time that this thread had a processor: the machine may be busy with other things.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
