//! Network namespaces by name, and what is done inside them: sockets, sysctls, files.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::Holder;
use crate::error::{Fault, Result};
use crate::init::set_up_network;
use crate::protocol::{NetnsStatus, NetworkStart};
use crate::spec::{NetnsOwner, NetnsSpec, SocketAddress, SocketSpec};
use crate::sys;

/// Largest file that [`read_file`] returns, in bytes.
const LARGEST_FILE: u64 = 16 << 20;
/// How long nobody else leaves before those who left are let go, how long they stay at most, and how many of them.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
const MOST: usize = 8;

pub(super) struct Namespace {
    pub network: OwnedFd,
    /// The user namespace that owns it, when that is not the lab's.
    pub user: Option<OwnedFd>,
    /// Made for a container: they come and go by the hundred.
    pub is_of_container: bool,
}

/// Namespaces of containers that nobody has any more. To end one takes the kernel 20 ms, in which nobody makes a device; to end
/// many at once takes no longer. So they wait for a pause, for one another, and never for long.
#[derive(Default)]
struct Leaving {
    namespaces: Vec<Namespace>,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Leaving {
    fn deadline(&self) -> Option<Instant> {
        let (pause, end) = (self.last? + PAUSE, self.first? + LONGEST);
        Some(pause.min(end))
    }

    fn add(&mut self, namespace: Namespace) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.namespaces.push(namespace);
        if self.namespaces.len() >= MOST {
            *self = Leaving::default();
        }
    }
}

pub(super) struct Namespaces {
    /// The lab's own, to come back to.
    home: OwnedFd,
    /// Where the lab's processes are numbered.
    processes: OwnedFd,
    all: BTreeMap<String, Namespace>,
    leaving: Leaving,
}

