//! A stub resolver (RFC 1034, 5.3.1): asks the host's name servers for a name, one after another, and over TCP what does not
//! fit into a datagram. [`Lookup`] is that as a program; `named` lets any program begin with a name in place of an address.

mod named;
mod search;

use std::net::{IpAddr, SocketAddr};

use wire::dns::{Code, Data, Kind, Query, Response, reverse_name};

use crate::random::Random;
use crate::time::Span;
use crate::trace::Reason;

use super::dns::{PORT, take_message, with_length};
use super::{App, Calls, Datagram, End, IcmpError, Reply, SendTo, SocketId, StreamEvent, StreamId};

pub use named::Named;

/// How long one server is waited for, and how often all are asked (as resolv.conf(5) has it).
pub const TIMEOUT: Span = Span::seconds(5);
/// Rounds through all name servers.
pub const ROUNDS: u32 = 2;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupSpec {
    /// The name. The host's search domains complete it, unless it ends with a dot.
    pub name: String,
    /// Which records, one type after another until there are any.
    pub kinds: Vec<Kind>,
    /// Whom, in place of the host's name servers.
    pub servers: Vec<IpAddr>,
}

impl LookupSpec {
    /// For the addresses of a name, IPv4 first.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), kinds: vec![Kind::A, Kind::AAAA], servers: Vec::new() }
    }

    /// For the names of an address.
    pub fn reverse(address: IpAddr) -> Self {
        Self { kinds: vec![Kind::PTR], ..Self::new(&reverse_name(address)) }
    }
}

/// A question on its way through the servers.
#[derive(Debug)]
pub(super) struct Asking {
    spec: LookupSpec,
    servers: Vec<IpAddr>,
    /// What the name may be short for, in the order in which it is asked for.
    names: Vec<String>,
    /// Which of them is asked for.
    name: usize,
    /// Which type is asked for.
    kind: usize,
    /// Whether one of the names is there, without what was asked for.
    is_there: bool,
    tries: u32,
    id: u16,
    random: Option<Random>,
    socket: Option<SocketId>,
    stream: Option<StreamId>,
    partial: Vec<u8>,
    key: u32,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Progress {
    Waiting,
    Found(Response),
    Over(End),
}

impl Asking {
    /// `key` is the first of the numbers of its timers, which are one for each try.
    pub(super) fn new(spec: LookupSpec, key: u32) -> Self {
        let (servers, names, partial) = (Vec::new(), Vec::new(), Vec::new());
        Self { spec, servers, names, name: 0, kind: 0, is_there: false, tries: 0, id: 0, random: None, socket: None, stream: None, partial, key }
    }

    pub(super) fn start(&mut self, calls: &mut Calls<'_, '_>) -> Progress {
        self.servers = if self.spec.servers.is_empty() { calls.host().name_servers() } else { self.spec.servers.clone() };
        if self.servers.is_empty() {
            return Progress::Over(End::Failed(Reason::NoNameServer));
        }
        self.names = search::candidates(&self.spec, calls.host().search_domains());
        if self.names.is_empty() {
            return Progress::Over(End::Failed(Reason::NoSuchName));
        }
        match calls.bind(None, None, None) {
            Ok(socket) => self.socket = Some(socket),
            Err(reason) => return Progress::Over(End::Failed(reason)),
        }
        self.ask(calls)
    }

    fn server(&self) -> IpAddr {
        self.servers[self.tries as usize % self.servers.len()]
    }

    fn query(&self) -> Query {
        let kind = self.spec.kinds.get(self.kind).copied().unwrap_or(Kind::A);
        let name = self.names.get(self.name).cloned().unwrap_or_default();
        Query::new(self.id, name, kind)
    }

    fn is_exhausted(&self) -> bool {
        self.tries >= ROUNDS * self.servers.len() as u32
    }

