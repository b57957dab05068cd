//! Answers of AWS, built with the places of what they were made of.

use std::collections::BTreeMap;

use crate::aws::json::{Json, Value};
use crate::source::Span;

/// Lists of an answer by key, such as `Vpcs`.
#[derive(Default)]
pub(super) struct Answers(BTreeMap<&'static str, Vec<Json>>);

impl Answers {
    pub fn push(&mut self, key: &'static str, object: Object) {
        self.0.entry(key).or_default().push(object.into_json());
    }

    /// Everything as one answer. An empty plan answers that there are no VPCs.
    pub fn into_json(mut self, place: Span) -> Json {
        self.0.entry("Vpcs").or_default();
        let list = |all| Json { span: place, value: Value::List(all) };
        let entries = self.0.into_iter().map(|(key, all)| (key.into(), list(all))).collect();
        Json { span: place, value: Value::Object(entries) }
    }
}

/// An object of an answer while it is written.
#[derive(Clone)]
pub(super) struct Object {
    place: Span,
    entries: Vec<(Box<str>, Json)>,
}

impl Object {
    pub fn at(place: Span) -> Self {
        Self { place, entries: Vec::new() }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.entries.push((key.into(), Json { span: self.place, value }));
        self
    }

    pub fn text(self, key: &str, text: impl AsRef<str>) -> Self {
        self.with(key, Value::Text(text.as_ref().into()))
    }

    pub fn maybe(self, key: &str, text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    pub fn bool(self, key: &str, value: bool) -> Self {
        self.with(key, Value::Bool(value))
    }

    pub fn number(self, key: &str, value: i64) -> Self {
        self.with(key, Value::Number(value.to_string().into()))
    }

    pub fn object(mut self, key: &str, object: Self) -> Self {
        self.entries.push((key.into(), object.into_json()));
        self
    }

    pub fn list(self, key: &str, all: impl IntoIterator<Item = Self>) -> Self {
        let all = all.into_iter().map(Self::into_json).collect();
        self.with(key, Value::List(all))
    }

    pub fn words(self, key: &str, all: impl IntoIterator<Item = String>) -> Self {
        let place = self.place;
        let all = all.into_iter().map(|text| Json { span: place, value: Value::Text(text.into()) }).collect();
        self.with(key, Value::List(all))
    }

    pub fn tags(self, tags: &BTreeMap<String, String>) -> Self {
        let place = self.place;
        let all: Vec<Self> = tags.iter().map(|(key, value)| Self::at(place).text("Key", key).text("Value", value)).collect();
        self.list("Tags", all)
    }

    pub fn into_json(self) -> Json {
        Json { span: self.place, value: Value::Object(self.entries) }
    }
}
