//! Files that a command writes as a whole: beside the one that is there, which is replaced in the end, so that nobody reads half of it
//! and what was there stays where the new one fails.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::exit::{Failure, Result};

/// Has a file filled and puts it in its place; what is no plain file, such as a pipe or a device, is written to. A link leads to the
/// file that is replaced. Errors: [`unwritable`], and those of `fill`.
pub fn put<T>(to: &Path, fill: impl FnOnce(File) -> Result<T>) -> Result<T> {
    let failed = |error: io::Error| unwritable(to, &error);
    if to.exists() && !to.is_file() {
        return fill(File::options().write(true).open(to).map_err(failed)?);
    }
    let path = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    let name = path.file_name().ok_or_else(|| Failure::usage(format!("{} cannot be the name of a file", to.display())))?;
    let beside = path.with_file_name(format!(".{}.{}.part", name.display(), std::process::id()));
    let filled = File::create(&beside).map_err(failed).and_then(fill);
    let put = filled.and_then(|filled| fs::rename(&beside, &path).map_err(failed).map(|()| filled));
    if put.is_err() {
        let _ = fs::remove_file(&beside);
    }
    put
}

/// A file that cannot be written: the machine's fault where its disk is full, else that of whoever named it.
pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let message = format!("{} cannot be written: {error}", path.display());
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Failure::environment(message).hint("make room there, or write it elsewhere"),
        _ => Failure::usage(message),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::exit::{ENVIRONMENT, USAGE};

    fn write(to: &Path, bytes: &[u8]) -> Result<()> {
        put(to, |mut file| file.write_all(bytes).map_err(|error| unwritable(to, &error)))
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&path, b"old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let failed: Result<()> = put(&path, |mut file| {
            file.write_all(b"half").unwrap();
            Err(Failure::usage("no"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new", "a link stays a link");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_full_disk_is_the_machines_fault_and_a_wrong_name_the_users() {
        let full = write(Path::new("/dev/full"), b"anything").unwrap_err();
        assert_eq!(full.code, ENVIRONMENT);
        assert!(full.message.starts_with("/dev/full cannot be written: "), "{}", full.message);
        for wrong in ["/nowhere/at/all", "/"] {
            assert_eq!(write(Path::new(wrong), b"anything").unwrap_err().code, USAGE, "{wrong}");
        }
    }
}
