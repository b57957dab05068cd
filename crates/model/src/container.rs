//! Containers that a lab puts into its instances, the volumes they share and the images they are made of. AWS knows
//! none of it; the words are Docker's.
//!
//! This is what was asked for, not what runs: whoever runs containers makes these specs true. Operations are in
//! [`crate::operation`] (`set_containers`, `set_volume`, `set_container_image`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{Listener, Origin, PortRange, TrafficMatch};

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

/// Published ports and ranges of one instance at most: each is compared with all others.
pub const MOST_PUBLISHED: usize = 10_000;

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

/// Ports of an instance that lead to as many ports of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortMapping {
    /// Protocol.
    pub protocol: PortProtocol,
    /// Ports of the instance, from 1.
    pub host: PortRange,
    /// Ports of the container, as many.
    pub container: PortRange,
    /// Address of the instance at which it is reached; 0.0.0.0 = every one.
    pub host_address: Ipv4Addr,
}

impl PortMapping {
    /// What a built-in listener of the instance claims.
    pub fn of_listener(listener: Listener) -> Self {
        let (protocol, port) = match listener {
            Listener::Tcp(port) => (PortProtocol::Tcp, port),
            Listener::Udp(port) => (PortProtocol::Udp, port),
        };
        let ports = PortRange::one(port);
        Self { protocol, host: ports, container: ports, host_address: Ipv4Addr::UNSPECIFIED }
    }

    /// Whether both claim a port at one address.
    pub fn collides_with(&self, other: &Self) -> bool {
        let addresses = [self.host_address, other.host_address];
        let meets = addresses[0] == addresses[1] || addresses.iter().any(Ipv4Addr::is_unspecified);
        meets && self.protocol == other.protocol && self.host.from <= other.host.to && other.host.from <= self.host.to
    }

    /// What it listens on for others than the instance itself; `None` for one at a loopback address.
    pub fn traffic(&self) -> Option<TrafficMatch> {
        (!self.host_address.is_loopback()).then_some(match self.protocol {
            PortProtocol::Tcp => TrafficMatch::Tcp(self.host),
            PortProtocol::Udp => TrafficMatch::Udp(self.host),
        })
    }
}

impl std::fmt::Display for PortMapping {
    /// `8080->80`, `127.0.0.1:53->53/udp`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.host_address.is_unspecified() {
            write!(f, "{}:", self.host_address)?;
        }
        write!(f, "{}->{}", self.host, self.container)?;
        match self.protocol {
            PortProtocol::Tcp => Ok(()),
            PortProtocol::Udp => f.write_str("/udp"),
        }
    }
}

/// Protocols whose ports can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
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

/// Where an image comes from that containers of the lab call by a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerImage {
    /// From where.
    pub source: ImageSource,
    /// Where it was written.
    pub origin: Origin,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// A registry: the reference.
    Pull(String),
    /// A file of `docker save`, an OCI archive, or an OCI layout: its path on the machine.
    Archive(String),
    /// A build: the folder of its context, with a `Dockerfile` in it.
    Build(String),
    /// A build of which more is said than its folder.
    BuildWith(ImageBuild),
}

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBuild {
    /// The folder of its context.
    pub context: String,
    /// The Dockerfile, counted from the context; `Dockerfile` where nothing is said.
    pub dockerfile: Option<String>,
    /// Values of its arguments.
    pub arguments: BTreeMap<String, String>,
    /// The stage; the last where nothing is said.
    pub target: Option<String>,
}

impl ImageSource {
    /// The build that it is, if it is one.
    pub fn build(&self) -> Option<ImageBuild> {
        match self {
            Self::Build(context) => Some(ImageBuild { context: context.clone(), ..ImageBuild::default() }),
            Self::BuildWith(build) => Some(build.clone()),
            Self::Pull(_) | Self::Archive(_) => None,
        }
    }
}

impl std::fmt::Display for ImageSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pull(reference) => write!(f, "pull {reference}"),
            Self::Archive(path) => write!(f, "archive {path}"),
            Self::Build(path) => write!(f, "build {path}"),
            Self::BuildWith(build) => {
                write!(f, "build {}", build.context)?;
                build.dockerfile.iter().try_for_each(|name| write!(f, " by {name}"))?;
                build.target.iter().try_for_each(|stage| write!(f, " to {stage}"))?;
                build.arguments.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
        }
    }
}

