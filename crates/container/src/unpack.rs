//! A layer's tar as a folder that overlayfs can stack (mounted with `userxattr`).
//!
//! A layer comes from a stranger. Every path is resolved by the kernel inside the layer's folder (`openat2` with
//! `RESOLVE_IN_ROOT`), so links lead nowhere else; the last name of a path is made with `O_EXCL` and never followed.
//! What an ordinary user may not set (owners, devices, some attributes) is recorded beside the folder.

mod attributes;
mod path;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, linkat, mknodat, openat2, symlinkat};
use rustix::io::Errno;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::limits::{Limits, size};
use crate::overlay::{is_whiteout, make_file, make_folder, make_whiteout, open_folder, remove_folder, set_opaque};
use crate::tar::{Entry, Kind, Reader};

pub use attributes::Record;
pub(crate) use attributes::key;
pub(crate) use path::clean;
use path::{Whiteout, whiteout};

/// What a layer holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// What the folder does not show, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub records: BTreeMap<String, Record>,
}

/// Unpacks all of `tar` into an empty folder. `below` are the layers under it, the nearest first: folders that the archive
/// does not mention look as they do there.
pub fn layer<R: Read>(
    root: BorrowedFd,
    below: &[OwnedFd],
    tar: &mut Reader<R>,
    limits: &Limits,
) -> Result<Unpacked> {
    let mut unpacker = Unpacker {
        root,
        below,
        limits,
        privileged: rustix::process::geteuid().is_root(),
        has_whiteouts: true,
        folders: BTreeMap::new(),
        parent: None,
        done: Unpacked::default(),
    };
    while let Some(entry) = tar.next_entry()? {
        unpacker.entry(&entry, tar)?;
        unpacker.done.entries += 1;
    }
    unpacker.finish()
}

/// Unpacks files that are no layer into an empty folder: names are only names, and all belongs to whoever unpacks. `check`
/// refuses entries with a sentence.
pub fn files<R: Read>(
    root: BorrowedFd,
    tar: &mut Reader<R>,
    limits: &Limits,
    check: impl Fn(&Entry) -> Result<(), String>,
) -> Result<Unpacked> {
    let mut unpacker = Unpacker {
        root,
        below: &[],
        limits,
        privileged: false,
        has_whiteouts: false,
        folders: BTreeMap::new(),
        parent: None,
        done: Unpacked::default(),
    };
    while let Some(mut entry) = tar.next_entry()? {
        check(&entry).map_err(|why| Error::Refused {
            entry: entry.name(),
            why,
        })?;
        // Nobody but its owner reads it, and that has to be possible.
        entry.mode |= if entry.kind == Kind::Directory {
            0o700
        } else {
            0o400
        };
        (entry.uid, entry.gid) = (0, 0);
        unpacker.entry(&entry, tar)?;
        unpacker.done.entries += 1;
    }
    unpacker.finish()
}

/// Attributes of a folder that are set when everything is in it.
struct Folder {
    mode: u32,
    mtime: (i64, u32),
}

struct Unpacker<'a> {
    root: BorrowedFd<'a>,
    below: &'a [OwnedFd],
    limits: &'a Limits,
    privileged: bool,
    /// Some names say what is not there.
    has_whiteouts: bool,
    folders: BTreeMap<Vec<u8>, Folder>,
    /// The folder of the last entry: the next one is mostly in it too.
    parent: Option<(Vec<u8>, OwnedFd)>,
    done: Unpacked,
}

