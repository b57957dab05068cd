//! Who a key is, with which policies; and keys for a while: of roles, users and instances (STS-1 … STS-3).

use model::Timestamp;
use model::tag::Tags;

use super::tag::check_tags;
use crate::account::{Account, Entity, Key, Kind, Owner, Session, SessionOf};
use crate::arn::Arn;
use crate::decision::{Named, Request, Subject, decide_trust};
use crate::document::Document;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::facts::Facts;
use crate::policy::{Caller, PolicyKind};

/// Longest policy of a session, characters that are no blanks.
const SESSION_POLICY_SIZE: usize = 2_048;
/// A session of a role that another role began lasts at most so long, seconds (STS-2).
const CHAINED: u32 = 3_600;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// `arn:aws:iam::…:user/dev`, `arn:aws:sts::…:assumed-role/ROLE/SESSION`, `arn:aws:iam::…:root`.
    pub arn: String,
    /// `AIDA…`; `AROA…:SESSION`; the account's number.
    pub user_id: String,
    /// For sessions of a role, the role's name.
    pub role_arn: Option<String>,
    /// For users, the name.
    pub user_name: Option<String>,
    /// Tags of the user or role, and of the session.
    pub tags: Tags,
    /// When its session began.
    pub token_issued: Option<Timestamp>,
    is_root: bool,
}

impl Identity {
    /// As trust policies see it.
    pub fn caller(&self) -> Caller<'_> {
        Caller { arn: &self.arn, role: self.role_arn.as_deref(), service: None }
    }

    /// Who has a key whose user or role is gone.
    pub(crate) fn unknown(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/"),
            user_id: String::new(),
            role_arn: None,
            user_name: None,
            tags: Tags::new(),
            token_issued: None,
            is_root: false,
        }
    }

    /// Whether it is the account's owner.
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Says who it is, as condition keys (IAM-15).
    pub fn describe(&self, facts: &mut Facts) {
        let principal_arn = self.role_arn.as_ref().unwrap_or(&self.arn);
        facts.set("aws:PrincipalArn", principal_arn);
        facts.set("aws:PrincipalAccount", &self.account);
        facts.set("aws:PrincipalType", match (&self.role_arn, self.is_root) {
            (Some(_), _) => "AssumedRole",
            (None, true) => "Account",
            (None, false) => "User",
        });
        facts.set("aws:userid", &self.user_id);
        if let Some(name) = &self.user_name {
            facts.set("aws:username", name);
        }
        if let Some(issued) = self.token_issued {
            facts.set("aws:TokenIssueTime", issued.iso8601());
        }
        for (key, value) in &self.tags {
            facts.set(&format!("aws:PrincipalTag/{key}"), value);
        }
    }
}

/// Who a key is. Errors: `NoSuchEntity` for a key whose user or role is gone.
pub fn caller(account: &Account, key: &Key) -> Result<Identity> {
    let root = || Identity {
        account: account.id.clone(),
        arn: format!("arn:aws:iam::{}:root", account.id),
        user_id: account.id.clone(),
        role_arn: None,
        user_name: None,
        tags: Tags::new(),
        token_issued: None,
        is_root: true,
    };
    let of_user = |name: &str| {
        let user = account.entity(Kind::User, name)?;
        let (arn, user_id) = (account.arn(user), user.id.clone());
        Ok(Identity { arn, user_id, user_name: Some(user.name.clone()), tags: user.tags.clone(), is_root: false, ..root() })
    };
    match &key.owner {
        Owner::Root => Ok(root()),
        Owner::User(name) => of_user(name),
        Owner::Session(own) => {
            let identity = match &own.of {
                SessionOf::Root => root(),
                SessionOf::User(name) => of_user(name)?,
                SessionOf::Role { role, session } => {
                    let role = account.entity(Kind::Role, role)?;
                    let arn = format!("arn:aws:sts::{}:assumed-role/{}/{session}", account.id, role.name);
                    let mut tags = role.tags.clone();
                    tags.extend(own.tags.clone());
                    let (role_arn, user_id) = (Some(account.arn(role)), format!("{}:{session}", role.id));
                    Identity { arn, user_id, role_arn, tags, is_root: false, ..root() }
                }
            };
            Ok(Identity { token_issued: Some(own.issued), ..identity })
        }
    }
}

