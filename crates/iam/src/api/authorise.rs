//! May whoever calls do this? And what a refusal says (EC2A-4, EC2A-5).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::account::{Account, Key};
use crate::decision::{Decision, Outcome, Request, decide};
use crate::error::{Code, Error, Result};
use crate::facts::Facts;
use crate::operation::{self, Identity};
use crate::policy::Effect;

/// A request with what came of it, and all that is needed to explain that.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// Who asked.
    pub identity: Identity,
    /// For what.
    pub action: String,
    /// On what.
    pub resource: String,
    /// What was known of the request.
    pub facts: Facts,
    /// What came of it.
    pub decision: Decision,
}

/// Asks whether the owner of a key may do something. Errors: it may not. A key whose user or role is gone may do nothing.
pub fn check(account: &Account, key: &Key, action: &str, resource: &str, facts: Facts) -> std::result::Result<(), Box<Reviewed>> {
    let reviewed = review(account, key, action, resource, facts);
    if reviewed.decision.is_allowed() { Ok(()) } else { Err(Box::new(reviewed)) }
}

/// The same, with all that is needed to explain it, whatever comes of it.
pub fn review(account: &Account, key: &Key, action: &str, resource: &str, mut facts: Facts) -> Reviewed {
    let (action, resource) = (action.to_owned(), resource.to_owned());
    let (Ok(identity), Ok(subject)) = (operation::caller(account, key), operation::subject(account, key)) else {
        let decision = Decision { outcome: Outcome::ImplicitDeny(crate::decision::Source::Identity), considered: Vec::new() };
        return Reviewed { identity: Identity::unknown(&account.id), action, resource, facts, decision };
    };
    identity.describe(&mut facts);
    let decision = decide(&subject, Request { action: &action, resource: &resource, facts: &facts });
    Reviewed { identity, action, resource, facts, decision }
}

impl Reviewed {
    /// What was asked.
    pub fn request(&self) -> Request<'_> {
        Request { action: &self.action, resource: &self.resource, facts: &self.facts }
    }

    /// As IAM and STS say it.
    pub fn access_denied(&self) -> Error {
        Error::new(Code::AccessDenied, self.sentence())
    }

    /// Who may not do what on what, and why.
    pub fn sentence(&self) -> String {
        let (who, action, outcome) = (&self.identity.arn, &self.action, self.decision.outcome);
        let why = match outcome {
            Outcome::ImplicitDeny(_) => outcome.to_string().replace("allows it", &format!("allows the {action} action")),
            _ => outcome.to_string(),
        };
        let on = if self.resource == "*" { String::new() } else { format!(" on resource: {}", self.resource) };
        format!("User: {who} is not authorized to perform: {action}{on} {why}")
    }
}

/// A refusal as a text that clients carry about and [`decode_message`] explains. It is encoded and not encrypted: nothing in a lab is
/// secret from whoever asked.
pub fn encode_message(denied: &Reviewed) -> String {
    let statements = denied.decision.deciding().map(|statement| {
        json!({
            "statementId": statement.sid,
            "effect": if statement.effect == Effect::Allow { "ALLOW" } else { "DENY" },
            "policy": statement.policy,
            "statement": statement.index,
        })
    });
    let conditions = denied.facts.iter().map(|(key, values)| {
        let values: Value = values.iter().map(|value| json!({"value": value})).collect();
        json!({"key": key, "values": {"items": values}})
    });
    let message = json!({
        "allowed": false,
        "explicitDeny": matches!(denied.decision.outcome, Outcome::ExplicitDeny(_)),
        "matchedStatements": {"items": statements.collect::<Value>()},
        "failures": {"items": []},
        "context": {
            "principal": {
                "id": denied.identity.user_id,
                "name": denied.identity.user_name,
                "arn": denied.identity.arn,
            },
            "action": denied.action,
            "resource": denied.resource,
            "conditions": {"items": conditions.collect::<Value>()},
        },
    });
    URL_SAFE_NO_PAD.encode(message.to_string())
}

/// What an encoded refusal says, as JSON. Errors: `InvalidAuthorizationMessageException`.
pub fn decode_message(encoded: &str) -> Result<String> {
    let invalid = || Error::new(Code::InvalidAuthorizationMessageException, "The message is not one that was encoded here.");
    let bytes = URL_SAFE_NO_PAD.decode(encoded.trim()).map_err(|_| invalid())?;
    let message: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    match message.get("context").is_some() {
        true => Ok(message.to_string()),
        false => Err(invalid()),
    }
}
