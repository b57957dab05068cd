//! A port check over TCP: is it open, refused, filtered or out of reach? And a client that keeps the connection for more.

use std::net::{IpAddr, SocketAddr};

use crate::tcp;
use crate::time::Span;
use crate::trace::Reason;

use super::{App, Calls, End, RefusedBy, Reply, StreamEvent, StreamId};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectSpec {
    /// From which own address; the host chooses if there is none.
    pub source: Option<IpAddr>,
    /// From which port; the host chooses if there is none.
    pub source_port: Option<u16>,
    /// Whom.
    pub destination: IpAddr,
    /// Which port.
    pub port: u16,
    /// Whether the connection stays, for [`crate::host::Host::send_on`].
    pub keep_open: bool,
    /// After so long without an answer the port counts as filtered.
    pub timeout: Span,
}

impl ConnectSpec {
    /// A check of a port that waits for ten seconds.
    pub fn new(destination: IpAddr, port: u16) -> Self {
        Self { source: None, source_port: None, destination, port, keep_open: false, timeout: Span::seconds(10) }
    }
}

/// The program.
#[derive(Debug)]
pub struct Connect {
    spec: ConnectSpec,
    stream: Option<StreamId>,
    is_open: bool,
}

impl Connect {
    /// To be run on a host.
    pub fn new(spec: ConnectSpec) -> Self {
        Self { spec, stream: None, is_open: false }
    }
}

/// How an attempt to connect ended that did not succeed.
pub(super) fn end_of(calls: &mut Calls<'_, '_>, stream: StreamId, error: Option<tcp::Error>) -> End {
    match error {
        Some(tcp::Error::Refused | tcp::Error::Reset) => {
            let from = calls.flow(stream).map_or(IpAddr::from([0, 0, 0, 0]), |flow| flow.remote);
            End::Refused(RefusedBy::Reset { from, ttl: calls.last_ttl(stream) })
        }
        Some(tcp::Error::Unreachable) => match calls.outcome().errors.last().copied() {
            Some(error) if error.is_port_unreachable() => End::Refused(RefusedBy::Icmp(error)),
            Some(error) => End::Unreachable(error),
            None => End::Failed(Reason::NoRoute),
        },
        Some(tcp::Error::TimedOut) => End::Nothing,
        Some(tcp::Error::Aborted) => End::Cancelled,
        None => End::Done,
    }
}

impl App for Connect {
    fn kind(&self) -> &'static str {
        "connect"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let spec = self.spec;
        let to = SocketAddr::new(spec.destination, spec.port);
        match calls.connect(spec.source, spec.source_port, to, None, None) {
            Ok(stream) => {
                self.stream = Some(stream);
                let local = calls.flow(stream).map(|flow| SocketAddr::new(flow.local, flow.port));
                let outcome = calls.outcome();
                (outcome.local, outcome.sent) = (local, 1);
                calls.say(Reason::Question, || format!("connect {to}"));
                calls.wake_after(spec.timeout, 0);
            }
            Err(reason) => calls.finish(End::Failed(reason)),
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {
                self.is_open = true;
                let (now, ttl) = (calls.now(), calls.last_ttl(stream));
                let Some(flow) = calls.flow(stream) else { return };
                let outcome = calls.outcome();
                outcome.replies.push(Reply {
                    at: now,
                    from: SocketAddr::new(flow.remote, flow.remote_port),
                    to: SocketAddr::new(flow.local, flow.port),
                    sequence: 0,
                    ttl,
                    bytes: 0,
                    rtt: now.since(outcome.started),
                    mac: None,
                });
                if self.spec.keep_open { calls.conclude(End::Answered) } else { calls.finish(End::Answered) }
            }
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                calls.outcome().take(&bytes);
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(error) => {
                let end = end_of(calls, stream, error);
                self.stream = None;
                calls.finish(end);
            }
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        if !self.is_open {
            calls.finish(End::Nothing);
        }
    }

    fn on_send(&mut self, calls: &mut Calls<'_, '_>, bytes: &[u8]) -> bool {
        let Some(stream) = self.stream else { return false };
        let taken = calls.write(stream, bytes);
        calls.outcome().bytes_sent += taken as u64;
        taken == bytes.len()
    }
}
