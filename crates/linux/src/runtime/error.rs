//! Why something could not be done on this machine.

/// A failure of the kernel, the holder, or a request that makes no sense here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The holder refused or is gone.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// The kernel refused a netlink message.
    #[error("{namespace}: {source}")]
    Netlink {
        /// Where.
        namespace: String,
        /// What it said.
        source: netlink::Error,
    },
    /// A system call failed.
    #[error("{doing}: {source}")]
    Os {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the fabric asks for cannot be built on this machine.
    #[error("{0}")]
    Plan(String),
    /// An instance could not be started.
    #[error("instance {key} did not start: {why}")]
    Instance {
        /// Its key.
        key: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// For `map_err` on a system call.
    pub(crate) fn os<E: Into<std::io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Error {
        let doing = doing.into();
        move |source| Error::Os { doing, source: source.into() }
    }

    /// Whether a system refused to send because its routes lead nowhere.
    pub(crate) fn is_without_route(&self) -> bool {
        let code = match self {
            Self::Os { source, .. } => source.raw_os_error(),
            _ => None,
        };
        matches!(code, Some(libc::ENETUNREACH | libc::EHOSTUNREACH))
    }

    /// For `map_err` on a netlink call.
    pub(crate) fn netlink(namespace: impl ToString) -> impl FnOnce(netlink::Error) -> Error {
        let namespace = namespace.to_string();
        move |source| Error::Netlink { namespace, source }
    }
}

/// Result of a runtime call.
pub type Result<T> = std::result::Result<T, Error>;
