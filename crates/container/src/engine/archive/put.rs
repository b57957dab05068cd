//! Unpacks an archive into a folder of a container, as `docker cp` does: what is there already gives way, folders are merged.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, StatVfsMountFlags, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown, fsetxattr, fstat,
    fstatvfs, futimens, linkat, mkdirat, mknodat, openat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::inside::wrong;
use super::paths;
use crate::engine::error::{Error, Result};
use crate::limits::{Bounded, Limits};
use crate::tar::{Entry, Kind, Reader};
use crate::overlay::{is_attribute, open_folder, remove_folder};
use crate::unpack::clean;

/// Things left out that are spoken of.
const NOTES: usize = 20;

/// How an archive is unpacked into a folder that others may change meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacking {
    /// A folder does not take the place of anything else, and nothing that of a folder.
    pub keep_kinds: bool,
    /// To whom all belongs; who the archive says where none is given.
    pub owner: Option<(u32, u32)>,
    /// Programs keep their set-id bits.
    pub keeps_set_id: bool,
    /// The first name of every path that is this one is written as the other.
    pub rename: Option<(Vec<u8>, Vec<u8>)>,
}

/// What came of an archive.
#[derive(Debug, Default)]
pub struct Contents {
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// What is in its files.
    pub bytes: u64,
}

/// Unpacks a tar, packed or not, into a folder and nowhere else: a link in it that leads out is not gone through.
pub fn unpack(to: OwnedFd, input: impl BufRead, how: Unpacking) -> Result<Contents> {
    let here = to.try_clone().map_err(Error::io("duplicating a descriptor"))?;
    Putting { root: None, to: here, path: Vec::new(), limits: Limits::default(), how, times: BTreeMap::new(), done: Contents::default() }
        .all(input)
}

struct Putting<'a> {
    /// Where links that lead out of the folder are looked up, if they are.
    root: Option<BorrowedFd<'a>>,
    /// Where it is unpacked, and what it is called.
    to: OwnedFd,
    path: Vec<u8>,
    limits: Limits,
    how: Unpacking,
    /// Folders get their times when everything is in them.
    times: BTreeMap<Vec<u8>, (i64, u32)>,
    done: Contents,
}

/// Unpacks `input` into the folder `path`; `user`: to whom all of it belongs, as `USER` of an image. What was left out.
pub(super) fn put(root: BorrowedFd, path: &[u8], input: impl BufRead, keep_kinds: bool, user: Option<&str>) -> Result<Vec<String>> {
    let path = paths::clean(path);
    let to = paths::open(root, &path, OFlags::PATH).map_err(wrong(&path))?;
    if FileType::from_raw_mode(fstat(&to).map_err(wrong(&path))?.st_mode) != FileType::Directory {
        return Err(Error::Refused("extraction point is not a directory".into()));
    }
    let to = open_folder(to.as_fd(), OsStr::new(".")).map_err(wrong(&path))?;
    if fstatvfs(&to).map_err(wrong(&path))?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        let is_root = fstat(&to).ok().map(|stat| stat.st_dev) == fstat(root).ok().map(|stat| stat.st_dev);
        let what = if is_root { "container rootfs" } else { "mounted volume" };
        return Err(Error::Refused(format!("{what} is marked read-only")));
    }
    let owner = user.map(|user| look_up(root, user)).transpose()?;
    let how = Unpacking { keep_kinds, owner, keeps_set_id: true, rename: None };
    Putting { root: Some(root), to, path, limits: Limits::default(), how, times: BTreeMap::new(), done: Contents::default() }
        .all(input)
        .map(|done| done.notes)
}

