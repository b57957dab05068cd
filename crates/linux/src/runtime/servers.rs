//! Listeners of probes. Where something of the guest's own holds the port already, that is what a probe talks to.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use netlink::sock_diag;
use rustix::io::Errno;
use sandbox::{Client, SocketSpec};

use super::engine::Engine;
use super::error::{Error, Result};

/// How long a listener of ours that was closed may still hold its port. A process that is being made has a copy of each
/// descriptor until it runs its own program, which a busy machine may let wait.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(2);
/// So many listeners are remembered at most.
const REMEMBERED: usize = 65_536;

/// What was opened for probes: the inode of the last listener at each port.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    opened: BTreeMap<String, u32>,
}

impl Servers {
    /// Opens listeners; `None` where something of the guest's own holds the port.
    fn open(&mut self, client: &Client, specs: &[SocketSpec]) -> Result<Vec<Option<OwnedFd>>> {
        let all: Vec<_> = match client.open_sockets(specs) {
            Ok(all) => all.into_iter().map(Some).collect(),
            Err(_) => specs.iter().map(|spec| self.open_one(client, spec)).collect::<Result<_>>()?,
        };
        if self.opened.len() + specs.len() > REMEMBERED {
            self.opened.clear();
        }
        for (spec, fd) in specs.iter().zip(&all) {
            if let Some(inode) = fd.as_ref().and_then(|fd| inode(fd.as_fd())) {
                self.opened.insert(port(spec), inode);
            }
        }
        Ok(all)
    }

    fn open_one(&mut self, client: &Client, spec: &SocketSpec) -> Result<Option<OwnedFd>> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(fd) = if_free(client, spec)? {
                return Ok(Some(fd));
            }
            let is_ours = match self.opened.get(&port(spec)) {
                Some(inode) => is_open(client, spec, *inode)?,
                None => false,
            };
            if !is_ours || Instant::now() > until {
                // Ours may have gone in between: where it had, another one holds the port only if it is taken now.
                return if_free(client, spec);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Opens a listener unless its port is taken.
fn if_free(client: &Client, spec: &SocketSpec) -> Result<Option<OwnedFd>> {
    match client.open_socket(spec.clone()) {
        Ok(fd) => Ok(Some(fd)),
        Err(sandbox::Error::Refused(fault)) if fault.errno == Some(Errno::ADDRINUSE.raw_os_error()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A socket's inode, as its namespace lists it.
fn inode(socket: std::os::fd::BorrowedFd<'_>) -> Option<u32> {
    u32::try_from(rustix::fs::fstat(socket).ok()?.st_ino).ok()
}

/// Whether a socket of this inode is open in the namespace of a listener.
fn is_open(client: &Client, spec: &SocketSpec, inode: u32) -> Result<bool> {
    let descriptor = client.open_socket(SocketSpec::netlink(&spec.key, libc::NETLINK_SOCK_DIAG))?;
    let mut socket = netlink::Socket::from_fd(descriptor).map_err(Error::netlink(&spec.key))?;
    let open = sock_diag::all(&mut socket).map_err(Error::netlink(&spec.key))?;
    Ok(open.iter().any(|open| open.inode == inode))
}

/// What two listeners cannot share.
fn port(spec: &SocketSpec) -> String {
    format!("{} {} {:?}", spec.key, spec.kind, spec.bind)
}

impl Engine {
    /// Opens listeners for probes; `None` where something of the guest's own holds the port.
    pub(crate) fn open_servers(&mut self, specs: &[SocketSpec]) -> Result<Vec<Option<OwnedFd>>> {
        let (client, servers) = self.client_and_servers();
        servers.open(client, specs)
    }
}
