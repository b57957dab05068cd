//! The client's half: signing a request, for tests and for clients of our own.

use model::Timestamp;

use super::{ALGORITHM, Scope, canonical, key};
use crate::http::Request;
use model::moment::basic;

/// Who signs, and for where.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'s> {
    /// The key.
    pub access_key_id: &'s str,
    /// Its secret half.
    pub secret_access_key: &'s str,
    /// The token of a temporary key.
    pub session_token: Option<&'s str>,
    /// The region.
    pub region: &'s str,
    /// `ec2`, `sts`, `iam`.
    pub service: &'s str,
}

/// Adds `X-Amz-Date`, the session token and `Authorization` to a request; all headers that it has by then are signed.
pub fn sign(request: &mut Request, signer: Signer<'_>, now: Timestamp) {
    let date = basic(now);
    request.headers.push(("X-Amz-Date".to_owned(), date.clone()));
    if let Some(token) = signer.session_token {
        request.headers.push(("X-Amz-Security-Token".to_owned(), token.to_owned()));
    }
    let mut names: Vec<String> = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let scope = Scope { date: date[..8].to_owned(), region: signer.region.to_owned(), service: signer.service.to_owned() };
    let signature = key::signature(signer.secret_access_key, &scope, &date, &canonical::request(request, &names));
    let header = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        signer.access_key_id,
        names.join(";")
    );
    request.headers.push(("Authorization".to_owned(), header));
}
