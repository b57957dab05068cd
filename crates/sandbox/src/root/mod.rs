//! The file system of an instance: built, entered, and the host's left behind for good.
//!
//! Order matters. Sources are opened while this process still is the launching user in the host's view;
//! then it becomes the instance's root, makes a new root and pivots; from there on every path resolves
//! inside the new root, so that no symbolic link of an image can point a write at the host. The host's
//! directories are reached through the open sources until the old root is detached. Never chroot: the
//! old root would stay reachable.

mod device;
mod host;
mod mount;
pub(crate) mod survey;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags};
use rustix::process::DumpableBehavior;
use rustix::thread::{Gid, Uid, UnshareFlags};

use crate::error::Fault;
use crate::protocol::RootOrder;
use crate::spec::{RootBase, Tool};
use crate::sys;

pub(crate) use mount::{mount_overlay, mount_proc, mount_tmpfs};
use mount::{mount_disk, mount_sys};

/// Directories that a mount may cover for a moment; the first that exists is used.
pub(crate) const STAGES: [&str; 5] = ["/mnt", "/srv", "/media", "/tmp", "/sys"];
const TOOLS: &str = "/run/vpclab";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory or file of the host, opened before the pivot.
pub(crate) struct Source {
    descriptor: OwnedFd,
}

impl Source {
    pub(crate) fn open(path: &Path) -> io::Result<Source> {
        let descriptor = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Source { descriptor })
    }

    /// A path that leads to it before and after the pivot.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.descriptor.as_raw_fd()))
    }

    fn is_directory(&self) -> io::Result<bool> {
        Ok(
            FileType::from_raw_mode(rustix::fs::fstat(&self.descriptor)?.st_mode)
                == FileType::Directory,
        )
    }
}

