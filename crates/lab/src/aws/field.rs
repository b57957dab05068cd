//! Fields of a resource: read by name and type, and what is wrong with them said with file, resource and field.

use std::fmt::Display;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::{Origin, Tags};

use super::json::{Json, Value, cut};
use super::note::{Note, NoteKind};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::source::{Sources, Span};

/// What follows from a first mistake need not be said for each thing.
const MAX_PROBLEMS: usize = 100;

/// Collects what is wrong and what is remarkable.
pub(super) struct Reader<'s> {
    pub sources: &'s Sources,
    pub problems: Vec<Diagnostic>,
    pub notes: Vec<Note>,
}

impl Reader<'_> {
    pub fn problem(&mut self, diagnostic: Diagnostic) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(diagnostic);
        }
    }

    pub fn contradiction(&mut self, place: Span, message: impl Into<String>, other: Option<(Span, &str)>) {
        let problem = Diagnostic::new(Code::DumpContradiction, place, message).label("cannot be");
        self.problem(match other {
            Some((span, label)) => problem.other(span, label),
            None => problem,
        });
    }

    pub fn note(&mut self, kind: NoteKind, place: Span, text: impl Into<String>) {
        self.notes.push(Note { kind, text: text.into(), origin: self.sources.origin(place) });
    }
}

/// A resource, or a part of one, with the way to it.
#[derive(Clone)]
pub(super) struct Item<'j> {
    pub json: &'j Json,
    /// Such as `Subnets[3]`, or its id once that is known.
    pub path: String,
}

impl<'j> Item<'j> {
    pub fn new(json: &'j Json, path: String) -> Self {
        Self { json, path }
    }

    pub fn span(&self) -> Span {
        self.json.span
    }

    pub fn origin(&self, reader: &Reader<'_>) -> Origin {
        reader.sources.origin(self.span())
    }

    pub fn has(&self, key: &str) -> bool {
        self.json.get(key).is_some()
    }

    fn wrong(&self, reader: &mut Reader<'_>, json: &Json, key: &str, wanted: &str) {
        let found = match &json.value {
            Value::Text(text) => format!("`{}`", cut(text)),
            Value::Number(number) => format!("`{}`", cut(number)),
            _ => json.kind().to_owned(),
        };
        let message = format!("{}.{key} is not {wanted}: {found}", self.path);
        reader.problem(Diagnostic::new(Code::DumpField, json.span, message).label(format!("{wanted} belongs here")));
    }

    /// Says that a field that AWS always writes is not there.
    pub fn missing(&self, reader: &mut Reader<'_>, key: &str) {
        let place = Span { end: self.span().start.saturating_add(1).min(self.span().end), ..self.span() };
        let message = format!("{} has no {key}", self.path);
        reader.problem(Diagnostic::new(Code::DumpField, place, message).label("this object"));
    }

