//! A program of the simulated host that does as it is told, and remembers.

use std::net::SocketAddr;

use sha2::{Digest, Sha256};
use sim::app::{App, AppId, Calls, StreamEvent, StreamId};
use sim::tcp::Error;

use super::wire::Wire;

/// Bytes that are the same at both ends, and different everywhere.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut dice = model::random::SplitMix64(seed);
    std::iter::repeat_with(|| dice.next_u64().to_le_bytes()).flatten().take(length).collect()
}

/// SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The simulated end of one connection.
#[derive(Default)]
pub struct End {
    listens_at: Option<u16>,
    connects_to: Option<SocketAddr>,
    stream: Option<StreamId>,
    /// What is still to be written.
    left: Vec<u8>,
    /// Whether what comes is read.
    reads: bool,
    /// What was read.
    pub received: Vec<u8>,
    /// Whether the other end sends no more.
    pub is_finished: bool,
    /// Whether it is over, and why if not in order.
    pub ended: Option<Option<Error>>,
}

impl End {
    /// Waits for a connection.
    pub fn listening(port: u16) -> Self {
        Self { listens_at: Some(port), reads: true, ..Self::default() }
    }

    /// Opens one.
    pub fn connecting(to: SocketAddr) -> Self {
        Self { connects_to: Some(to), reads: true, ..Self::default() }
    }

    fn write(&mut self, calls: &mut Calls<'_, '_>) {
        if let Some(stream) = self.stream {
            let taken = calls.write(stream, &self.left);
            self.left.drain(..taken);
        }
    }
}

impl App for End {
    fn kind(&self) -> &'static str {
        "end"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Some(port) = self.listens_at {
            calls.listen(port).expect("a free port");
        }
        if let Some(to) = self.connects_to {
            self.stream = Some(calls.connect(None, None, to, None, None).expect("a way there"));
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => self.stream = Some(stream),
            StreamEvent::Data if self.reads => self.received.extend(calls.read(stream)),
            StreamEvent::Data => {}
            StreamEvent::Finished => self.is_finished = true,
            StreamEvent::Ended(error) => (self.stream, self.ended) = (None, Some(error)),
        }
    }
}

/// The end, by the wire that it is behind.
#[derive(Clone, Copy)]
pub struct Handle(AppId);

impl Handle {
    /// Starts an end.
    pub fn start(wire: &mut Wire, end: End) -> Self {
        Self(wire.at(|host, context| host.run(context, end)))
    }

    fn tell(self, wire: &mut Wire, act: impl FnOnce(&mut End, &mut Calls<'_, '_>)) {
        assert!(wire.at(|host, context| host.app(context, self.0, act)), "the end is there");
    }

    /// A look at it.
    pub fn look<R>(self, wire: &mut Wire, look: impl FnOnce(&End) -> R) -> R {
        wire.at(|host, _| look(host.app_ref::<End>(self.0).expect("the end is there")))
    }

    /// Whether there is a connection.
    pub fn is_open(self, wire: &mut Wire) -> bool {
        self.look(wire, |end| end.stream.is_some())
    }

    /// Has more to write.
    pub fn give(self, wire: &mut Wire, bytes: Vec<u8>) {
        self.tell(wire, |end, calls| {
            end.left.extend(bytes);
            end.write(calls);
        });
    }

    /// Writes what fits by now; whether nothing is left.
    pub fn has_written(self, wire: &mut Wire) -> bool {
        self.tell(wire, End::write);
        self.look(wire, |end| end.left.is_empty())
    }

    /// Reads what comes, or lets it lie.
    pub fn read(self, wire: &mut Wire, reads: bool) {
        self.tell(wire, |end, calls| {
            end.reads = reads;
            if let (true, Some(stream)) = (reads, end.stream) {
                end.received.extend(calls.read(stream));
            }
        });
    }

    /// Sends no more.
    pub fn close(self, wire: &mut Wire) {
        self.tell(wire, |end, calls| calls.close(end.stream.expect("a connection")));
    }

    /// Resets.
    pub fn abort(self, wire: &mut Wire) {
        self.tell(wire, |end, calls| calls.abort(end.stream.expect("a connection")));
    }
}
