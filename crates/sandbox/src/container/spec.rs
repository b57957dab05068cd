//! What callers describe of a container, and what they are told of one. Plain data; nothing here touches the
//! system. Defaults are Docker's.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::capability::CapabilitySet;
use crate::error::Error;
use crate::process::ExitStatus;
use crate::spec::Limits;

/// A container to start: a process with its own root file system inside a running instance, whose users it shares
/// and whose process list it appears in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Name within the lab, free until [`crate::Client::remove_container`].
    pub key: String,
    /// The running instance that it runs in.
    pub instance: String,
    /// Host name seen inside, 1 to 64 bytes.
    pub hostname: String,
    /// Its file system.
    pub root: ContainerRoot,
    /// Its network namespace.
    pub network: ContainerNetwork,
    /// What runs in it.
    pub process: ProcessSpec,
    /// Rights of root inside, over what the instance owns.
    pub capabilities: CapabilitySet,
    /// Programs with the setuid bit or file capabilities give nobody more rights.
    pub no_new_privileges: bool,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// Limits of each process; others are the instance's.
    pub rlimits: Vec<ResourceLimit>,
    /// -1000 to 1000, proc_pid_oom_score_adj(5). Less than the holder's own needs the host's root.
    pub oom_score_adj: Option<i32>,
    /// An init is pid 1: passes signals on and reaps.
    pub init: bool,
    /// In this order, after the root and `/proc`, `/dev`, `/sys`.
    pub mounts: Vec<ContainerMount>,
    /// Absolute path → content: files of memory laid over the root (`/etc/hosts`, `/etc/hostname`,
    /// `/etc/resolv.conf`); they are in no layer. See [`crate::Client::write_container_file`].
    pub files: BTreeMap<String, String>,
    /// Paths that show nothing; those that are not there are passed over.
    pub masked_paths: Vec<String>,
    /// Paths that refuse writes; those that are not there are passed over.
    pub read_only_paths: Vec<String>,
    /// `net.ipv4.ip_forward` → `1`: of its own network and IPC namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Size of `/dev/shm`, bytes.
    pub shm_bytes: u64,
    /// What it may use, where that can be enforced: see [`crate::client::Stats::enforced`].
    pub limits: Limits,
    /// What asks it to end when its instance stops.
    pub stop_signal: i32,
    /// Where its output is kept.
    pub log: Option<LogSpec>,
    /// All capabilities, no masks, a writable `/sys`, no filter but the instance's.
    pub privileged: bool,
}

/// Docker's `MaskedPaths` (moby `oci/defaults.go`).
pub const MASKED_PATHS: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/devices/system/cpu/cpu0/thermal_throttle",
    "/sys/firmware",
];
/// Docker's `ReadonlyPaths`.
pub const READ_ONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// Docker's size of `/dev/shm`.
pub const SHM_BYTES: u64 = 64 << 20;

impl ContainerSpec {
    /// A container as `docker run --network none` makes it, without a log.
    pub fn new(key: impl Into<String>, instance: impl Into<String>, root: ContainerRoot, process: ProcessSpec) -> ContainerSpec {
        let key = key.into();
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        ContainerSpec {
            hostname: key.chars().filter(char::is_ascii_alphanumeric).take(12).collect(),
            key,
            instance: instance.into(),
            root,
            network: ContainerNetwork::None,
            process,
            capabilities: CapabilitySet::DOCKER,
            no_new_privileges: false,
            seccomp: Seccomp::Default,
            rlimits: Vec::new(),
            oom_score_adj: None,
            init: false,
            mounts: Vec::new(),
            files: BTreeMap::new(),
            masked_paths: owned(&MASKED_PATHS),
            read_only_paths: owned(&READ_ONLY_PATHS),
            sysctls: BTreeMap::new(),
            shm_bytes: SHM_BYTES,
            limits: Limits::default(),
            stop_signal: libc::SIGTERM,
            log: None,
            privileged: false,
        }
    }
}

