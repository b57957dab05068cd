//! What a program can ask of its host.

use std::net::{IpAddr, SocketAddr};

use wire::protocol;

use crate::frame::FrameId;
use crate::host::{Flow, Host, Outgoing, SendError};
use crate::node::Context;
use crate::tcp::Error;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

use super::{App, AppId, Datagram, End, Outcome, SocketId, StreamId};

/// A program's door to its host.
pub struct Calls<'a, 'b> {
    pub(crate) host: &'a mut Host,
    pub(crate) context: &'a mut Context<'b>,
    pub(crate) app: AppId,
}

/// How a datagram is to be sent. [`SendTo::default`] leaves everything to the host.
#[derive(Debug, Clone, Copy, Default)]
pub struct SendTo {
    /// The IPv4 type of service (RFC 791).
    pub service: u8,
    /// Hops that it may take.
    pub ttl: Option<u8>,
    /// Whether routers must not cut it.
    pub dont_fragment: bool,
    /// Whether routers on the way are to look into it (RFC 2113; of IPv4 only).
    pub router_alert: bool,
    /// Out of this interface, whatever the routes say.
    pub interface: Option<u16>,
    /// From this address, even if the host does not have it.
    pub source: Option<IpAddr>,
}

impl From<SendError> for Reason {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NoRoute | SendError::NoAddress => Self::NoRoute,
            SendError::TooLong(_) => Self::FragmentationNeeded,
        }
    }
}

impl Calls<'_, '_> {
    /// The present.
    pub fn now(&self) -> Time {
        self.context.now()
    }

    /// The program's number.
    pub fn id(&self) -> AppId {
        self.app
    }

    /// The host.
    pub fn host(&mut self) -> &mut Host {
        self.host
    }

    /// The host's stream of chance for a purpose; ask once.
    pub fn random(&self, purpose: &str) -> crate::random::Random {
        self.context.random(purpose)
    }

    /// Asks to be called at a time.
    pub fn wake(&mut self, at: Time, key: u32) {
        self.host.wake_app(self.app, at, key);
    }

    /// Asks to be called after a while.
    pub fn wake_after(&mut self, span: Span, key: u32) {
        self.wake(self.now() + span, key);
    }

    /// What is known of how it ends.
    pub fn outcome(&mut self) -> &mut Outcome {
        self.host.outcome_mut(self.app)
    }

    /// Its end is clear, but it goes on.
    pub fn conclude(&mut self, end: End) {
        let now = self.now();
        let outcome = self.outcome();
        if outcome.end == End::Running {
            (outcome.end, outcome.ended) = (end, Some(now));
        }
    }

    /// It is over.
    pub fn finish(&mut self, end: End) {
        self.host.end_app(self.context, self.app, end);
    }

    /// Says something for the trace.
    pub fn say(&mut self, reason: Reason, text: impl FnOnce() -> String) {
        self.context.note(Verb::Note, reason, text);
    }

    /// Starts another program.
    pub fn start(&mut self, app: impl App) -> AppId {
        self.host.spawn(self.context, Box::new(app))
    }

    /// The bytes of what came.
    pub fn payload(&self, datagram: &Datagram) -> &[u8] {
        &self.context.bytes(datagram.frame)[datagram.from as usize..datagram.to as usize]
    }

    /// A socket for UDP. Without a port the host gives one; with a remote end only what comes from there is heard.
    pub fn bind(
        &mut self,
        local: Option<IpAddr>,
        port: Option<u16>,
        remote: Option<SocketAddr>,
    ) -> Result<SocketId, Reason> {
        self.host.bind_socket(self.app, protocol::UDP, local, port, remote.map(|remote| (remote.ip(), remote.port())))
    }

    /// A socket for ICMP or ICMPv6 echoes. Returns its identifier too.
    pub fn bind_echo(&mut self, is_v4: bool, remote: Option<IpAddr>) -> Result<(SocketId, u16), Reason> {
        let number = if is_v4 { protocol::ICMP } else { protocol::ICMPV6 };
        self.host.bind_echo(self.app, number, remote)
    }

    /// A socket for all packets of a protocol, from one address or from any.
    pub fn bind_protocol(&mut self, number: u8, remote: Option<IpAddr>) -> Result<SocketId, Reason> {
        self.host.bind_protocol(self.app, number, remote)
    }

    /// The own port of a socket.
    pub fn port(&self, socket: SocketId) -> u16 {
        self.host.socket_port(socket)
    }

    /// Sends a datagram of UDP from a socket.
    pub fn send_to(&mut self, socket: SocketId, to: SocketAddr, how: SendTo, payload: &[u8]) -> Result<(), SendError> {
        let (local, port) = self.host.socket_local(socket);
        let outgoing = self.outgoing(protocol::UDP, to.ip(), how, how.source.or(local));
        self.host.send_udp(self.context, &outgoing, (port, to.port()), payload)
    }