/// Enters the root file system of `order`; returns the environment for commands in it. After an error
/// the process must end.
pub(crate) fn enter(order: &RootOrder) -> Result<BTreeMap<String, String>, Fault> {
    let spec = &order.spec;
    check_paths(order)?;
    sys::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWIPC)
        .map_err(Fault::os("leaving the lab's mounts"))?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(Fault::os("making mounts private"))?;

    let opened =
        |path: &Path| Source::open(path).map_err(Fault::os(format!("opening {}", path.display())));
    let tools = spec
        .tools
        .iter()
        .map(|tool| opened(&tool.executable))
        .collect::<Result<Vec<_>, _>>()?;
    let binds = spec
        .binds
        .iter()
        .map(|bind| opened(&bind.source))
        .collect::<Result<Vec<_>, _>>()?;
    let devices = device::open();
    let host = host::open(&spec.base);
    let layers = match &spec.base {
        RootBase::Host => Vec::new(),
        RootBase::Layers { lower, .. } => lower
            .iter()
            .map(|path| opened(path))
            .collect::<Result<_, _>>()?,
    };
    let writable = match &spec.base {
        RootBase::Layers {
            upper: Some((upper, work)),
            ..
        } => Some((opened(upper)?, opened(work)?)),
        _ => None,
    };
    let disk = spec.disk.as_deref().map(opened).transpose()?;

    become_root().map_err(Fault::os("becoming the instance's root"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let scratch = stage(&spec.base, &layers, writable.as_ref(), disk.as_ref())?;
    rustix::process::pivot_root(".", ".").map_err(Fault::os("changing the root"))?;

    if matches!(spec.base, RootBase::Host) {
        host::build(order, &host, &scratch, disk.as_ref())?;
    } else {
        make_directories(&["proc", "sys", "dev", "tmp", "run", "root"])?;
        mount_proc("/proc").map_err(Fault::os("mounting /proc"))?;
        host::write_files(&spec.files, Path::new("/"))?;
    }
    mount_sys();
    device::build(&devices, order.ids)?;
    install_tools(&spec.tools, &tools)?;
    for (bind, source) in spec.binds.iter().zip(&binds) {
        let shown = || {
            format!(
                "binding {} to {}",
                bind.source.display(),
                bind.target.display()
            )
        };
        if disk.is_some() {
            check_way(&bind.target).map_err(Fault::os(shown()))?;
        }
        bind_to(source, &bind.target, bind.read_only).map_err(Fault::os(shown()))?;
    }

    rustix::mount::unmount(".", UnmountFlags::DETACH)
        .map_err(Fault::os("leaving the host's root"))?;
    std::env::set_current_dir("/").map_err(Fault::os("entering the new root"))?;
    let mut environment = default_environment();
    environment.extend(spec.environment.clone());
    Ok(environment)
}

/// Refuses paths that do not say plainly where they lead.
fn check_paths(order: &RootOrder) -> Result<(), Fault> {
    let plain = |path: &Path| {
        path.is_absolute()
            && !path
                .components()
                .any(|part| matches!(part, std::path::Component::ParentDir))
    };
    for path in order
        .spec
        .files
        .keys()
        .map(Path::new)
        .chain(order.spec.binds.iter().map(|bind| bind.target.as_path()))
    {
        if !plain(path) {
            return Err(Fault::invalid(format!(
                "{}: not an absolute path",
                path.display()
            )));
        }
    }
    if order.spec.disk.is_some() && !matches!(order.spec.base, RootBase::Host) {
        return Err(Fault::invalid("a disk below layers of an image"));
    }
    for tool in &order.spec.tools {
        if tool.name.is_empty()
            || tool.name.contains(['/', '\0'])
            || tool.name == "."
            || tool.name == ".."
        {
            return Err(Fault::invalid(format!(
                "tool `{}`: not a file name",
                tool.name
            )));
        }
    }
    Ok(())
}

/// From the launching user (who may open the sources) to root of the instance (who owns what is new).
pub(crate) fn become_root() -> io::Result<()> {
    // Denied without subordinate ids: see `exec::become_user`.
    let _ = rustix::thread::set_thread_groups(&[]);
    let (gid, uid) = (Gid::ROOT, Uid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Mounts the new root on top of some directory and makes it the working directory. Returns a private
/// tmpfs that no path leads to after the pivot, for the writable halves of overlays.
fn stage(
    base: &RootBase,
    layers: &[Source],
    writable: Option<&(Source, Source)>,
    disk: Option<&Source>,
) -> Result<Source, Fault> {
    let mut refusal = Fault::invalid("no directory to build a root on");
    let mut staged = None;
    for candidate in STAGES {
        match mount_tmpfs(candidate, "mode=0755") {
            Ok(()) => {
                staged = Some(Path::new(candidate));
                break;
            }
            Err(error) => refusal = Fault::os(format!("mounting a tmpfs on {candidate}"))(error),
        }
    }
    let Some(stage) = staged else {
        return Err(refusal);
    };
    let directory = |name: &str| {
        let path = stage.join(name);
        fs::create_dir(&path)
            .map(|()| path)
            .map_err(Fault::os("building a root"))
    };
    let root = directory("root")?;
    let scratch = Source::open(&directory("scratch")?).map_err(Fault::os("building a root"))?;
    match base {
        RootBase::Host => match disk {
            None => mount_tmpfs(&root, "mode=0755"),
            Some(disk) => mount_disk(disk, &root),
        }
        .map_err(Fault::os("mounting a root"))?,
        RootBase::Layers { .. } => {
            if layers.is_empty() {
                return Err(Fault::invalid("a root of no layers"));
            }
            let lower: Vec<PathBuf> = layers.iter().rev().map(Source::path).collect();
            let (upper, work) = match writable {
                Some((upper, work)) => (upper.path(), work.path()),
                None => (directory("upper")?, directory("work")?),
            };
            mount_overlay(&root, &lower, &upper, &work).map_err(Fault::os("mounting layers"))?;
        }
    }
    std::env::set_current_dir(&root).map_err(Fault::os("entering the new root"))?;
    Ok(scratch)
}

fn make_directories(names: &[&str]) -> Result<(), Fault> {
    for name in names {
        let path = Path::new("/").join(name);
        match fs::create_dir(&path) {
            Ok(()) if *name == "tmp" => set_mode(&path, 0o1777)?,
            Ok(()) if *name == "root" => set_mode(&path, 0o700)?,
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                make_way(&path).map_err(Fault::os(format!("making {}", path.display())))?
            }
            Err(error) => return Err(Fault::os(format!("making {}", path.display()))(error)),
        }
    }
    Ok(())
}

/// Makes sure that a name at the top of an instance's disk is a directory and no link: the instance could
/// take away what was mounted there and leave something else.
pub(crate) fn make_real_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir(path)
}

/// Refuses a way that an instance turned elsewhere by a link on its disk: `/proc/self/fd` leads to the host
/// as long as its old root is there.
fn check_way(path: &Path) -> io::Result<()> {
    match path.ancestors().find(|part| part.is_symlink()) {
        None => Ok(()),
        Some(link) => Err(io::Error::other(format!("{} is a link on the disk", link.display()))),
    }
}

/// Makes a directory and those above it. Where an image has a link that leads nowhere, what it names is
/// made: in the new root, which is all there is.
pub(crate) fn make_way(path: &Path) -> io::Result<()> {
    // As many as the kernel follows (path_resolution(7)).
    let mut links = 40;
    let mut waiting = vec![path.to_owned()];
    while let Some(wanted) = waiting.last() {
        if fs::create_dir_all(wanted).is_ok() {
            waiting.pop();
            continue;
        }
        let leads_nowhere = |part: &&Path| part.is_symlink() && !part.exists();
        let link = wanted.ancestors().filter(leads_nowhere).last();
        let Some(link) = link.filter(|_| links > 0) else {
            return fs::create_dir_all(wanted);
        };
        links -= 1;
        let beside = link.parent().unwrap_or(Path::new("/"));
        waiting.push(beside.join(fs::read_link(link)?));
    }
    Ok(())
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), Fault> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Fault::os(format!("setting the mode of {}", path.display())))
}

