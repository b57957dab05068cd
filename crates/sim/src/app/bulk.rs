//! A bulk transfer over TCP: a sender with so many bytes, and a receiver that counts them.

use std::net::{IpAddr, SocketAddr};

use crate::tcp::pattern_byte;
use crate::trace::Reason;

use super::connect::end_of;
use super::{App, Calls, End, Reply, StreamEvent, StreamId, talk};

/// The sender. It is done once every byte is acknowledged and the other end has closed too; who closes before that took too little.
#[derive(Debug)]
pub struct Sender {
    to: SocketAddr,
    bytes: u64,
    source: Option<IpAddr>,
}

impl Sender {
    /// To be run on a host.
    pub fn new(destination: IpAddr, port: u16, bytes: u64) -> Self {
        Self { to: SocketAddr::new(destination, port), bytes, source: None }
    }
}

impl App for Sender {
    fn kind(&self) -> &'static str {
        "bulk"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        match calls.connect(self.source, None, self.to, None, None) {
            Ok(stream) => calls.outcome().local = calls.flow(stream).map(|flow| SocketAddr::new(flow.local, flow.port)),
            Err(reason) => calls.finish(End::Failed(reason)),
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {
                calls.write_pattern(stream, self.bytes);
                calls.close(stream);
                calls.outcome().sent = 1;
                let bytes = self.bytes;
                calls.say(Reason::Question, || format!("{bytes} bytes to send"));
            }
            StreamEvent::Data => {
                calls.discard(stream);
            }
            StreamEvent::Finished => {
                let (now, ttl) = (calls.now(), calls.last_ttl(stream));
                let Some(flow) = calls.flow(stream) else { return };
                let bytes = self.bytes - calls.unacknowledged(stream);
                let outcome = calls.outcome();
                outcome.bytes_sent = bytes;
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
                if bytes == self.bytes {
                    calls.finish(End::Answered);
                } else {
                    outcome.data = format!("the other end closed when {bytes} of {} bytes were acknowledged", self.bytes).into_bytes();
                    calls.finish(End::Failed(Reason::Rejected));
                }
            }
            StreamEvent::Ended(error) => {
                let end = end_of(calls, stream, error);
                calls.finish(end);
            }
        }
    }
}

/// After so many bytes the pattern begins again.
const PERIOD: u64 = 251;
/// So many bytes are compared at a time.
const PART: usize = 4_096;

/// The receiver: reads what comes on a port, whether it is the pattern that the sender sends, and closes when the other end
/// does.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    /// How far each connection is.
    positions: Vec<(StreamId, u64)>,
    /// The pattern, from its beginning.
    expected: Vec<u8>,
    /// Bytes that were not those that were sent.
    pub wrong: u64,
}

impl Receiver {
    /// To be installed on a host.
    pub fn new(port: u16) -> Self {
        let expected = (0..PERIOD + PART as u64).map(pattern_byte).collect();
        Self { port, positions: Vec::new(), expected, wrong: 0 }
    }
}

impl App for Receiver {
    fn kind(&self) -> &'static str {
        "bulk-receiver"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        talk::listen(calls, self.port);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => self.positions.push((stream, 0)),
            StreamEvent::Data => {
                let Some((_, position)) = self.positions.iter_mut().find(|(known, _)| *known == stream) else { return };
                let (expected, mut wrong) = (&self.expected, 0);
                let read = calls.consume_with(stream, |bytes| {
                    for part in bytes.chunks(PART) {
                        let from = (*position % PERIOD) as usize;
                        let right = &expected[from..from + part.len()];
                        // Compared as a whole first: nearly always all of it is right.
                        if part != right {
                            wrong += part.iter().zip(right).filter(|(one, other)| one != other).count() as u64;
                        }
                        *position += part.len() as u64;
                    }
                });
                self.wrong += wrong;
                calls.outcome().bytes_received += read as u64;
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) => self.positions.retain(|(known, _)| *known != stream),
        }
    }
}
