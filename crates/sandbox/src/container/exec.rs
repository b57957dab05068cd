//! Commands in a container that runs: a process of the shim's enters all of its namespaces, one of its own becomes the
//! command. Their descriptors are those that the first process opened itself before any program ran, so that nothing
//! inside can have put others in their place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::WaitOptions;
use serde::{Deserialize, Serialize};

use super::birth::{NAMESPACES, Surroundings};
use super::privilege::{self, Privileges};
use super::program::{self, Program};
use super::spec::{ContainerExecSpec, ContainerSpec};
use super::users;
use crate::channel::{Channel, Received};
use crate::error::Fault;
use crate::protocol::StdioKind;
use crate::root::become_root;
use crate::sys;

/// Number of the channel to the shim in the command's process.
const REPORT: i32 = 3;

/// What the two processes tell the shim.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Born(i32),
    /// Carries the master.
    Terminal,
    Failed(Fault),
}

/// A command to start.
pub(super) struct Command<'a> {
    pub container: &'a ContainerSpec,
    pub around: Surroundings,
    /// In the order of [`NAMESPACES`].
    pub namespaces: &'a [OwnedFd],
    pub terminals: BorrowedFd<'a>,
    pub spec: &'a ContainerExecSpec,
    pub stdio: StdioKind,
    pub standard: Vec<OwnedFd>,
}

/// Starts it as a child of the caller; its pid, and the master of its terminal.
pub(super) fn start(command: Command<'_>) -> Result<(i32, Option<OwnedFd>), Fault> {
    let (mut ours, theirs) = pair()?;
    let wants_terminal = matches!(command.stdio, StdioKind::Terminal { .. });
    let Some(between) = sys::fork().map_err(Fault::os("making a process"))? else {
        sys::child(|| {
            let mut report = Channel::new(theirs);
            let born = enter(command.namespaces).and_then(|()| sys::clone3(libc::CLONE_PARENT));
            let told = match born {
                Ok(None) => return become_command(&command, report),
                Ok(Some(pid)) => Told::Born(pid.as_raw_pid()),
                Err(error) => Told::Failed(Fault::os("entering the container")(error)),
            };
            tell(&mut report, &told, Vec::new());
            0
        });
    };
    drop(theirs);
    let (mut pid, mut master, mut failed) = (None, None, None);
    // Three messages at most; the end is exec, or the death of all who could say more.
    while let Ok(Received::Message(mut message)) = ours.receive() {
        match serde_json::from_slice(&message.payload) {
            Ok(Told::Born(number)) => pid = Some(number),
            Ok(Told::Terminal) => master = message.descriptors.pop_front(),
            Ok(Told::Failed(fault)) => failed = Some(fault),
            Err(error) => failed = Some(Fault::invalid(format!("a command's report: {error}"))),
        }
    }
    let _ = rustix::process::waitpid(Some(between), WaitOptions::empty());
    match (failed, pid) {
        (None, Some(pid)) if wants_terminal == master.is_some() => Ok((pid, master)),
        (failed, pid) => {
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                // It is about to end; its status is of no interest to anyone else.
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            }
            Err(failed.unwrap_or_else(|| Fault::not_found("a container that still runs")))
        }
    }
}

/// Sends a signal to every process of the container but its first.
pub(super) fn signal_others(namespaces: &[OwnedFd], signal: i32) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::os("reaching the container's processes")(error);
    let Some(between) = sys::fork().map_err(failed)? else {
        sys::child(|| {
            let Ok(()) = enter(namespaces) else { return 1 };
            match sys::fork() {
                Ok(None) => {
                    sys::kill_all_others(signal);
                    0
                }
                Ok(Some(child)) => i32::from(rustix::process::waitpid(Some(child), WaitOptions::empty()).is_err()),
                Err(_) => 1,
            }
        });
    };
    let status = rustix::process::waitpid(Some(between), WaitOptions::empty()).map_err(|error| failed(error.into()))?;
    match status.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        _ => Err(Fault::not_found("a container that still runs")),
    }
}

