//! A question over UDP that waits for an answer; its socket stays for more until the program is cancelled.

use std::net::{IpAddr, SocketAddr};

use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, IcmpError, RefusedBy, Reply, SendTo, SocketId};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatagramSpec {
    /// From which own address; the host chooses if there is none.
    pub source: Option<IpAddr>,
    /// From which port; the host chooses if there is none.
    pub source_port: Option<u16>,
    /// Whom: one, a group, or everybody on a link.
    pub destination: IpAddr,
    /// Which port.
    pub port: u16,
    /// What.
    pub payload: Vec<u8>,
    /// Hops that it may take.
    pub ttl: Option<u8>,
    /// Whether routers must not cut it.
    pub dont_fragment: bool,
    /// Out of this interface, whatever the routes say.
    pub interface: Option<u16>,
    /// How long an answer is waited for.
    pub timeout: Span,
}

impl DatagramSpec {
    /// A question that waits for three seconds.
    pub fn new(destination: IpAddr, port: u16, payload: &[u8]) -> Self {
        Self {
            source: None,
            source_port: None,
            destination,
            port,
            payload: payload.to_vec(),
            ttl: None,
            dont_fragment: false,
            interface: None,
            timeout: Span::seconds(3),
        }
    }
}

/// The program.
#[derive(Debug)]
pub struct Question {
    spec: DatagramSpec,
    socket: Option<SocketId>,
    asked: Time,
}

impl Question {
    /// To be run on a host.
    pub fn new(spec: DatagramSpec) -> Self {
        Self { spec, socket: None, asked: Time::ZERO }
    }

    fn send(&mut self, calls: &mut Calls<'_, '_>, payload: &[u8]) -> Result<(), Reason> {
        let spec = &self.spec;
        let socket = self.socket.ok_or(Reason::NoPort)?;
        let (ttl, dont_fragment, interface, source) = (spec.ttl, spec.dont_fragment, spec.interface, spec.source);
        let how = SendTo { ttl, dont_fragment, interface, source, ..SendTo::default() };
        self.asked = calls.now();
        calls.send_to(socket, SocketAddr::new(spec.destination, spec.port), how, payload)?;
        let outcome = calls.outcome();
        outcome.sent += 1;
        outcome.bytes_sent += payload.len() as u64;
        Ok(())
    }
}

impl App for Question {
    fn kind(&self) -> &'static str {
        "datagram"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        // One may answer for many.
        let remote = (!calls.host().is_for_many(to.ip())).then_some(to);
        match calls.bind(self.spec.source, self.spec.source_port, remote) {
            Ok(socket) => self.socket = Some(socket),
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        let source = self.spec.source.or_else(|| calls.host().source_for(to.ip()));
        let port = self.socket.map_or(0, |socket| calls.port(socket));
        calls.outcome().local = source.map(|source| SocketAddr::new(source, port));
        calls.say(Reason::Question, || format!("datagram to {to}"));
        let payload = std::mem::take(&mut self.spec.payload);
        match self.send(calls, &payload) {
            Ok(()) => calls.wake_after(self.spec.timeout, 0),
            Err(reason) => calls.finish(End::Failed(reason)),
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let (now, asked) = (calls.now(), self.asked);
        let bytes = calls.payload(datagram).to_vec();
        let outcome = calls.outcome();
        outcome.take(&bytes);
        outcome.replies.push(Reply {
            at: now,
            from: datagram.source,
            to: datagram.destination,
            sequence: outcome.sent.saturating_sub(1),
            ttl: datagram.ttl,
            bytes: datagram.len() as u32,
            rtt: now.since(asked),
            mac: None,
        });
        calls.conclude(End::Answered);
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().errors.push(*error);
        let end = if error.is_port_unreachable() { End::Refused(RefusedBy::Icmp(*error)) } else { End::Unreachable(*error) };
        calls.conclude(end);
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        calls.conclude(End::Nothing);
    }

    fn on_send(&mut self, calls: &mut Calls<'_, '_>, bytes: &[u8]) -> bool {
        self.send(calls, bytes).is_ok()
    }
}
