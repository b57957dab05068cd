//! Users, groups and roles: made, renamed, deleted; who is in which group.

use std::collections::{BTreeMap, BTreeSet};

use model::tag::Tags;

use super::name::{self, limit};
use super::tag::check_tags;
use crate::account::{Account, Entity, Kind, Owner, RoleTerms};
use crate::arn::Arn;
use crate::document::Document;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::policy::PolicyKind;

/// Most groups that a user is in (IAM-2).
const GROUPS_OF_A_USER: usize = 10;
/// Longest trust policy, characters that are no blanks.
const TRUST_SIZE: usize = 2_048;

/// Makes a user. Errors: `EntityAlreadyExists` (whatever the case, IAM-4), `ValidationError`, `LimitExceeded` (5,000).
pub fn create_user(account: &mut Account, environment: &mut Environment<'_>, name: &str, path: Option<&str>, tags: Tags) -> Result<()> {
    name::check("userName", name, 64)?;
    check_tags(&tags)?;
    create(account, environment, Kind::User, name, path, (tags, None))
}

/// Makes a group. Errors: as for users; at most 300.
pub fn create_group(account: &mut Account, environment: &mut Environment<'_>, name: &str, path: Option<&str>) -> Result<()> {
    name::check("groupName", name, 128)?;
    create(account, environment, Kind::Group, name, path, (Tags::new(), None))
}

/// Parameters of CreateRole.
#[derive(Debug, Clone, Default)]
pub struct CreateRole {
    /// Its name.
    pub name: String,
    /// Where it is filed.
    pub path: Option<String>,
    /// Who may assume it.
    pub trust: String,
    /// What people say of it.
    pub description: Option<String>,
    /// 3,600 (also where none is given) to 43,200 seconds.
    pub max_session_duration: Option<u32>,
    /// Tags.
    pub tags: Tags,
}

/// Makes a role. Errors: as for users, `MalformedPolicyDocument`; at most 1,000.
pub fn create_role(account: &mut Account, environment: &mut Environment<'_>, request: CreateRole) -> Result<()> {
    name::check("roleName", &request.name, 64)?;
    check_tags(&request.tags)?;
    let trust = Document::new(request.trust, PolicyKind::Trust, TRUST_SIZE)?;
    let max_session_duration = check_duration(request.max_session_duration.unwrap_or(3_600))?;
    let terms = RoleTerms { trust, max_session_duration, description: request.description, last_used: None };
    create(account, environment, Kind::Role, &request.name, request.path.as_deref(), (request.tags, Some(terms)))
}

fn check_duration(seconds: u32) -> Result<u32> {
    match seconds {
        3_600..=43_200 => Ok(seconds),
        _ => Err(Error::new(Code::ValidationError, "The requested MaxSessionDuration must be between 3600 and 43200 seconds")),
    }
}

fn create(
    account: &mut Account,
    environment: &mut Environment<'_>,
    kind: Kind,
    name: &str,
    path: Option<&str>,
    (tags, role): (Tags, Option<RoleTerms>),
) -> Result<()> {
    let path = name::path(path)?;
    let key = (kind, name.to_ascii_lowercase());
    let title = match kind {
        Kind::User => "User",
        Kind::Group => "Group",
        Kind::Role => "Role",
    };
    if account.entities.contains_key(&key) {
        return Err(Error::new(Code::EntityAlreadyExists, format!("{title} with name {name} already exists.")));
    }
    let (prefix, most, quota) = match kind {
        Kind::User => ("AIDA", 5_000, "UsersPerAccount"),
        Kind::Group => ("AGPA", 300, "GroupsPerAccount"),
        Kind::Role => ("AROA", 1_000, "RolesPerAccount"),
    };
    if account.entities(kind).count() >= most {
        return Err(limit(quota, most));
    }
    let (id, created) = (environment.id(prefix), environment.now);
    let (inline, attached, groups) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    let name = name.to_owned();
    account.entities.insert(key, Entity { kind, name, path, id, created, tags, inline, attached, boundary: None, groups, role });
    Ok(())
}

/// Gives a user or group another name or path; keys and memberships go with it. Errors: `NoSuchEntity`, `EntityAlreadyExists`.
pub fn rename(account: &mut Account, kind: Kind, name: &str, to: Option<&str>, path: Option<&str>) -> Result<()> {
    account.entity(kind, name)?;
    let path = path.map(|path| name::path(Some(path))).transpose()?;
    let old = name.to_ascii_lowercase();
    if let Some(to) = to {
        let (field, longest) = if kind == Kind::User { ("newUserName", 64) } else { ("newGroupName", 128) };
        name::check(field, to, longest)?;
        let new = to.to_ascii_lowercase();
        if new != old && account.entities.contains_key(&(kind, new.clone())) {
            return Err(Error::new(Code::EntityAlreadyExists, format!("{} with name {to} already exists.", kind.word())));
        }
        let Some(mut entity) = account.entities.remove(&(kind, old.clone())) else { return Ok(()) };
        entity.name = to.to_owned();
        account.entities.insert((kind, new.clone()), entity);
        for member in account.entities.values_mut().filter(|_| kind == Kind::Group) {
            if member.groups.remove(&old) {
                member.groups.insert(new.clone());
            }
        }
        for key in account.keys.values_mut().filter(|key| kind == Kind::User && key.owner == Owner::User(old.clone())) {
            key.owner = Owner::User(new.clone());
        }
    }
    if let Some(path) = path {
        account.entity_mut(kind, to.unwrap_or(name))?.path = path;
    }
    Ok(())
}

