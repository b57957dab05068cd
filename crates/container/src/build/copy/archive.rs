//! `ADD` of an archive: its entries as files of the layer, none outside of the target.

use std::io::{self, Read};

use super::Copying;
use super::content::Content;
use super::sink::Sink;
use crate::build::error::{Error, Result};
use crate::build::tree::{Meta, names};
use crate::tar::{Kind, Reader};

impl Copying<'_> {
    /// All of an archive goes into the target.
    pub(super) fn archive(&self, content: &Content, sink: &mut dyn Sink) -> Result<()> {
        let what = "the archive of ADD";
        let (data, _) = content.open()?;
        let input = crate::compression::Unpacked::new(io::BufReader::with_capacity(1 << 16, data), what)?;
        let input = crate::limits::Bounded::new(input, self.limits.bytes, what);
        let mut tar = Reader::new(input, what, self.limits);
        while let Some(entry) = tar.next_entry()? {
            self.cancel.check()?;
            let refused = |why: &str| Error::Image(crate::Error::Refused { entry: entry.name(), why: why.into() });
            let inside = |path: &[u8]| {
                let names = names(path);
                match names.contains(&b"..".to_vec()) {
                    true => Err(refused("`..` would lead out of the archive")),
                    false => Ok(names),
                }
            };
            let path = inside(&entry.path)?;
            if path.iter().any(|name| name.starts_with(b".wh.")) {
                return Err(refused("names that begin with .wh. say in a layer what is not there"));
            }
            if path.is_empty()
                || self.exclude.iter().any(|pattern| pattern.fits_with_parents(&String::from_utf8_lossy(&path.join(&b'/'))))
            {
                continue;
            }
            let place = |names: Vec<Vec<u8>>| [&self.target.path[..], &names].concat().join(&b'/');
            let meta = Meta {
                kind: entry.kind,
                mode: self.change.mode.unwrap_or(entry.mode),
                owner: self.change.owner.unwrap_or((entry.uid, entry.gid)),
                mtime: entry.mtime.0,
                size: entry.size,
                device: entry.device,
                xattrs: entry.xattrs.clone(),
                link: match entry.kind {
                    Kind::HardLink => place(inside(&entry.link)?),
                    _ => entry.link.clone(),
                },
                shared: None,
            };
            match &entry.parts {
                None => sink.put(place(path), &meta, &mut tar)?,
                Some(parts) => sink.put(place(path), &meta, &mut Holes { parts, tar: &mut tar, at: 0, size: entry.size })?,
            }
        }
        if !tar.is_marked_as_ended() {
            return Err(crate::Error::malformed(what, "it is cut off: the mark of its end is missing").into());
        }
        Ok(())
    }
}

/// A sparse file of an archive with its holes as zeros.
struct Holes<'a, R> {
    parts: &'a [(u64, u64)],
    tar: &'a mut Reader<R>,
    at: u64,
    size: u64,
}

impl<R: Read> Read for Holes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.parts.iter().find(|(offset, length)| offset + length > self.at);
        let (end, is_data) = match part {
            Some((offset, length)) if *offset <= self.at => (offset + length, true),
            Some((offset, _)) => (*offset, false),
            None => (self.size, false),
        };
        let room = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let count = match is_data {
            true => self.tar.read(&mut buffer[..room])?,
            false => {
                buffer[..room].fill(0);
                room
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}
