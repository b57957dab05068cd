//! Why an image was not built: in one line for a program, and with the place in the Dockerfile for a person.

use std::fmt;

use crate::engine;

/// A place in a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the file is called.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How many characters are meant.
    pub length: usize,
    /// The line as it is written.
    pub text: String,
}

/// Something in a Dockerfile that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub why: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Mistake {
    /// The same, with what to write instead.
    pub fn with_hint(self, hint: impl Into<String>) -> Mistake {
        Mistake { hint: Some(hint.into()), ..self }
    }

    /// With the line and a caret below it, as errors of a lab file are shown.
    pub fn diagnostic(&self) -> String {
        let place = &self.place;
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        // A tab in front stays a tab, so that the caret is where it belongs.
        let before: String = place
            .text
            .chars()
            .take(place.column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let carets = "^".repeat(place.length.clamp(1, 200));
        let mut text = format!(
            "error: {}\n{margin} ┌─ {}:{}:{}\n{number} │ {}\n{margin} │ {before}{carets}",
            self.why, place.file, place.line, place.column, place.text
        );
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.file, self.place.line, self.why)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Dockerfile says something that cannot be, or that did not go well.
    #[error("{0}")]
    Mistake(Box<Mistake>),
    /// A command of `RUN` ended with a code that is not 0.
    #[error("The command '{command}' returned a non-zero code: {code}")]
    Failed {
        /// As it was run, its words with spaces between.
        command: String,
        /// The code.
        code: i32,
        /// The instruction.
        place: Box<Place>,
    },
    /// Somebody gave the build up.
    #[error("the build was given up")]
    Cancelled,
    /// The build context is not what it has to be.
    #[error("{0}")]
    Context(String),
    /// An option makes no sense.
    #[error("{option}: {why}")]
    Option {
        /// Such as `--target`.
        option: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Images, and what the operating system refused.
    #[error(transparent)]
    Image(#[from] crate::Error),
    /// Containers.
    #[error(transparent)]
    Engine(#[from] engine::Error),
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An adapter for `map_err` that says what was being done.
    pub fn io<E: Into<std::io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Error {
        let refused = crate::Error::io(doing);
        move |source| refused(source).into()
    }

    /// For a person: with the line and a caret where there is one.
    pub fn diagnostic(&self) -> String {
        match self {
            Error::Mistake(mistake) => mistake.diagnostic(),
            Error::Failed { place, .. } => Mistake {
                place: (**place).clone(),
                why: self.to_string(),
                hint: None,
            }
            .diagnostic(),
            other => other.to_string(),
        }
    }
}

impl From<Mistake> for Error {
    fn from(mistake: Mistake) -> Error {
        Error::Mistake(Box::new(mistake))
    }
}
