//! STS: who am I, and keys for a while (STS-1 … STS-3). Roles may be those of another account of the lab.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::authorise::{self, Reviewed};
use super::shape;
use crate::account::{Account, Key, Owner, SessionOf};
use crate::arn::Arn;
use crate::decision::{Named, Request, decide_trust};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::facts::Facts;
use crate::operation::{self, AssumeRole};

/// What is served, sorted.
pub const OPERATIONS: &[&str] = &["AssumeRole", "DecodeAuthorizationMessage", "GetAccessKeyInfo", "GetCallerIdentity", "GetSessionToken"];

/// Serves one call of STS for the owner of a key of the account `id`. Errors: `InvalidAction`, `AccessDenied`, and what the operation
/// says.
pub fn call(
    accounts: &mut BTreeMap<String, Account>,
    environment: &mut Environment<'_>,
    (id, key): (&str, &Key),
    operation: &str,
    arguments: &Value,
    facts: &Facts,
) -> Result<Value> {
    let arguments = Arguments::new(arguments)?;
    let unknown = || Error::new(Code::AccessDenied, format!("There is no account {id}"));
    let account = accounts.get_mut(id).ok_or_else(unknown)?;
    let permitted = |account: &Account, action: &str| {
        authorise::check(account, key, action, "*", facts.clone()).map_err(|denied| denied.access_denied())
    };
    if key.owner.has_session_token() && matches!(operation, "DecodeAuthorizationMessage" | "GetAccessKeyInfo") {
        return Err(Error::new(Code::AccessDenied, format!("Cannot call {operation} with session credentials")));
    }
    match operation {
        // Needs no permission, and no denial counts (STS-1).
        "GetCallerIdentity" => {
            let identity = operation::caller(account, key)?;
            Ok(json!({"UserId": identity.user_id, "Account": identity.account, "Arn": identity.arn}))
        }
        // Nor does this: policies do not decide who may prove who they are.
        "GetSessionToken" => {
            let key = operation::session_token(account, environment, key, arguments.number("DurationSeconds")?)?;
            Ok(json!({"Credentials": credentials(&key)}))
        }
        "DecodeAuthorizationMessage" => {
            permitted(account, "sts:DecodeAuthorizationMessage")?;
            Ok(json!({"DecodedMessage": authorise::decode_message(arguments.required("EncodedMessage")?)?}))
        }
        "GetAccessKeyInfo" => {
            permitted(account, "sts:GetAccessKeyInfo")?;
            let wanted = arguments.required("AccessKeyId")?;
            let found = accounts.values().find(|account| account.key(wanted).is_some());
            let account = found.ok_or_else(|| Error::new(Code::ValidationError, format!("Access key {wanted} belongs to no account here")))?;
            Ok(json!({"Account": account.id}))
        }
        "AssumeRole" => assume_role(accounts, environment, (id, key), &arguments, facts),
        _ => Err(Error::new(Code::InvalidAction, format!("Could not find operation {operation} for version 2011-06-15"))),
    }
}

fn assume_role(
    accounts: &mut BTreeMap<String, Account>,
    environment: &mut Environment<'_>,
    (id, key): (&str, &Key),
    arguments: &Arguments<'_>,
    facts: &Facts,
) -> Result<Value> {
    let role_arn = arguments.required("RoleArn")?.to_owned();
    let tags = arguments.tags()?;
    let request = AssumeRole {
        session_name: arguments.required("RoleSessionName")?.to_owned(),
        duration: arguments.number("DurationSeconds")?,
        policy: arguments.text("Policy")?.map(str::to_owned),
        policy_arns: policy_arns(arguments)?,
        tags,
        is_chained: matches!(&key.owner, Owner::Session(_)),
        role_arn,
    };
    let source_identity = arguments.text("SourceIdentity")?.map(str::to_owned);
    let aside = Aside { external_id: arguments.text("ExternalId")?, source_identity: source_identity.as_deref() };
    let role_account = may_assume(accounts, (id, key), &request, aside, facts)?;
    let missing = || Error::new(Code::AccessDenied, format!("There is no account {role_account}"));
    let account = accounts.get_mut(&role_account).ok_or_else(missing)?;
    let role_id = operation::role_by_arn(account, &request.role_arn)?.id.clone();
    let session_name = request.session_name.clone();
    let session = operation::assume_role(account, environment, request)?;
    let arn = operation::caller(account, &session)?.arn;
    Ok(json!({
        "Credentials": credentials(&session),
        "AssumedRoleUser": {"AssumedRoleId": format!("{role_id}:{session_name}"), "Arn": arn},
        "SourceIdentity": source_identity,
    }))
}

