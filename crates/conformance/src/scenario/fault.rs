//! What is wrong with the text of a scenario, and on which line.

/// Text that cannot be executed. It fails the scenario that it stands in; nothing is guessed or skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Line in the file, counted from 1.
    pub line: u32,
    /// What is wrong, in one sentence without the place.
    pub message: String,
}

impl Fault {
    /// A fault on a line.
    pub fn new(line: u32, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}
