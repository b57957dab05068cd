//! Who may call: the account of the scenario with its users, groups and roles, and a key for each user.

use std::collections::BTreeMap;

use iam::account::{Account, Key, Owner};
use iam::operation::{self as op, CreatePolicy, CreateRole};
use iam::{Environment, Error, Kind};
use model::Timestamp;
use model::random::SplitMix64;
use serde_json::Value;

use super::{ACCOUNT, START};
use crate::scenario::delta::Delta;

/// Accounts and what their keys are drawn from.
#[derive(Debug, Clone)]
pub struct Identities {
    /// By number.
    pub accounts: BTreeMap<String, Account>,
    random: SplitMix64,
}

impl Default for Identities {
    fn default() -> Self {
        Self::new()
    }
}

impl Identities {
    /// The account of every scenario, in which its owner alone has a key.
    pub fn new() -> Self {
        let mut identities = Self { accounts: BTreeMap::new(), random: SplitMix64(2) };
        let mut account = Account::new(ACCOUNT);
        identities.with_random(START, |environment| op::create_root_key(&mut account, environment));
        identities.accounts.insert(ACCOUNT.to_owned(), account);
        identities
    }

    /// The key of a user, or of the account's owner.
    pub fn key(&self, user: Option<&str>) -> Option<&Key> {
        let owner = user.map_or(Owner::Root, |name| Owner::User(name.to_ascii_lowercase()));
        self.accounts.get(ACCOUNT)?.keys().find(|key| key.owner == owner)
    }

    /// Runs `body` with chance that repeats.
    pub fn with_random<T>(&mut self, now: Timestamp, body: impl FnOnce(&mut Environment<'_>) -> T) -> T {
        let Self { random, .. } = self;
        let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64().to_be_bytes()[0]);
        body(&mut Environment { now, random: &mut fill })
    }

    /// Applies a delta of an identity. Errors: those of the operations.
    pub(super) fn apply(&mut self, delta: &Delta) -> Result<(), Error> {
        let Some(mut account) = self.accounts.remove(ACCOUNT) else { return Ok(()) };
        let applied = self.with_random(START, |environment| apply(&mut account, environment, delta));
        self.accounts.insert(ACCOUNT.to_owned(), account);
        applied
    }
}

fn apply(account: &mut Account, environment: &mut Environment<'_>, delta: &Delta) -> Result<(), Error> {
    match delta {
        Delta::User { name, groups, policies, boundary } => {
            if account.entity(Kind::User, name).is_err() {
                op::create_user(account, environment, name, None, Default::default())?;
                op::create_access_key(account, environment, name)?;
            }
            if let Some(groups) = groups {
                let left: Vec<String> = account.entity(Kind::User, name)?.groups.iter().cloned().collect();
                left.iter().try_for_each(|group| op::remove_user_from_group(account, group, name))?;
                groups.iter().try_for_each(|group| op::add_user_to_group(account, group, name))?;
            }
            replace_policies(account, Kind::User, name, policies.as_deref())?;
            replace_boundary(account, environment, Kind::User, name, boundary.as_ref())
        }
        Delta::UserGroup { name, policies } => {
            if account.entity(Kind::Group, name).is_err() {
                op::create_group(account, environment, name, None)?;
            }
            replace_policies(account, Kind::Group, name, policies.as_deref())
        }
        Delta::Role { name, trust, policies, boundary } => {
            let trust = trust.as_ref().map(Value::to_string);
            match (account.entity(Kind::Role, name).is_ok(), trust) {
                (true, None) => {}
                (true, Some(trust)) => op::update_trust(account, name, &trust)?,
                (false, trust) => {
                    let (name, trust) = (name.clone(), trust.unwrap_or_default());
                    op::create_role(account, environment, CreateRole { name, trust, ..CreateRole::default() })?;
                }
            }
            replace_policies(account, Kind::Role, name, policies.as_deref())?;
            replace_boundary(account, environment, Kind::Role, name, boundary.as_ref())
        }
        _ => Ok(()),
    }
}

fn replace_policies(account: &mut Account, kind: Kind, name: &str, policies: Option<&[Value]>) -> Result<(), Error> {
    let Some(policies) = policies else { return Ok(()) };
    let old: Vec<String> = account.entity(kind, name)?.inline.keys().cloned().collect();
    old.iter().try_for_each(|policy| op::delete_inline_policy(account, kind, name, policy))?;
    let mut numbered = policies.iter().zip(1..);
    numbered.try_for_each(|(policy, number)| op::put_inline_policy(account, kind, name, &format!("policy-{number}"), &policy.to_string()))
}

fn replace_boundary(
    account: &mut Account,
    environment: &mut Environment<'_>,
    kind: Kind,
    name: &str,
    boundary: Option<&Value>,
) -> Result<(), Error> {
    let Some(boundary) = boundary else { return Ok(()) };
    if let Some(old) = account.entity(kind, name)?.boundary.clone() {
        op::delete_permissions_boundary(account, kind, name)?;
        op::delete_policy(account, &old)?;
    }
    let (policy, document) = (format!("boundary-of-{}-{name}", kind.word()), boundary.to_string());
    let arn = op::create_policy(account, environment, CreatePolicy { name: policy, document, ..CreatePolicy::default() })?;
    op::put_permissions_boundary(account, kind, name, &arn)
}
