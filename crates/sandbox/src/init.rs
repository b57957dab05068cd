//! Pid 1 of an instance: reaps, runs commands, mounts the root file system when the first one comes.
//!
//! It is the holder's memory and code, forked: starting one costs no exec. Nothing inside may look into
//! it (it is not dumpable, and its memory belongs to the host's user namespace, so that the instance's
//! root cannot trace it), and it keeps no descriptor but its end of the channel.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, WaitOptions};
use rustix::pty::OpenptFlags;

use crate::channel::{Channel, Message, Received};
use crate::error::Fault;
use crate::exec::{self, NewProcess};
use crate::process::{ExitStatus, set_terminal_size};
use crate::protocol::{Event, NetworkStart, Order, StdioKind};
use crate::spec::ExecSpec;
use crate::sys;
use crate::{filter, root};

/// The channel's number in an init.
const CHANNEL: i32 = 3;

struct Init {
    channel: Channel,
    /// Commands of the holder, by pid.
    commands: BTreeMap<i32, u64>,
    environment: BTreeMap<String, String>,
    hostname: String,
    users: filter::Users,
    descriptor_limit: Option<u64>,
    /// SIGTERM came: end when nothing is left.
    ending: bool,
}

/// The child's side of making an instance. Returns the exit code.
pub(crate) fn begin(channel: OwnedFd, descriptor_limit: Option<u64>) -> i32 {
    if sys::install(channel.as_fd(), CHANNEL).is_err() {
        return 1;
    }
    // The holder's descriptors, `channel` among them, are never touched again here: see `sys::child`.
    std::mem::forget(channel);
    sys::close_from(CHANNEL + 1);
    // Its arguments are the holder's, paths of the host among them. Without /proc nobody reads them either.
    let _ = sys::rename_process(c"init");
    let channel = Channel::new(sys::adopt(CHANNEL));
    // Commands must not inherit it.
    let _ = rustix::io::fcntl_setfd(&channel, rustix::io::FdFlags::CLOEXEC);
    let mut init = Init {
        channel,
        commands: BTreeMap::new(),
        environment: BTreeMap::new(),
        hostname: String::new(),
        users: filter::Users::All,
        descriptor_limit,
        ending: false,
    };
    match init.serve() {
        Ok(()) => 0,
        Err(fault) => {
            crate::say!("init of {}: {fault}", init.hostname);
            1
        }
    }
}

