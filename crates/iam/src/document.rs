//! A policy's text as it was given, and what it says.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Code, Error, Result};
use crate::policy::{Policy, PolicyKind};

/// A document that was read once; its text comes back as it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    text: String,
    kind: PolicyKind,
    policy: Policy,
}

impl Document {
    /// Reads a document of at most `longest` characters that are no blanks. Errors: `MalformedPolicyDocument`, `LimitExceeded`.
    pub fn new(text: impl Into<String>, kind: PolicyKind, longest: usize) -> Result<Self> {
        let text = text.into();
        let length = text.chars().filter(|character| !character.is_whitespace()).count();
        if length > longest {
            let message = format!("Cannot exceed quota for PolicySize: {longest}");
            return Err(Error::new(Code::LimitExceeded, message));
        }
        let policy = Policy::parse(&text, kind).map_err(|error| Error::new(Code::MalformedPolicyDocument, error.to_string()))?;
        Ok(Self { text, kind, policy })
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        (&self.text, self.kind == PolicyKind::Trust).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (text, is_trust): (String, bool) = Deserialize::deserialize(deserializer)?;
        let kind = if is_trust { PolicyKind::Trust } else { PolicyKind::Identity };
        Self::new(text, kind, usize::MAX).map_err(serde::de::Error::custom)
    }
}
