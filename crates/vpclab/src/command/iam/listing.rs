//! Users, groups, roles, policies, instance profiles and keys as rows, and each as JSON for `inspect`.

use ::iam::account::{Account, Entity, Key, Owner};
use ::iam::{Document, Kind};
use serde_json::{Map, Value, json};

/// What `ls` lists of identities.
pub const KINDS: [&str; 6] = ["users", "groups", "roles", "policies", "profiles", "keys"];

/// Headings, how many of them a narrow table has, and rows.
pub type Rows = (Vec<&'static str>, usize, Vec<Vec<String>>);

/// Lists things of a kind of [`KINDS`].
pub fn rows(kind: &str, account: &Account) -> Rows {
    match kind {
        "users" => (vec!["name", "groups", "policies", "boundary", "keys", "last used", "id", "arn"], 6, entities(account, Kind::User)),
        "groups" => (vec!["name", "members", "policies", "id", "arn"], 3, entities(account, Kind::Group)),
        "roles" => (vec!["name", "trusts", "policies", "boundary", "last used", "id", "arn"], 5, entities(account, Kind::Role)),
        "policies" => (vec!["name", "version", "attached", "statements", "id", "arn"], 4, policies(account)),
        "profiles" => (vec!["name", "role", "id", "arn"], 2, profiles(account)),
        _ => (vec!["id", "user", "status", "created", "last used", "service"], 6, keys(account)),
    }
}

fn joined(words: Vec<String>) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn short(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

fn policies_of(entity: &Entity) -> String {
    joined(entity.attached.iter().map(|arn| short(arn)).chain(entity.inline.keys().map(|name| format!("{name} (inline)"))).collect())
}

fn keys_of<'a>(account: &'a Account, user: &Entity) -> impl Iterator<Item = &'a Key> {
    let owner = Owner::User(user.name.to_ascii_lowercase());
    account.keys().filter(move |key| key.owner == owner)
}

fn entities(account: &Account, kind: Kind) -> Vec<Vec<String>> {
    let row = |entity: &Entity| {
        let boundary = entity.boundary.as_deref().map_or_else(|| "-".to_owned(), short);
        let mut cells = vec![entity.name.clone()];
        match kind {
            Kind::User => {
                let groups = entity.groups.iter().map(|group| account.entity(Kind::Group, group).map_or_else(|_| group.clone(), |group| group.name.clone()));
                cells.push(joined(groups.collect()));
                cells.extend([policies_of(entity), boundary]);
                cells.push(keys_of(account, entity).count().to_string());
                let used = keys_of(account, entity).filter_map(|key| key.last_used.as_ref().map(|(at, ..)| *at)).max();
                cells.push(used.map_or_else(|| "-".to_owned(), |at| at.iso8601()));
            }
            Kind::Group => {
                let key = entity.name.to_ascii_lowercase();
                let members = account.entities(Kind::User).filter(|user| user.groups.contains(&key));
                cells.push(joined(members.map(|user| user.name.clone()).collect()));
                cells.push(policies_of(entity));
            }
            Kind::Role => {
                let terms = entity.role.as_ref();
                cells.push(terms.map_or_else(String::new, |terms| trusts(&terms.trust)));
                cells.extend([policies_of(entity), boundary]);
                cells.push(terms.and_then(|terms| terms.last_used).map_or_else(|| "-".to_owned(), |at| at.iso8601()));
            }
        }
        cells.extend([entity.id.clone(), account.arn(entity)]);
        cells
    };
    account.entities(kind).map(row).collect()
}

fn trusts(document: &Document) -> String {
    let named = document.policy().statements.iter().filter_map(|statement| statement.principals.as_ref());
    joined(named.map(|principals| principals.listed().to_string()).collect())
}

fn policies(account: &Account) -> Vec<Vec<String>> {
    let attached = |arn: &str| [Kind::User, Kind::Group, Kind::Role].into_iter().flat_map(|kind| account.entities(kind)).filter(|entity| entity.attached.contains(arn)).count();
    let is_shown = |arn: &str| attached(arn) > 0 || account.own_policies().any(|(own, _)| own == arn);
    let shown = account.policies().filter(|(arn, _)| is_shown(arn));
    shown
        .map(|(arn, policy)| {
            let statements = policy.versions.get(&policy.default_version).map_or(0, |version| version.document.policy().statements.len());
            vec![policy.name.clone(), format!("v{}", policy.default_version), attached(arn).to_string(), statements.to_string(), policy.id.clone(), arn.to_owned()]
        })
        .collect()
}

