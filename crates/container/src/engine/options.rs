//! What somebody asks of a container: everything that `run` can say, as data. [`super::words`] reads it from text.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::network::{DEFAULT_NETWORK, NetworkMode, PublishRequest};

/// Everything that is asked; what is not said is the image's, or Docker's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Name, id or beginning of an id.
    pub image: String,
    /// Its name; one is made up where none is given.
    pub name: Option<String>,
    /// Instead of the image's command.
    pub command: Vec<String>,
    /// Instead of the image's entrypoint; empty: without any.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=VALUE` above the image's; a `NAME` alone takes the image's away.
    pub environment: Vec<String>,
    /// Where it begins.
    pub working_directory: Option<String>,
    /// `user`, `user:group`, or numbers.
    pub user: Option<String>,
    /// The first twelve digits of the id where none is given.
    pub hostname: Option<String>,
    /// Remarks, above the image's.
    pub labels: BTreeMap<String, String>,
    /// It has a terminal.
    pub terminal: bool,
    /// Its standard input stays open while nobody is attached.
    pub stdin_open: bool,
    /// And after the first who was attached has gone, too.
    pub stdin_stays: bool,
    /// What it sees of elsewhere.
    pub mounts: Vec<MountRequest>,
    /// Containers of the same instance whose volumes and binds it has too: `NAME`, `NAME:ro`.
    pub volumes_from: Vec<String>,
    /// Ports of the instance that lead to it.
    pub publish: Vec<PublishRequest>,
    /// Also every port that the image exposes, each on a random one.
    pub publish_all: bool,
    /// Ports it exposes beside the image's, such as `80/tcp`.
    pub expose: Vec<String>,
    /// Whose network it has.
    pub network: NetworkMode,
    /// More networks that it is in, by name.
    pub more_networks: Vec<String>,
    /// More names in its user networks.
    pub aliases: Vec<String>,
    /// What is asked of its networks one by one, as they are called in `network` and `more_networks`.
    pub attachments: BTreeMap<String, Attachment>,
    /// Containers of its instance that have a name for it: `NAME` or `NAME:ALIAS`.
    pub links: Vec<String>,
    /// It was taken out of `network` and is in `more_networks` alone.
    pub is_out_of_first: bool,
    /// It is removed when it ends, with its anonymous volumes.
    pub auto_remove: bool,
    /// What happens when it ends.
    pub restart: RestartPolicy,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Time of processors in hundredths of one.
    pub cpu_percent: Option<u32>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Capabilities above Docker's fourteen, or `ALL`.
    pub capabilities_added: Vec<String>,
    /// Capabilities below them, or `ALL`.
    pub capabilities_dropped: Vec<String>,
    /// All capabilities, no masks, no seccomp filter; still within its instance.
    pub privileged: bool,
    /// Its root file system refuses writes.
    pub read_only: bool,
    /// A small init as pid 1 that reaps.
    pub init: bool,
    /// Limits of each process by name: soft, hard.
    pub ulimits: BTreeMap<String, (u64, u64)>,
    /// `NAME:ADDRESS` lines for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    /// Instead of the instance's resolvers.
    pub dns: Vec<IpAddr>,
    /// Instead of the instance's search domains.
    pub dns_search: Vec<String>,
    /// Instead of the instance's resolver options.
    pub dns_options: Vec<String>,
    /// How its health is asked for; where it says nothing the image does.
    pub health: HealthRequest,
    /// Its health is not asked for, whatever the image says.
    pub no_health: bool,
    /// What ends it, such as `SIGTERM`.
    pub stop_signal: Option<String>,
    /// How long it may take to end before it is killed, seconds.
    pub stop_seconds: Option<u64>,
    /// Size of `/dev/shm`, bytes.
    pub shm_bytes: Option<u64>,
    /// `--security-opt no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=unconfined`.
    pub seccomp_unconfined: bool,
    /// Settings below `/proc/sys` of its own namespaces, with dots.
    pub sysctls: BTreeMap<String, String>,
    /// How soon the kernel ends it when memory runs out, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Bytes of a log file before the next begins.
    pub log_bytes: Option<u64>,
    /// Log files that are kept.
    pub log_files: Option<u32>,
}

