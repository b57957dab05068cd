//! Questions to the services inside a VPC, asked from a guest by real sockets: DNS and HTTP.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use fabric::Component;
use fabric::engine::{Drop, EngineError, Leg, NameServer, Observation, Outcome, Sender};
use model::traffic::protocol;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, sockopt};
use sandbox::SocketSpec;
use wire::dns::{Code, Data, Kind, Query, Response};

use super::engine::Engine;
use super::error::{Error, Result};
use super::exchange::{Matcher, Progress};
use super::packet::{Complaint, Payload};
use super::packet_probe::{datagrams, send};
use super::place::Place;
use crate::plan::PUBLIC_DNS;

/// How long a service may stay silent.
const SILENCE: Duration = Duration::from_millis(2_000);
/// An answer longer than this is none that we ask for.
const LONGEST_ANSWER: usize = 1 << 20;

impl Engine {
    /// Asks a DNS server.
    pub(crate) fn dns_probe(
        &mut self,
        from: &Sender,
        name: &str,
        record_type: &str,
        server: NameServer,
    ) -> std::result::Result<Outcome, EngineError> {
        let fabric = self.fabric().clone();
        let server = match server {
            NameServer::Public => IpAddr::V4(PUBLIC_DNS),
            NameServer::Address(address) => address,
        };
        let sender = Place::of_sender(&fabric, from)?.towards(&fabric, server)?;
        self.prepare_sender(from, &sender)?;
        let identifier = self.fresh_identifier();
        let kind = match record_type {
            "A" => Kind::A,
            "AAAA" => Kind::AAAA,
            "PTR" => Kind::PTR,
            "CNAME" => Kind::CNAME,
            other => return Err(EngineError::BadProbe(format!("records of type {other} cannot be asked for"))),
        };
        let query = Query::new(identifier, name, kind).emit().map_err(|error| EngineError::BadProbe(error.to_string()))?;
        Ok(self.dns_exchange(&sender, server, &query)?)
    }

    fn dns_exchange(&mut self, sender: &Place, server: IpAddr, query: &[u8]) -> Result<Outcome> {
        self.clear_evidence(&[sender])?;
        let spec = datagrams(&sender.namespace, server);
        let socket = self.client().open_socket(SocketSpec { nonblocking: true, ..spec })?;
        rustix::net::connect(&socket, &SocketAddr::new(server, 53)).map_err(Error::os("connecting"))?;
        send(&socket, query)?;
        let mut answer = None;
        let outcome = self.settle(Matcher::Port(protocol::UDP, 53), sender, None, &[], |_, _| {
            let mut buffer = [0; 4_096];
            match rustix::net::recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    answer = Response::parse(&buffer[..length]).ok().map(|(_, response)| response);
                    Ok(Progress::Answered)
                }
                Err(Errno::AGAIN) => Ok(Progress::Waiting),
                Err(Errno::CONNREFUSED) => Ok(Progress::Refused),
                Err(error) => Err(Error::os("receiving")(error)),
            }
        })?;
        Ok(match (outcome, answer) {
            (Outcome::Allowed(_), Some(response)) => {
                let answers = response.records.iter().map(|record| match &record.data {
                    Data::A(address) => address.to_string(),
                    Data::Aaaa(address) => address.to_string(),
                    Data::Ptr(name) | Data::Cname(name) => name.clone(),
                });
                let answers = answers.collect();
                Outcome::Observed(Observation::Dns { response_code: code_number(response.code), answers })
            }
            (outcome, _) => outcome,
        })
    }

    /// Makes an HTTP request.
    pub(crate) fn http_probe(
        &mut self,
        from: &Sender,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> std::result::Result<Outcome, EngineError> {
        let fabric = self.fabric().clone();
        let sender = Place::of_sender(&fabric, from)?;
        self.prepare_sender(from, &sender)?;
        let bad = |why: &str| EngineError::BadProbe(format!("{url}: {why}"));
        let rest = url.strip_prefix("http://").ok_or_else(|| bad("only http:// can be asked"))?;
        let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(a, p)| (a, p.to_owned()));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        let host: Ipv4Addr = host.parse().map_err(|_| bad("the host must be an IPv4 address"))?;
        let port: u16 = port.parse().map_err(|_| bad("the port is no number"))?;
        let mut request = format!("{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if matches!(method, "PUT" | "POST") {
            request.push_str("Content-Length: 0\r\n");
        }
        request.push_str("\r\n");
        // The guest in front of a container shows whether an answer died there.
        let host_place = match from {
            Sender::Container(id) => Place::of_interface(&fabric, super::place::interface_index(&fabric, id)?),
            _ => None,
        };
        Ok(self.http_exchange(&sender, host_place.as_ref(), SocketAddrV4::new(host, port), &request)?)
    }

    fn http_exchange(&mut self, sender: &Place, host: Option<&Place>, server: SocketAddrV4, request: &str) -> Result<Outcome> {
        let places: Vec<&Place> = std::iter::once(sender).chain(host).collect();
        self.clear_evidence(&places)?;
        let spec = SocketSpec::tcp(&sender.namespace, false);
        let socket = self.client().open_socket(SocketSpec { nonblocking: true, ..spec })?;
        match rustix::net::connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(Error::os("connecting")(error)),
        }
        let mut exchange = Exchange { socket, request: Some(request), answer: Vec::new() };
        let deadline = Instant::now() + SILENCE;
        loop {
            let looked = Instant::now();
            match exchange.step()? {
                Step::Done => break,
                Step::Refused => return Ok(Outcome::Refused { at: None }),
                Step::Waiting => {}
            }
            let left = deadline.saturating_duration_since(looked);
            if left.is_zero() {
                return self.http_lost(host);
            }
            self.wait(&[], left.min(Duration::from_millis(10)))?;
        }
        match parse_http(&exchange.answer) {
            Some(observation) => Ok(Outcome::Observed(observation)),
            None => self.http_lost(host),
        }
    }

    /// Why no answer came: a reported drop, or the guest in front of a container that let the answer's TTL run out.
    fn http_lost(&mut self, host: Option<&Place>) -> Result<Outcome> {
        let expired = match host {
            Some(place) => {
                let watch = self.watch(place)?;
                watch.read()?;
                let sent = watch.frames().filter(|frame| !frame.incoming).filter_map(|frame| frame.packet());
                sent.into_iter().any(|p| matches!(p.payload, Payload::IcmpError { complaint: Complaint::TimeExceeded, .. }))
            }
            None => false,
        };
        if let Some(index) = host.filter(|_| expired).and_then(|place| place.interface) {
            return Ok(Outcome::Dropped(Drop { leg: Leg::Return, at: Some(Component::Guest(index)), code: None, reason: None }));
        }
        let dropped = self.read_drops()?.into_iter().next();
        let (at, code) = dropped.map_or((None, None), |dropped| (dropped.at, dropped.code));
        Ok(Outcome::Dropped(Drop { leg: Leg::Forward, at, code, reason: None }))
    }
}

