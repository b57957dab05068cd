//! What files become on their way: one digest of them all, or a layer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::build::error::{Error, Result};
use crate::build::tree::Meta;
use crate::tar::{Entry, Kind, Writer};

/// What receives files, in order.
pub trait Sink {
    /// A file of this path, with what is in it.
    fn put(&mut self, path: Vec<u8>, meta: &Meta, data: &mut dyn Read) -> Result<()>;
}

/// One digest.
pub struct Hashed(Sha256);

impl Hashed {
    /// Of nothing yet.
    pub fn new() -> Hashed {
        Hashed(Sha256::new())
    }

    /// In hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Sink for Hashed {
    fn put(&mut self, path: Vec<u8>, meta: &Meta, data: &mut dyn Read) -> Result<()> {
        let mut text = |bytes: &[u8]| {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        };
        text(&path);
        text(format!("{:?} {:o} {:?} {:?}", meta.kind, meta.mode, meta.owner, meta.device).as_bytes());
        text(&meta.link);
        for (name, value) in &meta.xattrs {
            text(name);
            text(value);
        }
        let mut inner = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => inner.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(crate::Error::io(format!("reading {}", String::from_utf8_lossy(&path)))(error).into());
                }
            }
        }
        self.0.update(inner.finalize());
        Ok(())
    }
}

/// A layer.
pub struct Written<W: Write> {
    writer: Writer<W>,
    /// Folders that are in the layer already.
    folders: BTreeSet<Vec<u8>>,
    /// First names of files that have several.
    links: BTreeMap<(usize, u64), Vec<u8>>,
    latest: Option<i64>,
}

impl<W: Write> Written<W> {
    /// With nothing in it yet; no time is later than `latest`.
    pub fn new(output: W, latest: Option<i64>) -> Self {
        Written { writer: Writer::new(output), folders: BTreeSet::new(), links: BTreeMap::new(), latest }
    }

    /// Marks its end.
    pub fn finish(self) -> Result<()> {
        self.writer.finish().map(drop).map_err(Error::io("writing the layer"))
    }
}

impl<W: Write> Sink for Written<W> {
    fn put(&mut self, path: Vec<u8>, meta: &Meta, data: &mut dyn Read) -> Result<()> {
        let writing = format!("writing {} to the layer", String::from_utf8_lossy(&path));
        let is_folder = meta.kind == Kind::Directory;
        if is_folder && !self.folders.insert(path.clone()) {
            return Ok(());
        }
        let mut entry = Entry {
            path,
            kind: meta.kind,
            link: meta.link.clone(),
            mode: meta.mode,
            uid: meta.owner.0,
            gid: meta.owner.1,
            mtime: (meta.mtime.min(self.latest.unwrap_or(i64::MAX)), 0),
            size: meta.size,
            device: meta.device,
            xattrs: meta.xattrs.clone(),
            parts: None,
        };
        if let Some(shared) = meta.shared {
            match self.links.get(&shared) {
                Some(first) => {
                    (entry.kind, entry.link, entry.size) = (Kind::HardLink, first.clone(), 0);
                }
                None => drop(self.links.insert(shared, entry.path.clone())),
            }
        }
        if is_folder {
            entry.path.push(b'/');
        }
        match self.writer.append(&entry, data) {
            Ok(()) => Ok(()),
            Err(error) => Err(crate::Error::io(writing)(error).into()),
        }
    }
}
