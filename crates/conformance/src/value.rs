//! The language of values: paths into answers, and what a value must be.

use serde_json::Value;

use crate::scenario::expect::{Expected, Word};
use crate::scenario::probe::is_reference;

/// What names and `$name` stand for while a scenario runs.
pub trait Symbols {
    /// Identifiers that a topology name may stand for; empty for a text that is no name.
    fn stands_for(&self, text: &str) -> Vec<String>;

    /// The saved value behind `$name` or `$name.Path`. Errors: nothing is saved there.
    fn saved(&self, reference: &str) -> Result<Value, String>;
}

/// A dotted path: keys, list indices from 0, and `List[Field=text]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// A key of a mapping, or an index of a list.
    Key(String),
    /// The first element whose field has this text.
    First { field: Path, text: String },
}

impl Path {
    /// Reads a path. Errors: an empty part, or a bracket that does not close or lacks `=`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, tail) = rest.split_at(end);
            if key.is_empty() {
                return Err(format!("`{text}` is not a path"));
            }
            segments.push(Segment::Key(key.to_owned()));
            rest = tail;
            while let Some(inner) = rest.strip_prefix('[') {
                let close = inner.find(']').ok_or_else(|| format!("`{text}`: a bracket does not close"))?;
                let (condition, tail) = (&inner[..close], &inner[close + 1..]);
                let (field, wanted) =
                    condition.split_once('=').ok_or_else(|| format!("`{text}`: `[{condition}]` is not [Field=text]"))?;
                segments.push(Segment::First { field: Self::parse(field)?, text: wanted.to_owned() });
                rest = tail;
            }
            match rest.strip_prefix('.') {
                Some(tail) => rest = tail,
                None if rest.is_empty() => return Ok(Self(segments)),
                None => return Err(format!("`{text}` is not a path")),
            }
        }
    }

    /// The value at the end of the path, if the path leads anywhere.
    ///
    /// Errors: a `$name` in a bracket that nothing is saved under.
    pub fn get<'v>(&self, root: &'v Value, symbols: &dyn Symbols) -> Result<Option<&'v Value>, String> {
        let mut here = root;
        let mut is_header = false;
        for segment in &self.0 {
            let next = match (segment, here) {
                (Segment::Key(key), Value::Array(items)) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                (Segment::Key(key), Value::Object(fields)) => fields.get(key).or_else(|| {
                    // Names of HTTP headers do not depend on case (RFC 9110 §5.1).
                    fields.iter().find(|(name, _)| is_header && name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
                }),
                (Segment::First { field, text }, Value::Array(items)) => {
                    let wanted = Expected::Is(Value::String(text.clone()));
                    let mut found = None;
                    for item in items {
                        if let Some(value) = field.get(item, symbols)?
                            && wanted.holds(Some(value), symbols)?
                        {
                            found = Some(item);
                            break;
                        }
                    }
                    found
                }
                _ => None,
            };
            is_header = *segment == Segment::Key("headers".to_owned());
            match next {
                Some(value) => here = value,
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }
}

impl Expected {
    /// Whether a value is what is expected; `None` = the path led nowhere. Errors: an unknown `$name`.
    pub fn holds(&self, actual: Option<&Value>, symbols: &dyn Symbols) -> Result<bool, String> {
        let actual = actual.filter(|value| !is_absent(value));
        match self {
            Self::Is(expected) if is_reference(expected) => {
                let saved = symbols.saved(expected.as_str().unwrap_or_default())?;
                Ok(actual.is_some_and(|value| *value == saved) || (actual.is_none() && is_absent(&saved)))
            }
            Self::Is(expected) if is_absent(expected) => Ok(actual.is_none()),
            Self::Is(expected) => Ok(actual.is_some_and(|value| is_scalar(expected, value, symbols))),
            Self::List(expected) => {
                let Some(Value::Array(items)) = actual else { return Ok(false) };
                if items.len() != expected.len() {
                    return Ok(false);
                }
                all(expected.iter().zip(items), |(e, item)| e.holds(Some(item), symbols))
            }
            Self::Map(expected) => {
                let Some(Value::Object(fields)) = actual else { return Ok(false) };
                if fields.keys().any(|key| !expected.iter().any(|(name, _)| name == key)) {
                    return Ok(false);
                }
                all(expected, |(name, e)| e.holds(fields.get(name), symbols))
            }
            Self::Words(words) => all(words, |word| word.holds(actual, symbols)),
        }
    }

    /// The same with `{i}` replaced by the number of a call.
    pub fn numbered(&self, number: u32) -> Self {
        match self {
            Self::Is(value) => Self::Is(numbered(value, number)),
            Self::List(items) => Self::List(items.iter().map(|item| item.numbered(number)).collect()),
            Self::Map(entries) => {
                Self::Map(entries.iter().map(|(key, value)| (key.clone(), value.numbered(number))).collect())
            }
            Self::Words(words) => Self::Words(words.iter().map(|word| word.numbered(number)).collect()),
        }
    }

    /// The expectation as it would be written, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Is(value) => shown(value),
            Self::List(items) => format!("[{}]", items.iter().map(Self::describe).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) => {
                let entry = |(key, value): &(String, Self)| format!("{key}: {}", value.describe());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Self::Words(words) => {
                format!("{{{}}}", words.iter().map(Word::describe).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Word {
    fn holds(&self, actual: Option<&Value>, symbols: &dyn Symbols) -> Result<bool, String> {
        match self {
            Self::Not(expected) => Ok(actual.is_some() && !expected.holds(actual, symbols)?),
            Self::NotIn(list) => {
                let none = all(list, |expected| expected.holds(actual, symbols).map(|holds| !holds))?;
                Ok(actual.is_some() && none)
            }
            Self::Absent(absent) => Ok(actual.is_none() == *absent),
            Self::Matches(pattern) => Ok(match actual {
                Some(Value::String(text)) => pattern.is_match(text),
                Some(Value::Number(number)) => pattern.is_match(&number.to_string()),
                _ => false,
            }),
            Self::SameAs(reference) => Expected::Is(Value::String(reference.clone())).holds(actual, symbols),
        }
    }

    fn numbered(&self, number: u32) -> Self {
        match self {
            Self::Not(expected) => Self::Not(expected.numbered(number)),
            Self::NotIn(list) => Self::NotIn(list.iter().map(|expected| expected.numbered(number)).collect()),
            other => other.clone(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Not(expected) => format!("not: {}", expected.describe()),
            Self::NotIn(list) => {
                format!("not_in: [{}]", list.iter().map(Expected::describe).collect::<Vec<_>>().join(", "))
            }
            Self::Absent(absent) => format!("absent: {absent}"),
            Self::Matches(pattern) => format!("matches: {pattern}"),
            Self::SameAs(reference) => format!("same_as: {reference}"),
        }
    }
}

/// Replaces `{i}` in every text; a text that is only `{i}` becomes the number.
pub fn numbered(value: &Value, number: u32) -> Value {
    match value {
        Value::String(text) if text == "{i}" => number.into(),
        Value::String(text) => text.replace("{i}", &number.to_string()).into(),
        Value::Array(items) => items.iter().map(|item| numbered(item, number)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), numbered(value, number))).collect())
        }
        other => other.clone(),
    }
}

/// Null and the empty text count as absent.
fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// Equality of scalars: numbers may come as text, because the Query protocol knows only text; a name is whatever it
/// stands for.
fn is_scalar(expected: &Value, actual: &Value, symbols: &dyn Symbols) -> bool {
    match (expected, actual) {
        (Value::String(name), Value::String(text)) => name == text || symbols.stands_for(name).contains(text),
        (Value::Number(number), Value::String(text)) | (Value::String(text), Value::Number(number)) => {
            number.to_string() == *text
        }
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => expected == actual,
    }
}

/// A value as people write it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn all<T>(items: impl IntoIterator<Item = T>, mut holds: impl FnMut(T) -> Result<bool, String>) -> Result<bool, String> {
    for item in items {
        if !holds(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::scenario::yaml::parse;

    #[derive(Default)]
    struct Table {
        names: BTreeMap<&'static str, Vec<&'static str>>,
        saved: BTreeMap<&'static str, Value>,
    }

    impl Symbols for Table {
        fn stands_for(&self, text: &str) -> Vec<String> {
            self.names.get(text).into_iter().flatten().map(|id| (*id).to_owned()).collect()
        }

        fn saved(&self, reference: &str) -> Result<Value, String> {
            self.saved.get(reference).cloned().ok_or_else(|| format!("`{reference}` is not saved"))
        }
    }

    fn table() -> Table {
        Table {
            names: BTreeMap::from([("web1", vec!["eni-1", "i-1"]), ("vpc-a", vec!["vpc-1"])]),
            saved: BTreeMap::from([("$a", json!("10.0.0.1")), ("$l", json!([1, 2])), ("$e", json!(""))]),
        }
    }

    fn expected(yaml: &str) -> Expected {
        Expected::read(&parse(yaml, 1).unwrap()).unwrap()
    }

    #[test]
    fn comparison_words_mean_what_the_form_says() {
        let absent = || None::<Value>;
        for (yaml, actual, holds) in [
            ("10.0.0.1", Some(json!("10.0.0.1")), true),
            ("10.0.0.1", Some(json!("10.0.0.2")), false),
            ("10.0.0.1", absent(), false),
            ("248", Some(json!(248)), true),
            ("248", Some(json!("248")), true),
            ("\"6\"", Some(json!(6)), true),
            ("248", Some(json!(247)), false),
            ("true", Some(json!(true)), true),
            ("true", Some(json!("true")), false),
            ("null", absent(), true),
            ("web1", Some(json!("eni-1")), true),
            ("web1", Some(json!("i-1")), true),
            ("web1", Some(json!("i-2")), false),
            ("$a", Some(json!("10.0.0.1")), true),
            ("$a", Some(json!("10.0.0.2")), false),
            ("$e", absent(), true),
            ("[a, vpc-a]", Some(json!(["a", "vpc-1"])), true),
            ("[vpc-a, a]", Some(json!(["a", "vpc-1"])), false),
            ("[a]", Some(json!(["a", "b"])), false),
            ("[]", Some(json!([])), true),
            ("[]", absent(), false),
            ("$l", Some(json!([1, 2])), true),
            ("{Key: env, Value: dev}", Some(json!({"Key": "env", "Value": "dev"})), true),
            ("{Key: env}", Some(json!({"Key": "env", "Value": "dev"})), false),
            ("{Key: env, Value: {not: dev}}", Some(json!({"Key": "env", "Value": "ops"})), true),
            ("{not: x}", Some(json!("y")), true),
            ("{not: x}", Some(json!("x")), false),
            ("{not: x}", absent(), false),
            ("{not: x}", Some(json!("")), false),
            ("{not: web1}", Some(json!("i-1")), false),
            ("{not: $a}", Some(json!("10.0.0.1")), false),
            ("{not: $a}", Some(json!("10.0.0.9")), true),
            ("{not_in: [x, $a]}", Some(json!("y")), true),
            ("{not_in: [x, $a]}", Some(json!("10.0.0.1")), false),
            ("{not_in: [x]}", absent(), false),
            ("{absent: true}", absent(), true),
            ("{absent: true}", Some(json!(null)), true),
            ("{absent: true}", Some(json!("")), true),
            ("{absent: true}", Some(json!([])), false),
            ("{absent: true}", Some(json!(false)), false),
            ("{absent: false}", Some(json!(0)), true),
            ("{absent: false}", Some(json!("")), false),
            ("{absent: false}", absent(), false),
            ("{matches: ^ASIA}", Some(json!("ASIAX")), true),
            ("{matches: ^ASIA}", Some(json!("AKIAX")), false),
            ("{matches: .}", absent(), false),
            ("{matches: \"^4\"}", Some(json!(42)), true),
            ("{same_as: $a}", Some(json!("10.0.0.1")), true),
            ("{same_as: $a}", Some(json!("10.0.0.2")), false),
            ("{same_as: $a}", absent(), false),
            ("{not: x, matches: ^y}", Some(json!("yx")), true),
            ("{not: x, matches: ^y}", Some(json!("zx")), false),
        ] {
            let result = expected(yaml).holds(actual.as_ref(), &table());
            assert_eq!(result, Ok(holds), "{yaml} of {actual:?}");
        }
    }

    #[test]
    fn what_is_not_saved_is_an_error_and_no_mismatch() {
        for yaml in ["$b", "{not: $b}", "{not_in: [$b]}", "{same_as: $b}"] {
            assert!(expected(yaml).holds(Some(&json!("x")), &table()).is_err(), "{yaml}");
        }
    }

    #[test]
    fn paths_lead_through_keys_indices_and_first_elements() {
        let answer = json!({
            "Routes": [
                {"Cidr": "10.0.0.0/16", "State": "active", "Inner": {"Id": "vpc-1"}},
                {"Cidr": "0.0.0.0/0", "State": "blackhole", "N": 7},
            ],
            "headers": {"content-type": "text/plain"},
        });
        for (path, value) in [
            ("Routes.0.State", Some(json!("active"))),
            ("Routes[Cidr=0.0.0.0/0].State", Some(json!("blackhole"))),
            ("Routes[Inner.Id=vpc-a].Cidr", Some(json!("10.0.0.0/16"))),
            ("Routes[N=7].Cidr", Some(json!("0.0.0.0/0"))),
            ("Routes[Cidr=10.0.0.0/8]", None),
            ("Routes.2.State", None),
            ("Routes.State", None),
            ("headers.Content-Type", Some(json!("text/plain"))),
            ("Headers.Content-Type", None),
        ] {
            let found = Path::parse(path).unwrap().get(&answer, &table()).unwrap().cloned();
            assert_eq!(found, value, "{path}");
        }
        for path in ["", "a..b", ".a", "a.", "a[b", "a[b]", "a[b=c]d", "[a=b]"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn the_number_of_a_call_replaces_its_sign() {
        assert_eq!(numbered(&json!({"a": "{i}", "b": ["x{i}y"]}), 7), json!({"a": 7, "b": ["x7y"]}));
    }
}
