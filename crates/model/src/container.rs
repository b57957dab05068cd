//! Containers that a lab puts into its instances, the volumes they share and the images they are made of. AWS knows
//! none of it; the words are Docker's.
//!
//! This is what was asked for, not what runs: whoever runs containers makes these specs true. Operations are in
//! [`crate::operation`] (`set_containers`, `set_volume`, `set_container_image`).

mod images;
mod order;
mod ports;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use images::{ContainerImage, ImageBuild, ImageSource};
pub use order::dependency_circle;
pub use ports::{MOST_PUBLISHED, PortMapping, PortProtocol, collisions};
pub use words::{name_problem, reference_problem, target_problem};

use crate::Origin;

/// Linux's capabilities, without their `CAP_` (capabilities(7)), and Docker's word for all of them.
pub const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Least memory that a container may be limited to, bytes: Docker's own limit.
pub const LEAST_MEMORY: u64 = 6 << 20;

/// One container of an instance, as it is to be. An empty value means the image's, or Docker's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// A name of [`crate::Model::container_images`], else an image reference such as `nginx:1.27`.
    pub image: String,
    /// Program and arguments before `command`; `None` = the image's, empty = none.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments, or the program with its arguments where there is no entry point; `None` = the image's.
    pub command: Option<Vec<String>>,
    /// Ports of the instance that lead to ports of the container.
    pub publish: Vec<PortMapping>,
    /// Environment beside the image's.
    pub environment: BTreeMap<String, String>,
    /// Mounts, by their target.
    pub mounts: Vec<MountSpec>,
    /// Working directory; absolute.
    pub working_directory: Option<String>,
    /// `USER[:GROUP]` by name or number.
    pub user: Option<String>,
    /// Host name; default: the container's id.
    pub hostname: Option<String>,
    /// Containers of the same instance that come before, and what they must be by then.
    pub depends_on: BTreeMap<String, Readiness>,
    /// How its health is found out; `None` = as the image says.
    pub health_check: Option<HealthCheck>,
    /// Whether it is started again after it ended.
    pub restart: RestartPolicy,
    /// Limits.
    pub resources: Resources,
    /// Networks of the instance that it is in.
    pub network: NetworkChoice,
    /// Names that lead to addresses, for `/etc/hosts`.
    pub extra_hosts: BTreeMap<String, String>,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// Capabilities beside Docker's fourteen, without `CAP_`.
    pub cap_add: BTreeSet<String>,
    /// Capabilities of Docker's fourteen that it does not get.
    pub cap_drop: BTreeSet<String>,
    /// Whether it gets every capability and device that the instance has.
    pub privileged: bool,
    /// Whether a small init is its first process.
    pub init: bool,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Signal that asks it to end, such as `SIGQUIT`; `None` = the image's, else SIGTERM.
    pub stop_signal: Option<String>,
    /// Milliseconds between that signal and SIGKILL; `None` = ten seconds.
    pub stop_timeout_milliseconds: Option<u64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Where it was written.
    pub origin: Origin,
}

impl ContainerSpec {
    /// Whether the two make the same container: where they are written makes none of them another.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let without_origin = |spec: &Self| Self { origin: Origin::default(), ..spec.clone() };
        without_origin(self) == without_origin(other)
    }
}

/// Something at a place in a container's file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MountSpec {
    /// Where, absolute and without `.` and `..`.
    pub target: String,
    /// What.
    pub source: MountSource,
    /// Whether nobody may write there.
    pub read_only: bool,
}

impl std::fmt::Display for MountSpec {
    /// As a lab file has it: `db-data:/var/lib/mysql`, `/srv/site:/site:ro`, `tmpfs:/run:size=65536b`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut options: Vec<String> = Vec::new();
        match &self.source {
            MountSource::Volume { name, copy } => {
                write!(f, "{name}:{}", self.target)?;
                options.extend((!copy).then(|| "nocopy".to_owned()));
            }
            MountSource::Anonymous => f.write_str(&self.target)?,
            MountSource::Bind { path } => write!(f, "{path}:{}", self.target)?,
            MountSource::Tmpfs { bytes, mode } => {
                write!(f, "tmpfs:{}", self.target)?;
                options.extend(bytes.map(|bytes| format!("size={bytes}b")));
                options.extend(mode.map(|mode| format!("mode={mode:o}")));
            }
        }
        options.extend(self.read_only.then(|| "ro".to_owned()));
        if options.is_empty() { Ok(()) } else { write!(f, ":{}", options.join(",")) }
    }
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A volume of the lab, by name.
    Volume {
        /// Name.
        name: String,
        /// Whether an empty one gets what the image has at that place.
        copy: bool,
    },
    /// A volume of this container alone, which goes with it.
    Anonymous,
    /// A file or folder of the machine on which the lab runs.
    Bind {
        /// Where it is.
        path: String,
    },
    /// Memory.
    Tmpfs {
        /// Most bytes; `None` = half of the machine's memory.
        bytes: Option<u64>,
        /// Permissions; `None` = 1777.
        mode: Option<u32>,
    },
}

/// What a container that others wait for must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// Started.
    #[default]
    Started,
    /// Healthy by its health check.
    Healthy,
    /// Ended with 0.
    Completed,
}

impl Readiness {
    /// The word of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        }
    }
}

/// How a container's health is found out. What is `None` is as the image says, else Docker's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is run inside: 0 is healthy.
    pub test: HealthTest,
    /// Milliseconds between two checks; Docker's default is 30 seconds.
    pub interval_milliseconds: Option<u64>,
    /// Milliseconds after which a check has failed; 30 seconds.
    pub timeout_milliseconds: Option<u64>,
    /// Failures in a row that make it unhealthy; 3.
    pub retries: Option<u32>,
    /// Milliseconds from its start in which failures do not count; 0.
    pub start_period_milliseconds: Option<u64>,
}

/// What a health check runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthTest {
    /// What the image says.
    Inherit,
    /// Nothing, whatever the image says.
    Disabled,
    /// A line for the container's shell.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
}

/// Whether a container that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// When it ended with another code than 0, so many times at most.
    OnFailure {
        /// Most restarts; `None` = any number.
        retries: Option<u32>,
    },
    /// Always.
    Always,
    /// Always, unless somebody stopped it.
    UnlessStopped,
}

impl std::fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::OnFailure { retries: None } => f.write_str("on-failure"),
            Self::OnFailure { retries: Some(retries) } => write!(f, "on-failure:{retries}"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
        }
    }
}

/// Limits of a container; `None` = the instance's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory in bytes, from [`LEAST_MEMORY`].
    pub memory_bytes: Option<u64>,
    /// Processor time in billionths of a processor: 500,000,000 is half of one.
    pub nano_cpus: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Size of `/dev/shm` in bytes; `None` = 64 MiB.
    pub shm_bytes: Option<u64>,
}

/// Networks of an instance that a container is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkChoice {
    /// The instance's `docker0`.
    #[default]
    Bridge,
    /// Networks of the instance by name, which are made when they are missing; at least one. In them, names of
    /// containers lead to their addresses.
    Named(BTreeSet<String>),
    /// The instance's own interfaces, without a namespace between.
    Host,
    /// None but the loopback interface.
    None,
    /// Those of another container of the instance.
    Container(String),
}

impl std::fmt::Display for NetworkChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bridge => f.write_str("bridge"),
            Self::Named(names) => f.write_str(&names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
            Self::Host => f.write_str("host"),
            Self::None => f.write_str("none"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

/// A volume of the lab: containers of any instance may mount it, and it outlives them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Where it was written.
    pub origin: Origin,
}