/// Layers of an image and what is written above them, under one overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRoot {
    /// Read-only layers, lowest first; at least one. Their owners are the instance's: see
    /// [`crate::instance_ids`].
    pub lower: Vec<PathBuf>,
    /// Writable layer; made as needed and given to the instance's root. Its file system must bear the upper half of
    /// an overlay.
    pub upper: PathBuf,
    /// Overlayfs's work directory, beside `upper`; made as needed.
    pub work: PathBuf,
    /// Refuse writes to the root.
    pub read_only: bool,
}

/// Which network namespace a container is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerNetwork {
    /// One made before by [`crate::Client::create_container_netns`] for the same instance.
    Own {
        /// Its key.
        netns: String,
    },
    /// The instance's.
    Host,
    /// A new one with `lo` only.
    None,
    /// That of another container of the same instance, which runs.
    Container {
        /// Its key.
        key: String,
    },
}

/// What runs in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program (searched on `PATH` of `environment` when it has no slash) and arguments.
    pub args: Vec<String>,
    /// All of it, in this order; `HOME` is added from `/etc/passwd` of the root when it is not there.
    pub environment: Vec<(String, String)>,
    /// Made when it is not there, as Docker does. Empty: `/`.
    pub working_directory: String,
    /// Who it is.
    pub user: ContainerUser,
    /// Rows and columns of a terminal that is its standard streams.
    pub terminal: Option<(u16, u16)>,
    /// Standard input is a pipe that attached callers write to; otherwise `/dev/null`.
    pub stdin_open: bool,
    /// Standard input ends when the first attached caller that gave one ends it (`docker run -i`).
    pub stdin_once: bool,
}

impl ProcessSpec {
    /// A command of root.
    pub fn new<S: Into<String>>(args: impl IntoIterator<Item = S>) -> ProcessSpec {
        ProcessSpec {
            args: args.into_iter().map(Into::into).collect(),
            ..ProcessSpec::default()
        }
    }
}

/// Who a process is. Where only root exists inside (an ordinary user without subordinate ids) it is root whatever is
/// asked for, and that is among the warnings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// More groups.
    pub additional_gids: Vec<u32>,
    /// `USER` as an image says it: `user`, `user:group`, by name or number, looked up in `/etc/passwd` and
    /// `/etc/group` of the root. When given, the ids above do not count.
    pub name: Option<String>,
}

/// Which system calls a container may make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// As Docker's default profile.
    #[default]
    Default,
    /// What every command of an instance may.
    Unconfined,
}

/// A limit by name, getrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// `nofile`, `nproc`, `core`, …, as `docker run --ulimit` names them.
    pub name: String,
    /// In force; `u64::MAX`: none.
    pub soft: u64,
    /// How far it may be raised; `u64::MAX`: none.
    pub hard: u64,
}

/// Something mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMount {
    /// What.
    pub kind: MountKind,
    /// Where, absolute; made as needed. Links of the image on the way lead nowhere but inside the root.
    pub target: PathBuf,
    /// Refuse writes.
    pub read_only: bool,
}

/// What can be mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// A file or directory of the host, with its owners as they are.
    Bind {
        /// Absolute path on the host.
        source: PathBuf,
        /// What is mounted below it, too.
        recursive: bool,
        /// Whether mounts made later are passed on.
        propagation: Propagation,
    },
    /// A folder of the lab, made as needed and given to the instance's root.
    Volume {
        /// Absolute path on the host.
        source: PathBuf,
        /// While it is empty, it is filled with what the image has at the target.
        copy: bool,
    },
    /// Memory.
    Tmpfs {
        /// Bytes; half of the machine's memory when absent.
        size_bytes: Option<u64>,
        /// Permission bits; 0o1777 when absent.
        mode: Option<u32>,
    },
}

/// mount_namespaces(7). None reaches the host: a container's mounts are copies of a less trusted namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// Neither way.
    #[default]
    Private,
    /// From the host to the container.
    Slave,
    /// From the host to the container, and among what the container makes itself.
    Shared,
}

