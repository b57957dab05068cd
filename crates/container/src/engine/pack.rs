//! Files into a tar while others may change them: for `cp` and `export`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, StatxFlags, fgetxattr, flistxattr, openat, readlinkat};
use rustix::io::Errno;

use super::error::{Error, Result};
use super::tree::{DEPTH, entries, joined};
use crate::overlay::open_folder;
use crate::tar::{Entry, Kind, Writer};

/// Bytes of a file that says it has none.
const MADE_UP: u64 = 1 << 20;

/// Writes files into a tar. What is looked at may be changed by others meanwhile: what is gone is left out, what became
/// shorter is filled up with zeros, and no link is ever followed.
pub struct Pack<W: Write> {
    writer: Writer<io::BufWriter<W>>,
    /// First names of files that have several, by device and number.
    links: BTreeMap<(u64, u64), Vec<u8>>,
    /// Where it is given, what other mounts show is not looked into: an empty folder or file stands for it.
    mount: Option<u64>,
    /// Folders of which nothing but themselves is written, by what they are called in the tar.
    hollow: Vec<Vec<u8>>,
    /// Also what a program may do by its file (`security.capability`).
    capabilities: bool,
    /// To whom everything belongs, instead of who it does.
    owner: Option<(u32, u32)>,
    depth: usize,
    /// What is in files so far, in bytes.
    bytes: u64,
}

impl<W: Write> Pack<W> {
    /// To an output.
    pub fn new(output: W) -> Pack<W> {
        Pack {
            writer: Writer::new(io::BufWriter::with_capacity(1 << 16, output)),
            links: BTreeMap::new(),
            mount: None,
            hollow: Vec::new(),
            capabilities: false,
            owner: None,
            depth: 0,
            bytes: 0,
        }
    }

    /// What is in the files that were written, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// With what programs may do by their files.
    pub fn with_capabilities(mut self) -> Pack<W> {
        self.capabilities = true;
        self
    }

    /// All of it as one owner's.
    pub fn owned_by(mut self, owner: Option<(u32, u32)>) -> Pack<W> {
        self.owner = owner;
        self
    }

    /// Only what lies in the mount of this folder.
    pub fn within(mut self, folder: BorrowedFd) -> Result<Pack<W>> {
        self.mount = Some(mount_of(folder, b"").map_err(Error::io("looking at the root"))?);
        Ok(self)
    }

    /// Of these folders nothing but themselves.
    pub fn hollow(mut self, places: impl IntoIterator<Item = Vec<u8>>) -> Pack<W> {
        self.hollow.extend(places);
        self
    }

    /// Marks the end.
    pub fn finish(self) -> Result<()> {
        let writing = || Error::io::<io::Error>("writing the archive");
        let mut output = self.writer.finish().map_err(writing())?;
        output.flush().map_err(writing())
    }

