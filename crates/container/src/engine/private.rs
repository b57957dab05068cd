//! Folders that only this user can look into and write to.

use std::fs::{self, DirBuilder};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Makes a folder with those above it, unless it is there.
///
/// Errors: one that another user owns or can write to, which could be a trap.
pub fn make_all(folder: &Path) -> Result<()> {
    checked(folder, DirBuilder::new().recursive(true).mode(0o700).create(folder))
}

/// Makes a folder below one that is there, unless it is there itself. A lab's folder is made by whoever brings the lab up: what is
/// done for one that goes meanwhile must not make it again, for nobody would remove it.
///
/// Errors: the one above is not there; one that another user owns or can write to.
pub fn make(folder: &Path) -> Result<()> {
    checked(folder, DirBuilder::new().mode(0o700).create(folder))
}

fn checked(folder: &Path, made: Result<()>) -> Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made?,
    }
    // Of the link itself: a link to elsewhere is nobody's folder.
    let found = fs::symlink_metadata(folder)?;
    let is_private = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    if is_private {
        return Ok(());
    }
    let why = format!("{} is not a folder that only this user can write to", folder.display());
    Err(Error::new(ErrorKind::PermissionDenied, why))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_is_made_once_and_only_below_one_that_is_there() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("lab").join("volumes");
        assert_eq!(make(&folder).unwrap_err().kind(), ErrorKind::NotFound);
        make_all(&folder).unwrap();
        make(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_others_can_write_to_and_links_are_refused() {
        let above = tempfile::tempdir().unwrap();
        let (open, link, file) = (above.path().join("open"), above.path().join("link"), above.path().join("file"));
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o770)).unwrap();
        symlink(above.path(), &link).unwrap();
        fs::write(&file, "").unwrap();
        for folder in [open, link, file] {
            assert_eq!(make(&folder).unwrap_err().kind(), ErrorKind::PermissionDenied, "{}", folder.display());
            let all = make_all(&folder).map_err(|error| error.kind());
            assert!(matches!(all, Err(ErrorKind::PermissionDenied | ErrorKind::AlreadyExists)), "{}: {all:?}", folder.display());
        }
    }
}
