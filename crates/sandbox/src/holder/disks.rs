//! Where the disks of a lab's instances lie: in the folder that the caller names, or, where an overlay
//! does not work on its file system, in memory of the lab that goes with the holder.
//!
//! Decided when the first instance that has a disk runs its first command: a lab in which nothing runs
//! touches no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::Holder;
use crate::disk;
use crate::error::Fault;
use crate::protocol::Disks as Kept;
use crate::{root, sys};

/// Where memory is mounted when the folder itself cannot be reached. Instances see nothing of these.
const MOUNT_POINTS: [&str; 3] = ["/srv", "/media", "/mnt"];
/// First letters of a disk that is being removed; no disk is called so.
pub(super) const GOING: &str = ".gone-";

#[derive(Default)]
pub(super) struct Disks {
    /// By the folder that callers name: where its disks really lie.
    folders: BTreeMap<PathBuf, Folder>,
}

struct Folder {
    place: PathBuf,
    kept: Kept,
}

impl Disks {
    /// How the disks of instances are kept, once that is known.
    pub(super) fn kept(&self) -> Option<Kept> {
        self.folders
            .values()
            .map(|folder| folder.kept.clone())
            .next()
    }

    /// Makes sure that a disk exists and belongs to the instance's root; where it lies.
    pub(super) fn prepare(&mut self, wanted: &Path, ids: u32) -> Result<PathBuf, Fault> {
        let path = self.path(wanted, ids)?;
        let failed = |doing: &str| Fault::os(format!("{doing} {}", path.display()));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("making")(error)),
        }
        let (owner, found) = (
            disk::owner(ids),
            disk::owner_of(&path).map_err(failed("looking at"))?,
        );
        match found {
            _ if found == owner => {}
            // Just made, perhaps by a holder that died before the next step.
            0 => disk::chown(&path, owner).map_err(failed("giving to its instance"))?,
            _ => {
                return Err(Fault::invalid(format!(
                    "{} belongs to ids that instances no longer have; `vpclab down` removes it, or give \
                     this user its subordinate ids back",
                    path.display()
                )));
            }
        }
        Ok(path)
    }

    /// Where a disk lies, be it one that is not there yet.
    pub(super) fn path(&mut self, wanted: &Path, ids: u32) -> Result<PathBuf, Fault> {
        let (folder, name) = split(wanted)?;
        if !self.folders.contains_key(folder) {
            let found = decide(folder, ids)?;
            self.folders.insert(folder.to_owned(), found);
        }
        Ok(self.folders[folder].place.join(name))
    }

    /// Where the disks of a folder lie.
    fn place<'a>(&'a self, folder: &'a Path) -> &'a Path {
        self.folders
            .get(folder)
            .map_or(folder, |known| &known.place)
    }
}

/// The folder and the name of a disk.
fn split(wanted: &Path) -> Result<(&Path, &str), Fault> {
    let name = wanted
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| !name.starts_with('.'));
    match (wanted.parent(), name) {
        (Some(folder), Some(name)) if wanted.is_absolute() => Ok((folder, name)),
        _ => Err(Fault::invalid(format!(
            "{}: not the path of a disk",
            wanted.display()
        ))),
    }
}

fn decide(folder: &Path, ids: u32) -> Result<Folder, Fault> {
    let made = fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(folder);
    let tried = made
        .map_err(|error| format!("making it: {error}"))
        .and_then(|()| disk::attempt(folder, ids));
    let Err(why) = tried else {
        remove(leftovers(folder))?;
        return Ok(Folder {
            place: folder.to_owned(),
            kept: Kept::OnDisk,
        });
    };
    crate::say!(
        "holder: files of instances are kept in memory, not in {}: {why}",
        folder.display()
    );
    // The kernel's own bound holds: half of the machine's memory, for all instances of the lab together.
    let mut refusal = Fault::invalid("no directory to mount memory on");
    for candidate in std::iter::once(folder).chain(MOUNT_POINTS.iter().map(Path::new)) {
        match root::mount_tmpfs(candidate, "mode=0700") {
            Ok(()) => {
                let kept = Kept::InMemory { why };
                return Ok(Folder {
                    place: candidate.to_owned(),
                    kept,
                });
            }
            Err(error) => {
                refusal = Fault::os(format!("mounting a tmpfs on {}", candidate.display()))(error)
            }
        }
    }
    Err(refusal)
}

/// What earlier holders were removing when they died.
fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(GOING))
    });
    names.map(|entry| entry.path()).collect()
}

/// Removes folders in a process of its own: there may be much in them, and the lab waits for nobody.
fn remove(folders: Vec<PathBuf>) -> Result<(), Fault> {
    if folders.is_empty() {
        return Ok(());
    }
    if sys::fork()
        .map_err(Fault::os("making a process"))?
        .is_none()
    {
        sys::child(|| {
            // A caller that waits for the end of a connection shall not wait for this.
            sys::close_from(libc::STDERR_FILENO + 1);
            for folder in &folders {
                if let Err(error) = fs::remove_dir_all(folder) {
                    crate::say!("holder: removing {}: {error}", folder.display());
                }
            }
            0
        });
    }
    Ok(())
}

impl Holder {
    /// Removes every disk of a folder but those named. They are out of the way at once, and gone soon.
    pub(super) fn retain_disks(
        &mut self,
        folder: &Path,
        keep: &BTreeSet<String>,
    ) -> Result<(), Fault> {
        let place = self.disks.place(folder);
        let listing = match fs::read_dir(place) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Fault::os(format!("reading {}", place.display()))(error)),
        };
        let mut going = Vec::new();
        for name in listing
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
        {
            if name.starts_with('.') || keep.contains(&name) {
                continue;
            }
            let gone = place.join(format!("{GOING}{name}"));
            fs::rename(place.join(&name), &gone)
                .map_err(Fault::os(format!("removing the disk {name}")))?;
            going.push(gone);
        }
        remove(going)
    }
}