/// What is at a name already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Folder,
    Whiteout,
    Other,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: &Entry, data: &mut impl Read) -> Result<()> {
        let refused = |why: String| Error::Refused {
            entry: entry.name(),
            why,
        };
        let names = clean(&entry.path, self.limits).map_err(refused)?;
        let Some((&name, parents)) = names.split_last() else {
            if entry.kind != Kind::Directory {
                return Err(refused("the layer itself is a folder".into()));
            }
            let root = self.root;
            return self.folder_attributes(root, b"", entry);
        };
        let key = parents.join(&b'/');
        let parent = match self.parent.take() {
            Some((path, parent)) if path == key => parent,
            _ => self.folder(parents, entry)?,
        };
        let meaning = match self.has_whiteouts {
            true => whiteout(name).map_err(refused)?,
            false => None,
        };
        let kept = match meaning {
            Some(Whiteout::Opaque) => set_opaque(parent.as_fd())
                .map_err(Error::io(format!("marking the folder of {}", entry.name())))
                .map(|()| true),
            Some(Whiteout::Ignored) => Ok(true),
            Some(Whiteout::Of(hidden)) => self.hide(parent.as_fd(), hidden, entry).map(|()| true),
            None => self.make(parent.as_fd(), &names, name, entry, data),
        }?;
        // Where something was replaced, the path may lead elsewhere now.
        if kept {
            self.parent = Some((key, parent));
        }
        Ok(())
    }

    /// Opens the folder of an entry, inside the layer whatever links are on the way; makes what is missing.
    fn folder(&mut self, names: &[&[u8]], entry: &Entry) -> Result<OwnedFd> {
        match self.open(&names.join(&b'/')) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            other => return other.map_err(|error| outside(error, entry)),
        }
        for count in 1..=names.len() {
            let path = names[..count].join(&b'/');
            match self.open(&path) {
                Ok(_) => continue,
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(outside(error, entry)),
            }
            let parent = self
                .open(&names[..count - 1].join(&b'/'))
                .map_err(|error| outside(error, entry))?;
            let name = OsStr::from_bytes(names[count - 1]);
            let there = there(parent.as_fd(), name)?;
            match there {
                There::Nothing => {}
                There::Whiteout => rustix::fs::unlinkat(&parent, name, AtFlags::empty())
                    .map_err(Error::io(format!("replacing {}", entry.name())))?,
                There::Folder | There::Other => {
                    let why = format!(
                        "`{}` in its path is no folder of this layer",
                        String::from_utf8_lossy(&path).escape_debug()
                    );
                    return Err(Error::Refused {
                        entry: entry.name(),
                        why,
                    });
                }
            }
            let folder = make_folder(parent.as_fd(), name)
                .map_err(Error::io(format!("making the folder of {}", entry.name())))?;
            if there == There::Whiteout {
                set_opaque(folder.as_fd())
                    .map_err(Error::io(format!("marking the folder of {}", entry.name())))?;
            }
            let like = if there == There::Whiteout {
                None
            } else {
                self.like_below(&path)
            };
            let new = Folder {
                mode: 0o755,
                mtime: entry.mtime,
            };
            let (folder, owner) = like.unwrap_or((new, (0, 0)));
            self.owner(parent.as_fd(), name, &path, owner)?;
            self.folders.insert(path, folder);
        }
        self.open(&names.join(&b'/'))
            .map_err(|error| outside(error, entry))
    }

    fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(
            self.root,
            OsStr::from_bytes(path),
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// Mode, time and owner of the nearest folder of this path in the layers below.
    fn like_below(&self, path: &[u8]) -> Option<(Folder, (u32, u32))> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        for layer in self.below {
            match openat2(
                layer,
                OsStr::from_bytes(path),
                OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
                resolve,
            ) {
                Err(Errno::NOENT) => {}
                Err(_) => return None,
                Ok(found) => {
                    let stat = rustix::fs::fstat(&found)
                        .ok()
                        .filter(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())?;
                    let owner = if self.privileged {
                        (stat.st_uid, stat.st_gid)
                    } else {
                        (0, 0)
                    };
                    let mtime = (stat.st_mtime, stat.st_mtime_nsec as u32);
                    let mode = stat.st_mode & 0o7777;
                    return Some((Folder { mode, mtime }, owner));
                }
            }
        }
        None
    }

    /// Hides what has this name in the layers below. What this layer has of the name stays (OCI layer, "Whiteouts").
    fn hide(&mut self, parent: BorrowedFd, hidden: &[u8], entry: &Entry) -> Result<()> {
        let name = OsStr::from_bytes(hidden);
        let making = || format!("hiding {}", entry.name());
        match there(parent, name)? {
            There::Whiteout | There::Other => Ok(()),
            There::Folder => {
                let folder = open_folder(parent, name);
                set_opaque(folder.map_err(Error::io(making()))?.as_fd())
                    .map_err(Error::io(making()))
            }
            There::Nothing => make_whiteout(parent, name).map_err(Error::io(making())),
        }
    }

    /// Makes an entry; whether nothing was in its place.
    fn make(
        &mut self,
        parent: BorrowedFd,
        names: &[&[u8]],
        name: &[u8],
        entry: &Entry,
        data: &mut impl Read,
    ) -> Result<bool> {
        let path = names.join(&b'/');
        let name = OsStr::from_bytes(name);
        let making = || format!("unpacking {}", entry.name());
        let there = there(parent, name)?;
        match there {
            There::Nothing => {}
            There::Folder if entry.kind == Kind::Directory => {}
            There::Folder => {
                remove_folder(parent, name, self.limits.depth).map_err(Error::io(making()))?;
                let below = [&path[..], b"/"].concat();
                self.folders
                    .retain(|folder, _| *folder != path && !folder.starts_with(&below));
                self.forget(&path, Some(&below));
            }
            There::Whiteout | There::Other => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
                    .map_err(Error::io(making()))?;
                self.forget(&path, None);
            }
        }
        match entry.kind {
            Kind::Directory => {
                let folder = match there {
                    There::Folder => open_folder(parent, name),
                    _ => make_folder(parent, name),
                };
                let folder = folder.map_err(Error::io(making()))?;
                if there == There::Whiteout {
                    set_opaque(folder.as_fd()).map_err(Error::io(making()))?;
                }
                self.owner(parent, name, &path, (entry.uid, entry.gid))?;
                self.folder_attributes(folder.as_fd(), &path, entry)?;
            }
            Kind::File => self.file(parent, name, &path, entry, data)?,
            Kind::HardLink => self.hard_link(parent, name, &path, entry)?,
            Kind::Symlink => {
                symlinkat(OsStr::from_bytes(&entry.link), parent, name)
                    .map_err(Error::io(making()))?;
                self.owner(parent, name, &path, (entry.uid, entry.gid))?;
                self.record_xattrs(&path, &entry.xattrs);
                attributes::set_time(parent, name, entry.mtime).map_err(Error::io(making()))?;
            }
            Kind::Fifo | Kind::CharacterDevice | Kind::BlockDevice => {
                self.special(parent, name, &path, entry)?
            }
        }
        Ok(matches!(there, There::Nothing)
            || (there == There::Folder && entry.kind == Kind::Directory))
    }

    fn file(
        &mut self,
        parent: BorrowedFd,
        name: &OsStr,
        path: &[u8],
        entry: &Entry,
        data: &mut impl Read,
    ) -> Result<()> {
        let making = || format!("unpacking {}", entry.name());
        if entry.size > self.limits.file {
            return Err(Error::Limit {
                what: format!("file `{}`", entry.name()),
                limit: size(self.limits.file),
            });
        }
        let mut file = File::from(make_file(parent, name).map_err(Error::io(making()))?);
        match &entry.parts {
            None => {
                self.done.bytes += io::copy(data, &mut file).map_err(Error::io(making()))?;
            }
            Some(parts) => {
                file.set_len(entry.size).map_err(Error::io(making()))?;
                let mut buffer = vec![0; 1 << 16];
                for &(offset, length) in parts {
                    let mut at = 0;
                    while at < length {
                        let room = buffer
                            .len()
                            .min(usize::try_from(length - at).unwrap_or(usize::MAX));
                        data.read_exact(&mut buffer[..room])
                            .map_err(Error::io(making()))?;
                        file.write_all_at(&buffer[..room], offset + at)
                            .map_err(Error::io(making()))?;
                        at += room as u64;
                    }
                    self.done.bytes += length;
                }
            }
        }
        // A change of owner clears set-id bits, so modes come after.
        self.owner(parent, name, path, (entry.uid, entry.gid))?;
        self.xattrs(file.as_fd(), path, &entry.xattrs, entry)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode)).map_err(Error::io(making()))?;
        attributes::set_time_of(file.as_fd(), entry.mtime).map_err(Error::io(making()))
    }

    /// Another name of a file of this layer; links on the way to it lead to places inside only, and it is no link's target.
    fn hard_link(
        &mut self,
        parent: BorrowedFd,
        name: &OsStr,
        path: &[u8],
        entry: &Entry,
    ) -> Result<()> {
        let refused = |why: &str| Error::Refused {
            entry: entry.name(),
            why: why.into(),
        };
        let names = clean(&entry.link, self.limits)
            .map_err(|why| refused(&format!("its target: {why}")))?;
        let Some((&target, folders)) = names.split_last() else {
            return Err(refused("its target is the layer itself"));
        };
        let folder = match self.open(&folders.join(&b'/')) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return Err(refused("its target is not in this layer"));
            }
            other => other.map_err(|error| outside(error, entry))?,
        };
        let target = OsStr::from_bytes(target);
        match there(folder.as_fd(), target)? {
            There::Nothing | There::Whiteout => {
                return Err(refused("its target is not in this layer"));
            }
            There::Folder => return Err(refused("its target is a folder")),
            There::Other => {}
        }
        linkat(&folder, target, parent, name, AtFlags::empty())
            .map_err(Error::io(format!("linking {}", entry.name())))?;
        // One file, so what is recorded of one name holds for the other.
        let known = self
            .done
            .records
            .get(&attributes::key(&names.join(&b'/')))
            .cloned();
        if let Some(record) = known {
            self.done.records.insert(attributes::key(path), record);
        }
        Ok(())
    }

    fn special(
        &mut self,
        parent: BorrowedFd,
        name: &OsStr,
        path: &[u8],
        entry: &Entry,
    ) -> Result<()> {
        let making = || format!("unpacking {}", entry.name());
        let kind = match entry.kind {
            Kind::Fifo => FileType::Fifo,
            Kind::CharacterDevice if entry.device == (0, 0) => {
                return Err(Error::Refused {
                    entry: entry.name(),
                    why: "character device 0/0 hides files in a stack of layers".into(),
                });
            }
            Kind::CharacterDevice => FileType::CharacterDevice,
            _ => FileType::BlockDevice,
        };
        let device = rustix::fs::makedev(entry.device.0, entry.device.1);
        match mknodat(parent, name, kind, Mode::from_raw_mode(0o600), device) {
            Ok(()) => {}
            // An ordinary user makes no devices: an empty file stands for one.
            Err(Errno::PERM) if entry.kind != Kind::Fifo => {
                make_file(parent, name).map_err(Error::io(making()))?;
                let letter = if entry.kind == Kind::BlockDevice {
                    'b'
                } else {
                    'c'
                };
                self.record(path).device = Some((letter, entry.device.0, entry.device.1));
            }
            Err(error) => return Err(Error::io(making())(error)),
        }
        self.owner(parent, name, path, (entry.uid, entry.gid))?;
        self.record_xattrs(path, &entry.xattrs);
        // It was made just now in a folder that nobody else can enter, so it is no link.
        rustix::fs::chmodat(
            parent,
            name,
            Mode::from_raw_mode(entry.mode),
            AtFlags::empty(),
        )
        .map_err(Error::io(making()))?;
        attributes::set_time(parent, name, entry.mtime).map_err(Error::io(making()))
    }

    fn folder_attributes(&mut self, folder: BorrowedFd, path: &[u8], entry: &Entry) -> Result<()> {
        if path.is_empty() {
            self.owner(folder, OsStr::new("."), path, (entry.uid, entry.gid))?;
        }
        self.xattrs(folder, path, &entry.xattrs, entry)?;
        self.folders.insert(
            path.to_vec(),
            Folder {
                mode: entry.mode,
                mtime: entry.mtime,
            },
        );
        Ok(())
    }

    /// Folders get their modes and times last, the deepest first: before, their owner has to write into them.
    fn finish(self) -> Result<Unpacked> {
        for (path, folder) in self.folders.iter().rev() {
            let setting = || {
                format!(
                    "setting the mode of {}",
                    String::from_utf8_lossy(path).escape_debug()
                )
            };
            match self.open(path) {
                Ok(open) => {
                    rustix::fs::fchmod(&open, Mode::from_raw_mode(folder.mode))
                        .map_err(Error::io(setting()))?;
                    attributes::set_time_of(open.as_fd(), folder.mtime)
                        .map_err(Error::io(setting()))?;
                }
                // A later entry took its place under another path.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(Error::io(setting())(error)),
            }
        }
        Ok(self.done)
    }
}

fn there(parent: BorrowedFd, name: &OsStr) -> Result<There> {
    let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(There::Nothing),
        other => other.map_err(Error::io(format!("looking at {}", name.display())))?,
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => There::Folder,
        kind if is_whiteout(parent, name, kind, &stat) => There::Whiteout,
        _ => There::Other,
    })
}

/// What the kernel says where a path would lead out of the layer, or in circles.
fn outside(error: Errno, entry: &Entry) -> Error {
    let why = match error {
        Errno::XDEV => "a link in its path leads out of the layer",
        Errno::LOOP => "links in its path lead in circles",
        Errno::NOENT => "a link in its path leads nowhere in this layer",
        Errno::NOTDIR => "its path goes through something that is no folder",
        other => return Error::io(format!("opening the folder of {}", entry.name()))(other),
    };
    Error::Refused {
        entry: entry.name(),
        why: why.into(),
    }
}
