//! `filters=`: which of many are wanted. A map of names to values, the values a list or, as old clients write them, a map to
//! `true`. Values of one name are alternatives; names must all fit.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Failure, Result};

/// Names and the values that are wanted of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Map(BTreeMap<String, bool>),
}

impl Filters {
    /// Reads the parameter; empty: everything is wanted. Errors: 400, also for a name that is not `known`.
    pub fn parse(text: &str, known: &[&str]) -> Result<Filters> {
        if text.is_empty() {
            return Ok(Filters::default());
        }
        let read: BTreeMap<String, Values> =
            serde_json::from_str(text).map_err(|_| Failure::bad_request(format!("invalid filter: {text:?} is not a map of lists")))?;
        let mut filters = Filters::default();
        for (name, values) in read {
            if !known.contains(&name.as_str()) {
                return Err(Failure::bad_request(format!("invalid filter '{name}'")));
            }
            let values: BTreeSet<String> = match values {
                Values::List(list) => list.into_iter().collect(),
                Values::Map(map) => map.into_iter().filter(|(_, wanted)| *wanted).map(|(value, _)| value).collect(),
            };
            filters.0.insert(name, values);
        }
        Ok(filters)
    }

    /// Whether something was said about this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| !values.is_empty())
    }

    /// The values of one name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether one of the values fits, or nothing was said about the name.
    pub fn allows(&self, name: &str, fits: impl FnMut(&str) -> bool) -> bool {
        !self.has(name) || self.values(name).any(fits)
    }

    /// A truth, or none where nothing was said. Errors: 400 for what is no truth, or both.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        let mut found = None;
        for value in self.values(name) {
            let value = match value.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" => true,
                "0" | "f" | "false" => false,
                _ => return Err(Failure::bad_request(format!("invalid filter '{name}=[{value}]'"))),
            };
            if found.is_some_and(|found| found != value) {
                return Err(Failure::bad_request(format!("invalid filter '{name}': both true and false")));
            }
            found = Some(value);
        }
        Ok(found)
    }

    /// Whether labels have all that `label` (`NAME`, `NAME=VALUE`) asks for and nothing of `label!`.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |text: &str| match text.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
            None => labels.contains_key(text),
        };
        self.values("label").all(has) && !self.values("label!").any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_them_are_read() {
        let list = Filters::parse(r#"{"status":["exited","created"],"label":["a=b"]}"#, &["status", "label"]).unwrap();
        let map = Filters::parse(r#"{"status":{"exited":true,"created":true,"dead":false},"label":{"a=b":true}}"#, &["status", "label"]);
        assert_eq!(list, map.unwrap());
        assert!(list.allows("status", |value| value == "exited") && !list.allows("status", |value| value == "dead"));
        assert!(list.allows("name", |_| false), "nothing was said about it");
    }

    #[test]
    fn unknown_names_and_nonsense_are_refused() {
        for text in [r#"{"nam":["x"]}"#, "x", "[]", r#"{"name":"x"}"#] {
            assert_eq!(Filters::parse(text, &["name"]).unwrap_err().status.as_u16(), 400, "{text}");
        }
        assert_eq!(Filters::parse("", &[]).unwrap(), Filters::default());
        let dangling = Filters::parse(r#"{"dangling":["1"]}"#, &["dangling"]).unwrap();
        assert_eq!(dangling.flag("dangling").unwrap(), Some(true));
        assert!(Filters::parse(r#"{"dangling":["x"]}"#, &["dangling"]).unwrap().flag("dangling").is_err());
    }

    #[test]
    fn labels_are_asked_for_by_name_or_value() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        for (text, expected) in [("a", true), ("a=b", true), ("a=c", false), ("b", false)] {
            let filters = Filters::parse(&format!(r#"{{"label":["{text}"]}}"#), &["label"]).unwrap();
            assert_eq!(filters.labels(&labels), expected, "{text}");
            let without = Filters::parse(&format!(r#"{{"label!":["{text}"]}}"#), &["label!"]).unwrap();
            assert_eq!(without.labels(&labels), !expected, "{text}");
        }
    }
}
