//! A packet of any IP protocol, ICMP of any type included, that waits for the same protocol to come back.

use std::net::{IpAddr, SocketAddr};

use wire::protocol;

use crate::time::Span;
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, IcmpError, RefusedBy, Reply, SendTo, SocketId};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSpec {
    /// From which own address; the host chooses if there is none.
    pub source: Option<IpAddr>,
    /// Whom.
    pub destination: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// What follows the IP header; of ICMP the whole message, whose checksum is filled in.
    pub payload: Vec<u8>,
    /// Hops that it may take.
    pub ttl: Option<u8>,
    /// Whether routers must not cut it.
    pub dont_fragment: bool,
    /// Whether routers on the way are to look into it (RFC 2113; of IPv4 only).
    pub router_alert: bool,
    /// How long an answer is waited for.
    pub timeout: Span,
}

impl RawSpec {
    /// A packet whose answer is waited for for three seconds.
    pub fn new(destination: IpAddr, protocol: u8, payload: &[u8]) -> Self {
        let payload = payload.to_vec();
        Self {
            source: None,
            destination,
            protocol,
            payload,
            ttl: None,
            dont_fragment: false,
            router_alert: false,
            timeout: Span::seconds(3),
        }
    }
}

/// The program.
#[derive(Debug)]
pub struct Raw {
    spec: RawSpec,
}

impl Raw {
    /// To be run on a host.
    pub fn new(spec: RawSpec) -> Self {
        Self { spec }
    }

    /// Whether an ICMP message answers the one that was sent: the answer's type, and the same identifier and count.
    fn answers(&self, message: &[u8]) -> bool {
        let asked = &self.spec.payload;
        let same_words = || message.get(4..8) == asked.get(4..8);
        match (self.spec.protocol, asked.first(), message.first()) {
            (protocol::ICMP, Some(8), Some(kind)) => *kind == 0 && same_words(),
            (protocol::ICMP, Some(13), Some(kind)) => *kind == 14 && same_words(),
            (protocol::ICMPV6, Some(128), Some(kind)) => *kind == 129 && same_words(),
            _ => true,
        }
    }
}

impl App for Raw {
    fn kind(&self) -> &'static str {
        "raw"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let spec = &self.spec;
        let (to, number) = (spec.destination, spec.protocol);
        let remote = (!calls.host().is_for_many(to)).then_some(to);
        if let Err(reason) = calls.bind_protocol(number, remote) {
            return calls.finish(End::Failed(reason));
        }
        calls.say(Reason::Question, || format!("protocol {number} to {to}"));
        let how = SendTo {
            ttl: spec.ttl,
            dont_fragment: spec.dont_fragment,
            router_alert: spec.router_alert,
            source: spec.source,
            ..SendTo::default()
        };
        if let Err(error) = calls.send_raw(number, to, how, &spec.payload) {
            return calls.finish(End::Failed(error.into()));
        }
        let bytes = spec.payload.len() as u64;
        let outcome = calls.outcome();
        (outcome.sent, outcome.bytes_sent) = (1, bytes);
        calls.wake_after(self.spec.timeout, 0);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        if !self.answers(calls.payload(datagram)) {
            return;
        }
        let now = calls.now();
        let bytes = calls.payload(datagram).to_vec();
        let outcome = calls.outcome();
        outcome.take(&bytes);
        outcome.replies.push(Reply {
            at: now,
            from: SocketAddr::new(datagram.source.ip(), 0),
            to: SocketAddr::new(datagram.destination.ip(), 0),
            sequence: 0,
            ttl: datagram.ttl,
            bytes: datagram.len() as u32,
            rtt: now.since(outcome.started),
            mac: None,
        });
        calls.finish(End::Answered);
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().errors.push(*error);
        calls.finish(if error.is_port_unreachable() {
            End::Refused(RefusedBy::Icmp(*error))
        } else {
            End::Unreachable(*error)
        });
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        calls.finish(End::Nothing);
    }
}
