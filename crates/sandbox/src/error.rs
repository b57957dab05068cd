//! What can go wrong, for callers ([`Error`]) and on the wire between holder and caller ([`Fault`]).

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation that failed, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call of this process failed.
    #[error("{doing}: {source}")]
    Os {
        /// What was attempted, for a person.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Nobody listens at the socket: the lab is down.
    #[error("no holder listens at {}", socket.display())]
    NotRunning {
        /// Where a holder was expected.
        socket: PathBuf,
    },
    /// A live holder already owns the socket.
    #[error("a holder already listens at {}", socket.display())]
    AlreadyRunning {
        /// The socket in question.
        socket: PathBuf,
    },
    /// This machine does not allow what a lab needs; `fix` is the one command that changes that.
    #[error("{missing}\nhint: {fix}")]
    Environment {
        /// What is missing.
        missing: String,
        /// The command that supplies it.
        fix: String,
    },
    /// The holder understood the request and refused it.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// The holder went away or did not answer in time.
    #[error("the holder did not answer: {0}")]
    Disconnected(String),
    /// The other side sent something that is not this protocol.
    #[error("malformed message: {0}")]
    Malformed(String),
}

impl Error {
    /// Builds a closure for `map_err` that adds what was being done to the kernel's answer.
    pub(crate) fn os<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Error {
        let doing = doing.into();
        move |source| Error::Os {
            doing,
            source: source.into(),
        }
    }

    /// True when the request named something that does not exist in the holder.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Refused(fault) if fault.kind == FaultKind::NotFound)
    }

    /// True when the request would create something that already exists in the holder.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Error::Refused(fault) if fault.kind == FaultKind::AlreadyExists)
    }
}

/// Why the holder refused a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The sort of refusal, for programs.
    pub kind: FaultKind,
    /// The sentence, for people.
    pub message: String,
    /// The kernel's error number when it was the kernel that refused.
    pub errno: Option<i32>,
}

/// Sorts of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// No namespace, instance, process or socket of that name.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The request makes no sense as written.
    Invalid,
    /// The kernel refused.
    Os,
}

impl Fault {
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Fault {
        Fault {
            kind: FaultKind::NotFound,
            message: format!("{what} does not exist"),
            errno: None,
        }
    }

    pub(crate) fn exists(what: impl std::fmt::Display) -> Fault {
        Fault {
            kind: FaultKind::AlreadyExists,
            message: format!("{what} already exists"),
            errno: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Fault {
        Fault {
            kind: FaultKind::Invalid,
            message: message.into(),
            errno: None,
        }
    }

    pub(crate) fn os<E: Into<io::Error>>(doing: impl std::fmt::Display) -> impl FnOnce(E) -> Fault {
        move |source| {
            let source = source.into();
            Fault {
                kind: FaultKind::Os,
                message: format!("{doing}: {source}"),
                errno: source.raw_os_error(),
            }
        }
    }
}
