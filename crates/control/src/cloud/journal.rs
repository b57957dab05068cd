//! What was answered since a lab's cloud was last put on record: calls that changed it, in their order, and answers by client token.
//!
//! A file beside the lab's disks, written ahead: an answer goes out when the file has the call ([`Journal::append`] returns when the
//! disk has it, for many calls at once). Whoever reads it makes the calls again on the cloud of the record and gets the same cloud,
//! because time and ids are part of what a call is made on; what the record already has is passed over by its generation. The file is
//! filled with zeros ahead of what is written, so that the disk has nothing but the bytes to note down.
//!
//! Each entry is its length, a checksum and JSON. The last one may have been cut short: nobody was told of it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use model::Timestamp;
use query::client_token::Key;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Pace;
use crate::whole_file;

/// What the file begins with: the version of what follows.
const MAGIC: &[u8; 16] = b"vpclab journal 2";
/// Without paces and passed time: read, and never written.
const EARLIER: &[u8; 16] = b"vpclab journal 1";
/// How much is filled ahead, bytes.
const AHEAD: u64 = 1 << 20;
/// Longest entry: the longest request and its answer fit.
const LONGEST: usize = 64 << 20;

/// Something that must be known after the daemon was killed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// The network of an account in a region began, with nothing in it.
    Begun {
        /// Twelve digits.
        account: String,
        /// The region's code.
        region: String,
        /// What its ids are made of.
        seed: u64,
        /// When.
        at: Timestamp,
    },
    /// A call of EC2 changed a network.
    Called {
        /// Twelve digits.
        account: String,
        /// The region's code.
        region: String,
        /// When.
        at: Timestamp,
        /// Its name.
        operation: String,
        /// Its parameters.
        parameters: Value,
        /// The network's generation after it.
        generation: u64,
        /// Whether what it began was there at once.
        #[serde(default)]
        pace: Pace,
        /// What its client token was answered.
        answer: Option<Answered>,
    },
    /// Time ended something in a network.
    Passed {
        /// Twelve digits.
        account: String,
        /// The region's code.
        region: String,
        /// By when.
        at: Timestamp,
        /// The network's generation after it.
        generation: u64,
    },
    /// An answer to a call that is on record.
    Answered {
        /// Whose token it is.
        key: Key,
        /// The parameters.
        parameters: Value,
        /// The answer.
        answer: Value,
        /// When.
        at: Timestamp,
    },
}

/// An answer to a call with a client token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The token.
    pub token: String,
    /// Parameters as they were asked.
    pub parameters: Value,
    /// The answer.
    pub answer: Value,
}

/// The open file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that count.
    used: u64,
    /// Bytes that are there.
    filled: u64,
}

