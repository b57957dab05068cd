//! What a step expects: a verdict and the fields that go with it.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::delta::grammar::is_flow_log_field;
use super::fault::Fault;
use super::fields::{Fields, list, text};
use super::probe::is_reference;
use super::yaml::{Content, Node};

/// A verdict word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Request and reply arrive.
    Allow,
    /// Nothing comes back.
    Drop,
    /// The sender gets a reset.
    Reset,
    /// A call fails.
    ApiError,
    /// A call succeeds.
    ApiOk,
    /// Any other observable.
    Answer,
}

impl Verdict {
    const WORDS: [(&'static str, Self); 6] = [
        ("ALLOW", Self::Allow),
        ("DROP", Self::Drop),
        ("RST", Self::Reset),
        ("API_ERROR", Self::ApiError),
        ("API_OK", Self::ApiOk),
        ("ANSWER", Self::Answer),
    ];

    /// The word in scenarios.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, verdict)| *verdict == self).map_or("", |(word, _)| word)
    }
}

/// Which leg of an exchange dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// `forward`
    Forward,
    /// `return`
    Return,
}

/// What is expected of a step. What is not given is not compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Its line.
    pub line: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Source and destination as the receiver sees them.
    pub seen: Option<(String, String)>,
    /// The leg that dies.
    pub dir: Option<Leg>,
    /// The component.
    pub at: Option<String>,
    /// The analyzer code, or `none`.
    pub code: Option<String>,
    /// Any of these error codes.
    pub error: Vec<String>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The call that fails.
    pub at_call: Option<u32>,
    /// Values.
    pub value: Option<ExpectedValue>,
    /// Flow log records: field names and values.
    pub flowlog: Option<Vec<Vec<(String, Value)>>>,
    /// Whether there may be no other record.
    pub only: bool,
    /// Frames that a capture counts.
    pub captured: Option<u32>,
    /// Appliances passed.
    pub via: Option<Vec<String>>,
    /// Source port as the receiver sees it.
    pub sport_range: Option<(u16, u16)>,
    /// IP TTL as the receiver sees it.
    pub ttl: Option<u8>,
    /// Components of the request.
    pub path: Option<Vec<String>>,
}

/// Values of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpectedValue {
    /// The whole answer.
    Whole(Expected),
    /// Parts of it by path.
    Paths(Vec<(String, Expected)>),
}

/// What one value must be.
#[derive(Debug, Clone)]
pub enum Expected {
    /// This scalar, or whatever the name or `$name` stands for.
    Is(Value),
    /// A list: same elements, same order.
    List(Vec<Expected>),
    /// A mapping: same keys.
    Map(Vec<(String, Expected)>),
    /// All of these words hold.
    Words(Vec<Word>),
}

/// A comparison word.
#[derive(Debug, Clone)]
pub enum Word {
    /// There and different.
    Not(Expected),
    /// There and none of these.
    NotIn(Vec<Expected>),
    /// Null and the empty string count as absent.
    Absent(bool),
    /// A text that the expression finds something in.
    Matches(Regex),
    /// Equal to what was saved.
    SameAs(String),
}

