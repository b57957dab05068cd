//! A decision told statement by statement: which applied, which did not, and what of the request did not fit.

use crate::decision::{Considered, Decision, Named, Request, Source, Subject};
use crate::facts::Facts;
use crate::policy::{Clause, Effect, Mismatch, Statement};

/// A statement and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where its policy comes from.
    pub source: Source,
    /// The policy's name.
    pub policy: String,
    /// Its place in the policy, counted from 1.
    pub number: usize,
    /// Its name, if it has one.
    pub sid: Option<String>,
    /// What it does where it applies.
    pub effect: Effect,
    /// The statement as a sentence.
    pub says: String,
    /// Why it does not apply; none where it does.
    pub mismatch: Option<String>,
    /// Whether it is about other actions than the one that was asked for.
    pub is_of_others: bool,
}

/// Every statement that was asked. `trust` is the trust policy that was asked besides.
pub fn explain(subject: &Subject<'_>, trust: Option<&Named<'_>>, request: Request<'_>, decision: &Decision) -> Vec<Told> {
    let mut told = Vec::with_capacity(decision.considered.len());
    for considered in &decision.considered {
        let Some(statement) = statement(subject, trust, considered) else { continue };
        told.push(Told {
            source: considered.source,
            policy: considered.policy.clone(),
            number: considered.index + 1,
            sid: considered.sid.clone(),
            effect: considered.effect,
            says: statement.to_string(),
            mismatch: considered.mismatch.as_ref().map(|mismatch| why(mismatch, request)),
            is_of_others: matches!(considered.mismatch, Some(Mismatch::Action)),
        });
    }
    told
}

fn statement<'a>(subject: &'a Subject<'_>, trust: Option<&'a Named<'_>>, considered: &Considered) -> Option<&'a Statement> {
    let mut policies: Box<dyn Iterator<Item = &Named<'_>>> = match considered.source {
        Source::Identity => Box::new(subject.identity.iter()),
        Source::Boundary => Box::new(subject.boundary.iter()),
        Source::Session => Box::new(subject.session.iter().flatten()),
        Source::Trust => Box::new(trust.into_iter()),
    };
    policies.find(|named| named.name == considered.policy)?.policy.statements.get(considered.index)
}

fn why(mismatch: &Mismatch, request: Request<'_>) -> String {
    match mismatch {
        Mismatch::Principal => "it is about others".to_owned(),
        Mismatch::Action => format!("its actions do not include {}", request.action),
        Mismatch::Resource if request.resource == "*" => "this action has no resource, and only `*` stands for that".to_owned(),
        Mismatch::Resource => format!("its resources do not include {}", request.resource),
        Mismatch::Condition(clause) => condition(clause, request.facts),
    }
}

fn condition(clause: &Clause, facts: &Facts) -> String {
    let is = match facts.all(&clause.key) {
        None => format!("the request has no {}", clause.key),
        Some([]) => format!("{} is empty", clause.key),
        Some(values) => format!("{} is {}", clause.key, values.join(", ")),
    };
    format!("`{clause}` does not hold: {is}")
}
