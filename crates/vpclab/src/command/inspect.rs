//! `inspect`: everything that the model says about one thing, and who refers to it.

use std::process::ExitCode;

use clap::Args;
use model::Model;
use sandbox::client::Disks;
use serde_json::{Map, Value, json};

use super::running::Running;
use super::source::did_you_mean;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Name, id or address
    pub name: String,
}

/// A thing of the model as JSON, under the name of its kind.
struct Thing<'m> {
    kind: &'m str,
    id: &'m str,
    value: &'m Value,
}

/// Prints what is found; several things of one name one after another.
pub fn run(arguments: &InspectArgs, global: &Global, output: &Output) -> Result {
    let running = Running::open(global)?;
    let mut whole = as_json(&running.model)?;
    let identities = super::iam::listing::things(&running.daemon().identities(&running.name)?.account);
    whole.as_object_mut().into_iter().for_each(|whole| whole.extend(identities.clone()));
    let things = things(&whole);
    let found: Vec<&Thing<'_>> = things.iter().filter(|thing| thing.is_called(&arguments.name)).collect();
    if found.is_empty() {
        let names: Vec<&str> = things.iter().filter_map(Thing::name).collect();
        let failure = Failure::usage(format!("lab {} has nothing called `{}`", running.name, arguments.name));
        let failure = failure.hint(did_you_mean(&arguments.name, "thing", &names));
        return Err(super::containers::or_container(failure, "inspect", &arguments.name, &running));
    }
    let (limits, files) = limits_and_files(&running).unzip();
    let described: Vec<Value> = found
        .iter()
        .map(|thing| {
            let mut value = described(thing, &things);
            if let ("instances", Some(limits), Value::Object(object)) = (thing.kind, &limits, &mut value) {
                object.insert("limits".to_owned(), json!(limits));
                if let Some(files) = files.as_ref().and_then(Option::as_ref) {
                    object.insert("files".to_owned(), json!(files));
                }
            }
            value
        })
        .collect();
    if output.format == Format::Json {
        output.json(&described)?;
    } else {
        for value in &described {
            let mut text = String::new();
            lines(value, 0, &mut text);
            output.line(text.trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Which limits of an instance's type this machine enforces, and how files are kept once an instance has run something;
/// `None` when the lab cannot be asked.
fn limits_and_files(running: &Running) -> Option<(String, Option<String>)> {
    let stats = running.holder().ok()?.stats().ok()?;
    let files = stats.disks.map(|disks| match disks {
        Disks::OnDisk => "kept on disk".to_owned(),
        Disks::InMemory { why } => format!("kept in memory, until the machine restarts ({why})"),
    });
    Some((if stats.enforced.is_empty() { "not enforced".to_owned() } else { stats.enforced.join(", ") }, files))
}

fn as_json(model: &Model) -> Result<Value> {
    serde_json::to_value(model).map_err(|e| Failure::environment(format!("the model: {e}")))
}

/// Everything in the model's maps that has an identifier or a name of its own.
fn things(whole: &Value) -> Vec<Thing<'_>> {
    let kinds = whole.as_object().into_iter().flatten();
    kinds
        // Guests are told with their instances, quotas and clocks are nobody's.
        .filter(|(kind, _)| !matches!(kind.as_str(), "guests" | "quotas" | "context"))
        .filter_map(|(kind, map)| Some((kind, map.as_object()?)))
        .flat_map(|(kind, map)| map.iter().map(move |(id, value)| Thing { kind, id, value }))
        .filter(|thing| thing.value.is_object())
        .chain(devices(whole))
        .collect()
}

/// Devices of lans.
fn devices(whole: &Value) -> impl Iterator<Item = Thing<'_>> {
    let lans = whole.get("lans").and_then(Value::as_object).into_iter().flatten();
    let devices = lans.filter_map(|(_, lan)| lan.get("devices").and_then(Value::as_object)).flatten();
    // An enumeration: the one entry of the object says which.
    devices.filter_map(|(id, device)| {
        let (_, value) = device.as_object()?.iter().next()?;
        Some(Thing { kind: "devices", id, value })
    })
}

impl Thing<'_> {
    fn name(&self) -> Option<&str> {
        let tag = self.value.get("tags").and_then(|tags| tags.get("Name")).and_then(Value::as_str);
        tag.or_else(|| self.value.get("group_name").and_then(Value::as_str)).or(match self.kind {
            "outside" | "key_pairs" | "lans" | "devices" | "users" | "groups" | "roles" | "policies" | "instance_profiles" => Some(self.id),
            _ => None,
        })
    }

    fn is_called(&self, word: &str) -> bool {
        let word = word.strip_prefix("sg:").unwrap_or(word);
        let holds_address = || {
            let own = ["private_ip_addresses", "auto_public_ip", "public_ip", "private_ip", "address", "addresses"];
            word.parse::<std::net::IpAddr>().is_ok() && own.iter().any(|key| self.value.get(key).is_some_and(|v| mentions(v, word)))
        };
        self.id == word || self.name() == Some(word) || holds_address()
    }
}

fn described(thing: &Thing<'_>, all: &[Thing<'_>]) -> Value {
    let label = |other: &Thing<'_>| match other.name() {
        Some(name) => format!("{} {name} ({})", singular(other.kind), other.id),
        None => format!("{} {}", singular(other.kind), other.id),
    };
    let referrers = all.iter().filter(|other| !std::ptr::eq(other.value, thing.value) && mentions(other.value, thing.id));
    let mut object = Map::new();
    object.insert("kind".to_owned(), json!(singular(thing.kind)));
    if let Some(name) = thing.name() {
        object.insert("name".to_owned(), json!(name));
    }
    object.extend(thing.value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    object.insert("referred_to_by".to_owned(), referrers.map(|other| json!(label(other))).collect());
    Value::Object(object)
}

fn singular(kind: &str) -> String {
    let words = kind.replace('_', " ");
    match words.strip_suffix("ses") {
        Some(stem) => format!("{stem}s"),
        None => words.strip_suffix('s').map_or(words.clone(), str::to_owned),
    }
}

/// Whether a string stands anywhere in a value.
fn mentions(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text == word,
        Value::Array(items) => items.iter().any(|item| mentions(item, word)),
        Value::Object(entries) => entries.values().any(|item| mentions(item, word)),
        _ => false,
    }
}

/// A value as indented lines; empty parts are left out.
fn lines(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(entries) => {
            for (key, value) in entries.iter().filter(|(_, value)| !is_empty(value)) {
                match value {
                    Value::Object(_) | Value::Array(_) => {
                        text.push_str(&format!("{indent}{key}:\n"));
                        lines(value, depth + 1, text);
                    }
                    simple => text.push_str(&format!("{indent}{key}: {}\n", plain(simple))),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Object(_) | Value::Array(_) => {
                        let mut inner = String::new();
                        lines(item, depth + 1, &mut inner);
                        let first = indent.len() + 2;
                        text.push_str(&format!("{indent}- {}", inner.get(first..).unwrap_or(&inner)));
                    }
                    simple => text.push_str(&format!("{indent}- {}\n", plain(simple))),
                }
            }
        }
        simple => text.push_str(&format!("{indent}{}\n", plain(simple))),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
