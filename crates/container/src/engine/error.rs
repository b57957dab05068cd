//! Why a container or a volume is not as it was asked for.

use crate::network;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that cannot be one.
    #[error(
        "`{text}` cannot be the name of a {kind}: letters, digits, `_`, `.` and `-`, two or more, the first a letter or digit"
    )]
    Name {
        /// Of what.
        kind: &'static str,
        /// What was written.
        text: String,
    },
    /// Somebody has the name.
    #[error("the name `{name}` is in use by container {by:.12}")]
    NameTaken {
        /// The name.
        name: String,
        /// Id.
        by: String,
    },
    /// An option makes no sense.
    #[error("{option} `{text}`: {why}")]
    Option {
        /// Such as `--memory`.
        option: &'static str,
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Conflict(String),
    /// No container is called so.
    #[error("no container `{0}`")]
    NoContainer(String),
    /// An id that several containers begin with.
    #[error("`{text}` is the beginning of {} ids: {}", ids.len(), ids.join(", "))]
    Ambiguous {
        /// What was written.
        text: String,
        /// Short ids.
        ids: Vec<String>,
    },
    /// The container is in a state in which this cannot be done.
    #[error("container {name} is {state}: {why}")]
    State {
        /// Its name.
        name: String,
        /// What it is.
        state: &'static str,
        /// What cannot be done.
        why: String,
    },
    /// No network is called so.
    #[error("network {0} not found")]
    NoNetwork(String),
    /// Nothing makes such networks.
    #[error("could not find plugin {0} in v1 plugin registry: plugin \"{0}\" not found: networks are made by driver bridge")]
    NoDriver(String),
    /// There is a network of that name.
    #[error("network with name {0} already exists")]
    NetworkExists(String),
    /// A network is not changed so: it is always there, somebody is in it, or nobody can be.
    #[error("{0}")]
    Forbidden(String),
    /// No volume is called so.
    #[error("no volume `{0}`")]
    NoVolume(String),
    /// There is a volume of that name.
    #[error("there is a volume `{0}`")]
    VolumeExists(String),
    /// Somebody uses the volume.
    #[error("volume `{name}` is in use by {}", by.join(", "))]
    VolumeInUse {
        /// The volume.
        name: String,
        /// Names of containers.
        by: Vec<String>,
    },
    /// The program could not be started; codes as the shell has them.
    #[error("{why}")]
    NotStarted {
        /// 126: cannot be executed; 127: is not there; 125: anything else.
        code: i32,
        /// What and why.
        why: String,
    },
    /// A container has nothing at a path.
    #[error("Could not find the file {path} in container {container}")]
    NoPath {
        /// Short id.
        container: String,
        /// The path as it was written.
        path: String,
    },
    /// What was asked of a container's files cannot be done there.
    #[error("{0}")]
    Refused(String),
    /// Another command holds what this one needs.
    #[error("{what} is in use by another command: waited {seconds} s")]
    InUse {
        /// A container's name or a folder.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// A record or an archive is not what it has to be.
    #[error("{what}: {why}")]
    Malformed {
        /// Which.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Images, and what the operating system refused.
    #[error(transparent)]
    Image(#[from] crate::Error),
    /// Networks.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// The holder.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An adapter for `map_err` that says what was being done.
    pub fn io<E: Into<std::io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Error {
        let refused = crate::Error::io(doing);
        move |source| refused(source).into()
    }

    /// An option makes no sense.
    pub fn option(option: &'static str, text: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Option {
            option,
            text: text.into(),
            why: why.into(),
        }
    }
}
