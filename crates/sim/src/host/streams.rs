//! All TCP connections of a host: found by their ends, numbered by their places, and who listens.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use crate::app::{AppId, StreamId};
use crate::node::Context;
use crate::random::Random;
use crate::tcp::{Connection, State};
use crate::time::Time;

/// Connections that wait for the end of their handshake; a SYN beyond is dropped (Linux's `tcp_max_syn_backlog`).
pub const BACKLOG: usize = 1_024;

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The own address.
    pub local: IpAddr,
    /// The own port.
    pub port: u16,
    /// The other address.
    pub remote: IpAddr,
    /// The other port.
    pub remote_port: u16,
}

impl std::fmt::Display for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (local, remote) =
            (std::net::SocketAddr::new(self.local, self.port), std::net::SocketAddr::new(self.remote, self.remote_port));
        write!(f, "{local} - {remote}")
    }
}

/// The same on every platform and in every run; the table is only looked up, never walked.
#[derive(Debug, Default)]
pub(crate) struct FlowHasher(u64);

impl Hasher for FlowHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}

/// A connection of a host.
#[derive(Debug)]
pub(crate) struct Stream {
    pub connection: Connection,
    pub flow: Flow,
    /// Who is told; without a program, a service reads and closes when the peer does.
    pub app: Option<AppId>,
    pub ttl: Option<u8>,
    /// For when the host's alarm is set.
    pub armed: Time,
    /// TTL of what came last.
    pub last_ttl: u8,
    pub is_told_finished: bool,
    is_half_open: bool,
}

#[derive(Debug)]
struct Listener {
    port: u16,
    app: AppId,
}

/// All connections of a host.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Option<Box<Stream>>>,
    free: Vec<u32>,
    by_flow: HashMap<Flow, u32, BuildHasherDefault<FlowHasher>>,
    listeners: Vec<Listener>,
    half_open: usize,
    random: Option<Box<Random>>,
}

impl Streams {
    /// All of them, in order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().flatten().map(|stream| &**stream)
    }

    pub fn listeners(&self) -> impl Iterator<Item = (u16, AppId)> {
        self.listeners.iter().map(|listener| (listener.port, listener.app))
    }

    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub fn find(&self, flow: &Flow) -> Option<StreamId> {
        self.by_flow.get(flow).copied().map(StreamId)
    }

    /// Whether a connection from this port to that end is there.
    pub fn is_taken(&self, flow: &Flow) -> bool {
        self.by_flow.contains_key(flow)
    }

    pub fn of(&self, app: AppId) -> Vec<StreamId> {
        let is_its = |stream: &Option<Box<Stream>>| stream.as_ref().is_some_and(|stream| stream.app == Some(app));
        (0..self.slots.len()).filter(|at| is_its(&self.slots[*at])).map(|at| StreamId(at as u32)).collect()
    }

    pub fn add(&mut self, connection: Connection, flow: Flow, app: Option<AppId>, ttl: Option<u8>) -> StreamId {
        let stream = Stream {
            connection,
            flow,
            app,
            ttl,
            armed: Time::NEVER,
            last_ttl: 0,
            is_told_finished: false,
            is_half_open: false,
        };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[at as usize] = Some(Box::new(stream));
        self.by_flow.insert(flow, at);
        StreamId(at)
    }

    pub fn remove(&mut self, id: StreamId) -> Option<Box<Stream>> {
        let stream = self.slots.get_mut(id.0 as usize)?.take()?;
        self.half_open -= usize::from(stream.is_half_open);
        self.by_flow.remove(&stream.flow);
        self.free.push(id.0);
        Some(stream)
    }

    /// Listens on a port; false if somebody does.
    pub fn listen(&mut self, port: u16, app: AppId) -> bool {
        let is_free = self.listeners.iter().all(|listener| listener.port != port);
        if is_free {
            self.listeners.push(Listener { port, app });
            self.listeners.sort_unstable_by_key(|listener| listener.port);
        }
        is_free
    }

    /// Connections whose handshake is not over.
    pub fn half_open(&self) -> usize {
        self.half_open
    }

    /// Counts a connection anew.
    pub fn count_half_open(&mut self, id: StreamId) {
        let Some(stream) = self.slots.get_mut(id.0 as usize).and_then(Option::as_deref_mut) else { return };
        let is_half_open = stream.connection.state() == State::SynReceived;
        if is_half_open != stream.is_half_open {
            self.half_open = self.half_open + usize::from(is_half_open) - usize::from(stream.is_half_open);
            stream.is_half_open = is_half_open;
        }
    }

    /// Takes a connection out of its place for as long as its segments are sent.
    pub fn take(&mut self, id: StreamId) -> Option<Box<Stream>> {
        self.slots.get_mut(id.0 as usize)?.take()
    }

    /// Ends [`Streams::take`].
    pub fn put_back(&mut self, id: StreamId, stream: Box<Stream>) {
        self.slots[id.0 as usize] = Some(stream);
    }

    /// Who listens on a port.
    pub fn listener(&self, port: u16) -> Option<AppId> {
        self.listeners.iter().find(|listener| listener.port == port).map(|listener| listener.app)
    }

    pub fn listens(&self, port: u16) -> bool {
        self.listeners.iter().any(|listener| listener.port == port)
    }

    pub fn unlisten_port(&mut self, port: u16, app: AppId) {
        self.listeners.retain(|listener| (listener.port, listener.app) != (port, app));
    }

    pub fn unlisten(&mut self, app: AppId) {
        self.listeners.retain(|listener| listener.app != app);
    }

    pub fn initial_sequence(&mut self, context: &Context<'_>) -> u32 {
        self.random.get_or_insert_with(|| Box::new(context.random("tcp"))).bits()
    }
}
