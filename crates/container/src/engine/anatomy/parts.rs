//! What an anatomy is made of: plain data, the same in JSON. What could not be looked at is absent and has its reason in
//! [`Anatomy::unknown`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Name of this form of the data; a change of meaning gets another.
pub const SCHEMA: &str = "vpclab-anatomy/1";

/// A container or an instance, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Anatomy {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose.
    pub subject: Subject,
    /// Which kernel each of the three runs on.
    pub kernel: Kernel,
    /// From the holder down, each behind who started it.
    pub processes: Vec<Process>,
    /// By kind.
    pub namespaces: Vec<Namespace>,
    /// Its root file system.
    pub root: Root,
    /// What is mounted in it, in the order of the paths.
    pub mounts: Vec<Mount>,
    /// What it may use, and uses.
    pub limits: Limits,
    /// What its first process may do.
    pub rights: Rights,
    /// Its network.
    pub network: Network,
    /// What could not be looked at, and why, in sentences.
    pub unknown: Vec<String>,
}

/// Whose anatomy it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// `container` or `instance`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// 64 hexadecimal digits, or `i-…`.
    pub id: String,
    /// The lab.
    pub lab: String,
    /// Name of the instance that it is in, or is.
    pub instance: String,
    /// What its image was called by whom asked; none of an instance.
    pub image: Option<String>,
    /// Program and arguments of its first process.
    pub command: Vec<String>,
    /// In one word: `running`, `paused`, `exited` …
    pub state: String,
    /// As `containers ls` says it: `Up 3 minutes (healthy)`.
    pub status: String,
    /// How it ended last; none while it has not.
    pub exit_code: Option<i32>,
    /// The kernel ended it for want of memory.
    pub out_of_memory: bool,
    /// Whether its processes are there.
    pub is_alive: bool,
    /// Containers of an instance, by name, with their states.
    pub containers: BTreeMap<String, String>,
}

/// `uname -r` of each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// Of this machine.
    pub machine: String,
    /// As the instance says.
    pub instance: Option<String>,
    /// As the container's own `/proc` says.
    pub container: Option<String>,
}

/// A process, as three see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its number on this machine, where that can be seen.
    pub machine: Option<i32>,
    /// Its number in the instance; the holder has none there.
    pub instance: Option<i32>,
    /// Its number in the container; who is outside has none.
    pub container: Option<i32>,
    /// How deep below the holder.
    pub depth: usize,
    /// What it is to us: `holder`, `init`, `shim`, `container`, `instance`.
    pub role: String,
    /// Its user inside, where that can be told.
    pub user: Option<u32>,
    /// What was typed.
    pub command: String,
}

/// A namespace that it is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// `mnt`, `pid`, `net`, `uts`, `ipc`, `cgroup`, `user`, `time`.
    pub kind: String,
    /// What it keeps apart, in a few words.
    pub what: String,
    /// Its inode on nsfs, which tells it from all others of this machine; none where nobody runs.
    pub inode: Option<u64>,
    /// The instance's.
    pub instance: Option<u64>,
    /// This machine's.
    pub machine: Option<u64>,
    /// Nobody is in it but this container, or this instance with its containers.
    pub is_own: bool,
    /// Who else is in it: `instance web-1`, `this machine`, `container db`.
    pub shared_with: Vec<String>,
}

/// A root file system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Root {
    /// `overlay`, `tmpfs` …; none where nobody runs.
    pub file_system: Option<String>,
    /// Read-only layers of the image, the lowest first.
    pub layers: Vec<Layer>,
    /// Instructions of the image that made no layer.
    pub settings: Vec<String>,
    /// The layer that is its own.
    pub own: Option<Writable>,
    /// Where `/` of its first process is, as its own mounts have it: `/` after `pivot_root`, a path below it after `chroot`.
    pub root_of_first: Option<String>,
    /// Mounts that it sees; of the instance's own none are among them after `pivot_root`.
    pub mounts_seen: Option<usize>,
    /// Whether writes to `/` are refused.
    pub is_read_only: bool,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Digest of its tar (`diff_id`), by which it is shared.
    pub digest: String,
    /// Bytes of its files.
    pub bytes: Option<u64>,
    /// Bytes as it travels.
    pub packed_bytes: u64,
    /// Entries of its tar.
    pub entries: Option<u64>,
    /// What made it; none where the image does not say.
    pub instruction: Option<String>,
    /// Containers of this lab that stand on it too.
    pub shared_by: usize,
}

/// What was written above an image, or on an instance's disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Writable {
    /// Where it is on this machine.
    pub folder: String,
    /// Paths that the image has not.
    pub added: usize,
    /// Paths that it has otherwise.
    pub changed: usize,
    /// Paths that were removed.
    pub deleted: usize,
    /// Bytes of files, where they could be counted.
    pub bytes: u64,
    /// The largest, then the first: at most [`Writable::SHOWN`].
    pub entries: Vec<Entry>,
}

impl Writable {
    /// Entries that are listed.
    pub const SHOWN: usize = 8;
}

/// A path that is not as the image has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// `A`, `C` or `D`.
    pub kind: String,
    /// Absolute, inside.
    pub path: String,
    /// Bytes of a file.
    pub bytes: Option<u64>,
}

