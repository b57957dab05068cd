//! Why an operation was refused, in the words of IAM and STS (IAM-4).

use std::fmt;

macro_rules! codes {
    ($($name:ident = $status:literal;)*) => {
        /// An error code of IAM or STS.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {$(
            #[doc = concat!("`", stringify!($name), "`")]
            $name,
        )*}

        impl Code {
            /// The code as the API writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The HTTP status that goes with it.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    AccessDenied = 403;
    DeleteConflict = 409;
    EntityAlreadyExists = 409;
    ExpiredTokenException = 400;
    InvalidAction = 400;
    InvalidAuthorizationMessageException = 400;
    InvalidInput = 400;
    LimitExceeded = 409;
    MalformedPolicyDocument = 400;
    NoSuchEntity = 404;
    PackedPolicyTooLarge = 400;
    ValidationError = 400;
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
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {}

/// What operations give.
pub type Result<T> = std::result::Result<T, Error>;
