//! From lines to instructions and stages.

use super::arguments::Parser;
use super::flags::nearest;
use super::form::{FORMS, Form};
use super::instruction::{From, Instruction, Step};
use super::line::{self, Directives, Line, Source};
use crate::build::error::Mistake;

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// As it is written.
    pub source: Source,
    /// What its head says.
    pub directives: Directives,
    /// `ARG` before the first `FROM`.
    pub globals: Vec<Step>,
    /// Its stages; at least one.
    pub stages: Vec<Stage>,
}

/// From a `FROM` to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What it begins with.
    pub from: From,
    /// Where that is written.
    pub line: Line,
    /// All else.
    pub steps: Vec<Step>,
}

/// Reads a Dockerfile; `name` is what it is called in errors.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Dockerfile, Mistake> {
    let (source, directives, lines) = line::read(name, bytes)?;
    let (mut globals, mut stages): (Vec<Step>, Vec<Stage>) = (Vec::new(), Vec::new());
    for line in lines {
        let instruction = Parser { source: &source, line: &line, escape: directives.escape }.instruction()?;
        match (instruction, stages.last_mut()) {
            (Instruction::From(from), _) => {
                if let Some(name) = &from.name {
                    let is_taken =
                        stages.iter().any(|stage| stage.from.name.as_ref().is_some_and(|other| other.text == name.text));
                    if is_taken {
                        let why = format!("there is a stage `{}` already", name.text);
                        return Err(source.mistake(&line, name.at, name.text.len(), why));
                    }
                }
                stages.push(Stage { from, line, steps: Vec::new() });
            }
            (instruction, Some(stage)) => stage.steps.push(Step { instruction, line }),
            (instruction @ Instruction::Arg(_), None) => globals.push(Step { instruction, line }),
            (_, None) => {
                let length = line.text.find(char::is_whitespace).unwrap_or(line.text.len());
                let why = "no build stage in current context: FROM comes first (only ARG may be before it)";
                return Err(source.mistake(&line, 0, length, why).with_hint("FROM IMAGE"));
            }
        }
    }
    if stages.is_empty() {
        let line = Line::alone(source.lines.first().map_or("", String::as_str), 1);
        let why = if globals.is_empty() {
            "the Dockerfile is empty: there is no instruction in it"
        } else {
            "the Dockerfile has no FROM"
        };
        return Err(source.mistake(&line, 0, line.text.len(), why).with_hint("FROM IMAGE"));
    }
    Ok(Dockerfile { source, directives, globals, stages })
}

/// Reads one instruction that changes an image's configuration and nothing else.
pub fn change(text: &str) -> Result<Step, Mistake> {
    let source = Source { name: "--change".into(), lines: vec![text.trim().to_owned()] };
    let line = Line::alone(text.trim(), 1);
    one(&source, line, |form| form.is_change, "cannot be a change")
}

/// Reads an instruction that stands in another one or in an image: `ONBUILD`.
pub fn trigger(source: &Source, line: Line) -> Result<Step, Mistake> {
    one(source, line, |form| form.is_trigger, "cannot be in ONBUILD")
}

fn one(source: &Source, line: Line, is_meant: fn(&Form) -> bool, why: &str) -> Result<Step, Mistake> {
    let known: Vec<&str> = FORMS.iter().filter(|form| is_meant(form)).map(|form| form.name).collect();
    let word = line.text.split_whitespace().next().unwrap_or_default();
    if !known.iter().any(|name| name.eq_ignore_ascii_case(word)) {
        let what = if word.is_empty() { "nothing" } else { word };
        let hint = match nearest(word, &known).filter(|near| !near.eq_ignore_ascii_case(word)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write one of {}", known.join(", ")),
        };
        return Err(source.mistake(&line, 0, word.len(), format!("{what} {why}")).with_hint(hint));
    }
    let instruction = Parser { source, line: &line, escape: '\\' }.instruction()?;
    Ok(Step { instruction, line })
}
