//! Writes a tar stream: ustar, and pax where that has no room. The same entries make the same bytes.

use std::io::{self, Read, Write};

use super::header::BLOCK;
use super::reader::{Entry, Kind};

/// Largest number in eleven octal digits.
const ELEVEN: u64 = 0o77_777_777_777;
/// Largest number in seven octal digits.
const SEVEN: u32 = 0o7_777_777;

/// Writes entries one after the other. [`Writer::finish`] marks the end.
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Around an output.
    pub fn new(output: W) -> Writer<W> {
        Writer { output }
    }

    /// Writes one entry, as it says; the data of a file is all of `data`, which has to be `entry.size` bytes. Holes are
    /// written as zeros.
    pub fn append(&mut self, entry: &Entry, mut data: impl Read) -> io::Result<()> {
        let mut pax = Vec::new();
        let mut header = [0u8; BLOCK];
        text(&mut header[0..100], b"path", &entry.path, &mut pax);
        octal(&mut header[100..108], u64::from(entry.mode));
        for (range, key, id) in [(108..116, "uid", entry.uid), (116..124, "gid", entry.gid)] {
            if id > SEVEN {
                record(&mut pax, key.as_bytes(), id.to_string().as_bytes());
            }
            octal(
                &mut header[range],
                u64::from(if id > SEVEN { 0 } else { id }),
            );
        }
        let size = if entry.kind == Kind::File {
            entry.size
        } else {
            0
        };
        if size > ELEVEN {
            record(&mut pax, b"size", size.to_string().as_bytes());
        }
        octal(&mut header[124..136], if size > ELEVEN { 0 } else { size });
        let (seconds, nanoseconds) = entry.mtime;
        let whole = u64::try_from(seconds)
            .ok()
            .filter(|&seconds| seconds <= ELEVEN);
        if nanoseconds != 0 || whole.is_none() {
            record(&mut pax, b"mtime", time(seconds, nanoseconds).as_bytes());
        }
        octal(&mut header[136..148], whole.unwrap_or(0));
        header[156] = match entry.kind {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharacterDevice => b'3',
            Kind::BlockDevice => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        };
        text(&mut header[157..257], b"linkpath", &entry.link, &mut pax);
        header[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut header[329..337], u64::from(entry.device.0));
        octal(&mut header[337..345], u64::from(entry.device.1));
        for (name, value) in &entry.xattrs {
            record(&mut pax, &[b"SCHILY.xattr.", &name[..]].concat(), value);
        }
        if !pax.is_empty() {
            let mut extended = [0u8; BLOCK];
            extended[..3].copy_from_slice(b"pax");
            octal(&mut extended[100..108], 0o644);
            octal(&mut extended[108..116], 0);
            octal(&mut extended[116..124], 0);
            octal(&mut extended[124..136], pax.len() as u64);
            octal(&mut extended[136..148], 0);
            extended[156] = b'x';
            extended[257..265].copy_from_slice(b"ustar\x0000");
            self.block(&mut extended)?;
            self.output.write_all(&pax)?;
            self.pad(pax.len() as u64)?;
        }
        self.block(&mut header)?;
        let written = io::copy(&mut data.by_ref().take(size), &mut self.output)?;
        if written < size {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file is shorter than its entry says",
            ));
        }
        self.pad(size)
    }

    /// Marks the end; the output again.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; 2 * BLOCK])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn block(&mut self, header: &mut [u8; BLOCK]) -> io::Result<()> {
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.output.write_all(header)
    }

    fn pad(&mut self, length: u64) -> io::Result<()> {
        let padding = (BLOCK as u64 - length % BLOCK as u64) % BLOCK as u64;
        self.output.write_all(&[0; BLOCK][..padding as usize])
    }
}

/// A field of text; what does not fit into it or is not ASCII is said by pax too.
fn text(field: &mut [u8], key: &[u8], value: &[u8], pax: &mut Vec<u8>) {
    let fits = value.len().min(field.len());
    field[..fits].copy_from_slice(&value[..fits]);
    if value.len() > field.len() || !value.is_ascii() {
        record(pax, key, value);
    }
}

fn octal(field: &mut [u8], value: u64) {
    let digits = format!("{value:0width$o}", width = field.len() - 1);
    field[..digits.len()].copy_from_slice(digits.as_bytes());
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(pax: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    pax.extend_from_slice(format!("{length} ").as_bytes());
    pax.extend_from_slice(key);
    pax.push(b'=');
    pax.extend_from_slice(value);
    pax.push(b'\n');
}

fn time(seconds: i64, nanoseconds: u32) -> String {
    // Before the epoch the fraction counts backwards.
    let (sign, whole, fraction) = match (seconds < 0, nanoseconds) {
        (true, 0) => ("-", seconds.unsigned_abs(), 0),
        (true, part) => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - part),
        (false, part) => ("", seconds.unsigned_abs(), part),
    };
    let text = format!("{sign}{whole}.{fraction:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::tar::Reader;

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry { mode: 0o4755, uid: 7, gid: 8, mtime: (1, 0), ..Entry::new(path, kind) }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut entries = vec![
            Entry {
                size: 3,
                mtime: (-13, 500_000_000),
                ..entry("a", Kind::File)
            },
            Entry {
                uid: u32::MAX - 1,
                gid: 1 << 30,
                mtime: (1 << 40, 1),
                ..entry("d/", Kind::Directory)
            },
            Entry {
                link: "ü".repeat(80).into_bytes(),
                ..entry(&"x/".repeat(90), Kind::Symlink)
            },
            Entry {
                link: b"a".to_vec(),
                ..entry("b", Kind::HardLink)
            },
            Entry {
                device: (5, 1),
                ..entry("c", Kind::CharacterDevice)
            },
            Entry {
                device: (8, 300),
                ..entry("e", Kind::BlockDevice)
            },
            entry("f", Kind::Fifo),
        ];
        // Every length of a record around where its own length gets a digit more.
        for length in (80..110).chain(980..1_010) {
            let xattrs = vec![(b"user.a".to_vec(), vec![b'='; length])];
            entries.push(Entry {
                xattrs,
                ..entry("g", Kind::Fifo)
            });
        }
        let write = || {
            let mut writer = Writer::new(Vec::new());
            entries
                .iter()
                .for_each(|entry| writer.append(entry, &b"abc"[..]).unwrap());
            writer.finish().unwrap()
        };
        let bytes = write();
        assert_eq!(bytes, write());
        let mut reader = Reader::new(&bytes[..], "it", Limits::default());
        for entry in &entries {
            assert_eq!(reader.next_entry().unwrap().as_ref(), Some(entry));
        }
        assert_eq!(reader.next_entry().unwrap(), None);
        assert!(reader.is_marked_as_ended());
    }

    #[test]
    fn every_cut_is_noticed_except_between_entries() {
        let mut writer = Writer::new(Vec::new());
        writer
            .append(
                &Entry {
                    size: 600,
                    path: vec![b'p'; 200],
                    ..entry("", Kind::File)
                },
                &[1; 600][..],
            )
            .unwrap();
        let bytes = writer.finish().unwrap();
        for length in 1..bytes.len() - 1024 {
            let mut reader = Reader::new(&bytes[..length], "it", Limits::default());
            let seen = reader.next_entry().and_then(|_| reader.next_entry());
            assert!(seen.is_err(), "{length}");
        }
    }
}
