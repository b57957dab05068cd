//! The chain of HMAC-SHA256 that signs, and comparing without telling by time how much was right.

use std::cell::RefCell;
use std::collections::VecDeque;

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

/// What signs for a scope, ready to take the text.
fn derive(secret: &str, scope: &Scope) -> Hmac<Sha256> {
    let mut key = digest(format!("AWS4{secret}").as_bytes(), &scope.date);
    for part in [&scope.region, &scope.service, TERMINATOR] {
        key = digest(&key, part);
    }
    mac(&key, "")
}

/// Keys that a thread remembers: a client signs all that it asks on a day, of one service in one region, with the same.
const REMEMBERED: usize = 8;

/// A key that was derived before, and for what.
struct Derived {
    secret: String,
    scope: Scope,
    key: Hmac<Sha256>,
}

thread_local! {
    static DERIVED: RefCell<VecDeque<Derived>> = const { RefCell::new(VecDeque::new()) };
}

/// The same as [`derive`], out of memory where it was done before.
fn key_for(secret: &str, scope: &Scope) -> Hmac<Sha256> {
    DERIVED.with_borrow_mut(|known| {
        if let Some(found) = known.iter().find(|derived| derived.scope == *scope && derived.secret == secret) {
            return found.key.clone();
        }
        let key = derive(secret, scope);
        known.truncate(REMEMBERED - 1);
        known.push_front(Derived { secret: secret.to_owned(), scope: scope.clone(), key: key.clone() });
        key
    })
}

/// The MAC of a canonical request (SIG-1); its text is the signature.
fn signing(secret: &str, scope: &Scope, date: &str, canonical: &str) -> Hmac<Sha256> {
    key_for(secret, scope).chain_update(format!("{ALGORITHM}\n{date}\n{scope}\n{}", hash(canonical.as_bytes())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_remembered_is_used_for_its_own_scope_and_secret_alone() {
        let scope = |date: &str, region: &str, service: &str| Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
        let scopes = [
            scope("20261126", "us-east-1", "ec2"),
            scope("20261127", "us-east-1", "ec2"),
            scope("20261126", "eu-west-1", "ec2"),
            scope("20261126", "us-east-1", "iam"),
        ];
        // Twice, and more of them than are remembered.
        for _ in 0..2 {
            for (secret, scope) in ["one", "two", "three"].iter().flat_map(|secret| scopes.iter().map(move |scope| (secret, scope))) {
                for _ in 0..2 {
                    let text = |key: Hmac<Sha256>| hexadecimal(&key.chain_update("text").finalize().into_bytes());
                    assert_eq!(text(key_for(secret, scope)), text(derive(secret, scope)), "{secret} {scope}");
                }
            }
        }
        DERIVED.with_borrow(|known| assert_eq!(known.len(), REMEMBERED));
    }
}
