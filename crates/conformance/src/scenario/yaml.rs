//! YAML as a tree that remembers its lines, so that every later complaint can point at one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;

use super::fault::Fault;

/// A node and the line it starts on.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Line in the file, counted from 1.
    pub line: u32,
    /// What stands there.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A scalar: null, boolean, number or text.
    Scalar(Value),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Line in the file.
    pub line: u32,
    /// The key as text.
    pub text: String,
}

/// Reads one document whose first line is line `first_line` of its file.
///
/// Errors: what is not YAML, more than one document, or a mapping with the same key twice.
pub fn parse(text: &str, first_line: u32) -> Result<Node, Fault> {
    // YAML 1.2 words only: `check off` and `no` are texts here.
    let options = serde_saphyr::options! { strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(node(raw, first_line)),
        Err(error) => {
            let line = error.location().map_or(0, |l| u32::try_from(l.line()).unwrap_or(0));
            // The parser prints a snippet below its sentence; the sentence is enough.
            let sentence = error.without_snippet().to_string();
            let sentence = sentence.lines().next().unwrap_or("not YAML");
            // Its own count starts at the block, ours at the file.
            let sentence = sentence.split(" at line ").next().unwrap_or(sentence);
            Err(Fault::new(first_line + line.saturating_sub(1), format!("not YAML: {sentence}")))
        }
    }
}

impl Node {
    /// Scalar text; numbers and booleans as they would be written.
    pub fn text(&self) -> Option<String> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text.clone()),
            Content::Scalar(Value::Null) => None,
            Content::Scalar(other) => Some(other.to_string()),
            _ => None,
        }
    }

    /// The elements of a list.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub fn map(&self) -> Option<&[(Key, Node)]> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.text.clone(), node.to_json())).collect())
            }
        }
    }

    /// What kind of node this is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(Value::Null) => "nothing",
            Content::Scalar(Value::Bool(_)) => "a boolean",
            Content::Scalar(Value::Number(_)) => "a number",
            Content::Scalar(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

fn node(raw: Spanned<Raw>, first_line: u32) -> Node {
    let line = first_line + u32::try_from(raw.referenced.line()).unwrap_or(1).saturating_sub(1);
    let content = match raw.value {
        Raw::Scalar(value) => Content::Scalar(value),
        Raw::List(items) => Content::List(items.into_iter().map(|item| node(item, first_line)).collect()),
        Raw::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let line = first_line + u32::try_from(key.referenced.line()).unwrap_or(1).saturating_sub(1);
                    let text = match key.value {
                        Raw::Scalar(Value::String(text)) => text,
                        Raw::Scalar(other) => other.to_string(),
                        Raw::List(_) | Raw::Map(_) => "?".to_owned(),
                    };
                    (Key { line, text }, node(value, first_line))
                })
                .collect(),
        ),
    };
    Node { line, content }
}

/// The same before lines are counted from the start of the file.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_keep_their_lines_and_types() {
        let text = "id: SC-1\nprobe: {from: a,\n  dport: 80}\nlist:\n  - eni fw check off\n  - no\n0.0.0.0/0: igw-a\n";
        let tree = parse(text, 10).unwrap();
        let entries = tree.map().unwrap();
        assert_eq!(entries[0].1.text().unwrap(), "SC-1");
        let probe = entries[1].1.map().unwrap();
        assert_eq!((probe[1].1.line, probe[1].0.line), (12, 12));
        assert_eq!(probe[1].1.to_json(), serde_json::json!(80));
        let list = entries[2].1.list().unwrap();
        assert_eq!((list[0].line, list[1].to_json()), (14, "no".into()));
        assert_eq!(entries[3].0, Key { line: 16, text: "0.0.0.0/0".into() });
    }

    #[test]
    fn broken_yaml_and_double_keys_are_faults_with_a_line() {
        for (text, line) in [("a: 1\nb: {c: 1\n", 0), ("a: 1\na: 2\n", 102), ("a: [1\n", 0)] {
            let fault = parse(text, 101).unwrap_err();
            assert!(fault.message.starts_with("not YAML: "), "{fault:?}");
            assert!(fault.line >= 101, "{fault:?}");
            assert!(line == 0 || fault.line == line, "{fault:?}");
        }
    }
}
