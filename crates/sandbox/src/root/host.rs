//! A root made of the host's programs (DESIGN §7): tmpfs, private overlays on `/usr`, `/etc`, `/opt`,
//! all else fresh. An overlay on `/` itself is refused rootless and would show the user's keys.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};

use super::{Source, bind_to, mount_overlay, set_mode};
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

pub(super) fn build(order: &RootOrder, host: &Host, scratch: &Source) -> Result<(), Fault> {
    let failed = |error| Fault::os("building a root")(error);
    for (path, mode) in [
        ("/home", 0o755),
        ("/media", 0o755),
        ("/mnt", 0o755),
        ("/srv", 0o755),
        ("/run/lock", 0o1777),
        ("/var", 0o755),
        ("/var/cache", 0o755),
        ("/var/lib", 0o755),
        ("/var/log", 0o755),
        ("/var/spool", 0o755),
        ("/var/tmp", 0o1777),
    ] {
        fs::create_dir(path).map_err(failed)?;
        set_mode(Path::new(path), mode)?;
    }
    symlink("/run", "/var/run").map_err(failed)?;
    symlink("/run/lock", "/var/lock").map_err(failed)?;
    for (name, target) in &host.links {
        symlink(target, Path::new("/").join(name)).map_err(failed)?;
    }
    for (name, source) in &host.directories {
        bind_to(source, &Path::new("/").join(name), true)
            .map_err(Fault::os(format!("binding /{name}")))?;
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
    write_files(&elsewhere, Path::new("/"))?;

    // Everything that is to differ from the host lies in the upper half before the overlay exists: what
    // belongs to ids that the instance lacks cannot be copied up later, nor removed.
    let upper = scratch.path().join("upper");
    let work = scratch.path().join("work");
    for name in OVERLAID {
        fs::create_dir_all(upper.join(name)).map_err(failed)?;
        fs::create_dir_all(work.join(name)).map_err(failed)?;
    }
    mirror_directories(&order.host, &upper)?;
    hide(&order.host, &upper)?;
    write_files(&in_overlays, &upper)?;
    for (name, source) in &host.overlaid {
        let target = Path::new("/").join(name);
        fs::create_dir(&target).map_err(failed)?;
        if mount_overlay(
            &target,
            &[source.path()],
            &upper.join(name),
            &work.join(name),
        )
        .is_ok()
        {
            continue;
        }
        if *name == "etc" {
            copy_tree(&source.path(), &target, Path::new("etc"), &order.host)?;
        } else {
            bind_to(source, &target, true).map_err(Fault::os(format!("binding /{name}")))?;
        }
        let wanted = in_overlays
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
fn mirror_directories(view: &HostView, upper: &Path) -> Result<(), Fault> {
    for (name, mode) in &view.directories {
        let path = upper.join(name);
        fs::create_dir_all(&path).map_err(Fault::os(format!("making /{name}")))?;
        // Group and others keep what they had; the instance's root owns it.
        set_mode(&path, mode | 0o700)?;
    }
    Ok(())
}

/// Puts overlayfs's mark for "removed" (a character device 0/0, which anyone may make since Linux 5.8)
/// where the host has what must not be seen. The half that holds the marks has no path inside, so that
/// not even the instance's root can lift them.
fn hide(view: &HostView, upper: &Path) -> Result<(), Fault> {
    for name in &view.hidden {
        let path = upper.join(name);
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