struct Exchange<'a> {
    socket: OwnedFd,
    request: Option<&'a str>,
    answer: Vec<u8>,
}

enum Step {
    Waiting,
    Done,
    Refused,
}

impl Exchange<'_> {
    fn step(&mut self) -> Result<Step> {
        if let Some(request) = self.request {
            match rustix::net::send(&self.socket, request.as_bytes(), SendFlags::NOSIGNAL) {
                Ok(_) => self.request = None,
                Err(Errno::AGAIN | Errno::NOTCONN | Errno::INPROGRESS) => return Ok(Step::Waiting),
                Err(Errno::PIPE | Errno::CONNREFUSED | Errno::CONNRESET) => return Ok(Step::Refused),
                Err(error) => return Err(Error::os("sending a request")(error)),
            }
        }
        let mut buffer = [0; 16_384];
        loop {
            match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Ok(Step::Done),
                Ok((length, _)) => self.answer.extend(&buffer[..length]),
                Err(Errno::AGAIN) => return Ok(Step::Waiting),
                Err(Errno::CONNRESET | Errno::CONNREFUSED) => {
                    let _ = sockopt::socket_error(&self.socket);
                    return Ok(if self.answer.is_empty() { Step::Refused } else { Step::Done });
                }
                Err(error) => return Err(Error::os("receiving an answer")(error)),
            }
            if self.answer.len() > LONGEST_ANSWER {
                return Ok(Step::Done);
            }
        }
    }
}

/// Reads a whole HTTP/1.1 answer whose end was the end of the connection.
fn parse_http(answer: &[u8]) -> Option<Observation> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = String::from_utf8_lossy(&answer[end + 4..]).into_owned();
    Some(Observation::Http { status, headers, body })
}

/// RFC 1035, section 4.1.1.
fn code_number(code: Code) -> u8 {
    match code {
        Code::NoError => 0,
        Code::FormatError => 1,
        Code::ServerFailure => 2,
        Code::NoSuchName => 3,
        Code::NotImplemented => 4,
        Code::Refused => 5,
        Code::Other(number) => number.min(u16::from(u8::MAX)) as u8,
    }
}
