//! What can go wrong, in words a person can act on.

use std::path::PathBuf;

use crate::digest::Digest;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text names no image.
    #[error("`{text}` is not an image reference: {why}")]
    Reference {
        /// What was written.
        text: String,
        /// Which rule it breaks.
        why: String,
    },
    /// Nothing has this name or id.
    #[error("no image is named `{0}`")]
    NoImage(String),
    /// More than one image's id begins with this.
    #[error("`{text}` is the beginning of {} image ids: {}", ids.len(), ids.join(", "))]
    Ambiguous {
        /// What was written.
        text: String,
        /// Short ids of those that fit.
        ids: Vec<String>,
    },
    /// The image has more names than the one to be forgotten, or none was given.
    #[error("image {id} has {} names: {}", names.len(), names.join(", "))]
    ManyNames {
        /// Short id.
        id: String,
        /// All of them.
        names: Vec<String>,
    },
    /// The input is not what it has to be.
    #[error("{what}: {why}")]
    Malformed {
        /// Which file, entry or document.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// An entry would be written outside of its layer, or is of a kind that layers may not have.
    #[error("entry `{entry}` is refused: {why}")]
    Refused {
        /// Its path as it is in the archive.
        entry: String,
        /// Why.
        why: String,
    },
    /// The bytes are not those that the digest promises.
    #[error("{what} is not what its digest promises: {expected} was promised, {found} came")]
    Digest {
        /// Which blob or layer.
        what: String,
        /// Promised.
        expected: Digest,
        /// Computed.
        found: Digest,
    },
    /// Larger than allowed.
    #[error("{what}: more than {limit}")]
    Limit {
        /// What is too large.
        what: String,
        /// The bound with its unit.
        limit: String,
    },
    /// A blob that something refers to is not in the store.
    #[error("blob {0} is not in the store")]
    NoBlob(Digest),
    /// Somebody else holds the store.
    #[error("the store {} is in use: {doing} waited {seconds} s", store.display())]
    InUse {
        /// Its folder.
        store: PathBuf,
        /// What waited.
        doing: &'static str,
        /// How long.
        seconds: u64,
    },
    /// A registry, or the way to it.
    #[error(transparent)]
    Registry(#[from] crate::registry::Failure),
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Something that was read is not what it has to be.
    pub fn malformed(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Malformed {
            what: what.into(),
            why: why.into(),
        }
    }

    /// An adapter for `map_err` that says what was being done.
    pub fn io<E: Into<std::io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Error {
        let doing = doing.into();
        move |source| {
            let source = source.into();
            // Readers pass this room's own errors through `std::io`; they come out as they went in.
            if source.get_ref().is_some_and(|inner| inner.is::<Error>()) {
                return match source.into_inner().map(|inner| inner.downcast::<Error>()) {
                    Some(Ok(error)) => *error,
                    _ => Error::Io {
                        doing,
                        source: std::io::ErrorKind::Other.into(),
                    },
                };
            }
            Error::Io { doing, source }
        }
    }

    /// Whether the disk or a quota is full.
    pub fn is_full(&self) -> bool {
        is_full(self)
    }
}

/// Whether a full disk or quota is what an error comes from, of whichever room it is.
pub fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let mut at = Some(error);
    while let Some(error) = at {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| matches!(io.kind(), StorageFull | QuotaExceeded)) {
            return true;
        }
        // An error that was passed through `std::io` is not in the chain of causes, what it comes from is.
        at = match io.and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error)
    }
}
