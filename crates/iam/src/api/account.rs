//! The account itself: its other name, and how much is in it.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::page::page;
use super::shape::{self, done};
use super::{Asked, Of, Operation};
use crate::account::{Account, Entity, Kind, Owner};
use crate::error::{Code, Error, Result};
use crate::operation;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateAccountAlias", Of::Nothing, create_alias),
    ("DeleteAccountAlias", Of::Nothing, delete_alias),
    ("GetAccountAuthorizationDetails", Of::Nothing, details),
    ("GetAccountSummary", Of::Nothing, summary),
    ("ListAccountAliases", Of::Nothing, list_aliases),
];

fn create_alias(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::create_account_alias(asked.account, arguments.required("AccountAlias")?)?;
    Ok(done())
}

fn delete_alias(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::delete_account_alias(asked.account, arguments.required("AccountAlias")?)?;
    Ok(done())
}

fn list_aliases(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    page("AccountAliases", asked.account.alias.iter().map(|alias| alias.clone().into()).collect(), arguments)
}

fn summary(asked: &mut Asked<'_, '_>, _: &Arguments<'_>) -> Result<Value> {
    let account = &*asked.account;
    let versions: usize = account.own_policies().map(|(_, policy)| policy.versions.len()).sum();
    let root_keys = account.keys().filter(|key| key.owner == Owner::Root).count();
    Ok(json!({"SummaryMap": {
        "AccessKeysPerUserQuota": 2,
        "AccountAccessKeysPresent": root_keys.min(1),
        "AccountMFAEnabled": 0,
        "AttachedPoliciesPerGroupQuota": 10,
        "AttachedPoliciesPerRoleQuota": 10,
        "AttachedPoliciesPerUserQuota": 10,
        "Groups": account.entities(Kind::Group).count(),
        "GroupsPerUserQuota": 10,
        "GroupsQuota": 300,
        "InstanceProfiles": account.profiles().count(),
        "InstanceProfilesQuota": 1_000,
        "Policies": account.own_policies().count(),
        "PoliciesQuota": 1_500,
        "PolicySizeQuota": 6_144,
        "PolicyVersionsInUse": versions,
        "Roles": account.entities(Kind::Role).count(),
        "RolesQuota": 1_000,
        "Users": account.entities(Kind::User).count(),
        "UsersQuota": 5_000,
        "VersionsPerPolicyQuota": 5,
    }}))
}

/// All that there is, a page of it: users, groups, roles and the account's own policies with what they say.
fn details(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    const LISTS: [(&str, &str); 4] =
        [("User", "UserDetailList"), ("Group", "GroupDetailList"), ("Role", "RoleDetailList"), ("LocalManagedPolicy", "Policies")];
    let wanted = arguments.texts("Filter")?;
    let known = |word: &String| LISTS.iter().any(|(known, _)| known == word) || word == "AWSManagedPolicy";
    if let Some(other) = wanted.iter().find(|word| !known(word)) {
        return Err(Error::new(Code::ValidationError, format!("Value '{other}' at 'filter' failed to satisfy constraint: User, Role, Group, LocalManagedPolicy, AWSManagedPolicy")));
    }
    let is_wanted = |word: &str| wanted.is_empty() || wanted.iter().any(|own| own == word);
    let account = &*asked.account;
    let mut all: Vec<Value> = Vec::new();
    for (kind, (word, list)) in [Kind::User, Kind::Group, Kind::Role].into_iter().zip(LISTS) {
        if is_wanted(word) {
            all.extend(account.entities(kind).map(|entity| json!([list, detail(account, entity)])));
        }
    }
    let is_own = |arn: &str| account.own_policies().any(|(own, _)| own == arn);
    for (arn, policy) in account.policies() {
        if is_wanted(if is_own(arn) { "LocalManagedPolicy" } else { "AWSManagedPolicy" }) {
            let mut shape = shape::policy(account, arn, policy);
            shape["PolicyVersionList"] = policy
                .versions
                .iter()
                .rev()
                .map(|(number, version)| {
                    json!({
                        "Document": shape::document(version.document.text()),
                        "VersionId": format!("v{number}"),
                        "IsDefaultVersion": *number == policy.default_version,
                        "CreateDate": shape::time(version.created),
                    })
                })
                .collect();
            all.push(json!(["Policies", shape]));
        }
    }
    let mut answer = page("All", all, arguments)?;
    let shown = answer.as_object_mut().and_then(|fields| fields.shift_remove("All"));
    for (_, list) in LISTS {
        let own = shown.iter().flat_map(|shown| shown.as_array().into_iter().flatten()).filter(|pair| pair[0] == list);
        answer[list] = own.map(|pair| pair[1].clone()).collect();
    }
    Ok(answer)
}

fn detail(account: &Account, entity: &Entity) -> Value {
    let mut shape = shape::entity(account, entity);
    let word = match entity.kind {
        Kind::User => "UserPolicyList",
        Kind::Group => "GroupPolicyList",
        Kind::Role => "RolePolicyList",
    };
    let inline = entity.inline.iter();
    shape[word] = inline.map(|(name, document)| json!({"PolicyName": name, "PolicyDocument": shape::document(document.text())})).collect();
    let attached = entity.attached.iter().filter_map(|arn| Some(json!({"PolicyName": account.policy(arn).ok()?.name, "PolicyArn": arn})));
    shape["AttachedManagedPolicies"] = attached.collect();
    if entity.kind == Kind::User {
        let name = |group: &String| account.entity(Kind::Group, group).map_or_else(|_| group.clone(), |group| group.name.clone());
        shape["GroupList"] = entity.groups.iter().map(name).collect();
    }
    if entity.kind == Kind::Role {
        let key = entity.name.to_ascii_lowercase();
        let profiles = account.profiles().filter(|profile| profile.role.as_deref() == Some(&key));
        shape["InstanceProfileList"] = profiles.map(|profile| shape::profile(account, profile)).collect();
    }
    shape
}
