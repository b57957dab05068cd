//! What programs reach of a host through their calls.

use std::net::{IpAddr, SocketAddr};

use wire::protocol;

use crate::app::{AppId, Outcome, SocketId, StreamId};
use crate::tcp::Connection;
use crate::time::Time;
use crate::trace::Reason;

use super::Host;
use super::deadlines::Alarm;
use super::streams::Flow;

impl Host {
    pub(crate) fn wake_app(&mut self, app: AppId, at: Time, key: u32) {
        self.deadlines.push(at, Alarm::App(app, key));
    }

    pub(crate) fn outcome_mut(&mut self, app: AppId) -> &mut Outcome {
        self.apps.outcome_mut(app)
    }

    pub(crate) fn watch_neighbors(&mut self, app: AppId) {
        self.apps.watch(app);
    }

    pub(crate) fn bind_socket(
        &mut self,
        app: AppId,
        number: u8,
        local: Option<IpAddr>,
        port: Option<u16>,
        remote: Option<(IpAddr, u16)>,
    ) -> Result<SocketId, Reason> {
        let port = match port {
            Some(port) => port,
            None => self.sockets.ephemeral(number, |_| false).ok_or(Reason::NoPort)?,
        };
        self.sockets.bind(number, port, local, remote, app).ok_or(Reason::NoPort)
    }

    pub(crate) fn bind_echo(&mut self, app: AppId, number: u8, remote: Option<IpAddr>) -> Result<(SocketId, u16), Reason> {
        for _ in 0..=u16::MAX {
            self.next_echo = self.next_echo.checked_add(1).unwrap_or(1);
            let id = self.next_echo;
            if let Some(socket) = self.sockets.bind(number, id, None, remote.map(|remote| (remote, 0)), app) {
                return Ok((socket, id));
            }
        }
        Err(Reason::NoPort)
    }

    pub(crate) fn bind_protocol(&mut self, app: AppId, number: u8, remote: Option<IpAddr>) -> Result<SocketId, Reason> {
        self.sockets.bind(number, 0, None, remote.map(|remote| (remote, 0)), app).ok_or(Reason::NoPort)
    }

    pub(crate) fn socket_port(&self, socket: SocketId) -> u16 {
        self.sockets.get(socket).map_or(0, |socket| socket.port)
    }

    pub(crate) fn socket_local(&self, socket: SocketId) -> (Option<IpAddr>, u16) {
        self.sockets.get(socket).map_or((None, 0), |socket| (socket.local, socket.port))
    }

    pub(crate) fn listen(&mut self, port: u16, app: AppId) -> bool {
        self.streams.listen(port, app)
    }

    pub(crate) fn listen_anywhere(&mut self, app: AppId) -> Result<u16, Reason> {
        let streams = &self.streams;
        let is_taken = |port| streams.listens(port) || streams.iter().any(|stream| stream.flow.port == port);
        let port = self.sockets.ephemeral(protocol::TCP, is_taken).ok_or(Reason::NoPort)?;
        if self.streams.listen(port, app) { Ok(port) } else { Err(Reason::NoPort) }
    }

    pub(crate) fn unlisten(&mut self, port: u16, app: AppId) {
        self.streams.unlisten_port(port, app);
    }

    /// A flow that no connection has, from a port that was asked for or from one of those for clients.
    pub(crate) fn free_flow(&mut self, local: IpAddr, port: Option<u16>, to: SocketAddr) -> Option<Flow> {
        let flow = |port| Flow { local, port, remote: to.ip(), remote_port: to.port() };
        match port {
            Some(port) => Some(flow(port)).filter(|flow| !self.streams.is_taken(flow)),
            None => {
                let streams = &self.streams;
                self.sockets.ephemeral(protocol::TCP, |port| streams.is_taken(&flow(port))).map(flow)
            }
        }
    }

    pub(crate) fn stream_flow(&self, stream: StreamId) -> Option<Flow> {
        self.streams.get(stream).map(|stream| stream.flow)
    }

    pub(crate) fn stream_ttl(&self, stream: StreamId) -> u8 {
        self.streams.get(stream).map_or(0, |stream| stream.last_ttl)
    }

    pub(crate) fn stream_unacknowledged(&self, stream: StreamId) -> u64 {
        self.streams.get(stream).map_or(0, |stream| stream.connection.unacknowledged())
    }

    /// A connection that is to be attended to afterwards.
    pub(crate) fn touch(&mut self, stream: StreamId) -> Option<&mut Connection> {
        let found = self.streams.get_mut(stream)?;
        if self.dirty.last() != Some(&stream) {
            self.dirty.push(stream);
        }
        Some(&mut found.connection)
    }
}