impl Init {
    fn serve(&mut self) -> Result<(), Fault> {
        let signals = sys::signal_descriptor(&[libc::SIGCHLD, libc::SIGTERM])
            .map_err(Fault::os("watching signals"))?;
        loop {
            let mut sources = [
                PollFd::new(&self.channel, PollFlags::IN),
                PollFd::new(&signals, PollFlags::IN),
            ];
            match poll(&mut sources, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Fault::os("waiting")(error)),
            }
            let (from_holder, signalled) = (
                !sources[0].revents().is_empty(),
                !sources[1].revents().is_empty(),
            );
            if signalled {
                while let Some(signal) = sys::next_signal(&signals) {
                    if signal == libc::SIGTERM {
                        self.ending = true;
                        sys::kill_all(libc::SIGTERM);
                        // A stopped program cannot end.
                        sys::kill_all(libc::SIGCONT);
                    }
                }
                let anyone_left = self.reap();
                if self.ending && !anyone_left {
                    return Ok(());
                }
            }
            if from_holder {
                match self
                    .channel
                    .receive()
                    .map_err(Fault::os("hearing the holder"))?
                {
                    Received::Message(message) => self.obey(message)?,
                    Received::Nothing => {}
                    Received::Closed(_) => return Ok(()),
                }
            }
        }
    }

    /// Takes every ended child; true while others run.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if let Some(process) = self.commands.remove(&pid.as_raw_pid()) {
                        self.tell(
                            &Event::Exited {
                                process,
                                status: exit_status(status),
                            },
                            Vec::new(),
                        );
                    }
                }
                Ok(None) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn obey(&mut self, message: Message) -> Result<(), Fault> {
        let order: Order = serde_json::from_slice(&message.payload)
            .map_err(|error| Fault::invalid(format!("order: {error}")))?;
        match order {
            Order::Go { hostname, network } => {
                self.hostname.clone_from(&hostname);
                match set_up(&hostname, network.as_ref()).and_then(|()| own_processes()) {
                    Ok(processes) => self.tell(&Event::Ready, vec![processes]),
                    Err(fault) => self.tell(&Event::NotReady(fault), Vec::new()),
                }
            }
            Order::Exec {
                process,
                spec,
                stdio,
                root,
            } => {
                if let Some(order) = root {
                    if order.ids == 1 {
                        self.users = filter::Users::Root;
                    }
                    match root::enter(&order) {
                        Ok(environment) => {
                            self.environment = environment;
                            self.environment
                                .insert("HOSTNAME".into(), self.hostname.clone());
                        }
                        Err(fault) => {
                            // Half a root file system shows parts of the host: nothing may run in it.
                            self.tell(
                                &Event::NotStarted {
                                    process,
                                    fault: fault.clone(),
                                },
                                Vec::new(),
                            );
                            return Err(fault);
                        }
                    }
                }
                match self.start(&spec, stdio, message.descriptors.into()) {
                    Ok((pid, master)) => {
                        self.commands.insert(pid, process);
                        self.tell(
                            &Event::Started { process, pid },
                            master.into_iter().collect(),
                        );
                    }
                    Err(fault) => self.tell(&Event::NotStarted { process, fault }, Vec::new()),
                }
            }
            Order::Mount { target } => {
                let tree = message.descriptors.into_iter().next();
                let shown = tree.map_or(Ok(()), |tree| root::show_volume(tree.as_fd(), &target));
                if let Err(error) = shown {
                    crate::say!("init of {}: showing {}: {error}", self.hostname, target.display());
                }
            }
            Order::Unmount { target } => {
                if let Err(error) = rustix::mount::unmount(&target, rustix::mount::UnmountFlags::DETACH) {
                    crate::say!("init of {}: hiding {}: {error}", self.hostname, target.display());
                }
            }
            Order::Signal { process, signal } => {
                if let Some((pid, _)) = self.commands.iter().find(|(_, known)| **known == process) {
                    // It may have ended just now; its status is under way.
                    let _ = sys::kill(*pid, signal, true);
                }
            }
        }
        Ok(())
    }

    fn start(
        &self,
        spec: &ExecSpec,
        stdio: StdioKind,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(i32, Option<OwnedFd>), Fault> {
        let mut master = None;
        let standard: [OwnedFd; 3] = match stdio {
            StdioKind::Descriptors => descriptors
                .try_into()
                .map_err(|_| Fault::invalid("not three descriptors"))?,
            StdioKind::Null => three(null()?)?,
            StdioKind::Terminal { rows, columns } => {
                let (ours, slave) =
                    terminal(rows, columns).map_err(Fault::os("opening a terminal"))?;
                master = Some(ours);
                three(slave)?
            }
        };
        let [input, output, errors] = &standard;
        let pid = exec::start(&NewProcess {
            spec,
            environment: &self.environment,
            standard: [input.as_fd(), output.as_fd(), errors.as_fd()],
            inherited: &[],
            terminal: master.is_some(),
            network: None,
            program: None,
            descriptor_limit: self.descriptor_limit,
            filtered: Some(self.users),
        })?;
        Ok((pid.as_raw_pid(), master))
    }

    /// An init whose holder does not listen is about to be ended by the kernel.
    fn tell(&mut self, event: &Event, descriptors: Vec<OwnedFd>) {
        if let Ok(payload) = serde_json::to_vec(event) {
            let _ = self.channel.send(0, payload, descriptors);
        }
    }
}

