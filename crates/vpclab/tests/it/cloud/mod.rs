//! A client of AWS of our own, signed, at the door of a lab.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Timestamp;
use query::sigv4::{Signer, sign};
use query::{Request, Response, form, parameters, reply, shapes};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::home::Home;

/// What `serve --ec2` prints, and a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    pub address: String,
    pub region: String,
    pub key: String,
    pub secret: String,
}

impl Cloud {
    pub fn serve(home: &Home, more: &[&str]) -> Self {
        Self::told(&home.yes(&[&["serve", "--ec2", "127.0.0.1:0", "-o", "json"], more].concat()))
    }

    /// What `serve` or `env` printed as JSON.
    pub fn told(json: &str) -> Self {
        let told: BTreeMap<String, String> = serde_json::from_str(json).unwrap();
        Self {
            address: told["AWS_ENDPOINT_URL"].strip_prefix("http://").unwrap().to_owned(),
            region: told["AWS_DEFAULT_REGION"].clone(),
            key: told["AWS_ACCESS_KEY_ID"].clone(),
            secret: told["AWS_SECRET_ACCESS_KEY"].clone(),
        }
    }

    /// The same place with another key.
    pub fn by(&self, key: &Value) -> Self {
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        Self { key: text("AccessKeyId"), secret: text("SecretAccessKey"), ..self.clone() }
    }

    /// The same key for another region.
    pub fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// A call, signed: the answer, or the code of the refusal.
    pub fn call(&self, operation: &str, arguments: Value) -> Result<Value, String> {
        self.attempt(operation, arguments).unwrap_or_else(|| panic!("{operation}: no answer"))
    }

    /// The same where nobody may answer.
    pub fn attempt(&self, operation: &str, arguments: Value) -> Option<Result<Value, String>> {
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

    pub fn id(&self, operation: &str, arguments: Value, path: &str) -> String {
        let answer = self.call(operation, arguments).unwrap_or_else(|code| panic!("{operation}: {code}"));
        answer.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} in {answer}")).to_owned()
    }
}

/// Sends bytes and reads to the end: status and body, if anything is answered.
pub fn exchange(address: &str, bytes: &[u8]) -> Option<(u16, String)> {
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
pub fn post(address: &str, headers: &str, form: &str) -> (u16, String) {
    let text = format!("POST / HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{form}", form.len());
    exchange(address, text.as_bytes()).unwrap()
}

pub fn kill_daemon(home: &Home) {
    let daemon = control::client::Daemon::find(control::paths::Paths { home: home.path("home") }).unwrap().unwrap();
    kill_process(Pid::from_raw(daemon.about().unwrap().pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}