impl Putting<'_> {
    fn all(mut self, input: impl BufRead) -> Result<Contents> {
        let what = "the archive";
        let input = crate::compression::Unpacked::new(input, what)?;
        let mut tar = Reader::new(Bounded::new(input, self.limits.bytes, what), what, self.limits);
        while let Some(mut entry) = tar.next_entry()? {
            if let Some((from, to)) = &self.how.rename {
                entry.path = renamed(&entry.path, from, to);
                if entry.kind == Kind::HardLink {
                    entry.link = renamed(&entry.link, from, to);
                }
            }
            self.entry(&entry, &mut tar)?;
        }
        // Whoever sends may have more to say than the archive: until it is read they cannot end.
        io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(Error::io("reading the archive"))?;
        self.finish();
        Ok(self.done)
    }

    fn entry(&mut self, entry: &Entry, data: &mut impl Read) -> Result<()> {
        let refused = |why: String| Error::Refused(format!("entry `{}`: {why}", entry.name()));
        let names = clean(&entry.path, &self.limits).map_err(refused)?;
        let Some((&last, parents)) = names.split_last() else {
            // The folder itself stays as it is.
            return if entry.kind == Kind::Directory { Ok(()) } else { Err(refused("it has no name".into())) };
        };
        let parent = self.parent(parents, entry)?;
        let name = OsStr::from_bytes(last);
        let there = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(failed(entry)(error)),
        };
        let is_folder = entry.kind == Kind::Directory;
        if matches!(entry.kind, Kind::CharacterDevice | Kind::BlockDevice) {
            // As Docker without root: a user namespace makes no devices. What is in its place stays.
            if self.done.notes.len() < NOTES {
                self.done.notes.push(format!("left out {}: nobody can make a device here", entry.name()));
            }
            return Ok(());
        }
        if matches!(there, Some(FileType::CharacterDevice | FileType::BlockDevice)) {
            return Err(refused("a device is in its place, and nobody could make that again".into()));
        }
        if let Some(there) = there {
            let was_folder = there == FileType::Directory;
            if self.how.keep_kinds && was_folder != is_folder {
                let (this, that) = if is_folder { ("non-directory", "directory") } else { ("directory", "non-directory") };
                let place = [&self.path[..], b"/", &names.join(&b'/')].concat();
                return Err(Error::Refused(format!("cannot overwrite {this} \"{}\" with {that} \"{}\"", String::from_utf8_lossy(&place), entry.name())));
            }
            if was_folder && !is_folder {
                remove_folder(parent.as_fd(), name, self.limits.depth).map_err(|error| failed_io(entry, error))?;
            } else if !was_folder {
                unlinkat(&parent, name, AtFlags::empty()).map_err(failed(entry))?;
            }
        }
        match entry.kind {
            Kind::Directory => self.folder(parent.as_fd(), name, &names.join(&b'/'), entry),
            Kind::File => self.file(parent.as_fd(), name, entry, data),
            Kind::HardLink => self.hard_link(parent.as_fd(), name, entry),
            Kind::Symlink => {
                symlinkat(OsStr::from_bytes(&entry.link), &parent, name).map_err(failed(entry))?;
                self.own_by_name(parent.as_fd(), name, entry)
            }
            Kind::Fifo => {
                mknodat(&parent, name, FileType::Fifo, Mode::from_raw_mode(entry.mode & 0o777), 0).map_err(failed(entry))?;
                self.own_by_name(parent.as_fd(), name, entry)
            }
            Kind::CharacterDevice | Kind::BlockDevice => Ok(()),
        }
    }

    /// The folder of an entry; what is missing is made. Links that are there are followed inside the container.
    fn parent(&self, names: &[&[u8]], entry: &Entry) -> Result<OwnedFd> {
        match self.open(&names.join(&b'/')) {
            Err(Errno::NOENT) => {}
            other => return other.map_err(failed(entry)),
        }
        for count in 1..=names.len() {
            match self.open(&names[..count].join(&b'/')) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(failed(entry)(error)),
            }
            let parent = self.open(&names[..count - 1].join(&b'/')).map_err(failed(entry))?;
            match mkdirat(&parent, OsStr::from_bytes(names[count - 1]), Mode::from_raw_mode(0o755)) {
                // A link that leads nowhere, or somebody was faster.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(entry)(error)),
            }
        }
        self.open(&names.join(&b'/')).map_err(failed(entry))
    }

    /// A folder of where it is unpacked; where a link leads out of that, what it means in the whole container.
    fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match paths::open_beneath(self.to.as_fd(), path, flags) {
            Err(Errno::XDEV) => match self.root {
                Some(root) => paths::open(root, &[&self.path[..], b"/", path].concat(), flags),
                None => Err(Errno::XDEV),
            },
            other => other,
        }
    }

    fn folder(&mut self, parent: BorrowedFd, name: &OsStr, path: &[u8], entry: &Entry) -> Result<()> {
        match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(entry)(error)),
        }
        let folder = open_folder(parent, name).map_err(failed(entry))?;
        self.own(folder.as_fd(), entry)?;
        self.times.insert(path.to_vec(), entry.mtime);
        Ok(())
    }

    fn file(&mut self, parent: BorrowedFd, name: &OsStr, entry: &Entry, data: &mut impl Read) -> Result<()> {
        if entry.size > self.limits.file {
            let limit = crate::limits::size(self.limits.file);
            return Err(crate::Error::Limit { what: format!("file `{}`", entry.name()), limit }.into());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(parent, name, flags, Mode::from_raw_mode(0o600)).map_err(failed(entry))?);
        self.done.bytes += entry.size;
        contents(&mut file, entry, data).inspect_err(|_| {
            // Half a file, of a full disk or of an archive that was cut short, is nobody's.
            let _ = unlinkat(parent, name, AtFlags::empty());
        })?;
        self.own(file.as_fd(), entry)?;
        futimens(&file, &times(entry.mtime)).map_err(failed(entry))
    }

    fn hard_link(&mut self, parent: BorrowedFd, name: &OsStr, entry: &Entry) -> Result<()> {
        let refused = |why: &str| Error::Refused(format!("entry `{}`: its target {why}", entry.name()));
        let names = clean(&entry.link, &self.limits).map_err(|why| refused(&format!("is not inside: {why}")))?;
        let Some((&target, folders)) = names.split_last() else {
            return Err(refused("has no name"));
        };
        let folder = self.open(&folders.join(&b'/')).map_err(|_| refused("is not there"))?;
        match linkat(&folder, OsStr::from_bytes(target), parent, name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::NOENT) => Err(refused("is not there")),
            Err(Errno::PERM) => Err(refused("is a folder")),
            Err(Errno::XDEV) => Err(refused("lies on another file system")),
            Err(error) => Err(failed(entry)(error)),
        }
    }

    fn ids(&self, entry: &Entry) -> (Uid, Gid) {
        let (uid, gid) = self.how.owner.unwrap_or((entry.uid, entry.gid));
        (Uid::from_raw(uid), Gid::from_raw(gid))
    }

    /// Owner, then attributes, then mode: a change of owner clears set-id bits and capabilities.
    fn own(&self, file: BorrowedFd, entry: &Entry) -> Result<()> {
        let (uid, gid) = self.ids(entry);
        unmapped(fchown(file, Some(uid), Some(gid))).map_err(failed(entry))?;
        for (name, value) in &entry.xattrs {
            let is_settable = name.starts_with(b"user.") && !is_attribute(name) || name == b"security.capability";
            if is_settable {
                // A file system without them is no reason to stop.
                let _ = fsetxattr(file, OsStr::from_bytes(name), value, XattrFlags::empty());
            }
        }
        let kept = if self.how.keeps_set_id { 0o7777 } else { 0o1777 };
        fchmod(file, Mode::from_raw_mode(entry.mode & kept)).map_err(failed(entry))
    }

    /// Of what is not opened; a link in its place is not followed.
    fn own_by_name(&self, parent: BorrowedFd, name: &OsStr, entry: &Entry) -> Result<()> {
        let (uid, gid) = self.ids(entry);
        unmapped(rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)).map_err(failed(entry))?;
        utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(failed(entry))
    }

    fn finish(&mut self) {
        for (path, time) in self.times.iter().rev() {
            // It may be gone again, or something else by now.
            if let Ok(folder) = self.open(path) {
                let _ = futimens(&folder, &times(*time));
            }
        }
    }
}

