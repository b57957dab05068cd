//! Containers inside an instance, as packets meet them: its bridges, who is at them, which ports lead to whom, who listens.
//!
//! A [`Dock`] is facts alone: what a lab file says ([`described`]), or what a lab that runs holds (its room supplies them).
//! The stages `docker-publish`, `docker-bridge`, `docker-icc` and `listener` decide ([`crate::stage`]); [`way`] asks them in
//! the order in which a packet meets them.

pub mod described;
pub mod way;

use std::net::IpAddr;

use ipnet::IpNet;
use model::container::PortProtocol;
use serde::Serialize;

/// An instance's containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dock {
    /// Name of the instance.
    pub instance: String,
    /// Its own address, which containers send from.
    pub address: Option<IpAddr>,
    /// Its bridges.
    pub networks: Vec<Network>,
    /// Its containers, by name.
    pub containers: Vec<Container>,
    /// What its own programs listen on; `None`: nobody knows.
    pub programs: Option<Vec<Listening>>,
    /// A chain that is not ours and drops what is forwarded unless a rule of it says otherwise: `ip filter/FORWARD`.
    pub forward_drops: Option<String>,
    /// Whether it is looked at, and not only described.
    pub is_live: bool,
}

/// A network of driver bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name; `bridge` is the default one.
    pub name: String,
    /// Its device: `docker0`, `br-…`.
    pub bridge: String,
    /// Addresses of its containers, where it is made already.
    pub subnet: Option<IpNet>,
    /// No way out and none in.
    pub is_internal: bool,
    /// Containers of it reach each other.
    pub icc: bool,
    /// What leaves it leaves as the instance.
    pub masquerade: bool,
}

impl Network {
    /// Names of containers lead to addresses: everywhere but in the default network.
    pub fn has_names(&self) -> bool {
        self.name != "bridge"
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub life: Life,
    /// Where its devices are.
    pub place: Place,
    /// Ports of the instance that it asks for.
    pub published: Vec<Lead>,
    /// What its image says that it listens on, where the image is known.
    pub exposed: Option<Vec<(PortProtocol, u16)>>,
    /// What it listens on; `None`: nobody knows.
    pub listening: Option<Vec<Listening>>,
    /// Whether it may send echo requests (`NET_RAW`).
    pub may_ping: bool,
    /// Whether it has a default route; `None`: nobody looked.
    pub has_way_out: Option<bool>,
}

/// Whether a container is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Nothing but what a file says is known.
    Described,
    /// It runs; what its health check found, in one word.
    Running(Option<&'static str>),
    /// It stands still.
    Paused,
    /// It ended with this code and will be started again.
    Restarting(i32),
    /// It ended with this code; for want of memory or not.
    Exited(i32, bool),
    /// It never ran; why, where somebody tried.
    Created(String),
}

impl Life {
    /// Whether its network is there.
    pub fn is_alive(&self) -> bool {
        matches!(self, Life::Described | Life::Running(_) | Life::Paused)
    }
}

/// Where a container's devices are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At bridges: places in [`Dock::networks`], with its address where it has one.
    Bridges(Vec<(usize, Option<IpAddr>)>),
    /// In the instance itself (`--network host`).
    Host,
    /// Nowhere.
    None,
    /// In another container, by its name.
    With(String),
}

/// A port of the instance that leads to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lead {
    /// TCP or UDP.
    pub protocol: PortProtocol,
    /// At this address of the instance; unspecified: at all of them.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The container's.
    pub container_port: u16,
}

/// A socket that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// TCP or UDP.
    pub protocol: PortProtocol,
    /// At this address; unspecified: at all of them.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// Who, where that can be told.
    pub program: Option<String>,
}

impl Listening {
    /// `127.0.0.1:80`, `*:80`.
    pub fn place(&self) -> String {
        match self.address.is_unspecified() {
            true => format!("*:{}", self.port),
            false => format!("{}:{}", self.address, self.port),
        }
    }
}

/// `tcp`, `udp`.
pub fn word(protocol: PortProtocol) -> &'static str {
    match protocol {
        PortProtocol::Tcp => "tcp",
        PortProtocol::Udp => "udp",
    }
}

/// Which of Docker's stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Whether a port of the instance leads to a container.
    DockerPublish,
    /// Whether a bridge lets a packet out, in, or through.
    DockerBridge,
    /// Whether containers of one network reach each other.
    DockerIcc,
    /// From which address a container sends.
    DockerMasquerade,
    /// Whether a container may send this at all.
    Capability,
    /// Who waits at the port.
    Listener,
}

impl Stage {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::DockerPublish => "docker-publish",
            Stage::DockerBridge => "docker-bridge",
            Stage::DockerIcc => "docker-icc",
            Stage::DockerMasquerade => "docker-masquerade",
            Stage::Capability => "capability",
            Stage::Listener => "listener",
        }
    }
}

/// What a stage comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It goes on.
    Passes,
    /// It is taken, and nobody will answer what is said: the kernel accepts for one that stands still.
    Silent,
    /// It cannot be told.
    Unknown,
    /// A refusal comes back.
    Refused,
    /// Nothing comes back.
    Dropped,
}

