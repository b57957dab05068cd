//! A folder of a layer: opened without following links, and what in it hides something below, as overlayfs writes and reads it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, XattrFlags, fgetxattr, fsetxattr, mkdirat, mknodat, openat, unlinkat,
};
use rustix::io::Errno;

/// Marks a folder that hides what lies below it in the stack; mounted with `userxattr`, overlayfs reads the first.
const OPAQUE: [&str; 2] = ["user.overlay.opaque", "trusted.overlay.opaque"];
/// Marks a file that hides one below it, where devices cannot be made.
const WHITEOUT: [&str; 2] = ["user.overlay.whiteout", "trusted.overlay.whiteout"];

/// Opens a folder of this name, and nothing that a link of this name leads to.
pub fn open_folder(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Opens a file to be read. Not blocking: a named pipe in its place has nobody at the other end.
pub fn open_file(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Makes a folder of this name where nothing is.
pub fn make_folder(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    mkdirat(&parent, name, Mode::from_raw_mode(0o700))?;
    open_folder(parent, name)
}

/// Makes a file of this name where nothing is, a link neither.
pub fn make_file(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::from_raw_mode(0o600))
}

/// Removes a folder with all that is in it; no link is followed.
pub fn remove_folder(parent: impl AsFd, name: &OsStr, depth: usize) -> io::Result<()> {
    let depth = depth.checked_sub(1).ok_or_else(|| io::Error::other("folders are too deep"))?;
    let folder = open_folder(&parent, name)?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let inner = OsStr::from_bytes(entry.file_name().to_bytes());
        if inner == "." || inner == ".." {
            continue;
        }
        match unlinkat(&folder, inner, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => remove_folder(folder.as_fd(), inner, depth)?,
            other => other?,
        }
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Makes a folder hide those of its name below.
pub fn set_opaque(folder: impl AsFd) -> Result<(), Errno> {
    fsetxattr(folder, OPAQUE[0], b"y", XattrFlags::empty())
}

/// Whether a folder hides those of its name below: overlayfs writes `y` in one of two attributes.
pub fn is_opaque(folder: impl AsFd) -> bool {
    OPAQUE.into_iter().any(|attribute| {
        let mut value = [0u8; 1];
        fgetxattr(folder.as_fd(), attribute, &mut value) == Ok(1) && value == *b"y"
    })
}

/// Hides what has this name below, where nothing has it here.
pub fn make_whiteout(folder: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    match mknodat(&folder, name, FileType::CharacterDevice, Mode::empty(), 0) {
        // Sandboxes forbid mknod as a whole; an empty file with an attribute is the same to overlayfs since Linux 6.7.
        Err(Errno::PERM | Errno::ACCESS) => {}
        other => return other,
    }
    let file = make_file(&folder, name)?;
    fsetxattr(&file, WHITEOUT[0], b"y", XattrFlags::empty())?;
    // The folder says that such files are in it; an opaque one is more than that.
    match fsetxattr(&folder, OPAQUE[0], b"x", XattrFlags::CREATE) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Whether an entry says that there is nothing: a device 0/0, or an empty file with an attribute.
pub fn is_whiteout(folder: impl AsFd, name: &OsStr, kind: FileType, stat: &Stat) -> bool {
    match kind {
        FileType::CharacterDevice => stat.st_rdev == 0,
        FileType::RegularFile if stat.st_size == 0 => open_file(folder, name).is_ok_and(|file| {
            let mut value = [0u8; 8];
            WHITEOUT.into_iter().any(|attribute| fgetxattr(&file, attribute, &mut value).is_ok())
        }),
        _ => false,
    }
}

/// Whether an extended attribute is overlayfs' own: it would move files in the stack.
pub fn is_attribute(name: &[u8]) -> bool {
    name.starts_with(b"user.overlay.") || name.starts_with(b"trusted.overlay.")
}
