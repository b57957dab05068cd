//! Whose key a request is signed with, and whether that may do what the request asks.

use std::collections::BTreeMap;

use iam::Account;
use iam::account::{Key, Kind, Owner, Session, SessionOf};
use model::{Model, Timestamp};
use query::sigv4::Secret;
use query::{Call, Refusal};

use crate::authorise;
use crate::knock::Knock;

/// Accounts by number.
pub type Accounts = BTreeMap<String, Account>;

/// The account that has a key, and the key.
pub fn find<'a>(accounts: &'a Accounts, access_key_id: &str) -> Option<(&'a Account, &'a Key)> {
    accounts.values().find_map(|account| Some((account, account.key(access_key_id)?)))
}

/// The secret half of a key that may be used. That of a session may no longer when whoever it stands for has gone, be there another
/// one of the same name by now.
pub fn secret(accounts: &Accounts, access_key_id: &str) -> Option<Secret> {
    let (account, key) = find(accounts, access_key_id).filter(|(_, key)| key.is_active)?;
    let session = match &key.owner {
        Owner::Session(session) if stands_for_somebody(account, session) => Some((session.token.clone(), session.expires)),
        Owner::Session(_) => return None,
        Owner::Root | Owner::User(_) => None,
    };
    Some(Secret { secret_access_key: key.secret.clone(), session })
}

fn stands_for_somebody(account: &Account, session: &Session) -> bool {
    let (kind, name) = match &session.of {
        SessionOf::Root => return true,
        SessionOf::User(name) => (Kind::User, name),
        SessionOf::Role { role, .. } => (Kind::Role, role),
    };
    account.entity(kind, name).is_ok_and(|entity| entity.created <= session.issued)
}

/// The number of the account that a key is of; without a key that of `home`.
pub fn account_of(accounts: &Accounts, access_key_id: Option<&str>, home: &str) -> String {
    let found = access_key_id.and_then(|id| find(accounts, id));
    found.map_or(home, |(account, _)| &account.id).to_owned()
}

/// The key that a call is made with. Where nothing is signed that is the owner's of the account. Errors: the key has gone since the
/// signature was verified.
pub fn key(accounts: &Accounts, call: &Call<'_>) -> Result<Key, Refusal> {
    match call.access_key_id {
        None => Ok(Key::of_root()),
        Some(id) => find(accounts, id).map(|(_, key)| key.clone()).ok_or_else(|| unknown(call)),
    }
}

/// Whether a call may be made on a network. IAM and STS know what their operations need, and ask while they serve. Errors:
/// `UnauthorizedOperation`; the key or its account has gone.
pub fn may(accounts: &Accounts, network: Option<&Model>, knock: &Knock, now: Timestamp, call: &Call<'_>) -> Result<(), Refusal> {
    if call.service.name != "ec2" {
        return Ok(());
    }
    let account = accounts.get(call.account).ok_or_else(|| unknown(call))?;
    let key = key(accounts, call)?;
    let request = authorise::Request {
        operation: call.operation.name,
        region: call.region,
        account: call.account,
        parameters: call.parameters,
        network,
    };
    authorise::authorise(account, &key, &request, &knock.facts(call.region, now))
}

/// Nobody has this key.
pub fn unknown(call: &Call<'_>) -> Refusal {
    match call.service.name {
        "ec2" => Refusal::new("AuthFailure", "AWS was not able to validate the provided access credentials"),
        _ => Refusal::new("InvalidClientTokenId", "The security token included in the request is invalid."),
    }
}

/// There is no network of an account in this region.
pub fn no_region(region: &str) -> Refusal {
    let message = format!("You are not subscribed to this service in the region {region}.");
    Refusal { status: 403, ..Refusal::new("OptInRequired", message) }
}

/// A refusal of IAM or STS.
pub fn refused(error: iam::Error) -> Refusal {
    Refusal { code: error.code.as_str().into(), status: error.code.http_status(), message: error.message }
}
