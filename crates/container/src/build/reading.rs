//! The words of one instruction: what its variables are, and where its mistakes are.

use std::collections::BTreeMap;

use super::dockerfile::instruction::Word;
use super::dockerfile::line::{Line, Source};
use super::dockerfile::word;
use super::error::{Error, Mistake, Result};
use crate::oci::Process;

/// What an instruction finds when its turn comes.
pub struct Scope {
    /// The image's configuration.
    pub process: Process,
    /// What `ARG` has declared, where it has a value.
    pub arguments: BTreeMap<String, String>,
}

impl Scope {
    /// What a variable is: the image's first, then the build's.
    pub fn value(&self, name: &str) -> Option<String> {
        let pairs = self.process.env.iter().flatten().filter_map(|one| one.split_once('='));
        let of_image = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back();
        of_image.or_else(|| self.arguments.get(name).cloned())
    }
}

/// Reads the words of one instruction.
pub struct Reading<'a> {
    /// The Dockerfile.
    pub source: &'a Source,
    /// The instruction.
    pub line: &'a Line,
    /// The Dockerfile's escape.
    pub escape: char,
    /// What a variable is.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Reading<'_> {
    /// A word with its variables replaced and without its quotes.
    pub fn word(&self, word: &Word) -> Result<String, Mistake> {
        word::expand(&word.text, self.escape, self.lookup)
            .map_err(|bad| self.source.mistake(self.line, word.at + bad.at, 1, bad.why))
    }

    /// The same of a word that may not be there.
    pub fn optional(&self, word: Option<&Word>) -> Result<Option<String>, Mistake> {
        word.map(|word| self.word(word)).transpose()
    }

    /// A mistake in a word.
    pub fn mistake(&self, word: &Word, why: impl Into<String>) -> Mistake {
        self.source.mistake(self.line, word.at, word.text.len().max(1), why)
    }

    /// A mistake of the instruction as a whole: its name is where somebody has to look.
    pub fn of_name(&self, why: impl Into<String>) -> Mistake {
        self.source.mistake(self.line, 0, self.name(), why)
    }

    /// An error without a place gets that of a word.
    pub fn placed(&self, word: &Word, error: Error) -> Error {
        self.placed_in(word.at, word.text.len(), error)
    }

    /// An error without a place gets that of everything behind the instruction's name.
    pub fn placed_behind(&self, error: Error) -> Error {
        let begin = self.name() + 1;
        self.placed_in(begin, self.line.text.len().saturating_sub(begin), error)
    }

    fn name(&self) -> usize {
        self.line.text.find(char::is_whitespace).unwrap_or(self.line.text.len())
    }

    fn placed_in(&self, at: usize, length: usize, error: Error) -> Error {
        let why = match error {
            Error::Context(why) => why,
            Error::Image(
                error @ (crate::Error::Refused { .. }
                | crate::Error::Limit { .. }
                | crate::Error::Malformed { .. }
                | crate::Error::Digest { .. }),
            ) => error.to_string(),
            other => return other,
        };
        self.source.mistake(self.line, at, length.max(1), why).into()
    }
}
