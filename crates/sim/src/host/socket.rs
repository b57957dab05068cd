//! Who gets which datagrams, echo replies and packets of other protocols: a table of sockets, sorted by protocol and port.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::app::{AppId, SocketId};

use super::streams::Flow;

/// First port of those that are given to clients (RFC 6335, 6).
pub const FIRST_EPHEMERAL: u16 = 49_152;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Socket {
    pub protocol: u8,
    /// The local port, or an echo's identifier; 0 takes all of the protocol.
    pub port: u16,
    /// Only packets to this address.
    pub local: Option<IpAddr>,
    /// Only packets from this address, and port unless that is 0.
    pub remote: Option<(IpAddr, u16)>,
    pub app: AppId,
    pub id: SocketId,
}

impl Socket {
    /// The program that has it, and its number.
    pub fn taker(&self) -> (AppId, SocketId) {
        (self.app, self.id)
    }
}

/// Who sent a packet, and to which of the host's addresses and ports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub protocol: u8,
    pub local: IpAddr,
    pub port: u16,
    pub remote: IpAddr,
    pub remote_port: u16,
}

impl Ends {
    pub fn flow(&self) -> Flow {
        Flow { local: self.local, port: self.port, remote: self.remote, remote_port: self.remote_port }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Sockets {
    sorted: Vec<Socket>,
    next: u32,
    ephemeral: u16,
    /// Ports that clients had, and with whom: what still comes to them finds nobody, not even a service for all ports.
    spent: BTreeSet<(u8, u16, Option<IpAddr>)>,
}

impl Sockets {
    pub fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.sorted.iter()
    }

    fn of(&self, protocol: u8, port: u16) -> &[Socket] {
        let key = |socket: &Socket| u32::from(socket.protocol) << 16 | u32::from(socket.port);
        let wanted = u32::from(protocol) << 16 | u32::from(port);
        // Few hosts have more than a few sockets, and nearly always one fits.
        let from = match self.sorted.len() {
            0..=8 => self.sorted.iter().position(|socket| key(socket) >= wanted).unwrap_or(self.sorted.len()),
            _ => self.sorted.partition_point(|socket| key(socket) < wanted),
        };
        let length = self.sorted[from..].iter().take_while(|socket| key(socket) == wanted).count();
        &self.sorted[from..from + length]
    }

    pub fn is_bound(&self, protocol: u8, port: u16) -> bool {
        !self.of(protocol, port).is_empty()
    }

    /// Adds a socket; nothing if another one has the same place.
    pub fn bind(
        &mut self,
        protocol: u8,
        port: u16,
        local: Option<IpAddr>,
        remote: Option<(IpAddr, u16)>,
        app: AppId,
    ) -> Option<SocketId> {
        let clashes = |socket: &Socket| port != 0 && socket.local == local && socket.remote == remote;
        if self.of(protocol, port).iter().any(clashes) {
            return None;
        }
        let id = SocketId(self.next);
        self.next += 1;
        let at = self.sorted.partition_point(|socket| (socket.protocol, socket.port) <= (protocol, port));
        self.sorted.insert(at, Socket { protocol, port, local, remote, app, id });
        Some(id)
    }

    /// The next port of those for clients that no socket has.
    pub fn ephemeral(&mut self, protocol: u8, is_taken: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in FIRST_EPHEMERAL..=u16::MAX {
            let port = FIRST_EPHEMERAL.saturating_add(self.ephemeral);
            self.ephemeral = if port == u16::MAX { 0 } else { self.ephemeral + 1 };
            if self.of(protocol, port).is_empty() && !is_taken(port) {
                return Some(port);
            }
        }
        None
    }

    pub fn get(&self, id: SocketId) -> Option<&Socket> {
        self.sorted.iter().find(|socket| socket.id == id)
    }

    /// The socket that fits best: the one that is most particular.
    pub fn find(&self, ends: &Ends) -> Option<&Socket> {
        let fits = |socket: &&Socket| {
            socket.local.is_none_or(|local| local == ends.local)
                && socket
                    .remote
                    .is_none_or(|(remote, port)| remote == ends.remote && (port == 0 || port == ends.remote_port))
        };
        match self.of(ends.protocol, ends.port) {
            // Nearly always.
            [only] => Some(only).filter(fits),
            several => {
                let particular = |socket: &&Socket| (socket.remote.is_some(), socket.local.is_some());
                several.iter().filter(fits).max_by_key(particular)
            }
        }
    }

    /// The programs that take all of a protocol, and their sockets.
    pub fn takers(&self, ends: &Ends) -> Vec<(AppId, SocketId)> {
        let fits = |socket: &&Socket| {
            socket.local.is_none_or(|local| local == ends.local)
                && socket.remote.is_none_or(|(remote, _)| remote == ends.remote)
        };
        self.of(ends.protocol, 0).iter().filter(fits).map(Socket::taker).collect()
    }

    /// Whether a client had this port.
    pub fn is_spent(&self, protocol: u8, port: u16, remote: IpAddr) -> bool {
        !self.spent.is_empty()
            && (self.spent.contains(&(protocol, port, None)) || self.spent.contains(&(protocol, port, Some(remote))))
    }

    /// Closes the sockets of a program.
    pub fn close_all(&mut self, app: AppId) {
        for socket in self.sorted.iter().filter(|socket| socket.app == app) {
            self.spent.insert((socket.protocol, socket.port, socket.remote.map(|(remote, _)| remote)));
        }
        self.sorted.retain(|socket| socket.app != app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_socket_gets_it() {
        let mut sockets = Sockets::default();
        let (here, there): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let any = sockets.bind(17, 53, None, None, AppId(0));
        let local = sockets.bind(17, 53, Some(here), None, AppId(1));
        let remote = sockets.bind(17, 53, Some(here), Some((there, 5353)), AppId(2));
        let ends = Ends { protocol: 17, local: here, port: 53, remote: there, remote_port: 5353 };
        let found = |ends: &Ends| sockets.find(ends).map(|socket| socket.id);
        assert_eq!(found(&ends), remote);
        assert_eq!(found(&Ends { remote_port: 1, ..ends }), local);
        assert_eq!(found(&Ends { local: there, ..ends }), any);
        assert_eq!(found(&Ends { port: 54, ..ends }), None);
    }

    #[test]
    fn a_place_is_taken_once_and_client_ports_go_round() {
        let mut sockets = Sockets::default();
        assert!(sockets.bind(17, 53, None, None, AppId(0)).is_some());
        assert!(sockets.bind(17, 53, None, None, AppId(1)).is_none());
        assert_eq!([sockets.ephemeral(17, |_| false), sockets.ephemeral(17, |_| false)], [Some(49_152), Some(49_153)]);
        assert_eq!(sockets.ephemeral(17, |port| port != 65_535), Some(65_535));
        assert_eq!(sockets.ephemeral(17, |port| port == 49_152), Some(49_153));
        assert_eq!(sockets.ephemeral(17, |_| true), None);
    }
}
