//! Paths of a container's root, resolved so that nothing in it leads out: not a link of the image, not `/proc`.
//!
//! Every look-up starts at a descriptor of the root and stays below it (`openat2`, Linux 5.6); magic links of `/proc`,
//! which lead to whatever a descriptor is open on, are not followed at all.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// linux/magic.h
const PROC_SUPER_MAGIC: i64 = 0x9fa0;

/// What to make where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Refuse,
    Directory,
    File,
}

/// Opens something with `flags`, links followed inside the root.
pub(super) fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 32;
    loop {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // Something was renamed meanwhile (openat2(2)).
            Err(Errno::AGAIN) if tries > 0 => tries -= 1,
            other => return Ok(other?),
        }
    }
}

/// A descriptor to mount on or look at.
pub(super) fn locate(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    open(root, path, OFlags::PATH)
}

/// As [`locate`]; what is missing is made, also where a link leads to something that is not there. The permissions of
/// what is made are those that Docker gives: 0755 and 0644.
pub(super) fn locate_or_make(root: BorrowedFd<'_>, path: &Path, missing: Missing) -> io::Result<OwnedFd> {
    match locate(root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && missing != Missing::Refuse => {}
        other => return other,
    }
    let mut wanted = plain(path);
    'links: for _ in 0..MOST_LINKS {
        let parts: Vec<&OsStr> = wanted.iter().collect();
        let mut so_far = PathBuf::new();
        for (at, name) in parts.iter().enumerate() {
            let parent = match so_far.as_os_str().is_empty() {
                true => locate(root, Path::new("."))?,
                false => locate(root, &so_far)?,
            };
            so_far.push(name);
            match locate(root, &so_far) {
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let is_last = at + 1 == parts.len();
            let made = if is_last && missing == Missing::File {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                rustix::fs::openat(&parent, *name, flags, Mode::from_raw_mode(0o644)).map(drop)
            } else {
                rustix::fs::mkdirat(&parent, *name, Mode::from_raw_mode(0o755))
            };
            match made {
                Ok(()) => {}
                // A link that leads nowhere: what it names is made, inside.
                Err(Errno::EXIST) => {
                    let link = rustix::fs::readlinkat(&parent, *name, Vec::new())?;
                    let link = PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(link.as_bytes()));
                    let beside = so_far.parent().unwrap_or(Path::new(""));
                    let rest: PathBuf = parts[at + 1..].iter().collect();
                    // An absolute link starts at the root, which joining does by itself.
                    wanted = plain(&beside.join(link).join(rest));
                    continue 'links;
                }
                Err(error) => return Err(error.into()),
            }
        }
        return locate(root, &wanted);
    }
    Err(Errno::LOOP.into())
}

/// Relative to the root, without `.` and with `..` taken back: nothing is above it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain
}

/// A directory at the top that something of the kernel is mounted on: made as needed, and no link. An image whose
/// `/proc` is a link could otherwise have it mounted where the masks do not look (CVE-2019-19921).
pub(super) fn real_directory(root: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(root, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(root, name, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => io::Error::other(format!("/{name} of the image is no directory")),
        other => other.into(),
    })
}

pub(super) fn is_directory(descriptor: BorrowedFd<'_>) -> io::Result<bool> {
    let mode = rustix::fs::fstat(descriptor)?.st_mode;
    Ok(FileType::from_raw_mode(mode) == FileType::Directory)
}

/// Whether it lies in a procfs, where nothing of a caller is mounted (CVE-2019-16884).
pub(super) fn is_in_proc(descriptor: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(descriptor)?.f_type == PROC_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let opened = rustix::fs::open(folder.path().join("root"), flags, Mode::empty()).unwrap();
        (folder, opened)
    }

    #[test]
    fn links_of_an_image_lead_nowhere_but_inside() {
        let (folder, root) = root();
        let inside = folder.path().join("root");
        fs::create_dir(folder.path().join("outside")).unwrap();
        symlink("../outside", inside.join("up")).unwrap();
        symlink(folder.path().join("outside"), inside.join("absolute")).unwrap();
        symlink("../../../../new/place", inside.join("dangling")).unwrap();
        for (name, missing) in [("up/a", Missing::File), ("absolute/b", Missing::Directory), ("dangling/c", Missing::File)] {
            locate_or_make(root.as_fd(), Path::new(name), missing).unwrap();
        }
        locate_or_make(root.as_fd(), Path::new("/../../x/../y/./z"), Missing::File).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("outside")).unwrap().count(), 0);
        assert!(inside.join("outside/a").is_file() && inside.join("new/place/c").is_file());
        assert!(inside.join("y/z").is_file() && !inside.join("x").exists());
        assert!(inside.join(folder.path().strip_prefix("/").unwrap()).join("outside/b").is_dir());
    }

    #[test]
    fn links_in_a_circle_and_magic_ones_are_refused() {
        let (folder, root) = root();
        let inside = folder.path().join("root");
        symlink("b", inside.join("a")).unwrap();
        symlink("a", inside.join("b")).unwrap();
        assert!(locate_or_make(root.as_fd(), Path::new("a/x"), Missing::Directory).is_err());
        let host = rustix::fs::open("/", OFlags::PATH, Mode::empty()).unwrap();
        let magic = format!("/proc/self/fd/{}/etc", std::os::fd::AsRawFd::as_raw_fd(&root));
        assert!(locate(host.as_fd(), Path::new(&magic)).is_err());
        assert!(is_in_proc(locate(host.as_fd(), Path::new("/proc/self/status")).unwrap().as_fd()).unwrap());
        symlink("/etc", inside.join("proc")).unwrap();
        assert!(real_directory(root.as_fd(), "proc").is_err());
    }
}
