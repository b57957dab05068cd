//! Work on files that belong to instances: unpacking the layers of an image so that an instance sees the owners that
//! the image says.
//!
//! An instance's users are other ids outside (see `identity`): layers that were unpacked by the launching user would
//! be nobody's inside, and could not be changed. Layers mounted with an idmap would need the host's root, so they are
//! unpacked by a process that has an instance's ids. All labs of a user have the same.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::WaitOptions;
use rustix::thread::{Gid, Uid, UnshareFlags};

use crate::channel::{Channel, Received};
use crate::container::spec::{AtRest, MountKind};
use crate::entry::{AT_REST, OWNERS, SelfCommand};
use crate::error::{Error, Fault, Result};
use crate::{disk, identity, sys};

/// Number of the first inherited descriptor.
const INHERITED: i32 = 3;

/// A command that starts this program again, with `arguments`, as root of the ids that instances have: see
/// [`program_with_instance_ids`].
pub fn instance_ids<S: AsRef<OsStr>>(command: &SelfCommand, directory: &Path, arguments: &[S]) -> Command {
    let own = command.arguments.iter().map(OsString::as_os_str);
    let all: Vec<&OsStr> = own.chain(arguments.iter().map(AsRef::as_ref)).collect();
    program_with_instance_ids(command, directory, &command.program, &all)
}

/// A command that starts `program` with `arguments` as root of the ids that instances have: what it makes belongs to
/// the same users in every instance, and where more than root exists it may `chown`. Without subordinate ids only 0
/// exists, which is the launching user. `command` is the product's own, which makes the namespaces.
///
/// `directory` exists; it is given to an instance's root, and is the working directory. Nothing else of the launching
/// user can be relied on to be seen: pass what is to be read as standard input, and use relative paths.
pub fn program_with_instance_ids<S: AsRef<OsStr>>(
    command: &SelfCommand,
    directory: &Path,
    program: &Path,
    arguments: &[S],
) -> Command {
    let mut start = command.with(OWNERS);
    start.arg(directory).arg(program).args(arguments);
    start
}

/// As [`instance_ids`], for a program that looks at a container that does not run: its first inherited descriptor (see
/// [`crate::entry::inherited`]) is the container's root, by path only, in mounts that nobody else has. The caller sees to it
/// that the container is not started meanwhile.
pub fn at_rest<S: AsRef<OsStr>>(command: &SelfCommand, directory: &Path, rest: &AtRest, arguments: &[S]) -> Result<Command> {
    let description = serde_json::to_string(rest).map_err(|error| Error::Malformed(error.to_string()))?;
    let own = command.arguments.iter().map(OsString::as_os_str);
    let all: Vec<&OsStr> = own.chain(arguments.iter().map(AsRef::as_ref)).collect();
    let mut start = command.with(AT_REST);
    start.arg(directory).arg(description).arg(&command.program).args(all);
    Ok(start)
}

/// As [`main`], of [`at_rest`].
pub(crate) fn main_at_rest(arguments: &[OsString]) -> i32 {
    let [directory, description, program, rest @ ..] = arguments else {
        return 125;
    };
    let Ok(at_rest) = serde_json::from_str::<AtRest>(&description.to_string_lossy()) else {
        return 125;
    };
    code(run(Path::new(directory), program, rest, Some(&at_rest)))
}

/// The process between: makes the namespaces, waits. Its exit code is that of the program, 125 for its own failures.
pub(crate) fn main(arguments: &[OsString]) -> i32 {
    let [directory, program, rest @ ..] = arguments else {
        return 125;
    };
    code(run(Path::new(directory), program, rest, None))
}

fn code(ended: std::io::Result<i32>) -> i32 {
    match ended {
        Ok(code) => code,
        Err(error) => {
            crate::say!("running as an instance's root: {error}");
            125
        }
    }
}

