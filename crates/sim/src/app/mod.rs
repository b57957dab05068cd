//! Programs that run on hosts: what a program is, what it can ask of its host, and how it ends.
//!
//! Start at [`App`]; [`Calls`] is its only door to the host. Each of the programs here is a file: [`ping`], [`traceroute`],
//! and so on. What a host does without programs (services) is the host's.

pub mod arping;
pub mod bulk;
mod calls;
mod certificate;
pub mod connect;
pub mod datagram;
pub mod dhcp_client;
pub mod dhcp_server;
pub mod dns;
pub mod flow;
pub mod ftp;
pub mod http;
pub mod https;
mod outcome;
pub mod ping;
pub mod raw;
pub mod resolver;
pub mod smtp;
pub mod snmp;
pub mod talk;
pub mod telnet;
pub mod tftp;
pub mod tls;
pub mod traceroute;

use std::any::Any;
use std::net::SocketAddr;

use wire::Mac;

use crate::frame::FrameId;
use crate::host::Host;
use crate::table::Table;
use crate::time::Time;

pub use calls::{Calls, SendTo};
pub use connect::ConnectSpec;
pub use datagram::DatagramSpec;
pub use flow::SourceSpec;
pub use ftp::FtpSpec;
pub use http::GetSpec;
pub use outcome::{End, Hop, IcmpError, Outcome, Quoted, RefusedBy, Reply};
pub use ping::PingSpec;
pub use raw::RawSpec;
pub use resolver::LookupSpec;
pub use smtp::SmtpSpec;
pub use snmp::SnmpSpec;
pub use telnet::TelnetSpec;
pub use tftp::TftpSpec;
pub use traceroute::TracerouteSpec;

/// A program of a host, numbered in order of starting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(pub u32);

/// A socket of a host for datagrams, echoes or packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// A TCP connection of a host; the number serves again after its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// A datagram, an ICMP message or a packet of another protocol that came to a socket. Its bytes are read with
/// [`Calls::payload`].
#[derive(Debug, Clone, Copy)]
pub struct Datagram {
    /// The frame that it is in, as long as the call lasts.
    pub frame: FrameId,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Who sent it.
    pub source: SocketAddr,
    /// To which of the host's addresses, or to which group.
    pub destination: SocketAddr,
    /// IP protocol.
    pub protocol: u8,
    /// Hops that it had left.
    pub ttl: u8,
    /// Where it came in.
    pub interface: u16,
}

impl Datagram {
    /// Bytes of its payload.
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// Whether it carries nothing.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    /// The handshake is done; a listener's program hears of a connection for the first time.
    Opened,
    /// There is something to read.
    Data,
    /// The other end sends no more, and everything is read.
    Finished,
    /// It is over: by both ends, or for a reason.
    Ended(Option<crate::tcp::Error>),
}

/// A program.
pub trait App: Any {
    /// One word for what it is: `ping`.
    fn kind(&self) -> &'static str;

    /// It begins.
    fn on_start(&mut self, calls: &mut Calls<'_, '_>);

    /// Something came to one of its sockets.
    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        let _ = (calls, socket, datagram);
    }

    /// An ICMP error about something that it sent came, or its host found that the next hop does not answer. It is noted,
    /// unless the program does something about it.
    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().note_error(error);
    }

    /// Something happened to one of its connections.
    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        let _ = (calls, stream, event);
    }

    /// A neighbour said where it is; for those who asked with [`Calls::watch_neighbors`].
    fn on_neighbor(&mut self, calls: &mut Calls<'_, '_>, interface: u16, address: std::net::IpAddr, mac: Mac) {
        let _ = (calls, interface, address, mac);
    }

    /// A link of the host failed or works again.
    fn on_link(&mut self, calls: &mut Calls<'_, '_>, interface: u16, is_up: bool) {
        let _ = (calls, interface, is_up);
    }

    /// A time has come that it asked for; what it no longer wants it tells apart by the key.
    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        let _ = (calls, key);
    }

    /// More to send, from outside: [`crate::host::Host::send_on`]. Whether it can.
    fn on_send(&mut self, calls: &mut Calls<'_, '_>, bytes: &[u8]) -> bool {
        let _ = (calls, bytes);
        false
    }

    /// Its tables, as they are now, for those who look at its host.
    fn inspect(&self, host: &Host, now: Time) -> Vec<Table> {
        let _ = (host, now);
        Vec::new()
    }
}