    /// Asks the server whose turn it is, or the next one that can be asked.
    fn ask(&mut self, calls: &mut Calls<'_, '_>) -> Progress {
        let Some(socket) = self.socket else { return Progress::Over(End::Failed(Reason::NoPort)) };
        while !self.is_exhausted() {
            // Another stream for each question of the host, so that no number tells the next (RFC 5452 9.2).
            let (app, key, now) = (calls.id().0, self.key, calls.now().0);
            let random = self.random.get_or_insert_with(|| calls.random(&format!("dns {app} {key} {now}")));
            self.id = random.bits() as u16;
            let query = self.query();
            let Ok(bytes) = query.emit() else { return Progress::Over(End::Failed(Reason::NoSuchName)) };
            let server = self.server();
            if calls.send_to(socket, SocketAddr::new(server, PORT), SendTo::default(), &bytes).is_ok() {
                calls.say(Reason::Question, || format!("{} {}? of {server}", query.kind, query.name));
                let outcome = calls.outcome();
                outcome.sent += 1;
                outcome.bytes_sent += bytes.len() as u64;
                calls.wake_after(TIMEOUT, self.key + self.timer());
                return Progress::Waiting;
            }
            self.tries += 1;
        }
        Progress::Over(End::Failed(Reason::NoRoute))
    }

    /// Which timer is the one of the present question.
    fn timer(&self) -> u32 {
        self.tries << 8 | (self.name as u32) << 4 | self.kind as u32
    }

    fn ask_next(&mut self, calls: &mut Calls<'_, '_>, end: End) -> Progress {
        self.tries += 1;
        if let Some(stream) = self.stream.take() {
            calls.abort(stream);
        }
        if self.is_exhausted() { Progress::Over(end) } else { self.ask(calls) }
    }

    /// The name is not there, or not with what was asked for: it may be short for another one.
    fn ask_for_next(&mut self, calls: &mut Calls<'_, '_>) -> Progress {
        if self.name + 1 < self.names.len() {
            (self.name, self.kind) = (self.name + 1, 0);
            return self.ask(calls);
        }
        Progress::Over(End::Failed(if self.is_there { Reason::NoRecord } else { Reason::NoSuchName }))
    }

    pub(super) fn is_its(&self, socket: SocketId) -> bool {
        self.socket == Some(socket)
    }

    pub(super) fn is_its_stream(&self, stream: StreamId) -> bool {
        self.stream == Some(stream)
    }

    pub(super) fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, datagram: &Datagram) -> Progress {
        // What did not come from who was asked is no answer (RFC 5452, 3).
        if datagram.source != SocketAddr::new(self.server(), PORT) {
            return Progress::Waiting;
        }
        let message = calls.payload(datagram).to_vec();
        self.read(calls, &message, datagram.source, datagram.ttl)
    }

    fn read(&mut self, calls: &mut Calls<'_, '_>, message: &[u8], from: SocketAddr, ttl: u8) -> Progress {
        let Ok((id, response)) = Response::parse(message) else { return Progress::Waiting };
        if id != self.id {
            return Progress::Waiting;
        }
        let now = calls.now();
        let outcome = calls.outcome();
        outcome.bytes_received += message.len() as u64;
        let (sequence, bytes) = (outcome.sent.saturating_sub(1), message.len() as u32);
        let to = outcome.local.unwrap_or(SocketAddr::new(from.ip(), 0));
        let rtt = now.since(outcome.started);
        outcome.replies.push(Reply { at: now, from, to, sequence, ttl, bytes, rtt, mac: None });
        if response.truncated && self.stream.is_none() {
            return self.ask_over_tcp(calls);
        }
        match response.code {
            Code::NoError if !response.records.is_empty() => Progress::Found(response),
            Code::NoError if self.kind + 1 < self.spec.kinds.len() => {
                self.kind += 1;
                self.ask(calls)
            }
            Code::NoError | Code::NoSuchName => {
                self.is_there |= response.code == Code::NoError;
                self.ask_for_next(calls)
            }
            _ => self.ask_next(calls, End::Failed(Reason::Failed)),
        }
    }

