//! The identities of a lab file: made in an account of their own, where IAM's rules refuse with the line that is wrong; brought to the
//! account that is there; and written as a file again.

mod build;
mod export;

use std::collections::BTreeMap;

use iam::account::Account;
use iam::converge::Change as Done;
use iam::{Difference, Environment};

pub(crate) use build::build;
pub(crate) use export::export_identities;

use crate::change::{Action, Change};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::file::{LabFile, Policy, Trust};
use crate::load::{Files, Lab};
use crate::source::{Sources, Span};

/// What identities a file asks for, and what that changes.
#[derive(Debug, Clone)]
pub struct IdentityChanges {
    /// The account then.
    pub account: Account,
    /// What is done to it.
    pub changes: Vec<Change>,
}

impl Lab {
    /// Whether the file says which identities there are. Without it, those that are there stay.
    pub fn has_identities(&self) -> bool {
        self.file.iam.is_some()
    }

    /// The account that the file asks for, made anew.
    pub fn identities(&self, account_id: &str) -> Result<Account, Diagnostics> {
        let built = build(self, account_id);
        match built.problems.is_empty() {
            true => Ok(built.account),
            false => Err(Diagnostics::new(self.sources.clone(), built.problems)),
        }
    }

    /// What the account becomes: as the file asks, keys and ids kept. Nothing changes where the file has no `iam:`.
    pub fn apply_identities(&self, account: &Account, environment: &mut Environment<'_>) -> Result<IdentityChanges, Diagnostics> {
        let mut next = account.clone();
        if !self.has_identities() {
            return Ok(IdentityChanges { account: next, changes: Vec::new() });
        }
        let wanted = self.identities(&account.id)?;
        let differences = iam::converge(&mut next, &wanted, environment);
        Ok(IdentityChanges { account: next, changes: differences.into_iter().map(change).collect() })
    }
}

/// What makes one account of another, wherever they come from.
pub fn identity_changes(before: &Account, after: &Account) -> Vec<Change> {
    // Ids that are drawn on the way are nobody's.
    let mut fill = |bytes: &mut [u8]| bytes.fill(0);
    let mut environment = Environment { now: model::Timestamp(0), random: &mut fill };
    iam::converge(&mut before.clone(), after, &mut environment).into_iter().map(change).collect()
}

fn change(difference: Difference) -> Change {
    let action = match difference.change {
        Done::Create => Action::Create,
        Done::Change => Action::Change,
        Done::Delete => Action::Delete,
    };
    Change { action, kind: difference.kind, name: difference.name, detail: difference.detail }
}

/// Longest policy, bytes: IAM's own limit counts characters without blanks.
const MAX_POLICY: usize = 64 * 1024;

/// Reads policies that are in files of their own.
pub(crate) fn read_policies(file: &LabFile, files: &dyn Files, sources: &Sources, problems: &mut Vec<Diagnostic>) -> BTreeMap<Span, String> {
    let mut texts = BTreeMap::new();
    for path in policies(file).filter_map(|policy| policy.file.as_ref()) {
        let from = sources.source(path.span.file).map(|source| source.name.as_str());
        let problem = match files.read(&path.value, from) {
            Ok((_, text)) if text.len() <= MAX_POLICY => {
                texts.insert(path.span, text);
                continue;
            }
            Ok((_, text)) => format!("{}: a policy has at most {MAX_POLICY} bytes, this one has {}", path.value, text.len()),
            Err(why) => format!("{}: {why}", path.value),
        };
        problems.push(Diagnostic::new(Code::BadPolicy, path.span, problem).label("cannot be read"));
    }
    texts
}

/// Every policy of a file.
fn policies(file: &LabFile) -> impl Iterator<Item = &Policy> {
    let iam = file.iam.iter();
    iam.flat_map(|iam| {
        let managed = iam.policies.0.iter().map(|(_, managed)| &managed.policy);
        let users = iam.users.0.iter().flat_map(|(_, user)| &user.inline.0);
        let groups = iam.groups.0.iter().flat_map(|(_, group)| &group.inline.0);
        let roles = iam.roles.0.iter().flat_map(|(_, role)| &role.inline.0);
        let trusts = iam.roles.0.iter().filter_map(|(_, role)| match &role.trust {
            Some(Trust::Document(policy)) => Some(policy),
            _ => None,
        });
        managed.chain(users.chain(groups).chain(roles).map(|(_, policy)| policy)).chain(trusts)
    })
}
