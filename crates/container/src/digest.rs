//! Digests: sha256 is the only algorithm, as everywhere that images are kept.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// Errs unless this, found in what `what` says, is the digest that it should have.
    pub(crate) fn expect(&self, expected: &Digest, what: &str) -> Result<()> {
        if self == expected {
            return Ok(());
        }
        Err(Error::Digest {
            what: what.to_owned(),
            expected: *expected,
            found: *self,
        })
    }

    /// The 64 hexadecimal digits, as files are named.
    pub fn hex(&self) -> String {
        use fmt::Write;
        self.0
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    /// The first twelve digits, as people are shown.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDigest {
    /// No `ALGORITHM:` in front.
    #[error("a digest is sha256: and 64 hexadecimal digits")]
    Form,
    /// sha512 is legal and never seen; others are not legal.
    #[error("only sha256 digests are supported")]
    Algorithm,
    /// Wrong length, upper case, or something else.
    #[error("a sha256 digest has 64 digits of 0-9 and a-f")]
    Digits,
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Digest, BadDigest> {
        let (algorithm, digits) = text.split_once(':').ok_or(BadDigest::Form)?;
        if algorithm != "sha256" {
            return Err(BadDigest::Algorithm);
        }
        let digits = digits.as_bytes();
        if digits.len() != 64 {
            return Err(BadDigest::Digits);
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(BadDigest::Digits),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Digest, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// Passes bytes on and computes their digest and number.
pub struct Hashing<T> {
    inner: T,
    state: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    /// Around a reader or a writer.
    pub fn new(inner: T) -> Hashing<T> {
        Hashing {
            inner,
            state: Sha256::new(),
            bytes: 0,
        }
    }

    /// Bytes passed so far.
    pub fn count(&self) -> u64 {
        self.bytes
    }

    /// What is around.
    pub(crate) fn inner(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Digest of the bytes passed so far.
    pub(crate) fn digest(&self) -> Digest {
        Digest(self.state.clone().finalize().into())
    }

    /// What was around, the digest and the number of all bytes that passed.
    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, Digest(self.state.finalize().into()), self.bytes)
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.passed(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_known() {
        let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), nothing);
        assert_eq!(nothing.parse(), Ok(Digest::of(b"")));
        assert_eq!(Digest::of(b"").short(), "e3b0c44298fc");
        let mut hashing = Hashing::new(&b"abc"[..]);
        io::copy(&mut hashing, &mut io::sink()).unwrap();
        assert_eq!((hashing.finish().1, 3), (Digest::of(b"abc"), 3));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let digits = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, why) in [
            (digits.to_owned(), BadDigest::Form),
            (format!("sha512:{digits}{digits}"), BadDigest::Algorithm),
            (format!("sha256:{}", &digits[1..]), BadDigest::Digits),
            (
                format!("sha256:{}", digits.to_uppercase()),
                BadDigest::Digits,
            ),
            (format!("sha256:../../{}", &digits[6..]), BadDigest::Digits),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(why), "{text}");
        }
    }
}
