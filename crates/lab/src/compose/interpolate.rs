//! `${VAR:-x}` in values, merge keys, and `.env`.

use std::collections::BTreeMap;

use super::Reading;
use crate::source::Span;
use crate::yaml::{Node, Value};

/// Variables within variables.
const DEPTH: usize = 16;
/// Longest text that variables may make, bytes.
const LONGEST: usize = 1 << 16;

/// Puts what `<<` names into its mapping, below what is there.
pub(super) fn merge(node: &mut Node) {
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::Sequence(items) => items.iter_mut().for_each(merge),
        Value::Mapping(entries) => {
            entries.iter_mut().for_each(|(_, value)| merge(value));
            let (merged, own): (Vec<_>, Vec<_>) = std::mem::take(entries).into_iter().partition(|(key, _)| key.text() == Some("<<"));
            *entries = own;
            for (_, value) in merged {
                let sources = match value.value {
                    Value::Sequence(items) => items,
                    _ => vec![value],
                };
                for source in sources {
                    let Value::Mapping(more) = source.value else { continue };
                    for (key, value) in more {
                        if !entries.iter().any(|(own, _)| own.text() == key.text()) {
                            entries.push((key, value));
                        }
                    }
                }
            }
        }
    }
}

impl Reading<'_> {
    /// Replaces variables in all values; keys are as they are.
    pub(super) fn interpolate(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Scalar { text, .. } if text.contains('$') => {
                let mut rest = text.as_str();
                match self.replaced(&mut rest, None, node.span, 0) {
                    Some(new) => *text = new,
                    None => text.clear(),
                }
            }
            Value::Scalar { .. } => {}
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.interpolate(item)),
            Value::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| self.interpolate(value)),
        }
    }

    /// Reads to `end`, which is taken, or to the end of the text.
    fn replaced(&mut self, rest: &mut &str, end: Option<char>, span: Span, depth: usize) -> Option<String> {
        let mut all = String::new();
        loop {
            let mut letters = rest.chars();
            let Some(c) = letters.next() else { break };
            *rest = letters.as_str();
            match c {
                c if Some(c) == end => return Some(all),
                '$' => all.push_str(&self.variable(rest, span, depth)?),
                c => all.push(c),
            }
            if all.len() > LONGEST {
                self.problem(span, "its variables make it too long", "here", None);
                return None;
            }
        }
        if end.is_some() {
            self.problem(span, "a `${` has no `}`", "not closed", Some("a dollar sign itself is written `$$`".into()));
            return None;
        }
        Some(all)
    }

    fn variable(&mut self, rest: &mut &str, span: Span, depth: usize) -> Option<String> {
        if let Some(after) = rest.strip_prefix('$') {
            *rest = after;
            return Some("$".into());
        }
        let is_braced = rest.starts_with('{');
        if is_braced {
            *rest = &rest[1..];
        }
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..length];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || depth > DEPTH {
            let hint = "a variable is `$NAME` or `${NAME}`, and a dollar sign itself is written `$$`".to_owned();
            self.problem(span, "a `$` without a variable's name", "what is meant?", Some(hint));
            return None;
        }
        *rest = &rest[length..];
        let value = self.request.variables.get(name).cloned();
        if !is_braced {
            return Some(value.unwrap_or_else(|| self.unset(name, span)));
        }
        let counts_empty = rest.strip_prefix(':').map(|after| *rest = after).is_some();
        let value = value.filter(|value| !counts_empty || !value.is_empty());
        let mut letters = rest.chars();
        let sign = letters.next();
        *rest = letters.as_str();
        match sign {
            Some('}') if !counts_empty => Some(value.unwrap_or_else(|| self.unset(name, span))),
            Some('-') => {
                let other = self.replaced(rest, Some('}'), span, depth + 1)?;
                Some(value.unwrap_or(other))
            }
            Some('+') => {
                let other = self.replaced(rest, Some('}'), span, depth + 1)?;
                Some(value.map_or_else(String::new, |_| other))
            }
            Some('?') => {
                let why = self.replaced(rest, Some('}'), span, depth + 1)?;
                if value.is_none() {
                    let why = if why.is_empty() { "it has to be set".to_owned() } else { why };
                    self.problem(span, format!("variable {name}: {why}"), "needed here", Some(format!("{name}=… in .env, or in the environment")));
                }
                value
            }
            None => {
                self.problem(span, "a `${` has no `}`", "not closed", Some("a dollar sign itself is written `$$`".into()));
                None
            }
            _ => {
                let hint = "`${NAME}`, `${NAME:-default}`, `${NAME:?why}` or `${NAME:+other}`".to_owned();
                self.problem(span, format!("the variable {name} is not written as variables are"), "what is meant?", Some(hint));
                None
            }
        }
    }

    fn unset(&mut self, name: &str, span: Span) -> String {
        self.note(span, format!("variable {name} is not set: nothing stands in its place"));
        String::new()
    }
}

/// `NAME=VALUE` lines of `.env`: comments, quotes, `export`.
pub fn variables_of_file(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)).map(|(inside, _)| inside);
        let value = match quoted('\'').or_else(|| quoted('"')) {
            Some(inside) => inside.to_owned(),
            None => value.split_once(" #").map_or(value, |(value, _)| value).trim_end().to_owned(),
        };
        all.insert(name.trim().to_owned(), value);
    }
    all
}