impl PartialEq for Expected {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Expectation {
    /// Reads `expect`. Errors: an unknown key or word, or one that does not go with the verdict or the step.
    pub fn read(node: &Node, is_call: bool) -> Result<Self, Fault> {
        let f = Fields::of(node, "expect")?;
        let word = f.need_text("verdict")?;
        let verdict = Verdict::WORDS.iter().find(|(w, _)| *w == word).map(|(_, v)| *v);
        let verdict = verdict.ok_or_else(|| Fault::new(node.line, format!("unknown verdict `{word}`")))?;
        let allowed = check_verdict(verdict, is_call, node.line)?;
        let expectation = Self {
            line: node.line,
            verdict,
            seen: f.get("seen").map(read_seen).transpose()?,
            dir: match f.text("dir")?.as_deref() {
                None => None,
                Some("forward") => Some(Leg::Forward),
                Some("return") => Some(Leg::Return),
                Some(other) => return Err(Fault::new(node.line, format!("unknown direction `{other}`"))),
            },
            at: f.text("at")?,
            code: f.text("code")?,
            error: match f.get("error") {
                None => Vec::new(),
                Some(one) if one.list().is_none() => vec![text(one, "error")?],
                Some(_) => f.texts("error")?.into_iter().map(|(_, code)| code).collect(),
            },
            status: f.parsed("status", "an HTTP status")?,
            at_call: f.parsed("at_call", "the number of a call")?,
            value: f.get("value").map(read_value).transpose()?,
            flowlog: f.get("flowlog").map(read_records).transpose()?,
            only: f.boolean("only")?.unwrap_or(false),
            captured: f.parsed("captured", "a number of frames")?,
            via: optional_texts(&f, "via")?,
            sport_range: f.get("sport_range").map(read_range).transpose()?,
            ttl: f.parsed("ttl", "a TTL")?,
            path: optional_texts(&f, "path")?,
        };
        f.finish()?;
        let given = node.map().unwrap_or_default().iter().map(|(key, _)| key.text.as_str());
        let allowed: BTreeSet<&str> = allowed.iter().copied().chain(["verdict", "captured"]).collect();
        if let Some(key) = given.into_iter().find(|key| !allowed.contains(key)) {
            return Err(Fault::new(node.line, format!("`{key}` does not go with verdict {}", verdict.as_str())));
        }
        if verdict == Verdict::ApiError && expectation.error.is_empty() {
            return Err(Fault::new(node.line, "API_ERROR needs `error`"));
        }
        Ok(expectation)
    }
}

/// The keys that go with a verdict, if the verdict goes with the step.
fn check_verdict(verdict: Verdict, is_call: bool, line: u32) -> Result<&'static [&'static str], Fault> {
    match (verdict, is_call) {
        (Verdict::Allow, false) => Ok(&["seen", "via", "sport_range", "ttl", "path"]),
        (Verdict::Drop, false) => Ok(&["dir", "at", "code", "seen", "via", "sport_range", "ttl", "path"]),
        (Verdict::Reset, false) => Ok(&["at"]),
        (Verdict::Answer, false) => Ok(&["value", "status", "flowlog", "only"]),
        (Verdict::ApiError, true) => Ok(&["error", "status", "at_call"]),
        (Verdict::ApiOk | Verdict::Answer, true) => Ok(&["value", "status"]),
        (_, true) => Err(Fault::new(line, format!("verdict {} does not go with a call", verdict.as_str()))),
        (_, false) => Err(Fault::new(line, format!("verdict {} does not go with a probe", verdict.as_str()))),
    }
}

fn optional_texts<'n>(f: &Fields<'n>, key: &'n str) -> Result<Option<Vec<String>>, Fault> {
    let Some(_) = f.get(key) else { return Ok(None) };
    Ok(Some(f.texts(key)?.into_iter().map(|(_, text)| text).collect()))
}

fn read_seen(node: &Node) -> Result<(String, String), Fault> {
    let text = text(node, "seen")?;
    match text.split_once('>') {
        Some((source, destination)) => {
            // In the form in which addresses are printed: IPv6 can be written in many ways.
            let address = |text: &str| super::fields::address(text.trim(), node.line, "seen").map(|a| a.to_string());
            Ok((address(source)?, address(destination)?))
        }
        None => Err(Fault::new(node.line, format!("`seen: {text}` is not SOURCE > DESTINATION"))),
    }
}

fn read_range(node: &Node) -> Result<(u16, u16), Fault> {
    let bounds: Vec<u16> = list(node, "sport_range")?.iter().filter_map(|item| item.text()?.parse().ok()).collect();
    match bounds.as_slice() {
        [low, high] if low <= high && node.list().map(<[_]>::len) == Some(2) => Ok((*low, *high)),
        _ => Err(Fault::new(node.line, "`sport_range` is [LOW, HIGH]")),
    }
}

