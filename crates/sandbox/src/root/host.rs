//! A root made of the host's programs (DESIGN §7): private overlays on `/usr`, `/etc`, `/opt`, all else the
//! instance's own, in memory or on a disk that outlives it. An overlay on `/` itself is refused rootless and
//! would show the user's keys.
//!
//! What lies on a disk that was used is the instance's work, links and all, and nothing here trusts it:
//! at the top every name that is mounted on is made a directory again, below only what no path inside leads
//! to is written. What differs from the host and is not the instance's own is built anew each time, between
//! the host's directories and the writable half.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};

use super::{Source, bind_to, make_real_directory, mount_overlay, mount_proc, set_mode};
use crate::error::Fault;
use crate::protocol::{HostView, RootOrder};
use crate::spec::RootBase;

const OVERLAID: [&str; 3] = ["usr", "etc", "opt"];
/// Links into `/usr` on merged systems, directories on others; the last two carry whole systems'
/// programs where they exist.
const PROGRAMS: [&str; 8] = [
    "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu",
];
/// Files of `/etc` larger than this are left out where `/etc` must be copied.
const LARGEST_COPY: u64 = 1 << 20;

/// What the host has, opened before the pivot.
#[derive(Default)]
pub(super) struct Host {
    overlaid: Vec<(&'static str, Source)>,
    links: Vec<(&'static str, PathBuf)>,
    directories: Vec<(&'static str, Source)>,
}

pub(super) fn open(base: &RootBase) -> Host {
    let mut host = Host::default();
    if !matches!(base, RootBase::Host) {
        return host;
    }
    for name in OVERLAID {
        if let Ok(source) = Source::open(&Path::new("/").join(name)) {
            host.overlaid.push((name, source));
        }
    }
    for name in PROGRAMS {
        let path = Path::new("/").join(name);
        if let Ok(target) = fs::read_link(&path) {
            host.links.push((name, target));
        } else if let Ok(source) = Source::open(&path) {
            host.directories.push((name, source));
        }
    }
    host
}

/// On a disk: the instance's first start is over, its directories are there.
const BUILT: &str = "built";

pub(super) fn build(
    order: &RootOrder,
    host: &Host,
    scratch: &Source,
    disk: Option<&Source>,
) -> Result<(), Fault> {
    let failed = |error| Fault::os("building a root")(error);
    for name in ["/proc", "/sys", "/dev", "/run", "/tmp"] {
        make_real_directory(Path::new(name)).map_err(failed)?;
    }
    mount_proc("/proc").map_err(Fault::os("mounting /proc"))?;
    // The first path through /proc/self/fd, hence not before.
    let built = disk.map(|disk| disk.path().join(BUILT));
    let is_new = !built.as_ref().is_some_and(|mark| mark.exists());
    if disk.is_some() {
        for name in ["run", "tmp"] {
            let volatile = scratch.path().join(name);
            fs::create_dir(&volatile).map_err(failed)?;
            let volatile = Source::open(&volatile).map_err(failed)?;
            bind_to(&volatile, &Path::new("/").join(name), false)
                .map_err(Fault::os(format!("binding /{name}")))?;
        }
    }
    set_mode(Path::new("/tmp"), 0o1777)?;
    make_directory("/run/lock", 0o1777)?;
    if is_new {
        make_skeleton(host)?;
    }
    for (name, source) in &host.directories {
        let target = Path::new("/").join(name);
        make_real_directory(&target).map_err(failed)?;
        bind_to(source, &target, true).map_err(Fault::os(format!("binding /{name}")))?;
    }
    let (in_overlays, elsewhere): (BTreeMap<_, _>, BTreeMap<_, _>) = order
        .spec
        .files
        .iter()
        .map(|(path, content)| (path.clone(), content.clone()))
        .partition(|(path, _)| {
            OVERLAID
                .iter()
                .any(|name| Path::new(path).starts_with(Path::new("/").join(name)))
        });
    if is_new {
        write_files(&elsewhere, Path::new("/"))?;
    }
    overlay_host(order, host, scratch, disk, &in_overlays, is_new)?;
    match built {
        Some(mark) => fs::File::create(mark).map(drop).map_err(failed),
        None => Ok(()),
    }
}

/// What a root has besides what is mounted on it.
fn make_skeleton(host: &Host) -> Result<(), Fault> {
    for (path, mode) in [
        ("/home", 0o755),
        ("/media", 0o755),
        ("/mnt", 0o755),
        ("/root", 0o700),
        ("/srv", 0o755),
        ("/var", 0o755),
        ("/var/cache", 0o755),
        ("/var/lib", 0o755),
        ("/var/log", 0o755),
        ("/var/spool", 0o755),
        ("/var/tmp", 0o1777),
    ] {
        make_directory(path, mode)?;
    }
    let of_host = host
        .links
        .iter()
        .map(|(name, target)| (format!("/{name}"), target.clone()));
    let own = [("/var/run", "/run"), ("/var/lock", "/run/lock")];
    let own = own.map(|(name, target)| (name.to_owned(), PathBuf::from(target)));
    for (name, target) in of_host.chain(own) {
        match symlink(target, &name) {
            // By a start that was cut short.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Fault::os(format!("making {name}"))(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn make_directory(path: &str, mode: u32) -> Result<(), Fault> {
    let path = Path::new(path);
    match fs::create_dir(path) {
        // By a start that was cut short.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Fault::os(format!("making {}", path.display()))(error))
        }
        _ => set_mode(path, mode),
    }
}

/// The host's programs and settings, changeable.
fn overlay_host(
    order: &RootOrder,
    host: &Host,
    scratch: &Source,
    disk: Option<&Source>,
    files: &BTreeMap<String, String>,
    is_new: bool,
) -> Result<(), Fault> {
    let failed = |error| Fault::os("building a root")(error);
    // Everything that is to differ from the host lies in a layer of its own before the overlay exists: what
    // belongs to ids that the instance lacks cannot be copied up later, nor removed.
    let own = scratch.path().join("own");
    let writable = disk.unwrap_or(scratch).path();
    let (upper, work) = (writable.join("upper"), writable.join("work"));
    // With the mark of the last mount: overlayfs refuses it after `volatile`.
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    for name in OVERLAID {
        for half in [&own, &upper, &work] {
            fs::create_dir_all(half.join(name)).map_err(failed)?;
        }
    }
    mirror_directories(&order.host, &own)?;
    hide(&order.host, &own)?;
    write_files(files, &own)?;
    for (name, source) in &host.overlaid {
        let target = Path::new("/").join(name);
        make_real_directory(&target).map_err(failed)?;
        let lower = [own.join(name), source.path()];
        if mount_overlay(&target, &lower, &upper.join(name), &work.join(name)).is_ok() {
            continue;
        }
        if *name == "etc" {
            if is_new {
                // A start that was cut short may have copied a part.
                fs::remove_dir_all(&target)
                    .and_then(|()| fs::create_dir(&target))
                    .map_err(failed)?;
            } else if fs::read_dir(&target).map_err(failed)?.next().is_some() {
                // Copied before, and the instance's since.
                continue;
            }
            copy_tree(&source.path(), &target, Path::new("etc"), &order.host)?;
        } else {
            bind_to(source, &target, true).map_err(Fault::os(format!("binding /{name}")))?;
        }
        let wanted = files
            .iter()
            .filter(|(path, _)| Path::new(path).starts_with(&target));
        let wanted: BTreeMap<_, _> = wanted
            .map(|(path, content)| (path.clone(), content.clone()))
            .collect();
        write_files(&wanted, Path::new("/"))?;
    }
    Ok(())
}

/// These become the instance's own, so that it can make and replace files in them.
fn mirror_directories(view: &HostView, own: &Path) -> Result<(), Fault> {
    for (name, mode) in &view.directories {
        let path = own.join(name);
        fs::create_dir_all(&path).map_err(Fault::os(format!("making /{name}")))?;
        // Group and others keep what they had; the instance's root owns it.
        set_mode(&path, mode | 0o700)?;
    }
    Ok(())
}

/// Puts overlayfs's mark for "removed" (a character device 0/0, which anyone may make since Linux 5.8)
/// where the host has what must not be seen. The layer that holds the marks has no path inside, so that
/// not even the instance's root can lift them.
fn hide(view: &HostView, own: &Path) -> Result<(), Fault> {
    for name in &view.hidden {
        let path = own.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Fault::os(format!("hiding /{name}")))?;
        }
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            FileType::CharacterDevice,
            Mode::empty(),
            0,
        )
        .map_err(Fault::os(format!("hiding /{name}")))?;
    }
    Ok(())
}

/// Writes files below `root`, in place of whatever is there.
pub(super) fn write_files(files: &BTreeMap<String, String>, root: &Path) -> Result<(), Fault> {
    for (name, content) in files {
        let path = root.join(name.trim_start_matches('/'));
        let failed = |error| Fault::os(format!("writing {name}"))(error);
        if let Some(parent) = path.parent() {
            super::make_way(parent).map_err(failed)?;
        }
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        fs::write(&path, content).map_err(failed)?;
    }
    Ok(())
}

/// What everybody may read of a directory, copied: the way to a private `/etc` without overlayfs.
fn copy_tree(source: &Path, target: &Path, relative: &Path, view: &HostView) -> Result<(), Fault> {
    let listing =
        fs::read_dir(source).map_err(Fault::os(format!("reading /{}", relative.display())))?;
    for entry in listing.flatten() {
        let relative = relative.join(entry.file_name());
        if view
            .hidden
            .iter()
            .any(|hidden| Path::new(hidden) == relative)
        {
            continue;
        }
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let Ok(metadata) = fs::symlink_metadata(&from) else {
            continue;
        };
        let copied = if metadata.is_dir() {
            fs::create_dir(&to).map_err(Fault::os(format!("making /{}", relative.display())))?;
            copy_tree(&from, &to, &relative, view)?;
            Ok(())
        } else if metadata.is_symlink() {
            fs::read_link(&from).and_then(|link| symlink(link, &to))
        } else if metadata.is_file() && metadata.len() <= LARGEST_COPY {
            fs::copy(&from, &to).map(|_| ())
        } else {
            Ok(())
        };
        copied.map_err(Fault::os(format!("copying /{}", relative.display())))?;
    }
    Ok(())
}
