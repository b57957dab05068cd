//! Access keys: two of a user at most, their secret shown once (IAM-1).

use super::name::limit;
use crate::account::{Account, Key, Kind, Owner};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};

/// Keys of a user.
const KEYS: usize = 2;

/// Makes a key of a user; its secret is in what is returned. Errors: `NoSuchEntity`, `LimitExceeded`.
pub fn create_access_key(account: &mut Account, environment: &mut Environment<'_>, user: &str) -> Result<Key> {
    account.entity(Kind::User, user)?;
    let owner = Owner::User(user.to_ascii_lowercase());
    if account.keys().filter(|key| key.owner == owner).count() >= KEYS {
        return Err(limit("AccessKeysPerUser", KEYS));
    }
    Ok(add(account, environment, owner))
}

/// Makes a key of the account's owner.
pub fn create_root_key(account: &mut Account, environment: &mut Environment<'_>) -> Key {
    add(account, environment, Owner::Root)
}

fn add(account: &mut Account, environment: &mut Environment<'_>, owner: Owner) -> Key {
    let (id, secret, created) = (environment.key_id("AKIA"), environment.secret(), environment.now);
    let key = Key { id: id.clone(), secret, owner, is_active: true, created, last_used: None };
    account.keys.insert(id, key.clone());
    key
}

/// The key of a user. Errors: `NoSuchEntity`.
fn key_of<'a>(account: &'a mut Account, user: &str, id: &str) -> Result<&'a mut Key> {
    account.entity(Kind::User, user)?;
    let owner = Owner::User(user.to_ascii_lowercase());
    let found = account.keys.get_mut(id).filter(|key| key.owner == owner);
    found.ok_or_else(|| Error::new(Code::NoSuchEntity, format!("The Access Key with id {id} cannot be found.")))
}

/// Lets a key be used, or not. Errors: `NoSuchEntity`.
pub fn update_access_key(account: &mut Account, user: &str, id: &str, is_active: bool) -> Result<()> {
    key_of(account, user, id)?.is_active = is_active;
    Ok(())
}

/// Deletes a key. Errors: `NoSuchEntity`.
pub fn delete_access_key(account: &mut Account, user: &str, id: &str) -> Result<()> {
    key_of(account, user, id)?;
    account.keys.remove(id);
    Ok(())
}
