//! What came of a step, in the words of the scenario form, so that two outcomes can be compared and printed.

use std::fmt;

use serde_json::Value;

use crate::scenario::expect::{Expectation, ExpectedValue, Leg, Verdict};
use crate::value::{Path, Symbols, shown};

/// What came of a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Verdict and what goes with it.
    pub result: ProbeResult,
    /// Frames that a capture counted.
    pub captured: Option<u32>,
}

/// The result of a probe. What an engine cannot tell is `None`.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the words of the form")]
pub enum ProbeResult {
    /// Request and reply arrived.
    Allow { seen: (String, String), sport: Option<u16>, ttl: Option<u8>, via: Option<Vec<String>>, path: Option<Vec<String>>, count: u32 },
    /// Nothing came back. `code` is `none` where no code fits.
    Drop { dir: Leg, at: Option<String>, code: String, why: String },
    /// A reset came back.
    Reset { at: Option<String> },
    /// An answer, in the shape that `value` paths lead into.
    Answer { value: Value },
}

impl fmt::Display for ProbeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow { seen: (source, destination), sport, ttl, via, .. } => {
                write!(f, "ALLOW, seen {source} > {destination}")?;
                if let Some(port) = sport {
                    write!(f, ", source port {port}")?;
                }
                if let Some(ttl) = ttl {
                    write!(f, ", ttl {ttl}")?;
                }
                match via.as_deref() {
                    None | Some([]) => Ok(()),
                    Some(via) => write!(f, ", via {}", via.join(", ")),
                }
            }
            Self::Drop { dir, at, code, why } => {
                let dir = if *dir == Leg::Forward { "forward" } else { "return" };
                write!(f, "DROP {dir} at {}, code {code}", at.as_deref().unwrap_or("an unknown place"))?;
                if why.is_empty() { Ok(()) } else { write!(f, " ({why})") }
            }
            Self::Reset { at } => write!(f, "RST at {}", at.as_deref().unwrap_or("an unknown place")),
            Self::Answer { value } => write!(f, "ANSWER {value}"),
        }
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
    /// Which part differs.
    pub reason: String,
}

/// Compares the outcome of a probe with what is expected of it.
pub fn compare(expect: &Expectation, observed: &Observed, symbols: &dyn Symbols) -> Result<(), Mismatch> {
    let mismatch = |reason: String| Mismatch { expected: describe(expect), got: observed.to_string(), reason };
    let differs = |what: &str, wanted: &dyn fmt::Display, found: &dyn fmt::Display| {
        Err(mismatch(format!("{what} is {found}, not {wanted}")))
    };
    let cannot = |what: &str| Err(mismatch(format!("engine cannot tell {what}")));
    match (&observed.result, expect.verdict) {
        (ProbeResult::Allow { seen, sport, ttl, via, path, .. }, Verdict::Allow) => {
            if let Some(wanted) = &expect.seen
                && wanted != seen
            {
                return differs("seen", &format!("{} > {}", wanted.0, wanted.1), &format!("{} > {}", seen.0, seen.1));
            }
            match (expect.sport_range, sport) {
                (Some(_), None) => return cannot("the source port"),
                (Some((low, high)), Some(port)) if !(low..=high).contains(port) => {
                    return differs("the source port", &format!("within {low}-{high}"), port);
                }
                _ => {}
            }
            match (expect.ttl, ttl) {
                (Some(_), None) => return cannot("the TTL"),
                (Some(wanted), Some(ttl)) if wanted != *ttl => return differs("the TTL", &wanted, ttl),
                _ => {}
            }
            for (what, wanted, found) in [("via", &expect.via, via), ("path", &expect.path, path)] {
                match (wanted, found) {
                    (Some(_), None) => return cannot(&format!("`{what}`")),
                    (Some(wanted), Some(found)) if wanted != found => {
                        return differs(what, &wanted.join(", "), &found.join(", "));
                    }
                    _ => {}
                }
            }
        }
        (ProbeResult::Drop { dir, at, code, .. }, Verdict::Drop) => {
            if let Some(wanted) = expect.dir
                && wanted != *dir
            {
                let seen = if *dir == Leg::Forward { "never reached the receiver" } else { "reached the receiver" };
                return Err(mismatch(format!("the request {seen}")));
            }
            match (&expect.at, at) {
                (Some(_), None) => return cannot("where"),
                (Some(wanted), Some(at)) if wanted != at => return differs("at", wanted, at),
                _ => {}
            }
            if let Some(wanted) = expect.code.as_ref().filter(|wanted| *wanted != code) {
                return differs("the code", wanted, code);
            }
        }
        (ProbeResult::Reset { at }, Verdict::Reset) => match (&expect.at, at) {
            (Some(_), None) => return cannot("who sent the reset"),
            (Some(wanted), Some(at)) if wanted != at => return differs("at", wanted, at),
            _ => {}
        },
        (result, Verdict::Answer) => {
            let value = result.as_answer();
            let asks = expect.value.is_some() || expect.status.is_some() || expect.flowlog.is_some();
            match value {
                None if asks => return Err(mismatch("there is no answer".to_owned())),
                None => {}
                Some(value) => {
                    let status = value.get("status").and_then(Value::as_u64);
                    if let Some(wanted) = expect.status
                        && status != Some(u64::from(wanted))
                    {
                        return differs("the status", &wanted, &status.map_or("none".to_owned(), |s| s.to_string()));
                    }
                    if let Some(expected) = &expect.value {
                        compare_value(expected, &value, symbols).map_err(mismatch)?;
                    }
                    super::flow_log::compare(expect, &value, symbols).map_err(mismatch)?;
                }
            }
        }
        _ => return Err(mismatch("the verdict differs".to_owned())),
    }
    match (expect.captured, observed.captured) {
        (Some(_), None) => cannot("what was captured"),
        (Some(wanted), Some(count)) if wanted != count => differs("the number of captured frames", &wanted, &count),
        _ => Ok(()),
    }
}

