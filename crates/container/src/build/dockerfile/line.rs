//! Lines of a Dockerfile: directives at its head, continued lines put together, here-documents taken in. Every character of
//! an instruction knows where it is written.

use super::heredoc::{self, Heredoc};
use crate::build::error::{Mistake, Place};

/// Longest Dockerfile, bytes.
pub const LONGEST: usize = 1 << 20;

/// What comments at the head of the file say (`# syntax=`, `# escape=`, `# check=`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The front end that is asked for; this one is always the one that reads.
    pub syntax: Option<String>,
    /// Continues lines and takes meanings away: a backslash or a backtick.
    pub escape: char,
    /// What a linter is to do; nothing here lints.
    pub check: Option<String>,
}

/// One instruction with all of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without continuations, comments and the white space around.
    pub text: String,
    /// From which byte of `text` on a line of the file begins: its number and the byte of it.
    marks: Vec<(usize, usize, usize)>,
    /// Its here-documents, in order.
    pub heredocs: Vec<Heredoc>,
    /// The first line, from 1.
    pub number: usize,
}

impl Line {
    /// A text that is no file's: an instruction of `ONBUILD`, or of `--change`.
    pub fn alone(text: &str, number: usize) -> Line {
        Line {
            text: text.to_owned(),
            marks: vec![(0, number, 0)],
            heredocs: Vec::new(),
            number,
        }
    }
}

/// A Dockerfile as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called.
    pub name: String,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Source {
    /// The place of `length` bytes at `at` of an instruction's text.
    pub fn place(&self, line: &Line, at: usize, length: usize) -> Place {
        let mark = line.marks.iter().rev().find(|(from, _, _)| *from <= at);
        let (from, number, byte) = mark.copied().unwrap_or((0, line.number, 0));
        let text = self
            .lines
            .get(number - 1)
            .cloned()
            .unwrap_or_else(|| line.text.clone());
        let mut begin = (byte + (at - from.min(at))).min(text.len());
        while !text.is_char_boundary(begin) {
            begin -= 1;
        }
        let mut end = (begin + length).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Place {
            file: self.name.clone(),
            line: number,
            column: text[..begin].chars().count() + 1,
            length: text[begin..end].chars().count(),
            text,
        }
    }

    /// A mistake there.
    pub fn mistake(
        &self,
        line: &Line,
        at: usize,
        length: usize,
        why: impl Into<String>,
    ) -> Mistake {
        Mistake {
            place: self.place(line, at, length),
            why: why.into(),
            hint: None,
        }
    }
}

/// Reads all lines. `name`: what the file is called in errors.
pub fn read(name: &str, bytes: &[u8]) -> Result<(Source, Directives, Vec<Line>), Mistake> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned())
        .collect();
    let source = Source {
        name: name.to_owned(),
        lines,
    };
    let whole = |number: usize, why: String| {
        let text = source.lines.get(number - 1).cloned().unwrap_or_default();
        let line = Line::alone(&text, number);
        source.mistake(&line, 0, text.len(), why)
    };
    if bytes.len() > LONGEST {
        return Err(whole(
            1,
            format!("it is longer than {}", crate::limits::size(LONGEST as u64)),
        ));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let number = bytes[..error.valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        return Err(whole(number, "it is not UTF-8".into()));
    }
    let directives = directives(&source).map_err(|(number, why)| whole(number, why))?;
    let mut all = Vec::new();
    let mut at = 0;
    while at < source.lines.len() {
        let trimmed = source.lines[at].trim_start_matches([' ', '\t']);
        if trimmed.trim().is_empty() || trimmed.starts_with('#') {
            at += 1;
            continue;
        }
        let (mut line, next) = continued(&source.lines, at, directives.escape);
        at = next;
        for head in heredoc::heads(&line.text, directives.escape) {
            let begin = at;
            let mut content = String::new();
            loop {
                let Some(text) = source.lines.get(at) else {
                    let why = format!("the here-document `{}` has no end", head.name);
                    let mistake = source.mistake(&line, head.at, head.length, why);
                    let hint = format!("end it with a line that is only {}", head.name);
                    return Err(Mistake {
                        hint: Some(hint),
                        ..mistake
                    });
                };
                at += 1;
                let text = if head.strips_tabs {
                    text.trim_start_matches('\t')
                } else {
                    text
                };
                if text == head.name {
                    break;
                }
                content.push_str(text);
                content.push('\n');
            }
            line.heredocs.push(Heredoc {
                head,
                content,
                number: begin + 1,
            });
        }
        all.push(line);
    }
    Ok((source, directives, all))
}

/// Puts a line together with those that continue it; the number of the next one.
fn continued(lines: &[String], first: usize, escape: char) -> (Line, usize) {
    let mut line = Line {
        text: String::new(),
        marks: Vec::new(),
        heredocs: Vec::new(),
        number: first + 1,
    };
    let mut at = first;
    while let Some(text) = lines.get(at) {
        let trimmed = text.trim_start_matches([' ', '\t']);
        at += 1;
        // Comments and empty lines within an instruction are nothing.
        if at - 1 > first && (trimmed.is_empty() || trimmed.starts_with('#')) {
            continue;
        }
        let begin = if at - 1 == first {
            text.len() - trimmed.len()
        } else {
            0
        };
        line.marks.push((line.text.len(), at, begin));
        let part = &text[begin..];
        match without_escape(part, escape) {
            Some(part) => line.text.push_str(part),
            None => {
                line.text.push_str(part);
                break;
            }
        }
    }
    line.text.truncate(line.text.trim_end().len());
    (line, at)
}

/// The line without the escape at its end, where it goes on: two of them are none.
fn without_escape(text: &str, escape: char) -> Option<&str> {
    let part = text.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!part.ends_with(escape)).then_some(part)
}

/// Directives are comments before everything else; the first comment that is none ends them.
fn directives(source: &Source) -> Result<Directives, (usize, String)> {
    let mut directives = Directives {
        syntax: None,
        escape: '\\',
        check: None,
    };
    let mut seen: Vec<String> = Vec::new();
    for (at, line) in source.lines.iter().enumerate() {
        let Some(comment) = line.trim_start_matches([' ', '\t']).strip_prefix('#') else {
            break;
        };
        let Some((name, value)) = comment.split_once('=') else {
            break;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if !matches!(name.as_str(), "syntax" | "escape" | "check") || value.is_empty() {
            break;
        }
        if seen.contains(&name) {
            return Err((at + 1, format!("the directive `{name}` was given already")));
        }
        match (name.as_str(), value) {
            ("syntax", _) => directives.syntax = Some(value.to_owned()),
            ("check", _) => directives.check = Some(value.to_owned()),
            (_, "\\") => directives.escape = '\\',
            (_, "`") => directives.escape = '`',
            _ => return Err((at + 1, format!("the escape is ` or \\, and not {value}"))),
        }
        seen.push(name);
    }
    Ok(directives)
}
