//! Policies: managed ones with versions, inline ones, and who has them.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::page::page;
use super::shape::{self, done};
use super::{Asked, Of, Operation};
use crate::account::{Kind, PolicyVersion};
use crate::error::{Code, Error, Result};
use crate::operation::{self, CreatePolicy};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AttachGroupPolicy", Of::Group, |asked, arguments| attach(asked, GROUP, arguments)),
    ("AttachRolePolicy", Of::Role, |asked, arguments| attach(asked, ROLE, arguments)),
    ("AttachUserPolicy", Of::User, |asked, arguments| attach(asked, USER, arguments)),
    ("CreatePolicy", Of::NewPolicy, create_policy),
    ("CreatePolicyVersion", Of::Policy, create_policy_version),
    ("DeleteGroupPolicy", Of::Group, |asked, arguments| delete_inline(asked, GROUP, arguments)),
    ("DeletePolicy", Of::Policy, delete_policy),
    ("DeletePolicyVersion", Of::Policy, delete_policy_version),
    ("DeleteRolePolicy", Of::Role, |asked, arguments| delete_inline(asked, ROLE, arguments)),
    ("DeleteUserPolicy", Of::User, |asked, arguments| delete_inline(asked, USER, arguments)),
    ("DetachGroupPolicy", Of::Group, |asked, arguments| detach(asked, GROUP, arguments)),
    ("DetachRolePolicy", Of::Role, |asked, arguments| detach(asked, ROLE, arguments)),
    ("DetachUserPolicy", Of::User, |asked, arguments| detach(asked, USER, arguments)),
    ("GetGroupPolicy", Of::Group, |asked, arguments| get_inline(asked, GROUP, arguments)),
    ("GetPolicy", Of::Policy, get_policy),
    ("GetPolicyVersion", Of::Policy, get_policy_version),
    ("GetRolePolicy", Of::Role, |asked, arguments| get_inline(asked, ROLE, arguments)),
    ("GetUserPolicy", Of::User, |asked, arguments| get_inline(asked, USER, arguments)),
    ("ListAttachedGroupPolicies", Of::Group, |asked, arguments| list_attached(asked, GROUP, arguments)),
    ("ListAttachedRolePolicies", Of::Role, |asked, arguments| list_attached(asked, ROLE, arguments)),
    ("ListAttachedUserPolicies", Of::User, |asked, arguments| list_attached(asked, USER, arguments)),
    ("ListEntitiesForPolicy", Of::Policy, list_entities_for_policy),
    ("ListGroupPolicies", Of::Group, |asked, arguments| list_inline(asked, GROUP, arguments)),
    ("ListPolicies", Of::Nothing, list_policies),
    ("ListPolicyTags", Of::Policy, list_policy_tags),
    ("ListPolicyVersions", Of::Policy, list_policy_versions),
    ("ListRolePolicies", Of::Role, |asked, arguments| list_inline(asked, ROLE, arguments)),
    ("ListUserPolicies", Of::User, |asked, arguments| list_inline(asked, USER, arguments)),
    ("PutGroupPolicy", Of::Group, |asked, arguments| put_inline(asked, GROUP, arguments)),
    ("PutRolePolicy", Of::Role, |asked, arguments| put_inline(asked, ROLE, arguments)),
    ("PutUserPolicy", Of::User, |asked, arguments| put_inline(asked, USER, arguments)),
    ("SetDefaultPolicyVersion", Of::Policy, set_default_policy_version),
    ("TagPolicy", Of::Policy, tag_policy),
    ("UntagPolicy", Of::Policy, untag_policy),
];

