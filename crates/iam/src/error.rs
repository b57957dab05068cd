//! Why an operation was refused, in the words of IAM and STS (IAM-4).

use std::fmt;

model::error_codes! {
    /// An error code of IAM or STS.
    Code:
    AccessDenied = "AccessDenied", 403;
    DeleteConflict = "DeleteConflict", 409;
    EntityAlreadyExists = "EntityAlreadyExists", 409;
    ExpiredTokenException = "ExpiredTokenException", 400;
    InvalidAction = "InvalidAction", 400;
    InvalidAuthorizationMessageException = "InvalidAuthorizationMessageException", 400;
    InvalidClientTokenId = "InvalidClientTokenId", 403;
    InvalidInput = "InvalidInput", 400;
    LimitExceeded = "LimitExceeded", 409;
    MalformedPolicyDocument = "MalformedPolicyDocument", 400;
    NoSuchEntity = "NoSuchEntity", 404;
    PackedPolicyTooLarge = "PackedPolicyTooLarge", 400;
    ValidationError = "ValidationError", 400;
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The code.
    pub code: Code,
    /// The sentence.
    pub message: String,
}

impl Error {
    /// A refusal with its sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// What operations give.
pub type Result<T> = std::result::Result<T, Error>;
