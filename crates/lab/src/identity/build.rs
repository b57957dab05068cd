//! From the file to an account: operations, one after the other, in an account in which nobody is.

use iam::account::{Account, Kind};
use iam::operation::{self as op, CreatePolicy, CreateRole};
use iam::policy::PolicyKind;
use iam::{Environment, Error};
use model::random::SplitMix64;
use model::{Tags, Timestamp};
use serde_json::{Value, json};

use crate::code::Code;
use crate::decode::Pairs;
use crate::diagnostic::{Diagnostic, nearest};
use crate::file::{Iam, Policies, Policy, Promise, Role, Trust};
use crate::load::Lab;
use crate::source::{Located, Span};

/// An account as the file wants it, and what is wrong with the file.
pub(crate) struct Built {
    /// The account.
    pub account: Account,
    /// What is wrong.
    pub problems: Vec<Diagnostic>,
}

/// Makes the account that the file asks for. Ids and times in it are of no account: what becomes of it has its own.
pub(crate) fn build(lab: &Lab, account_id: &str) -> Built {
    let mut random = SplitMix64(0);
    let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64().to_be_bytes()[0]);
    let environment = Environment { now: Timestamp(0), random: &mut fill };
    let mut build = Build { lab, account: Account::new(account_id), environment, problems: Vec::new() };
    if let Some(iam) = &lab.file.iam {
        build.everything(iam);
    }
    build.instances();
    build.promises();
    Built { account: build.account, problems: build.problems }
}

struct Build<'l, 'e> {
    lab: &'l Lab,
    account: Account,
    environment: Environment<'e>,
    problems: Vec<Diagnostic>,
}

fn text(written: Option<&Located<String>>) -> Option<&str> {
    written.map(|written| written.value.as_str())
}

fn tags(written: &Pairs<Located<String>>) -> Tags {
    written.0.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect()
}

impl Build<'_, '_> {
    fn everything(&mut self, iam: &Iam) {
        if let Some(alias) = &iam.alias {
            let result = op::create_account_alias(&mut self.account, &alias.value);
            self.op(alias.span, result);
        }
        for (name, managed) in &iam.policies.0 {
            let Some(document) = self.document(&managed.policy, PolicyKind::Identity) else { continue };
            let request = CreatePolicy {
                name: name.value.clone(),
                path: managed.path.as_ref().map(|path| path.value.clone()),
                description: managed.description.as_ref().map(|description| description.value.clone()),
                document,
                tags: tags(&managed.tags),
            };
            let result = op::create_policy(&mut self.account, &mut self.environment, request);
            self.op(name.span, result);
        }
        for (name, group) in &iam.groups.0 {
            let result = op::create_group(&mut self.account, &mut self.environment, &name.value, text(group.path.as_ref()));
            if self.op(name.span, result).is_some() {
                self.policies(Kind::Group, name, &group.policies, &group.inline, None);
            }
        }
        for (name, user) in &iam.users.0 {
            let (path, tags) = (text(user.path.as_ref()), tags(&user.tags));
            let result = op::create_user(&mut self.account, &mut self.environment, &name.value, path, tags);
            if self.op(name.span, result).is_some() {
                self.policies(Kind::User, name, &user.policies, &user.inline, user.boundary.as_ref());
                self.groups(name, &user.groups.0);
            }
        }
        // A trust may name any role, so all are there before it is looked at.
        for (name, role) in &iam.roles.0 {
            self.role(iam, name, role);
        }
        for (name, profile) in &iam.instance_profiles.0 {
            let (path, tags) = (text(profile.path.as_ref()), tags(&profile.tags));
            let result = op::create_profile(&mut self.account, &mut self.environment, &name.value, path, tags);
            if self.op(name.span, result).is_some()
                && let Some(role) = profile.role.as_ref().and_then(|role| self.known(Kind::Role, role))
            {
                let result = op::add_role_to_profile(&mut self.account, &name.value, &role);
                self.op(name.span, result);
            }
        }
    }

