//! Which policies users, groups and roles have.

use super::name::{self, limit};
use crate::account::{Account, Kind};
use crate::document::Document;
use crate::error::{Code, Error, Result};
use crate::policy::PolicyKind;

/// Managed policies that one entity has.
const ATTACHED: usize = 10;

/// Longest inline policies of an entity taken together, characters that are no blanks.
fn inline_size(kind: Kind) -> usize {
    match kind {
        Kind::User => 2_048,
        Kind::Group => 5_120,
        Kind::Role => 10_240,
    }
}

/// Gives an entity a policy of its own, or changes one. Errors: `NoSuchEntity`, `MalformedPolicyDocument`, `LimitExceeded`.
pub fn put_inline_policy(account: &mut Account, kind: Kind, name: &str, policy: &str, document: &str) -> Result<()> {
    name::check("policyName", policy, 128)?;
    let entity = account.entity_mut(kind, name)?;
    let most = inline_size(kind);
    let document = Document::new(document, PolicyKind::Identity, most)?;
    let length = |document: &Document| document.text().chars().filter(|character| !character.is_whitespace()).count();
    let others = entity.inline.iter().filter(|(other, _)| *other != policy);
    if others.map(|(_, other)| length(other)).sum::<usize>() + length(&document) > most {
        let message = format!("Maximum policy size of {most} bytes exceeded for {} {}", kind.word(), entity.name);
        return Err(Error::new(Code::LimitExceeded, message));
    }
    entity.inline.insert(policy.to_owned(), document);
    Ok(())
}

/// Takes a policy of its own from an entity. Errors: `NoSuchEntity`.
pub fn delete_inline_policy(account: &mut Account, kind: Kind, name: &str, policy: &str) -> Result<()> {
    match account.entity_mut(kind, name)?.inline.remove(policy) {
        Some(_) => Ok(()),
        None => Err(Error::new(Code::NoSuchEntity, format!("The {} policy with name {policy} cannot be found.", kind.word()))),
    }
}

/// Attaches a managed policy; again is no error. Errors: `NoSuchEntity`, `LimitExceeded` (10).
pub fn attach_policy(account: &mut Account, kind: Kind, name: &str, arn: &str) -> Result<()> {
    account.policy(arn)?;
    let entity = account.entity_mut(kind, name)?;
    if !entity.attached.contains(arn) && entity.attached.len() >= ATTACHED {
        return Err(limit("PoliciesPerEntity", ATTACHED));
    }
    entity.attached.insert(arn.to_owned());
    Ok(())
}

/// Takes a managed policy from an entity. Errors: `NoSuchEntity`.
pub fn detach_policy(account: &mut Account, kind: Kind, name: &str, arn: &str) -> Result<()> {
    match account.entity_mut(kind, name)?.attached.remove(arn) {
        true => Ok(()),
        false => Err(Error::new(Code::NoSuchEntity, format!("Policy {arn} was not found."))),
    }
}

/// Limits a user or role to what a managed policy allows (IAM-16). Errors: `NoSuchEntity`.
pub fn put_permissions_boundary(account: &mut Account, kind: Kind, name: &str, arn: &str) -> Result<()> {
    account.policy(arn)?;
    account.entity_mut(kind, name)?.boundary = Some(arn.to_owned());
    Ok(())
}

/// Takes the limit away. Errors: `NoSuchEntity`.
pub fn delete_permissions_boundary(account: &mut Account, kind: Kind, name: &str) -> Result<()> {
    match account.entity_mut(kind, name)?.boundary.take() {
        Some(_) => Ok(()),
        None => Err(Error::new(Code::NoSuchEntity, format!("The {} {name} has no permissions boundary.", kind.word()))),
    }
}
