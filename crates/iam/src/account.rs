//! An account: its users, groups, roles, policies, instance profiles and sessions (IAM-1 … IAM-4). Plain data; what changes it are
//! the operations.

use std::collections::{BTreeMap, BTreeSet};

use model::Timestamp;
use model::tag::Tags;
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::error::{Code, Error, Result};

/// What policies are attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A person or a program with keys of its own.
    User,
    /// Users with the same rights; never a principal (IAM-2).
    Group,
    /// Rights that are taken for a while (IAM-3).
    Role,
}

impl Kind {
    /// As in names: `user`.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }
}

/// An account of a lab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Its other name, if it has one.
    pub alias: Option<String>,
    /// Users, groups and roles by kind and name in lower case (IAM-4).
    #[serde(with = "pairs")]
    pub(crate) entities: BTreeMap<(Kind, String), Entity>,
    /// Managed policies by resource name.
    pub(crate) policies: BTreeMap<String, ManagedPolicy>,
    /// Instance profiles by name in lower case.
    pub(crate) profiles: BTreeMap<String, InstanceProfile>,
    /// Keys by id, of users, of the account's owner, and of sessions.
    pub(crate) keys: BTreeMap<String, Key>,
}

/// A user, a group or a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: Kind,
    /// Its name, as it was given.
    pub name: String,
    /// Where it is filed: `/` or `/team/`.
    pub path: String,
    /// `AIDA…`, `AGPA…`, `AROA…`.
    pub id: String,
    /// Since when.
    pub created: Timestamp,
    /// Tags; groups have none.
    pub tags: Tags,
    /// Policies of its own, by name.
    pub inline: BTreeMap<String, Document>,
    /// Managed policies, by resource name.
    pub attached: BTreeSet<String>,
    /// What its policies can give at most: a managed policy's name. Groups have none.
    pub boundary: Option<String>,
    /// For users: their groups, names in lower case.
    pub groups: BTreeSet<String>,
    /// For roles.
    pub role: Option<RoleTerms>,
}

/// What roles have beyond other entities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleTerms {
    /// Who may assume it.
    pub trust: Document,
    /// For how long at most, seconds: 3,600 to 43,200 (STS-2).
    pub max_session_duration: u32,
    /// What people say of it.
    pub description: Option<String>,
    /// Who assumed it last, when.
    pub last_used: Option<Timestamp>,
}

/// A policy with a name of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Its name.
    pub name: String,
    /// Where it is filed.
    pub path: String,
    /// `ANPA…`.
    pub id: String,
    /// What people say of it.
    pub description: Option<String>,
    /// Since when.
    pub created: Timestamp,
    /// When its default version was last another.
    pub updated: Timestamp,
    /// Tags.
    pub tags: Tags,
    /// Versions by number, at most five.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The one that counts.
    pub default_version: u32,
    /// The number of the last one made.
    pub last_version: u32,
}

/// A version of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// What it says.
    pub document: Document,
    /// Since when.
    pub created: Timestamp,
}

/// What gives an instance the rights of a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Its name.
    pub name: String,
    /// Where it is filed.
    pub path: String,
    /// `AIPA…`.
    pub id: String,
    /// Since when.
    pub created: Timestamp,
    /// Tags.
    pub tags: Tags,
    /// The role, name in lower case; one at most (IAM-3).
    pub role: Option<String>,
}

/// A key with its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// `AKIA…`, `ASIA…`.
    pub id: String,
    /// What requests are signed with.
    pub secret: String,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it can be used.
    pub is_active: bool,
    /// Since when.
    pub created: Timestamp,
    /// When, where (region) and for what (service) it was used last.
    pub last_used: Option<(Timestamp, String, String)>,
}

/// Whose a key is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Owner {
    /// The account's root, or the lab's owner: everything (IAM-1).
    Root,
    /// A user, name in lower case.
    User(String),
    /// A session, of a role or of a user.
    Session(Session),
}

impl Owner {
    /// Whether GetSessionToken made it. Without a second factor, which nobody has here, such a session calls nothing of IAM, and of
    /// STS only AssumeRole and GetCallerIdentity (API:GetSessionToken).
    pub fn has_session_token(&self) -> bool {
        matches!(self, Self::Session(Session { of: SessionOf::User(_) | SessionOf::Root, .. }))
    }
}

/// Rights for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// A role with the session's name, or a user whose session it is; names in lower case.
    pub of: SessionOf,
    /// What requests carry besides the signature.
    pub token: String,
    /// Until when.
    pub expires: Timestamp,
    /// Since when.
    pub issued: Timestamp,
    /// What it can have at most: documents given at its beginning, and managed policies. None: no limit of its own.
    pub policies: Option<Vec<Document>>,
    /// Tags of the session.
    pub tags: Tags,
}

/// Of whom a session is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SessionOf {
    /// A role, assumed under a name.
    Role {
        /// The role's name in lower case.
        role: String,
        /// The session's name.
        session: String,
    },
    /// A user (GetSessionToken).
    User(String),
    /// The account's root.
    Root,
}


/// Seconds within which two uses of a key are one.
const SAME_USE: u64 = 60;

