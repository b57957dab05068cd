//! The mounts that a root file system is made of.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

use super::Source;
use crate::sys;

pub(crate) fn mount_tmpfs(target: impl AsRef<Path>, options: &str) -> io::Result<()> {
    let options = CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(
        "tmpfs",
        target.as_ref(),
        "tmpfs",
        flags,
        Some(options.as_c_str()),
    )?;
    Ok(())
}

/// Shows what a disk keeps of `/`. What a program leaves there with the setuid bit gives nobody rights, and
/// device nodes open nothing.
pub(super) fn mount_disk(disk: &Source, target: &Path) -> io::Result<()> {
    let root = disk.path().join("root");
    match std::fs::create_dir(&root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    rustix::mount::mount_bind(root, target)?;
    sys::restrict_mount(target, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV)
}

/// An overlay that works without privileges (`userxattr`, Linux 5.11). `lower` is highest first.
///
/// `volatile`: else its end, and so every stop of an instance, would write out the whole of the file system
/// that `upper` lies on, with everything that others have not written yet.
/// `index=off`: else, where the kernel is built so, a disk whose last mount is still being taken apart is refused.
pub(crate) fn mount_overlay(
    target: &Path,
    lower: &[PathBuf],
    upper: &Path,
    work: &Path,
) -> io::Result<()> {
    let lower: Vec<String> = lower
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile,index=off",
        lower.join(":"),
        upper.display(),
        work.display()
    );
    let options = CString::new(options)?;
    rustix::mount::mount(
        "overlay",
        target,
        "overlay",
        MountFlags::empty(),
        Some(options.as_c_str()),
    )?;
    Ok(())
}

pub(crate) fn mount_proc(target: &str) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", target, "proc", flags, None)?;
    Ok(())
}

/// Read-only, so that programs take this for a container and leave devices alone. A kernel or container
/// that refuses leaves `/sys` empty, which programs accept.
///
/// Twice, one on the other: `ip netns exec` takes one away and mounts a writable one, which the kernel
/// allows only where another is left to be seen whose file system is not read-only as a whole.
pub(super) fn mount_sys() {
    let path = Path::new("/sys");
    let mount = |more: MountFlags| {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | more;
        rustix::mount::mount("sysfs", path, "sysfs", flags, None).is_ok()
    };
    if !mount(MountFlags::empty()) {
        mount(MountFlags::RDONLY);
        return;
    }
    let read_only = sys::set_read_only(path)
        .and_then(|()| Ok(rustix::mount::mount_bind(path, path)?))
        .and_then(|()| sys::set_read_only(path));
    if read_only.is_err() {
        // Whatever is there, an empty one is on top of it.
        let _ = mount_tmpfs(path, "mode=0555,size=0");
    }
}
