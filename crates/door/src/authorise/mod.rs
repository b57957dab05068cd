//! May whoever calls make this call of EC2? Every resource that it touches is asked for, and every one must be allowed
//! (IAM-18, EC2A-3); tags that come with it are one more question (IAM-19).
//!
//! What gives an instance a role is asked for as `iam:PassRole` besides ([`pass`]). [`demand`] says what a call touches, [`known`] what the network knows of that, [`kind`] how it is called.

mod demand;
mod kind;
mod known;
mod pass;

use iam::account::{Account, Key, Owner};
use iam::api::{Reviewed, check, encode_message};
use iam::{Arn, Facts};
use model::Model;
use query::Refusal;
use serde_json::Value;

pub use demand::Resource;
pub use kind::{made_by, taken_by};
pub use pass::settle_profile;
pub(crate) use known::describe;

/// A call of EC2 as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `CreateVpc`.
    pub operation: &'a str,
    /// The region.
    pub region: &'a str,
    /// The account.
    pub account: &'a str,
    /// In the shape of `--cli-input-json`.
    pub parameters: &'a Value,
    /// What there is; none where nothing was made yet.
    pub network: Option<&'a Model>,
}

/// Whether an operation only looks: it takes no resource (EC2A-2) and changes nothing.
pub fn is_reading(operation: &str) -> bool {
    ["Describe", "Get", "List", "Search"].iter().any(|verb| operation.starts_with(verb))
}

/// A question to the policies of whoever calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// `ec2:CreateVpc`.
    pub action: String,
    /// The name of the resource, or `*`.
    pub resource: String,
    /// What is known of it and of the request.
    pub facts: Facts,
}

/// Asks all questions. `known` is what every request knows. Errors: `UnauthorizedOperation` for the first one that is denied
/// (EC2A-4).
pub fn authorise(account: &Account, key: &Key, request: &Request<'_>, known: &Facts) -> Result<(), Refusal> {
    if key.owner == Owner::Root {
        return Ok(());
    }
    let passed = pass::questions(account, request, known);
    for question in questions(request, known).into_iter().chain(passed) {
        check(account, key, &question.action, &question.resource, question.facts).map_err(|denied| unauthorized(&denied))?;
    }
    Ok(())
}

fn unauthorized(denied: &Reviewed) -> Refusal {
    let message = format!(
        "You are not authorized to perform this operation. {}. Encoded authorization failure message: {}",
        denied.sentence(),
        encode_message(denied)
    );
    Refusal::new("UnauthorizedOperation", message)
}

/// All that a call is asked for, in the order in which it is asked.
pub fn questions(request: &Request<'_>, known: &Facts) -> Vec<Question> {
    let mut base = known.clone();
    base.set("ec2:Region", request.region);
    let action = format!("ec2:{}", request.operation);
    let touched = demand::resources(request);
    let mut questions: Vec<Question> = Vec::with_capacity(touched.len());
    for resource in &touched {
        let mut facts = base.clone();
        known::describe(request, resource, &mut facts);
        questions.push(Question { action: action.clone(), resource: name(request, resource), facts });
    }
    if touched.is_empty() {
        questions.push(Question { action, resource: "*".to_owned(), facts: base.clone() });
    }
    for (kind, tags) in demand::tag_specifications(request.parameters) {
        let mut facts = base.clone();
        facts.set("ec2:CreateAction", request.operation);
        known::describe_tags(&tags, &mut facts);
        let resource = name(request, &Resource::made(kind));
        questions.push(Question { action: "ec2:CreateTags".to_owned(), resource, facts });
    }
    questions
}

/// `arn:aws:ec2:REGION:ACCOUNT:TYPE/ID` (EC2A-1).
pub(crate) fn name(request: &Request<'_>, resource: &Resource) -> String {
    // Images may be anybody's, and the name says nobody's.
    let account = if resource.kind == "image" { "" } else { request.account };
    let resource = format!("{}/{}", resource.kind, resource.id.as_deref().unwrap_or("*"));
    Arn { partition: "aws", service: "ec2", region: request.region, account, resource: &resource }.to_string()
}
