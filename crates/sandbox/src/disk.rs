//! Folders in which instances keep what they write, so that it outlives their processes.
//!
//! A disk is one folder, `root` (what the instance sees as `/`), `upper` and `work` (the writable halves
//! of its overlays) in it. It belongs to the instance's root, an id that may be nobody's outside: only
//! root and the lab's own user namespace can remove what is in it, so [`remove_tree`] makes one.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;

use rustix::fs::StatVfsMountFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::WaitOptions;
use rustix::thread::UnshareFlags;

use crate::channel::{Channel, Received};
use crate::entry::{REMOVE, SelfCommand};
use crate::error::{Error, Fault, Result};
use crate::{identity, root, sys};

/// Made and removed again while a folder is tried; no disk is called so.
pub(crate) const TRIAL: &str = ".vpclab-try";

/// The host's number of an instance's root as its lab sees it.
pub(crate) fn owner(ids: u32) -> u32 {
    u32::from(ids > 1)
}

/// Whether disks can lie in `folder`, found out by doing what an instance would do there. Called as root
/// of a lab's user namespace; mounts nothing that another process sees. Errors: what was refused.
pub(crate) fn attempt(folder: &Path, ids: u32) -> Result<(), String> {
    let refused = |doing: &str, error: io::Error| format!("{doing}: {error}");
    let flags = rustix::fs::statvfs(folder)
        .map_err(|error| refused("looking at it", error.into()))?
        .f_flag;
    if flags.contains(StatVfsMountFlags::RDONLY) {
        return Err("its file system is mounted read-only".into());
    }
    if flags.contains(StatVfsMountFlags::NOEXEC) {
        return Err("its file system is mounted noexec".into());
    }
    let trial = folder.join(TRIAL);
    let _ = fs::remove_dir_all(&trial);
    for name in ["lower/gone", "upper", "work", "all"] {
        fs::create_dir_all(trial.join(name)).map_err(|error| refused("writing", error))?;
    }
    let result = chown(&trial.join("lower"), owner(ids))
        .map_err(|error| refused("giving folders to instances", error))
        .and_then(|()| {
            apart(|| overlay(&trial)).map_err(|error| refused("an overlay on it", error))
        });
    let _ = fs::remove_dir_all(&trial);
    result
}

/// Mounts and uses one as an instance does: a directory that the layer below has goes and comes again,
/// which takes a mark for "removed", a rename over it and an extended attribute.
fn overlay(trial: &Path) -> io::Result<()> {
    let all = trial.join("all");
    let lower = [trial.join("lower")];
    root::mount_overlay(&all, &lower, &trial.join("upper"), &trial.join("work"))?;
    fs::remove_dir(all.join("gone"))?;
    fs::create_dir(all.join("gone"))
}

/// Runs `body` in a child with mounts of its own.
fn apart(body: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let Some(child) = sys::fork()? else {
        sys::child(|| {
            let result = sys::unshare(UnshareFlags::NEWNS).and_then(|()| body());
            result.map_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO), |()| 0)
        });
    };
    let status = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
    match status.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code)),
        None => Err(io::Error::other("the trying process was killed")),
    }
}

/// Gives a folder, itself and not what a link leads to, to an id of the lab.
pub(crate) fn chown(path: &Path, id: u32) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(id), Some(id))
}

/// A folder that an instance's root owns: made as needed, and given away when it is still the lab's.
pub(crate) fn own_folder(path: &Path, owner: u32, mode: u32) -> Result<(), Fault> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let failed = |doing: &'static str| Fault::os(format!("{doing} {}", path.display()));
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("making")(error)),
    }
    let found = fs::symlink_metadata(path).map_err(failed("looking at"))?;
    if !found.is_dir() {
        return Err(Fault::invalid(format!("{} is no directory", path.display())));
    }
    if found.uid() == 0 && owner != 0 {
        chown(path, owner).map_err(failed("giving to its instance"))?;
    }
    Ok(())
}

/// Removes a folder with everything in it, whoever it belongs to among the ids of this user's labs. A
/// folder that is not there is no error. Follows no link.
pub fn remove_tree(path: &Path, command: &SelfCommand) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Of an instance's root, or of this user with permissions that do not let the user in.
        Err(_) => {}
    }
    let output = command
        .with(REMOVE)
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::os(format!("starting {}", command.program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::os(format!("removing {}", path.display()))(
        io::Error::other(said.trim().to_owned()),
    ))
}

/// The removing process; its exit code. Served by [`crate::entry::dispatch`].
pub(crate) fn main(arguments: &[OsString]) -> i32 {
    let Some(path) = arguments.first() else {
        return 2;
    };
    match remove_as_lab(Path::new(path)) {
        Ok(()) => 0,
        Err(error) => {
            crate::say!("{error}");
            1
        }
    }
}

fn remove_as_lab(path: &Path) -> io::Result<()> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let Some(child) = sys::clone3(libc::CLONE_NEWUSER)? else {
        drop(ours);
        sys::child(|| {
            // Closed without a word: the ids could not be mapped.
            let mapped = matches!(Channel::new(theirs).receive(), Ok(Received::Message(_)));
            let removed = if mapped {
                fs::remove_dir_all(path)
            } else {
                Ok(())
            };
            match removed {
                Ok(()) => 0,
                // Somebody else removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            }
        });
    };
    drop(theirs);
    let told = identity::map_lab(child)
        .and_then(|_| Channel::new(ours).send(0, b"mapped".to_vec(), Vec::new()));
    let status = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
    told?;
    match status.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code)),
        None => Err(io::Error::other("the removing process was killed")),
    }
}

/// The owner of a folder, without following a link.
pub(crate) fn owner_of(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        Ok(found.uid())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}
