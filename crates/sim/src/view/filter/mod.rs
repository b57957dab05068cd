//! Which events people mean: `sw-1 and not stp`, `drop or collide`, `10.0.0.1:80 and layer 4`, `reason queue-full`.
//!
//! `wire`'s packet filter is part of the language, with its precedence: `not` binds first, `and` and `or` bind alike, from
//! left to right; words that follow each other are joined by `and`. Beside it stand the places, layers, verbs, reasons and
//! stages of a trace. [`parse`] has the words.

mod misread;
mod parse;
mod words;

pub use misread::Misread;

use wire::Packet;
use wire::packet::{Network, Transport};

use super::summary::packet;
use super::unit::units;
use super::why::serde_word;
use super::{View, fold};
use crate::frame::FrameId;
use crate::node::NodeId;
use crate::trace::{Detail, Layer, Reason, TraceEvent, Verb};

/// Ancestors of a frame that are looked at.
const MOST_ANCESTORS: usize = 64;

/// A question to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Every event.
    All,
    /// At this node.
    Node(NodeId),
    /// At this port of this node.
    At(NodeId, u16),
    /// At a port of this name, of any node.
    PortNamed(String),
    /// Decided at this layer.
    Layer(Layer),
    /// This happened.
    Verb(Verb),
    /// For this reason.
    Reason(Reason),
    /// A stage of a VPC, as it is written.
    Stage(String),
    /// Something of this protocol is in the frame.
    Protocol(&'static str),
    /// The frame of this number.
    Frame(u32),
    /// The frame of this number, or one that was made of it.
    MadeOf(u32),
    /// The packet is such.
    Packet(wire::Filter),
    /// The packet is such, or is an ICMP error about such a packet.
    Flow(wire::Filter),
    /// The opposite.
    Not(Box<Filter>),
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// Either.
    Or(Box<Filter>, Box<Filter>),
}

impl Filter {
    /// Reads a filter. `addresses` gives the addresses of a node, none if it has none or is unknown. No words mean every
    /// event.
    pub fn parse(text: &str, view: &View<'_>, addresses: &dyn Fn(&str) -> Vec<std::net::IpAddr>) -> Result<Self, Misread> {
        parse::parse(text, view.sim(), addresses)
    }

    /// Whether it wants everything.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether an event is meant. Of an event without a frame nothing is true that is asked of a packet.
    pub fn matches(&self, view: &View<'_>, event: &TraceEvent) -> bool {
        match self {
            Self::All => true,
            Self::Node(node) => event.node == *node,
            Self::At(node, port) => event.node == *node && event.port == *port,
            Self::PortNamed(name) => view.sim().port_name(event.node, event.port) == name,
            Self::Layer(layer) => event.reason.layer() == *layer,
            Self::Verb(verb) => event.verb == *verb,
            Self::Reason(reason) => event.reason == *reason,
            Self::Stage(stage) => match view.detail(event) {
                Some(Detail::Stage(reason)) => serde_word(reason.stage) == *stage,
                _ => false,
            },
            Self::Protocol(word) => is_of(view, event, word),
            Self::Frame(frame) => event.frame == FrameId(*frame),
            Self::MadeOf(frame) => {
                let mut line = std::iter::successors(Some(event.frame), |frame| view.parent(*frame)).take(MOST_ANCESTORS);
                line.any(|known| known == FrameId(*frame))
            }
            Self::Packet(filter) => read(view, event).is_some_and(|packet| filter.matches(&packet)),
            Self::Flow(filter) => read(view, event).is_some_and(|packet| {
                filter.matches(&packet) || quoted(&packet).is_some_and(|packet| filter.matches(&packet))
            }),
            Self::Not(inner) => !inner.matches(view, event),
            Self::And(one, other) => one.matches(view, event) && other.matches(view, event),
            Self::Or(one, other) => one.matches(view, event) || other.matches(view, event),
        }
    }

    /// Whether one of a row's events is meant.
    pub fn wants(&self, view: &View<'_>, row: &fold::Row) -> bool {
        self.is_all() || row.events().any(|event| self.matches(view, &view.events().at(event)))
    }
}

fn read(view: &View<'_>, event: &TraceEvent) -> Option<Packet> {
    (event.frame != FrameId::NONE).then(|| packet(view.bytes(event.frame), view.framing(event.frame)))
}

/// The packet that an ICMP error is about.
fn quoted(packet: &Packet) -> Option<Packet> {
    packet.ip()?.quoted().map(|ip| Packet { link: None, network: Network::Ip(ip) })
}

/// Whether a frame speaks a protocol: it is in it, or the frame goes from or to its well-known port.
fn is_of(view: &View<'_>, event: &TraceEvent, word: &str) -> bool {
    if event.frame == FrameId::NONE {
        return false;
    }
    let (bytes, framing) = (view.bytes(event.frame), view.framing(event.frame));
    if units(bytes, framing).iter().any(|unit| unit.protocol == word) {
        return true;
    }
    let Some(service) = model::service::called(word) else { return false };
    let packet = packet(bytes, framing);
    let Some(ip) = packet.ip() else { return false };
    let is_port = |port: u16| port == service.port && service.is_over(ip.protocol);
    match &ip.transport {
        Transport::Tcp(tcp, _) => is_port(tcp.source_port) || is_port(tcp.destination_port),
        Transport::Udp(udp, _) => is_port(udp.source_port) || is_port(udp.destination_port),
        _ => false,
    }
}
