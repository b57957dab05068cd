//! The chain of HMAC-SHA256 that signs, and comparing without telling by time how much was right.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::{ALGORITHM, Scope, TERMINATOR};

/// SHA-256 in hexadecimal digits.
pub fn hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of every length (RFC 2104 §2)")).chain_update(text)
}

fn digest(key: &[u8], text: &str) -> Vec<u8> {
    mac(key, text).finalize().into_bytes().to_vec()
}

/// The MAC of a canonical request (SIG-1); its text is the signature.
fn signing(secret: &str, scope: &Scope, date: &str, canonical: &str) -> Hmac<Sha256> {
    let mut key = digest(format!("AWS4{secret}").as_bytes(), &scope.date);
    for part in [&scope.region, &scope.service, TERMINATOR] {
        key = digest(&key, part);
    }
    mac(&key, &format!("{ALGORITHM}\n{date}\n{scope}\n{}", hash(canonical.as_bytes())))
}

/// The signature of a canonical request.
pub fn signature(secret: &str, scope: &Scope, date: &str, canonical: &str) -> String {
    hexadecimal(&signing(secret, scope, date, canonical).finalize().into_bytes())
}

/// Whether a signature is that of the canonical request; in the same time for every wrong one.
pub fn is_signature(given: &str, secret: &str, scope: &Scope, date: &str, canonical: &str) -> bool {
    let digits: Option<Vec<u8>> = given.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 64) else { return false };
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    signing(secret, scope, date, canonical).verify_slice(&bytes).is_ok()
}

/// Whether two texts are the same; in the same time wherever they differ.
pub fn is_same(one: &str, other: &str) -> bool {
    mac(b"same", one).verify_slice(&digest(b"same", other)).is_ok()
}
