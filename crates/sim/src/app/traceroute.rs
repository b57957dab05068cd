//! Traceroute: probes whose hops run out a router further each time, as ICMP echoes, UDP datagrams or TCP SYNs.

use std::net::{IpAddr, SocketAddr};

use wire::protocol;

use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, Hop, IcmpError, SendTo, SocketId, StreamEvent, StreamId};

/// What the probes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// ICMP echoes.
    Icmp,
    /// UDP to a port that grows by one with each probe; 33434 at first.
    Udp,
    /// TCP SYNs to this port.
    Tcp(u16),
}

/// First port of UDP probes.
pub const FIRST_PORT: u16 = 33_434;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracerouteSpec {
    /// The way to whom.
    pub destination: IpAddr,
    /// From which own address; the host chooses if there is none.
    pub source: Option<IpAddr>,
    /// What the probes are.
    pub method: Method,
    /// Hops of the first probe.
    pub first_ttl: u8,
    /// Hops of the last one.
    pub last_ttl: u8,
    /// Probes with the same TTL.
    pub probes: u8,
    /// How long each is waited for.
    pub timeout: Span,
}

impl TracerouteSpec {
    /// UDP, three probes a hop, up to thirty hops, each waited for a second.
    pub fn new(destination: IpAddr) -> Self {
        Self {
            destination,
            source: None,
            method: Method::Udp,
            first_ttl: 1,
            last_ttl: 30,
            probes: 3,
            timeout: Span::seconds(1),
        }
    }
}

/// The program.
#[derive(Debug)]
pub struct Traceroute {
    spec: TracerouteSpec,
    socket: Option<SocketId>,
    id: u16,
    stream: Option<StreamId>,
    /// Counts probes; the one under way.
    probe: u32,
    asked: Time,
    /// Whether the probe under way is answered or given up.
    is_settled: bool,
}

impl Traceroute {
    /// To be run on a host.
    pub fn new(spec: TracerouteSpec) -> Self {
        Self { spec, socket: None, id: 0, stream: None, probe: 0, asked: Time::ZERO, is_settled: false }
    }

    fn ttl(&self) -> u8 {
        let step = self.probe / u32::from(self.spec.probes.max(1));
        u32::from(self.spec.first_ttl).saturating_add(step).min(255) as u8
    }

    fn send(&mut self, calls: &mut Calls<'_, '_>) {
        let (spec, ttl) = (self.spec, self.ttl());
        (self.asked, self.is_settled) = (calls.now(), false);
        let outcome = calls.outcome();
        outcome.sent += 1;
        if outcome.hops.last().is_none_or(|hop| hop.ttl != ttl) {
            outcome.hops.push(Hop { ttl, ..Hop::default() });
        }
        let how = SendTo { ttl: Some(ttl), source: spec.source, ..SendTo::default() };
        let sent = match spec.method {
            Method::Icmp => {
                let (number, kind) = if spec.destination.is_ipv4() { (protocol::ICMP, 8) } else { (protocol::ICMPV6, 128) };
                let message =
                    [&[kind, 0, 0, 0][..], &self.id.to_be_bytes(), &(self.probe as u16).to_be_bytes(), &[0; 32]].concat();
                calls.send_raw(number, spec.destination, how, &message).map_err(Reason::from)
            }
            Method::Udp => match self.socket {
                Some(socket) => {
                    let to = SocketAddr::new(spec.destination, self.port());
                    calls.send_to(socket, to, how, &[0; 32]).map_err(Reason::from)
                }
                None => Err(Reason::NoPort),
            },
            Method::Tcp(port) => {
                let to = SocketAddr::new(spec.destination, port);
                calls.connect(spec.source, None, to, Some(ttl), Some(0)).map(|stream| self.stream = Some(stream))
            }
        };
        match sent {
            Ok(()) => calls.wake_after(spec.timeout, self.probe),
            Err(reason) => calls.finish(End::Failed(reason)),
        }
    }

    fn port(&self) -> u16 {
        FIRST_PORT.wrapping_add(self.probe as u16)
    }

    /// The probe under way is answered by somebody, or by nobody.
    fn settle(&mut self, calls: &mut Calls<'_, '_>, from: Option<IpAddr>, error: Option<IcmpError>, is_destination: bool) {
        if self.is_settled {
            return;
        }
        self.is_settled = true;
        if let Some(stream) = self.stream.take() {
            calls.abort(stream);
        }
        let rtt = calls.now().since(self.asked);
        if let Some(hop) = calls.outcome().hops.last_mut() {
            hop.answers.push(from.map(|from| (from, rtt)));
            hop.is_destination |= is_destination;
            hop.error = error.filter(|error| !error.is_time_exceeded() && !is_destination).or(hop.error);
        }
        let per_hop = u32::from(self.spec.probes.max(1));
        self.probe += 1;
        if self.probe.is_multiple_of(per_hop) {
            let (arrived, error) = calls.outcome().hops.last().map_or((false, None), |hop| (hop.is_destination, hop.error));
            if arrived {
                return calls.finish(End::Answered);
            }
            if let Some(error) = error {
                return calls.finish(End::Unreachable(error));
            }
            if self.ttl() > self.spec.last_ttl || self.ttl() == u8::MAX {
                return calls.finish(End::Nothing);
            }
        }
        self.send(calls);
    }
}

impl App for Traceroute {
    fn kind(&self) -> &'static str {
        "traceroute"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let spec = self.spec;
        let bound = match spec.method {
            Method::Icmp => calls.bind_echo(spec.destination.is_ipv4(), Some(spec.destination)).map(|(socket, id)| {
                self.id = id;
                Some(socket)
            }),
            Method::Udp => calls.bind(spec.source, None, None).map(Some),
            Method::Tcp(_) => Ok(None),
        };
        match bound {
            Ok(socket) => self.socket = socket,
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        calls.say(Reason::Question, || format!("traceroute {}", spec.destination));
        self.send(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        // A late answer to an earlier probe says nothing about this one.
        let is_this_one = match self.spec.method {
            Method::Icmp => calls.payload(datagram).get(6..8) == Some(&(self.probe as u16).to_be_bytes()),
            _ => datagram.source.port() == self.port(),
        };
        if is_this_one {
            self.settle(calls, Some(datagram.source.ip()), None, true);
        }
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().errors.push(*error);
        let is_this_one = match self.spec.method {
            Method::Icmp => error.about.sequence == self.probe & 0xffff,
            Method::Udp => error.about.destination_port == self.port(),
            Method::Tcp(_) => {
                self.stream.and_then(|stream| calls.flow(stream)).is_some_and(|flow| flow.port == error.about.source_port)
            }
        };
        if is_this_one {
            let arrived = error.is_port_unreachable() && error.from == self.spec.destination;
            self.settle(calls, Some(error.from), Some(*error), arrived);
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        let is_refused = event == StreamEvent::Ended(Some(crate::tcp::Error::Refused));
        if self.stream == Some(stream) && (event == StreamEvent::Opened || is_refused) {
            if is_refused {
                self.stream = None;
            }
            self.settle(calls, Some(self.spec.destination), None, true);
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        if key == self.probe {
            self.settle(calls, None, None, false);
        }
    }
}