fn read_records(node: &Node) -> Result<Vec<Vec<(String, Value)>>, Fault> {
    let record = |item: &Node| {
        let entries = item.map().ok_or_else(|| Fault::new(item.line, "a flow log record is a mapping"))?;
        entries
            .iter()
            .map(|(key, value)| match (&value.content, key.text == "interface" || is_flow_log_field(&key.text)) {
                (Content::Scalar(scalar), true) => Ok((key.text.clone(), scalar.clone())),
                (_, false) => Err(Fault::new(key.line, format!("unknown flow log field `{}`", key.text))),
                (_, true) => Err(Fault::new(value.line, format!("`{}` must be a scalar", key.text))),
            })
            .collect()
    };
    list(node, "flowlog")?.iter().map(record).collect()
}

fn read_value(node: &Node) -> Result<ExpectedValue, Fault> {
    match node.map() {
        // A lookup's value is one name; a comparison word may stand in its place.
        Some(entries) if entries.iter().all(|(key, _)| WORDS.contains(&key.text.as_str())) && !entries.is_empty() => {
            Ok(ExpectedValue::Whole(Expected::read(node)?))
        }
        Some(entries) => {
            let path = |(key, value): &(super::yaml::Key, Node)| {
                crate::value::Path::parse(&key.text).map_err(|why| Fault::new(key.line, why))?;
                Ok((key.text.clone(), Expected::read(value)?))
            };
            entries.iter().map(path).collect::<Result<_, _>>().map(ExpectedValue::Paths)
        }
        None => Ok(ExpectedValue::Whole(Expected::read(node)?)),
    }
}

/// The comparison words.
const WORDS: [&str; 5] = ["not", "not_in", "absent", "matches", "same_as"];

impl Expected {
    /// Reads an expected value. Errors: a mapping of lower-case keys, which would be comparison words, that are none.
    pub fn read(node: &Node) -> Result<Self, Fault> {
        let entries = match &node.content {
            Content::Scalar(value) => return Ok(Self::Is(value.clone())),
            Content::List(items) => return items.iter().map(Self::read).collect::<Result<_, _>>().map(Self::List),
            Content::Map(entries) => entries,
        };
        if entries.iter().any(|(key, _)| WORDS.contains(&key.text.as_str())) {
            return entries.iter().map(|(key, value)| Word::read(key, value)).collect::<Result<_, _>>().map(Self::Words);
        }
        if let Some((key, _)) = entries.iter().find(|(key, _)| key.text.starts_with(|c: char| c.is_ascii_lowercase())) {
            return Err(Fault::new(key.line, format!("unknown comparison word `{}`", key.text)));
        }
        let entry = |(key, value): &(super::yaml::Key, Node)| Ok((key.text.clone(), Self::read(value)?));
        entries.iter().map(entry).collect::<Result<_, _>>().map(Self::Map)
    }
}

impl Word {
    fn read(key: &super::yaml::Key, node: &Node) -> Result<Self, Fault> {
        match key.text.as_str() {
            "not" => Ok(Self::Not(Expected::read(node)?)),
            "not_in" => list(node, "not_in")?.iter().map(Expected::read).collect::<Result<_, _>>().map(Self::NotIn),
            "absent" => match &node.content {
                Content::Scalar(Value::Bool(absent)) => Ok(Self::Absent(*absent)),
                _ => Err(Fault::new(node.line, format!("`absent` must be true or false, not {}", node.kind()))),
            },
            "matches" => {
                let pattern = text(node, "matches")?;
                Regex::new(&pattern)
                    .map(Self::Matches)
                    .map_err(|_| Fault::new(node.line, format!("`{pattern}` is not a regular expression")))
            }
            "same_as" => match &node.content {
                Content::Scalar(value) if is_reference(value) => Ok(Self::SameAs(text(node, "same_as")?)),
                _ => Err(Fault::new(node.line, "`same_as` takes a `$name`")),
            },
            other => Err(Fault::new(key.line, format!("unknown comparison word `{other}`"))),
        }
    }
}
