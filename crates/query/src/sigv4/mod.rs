//! Signature Version 4 (semantics SIG-1 … SIG-4): who signed a request, and whether nobody changed it since.
//!
//! [`claim`] reads what a request says of its signature, in the `Authorization` header or in the query; [`canonical`]
//! makes the text that was signed; [`key`] signs; [`verify`] decides; [`sign`] is the client's half.

mod canonical;
mod claim;
mod key;
mod sign;
mod verify;

pub use sign::{Signer, sign};
pub use verify::{Secret, Signed, region_of, verify};

/// What a request says of its signature.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    access_key_id: String,
    scope: Scope,
    signed_headers: Vec<String>,
    signature: String,
    /// `X-Amz-Date`, as it was written.
    date: String,
    session_token: Option<String>,
    /// Seconds that a presigned request is good for.
    expires: Option<u64>,
}

/// What a key is derived for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    /// `YYYYMMDD`.
    date: String,
    region: String,
    service: String,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

#[cfg(test)]
mod tests;
