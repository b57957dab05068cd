//! Who may do what, asked without a call: what `vpclab iam why` explains and claims about rights promise. The questions are those that a
//! call is asked ([`authorise`](crate::authorise)), and so is the decision; what a call would touch is named, or all that there is.

use std::fmt;

use iam::account::{Account, Key};
use iam::api::{Reviewed, review};
use iam::claim::{Claim, Expected, Target, Who};
use iam::decision::{Named, Outcome, decide_trust};
use iam::explain::{Told, explain};
use iam::policy::{ActionPattern, WITHOUT_A_CALL};
use iam::{Arn, Effect, Facts, Kind};
use model::{Model, Timestamp};
use serde_json::Value;

use crate::authorise::{self, Resource, taken_by};
use crate::stock::{self, Thing};

/// An account and its network.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The account.
    pub account: &'a Account,
    /// Its network.
    pub network: &'a Model,
    /// The moment of the question, which conditions of time are about. The clock of a network stands still while nothing changes.
    pub now: Timestamp,
}

/// One question and what comes of it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is asked of, as people name it: `instance web`; empty for actions without a resource.
    pub on: String,
    /// The question and the decision.
    pub reviewed: Reviewed,
}

/// Why nothing could be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unasked {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// A word that was not found and those that are there, for a better hint.
    pub near: Option<Near>,
}

/// A word that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The word.
    pub word: String,
    /// What it should be the name of: `user`, `instance`.
    pub what: String,
    /// The names that there are.
    pub known: Vec<String>,
}

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn unasked(message: impl Into<String>) -> Unasked {
    Unasked { message: message.into(), hint: None, near: None }
}

impl Unasked {
    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn near(self, word: &str, what: &str, known: impl IntoIterator<Item = String>) -> Self {
        Self { near: Some(Near { word: word.to_owned(), what: what.to_owned(), known: known.into_iter().collect() }), ..self }
    }
}

/// A resource that is asked for.
struct Asking {
    on: String,
    resource: Option<Resource>,
    arn: String,
}