    /// A text that may be absent.
    pub fn text(&self, reader: &mut Reader<'_>, key: &str) -> Option<&'j str> {
        let json = self.json.get(key)?;
        match json.text() {
            Some(text) => Some(text),
            None => {
                self.wrong(reader, json, key, "a text");
                None
            }
        }
    }

    /// A text that may be absent, empty then.
    pub fn words(&self, reader: &mut Reader<'_>, key: &str) -> String {
        self.text(reader, key).unwrap_or_default().to_owned()
    }

    /// A word that must be there.
    pub fn word(&self, reader: &mut Reader<'_>, key: &str) -> Option<&'j str> {
        if !self.has(key) {
            self.missing(reader, key);
        }
        self.text(reader, key)
    }

    pub fn bool(&self, reader: &mut Reader<'_>, key: &str, default: bool) -> bool {
        match self.json.get(key) {
            None => default,
            Some(Json { value: Value::Bool(value), .. }) => *value,
            Some(other) => {
                self.wrong(reader, other, key, "true or false");
                default
            }
        }
    }

    /// A whole number within bounds that may be absent.
    pub fn number(&self, reader: &mut Reader<'_>, key: &str, least: i64, most: i64) -> Option<i64> {
        let json = self.json.get(key)?;
        let value = match &json.value {
            Value::Number(text) => text.parse::<i64>().ok().filter(|value| (least..=most).contains(value)),
            _ => None,
        };
        if value.is_none() {
            self.wrong(reader, json, key, &format!("a whole number from {least} to {most}"));
        }
        value
    }

    /// A text of a certain form that may be absent.
    pub fn parsed<T: FromStr>(&self, reader: &mut Reader<'_>, key: &str, wanted: &str) -> Option<T> {
        let json = self.json.get(key)?;
        let value = json.text().and_then(|text| text.parse().ok());
        if value.is_none() {
            self.wrong(reader, json, key, wanted);
        }
        value
    }

    /// The same where AWS always writes one.
    pub fn required<T: FromStr>(&self, reader: &mut Reader<'_>, key: &str, wanted: &str) -> Option<T> {
        if !self.has(key) {
            self.missing(reader, key);
        }
        self.parsed(reader, key, wanted)
    }

    /// An id that may be absent.
    pub fn id<Id: FromStr>(&self, reader: &mut Reader<'_>, key: &str) -> Option<Id> {
        // Some tools write an empty text where there is none.
        self.json.get(key).filter(|json| json.text() != Some(""))?;
        self.parsed(reader, key, "an id of this kind")
    }

    pub fn required_id<Id: FromStr>(&self, reader: &mut Reader<'_>, key: &str) -> Option<Id> {
        self.required(reader, key, "an id of this kind")
    }

    pub fn address(&self, reader: &mut Reader<'_>, key: &str) -> Option<Ipv4Addr> {
        self.json.get(key).filter(|json| json.text() != Some(""))?;
        self.parsed(reader, key, "an IPv4 address")
    }

    /// A block in canonical form.
    pub fn ipv4_block(&self, reader: &mut Reader<'_>, key: &str) -> Option<Ipv4Net> {
        let block: Ipv4Net = self.parsed(reader, key, "an IPv4 block")?;
        self.canonical(reader, key, block, block.trunc())
    }

    pub fn ipv6_block(&self, reader: &mut Reader<'_>, key: &str) -> Option<Ipv6Net> {
        let block: Ipv6Net = self.parsed(reader, key, "an IPv6 block")?;
        self.canonical(reader, key, block, block.trunc())
    }

    pub fn block(&self, reader: &mut Reader<'_>, key: &str) -> Option<IpNet> {
        let block: IpNet = self.parsed(reader, key, "a block of addresses")?;
        self.canonical(reader, key, block, block.trunc())
    }

    fn canonical<T: PartialEq + Display>(&self, reader: &mut Reader<'_>, key: &str, block: T, trunc: T) -> Option<T> {
        if block != trunc {
            let span = self.json.get(key).map_or(self.span(), |json| json.span);
            let message = format!("{}.{key} does not start at its beginning: AWS would write `{trunc}`", self.path);
            reader.problem(Diagnostic::new(Code::DumpField, span, message).label("bits are set after the prefix"));
            return None;
        }
        Some(block)
    }

    /// The objects of a list; absent means empty.
    pub fn list(&self, reader: &mut Reader<'_>, key: &str) -> Vec<Item<'j>> {
        let all = self.values(reader, key);
        let mut items = Vec::with_capacity(all.len());
        for (index, json) in all.iter().enumerate() {
            match json.value {
                Value::Object(_) => items.push(Item::new(json, format!("{}.{key}[{index}]", self.path))),
                _ => self.wrong(reader, json, &format!("{key}[{index}]"), "an object"),
            }
        }
        items
    }

    fn values(&self, reader: &mut Reader<'_>, key: &str) -> &'j [Json] {
        match self.json.get(key) {
            None => &[],
            Some(Json { value: Value::List(all), .. }) => all,
            Some(other) => {
                self.wrong(reader, other, key, "a list");
                &[]
            }
        }
    }

    /// The texts of a list, parsed.
    pub fn all<T: FromStr>(&self, reader: &mut Reader<'_>, key: &str, wanted: &str) -> Vec<T> {
        let mut all = Vec::new();
        for (index, json) in self.values(reader, key).iter().enumerate() {
            match json.text().and_then(|text| text.parse().ok()) {
                Some(value) => all.push(value),
                None => self.wrong(reader, json, &format!("{key}[{index}]"), wanted),
            }
        }
        all
    }

    /// An object inside this one.
    pub fn object(&self, reader: &mut Reader<'_>, key: &str) -> Option<Item<'j>> {
        let json = self.json.get(key)?;
        match json.value {
            Value::Object(_) => Some(Item::new(json, format!("{}.{key}", self.path))),
            _ => {
                self.wrong(reader, json, key, "an object");
                None
            }
        }
    }

    /// Tags; interfaces call them `TagSet`.
    pub fn tags(&self, reader: &mut Reader<'_>) -> Tags {
        let key = if self.has("Tags") { "Tags" } else { "TagSet" };
        let mut tags = Tags::new();
        for tag in self.list(reader, key) {
            let Some(name) = tag.word(reader, "Key") else { continue };
            let value = tag.words(reader, "Value");
            if tags.insert(name.to_owned(), value).is_some() {
                reader.contradiction(tag.span(), format!("{} has the tag `{}` twice", self.path, cut(name)), None);
            }
        }
        tags
    }

    /// One of several words. An unknown one is no error: AWS adds words.
    pub fn choice<T: Copy>(&self, reader: &mut Reader<'_>, key: &str, known: &[(&str, T)], default: T) -> T {
        let Some(word) = self.text(reader, key) else { return default };
        match known.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            Some((_, value)) => *value,
            None => {
                let text = format!("{}.{key} is `{}`, which is not known here", self.path, cut(word));
                reader.note(NoteKind::NotModelled, self.span(), text);
                default
            }
        }
    }
}
