//! What a lab promises about rights: `user dev ec2:TerminateInstances on instance web: denied`, as data. Reading one is `lab`'s
//! business, deciding it is `door`'s: what a call touches is known there.

use std::fmt;

use model::Origin;
use serde::{Deserialize, Serialize};

/// Whose rights.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// A user.
    User(String),
    /// Whoever has assumed a role, without policies of the session's own.
    Role(String),
    /// The account's owner.
    Root,
}

/// What an action is done to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// `instance`, `vpc`, `role`; none where the name alone says it.
    pub kind: Option<String>,
    /// A name, an id, or a resource name.
    pub name: String,
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// It may be done, to everything that is meant.
    Allowed,
    /// It may be done to nothing of that.
    Denied,
}

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Whose rights.
    pub who: Who,
    /// What is done: `ec2:TerminateInstances`, `iam:*`. At least one.
    pub actions: Vec<String>,
    /// To what; nothing: to all that there is of what such a call touches.
    pub on: Vec<Target>,
    /// What is known of the request besides: keys of conditions with their values.
    pub with: Vec<(String, String)>,
    /// What is promised.
    pub expected: Expected,
    /// Where it was written.
    pub origin: Origin,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Root => f.write_str("root"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Some(kind) => write!(f, "{kind} {}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.who, self.actions.join(", "))?;
        if !self.on.is_empty() {
            write!(f, " on {}", self.on.iter().map(Target::to_string).collect::<Vec<_>>().join(", "))?;
        }
        if !self.with.is_empty() {
            let pairs: Vec<String> = self.with.iter().map(|(key, value)| format!("{key}={value}")).collect();
            write!(f, " with {}", pairs.join(", "))?;
        }
        f.write_str(match self.expected {
            Expected::Allowed => ": allowed",
            Expected::Denied => ": denied",
        })
    }
}