fn run(directory: &Path, program: &OsStr, arguments: &[OsString], at_rest: Option<&AtRest>) -> std::io::Result<i32> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory, flags, Mode::empty())?;
    let name = Path::new(program).file_name().unwrap_or(program).to_owned();
    // While it still is the launching user, who may be the only one to get there.
    let program = rustix::fs::open(program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let program = rustix::io::fcntl_dupfd_cloexec(&program, INHERITED + 1)?;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (lab, ids) = (theirs.try_clone()?, ours);
    let Some(child) = sys::clone3(libc::CLONE_NEWUSER)? else {
        drop(ids);
        sys::child(|| inside(Channel::new(lab), opened.as_fd(), (program.as_fd(), &name), arguments, at_rest));
    };
    drop((lab, theirs));
    let mut channel = Channel::new(ids);
    let told = identity::map_lab(child).and_then(|ids| channel.send(0, ids.to_string().into_bytes(), Vec::new()));
    if told.is_err() {
        drop(channel);
        let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
        told?;
        return Ok(125);
    }
    let status = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
    Ok(status.map_or(125, |(_, status)| crate::init::exit_status(status).shell_code()))
}

/// In the lab's user namespace: gives the directory away and makes the instance's.
fn inside(
    mut channel: Channel,
    directory: BorrowedFd<'_>,
    program: (BorrowedFd<'_>, &OsStr),
    arguments: &[OsString],
    at_rest: Option<&AtRest>,
) -> i32 {
    let ids = match channel.receive() {
        Ok(Received::Message(message)) => String::from_utf8_lossy(&message.payload).parse::<u32>().ok(),
        _ => None,
    };
    let Some(ids) = ids else { return 125 };
    match become_instance(ids, directory, at_rest) {
        Ok(None) => {
            let error = execute(program, arguments);
            crate::say!("running as an instance's root: {error}");
            125
        }
        Ok(Some(code)) => code,
        Err(error) => {
            crate::say!("running as an instance's root: {error}");
            125
        }
    }
}

/// `None` in the process that is the instance's root; its exit code in the other.
fn become_instance(ids: u32, directory: BorrowedFd<'_>, at_rest: Option<&AtRest>) -> std::io::Result<Option<i32>> {
    let owner = disk::owner(ids);
    if let Some(rest) = at_rest {
        own_folders(rest, owner).map_err(std::io::Error::other)?;
    }
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    // Through the descriptor, and itself: it was opened as a directory.
    std::os::unix::fs::chown(path, Some(owner), Some(owner))?;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let Some(child) = sys::fork()? else {
        drop(ours);
        let mut channel = Channel::new(theirs);
        let entered = sys::unshare(UnshareFlags::NEWUSER)
            .and_then(|()| channel.send(0, Vec::new(), Vec::new()))
            .and_then(|()| match channel.receive()? {
                Received::Message(_) => Ok(()),
                _ => Err(std::io::ErrorKind::PermissionDenied.into()),
            })
            .and_then(|()| {
                if let Some(rest) = at_rest {
                    let root = crate::container::show(rest).map_err(std::io::Error::other)?;
                    rustix::process::fchdir(directory)?;
                    // What has this number is not needed any more: the program's is higher.
                    return sys::install(root.as_fd(), INHERITED);
                }
                let _ = rustix::thread::set_thread_groups(&[]);
                rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
                rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
                rustix::process::fchdir(directory)?;
                Ok(())
            });
        return entered.map(|()| None);
    };
    drop(theirs);
    let mut channel = Channel::new(ours);
    let mapped = match channel.receive()? {
        Received::Message(_) => identity::map_instance(child, ids),
        _ => Ok(()),
    };
    let told = mapped.and_then(|()| channel.send(0, Vec::new(), Vec::new()));
    drop(channel);
    let status = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
    told?;
    Ok(Some(status.map_or(125, |(_, status)| crate::init::exit_status(status).shell_code())))
}

/// What a start would make and give away.
fn own_folders(rest: &AtRest, owner: u32) -> std::result::Result<(), Fault> {
    disk::own_folder(&rest.root.upper, owner, 0o755)?;
    disk::own_folder(&rest.root.work, owner, 0o700)?;
    for mount in &rest.mounts {
        if let MountKind::Volume { source, .. } = &mount.kind {
            disk::own_folder(source, owner, 0o755)?;
        }
    }
    Ok(())
}

fn execute((program, name): (BorrowedFd<'_>, &OsStr), arguments: &[OsString]) -> std::io::Error {
    Command::new(format!("/proc/self/fd/{}", program.as_raw_fd())).arg0(name).args(arguments).exec()
}
