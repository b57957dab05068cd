//! Volumes of instances: folders beside their disks, seen at a path of their own, which come and go while the instance runs; and
//! copies of folders and disks.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::disks::GOING;
use super::{Holder, Outcome};
use crate::container::copy_tree;
use crate::error::Fault;
use crate::protocol::{Answer, Order};
use crate::spec::Bind;
use crate::{disk, sys};

/// The pipe's number in a copying child.
const PIPE: i32 = 3;

impl Holder {
    /// The folders of volumes, made where they are not there, as what is to be seen in the instance.
    pub(super) fn volumes_to_bind(&mut self, volumes: &BTreeMap<PathBuf, PathBuf>) -> Result<Vec<Bind>, Fault> {
        let bind = |(target, wanted): (&PathBuf, &PathBuf)| {
            let source = self.disks.prepare(wanted, self.ids)?;
            Ok(Bind { source, target: target.clone(), read_only: false })
        };
        volumes.iter().map(bind).collect()
    }

    /// Makes these all the volumes that an instance sees. In one that has run nothing yet they are there when it does.
    pub(super) fn set_volumes(&mut self, key: &str, wanted: BTreeMap<PathBuf, PathBuf>) -> Result<(), Fault> {
        let Some(known) = self.instances.replace_volumes(key, wanted.clone())? else { return Ok(()) };
        for target in known.iter().filter(|(target, source)| wanted.get(*target) != Some(source)).map(|(target, _)| target) {
            self.order(key, false, |_| Order::Unmount { target: target.clone() }, Vec::new())?;
        }
        let fresh = wanted.into_iter().filter(|(target, source)| known.get(target) != Some(source)).collect();
        for bind in self.volumes_to_bind(&fresh)? {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let failed = |error: io::Error| Fault::os(format!("taking {}", bind.source.display()))(error);
            let tree = open_tree(CWD, &bind.source, flags).map_err(|error| failed(error.into()))?;
            sys::change_mount(tree.as_fd(), libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV, 0, false).map_err(failed)?;
            self.order(key, false, |_| Order::Mount { target: bind.target.clone() }, vec![tree])?;
        }
        Ok(())
    }

    /// Copies a folder with everything in it, unless the copy is there; one that is not there becomes an empty one. Answered at once
    /// with a pipe that ends when it is done, and says what went wrong.
    pub(super) fn copy_disk(&mut self, from: &Path, to: &Path) -> Result<Outcome, Fault> {
        let (from, to) = (self.disks.path(from, self.ids)?, self.disks.path(to, self.ids)?);
        let owner = disk::owner(self.ids);
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(Fault::os("making a pipe"))?;
        if sys::fork().map_err(Fault::os("making a process"))?.is_none() {
            sys::child(|| {
                let Some(mut report) = report(&write) else { return 1 };
                match copy(&from, &to, owner) {
                    Ok(()) => 0,
                    Err(error) => {
                        let _ = write!(report, "copying {} to {}: {error}", from.display(), to.display());
                        1
                    }
                }
            });
        }
        Ok(Outcome::WithDescriptors(Answer::Done, vec![read]))
    }

    /// Puts a folder somewhere else, where it is there and the other place is free.
    pub(super) fn move_disk(&mut self, from: &Path, to: &Path) -> Result<(), Fault> {
        let (from, to) = (self.disks.path(from, self.ids)?, self.disks.path(to, self.ids)?);
        if to.symlink_metadata().is_ok() {
            return Ok(());
        }
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::os(format!("moving {} to {}", from.display(), to.display()))(error))
            }
            _ => Ok(()),
        }
    }
}

/// The end of a pipe that a child writes to, and none of its parent's other descriptors: a caller that waits for the end of a
/// connection shall not wait for the child.
fn report(write: &OwnedFd) -> Option<fs::File> {
    sys::install(write.as_fd(), PIPE).ok()?;
    sys::close_from(PIPE + 1);
    Some(sys::adopt(PIPE).into())
}

/// What is not whole has a name that nobody looks for, and goes with the next holder.
fn copy(from: &Path, to: &Path, owner: u32) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Ok(());
    }
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = to.with_file_name(format!("{GOING}copy-{name}"));
    let _ = fs::remove_dir_all(&part);
    match from.symlink_metadata() {
        Ok(_) => copy_tree(from, &part)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(&part)?;
            disk::chown(&part, owner)?;
        }
        Err(error) => return Err(error),
    }
    fs::rename(&part, to)
}
