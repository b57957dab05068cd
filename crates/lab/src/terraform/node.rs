//! Fields of a resource and of blocks in it: known, not set, or known after apply only.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::World;
use super::reference::{is_id, prefix_of};
use crate::aws::NoteKind;
use crate::aws::json::{Json, Value, cut};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Got<T> {
    /// Its value.
    Is(T),
    /// Nobody gave it one.
    Unset,
    /// It has one that the document does not tell.
    Unknown,
}

impl<T> Got<T> {
    pub fn known(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            _ => None,
        }
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// A list of which a part may not be known.
pub(super) struct Several<T> {
    pub all: Vec<T>,
    pub is_complete: bool,
}

/// Where the expressions of fields are.
#[derive(Clone, Copy)]
enum Scope<'j> {
    /// One for each field.
    Own(Option<&'j Json>),
    /// One for all blocks of a kind together.
    Shared(&'j Json),
    /// Not in the document, as those of `dynamic` blocks.
    Nowhere,
}

/// A resource or a block in it.
#[derive(Clone)]
pub(super) struct Node<'j> {
    pub resource: usize,
    values: &'j Json,
    unknown: Option<&'j Json>,
    /// What is unknown in all blocks of this kind.
    siblings: Option<&'j Json>,
    scope: Scope<'j>,
    /// Such as `.ingress[0]`.
    path: String,
    pub address: &'j str,
    pub span: Span,
}

impl<'j> Node<'j> {
    /// Whether a field, or a part of it, is known after apply only.
    fn is_unknown(&self, key: &str) -> bool {
        self.unknown.and_then(|unknown| unknown.get(key)).is_some_and(has_true)
    }

    /// The expression of a field, if it is one's own.
    fn expression(&self, key: &str) -> Option<&'j Json> {
        match self.scope {
            Scope::Own(expressions) => expressions?.get(key),
            Scope::Shared(expression) => Some(expression),
            Scope::Nowhere => None,
        }
    }

    /// Whether somebody wrote a value that is not constant.
    fn is_computed(&self, key: &str) -> bool {
        match self.scope {
            Scope::Own(Some(_)) => self.expression(key).is_some_and(|e| !matches!(e.value, Value::Object(_)) || e.get("constant_value").is_none() && !is_null(e)),
            _ => true,
        }
    }

    pub(super) fn raw(&self, key: &str) -> Got<&'j Json> {
        match self.values.get(key) {
            Some(json) if json.text() != Some("") => Got::Is(json),
            _ if self.is_unknown(key) && self.is_computed(key) => Got::Unknown,
            _ => Got::Unset,
        }
    }

    /// Whether no other block of this kind lacks the field too.
    fn is_alone(&self, key: &str) -> bool {
        match self.siblings.map(|json| &json.value) {
            Some(Value::List(all)) => all.iter().filter(|one| one.get(key).is_some_and(has_true)).count() <= 1,
            _ => true,
        }
    }

    /// How people find a field: by the resource's address.
    pub fn field(&self, key: &str) -> String {
        format!("{}{}.{key}", self.address, self.path)
    }
}

fn is_null(expression: &Json) -> bool {
    matches!(&expression.value, Value::Object(entries) if entries.iter().any(|(key, json)| &**key == "constant_value" && json.value == Value::Null))
}

fn has_true(json: &Json) -> bool {
    match &json.value {
        Value::Bool(value) => *value,
        Value::List(all) => all.iter().any(has_true),
        _ => false,
    }
}

