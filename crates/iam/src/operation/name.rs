//! Names and paths: what they are made of (IAM-4), in the words that the API refuses them with.

use crate::error::{Code, Error, Result};

/// Refuses what is no name of at most so many characters: letters, digits and `+=,.@_-`.
pub(super) fn check(field: &str, name: &str, longest: usize) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if name.is_empty() || name.len() > longest {
        let message = format!("1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length between 1 and {longest}");
        return Err(Error::new(Code::ValidationError, message));
    }
    match name.bytes().all(fits) {
        true => Ok(()),
        false => Err(Error::new(
            Code::ValidationError,
            format!("The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"),
        )),
    }
}

/// A path, `/` where none is given. Errors: it does not begin and end with a slash, or is over 512 characters.
pub(super) fn path(path: Option<&str>) -> Result<String> {
    let path = path.unwrap_or("/");
    let fits = path.starts_with('/') && path.ends_with('/') && path.len() <= 512 && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    match fits {
        true => Ok(path.to_owned()),
        false => Err(Error::new(
            Code::ValidationError,
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        )),
    }
}

/// A sentence about a limit that is reached.
pub(super) fn limit(what: &str, most: usize) -> Error {
    Error::new(Code::LimitExceeded, format!("Cannot exceed quota for {what}: {most}"))
}
