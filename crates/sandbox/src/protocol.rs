//! What callers and holder say to each other, and holder and init. JSON, because a message is rare and
//! a batch is large; descriptors travel beside it in the order the message names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::container::Started;
use crate::container::spec::{Attach, ContainerExecSpec, ContainerSpec, ContainerStatus, PauseMethod};
use crate::error::Fault;
use crate::process::{ExitStatus, ProcessStatus};
use crate::spec::{ExecSpec, InstanceSpec, NetnsSpec, RootSpec, SocketSpec};

/// Raised whenever a message changes meaning; a holder serves callers of its own version only.
pub const VERSION: u32 = 4;

/// Caller to holder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Ping,
    Stats,
    CreateNamespaces {
        specs: Vec<NetnsSpec>,
    },
    RemoveNamespaces {
        keys: Vec<String>,
    },
    ListNamespaces,
    /// Answered with one descriptor a key.
    NamespaceDescriptors {
        keys: Vec<String>,
    },
    /// Answered with one descriptor a socket.
    OpenSockets {
        sockets: Vec<SocketSpec>,
    },
    WriteSysctls {
        writes: Vec<SysctlWrite>,
    },
    ReadFile {
        key: String,
        path: String,
    },
    /// Several at once; one that is not there is no error.
    ReadFiles {
        key: String,
        paths: Vec<String>,
    },
    /// Where a link leads (`/proc/7/ns/net`); answered with its text.
    ReadLink {
        path: String,
    },
    StartInstances {
        specs: Vec<InstanceSpec>,
    },
    StopInstances {
        keys: Vec<String>,
        grace_milliseconds: u64,
    },
    /// Removes the other disks of a folder.
    RetainDisks {
        folder: PathBuf,
        keep: BTreeSet<String>,
    },
    /// Makes these all the volumes that an instance sees, by path inside.
    SetVolumes {
        key: String,
        volumes: BTreeMap<PathBuf, PathBuf>,
    },
    /// Answered with a pipe that ends when it is done.
    CopyDisk {
        from: PathBuf,
        to: PathBuf,
    },
    MoveDisk {
        from: PathBuf,
        to: PathBuf,
    },
    ListInstances,
    /// Carries none or three descriptors; answered with the exit pipe, then the terminal if asked for.
    Exec {
        key: String,
        spec: ExecSpec,
        stdio: StdioKind,
    },
    /// Carries three descriptors and then `inherited` more, which become 3, 4, … in the command.
    Run {
        key: String,
        spec: ExecSpec,
        inherited: usize,
    },
    Signal {
        process: u64,
        signal: i32,
    },
    /// Answered with an exit pipe.
    Wait {
        process: u64,
    },
    ListProcesses,
    /// Carries one descriptor.
    Keep {
        name: String,
    },
    /// Answered with one descriptor.
    Fetch {
        name: String,
    },
    Forget {
        name: String,
    },
    ListKept,
    /// A network namespace that the instance's user namespace owns; answered with its descriptor.
    CreateContainerNamespace {
        key: String,
        instance: String,
        ipv6: bool,
    },
    /// Carries the read end of a gate, if there is one. Answered with the streams that are wanted, in the order input,
    /// output, errors, and an exit pipe.
    StartContainer {
        spec: Box<ContainerSpec>,
        attach: Attach,
    },
    ListContainers,
    ContainerStatus {
        key: String,
    },
    /// Answered with an exit pipe.
    WaitContainer {
        key: String,
    },
    SignalContainer {
        key: String,
        signal: i32,
    },
    PauseContainer {
        key: String,
        pause: bool,
    },
    ResizeContainer {
        key: String,
        rows: u16,
        columns: u16,
    },
    /// Answered with the streams that are wanted.
    AttachContainer {
        key: String,
        attach: Attach,
    },
    /// Like `Exec`.
    ExecInContainer {
        key: String,
        spec: ContainerExecSpec,
        stdio: StdioKind,
    },
    WriteContainerFile {
        key: String,
        path: String,
        content: String,
    },
    ContainerProcesses {
        key: String,
    },
    /// Answered with one descriptor.
    ContainerRoot {
        key: String,
    },
    RemoveContainer {
        key: String,
    },
    Shutdown,
    /// Shutdown once the caller's connection closes.
    EndWithCaller,
}

