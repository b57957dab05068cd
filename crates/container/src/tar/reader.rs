//! Reads a tar stream entry by entry.

use std::io::{self, Read};

use super::header::{BLOCK, Header};
use super::pax::{Pax, decimal};
use super::sparse::{self, Part};
use crate::error::{Error, Result};
use crate::limits::{Limits, size};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of a file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A folder.
    Directory,
    /// A named pipe.
    Fifo,
}

/// One entry; the data of a file follow through [`Reader`]'s `Read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it is in the archive: nothing is made of `..` or a leading `/` here.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Permissions with set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since the epoch and nanoseconds.
    pub mtime: (i64, u32),
    /// Bytes of the file, holes too.
    pub size: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Parts of a sparse file that are in the archive, one after the other.
    pub parts: Option<Vec<Part>>,
}

impl Entry {
    /// Root's, of no time, with nothing in it; everybody may read it, and enter a directory.
    pub fn new(path: impl Into<Vec<u8>>, kind: Kind) -> Entry {
        Entry {
            path: path.into(),
            kind,
            link: Vec::new(),
            mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: (0, 0),
            size: 0,
            device: (0, 0),
            xattrs: Vec::new(),
            parts: None,
        }
    }

    /// The path for people.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.path).escape_debug().collect()
    }
}

/// Reads a tar stream once, within [`Limits`].
pub struct Reader<R> {
    input: R,
    what: String,
    limits: Limits,
    entries: u64,
    /// Bytes of the entry's data that were not read yet, and of the padding behind them.
    data: u64,
    padding: u64,
    ended: bool,
    marked: bool,
}

impl<R: Read> Reader<R> {
    /// `what` is named in errors.
    pub fn new(input: R, what: impl Into<String>, limits: Limits) -> Reader<R> {
        Reader {
            input,
            what: what.into(),
            limits,
            entries: 0,
            data: 0,
            padding: 0,
            ended: false,
            marked: false,
        }
    }

    /// Whether the archive's end was marked; without the mark it may have been cut off between two entries.
    pub fn is_marked_as_ended(&self) -> bool {
        self.marked
    }

