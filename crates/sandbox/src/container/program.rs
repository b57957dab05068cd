//! The last steps of every process of a container: its user, its place, its program.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::pty::OpenptFlags;

use super::privilege::{self, Privileges};
use super::users::Identity;
use super::{CWD, RUNNING, target};
use crate::error::Fault;
use crate::process::set_terminal_size;
use crate::{filter, sys};

/// Searched where the environment names no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program about to be run.
pub(super) struct Program {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    candidates: Vec<CString>,
    /// For people.
    name: String,
}

impl Program {
    /// Checks what callers gave. `who` supplies `HOME`.
    pub(super) fn new(args: &[String], environment: &[(String, String)], who: &Identity) -> Result<Program, Fault> {
        let Some(name) = args.first().filter(|name| !name.is_empty()) else {
            return Err(Fault::invalid("no command specified"));
        };
        let text = |text: &str| CString::new(text).map_err(|_| Fault::invalid("a command with a zero byte"));
        let mut variables = environment.iter().map(|(key, value)| text(&format!("{key}={value}"))).collect::<Result<Vec<_>, _>>()?;
        if !environment.iter().any(|(key, _)| key == "HOME") {
            variables.push(text(&format!("HOME={}", who.home))?);
        }
        let candidates = match name.contains('/') {
            true => vec![text(name)?],
            false => {
                let path = environment.iter().rev().find(|(key, _)| key == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
                let directories = path.split(':').map(|directory| if directory.is_empty() { "." } else { directory });
                directories.map(|directory| text(&format!("{directory}/{name}"))).collect::<Result<Vec<_>, _>>()?
            }
        };
        Ok(Program {
            arguments: args.iter().map(|argument| text(argument)).collect::<Result<Vec<_>, _>>()?,
            environment: variables,
            candidates,
            name: name.clone(),
        })
    }

    /// Becomes it. No descriptor but the standard ones and `last_kept` is open any more: not while the kernel looks
    /// for the program either, which could otherwise be one of the host's by way of `/proc/self/fd` (CVE-2024-21626).
    pub(super) fn run(&self, last_kept: i32) -> Fault {
        sys::close_from(last_kept + 1);
        sys::default_signals();
        sys::unblock_signals();
        let mut refusal = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in &self.candidates {
            let error = sys::execute(candidate, &self.arguments, &self.environment);
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                // Another directory may have one that can be run.
                Some(libc::EACCES) => refusal = error,
                _ => return Fault::os(format!("{RUNNING}{}`", self.name))(error),
            }
        }
        if self.candidates.len() > 1 && refusal.raw_os_error() == Some(libc::ENOENT) {
            let mut fault = Fault::os(format!("{RUNNING}{}`", self.name))(refusal);
            fault.message = format!("{RUNNING}{}`: executable file not found in $PATH", self.name);
            return fault;
        }
        Fault::os(format!("{RUNNING}{}`", self.name))(refusal)
    }
}

/// Where a process begins: a descriptor that was found without leaving the root.
pub(super) fn working_directory(root: BorrowedFd<'_>, path: &str, make: bool) -> Result<OwnedFd, Fault> {
    let path = if path.is_empty() { "/" } else { path };
    if !path.starts_with('/') {
        return Err(Fault::invalid(format!("{CWD}\"{path}\") failed: it must be an absolute path")));
    }
    let missing = if make { target::Missing::Directory } else { target::Missing::Refuse };
    target::locate_or_make(root, Path::new(path), missing)
        .and_then(|_| target::open(root, Path::new(path), OFlags::PATH | OFlags::DIRECTORY))
        .map_err(|error| no_directory(path, error))
}

/// Docker's words: the kernel's reason, and which step it is about.
fn no_directory(path: &str, error: impl Into<io::Error>) -> Fault {
    let mut fault = Fault::os(String::new())(error.into());
    let reason = match fault.errno {
        Some(libc::ENOENT) => "no such file or directory",
        Some(libc::ENOTDIR) => "not a directory",
        Some(libc::EACCES) => "permission denied",
        _ => fault.message.trim_start_matches(": "),
    };
    fault.message = format!("{CWD}\"{path}\") failed: {reason}");
    fault
}

/// Becomes the user and goes there.
pub(super) fn settle(privileges: &Privileges, who: &Identity, directory: BorrowedFd<'_>) -> Result<(), Fault> {
    privilege::give_up(privileges, who).map_err(Fault::os(format!("becoming user {}", who.uid)))?;
    rustix::process::fchdir(directory).map_err(|error| no_directory(".", error))
}

/// Who it becomes where only root exists, and what is to be said then.
pub(super) fn only_root(who: Identity, users: filter::Users) -> (Identity, Option<String>) {
    if users == filter::Users::All || (who.uid, who.gid) == (0, 0) {
        return (who, None);
    }
    let warning = format!(
        "user {}:{} does not exist here: without subordinate ids (newuidmap, /etc/subuid) it runs as root of the instance",
        who.uid, who.gid
    );
    let root = Identity { uid: 0, gid: 0, groups: Vec::new(), home: who.home };
    (root, Some(warning))
}

/// A terminal of the container: its master and slave, and the slave's path. `terminals` is the root of its devpts.
pub(super) fn open_terminal(terminals: BorrowedFd<'_>, rows: u16, columns: u16) -> io::Result<(OwnedFd, OwnedFd, CString)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::openat(terminals, "ptmx", flags, rustix::fs::Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    set_terminal_size(&master, rows, columns).map_err(io::Error::other)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    Ok((master, slave, name))
}

/// Puts descriptors in the places of the standard ones.
pub(super) fn wire(standard: [BorrowedFd<'_>; 3], is_terminal: bool) -> io::Result<()> {
    for (number, descriptor) in (0..).zip(standard) {
        sys::install(descriptor, number)?;
    }
    if is_terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    }
    Ok(())
}

/// Gives streams to the user, who may open them again by `/dev/stdout`.
pub(super) fn give_streams(streams: &[BorrowedFd<'_>], who: &Identity, users: filter::Users) {
    if users == filter::Users::All && who.uid != 0 {
        for stream in streams {
            // What is not the container's own cannot be given away.
            let _ = rustix::fs::fchown(stream, Some(rustix::fs::Uid::from_raw(who.uid)), None);
        }
    }
}

/// A path of the container's own, from the kernel.
pub(super) fn path_of(name: &CString) -> &Path {
    Path::new(OsStr::from_bytes(name.as_bytes()))
}

/// Closed on exec, one end of it not blocking.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// `/dev/null` of the container.
pub(super) fn null(root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    target::open(root.as_fd(), Path::new("dev/null"), OFlags::RDWR)
}
