//! Folders for what is not finished. Whoever works holds a lock on its folder, so that what a dead process left is known
//! as such and removed by the next one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// A file in memory, which goes when it is closed.
pub(crate) fn in_memory() -> Result<File> {
    let made = rustix::fs::memfd_create("vpclab", rustix::fs::MemfdFlags::CLOEXEC);
    made.map(File::from).map_err(Error::io("making a file in memory"))
}

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A folder of one piece of work; it goes with its owner.
#[derive(Debug)]
pub struct Work {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
    files: AtomicU64,
}

impl Work {
    /// Makes one in `folder`.
    pub fn new(folder: &Path) -> Result<Work> {
        // A sweep may take the folder between its making and its lock; another name then.
        for _ in 0..100 {
            let path = folder.join(format!(
                "{}-{}",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            ));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(Error::io(format!("making {}", path.display())))?,
            }
            let Ok(lock) = File::open(&path) else {
                continue;
            };
            if lock.try_lock().is_ok()
                && lock.metadata().is_ok_and(|folder| folder.nlink() > 0)
                && path.exists()
            {
                return Ok(Work {
                    path,
                    _lock: lock,
                    files: AtomicU64::new(0),
                });
            }
        }
        Err(Error::io(format!(
            "making a folder in {}",
            folder.display()
        ))(io::Error::other("all names are taken")))
    }

    /// What its folder is called: it is there as long as this is, or until the next sweep.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// A path in it that nobody used yet.
    pub fn fresh(&self) -> PathBuf {
        self.path
            .join(self.files.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = remove_tree(&self.path);
    }
}

/// Removes what dead processes left in `folder`.
pub fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(format!("reading {}", folder.display())))? {
        let path = entry
            .map_err(Error::io(format!("reading {}", folder.display())))?
            .path();
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {
                remove_tree(&path).map_err(Error::io(format!("removing {}", path.display())))?
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(Error::io(format!("locking {}", path.display()))(error));
            }
        }
    }
    Ok(())
}

/// Removes a folder with folders in it that their owner may not write to; no link is followed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => return other,
    }
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(path)
}
