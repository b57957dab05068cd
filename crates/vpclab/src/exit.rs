//! Exit codes, the same for every command, and the failure that carries one.

use std::process::ExitCode;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u8);

/// The answer is no: unreachable, a claim broken, drift found.
pub const NO: Code = Code(1);
/// The command line or a file is wrong.
pub const USAGE: Code = Code(2);
/// This machine lacks something.
pub const ENVIRONMENT: Code = Code(3);

/// Time ran out.
pub const TIMEOUT: Code = Code(4);

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code.0)
    }
}

/// Two engines gave different answers.
pub const DISAGREEMENT: Code = Code(5);

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: Code,
    /// What went wrong, where and why; may be several lines.
    pub message: String,
    /// What to type next.
    pub hint: Option<String>,
}

impl Failure {
    /// The user's mistake.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { code: USAGE, message: message.into(), hint: None }
    }

    /// The machine's.
    pub fn environment(message: impl Into<String>) -> Failure {
        Failure { code: ENVIRONMENT, message: message.into(), hint: None }
    }

    /// The same with what to type next.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

/// Result of a command.
pub type Result<T = ExitCode> = std::result::Result<T, Failure>;
