//! What is wrong, where, why, and what to type next; drawn for a terminal without needing colour.

use std::fmt;

use model::ErrorCode;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::code::Code;
use crate::source::{Sources, Span};

/// More than this many problems in one run help nobody.
pub(crate) const MAX_DIAGNOSTICS: usize = 50;

/// Columns of a source line that are shown at most.
const MAX_SHOWN_COLUMNS: usize = 120;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Entry of the registry.
    pub code: Code,
    /// AWS's error code, when an operation refused.
    pub aws: Option<ErrorCode>,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Where; `None` when the file as a whole is meant or could not be read.
    pub place: Option<Span>,
    /// A few words beside the caret.
    pub label: String,
    /// Another place that explains this one. Few have it, and results that carry a problem should be small.
    pub other: Option<Box<(Span, String)>>,
    /// What to type next.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A problem at a place.
    pub fn new(code: Code, place: Span, message: impl Into<String>) -> Self {
        Self { code, aws: None, message: message.into(), place: Some(place), label: String::new(), other: None, hint: None }
    }

    /// A problem of no one place.
    pub fn general(code: Code, message: impl Into<String>) -> Self {
        Self { place: None, ..Self::new(code, Span::default(), message) }
    }

    /// Adds the words beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds what to type next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to type next, if there is a thought.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds a second place.
    pub fn other(mut self, place: Span, label: impl Into<String>) -> Self {
        self.other = Some(Box::new((place, label.into())));
        self
    }
}

/// All problems of one run, with the files they are in. Never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The files.
    pub sources: Sources,
    /// The problems, in the order of their places.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Puts problems in order: general ones first, then by place; repeats are said once.
    pub(crate) fn new(sources: Sources, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|d| d.place);
        list.dedup_by(|a, b| a.code == b.code && a.place == b.place && a.message == b.message);
        Self { sources, list }
    }

    /// The whole text, with ANSI colours if wanted.
    pub fn render(&self, color: bool) -> String {
        let paint = Paint(color);
        let mut text = String::new();
        for (index, diagnostic) in self.list.iter().take(MAX_DIAGNOSTICS).enumerate() {
            if index > 0 {
                text.push('\n');
            }
            self.render_one(diagnostic, paint, &mut text);
        }
        if self.list.len() > MAX_DIAGNOSTICS {
            text.push_str(&format!("\nand {} more errors\n", self.list.len() - MAX_DIAGNOSTICS));
        }
        text
    }

    fn render_one(&self, diagnostic: &Diagnostic, paint: Paint, out: &mut String) {
        let aws = diagnostic.aws.map(|code| format!(" [{code}]", code = code.as_str())).unwrap_or_default();
        let code = format!("[{}]", diagnostic.code);
        let error = paint.red("error");
        out.push_str(&format!("{error}: {}{aws} {}\n", shown(&diagnostic.message), paint.dim(&code)));
        let places = diagnostic.place.iter().map(|p| (*p, diagnostic.label.as_str(), true));
        let places: Vec<_> = places.chain(diagnostic.other.iter().map(|other| (other.0, other.1.as_str(), false))).collect();
        let width = places.iter().map(|(p, ..)| self.sources.origin(*p).line.to_string().len()).max().unwrap_or(1);
        for (place, label, primary) in places {
            self.render_place(place, label, primary, width, paint, out);
        }
        if let Some(hint) = &diagnostic.hint {
            out.push_str(&format!("{}: {}\n", paint.cyan("hint"), shown(hint)));
        }
    }

    fn render_place(&self, place: Span, label: &str, primary: bool, width: usize, paint: Paint, out: &mut String) {
        let Some(source) = self.sources.source(place.file) else { return };
        let origin = self.sources.origin(place);
        let number = origin.line as usize;
        let (line_start, line) = source.line(number);
        let from = (place.start as usize).saturating_sub(line_start).min(line.len());
        let to = (place.end as usize).saturating_sub(line_start).clamp(from, line.len());
        let (before, marked, after) = match (line.get(..from), line.get(from..to), line.get(to..)) {
            (Some(before), Some(marked), Some(after)) => (plain(last_of(before)), plain(first_of(marked.trim_end())), plain(first_of(after))),
            _ => (String::new(), String::new(), plain(first_of(line))),
        };
        let (before, after) = (last_columns(&before), first_columns(&after, MAX_SHOWN_COLUMNS));
        let marked = first_columns(&marked, MAX_SHOWN_COLUMNS);
        let corner = if primary { "┌─" } else { "├─" };
        let margin = " ".repeat(width);
        out.push_str(&format!("{margin}{} {}:{}:{}\n", paint.dim(corner), source.name, origin.line, origin.column));
        // What follows the mark on the line is shown only when the mark is short of the line's end.
        let rest = if to < line.len() { after } else { String::new() };
        let rest = if marked.is_empty() && rest.is_empty() { String::new() } else { rest };
        out.push_str(format!("{number:>width$}{} {before}{marked}{rest}", paint.dim("│")).trim_end());
        out.push('\n');
        let carets = marked.width().max(1);
        let caret = if primary { paint.red(&"^".repeat(carets)) } else { paint.cyan(&"-".repeat(carets)) };
        let line = format!("{margin}{} {}{caret} {}", paint.dim("│"), " ".repeat(before.width()), plain(label));
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn wrap(self, start: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{start}m{text}\x1b[0m") } else { text.to_owned() }
    }
    fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }
    fn cyan(self, text: &str) -> String {
        self.wrap("1;36", text)
    }
    fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

/// Text that cannot steer the terminal: a file's control characters are shown, not sent.
fn plain(text: &str) -> String {
    let visible = |c: char| match c {
        '\t' | '\u{a0}' => ' ',
        '\n' => '\n',
        c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// A sentence, which may quote a text of any length.
fn shown(text: &str) -> String {
    const MOST: usize = 1_000;
    match text.char_indices().nth(MOST) {
        None => plain(text),
        Some((end, _)) => plain(&text[..end]) + "…",
    }
}

/// Enough of a text's end to fill the columns shown, and no more: a line may be as long as a file.
fn last_of(text: &str) -> &str {
    let start = text.char_indices().rev().nth(4 * MAX_SHOWN_COLUMNS).map_or(0, |(at, _)| at);
    &text[start..]
}

/// Enough of a text's beginning.
fn first_of(text: &str) -> &str {
    let end = text.char_indices().nth(4 * MAX_SHOWN_COLUMNS).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn first_columns(text: &str, columns: usize) -> String {
    let mut used = 0;
    let mut kept: String = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return kept + "…";
        }
        kept.push(c);
    }
    kept
}

fn last_columns(text: &str) -> String {
    let mut used = 0;
    let mut start = text.len();
    for (index, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > MAX_SHOWN_COLUMNS {
            return format!("…{}", &text[start..]);
        }
        start = index;
    }
    text.to_owned()
}

/// Names that are looked at for one that was meant.
const MAX_CANDIDATES: usize = 5_000;

/// The candidate that was probably meant, if one is near enough.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Long words are compared by their beginning only: the cost is quadratic and the help none.
    let word: String = word.chars().take(64).collect();
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let length = word.chars().count();
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= allowed)
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint from what exists: the nearest name, else the list, else that there is none.
pub fn known_names<'c>(word: &str, what: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match (nearest(word, candidates.iter().copied()), candidates.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => format!("this lab has no {what}"),
        (None, few) if few.len() <= 8 => format!("known: {}", few.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")),
        (None, many) => format!("none of the {} {what}s of this lab has that name", many.len()),
    }
}

