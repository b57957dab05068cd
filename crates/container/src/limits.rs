//! Bounds on what an image may be, so that a small archive cannot fill the machine.

use std::io::{self, Read};

use crate::error::Error;

/// Every bound on what is read from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one archive, or of one layer, decompressed.
    pub bytes: u64,
    /// Entries of one archive or layer.
    pub entries: u64,
    /// Bytes of a path or of a link's target (PATH_MAX).
    pub path: usize,
    /// Names in a path.
    pub depth: usize,
    /// Bytes of the extended header of one entry: long names, attributes, maps of holes.
    pub header: u64,
    /// Bytes of a JSON document.
    pub document: u64,
    /// Bytes of a file, holes too.
    pub file: u64,
    /// Layers of an image; overlayfs stacks 500.
    pub layers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 16 << 30,
            entries: 2_000_000,
            path: 4_095,
            depth: 256,
            header: 1 << 20,
            document: 4 << 20,
            file: 1 << 40,
            layers: 499,
        }
    }
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Passes at most so many bytes; more is an error and not an end.
pub struct Bounded<R> {
    inner: R,
    left: u64,
    what: String,
    limit: u64,
}

impl<R> Bounded<R> {
    /// `what` is named where there is more than `limit`.
    pub fn new(inner: R, limit: u64, what: impl Into<String>) -> Bounded<R> {
        Bounded {
            inner,
            left: limit,
            what: what.into(),
            limit,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more than allowed is asked for: only then is it known that there is more.
        let room = usize::try_from(self.left.saturating_add(1))
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.inner.read(&mut buffer[..room])?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(Error::Limit {
                    what: self.what.clone(),
                    limit: size(self.limit),
                }
                .into());
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_as_allowed_passes_and_one_byte_more_does_not() {
        let mut all = Vec::new();
        assert_eq!(
            Bounded::new(&[7; 100][..], 100, "it")
                .read_to_end(&mut all)
                .unwrap(),
            100
        );
        let error = Bounded::new(&[7; 101][..], 100, "it")
            .read_to_end(&mut all)
            .unwrap_err();
        assert_eq!(error.to_string(), "it: more than 100 B");
    }
}
