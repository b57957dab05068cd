//! A holder that no program of a lab can write to.
//!
//! Inits, shims and commands on their way are copies of the holder: where an image names `/proc/self/exe` as the
//! interpreter of a script, the kernel runs the holder's own file for it, and that process's `/proc/PID/exe` opens it.
//! Without subordinate ids the instance's root is the user who owns that file, and could put something else in its
//! place (CVE-2019-5736). So what starts a holder starts itself again, from a read-only mount of that one file which no
//! namespace shows: nothing can be written through it, and nobody can make it writable. A process in namespaces of its
//! own makes the mount; the start itself is outside of them, so that the holder's memory goes on to belong to the host's
//! user namespace, which is what closes its copies to an instance's root.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{CWD, MemfdFlags, SealFlags};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::WaitOptions;

use crate::channel::{Channel, Received};
use crate::sys;

const PROGRAM: &str = "/proc/self/exe";

/// The last argument of a program that has been started again.
const SEALED: &str = "sealed";

/// Starts this program again with one more argument. Returns only why not.
pub(crate) fn start_again() -> io::Error {
    let program = match mount_of_another().or_else(|_| sealed_copy()) {
        Ok(program) => program,
        Err(error) => return error,
    };
    let text = |text: OsString| CString::new(text.into_vec());
    let arguments: Result<Vec<CString>, _> = std::env::args_os().chain([SEALED.into()]).map(text).collect();
    let environment: Result<Vec<CString>, _> = std::env::vars_os()
        .map(|(key, value)| text([key.as_os_str(), value.as_os_str()].join(OsStr::new("="))))
        .collect();
    match (CString::new(format!("/proc/self/fd/{}", program.as_raw_fd())), arguments, environment) {
        (Ok(path), Ok(arguments), Ok(environment)) => sys::execute(&path, &arguments, &environment),
        _ => io::ErrorKind::InvalidInput.into(),
    }
}

/// A mount made by a process that may: root of namespaces which end with it.
fn mount_of_another() -> io::Result<OwnedFd> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let Some(child) = sys::clone3(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)? else {
        drop(ours);
        sys::child(|| {
            let sent = read_only_mount().and_then(|mount| Channel::new(theirs).send(0, Vec::new(), vec![mount]));
            i32::from(sent.is_err())
        });
    };
    drop(theirs);
    let received = Channel::new(ours).receive();
    let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
    match received? {
        Received::Message(mut message) => message.descriptors.pop_front().ok_or(io::ErrorKind::NotFound.into()),
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// The file by its name, if that still leads to it: a mount can only be copied from the own namespace.
fn read_only_mount() -> io::Result<OwnedFd> {
    let path = std::fs::read_link(PROGRAM)?;
    let (named, running) = (rustix::fs::stat(&path)?, rustix::fs::stat(PROGRAM)?);
    if (named.st_dev, named.st_ino) != (running.st_dev, running.st_ino) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, &path, flags)?;
    sys::change_mount(mount.as_fd(), libc::MOUNT_ATTR_RDONLY, 0, false)?;
    Ok(mount)
}

/// A copy in memory that cannot be changed: for a program whose file was replaced since it started.
fn sealed_copy() -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("vpclab", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(memory);
    io::copy(&mut File::open(Path::new(PROGRAM))?, &mut copy)?;
    let memory = OwnedFd::from(copy);
    rustix::fs::fcntl_add_seals(&memory, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(memory)
}

/// The name of this program, for `ps`: after such a start it is a number.
pub(crate) fn restore_name() {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or(OsStr::new("vpclab"));
    if let Ok(name) = CString::new(name.as_bytes()) {
        // For people only.
        let _ = rustix::thread::set_name(&name);
    }
}
