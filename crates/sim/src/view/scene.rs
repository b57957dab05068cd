//! A simulation as views look at it: names of places, who is at the other end of a port, how a frame is framed.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use fabric::Fabric;

use super::relative::Starts;
use crate::frame::FrameId;
use crate::link::{Framing, Link};
use crate::network::Plug;
use crate::node::NodeId;
use crate::simulator::Simulator;
use crate::trace::{Detail, Events, Reason, TraceEvent, Verb};

/// A simulation to look at.
pub struct View<'a> {
    sim: &'a Simulator,
    fabric: Option<&'a Fabric>,
    links: Vec<&'a Link>,
    /// How frames are framed, in a lab with links that are not Ethernet's.
    framings: BTreeMap<FrameId, Framing>,
    starts: OnceCell<Starts>,
}

impl<'a> View<'a> {
    /// Looks at a simulation.
    pub fn new(sim: &'a Simulator) -> Self {
        let links: Vec<&Link> = sim.links().map(|(_, link)| link).collect();
        let mut view = Self { sim, fabric: None, links, framings: BTreeMap::new(), starts: OnceCell::new() };
        if view.links.iter().any(|link| link.spec().framing != Framing::Ethernet) {
            // A frame belongs to the cable that it was first seen on; what a node decides about it speaks of others, too.
            let on_wire = |event: &TraceEvent| matches!(event.verb, Verb::Send | Verb::Receive) && event.reason == Reason::Wire;
            let (wire, rest): (Vec<TraceEvent>, Vec<TraceEvent>) = sim.trace().events().iter().partition(on_wire);
            for event in wire.into_iter().chain(rest).filter(|event| event.frame != FrameId::NONE) {
                let framing = view.port_framing(event.node, event.port);
                view.framings.entry(event.frame).or_insert(framing);
            }
        }
        view
    }

    /// With the fabric that stages of a VPC speak of, for the names of their places.
    #[must_use]
    pub fn with_fabric(mut self, fabric: &'a Fabric) -> Self {
        self.fabric = Some(fabric);
        self
    }

    /// The simulation.
    pub fn sim(&self) -> &'a Simulator {
        self.sim
    }

    /// Everything recorded, in order.
    pub fn events(&self) -> Events<'a> {
        self.sim.trace().events()
    }

    /// More about an event.
    pub fn detail(&self, event: &TraceEvent) -> Option<&'a Detail> {
        self.sim.trace().detail(event)
    }

    /// The bytes of a frame; none of [`FrameId::NONE`].
    pub fn bytes(&self, frame: FrameId) -> &'a [u8] {
        if frame == FrameId::NONE { &[] } else { self.sim.frames().bytes(frame) }
    }

    /// What a frame was made of, if the trace holds that.
    pub fn parent(&self, frame: FrameId) -> Option<FrameId> {
        let parent = (frame != FrameId::NONE).then(|| self.sim.frames().parent(frame))?;
        (parent != FrameId::NONE).then_some(parent)
    }

    /// How a frame is framed.
    pub fn framing(&self, frame: FrameId) -> Framing {
        self.framings.get(&frame).copied().unwrap_or_default()
    }

    /// Where the numbers of TCP's connections begin.
    pub(super) fn starts(&self) -> &Starts {
        self.starts.get_or_init(|| Starts::of(self))
    }

    /// The link of a port.
    pub fn link(&self, node: NodeId, port: u16) -> Option<&'a Link> {
        match self.plug(node, port) {
            Plug::Link(link, _) => self.links.get(link as usize).copied(),
            _ => None,
        }
    }

    /// What a port is plugged into.
    pub fn plug(&self, node: NodeId, port: u16) -> Plug {
        self.sim.ports(node).get(usize::from(port)).map_or(Plug::Open, |port| port.plug)
    }

    fn port_framing(&self, node: NodeId, port: u16) -> Framing {
        self.link(node, port).map_or(Framing::Ethernet, |link| link.spec().framing)
    }

    /// The other end of a port's link.
    pub fn other_end(&self, node: NodeId, port: u16) -> Option<(NodeId, u16)> {
        match self.plug(node, port) {
            Plug::Link(link, side) => Some(self.links.get(link as usize)?.ends()[1 - usize::from(side)]),
            _ => None,
        }
    }

    /// `sw-1:eth1`; the node alone if it has a single port, or none is meant.
    pub fn place(&self, node: NodeId, port: u16) -> String {
        let ports = self.sim.ports(node);
        match ports.get(usize::from(port)) {
            Some(port) if ports.len() > 1 => format!("{}:{}", self.sim.name(node), port.name),
            _ => self.sim.name(node).to_owned(),
        }
    }

    /// Where a stage of the fabric decided, by name if the fabric is known.
    pub fn component(&self, reason: &fabric::Reason) -> Option<String> {
        self.fabric.map(|fabric| reason.at.label(fabric))
    }
}
