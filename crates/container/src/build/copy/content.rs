//! What is in a file that is copied: bytes that can be read twice.

use std::io::{self, Read};

use crate::build::error::{Error, Result};

/// Bytes that can be read twice.
pub enum Content {
    /// A few.
    Bytes(Vec<u8>),
    /// Those of a file.
    File(std::fs::File),
}

impl Content {
    /// From the beginning, and how many there are.
    pub(super) fn open(&self) -> Result<(Box<dyn Read + '_>, u64)> {
        match self {
            Content::Bytes(bytes) => Ok((Box::new(&bytes[..]), bytes.len() as u64)),
            Content::File(file) => {
                let size = file.metadata().map_err(Error::io("reading a file"))?.len();
                Ok((Box::new(At { file, offset: 0 }), size))
            }
        }
    }
}

/// Reads a file from its beginning, wherever others are in it.
struct At<'a> {
    file: &'a std::fs::File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
