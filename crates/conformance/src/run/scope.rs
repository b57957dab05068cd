//! What names and `$name` stand for while a scenario runs, in answers and in arguments.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::instance_type::Architecture;
use serde_json::Value;

use super::api::Api;
use crate::scenario::probe::is_reference;
use crate::topology::World;
use crate::value::{Path, Symbols};

/// The world and what earlier steps saved.
pub struct Scope {
    /// The cloud and its names.
    pub world: World,
    /// Saved parts of answers.
    pub saved: BTreeMap<String, Value>,
    /// What answers calls.
    pub api: Api,
}

impl Symbols for Scope {
    fn stands_for(&self, text: &str) -> Vec<String> {
        let mut ids = self.world.names.ids(text);
        ids.extend(self.made_up(text));
        ids
    }

    fn saved(&self, reference: &str) -> Result<Value, String> {
        let unknown = || format!("nothing is saved as `{reference}`");
        let text = reference.strip_prefix('$').ok_or_else(unknown)?;
        let (name, rest) = text.split_once('.').unwrap_or((text, ""));
        let value = self.saved.get(name).ok_or_else(unknown)?;
        match rest {
            "" => Ok(value.clone()),
            path => Path::parse(path)?.get(value, self)?.cloned().ok_or_else(unknown),
        }
    }
}

impl Scope {
    /// `eipalloc:IP` and `image`.
    fn made_up(&self, text: &str) -> Option<String> {
        if text == "image" {
            return Some(model::image::default_for(&self.world.model.region, Architecture::X86_64).to_string());
        }
        let public: Ipv4Addr = text.strip_prefix("eipalloc:")?.parse().ok()?;
        let mut addresses = self.world.model.addresses.values();
        addresses.find(|address| address.public_ip == public).map(|address| address.allocation_id.to_string())
    }

    /// A text of a probe or delta, with `$name` replaced.
    pub fn text(&self, text: &str) -> Result<String, String> {
        let value = Value::String(text.to_owned());
        if !is_reference(&value) {
            return Ok(text.to_owned());
        }
        match self.saved(text)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }

    /// A delta's text with every `$name` replaced.
    pub fn words(&self, text: &str) -> Result<String, String> {
        let mut words = text.split(' ').map(|word| {
            let parts: Result<Vec<_>, _> = word.split(',').map(|part| self.text(part)).collect();
            Ok(parts?.join(","))
        });
        let words: Result<Vec<String>, String> = words.by_ref().collect();
        Ok(words?.join(" "))
    }

    /// Arguments of a call: `$name` anywhere, names where an identifier is expected. A text that is no name stays.
    pub fn arguments(&self, arguments: &Value) -> Result<Value, String> {
        self.resolve(arguments, Expects::Text)
    }

    fn resolve(&self, value: &Value, expects: Expects) -> Result<Value, String> {
        match value {
            value if is_reference(value) => self.saved(value.as_str().unwrap_or_default()),
            Value::String(text) => Ok(Value::String(match expects {
                Expects::Text => text.clone(),
                Expects::Id => self.stands_for(text).into_iter().next().unwrap_or_else(|| text.clone()),
                Expects::InstanceId => match self.world.names.instances.get(text) {
                    Some(instance) => instance.to_string(),
                    None => text.clone(),
                },
            })),
            Value::Array(items) => items.iter().map(|item| self.resolve(item, expects)).collect(),
            Value::Object(fields) => {
                let filter = fields.get("Name").and_then(Value::as_str).filter(|_| fields.contains_key("Values"));
                let mut resolved = serde_json::Map::new();
                for (key, value) in fields {
                    let expects = match (key.as_str(), filter) {
                        ("Values", Some(filter)) => Expects::of_filter(filter),
                        _ => Expects::of_parameter(key),
                    };
                    resolved.insert(key.clone(), self.resolve(value, expects)?);
                }
                Ok(Value::Object(resolved))
            }
            other => Ok(other.clone()),
        }
    }
}

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// No identifier.
    Text,
    /// An identifier; an interface's name stands for the interface.
    Id,
    /// The identifier of an instance.
    InstanceId,
}