/// A kind of entity with the parameter that names one.
type Named = (Kind, &'static str);

const USER: Named = (Kind::User, "UserName");
const GROUP: Named = (Kind::Group, "GroupName");
const ROLE: Named = (Kind::Role, "RoleName");

fn create_policy(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let request = CreatePolicy {
        name: arguments.required("PolicyName")?.to_owned(),
        path: arguments.text("Path")?.map(str::to_owned),
        description: arguments.text("Description")?.map(str::to_owned),
        document: arguments.required("PolicyDocument")?.to_owned(),
        tags: arguments.tags()?,
    };
    let arn = operation::create_policy(asked.account, asked.environment, request)?;
    Ok(json!({"Policy": shape::policy(asked.account, &arn, asked.account.policy(&arn)?)}))
}

fn get_policy(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let arn = arguments.required("PolicyArn")?;
    Ok(json!({"Policy": shape::policy(asked.account, arn, asked.account.policy(arn)?)}))
}

fn list_policies(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let (scope, prefix) = (arguments.text("Scope")?.unwrap_or("All"), arguments.text("PathPrefix")?.unwrap_or("/"));
    let only_attached = arguments.flag("OnlyAttached")?;
    let mut found = Vec::new();
    for (arn, policy) in asked.account.policies() {
        let is_own = crate::Arn::parse(arn).is_some_and(|arn| arn.account == asked.account.id);
        let fits = match scope {
            "All" => true,
            "Local" => is_own,
            "AWS" => !is_own,
            other => return Err(Error::new(Code::ValidationError, format!("Value '{other}' at 'scope' failed to satisfy constraint: All, AWS, Local"))),
        };
        if fits && policy.path.starts_with(prefix) {
            let mut shape = shape::policy(asked.account, arn, policy);
            if only_attached && shape["AttachmentCount"] == 0 {
                continue;
            }
            if let Some(fields) = shape.as_object_mut() {
                fields.shift_remove("Tags");
                fields.shift_remove("Description");
            }
            found.push(shape);
        }
    }
    page("Policies", found, arguments)
}

fn delete_policy(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::delete_policy(asked.account, arguments.required("PolicyArn")?)?;
    Ok(done())
}

fn version_shape(number: u32, version: &PolicyVersion, default: u32) -> Value {
    json!({"VersionId": format!("v{number}"), "IsDefaultVersion": number == default, "CreateDate": shape::time(version.created)})
}

fn create_policy_version(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let (arn, document) = (arguments.required("PolicyArn")?, arguments.required("PolicyDocument")?);
    let as_default = arguments.flag("SetAsDefault")?;
    let number = operation::create_policy_version(asked.account, asked.environment, arn, document, as_default)?;
    let policy = asked.account.policy(arn)?;
    let shape = policy.versions.get(&number).map(|version| version_shape(number, version, policy.default_version));
    Ok(json!({"PolicyVersion": shape}))
}

fn get_policy_version(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let (arn, number) = (arguments.required("PolicyArn")?, arguments.version()?);
    let policy = asked.account.policy(arn)?;
    let missing = || Error::new(Code::NoSuchEntity, format!("Policy {arn} version v{number} does not exist or is not attachable."));
    let version = policy.versions.get(&number).ok_or_else(missing)?;
    let mut shape = version_shape(number, version, policy.default_version);
    shape["Document"] = shape::document(version.document.text());
    Ok(json!({"PolicyVersion": shape}))
}

fn list_policy_versions(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let policy = asked.account.policy(arguments.required("PolicyArn")?)?;
    let versions = policy.versions.iter().rev().map(|(number, version)| version_shape(*number, version, policy.default_version));
    page("Versions", versions.collect(), arguments)
}

fn delete_policy_version(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::delete_policy_version(asked.account, arguments.required("PolicyArn")?, arguments.version()?)?;
    Ok(done())
}

fn set_default_policy_version(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::set_default_policy_version(asked.account, asked.environment, arguments.required("PolicyArn")?, arguments.version()?)?;
    Ok(done())
}

fn list_policy_tags(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let policy = asked.account.policy(arguments.required("PolicyArn")?)?;
    page("Tags", policy.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect(), arguments)
}

fn tag_policy(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::tag_policy(asked.account, arguments.required("PolicyArn")?, arguments.tags()?)?;
    Ok(done())
}

fn untag_policy(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::untag_policy(asked.account, arguments.required("PolicyArn")?, &arguments.texts("TagKeys")?)?;
    Ok(done())
}

fn put_inline(asked: &mut Asked<'_, '_>, (kind, name): Named, arguments: &Arguments<'_>) -> Result<Value> {
    let (policy, document) = (arguments.required("PolicyName")?, arguments.required("PolicyDocument")?);
    operation::put_inline_policy(asked.account, kind, arguments.required(name)?, policy, document)?;
    Ok(done())
}

fn get_inline(asked: &mut Asked<'_, '_>, (kind, name): Named, arguments: &Arguments<'_>) -> Result<Value> {
    let (entity, policy) = (arguments.required(name)?, arguments.required("PolicyName")?);
    let missing = || Error::new(Code::NoSuchEntity, format!("The {} policy with name {policy} cannot be found.", kind.word()));
    let found = asked.account.entity(kind, entity)?;
    let document = found.inline.get(policy).ok_or_else(missing)?;
    Ok(json!({name: found.name, "PolicyName": policy, "PolicyDocument": shape::document(document.text())}))
}

fn delete_inline(asked: &mut Asked<'_, '_>, (kind, name): Named, arguments: &Arguments<'_>) -> Result<Value> {
    operation::delete_inline_policy(asked.account, kind, arguments.required(name)?, arguments.required("PolicyName")?)?;
    Ok(done())
}

fn list_inline(asked: &mut Asked<'_, '_>, (kind, name): Named, arguments: &Arguments<'_>) -> Result<Value> {
    let entity = asked.account.entity(kind, arguments.required(name)?)?;
    page("PolicyNames", entity.inline.keys().map(|policy| policy.clone().into()).collect(), arguments)
}

fn attach(asked: &mut Asked<'_, '_>, (kind, name): Named, arguments: &Arguments<'_>) -> Result<Value> {
    operation::attach_policy(asked.account, kind, arguments.required(name)?, arguments.required("PolicyArn")?)?;
    Ok(done())
}

fn detach(asked: &mut Asked<'_, '_>, (kind, name): Named, arguments: &Arguments<'_>) -> Result<Value> {
    operation::detach_policy(asked.account, kind, arguments.required(name)?, arguments.required("PolicyArn")?)?;
    Ok(done())
}

fn list_attached(asked: &mut Asked<'_, '_>, (kind, name): Named, arguments: &Arguments<'_>) -> Result<Value> {
    let entity = asked.account.entity(kind, arguments.required(name)?)?;
    let attached = entity.attached.iter().map(|arn| Ok(json!({"PolicyName": asked.account.policy(arn)?.name, "PolicyArn": arn})));
    page("AttachedPolicies", attached.collect::<Result<_>>()?, arguments)
}

fn list_entities_for_policy(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let arn = arguments.required("PolicyArn")?;
    asked.account.policy(arn)?;
    let as_boundary = arguments.text("PolicyUsageFilter")? == Some("PermissionsBoundary");
    let only = arguments.text("EntityFilter")?;
    let of = |kind: Kind, word: &str| -> Value {
        let named = |entity: &crate::account::Entity| json!({format!("{word}Name"): entity.name, format!("{word}Id"): entity.id});
        let has = |entity: &&crate::account::Entity| match as_boundary {
            true => entity.boundary.as_deref() == Some(arn),
            false => entity.attached.contains(arn),
        };
        match only.is_none_or(|only| only == word) {
            true => asked.account.entities(kind).filter(has).map(named).collect(),
            false => Value::Array(Vec::new()),
        }
    };
    Ok(json!({
        "PolicyGroups": of(Kind::Group, "Group"),
        "PolicyUsers": of(Kind::User, "User"),
        "PolicyRoles": of(Kind::Role, "Role"),
        "IsTruncated": false,
    }))
}
