//! `/dev` of an instance: the host's harmless devices by bind, its own terminals and shared memory.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::MountFlags;

use super::{Source, bind_to, mount_tmpfs, set_mode};
use crate::error::Fault;

const DEVICES: [&str; 7] = [
    "null", "zero", "full", "random", "urandom", "tty", "net/tun",
];

/// Opens those that the host has; a user namespace may not make device nodes.
pub(super) fn open() -> Vec<(&'static str, Source)> {
    DEVICES
        .into_iter()
        .filter_map(|name| Some((name, Source::open(&Path::new("/dev").join(name)).ok()?)))
        .collect()
}

pub(super) fn build(devices: &[(&str, Source)], ids: u32) -> Result<(), Fault> {
    let failed = |error| Fault::os("building /dev")(error);
    mount_tmpfs("/dev", "mode=0755,size=64m").map_err(failed)?;
    for (name, source) in devices {
        bind_to(source, &Path::new("/dev").join(name), false)
            .map_err(Fault::os(format!("binding /dev/{name}")))?;
    }
    for directory in ["pts", "shm", "mqueue"] {
        fs::create_dir(Path::new("/dev").join(directory)).map_err(failed)?;
    }
    set_mode(Path::new("/dev/shm"), 0o1777)?;
    // Group 5 (tty) exists only where ids do.
    let group = if ids > 5 { ",gid=5" } else { "" };
    let options = CString::new(format!("newinstance,ptmxmode=0666,mode=0620{group}"))
        .map_err(|error| failed(error.into()))?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount(
        "devpts",
        "/dev/pts",
        "devpts",
        flags,
        Some(options.as_c_str()),
    )
    .map_err(Fault::os("mounting /dev/pts"))?;
    // Optional in the kernel; its own because the IPC namespace is.
    let _ = rustix::mount::mount(
        "mqueue",
        "/dev/mqueue",
        "mqueue",
        flags | MountFlags::NODEV,
        None,
    );
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, Path::new("/dev").join(name)).map_err(failed)?;
    }
    Ok(())
}
