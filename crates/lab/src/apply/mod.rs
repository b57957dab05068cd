//! A lab made real: operations on a model until it is what the file says. What exists under the same name is changed in
//! place and keeps its id; what the file no longer has goes last.

mod address;
mod instance;
mod network;
mod policy;
mod remove;
mod route;

use std::fmt;

use model::{ApiError, Model, Tags, tag};

use crate::code::Code;
use crate::decode::Pairs;
use crate::diagnostic::{Diagnostic, Diagnostics, known_names};
use crate::load::Lab;
use crate::source::{Located, Span};

/// One difference between the lab and the file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// Kind of thing, such as `security group`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What about it, if not all of it.
    pub detail: String,
}

/// What is done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It appears.
    Create,
    /// It stays and changes.
    Change,
    /// It goes.
    Delete,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Create => '+',
            Action::Change => '~',
            Action::Delete => '-',
        };
        write!(f, "{sign} {} {}", self.kind, self.name)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// Seconds of model time in which everything that was asked for settles.
const SETTLED: u64 = 300;

impl Lab {
    /// Brings `model` to what the file says, and says what that changed. On an error the model is as it was.
    ///
    /// A model without VPCs takes the file's region and account as they are; transitions are waited for in model time.
    pub fn apply(&self, model: &mut Model) -> Result<Vec<Change>, Diagnostics> {
        let (next, changes) = self.applied(model)?;
        *model = next;
        Ok(changes)
    }

    /// What [`Lab::apply`] would change.
    pub fn plan(&self, model: &Model) -> Result<Vec<Change>, Diagnostics> {
        self.applied(model).map(|(_, changes)| changes)
    }

    fn applied(&self, model: &Model) -> Result<(Model, Vec<Change>), Diagnostics> {
        let mut next = model.clone();
        if next.vpcs.is_empty() {
            next.region = self.region();
        }
        let mut apply = Apply { lab: self, model: &mut next, problems: Vec::new(), changes: Vec::new() };
        apply.everything();
        let (problems, changes) = (apply.problems, apply.changes);
        if problems.is_empty() {
            Ok((next, changes))
        } else {
            Err(Diagnostics::new(self.sources.clone(), problems))
        }
    }
}

struct Apply<'l, 'm> {
    lab: &'l Lab,
    model: &'m mut Model,
    problems: Vec<Diagnostic>,
    changes: Vec<Change>,
}

impl Apply<'_, '_> {
    fn everything(&mut self) {
        self.quotas();
        self.outside();
        self.prefix_lists();
        self.key_pairs();
        self.vpcs();
        self.security_groups();
        self.acls();
        self.instances();
        self.nat_gateways();
        self.settle();
        self.peerings();
        self.endpoints();
        self.settle();
        self.route_tables();
        self.public_addresses();
        self.remove();
        self.settle();
        self.claims();
    }

    fn settle(&mut self) {
        let now = self.model.context.now;
        self.model.advance_to(now.plus(SETTLED));
    }

    fn problem(&mut self, diagnostic: Diagnostic) {
        // What follows from a first mistake need not be said for each thing.
        if self.problems.len() < 100 {
            self.problems.push(diagnostic);
        }
    }

    /// The result of an operation; a refusal is shown where the file caused it.
    fn op<T>(&mut self, span: Span, result: Result<T, ApiError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let message = error.message.trim_end_matches('.').to_owned();
                let mut diagnostic = Diagnostic::new(Code::Refused, span, message).maybe_hint(error.hint);
                diagnostic.aws = Some(error.code);
                self.problem(diagnostic);
                None
            }
        }
    }

    fn note(&mut self, action: Action, kind: &'static str, name: &str, detail: impl Into<String>) {
        self.changes.push(Change { action, kind, name: name.to_owned(), detail: detail.into() });
    }

    fn origin(&self, span: Span) -> model::Origin {
        self.lab.sources.origin(span)
    }

    fn unknown<T>(&mut self, code: Code, what: &str, name: &Located<String>, known: Vec<String>) -> Option<T> {
        // A thing of the file that could not be made has had its own error; that it is missing now only follows.
        let (_, own) = path(&name.value);
        if !self.problems.is_empty() && known.iter().any(|known| known == own) {
            return None;
        }
        let hint = known_names(&name.value, what, known.iter().map(String::as_str));
        let problem = Diagnostic::new(code, name.span, format!("no {what} is called `{}`", name.value));
        self.problem(problem.label("not found").hint(hint));
        None
    }
}

/// The `Name` tag and what the file adds.
fn tags(name: &str, more: &Pairs<Located<String>>) -> Tags {
    let mut tags: Tags = more.0.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect();
    tags.insert("Name".to_owned(), name.to_owned());
    tags
}

fn is_called(tags: &Tags, name: &str) -> bool {
    tag::name(tags) == Some(name)
}

/// `vpc/name`, or a name alone.
fn path(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((vpc, name)) => (Some(vpc), name),
        None => (None, text),
    }
}