/// The root of the container's files as its own processes see it, by path only. Every look-up that begins there sees its
/// mounts, whoever makes it.
pub(super) fn open_root(namespaces: &[OwnedFd]) -> Result<OwnedFd, Fault> {
    let failed = |error: std::io::Error| Fault::os("opening the container's root")(error);
    let (mut ours, theirs) = pair()?;
    let Some(child) = sys::fork().map_err(failed)? else {
        sys::child(|| {
            let opened = enter(namespaces).and_then(|()| {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                Ok(rustix::fs::open("/", flags, Mode::empty())?)
            });
            let (told, descriptors) = match opened {
                Ok(root) => (None, vec![root]),
                Err(error) => (Some(Fault::os("entering the container")(error)), Vec::new()),
            };
            let payload = serde_json::to_vec(&told).unwrap_or_default();
            i32::from(Channel::new(theirs).send(0, payload, descriptors).is_err())
        });
    };
    drop(theirs);
    let received = ours.receive();
    let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
    let Ok(Received::Message(mut message)) = received else {
        return Err(Fault::not_found("a container that still runs"));
    };
    match (serde_json::from_slice::<Option<Fault>>(&message.payload), message.descriptors.pop_front()) {
        (Ok(None), Some(root)) => Ok(root),
        (Ok(Some(fault)), _) => Err(fault),
        _ => Err(Fault::invalid("the container's root was not handed over")),
    }
}

fn pair() -> Result<(Channel, OwnedFd), Fault> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(Fault::os("making a channel"))?;
    Ok((Channel::new(ours), theirs))
}

fn tell(report: &mut Channel, told: &Told, descriptors: Vec<OwnedFd>) {
    if let Ok(payload) = serde_json::to_vec(told) {
        // A shim that does not listen has been killed, and the container with it.
        let _ = report.send(0, payload, descriptors);
    }
}

fn enter(namespaces: &[OwnedFd]) -> std::io::Result<()> {
    NAMESPACES.iter().zip(namespaces).try_for_each(|((_, kind), namespace)| sys::enter(namespace.as_fd(), *kind))
}

/// In the container. Returns the exit code, if it comes to that.
fn become_command(command: &Command<'_>, report: Channel) -> i32 {
    let copied = |descriptor: BorrowedFd<'_>| descriptor.try_clone_to_owned();
    let mut wanted = match report.as_fd().try_clone_to_owned() {
        Ok(report) => vec![report],
        Err(_) => return 1,
    };
    for descriptor in std::iter::once(command.terminals).chain(command.standard.iter().map(AsFd::as_fd)) {
        match copied(descriptor) {
            Ok(copy) => wanted.push(copy),
            Err(_) => return 1,
        }
    }
    let Ok(kept) = sys::keep_only(wanted) else { return 1 };
    std::mem::forget(report);
    let mut kept = kept.into_iter();
    let (Some(report), Some(terminals)) = (kept.next(), kept.next()) else {
        return 1;
    };
    let mut report = Channel::new(report);
    let fault = match live(command, &mut report, terminals, kept.collect()) {
        Ok(program) => program.run(REPORT),
        Err(fault) => fault,
    };
    tell(&mut report, &Told::Failed(fault), Vec::new());
    126
}

fn live(command: &Command<'_>, report: &mut Channel, terminals: OwnedFd, standard: Vec<OwnedFd>) -> Result<Program, Fault> {
    become_root().map_err(Fault::os("becoming the instance's root"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty()).map_err(Fault::os("opening its root"))?;
    let place = root.as_fd();
    let own = Privileges::of(command.container, command.around.ids);
    let privileges = if command.spec.privileged { own.raised() } else { own };
    let who = users::look_up(place, &command.spec.user)?;
    let (who, _) = program::only_root(who, privileges.users);
    let program = Program::new(&command.spec.args, &command.spec.environment, &who)?;
    let directory = program::working_directory(place, &command.spec.working_directory, false)?;
    let streams = |error: std::io::Error| Fault::os("opening its streams")(error);
    let three = |one: OwnedFd| Ok::<_, std::io::Error>([one.try_clone()?, one.try_clone()?, one]);
    let standard: [OwnedFd; 3] = match command.stdio {
        StdioKind::Terminal { rows, columns } => {
            let (master, slave, _) = program::open_terminal(terminals.as_fd(), rows, columns).map_err(streams)?;
            tell(report, &Told::Terminal, vec![master]);
            three(slave).map_err(streams)?
        }
        StdioKind::Null => program::null(place).and_then(three).map_err(streams)?,
        StdioKind::Descriptors => standard.try_into().map_err(|_| Fault::invalid("not three descriptors"))?,
    };
    let borrowed = [standard[0].as_fd(), standard[1].as_fd(), standard[2].as_fd()];
    let is_terminal = matches!(command.stdio, StdioKind::Terminal { .. });
    if is_terminal {
        program::give_streams(&borrowed[..1], &who, privileges.users);
    }
    // What the container's first process was warned of it knows.
    privilege::limit(&command.container.rlimits, command.around.descriptor_limit)?;
    // Never fails here: the child of a clone leads no group.
    let _ = rustix::process::setsid();
    program::wire(borrowed, is_terminal).map_err(streams)?;
    program::settle(&privileges, &who, directory.as_fd())?;
    Ok(program)
}
