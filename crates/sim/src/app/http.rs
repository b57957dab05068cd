//! HTTP/1.1 without TLS (RFC 9112): a client that gets one thing, and a server that has one for every path.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::time::Span;
use crate::trace::Reason;

use super::connect::end_of;
use super::{App, Calls, End, Outcome, Reply, StreamEvent, StreamId, talk};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetSpec {
    /// Whom.
    pub destination: IpAddr,
    /// Which port.
    pub port: u16,
    /// What the Host header says.
    pub host: String,
    /// The path.
    pub path: String,
    /// From which own address; the host chooses if there is none.
    pub source: Option<IpAddr>,
    /// How long the whole of it may take.
    pub timeout: Span,
}

impl GetSpec {
    /// `GET /` that may take thirty seconds.
    pub fn new(destination: IpAddr, port: u16) -> Self {
        let (host, path) = (destination.to_string(), "/".to_string());
        Self { destination, port, host, path, source: None, timeout: Span::seconds(30) }
    }
}

/// The client. [`Outcome::data`] is what came, head and body.
#[derive(Debug)]
pub struct Get {
    spec: GetSpec,
    stream: Option<StreamId>,
}

/// The status of a response, and where its body begins; nothing before its head is whole.
pub fn status(response: &[u8]) -> Option<(u16, usize)> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")?;
    let line = response[..end].split(|byte| *byte == b'\r').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    let is_http = words.next()?.starts_with(b"HTTP/1.");
    let code = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    is_http.then_some((code, end + 4))
}

/// What a head says about the length of the body, bytes.
pub(super) fn content_length(head: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(head).ok()?;
    let mut fields = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}

impl Get {
    /// To be run on a host.
    pub fn new(spec: GetSpec) -> Self {
        Self { spec, stream: None }
    }

    fn is_whole(outcome: &Outcome) -> bool {
        let Some((_, body)) = status(&outcome.data) else { return false };
        let length = content_length(&outcome.data[..body]);
        length.is_some_and(|length| outcome.bytes_received >= (body + length) as u64)
    }
}

impl App for Get {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        match calls.connect(self.spec.source, None, to, None, None) {
            Ok(stream) => {
                self.stream = Some(stream);
                calls.outcome().local = calls.flow(stream).map(|flow| SocketAddr::new(flow.local, flow.port));
                calls.wake_after(self.spec.timeout, 0);
            }
            Err(reason) => calls.finish(End::Failed(reason)),
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {
                let (path, host) = (&self.spec.path, &self.spec.host);
                let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
                calls.write(stream, request.as_bytes());
                let outcome = calls.outcome();
                outcome.sent += 1;
                outcome.bytes_sent += request.len() as u64;
                calls.say(Reason::Question, || format!("GET {path}"));
            }
            StreamEvent::Data | StreamEvent::Finished => {
                let bytes = calls.read(stream);
                calls.outcome().take(&bytes);
                let is_over = event == StreamEvent::Finished || Self::is_whole(calls.outcome());
                if !is_over {
                    return;
                }
                let Some((code, _)) = status(&calls.outcome().data) else {
                    return calls.finish(End::Failed(Reason::Encoding));
                };
                let (now, ttl) = (calls.now(), calls.last_ttl(stream));
                let Some(flow) = calls.flow(stream) else { return };
                let outcome = calls.outcome();
                outcome.replies.push(Reply {
                    at: now,
                    from: SocketAddr::new(flow.remote, flow.remote_port),
                    to: SocketAddr::new(flow.local, flow.port),
                    sequence: u32::from(code),
                    ttl,
                    bytes: outcome.bytes_received as u32,
                    rtt: now.since(outcome.started),
                    mac: None,
                });
                calls.say(Reason::Reply, || format!("status {code}"));
                calls.finish(End::Answered);
            }
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

/// Longest request that a server reads, bytes.
const LONGEST_REQUEST: usize = 8_192;

/// The server.
#[derive(Debug)]
pub struct Server {
    port: u16,
    body: Vec<u8>,
    requests: BTreeMap<StreamId, Vec<u8>>,
}

impl Server {
    /// To be installed on a host: answers every path with the same body.
    pub fn new(port: u16, body: &[u8]) -> Self {
        Self { port, body: body.to_vec(), requests: BTreeMap::new() }
    }
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "http-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        talk::listen(calls, self.port);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {}
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                calls.outcome().bytes_received += bytes.len() as u64;
                let request = self.requests.entry(stream).or_default();
                request.extend_from_slice(&bytes);
                let is_whole = request.windows(4).any(|four| four == b"\r\n\r\n");
                let is_get = request.starts_with(b"GET ");
                if !is_whole && request.len() < LONGEST_REQUEST {
                    return;
                }
                self.requests.remove(&stream);
                let (line, body) = match (is_whole, is_get) {
                    (true, true) => ("200 OK", &self.body[..]),
                    (true, false) => ("405 Method Not Allowed", &b""[..]),
                    (false, _) => ("431 Request Header Fields Too Large", &b""[..]),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {line}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                calls.write(stream, head.as_bytes());
                calls.write(stream, body);
                calls.close(stream);
                let outcome = calls.outcome();
                outcome.sent += 1;
                outcome.bytes_sent += (head.len() + length) as u64;
                calls.say(Reason::Reply, || line.to_string());
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) => {
                self.requests.remove(&stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read_once_the_head_is_whole() {
        assert_eq!(status(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nbody"), Some((404, 32)));
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(status(b"SSH-2.0 x\r\n\r\n"), None);
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"), Some(12));
    }
}