/// Values for one namespace's `/proc/sys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlWrite {
    /// Namespace.
    pub key: String,
    /// Paths under `/proc/sys` with values.
    pub values: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StdioKind {
    Null,
    Descriptors,
    Terminal { rows: u16, columns: u16 },
}

/// Holder to caller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Pong(Pong),
    Stats(Stats),
    Namespaces(Vec<NetnsStatus>),
    Instances(Vec<InstanceStatus>),
    /// One entry for each that failed.
    Failures(BTreeMap<String, Fault>),
    Content(Vec<u8>),
    Contents(Vec<Option<Vec<u8>>>),
    Started {
        process: u64,
        pid: i32,
    },
    Processes(Vec<ProcessStatus>),
    Names(Vec<String>),
    ContainerStarted(Started),
    Containers(Vec<ContainerStatus>),
    Paused(PauseMethod),
    Pids(Vec<i32>),
    Refused(Fault),
}

/// Who answers at a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The holder's protocol version; see [`crate::client::Client::connect`].
    pub version: u32,
    /// The version of the program that the holder runs.
    pub program_version: String,
    /// The lab it holds.
    pub lab_name: String,
}

/// What a holder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Seconds since launch.
    pub uptime_seconds: u64,
    /// Network namespaces held.
    pub namespaces: usize,
    /// Instances with a live init.
    pub instances: usize,
    /// Commands and services running.
    pub processes: usize,
    /// Callers connected.
    pub clients: usize,
    /// Requests served since launch.
    pub requests: u64,
    /// Resident memory of the holder itself, in KiB.
    pub resident_kib: u64,
    /// Ids that exist inside an instance; 1 without subordinate ids.
    pub instance_ids: u32,
    /// Which limits of instances are enforced: `cpu`, `memory`, `pids`; empty: none.
    #[serde(default)]
    pub enforced: Vec<String>,
    /// How the files of instances are kept; `None` while no instance with a disk has run anything.
    #[serde(default)]
    pub disks: Option<Disks>,
}

/// How the files of instances outlive their processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disks {
    /// In the folder that the caller named.
    OnDisk,
    /// In memory, until the holder ends.
    InMemory {
        /// Why not in the folder.
        why: String,
    },
}

/// A network namespace as the holder knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsStatus {
    /// Its name.
    pub key: String,
    /// Who owns it.
    pub owner: crate::spec::NetnsOwner,
    /// Its inode on nsfs, which identifies it on this machine while it exists.
    pub inode: u64,
}

/// An instance as the holder knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub key: String,
    /// Pid of its init in the lab's pid namespace.
    pub pid: i32,
    /// Host name given at start.
    pub hostname: String,
    /// Whether its root file system is mounted, which the first command does.
    pub root_mounted: bool,
}

/// Holder to init.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Id maps are written: finish starting.
    Go {
        hostname: String,
        network: Option<NetworkStart>,
    },
    /// Carries what [`StdioKind`] says. `root` comes with the first command.
    Exec {
        process: u64,
        spec: ExecSpec,
        stdio: StdioKind,
        root: Option<Box<RootOrder>>,
    },
    Signal {
        process: u64,
        signal: i32,
    },
    /// Carries a mount to be shown at a path.
    Mount {
        target: PathBuf,
    },
    Unmount {
        target: PathBuf,
    },
}

/// What init does in a network namespace that was made with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NetworkStart {
    pub ipv6: bool,
    pub sysctls: Vec<(String, String)>,
}

/// A root file system to enter, with what the holder found out about the host for all instances.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RootOrder {
    pub spec: RootSpec,
    pub ids: u32,
    pub host: HostView,
}

/// What must be known of the host before its directories are shown; paths are relative to `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostView {
    /// Never visible inside.
    pub hidden: Vec<String>,
    /// All directories of `/etc` and the upper ones of `/usr`, with permission bits, parents first: the
    /// instance's root is to own them.
    pub directories: Vec<(String, u32)>,
}

/// Init to holder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Carries its pid namespace.
    Ready,
    NotReady(Fault),
    /// Carries the terminal's master where one was asked for. `pid` is in the instance's namespace.
    Started {
        process: u64,
        pid: i32,
    },
    NotStarted {
        process: u64,
        fault: Fault,
    },
    Exited {
        process: u64,
        status: ExitStatus,
    },
}
