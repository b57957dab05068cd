//! Walks over the words of a sentence and knows where each one stands.

use std::ops::Range;

/// A word and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub text: &'t str,
    pub start: usize,
}

impl Word<'_> {
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

/// Words are separated by white space. Lists are separated by commas.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Where the next word would start; the end of the text when there is none.
    pub fn place(&mut self) -> Range<usize> {
        match self.peek() {
            Some(word) => word.range(),
            // Point just after what is there, not after trailing space.
            None => {
                let end = self.text.trim_end().len();
                end..end
            }
        }
    }

    fn until(&mut self, stop: impl Fn(char) -> bool) -> Option<Word<'t>> {
        self.skip_space();
        let rest = self.rest();
        let text = &rest[..rest.find(stop).unwrap_or(rest.len())];
        (!text.is_empty()).then_some(Word { text, start: self.at })
    }

    /// The next word, commas included, without moving.
    pub fn peek(&mut self) -> Option<Word<'t>> {
        self.until(char::is_whitespace)
    }

    /// The next word, commas included.
    pub fn word(&mut self) -> Option<Word<'t>> {
        let word = self.peek()?;
        self.at = word.range().end;
        Some(word)
    }

    /// Moves past the next word if it is this one.
    pub fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.text == wanted);
        if found {
            self.word();
        }
        found
    }

    /// Whether the text before a place ends with a comma.
    pub fn ended_with_comma(&self, place: usize) -> bool {
        self.text[..place].ends_with(',')
    }

    /// The words of a list: `a, b,c`. Ends before the first word that no comma leads to.
    /// A missing item (`a, , b`, a final comma) is an empty word at its place.
    pub fn list(&mut self) -> Vec<Word<'t>> {
        let mut items = Vec::new();
        loop {
            match self.until(|c| c.is_whitespace() || c == ',') {
                Some(word) => {
                    self.at = word.range().end;
                    items.push(word);
                }
                None => items.push(Word { text: "", start: self.at.min(self.text.trim_end().len()) }),
            }
            self.skip_space();
            match self.rest().starts_with(',') {
                true => self.at += 1,
                false => return items,
            }
        }
    }

    /// A word whose own commas may be followed by spaces: `tcp/80, 443`.
    pub fn joined_word(&mut self) -> Option<(String, Range<usize>)> {
        let first = self.word()?;
        let (mut text, mut end) = (first.text.to_owned(), first.range().end);
        while text.ends_with(',') || self.peek().is_some_and(|w| w.text.starts_with(',')) {
            let Some(more) = self.word() else { break };
            text.push_str(more.text);
            end = more.range().end;
        }
        Some((text, first.start..end))
    }
}