/// Reads all entries; none where there is no file. Errors: the disk; it is no journal, or one of another version.
pub fn read(path: &Path) -> std::io::Result<Vec<Entry>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let Some(mut rest) = bytes.strip_prefix(MAGIC).or_else(|| bytes.strip_prefix(EARLIER)) else {
        return Err(std::io::Error::other(format!("{} is of another version", path.display())));
    };
    let mut entries = Vec::new();
    while let Some((entry, after)) = next(rest) {
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

/// The first entry and what follows it; `None` at the end, and before one that was cut short.
fn next(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 || length > LONGEST {
        return None;
    }
    let (text, after) = rest.split_at_checked(length)?;
    let is_whole = crc32fast::hash(text) == u32::from_be_bytes(*checksum);
    let entry = is_whole.then(|| serde_json::from_slice(text).ok()).flatten()?;
    Some((entry, after))
}

fn write(entry: &Entry, out: &mut Vec<u8>) -> std::io::Result<()> {
    let start = out.len();
    out.extend([0; 8]);
    serde_json::to_writer(&mut *out, entry).map_err(std::io::Error::other)?;
    let length = out.len() - start - 8;
    if length > LONGEST {
        return Err(std::io::Error::other("an entry of the journal is too long"));
    }
    let checksum = crc32fast::hash(&out[start + 8..]);
    out[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}

impl Journal {
    /// A journal that begins with these entries, in the place of the one that is there; on disk when this returns. Errors: the disk, and
    /// the one that is there stays.
    pub fn begin(path: &Path, entries: &[Entry]) -> std::io::Result<Self> {
        let mut bytes = MAGIC.to_vec();
        entries.iter().try_for_each(|entry| write(entry, &mut bytes))?;
        let used = bytes.len() as u64;
        let filled = used + AHEAD;
        bytes.resize(filled as usize, 0);
        let file = whole_file::replace(path, &bytes)?;
        Ok(Self { path: path.to_owned(), file, used, filled })
    }

    /// Writes entries; on disk when this returns. Errors: the disk. Then none of them is there.
    pub fn append<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        entries.into_iter().try_for_each(|entry| write(entry, &mut bytes))?;
        let result = self.append_bytes(&bytes);
        if result.is_err() {
            // What came to the disk of it must not count.
            let _ = self.file.write_all_at(&[0; 8], self.used).and_then(|()| self.file.sync_data());
        }
        result
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let end = self.used + bytes.len() as u64;
        if end > self.filled {
            let filled = end + AHEAD;
            self.file.write_all_at(&vec![0; (filled - self.filled) as usize], self.filled)?;
            self.file.sync_all()?;
            self.filled = filled;
        }
        self.file.write_all_at(bytes, self.used)?;
        self.file.sync_data()?;
        self.used = end;
        Ok(())
    }

    /// One that the disk refuses to write.
    #[cfg(test)]
    pub fn refused(path: &Path) -> Self {
        File::create(path).unwrap();
        Self { path: path.to_owned(), file: File::open(path).unwrap(), used: 0, filled: AHEAD }
    }

    /// Bytes that were written.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn called(generation: u64) -> Entry {
        Entry::Called {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            at: Timestamp(5),
            operation: "CreateVpc".to_owned(),
            parameters: json!({"CidrBlock": "10.0.0.0/16", "Long": "x".repeat(5_000)}),
            generation,
            pace: Pace::AwsLike,
            answer: Some(Answered { token: "t".to_owned(), parameters: json!({}), answer: json!({"Vpc": {}}) }),
        }
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert_eq!(read(&path).unwrap(), []);
        let begun = Entry::Begun { account: "1".to_owned(), region: "r".to_owned(), seed: 7, at: Timestamp(1) };
        let mut journal = Journal::begin(&path, std::slice::from_ref(&begun)).unwrap();
        assert_eq!(read(&path).unwrap(), [begun.clone()]);
        // Beyond what is filled ahead.
        let many: Vec<Entry> = (0..300).map(called).collect();
        for chunk in many.chunks(7) {
            journal.append(chunk).unwrap();
        }
        assert!(journal.used() > AHEAD);
        assert_eq!(read(&path).unwrap(), [vec![begun], many].concat());
        Journal::begin(&path, &[called(9)]).unwrap();
        assert_eq!(read(&path).unwrap(), [called(9)]);
        let text = r#"{"Called":{"account":"1","region":"r","at":5,"operation":"CreateVpc","parameters":{},"generation":2,"answer":null}}"#;
        let [length, checksum] = [text.len() as u32, crc32fast::hash(text.as_bytes())].map(u32::to_be_bytes);
        std::fs::write(&path, [&EARLIER[..], &length, &checksum, text.as_bytes()].concat()).unwrap();
        assert!(matches!(read(&path).unwrap()[..], [Entry::Called { generation: 2, pace: Pace::Instant, .. }]));
    }

    #[test]
    fn of_an_entry_that_was_cut_short_nothing_counts_and_the_ones_before_it_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::begin(&path, &[]).unwrap();
        journal.append(&[called(1)]).unwrap();
        let first = journal.used();
        journal.append(&[called(2)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in [first, first + 3, first + 8, first + 100, journal.used() - 1] {
            std::fs::write(&path, &whole[..cut as usize]).unwrap();
            assert_eq!(read(&path).unwrap(), [called(1)], "{cut}");
            let mut torn = whole.clone();
            torn[cut as usize..].fill(0);
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(read(&path).unwrap(), [called(1)], "{cut}, zeros");
        }
        std::fs::write(&path, "something else").unwrap();
        assert!(read(&path).is_err());
    }
}