    /// The result of an operation; a refusal is shown where the file caused it.
    fn op<T>(&mut self, span: Span, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("{} ({})", error.message.trim_end_matches('.'), error.code);
                self.problems.push(Diagnostic::new(Code::IdentityRefused, span, message));
                None
            }
        }
    }

    /// The text of a policy, which was read once to find what is wrong with it, and where.
    fn document(&mut self, policy: &Policy, kind: PolicyKind) -> Option<String> {
        if let Some(path) = &policy.file {
            let text = self.lab.policy_files.get(&path.span)?;
            return match iam::Policy::parse(text, kind) {
                Ok(_) => Some(text.clone()),
                Err(error) => {
                    let problem = Diagnostic::new(Code::BadPolicy, path.span, format!("{}: {error}", path.value));
                    self.problems.push(problem.label("this policy"));
                    None
                }
            };
        }
        let document = policy.document.as_ref()?;
        match iam::Policy::read(document, kind) {
            Ok(_) => Some(document.to_string()),
            Err(error) => {
                self.problems.push(Diagnostic::new(Code::BadPolicy, policy.place(&error.path), error.message.trim_end_matches('.')).label("here"));
                None
            }
        }
    }

    fn policies(&mut self, kind: Kind, name: &Located<String>, attached: &Policies, inline: &Pairs<Policy>, boundary: Option<&Located<String>>) {
        for policy in &attached.0 {
            if let Some(arn) = self.managed(policy) {
                let result = op::attach_policy(&mut self.account, kind, &name.value, &arn);
                self.op(policy.span, result);
            }
        }
        for (policy, written) in &inline.0 {
            if let Some(document) = self.document(written, PolicyKind::Identity) {
                let result = op::put_inline_policy(&mut self.account, kind, &name.value, &policy.value, &document);
                self.op(policy.span, result);
            }
        }
        if let Some(boundary) = boundary
            && let Some(arn) = self.managed(boundary)
        {
            let result = op::put_permissions_boundary(&mut self.account, kind, &name.value, &arn);
            self.op(boundary.span, result);
        }
    }

    /// A managed policy by what is written: the file's own, AWS's, or one by its resource name.
    fn managed(&mut self, written: &Located<String>) -> Option<String> {
        let name = written.value.as_str();
        if name.starts_with("arn:") {
            let arn = self.account.policy(name).ok().map(|_| name.to_owned());
            return arn.or_else(|| self.unknown_policy(written));
        }
        let own = self.account.own_policies().find(|(_, policy)| policy.name.eq_ignore_ascii_case(name)).map(|(arn, _)| arn.to_owned());
        own.or_else(|| iam::managed::called(name).map(str::to_owned)).or_else(|| self.unknown_policy(written))
    }

    fn unknown_policy<T>(&mut self, written: &Located<String>) -> Option<T> {
        let own = self.lab.file.iam.iter().flat_map(|iam| &iam.policies.0).map(|(name, _)| name.value.as_str());
        // One of the file that could not be made has had its own error.
        if own.clone().any(|name| name == written.value) {
            return None;
        }
        let of_aws: Vec<&str> = iam::managed::all().map(|(_, policy)| policy.name.as_str()).collect();
        let hint = match nearest(&written.value, own.chain(of_aws)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "a name under `policies:`, or one of AWS's that the lab knows: `vpclab iam policies` lists them".to_owned(),
        };
        let message = format!("no policy is called `{}`", written.value);
        self.problems.push(Diagnostic::new(Code::UnknownPolicy, written.span, message).label("not found").hint(hint));
        None
    }

    fn groups(&mut self, name: &Located<String>, groups: &[Located<String>]) {
        for group in groups {
            if let Some(own) = self.known(Kind::Group, group) {
                let result = op::add_user_to_group(&mut self.account, &own, &name.value);
                self.op(group.span, result);
            }
        }
    }

    /// The name of an entity that is there.
    fn known(&mut self, kind: Kind, written: &Located<String>) -> Option<String> {
        if let Ok(entity) = self.account.entity(kind, &written.value) {
            return Some(entity.name.clone());
        }
        let known: Vec<String> = self.account.entities(kind).map(|entity| entity.name.clone()).collect();
        self.unknown(kind.word(), written, &known)
    }

    fn unknown<T>(&mut self, word: &str, written: &Located<String>, known: &[String]) -> Option<T> {
        // One that is written and could not be made has had its own error.
        let is_written = |iam: &Iam| match word {
            "user" => iam.users.0.iter().any(|(name, _)| name.value == written.value),
            "group" => iam.groups.0.iter().any(|(name, _)| name.value == written.value),
            "role" => iam.roles.0.iter().any(|(name, _)| name.value == written.value),
            _ => iam.instance_profiles.0.iter().any(|(name, _)| name.value == written.value),
        };
        if self.lab.file.iam.as_ref().is_some_and(is_written) {
            return None;
        }
        let hint = match nearest(&written.value, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("write {word}s under `iam:`"),
            None => format!("known: {}", known.join(", ")),
        };
        let message = format!("no {word} is called `{}`", written.value);
        self.problems.push(Diagnostic::new(Code::UnknownIdentity, written.span, message).label("not found").hint(hint));
        None
    }

    fn role(&mut self, iam: &Iam, name: &Located<String>, role: &Role) {
        let Some(trust) = self.trust(iam, name, role) else { return };
        let request = CreateRole {
            name: name.value.clone(),
            path: role.path.as_ref().map(|path| path.value.clone()),
            trust,
            description: role.description.as_ref().map(|description| description.value.clone()),
            max_session_duration: role.max_session.as_ref().map(|longest| u32::try_from(longest.value.0 / 1_000).unwrap_or(u32::MAX)),
            tags: tags(&role.tags),
        };
        let span = role.max_session.as_ref().map_or(name.span, |longest| longest.span);
        let result = op::create_role(&mut self.account, &mut self.environment, request);
        let span = if matches!(&result, Err(error) if error.message.contains("MaxSessionDuration")) { span } else { name.span };
        if self.op(span, result).is_some() {
            self.policies(Kind::Role, name, &role.policies, &role.inline, role.boundary.as_ref());
        }
    }

    /// Who may assume a role, as a document.
    fn trust(&mut self, iam: &Iam, name: &Located<String>, role: &Role) -> Option<String> {
        let words = match &role.trust {
            Some(Trust::Document(policy)) => return self.document(policy, PolicyKind::Trust),
            Some(Trust::Words(words)) if !words.is_empty() => words,
            _ => {
                let problem = Diagnostic::new(Code::MissingKey, name.span, format!("role `{}` says not who may assume it", name.value));
                self.problems.push(problem.label("no `trust`").hint("`trust: ec2` for instances, `trust: user NAME` for a user"));
                return None;
            }
        };
        let (mut aws, mut services) = (Vec::new(), Vec::new());
        for word in words {
            match self.principal(iam, word)? {
                Principal::Aws(arn) => aws.push(arn),
                Principal::Service(service) => services.push(service),
            }
        }
        let mut principal = serde_json::Map::new();
        for (kind, mut names) in [("AWS", aws), ("Service", services)] {
            match names.len() {
                0 => {}
                1 => drop(principal.insert(kind.to_owned(), names.remove(0).into())),
                _ => drop(principal.insert(kind.to_owned(), names.into())),
            }
        }
        let statement = json!({"Effect": "Allow", "Principal": Value::Object(principal), "Action": "sts:AssumeRole"});
        Some(json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
    }

    fn principal(&mut self, iam: &Iam, written: &Located<String>) -> Option<Principal> {
        let words: Vec<&str> = written.value.split_whitespace().collect();
        let account = &self.account.id;
        let is_number = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        match words.as_slice() {
            ["account"] => Some(Principal::Aws(format!("arn:aws:iam::{account}:root"))),
            ["account", number] if is_number(number) => Some(Principal::Aws(format!("arn:aws:iam::{number}:root"))),
            ["service", name] if name.contains('.') => Some(Principal::Service((*name).to_owned())),
            ["service", name] => Some(Principal::Service(format!("{name}.amazonaws.com"))),
            ["user", _] => {
                let name = Located::new(words[1].to_owned(), written.span);
                let name = self.known(Kind::User, &name)?;
                self.account.entity(Kind::User, &name).ok().map(|user| Principal::Aws(self.account.arn(user)))
            }
            ["role", wanted] => match iam.roles.0.iter().find(|(name, _)| name.value.eq_ignore_ascii_case(wanted)) {
                Some((name, role)) => {
                    let path = text(role.path.as_ref()).unwrap_or("/");
                    Some(Principal::Aws(format!("arn:aws:iam::{account}:role{path}{}", name.value)))
                }
                None => {
                    let known: Vec<String> = iam.roles.0.iter().map(|(name, _)| name.value.clone()).collect();
                    self.unknown("role", &Located::new((*wanted).to_owned(), written.span), &known)
                }
            },
            [arn] if arn.starts_with("arn:") => Some(Principal::Aws((*arn).to_owned())),
            [service @ ("ec2" | "lambda" | "ecs-tasks" | "vpc-flow-logs" | "ssm")] => Some(Principal::Service(format!("{service}.amazonaws.com"))),
            [service] if service.ends_with(".amazonaws.com") => Some(Principal::Service((*service).to_owned())),
            _ => {
                let near = words.first().and_then(|word| nearest(word, ["ec2", "user", "role", "account", "service"]));
                let hint = match near.filter(|near| words.first() != Some(near)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`ec2`, `user NAME`, `role NAME`, `account`, `account NUMBER`, `service NAME`, or a resource name".to_owned(),
                };
                let message = format!("`{}` is nobody who could assume a role", written.value);
                self.problems.push(Diagnostic::new(Code::BadTrust, written.span, message).label("not understood").hint(hint));
                None
            }
        }
    }

    /// Roles that instances name have an instance profile of their own name.
    fn instances(&mut self) {
        for (_, instance) in &self.lab.instances {
            if let (Some(role), Some(profile)) = (&instance.role, &instance.profile) {
                let problem = Diagnostic::new(Code::Conflict, profile.span, "`role` and `profile` both say which role the instance has");
                self.problems.push(problem.label("one too many").other(role.span, "the role"));
                continue;
            }
            if let Some(role) = &instance.role
                && let Some(name) = self.known(Kind::Role, role)
            {
                let has = self.account.profile(&name).ok().map(|profile| profile.role.clone());
                match has {
                    None => {
                        let made = op::create_profile(&mut self.account, &mut self.environment, &name, None, Tags::new())
                            .and_then(|()| op::add_role_to_profile(&mut self.account, &name, &name));
                        self.op(role.span, made);
                    }
                    Some(own) if own.as_deref() != Some(name.to_ascii_lowercase().as_str()) => {
                        let problem = Diagnostic::new(Code::Conflict, role.span, format!("the instance profile `{name}` is of another role"));
                        self.problems.push(problem.label("by this name").hint("name a profile instead: `profile: NAME`"));
                    }
                    Some(_) => {}
                }
            }
            if let Some(profile) = &instance.profile
                && self.account.profile(&profile.value).is_err()
            {
                let known: Vec<String> = self.account.profiles().map(|profile| profile.name.clone()).collect();
                self.unknown::<()>("instance profile", profile, &known);
            }
        }
    }

    /// Users and roles that claims name must be there, where the file says who is.
    fn promises(&mut self) {
        if self.lab.file.iam.is_none() {
            return;
        }
        for promise in &self.lab.file.expect {
            let Promise::Right(phrase) = promise else { continue };
            let (kind, name) = match &phrase.claim.who {
                iam::claim::Who::User(name) => (Kind::User, name),
                iam::claim::Who::Role(name) => (Kind::Role, name),
                iam::claim::Who::Root => continue,
            };
            self.known(kind, &Located::new(name.clone(), phrase.who));
        }
    }
}

enum Principal {
    Aws(String),
    Service(String),
}