pub(super) fn open(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

impl Namespaces {
    pub(super) fn new() -> Result<Namespaces> {
        let home =
            open("/proc/self/ns/net").map_err(Fault::os("opening the lab's network namespace"))?;
        Ok(Namespaces {
            home,
            processes: open("/proc/self/ns/pid").map_err(Fault::os("opening the lab's pid namespace"))?,
            all: BTreeMap::new(),
            leaving: Leaving::default(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Namespace> {
        self.all.get(key)
    }

    pub(super) fn insert(&mut self, key: String, namespace: Namespace) {
        self.all.insert(key, namespace);
    }

    pub(super) fn remove(&mut self, key: &str) {
        match self.all.remove(key) {
            Some(namespace) if namespace.is_of_container => self.leaving.add(namespace),
            // The kernel ends it as soon as nobody has it.
            _ => {}
        }
    }

    /// When those that left are to be let go.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.leaving.deadline()
    }

    pub(super) fn enforce_deadline(&mut self) {
        if self.leaving.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            self.leaving = Leaving::default();
        }
    }

    pub(super) fn network(&self, key: &str) -> Result<BorrowedFd<'_>, Fault> {
        let found = self
            .all
            .get(key)
            .ok_or_else(|| Fault::not_found(format!("network namespace {key}")))?;
        Ok(found.network.as_fd())
    }

    pub(super) fn duplicate(&self, key: &str) -> Result<OwnedFd, Fault> {
        self.network(key)?
            .try_clone_to_owned()
            .map_err(Fault::os("duplicating a descriptor"))
    }

    pub(super) fn list(&self) -> Result<Vec<NetnsStatus>, Fault> {
        let status = |(key, namespace): (&String, &Namespace)| {
            Ok(NetnsStatus {
                key: key.clone(),
                owner: if namespace.user.is_some() {
                    NetnsOwner::Instance
                } else {
                    NetnsOwner::Lab
                },
                inode: rustix::fs::fstat(&namespace.network)
                    .map_err(Fault::os("looking at a namespace"))?
                    .st_ino,
            })
        };
        self.all.iter().map(status).collect()
    }

    /// Does something inside a namespace and comes back.
    pub(super) fn within<T>(
        &self,
        key: &str,
        work: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        sys::enter(self.network(key)?, LinkNameSpaceType::Network)
            .map_err(Fault::os(format!("entering namespace {key}")))?;
        let result = work();
        self.come_home();
        result
    }

    pub(super) fn come_home(&self) {
        if let Err(error) = sys::enter(self.home.as_fd(), LinkNameSpaceType::Network) {
            // Every later request would act in the wrong place.
            crate::say!("holder: cannot return to the lab's network namespace: {error}");
            sys::exit_now(1);
        }
    }

    /// Makes a child of this process that is numbered among `processes`; `None` in the child.
    pub(super) fn fork_into(&self, processes: BorrowedFd<'_>) -> io::Result<Option<Pid>> {
        sys::enter(processes, LinkNameSpaceType::ProcessID)?;
        let made = sys::clone3(0);
        if matches!(made, Ok(None)) {
            return made;
        }
        if let Err(error) = sys::enter(self.processes.as_fd(), LinkNameSpaceType::ProcessID) {
            // Every later child would be born in the wrong place.
            crate::say!("holder: cannot return to the lab's pid namespace: {error}");
            sys::exit_now(1);
        }
        made
    }

    /// Makes one that the lab owns.
    pub(super) fn create_for_lab(&self, start: &NetworkStart) -> Result<Namespace, Fault> {
        sys::unshare(UnshareFlags::NEWNET).map_err(Fault::os("making a network namespace"))?;
        let made = set_up_network(start).and_then(|()| {
            open("/proc/self/ns/net").map_err(Fault::os("opening a network namespace"))
        });
        self.come_home();
        Ok(Namespace {
            network: made?,
            user: None,
            is_of_container: false,
        })
    }

    pub(super) fn open_socket(&self, spec: &SocketSpec) -> Result<OwnedFd, Fault> {
        self.within(&spec.key, || {
            open_here(spec).map_err(|(step, error)| {
                Fault::os(format!("{step} in namespace {}", spec.key))(error)
            })
        })
    }
}

impl Holder {
    pub(super) fn create_namespaces(&mut self, specs: Vec<NetnsSpec>) -> Result<(), Fault> {
        for spec in specs {
            if spec.key.is_empty() {
                return Err(Fault::invalid("a namespace needs a name"));
            }
            if self.namespaces.get(&spec.key).is_some() {
                return Err(Fault::exists(format!("network namespace {}", spec.key)));
            }
            let start = NetworkStart {
                ipv6: spec.ipv6,
                sysctls: spec.sysctls,
            };
            let made = match spec.owner {
                NetnsOwner::Lab => self.namespaces.create_for_lab(&start)?,
                NetnsOwner::Instance => self.create_for_instance(&start)?,
            };
            self.namespaces.insert(spec.key, made);
        }
        Ok(())
    }
}

fn open_here(spec: &SocketSpec) -> Result<OwnedFd, (&'static str, io::Error)> {
    let protocol = match (spec.family, &spec.bind) {
        // With a protocol it would hear every device at once, and to leave them the kernel waits until nobody is in
        // their midst any more: 8 ms for a bind instead of 10 microseconds.
        (libc::AF_PACKET, Some(SocketAddress::Packet { .. })) => 0,
        (libc::AF_PACKET, _) => i32::from((spec.protocol as u16).to_be()),
        _ => spec.protocol,
    };
    let socket = sys::open_socket(spec.family, spec.kind, protocol, spec.nonblocking)
        .map_err(|error| ("opening a socket", error))?;
    let on = 1i32.to_ne_bytes();
    let six = spec.family == libc::AF_INET6;
    let options = [
        (spec.reuse_address, libc::SOL_SOCKET, libc::SO_REUSEADDR),
        (spec.freebind && !six, libc::SOL_IP, libc::IP_FREEBIND),
        (spec.freebind && six, libc::SOL_IPV6, libc::IPV6_FREEBIND),
        (spec.only_v6 && six, libc::SOL_IPV6, libc::IPV6_V6ONLY),
        (spec.transparent && !six, libc::SOL_IP, libc::IP_TRANSPARENT),
        (
            spec.transparent && six,
            libc::SOL_IPV6,
            libc::IPV6_TRANSPARENT,
        ),
    ];
    for (wanted, level, name) in options {
        if wanted {
            sys::set_socket_option(&socket, level, name, &on)
                .map_err(|error| ("setting a socket option", error))?;
        }
    }
    if let Some(device) = &spec.device {
        sys::set_socket_option(
            &socket,
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            device.as_bytes(),
        )
        .map_err(|error| ("binding a socket to a device", error))?;
    }
    match &spec.bind {
        None => Ok(()),
        Some(SocketAddress::Inet(address)) => {
            rustix::net::bind(&socket, address).map_err(io::Error::from)
        }
        Some(SocketAddress::Netlink { groups }) => sys::bind_netlink(&socket, *groups),
        Some(SocketAddress::Packet { interface }) => {
            sys::bind_packet(&socket, interface, spec.protocol)
        }
    }
    .map_err(|error| ("binding a socket", error))?;
    if let Some(backlog) = spec.listen {
        rustix::net::listen(&socket, backlog)
            .map_err(|error| ("listening on a socket", error.into()))?;
    }
    Ok(socket)
}

/// A file below `/proc` or `/sys/class/net` as this process sees it.
pub(super) fn read_file(path: &str) -> Result<Vec<u8>, Fault> {
    use std::io::Read;
    let allowed = ["/proc/", "/sys/class/net/"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    if !allowed || path.split('/').any(|part| part == "..") {
        return Err(Fault::invalid(format!(
            "{path}: only files below /proc and /sys/class/net are read"
        )));
    }
    let failed = || Fault::os(format!("reading {path}"));
    let file = std::fs::OpenOptions::new();
    let mut file = {
        use std::os::unix::fs::OpenOptionsExt;
        // Some files of /proc (kmsg, trace pipes) would block the lab.
        let mut options = file;
        options
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(failed())?
    };
    let mut content = Vec::new();
    file.by_ref()
        .take(LARGEST_FILE)
        .read_to_end(&mut content)
        .map_err(failed())?;
    Ok(content)
}

/// The same; nothing where there is no such file.
pub(super) fn read_file_if_there(path: &str) -> Result<Option<Vec<u8>>, Fault> {
    match read_file(path) {
        Ok(content) => Ok(Some(content)),
        Err(fault) if fault.errno == Some(libc::ENOENT) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Where a link below `/proc` leads.
pub(super) fn read_link(path: &str) -> Result<Vec<u8>, Fault> {
    use std::os::unix::ffi::OsStringExt;
    if !path.starts_with("/proc/") || path.split('/').any(|part| part == "..") {
        return Err(Fault::invalid(format!(
            "{path}: only links below /proc are read"
        )));
    }
    let target = std::fs::read_link(path).map_err(Fault::os(format!("reading {path}")))?;
    Ok(target.into_os_string().into_vec())
}
