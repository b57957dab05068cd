//! `--flag=value` in front of what an instruction is about.

use super::heredoc;
use super::instruction::Word;
use super::line::{Line, Source};
use crate::build::error::Mistake;

/// A flag as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Without `--`.
    pub name: String,
    /// Behind `=`; none where there is no `=`.
    pub value: Option<Word>,
    /// Byte of the instruction's text.
    pub at: usize,
    /// Bytes.
    pub length: usize,
}

/// Takes the flags at the front of `text[from..]`; the rest begins at the byte that is answered. `known` are those that the
/// instruction has.
pub fn take(
    source: &Source,
    line: &Line,
    from: usize,
    escape: char,
    known: &[&str],
) -> Result<(Vec<Flag>, usize), Mistake> {
    let mut all = Vec::new();
    for (at, word) in heredoc::words(&line.text[from..], escape) {
        let at = from + at;
        let Some(flag) = word.strip_prefix("--") else {
            return Ok((all, at));
        };
        if flag.is_empty() {
            return Ok((all, skip(&line.text, at + word.len())));
        }
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (
                name,
                Some(Word {
                    text: value.to_owned(),
                    at: at + 2 + name.len() + 1,
                }),
            ),
            None => (flag, None),
        };
        if !known.contains(&name) {
            let mut mistake =
                source.mistake(line, at, 2 + name.len(), format!("unknown flag: --{name}"));
            mistake.hint = match nearest(name, known) {
                Some(near) => Some(format!("did you mean --{near}?")),
                None if known.is_empty() => Some("this instruction has no flags".into()),
                None => Some(format!(
                    "there are {}",
                    known
                        .iter()
                        .map(|name| format!("--{name}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                )),
            };
            return Err(mistake);
        }
        all.push(Flag {
            name: name.to_owned(),
            value,
            at,
            length: word.len(),
        });
    }
    Ok((all, line.text.len()))
}

/// The first byte from `at` on that is no white space.
pub fn skip(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    at + (rest.len() - rest.trim_start().len())
}

/// What somebody may have meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| {
        strsim::damerau_levenshtein(&word.to_ascii_lowercase(), &known.to_ascii_lowercase())
    };
    let near = known.iter().map(|known| (distance(known), *known)).min()?;
    (near.0 <= 1.max(word.len() / 3)).then_some(near.1)
}

impl Flag {
    /// Its value, which has to be there.
    pub fn text(&self, source: &Source, line: &Line) -> Result<Word, Mistake> {
        match &self.value {
            Some(value) if !value.text.is_empty() => Ok(value.clone()),
            _ => {
                let why = format!("--{} has no value", self.name);
                Err(Mistake {
                    hint: Some(format!("--{}=VALUE", self.name)),
                    ..source.mistake(line, self.at, self.length, why)
                })
            }
        }
    }

    /// Yes where nothing is said.
    pub fn boolean(&self, source: &Source, line: &Line) -> Result<bool, Mistake> {
        match self.value.as_ref().map(|value| value.text.as_str()) {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => {
                let why = format!("--{} is true or false, and not {other}", self.name);
                Err(source.mistake(line, self.at, self.length, why))
            }
        }
    }
}
