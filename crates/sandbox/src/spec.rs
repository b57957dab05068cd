//! What callers describe: namespaces, sockets, instances, their root file system, commands to run.
//! Plain data; nothing here touches the system.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A network namespace to make. `lo` is up when it is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsSpec {
    /// Name within the lab; any non-empty string.
    pub key: String,
    /// Which user namespace owns it.
    pub owner: NetnsOwner,
    /// Off: `disable_ipv6` is set for every interface present and future, before `lo` comes up.
    pub ipv6: bool,
    /// Paths under `/proc/sys` with values, written before the namespace is reported.
    pub sysctls: Vec<(String, String)>,
}

impl NetnsSpec {
    /// A namespace for fabric parts (router, gateway, internet): owned by the lab, IPv6 off.
    pub fn lab(key: impl Into<String>) -> NetnsSpec {
        NetnsSpec {
            key: key.into(),
            owner: NetnsOwner::Lab,
            ipv6: false,
            sysctls: Vec::new(),
        }
    }

    /// A namespace that a later [`InstanceSpec`] of the same key will live in.
    pub fn instance(key: impl Into<String>) -> NetnsSpec {
        NetnsSpec {
            owner: NetnsOwner::Instance,
            ..NetnsSpec::lab(key)
        }
    }
}

/// Which user namespace owns a network namespace, and so whose root may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetnsOwner {
    /// The lab's: instances can neither see nor enter it.
    Lab,
    /// A child user namespace of its own: the instance's root owns it, and so does the lab.
    Instance,
}

/// A socket to open inside a namespace. Numbers are the kernel's (`libc::AF_INET`, …).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketSpec {
    /// Namespace to open it in.
    pub key: String,
    /// Address family, `AF_…`.
    pub family: i32,
    /// `SOCK_…` without flags; close-on-exec is always set.
    pub kind: i32,
    /// Protocol number, in host byte order (`ETH_P_…` for packet sockets too).
    pub protocol: i32,
    /// Sets `O_NONBLOCK`.
    pub nonblocking: bool,
    /// Sets `SO_REUSEADDR`.
    pub reuse_address: bool,
    /// Sets `IP_FREEBIND`/`IPV6_FREEBIND`: bind to an address that no interface has yet.
    pub freebind: bool,
    /// Sets `IP_TRANSPARENT`/`IPV6_TRANSPARENT`: accept and send as addresses of others.
    pub transparent: bool,
    /// Sets `IPV6_V6ONLY`: an IPv6 socket that leaves IPv4's ports alone. Nothing for IPv4.
    #[serde(default)]
    pub only_v6: bool,
    /// Sets `SO_BINDTODEVICE`.
    pub device: Option<String>,
    /// Address to bind to.
    pub bind: Option<SocketAddress>,
    /// Backlog; the socket listens when given.
    pub listen: Option<i32>,
}

/// What a socket is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketAddress {
    /// IPv4 or IPv6 address and port.
    Inet(SocketAddr),
    /// Netlink multicast groups, as the legacy bit mask.
    Netlink {
        /// Bit `n - 1` subscribes to group `n`.
        groups: u32,
    },
    /// One interface of a packet socket, by name.
    Packet {
        /// Interface name inside the namespace.
        interface: String,
    },
}

impl SocketSpec {
    /// A socket with nothing set.
    pub fn new(key: impl Into<String>, family: i32, kind: i32, protocol: i32) -> SocketSpec {
        SocketSpec {
            key: key.into(),
            family,
            kind,
            protocol,
            nonblocking: false,
            reuse_address: false,
            freebind: false,
            transparent: false,
            only_v6: false,
            device: None,
            bind: None,
            listen: None,
        }
    }

    /// A netlink socket (`NETLINK_ROUTE`, `NETLINK_NETFILTER`, …). It works for the process that
    /// receives it when that process runs as the user who launched the holder, or as root.
    pub fn netlink(key: impl Into<String>, protocol: i32) -> SocketSpec {
        SocketSpec::new(key, libc::AF_NETLINK, libc::SOCK_RAW, protocol)
    }

    /// A TCP socket, not connected.
    pub fn tcp(key: impl Into<String>, ipv6: bool) -> SocketSpec {
        let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
        SocketSpec::new(key, family, libc::SOCK_STREAM, 0)
    }

    /// A TCP socket that listens on `address`.
    pub fn tcp_listener(key: impl Into<String>, address: SocketAddr) -> SocketSpec {
        SocketSpec {
            reuse_address: true,
            bind: Some(SocketAddress::Inet(address)),
            listen: Some(1024),
            ..SocketSpec::tcp(key, address.is_ipv6())
        }
    }

    /// A UDP socket bound to `address`.
    pub fn udp(key: impl Into<String>, address: SocketAddr) -> SocketSpec {
        let family = if address.is_ipv6() {
            libc::AF_INET6
        } else {
            libc::AF_INET
        };
        SocketSpec {
            reuse_address: true,
            bind: Some(SocketAddress::Inet(address)),
            ..SocketSpec::new(key, family, libc::SOCK_DGRAM, 0)
        }
    }

