//! Files to be copied from, read without a mount: a build context, or the layers of an image under one another. Links are
//! followed inside the tree only, name by name, so that none leads out of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, readlinkat, statat,
};
use rustix::io::Errno;

use super::error::{Error, Result};
use crate::oci::chain_ids;
use crate::overlay::{is_opaque, is_whiteout, open_file, open_folder};
use crate::store::{Image, Store};
use crate::tar::Kind;
use crate::unpack::Record;

/// How many links a path may go through, as in the kernel.
const LINKS: usize = 40;
/// Folders within folders.
const DEPTH: usize = 256;
/// Largest value of an extended attribute, bytes.
const ATTRIBUTE: usize = 1 << 16;

/// A tree of files.
pub struct Tree {
    /// The topmost first.
    layers: Vec<Layer>,
    /// Of people's own files: they are user 0's, and whiteouts are files.
    is_context: bool,
}

struct Layer {
    folder: OwnedFd,
    /// What the folder does not show.
    records: BTreeMap<String, Record>,
}

/// A folder, with its parts in the layers that have it, the topmost first.
pub type Folder = Vec<(usize, OwnedFd)>;

/// What is at a name.
pub enum Node {
    /// A folder.
    Folder(Folder),
    /// A symbolic link.
    Link(Vec<u8>),
    /// Anything else, in this layer; the descriptor is its folder's.
    Other(usize, OwnedFd),
}

/// What is at a path.
pub struct Found {
    /// Names from the top, links resolved.
    pub path: Vec<Vec<u8>>,
    /// What is there.
    pub node: Node,
}

impl Found {
    /// Whether a folder is there.
    pub fn is_folder(&self) -> bool {
        matches!(self.node, Node::Folder(_))
    }
}

/// What a file is, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// What it is; sockets are none.
    pub kind: Kind,
    /// Permissions with set-id bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Seconds since 1970.
    pub mtime: i64,
    /// Bytes.
    pub size: u64,
    /// Of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of a link.
    pub link: Vec<u8>,
    /// Device and number of the file, where it has several names.
    pub shared: Option<(usize, u64)>,
}

fn shown(path: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&path.join(&b'/')).into_owned()
}