fn renamed(path: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"./").filter(|_| from != b".").unwrap_or(path);
    match path.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => [to, rest].concat(),
        _ => path.to_vec(),
    }
}

/// An owner that does not exist inside stays what the maker is.
fn unmapped(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::INVAL | Errno::PERM) => Ok(()),
        other => other,
    }
}

fn failed(entry: &Entry) -> impl FnOnce(Errno) -> Error + use<> {
    let name = entry.name();
    move |error| match error {
        Errno::ROFS => Error::Refused(format!("entry `{name}`: it is read-only there")),
        Errno::LOOP | Errno::XDEV => Error::Refused(format!("entry `{name}`: links in its path lead nowhere")),
        Errno::NOTDIR => Error::Refused(format!("entry `{name}`: something in its path is not a directory")),
        Errno::BUSY => Error::Refused(format!("entry `{name}`: something is mounted there")),
        other => Error::io(format!("unpacking {name}"))(other),
    }
}

/// What is in a file.
fn contents(file: &mut File, entry: &Entry, data: &mut impl Read) -> Result<()> {
    match &entry.parts {
        None => drop(io::copy(data, file).map_err(|error| failed_io(entry, error))?),
        Some(parts) => {
            file.set_len(entry.size).map_err(|error| failed_io(entry, error))?;
            let mut buffer = vec![0; 1 << 16];
            for &(offset, length) in parts {
                let mut at = 0;
                while at < length {
                    let room = buffer.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
                    data.read_exact(&mut buffer[..room]).map_err(|error| failed_io(entry, error))?;
                    file.write_all_at(&buffer[..room], offset + at).map_err(|error| failed_io(entry, error))?;
                    at += room as u64;
                }
            }
        }
    }
    Ok(())
}

fn failed_io(entry: &Entry, error: io::Error) -> Error {
    match Errno::from_io_error(&error) {
        Some(errno) => failed(entry)(errno),
        None => Error::io(format!("unpacking {}", entry.name()))(error),
    }
}

fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// Numbers of `user[:group]`, by the container's own files.
fn look_up(root: BorrowedFd, text: &str) -> Result<(u32, u32)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let lines = |path: &[u8]| -> Vec<Vec<String>> {
        let mut text = String::new();
        if let Ok(file) = paths::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK) {
            let _ = File::from(file).take(4 << 20).read_to_string(&mut text);
        }
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    let number = |fields: &[String], at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
    let known = lines(b"/etc/passwd").into_iter().find(|fields| {
        fields.first().is_some_and(|name| name == user) || number(fields, 2).is_some_and(|id| id.to_string() == user)
    });
    let missing = |what: &str| Error::Refused(format!("unable to find {what} in the container"));
    let uid = known.as_ref().and_then(|fields| number(fields, 2)).or_else(|| user.parse().ok());
    let uid = uid.ok_or_else(|| missing(&format!("user {user}")))?;
    let gid = match group {
        Some(group) => {
            let named = lines(b"/etc/group").into_iter().find(|fields| fields.first().is_some_and(|name| name == group));
            let gid = named.and_then(|fields| number(&fields, 2)).or_else(|| group.parse().ok());
            gid.ok_or_else(|| missing(&format!("group {group}")))?
        }
        None => known.and_then(|fields| number(&fields, 3)).unwrap_or(0),
    };
    Ok((uid, gid))
}
