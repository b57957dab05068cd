//! What can go wrong between us and the kernel: a refusal, a transport failure, an answer we cannot read.

use std::fmt;
use std::io;

/// A request that the kernel refused (`NLMSG_ERROR` with a code other than 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which message of the batch, counted from 0. `None`: the batch as a whole (a commit that
    /// failed, a stale generation id).
    pub index: Option<usize>,
    /// Positive errno.
    pub errno: i32,
    /// The kernel's own words (`NLMSGERR_ATTR_MSG`), when it gave any.
    pub message: Option<String>,
    /// Byte offset in the message of the attribute that was wrong (`NLMSGERR_ATTR_OFFS`).
    pub offset: Option<u32>,
    /// What the refused message asked for, when the codec can tell (`new rule, chain forward`).
    pub request: Option<String>,
}

impl Refusal {
    /// The errno as an [`io::Error`], for its kind and its text.
    pub fn io(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "netlink message {index}")?,
            None => f.write_str("netlink batch")?,
        }
        if let Some(request) = &self.request {
            write!(f, " ({request})")?;
        }
        write!(f, " refused: {}", self.io())?;
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " (attribute at byte {offset})")?;
        }
        Ok(())
    }
}

/// Bytes that are not the message they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("netlink answer without a readable {0}")]
pub struct Malformed(pub &'static str);

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel said no.
    #[error("{0}")]
    Refused(Refusal),
    /// A system call failed.
    #[error("netlink {call}: {source}")]
    Io {
        /// The system call.
        call: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// One indivisible send is larger than the socket's send buffer takes. Split it, see
    /// [`crate::Socket::send_capacity`].
    #[error("a netlink batch of {bytes} bytes is larger than the {limit} bytes this socket can send at once")]
    TooLarge {
        /// Size of what was to be sent, bytes.
        bytes: usize,
        /// What the socket takes at most, bytes.
        limit: usize,
    },
    /// The kernel did not answer in time.
    #[error("no answer from netlink in time")]
    Timeout,
    /// A dump changed under us every time we tried.
    #[error("a netlink dump was interrupted by changes {0} times")]
    Interrupted(u32),
    /// The kernel's answer could not be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Error {
    /// The errno of a refusal or of a failed system call.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Refused(refusal) => Some(refusal.errno),
            Error::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// The refusal, if the kernel said no.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}
