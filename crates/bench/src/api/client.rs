//! A client of AWS: signed calls on a connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::Timestamp;
use query::sigv4::{Signer, sign};
use query::{Request, form, parameters, shapes};
use serde_json::Value;

use crate::cli::Result;

/// Where calls go, and the key.
#[derive(Debug, Clone)]
pub struct Place {
    /// `127.0.0.1:4566`.
    pub address: String,
    /// The region.
    pub region: String,
    /// The key.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
}

/// The text of the first element of this name: servers differ in how well they write XML.
pub fn first(body: &str, element: &str) -> Result<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let found = body.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map(|(text, _)| text.trim().to_owned());
    found.filter(|text| !text.is_empty()).ok_or_else(|| format!("no {element} in {body}").into())
}

/// One connection.
pub struct Client<'p> {
    place: &'p Place,
    stream: Option<BufReader<TcpStream>>,
}

impl<'p> Client<'p> {
    /// Not connected yet.
    pub fn new(place: &'p Place) -> Self {
        Self { place, stream: None }
    }

    /// A call: the body of its answer. Errors: it was refused, or not answered.
    pub fn call(&mut self, name: &str, arguments: &Value) -> Result<String> {
        let mut each = Vec::new();
        self.time(name, arguments, &mut each)
    }

    /// A call and its time, from the first byte sent to the last one read; signing is not in it.
    pub fn time(&mut self, name: &str, arguments: &Value, each: &mut Vec<Duration>) -> Result<String> {
        let service = shapes::service("ec2").ok_or("no shapes of ec2")?;
        let operation = service.operation(name).ok_or_else(|| format!("no operation {name}"))?;
        let mut pairs = parameters::write(service, operation, arguments);
        pairs.extend([("Action".to_owned(), name.to_owned()), ("Version".to_owned(), service.version.to_owned())]);
        let body = form::write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).into_bytes();
        let headers = vec![
            ("Host".to_owned(), self.place.address.clone()),
            ("Content-Type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        ];
        let mut request = Request { method: "POST".to_owned(), path: "/".to_owned(), headers, body, ..Request::default() };
        let now = Timestamp(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
        let Place { region, access_key_id, secret_access_key, .. } = self.place;
        sign(&mut request, Signer { access_key_id, secret_access_key, session_token: None, region, service: "ec2" }, now);
        let mut text = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n", request.body.len());
        request.headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        let bytes = [(text + "\r\n").as_bytes(), &request.body].concat();
        let begun = Instant::now();
        let (status, body) = self.exchange(&bytes)?;
        each.push(begun.elapsed());
        match status {
            200 => Ok(body),
            _ => Err(format!("{name}: {status}: {body}").into()),
        }
    }

    fn exchange(&mut self, bytes: &[u8]) -> Result<(u16, String)> {
        let is_kept = self.stream.is_some();
        match self.exchange_once(bytes) {
            // The server has closed a connection that was kept.
            Err(_) if is_kept => {
                self.stream = None;
                self.exchange_once(bytes)
            }
            result => result,
        }
    }

    fn exchange_once(&mut self, bytes: &[u8]) -> Result<(u16, String)> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.place.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(120)))?;
            self.stream = Some(BufReader::with_capacity(256 << 10, stream));
        }
        let stream = self.stream.as_mut().ok_or("not connected")?;
        stream.get_mut().write_all(bytes)?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no status")?;
        let (mut length, mut closes) = (None, line.starts_with("HTTP/1.0"));
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok(),
                "connection" => closes = value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        match length {
            Some(length) => {
                body.resize(length, 0);
                stream.read_exact(&mut body)?;
            }
            None => {
                stream.read_to_end(&mut body)?;
                closes = true;
            }
        }
        if closes {
            self.stream = None;
        }
        Ok((status, String::from_utf8(body)?))
    }
}
