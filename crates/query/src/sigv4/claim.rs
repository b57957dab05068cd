//! Reading what a request says of its signature.

use super::{ALGORITHM, Claim, Scope, TERMINATOR};
use crate::form;
use crate::http::Request;
use crate::refusal::{Refusal, quoted};

/// Longest time that a presigned request can be good for, in seconds: seven days.
const LONGEST: u64 = 604_800;

impl Claim {
    /// Reads the header or the query. Errors: `MissingAuthenticationToken` without either, `IncompleteSignature` where
    /// something is missing or cannot be read, and where both are there.
    pub fn of(request: &Request) -> Result<Self, Refusal> {
        let signs = |piece: &str| piece.starts_with("X-Amz-Signature=") || piece.starts_with("X-Amz-Algorithm=");
        let is_presigned = request.query.split('&').any(signs);
        let mut headers = request.values("authorization");
        match (headers.next(), headers.next(), is_presigned) {
            (None, _, false) => Err(Refusal::new("MissingAuthenticationToken", "Request is missing Authentication Token")),
            (None, _, true) => Self::of_query(request),
            (Some(header), None, false) => Self::of_header(request, header),
            _ => Err(incomplete("Exactly one signature is expected, in the Authorization header or in the query.")),
        }
    }

    fn of_header(request: &Request, header: &str) -> Result<Self, Refusal> {
        let Some(rest) = header.trim().strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', '\t', ','])) else {
            return Err(incomplete(&format!("Unsupported AWS 'algorithm': {}", quoted(header))));
        };
        let part = |name: &str| {
            let mut parts = rest.split(',').map(str::trim);
            let found = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| incomplete(&format!("Authorization header requires '{name}' parameter.")))
        };
        let (access_key_id, scope) = read_credential(part("Credential")?)?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers: read_headers(part("SignedHeaders")?)?,
            signature: part("Signature")?.to_owned(),
            date: match request.header("x-amz-date") {
                Some(date) => date.trim().to_owned(),
                None => return Err(incomplete("Authorization header requires existence of an 'X-Amz-Date' header.")),
            },
            session_token: request.header("x-amz-security-token").map(|token| token.trim().to_owned()),
            expires: None,
        })
    }

    fn of_query(request: &Request) -> Result<Self, Refusal> {
        let pairs = form::pairs(request.query.as_bytes())?;
        let optional = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let part = |name: &str| optional(name).ok_or_else(|| incomplete(&format!("The query requires '{name}'.")));
        if part("X-Amz-Algorithm")? != ALGORITHM {
            return Err(incomplete("Unsupported AWS 'algorithm'."));
        }
        let (access_key_id, scope) = read_credential(part("X-Amz-Credential")?)?;
        let expires = part("X-Amz-Expires")?.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
        Ok(Self {
            access_key_id,
            scope,
            signed_headers: read_headers(part("X-Amz-SignedHeaders")?)?,
            signature: part("X-Amz-Signature")?.to_owned(),
            date: part("X-Amz-Date")?.to_owned(),
            session_token: optional("X-Amz-Security-Token").map(str::to_owned),
            expires: match expires {
                None => return Err(incomplete("X-Amz-Expires must be a number of seconds between 1 and 604800.")),
                expires => expires,
            },
        })
    }
}

/// `IncompleteSignature`: the request does not conform to AWS's standards.
pub fn incomplete(why: &str) -> Refusal {
    Refusal::new("IncompleteSignature", why)
}

/// `KEY/DATE/REGION/SERVICE/aws4_request`.
fn read_credential(text: &str) -> Result<(String, Scope), Refusal> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [key, date, region, service, TERMINATOR] if !parts.contains(&"") => {
            let scope = Scope { date: (*date).into(), region: (*region).into(), service: (*service).into() };
            Ok(((*key).to_owned(), scope))
        }
        _ => {
            let text = quoted(text);
            Err(incomplete(&format!("Credential must have the form KEY/DATE/REGION/SERVICE/{TERMINATOR}: {text}")))
        }
    }
}

fn read_headers(text: &str) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    let is_plain = |name: &String| !name.is_empty() && !name.chars().any(|c| c.is_ascii_uppercase() || c.is_whitespace());
    match names.is_sorted() && names.iter().all(is_plain) {
        true => Ok(names),
        false => Err(incomplete(&format!("SignedHeaders must be sorted names in lower case: {}", quoted(text)))),
    }
}