    fn ask_over_tcp(&mut self, calls: &mut Calls<'_, '_>) -> Progress {
        let to = SocketAddr::new(self.server(), PORT);
        self.partial.clear();
        match calls.connect(None, None, to, None, None) {
            Ok(stream) => {
                self.stream = Some(stream);
                Progress::Waiting
            }
            Err(reason) => self.ask_next(calls, End::Failed(reason)),
        }
    }

    pub(super) fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) -> Progress {
        match event {
            StreamEvent::Opened => {
                if let Ok(bytes) = self.query().emit() {
                    calls.write(stream, &with_length(&bytes));
                }
                Progress::Waiting
            }
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                self.partial.extend_from_slice(&bytes);
                let Some(message) = take_message(&mut self.partial) else { return Progress::Waiting };
                let (from, ttl) = (SocketAddr::new(self.server(), PORT), calls.last_ttl(stream));
                let progress = self.read(calls, &message, from, ttl);
                calls.close(stream);
                self.stream = None;
                progress
            }
            StreamEvent::Finished | StreamEvent::Ended(_) => {
                self.stream = None;
                self.ask_next(calls, End::Nothing)
            }
        }
    }

    pub(super) fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) -> Progress {
        if error.about.destination != self.server() || self.stream.is_some() {
            return Progress::Waiting;
        }
        let end = if error.is_port_unreachable() {
            End::Refused(super::RefusedBy::Icmp(*error))
        } else {
            End::Unreachable(*error)
        };
        self.ask_next(calls, end)
    }

    pub(super) fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) -> Progress {
        if key == self.key + self.timer() { self.ask_next(calls, End::Nothing) } else { Progress::Waiting }
    }
}

/// The program. What it found is in [`crate::app::Outcome::addresses`], and as text in [`crate::app::Outcome::data`].
#[derive(Debug)]
pub struct Lookup {
    asking: Asking,
}

impl Lookup {
    /// To be run on a host.
    pub fn new(spec: LookupSpec) -> Self {
        Self { asking: Asking::new(spec, 0) }
    }
}

/// Notes what was found, a line for each record.
fn keep(calls: &mut Calls<'_, '_>, response: &Response) {
    let line = |(name, data): (&str, String)| format!("{name} {data}\n");
    let data = |data: &Data| match data {
        Data::A(address) => format!("A {address}"),
        Data::Aaaa(address) => format!("AAAA {address}"),
        Data::Ptr(name) => format!("PTR {name}"),
        Data::Cname(name) => format!("CNAME {name}"),
    };
    let text: String = response.records.iter().map(|record| line((&record.name, data(&record.data)))).collect();
    calls.say(Reason::Reply, || text.trim_end().replace('\n', ", "));
    let outcome = calls.outcome();
    outcome.addresses.extend(response.addresses());
    outcome.data.extend_from_slice(text.as_bytes());
}

fn settle(calls: &mut Calls<'_, '_>, progress: Progress) {
    match progress {
        Progress::Waiting => {}
        Progress::Found(response) => {
            keep(calls, &response);
            calls.finish(End::Answered);
        }
        Progress::Over(end) => calls.finish(end),
    }
}

impl App for Lookup {
    fn kind(&self) -> &'static str {
        "lookup"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let progress = self.asking.start(calls);
        settle(calls, progress);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let progress = self.asking.on_datagram(calls, datagram);
        settle(calls, progress);
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().errors.push(*error);
        let progress = self.asking.on_error(calls, error);
        settle(calls, progress);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        if self.asking.is_its_stream(stream) {
            let progress = self.asking.on_stream(calls, stream, event);
            settle(calls, progress);
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        let progress = self.asking.on_timer(calls, key);
        settle(calls, progress);
    }
}