impl crate::Model {
    /// What the published ports of an instance's containers listen on, for others than the instance itself: sorted.
    pub fn published_ports(&self, instance: &crate::InstanceId) -> Vec<TrafficMatch> {
        let containers = self.containers.get(instance).into_iter().flat_map(BTreeMap::values);
        let mut all: Vec<_> = containers.flat_map(|spec| &spec.publish).filter_map(PortMapping::traffic).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Why a word is no name of a container, volume or network, as a sentence; `None` when it is one. Docker's own rule.
pub fn name_problem(name: &str) -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || !name.chars().all(fine) {
        return Some(format!("`{name}` is not a name: letters, digits, `_`, `.` and `-`, the first a letter or digit"));
    }
    (!(2..=63).contains(&name.len())).then(|| format!("`{name}` is not a name: it has 2 to 63 characters"))
}

/// Why a path is no place in a container, as a sentence; `None` when it is one.
pub fn target_problem(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("`{path}` is not absolute"));
    }
    if path.contains(['\0', ':', '\n']) {
        return Some(format!("`{}` holds a character that no target may have", path.escape_debug()));
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Some(format!("`{path}` has `.` or `..` in it"));
    }
    path.trim_matches('/').is_empty().then(|| "the whole root cannot be mounted over".to_owned())
}

/// Why a text is no image reference, as a sentence; `None` when it is one.
pub fn reference_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("the name of the image is missing".to_owned());
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Some(format!("an image reference has no scheme: leave `{scheme}://` out"));
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Some(format!("{odd:?} cannot be in an image reference"));
    }
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let is_digest = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
    };
    if let Some(digest) = digest.filter(|digest| !is_digest(digest)) {
        return Some(format!("`{digest}` is not a digest: `sha256:` and 64 hexadecimal digits in lower case"));
    }
    // A colon after the last slash is a tag's; one before it is a port's.
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match name[last..].split_once(':') {
        Some((own, tag)) => (&name[..last + own.len()], Some(tag)),
        None => (name, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(tag) = tag {
        let fine = tag.starts_with(word) && tag.len() <= 128 && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'));
        if !fine {
            return Some(format!("`{tag}` is not a tag"));
        }
    }
    let (host, path) = match path.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (Some(first), rest),
        _ => (None, path),
    };
    let is_host = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
    if let Some(host) = host.filter(|host| !is_host(host)) {
        return Some(format!("`{host}` is not a registry"));
    }
    for part in path.split('/') {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if part.chars().any(|c| c.is_ascii_uppercase()) {
            return Some(format!("`{part}`: names of images are in lower case"));
        }
        if !(part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))) {
            return Some(format!("`{part}` is not part of an image's name"));
        }
    }
    None
}

/// Which mappings claim a port that an earlier one of the list has at the same address: places of the earlier and of the
/// later one, each later one once, in the order of the later ones.
pub fn collisions(mappings: &[PortMapping]) -> Vec<(usize, usize)> {
    // Intervals by protocol and address, in which none overlaps another.
    let mut taken: BTreeMap<(PortProtocol, Ipv4Addr), BTreeMap<u16, (u16, usize)>> = BTreeMap::new();
    fn meets(intervals: &BTreeMap<u16, (u16, usize)>, ports: PortRange) -> Option<usize> {
        let (_, (to, place)) = intervals.range(..=ports.to).next_back()?;
        (*to >= ports.from).then_some(*place)
    }
    let mut found = Vec::new();
    for (place, mapping) in mappings.iter().enumerate() {
        let (protocol, address, ports) = (mapping.protocol, mapping.host_address, mapping.host);
        let at = |address| taken.get(&(protocol, address)).and_then(|intervals| meets(intervals, ports));
        let earlier = match address.is_unspecified() {
            true => {
                let all = taken.range((protocol, Ipv4Addr::UNSPECIFIED)..=(protocol, Ipv4Addr::BROADCAST));
                all.filter_map(|(_, intervals)| meets(intervals, ports)).min()
            }
            false => at(address).or_else(|| at(Ipv4Addr::UNSPECIFIED)),
        };
        match earlier {
            Some(earlier) => found.push((earlier, place)),
            None => drop(taken.entry((protocol, address)).or_default().insert(ports.from, (ports.to, place))),
        }
    }
    found
}

