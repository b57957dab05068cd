//! Listeners of probes. Where something of the guest's own holds the port already, that is what a probe talks to.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use sandbox::{Client, SocketSpec};

use super::engine::Engine;
use super::error::Result;

/// How long a port is waited for that a listener of ours held a moment ago. A process that is being made has a copy of
/// each descriptor until it runs its own program.
const PATIENCE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(2);
/// So many listeners are remembered at most.
const REMEMBERED: usize = 65_536;

/// What was opened for probes.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    opened: BTreeSet<String>,
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
        self.opened.extend(specs.iter().zip(&all).filter(|(_, fd)| fd.is_some()).map(|(spec, _)| port(spec)));
        Ok(all)
    }

    fn open_one(&mut self, client: &Client, spec: &SocketSpec) -> Result<Option<OwnedFd>> {
        let until = Instant::now() + PATIENCE;
        loop {
            match client.open_socket(spec.clone()) {
                Ok(fd) => return Ok(Some(fd)),
                Err(sandbox::Error::Refused(fault)) if fault.errno == Some(Errno::ADDRINUSE.raw_os_error()) => {}
                Err(error) => return Err(error.into()),
            }
            if !self.opened.contains(&port(spec)) {
                return Ok(None);
            }
            if Instant::now() > until {
                // It is the guest's by now: the next probe need not wait.
                self.opened.remove(&port(spec));
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }
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
