//! Managed policies and their versions.

use std::collections::BTreeMap;

use model::tag::Tags;

use super::name::{self, limit};
use super::tag::check_tags;
use crate::account::{Account, ManagedPolicy, PolicyVersion};
use crate::document::Document;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::policy::PolicyKind;

/// Longest managed policy, characters that are no blanks.
const SIZE: usize = 6_144;
/// Versions that a policy has at once.
const VERSIONS: usize = 5;
/// Policies of an account.
const POLICIES: usize = 1_500;

/// Parameters of CreatePolicy.
#[derive(Debug, Clone, Default)]
pub struct CreatePolicy {
    /// Its name.
    pub name: String,
    /// Where it is filed.
    pub path: Option<String>,
    /// What people say of it.
    pub description: Option<String>,
    /// What it says.
    pub document: String,
    /// Tags.
    pub tags: Tags,
}

/// Makes a policy with its first version; returns its resource name. Errors: `EntityAlreadyExists`, `MalformedPolicyDocument`,
/// `LimitExceeded` (6,144 characters; 1,500 policies), `ValidationError`.
pub fn create_policy(account: &mut Account, environment: &mut Environment<'_>, request: CreatePolicy) -> Result<String> {
    name::check("policyName", &request.name, 128)?;
    check_tags(&request.tags)?;
    let path = name::path(request.path.as_deref())?;
    let document = Document::new(request.document, PolicyKind::Identity, SIZE)?;
    let own = |(arn, policy): (&str, &ManagedPolicy)| is_own(account, arn) && policy.name.eq_ignore_ascii_case(&request.name);
    if account.policies().any(own) {
        return Err(Error::new(Code::EntityAlreadyExists, format!("A policy called {} already exists. Duplicate names are not allowed.", request.name)));
    }
    if account.policies().filter(|(arn, _)| is_own(account, arn)).count() >= POLICIES {
        return Err(limit("PoliciesPerAccount", POLICIES));
    }
    let arn = format!("arn:aws:iam::{}:policy{path}{}", account.id, request.name);
    let (id, created) = (environment.id("ANPA"), environment.now);
    let versions = BTreeMap::from([(1, PolicyVersion { document, created })]);
    let CreatePolicy { name, description, tags, .. } = request;
    let policy =
        ManagedPolicy { name, path, id, description, created, updated: created, tags, versions, default_version: 1, last_version: 1 };
    account.policies.insert(arn.clone(), policy);
    Ok(arn)
}

/// A policy of the account itself, to be changed. Errors: `NoSuchEntity`, `AccessDenied` (AWS's own).
pub(super) fn own_policy<'a>(account: &'a mut Account, arn: &str) -> Result<&'a mut ManagedPolicy> {
    account.policy(arn)?;
    if !is_own(account, arn) {
        return Err(Error::new(Code::AccessDenied, format!("{arn} is a policy of AWS, which nobody changes.")));
    }
    account.policies.get_mut(arn).ok_or_else(|| Error::new(Code::NoSuchEntity, format!("Policy {arn} was not found.")))
}

fn is_own(account: &Account, arn: &str) -> bool {
    crate::Arn::parse(arn).is_some_and(|arn| arn.account == account.id)
}

/// Makes another version, at most five at once; returns its number. Errors: `NoSuchEntity`, `MalformedPolicyDocument`, `LimitExceeded`.
pub fn create_policy_version(
    account: &mut Account,
    environment: &mut Environment<'_>,
    arn: &str,
    document: &str,
    as_default: bool,
) -> Result<u32> {
    let policy = own_policy(account, arn)?;
    let document = Document::new(document, PolicyKind::Identity, SIZE)?;
    if policy.versions.len() >= VERSIONS {
        let message = "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.";
        return Err(Error::new(Code::LimitExceeded, message));
    }
    policy.last_version += 1;
    let number = policy.last_version;
    policy.versions.insert(number, PolicyVersion { document, created: environment.now });
    if as_default {
        (policy.default_version, policy.updated) = (number, environment.now);
    }
    Ok(number)
}

fn version(policy: &ManagedPolicy, arn: &str, number: u32) -> Result<()> {
    match policy.versions.contains_key(&number) {
        true => Ok(()),
        false => Err(Error::new(Code::NoSuchEntity, format!("Policy {arn} version v{number} does not exist or is not attachable."))),
    }
}

/// Deletes a version that is not the default. Errors: `NoSuchEntity`, `DeleteConflict`.
pub fn delete_policy_version(account: &mut Account, arn: &str, number: u32) -> Result<()> {
    let policy = own_policy(account, arn)?;
    version(policy, arn, number)?;
    if policy.default_version == number {
        return Err(Error::new(Code::DeleteConflict, "Cannot delete the default version of a policy."));
    }
    policy.versions.remove(&number);
    Ok(())
}

/// Says which version counts. Errors: `NoSuchEntity`.
pub fn set_default_policy_version(account: &mut Account, environment: &mut Environment<'_>, arn: &str, number: u32) -> Result<()> {
    let policy = own_policy(account, arn)?;
    version(policy, arn, number)?;
    (policy.default_version, policy.updated) = (number, environment.now);
    Ok(())
}

/// Deletes a policy that nothing has and of which one version is left. Errors: `NoSuchEntity`, `DeleteConflict`.
pub fn delete_policy(account: &mut Account, arn: &str) -> Result<()> {
    let versions = own_policy(account, arn)?.versions.len();
    let uses = |entity: &&crate::account::Entity| entity.attached.contains(arn) || entity.boundary.as_deref() == Some(arn);
    if let Some(entity) = account.entities.values().find(uses) {
        let message = format!("Cannot delete a policy attached to entities: {} {} has it.", entity.kind.word(), entity.name);
        return Err(Error::new(Code::DeleteConflict, message));
    }
    if versions > 1 {
        return Err(Error::new(Code::DeleteConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."));
    }
    account.policies.remove(arn);
    Ok(())
}
