//! A plan made so: from whatever the kernel holds, and only what differs.
//!
//! Rules come first, so that no device carries a packet before they stand; then devices; then what connection tracking
//! remembers of those who are gone. What has been seen to is noted in the kernel (a device's alias, an empty chain), so that
//! whoever comes next, in whatever process, need not look into every container. Nothing here enters a namespace: whoever holds them supplies sockets ([`Namespaces`]).

mod devices;
mod flows;
mod rules;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink::{Protocol, Socket};
use sandbox::{Client, SocketSpec};

use super::error::{Error, Result};
use super::plan::Plan;

pub(super) use rules::bring as bring_tables;
pub use survey::Survey;

/// How long a socket that changed rules is kept: a grace period and more.
const GRACE: Duration = Duration::from_millis(100);
/// Stack of a thread that sleeps and closes, bytes.
const STACK: usize = 64 << 10;

/// A way into network namespaces.
pub trait Namespaces {
    /// The socket into one namespace, opened on first use.
    fn socket(&mut self, key: &str, protocol: Protocol) -> Result<&mut Socket>;
    /// A descriptor of a namespace.
    fn descriptor(&mut self, key: &str) -> Result<OwnedFd>;
    /// A value below `/proc/sys` as seen there; none where it does not exist.
    fn read_sysctl(&mut self, key: &str, path: &str) -> Result<Option<String>>;
    /// Writes a value below `/proc/sys` as seen there.
    fn write_sysctl(&mut self, key: &str, path: &str, value: &str) -> Result<()>;
    /// What tells these namespaces from others of the same key before and after them (inodes); those that do not exist are
    /// left out.
    fn identities(&mut self, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, u64>>;
    /// A namespace is gone or left alone from now on: its sockets may be closed.
    fn forget(&mut self, _key: &str) {}
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Devices, addresses, routes and settings that were changed.
    pub devices: usize,
    /// Changes of rules, maps and chains.
    pub rules: usize,
    /// Connections that were forgotten.
    pub flows: usize,
}

impl Outcome {
    /// Whether everything was as planned already.
    pub fn is_unchanged(&self) -> bool {
        (self.devices, self.rules) == (0, 0)
    }
}

/// Makes the instance's namespace `key`, and those of its containers, hold the plan. What is there for containers and not
/// in the plan goes; an empty plan leaves nothing but `ip_forward`. The containers' namespaces must exist.
pub fn apply(namespaces: &mut impl Namespaces, key: &str, plan: &Plan) -> Result<Outcome> {
    let found = devices::look(namespaces, key, plan)?;
    let rules = rules::apply(namespaces, key, plan, found.loses_some())?;
    let mut outcome = Outcome {
        rules: rules.changes,
        ..Outcome::default()
    };
    for (path, value) in plan.sysctls() {
        // One that does not exist has nothing to switch off.
        let Some(found) = namespaces.read_sysctl(key, path)? else {
            continue;
        };
        if found.trim() != *value {
            namespaces.write_sysctl(key, path, value)?;
            outcome.devices += 1;
        }
    }
    let devices = devices::apply(namespaces, key, plan, found)?;
    outcome.devices += devices.changes;
    if rules.has_stale_flows {
        outcome.flows = flows::apply(namespaces, key, plan, &devices)?;
        rules::settle(namespaces, key, plan)?;
    }
    Ok(outcome)
}

/// Namespaces of a lab, through its holder. Sockets into instances are kept, those into containers are closed at the end.
pub struct Lab<'a> {
    client: &'a Client,
    sockets: BTreeMap<(String, i32), Socket>,
}

impl<'a> Lab<'a> {
    /// Through this holder.
    pub fn new(client: &'a Client) -> Lab<'a> {
        Lab {
            client,
            sockets: BTreeMap::new(),
        }
    }
}

impl Drop for Lab<'_> {
    /// A socket that changed rules is closed later, by a thread of its own: the kernel closes it when what it removed is
    /// freed, after a grace period of 15 ms that nobody need wait for. When the time is over there is nothing to wait for.
    fn drop(&mut self) {
        let changers: Vec<Socket> = std::mem::take(&mut self.sockets)
            .into_iter()
            .filter(|((_, number), _)| *number == libc::NETLINK_NETFILTER)
            .map(|(_, socket)| socket)
            .collect();
        if changers.is_empty() {
            return;
        }
        // Without a thread they are closed here and now.
        let _ = std::thread::Builder::new()
            .name("rules-closer".into())
            .stack_size(STACK)
            .spawn(move || {
                std::thread::sleep(GRACE);
                drop(changers);
            });
    }
}

impl Namespaces for Lab<'_> {
    fn socket(&mut self, key: &str, protocol: Protocol) -> Result<&mut Socket> {
        let number = match protocol {
            Protocol::Route => libc::NETLINK_ROUTE,
            Protocol::SockDiag => libc::NETLINK_SOCK_DIAG,
            Protocol::Netfilter => libc::NETLINK_NETFILTER,
        };
        let place = (key.to_owned(), number);
        if !self.sockets.contains_key(&place) {
            let descriptor = self.client.open_socket(SocketSpec::netlink(key, number))?;
            let socket = Socket::from_fd(descriptor).map_err(Error::kernel(key))?;
            self.sockets.insert(place.clone(), socket);
        }
        self.sockets
            .get_mut(&place)
            .ok_or_else(|| Error::Plan(format!("no socket into {key}")))
    }

    fn descriptor(&mut self, key: &str) -> Result<OwnedFd> {
        Ok(self.client.netns_fd(key)?)
    }

    fn read_sysctl(&mut self, key: &str, path: &str) -> Result<Option<String>> {
        match self.client.read_file(key, &format!("/proc/sys/{path}")) {
            Ok(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
            Err(sandbox::Error::Refused(fault)) if fault.errno == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write_sysctl(&mut self, key: &str, path: &str, value: &str) -> Result<()> {
        Ok(self.client.write_sysctls(key, &[(path, value)])?)
    }

    fn identities(&mut self, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, u64>> {
        let all = self.client.list_netnses()?.into_iter();
        let wanted = all.filter(|status| keys.contains(status.key.as_str()));
        Ok(wanted.map(|status| (status.key, status.inode)).collect())
    }

    fn forget(&mut self, key: &str) {
        self.sockets.retain(|(held, _), _| held != key);
    }
}
