//! A small file of this user's that is read and replaced as a whole.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What the file holds; none where there is no file. Errors: why it cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Replaces it; on disk when this returns, for this user only. Returns the file, open behind its last byte. Errors: the disk, and the file
/// is what it was.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let next = path.with_extension("next");
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&next, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
    Ok(file)
}