/// A key with all policies that give and limit (IAM-2, IAM-16). Errors: `NoSuchEntity` for a key whose user or role is gone.
pub fn subject<'a>(account: &'a Account, key: &'a Key) -> Result<Subject<'a>> {
    let mut subject = Subject::default();
    let entity = match &key.owner {
        Owner::Root => return Ok(Subject { is_root: true, ..subject }),
        Owner::User(name) => account.entity(Kind::User, name)?,
        Owner::Session(session) => {
            let documents = session.policies.as_deref().map(|documents| {
                let named = |(index, document): (usize, &'a Document)| Named {
                    name: format!("session policy {}", index + 1).into(),
                    policy: document.policy(),
                };
                documents.iter().enumerate().map(named).collect()
            });
            subject.session = documents;
            match &session.of {
                SessionOf::Root => return Ok(Subject { is_root: true, ..subject }),
                SessionOf::User(name) => account.entity(Kind::User, name)?,
                SessionOf::Role { role, .. } => account.entity(Kind::Role, role)?,
            }
        }
    };
    policies_of(account, entity, &mut subject.identity);
    for group in &entity.groups {
        policies_of(account, account.entity(Kind::Group, group)?, &mut subject.identity);
    }
    if let Some(boundary) = &entity.boundary {
        let policy = account.policy(boundary)?;
        subject.boundary = policy.versions.get(&policy.default_version).map(|version| Named {
            name: format!("boundary {}", policy.name).into(),
            policy: version.document.policy(),
        });
    }
    Ok(subject)
}

/// A group by itself: nobody calls as one, but what it gives can be asked. Errors: `NoSuchEntity`.
pub fn subject_of_group<'a>(account: &'a Account, name: &str) -> Result<Subject<'a>> {
    let mut subject = Subject::default();
    policies_of(account, account.entity(Kind::Group, name)?, &mut subject.identity);
    Ok(subject)
}

fn policies_of<'a>(account: &'a Account, entity: &'a Entity, policies: &mut Vec<Named<'a>>) {
    let of = |policy: &str| format!("{} {}: {policy}", entity.kind.word(), entity.name).into();
    policies.extend(entity.inline.iter().map(|(name, document)| Named { name: of(name), policy: document.policy() }));
    for arn in &entity.attached {
        let Ok(managed) = account.policy(arn) else { continue };
        let version = managed.versions.get(&managed.default_version);
        policies.extend(version.map(|version| Named { name: of(&managed.name), policy: version.document.policy() }));
    }
}

/// Parameters of AssumeRole, when it may be assumed.
#[derive(Debug, Clone, Default)]
pub struct AssumeRole {
    /// The role's resource name.
    pub role_arn: String,
    /// What the session is called: 2 to 64 characters.
    pub session_name: String,
    /// Seconds, 900 to the role's own limit; 3,600 where none is given.
    pub duration: Option<u32>,
    /// A document that limits the session.
    pub policy: Option<String>,
    /// Managed policies that limit it.
    pub policy_arns: Vec<String>,
    /// Tags of the session.
    pub tags: Tags,
    /// Whether a role assumes it.
    pub is_chained: bool,
}

/// Begins a session of a role of this account; whether it may be assumed was decided before
/// ([`crate::decision::decide_trust`]). Errors: `NoSuchEntity`, `ValidationError` (name, duration), `MalformedPolicyDocument`,
/// `PackedPolicyTooLarge`.
pub fn assume_role(account: &mut Account, environment: &mut Environment<'_>, request: AssumeRole) -> Result<Key> {
    check_session_name(&request.session_name)?;
    check_tags(&request.tags)?;
    let role = role_by_arn(account, &request.role_arn)?;
    let name = role.name.to_ascii_lowercase();
    let longest = role.role.as_ref().map_or(CHAINED, |terms| terms.max_session_duration);
    let longest = if request.is_chained { longest.min(CHAINED) } else { longest };
    let duration = check_duration(request.duration.unwrap_or(CHAINED), longest)?;
    let mut policies = Vec::new();
    if let Some(text) = &request.policy {
        policies.push(session_policy(text)?);
    }
    for arn in &request.policy_arns {
        let policy = account.policy(arn)?;
        policies.extend(policy.versions.get(&policy.default_version).map(|version| version.document.clone()));
    }
    let is_limited = request.policy.is_some() || !request.policy_arns.is_empty();
    let of = SessionOf::Role { role: name.clone(), session: request.session_name };
    let key = begin(account, environment, of, duration, is_limited.then_some(policies), request.tags);
    if let Some(terms) = account.entity_mut(Kind::Role, &name)?.role.as_mut() {
        terms.last_used = Some(environment.now);
    }
    Ok(key)
}

/// A role of the account by its resource name. Errors: `NoSuchEntity`.
pub fn role_by_arn<'a>(account: &'a Account, arn: &str) -> Result<&'a Entity> {
    let name = Arn::parse(arn).and_then(|arn| arn.resource.rsplit('/').next().map(str::to_owned));
    let found = account.entity(Kind::Role, name.as_deref().unwrap_or(arn))?;
    match account.arn(found) == arn {
        true => Ok(found),
        false => Err(Error::new(Code::NoSuchEntity, format!("The role {arn} cannot be found."))),
    }
}

/// Seconds that a session of an instance's role lasts (as AWS's do, about).
const OF_INSTANCE: u32 = 6 * 3_600;
/// Seconds before its end from which on another one is given: clients take new ones some minutes before the old ones end.
const RENEWED: u64 = 30 * 60;

