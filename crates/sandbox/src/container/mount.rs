//! Mounts without paths (Linux 5.2): made detached, adjusted, then attached to a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::root::{self, Source};
use crate::sys;

pub(super) const NO_PROGRAMS: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// A new file system, not yet to be seen anywhere.
pub(super) fn new(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, *value)?;
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// A copy of what a descriptor leads to.
pub(super) fn copy(of: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(of, "", flags)?)
}

/// Shows a detached mount at a place.
pub(super) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

/// An overlay that works without privileges (`userxattr`), for the reasons of [`root::mount_overlay`] with `volatile`
/// and without an index. `lower` is lowest first.
pub(super) fn overlay(lower: &[Source], upper: &Source, work: &Source) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for layer in lower.iter().rev() {
        match fsconfig_set_string(&context, "lowerdir+", layer.path()) {
            Ok(()) => {}
            // Before Linux 6.7 a list in one string, which no longer fits where there are many.
            Err(rustix::io::Errno::INVAL) => return overlay_by_path(lower, upper, work),
            Err(error) => return Err(error.into()),
        }
    }
    fsconfig_set_string(&context, "upperdir", upper.path())?;
    fsconfig_set_string(&context, "workdir", work.path())?;
    fsconfig_set_string(&context, "index", "off")?;
    fsconfig_set_flag(&context, "userxattr")?;
    fsconfig_set_flag(&context, "volatile")?;
    match fsconfig_create(&context) {
        Ok(()) => {}
        // Before Linux 6.5 options are kept unread until here.
        Err(rustix::io::Errno::INVAL) => return overlay_by_path(lower, upper, work),
        Err(error) => return Err(error.into()),
    }
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// The same by mount(2), which wants a place: one is covered for a moment.
fn overlay_by_path(lower: &[Source], upper: &Source, work: &Source) -> io::Result<OwnedFd> {
    let lower: Vec<PathBuf> = lower.iter().rev().map(Source::path).collect();
    let mut refusal = io::Error::from(io::ErrorKind::NotFound);
    for stage in root::STAGES {
        match root::mount_overlay(Path::new(stage), &lower, &upper.path(), &work.path()) {
            Ok(()) => {
                let mounted = rustix::fs::open(stage, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                let copied = copy(mounted.as_fd(), false)?;
                rustix::mount::unmount(stage, UnmountFlags::DETACH)?;
                return Ok(copied);
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Refuses writes through this mount alone.
pub(super) fn set_read_only(mount: BorrowedFd<'_>, recursive: bool) -> io::Result<()> {
    sys::change_mount(mount, libc::MOUNT_ATTR_RDONLY, 0, recursive)
}