impl Expects {
    /// Parameters that take identifiers end in `Id` or `Ids`, but for a few.
    fn of_parameter(key: &str) -> Self {
        match key {
            "InstanceId" | "InstanceIds" => Self::InstanceId,
            "Groups" | "Resources" | "Source" | "Destination" => Self::Id,
            _ if key.ends_with("Id") || key.ends_with("Ids") => Self::Id,
            _ => Self::Text,
        }
    }

    /// Filters name fields in kebab case with dots.
    fn of_filter(filter: &str) -> Self {
        match filter.rsplit('.').next() {
            Some("instance-id") => Self::InstanceId,
            Some(last) if last.ends_with("-id") => Self::Id,
            _ => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::Corpus;

    fn scope() -> Scope {
        let text = "```yaml\ntopology: X\nvpcs: {v: {cidr: [10.0.0.0/16], igw: g, main: m}}\nsubnets: {s: {vpc: v, cidr: 10.0.0.0/24, zone: a, rt: m}}\n\
                    sgs: {sg-w: {vpc: v, in: []}}\nenis: {web: {subnet: s, ip: [10.0.0.4], sg: [sg-w], eip: {10.0.0.4: 198.51.100.1}}}\n```\n";
        let mut corpus = Corpus::default();
        corpus.add("t.md", text);
        let world = World::build(&corpus.topology("X", "t.md").unwrap()).unwrap();
        Scope { world, saved: BTreeMap::from([("a".to_owned(), json!({"B": ["x", "y"]}))]), api: Api::new() }
    }

    #[test]
    fn names_stand_for_ids_only_where_ids_are_expected() {
        let scope = scope();
        let id = |name: &str| scope.stands_for(name)[0].clone();
        let instance = scope.world.names.instances["web"].to_string();
        let arguments = json!({
            "VpcId": "v", "GroupName": "sg-w", "Groups": ["sg-w"], "InstanceIds": ["web"], "NetworkInterfaceId": "web",
            "SubnetId": "subnet-unknown", "AllocationId": "eipalloc:198.51.100.1", "Description": "v",
            "Filters": [{"Name": "instance-id", "Values": ["web"]}, {"Name": "vpc-id", "Values": ["v"]},
                        {"Name": "group-name", "Values": ["sg-w"]}],
            "TagSpecifications": [{"Tags": [{"Key": "v", "Value": "web"}]}],
            "PrivateIpAddress": "$a.B.1", "GroupId": "default-sg:v",
        });
        let expected = json!({
            "VpcId": id("v"), "GroupName": "sg-w", "Groups": [id("sg-w")], "InstanceIds": [instance],
            "NetworkInterfaceId": id("web"), "SubnetId": "subnet-unknown", "AllocationId": id("eipalloc:198.51.100.1"),
            "Description": "v",
            "Filters": [{"Name": "instance-id", "Values": [instance]}, {"Name": "vpc-id", "Values": [id("v")]},
                        {"Name": "group-name", "Values": ["sg-w"]}],
            "TagSpecifications": [{"Tags": [{"Key": "v", "Value": "web"}]}],
            "PrivateIpAddress": "y", "GroupId": id("default-sg:v"),
        });
        assert_eq!(scope.arguments(&arguments), Ok(expected));
        assert!(id("eipalloc:198.51.100.1").starts_with("eipalloc-"));
        assert!(scope.arguments(&json!({"VpcId": "$nobody"})).is_err());
    }

    #[test]
    fn deltas_take_saved_values_word_by_word() {
        let scope = scope();
        assert_eq!(scope.words("eni e = s 10.0.0.5 sg-w,$a.B.0"), Ok("eni e = s 10.0.0.5 sg-w,x".to_owned()));
    }
}
