//! HTTP inside TLS records: a client that gets one thing, and a server that has one for every path. It shows ports, steps and
//! records; nothing is encrypted, see [`super::tls`].

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::trace::Reason;

use super::connect::end_of;
use super::http::{content_length, status};
use super::tls::{Endpoint, Step, TlsError};
use super::{App, Calls, End, GetSpec, StreamEvent, StreamId, talk};

/// Longest request that a server reads, bytes.
const LONGEST_REQUEST: usize = 8_192;

/// The client. [`crate::app::Outcome::data`] is the response, head and body, without the records.
#[derive(Debug)]
pub struct Get {
    spec: GetSpec,
    tls: Option<Endpoint>,
}

impl Get {
    /// To be run on a host.
    pub fn new(spec: GetSpec) -> Self {
        Self { spec, tls: None }
    }

    fn ask(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId) {
        let (path, host) = (&self.spec.path, &self.spec.host);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        let sealed = self.tls.as_ref().map(|tls| tls.seal(request.as_bytes())).unwrap_or_default();
        calls.say(Reason::Question, || format!("GET {path}"));
        write(calls, stream, &sealed);
        calls.outcome().sent += 1;
    }

    fn on_step(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, step: &Step) {
        write(calls, stream, &step.send);
        if step.is_opened {
            calls.say(Reason::Tls, || "the TLS handshake is done".to_owned());
            self.ask(calls, stream);
        }
        calls.outcome().take(&step.data);
        self.end_if_whole(calls, stream, step.is_closed);
    }

    fn end_if_whole(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, is_over: bool) {
        let outcome = calls.outcome();
        let head = status(&outcome.data);
        let length = head.and_then(|(_, body)| content_length(&outcome.data[..body]).map(|length| (body + length) as u64));
        if !is_over && length.is_none_or(|length| outcome.bytes_received < length) {
            return;
        }
        let bytes = outcome.bytes_received as usize;
        let Some((code, _)) = head else { return calls.finish(End::Failed(Reason::Encoding)) };
        talk::note_reply(calls, stream, code.into(), bytes);
        calls.say(Reason::Reply, || format!("status {code}"));
        if let Some(tls) = &self.tls {
            let close = tls.close();
            write(calls, stream, &close);
        }
        calls.finish(End::Answered);
    }
}

fn write(calls: &mut Calls<'_, '_>, stream: StreamId, bytes: &[u8]) {
    if !bytes.is_empty() {
        let taken = calls.write(stream, bytes);
        calls.outcome().bytes_sent += taken as u64;
    }
}

impl App for Get {
    fn kind(&self) -> &'static str {
        "https"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        self.tls = Some(Endpoint::client(&self.spec.host, calls.random(&format!("tls-client {}", calls.id().0))));
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        talk::open(calls, self.spec.source, to, self.spec.timeout, 0);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        let Some(tls) = self.tls.as_mut() else { return };
        match event {
            StreamEvent::Opened => {
                let hello = tls.hello();
                calls.say(Reason::Tls, || "ClientHello".to_owned());
                write(calls, stream, &hello);
            }
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                match tls.receive(&bytes) {
                    Ok(step) => self.on_step(calls, stream, &step),
                    Err(error) => {
                        calls.say(Reason::Tls, || error.to_string());
                        calls.abort(stream);
                        calls.finish(End::Failed(Reason::Tls));
                    }
                }
            }
            StreamEvent::Finished => self.end_if_whole(calls, stream, true),
            StreamEvent::Ended(error) => {
                let end = end_of(calls, stream, error);
                calls.finish(end);
            }
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        calls.finish(End::Nothing);
    }
}

/// The server. It runs until it is cancelled.
#[derive(Debug)]
pub struct Server {
    port: u16,
    name: String,
    body: Vec<u8>,
    sessions: BTreeMap<StreamId, (Endpoint, Vec<u8>)>,
}

impl Server {
    /// To be installed on a host: answers every path with the same body.
    pub fn new(port: u16, name: &str, body: &[u8]) -> Self {
        Self { port, name: name.to_owned(), body: body.to_vec(), sessions: BTreeMap::new() }
    }

    /// Takes bytes of a client: what is to be sent, and whether it is over with it.
    fn receive(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, bytes: &[u8]) -> Result<(Vec<u8>, bool), TlsError> {
        let Some((tls, request)) = self.sessions.get_mut(&stream) else { return Ok((Vec::new(), false)) };
        let mut step = tls.receive(bytes)?;
        request.extend_from_slice(&step.data);
        let is_whole = request.windows(4).any(|four| four == b"\r\n\r\n");
        if !is_whole && request.len() < LONGEST_REQUEST {
            return Ok((step.send, step.is_closed));
        }
        let (line, body) = match (is_whole, request.starts_with(b"GET ")) {
            (true, true) => ("200 OK", &self.body[..]),
            (true, false) => ("405 Method Not Allowed", &b""[..]),
            (false, _) => ("431 Request Header Fields Too Large", &b""[..]),
        };
        request.clear();
        let length = body.len();
        let head = format!("HTTP/1.1 {line}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        calls.say(Reason::Reply, || line.to_owned());
        calls.outcome().sent += 1;
        step.send.extend(tls.seal(&[head.as_bytes(), body].concat()));
        step.send.extend(tls.close());
        Ok((step.send, true))
    }
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "https-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        talk::listen(calls, self.port);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {
                // Another purpose for every client, so that no two handshakes have the same bytes.
                let purpose = calls.flow(stream).map(|flow| format!("tls-server {flow}")).unwrap_or_default();
                let tls = Endpoint::server(&self.name, calls.random(&purpose));
                self.sessions.insert(stream, (tls, Vec::new()));
            }
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                calls.outcome().bytes_received += bytes.len() as u64;
                match self.receive(calls, stream, &bytes) {
                    Ok((send, is_over)) => {
                        write(calls, stream, &send);
                        if is_over {
                            calls.close(stream);
                        }
                    }
                    Err(error) => {
                        calls.say(Reason::Tls, || error.to_string());
                        // A fatal alert: handshake_failure (RFC 5246, 7.2.2).
                        write(calls, stream, &super::tls::record(21, &[2, 40]));
                        calls.close(stream);
                        self.sessions.remove(&stream);
                    }
                }
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) => {
                self.sessions.remove(&stream);
            }
        }
    }
}
