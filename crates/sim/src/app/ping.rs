//! Ping: ICMP echoes at an interval, and who answered after how long.

use std::net::{IpAddr, SocketAddr};

use wire::protocol;

use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, IcmpError, Reply, SendTo, SocketId};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingSpec {
    /// Who.
    pub destination: IpAddr,
    /// From which own address; the host chooses if there is none.
    pub source: Option<IpAddr>,
    /// Out of this interface, whatever the routes say.
    pub interface: Option<u16>,
    /// Questions.
    pub count: u32,
    /// Between two questions.
    pub interval: Span,
    /// Bytes of data in each.
    pub size: u16,
    /// Hops that they may take.
    pub ttl: Option<u8>,
    /// Whether routers must not cut them.
    pub dont_fragment: bool,
    /// How long the last answer is waited for.
    pub timeout: Span,
}

impl PingSpec {
    /// Four questions of 56 bytes, a second apart.
    pub fn new(destination: IpAddr) -> Self {
        Self {
            destination,
            source: None,
            interface: None,
            count: 4,
            interval: Span::seconds(1),
            size: 56,
            ttl: None,
            dont_fragment: false,
            timeout: Span::seconds(4),
        }
    }
}

/// The program.
#[derive(Debug)]
pub struct Ping {
    spec: PingSpec,
    id: u16,
    /// When each question was sent.
    sent: Vec<Time>,
    answered: Vec<bool>,
    last_error: Option<IcmpError>,
}

const NEXT: u32 = 0;
const OVER: u32 = 1;

impl Ping {
    /// To be run on a host.
    pub fn new(spec: PingSpec) -> Self {
        Self { spec, id: 0, sent: Vec::new(), answered: Vec::new(), last_error: None }
    }

    fn ask(&mut self, calls: &mut Calls<'_, '_>) {
        let sequence = self.sent.len() as u16;
        let spec = self.spec;
        let (number, kind) = if spec.destination.is_ipv4() { (protocol::ICMP, 8) } else { (protocol::ICMPV6, 128) };
        let mut message = Vec::with_capacity(8 + usize::from(spec.size));
        message.extend_from_slice(&[kind, 0, 0, 0]);
        message.extend_from_slice(&self.id.to_be_bytes());
        message.extend_from_slice(&sequence.to_be_bytes());
        message.extend((0..spec.size).map(|at| at as u8));
        self.sent.push(calls.now());
        self.answered.push(false);
        let (ttl, dont_fragment, interface, source) = (spec.ttl, spec.dont_fragment, spec.interface, spec.source);
        let how = SendTo { ttl, dont_fragment, interface, source, ..SendTo::default() };
        match calls.send_raw(number, spec.destination, how, &message) {
            Ok(()) => {
                let outcome = calls.outcome();
                outcome.sent += 1;
                outcome.bytes_sent += u64::from(spec.size);
            }
            Err(error) => return calls.finish(End::Failed(error.into())),
        }
        if (self.sent.len() as u32) < spec.count {
            calls.wake_after(spec.interval, NEXT);
        } else {
            calls.wake_after(spec.timeout, OVER);
        }
    }

    fn end(&self, calls: &mut Calls<'_, '_>) {
        let has_reply = !calls.outcome().replies.is_empty();
        let end = match self.last_error {
            _ if has_reply => End::Answered,
            Some(error) => End::Unreachable(error),
            None => End::Nothing,
        };
        calls.finish(end);
    }

    /// Ends early once every question has its answer or its error; one to many may have more.
    fn end_if_settled(&self, calls: &mut Calls<'_, '_>, to_many: bool) {
        let all_asked = self.answered.len() as u32 >= self.spec.count;
        if all_asked && !to_many && self.answered.iter().all(|answered| *answered) {
            self.end(calls);
        }
    }

    fn is_to_many(&self, from: IpAddr) -> bool {
        from != self.spec.destination
    }
}

impl App for Ping {
    fn kind(&self) -> &'static str {
        "ping"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if self.spec.count == 0 {
            return calls.finish(End::Nothing);
        }
        match calls.bind_echo(self.spec.destination.is_ipv4(), None) {
            Ok((_, id)) => self.id = id,
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        calls.say(Reason::Question, || format!("ping {}", self.spec.destination));
        self.ask(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let message = calls.payload(datagram);
        let [_, _, _, _, _, _, high, low, data @ ..] = message else { return };
        let (sequence, bytes) = (usize::from(u16::from_be_bytes([*high, *low])), data.len() as u32);
        let Some(sent) = self.sent.get(sequence).copied() else { return };
        let now = calls.now();
        let reply = Reply {
            at: now,
            from: SocketAddr::new(datagram.source.ip(), 0),
            to: SocketAddr::new(datagram.destination.ip(), 0),
            sequence: sequence as u32,
            ttl: datagram.ttl,
            bytes,
            rtt: now.since(sent),
            mac: None,
        };
        self.answered[sequence] = true;
        let outcome = calls.outcome();
        outcome.replies.push(reply);
        outcome.bytes_received += u64::from(bytes);
        self.end_if_settled(calls, self.is_to_many(datagram.source.ip()));
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().errors.push(*error);
        self.last_error = Some(*error);
        if let Some(answered) = self.answered.get_mut(error.about.sequence as usize) {
            *answered = true;
        }
        self.end_if_settled(calls, false);
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        match key {
            NEXT => self.ask(calls),
            _ => self.end(calls),
        }
    }
}