impl<'j> World<'_, 'j> {
    pub(super) fn node(&self, resource: usize) -> Node<'j> {
        let known = &self.document.resources[resource];
        let scope = match (known.configuration, self.document.has_configuration()) {
            (Some(configuration), _) => Scope::Own(configuration.get("expressions").or(Some(configuration))),
            (None, true) => Scope::Nowhere,
            // A plan without configuration, or a state: what is not there is not known.
            (None, false) => Scope::Nowhere,
        };
        Node { resource, values: known.values, unknown: known.unknown, siblings: None, scope, path: String::new(), address: known.address, span: known.span }
    }

    /// Nodes of all resources of a type.
    pub(super) fn nodes(&self, kind: &str) -> Vec<Node<'j>> {
        self.document.of_kind(kind).into_iter().map(|index| self.node(index)).collect()
    }

    fn wrong(&mut self, node: &Node<'j>, json: &Json, key: &str, wanted: &str) {
        let found = match &json.value {
            Value::Text(text) | Value::Number(text) => format!("`{}`", cut(text)),
            _ => json.kind().to_owned(),
        };
        let path = &self.document.resources[node.resource].path;
        let message = format!("{path}.values{}.{key} ({}) is not {wanted}: {found}", node.path, node.address);
        self.problem(Diagnostic::new(Code::DumpField, json.span, message).label(format!("{wanted} belongs here")));
    }

    /// Says that something is not known, and what is made of that.
    pub(super) fn gap(&mut self, node: &Node<'j>, key: &str, so: &str) {
        self.note(NoteKind::Unknown, node.span, format!("{} is not known before apply: {so}", node.field(key)));
    }

    pub(super) fn text(&mut self, node: &Node<'j>, key: &str) -> Got<&'j str> {
        match node.raw(key) {
            Got::Is(json) => match &json.value {
                Value::Text(text) | Value::Number(text) => Got::Is(text),
                _ => {
                    self.wrong(node, json, key, "a text");
                    Got::Unknown
                }
            },
            Got::Unset => Got::Unset,
            Got::Unknown => Got::Unknown,
        }
    }

    pub(super) fn bool(&mut self, node: &Node<'j>, key: &str) -> Got<bool> {
        match node.raw(key) {
            Got::Is(Json { value: Value::Bool(value), .. }) => Got::Is(*value),
            Got::Is(Json { value: Value::Text(text), .. }) if matches!(&**text, "true" | "false") => Got::Is(&**text == "true"),
            Got::Is(json) => {
                self.wrong(node, json, key, "true or false");
                Got::Unknown
            }
            Got::Unset => Got::Unset,
            Got::Unknown => Got::Unknown,
        }
    }

    pub(super) fn number(&mut self, node: &Node<'j>, key: &str, least: i64, most: i64) -> Got<i64> {
        match node.raw(key) {
            Got::Is(json) => {
                let number = match &json.value {
                    Value::Number(text) | Value::Text(text) => text.parse().ok().filter(|number| (least..=most).contains(number)),
                    _ => None,
                };
                match number {
                    Some(number) => Got::Is(number),
                    None => {
                        self.wrong(node, json, key, &format!("a whole number from {least} to {most}"));
                        Got::Unknown
                    }
                }
            }
            Got::Unset => Got::Unset,
            Got::Unknown => Got::Unknown,
        }
    }

    /// A value of a certain form.
    pub(super) fn parsed<T: std::str::FromStr>(&mut self, node: &Node<'j>, key: &str, wanted: &str) -> Got<T> {
        let value = match node.raw(key) {
            Got::Is(json) => json,
            Got::Unset => return Got::Unset,
            Got::Unknown => return Got::Unknown,
        };
        match value.text().and_then(|text| text.parse().ok()) {
            Some(parsed) => Got::Is(parsed),
            None => {
                self.wrong(node, value, key, wanted);
                Got::Unknown
            }
        }
    }

    /// A block of addresses; AWS clears the bits after the prefix.
    pub(super) fn block(&mut self, node: &Node<'j>, key: &str) -> Got<IpNet> {
        match self.parsed::<IpNet>(node, key, "a block of addresses") {
            Got::Is(block) => Got::Is(block.trunc()),
            other => other,
        }
    }

    /// A list of values of a certain form. Elements that are not known are `null` in the document.
    pub(super) fn several<T: std::str::FromStr>(&mut self, node: &Node<'j>, key: &str, wanted: &str) -> Several<T> {
        let mut several = Several { all: Vec::new(), is_complete: true };
        match node.raw(key) {
            Got::Is(json) => {
                let Value::List(all) = &json.value else {
                    self.wrong(node, json, key, "a list");
                    return Several { all: Vec::new(), is_complete: false };
                };
                several.is_complete = !node.is_unknown(key);
                for (index, one) in all.iter().enumerate() {
                    match one.text().map(str::parse) {
                        Some(Ok(value)) => several.all.push(value),
                        None if one.value == Value::Null => several.is_complete = false,
                        _ => self.wrong(node, one, &format!("{key}[{index}]"), wanted),
                    }
                }
            }
            Got::Unset => {}
            Got::Unknown => several.is_complete = false,
        }
        several
    }

    /// Blocks inside. A list of which nobody knows how long it is, is noted as `so` and empty.
    pub(super) fn blocks(&mut self, node: &Node<'j>, key: &str, so: &str) -> Several<Node<'j>> {
        let json = match node.raw(key) {
            Got::Is(json) => json,
            Got::Unset => return Several { all: Vec::new(), is_complete: true },
            Got::Unknown => {
                self.gap(node, key, so);
                return Several { all: Vec::new(), is_complete: false };
            }
        };
        let Value::List(all) = &json.value else {
            self.wrong(node, json, key, "a list");
            return Several { all: Vec::new(), is_complete: false };
        };
        let unknown = node.unknown.and_then(|unknown| unknown.get(key));
        let expressions = match node.scope {
            Scope::Own(Some(expressions)) => expressions.get(key),
            _ => None,
        };
        let mut nodes = Vec::new();
        for (index, one) in all.iter().enumerate() {
            if !matches!(one.value, Value::Object(_)) {
                self.wrong(node, one, &format!("{key}[{index}]"), "an object");
                continue;
            }
            let unknown_here = match unknown.map(|json| &json.value) {
                Some(Value::List(all)) => all.get(index),
                _ => None,
            };
            let scope = match expressions.map(|json| (&json.value, json)) {
                // Blocks written one by one; sets may stand in another order in the values.
                Some((Value::List(written), _)) if written.len() == 1 && all.len() == 1 => Scope::Own(written.first()),
                Some((Value::List(written), whole)) if written.len() == all.len() => match matching(written, one) {
                    Some(own) => Scope::Own(Some(own)),
                    None => Scope::Shared(whole),
                },
                Some((Value::Object(_), whole)) => Scope::Shared(whole),
                _ => Scope::Nowhere,
            };
            let path = format!("{}.{key}[{index}]", node.path);
            nodes.push(Node { resource: node.resource, values: one, unknown: unknown_here, siblings: unknown, scope, path, address: node.address, span: one.span });
        }
        Several { all: nodes, is_complete: true }
    }

    /// Ids that an expression may mean, and whether it surely means all of them.
    fn candidates(&self, node: &Node<'j>, key: &str, prefix: &str) -> Several<String> {
        let mut several = Several { all: Vec::new(), is_complete: false };
        let is_shared = matches!(node.scope, Scope::Shared(_));
        if is_shared && !node.is_alone(key) {
            return several;
        }
        let Some(references) = node.expression(key).and_then(|expression| expression.get("references")) else { return several };
        let document = &self.document;
        let place = document.place_of(&document.resources[node.resource]);
        let found = document.follow(&place, &super::texts(references), 0);
        several.is_complete = found.open.is_empty();
        for target in &found.targets {
            let kind = document.resources[target.resource].kind;
            if is_shared && document.is_known(target.resource) {
                continue;
            }
            // An index that is computed hides the attribute after it.
            let id = match target.attribute.as_str() {
                "" if prefix_of(kind) == Some(prefix) => document.id_of(target.resource),
                "" => document.attribute_of(target.resource, key, 0),
                attribute => document.attribute_of(target.resource, attribute, 0),
            };
            match id.filter(|id| is_id(id, prefix)) {
                Some(id) if !several.all.contains(&id) => several.all.push(id),
                Some(_) => {}
                None if is_shared => {}
                None => several.is_complete = false,
            }
        }
        // One value that is known may choose between several that are not.
        let is_choice = found.has_known && several.all.len() > 1 && !found.targets.iter().all(|target| target.is_one_of);
        several.is_complete &= !is_choice && !several.all.is_empty();
        several
    }

    /// An id with this prefix.
    pub(super) fn id(&mut self, node: &Node<'j>, key: &str, prefix: &str) -> Got<String> {
        match self.text(node, key) {
            Got::Is(text) if is_id(text, prefix) => return Got::Is(text.to_owned()),
            Got::Is(text) => {
                let json = node.values.get(key).cloned();
                let _ = text;
                if let Some(json) = json {
                    self.wrong(node, &json, key, &format!("an id {prefix}-…"));
                }
                return Got::Unknown;
            }
            Got::Unset => return Got::Unset,
            Got::Unknown => {}
        }
        let candidates = self.candidates(node, key, prefix);
        if let ([id], true) = (candidates.all.as_slice(), candidates.is_complete) {
            return Got::Is(id.clone());
        }
        // An id that does not exist yet is of something that the plan makes. With one VPC there is one answer.
        if prefix == "vpc" && candidates.all.is_empty() {
            let made: Vec<usize> = self.document.of_kind("aws_vpc").into_iter().filter(|index| !self.document.is_known(*index)).collect();
            if let [only] = made.as_slice()
                && let Some(id) = self.document.id_of(*only)
            {
                let text = format!("{} is taken to be {}, the only VPC that the plan makes", node.field(key), self.document.resources[*only].address);
                self.note(NoteKind::Assumed, node.span, text);
                return Got::Is(id);
            }
        }
        Got::Unknown
    }

    /// Ids with this prefix.
    pub(super) fn ids(&mut self, node: &Node<'j>, key: &str, prefix: &str) -> Several<String> {
        let mut several = self.several::<String>(node, key, "an id");
        let before = several.all.len();
        several.all.retain(|id| is_id(id, prefix));
        if !several.is_complete {
            let candidates = self.candidates(node, key, prefix);
            // Without certainty none is taken: one too many may open what is closed.
            if candidates.is_complete {
                several.is_complete = before == several.all.len();
                for id in candidates.all {
                    if !several.all.contains(&id) {
                        several.all.push(id);
                    }
                }
            }
        }
        several
    }

    /// Tags, with a name for what has none.
    pub(super) fn tags(&mut self, node: &Node<'j>, is_named: bool) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for key in ["tags", "tags_all"] {
            if let Some(Json { value: Value::Object(entries), .. }) = node.values.get(key) {
                let texts = entries.iter().filter_map(|(key, json)| Some((key.to_string(), json.text()?.to_owned())));
                tags.extend(texts);
            }
        }
        if is_named && tags.get("Name").is_none_or(String::is_empty) {
            let resource = &self.document.resources[node.resource];
            let mut words: Vec<&str> = Vec::new();
            for step in &resource.module {
                words.push(&step.name);
                words.extend(step.key.as_deref());
            }
            words.push(resource.name);
            words.extend(resource.key.as_deref());
            let name: String = words.join("-").chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
            tags.insert("Name".to_owned(), name);
            self.named += 1;
        }
        tags
    }
}

/// The one written block whose constants are those of a value.
fn matching<'j>(written: &'j [Json], value: &Json) -> Option<&'j Json> {
    let fits = |block: &&Json| match &block.value {
        Value::Object(entries) => entries.iter().all(|(key, expression)| match (expression.get("constant_value"), value.get(key)) {
            (Some(constant), Some(known)) => is_equal(constant, known),
            (Some(_), None) => false,
            _ => true,
        }),
        _ => false,
    };
    let mut all = written.iter().filter(fits);
    all.next().filter(|_| all.next().is_none())
}

/// Equal whatever the place; providers turn `443` into `"443"`.
fn is_equal(one: &Json, other: &Json) -> bool {
    match (&one.value, &other.value) {
        (Value::Text(a) | Value::Number(a), Value::Text(b) | Value::Number(b)) => a == b,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| is_equal(a, b))),
        (Value::Object(_) | Value::List(_), _) => false,
        (a, b) => a == b,
    }
}