/// Changes what is said of a role, and for how long it is assumed. Errors: `NoSuchEntity`, `ValidationError`.
pub fn update_role(account: &mut Account, name: &str, description: Option<String>, max_session_duration: Option<u32>) -> Result<()> {
    let duration = max_session_duration.map(check_duration).transpose()?;
    let terms = account.entity_mut(Kind::Role, name)?.role.as_mut();
    if let Some(terms) = terms {
        terms.description = description.or(terms.description.take());
        terms.max_session_duration = duration.unwrap_or(terms.max_session_duration);
    }
    Ok(())
}

/// Whether whoever of this account a trust policy names is there; what else is wrong with the document is for others to say. Whom
/// it names of other accounts, those know. Errors: `MalformedPolicyDocument`.
pub fn check_trusted(account: &Account, trust: &str) -> Result<()> {
    let Ok(trust) = Document::new(trust, PolicyKind::Trust, TRUST_SIZE) else { return Ok(()) };
    let principals = trust.policy().statements.iter().filter_map(|statement| statement.principals.as_ref());
    for named in principals.flat_map(|principals| &principals.listed().aws) {
        let Some(arn) = Arn::parse(named).filter(|arn| arn.service == "iam" && arn.account == account.id) else { continue };
        let is_there = match arn.resource.split_once('/') {
            None => arn.resource == "root",
            Some(("user", _)) => account.entities(Kind::User).any(|user| account.arn(user) == *named),
            Some(("role", _)) => account.entities(Kind::Role).any(|role| account.arn(role) == *named),
            Some(_) => false,
        };
        if !is_there {
            return Err(Error::new(Code::MalformedPolicyDocument, format!("Invalid principal in policy: \"AWS\":\"{named}\"")));
        }
    }
    Ok(())
}

/// Changes who may assume a role. Errors: `NoSuchEntity`, `MalformedPolicyDocument`.
pub fn update_trust(account: &mut Account, name: &str, trust: &str) -> Result<()> {
    let trust = Document::new(trust, PolicyKind::Trust, TRUST_SIZE)?;
    if let Some(terms) = account.entity_mut(Kind::Role, name)?.role.as_mut() {
        terms.trust = trust;
    }
    Ok(())
}

/// Deletes a user, group or role that has nothing left. Errors: `NoSuchEntity`, `DeleteConflict` (keys, groups, members, policies,
/// instance profiles).
pub fn delete_entity(account: &mut Account, kind: Kind, name: &str) -> Result<()> {
    let entity = account.entity(kind, name)?;
    let key = name.to_ascii_lowercase();
    let conflict = |message: &str| Err(Error::new(Code::DeleteConflict, message));
    if !entity.attached.is_empty() {
        return conflict("Cannot delete entity, must detach all policies first.");
    }
    if !entity.inline.is_empty() {
        return conflict("Cannot delete entity, must delete policies first.");
    }
    match kind {
        Kind::User if account.keys().any(|owned| owned.owner == Owner::User(key.clone())) => {
            return conflict("Cannot delete entity, must delete access keys first.");
        }
        Kind::User if !entity.groups.is_empty() => return conflict("Cannot delete entity, must remove users from group first."),
        Kind::Group if account.entities(Kind::User).any(|user| user.groups.contains(&key)) => {
            return conflict("Cannot delete entity, must remove users from group first.");
        }
        Kind::Role if account.profiles().any(|profile| profile.role.as_deref() == Some(&key)) => {
            return conflict("Cannot delete entity, must remove roles from instance profile first.");
        }
        _ => {}
    }
    account.entities.remove(&(kind, key));
    Ok(())
}

/// Takes a user into a group; again is no error. Errors: `NoSuchEntity`, `LimitExceeded` (IAM-2).
pub fn add_user_to_group(account: &mut Account, group: &str, user: &str) -> Result<()> {
    account.entity(Kind::Group, group)?;
    let entity = account.entity_mut(Kind::User, user)?;
    let group = group.to_ascii_lowercase();
    if !entity.groups.contains(&group) && entity.groups.len() >= GROUPS_OF_A_USER {
        return Err(limit("GroupsPerUser", GROUPS_OF_A_USER));
    }
    entity.groups.insert(group);
    Ok(())
}

/// Takes a user out of a group. Errors: `NoSuchEntity` (no such user or group, or not in it).
pub fn remove_user_from_group(account: &mut Account, group: &str, user: &str) -> Result<()> {
    account.entity(Kind::Group, group)?;
    match account.entity_mut(Kind::User, user)?.groups.remove(&group.to_ascii_lowercase()) {
        true => Ok(()),
        false => Err(Error::new(Code::NoSuchEntity, format!("User {user} is not in group {group}."))),
    }
}
