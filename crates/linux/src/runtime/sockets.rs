//! Netlink sockets into the namespaces of a lab: opened there by the holder, used from here, kept for reuse.

use std::collections::BTreeMap;

use netlink::{Protocol, Socket};
use sandbox::{Client, SocketSpec};

use super::error::{Error, Result};

/// One socket per namespace and protocol.
#[derive(Default)]
pub struct Sockets {
    open: BTreeMap<(String, Kind), Socket>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Route,
    Netfilter,
    SockDiag,
}

impl Kind {
    fn of(protocol: Protocol) -> (Self, i32) {
        match protocol {
            Protocol::Route => (Self::Route, libc::NETLINK_ROUTE),
            Protocol::Netfilter => (Self::Netfilter, libc::NETLINK_NETFILTER),
            Protocol::SockDiag => (Self::SockDiag, libc::NETLINK_SOCK_DIAG),
        }
    }
}

impl Sockets {
    /// Opens what is missing of these in one request to the holder.
    pub fn open(&mut self, client: &Client, wanted: &[(String, Protocol)]) -> Result<()> {
        let missing: Vec<_> = wanted
            .iter()
            .map(|(key, protocol)| (key.clone(), Kind::of(*protocol)))
            .filter(|(key, (kind, _))| !self.open.contains_key(&(key.clone(), *kind)))
            .collect();
        let specs: Vec<_> = missing.iter().map(|(key, (_, number))| SocketSpec::netlink(key, *number)).collect();
        for ((key, (kind, _)), fd) in missing.into_iter().zip(client.open_sockets(&specs)?) {
            let socket = Socket::from_fd(fd).map_err(Error::netlink(&key))?;
            self.open.insert((key, kind), socket);
        }
        Ok(())
    }

    /// The socket of one namespace, opened on first use.
    pub fn get(&mut self, client: &Client, key: &str, protocol: Protocol) -> Result<&mut Socket> {
        self.open(client, &[(key.to_owned(), protocol)])?;
        let entry = self.open.get_mut(&(key.to_owned(), Kind::of(protocol).0));
        entry.ok_or_else(|| Error::Plan(format!("no socket into {key}")))
    }

    /// Forgets the sockets into a namespace that goes away, so that nothing keeps it alive.
    pub fn forget(&mut self, key: &str) {
        self.open.retain(|(k, _), _| k != key);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.open.clear();
    }
}
