//! A decision: every policy that counts is asked, denials first (IAM-16, IAM-17).

use std::borrow::Cow;
use std::fmt;

use crate::facts::Facts;
use crate::policy::{Asked, Caller, Effect, Mismatch, Policy, Statement, Trust};

/// A policy with the name that people know it by.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    /// As `user dev: ReadOnly` or `group ro: inline`.
    pub name: Cow<'a, str>,
    /// The policy.
    pub policy: &'a Policy,
}

/// Who asks, with all policies that limit or give.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// The account's root, or the lab's owner: has everything (IAM-1).
    pub is_root: bool,
    /// Of the user and its groups, or of the role.
    pub identity: Vec<Named<'a>>,
    /// What identity policies can give at most.
    pub boundary: Option<Named<'a>>,
    /// What a session can have at most; none where it was begun without policies.
    pub session: Option<Vec<Named<'a>>>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `ec2:CreateVpc`.
    pub action: &'a str,
    /// The resource's name; `*` for actions that have none (EC2A-2).
    pub resource: &'a str,
    /// The values of condition keys.
    pub facts: &'a Facts,
}

/// Where a policy comes from, which is how it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Of the user, its groups, or the role.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// A policy of the session.
    Session,
    /// The trust policy of the role that is to be assumed.
    Trust,
}

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It may be done.
    Allowed,
    /// A statement denies it.
    ExplicitDeny(Source),
    /// No statement of policies that would have to allow it does.
    ImplicitDeny(Source),
}

/// A statement that was asked, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Where its policy comes from.
    pub source: Source,
    /// The policy's name.
    pub policy: String,
    /// Its place in the policy, counted from 0.
    pub index: usize,
    /// Its name, if it has one.
    pub sid: Option<String>,
    /// What it does where it applies.
    pub effect: Effect,
    /// Why it does not apply; none where it does.
    pub mismatch: Option<Mismatch>,
}

/// What came of a request, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What came of it.
    pub outcome: Outcome,
    /// Every statement that was asked, in the order of the policies.
    pub considered: Vec<Considered>,
}

impl Decision {
    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// The statements that decided: those that deny, or those that allow.
    pub fn deciding(&self) -> impl Iterator<Item = &Considered> {
        let effect = match self.outcome {
            Outcome::ExplicitDeny(_) => Some(Effect::Deny),
            Outcome::Allowed => Some(Effect::Allow),
            Outcome::ImplicitDeny(_) => None,
        };
        self.considered.iter().filter(move |statement| statement.mismatch.is_none() && Some(statement.effect) == effect)
    }
}

impl fmt::Display for Outcome {
    /// As messages of EC2 say it after the resource: `because no identity-based policy allows the …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = |source: &Source| match source {
            Source::Identity => "identity-based policy",
            Source::Boundary => "permissions boundary",
            Source::Session => "session policy",
            Source::Trust => "resource-based policy",
        };
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::ExplicitDeny(source @ Source::Identity) => write!(f, "with an explicit deny in an {}", policy(source)),
            Self::ExplicitDeny(source) => write!(f, "with an explicit deny in a {}", policy(source)),
            Self::ImplicitDeny(source) => write!(f, "because no {} allows it", policy(source)),
        }
    }
}

/// Decides a request by the policies of whoever asks (IAM-16).
pub fn decide(subject: &Subject<'_>, request: Request<'_>) -> Decision {
    let mut review = Review::new(request, None);
    if subject.is_root {
        return Decision { outcome: Outcome::Allowed, considered: Vec::new() };
    }
    let identity = review.ask_all(Source::Identity, &subject.identity);
    let boundary = subject.boundary.as_ref().map(|boundary| review.ask_all(Source::Boundary, std::slice::from_ref(boundary)));
    let session = subject.session.as_deref().map(|policies| review.ask_all(Source::Session, policies));
    let limits = [(Source::Identity, Some(identity)), (Source::Boundary, boundary), (Source::Session, session)];
    review.conclude(limits.into_iter().filter_map(|(source, says)| Some((source, says?))))
}

