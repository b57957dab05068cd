//! The OSI model (ISO/IEC 7498-1) as a reference: seven layers, the protocols that belong to them, their well-known ports.
//!
//! [`find`] takes what people type (a layer, a protocol, a port, a service) to a [`Topic`]; [`Answer`] is what is said about
//! it. Ports and names of services are [`model::service`]'s, so that every command understands the same names.

mod answer;
mod example_ko;
mod layers;
mod live;
mod lookup;
mod protocols;
mod protocols_network;
mod words;

pub use answer::{Answer, SCHEMA};
pub use layers::{LAYERS, OsiLayer};
pub use live::Example;
pub use lookup::{NotFound, Topic, find};
pub use words::Tongue;

use serde::Serialize;

use crate::trace::Layer;

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Protocol {
    /// The word for filters and commands.
    pub word: &'static str,
    /// Its name in full.
    pub name: &'static str,
    /// What else people call it.
    #[serde(skip)]
    pub aliases: &'static [&'static str],
    /// Its layer.
    #[serde(serialize_with = "number")]
    pub layer: Layer,
    /// What one of it is called.
    pub unit: &'static str,
    /// Protocols that it is carried by, as words.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub over: &'static [&'static str],
    /// How what carries it tells that it is this: a type or a number. Ports are in [`Protocol::ports`].
    #[serde(skip_serializing_if = "str::is_empty")]
    pub identified_by: &'static str,
    /// Where it is written.
    pub standard: &'static str,
    /// What it is for.
    pub sentence: &'static str,
}

fn number<S: serde::Serializer>(layer: &Layer, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(layer.number())
}

/// A well-known port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    /// `tcp` or `udp`.
    pub transport: &'static str,
    /// Its number.
    pub port: u16,
    /// The service's name.
    pub service: &'static str,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}/{}", self.transport, self.port))
    }
}

impl Protocol {
    /// All of them, by layer and then by how they build on each other.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        protocols_network::PROTOCOLS.iter().chain(protocols::PROTOCOLS)
    }

    /// Whether people call it so, in capitals or not.
    pub fn is_called(&self, name: &str) -> bool {
        self.word.eq_ignore_ascii_case(name) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Its well-known ports, in order.
    pub fn ports(&self) -> Vec<Port> {
        model::service::SERVICES.iter().flat_map(ports_of).filter(|port| self.lives_at(port)).collect()
    }

    /// Whether it is what is spoken at a service's port: of HTTPS over TCP that itself, over UDP QUIC (RFC 9114 3.1).
    fn lives_at(&self, port: &Port) -> bool {
        match (self.word, port.service) {
            ("https", "https") => port.transport == "tcp",
            ("quic", "https") => port.transport == "udp",
            (_, service) => self.serves(service),
        }
    }

    /// Whether a service is this protocol's.
    fn serves(&self, service: &str) -> bool {
        protocols::SERVED.iter().any(|(word, services)| *word == self.word && services.contains(&service))
            || self.word == service
    }
}

/// A service's port, once for each protocol that it is spoken over.
fn ports_of(service: &'static model::service::Service) -> impl Iterator<Item = Port> {
    let over = [("tcp", service.tcp), ("udp", service.udp)].into_iter().filter(|(_, is_over)| *is_over);
    over.map(|(transport, _)| Port { transport, port: service.port, service: service.name })
}

/// The protocol of a service's name, and its port.
pub fn service(name: &str) -> Option<(&'static Protocol, u16)> {
    let service = model::service::called(name)?;
    Protocol::all().find(|protocol| protocol.serves(service.name)).map(|protocol| (protocol, service.port))
}
