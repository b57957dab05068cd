//! Chapters as a tree of lines for a terminal: cut and broken at its width, colour only as a bonus.

use container::engine::Anatomy;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::chapters::{Chapter, Line};
use super::short;

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether escape sequences may be used.
    pub colour: bool,
}

/// Widest column but the last.
const WIDEST: usize = 24;

pub(super) fn draw(chapters: &[Chapter], anatomy: &Anatomy, style: Style) -> String {
    let mut out = String::new();
    for line in wrap(&heading(anatomy), style.width) {
        out.push_str(&style.bold(&line));
        out.push('\n');
    }
    for (at, chapter) in chapters.iter().enumerate() {
        let is_last = at + 1 == chapters.len();
        let (branch, deeper) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let title = format!("{:<11}", chapter.title);
        let room = style.width.saturating_sub(14);
        let mut about = wrap(&chapter.about, room).into_iter();
        out.push_str(&format!("{branch}{}{}\n", style.bold(&title), about.next().unwrap_or_default()));
        for line in about {
            out.push_str(&format!("{deeper}{:11}{line}\n", ""));
        }
        let room = style.width.saturating_sub(deeper.width() + 2);
        for line in body(chapter, room, style) {
            out.push_str(format!("{deeper}  {line}").trim_end());
            out.push('\n');
        }
    }
    // Nothing that came from inside may speak to the terminal.
    out.chars().filter(|c| !c.is_control() || *c == '\n' || (style.colour && *c == '\u{1b}')).collect()
}

/// Who it is.
fn heading(anatomy: &Anatomy) -> String {
    let subject = &anatomy.subject;
    let clean = |text: &str| text.replace('\u{1b}', "?");
    match (&subject.image, subject.kind.as_str()) {
        (Some(image), _) => {
            let memory = if subject.out_of_memory { ", out of memory" } else { "" };
            let (name, id, status) = (clean(&subject.name), short(&subject.id), &subject.status);
            format!("container {name} ({id}) of image {image} in {}, lab {}: {status}{memory}", subject.instance, subject.lab)
        }
        (None, _) => {
            let many = match subject.containers.len() {
                0 => "no container".to_owned(),
                _ => subject.containers.iter().map(|(name, state)| format!("{} ({state})", clean(name))).collect::<Vec<_>>().join(", "),
            };
            format!("instance {} ({}), lab {}: {}; containers: {many}", subject.name, subject.id, subject.lab, subject.status)
        }
    }
}

/// Columns are as wide as their widest cell.
fn body(chapter: &Chapter, room: usize, style: Style) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for line in &chapter.lines {
        if let Line::Cells(cells) | Line::Heading(cells) = line {
            for (at, cell) in cells.iter().enumerate().take(cells.len().saturating_sub(1)) {
                if widths.len() <= at {
                    widths.push(0);
                }
                widths[at] = widths[at].max(cell.width()).min(WIDEST);
            }
        }
    }
    let mut lines = Vec::new();
    for line in &chapter.lines {
        match line {
            Line::Words(text) => lines.extend(wrap(text, room)),
            Line::Type(text) => lines.push(format!("{} {text}", style.bold("type:"))),
            Line::Cells(cells) => lines.extend(row(cells, &widths, room)),
            Line::Heading(cells) => lines.extend(row(cells, &widths, room).into_iter().map(|line| style.dim(&line))),
        }
    }
    lines
}

/// A row; its last cell goes on below itself.
fn row(cells: &[String], widths: &[usize], room: usize) -> Vec<String> {
    let mut start = String::new();
    let Some((last, before)) = cells.split_last() else { return Vec::new() };
    for (cell, width) in before.iter().zip(widths) {
        let cell = clip(cell, *width);
        start.push_str(&cell);
        start.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
    }
    let left = start.width();
    let indent = last.len() - last.trim_start().len();
    let mut parts = wrap(last.trim_start(), room.saturating_sub(left + indent).max(20)).into_iter();
    let mut lines = vec![format!("{start}{}{}", " ".repeat(indent), parts.next().unwrap_or_default())];
    // What was typed may be as long as a file: two lines of it are enough.
    let rest: Vec<String> = parts.collect();
    let many = rest.len();
    for (at, part) in rest.into_iter().take(2).enumerate() {
        let more = if at == 1 && many > 2 { " …" } else { "" };
        lines.push(format!("{}{}{part}{more}", " ".repeat(left + indent), ""));
    }
    lines
}

fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for next in text.chars() {
        if kept.width() + next.width().unwrap_or(0) + 1 > width {
            break;
        }
        kept.push(next);
    }
    kept + "…"
}

/// Lines of at most so many columns, broken between words; a longer word is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // Two blanks between words are kept: they part columns.
    for word in text.split(' ') {
        let mut word = word.to_owned();
        if let Some(line) = lines.last_mut()
            && line.width() + 1 + word.width() <= width
        {
            line.push(' ');
            line.push_str(&word);
            continue;
        }
        while word.width() > width {
            let mut piece = String::new();
            for next in word.chars() {
                if piece.width() + next.width().unwrap_or(0) > width {
                    break;
                }
                piece.push(next);
            }
            word = word.split_off(piece.len());
            lines.push(piece);
        }
        lines.push(word);
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

impl Style {
    fn bold(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn dim(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_the_width() {
        let text = wrap("one two three four five six seven", 12);
        assert_eq!(text, ["one two", "three four", "five six", "seven"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a  b", 10), ["a  b"], "columns stay apart");
    }

    #[test]
    fn a_row_goes_on_below_its_last_cell() {
        let cells = ["a".to_owned(), "one two three four five six seven eight nine ten eleven".to_owned()];
        let lines = row(&cells, &[5], 30);
        assert_eq!(lines[0], "a      one two three four five");
        assert!(lines[1].starts_with("       six"), "{lines:?}");
    }
}
