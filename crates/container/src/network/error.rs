//! Why a network is not as it was asked for, in Docker's words where Docker has some.

use std::net::IpAddr;

use ipnet::IpNet;

use super::publish::PublishedPort;

/// Who has a port already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Another container publishes it: its name.
    Container(String),
    /// A program of the instance listens on it.
    Program,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Holder::Container(name) => write!(f, "container {name} publishes it"),
            Holder::Program => f.write_str("a program of the instance listens on it"),
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text says no port to publish.
    #[error("invalid port specification `{text}`: {why}")]
    Publish {
        /// What was written.
        text: String,
        /// Which part is wrong, and what would be right.
        why: String,
    },
    /// Somebody has the port.
    #[error("Bind for {} failed: port is already allocated ({holder})", port.host())]
    PortTaken {
        /// What was asked for.
        port: PublishedPort,
        /// Who has it.
        holder: Holder,
    },
    /// Every port of the range is taken.
    #[error("all ports are allocated: none of {first}-{last}/{transport} is free on {address}")]
    NoPort {
        /// Lowest that was tried.
        first: u16,
        /// Highest that was tried.
        last: u16,
        /// TCP or UDP.
        transport: super::Transport,
        /// On which address of the instance.
        address: IpAddr,
    },
    /// The text is no network mode.
    #[error("invalid network mode `{text}`: {why}")]
    Mode {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A network cannot be made so.
    #[error("network {name}: {why}")]
    Network {
        /// The network's name.
        name: String,
        /// Which rule it breaks.
        why: String,
    },
    /// The subnet is, in part, another network's or a route's.
    #[error("Pool overlaps with other one on this address space: {wanted} and {other}")]
    Overlap {
        /// What was asked for.
        wanted: IpNet,
        /// What is there.
        other: String,
    },
    /// No default subnet is left.
    #[error(
        "all predefined address pools have been fully subnetted: give a subnet of your own (--subnet)"
    )]
    NoPool,
    /// The network has no address left.
    #[error("no available addresses on network {network} ({range})")]
    NoAddress {
        /// The network's name.
        network: String,
        /// Where addresses come from.
        range: IpNet,
    },
    /// The address asked for cannot be had.
    #[error("address {address} cannot be had: {why}")]
    Address {
        /// What was asked for.
        address: IpAddr,
        /// Why not.
        why: String,
    },
    /// Networks and endpoints do not fit together.
    #[error("{0}")]
    Plan(String),
    /// The kernel refused.
    #[error("network namespace {namespace}: {source}")]
    Kernel {
        /// Key of the namespace.
        namespace: String,
        /// Why.
        source: netlink::Error,
    },
    /// The holder refused.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
}

impl Error {
    /// An adapter for `map_err` that says where.
    pub(crate) fn kernel(namespace: &str) -> impl FnOnce(netlink::Error) -> Error + '_ {
        move |source| Error::Kernel {
            namespace: namespace.to_owned(),
            source,
        }
    }
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;
