//! What operations are given from outside: the time, and randomness for ids and secrets. Nothing here asks the machine.

use model::Timestamp;

/// The alphabet of ids: base 32 of RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The alphabet of secrets: that of base 64.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The time and a source of random bytes. For keys that guard anything the source must be one that nobody can guess.
pub struct Environment<'a> {
    /// Now.
    pub now: Timestamp,
    /// Fills bytes.
    pub random: &'a mut dyn FnMut(&mut [u8]),
}

impl Environment<'_> {
    /// An id with its prefix, 21 characters: `AIDA…` (IAM-1).
    pub fn id(&mut self, prefix: &str) -> String {
        self.text(prefix, 17, BASE32)
    }

    /// A key's id with its prefix, 20 characters: `AKIA…`, `ASIA…` (IAM-1).
    pub fn key_id(&mut self, prefix: &str) -> String {
        self.text(prefix, 16, BASE32)
    }

    /// A secret key of 40 characters.
    pub fn secret(&mut self) -> String {
        self.text("", 40, BASE64)
    }

    /// A session's token.
    pub fn token(&mut self) -> String {
        self.text("", 160, BASE64)
    }

    fn text(&mut self, prefix: &str, length: usize, alphabet: &[u8]) -> String {
        let mut bytes = vec![0; length];
        (self.random)(&mut bytes);
        let mut text = prefix.to_owned();
        // Both alphabets are powers of two long: each character is as likely as the others.
        text.extend(bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])));
        text
    }
}
