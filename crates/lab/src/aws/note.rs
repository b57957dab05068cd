//! What a dump says that the model cannot, and what the model needs that the dump does not say.

use std::fmt;

use model::Origin;
use serde::{Deserialize, Serialize};

/// A remark about an import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    /// What kind.
    pub kind: NoteKind,
    /// One sentence without a full stop.
    pub text: String,
    /// The file and line that it is about.
    pub origin: Origin,
}

/// Kinds of remarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NoteKind {
    /// The dump refers to something that it lacks; it is treated as absent.
    Missing,
    /// Something that is decided later, such as when a plan of Terraform is applied: it opens nothing.
    Unknown,
    /// Something that the model does not know; it is left out.
    NotModelled,
    /// What the dump cannot tell and was filled in.
    Assumed,
    /// A file that is no part of it.
    Unread,
}

impl NoteKind {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::NotModelled => "not modelled",
            Self::Assumed => "assumed",
            Self::Unread => "not read",
        }
    }

    /// Whether a verdict about the model may differ from one about the account.
    pub fn leaves_a_gap(self) -> bool {
        matches!(self, Self::Missing | Self::Unknown | Self::NotModelled)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.text)?;
        if self.origin.is_known() { write!(f, " ({})", self.origin) } else { Ok(()) }
    }
}