/// A log in Docker's `json-file` format: one object a line with `log`, `stream`, `time`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpec {
    /// Absolute path on the host; made with mode 0640, appended to.
    pub path: PathBuf,
    /// Renamed to `PATH.1` (and `PATH.1` to `PATH.2`, …) before it grows beyond; 0: never.
    pub max_bytes: u64,
    /// How many files are kept, the current one among them; at least 1.
    pub max_files: u32,
}

/// Which streams of a container a caller wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Write to its standard input; has no effect unless [`ProcessSpec::stdin_open`].
    pub input: bool,
    /// Hear its standard output, or its terminal.
    pub output: bool,
    /// Hear its standard error; silent with a terminal.
    pub errors: bool,
}

/// Streams of a container. Dropping one lets go of it; the container goes on.
#[derive(Debug, Default)]
pub struct ContainerStreams {
    /// Write end; closing it is end of input where [`ProcessSpec::stdin_once`].
    pub input: Option<OwnedFd>,
    /// Read end; ends with the container.
    pub output: Option<OwnedFd>,
    /// Read end; ends with the container.
    pub errors: Option<OwnedFd>,
}

/// A container as the holder knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// Its name.
    pub key: String,
    /// The instance that it runs in, or ran in.
    pub instance: String,
    /// Pid of its first process in the lab.
    pub pid: i32,
    /// The same in its instance.
    pub instance_pid: i32,
    /// Pid of its shim in the lab.
    pub shim_pid: i32,
    /// Nanoseconds since 1970.
    pub started: u64,
    /// Paused by [`crate::Client::pause_container`].
    pub paused: bool,
    /// How it ended; `None` while it runs.
    pub ended: Option<ContainerEnd>,
    /// Inode of its network namespace on nsfs.
    pub network_inode: u64,
    /// Its directory in the tree of control groups, while it runs and where limits are enforced.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
}

/// What of a container that does not run is to be looked at: see [`crate::at_rest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRest {
    /// Its layers.
    pub root: ContainerRoot,
    /// What is mounted there; memory is left out, as it has none while it does not run.
    pub mounts: Vec<ContainerMount>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEnd {
    /// Of its first process.
    pub status: ExitStatus,
    /// Nanoseconds since 1970.
    pub finished: u64,
    /// Its cgroup ran out of memory; known only where limits are enforced.
    pub out_of_memory: bool,
    /// What ended it from outside: its shim was killed, its instance stopped.
    pub error: Option<String>,
}

/// A command to run in a container that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerExecSpec {
    /// Program and arguments.
    pub args: Vec<String>,
    /// All of it, as in [`ProcessSpec::environment`].
    pub environment: Vec<(String, String)>,
    /// Empty: `/`.
    pub working_directory: String,
    /// Who it is.
    pub user: ContainerUser,
    /// With all capabilities and no filter but the instance's.
    pub privileged: bool,
}

impl ContainerExecSpec {
    /// A command of root.
    pub fn new<S: Into<String>>(args: impl IntoIterator<Item = S>) -> ContainerExecSpec {
        ContainerExecSpec {
            args: args.into_iter().map(Into::into).collect(),
            ..ContainerExecSpec::default()
        }
    }
}

/// How a container was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseMethod {
    /// By its cgroup: it cannot notice.
    Frozen,
    /// By SIGSTOP to every process, where no cgroup was given: parents inside see their children stop.
    Stopped,
}

impl Error {
    /// The code that `docker run` ends with when a container cannot be started for this reason: 127 for a program that
    /// or a working directory that is not there, 126 for one that cannot be run or entered, 128 for a directory that is no
    /// absolute path, 125 for anything else.
    pub fn docker_code(&self) -> i32 {
        match self {
            Error::Refused(fault) if fault.message.starts_with(super::RUNNING) => match fault.errno {
                Some(libc::ENOENT | libc::ENOTDIR) => 127,
                Some(_) => 126,
                None => 125,
            },
            Error::Refused(fault) if fault.message.starts_with(super::CWD) => match fault.errno {
                Some(libc::ENOENT) => 127,
                Some(_) => 126,
                None => 128,
            },
            _ => 125,
        }
    }
}