/// A circle of containers that wait for each other, from the alphabetically first one round to itself; `None` when there
/// is none. Names without a container lead nowhere.
pub fn dependency_circle<'n>(waits_for: &BTreeMap<&'n str, BTreeSet<&'n str>>) -> Option<Vec<&'n str>> {
    // Whoever waits for nobody can start; what is left when nobody can any more waits in a circle, or for one.
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, Vec<&'n str>> = BTreeMap::new();
    for (name, others) in waits_for {
        let others: Vec<_> = others.iter().filter(|other| waits_for.contains_key(*other)).collect();
        left.insert(name, others.len());
        others.into_iter().for_each(|other| waiting.entry(other).or_default().push(name));
    }
    let mut ready: Vec<&str> = left.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        left.remove(name);
        for other in waiting.get(name).into_iter().flatten() {
            if let Some(count) = left.get_mut(other) {
                *count -= 1;
                if *count == 0 {
                    ready.push(other);
                }
            }
        }
    }
    let (mut at, _) = waits_for.get_key_value(*left.keys().next()?)?;
    let mut way: Vec<&'n str> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    loop {
        if let Some(first) = seen.insert(at, way.len()) {
            let mut circle = way.split_off(first);
            let least = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(place, _)| place);
            circle.rotate_left(least);
            circle.push(circle[0]);
            return Some(circle);
        }
        way.push(at);
        at = waits_for.get(at)?.iter().find(|other| left.contains_key(*other))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let digest = format!("nginx@sha256:{}", "0a".repeat(32));
        for good in ["nginx", "nginx:1.27", "localhost:5000/a/b:x", "quay.io/a/b_c.d-e", "library/nginx", &digest] {
            assert_eq!(reference_problem(good), None, "{good}");
        }
        for bad in ["", "Nginx", "https://quay.io/a", "nginx:", "nginx:-a", "a//b", "a/b c", "nginx@sha256:12", "-a", "a/"] {
            assert!(reference_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn circles_are_found_however_long_and_whoever_waits_for_them() {
        fn circle(pairs: &[(&'static str, &[&'static str])]) -> Option<Vec<&'static str>> {
            dependency_circle(&pairs.iter().map(|(name, others)| (*name, others.iter().copied().collect())).collect())
        }
        assert_eq!(circle(&[("a", &["b"]), ("b", &["c", "nobody"]), ("c", &[])]), None);
        assert_eq!(circle(&[("a", &["a"])]), Some(vec!["a", "a"]));
        // `a` and `b` only wait for the circle; a round begins at its first name.
        let round = circle(&[("a", &["b"]), ("b", &["z"]), ("d", &["z"]), ("e", &["d"]), ("z", &["e"])]);
        assert_eq!(round, Some(vec!["d", "z", "e", "d"]));
    }

    #[test]
    fn ports_collide_at_one_address_and_at_every_one() {
        let mapping = |address: [u8; 4], from, to| PortMapping {
            protocol: PortProtocol::Tcp,
            host: PortRange { from, to },
            container: PortRange { from, to },
            host_address: address.into(),
        };
        let any = mapping([0, 0, 0, 0], 80, 90);
        assert!(any.collides_with(&mapping([127, 0, 0, 1], 90, 99)) && !any.collides_with(&mapping([0, 0, 0, 0], 91, 99)));
        assert!(!mapping([127, 0, 0, 1], 80, 80).collides_with(&mapping([10, 0, 0, 5], 80, 80)));
        assert!(!any.collides_with(&PortMapping { protocol: PortProtocol::Udp, ..any }));
        assert_eq!(mapping([127, 0, 0, 1], 80, 80).traffic(), None);
        let (own, far) = (mapping([127, 0, 0, 1], 1, 100), mapping([10, 0, 0, 5], 1, 5));
        assert_eq!(collisions(&[own, far, mapping([10, 0, 0, 6], 50, 60), mapping([0, 0, 0, 0], 80, 80)]), [(0, 3)]);
        assert_eq!(collisions(&[mapping([0, 0, 0, 0], 80, 90), own, far, far]), [(0, 1), (2, 3)]);
    }
}
