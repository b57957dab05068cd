//! An account on its way to be like another: what a lab file asks for, made in an account of its own, becomes the account that is there.
//! What stays keeps its id, its keys, its sessions and the versions of its policies; what is not wanted goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::{Account, Entity, InstanceProfile, Kind, ManagedPolicy, Owner, PolicyVersion, SessionOf};
use crate::environment::Environment;

/// Versions that a policy keeps (as AWS does).
const VERSIONS: usize = 5;

/// What is done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It appears.
    Create,
    /// It stays and is another.
    Change,
    /// It goes.
    Delete,
}

/// One difference between two accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is done.
    pub change: Change,
    /// `user`, `group`, `role`, `policy`, `instance profile`, `alias`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What about it; empty where it comes or goes.
    pub detail: String,
}

/// Makes an account like `wanted` and says what that changed, in the order in which people read it: what goes, then what comes and
/// what changes.
pub fn converge(account: &mut Account, wanted: &Account, environment: &mut Environment<'_>) -> Vec<Difference> {
    let mut differences = Vec::new();
    if account.alias != wanted.alias {
        let (change, name) = match (&account.alias, &wanted.alias) {
            (Some(old), None) => (Change::Delete, old.clone()),
            (None, new) => (Change::Create, new.clone().unwrap_or_default()),
            (Some(_), Some(new)) => (Change::Change, new.clone()),
        };
        differences.push(Difference { change, kind: "alias", name, detail: String::new() });
        account.alias.clone_from(&wanted.alias);
    }
    policies(account, wanted, environment, &mut differences);
    entities(account, wanted, environment, &mut differences);
    profiles(account, wanted, environment, &mut differences);
    forget_keys(account);
    differences.sort_by_key(|difference| difference.change != Change::Delete);
    differences
}

fn policies(account: &mut Account, wanted: &Account, environment: &mut Environment<'_>, differences: &mut Vec<Difference>) {
    let mut note = |change, name: &str, detail: String| {
        differences.push(Difference { change, kind: "policy", name: name.to_owned(), detail });
    };
    let mut old = std::mem::take(&mut account.policies);
    for (arn, new) in &wanted.policies {
        let policy = match old.remove(arn) {
            None => {
                note(Change::Create, &new.name, String::new());
                let (id, now) = (environment.id("ANPA"), environment.now);
                let versions = new.versions.iter().map(|(number, version)| (*number, PolicyVersion { created: now, ..version.clone() }));
                ManagedPolicy { id, created: now, updated: now, versions: versions.collect(), ..new.clone() }
            }
            Some(mut policy) => {
                let details = policy_becomes(&mut policy, new, environment);
                if !details.is_empty() {
                    note(Change::Change, &new.name, details.join("; "));
                }
                policy
            }
        };
        account.policies.insert(arn.clone(), policy);
    }
    old.values().for_each(|policy| note(Change::Delete, &policy.name, String::new()));
}

fn policy_becomes(policy: &mut ManagedPolicy, wanted: &ManagedPolicy, environment: &Environment<'_>) -> Vec<String> {
    let mut details = Vec::new();
    let says = |policy: &ManagedPolicy| policy.versions.get(&policy.default_version).map(|version| version.document.clone());
    if let (Some(old), Some(document)) = (says(policy), says(wanted))
        && old.policy() != document.policy()
    {
        policy.last_version += 1;
        let (number, created) = (policy.last_version, environment.now);
        details.push(format!("version v{number}"));
        policy.versions.insert(number, PolicyVersion { document, created });
        (policy.default_version, policy.updated) = (number, created);
        while policy.versions.len() > VERSIONS {
            policy.versions.pop_first();
        }
    }
    if policy.description != wanted.description {
        details.push("description".to_owned());
        policy.description.clone_from(&wanted.description);
    }
    if policy.tags != wanted.tags {
        details.push("tags".to_owned());
        policy.tags.clone_from(&wanted.tags);
    }
    policy.name.clone_from(&wanted.name);
    details
}

fn entities(account: &mut Account, wanted: &Account, environment: &mut Environment<'_>, differences: &mut Vec<Difference>) {
    let mut note = |change, entity: &Entity, detail: String| {
        differences.push(Difference { change, kind: entity.kind.word(), name: entity.name.clone(), detail });
    };
    let mut old = std::mem::take(&mut account.entities);
    for (key, new) in &wanted.entities {
        let entity = match old.remove(key) {
            None => {
                note(Change::Create, new, String::new());
                let prefix = match new.kind {
                    Kind::User => "AIDA",
                    Kind::Group => "AGPA",
                    Kind::Role => "AROA",
                };
                Entity { id: environment.id(prefix), created: environment.now, ..new.clone() }
            }
            Some(old) => {
                let details = entity_differs(&old, new);
                if !details.is_empty() {
                    note(Change::Change, new, details.join("; "));
                }
                entity_becomes(old, new)
            }
        };
        account.entities.insert(key.clone(), entity);
    }
    old.values().for_each(|entity| note(Change::Delete, entity, String::new()));
}

