//! Text in columns: wrapping at spaces, and marks in colour.

use super::Style;

/// One line of text, wrapped, and its end.
pub(super) fn put(text: &mut String, style: Style, line: &str, hanging: usize) {
    text.push_str(&wrapped(line, style.width, hanging));
    text.push('\n');
}

pub(super) fn wrapped(line: &str, width: usize, hanging: usize) -> String {
    wrapped_from(line, width, 0, hanging)
}

/// Breaks at spaces; the first line starts at column `start`, the others at `hanging`. Runs of spaces are kept.
pub(super) fn wrapped_from(line: &str, width: usize, start: usize, hanging: usize) -> String {
    if start + visible(line) <= width {
        return line.to_owned();
    }
    let mut out = String::new();
    let mut at = start;
    let mut gap = String::new();
    for part in line.split_inclusive(' ') {
        let word = part.trim_end_matches(' ');
        if word.is_empty() {
            gap.push(' ');
            continue;
        }
        let needed = visible(&gap) + visible(word);
        let is_first = out.trim().is_empty();
        if at + needed > width && !is_first {
            out.push('\n');
            out.push_str(&" ".repeat(hanging));
            at = hanging;
        } else {
            out.push_str(&gap);
            at += visible(&gap);
        }
        out.push_str(word);
        at += visible(word);
        gap.clear();
        if part.ends_with(' ') {
            gap.push(' ');
        }
    }
    out
}

/// Columns that a text takes: escape sequences take none.
pub(super) fn visible(text: &str) -> usize {
    let mut columns = 0;
    let mut escaped = false;
    for character in text.chars() {
        match (escaped, character) {
            (_, '\u{1b}') => escaped = true,
            (true, 'm') => escaped = false,
            (true, _) => {}
            (false, _) => columns += 1,
        }
    }
    columns
}

pub(super) fn paint(text: &str, colour: &str, style: Style) -> String {
    match style.colour {
        true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}