impl Tree {
    /// Of a build context.
    pub fn context(path: &Path) -> Result<Tree> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty());
        let folder = folder.map_err(Error::io(format!(
            "opening the build context {}",
            path.display()
        )))?;
        Ok(Tree {
            layers: vec![Layer {
                folder,
                records: BTreeMap::new(),
            }],
            is_context: true,
        })
    }

    /// Of an image; its layers are unpacked where they are not.
    pub fn image(store: &Store, image: &Image) -> Result<Tree> {
        let folders = store.stack(image)?;
        let chains = chain_ids(&image.config.rootfs.diff_ids);
        let mut layers = Vec::new();
        for (folder, chain) in folders.iter().zip(&chains).rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::open(folder, flags, Mode::empty());
            let opened = opened.map_err(Error::io(format!("opening {}", folder.display())))?;
            layers.push(Layer {
                folder: opened,
                records: store.layer_of(chain)?.unpacked.records,
            });
        }
        Ok(Tree {
            layers,
            is_context: false,
        })
    }

    /// Of nothing.
    pub fn empty() -> Tree {
        Tree {
            layers: Vec::new(),
            is_context: false,
        }
    }

    /// Whether it is people's own files.
    pub fn is_context(&self) -> bool {
        self.is_context
    }

    /// What it is called in errors.
    pub fn called(&self) -> &'static str {
        if self.is_context { "the build context" } else { "the image" }
    }

    /// Its top.
    pub fn top(&self) -> Result<Folder> {
        let layers = self.layers.iter().enumerate();
        layers
            .map(|(at, layer)| {
                Ok((
                    at,
                    layer
                        .folder
                        .try_clone()
                        .map_err(Error::io("duplicating a descriptor"))?,
                ))
            })
            .collect()
    }

    /// One name in a folder.
    pub fn step(&self, folders: &Folder, name: &[u8]) -> Result<Option<Node>, Errno> {
        let name = OsStr::from_bytes(name);
        let mut found: Folder = Vec::new();
        for (at, folder) in folders {
            let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let opened = open_folder(folder, name)?;
                    let hides = !self.is_context && is_opaque(&opened);
                    found.push((*at, opened));
                    if hides {
                        break;
                    }
                }
                _ if !found.is_empty() => break,
                kind if !self.is_context && is_whiteout(folder, name, kind, &stat) => {
                    return Ok(None);
                }
                FileType::Symlink => {
                    return Ok(Some(Node::Link(
                        readlinkat(folder, name, Vec::new())?.into_bytes(),
                    )));
                }
                _ => {
                    return Ok(Some(Node::Other(
                        *at,
                        folder.try_clone().map_err(|_| Errno::MFILE)?,
                    )));
                }
            }
        }
        Ok((!found.is_empty()).then_some(Node::Folder(found)))
    }

    /// What is at a path; links on the way are followed inside the tree, one at its end if `follows`.
    pub fn find(&self, path: &[u8], follows: bool) -> Result<Option<Found>> {
        let (found, rest) = self.resolve(path, follows)?;
        Ok(found.filter(|_| rest.is_empty()))
    }

    /// As far as there is something: that, and the names that are not there.
    pub fn resolve(&self, path: &[u8], follows: bool) -> Result<(Option<Found>, Vec<Vec<u8>>)> {
        let mut pending: VecDeque<Vec<u8>> = names(path).into();
        let mut walked: Vec<Folder> = vec![self.top()?];
        let mut at: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(name) = pending.pop_front() {
            if name == b".." {
                at.pop();
                if walked.len() > 1 {
                    walked.pop();
                }
                continue;
            }
            let Some(here) = walked.last() else { break };
            let reading = |e: Errno| Error::io(format!("reading {}", shown(&at)))(e);
            match self.step(here, &name).map_err(reading)? {
                None => {
                    pending.push_front(name);
                    break;
                }
                Some(Node::Folder(folder)) => {
                    if walked.len() >= DEPTH {
                        return Err(Error::Context(format!(
                            "{}: folders are too deep",
                            shown(&at)
                        )));
                    }
                    walked.push(folder);
                    at.push(name);
                }
                Some(Node::Link(target)) if follows || !pending.is_empty() => {
                    links += 1;
                    if links > LINKS {
                        return Err(Error::Context(format!(
                            "{}: links lead in circles",
                            shown(&[at, vec![name]].concat())
                        )));
                    }
                    if target.starts_with(b"/") {
                        walked.truncate(1);
                        at.clear();
                    }
                    for part in names(&target).into_iter().rev() {
                        pending.push_front(part);
                    }
                }
                Some(node) => {
                    at.push(name);
                    return Ok((Some(Found { path: at, node }), pending.into()));
                }
            }
        }
        let node = walked.pop().map(Node::Folder);
        Ok((node.map(|node| Found { path: at, node }), pending.into()))
    }

    /// Names in a folder, sorted.
    pub fn list(&self, folder: &Folder) -> Result<Vec<Vec<u8>>> {
        let reading = |e: Errno| Error::io("reading a folder")(e);
        let mut all = BTreeSet::new();
        for (_, part) in folder {
            for entry in Dir::read_from(part).map_err(reading)? {
                let entry = entry.map_err(reading)?;
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    all.insert(name.to_vec());
                }
            }
        }
        Ok(all.into_iter().collect())
    }

    /// What a node is; none of a socket. `path` is where it was found.
    pub fn meta(
        &self,
        path: &[Vec<u8>],
        node: &Node,
        parent: Option<&Folder>,
    ) -> Result<Option<Meta>> {
        let reading = || format!("reading {}", shown(path));
        let name = path
            .last()
            .map_or(OsStr::new("."), |name| OsStr::from_bytes(name));
        let (layer, stat, xattrs) = match node {
            Node::Folder(parts) => {
                let Some((at, top)) = parts.first() else {
                    return Ok(None);
                };
                (
                    *at,
                    rustix::fs::fstat(top).map_err(Error::io(reading()))?,
                    self.attributes(top),
                )
            }
            Node::Other(at, folder) => {
                let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(Error::io(reading()))?;
                let xattrs = match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => {
                        self.attributes(&open_file(folder, name).map_err(Error::io(reading()))?)
                    }
                    _ => Vec::new(),
                };
                (*at, stat, xattrs)
            }
            Node::Link(_) => {
                let mut found = None;
                for (at, folder) in parent.into_iter().flatten() {
                    if let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                        found = Some((*at, stat));
                        break;
                    }
                }
                let Some((at, stat)) = found else {
                    return Ok(None);
                };
                (at, stat, Vec::new())
            }
        };
        let record = self
            .layers
            .get(layer)
            .and_then(|layer| layer.records.get(&crate::unpack::key(&path.join(&b'/'))));
        Ok(self.told(layer, &stat, xattrs, node, record))
    }

    fn told(
        &self,
        layer: usize,
        stat: &Stat,
        mut xattrs: Vec<(Vec<u8>, Vec<u8>)>,
        node: &Node,
        record: Option<&Record>,
    ) -> Option<Meta> {
        let mut kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharacterDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            _ => return None,
        };
        let mut device = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        let mut owner = match self.is_context || !rustix::process::geteuid().is_root() {
            true => (0, 0),
            false => (stat.st_uid, stat.st_gid),
        };
        if let Some(record) = record {
            owner = record.owner.unwrap_or(owner);
            if let Some((letter, major, minor)) = record.device {
                kind = if letter == 'b' {
                    Kind::BlockDevice
                } else {
                    Kind::CharacterDevice
                };
                device = (major, minor);
            }
            let bytes = |digits: &str| {
                (0..digits.len() / 2)
                    .filter_map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok())
                    .collect()
            };
            xattrs.extend(
                record
                    .xattrs
                    .iter()
                    .map(|(name, digits)| (name.clone().into_bytes(), bytes(digits))),
            );
        }
        xattrs.sort();
        Some(Meta {
            kind,
            mode: if kind == Kind::Symlink {
                0o777
            } else {
                stat.st_mode & 0o7777
            },
            owner,
            mtime: stat.st_mtime,
            size: if kind == Kind::File {
                u64::try_from(stat.st_size).unwrap_or(0)
            } else {
                0
            },
            device: if matches!(kind, Kind::CharacterDevice | Kind::BlockDevice) {
                device
            } else {
                (0, 0)
            },
            xattrs,
            link: match node {
                Node::Link(target) => target.clone(),
                _ => Vec::new(),
            },
            shared: (kind == Kind::File && stat.st_nlink > 1).then_some((layer, stat.st_ino)),
        })
    }

    /// Attributes that go with a file: capabilities, and a user's own where it is an image's.
    fn attributes(&self, file: impl AsFd) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut names = vec![0u8; ATTRIBUTE];
        let Ok(length) = flistxattr(&file, &mut names[..]) else {
            return Vec::new();
        };
        let is_kept = |name: &&[u8]| {
            *name == b"security.capability"
                || (!self.is_context
                    && name.starts_with(b"user.")
                    && !name.starts_with(b"user.overlay."))
        };
        let mut all = Vec::new();
        for name in names[..length].split(|byte| *byte == 0).filter(is_kept) {
            let mut value = vec![0u8; ATTRIBUTE];
            if let Ok(length) = fgetxattr(&file, OsStr::from_bytes(name), &mut value[..]) {
                value.truncate(length);
                all.push((name.to_vec(), value));
            }
        }
        all
    }

    /// Opens a file of a node that is one.
    pub fn open(&self, path: &[Vec<u8>], node: &Node) -> Result<File> {
        let opening = || format!("opening {}", shown(path));
        match (node, path.last()) {
            (Node::Other(_, folder), Some(name)) => open_file(folder, OsStr::from_bytes(name))
                .map(File::from)
                .map_err(Error::io(opening())),
            _ => Err(Error::Context(format!("{} is no file", shown(path)))),
        }
    }

    /// What a small file holds, links followed; none where there is none.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(found) = self.find(path.as_bytes(), true)? else {
            return Ok(None);
        };
        match self.meta(&found.path, &found.node, None)? {
            Some(meta) if meta.kind == Kind::File => {}
            _ => return Ok(None),
        }
        Ok(Some(crate::blob::read_bounded(
            self.open(&found.path, &found.node)?,
            path,
            limit,
        )?))
    }
}

/// Names of a path; `..` stays.
pub fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    parts
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
        .collect()
}
