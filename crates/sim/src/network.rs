//! Who is connected with whom: ports, links and shared media, and how a frame gets from a node to them.

use crate::frame::FrameId;
use crate::link::{Framing, Link, LinkSpec};
use crate::medium::Medium;
use crate::node::NodeId;
use crate::trace::{Reason, Verb};
use crate::wires::Wires;

/// What a port is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plug {
    /// Nothing.
    Open,
    /// One side, 0 or 1, of a link.
    Link(u32, u8),
    /// A station of a shared medium.
    Station(u32, u32),
}

/// A port.
#[derive(Debug)]
pub struct Port {
    /// Its name at its node: `eth0`.
    pub name: Box<str>,
    /// What it is plugged into.
    pub plug: Plug,
}

/// Everything below the nodes.
pub struct Network {
    pub(crate) wires: Wires,
    pub(crate) links: Vec<Link>,
    pub(crate) media: Vec<Box<dyn Medium>>,
    pub(crate) ports: Vec<Vec<Port>>,
}

impl Network {
    pub(crate) fn new(wires: Wires) -> Self {
        Self { wires, links: Vec::new(), media: Vec::new(), ports: Vec::new() }
    }

    pub(crate) fn ports_of(&self, node: NodeId) -> u16 {
        self.ports[node.0 as usize].len() as u16
    }

    #[inline]
    pub(crate) fn plug(&self, node: NodeId, port: u16) -> Plug {
        self.ports[node.0 as usize].get(port as usize).map_or(Plug::Open, |port| port.plug)
    }

    pub(crate) fn is_up(&self, node: NodeId, port: u16) -> bool {
        match self.plug(node, port) {
            Plug::Open => false,
            Plug::Link(link, _) => self.links[link as usize].is_up(),
            Plug::Station(..) => true,
        }
    }

    fn spec(&self, node: NodeId, port: u16) -> Option<&LinkSpec> {
        match self.plug(node, port) {
            Plug::Link(link, _) => Some(self.links[link as usize].spec()),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn link(&self, node: NodeId, port: u16) -> (Framing, u32) {
        self.spec(node, port).map_or((Framing::Ethernet, 1_500), |spec| (spec.framing, spec.mtu_bytes))
    }

    pub(crate) fn rate(&self, node: NodeId, port: u16) -> u64 {
        match self.plug(node, port) {
            Plug::Open => 0,
            Plug::Link(link, _) => self.links[link as usize].spec().rate_bits_per_second,
            Plug::Station(medium, _) => self.media[medium as usize].rate(),
        }
    }

    pub(crate) fn queued(&self, node: NodeId, port: u16) -> usize {
        match self.plug(node, port) {
            Plug::Open => 0,
            Plug::Link(link, side) => self.links[link as usize].queued(side as usize, self.wires.now),
            Plug::Station(medium, station) => self.media[medium as usize].queued(station),
        }
    }

    pub(crate) fn transmit(&mut self, node: NodeId, port: u16, frame: FrameId) {
        match self.plug(node, port) {
            Plug::Open => {
                self.wires.record(node, port, Verb::Drop, Reason::NotConnected, frame, 0);
                self.wires.frames.release(frame);
            }
            Plug::Link(link, side) => self.links[link as usize].transmit(&mut self.wires, (link, side), frame),
            Plug::Station(medium, station) => self.media[medium as usize].transmit(&mut self.wires, station, frame),
        }
    }
}