/// The session of an instance's role that its metadata gives: the one that has been given before, or a new one where there is none or
/// it ends soon; and whether it is new. `arn` is the instance profile's. Errors: `NoSuchEntity` (no such profile here, or it has no
/// role); `AccessDenied` where the role's trust policy does not let `ec2.amazonaws.com` assume it.
pub fn instance_session(account: &mut Account, environment: &mut Environment<'_>, arn: &str, instance: &str) -> Result<(Key, bool)> {
    let role = instance_role(account, arn)?;
    let name = role.name.to_ascii_lowercase();
    let service = Caller { arn: "ec2.amazonaws.com", role: None, service: Some("ec2.amazonaws.com") };
    let (role_arn, facts) = (account.arn(role), Facts::new());
    let request = Request { action: "sts:AssumeRole", resource: &role_arn, facts: &facts };
    let trust = role.role.as_ref().map(|terms| Named { name: format!("role {}: trust", role.name).into(), policy: terms.trust.policy() });
    if !trust.is_some_and(|trust| decide_trust(&Subject::default(), &service, trust, true, request).is_allowed()) {
        let message = format!("EC2 cannot assume the role {}. Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html", role.name);
        return Err(Error::new(Code::AccessDenied, message));
    }
    let of = SessionOf::Role { role: name.clone(), session: instance.to_owned() };
    let now = environment.now;
    let lasts = |key: &&Key| match &key.owner {
        Owner::Session(session) => session.of == of && session.policies.is_none() && session.expires > now.plus(RENEWED),
        _ => false,
    };
    if let Some(key) = account.keys().filter(lasts).max_by_key(|key| key.created) {
        return Ok((key.clone(), false));
    }
    let key = begin(account, environment, of, OF_INSTANCE, None, Tags::new());
    if let Some(terms) = account.entity_mut(Kind::Role, &name)?.role.as_mut() {
        terms.last_used = Some(now);
    }
    Ok((key, true))
}

/// The role that an instance has by the resource name of its profile. Errors: `NoSuchEntity`.
pub fn instance_role<'a>(account: &'a Account, arn: &str) -> Result<&'a Entity> {
    let missing = || Error::new(Code::NoSuchEntity, format!("Instance Profile {arn} cannot be found."));
    let profile = account.profiles().find(|profile| account.profile_arn(profile) == arn).ok_or_else(missing)?;
    let role = profile.role.as_deref();
    let role = role.ok_or_else(|| Error::new(Code::NoSuchEntity, format!("Instance profile {} has no role.", profile.name)))?;
    account.entity(Kind::Role, role)
}

/// Keys for a while with the rights of a user or of the account's root. Errors: `AccessDenied` for sessions (STS-3),
/// `ValidationError` (900 to 129,600 seconds; root at most an hour).
pub fn session_token(account: &mut Account, environment: &mut Environment<'_>, key: &Key, duration: Option<u32>) -> Result<Key> {
    let (of, longest) = match &key.owner {
        Owner::Root => (SessionOf::Root, 3_600),
        Owner::User(name) => (SessionOf::User(name.clone()), 129_600),
        Owner::Session(_) => return Err(Error::new(Code::AccessDenied, "Cannot call GetSessionToken with session credentials")),
    };
    let duration = check_duration(duration.unwrap_or(43_200.min(longest)), longest)?;
    Ok(begin(account, environment, of, duration, None, Tags::new()))
}

/// Forgets sessions that ended. Returns whether any did.
pub fn expire(account: &mut Account, now: Timestamp) -> bool {
    let before = account.keys.len();
    // An hour longer than they last: so long a request is told that its token ended, and not that nobody knows it.
    account.keys.retain(|_, key| !matches!(&key.owner, Owner::Session(session) if session.expires.plus(3_600) < now));
    account.keys.len() != before
}

fn begin(
    account: &mut Account,
    environment: &mut Environment<'_>,
    of: SessionOf,
    duration: u32,
    policies: Option<Vec<Document>>,
    tags: Tags,
) -> Key {
    let (id, secret, token, now) = (environment.key_id("ASIA"), environment.secret(), environment.token(), environment.now);
    let session = Session { of, token, expires: now.plus(duration.into()), issued: now, policies, tags };
    let key = Key { id: id.clone(), secret, owner: Owner::Session(session), is_active: true, created: now, last_used: None };
    account.keys.insert(id, key.clone());
    key
}

fn session_policy(text: &str) -> Result<Document> {
    Document::new(text, PolicyKind::Identity, SESSION_POLICY_SIZE).map_err(|error| match error.code {
        Code::LimitExceeded => Error::new(Code::PackedPolicyTooLarge, "The policy of the session is over 2,048 characters."),
        _ => error,
    })
}

fn check_session_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    match (2..=64).contains(&name.len()) && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(Error::new(
            Code::ValidationError,
            format!("1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: 2 to 64 of [A-Za-z0-9_+=,.@-]"),
        )),
    }
}

fn check_duration(seconds: u32, longest: u32) -> Result<u32> {
    match (900..=longest).contains(&seconds) {
        true => Ok(seconds),
        false => Err(Error::new(
            Code::ValidationError,
            format!("The requested DurationSeconds exceeds the MaxSessionDuration set for this role, or is below 900: {seconds} of at most {longest}"),
        )),
    }
}