impl Key {
    /// What a user is judged by who has no key, or whose key is not at hand: it signs nothing.
    pub fn of_user(name: &str) -> Self {
        Self::unsigned(Owner::User(name.to_ascii_lowercase()))
    }

    /// What a role is judged by whom nobody has assumed: it signs nothing.
    pub fn of_role(name: &str, session: &str) -> Self {
        let of = SessionOf::Role { role: name.to_ascii_lowercase(), session: session.to_owned() };
        let (expires, issued) = (Timestamp(u64::MAX), Timestamp(0));
        Self::unsigned(Owner::Session(Session { of, token: String::new(), expires, issued, policies: None, tags: Tags::new() }))
    }

    /// What the account's owner is judged by where nothing is signed.
    pub fn of_root() -> Self {
        Self::unsigned(Owner::Root)
    }

    fn unsigned(owner: Owner) -> Self {
        Self { id: String::new(), secret: String::new(), owner, is_active: true, created: Timestamp(0), last_used: None }
    }
}

impl Account {
    /// Forgets every key, sessions with theirs: for whoever writes the account where others read it.
    pub fn forget_keys(&mut self) {
        self.keys.clear();
    }

    /// An account in which nobody but its root is.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        let (alias, entities, policies) = (None, BTreeMap::new(), BTreeMap::new());
        Self { id, alias, entities, policies, profiles: BTreeMap::new(), keys: BTreeMap::new() }
    }

    /// All entities of a kind, sorted by name without regard to case.
    pub fn entities(&self, kind: Kind) -> impl Iterator<Item = &Entity> {
        self.entities.values().filter(move |entity| entity.kind == kind)
    }

    /// An entity by name, whatever the case. Errors: `NoSuchEntity`.
    pub fn entity(&self, kind: Kind, name: &str) -> Result<&Entity> {
        let found = self.entities.get(&(kind, name.to_ascii_lowercase()));
        found.ok_or_else(|| no_such(kind.word(), name))
    }

    pub(crate) fn entity_mut(&mut self, kind: Kind, name: &str) -> Result<&mut Entity> {
        let found = self.entities.get_mut(&(kind, name.to_ascii_lowercase()));
        found.ok_or_else(|| no_such(kind.word(), name))
    }

    /// The managed policies of the account itself, sorted by resource name.
    pub fn own_policies(&self) -> impl Iterator<Item = (&str, &ManagedPolicy)> {
        self.policies.iter().map(|(arn, policy)| (arn.as_str(), policy))
    }

    /// All managed policies, the account's own and those of AWS, sorted by resource name.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &ManagedPolicy)> {
        let of_aws = crate::managed::all().map(|(arn, policy)| -> (&str, &ManagedPolicy) { (arn, policy) });
        self.own_policies().chain(of_aws)
    }

    /// A managed policy, of the account or of AWS. Errors: `NoSuchEntity`.
    pub fn policy(&self, arn: &str) -> Result<&ManagedPolicy> {
        self.policies.get(arn).or_else(|| crate::managed::find(arn)).ok_or_else(|| Error::new(Code::NoSuchEntity, format!("Policy {arn} does not exist or is not attachable.")))
    }

    /// All instance profiles, sorted by name.
    pub fn profiles(&self) -> impl Iterator<Item = &InstanceProfile> {
        self.profiles.values()
    }

    /// An instance profile by name, whatever the case. Errors: `NoSuchEntity`.
    pub fn profile(&self, name: &str) -> Result<&InstanceProfile> {
        let found = self.profiles.get(&name.to_ascii_lowercase());
        found.ok_or_else(|| Error::new(Code::NoSuchEntity, format!("Instance Profile {name} cannot be found.")))
    }

    /// All keys, sorted by id.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// A key by its id.
    pub fn key(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }

    /// Notes that a key was used; whether that is news. Uses within a minute at the same place are one: AWS tells no more of them.
    pub fn note_use(&mut self, id: &str, now: Timestamp, region: &str, service: &str) -> bool {
        let Some(key) = self.keys.get_mut(id) else { return false };
        let is_known = |(at, in_region, of): &(Timestamp, String, String)| {
            now < at.plus(SAME_USE) && in_region == region && of == service
        };
        if key.last_used.as_ref().is_some_and(is_known) {
            return false;
        }
        key.last_used = Some((now, region.to_owned(), service.to_owned()));
        true
    }

    /// An entity's resource name.
    pub fn arn(&self, entity: &Entity) -> String {
        format!("arn:aws:iam::{}:{}{}{}", self.id, entity.kind.word(), entity.path, entity.name)
    }

    /// An instance profile's resource name.
    pub fn profile_arn(&self, profile: &InstanceProfile) -> String {
        format!("arn:aws:iam::{}:instance-profile{}{}", self.id, profile.path, profile.name)
    }
}

fn no_such(word: &str, name: &str) -> Error {
    Error::new(Code::NoSuchEntity, format!("The {word} with name {name} cannot be found."))
}

/// A map whose keys are no texts, as a list of pairs: JSON has no other way.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Entity, Kind};

    type Entities = BTreeMap<(Kind, String), Entity>;

    pub fn serialize<S: Serializer>(entities: &Entities, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(entities)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Entities, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}