/// Compares an answer's values. Errors: a sentence about the first that differs.
pub fn compare_value(expected: &ExpectedValue, answer: &Value, symbols: &dyn Symbols) -> Result<(), String> {
    match expected {
        ExpectedValue::Whole(expected) => match expected.holds(Some(answer), symbols)? {
            true => Ok(()),
            false => Err(format!("the value is {}, not {}", shown(answer), expected.describe())),
        },
        ExpectedValue::Paths(paths) => {
            for (path, expected) in paths {
                let found = Path::parse(path)?.get(answer, symbols)?;
                if !expected.holds(found, symbols)? {
                    let found = found.map_or_else(|| "absent".to_owned(), shown);
                    return Err(format!("{path} is {found}, not {}", expected.describe()));
                }
            }
            Ok(())
        }
    }
}

impl ProbeResult {
    /// The result as an answer: what a ping observed is one too.
    fn as_answer(&self) -> Option<Value> {
        match self {
            Self::Answer { value } => Some(value.clone()),
            Self::Allow { count, .. } => Some(serde_json::json!({"replies": count})),
            Self::Drop { .. } | Self::Reset { .. } => None,
        }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.result)?;
        match self.captured {
            Some(count) => write!(f, ", captured {count}"),
            None => Ok(()),
        }
    }
}

/// An expectation as one line.
pub fn describe(expect: &Expectation) -> String {
    let mut text = expect.verdict.as_str().to_owned();
    let mut add = |part: String| {
        text.push_str(", ");
        text.push_str(&part);
    };
    if let Some((source, destination)) = &expect.seen {
        add(format!("seen {source} > {destination}"));
    }
    if let Some(dir) = expect.dir {
        add(if dir == Leg::Forward { "forward".to_owned() } else { "return".to_owned() });
    }
    if let Some(at) = &expect.at {
        add(format!("at {at}"));
    }
    if let Some(code) = &expect.code {
        add(format!("code {code}"));
    }
    if !expect.error.is_empty() {
        add(expect.error.join(" or "));
    }
    if let Some(call) = expect.at_call {
        add(format!("at call {call}"));
    }
    if let Some(status) = expect.status {
        add(format!("status {status}"));
    }
    if let Some((low, high)) = expect.sport_range {
        add(format!("source port {low}-{high}"));
    }
    if let Some(ttl) = expect.ttl {
        add(format!("ttl {ttl}"));
    }
    for (what, list) in [("via", &expect.via), ("path", &expect.path)] {
        if let Some(list) = list {
            add(format!("{what} {}", list.join(", ")));
        }
    }
    match &expect.value {
        None => {}
        Some(ExpectedValue::Whole(value)) => add(value.describe()),
        Some(ExpectedValue::Paths(paths)) => {
            paths.iter().for_each(|(path, value)| add(format!("{path}: {}", value.describe())));
        }
    }
    if let Some(records) = &expect.flowlog {
        add(format!("{} flow log records{}", records.len(), if expect.only { " and no other" } else { "" }));
    }
    if let Some(count) = expect.captured {
        add(format!("captured {count}"));
    }
    text
}

impl Observed {
    /// What can be saved of the answer.
    pub fn answer(&self) -> Option<Value> {
        self.result.as_answer()
    }
}
