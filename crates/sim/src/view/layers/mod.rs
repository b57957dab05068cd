//! The OSI view: for each node that a frame comes to, what comes in layer by layer, what decides, and what goes out with
//! what changed.
//!
//! A hop is one node and one frame: its arrival, what the node decided about it, and what the node sent for it (the frame
//! itself, or frames made of it). [`units`](super::unit::units) tells the headers apart; [`physical`] adds the bits,
//! [`session`] the state of a connection as its segments show it, [`deciding`] the fields that were looked at.

mod changes;
mod deciding;
mod hops;
mod physical;
mod repeating;
mod session;
mod text;

use serde::Serialize;

use super::View;
use super::filter::Filter;
use super::unit::units;
use super::why::Decided;
use crate::trace::{Reason, TraceEvent, Verb};

/// Version of the JSON form; its keys stay.
pub const SCHEMA: &str = "vpclab-sim-layers/1";

/// The OSI view of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layers {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The trace has a bound, and more happened than it holds.
    pub cut: bool,
    /// The hops, in order of their beginning.
    pub hops: Vec<Hop>,
}

/// A node and a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// When the frame was there, or was made there.
    pub time_nanoseconds: u64,
    /// The node.
    pub node: String,
    /// What it is.
    pub kind: &'static str,
    /// The highest layer that the node looked at.
    pub height: u8,
    /// What came in; nothing where the frame was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incoming: Option<Side>,
    /// What the node decided, in order.
    pub decisions: Vec<Decision>,
    /// What went out.
    pub outgoing: Vec<Side>,
}

/// A frame at a port of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The ports: one, or those that a flood went out by.
    pub ports: Vec<String>,
    /// The frame's number in the trace.
    pub frame: u32,
    /// From the first to the highest that the node reads or writes.
    pub layers: Vec<Level>,
    /// Names of what is carried above that and not looked at, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<&'static str>,
}

/// A layer of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Level {
    /// 1 to 7.
    pub layer: u8,
    /// What one of it is called: `bits`, `frame`, `packet`, `segment`, `datagram`, `data`.
    pub unit: &'static str,
    /// The headers of this layer, outermost first.
    pub headers: Vec<Header>,
}

/// A header, or what stands for it in layers that have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// The protocol's name.
    pub protocol: &'static str,
    /// Its fields.
    pub fields: Vec<Shown>,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it was when the frame came in, if the node changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// Something that a node decided about a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// 1 to 7.
    pub layer: u8,
    /// What it did.
    pub verb: Verb,
    /// Why, in a word.
    pub reason: Reason,
    /// The fields that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Shown>,
    /// Why, as a sentence.
    pub why: String,
    /// The stage of a VPC that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
}

/// The fields of an event's frame that its node looked at to decide.
pub fn deciding(view: &View<'_>, event: &TraceEvent) -> Vec<Shown> {
    deciding::fields(event.reason, view.detail(event), &units(view.bytes(event.frame), view.framing(event.frame)))
}

/// The bits of an event's frame at its port: medium, rate, number, time to send.
pub fn physical(view: &View<'_>, event: &TraceEvent) -> Vec<Shown> {
    physical::fields(view, event.node, event.port, view.bytes(event.frame))
}

impl Side {
    /// As text: a line for each header, from the highest layer down.
    pub fn text(&self) -> String {
        text::downwards(self)
    }
}

impl Layers {
    /// The hops of which the filter wants an event.
    pub fn new(view: &View<'_>, filter: &Filter) -> Self {
        Self { schema: SCHEMA, cut: view.sim().trace().is_cut(), hops: hops::hops(view, filter) }
    }

    /// As text: a paragraph for each hop, what comes in from the first layer up, what goes out from the highest down.
    pub fn text(&self) -> String {
        let mut text: String =
            self.hops.iter().enumerate().map(|(index, hop)| text::hop(index + 1, hop)).collect::<Vec<_>>().join("\n");
        if self.cut {
            text += "the trace is full: what came later is not recorded\n";
        }
        text
    }
}
