//! The file system of a container: built while the host's is in sight, entered, and the host's left behind for good.
//!
//! What comes from the host is opened as the launching user and copied into detached mounts; then the process becomes
//! the instance's root, pivots onto the overlay and lets the old root go before anything of the image is looked at.
//! From there on there is nothing but the container's own files, and the detached mounts are attached to places that
//! are found without following a link out (see `target`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use super::spec::{AtRest, ContainerMount, ContainerSpec, MountKind, Propagation};
use super::target::{self, Missing};
use super::{copy_up, mount};
use crate::error::Fault;
use crate::root::{Source, become_root};
use crate::{init, sys};

/// Every container's; a user namespace may not make device nodes, so they are the host's.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// A privileged container's.
const MORE_DEVICES: [&str; 2] = ["net/tun", "fuse"];
/// linux/magic.h
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;

/// Descriptors of what was built.
pub(super) struct Entered {
    pub root: OwnedFd,
    /// `/dev/pts`.
    pub terminals: OwnedFd,
    /// Holds [`ContainerSpec::files`], named by their place in the map.
    pub files: Option<OwnedFd>,
    pub warnings: Vec<String>,
}

/// What the host has, before it is out of sight.
struct Host {
    proc: OwnedFd,
    sys: Option<OwnedFd>,
    cgroup: Option<OwnedFd>,
    devices: Vec<(&'static str, OwnedFd)>,
    /// One a mount; none for memory.
    mounts: Vec<Option<OwnedFd>>,
}

/// Enters the root of `spec`. After an error the process must end.
pub(super) fn enter(spec: &ContainerSpec, ids: u32) -> Result<Entered, Fault> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Fault::os("making mounts private"))?;
    let opened = |path: &Path| Source::open(path).map_err(Fault::os(format!("opening {}", path.display())));
    let lower = spec.root.lower.iter().map(|path| opened(path)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (opened(&spec.root.upper)?, opened(&spec.root.work)?);
    let sources = spec
        .mounts
        .iter()
        .map(|mount| match &mount.kind {
            MountKind::Bind { source, .. } | MountKind::Volume { source, .. } => opened(source).map(Some),
            MountKind::Tmpfs { .. } => Ok(None),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let more = if spec.privileged { &MORE_DEVICES[..] } else { &[] };
    let devices: Vec<(&str, Source)> = DEVICES
        .iter()
        .chain(more)
        .filter_map(|name| Some((*name, Source::open(&Path::new("/dev").join(name)).ok()?)))
        .collect();

    become_root().map_err(Fault::os("becoming the instance's root"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    for left in ["work", "incompat", "index"] {
        // With the mark of the last mount: overlayfs refuses it after `volatile`.
        let _ = fs::remove_dir_all(work.path().join(left));
    }
    let root = mount::overlay(&lower, &upper, &work).map_err(Fault::os("mounting the layers"))?;
    let host = Host {
        proc: mount::new("proc", &[], mount::NO_PROGRAMS).map_err(Fault::os("mounting /proc"))?,
        // A machine that refuses leaves it empty, which programs accept.
        sys: mount::new("sysfs", &[], mount::NO_PROGRAMS).ok(),
        cgroup: is_unified().then(|| mount::new("cgroup2", &[], mount::NO_PROGRAMS).ok()).flatten(),
        devices: devices
            .iter()
            .map(|(name, source)| Ok((*name, mount::copy(source.as_fd(), false)?)))
            .collect::<io::Result<_>>()
            .map_err(Fault::os("taking devices over"))?,
        mounts: spec
            .mounts
            .iter()
            .zip(&sources)
            .map(|(wanted, source)| source.as_ref().map(|source| take_over(wanted, source)).transpose())
            .collect::<Result<_, _>>()?,
    };
    // What was opened by path is of no use from here on; nothing of it may be found in /proc/self/fd.
    drop((lower, work, sources, devices));
    mount::attach(root.as_fd(), upper.as_fd()).map_err(Fault::os("mounting the root"))?;
    drop(upper);
    rustix::process::fchdir(&root)
        .and_then(|()| rustix::process::pivot_root(".", "."))
        .and_then(|()| rustix::mount::unmount(".", UnmountFlags::DETACH))
        .and_then(|()| rustix::process::chdir("/"))
        .map_err(Fault::os("changing the root"))?;
    furnish(spec, ids, root, host)
}

/// Shows what a container that does not run consists of, in mounts that this process alone has; the descriptor is its root.
/// For a process with one thread that still is the launching user, in a user namespace with an instance's ids, whose root it
/// becomes. `folders` that the holder makes before a start are there. After an error the process must end.
pub(crate) fn show(rest: &AtRest) -> Result<OwnedFd, Fault> {
    sys::unshare(UnshareFlags::NEWNS).map_err(Fault::os("leaving the host's mounts"))?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Fault::os("making mounts private"))?;
    let opened = |path: &Path| Source::open(path).map_err(Fault::os(format!("opening {}", path.display())));
    let lower = rest.root.lower.iter().map(|path| opened(path)).collect::<Result<Vec<_>, _>>()?;
    let (upper, work) = (opened(&rest.root.upper)?, opened(&rest.root.work)?);
    let mounts = rest.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } | MountKind::Volume { source, .. } => Some((mount, source)),
        MountKind::Tmpfs { .. } => None,
    });
    let mounts =
        mounts.map(|(mount, source)| Ok((mount, opened(source)?))).collect::<Result<Vec<(&ContainerMount, Source)>, Fault>>()?;
    become_root().map_err(Fault::os("becoming the instance's root"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    for left in ["work", "incompat", "index"] {
        let _ = fs::remove_dir_all(work.path().join(left));
    }
    let root = mount::overlay(&lower, &upper, &work).map_err(Fault::os("mounting the layers"))?;
    let copies =
        mounts.iter().map(|(mount, source)| Ok((*mount, take_over(mount, source)?))).collect::<Result<Vec<_>, Fault>>()?;
    mount::attach(root.as_fd(), upper.as_fd()).map_err(Fault::os("mounting the root"))?;
    for (mount, copy) in &copies {
        put(root.as_fd(), mount, Some(copy)).map_err(Fault::os(format!("mounting to {}", mount.target.display())))?;
    }
    if rest.root.read_only {
        mount::set_read_only(root.as_fd(), false).map_err(Fault::os("making the root read-only"))?;
    }
    Ok(root)
}

/// A copy of a bind's or volume's source.
fn take_over(wanted: &ContainerMount, source: &Source) -> Result<OwnedFd, Fault> {
    let (recursive, propagation) = match &wanted.kind {
        MountKind::Bind { recursive, propagation, .. } => (*recursive, *propagation),
        _ => (false, Propagation::Private),
    };
    let shown = || Fault::os(format!("taking over what {} shows", wanted.target.display()));
    // Where mounts of the host lie below, a user namespace shows all of it or nothing.
    let copied = mount::copy(source.as_fd(), recursive).or_else(|_| mount::copy(source.as_fd(), true)).map_err(shown())?;
    let propagation = match propagation {
        Propagation::Private => libc::MS_PRIVATE,
        Propagation::Slave => libc::MS_SLAVE,
        Propagation::Shared => libc::MS_SHARED,
    };
    let read_only = if wanted.read_only { libc::MOUNT_ATTR_RDONLY } else { 0 };
    sys::change_mount(copied.as_fd(), read_only, propagation, true).map_err(shown())?;
    Ok(copied)
}

/// Everything above the layers. There is nothing of the host any more.
fn furnish(spec: &ContainerSpec, ids: u32, root: OwnedFd, host: Host) -> Result<Entered, Fault> {
    let mut warnings = Vec::new();
    let place = |name: &str| target::real_directory(root.as_fd(), name).map_err(Fault::os(format!("mounting /{name}")));
    mount::attach(host.proc.as_fd(), place("proc")?.as_fd()).map_err(Fault::os("mounting /proc"))?;
    if let Some(sys) = &host.sys {
        mount::attach(sys.as_fd(), place("sys")?.as_fd()).map_err(Fault::os("mounting /sys"))?;
        if let Some(cgroup) = &host.cgroup
            && let Ok(place) = target::locate(root.as_fd(), Path::new("sys/fs/cgroup"))
        {
            let read_only = if spec.privileged { Ok(()) } else { mount::set_read_only(cgroup.as_fd(), false) };
            read_only
                .and_then(|()| mount::attach(cgroup.as_fd(), place.as_fd()))
                .map_err(Fault::os("mounting /sys/fs/cgroup"))?;
        }
        if !spec.privileged {
            mount::set_read_only(sys.as_fd(), false).map_err(Fault::os("mounting /sys"))?;
        }
    } else {
        warnings.push("/sys is empty: this machine does not let it be mounted".to_owned());
    }
    let dev = mount::new("tmpfs", &[("mode", "755"), ("size", "65536k")], MountAttrFlags::MOUNT_ATTR_NOSUID)
        .map_err(Fault::os("mounting /dev"))?;
    mount::attach(dev.as_fd(), place("dev")?.as_fd()).map_err(Fault::os("mounting /dev"))?;
    let (terminals, files, copies) =
        build_dev(spec, ids, dev.as_fd(), &host.devices).map_err(Fault::os("building /dev"))?;

    for (wanted, source) in spec.mounts.iter().zip(&host.mounts) {
        put(root.as_fd(), wanted, source.as_ref())
            .map_err(Fault::os(format!("mounting to {}", wanted.target.display())))?;
    }
    for (path, copy) in spec.files.keys().zip(&copies) {
        put_at(root.as_fd(), Path::new(path), copy.as_fd(), Missing::File)
            .map_err(Fault::os(format!("laying {path} over the root")))?;
    }
    write_sysctls(spec)?;
    if !spec.privileged {
        protect(root.as_fd(), spec)?;
    }
    Ok(Entered { root, terminals, files, warnings })
}

type Dev = (OwnedFd, Option<OwnedFd>, Vec<OwnedFd>);

fn build_dev(spec: &ContainerSpec, ids: u32, dev: BorrowedFd<'_>, devices: &[(&str, OwnedFd)]) -> io::Result<Dev> {
    let mode = Mode::from_raw_mode(0o755);
    let at = |name: &str| rustix::fs::openat(dev, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    for (name, device) in devices {
        if let Some((directory, _)) = name.split_once('/') {
            rustix::fs::mkdirat(dev, directory, mode)?;
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        drop(rustix::fs::openat(dev, *name, flags, Mode::from_raw_mode(0o666))?);
        mount::attach(device.as_fd(), at(name)?.as_fd())?;
    }
    for directory in ["pts", "shm", "mqueue"] {
        rustix::fs::mkdirat(dev, directory, mode)?;
    }
    for (name, leads_to) in [
        ("ptmx", "pts/ptmx"),
        ("core", "/proc/kcore"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        rustix::fs::symlinkat(leads_to, dev, name)?;
    }
    // Group 5 (tty) exists only where ids do.
    let mut options = vec![("ptmxmode", "0666"), ("mode", "0620")];
    if ids > 5 {
        options.push(("gid", "5"));
    }
    let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let terminals = mount::new("devpts", &options, quiet)?;
    mount::attach(terminals.as_fd(), at("pts")?.as_fd())?;
    // Before the real one: a place for a moment, because only what is mounted can be copied.
    let shm = at("shm")?;
    let (mut files, mut copies) = (None, Vec::new());
    if !spec.files.is_empty() {
        let memory = mount::new("tmpfs", &[("mode", "755")], quiet | MountAttrFlags::MOUNT_ATTR_NODEV)?;
        mount::attach(memory.as_fd(), shm.as_fd())?;
        for (number, content) in spec.files.values().enumerate() {
            let name = number.to_string();
            write_file(memory.as_fd(), &name, content)?;
            let file = rustix::fs::openat(&memory, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            copies.push(mount::copy(file.as_fd(), false)?);
        }
        rustix::mount::unmount("/dev/shm", UnmountFlags::DETACH)?;
        files = Some(memory);
    }
    let size = spec.shm_bytes.to_string();
    let memory = mount::new("tmpfs", &[("mode", "1777"), ("size", &size)], mount::NO_PROGRAMS)?;
    mount::attach(memory.as_fd(), shm.as_fd())?;
    // Optional in the kernel.
    if let Ok(queues) = mount::new("mqueue", &[], mount::NO_PROGRAMS) {
        mount::attach(queues.as_fd(), at("mqueue")?.as_fd())?;
    }
    Ok((terminals, files, copies))
}

/// Writes one of [`ContainerSpec::files`] in its own file system, in place: what is mounted elsewhere changes too.
pub(super) fn write_file(files: BorrowedFd<'_>, name: &str, content: &str) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(files, name, flags, Mode::from_raw_mode(0o644))?;
    File::from(file).write_all(content.as_bytes())
}

/// Shows the open terminal as `/dev/console`.
pub(super) fn show_console(root: BorrowedFd<'_>, slave: &Path) -> io::Result<()> {
    let slave = target::locate(root, slave)?;
    let place = target::locate_or_make(root, Path::new("dev/console"), Missing::File)?;
    mount::attach(mount::copy(slave.as_fd(), false)?.as_fd(), place.as_fd())
}

fn put(root: BorrowedFd<'_>, wanted: &ContainerMount, source: Option<&OwnedFd>) -> io::Result<()> {
    let made;
    let (shown, missing) = match (&wanted.kind, source) {
        (MountKind::Tmpfs { size_bytes, mode }, _) => {
            let mode = format!("{:o}", mode.unwrap_or(0o1777));
            let size = size_bytes.map(|bytes| bytes.to_string());
            let mut options = vec![("mode", mode.as_str())];
            options.extend(size.as_deref().map(|size| ("size", size)));
            made = mount::new("tmpfs", &options, mount::NO_PROGRAMS)?;
            if wanted.read_only {
                mount::set_read_only(made.as_fd(), false)?;
            }
            (&made, Missing::Directory)
        }
        (kind, Some(source)) => {
            let is_directory = target::is_directory(source.as_fd())?;
            if matches!(kind, MountKind::Volume { copy: true, .. })
                && is_directory
                && !wanted.read_only
                && let Ok(place) = target::locate(root, &wanted.target)
            {
                copy_up::fill(place.as_fd(), source.as_fd())?;
            }
            (source, if is_directory { Missing::Directory } else { Missing::File })
        }
        (_, None) => return Err(io::ErrorKind::NotFound.into()),
    };
    put_at(root, &wanted.target, shown.as_fd(), missing)
}

fn put_at(root: BorrowedFd<'_>, path: &Path, mount: BorrowedFd<'_>, missing: Missing) -> io::Result<()> {
    let place = target::locate_or_make(root, path, missing)?;
    if target::is_in_proc(place.as_fd())? {
        return Err(io::Error::other("it lies inside /proc"));
    }
    if target::is_directory(place.as_fd())? != (missing == Missing::Directory) {
        return Err(io::Error::other("of source and target one is a directory and the other is not"));
    }
    mount::attach(mount, place.as_fd())
}

fn write_sysctls(spec: &ContainerSpec) -> Result<(), Fault> {
    let as_path = |name: &str| if name.contains('/') { name.to_owned() } else { name.replace('.', "/") };
    let values: Vec<_> = spec.sysctls.iter().map(|(name, value)| (as_path(name), value.clone())).collect();
    init::write_sysctls(&values)
}

/// Masks and read-only paths.
fn protect(root: BorrowedFd<'_>, spec: &ContainerSpec) -> Result<(), Fault> {
    let null = target::locate(root, Path::new("dev/null")).map_err(Fault::os("opening /dev/null"))?;
    for path in &spec.masked_paths {
        let Some(place) = found(root, path)? else { continue };
        let masked = match target::is_directory(place.as_fd()) {
            Ok(true) => {
                let read_only = mount::NO_PROGRAMS | MountAttrFlags::MOUNT_ATTR_RDONLY;
                mount::new("tmpfs", &[("size", "0"), ("mode", "555")], read_only)
            }
            Ok(false) => mount::copy(null.as_fd(), false),
            Err(error) => Err(error),
        };
        masked
            .and_then(|mask| mount::attach(mask.as_fd(), place.as_fd()))
            .map_err(Fault::os(format!("masking {path}")))?;
    }
    for path in &spec.read_only_paths {
        let Some(place) = found(root, path)? else { continue };
        let flags = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
        mount::copy(place.as_fd(), true)
            .and_then(|copy| sys::change_mount(copy.as_fd(), flags, 0, true).map(|()| copy))
            .and_then(|copy| mount::attach(copy.as_fd(), place.as_fd()))
            .map_err(Fault::os(format!("making {path} read-only")))?;
    }
    Ok(())
}

fn found(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>, Fault> {
    match target::locate(root, Path::new(path)) {
        Ok(place) => Ok(Some(place)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Fault::os(format!("protecting {path}"))(error)),
    }
}

/// Whether the host's control groups are the unified tree, which a container may see its part of.
fn is_unified() -> bool {
    rustix::fs::statfs("/sys/fs/cgroup").is_ok_and(|found| found.f_type == CGROUP2_SUPER_MAGIC)
}