    /// All that is in a folder, which is called `path`.
    pub fn inside(&mut self, folder: BorrowedFd, path: &[u8]) -> Result<()> {
        if self.depth > DEPTH {
            return Err(Error::Malformed {
                what: shown(path),
                why: "folders within folders without end".into(),
            });
        }
        self.depth += 1;
        for (name, stat) in entries(folder).map_err(reading(path))? {
            self.one(folder, &name, &stat, &joined(path, &name))?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// A folder itself, called `path`, and all that is in it.
    pub fn folder(&mut self, folder: BorrowedFd, path: &[u8]) -> Result<()> {
        let stat = rustix::fs::fstat(folder).map_err(reading(path))?;
        let mut entry = described(&stat, path);
        entry.kind = Kind::Directory;
        if !entry.path.ends_with(b"/") {
            entry.path.push(b'/');
        }
        entry.xattrs = self.attributes(folder);
        self.append(&entry, io::empty())?;
        self.inside(folder, path)
    }

    fn append(&mut self, entry: &Entry, data: impl io::Read) -> Result<()> {
        let written = match self.owner {
            Some((uid, gid)) => self.writer.append(&Entry { uid, gid, ..entry.clone() }, data),
            None => self.writer.append(entry, data),
        };
        written.map_err(Error::io(format!(
            "writing {} to the archive",
            shown(&entry.path)
        )))
    }

    /// What has this name in a folder, called `place`.
    pub fn one(&mut self, folder: BorrowedFd, name: &[u8], stat: &Stat, place: &[u8]) -> Result<()> {
        let os_name = OsStr::from_bytes(name);
        let mut entry = described(stat, place);
        let is_elsewhere = self
            .mount
            .is_some_and(|mount| mount_of(folder, name).is_ok_and(|other| other != mount));
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if is_elsewhere || self.hollow.iter().any(|hollow| hollow == place) => {
                entry.kind = Kind::Directory;
                entry.path.push(b'/');
                self.append(&entry, io::empty())
            }
            _ if is_elsewhere => self.append(&entry, io::empty()),
            FileType::Directory => match open_folder(folder, OsStr::from_bytes(name)) {
                Ok(inside) => self.folder(inside.as_fd(), place),
                Err(error) => passed_over(error, place),
            },
            FileType::Symlink => match readlinkat(folder, os_name, Vec::new()) {
                Ok(link) => {
                    entry.kind = Kind::Symlink;
                    entry.link = link.into_bytes();
                    self.append(&entry, io::empty())
                }
                Err(error) => passed_over(error, place),
            },
            FileType::RegularFile => self.file(folder, os_name, stat, entry),
            FileType::Fifo => {
                entry.kind = Kind::Fifo;
                self.append(&entry, io::empty())
            }
            kind @ (FileType::CharacterDevice | FileType::BlockDevice) => {
                entry.kind = match kind {
                    FileType::CharacterDevice => Kind::CharacterDevice,
                    _ => Kind::BlockDevice,
                };
                let numbers = stat.st_rdev;
                entry.device = (rustix::fs::major(numbers), rustix::fs::minor(numbers));
                self.append(&entry, io::empty())
            }
            // A socket is nothing without who listens on it.
            FileType::Socket | FileType::Unknown => Ok(()),
        }
    }

    fn file(&mut self, folder: BorrowedFd, name: &OsStr, stat: &Stat, mut entry: Entry) -> Result<()> {
        if stat.st_nlink > 1 {
            let number = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&number) {
                entry.kind = Kind::HardLink;
                entry.link.clone_from(first);
                return self.append(&entry, io::empty());
            }
            self.links.insert(number, entry.path.clone());
        }
        // Not blocking: somebody may have put a pipe in its place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(error) => return passed_over(error, &entry.path),
        };
        let found = file
            .metadata()
            .map_err(Error::io(format!("reading {}", shown(&entry.path))))?;
        if !found.is_file() {
            return Ok(());
        }
        entry.xattrs = self.attributes(file.as_fd());
        // What it has now: a file that grows is cut at this length, one that shrinks is filled up.
        entry.size = found.len();
        if entry.size == 0 {
            // Files of the kernel say how long they are only when they are read.
            let mut content = Vec::new();
            let _ = io::Read::take(&file, MADE_UP).read_to_end(&mut content);
            entry.size = content.len() as u64;
            self.bytes += entry.size;
            return self.append(&entry, &content[..]);
        }
        self.bytes += entry.size;
        self.append(&entry, io::Read::chain(&file, io::repeat(0)))
    }

    fn attributes(&self, file: BorrowedFd) -> Vec<(Vec<u8>, Vec<u8>)> {
        let wanted = |name: &[u8]| {
            name.starts_with(b"user.") || self.capabilities && name == b"security.capability"
        };
        attributes(file, wanted)
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn reading(path: &[u8]) -> impl FnOnce(Errno) -> Error + use<> {
    Error::io(format!("reading {}", shown(path)))
}

/// What somebody removed or changed meanwhile is left out.
fn passed_over(error: Errno, path: &[u8]) -> Result<()> {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::INVAL => Ok(()),
        other => Err(reading(path)(other)),
    }
}

/// The number of the mount that shows a name; of the folder itself without a name.
fn mount_of(folder: BorrowedFd, name: &[u8]) -> Result<u64, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    let found = rustix::fs::statx(folder, OsStr::from_bytes(name), flags, StatxFlags::MNT_ID)?;
    Ok(found.stx_mnt_id)
}

fn described(stat: &Stat, path: &[u8]) -> Entry {
    Entry {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        ..Entry::new(path, Kind::File)
    }
}

/// Attributes whose names are wanted.
fn attributes(file: BorrowedFd, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0u8; 1 << 16];
    let Ok(length) = flistxattr(file, &mut names[..]) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for name in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && is_wanted(name))
    {
        let mut value = vec![0u8; 1 << 16];
        if let Ok(length) = fgetxattr(file, OsStr::from_bytes(name), &mut value[..]) {
            value.truncate(length);
            all.push((name.to_vec(), value));
        }
    }
    all
}