/// What an entity is afterwards: as wanted, with its id, its age, and the texts of documents that say the same as before.
fn entity_becomes(old: Entity, wanted: &Entity) -> Entity {
    let mut entity = Entity { id: old.id, created: old.created, ..wanted.clone() };
    for (name, document) in &mut entity.inline {
        if let Some(known) = old.inline.get(name).filter(|known| known.policy() == document.policy()) {
            document.clone_from(known);
        }
    }
    if let (Some(terms), Some(known)) = (&mut entity.role, old.role) {
        terms.last_used = known.last_used;
        if terms.trust.policy() == known.trust.policy() {
            terms.trust = known.trust;
        }
    }
    entity
}

fn entity_differs(old: &Entity, new: &Entity) -> Vec<String> {
    let mut details = Vec::new();
    let short = |arn: &String| arn.rsplit('/').next().unwrap_or(arn).to_owned();
    details.extend(sets("policies", old.attached.iter().map(short).collect(), new.attached.iter().map(short).collect()));
    details.extend(sets("inline", old.inline.keys().cloned().collect(), new.inline.keys().cloned().collect()));
    let edited = new.inline.iter().filter(|(name, document)| old.inline.get(*name).is_some_and(|known| known.policy() != document.policy()));
    details.extend(edited.map(|(name, _)| format!("inline policy {name}")));
    details.extend(sets("groups", old.groups.clone(), new.groups.clone()));
    if old.boundary != new.boundary {
        let name = new.boundary.as_ref().map_or_else(|| "none".to_owned(), short);
        details.push(format!("boundary: {name}"));
    }
    if let (Some(was), Some(is)) = (&old.role, &new.role) {
        if was.trust.policy() != is.trust.policy() {
            details.push("trust".to_owned());
        }
        if was.max_session_duration != is.max_session_duration {
            details.push(format!("max_session: {}s", is.max_session_duration));
        }
        if was.description != is.description {
            details.push("description".to_owned());
        }
    }
    if old.path != new.path {
        details.push(format!("path: {}", new.path));
    }
    if old.name != new.name {
        details.push(format!("name: {}", new.name));
    }
    if old.tags != new.tags {
        details.push("tags".to_owned());
    }
    details
}

/// `policies: +a -b`.
fn sets(what: &str, old: BTreeSet<String>, new: BTreeSet<String>) -> Option<String> {
    let come = new.difference(&old).map(|name| format!("+{name}"));
    let words: Vec<String> = come.chain(old.difference(&new).map(|name| format!("-{name}"))).collect();
    (!words.is_empty()).then(|| format!("{what}: {}", words.join(" ")))
}

fn profiles(account: &mut Account, wanted: &Account, environment: &mut Environment<'_>, differences: &mut Vec<Difference>) {
    let mut note = |change, name: &str, detail: String| {
        differences.push(Difference { change, kind: "instance profile", name: name.to_owned(), detail });
    };
    let mut old: BTreeMap<String, InstanceProfile> = std::mem::take(&mut account.profiles);
    for (key, new) in &wanted.profiles {
        let profile = match old.remove(key) {
            None => {
                note(Change::Create, &new.name, String::new());
                InstanceProfile { id: environment.id("AIPA"), created: environment.now, ..new.clone() }
            }
            Some(old) => {
                let mut details = Vec::new();
                if old.role != new.role {
                    details.push(format!("role: {}", new.role.as_deref().unwrap_or("none")));
                }
                if old.path != new.path {
                    details.push(format!("path: {}", new.path));
                }
                if old.tags != new.tags {
                    details.push("tags".to_owned());
                }
                if !details.is_empty() {
                    note(Change::Change, &new.name, details.join("; "));
                }
                InstanceProfile { id: old.id, created: old.created, ..new.clone() }
            }
        };
        account.profiles.insert(key.clone(), profile);
    }
    old.values().for_each(|profile| note(Change::Delete, &profile.name, String::new()));
}

/// Keys of users and roles that are gone go.
fn forget_keys(account: &mut Account) {
    let Account { entities, keys, .. } = account;
    let is_there = |kind, name: &String| entities.contains_key(&(kind, name.clone()));
    keys.retain(|_, key| match &key.owner {
        Owner::Root => true,
        Owner::User(name) => is_there(Kind::User, name),
        Owner::Session(session) => match &session.of {
            SessionOf::Root => true,
            SessionOf::User(name) => is_there(Kind::User, name),
            SessionOf::Role { role, .. } => is_there(Kind::Role, role),
        },
    });
}
