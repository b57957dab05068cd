//! The files of a lab and places in them.

use std::sync::Arc;

use model::Origin;

/// A range of bytes in one file of [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Index of the file.
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The part of this span from `start` to `end`, counted from its own start.
    pub fn part(self, start: usize, end: usize) -> Self {
        let at = |offset: usize| self.start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX)).min(self.end);
        Self { file: self.file, start: at(start), end: at(end).max(at(start)) }
    }
}

/// A value with the place where it was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Located<T> {
    /// Puts a value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value at the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), span: self.span }
    }
}

impl<T> std::ops::Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name that the user knows it by.
    pub name: String,
    /// Its text.
    pub text: String,
    line_starts: Vec<usize>,
    /// Characters before every `STRIDE`th byte: a column far out in a long line is counted from the nearest one.
    characters: Vec<usize>,
}

/// Bytes between two counts of characters.
const STRIDE: usize = 1 << 12;

impl Source {
    fn new(name: String, text: String) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let line_starts = std::iter::once(0).chain(breaks).collect();
        let mut characters = vec![0];
        for piece in text.as_bytes().chunks(STRIDE) {
            characters.push(characters[characters.len() - 1] + starts(piece));
        }
        Self { name, text, line_starts, characters }
    }

    /// Characters that start before a byte offset.
    fn characters_before(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        let at = offset / STRIDE;
        self.characters[at] + starts(&self.text.as_bytes()[at * STRIDE..offset])
    }

    /// The line, counted from 1, of a byte offset.
    pub fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The text of a line counted from 1, without its end, and the offset of its first byte.
    pub fn line(&self, number: usize) -> (usize, &str) {
        let start = self.line_starts.get(number.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(number).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or_default();
        (start, text.trim_end_matches(['\n', '\r']))
    }
}

/// Bytes that start a character.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// All files of a lab: the one that was named and those it includes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Arc<Source>>);

impl Sources {
    /// Adds a file and returns its index.
    pub fn add(&mut self, name: impl Into<String>, text: String) -> u32 {
        self.0.push(Arc::new(Source::new(name.into(), text)));
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file of a span.
    pub fn source(&self, file: u32) -> Option<&Source> {
        self.0.get(file as usize).map(Arc::as_ref)
    }

    /// The text inside a span; empty when it names no text.
    pub fn text(&self, span: Span) -> &str {
        self.source(span.file).and_then(|s| s.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
    }

    /// File, line and column (in characters, both from 1) of a span's start.
    pub fn origin(&self, span: Span) -> Origin {
        let Some(source) = self.source(span.file) else { return Origin::default() };
        let number = source.line_of(span.start as usize);
        let (start, line) = source.line(number);
        let at = (span.start as usize).min(start + line.len());
        let column = source.characters_before(at) - source.characters_before(start) + 1;
        let bounded = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Origin { file: source.name.clone(), line: bounded(number), column: bounded(column) }
    }

    /// The whole line in which a span starts.
    pub fn line_at(&self, span: Span) -> &str {
        match self.source(span.file) {
            Some(source) => source.line(source.line_of(span.start as usize)).1,
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "é: x\r\nkey: value\n".to_owned());
        let place = |start, end| sources.origin(Span { file, start, end });
        assert_eq!((place(0, 1).line, place(0, 1).column), (1, 1));
        assert_eq!((place(4, 5).line, place(4, 5).column), (1, 4), "é is two bytes and one column");
        assert_eq!((place(12, 17).line, place(12, 17).column), (2, 6));
        assert_eq!(sources.line_at(Span { file, start: 12, end: 17 }), "key: value");
        assert_eq!(sources.text(Span { file, start: 12, end: 17 }), "value");
        assert_eq!(place(900, 901).line, 3, "past the end is the end");
    }

    #[test]
    fn columns_of_a_long_line_count_characters_too() {
        let text = format!("a: 1\n{}\n", "é한x".repeat(5_000));
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", text.clone());
        for at in (5..text.len()).step_by(997).filter(|at| text.is_char_boundary(*at)) {
            let origin = sources.origin(Span { file, start: at as u32, end: at as u32 });
            assert_eq!((origin.line, origin.column as usize), (2, text[5..at].chars().count() + 1));
        }
    }
}