fn set_up(hostname: &str, network: Option<&NetworkStart>) -> Result<(), Fault> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Fault::os("closing init to its instance"))?;
    rustix::system::sethostname(hostname.as_bytes()).map_err(Fault::os("setting the host name"))?;
    network.map_or(Ok(()), set_up_network)
}

/// Its pid namespace, for the holder: nobody else may look it up any more.
fn own_processes() -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open("/proc/self/ns/pid", flags, Mode::empty()).map_err(Fault::os("opening a process namespace"))
}

/// `lo` and sysctls of the caller's network namespace.
pub(crate) fn set_up_network(network: &NetworkStart) -> Result<(), Fault> {
    let mut sysctls = Sysctls::default();
    if !network.ipv6 {
        for scope in ["all", "default"] {
            let path = format!("net/ipv6/conf/{scope}/disable_ipv6");
            match sysctls.write(&path, "1") {
                Ok(()) => {}
                // A kernel without IPv6 has none to switch off.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Fault::os(format!("writing /proc/sys/{path}"))(error)),
            }
        }
    }
    sys::loopback_up().map_err(Fault::os("setting lo up"))?;
    sysctls.write_all(&network.sysctls)
}

/// Writes below `/proc/sys` as the caller sees it.
pub(crate) fn write_sysctls(values: &[(String, String)]) -> Result<(), Fault> {
    Sysctls::default().write_all(values)
}

/// Directories like `/proc/sys/net/ipv4`, opened once. Each network namespace has one of that name, and the kernel finds the
/// caller's by going through those of all namespaces: to walk there for every value makes N namespaces cost N².
#[derive(Default)]
struct Sysctls {
    directories: BTreeMap<String, OwnedFd>,
}

impl Sysctls {
    /// Components of a path that name such a directory.
    const SHARED: usize = 2;

    fn write_all(&mut self, values: &[(String, String)]) -> Result<(), Fault> {
        for (path, value) in values {
            if path.split('/').any(|part| part.is_empty() || part == "..") {
                return Err(Fault::invalid(format!(
                    "sysctl `{path}`: not a path below /proc/sys"
                )));
            }
            let written = match self.write(path, value) {
                // A kernel that has connection tracking as a module, of which nobody has asked anything yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.starts_with("net/netfilter/") => {
                    crate::capabilities::ask_conntrack().and_then(|()| self.write(path, value))
                }
                written => written,
            };
            written.map_err(Fault::os(format!("writing {value} to /proc/sys/{path}")))?;
        }
        Ok(())
    }

    fn write(&mut self, path: &str, value: &str) -> std::io::Result<()> {
        let cut = path.match_indices('/').nth(Self::SHARED - 1);
        let Some((directory, rest)) = cut.map(|(at, _)| (&path[..at], &path[at + 1..])) else {
            return std::fs::write(format!("/proc/sys/{path}"), value);
        };
        if !self.directories.contains_key(directory) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::open(format!("/proc/sys/{directory}"), flags, Mode::empty())?;
            self.directories.insert(directory.to_owned(), opened);
        }
        let file = rustix::fs::openat(
            &self.directories[directory],
            rest,
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        std::io::Write::write_all(&mut std::fs::File::from(file), value.as_bytes())
    }
}

fn terminal(rows: u16, columns: u16) -> std::io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    set_terminal_size(&master, rows, columns).map_err(std::io::Error::other)?;
    Ok((master, slave))
}

pub(crate) fn null() -> Result<OwnedFd, Fault> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map(OwnedFd::from)
        .map_err(Fault::os("opening /dev/null"))
}

fn three(one: OwnedFd) -> Result<[OwnedFd; 3], Fault> {
    let copy = || {
        one.try_clone()
            .map_err(Fault::os("duplicating a descriptor"))
    };
    let (two, three) = (copy()?, copy()?);
    Ok([one, two, three])
}

pub(crate) fn exit_status(status: rustix::process::WaitStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::Code(code),
        (None, Some(signal)) => ExitStatus::Signal(signal),
        // WaitOptions ask for ended children only.
        (None, None) => ExitStatus::Signal(libc::SIGKILL),
    }
}
