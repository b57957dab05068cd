//! What would come of calls that nobody makes: SimulatePrincipalPolicy, SimulateCustomPolicy, and the keys that policies ask for. The
//! same decision as for real calls; what the lab knows of resources is not asked: `ContextEntries` says it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::page::page;
use super::{Asked, Of, Operation};
use crate::account::{Account, Key, Kind};
use crate::arn::Arn;
use crate::decision::{Decision, Named, Outcome, Request, Source, Subject, decide};
use crate::document::Document;
use crate::error::{Code, Error, Result};
use crate::facts::Facts;
use crate::operation;
use crate::policy::{Policy, PolicyKind};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("GetContextKeysForCustomPolicy", Of::Nothing, keys_for_custom),
    ("GetContextKeysForPrincipalPolicy", Of::Source, keys_for_principal),
    ("SimulateCustomPolicy", Of::Nothing, simulate_custom),
    ("SimulatePrincipalPolicy", Of::Source, simulate_principal),
];

/// Longest document of a simulation, characters that are no blanks.
const SIZE: usize = 131_072;

fn documents(arguments: &Arguments<'_>, name: &str) -> Result<Vec<Document>> {
    arguments.texts(name)?.into_iter().map(|text| Document::new(text, PolicyKind::Identity, SIZE)).collect()
}

fn named<'a>(documents: &'a [Document], word: &'a str) -> impl Iterator<Item = Named<'a>> {
    let name = move |(index, document): (usize, &'a Document)| Named {
        name: format!("{word}.{}", index + 1).into(),
        policy: document.policy(),
    };
    documents.iter().enumerate().map(name)
}

/// The user, group or role of a resource name. Errors: `InvalidInput` for anything else, `NoSuchEntity`.
fn principal(account: &Account, arn: &str) -> Result<(Kind, String)> {
    let invalid = || Error::new(Code::InvalidInput, format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."));
    let parsed = Arn::parse(arn).filter(|arn| arn.service == "iam").ok_or_else(invalid)?;
    let (word, path) = parsed.resource.split_once('/').ok_or_else(invalid)?;
    let kind = [Kind::User, Kind::Group, Kind::Role].into_iter().find(|kind| kind.word() == word).ok_or_else(invalid)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    Ok((kind, account.entity(kind, name)?.name.clone()))
}

fn simulate_custom(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let (policies, boundaries) = (documents(arguments, "PolicyInputList")?, documents(arguments, "PermissionsBoundaryPolicyInputList")?);
    if policies.is_empty() {
        return Err(Error::new(Code::ValidationError, "1 validation error detected: Value null at 'policyInputList' failed to satisfy constraint: Member must not be null"));
    }
    let subject = Subject {
        identity: named(&policies, "PolicyInputList").collect(),
        boundary: named(&boundaries, "PermissionsBoundaryPolicyInputList").next(),
        ..Subject::default()
    };
    let facts = facts(asked, arguments, None)?;
    simulate(&subject, arguments, &facts)
}

fn simulate_principal(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let (kind, name) = principal(asked.account, arguments.required("PolicySourceArn")?)?;
    let (more, boundaries) = (documents(arguments, "PolicyInputList")?, documents(arguments, "PermissionsBoundaryPolicyInputList")?);
    let key = match kind {
        Kind::Role => Some(Key::of_role(&name, "simulation")),
        Kind::User => Some(Key::of_user(&name)),
        Kind::Group => None,
    };
    let facts = facts(asked, arguments, key.as_ref())?;
    let mut subject = match &key {
        Some(key) => operation::subject(asked.account, key)?,
        None => operation::subject_of_group(asked.account, &name)?,
    };
    subject.identity.extend(named(&more, "PolicyInputList"));
    if let Some(boundary) = named(&boundaries, "PermissionsBoundaryPolicyInputList").next() {
        subject.boundary = Some(boundary);
    }
    simulate(&subject, arguments, &facts)
}

/// What is known of the request: whose it would be, and what the caller says.
fn facts(asked: &Asked<'_, '_>, arguments: &Arguments<'_>, key: Option<&Key>) -> Result<Facts> {
    let mut facts = Facts::new();
    facts.set("aws:CurrentTime", asked.environment.now.iso8601());
    facts.set("aws:EpochTime", asked.environment.now.0.to_string());
    if let Some(key) = key {
        operation::caller(asked.account, key)?.describe(&mut facts);
    }
    for entry in arguments.list("ContextEntries")? {
        let entry = Arguments::new(entry)?;
        facts.set_all(entry.required("ContextKeyName")?, entry.texts("ContextKeyValues")?);
    }
    Ok(facts)
}

fn simulate(subject: &Subject<'_>, arguments: &Arguments<'_>, facts: &Facts) -> Result<Value> {
    let actions = arguments.texts("ActionNames")?;
    if let Some(other) = actions.iter().find(|action| !action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty())) {
        return Err(Error::new(Code::InvalidInput, format!("Invalid Action Name: {other}")));
    }
    let mut resources = arguments.texts("ResourceArns")?;
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let mut results = Vec::with_capacity(actions.len() * resources.len());
    for action in &actions {
        for resource in &resources {
            let decision = decide(subject, Request { action, resource, facts });
            results.push(result(subject, action, resource, facts, &decision));
        }
    }
    page("EvaluationResults", results, arguments)
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::ExplicitDeny(_) => "explicitDeny",
        Outcome::ImplicitDeny(_) => "implicitDeny",
    }
}

