//! Passing a role to an instance: whoever does needs `iam:PassRole` on that role (semantics §17), and the profile must be there.

use std::borrow::Cow;

use iam::account::{Account, InstanceProfile};
use iam::{Arn, Facts};
use model::Model;
use query::Refusal;
use serde_json::{Value, json};

use super::{Question, Request};

/// The parameter.
const PROFILE: &str = "IamInstanceProfile";

/// Whether an operation gives instances a profile.
fn passes(operation: &str) -> bool {
    matches!(operation, "AssociateIamInstanceProfile" | "ReplaceIamInstanceProfileAssociation" | "RunInstances" | "RequestSpotInstances")
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

/// What a call says of the profile, wherever it says it.
fn written(parameters: &Value) -> Option<&Value> {
    [&parameters[PROFILE], &parameters["LaunchSpecification"][PROFILE]].into_iter().find(|profile| profile.is_object())
}

/// The profile that is meant; none where there is no such.
fn find<'a>(account: &'a Account, written: &Value) -> Option<&'a InstanceProfile> {
    match (text(written, "Arn"), text(written, "Name")) {
        (Some(arn), _) => account.profiles().find(|profile| account.profile_arn(profile) == arn),
        (None, Some(name)) => account.profile(name).ok(),
        (None, None) => None,
    }
}

/// The parameters of a launch as it is meant: those of its template below its own.
fn meant<'v>(network: Option<&Model>, operation: &str, parameters: &'v Value) -> Cow<'v, Value> {
    let is_by_template = operation == "RunInstances" && parameters["LaunchTemplate"].is_object();
    let resolved = network.filter(|_| is_by_template).and_then(|network| ec2::launch_parameters(network, parameters).ok());
    resolved.map_or(Cow::Borrowed(parameters), |(resolved, _)| Cow::Owned(resolved))
}

/// `iam:PassRole` on the role of the profile; nothing where no role is passed.
pub fn questions(account: &Account, request: &Request<'_>, known: &Facts) -> Vec<Question> {
    let parameters = meant(request.network, request.operation, request.parameters);
    let profile = written(&parameters).filter(|_| passes(request.operation)).and_then(|written| find(account, written));
    let role = profile.and_then(|profile| account.entity(iam::Kind::Role, profile.role.as_deref()?).ok());
    let Some(role) = role else { return Vec::new() };
    let mut facts = known.clone();
    facts.set("iam:PassedToService", "ec2.amazonaws.com");
    let instance = text(request.parameters, "InstanceId").map_or_else(|| "instance/*".to_owned(), |id| format!("instance/{id}"));
    let arn = Arn { partition: "aws", service: "ec2", region: request.region, account: request.account, resource: &instance };
    facts.set("iam:AssociatedResourceArn", arn.to_string());
    for (key, value) in &role.tags {
        facts.set(&format!("iam:ResourceTag/{key}"), value);
    }
    vec![Question { action: "iam:PassRole".to_owned(), resource: account.arn(role), facts }]
}

/// The parameters of a call with its instance profile, or that of its launch template, by resource name and identifier. Errors: `InvalidParameterValue` (there is no such
/// profile, or it has no role), `InvalidParameterCombination` (named twice).
pub fn settle_profile<'v>(account: &Account, network: Option<&Model>, operation: &str, parameters: &'v Value) -> Result<Cow<'v, Value>, Refusal> {
    let all = meant(network, operation, parameters);
    let Some(written) = all.get(PROFILE).filter(|profile| profile.is_object() && passes(operation)) else {
        return Ok(Cow::Borrowed(parameters));
    };
    let named = match (text(written, "Arn"), text(written, "Name")) {
        (Some(_), Some(_)) => {
            let message = "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'";
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        (Some(arn), None) => ("arn", arn, "ARN"),
        (None, Some(name)) => ("name", name, "name"),
        (None, None) => return Ok(Cow::Borrowed(parameters)),
    };
    let (member, value, word) = named;
    let Some(profile) = find(account, written) else {
        let message = format!("Value ({value}) for parameter iamInstanceProfile.{member} is invalid. Invalid IAM Instance Profile {word}");
        return Err(Refusal::new("InvalidParameterValue", message));
    };
    let arn = account.profile_arn(profile);
    if profile.role.is_none() {
        let message = format!("IAM Instance Profile \"{arn}\" has no associated IAM Roles");
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    let mut settled = parameters.clone();
    settled[PROFILE] = json!({"Arn": arn, "Id": profile.id});
    Ok(Cow::Owned(settled))
}
