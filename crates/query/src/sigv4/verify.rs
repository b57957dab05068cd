//! Whether a request was signed by the holder of a key, now, for this place, and has arrived as it was sent.

use model::Timestamp;
use model::region::REGIONS;

use super::claim::incomplete;
use super::{Claim, canonical, key};
use crate::http::Request;
use model::moment::{Moment, basic};
use crate::refusal::{Refusal, quoted};

/// How far clocks may be apart, in seconds.
const SKEW: u64 = 15 * 60;

/// The secret half of an access key that may be used.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// What signs.
    pub secret_access_key: String,
    /// Temporary keys have a token that must come with every request, and an end.
    pub session: Option<(String, Timestamp)>,
}

/// A request whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key that signed.
    pub access_key_id: String,
    /// The region that it was signed for.
    pub region: String,
    /// The service that it was signed for.
    pub service: String,
}

/// Verifies a request. `find` knows the keys; a key that is switched off is one that nobody has (SIG-4).
///
/// Errors (SIG-2): `MissingAuthenticationToken`, `IncompleteSignature`, `SignatureDoesNotMatch`; for a clock that is more
/// than 15 minutes off or a presigned request whose time has passed `RequestExpired` from EC2 and `SignatureDoesNotMatch`
/// from others; for an unknown key or a wrong session token `AuthFailure` from EC2 and `InvalidClientTokenId` from
/// others; for a session that has ended `RequestExpired` from EC2 and `ExpiredToken` from others.
pub fn verify(request: &Request, now: Timestamp, find: impl FnOnce(&str) -> Option<Secret>) -> Result<Signed, Refusal> {
    let claim = Claim::of(request)?;
    claim.check_headers(request)?;
    claim.check_scope()?;
    claim.check_time(now)?;
    let secret = find(&claim.access_key_id).ok_or_else(|| claim.unknown())?;
    let canonical = canonical::request(request, &claim.signed_headers);
    let scope = &claim.scope;
    if !key::is_signature(&claim.signature, &secret.secret_access_key, scope, &claim.date, &canonical) {
        return Err(mismatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
             Key and signing method.",
        ));
    }
    claim.check_body(request)?;
    claim.check_session(&secret, now)?;
    let Claim { access_key_id, scope, .. } = claim;
    Ok(Signed { access_key_id, region: scope.region, service: scope.service })
}

/// The region that a request says it is for, whoever signed it: where nothing is verified.
pub fn region_of(request: &Request) -> Option<String> {
    let claim = Claim::of(request).ok()?;
    REGIONS.iter().any(|region| region.code == claim.scope.region).then_some(claim.scope.region)
}

fn mismatch(why: &str) -> Refusal {
    Refusal::new("SignatureDoesNotMatch", why)
}

impl Claim {
    fn is_ec2(&self) -> bool {
        self.scope.service == "ec2"
    }

    /// `host` and every `x-amz-` header must be signed, or somebody on the way could change them.
    fn check_headers(&self, request: &Request) -> Result<(), Refusal> {
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !is_signed("host") {
            return Err(incomplete("'Host' must be a 'SignedHeader' in the AWS Authorization."));
        }
        let names = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
        match names.into_iter().find(|name| name.starts_with("x-amz-") && !is_signed(name)) {
            None => Ok(()),
            Some(name) => {
                let name = quoted(&name);
                Err(incomplete(&format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")))
            }
        }
    }

    fn check_scope(&self) -> Result<(), Refusal> {
        if crate::shapes::service(&self.scope.service).is_none() {
            return Err(mismatch("Credential should be scoped to correct service: 'ec2', 'sts' or 'iam'."));
        }
        if !REGIONS.iter().any(|region| region.code == self.scope.region) {
            let region = quoted(&self.scope.region);
            return Err(mismatch(&format!("Credential should be scoped to a valid Region, not '{region}'.")));
        }
        match self.date.split_once('T') {
            Some((day, _)) if day == self.scope.date => Ok(()),
            _ => Err(mismatch(&format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}'.",
                quoted(&self.scope.date),
                quoted(&self.date)
            ))),
        }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let Some(signed) = Moment::parse_basic(&self.date) else {
            return Err(incomplete(&format!("Date must be in ISO-8601 'basic format'. Got '{}'.", quoted(&self.date))));
        };
        let end = signed.plus(self.expires.unwrap_or(SKEW));
        let why = if signed > now.plus(SKEW) {
            let latest = basic(now.plus(SKEW));
            format!("Signature not yet current: {} is still later than {latest} ({} + 15 min.)", self.date, basic(now))
        } else if now > end {
            format!("Signature expired: it was good from {} to {}, now is {}", self.date, basic(end), basic(now))
        } else {
            return Ok(());
        };
        match self.is_ec2() {
            true => Err(Refusal::new("RequestExpired", format!("Request has expired. {why}"))),
            false => Err(mismatch(&why)),
        }
    }

    fn check_body(&self, request: &Request) -> Result<(), Refusal> {
        match request.header("x-amz-content-sha256") {
            Some(given) if given.trim() != key::hash(&request.body) => {
                Err(mismatch("The provided 'x-amz-content-sha256' header does not match what was computed."))
            }
            _ => Ok(()),
        }
    }

    fn check_session(&self, secret: &Secret, now: Timestamp) -> Result<(), Refusal> {
        match (&secret.session, &self.session_token) {
            (None, None) => Ok(()),
            (Some((token, end)), Some(given)) if key::is_same(token, given) => match now < *end {
                true => Ok(()),
                false if self.is_ec2() => Err(Refusal::new("RequestExpired", "Request has expired. The session has ended.")),
                false => Err(Refusal::new("ExpiredToken", "The security token included in the request is expired")),
            },
            _ => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> Refusal {
        match self.is_ec2() {
            true => Refusal::new("AuthFailure", "AWS was not able to validate the provided access credentials"),
            false => Refusal::new("InvalidClientTokenId", "The security token included in the request is invalid."),
        }
    }
}
