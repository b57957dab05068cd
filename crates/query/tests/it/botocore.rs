//! Held to botocore, whose other side this is: from fixtures that it made, and live where the same version is installed.
//!
//! `make shapes` makes the fixtures anew.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::Timestamp;
use query::form::{self, Node};
use query::shapes::{self, Operation, Service};
use query::sigv4::{Secret, verify};
use query::{Request, answer, parameters};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::values;

const VERSION: &str = "1.43.11";

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(here("tests/fixtures").join(name)).unwrap()
}

/// Whether the machine has the version of botocore that the fixtures are from.
fn has_botocore() -> bool {
    let version = Command::new("python3").args(["-c", "import botocore; print(botocore.__version__)"]).output();
    let has = version.is_ok_and(|output| output.stdout.trim_ascii() == VERSION.as_bytes());
    if !has {
        eprintln!("without botocore {VERSION}: only the fixtures are compared");
    }
    has
}

fn python(program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("python3");
    command.arg(here(program)).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    });
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

fn operation(service: &Value, operation: &Value) -> (&'static Service, &'static Operation) {
    let service = shapes::service(service.as_str().unwrap()).unwrap();
    (service, service.operation(operation.as_str().unwrap()).unwrap())
}

/// Each line's form must be read as the parameters that it was made of, and be what we would have written.
fn compare_requests(lines: &str) {
    let mut compared = 0;
    for line in lines.lines() {
        let line: [Value; 4] = serde_json::from_str(line).unwrap();
        let (service, operation) = operation(&line[0], &line[1]);
        let mut pairs = form::pairs(line[3].as_str().unwrap().as_bytes()).unwrap();
        pairs.retain(|(name, _)| name != "Action" && name != "Version");
        let node = Node::of(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
        let read = parameters::read(service, operation, &node);
        assert_eq!(read.as_ref(), Ok(&line[2]), "{} {}", service.name, operation.name);
        let mut written = parameters::write(service, operation, &line[2]);
        // botocore writes fractions of a second with six digits, we with three.
        let fractions = pairs.iter_mut().filter(|(_, value)| value.ends_with("000Z"));
        fractions.for_each(|(_, value)| *value = value.replace("000Z", "Z"));
        written.sort();
        pairs.sort();
        let difference = written.iter().zip(&pairs).find(|(ours, theirs)| ours != theirs);
        assert_eq!(difference, None, "{} {}", service.name, operation.name);
        assert_eq!(written.len(), pairs.len(), "{} {}", service.name, operation.name);
        compared += 1;
    }
    assert_eq!(compared, shapes::services().iter().map(|service| service.operations().len()).sum::<usize>());
}

#[test]
fn forms_of_botocore_are_read_as_what_they_were_made_of() {
    compare_requests(&fixture("requests.txt"));
    if has_botocore() {
        for seed in ["1", "2"] {
            compare_requests(&python("tests/botocore/peer.py", &["requests", seed], ""));
        }
    }
}

/// Each operation's answer by a seed, and our XML of it.
fn answers(seed: u64) -> Vec<(&'static str, &'static str, Value, String)> {
    let mut values = values::Values::new(seed);
    let services = shapes::services().iter();
    let operations = services.flat_map(|service| service.operations().iter().map(move |operation| (service, operation)));
    operations
        .map(|(service, operation)| {
            let answer = operation.output.map_or(json!({}), |shape| values.of(service, shape));
            assert_eq!(answer::strangers(service, operation, &answer), [""; 0]);
            let xml = answer::write(service, operation, &answer, "r-1").unwrap();
            (service.name, operation.name, answer, xml)
        })
        .collect()
}

#[test]
fn botocore_reads_from_our_answers_what_was_put_into_them() {
    let digest = |xml: &str| Sha256::digest(xml)[..6].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let digests: String =
        answers(0).iter().map(|(service, operation, _, xml)| format!("{service} {operation} {}\n", digest(xml))).collect();
    if has_botocore() {
        let lines = (0..4).flat_map(answers).map(|line| json!(line).to_string() + "\n");
        python("tests/botocore/peer.py", &["answers"], &lines.collect::<String>());
        if std::env::var_os("VPCLAB_RECORD").is_some() {
            std::fs::write(here("tests/fixtures/answers.txt"), &digests).unwrap();
        }
    }
    // What botocore has read rightly once, by the digest of the XML.
    let recorded = fixture("answers.txt");
    assert_eq!(digests.lines().zip(recorded.lines()).find(|(made, recorded)| made != recorded), None);
    assert_eq!(digests.lines().count(), recorded.lines().count());
}

fn compare_signatures(lines: &str) {
    assert!(lines.lines().count() >= 60);
    for line in lines.lines() {
        let line: Vec<Value> = serde_json::from_str(line).unwrap();
        let [key, secret, token, service, region, method, path, query, headers, body] = line.as_slice() else {
            panic!("{line:?}")
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = headers.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let mut request =
            Request { method: text(method), path: text(path), query: text(query), headers, body: text(body).into_bytes() };
        let now = Timestamp(1_795_597_200);
        let session = token.as_str().map(|token| (token.to_owned(), now.plus(60)));
        let find = |wanted: &str| (wanted == key).then(|| Secret { secret_access_key: text(secret), session });
        let signed = verify(&request, now, find.clone()).unwrap_or_else(|refusal| panic!("{refusal:?}: {line:?}"));
        assert_eq!((signed.service, signed.region), (text(service), text(region)));
        request.path.push('x');
        assert_eq!(verify(&request, now, find).unwrap_err().code, "SignatureDoesNotMatch");
    }
}

#[test]
fn what_botocore_signs_is_verified_in_headers_and_in_queries() {
    compare_signatures(&fixture("signatures.txt"));
    if has_botocore() {
        compare_signatures(&python("tests/botocore/peer.py", &["signatures"], ""));
    }
}

#[test]
fn the_shapes_are_what_their_generator_writes() {
    if has_botocore() {
        python("generate/shapes.py", &["--check"], "");
    }
}