impl Scene<'_> {
    /// What a user, role or the owner is judged by. Errors: there is no such.
    pub fn key(&self, who: &Who) -> Result<Key, Unasked> {
        let (kind, name) = match who {
            Who::Root => return Ok(Key::of_root()),
            Who::User(name) => (Kind::User, name),
            Who::Role(name) => (Kind::Role, name),
        };
        if self.account.entity(kind, name).is_err() {
            let known = self.account.entities(kind).map(|entity| entity.name.clone());
            let error = unasked(format!("there is no {} called `{name}`", kind.word()));
            return Err(error.near(name, kind.word(), known));
        }
        Ok(if kind == Kind::User { Key::of_user(name) } else { Key::of_role(name, "session") })
    }

    /// Asks whether somebody may do something to each of what is named, or to all that there is of what such a call touches. `action` may
    /// stand for several. Errors: there is nobody, nothing, or no action of that name.
    pub fn ask(&self, who: &Who, action: &str, on: &[Target], with: &[(String, String)]) -> Result<Vec<Asked>, Unasked> {
        let key = self.key(who)?;
        let actions = actions(action);
        let is_several = actions.len() != 1;
        let mut asked = Vec::new();
        for action in &actions {
            let askings = match self.askings(action, on) {
                Ok(askings) => askings,
                // Of several actions those count that what is named can be asked for.
                Err(_) if is_several && !on.is_empty() => continue,
                Err(error) => return Err(error),
            };
            for asking in askings {
                asked.push(self.review(&key, action, asking, with));
            }
        }
        match asked.is_empty() {
            true => Err(unasked(format!("no action of `{action}` touches {}", on.iter().map(Target::to_string).collect::<Vec<_>>().join(", ")))),
            false => Ok(asked),
        }
    }

    /// The questions of a claim whose answer is not what it promises. Errors: as for [`Scene::ask`].
    pub fn judge(&self, claim: &Claim) -> Result<(usize, Vec<Asked>), Unasked> {
        let mut all = Vec::new();
        for action in &claim.actions {
            all.extend(self.ask(&claim.who, action, &claim.on, &claim.with)?);
        }
        let count = all.len();
        all.retain(|asked| asked.is_allowed() != (claim.expected == Expected::Allowed));
        Ok((count, all))
    }

    /// Every statement that was asked, and what it said. Errors: there is nobody of that name.
    pub fn told(&self, who: &Who, asked: &Asked) -> Result<Vec<Told>, Unasked> {
        let key = self.key(who)?;
        let subject = iam::operation::subject(self.account, &key).map_err(|error| unasked(error.message))?;
        let trust = self.trust(&asked.reviewed.action, &asked.reviewed.resource);
        Ok(explain(&subject, trust.as_ref(), asked.reviewed.request(), &asked.reviewed.decision))
    }

    /// The trust policy that decides with whoever assumes a role.
    fn trust(&self, action: &str, resource: &str) -> Option<Named<'_>> {
        let role = iam::operation::role_by_arn(self.account, resource).ok().filter(|_| action.eq_ignore_ascii_case("sts:AssumeRole"))?;
        Some(Named { name: format!("role {}: trust", role.name).into(), policy: role.role.as_ref()?.trust.policy() })
    }

    fn review(&self, key: &Key, action: &str, asking: Asking, with: &[(String, String)]) -> Asked {
        let mut facts = self.facts(action, &asking);
        for (at, (name, value)) in with.iter().enumerate() {
            // A key that is said several times has several values.
            let earlier = with[..at].iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
            facts.set_all(name, earlier.chain([value.clone()]));
        }
        let mut reviewed = review(self.account, key, action, &asking.arn, facts);
        if let Some(trust) = self.trust(action, &asking.arn)
            && let Ok(subject) = iam::operation::subject(self.account, key)
        {
            reviewed.decision = decide_trust(&subject, &reviewed.identity.caller(), trust, true, reviewed.request());
        }
        Asked { on: asking.on, reviewed }
    }

    fn facts(&self, action: &str, asking: &Asking) -> Facts {
        let network = self.network;
        let mut facts = Facts::new();
        facts.set("aws:CurrentTime", self.now.iso8601());
        facts.set("aws:EpochTime", self.now.0.to_string());
        facts.set("aws:SecureTransport", "false");
        facts.set("aws:RequestedRegion", &network.region.0);
        let (service, operation) = action.split_once(':').unwrap_or(("", action));
        if service.eq_ignore_ascii_case("ec2") {
            facts.set("ec2:Region", &network.region.0);
            if let Some(resource) = &asking.resource {
                authorise::describe(&self.request(operation), resource, &mut facts);
            }
        }
        if action.eq_ignore_ascii_case("iam:PassRole") {
            facts.set("iam:PassedToService", "ec2.amazonaws.com");
        }
        facts
    }

    fn request<'r>(&'r self, operation: &'r str) -> authorise::Request<'r> {
        authorise::Request {
            operation,
            region: &self.network.region.0,
            account: &self.account.id,
            parameters: &Value::Null,
            network: Some(self.network),
        }
    }

    /// What an action is asked for: what is named, or all that there is; what it makes besides.
    fn askings(&self, action: &str, on: &[Target]) -> Result<Vec<Asking>, Unasked> {
        let (service, operation) = action.split_once(':').unwrap_or(("", action));
        let kinds: Vec<&'static str> = match service.to_ascii_lowercase().as_str() {
            "ec2" => taken_by(operation),
            "iam" if operation.eq_ignore_ascii_case("PassRole") => vec!["role"],
            "iam" => iam::api::resource_type(operation).into_iter().collect(),
            "sts" if operation.eq_ignore_ascii_case("AssumeRole") => vec!["role"],
            "sts" => Vec::new(),
            // What other services touch nobody here knows: what is named is asked for as it stands.
            _ => return Ok(self.elsewhere(on)),
        };
        if kinds.is_empty() {
            return match on.iter().find(|target| target.name != "*") {
                None => Ok(vec![Asking { on: String::new(), resource: None, arn: "*".to_owned() }]),
                Some(_) => Err(unasked(format!("{action} touches no resource: nothing can be named for it")).hint("leave it out: what only looks is asked for `*`")),
            };
        }
        let made = if service.eq_ignore_ascii_case("ec2") { made(operation) } else { &[] };
        let named = on.iter().map(|target| self.find(action, target, &kinds)).collect::<Result<Vec<_>, _>>()?;
        let mut askings: Vec<Asking> = made.iter().map(|kind| self.making(operation, kind, &named)).collect();
        askings.extend(named);
        if on.is_empty() {
            for kind in kinds.iter().filter(|kind| !made.contains(kind)) {
                let all = self.all(kind);
                let none = all.is_empty();
                askings.extend(all.into_iter().map(|thing| self.asking(operation, kind, &thing)));
                if none && askings.is_empty() {
                    askings.push(self.any(operation, kind));
                }
            }
        }
        Ok(askings)
    }

    fn elsewhere(&self, on: &[Target]) -> Vec<Asking> {
        let asking = |target: &Target| Asking { on: target.to_string(), resource: None, arn: target.name.clone() };
        match on.is_empty() {
            true => vec![Asking { on: String::new(), resource: None, arn: "*".to_owned() }],
            false => on.iter().map(asking).collect(),
        }
    }

    fn all(&self, kind: &str) -> Vec<Thing> {
        match iam::arn::TYPES.contains(&kind) {
            true => stock::of_account(self.account, kind),
            false => stock::of_network(self.network, kind),
        }
    }

    fn asking(&self, operation: &str, kind: &'static str, thing: &Thing) -> Asking {
        let on = format!("{kind} {}", thing.name.as_ref().unwrap_or(&thing.id));
        if iam::arn::TYPES.contains(&kind) {
            return Asking { on, resource: None, arn: thing.id.clone() };
        }
        let resource = Resource::there(kind, &thing.id);
        let arn = authorise::name(&self.request(operation), &resource);
        Asking { on, resource: Some(resource), arn }
    }

    /// One of which nothing is there: any.
    fn any(&self, operation: &str, kind: &'static str) -> Asking {
        if iam::arn::TYPES.contains(&kind) {
            let arn = format!("arn:aws:iam::{}:{kind}/any", self.account.id);
            return Asking { on: format!("any {kind}"), resource: None, arn };
        }
        let resource = Resource::made(kind);
        let arn = authorise::name(&self.request(operation), &resource);
        Asking { on: format!("any {kind}"), resource: Some(resource), arn }
    }

    /// What a call makes, in the VPC or subnet that is named.
    fn making(&self, operation: &str, kind: &'static str, named: &[Asking]) -> Asking {
        let of = |wanted: &str| named.iter().filter_map(|asking| asking.resource.as_ref()).find(|r| r.kind == wanted).and_then(|r| r.id.clone());
        let resource = Resource { vpc: of("vpc"), subnet: of("subnet"), ..Resource::made(kind) };
        let arn = authorise::name(&self.request(operation), &resource);
        Asking { on: format!("a new {kind}"), resource: Some(resource), arn }
    }

    /// What is named. Errors: nothing is called so, several things are, or the action does not touch it.
    fn find(&self, action: &str, target: &Target, kinds: &[&'static str]) -> Result<Asking, Unasked> {
        let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
        let name = target.name.as_str();
        if name.starts_with("arn:") || name == "*" {
            return Ok(self.by_arn(name));
        }
        let wanted: Vec<&'static str> = match &target.kind {
            None => kinds.to_vec(),
            Some(kind) => kinds.iter().copied().filter(|known| known == kind).collect(),
        };
        if let (Some(kind), true) = (&target.kind, wanted.is_empty()) {
            return Err(unasked(format!("{action} does not touch {kind}")).hint(format!("it touches {}", kinds.join(", "))));
        }
        if name == "any" || name == "new" {
            return wanted.first().map(|kind| self.any(operation, kind)).ok_or_else(|| unasked(format!("{action} touches nothing")));
        }
        let mut found = Vec::new();
        for kind in &wanted {
            let all = self.all(kind);
            let is_called = |thing: &&Thing| thing.id == name || thing.name.as_deref() == Some(name);
            found.extend(all.iter().filter(is_called).map(|thing| self.asking(operation, kind, thing)));
        }
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                let word = if wanted.len() == 1 { wanted[0] } else { "thing that it touches" };
                let known = wanted.iter().flat_map(|kind| self.all(kind)).map(|thing| thing.name.unwrap_or(thing.id));
                Err(unasked(format!("no {word} is called `{name}`")).near(name, word, known))
            }
            several => {
                let hint = format!("say which: {}", found.iter().map(|asking| asking.arn.rsplit('/').next().unwrap_or_default()).collect::<Vec<_>>().join(", "));
                Err(unasked(format!("{several} things are called `{name}`")).hint(hint))
            }
        }
    }

    fn by_arn(&self, name: &str) -> Asking {
        let parts = Arn::parse(name).filter(|arn| arn.service == "ec2").and_then(|arn| arn.resource.split_once('/'));
        let resource = parts.and_then(|(kind, id)| Some(Resource::there(query::resource::named(kind)?, id)));
        Asking { on: name.to_owned(), resource, arn: name.to_owned() }
    }
}