fn result(subject: &Subject<'_>, action: &str, resource: &str, facts: &Facts, decision: &Decision) -> Value {
    let statement = |statement: &crate::decision::Considered| {
        let kind = match statement.source {
            Source::Boundary => "Permissions Boundary Policy",
            _ => "IAM Policy",
        };
        json!({"SourcePolicyId": statement.policy, "SourcePolicyType": kind})
    };
    let policies = subject.identity.iter().chain(&subject.boundary).map(|named| named.policy);
    let missing: BTreeSet<String> = keys(policies).into_iter().filter(|key| facts.all(key).is_none()).collect();
    let mut shape = json!({
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": word(decision.outcome),
        "MatchedStatements": decision.deciding().map(statement).collect::<Value>(),
        "MissingContextValues": missing.into_iter().map(Value::from).collect::<Value>(),
    });
    if subject.boundary.is_some() {
        let is_allowed = decision.considered.iter().any(|statement| {
            statement.source == Source::Boundary && statement.mismatch.is_none() && statement.effect == crate::Effect::Allow
        });
        shape["PermissionsBoundaryDecisionDetail"] = json!({"AllowedByPermissionsBoundary": is_allowed});
    }
    shape
}

/// Keys of conditions, and of variables, that policies ask for.
fn keys<'a>(policies: impl Iterator<Item = &'a Policy>) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for statement in policies.flat_map(|policy| &policy.statements) {
        for clause in &statement.conditions {
            keys.insert(clause.key.clone());
            keys.extend(clause.values.iter().flat_map(|value| value.variables()).map(str::to_owned));
        }
        let resources = statement.resources.iter().flat_map(|resources| resources.listed());
        keys.extend(resources.flat_map(|resource| resource.variables()).map(str::to_owned));
    }
    keys
}

fn shown(keys: BTreeSet<String>) -> Value {
    json!({"ContextKeyNames": keys.into_iter().map(Value::from).collect::<Value>()})
}

fn keys_for_custom(_: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let documents = documents(arguments, "PolicyInputList")?;
    Ok(shown(keys(documents.iter().map(Document::policy))))
}

fn keys_for_principal(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let (kind, name) = principal(asked.account, arguments.required("PolicySourceArn")?)?;
    let more = documents(arguments, "PolicyInputList")?;
    let key = match kind {
        Kind::Role => Some(Key::of_role(&name, "simulation")),
        Kind::User => Some(Key::of_user(&name)),
        Kind::Group => None,
    };
    let subject = match &key {
        Some(key) => operation::subject(asked.account, key)?,
        None => operation::subject_of_group(asked.account, &name)?,
    };
    let own = subject.identity.iter().map(|named| named.policy);
    Ok(shown(keys(own.chain(more.iter().map(Document::policy)))))
}
