//! A new volume begins with what the image has at its place (Docker's "copy-up").
//!
//! Runs inside the container's root as the instance's root, before any program does. Both trees are walked by
//! descriptors without following links. Owners, permissions, times, links and attributes of users are kept, and what an overlay
//! notes: attributes of its own, and a device for what is gone. Other devices are left out.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};

/// Deeper trees are not copied whole: descriptors are held on the way.
const DEEPEST: usize = 128;

/// Copies the content of `image` into `volume` if that is empty; does nothing where `image` is no directory.
pub(super) fn fill(image: BorrowedFd<'_>, volume: BorrowedFd<'_>) -> io::Result<()> {
    let Ok(from) = directory(image, c".") else {
        return Ok(());
    };
    let to = directory(volume, c".")?;
    if !names(&to)?.is_empty() {
        return Ok(());
    }
    copy_directory(&from, &to, 0)?;
    keep(to.as_fd(), c"", &rustix::fs::fstat(&from)?)
}

/// Copies a folder to a place where nothing is yet.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to)?;
    let open = |path: &Path| -> io::Result<OwnedFd> {
        Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    };
    let (from, to) = (open(from)?, open(to)?);
    copy_directory(&from, &to, 0)?;
    copy_attributes(from.as_fd(), to.as_fd())?;
    keep(to.as_fd(), c"", &rustix::fs::fstat(&from)?)
}

/// Extended attributes that anybody may set; a file system without any has none to copy.
fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(from, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| name.starts_with(b"user.")) {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::fgetxattr(from, name, &mut value[..])?;
        rustix::fs::fsetxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty())?;
    }
    Ok(())
}

fn directory(at: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)
}

fn names(directory: &OwnedFd) -> io::Result<Vec<std::ffi::CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn copy_directory(from: &OwnedFd, to: &OwnedFd, depth: usize) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("the image's directories are nested too deeply"));
    }
    for name in names(from)? {
        let stat = rustix::fs::statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, &name, Mode::RWXU)?;
                let (inner, copy) = (directory(from.as_fd(), &name)?, directory(to.as_fd(), &name)?);
                copy_directory(&inner, &copy, depth + 1)?;
                copy_attributes(inner.as_fd(), copy.as_fd())?;
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let source = rustix::fs::openat(from, &name, flags, Mode::empty())?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let copy = rustix::fs::openat(to, &name, flags, Mode::RUSR | Mode::WUSR)?;
                copy_attributes(source.as_fd(), copy.as_fd())?;
                io::copy(&mut std::fs::File::from(source), &mut std::fs::File::from(copy))?;
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(from, &name, Vec::new())?;
                rustix::fs::symlinkat(&link, to, &name)?;
            }
            FileType::Fifo => rustix::fs::mknodat(to, &name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?,
            // What is gone of the layer below an overlay; the kernel lets anybody make it.
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                rustix::fs::mknodat(to, &name, FileType::CharacterDevice, Mode::empty(), 0)?;
            }
            _ => continue,
        }
        keep(to.as_fd(), &name, &stat)?;
    }
    Ok(())
}

/// Owner first: changing it clears the setuid bit.
fn keep(at: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<()> {
    let own = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::empty() };
    let flags = AtFlags::SYMLINK_NOFOLLOW | own;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    match rustix::fs::chownat(at, name, Some(uid), Some(gid), flags) {
        Ok(()) => {}
        // An owner that does not exist inside; where only root does, everything is root's.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::OVERFLOW | rustix::io::Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        if name.is_empty() {
            rustix::fs::fchmod(at, mode)?;
        } else {
            rustix::fs::chmodat(at, name, mode, AtFlags::empty())?;
        }
    }
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec as _),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec as _),
    };
    if name.is_empty() {
        return Ok(rustix::fs::futimens(at, &times)?);
    }
    Ok(rustix::fs::utimensat(at, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn opened(path: &std::path::Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH, Mode::empty()).unwrap()
    }

    #[test]
    fn an_empty_volume_gets_what_the_image_has_and_a_used_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (image, volume) = (folder.path().join("image"), folder.path().join("volume"));
        fs::create_dir_all(image.join("a/b")).unwrap();
        fs::create_dir(&volume).unwrap();
        fs::write(image.join("a/b/file"), "x").unwrap();
        fs::set_permissions(image.join("a/b/file"), PermissionsExt::from_mode(0o4711)).unwrap();
        fs::set_permissions(&image, PermissionsExt::from_mode(0o1777)).unwrap();
        symlink("../../outside", image.join("link")).unwrap();
        fill(opened(&image).as_fd(), opened(&volume).as_fd()).unwrap();
        let (copy, original) = (volume.join("a/b/file"), image.join("a/b/file"));
        let facts = |path: &std::path::Path| {
            let found = fs::metadata(path).unwrap();
            (found.mode(), found.mtime(), found.mtime_nsec())
        };
        assert_eq!(facts(&copy), facts(&original));
        assert_eq!(fs::metadata(&volume).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(fs::read_link(volume.join("link")).unwrap(), std::path::Path::new("../../outside"));
        fs::write(image.join("later"), "").unwrap();
        fill(opened(&image).as_fd(), opened(&volume).as_fd()).unwrap();
        assert!(!volume.join("later").exists());
    }
}
