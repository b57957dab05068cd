//! Access keys of users.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::page::page;
use super::shape::{self, done};
use super::{Asked, Of, Operation};
use crate::account::{Kind, Owner};
use crate::error::{Code, Error, Result};
use crate::operation;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateAccessKey", Of::User, create_access_key),
    ("DeleteAccessKey", Of::User, delete_access_key),
    ("GetAccessKeyLastUsed", Of::Nothing, get_access_key_last_used),
    ("ListAccessKeys", Of::User, list_access_keys),
    ("UpdateAccessKey", Of::User, update_access_key),
];

/// The user that is named, or who calls. Errors: neither is a user.
fn user<'a>(asked: &Asked<'_, '_>, arguments: &Arguments<'a>) -> Result<String> {
    if let Some(name) = arguments.text("UserName")? {
        return Ok(asked.account.entity(Kind::User, name)?.name.clone());
    }
    let own = operation::caller(asked.account, &asked.key)?.user_name;
    own.ok_or_else(|| Error::new(Code::ValidationError, "Must specify userName when calling with non-User credentials"))
}

fn create_access_key(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let user = user(asked, arguments)?;
    let key = operation::create_access_key(asked.account, asked.environment, &user)?;
    let mut shape = shape::key(&user, &key);
    shape["SecretAccessKey"] = key.secret.into();
    Ok(json!({"AccessKey": shape}))
}

fn list_access_keys(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let user = user(asked, arguments)?;
    let owner = Owner::User(user.to_ascii_lowercase());
    let keys = asked.account.keys().filter(|key| key.owner == owner).map(|key| shape::key(&user, key));
    let mut answer = page("AccessKeyMetadata", keys.collect(), arguments)?;
    answer["UserName"] = user.into();
    Ok(answer)
}

fn update_access_key(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let is_active = match arguments.required("Status")? {
        "Active" => true,
        "Inactive" => false,
        other => return Err(Error::new(Code::ValidationError, format!("Value '{other}' at 'status' failed to satisfy constraint: Active, Inactive"))),
    };
    operation::update_access_key(asked.account, &user(asked, arguments)?, arguments.required("AccessKeyId")?, is_active)?;
    Ok(done())
}

fn delete_access_key(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::delete_access_key(asked.account, &user(asked, arguments)?, arguments.required("AccessKeyId")?)?;
    Ok(done())
}

fn get_access_key_last_used(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let id = arguments.required("AccessKeyId")?;
    let missing = || Error::new(Code::NoSuchEntity, format!("The Access Key with id {id} cannot be found."));
    let key = asked.account.key(id).ok_or_else(missing)?;
    let Owner::User(user) = &key.owner else { return Err(missing()) };
    let user = &asked.account.entity(Kind::User, user)?.name;
    let used = match &key.last_used {
        Some((at, region, service)) => json!({"LastUsedDate": shape::time(*at), "ServiceName": service, "Region": region}),
        None => json!({"ServiceName": "N/A", "Region": "N/A"}),
    };
    Ok(json!({"UserName": user, "AccessKeyLastUsed": used}))
}