/// What is asked of one network for one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Its address there.
    pub address: Option<Ipv4Addr>,
    /// Its IPv6 address there.
    pub address_v6: Option<Ipv6Addr>,
    /// Its Ethernet address there.
    pub mac: Option<[u8; 6]>,
    /// More names in this network.
    pub aliases: Vec<String>,
    /// Names that it has for others of this network: `NAME` or `NAME:ALIAS`.
    pub links: Vec<String>,
    /// See [`crate::network::Endpoint::gateway_priority`].
    pub gateway_priority: i32,
    /// Options of the driver, which are kept and shown.
    pub driver_options: BTreeMap<String, String>,
}

impl Options {
    /// The networks that it is in, in the order of its devices; none in a mode without.
    pub fn joined(&self) -> Vec<&str> {
        let NetworkMode::Bridge(first) = &self.network else {
            return Vec::new();
        };
        let mut others: Vec<&str> = self.more_networks.iter().map(String::as_str).collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|other| other != first);
        let first = (!self.is_out_of_first).then_some(first.as_str());
        first.into_iter().chain(others).collect()
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            image: String::new(),
            name: None,
            command: Vec::new(),
            entrypoint: None,
            environment: Vec::new(),
            working_directory: None,
            user: None,
            hostname: None,
            labels: BTreeMap::new(),
            terminal: false,
            stdin_open: false,
            stdin_stays: false,
            mounts: Vec::new(),
            volumes_from: Vec::new(),
            publish: Vec::new(),
            publish_all: false,
            expose: Vec::new(),
            network: NetworkMode::Bridge(DEFAULT_NETWORK.into()),
            more_networks: Vec::new(),
            aliases: Vec::new(),
            attachments: BTreeMap::new(),
            links: Vec::new(),
            is_out_of_first: false,
            auto_remove: false,
            restart: RestartPolicy::No,
            memory_bytes: None,
            cpu_percent: None,
            processes: None,
            capabilities_added: Vec::new(),
            capabilities_dropped: Vec::new(),
            privileged: false,
            read_only: false,
            init: false,
            ulimits: BTreeMap::new(),
            extra_hosts: Vec::new(),
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_options: Vec::new(),
            health: HealthRequest::default(),
            no_health: false,
            stop_signal: None,
            stop_seconds: None,
            shm_bytes: None,
            no_new_privileges: false,
            seccomp_unconfined: false,
            sysctls: BTreeMap::new(),
            oom_score_adj: None,
            log_bytes: None,
            log_files: None,
        }
    }
}

/// Something that a container sees of elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRequest {
    /// What it is.
    pub source: MountSource,
    /// Absolute path inside.
    pub target: String,
    /// Refuse writes.
    pub read_only: bool,
}

/// Where a mount comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A path of this machine.
    Bind {
        /// Absolute.
        path: PathBuf,
        /// Made as a folder where it is not there (`-v` does, `--mount` does not).
        make: bool,
        /// What becomes visible of later mounts: `rprivate` where nothing is said.
        propagation: Option<String>,
    },
    /// A volume.
    Volume {
        /// None: an anonymous one.
        name: Option<String>,
        /// An empty one is filled with what the image has at the target.
        copy: bool,
    },
    /// Memory.
    Tmpfs {
        /// Bytes; half of the machine's memory where nothing is said.
        bytes: Option<u64>,
        /// Permissions; 1777 where nothing is said.
        mode: Option<u32>,
    },
}

/// What happens when a container ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// It stays ended.
    #[default]
    No,
    /// It is started again, and with its instance.
    Always,
    /// As [`RestartPolicy::Always`], but not after somebody stopped it.
    UnlessStopped,
    /// It is started again when its code is not 0, at most this often in a row.
    OnFailure(Option<u32>),
}

impl RestartPolicy {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
            RestartPolicy::OnFailure(_) => "on-failure",
        }
    }
}

/// How health is asked for; what is not said is the image's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRequest {
    /// `CMD-SHELL` and a line, `CMD` and words, or `NONE`.
    pub test: Option<Vec<String>>,
    /// Between two questions.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// Bad answers in a row before it counts as unhealthy.
    pub retries: Option<u32>,
    /// How long bad answers do not count at the start.
    pub start_period: Option<Duration>,
    /// Between two questions meanwhile.
    pub start_interval: Option<Duration>,
}