    /// Sends a packet of any protocol. Of ICMP, the checksum is filled in.
    pub fn send_raw(&mut self, number: u8, to: IpAddr, how: SendTo, payload: &[u8]) -> Result<(), SendError> {
        let outgoing = self.outgoing(number, to, how, how.source);
        self.host.send_raw(self.context, &outgoing, payload)
    }

    fn outgoing(&self, number: u8, to: IpAddr, how: SendTo, source: Option<IpAddr>) -> Outgoing {
        Outgoing {
            source,
            // What is for a group stays on the link unless a program says otherwise (RFC 1112, 6.1; RFC 3493, 5.2).
            ttl: how.ttl.or_else(|| to.is_multicast().then_some(1)),
            dont_fragment: how.dont_fragment,
            service: how.service,
            router_alert: how.router_alert,
            interface: how.interface,
            parent: FrameId::NONE,
            ..Outgoing::new(number, to)
        }
    }

    /// Listens for connections on a port.
    pub fn listen(&mut self, port: u16) -> Result<(), Reason> {
        if self.host.listen(port, self.app) { Ok(()) } else { Err(Reason::NoPort) }
    }

    /// Listens for connections on a port of those for clients. Returns it.
    pub fn listen_anywhere(&mut self) -> Result<u16, Reason> {
        self.host.listen_anywhere(self.app)
    }

    /// Listens on a port no longer; connections that are there stay.
    pub fn unlisten(&mut self, port: u16) {
        self.host.unlisten(port, self.app);
    }

    /// Begins a connection. `ttl` and `syn_retries` only where the host's are not wanted.
    pub fn connect(
        &mut self,
        source: Option<IpAddr>,
        source_port: Option<u16>,
        to: SocketAddr,
        ttl: Option<u8>,
        syn_retries: Option<u8>,
    ) -> Result<StreamId, Reason> {
        let local = source.or_else(|| self.host.source_for(to.ip())).ok_or(Reason::NoRoute)?;
        let flow = self.host.free_flow(local, source_port, to).ok_or(Reason::NoPort)?;
        Ok(self.host.open_stream(self.context, flow, self.app, ttl, syn_retries))
    }

    /// The ends of a connection.
    pub fn flow(&self, stream: StreamId) -> Option<Flow> {
        self.host.stream_flow(stream)
    }

    /// TTL of what came last on a connection.
    pub fn last_ttl(&self, stream: StreamId) -> u8 {
        self.host.stream_ttl(stream)
    }

    /// Why a connection ended.
    pub fn stream_error(&self, stream: StreamId) -> Option<Error> {
        self.host.stream_error(stream)
    }

    /// Queues bytes. Returns how many were taken.
    pub fn write(&mut self, stream: StreamId, bytes: &[u8]) -> usize {
        self.host.touch(stream).map_or(0, |connection| connection.send(bytes))
    }

    /// Queues so many bytes of a pattern, which take no memory.
    pub fn write_pattern(&mut self, stream: StreamId, bytes: u64) -> bool {
        self.host.touch(stream).is_some_and(|connection| connection.send_pattern(bytes))
    }

    /// Bytes that were queued and are not yet acknowledged.
    pub fn unacknowledged(&self, stream: StreamId) -> u64 {
        self.host.stream_unacknowledged(stream)
    }

    /// Reads everything that came.
    pub fn read(&mut self, stream: StreamId) -> Vec<u8> {
        let Some(connection) = self.host.touch(stream) else { return Vec::new() };
        let (first, second) = connection.peek();
        let bytes = [first, second].concat();
        connection.consume(bytes.len());
        bytes
    }

    /// Reads everything that came in place. Returns how many bytes that were.
    pub fn consume_with(&mut self, stream: StreamId, mut read: impl FnMut(&[u8])) -> usize {
        let Some(connection) = self.host.touch(stream) else { return 0 };
        let (first, second) = connection.peek();
        let bytes = first.len() + second.len();
        read(first);
        read(second);
        connection.consume(bytes);
        bytes
    }

    /// Lets go of everything that came. Returns how many bytes that were.
    pub fn discard(&mut self, stream: StreamId) -> usize {
        let Some(connection) = self.host.touch(stream) else { return 0 };
        let ready = connection.receivable();
        connection.consume(ready);
        ready
    }

    /// Sends no more; reading goes on.
    pub fn close(&mut self, stream: StreamId) {
        if let Some(connection) = self.host.touch(stream) {
            connection.close();
        }
    }

    /// Ends a connection with RST.
    pub fn abort(&mut self, stream: StreamId) {
        if let Some(connection) = self.host.touch(stream) {
            connection.abort();
        }
    }

    /// Lets [`App::on_neighbor`] be called.
    pub fn watch_neighbors(&mut self) {
        self.host.watch_neighbors(self.app);
    }

    /// Asks who has an address, whatever is known.
    pub fn ask_for_neighbor(&mut self, interface: u16, address: IpAddr) {
        self.host.ask_for_neighbor(self.context, interface, address, None);
    }
}
