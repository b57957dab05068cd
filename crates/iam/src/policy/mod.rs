//! Policy documents: what they say, and reading them from JSON (IAM-5).

mod compare;
mod condition;
mod parse;
mod pattern;
mod principal;
mod text;

pub use condition::{Clause, Operator, Quantifier, Test};
pub use parse::PolicyError;
pub use pattern::{ArnPattern, Pattern};
pub use principal::{Caller, Principals, Trust};

use crate::facts::Facts;

/// What a document is attached to; it decides which elements it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Attached to a user, group or role, or a boundary, or of a session: `Resource`, no `Principal`.
    Identity,
    /// Says who may assume a role: `Principal`, no `Resource`.
    Trust,
}

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its statements, in order.
    pub statements: Vec<Statement>,
}

/// What a statement does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Gives a right.
    Allow,
    /// Takes it, whoever gives it.
    Deny,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its name, if it has one.
    pub sid: Option<String>,
    /// Gives or takes.
    pub effect: Effect,
    /// Whose requests; in trust policies.
    pub principals: Option<Either<Principals>>,
    /// What is done.
    pub actions: Either<Vec<ActionPattern>>,
    /// To what; in identity policies.
    pub resources: Option<Either<Vec<ArnPattern>>>,
    /// Under which conditions: all of them.
    pub conditions: Vec<Clause>,
}

/// An element, or its opposite (`Action` or `NotAction`, IAM-8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Either<T> {
    /// What is listed.
    These(T),
    /// Everything but what is listed.
    AllBut(T),
}

impl<T> Either<T> {
    /// What is listed.
    pub fn listed(&self) -> &T {
        match self {
            Self::These(listed) | Self::AllBut(listed) => listed,
        }
    }

    /// Applies where the listed match, or where they do not.
    fn holds(&self, matches: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::These(listed) => matches(listed),
            Self::AllBut(listed) => !matches(listed),
        }
    }
}

/// Actions that policies speak of and that are no operations of an API: they are asked for while others are served.
pub const WITHOUT_A_CALL: &[&str] = &["iam:PassRole", "sts:TagSession", "sts:SetSourceIdentity"];

/// A pattern of actions: `ec2:Describe*`, or `*` for all (IAM-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern {
    written: String,
    lower: Pattern,
}

impl ActionPattern {
    /// Reads `SERVICE:NAME` or `*`; none where it is neither.
    pub fn new(text: &str) -> Option<Self> {
        let named = text.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        (named || text == "*").then(|| Self { written: text.to_owned(), lower: Pattern::new(&text.to_ascii_lowercase(), false) })
    }

    /// As it is written in the policy.
    pub fn text(&self) -> &str {
        &self.written
    }

    /// The service that it speaks of, in lower case; none for `*`.
    pub fn service(&self) -> Option<String> {
        self.written.split_once(':').map(|(service, _)| service.to_ascii_lowercase())
    }

    /// Whether it stands for several.
    pub fn has_wildcards(&self) -> bool {
        self.written.contains(['*', '?'])
    }

    /// Whether an action, as `ec2:CreateVpc`, is one of those that it stands for, whatever the case.
    pub fn matches(&self, action: &str) -> bool {
        self.lower.matches(&action.to_ascii_lowercase(), &Facts::default()) == Some(true)
    }

    /// Whether it stands for every action of every service.
    pub fn is_everything(&self) -> bool {
        self.lower.is_everything() || self.lower == Pattern::new("*:*", false)
    }
}

/// Why a statement says nothing of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// Its principals are others.
    Principal,
    /// Its actions are others.
    Action,
    /// Its resources are others.
    Resource,
    /// A condition does not hold.
    Condition(Clause),
}

/// What a statement is held to.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks; for trust policies.
    pub caller: Option<&'a Caller<'a>>,
    /// `ec2:CreateVpc`.
    pub action: &'a str,
    /// The resource's name, or `*` for actions that have none.
    pub resource: &'a str,
    /// The values of condition keys.
    pub facts: &'a Facts,
}

impl Statement {
    /// Whether it speaks of a request, and if not, what of it is the first that does not fit. Errors are no failures.
    pub fn applies(&self, asked: Asked<'_>) -> Result<(), Mismatch> {
        if let Some(principals) = &self.principals {
            let named = |principals: &Principals| asked.caller.is_some_and(|caller| principals.names(caller).is_some());
            if !principals.holds(named) {
                return Err(Mismatch::Principal);
            }
        }
        if !self.actions.holds(|actions| actions.iter().any(|action| action.matches(asked.action))) {
            return Err(Mismatch::Action);
        }
        if let Some(resources) = &self.resources {
            // A variable without a value matches nothing (IAM-14), in NotResource neither: then it is not among those left out.
            let fits = |resource: &ArnPattern| resource.matches(asked.resource, asked.facts) == Some(true);
            if !resources.holds(|resources| resources.iter().any(fits)) {
                return Err(Mismatch::Resource);
            }
        }
        match self.conditions.iter().find(|condition| !condition.holds(asked.facts)) {
            Some(condition) => Err(Mismatch::Condition(condition.clone())),
            None => Ok(()),
        }
    }
}