/// Something mounted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// Where, inside.
    pub target: String,
    /// `volume`, `bind`, `tmpfs`, or what it is there for: `root`, `kernel`, `device`, `names`, `mask`.
    pub kind: String,
    /// A volume's name, a path of this machine, or the file system.
    pub source: String,
    /// Whether writes are refused.
    pub is_read_only: bool,
    /// `private`, `shared`, `slave`; none where nobody runs.
    pub propagation: Option<String>,
    /// Whether what is in it outlives the container.
    pub survives: bool,
    /// Goes with the container unless it is kept.
    pub is_anonymous: bool,
}

/// What it may use, and uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Which limits are enforced here: `cpu`, `memory`, `pids`; empty: none.
    pub enforced: Vec<String>,
    /// Its directory of cgroup v2, as this machine names it.
    pub group: Option<String>,
    /// Bytes that it may have.
    pub memory: Option<u64>,
    /// Bytes that it has.
    pub memory_used: Option<u64>,
    /// Hundredths of a processor that it may take.
    pub cpu_percent: Option<u64>,
    /// Microseconds of processors that it took.
    pub cpu_used: Option<u64>,
    /// Processes that it may have.
    pub processes: Option<u64>,
    /// Processes that it has.
    pub processes_used: Option<u64>,
    /// What was asked for and is not enforced, as it was typed.
    pub not_enforced: Vec<String>,
    /// What to type, so that limits are enforced.
    pub advice: Option<String>,
}

/// What its first process may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rights {
    /// Capabilities in effect, by number.
    pub capabilities: Vec<String>,
    /// Those of them that Docker does not give.
    pub beyond_docker: Vec<String>,
    /// Docker's that it has not.
    pub taken_away: Vec<String>,
    /// Programs with the setuid bit give nobody more rights.
    pub no_new_privileges: Option<bool>,
    /// `filter`, `strict` or `disabled`.
    pub seccomp: Option<String>,
    /// Filters, one above the other.
    pub seccomp_filters: Option<u32>,
    /// The user of its first process, inside.
    pub user: Option<u32>,
    /// Which user of this machine each user inside is.
    pub users: Vec<IdRange>,
    /// It was given all that its instance's root has.
    pub is_privileged: bool,
}

/// Ids inside that are ids outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// First one inside.
    pub inside: u64,
    /// First one on this machine.
    pub outside: u64,
    /// How many.
    pub count: u64,
}

/// A network, from inside outwards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// As it is written behind `--network`.
    pub mode: String,
    /// Devices inside.
    pub devices: Vec<Device>,
    /// Routes inside, as `ip route` writes them.
    pub routes: Vec<String>,
    /// Cables out of it, the first one first.
    pub cables: Vec<Cable>,
    /// Bridges of the instance that it is at; of an instance all.
    pub bridges: Vec<Bridge>,
    /// Interfaces of the instance that lead into its VPC.
    pub uplinks: Vec<Device>,
    /// Ports of the instance that lead inside.
    pub published: Vec<Published>,
    /// Rules of the instance's nf_tables that decide about it, in their order.
    pub rules: Vec<Rule>,
    /// Lines of its `/etc/resolv.conf`.
    pub resolver: Vec<String>,
    /// Lines of its `/etc/hosts`.
    pub hosts: Vec<String>,
}

/// A network device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Name.
    pub name: String,
    /// Its index in its namespace.
    pub index: u32,
    /// `veth`, `bridge`, `loopback` …
    pub kind: String,
    /// Index of the other end of a pair, in that end's namespace.
    pub peer: Option<u32>,
    /// Ethernet address.
    pub mac: Option<String>,
    /// Addresses, `172.17.0.2/16`.
    pub addresses: Vec<String>,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub is_up: bool,
    /// Bytes that came in.
    pub received: u64,
    /// Bytes that went out.
    pub sent: u64,
}

/// A pair of devices between a container and a bridge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cable {
    /// The network.
    pub network: String,
    /// The end inside.
    pub inside: Device,
    /// The end in the instance.
    pub outside: Device,
    /// The bridge that it is a port of.
    pub bridge: String,
}

/// A bridge in an instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bridge {
    /// The network.
    pub network: String,
    /// Its device: `docker0`, `br-…`.
    pub device: Device,
    /// No way out and none in.
    pub is_internal: bool,
    /// Containers at it reach each other.
    pub icc: bool,
    /// What leaves it leaves as the instance.
    pub masquerade: bool,
    /// Containers at it, by address.
    pub members: Vec<Member>,
}

/// A container at a bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Ethernet address.
    pub mac: String,
    /// The bridge's port.
    pub port: String,
}

/// A port of the instance that leads inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// On which address of the instance; `0.0.0.0`: on all.
    pub address: IpAddr,
    /// The instance's port.
    pub port: u16,
    /// Where it leads: `172.17.0.2:80`.
    pub to: String,
    /// The container's name.
    pub container: String,
}

/// A rule of the kernel's packet filter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// `ip vpclab-docker`.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// Unique in its table.
    pub handle: u64,
    /// `docker-publish`, `docker-masquerade` …
    pub stage: String,
    /// What it says of itself.
    pub text: String,
    /// What it does: `dnat`, `masquerade`, `accept or drop` …
    pub does: String,
    /// Packets that it met.
    pub packets: Option<u64>,
}