    /// The stream behind the archive.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn malformed(&self, why: impl Into<String>) -> Error {
        Error::malformed(self.what.clone(), why)
    }

    fn reading(&self) -> impl FnOnce(io::Error) -> Error + use<R> {
        Error::io(format!("reading {}", self.what))
    }

    /// The next entry; what was not read of the last one's data is passed over.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut pax: Option<Pax> = None;
        let (mut long_path, mut long_link) = (None, None);
        loop {
            self.skip()?;
            let Some(block) = self.header()? else {
                if pax.is_some() || long_path.is_some() || long_link.is_some() {
                    return Err(self.malformed("it ends behind an extended header"));
                }
                return Ok(None);
            };
            let header = Header(&block);
            if !header.checks() {
                return Err(self.malformed(
                    "it is not a tar archive, or damaged: the checksum of a header is wrong",
                ));
            }
            let stored = header
                .number(124..136)
                .and_then(|size| u64::try_from(size).ok())
                .ok_or_else(|| self.malformed("a size is no number"))?;
            match header.kind() {
                b'x' => {
                    pax = Some(
                        Pax::parse(&self.extended(stored)?).map_err(|why| self.malformed(why))?,
                    )
                }
                // Speaks of all entries at once: nothing that a layer's file system could show.
                b'g' => drop(self.extended(stored)?),
                b'L' => long_path = Some(trim_nul(self.extended(stored)?)),
                b'K' => long_link = Some(trim_nul(self.extended(stored)?)),
                _ => {
                    let entry = self.entry(
                        &header,
                        stored,
                        pax.unwrap_or_default(),
                        long_path,
                        long_link,
                    )?;
                    self.entries += 1;
                    if self.entries > self.limits.entries {
                        return Err(Error::Limit {
                            what: self.what.clone(),
                            limit: format!("{} entries", self.limits.entries),
                        });
                    }
                    return Ok(Some(entry));
                }
            }
            // Headers without entries are bounded as entries are.
            self.entries += 1;
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        stored: u64,
        pax: Pax,
        path: Option<Vec<u8>>,
        link: Option<Vec<u8>>,
    ) -> Result<Entry> {
        let stored = pax.size.unwrap_or(stored);
        let path = pax
            .sparse_name
            .or(pax.path)
            .or(path)
            .unwrap_or_else(|| header.path());
        let link = pax
            .link
            .or(link)
            .unwrap_or_else(|| header.text(157..257).to_vec());
        for (text, is) in [(&path, "a path"), (&link, "a link's target")] {
            if text.len() > self.limits.path {
                return Err(Error::Limit {
                    what: format!("{}: {is}", self.what),
                    limit: size(self.limits.path as u64),
                });
            }
            if text.contains(&0) {
                return Err(self.malformed(format!("{is} has a NUL")));
            }
        }
        let kind = match header.kind() {
            // Before POSIX, a folder was a file whose name ends so.
            0 | b'0' if path.ends_with(b"/") && pax.sparse_size.is_none() => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                let entry = String::from_utf8_lossy(&path).escape_debug().collect();
                return Err(Error::Refused {
                    entry,
                    why: format!(
                        "entries of type `{}` are not known",
                        char::from(other).escape_debug()
                    ),
                });
            }
        };
        // Only files have data, also one that is meant as a folder; a size of others is an old program's habit.
        let stored = if matches!(header.kind(), 0 | b'0' | b'7' | b'S') {
            stored
        } else {
            0
        };
        if stored > self.limits.bytes {
            return Err(Error::Limit {
                what: self.what.clone(),
                limit: size(self.limits.bytes),
            });
        }
        self.data = stored;
        self.padding = (BLOCK as u64 - stored % BLOCK as u64) % BLOCK as u64;
        let field = |range: std::ops::Range<usize>, what: &str| {
            let found = header
                .number(range)
                .and_then(|value| u32::try_from(value).ok());
            found.ok_or_else(|| self.malformed(format!("{what} of an entry is no number")))
        };
        let mtime = header
            .number(136..148)
            .ok_or_else(|| self.malformed("the time of an entry is no number"))?;
        let is_device = matches!(kind, Kind::CharacterDevice | Kind::BlockDevice);
        let device = if is_device {
            (
                field(329..337, "the device")?,
                field(337..345, "the device")?,
            )
        } else {
            (0, 0)
        };
        let mut entry = Entry {
            path,
            kind,
            link,
            mode: field(100..108, "the mode")? & 0o7777,
            uid: pax.uid.map_or_else(|| field(108..116, "the owner"), Ok)?,
            gid: pax.gid.map_or_else(|| field(116..124, "the group"), Ok)?,
            mtime: pax.mtime.unwrap_or((mtime, 0)),
            size: if kind == Kind::File { stored } else { 0 },
            device,
            xattrs: pax.xattrs,
            parts: None,
        };
        let parts = if header.kind() == b'S' {
            entry.size = header
                .number(483..495)
                .and_then(|size| u64::try_from(size).ok())
                .ok_or_else(|| self.malformed("a size is no number"))?;
            Some(self.old_map(header)?)
        } else if let (Kind::File, Some(real)) = (kind, pax.sparse_size) {
            entry.size = real;
            Some(if pax.sparse_major == Some(1) {
                self.map_in_data()?
            } else {
                sparse::pairs(&pax.sparse_map).map_err(|why| self.malformed(why))?
            })
        } else {
            None
        };
        if let Some(parts) = parts {
            entry.parts = Some(
                sparse::check(parts, self.data, entry.size).map_err(|why| self.malformed(why))?,
            );
        }
        Ok(entry)
    }

    /// The map of GNU's old sparse files: in the header, and in blocks behind it that no size counts.
    fn old_map(&mut self, header: &Header) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut take = |block: &[u8], count: usize| {
            for at in 0..count {
                let field = &block[at * 24..at * 24 + 24];
                if field[12] == 0 && field[0] == 0 {
                    break;
                }
                let number = |field: &[u8]| {
                    super::header::number(field).and_then(|value| u64::try_from(value).ok())
                };
                parts.push((number(&field[..12])?, number(&field[12..])?));
            }
            Some(())
        };
        let bad = "a map of holes has something that is no number";
        take(&header.0[386..482], 4).ok_or_else(|| Error::malformed(self.what.clone(), bad))?;
        let mut more = header.0[482] != 0;
        let mut left = self.limits.header / BLOCK as u64;
        while more {
            left = left.checked_sub(1).ok_or_else(|| self.header_too_large())?;
            let mut block = [0; BLOCK];
            self.input
                .read_exact(&mut block)
                .map_err(cut_off(&self.what))?;
            take(&block[..504], 21).ok_or_else(|| Error::malformed(self.what.clone(), bad))?;
            more = block[504] != 0;
        }
        Ok(parts)
    }

    /// The map of pax sparse files 1.0: lines of decimal numbers in the first blocks of the data.
    fn map_in_data(&mut self) -> Result<Vec<Part>> {
        let mut numbers: Vec<u64> = Vec::new();
        let mut line = Vec::new();
        let mut wanted = None;
        let mut left = self.limits.header / BLOCK as u64;
        while wanted.is_none_or(|wanted| (numbers.len() as u64) < wanted) {
            left = left.checked_sub(1).ok_or_else(|| self.header_too_large())?;
            self.data = self
                .data
                .checked_sub(BLOCK as u64)
                .ok_or_else(|| self.malformed("a map of holes is longer than its file"))?;
            let mut block = [0; BLOCK];
            self.input
                .read_exact(&mut block)
                .map_err(cut_off(&self.what))?;
            for byte in block {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let number = decimal(&line).ok_or_else(|| {
                    self.malformed("a map of holes has something that is no number")
                })?;
                line.clear();
                match wanted {
                    None => wanted = Some(number.saturating_mul(2)),
                    Some(_) => numbers.push(number),
                }
                if wanted.is_some_and(|wanted| numbers.len() as u64 >= wanted) {
                    break;
                }
            }
        }
        sparse::pairs(&numbers).map_err(|why| self.malformed(why))
    }

    fn header_too_large(&self) -> Error {
        Error::Limit {
            what: format!("{}: an extended header", self.what),
            limit: size(self.limits.header),
        }
    }

    /// The data of an extended header.
    fn extended(&mut self, length: u64) -> Result<Vec<u8>> {
        if length > self.limits.header {
            return Err(self.header_too_large());
        }
        let mut bytes = vec![0; length as usize];
        self.input
            .read_exact(&mut bytes)
            .map_err(cut_off(&self.what))?;
        self.data = 0;
        self.padding = (BLOCK as u64 - length % BLOCK as u64) % BLOCK as u64;
        Ok(bytes)
    }

    /// Passes over what is left of an entry.
    fn skip(&mut self) -> Result<()> {
        let left = self.data + self.padding;
        let passed = io::copy(&mut self.input.by_ref().take(left), &mut io::sink())
            .map_err(self.reading())?;
        if passed < left {
            return Err(self.malformed("it is cut off"));
        }
        (self.data, self.padding) = (0, 0);
        Ok(())
    }

    /// The next block that is not the end's. An archive may end without its mark.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>> {
        if self.ended {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(0) if self.entries == 0 => return Err(self.malformed("it is no tar archive, or cut off in its first header")),
                Ok(0) => return Err(self.malformed("it is cut off")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.reading()(error)),
            }
        }
        if block == [0; BLOCK] {
            // A second one follows as a rule; what comes behind them is nobody's.
            (self.ended, self.marked) = (true, true);
            return Ok(None);
        }
        Ok(Some(block))
    }
}

/// Data of the entry that [`Reader::next_entry`] gave last: parts of a sparse file without its holes.
impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.data)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..room])?;
        if count == 0 {
            return Err(Error::malformed(self.what.clone(), "it is cut off").into());
        }
        self.data -= count as u64;
        Ok(count)
    }
}

fn cut_off(what: &str) -> impl FnOnce(io::Error) -> Error {
    let what = what.to_owned();
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::malformed(what, "it is cut off"),
        _ => Error::io(format!("reading {what}"))(error),
    }
}

/// GNU's long names end with a NUL.
fn trim_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len()));
    bytes
}
