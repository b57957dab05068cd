//! The first process of a container, from its clone by the shim to its program.
//!
//! It is a copy of the holder until exec: nobody inside may look into it (it is not dumpable, and its memory belongs to
//! a user namespace above the instance's), and what it has open it closes before the program is looked for.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use serde::{Deserialize, Serialize};

use super::privilege::{self, Privileges};
use super::program::{self, Program};
use super::spec::{ContainerNetwork, ContainerSpec};
use super::{first, mount, root, users};
use crate::channel::Channel;
use crate::error::Fault;
use crate::sys;

/// Number of the channel to the shim.
const SETUP: i32 = 3;
/// Namespaces that a command enters, in this order; its mounts last, because the names of the others are in `/proc`.
pub(super) const NAMESPACES: [(&str, LinkNameSpaceType); 6] = [
    ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
    ("ipc", LinkNameSpaceType::InterProcessCommunication),
    ("net", LinkNameSpaceType::Network),
    ("cgroup", LinkNameSpaceType::ControlGroup),
    ("pid", LinkNameSpaceType::ProcessID),
    ("mnt", LinkNameSpaceType::Mount),
];

/// What it tells its shim.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// The root is built. Carries its namespaces, `/dev/pts`, the file system of its files if it has some, and its
    /// streams: the terminal's master, or the ends of pipes for input if it is open, output, errors.
    Ready { warnings: Vec<String> },
    Failed(Fault),
}

/// What a container's processes need to know of where they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    pub ids: u32,
    pub descriptor_limit: Option<u64>,
}

/// What whoever starts it hands over.
#[derive(Default)]
pub(super) struct Handed {
    /// The network namespace to enter.
    pub network: Option<OwnedFd>,
    /// Where it waits for a byte before its program runs: its network is made meanwhile.
    pub gate: Option<OwnedFd>,
}

/// The child's side. Returns the exit code, if it comes to that.
pub(super) fn begin(spec: &ContainerSpec, around: Surroundings, setup: OwnedFd, handed: Handed, cgroup: Option<&Path>) -> i32 {
    let (has_network, has_gate) = (handed.network.is_some(), handed.gate.is_some());
    let all = std::iter::once(setup).chain(handed.network).chain(handed.gate);
    let Ok(kept) = sys::keep_only(all.collect()) else {
        return 1;
    };
    let mut kept = kept.into_iter();
    let Some(setup) = kept.next() else { return 1 };
    let mut setup = Some(Channel::new(setup));
    let network = if has_network { kept.next() } else { None };
    let gate = if has_gate { kept.next() } else { None };
    match live(spec, around, &mut setup, Handed { network, gate }, cgroup) {
        Ok(code) => code,
        Err(fault) => {
            tell(&mut setup, &Said::Failed(fault), Vec::new());
            1
        }
    }
}

fn tell(setup: &mut Option<Channel>, said: &Said, descriptors: Vec<OwnedFd>) {
    if let (Ok(payload), Some(setup)) = (serde_json::to_vec(said), setup) {
        // A shim that does not listen has been killed, and this process follows.
        let _ = setup.send(0, payload, descriptors);
    }
}

fn live(
    spec: &ContainerSpec,
    around: Surroundings,
    setup: &mut Option<Channel>,
    Handed { network, gate }: Handed,
    cgroup: Option<&Path>,
) -> Result<i32, Fault> {
    if let Some(cgroup) = cgroup {
        std::fs::write(cgroup.join("cgroup.procs"), "0").map_err(Fault::os("joining its cgroup"))?;
    }
    // After joining, so that its own is the top of what it sees. A kernel without them has none to hide.
    let _ = sys::unshare(UnshareFlags::NEWCGROUP);
    match &network {
        Some(network) => sys::enter(network.as_fd(), LinkNameSpaceType::Network).map_err(Fault::os("entering a network namespace"))?,
        None => sys::loopback_up().map_err(Fault::os("setting lo up"))?,
    }
    drop(network);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut handed = NAMESPACES
        .iter()
        .map(|(name, _)| rustix::fs::open(format!("/proc/self/ns/{name}"), flags, rustix::fs::Mode::empty()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Fault::os("opening namespaces"))?;
    rustix::system::sethostname(spec.hostname.as_bytes()).map_err(Fault::os("setting the host name"))?;
    let mut entered = root::enter(spec, around.ids)?;
    let place = entered.root.as_fd();
    handed.push(entered.terminals.try_clone().map_err(Fault::os("duplicating a descriptor"))?);
    handed.extend(entered.files.take());

    let privileges = Privileges::of(spec, around.ids);
    let who = users::look_up(place, &spec.process.user)?;
    let (who, warning) = program::only_root(who, privileges.users);
    entered.warnings.extend(warning);
    let program = Program::new(&spec.process.args, &spec.process.environment, &who)?;
    let directory = program::working_directory(place, &spec.process.working_directory, true)?;
    let streams = |error: std::io::Error| Fault::os("opening its streams")(error);
    let standard: [OwnedFd; 3] = match spec.process.terminal {
        Some((rows, columns)) => {
            let (master, slave, name) =
                program::open_terminal(entered.terminals.as_fd(), rows, columns).map_err(streams)?;
            root::show_console(place, program::path_of(&name)).map_err(Fault::os("showing /dev/console"))?;
            handed.push(master);
            let copy = || slave.try_clone().map_err(streams);
            [copy()?, copy()?, slave]
        }
        None => {
            let input = if spec.process.stdin_open {
                let (read, write) = program::pipe().map_err(streams)?;
                handed.push(write);
                read
            } else {
                program::null(place).map_err(streams)?
            };
            let (out, output) = program::pipe().map_err(streams)?;
            let (err, errors) = program::pipe().map_err(streams)?;
            handed.extend([out, err]);
            [input, output, errors]
        }
    };
    let borrowed = [standard[0].as_fd(), standard[1].as_fd(), standard[2].as_fd()];
    let own = if spec.process.stdin_open || spec.process.terminal.is_some() { &borrowed[..] } else { &borrowed[1..] };
    program::give_streams(own, &who, privileges.users);
    if spec.root.read_only {
        mount::set_read_only(place, false).map_err(Fault::os("making the root read-only"))?;
    }
    entered.warnings.extend(privilege::limit(&spec.rlimits, around.descriptor_limit)?);
    // Never fails here: the child of a clone leads no group.
    let _ = rustix::process::setsid();
    // With an init, the terminal is for the program that it starts.
    program::wire(borrowed, spec.process.terminal.is_some() && !spec.init).map_err(streams)?;
    drop(standard);
    if let Some(gate) = gate {
        pass(&gate)?;
    }
    tell(setup, &Said::Ready { warnings: entered.warnings }, handed);
    program::settle(&privileges, &who, directory.as_fd())?;
    drop((directory, entered.root, entered.terminals));
    if spec.init {
        return first::serve(&program, spec.process.terminal.is_some(), setup, SETUP);
    }
    Err(program.run(SETUP))
}

/// Waits until its program may run. Whoever started it and went, or failed, opens no gate.
fn pass(gate: &OwnedFd) -> Result<(), Fault> {
    loop {
        match rustix::io::read(gate, &mut [0; 1]) {
            Ok(1) => return Ok(()),
            Ok(_) => return Err(Fault::invalid("whoever started it gave up before its network was made")),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Fault::os("waiting for its network")(error)),
        }
    }
}

/// Namespaces to clone it with.
pub(super) fn namespaces(spec: &ContainerSpec) -> i32 {
    let own = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    match spec.network {
        ContainerNetwork::None => own | libc::CLONE_NEWNET,
        _ => own,
    }
}