/// Shows a detached mount at a path of the caller's root, which is made as needed.
pub(crate) fn show_volume(tree: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    check_way(target)?;
    make_way(target)?;
    let place = rustix::fs::open(target, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(tree, "", place, "", flags)?)
}

/// Makes `source` visible at `target`, which is made as needed.
pub(crate) fn bind_to(source: &Source, target: &Path, read_only: bool) -> io::Result<()> {
    if source.is_directory()? {
        make_way(target)?;
    } else {
        if let Some(parent) = target.parent() {
            make_way(parent)?;
        }
        if !target.exists() {
            fs::File::create(target)?;
        }
    }
    rustix::mount::mount_bind_recursive(source.path(), target)?;
    if read_only {
        sys::set_read_only(target)
    } else {
        Ok(())
    }
}

/// One bind a file, one link a name. Preferred names come first on `PATH`, the others last, where the
/// host's own program of that name is found before them.
fn install_tools(tools: &[Tool], sources: &[Source]) -> Result<(), Fault> {
    if tools.is_empty() {
        return Ok(());
    }
    let base = Path::new(TOOLS);
    let failed = |error| Fault::os("installing tools")(error);
    for directory in ["exec", "bin", "fallback"] {
        make_way(&base.join(directory)).map_err(failed)?;
    }
    let mut bound: BTreeMap<&Path, String> = BTreeMap::new();
    for (tool, source) in tools.iter().zip(sources) {
        let number = bound.len();
        let file = match bound.get(tool.executable.as_path()) {
            Some(file) => file.clone(),
            None => {
                let file = number.to_string();
                bind_to(source, &base.join("exec").join(&file), true).map_err(failed)?;
                bound.insert(&tool.executable, file.clone());
                file
            }
        };
        let directory = if tool.preferred { "bin" } else { "fallback" };
        std::os::unix::fs::symlink(
            format!("../exec/{file}"),
            base.join(directory).join(&tool.name),
        )
        .map_err(failed)?;
    }
    Ok(())
}

fn default_environment() -> BTreeMap<String, String> {
    [
        ("PATH", format!("{TOOLS}/bin:{PATH}:{TOOLS}/fallback")),
        ("HOME", "/root".into()),
        ("USER", "root".into()),
        ("LOGNAME", "root".into()),
        ("SHELL", "/bin/sh".into()),
        ("TERM", "xterm-256color".into()),
        ("LANG", "C.UTF-8".into()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

impl AsFd for Source {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