/// Why not, as people look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// Nobody listens on the port.
    NobodyListens,
    /// It listens on 127.0.0.1 inside the container.
    ListensOnLoopback,
    /// It listens at another address of its own.
    ListensElsewhere,
    /// It listens for the other protocol.
    OtherProtocol,
    /// No container publishes the port.
    NotPublished,
    /// Published on 127.0.0.1 only.
    PublishedOnLoopback,
    /// Published at another address.
    PublishedElsewhere,
    /// The port of the instance is somebody's already.
    PortTaken,
    /// The two containers are in different networks.
    DifferentNetworks,
    /// An internal network has no way out, and none in.
    InternalNetwork,
    /// Containers of the network do not reach each other.
    IccOff,
    /// Another chain of the instance drops what is forwarded.
    ForwardDropped,
    /// The container has no device but `lo`.
    NoNetwork,
    /// The container has no default route.
    NoDefaultRoute,
    /// A network's subnet hides the real destination.
    ShadowedBySubnet,
    /// A container's own address is known in its instance only.
    DirectAccess,
    /// The container stands still.
    Paused,
    /// It ended, and will be started again.
    Restarting,
    /// It ended.
    Exited,
    /// It ended for want of memory.
    OutOfMemory,
    /// It never ran.
    NotStarted,
    /// It may not send that.
    MissingCapability,
}

impl Cause {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::NobodyListens => "NOBODY_LISTENS",
            Cause::ListensOnLoopback => "LISTENS_ON_LOOPBACK",
            Cause::ListensElsewhere => "LISTENS_ELSEWHERE",
            Cause::OtherProtocol => "OTHER_PROTOCOL",
            Cause::NotPublished => "NOT_PUBLISHED",
            Cause::PublishedOnLoopback => "PUBLISHED_ON_LOOPBACK",
            Cause::PublishedElsewhere => "PUBLISHED_ELSEWHERE",
            Cause::PortTaken => "PORT_TAKEN",
            Cause::DifferentNetworks => "DIFFERENT_NETWORKS",
            Cause::InternalNetwork => "INTERNAL_NETWORK",
            Cause::IccOff => "ICC_OFF",
            Cause::ForwardDropped => "FORWARD_DROPPED",
            Cause::NoNetwork => "NO_NETWORK",
            Cause::NoDefaultRoute => "NO_DEFAULT_ROUTE",
            Cause::ShadowedBySubnet => "SHADOWED_BY_SUBNET",
            Cause::DirectAccess => "DIRECT_ACCESS",
            Cause::Paused => "PAUSED",
            Cause::Restarting => "RESTARTING",
            Cause::Exited => "EXITED",
            Cause::OutOfMemory => "OUT_OF_MEMORY",
            Cause::NotStarted => "NOT_STARTED",
            Cause::MissingCapability => "MISSING_CAPABILITY",
        }
    }
}

/// One stage's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which stage.
    pub stage: Stage,
    /// Where: a container, a bridge, the instance.
    pub at: String,
    /// What it comes to.
    pub fate: Fate,
    /// Why, where it does not pass.
    pub cause: Option<Cause>,
    /// In a few words.
    pub text: String,
    /// What to type, or to write, next.
    pub next: Option<String>,
    /// Where the packet goes from here, where that was changed.
    pub to: Option<(String, u16)>,
    /// Where it comes from for those behind, where that was changed.
    pub from: Option<String>,
}

impl Step {
    /// One that passes.
    pub fn passes(stage: Stage, at: impl Into<String>, text: impl Into<String>) -> Step {
        Step { stage, at: at.into(), fate: Fate::Passes, cause: None, text: text.into(), next: None, to: None, from: None }
    }

    /// One that does not.
    pub fn stops(stage: Stage, at: impl Into<String>, fate: Fate, cause: Cause, text: impl Into<String>) -> Step {
        Step { fate, cause: Some(cause), ..Step::passes(stage, at, text) }
    }

    /// With what to do about it.
    pub fn next(self, next: impl Into<String>) -> Step {
        Step { next: Some(next.into()), ..self }
    }

    /// Whether the packet ends here.
    pub fn blocks(&self) -> bool {
        matches!(self.fate, Fate::Refused | Fate::Dropped | Fate::Silent)
    }
}

/// What all stages come to: the first that stops it.
pub fn fate(steps: &[Step]) -> Fate {
    let stops = steps.iter().find(|step| step.blocks()).map(|step| step.fate);
    let unknown = || steps.iter().any(|step| step.fate == Fate::Unknown);
    stops.unwrap_or_else(|| if unknown() { Fate::Unknown } else { Fate::Passes })
}

impl Dock {
    /// The container of this name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|one| one.name == name)
    }

    /// Where a container's devices are in the end, behind `container:`.
    pub fn place<'a>(&'a self, container: &'a Container) -> &'a Place {
        match &container.place {
            // One step: Docker refuses chains, and a lab file's are checked.
            Place::With(other) => self.container(other).map_or(&Place::None, |other| match &other.place {
                Place::With(_) => &Place::None,
                place => place,
            }),
            place => place,
        }
    }

    /// The networks that a container is in, with its address in each.
    pub fn networks_of<'a>(&'a self, container: &'a Container) -> Vec<(&'a Network, Option<IpAddr>)> {
        match self.place(container) {
            Place::Bridges(all) => all.iter().filter_map(|(at, address)| Some((self.networks.get(*at)?, *address))).collect(),
            _ => Vec::new(),
        }
    }

    /// `172.17.0.2`, or the name where it has no address yet.
    pub fn address_text(&self, container: &Container, network: &Network) -> String {
        let own = self.networks_of(container).into_iter().find(|(one, _)| one.name == network.name);
        own.and_then(|(_, address)| address).map_or_else(|| container.name.clone(), |address| address.to_string())
    }
}