fn profiles(account: &Account) -> Vec<Vec<String>> {
    let role = |role: &String| account.entity(Kind::Role, role).map_or_else(|_| role.clone(), |role| role.name.clone());
    let row = |profile: &::iam::account::InstanceProfile| {
        vec![profile.name.clone(), profile.role.as_ref().map_or_else(|| "-".to_owned(), role), profile.id.clone(), account.profile_arn(profile)]
    };
    account.profiles().map(row).collect()
}

/// Keys of users and of the owner; sessions come and go.
fn keys(account: &Account) -> Vec<Vec<String>> {
    let row = |key: &Key| {
        let whose = match &key.owner {
            Owner::Root => "(owner)".to_owned(),
            Owner::User(user) => account.entity(Kind::User, user).map_or_else(|_| user.clone(), |user| user.name.clone()),
            Owner::Session(_) => return None,
        };
        let (used, service) = key.last_used.as_ref().map_or(("-".to_owned(), "-".to_owned()), |(at, _, service)| (at.iso8601(), service.clone()));
        let status = if key.is_active { "active" } else { "inactive" };
        Some(vec![key.id.clone(), whose, status.to_owned(), key.created.iso8601(), used, service])
    };
    account.keys().filter_map(row).collect()
}

/// Everything about identities that `inspect` finds: by kind and name, without secrets.
pub fn things(account: &Account) -> Map<String, Value> {
    let mut all = Map::new();
    for (kind, word) in [(Kind::User, "users"), (Kind::Group, "groups"), (Kind::Role, "roles")] {
        all.insert(word.to_owned(), Value::Object(account.entities(kind).map(|entity| (entity.name.clone(), thing(account, entity))).collect()));
    }
    let policies = account.own_policies().map(|(arn, policy)| {
        let says = policy.versions.get(&policy.default_version).map_or_else(Vec::new, |version| sentences(&version.document));
        let shape = json!({"arn": arn, "id": policy.id, "description": policy.description, "version": format!("v{}", policy.default_version), "statements": says, "tags": policy.tags});
        (policy.name.clone(), shape)
    });
    all.insert("policies".to_owned(), Value::Object(policies.collect()));
    let profiles = account.profiles().map(|profile| {
        (profile.name.clone(), json!({"arn": account.profile_arn(profile), "id": profile.id, "role": profile.role, "tags": profile.tags}))
    });
    all.insert("instance_profiles".to_owned(), Value::Object(profiles.collect()));
    all
}

fn sentences(document: &Document) -> Vec<String> {
    document.policy().statements.iter().map(ToString::to_string).collect()
}

fn thing(account: &Account, entity: &Entity) -> Value {
    let inline: Map<String, Value> = entity.inline.iter().map(|(name, document)| (name.clone(), json!(sentences(document)))).collect();
    let key = |key: &Key| json!({"id": key.id, "active": key.is_active, "created": key.created.iso8601(), "last_used": key.last_used.as_ref().map(|(at, region, service)| format!("{} {service} {region}", at.iso8601()))});
    let mut shape = json!({
        "arn": account.arn(entity),
        "id": entity.id,
        "path": entity.path,
        "created": entity.created.iso8601(),
        "groups": entity.groups,
        "policies": entity.attached,
        "inline": inline,
        "boundary": entity.boundary,
        "tags": entity.tags,
    });
    if entity.kind == Kind::User {
        shape["keys"] = keys_of(account, entity).map(key).collect();
    }
    if let Some(terms) = &entity.role {
        shape["trust"] = json!(sentences(&terms.trust));
        shape["max_session_seconds"] = terms.max_session_duration.into();
        shape["description"] = json!(terms.description);
        shape["last_used"] = json!(terms.last_used.map(|at| at.iso8601()));
    }
    shape
}
