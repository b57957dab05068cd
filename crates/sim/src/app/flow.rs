//! Datagrams at a constant rate: a source that sends them and a sink that counts what comes. A destination may be a group or
//! everybody on a link.

use std::net::{IpAddr, SocketAddr};

use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, SendTo, SocketId};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSpec {
    /// To whom.
    pub destination: IpAddr,
    /// To which port.
    pub port: u16,
    /// Datagrams.
    pub count: u64,
    /// Between two of them.
    pub interval: Span,
    /// Bytes of payload; the first eight count the datagrams.
    pub size: u16,
    /// When the first one goes, from the start of the program on.
    pub after: Span,
}

impl SourceSpec {
    /// A thousand of a hundred bytes, a millisecond apart.
    pub fn new(destination: IpAddr, port: u16) -> Self {
        Self { destination, port, count: 1_000, interval: Span::milliseconds(1), size: 100, after: Span::ZERO }
    }
}

/// The source.
#[derive(Debug)]
pub struct Source {
    spec: SourceSpec,
    socket: SocketId,
    sent: u64,
    next: Time,
    payload: Vec<u8>,
}

impl Source {
    /// To be run or installed on a host.
    pub fn new(spec: SourceSpec) -> Self {
        Self { spec, socket: SocketId(0), sent: 0, next: Time::ZERO, payload: vec![0; usize::from(spec.size)] }
    }
}

impl App for Source {
    fn kind(&self) -> &'static str {
        "source"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        match calls.bind(None, None, None) {
            Ok(socket) => self.socket = socket,
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        self.next = calls.now() + self.spec.after;
        calls.wake(self.next, 0);
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        if self.sent >= self.spec.count {
            return calls.finish(End::Done);
        }
        let counter = self.payload.len().min(8);
        self.payload[..counter].copy_from_slice(&self.sent.to_be_bytes()[8 - counter..]);
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        if let Err(error) = calls.send_to(self.socket, to, SendTo::default(), &self.payload) {
            return calls.finish(End::Failed(error.into()));
        }
        self.sent += 1;
        let outcome = calls.outcome();
        outcome.sent += 1;
        outcome.bytes_sent += u64::from(self.spec.size);
        self.next += self.spec.interval;
        calls.wake(self.next, 0);
    }
}

/// The sink.
#[derive(Debug)]
pub struct Sink {
    port: u16,
    /// Datagrams that came.
    pub received: u64,
    /// Bytes of payload that came.
    pub bytes: u64,
    /// Datagrams that came after a later one.
    pub reordered: u64,
    highest: u64,
}

impl Sink {
    /// To be installed on a host.
    pub fn new(port: u16) -> Self {
        Self { port, received: 0, bytes: 0, reordered: 0, highest: 0 }
    }
}

impl App for Sink {
    fn kind(&self) -> &'static str {
        "sink"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Err(reason) = calls.bind(None, Some(self.port), None) {
            calls.finish(End::Failed(reason));
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        self.received += 1;
        self.bytes += datagram.len() as u64;
        if let Some(counter) = calls.payload(datagram).first_chunk::<8>() {
            let number = u64::from_be_bytes(*counter);
            self.reordered += u64::from(number < self.highest);
            self.highest = self.highest.max(number);
        }
        calls.outcome().bytes_received = self.bytes;
    }
}

/// Sends back what comes over UDP and TCP (RFC 862).
#[derive(Debug)]
pub struct Echo {
    port: u16,
}

impl Echo {
    /// To be installed on a host.
    pub fn new(port: u16) -> Self {
        Self { port }
    }
}

impl App for Echo {
    fn kind(&self) -> &'static str {
        "echo"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let bound = calls.bind(None, Some(self.port), None).map(|_| ()).and_then(|()| calls.listen(self.port));
        match bound {
            Ok(()) => calls.say(Reason::App, || "echo".to_string()),
            Err(reason) => calls.finish(End::Failed(reason)),
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        let bytes = calls.payload(datagram).to_vec();
        let is_own = calls.host().is_own(datagram.destination.ip());
        let how = SendTo { source: is_own.then_some(datagram.destination.ip()), ..SendTo::default() };
        if calls.send_to(socket, datagram.source, how, &bytes).is_ok() {
            calls.outcome().bytes_sent += bytes.len() as u64;
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: super::StreamId, event: super::StreamEvent) {
        match event {
            super::StreamEvent::Data => {
                let bytes = calls.read(stream);
                // What finds no room is lost to the echo, as it would be to a program that does not wait.
                let taken = calls.write(stream, &bytes);
                calls.outcome().bytes_sent += taken as u64;
            }
            super::StreamEvent::Finished => calls.close(stream),
            super::StreamEvent::Opened | super::StreamEvent::Ended(_) => {}
        }
    }
}