    /// A raw IP socket of one protocol (`IPPROTO_ICMP`, …).
    pub fn raw(key: impl Into<String>, ipv6: bool, protocol: i32) -> SocketSpec {
        let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
        SocketSpec::new(key, family, libc::SOCK_RAW, protocol)
    }

    /// A packet socket that sees every frame of `interface`, link header included.
    pub fn packet(key: impl Into<String>, interface: impl Into<String>) -> SocketSpec {
        SocketSpec {
            bind: Some(SocketAddress::Packet {
                interface: interface.into(),
            }),
            ..SocketSpec::new(key, libc::AF_PACKET, libc::SOCK_RAW, libc::ETH_P_ALL)
        }
    }
}

/// An instance: namespaces of its own and an init. Its network namespace is made with it unless
/// one with owner [`NetnsOwner::Instance`] exists under the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// Name within the lab; also names its network namespace.
    pub key: String,
    /// Host name seen inside, at most 64 bytes.
    pub hostname: String,
    /// As in [`NetnsSpec`]; applies when the network namespace is made here.
    pub ipv6: bool,
    /// As in [`NetnsSpec`].
    pub sysctls: Vec<(String, String)>,
    /// The file system it sees; mounted when the first command runs.
    pub root: RootSpec,
    /// What it may use, where that can be enforced.
    #[serde(default)]
    pub limits: Limits,
}

/// What an instance may use of this machine; nothing given, nothing limited. Enforced where
/// [`crate::client::Stats::enforced`] says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Time of processors, in hundredths of one: 250 is two and a half.
    pub cpu_percent: Option<u32>,
}

impl InstanceSpec {
    /// An instance on the host's programs, IPv6 off.
    pub fn new(key: impl Into<String>, hostname: impl Into<String>) -> InstanceSpec {
        InstanceSpec {
            key: key.into(),
            hostname: hostname.into(),
            ipv6: false,
            sysctls: Vec::new(),
            root: RootSpec::default(),
            limits: Limits::default(),
        }
    }
}

/// The root file system of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSpec {
    /// What lies underneath.
    pub base: RootBase,
    /// Absolute path inside → content, written before the first command; parents are made.
    /// This is where `/etc/hosts` and `/etc/resolv.conf` come from.
    pub files: BTreeMap<String, String>,
    /// Programs supplied by the caller.
    pub tools: Vec<Tool>,
    /// Directories and files of the host made visible inside.
    pub binds: Vec<Bind>,
    /// Environment of every command, below the command's own.
    pub environment: BTreeMap<String, String>,
    /// Absolute path of a folder of the host that keeps what is written, made as needed: another start with
    /// it finds everything there but `/run` and `/tmp`. `files` in `/usr`, `/etc` and `/opt` are what is
    /// found there until the instance writes them itself, other ones are written once. Nothing given: a
    /// private tmpfs that goes with the instance. For [`RootBase::Host`] only.
    #[serde(default)]
    pub disk: Option<PathBuf>,
    /// Volumes by absolute path inside: folders like `disk`, made as needed, which may come and go while the instance runs.
    #[serde(default)]
    pub volumes: BTreeMap<PathBuf, PathBuf>,
}

/// What a root file system is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootBase {
    /// The host's `/usr`, `/etc` and `/opt` under private overlays; all else fresh (DESIGN §7).
    #[default]
    Host,
    /// Layers of an image, lowest first, under one overlay.
    Layers {
        /// Read-only layers, lowest first; at least one.
        lower: Vec<PathBuf>,
        /// Writable layer and overlayfs's work directory, on one file system; a private tmpfs
        /// when absent.
        upper: Option<(PathBuf, PathBuf)>,
    },
}

/// A program supplied to an instance under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Name to call it by.
    pub name: String,
    /// The host's file.
    pub executable: PathBuf,
    /// True: found before the host's own program of that name; false: only where there is none.
    pub preferred: bool,
}

/// A part of the host's file system made visible inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Path on the host.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: PathBuf,
    /// Refuse writes.
    pub read_only: bool,
}

/// A command to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Program (searched on `PATH` when it has no slash) and arguments.
    pub argv: Vec<String>,
    /// Added to the default environment (`PATH`, `HOME`, `TERM`, `HOSTNAME`, …); wins over it.
    pub environment: BTreeMap<String, String>,
    /// Working directory inside; `/root` when absent (`/` where that is missing).
    pub working_directory: Option<String>,
    /// User id inside. Without subordinate ids only 0 exists.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// End the command when the caller's connection to the holder closes.
    pub kill_on_disconnect: bool,
}

impl ExecSpec {
    /// A command as root with the default environment.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> ExecSpec {
        ExecSpec {
            argv: argv.into_iter().map(Into::into).collect(),
            ..ExecSpec::default()
        }
    }
}

/// Where a command's three standard streams go.
#[derive(Debug)]
pub enum Stdio {
    /// `/dev/null` for all three.
    Null,
    /// Descriptors of the caller: standard input, output, error.
    Descriptors([std::os::fd::OwnedFd; 3]),
    /// A pseudo-terminal opened inside; its master comes back in [`crate::Process::terminal`].
    Terminal {
        /// Height in characters.
        rows: u16,
        /// Width in characters.
        columns: u16,
    },
}
