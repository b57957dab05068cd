//! Instance profiles: one role each (IAM-3).

use model::tag::Tags;

use super::name::{self, limit};
use super::tag::check_tags;
use crate::account::{Account, InstanceProfile, Kind};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};

/// Instance profiles of an account.
const PROFILES: usize = 1_000;

/// Makes a profile without a role. Errors: `EntityAlreadyExists`, `ValidationError`, `LimitExceeded`.
pub fn create_profile(account: &mut Account, environment: &mut Environment<'_>, name: &str, path: Option<&str>, tags: Tags) -> Result<()> {
    name::check("instanceProfileName", name, 128)?;
    check_tags(&tags)?;
    let path = name::path(path)?;
    if account.profile(name).is_ok() {
        return Err(Error::new(Code::EntityAlreadyExists, format!("Instance Profile {name} already exists.")));
    }
    if account.profiles.len() >= PROFILES {
        return Err(limit("InstanceProfilesPerAccount", PROFILES));
    }
    let (id, created) = (environment.id("AIPA"), environment.now);
    let profile = InstanceProfile { name: name.to_owned(), path, id, created, tags, role: None };
    account.profiles.insert(name.to_ascii_lowercase(), profile);
    Ok(())
}

pub(super) fn profile_mut<'a>(account: &'a mut Account, name: &str) -> Result<&'a mut InstanceProfile> {
    let found = account.profiles.get_mut(&name.to_ascii_lowercase());
    found.ok_or_else(|| Error::new(Code::NoSuchEntity, format!("Instance Profile {name} cannot be found.")))
}

/// Puts a role into a profile that has none. Errors: `NoSuchEntity`, `LimitExceeded`.
pub fn add_role_to_profile(account: &mut Account, profile: &str, role: &str) -> Result<()> {
    account.entity(Kind::Role, role)?;
    let profile = profile_mut(account, profile)?;
    if profile.role.is_some() {
        return Err(limit("InstanceSessionsPerInstanceProfile", 1));
    }
    profile.role = Some(role.to_ascii_lowercase());
    Ok(())
}

/// Takes a role out of a profile. Errors: `NoSuchEntity`.
pub fn remove_role_from_profile(account: &mut Account, profile: &str, role: &str) -> Result<()> {
    account.entity(Kind::Role, role)?;
    let profile = profile_mut(account, profile)?;
    if profile.role.as_deref() != Some(&role.to_ascii_lowercase()) {
        return Err(Error::new(Code::NoSuchEntity, format!("Role {role} is not in instance profile {}.", profile.name)));
    }
    profile.role = None;
    Ok(())
}

/// Deletes a profile that has no role. Errors: `NoSuchEntity`, `DeleteConflict`.
pub fn delete_profile(account: &mut Account, name: &str) -> Result<()> {
    if account.profile(name)?.role.is_some() {
        return Err(Error::new(Code::DeleteConflict, "Cannot delete entity, must remove roles from instance profile first."));
    }
    account.profiles.remove(&name.to_ascii_lowercase());
    Ok(())
}