/// A hint from words that are the same in every lab: the nearest, else all of them.
pub fn possible_words(word: &str, possible: &[&str]) -> String {
    match nearest(word, possible.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", possible.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, part: &str, label: &str) -> String {
        let mut sources = Sources::default();
        let file = sources.add("shop.yaml", text.to_owned());
        let start = text.find(part).unwrap() as u32;
        let span = Span { file, start, end: start + part.len() as u32 };
        let diagnostic = Diagnostic::new(Code::UnknownSecurityGroup, span, "no such group").label(label).hint("look");
        Diagnostics::new(sources, vec![diagnostic]).render(false)
    }

    #[test]
    fn a_caret_stands_under_wide_characters() {
        let text = one("a: 1\n가나: sg:wbe\n", "sg:wbe", "not found");
        assert_eq!(text, "error: no such group [VL0312]\n ┌─ shop.yaml:2:5\n2│ 가나: sg:wbe\n │       ^^^^^^ not found\nhint: look\n");
    }

    #[test]
    fn a_file_cannot_send_escape_sequences() {
        assert!(!one("a: \x1b[31mred\u{202e}x", "red", "").contains(['\x1b', '\u{202e}']));
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides() {
        let long = format!("{}MARK{}", "x".repeat(5_000), "y".repeat(5_000));
        let text = one(&long, "MARK", "here");
        assert!(text.contains("MARK") && text.lines().all(|l| l.chars().count() < 300), "{text}");
    }

    #[test]
    fn only_near_words_are_suggested() {
        assert_eq!(nearest("subnts", ["subnets", "tags"]), Some("subnets"));
        assert_eq!(nearest("zzz", ["subnets", "tags"]), None);
    }
}