/// What a call makes whatever is named.
fn made(operation: &str) -> &'static [&'static str] {
    match operation {
        "RunInstances" => &["instance", "network-interface", "volume"],
        _ => authorise::made_by(operation),
    }
}

/// The actions that a pattern stands for, as the API calls them; the pattern itself for services that are not served here.
fn actions(pattern: &str) -> Vec<String> {
    let Some(service) = pattern.split_once(':').and_then(|(service, _)| query::shapes::service(&service.to_ascii_lowercase())) else {
        return vec![pattern.to_owned()];
    };
    let Some(matching) = ActionPattern::new(pattern) else { return vec![pattern.to_owned()] };
    let calls = service.operation_names().map(|name| format!("{}:{name}", service.name));
    let others = WITHOUT_A_CALL.iter().map(|name| (*name).to_owned());
    let mut found: Vec<String> = calls.chain(others).filter(|name| matching.matches(name)).collect();
    found.sort();
    if found.is_empty() { vec![pattern.to_owned()] } else { found }
}

impl Asked {
    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        self.reviewed.decision.is_allowed()
    }

    /// What is asked, as people name it: `ec2:StopInstances on instance web`.
    pub fn question(&self) -> String {
        match self.on.is_empty() {
            true => self.reviewed.action.clone(),
            false => format!("{} on {}", self.reviewed.action, self.on),
        }
    }

    /// Who decided: the statements that deny or allow, or which policies would have had to.
    pub fn because(&self) -> String {
        let decision = &self.reviewed.decision;
        let mut deciding: Vec<String> = decision
            .deciding()
            .filter(|statement| statement.effect == if decision.is_allowed() { Effect::Allow } else { Effect::Deny })
            .map(|statement| {
                let number = statement.sid.as_ref().map_or_else(|| (statement.index + 1).to_string(), Clone::clone);
                format!("{}, statement {number}", statement.policy)
            })
            .collect();
        deciding.dedup();
        match decision.outcome {
            Outcome::Allowed if self.reviewed.identity.is_root() => "the account's owner may do everything".to_owned(),
            Outcome::Allowed => format!("allowed by {}", deciding.join("; ")),
            Outcome::ExplicitDeny(_) => format!("denied by {}", deciding.join("; ")),
            Outcome::ImplicitDeny(_) => format!("denied {}", decision.outcome),
        }
    }
}
