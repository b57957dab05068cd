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
pub use survey::{Survey, listeners};

/// How long a socket that changed rules is kept: a grace period and more.
const GRACE: Duration = Duration::from_millis(100);
/// Stack of a thread that sleeps and closes, bytes.
const STACK: usize = 64 << 10;

/// A way into network namespaces.
pub trait Namespaces {
    /// These sockets into one namespace will be used: they may be opened together.
    fn prepare(&mut self, _key: &str, _protocols: &[Protocol]) -> Result<()> {
        Ok(())
    }
    /// The socket into one namespace, opened on first use.
    fn socket(&mut self, key: &str, protocol: Protocol) -> Result<&mut Socket>;
    /// A descriptor of a namespace.
    fn descriptor(&mut self, key: &str) -> Result<OwnedFd>;
    /// Values below `/proc/sys` as seen there, in order; none where one does not exist.
    fn read_sysctls(&mut self, key: &str, paths: &[&str]) -> Result<Vec<Option<String>>>;
    /// Writes a value below `/proc/sys` as seen there.
    fn write_sysctl(&mut self, key: &str, path: &str, value: &str) -> Result<()>;
    /// What tells these namespaces from others of the same key before and after them (inodes); those that do not exist are
    /// left out.
    fn identities(&mut self, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, u64>>;
    /// When a device of the plan's group goes that the plan does not have.
    fn going(&self, _device: &str) -> Going {
        Going::Now
    }
    /// A namespace is gone or left alone from now on: its sockets may be closed.
    fn forget(&mut self, _key: &str) {}
}

/// When a device goes. To remove one takes the kernel 20 ms, for which whoever asked is kept; one whose other end is in a
/// namespace that nobody has any more goes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// It is removed.
    Now,
    /// With its container's namespace, which goes as soon as this plan is made so.
    WithItsNamespace,
    /// The same, in an earlier plan.
    Already,
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
    namespaces.prepare(key, &[Protocol::Route, Protocol::Netfilter])?;
    let found = devices::look(namespaces, key, plan)?;
    let rules = rules::apply(namespaces, key, plan, found.loses_some())?;
    let mut outcome = Outcome {
        rules: rules.changes,
        ..Outcome::default()
    };
    let paths: Vec<&str> = plan.sysctls().iter().map(|(path, _)| *path).collect();
    let found_values = match paths.is_empty() {
        true => Vec::new(),
        false => namespaces.read_sysctls(key, &paths)?,
    };
    for ((path, value), there) in plan.sysctls().iter().zip(found_values) {
        // One that does not exist has nothing to switch off.
        if there.is_some_and(|there| there.trim() != *value) {
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
    /// Namespaces that are known already, with what tells them from others.
    known: BTreeMap<String, (OwnedFd, u64)>,
    going: BTreeMap<String, Going>,
}

impl<'a> Lab<'a> {
    /// Through this holder.
    pub fn new(client: &'a Client) -> Lab<'a> {
        Lab {
            client,
            sockets: BTreeMap::new(),
            known: BTreeMap::new(),
            going: BTreeMap::new(),
        }
    }

    /// Says when devices go that no plan has.
    pub fn leave(&mut self, devices: impl IntoIterator<Item = String>, going: Going) {
        self.going.extend(devices.into_iter().map(|device| (device, going)));
    }

    /// A namespace that was made just now: the holder need not be asked for it.
    pub fn lend(&mut self, key: &str, namespace: OwnedFd) -> Result<()> {
        let inode = rustix::fs::fstat(&namespace).map_err(|error| Error::Plan(format!("{key}: {error}")))?;
        self.known.insert(key.to_owned(), (namespace, inode.st_ino));
        Ok(())
    }
}

fn number(protocol: Protocol) -> i32 {
    match protocol {
        Protocol::Route => libc::NETLINK_ROUTE,
        Protocol::SockDiag => libc::NETLINK_SOCK_DIAG,
        Protocol::Netfilter => libc::NETLINK_NETFILTER,
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
    fn prepare(&mut self, key: &str, protocols: &[Protocol]) -> Result<()> {
        let places = protocols.iter().map(|protocol| (key.to_owned(), number(*protocol)));
        let missing: Vec<_> = places.filter(|place| !self.sockets.contains_key(place)).collect();
        let specs: Vec<SocketSpec> = missing.iter().map(|(key, number)| SocketSpec::netlink(key, *number)).collect();
        if specs.is_empty() {
            return Ok(());
        }
        for (place, descriptor) in missing.into_iter().zip(self.client.open_sockets(&specs)?) {
            let socket = Socket::from_fd(descriptor).map_err(Error::kernel(key))?;
            self.sockets.insert(place, socket);
        }
        Ok(())
    }

    fn socket(&mut self, key: &str, protocol: Protocol) -> Result<&mut Socket> {
        self.prepare(key, &[protocol])?;
        self.sockets
            .get_mut(&(key.to_owned(), number(protocol)))
            .ok_or_else(|| Error::Plan(format!("no socket into {key}")))
    }

    fn descriptor(&mut self, key: &str) -> Result<OwnedFd> {
        match self.known.get(key) {
            Some((namespace, _)) => namespace
                .try_clone()
                .map_err(|error| Error::Plan(format!("{key}: {error}"))),
            None => Ok(self.client.netns_fd(key)?),
        }
    }

    fn read_sysctls(&mut self, key: &str, paths: &[&str]) -> Result<Vec<Option<String>>> {
        let paths: Vec<String> = paths.iter().map(|path| format!("/proc/sys/{path}")).collect();
        let contents = self.client.read_files(key, &paths)?.into_iter();
        let text = |content: Vec<u8>| String::from_utf8_lossy(&content).into_owned();
        Ok(contents.map(|content| content.map(text)).collect())
    }

    fn write_sysctl(&mut self, key: &str, path: &str, value: &str) -> Result<()> {
        Ok(self.client.write_sysctls(key, &[(path, value)])?)
    }

    fn identities(&mut self, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, u64>> {
        let known = |key: &&str| self.known.get(*key).map(|(_, inode)| ((*key).to_owned(), *inode));
        let found: BTreeMap<String, u64> = keys.iter().filter_map(known).collect();
        if found.len() == keys.len() {
            return Ok(found);
        }
        let all = self.client.list_netnses()?.into_iter();
        let wanted = all.filter(|status| keys.contains(status.key.as_str()));
        Ok(wanted.map(|status| (status.key, status.inode)).collect())
    }

    fn going(&self, device: &str) -> Going {
        self.going.get(device).copied().unwrap_or(Going::Now)
    }

    fn forget(&mut self, key: &str) {
        self.sockets.retain(|(held, _), _| held != key);
    }
}