/// What is said beside of who wants to assume a role.
struct Aside<'a> {
    external_id: Option<&'a str>,
    source_identity: Option<&'a str>,
}

/// Whether a role may be assumed; the role's account. A role that is not there is refused as one that may not be assumed: who asks
/// learns nothing of other accounts. Errors: `AccessDenied`.
fn may_assume(
    accounts: &BTreeMap<String, Account>,
    (id, key): (&str, &Key),
    request: &AssumeRole,
    aside: Aside<'_>,
    facts: &Facts,
) -> Result<String> {
    let own = accounts.get(id).ok_or_else(|| Error::new(Code::AccessDenied, format!("There is no account {id}")))?;
    let is_root = match &key.owner {
        Owner::Root => true,
        Owner::User(_) => false,
        Owner::Session(session) => session.of == SessionOf::Root,
    };
    if is_root {
        return Err(Error::new(Code::AccessDenied, "Roles may not be assumed by root accounts."));
    }
    let (identity, subject) = (operation::caller(own, key)?, operation::subject(own, key)?);
    let mut facts = facts.clone();
    identity.describe(&mut facts);
    facts.set("sts:RoleSessionName", &request.session_name);
    if let Some(external_id) = aside.external_id {
        facts.set("sts:ExternalId", external_id);
    }
    if let Some(source_identity) = aside.source_identity {
        facts.set("sts:SourceIdentity", source_identity);
    }
    if !request.tags.is_empty() {
        facts.set_all("aws:TagKeys", request.tags.keys().cloned());
        for (tag, value) in &request.tags {
            facts.set(&format!("aws:RequestTag/{tag}"), value);
        }
    }
    let role_account = Arn::parse(&request.role_arn).map(|arn| arn.account.to_owned());
    let role_account = role_account.ok_or_else(|| Error::new(Code::ValidationError, format!("{} is invalid", request.role_arn)))?;
    let role = accounts.get(&role_account).and_then(|account| operation::role_by_arn(account, &request.role_arn).ok());
    let trust = role.and_then(|role| Some((role, role.role.as_ref()?.trust.policy())));
    // Tags and a source identity give rights wherever conditions ask for them: each is a right of its own.
    let actions = [
        ("sts:AssumeRole", true),
        ("sts:TagSession", !request.tags.is_empty()),
        ("sts:SetSourceIdentity", aside.source_identity.is_some()),
    ];
    for (action, _) in actions.into_iter().filter(|(_, is_wanted)| *is_wanted) {
        let asked = Request { action, resource: &request.role_arn, facts: &facts };
        let decision = match trust {
            Some((role, policy)) => {
                let named = Named { name: format!("role {}: trust", role.name).into(), policy };
                decide_trust(&subject, &identity.caller(), named, role_account == own.id, asked)
            }
            None => crate::decision::decide(&Default::default(), asked),
        };
        if !decision.is_allowed() {
            let (action, resource) = (action.to_owned(), request.role_arn.clone());
            return Err(Reviewed { identity, action, resource, facts, decision }.access_denied());
        }
    }
    Ok(role_account)
}

fn policy_arns(arguments: &Arguments<'_>) -> Result<Vec<String>> {
    arguments.list("PolicyArns")?.iter().map(|arn| Ok(Arguments::new(arn)?.required("arn")?.to_owned())).collect()
}

fn credentials(key: &Key) -> Value {
    let (token, expiration) = match &key.owner {
        Owner::Session(session) => (session.token.as_str(), Some(shape::time(session.expires))),
        _ => ("", None),
    };
    json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret, "SessionToken": token, "Expiration": expiration})
}
