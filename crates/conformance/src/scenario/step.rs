//! A step: deltas, a call or a probe, and what is expected of it.

use serde_json::Value;

use super::delta::Delta;
use super::expect::{ExpectedValue, Expectation};
use super::fault::Fault;
use super::fields::{Fields, list, text};
use super::probe::Probe;
use super::yaml::{Content, Node};

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its line.
    pub line: u32,
    /// Virtual seconds since the start; `None` = the time stays.
    pub t: Option<u64>,
    /// Deltas applied first.
    pub deltas: Vec<StepDelta>,
    /// What is done.
    pub action: Action,
    /// What must come of it.
    pub expect: Expectation,
}

/// A delta, or one whose words name what an earlier step saved.
#[derive(Debug, Clone, PartialEq)]
pub enum StepDelta {
    /// Read.
    Ready(u32, Box<Delta>),
    /// Contains `$name`; read when the values are known.
    Deferred(u32, String),
}

/// A call or a probe.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// An API call.
    Call(Call),
    /// A probe.
    Probe(Box<Probe>),
}

/// An API call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Operation, with a prefix for services other than EC2.
    pub op: String,
    /// Parameters in the shape of boto3.
    pub args: Value,
    /// Who calls.
    pub caller: Caller,
    /// How often; `None` = once, and saved values are no lists.
    pub times: Option<u32>,
    /// What is kept: name, path.
    pub save: Vec<(String, String)>,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// With all rights.
    Administrator,
    /// A user, with the right secret unless said otherwise.
    User {
        /// Name.
        user: String,
        /// `secret: wrong`
        wrong_secret: bool,
        /// Seconds that the request's time is off.
        clock: i64,
    },
    /// A key id that nobody has.
    UnknownKey,
    /// No signature.
    Anonymous,
    /// The credentials of a saved session.
    Session {
        /// The name under which they are saved, with a path.
        saved: String,
        /// Whether the session token is left out.
        omit_token: bool,
    },
}

impl Step {
    /// Reads one element of `steps`.
    pub fn read(node: &Node) -> Result<Self, Fault> {
        let f = Fields::of(node, "step")?;
        let t = f.parsed("t", "a number of seconds")?;
        let deltas = deltas(f.get("do"), "do")?;
        let (call, probe) = (f.get("call"), f.get("probe"));
        let action = match (call, probe) {
            (Some(call), None) => Action::Call(read_call(call)?),
            (None, Some(probe)) => Action::Probe(Box::new(Probe::read(probe)?)),
            (Some(_), Some(_)) => return Err(Fault::new(node.line, "a step has a call or a probe, not both")),
            (None, None) => return Err(Fault::new(node.line, "a step needs a call or a probe")),
        };
        let expect = Expectation::read(f.need("expect")?, matches!(action, Action::Call(_)))?;
        f.finish()?;
        let step = Self { line: node.line, t, deltas, action, expect };
        step.check()?;
        Ok(step)
    }

    /// What cannot be seen in one part alone.
    pub fn check(&self) -> Result<(), Fault> {
        if let (Action::Call(call), Some(at)) = (&self.action, self.expect.at_call)
            && !(1..=call.times.unwrap_or(1)).contains(&at)
        {
            return Err(Fault::new(self.line, format!("`at_call: {at}` is beyond `times`")));
        }
        let is_scalar_probe = matches!(&self.action, Action::Probe(p) if p.answers_with_a_name());
        match (&self.expect.value, is_scalar_probe) {
            (Some(ExpectedValue::Paths(_)), true) => {
                Err(Fault::new(self.line, "a lookup's `value` is the name of the next hop"))
            }
            (Some(ExpectedValue::Whole(_)), false) => Err(Fault::new(self.line, "`value` must be a mapping of paths")),
            _ => Ok(()),
        }
    }
}

/// Reads a list of deltas.
pub fn deltas(node: Option<&Node>, key: &str) -> Result<Vec<StepDelta>, Fault> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let one = |item: &Node| match &item.content {
        Content::Scalar(Value::String(text)) if text.split([' ', ',', '[', ']']).any(|w| w.starts_with('$')) => {
            Ok(StepDelta::Deferred(item.line, text.clone()))
        }
        _ => Ok(StepDelta::Ready(item.line, Box::new(Delta::of(item)?))),
    };
    list(node, key)?.iter().map(one).collect()
}

fn read_call(node: &Node) -> Result<Call, Fault> {
    let f = Fields::of(node, "call")?;
    let args = match f.get("args") {
        None => Value::Object(serde_json::Map::new()),
        Some(args) if args.map().is_some() => args.to_json(),
        Some(args) => return Err(Fault::new(args.line, format!("`args` must be a mapping, not {}", args.kind()))),
    };
    let times = f.parsed::<u32>("times", "a number of calls")?;
    if times == Some(0) {
        return Err(Fault::new(node.line, "`times` must be at least 1"));
    }
    let call = Call {
        op: f.need_text("op")?,
        args,
        caller: f.get("as").map_or(Ok(Caller::Administrator), read_caller)?,
        times,
        save: saves(&f)?,
    };
    f.finish()?;
    Ok(call)
}

/// Reads `save: {name: Path}`.
pub fn saves(fields: &Fields<'_>) -> Result<Vec<(String, String)>, Fault> {
    let entries = fields.entries("save")?.into_iter();
    entries.map(|(_, name, path)| Ok((name.to_owned(), text(path, name)?))).collect()
}

fn read_caller(node: &Node) -> Result<Caller, Fault> {
    if let Some(word) = node.text() {
        return Ok(match word.strip_prefix('$') {
            Some(saved) => Caller::Session { saved: saved.to_owned(), omit_token: false },
            None if word == "anonymous" => Caller::Anonymous,
            None => Caller::User { user: word, wrong_secret: false, clock: 0 },
        });
    }
    let f = Fields::of(node, "as")?;
    let word = |key, allowed: &str| match f.text(key)? {
        None => Ok(false),
        Some(found) if found == allowed => Ok(true),
        Some(found) => Err(Fault::new(node.line, format!("`{key}: {found}` is unknown; `{allowed}` is known"))),
    };
    let caller = if f.has("user") {
        let (wrong_secret, clock) = (word("secret", "wrong")?, f.parsed("clock", "a number of seconds")?.unwrap_or(0));
        Caller::User { user: f.need_text("user")?, wrong_secret, clock }
    } else if f.has("session") {
        let session = f.need_text("session")?;
        let saved = session.strip_prefix('$').ok_or_else(|| Fault::new(node.line, "`session` is a `$name`"))?;
        Caller::Session { saved: saved.to_owned(), omit_token: word("token", "omit")? }
    } else if word("key", "unknown")? {
        Caller::UnknownKey
    } else {
        return Err(Fault::new(node.line, "`as` names a user, a session or a key"));
    };
    f.finish()?;
    Ok(caller)
}
