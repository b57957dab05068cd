//! An account as the `iam:` of a lab file.

use iam::account::{Account, Entity, Kind};
use iam::policy::{PolicyKind, Statement};
use iam::{Document, Policy};
use model::Tags;
use serde_json::Value;

use crate::export::yaml::quoted;
use crate::sentence::parse_statement;

/// Lines of a lab file that say which identities an account has; none where it has none. Keys and sessions are not among them: a file
/// has no secrets.
pub fn export_identities(account: &Account) -> String {
    let mut writer = Writer { account, text: String::new() };
    writer.everything();
    match writer.text.is_empty() {
        true => String::new(),
        false => format!("iam:\n{}", writer.text),
    }
}

struct Writer<'a> {
    account: &'a Account,
    text: String,
}

/// A name as YAML reads it back as a text.
fn word(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_plain { crate::export::yaml::key(name) } else { quoted(name) }
}

fn list(words: &[String]) -> String {
    match words {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn tags(tags: &Tags) -> Option<String> {
    let pairs: Vec<String> = tags.iter().map(|(key, value)| format!("{}: {}", quoted(key), quoted(value))).collect();
    (!pairs.is_empty()).then(|| format!("tags: {{ {} }}", pairs.join(", ")))
}

impl Writer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn everything(&mut self) {
        if let Some(alias) = &self.account.alias {
            self.line(1, &format!("alias: {}", quoted(alias)));
        }
        self.policies();
        for (kind, key) in [(Kind::Group, "groups"), (Kind::User, "users"), (Kind::Role, "roles")] {
            let entities: Vec<&Entity> = self.account.entities(kind).collect();
            if !entities.is_empty() {
                self.line(1, &format!("{key}:"));
                entities.into_iter().for_each(|entity| self.entity(entity));
            }
        }
        self.profiles();
    }

    fn policies(&mut self) {
        let mut own = self.account.own_policies().peekable();
        if own.peek().is_none() {
            return;
        }
        self.line(1, "policies:");
        for (_, policy) in own {
            let Some(version) = policy.versions.get(&policy.default_version) else { continue };
            let mut more = Vec::new();
            more.extend(policy.description.as_ref().map(|description| format!("description: {}", quoted(description))));
            more.extend((policy.path != "/").then(|| format!("path: {}", quoted(&policy.path))));
            more.extend(tags(&policy.tags));
            self.line(2, &format!("{}:", word(&policy.name)));
            match more.is_empty() {
                true => self.document(3, &version.document),
                false => {
                    more.iter().for_each(|line| self.line(3, line));
                    self.line(3, "statements:");
                    self.document(4, &version.document);
                }
            }
        }
    }

    /// The statements of a document, as sentences where they say all.
    fn document(&mut self, depth: usize, document: &Document) {
        let parsed: Value = serde_json::from_str(document.text()).unwrap_or_default();
        if parsed["Version"] != "2012-10-17" || parsed.get("Id").is_some() {
            // An older version has no variables, and a sentence would have.
            let fields = parsed.as_object().into_iter().flatten().map(|(key, value)| format!("{}: {value}", quoted(key)));
            fields.collect::<Vec<_>>().iter().for_each(|line| self.line(depth, line));
            return;
        }
        let written: Vec<&Value> = match &parsed["Statement"] {
            Value::Array(statements) => statements.iter().collect(),
            one => vec![one],
        };
        for (statement, written) in document.policy().statements.iter().zip(written) {
            let line = sentence(statement).unwrap_or_else(|| written.to_string());
            self.line(depth, &format!("- {line}"));
        }
    }

    fn entity(&mut self, entity: &Entity) {
        let name = word(&entity.name);
        let mut lines = Vec::new();
        if let Some(terms) = &entity.role {
            lines.push(format!("trust: {}", trust(self.account, &terms.trust)));
            lines.extend(terms.description.as_ref().map(|description| format!("description: {}", quoted(description))));
            lines.extend((terms.max_session_duration != 3_600).then(|| format!("max_session: {}s", terms.max_session_duration)));
        }
        let groups = entity.groups.iter().filter_map(|group| self.account.entity(Kind::Group, group).ok());
        let groups: Vec<String> = groups.map(|group| word(&group.name)).collect();
        lines.extend((!groups.is_empty()).then(|| format!("groups: {}", list(&groups))));
        let attached: Vec<String> = entity.attached.iter().map(|arn| self.managed(arn)).collect();
        lines.extend((!attached.is_empty()).then(|| format!("policies: {}", list(&attached))));
        lines.extend(entity.boundary.as_ref().map(|boundary| format!("boundary: {}", self.managed(boundary))));
        lines.extend((entity.path != "/").then(|| format!("path: {}", quoted(&entity.path))));
        lines.extend(tags(&entity.tags));
        if entity.inline.is_empty() {
            self.line(2, &format!("{name}: {{ {} }}", lines.join(", ")).replace("{  }", "{}"));
            return;
        }
        self.line(2, &format!("{name}:"));
        lines.iter().for_each(|line| self.line(3, line));
        self.line(3, "inline:");
        for (policy, document) in &entity.inline {
            self.line(4, &format!("{}:", word(policy)));
            self.document(5, document);
        }
    }

    /// A managed policy as the file names it: one of AWS's or of the account by name.
    fn managed(&self, arn: &str) -> String {
        match self.account.policy(arn) {
            Ok(policy) => word(&policy.name),
            Err(_) => quoted(arn),
        }
    }

    fn profiles(&mut self) {
        if self.account.profiles().next().is_none() {
            return;
        }
        self.line(1, "instance_profiles:");
        for profile in self.account.profiles() {
            let role = profile.role.as_ref().and_then(|role| self.account.entity(Kind::Role, role).ok());
            let mut parts: Vec<String> = role.iter().map(|role| format!("role: {}", word(&role.name))).collect();
            parts.extend((profile.path != "/").then(|| format!("path: {}", quoted(&profile.path))));
            parts.extend(tags(&profile.tags));
            self.line(2, &format!("{}: {{ {} }}", word(&profile.name), parts.join(", ")).replace("{  }", "{}"));
        }
    }
}

/// A statement as a sentence, where that says the same and YAML reads it as it stands.
fn sentence(statement: &Statement) -> Option<String> {
    let text = statement.to_string().replacen(" on *", "", usize::from(statement.to_string().ends_with(" on *")));
    let again = Policy::read(&serde_json::json!({"Version": "2012-10-17", "Statement": parse_statement(&text).ok()?}), PolicyKind::Identity).ok()?;
    let is_same = again.statements == [statement.clone()];
    let is_plain = !text.contains(": ") && !text.contains(" #") && !text.ends_with(':');
    is_same.then(|| if is_plain { text.clone() } else { quoted(&text) })
}

/// Who may assume a role: words where they say all, else the document.
fn trust(account: &Account, document: &Document) -> String {
    let parsed: Value = serde_json::from_str(document.text()).unwrap_or_default();
    words(account, &parsed).map_or_else(|| parsed.to_string(), |words| list(&words))
}

fn words(account: &Account, document: &Value) -> Option<Vec<String>> {
    let statement = match &document["Statement"] {
        Value::Array(statements) if statements.len() == 1 => &statements[0],
        Value::Object(_) => &document["Statement"],
        _ => return None,
    };
    let fields = statement.as_object()?;
    let is_simple = document["Version"] == "2012-10-17"
        && fields.keys().all(|key| matches!(key.as_str(), "Effect" | "Principal" | "Action"))
        && statement["Effect"] == "Allow"
        && statement["Action"] == "sts:AssumeRole";
    if !is_simple {
        return None;
    }
    let mut words = Vec::new();
    for (kind, names) in statement["Principal"].as_object()? {
        let names: Vec<&str> = match names {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
            _ => return None,
        };
        for name in names {
            words.push(match kind.as_str() {
                "Service" => name.strip_suffix(".amazonaws.com").filter(|name| *name == "ec2").map_or_else(|| format!("service {name}"), str::to_owned),
                "AWS" => principal(account, name)?,
                _ => return None,
            });
        }
    }
    (!words.is_empty()).then_some(words)
}

/// A user, role or account as a word; names of things that are not there stay whole.
fn principal(account: &Account, name: &str) -> Option<String> {
    if name == "*" {
        return None;
    }
    if name == format!("arn:aws:iam::{}:root", account.id) || name == account.id {
        return Some("account".to_owned());
    }
    for kind in [Kind::User, Kind::Role] {
        if let Some(entity) = account.entities(kind).find(|entity| account.arn(entity) == name) {
            return Some(format!("{} {}", kind.word(), entity.name));
        }
    }
    let arn = iam::Arn::parse(name);
    match arn {
        Some(arn) if arn.resource == "root" => Some(format!("account {}", arn.account)),
        Some(_) => Some(name.to_owned()),
        None => Some(format!("account {name}")),
    }
}
