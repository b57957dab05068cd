//! Instance profiles.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::page::page;
use super::shape::{self, done};
use super::{Asked, Of, Operation};
use crate::account::Kind;
use crate::error::Result;
use crate::operation;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AddRoleToInstanceProfile", Of::Profile, add_role),
    ("CreateInstanceProfile", Of::Profile, create),
    ("DeleteInstanceProfile", Of::Profile, delete),
    ("GetInstanceProfile", Of::Profile, get),
    ("ListInstanceProfiles", Of::Nothing, list),
    ("ListInstanceProfilesForRole", Of::Role, list_for_role),
    ("ListInstanceProfileTags", Of::Profile, list_tags),
    ("RemoveRoleFromInstanceProfile", Of::Profile, remove_role),
    ("TagInstanceProfile", Of::Profile, tag),
    ("UntagInstanceProfile", Of::Profile, untag),
];

const NAME: &str = "InstanceProfileName";

fn create(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::create_profile(asked.account, asked.environment, arguments.required(NAME)?, arguments.text("Path")?, arguments.tags()?)?;
    get(asked, arguments)
}

fn get(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    Ok(json!({"InstanceProfile": shape::profile(asked.account, asked.account.profile(arguments.required(NAME)?)?)}))
}

fn delete(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::delete_profile(asked.account, arguments.required(NAME)?)?;
    Ok(done())
}

fn add_role(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::add_role_to_profile(asked.account, arguments.required(NAME)?, arguments.required("RoleName")?)?;
    Ok(done())
}

fn remove_role(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::remove_role_from_profile(asked.account, arguments.required(NAME)?, arguments.required("RoleName")?)?;
    Ok(done())
}

fn list(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let prefix = arguments.text("PathPrefix")?.unwrap_or("/");
    let profiles = asked.account.profiles().filter(|profile| profile.path.starts_with(prefix));
    page("InstanceProfiles", profiles.map(|profile| shape::profile(asked.account, profile)).collect(), arguments)
}

fn list_for_role(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let role = asked.account.entity(Kind::Role, arguments.required("RoleName")?)?.name.to_ascii_lowercase();
    let profiles = asked.account.profiles().filter(|profile| profile.role.as_deref() == Some(&role));
    page("InstanceProfiles", profiles.map(|profile| shape::profile(asked.account, profile)).collect(), arguments)
}

fn list_tags(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let profile = asked.account.profile(arguments.required(NAME)?)?;
    page("Tags", profile.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect(), arguments)
}

fn tag(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::tag_profile(asked.account, arguments.required(NAME)?, arguments.tags()?)?;
    Ok(done())
}

fn untag(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::untag_profile(asked.account, arguments.required(NAME)?, &arguments.texts("TagKeys")?)?;
    Ok(done())
}
