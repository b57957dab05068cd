//! Files of an archive or of a folder, by path.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::blob::Pending;
use crate::compression::Unpacked;
use crate::error::{Error, Result};
use crate::limits::{Bounded, Limits};
use crate::tar::{Kind, Reader};
use crate::work::Work;

/// Links are followed this far.
const LINKS: usize = 8;

/// Files by path.
pub trait Contents {
    /// Whether a file is there.
    fn has(&self, path: &str) -> bool;
    /// Looks at a small file.
    fn document(&mut self, path: &str) -> Result<Option<Vec<u8>>>;
    /// Takes a file: its bytes are in the store's work folder, with their digest. A file may be asked for more than once.
    fn take(&mut self, path: &str) -> Result<Option<Taken>>;
}

/// A file that was asked for.
pub enum Taken {
    /// Its bytes.
    New(Pending),
    /// It was taken before; its digest and bytes.
    Before(crate::Digest, u64),
}

enum Item {
    File(Pending),
    Link(String),
    Gone(crate::Digest, u64),
}

/// An archive: read once as it comes, from a pipe too, so every file is on disk before its meaning is known.
pub struct Archive {
    items: BTreeMap<String, Item>,
    limits: Limits,
}

impl Archive {
    /// Reads all of it into `work`.
    pub fn read(input: impl Read, what: &str, work: &Work, limits: &Limits) -> Result<Archive> {
        let input = Unpacked::new(BufReader::with_capacity(1 << 16, input), what)?;
        let mut tar = Reader::new(Bounded::new(input, limits.bytes, what), what, *limits);
        let mut items = BTreeMap::new();
        while let Some(entry) = tar.next_entry()? {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            let item = match entry.kind {
                Kind::File if entry.parts.is_none() => {
                    Item::File(Pending::write(work, &mut tar, &format!("{what}: {path}"))?)
                }
                // Old archives have a layer that comes twice as a link to the first.
                Kind::Symlink => Item::Link(beside(&path, &String::from_utf8_lossy(&entry.link))),
                Kind::HardLink => Item::Link(String::from_utf8_lossy(&entry.link).into_owned()),
                Kind::Directory => continue,
                _ => {
                    return Err(Error::Refused {
                        entry: entry.name(),
                        why: "an image archive has files and folders only".into(),
                    });
                }
            };
            items.insert(path, item);
        }
        // What is packed has a checksum at its end.
        std::io::copy(&mut tar.into_inner(), &mut std::io::sink())
            .map_err(Error::io(format!("reading {what}")))?;
        Ok(Archive {
            items,
            limits: *limits,
        })
    }

    fn target<'a>(&'a self, path: &'a str) -> &'a str {
        let mut path = path;
        for _ in 0..LINKS {
            match self.items.get(path) {
                Some(Item::Link(next)) => path = next,
                _ => break,
            }
        }
        path
    }
}

/// Where a link points to, by words alone: names in an archive are no paths of this machine.
fn beside(path: &str, link: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Contents for Archive {
    fn has(&self, path: &str) -> bool {
        matches!(
            self.items.get(self.target(path)),
            Some(Item::File(_) | Item::Gone(..))
        )
    }

    fn document(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.items.get(self.target(path)) {
            Some(Item::File(file)) => file.read(path, self.limits.document).map(Some),
            _ => Ok(None),
        }
    }

    fn take(&mut self, path: &str) -> Result<Option<Taken>> {
        let path = self.target(path).to_owned();
        Ok(match self.items.remove(&path) {
            Some(Item::File(file)) => {
                self.items.insert(path, Item::Gone(file.digest, file.bytes));
                Some(Taken::New(file))
            }
            Some(Item::Gone(digest, bytes)) => {
                self.items.insert(path, Item::Gone(digest, bytes));
                Some(Taken::Before(digest, bytes))
            }
            _ => None,
        })
    }
}

/// A folder; nothing outside of it is read, whatever links it has.
pub struct Folder<'a> {
    root: File,
    work: &'a Work,
    limits: Limits,
}

impl Folder<'_> {
    /// Opens it.
    pub fn open<'a>(path: &Path, work: &'a Work, limits: &Limits) -> Result<Folder<'a>> {
        let root = File::open(path).map_err(Error::io(format!("opening {}", path.display())))?;
        Ok(Folder {
            root,
            work,
            limits: *limits,
        })
    }

    fn file(&self, path: &str) -> Result<Option<File>> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        // Not to wait for a pipe's other end.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat2(&self.root, path, flags, Mode::empty(), resolve) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
            Err(rustix::io::Errno::XDEV | rustix::io::Errno::LOOP) => {
                return Err(Error::Refused {
                    entry: path.into(),
                    why: "it is a link that leads out of its folder".into(),
                });
            }
            Err(error) => return Err(Error::io(format!("opening {path}"))(error)),
        };
        let kind = file
            .metadata()
            .map_err(Error::io(format!("opening {path}")))?;
        if kind.is_file() {
            Ok(Some(file))
        } else {
            Ok(None)
        }
    }
}

impl Contents for Folder<'_> {
    fn has(&self, path: &str) -> bool {
        self.file(path).is_ok_and(|file| file.is_some())
    }

    fn document(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        self.file(path)?
            .map(|file| crate::blob::read_bounded(file, path, self.limits.document))
            .transpose()
    }

    fn take(&mut self, path: &str) -> Result<Option<Taken>> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let bounded = Bounded::new(file, self.limits.bytes, path);
        Ok(Some(Taken::New(Pending::write(self.work, bounded, path)?)))
    }
}