/// Decides whether somebody may assume a role: its trust policy must allow it, and, unless that names the caller itself in the same
/// account, the caller's own policies too (IAM-17, STS-2). `same_account`: the role is of the caller's account.
pub fn decide_trust(
    subject: &Subject<'_>,
    caller: &Caller<'_>,
    trust: Named<'_>,
    same_account: bool,
    request: Request<'_>,
) -> Decision {
    let mut review = Review::new(request, Some(caller));
    let trusted = review.ask_all(Source::Trust, std::slice::from_ref(&trust));
    if caller.service.is_some() {
        return review.conclude([(Source::Trust, trusted)]);
    }
    let is_named = trust.policy.statements.iter().any(|statement| names_directly(statement, caller, request));
    let mut needed = vec![(Source::Trust, trusted)];
    if !subject.is_root {
        let identity = review.ask_all(Source::Identity, &subject.identity);
        if same_account && is_named {
            // Only a denial of its own policies counts then.
            needed.push((Source::Identity, Says { allow: true, ..identity }));
        } else {
            needed.push((Source::Identity, identity));
            let boundary = subject.boundary.as_ref().map(std::slice::from_ref);
            needed.extend(boundary.map(|boundary| (Source::Boundary, review.ask_all(Source::Boundary, boundary))));
        }
        needed.extend(subject.session.as_deref().map(|policies| (Source::Session, review.ask_all(Source::Session, policies))));
    }
    review.conclude(needed)
}

fn names_directly(statement: &Statement, caller: &Caller<'_>, request: Request<'_>) -> bool {
    let asked = Asked { caller: Some(caller), action: request.action, resource: request.resource, facts: request.facts };
    let is_named = match &statement.principals {
        Some(crate::policy::Either::These(principals)) => principals.names(caller) == Some(Trust::Direct),
        _ => false,
    };
    is_named && statement.effect == Effect::Allow && statement.applies(asked).is_ok()
}

/// What policies of one source say together.
#[derive(Debug, Clone, Copy, Default)]
struct Says {
    allow: bool,
    deny: bool,
}

struct Review<'a> {
    request: Request<'a>,
    caller: Option<&'a Caller<'a>>,
    considered: Vec<Considered>,
}

impl<'a> Review<'a> {
    fn new(request: Request<'a>, caller: Option<&'a Caller<'a>>) -> Self {
        Self { request, caller, considered: Vec::new() }
    }

    fn ask_all(&mut self, source: Source, policies: &[Named<'_>]) -> Says {
        let Request { action, resource, facts } = self.request;
        let asked = Asked { caller: self.caller, action, resource, facts };
        let mut says = Says::default();
        for named in policies {
            for (index, statement) in named.policy.statements.iter().enumerate() {
                let mismatch = statement.applies(asked).err();
                if mismatch.is_none() {
                    match statement.effect {
                        Effect::Allow => says.allow = true,
                        Effect::Deny => says.deny = true,
                    }
                }
                let (policy, sid) = (named.name.clone().into_owned(), statement.sid.clone());
                self.considered.push(Considered { source, policy, index, sid, effect: statement.effect, mismatch });
            }
        }
        says
    }

    fn conclude(self, needed: impl IntoIterator<Item = (Source, Says)>) -> Decision {
        let needed: Vec<(Source, Says)> = needed.into_iter().collect();
        let denied = needed.iter().find(|(_, says)| says.deny);
        let missing = needed.iter().find(|(_, says)| !says.allow);
        let outcome = match (denied, missing) {
            (Some((source, _)), _) => Outcome::ExplicitDeny(*source),
            (None, Some((source, _))) => Outcome::ImplicitDeny(*source),
            (None, None) => Outcome::Allowed,
        };
        Decision { outcome, considered: self.considered }
    }
}
