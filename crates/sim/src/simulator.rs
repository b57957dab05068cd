//! A simulation: nodes, what connects them, and the loop that lets one event happen after another.

use std::any::Any;

use crate::frame::{FrameId, Frames};
use crate::link::{Link, LinkSpec};
use crate::medium::Medium;
use crate::network::{Network, Plug, Port};
use crate::node::{Context, Node, NodeId};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Bounds, Reason, Trace, TraceEvent, Verb};
use crate::wheel::Happening;
use crate::wires::Wires;

/// A link of a simulation, numbered in order of making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// A shared medium of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediumId(pub u32);

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The time is reached.
    Time,
    /// Nothing more will happen, or no frame is under way where that was waited for.
    Quiet,
    /// So many events happened as were allowed: perhaps a broadcast storm.
    Budget,
}

/// A simulation.
pub struct Simulator {
    nodes: Vec<Box<dyn Node>>,
    names: Vec<Box<str>>,
    network: Network,
    started: usize,
    happened: u64,
}

impl Simulator {
    /// An empty world. The same seed gives the same trace, on every platform.
    pub fn new(seed: u64, trace: Bounds) -> Self {
        let network = Network::new(Wires::new(seed, trace));
        Self { nodes: Vec::new(), names: Vec::new(), network, started: 0, happened: 0 }
    }

    /// Adds a node.
    pub fn add(&mut self, name: &str, node: impl Node) -> NodeId {
        self.add_boxed(name, Box::new(node))
    }

    /// Adds a node.
    pub fn add_boxed(&mut self, name: &str, node: Box<dyn Node>) -> NodeId {
        self.nodes.push(node);
        self.names.push(name.into());
        self.network.ports.push(Vec::new());
        NodeId((self.nodes.len() - 1) as u32)
    }

    /// Adds a port that nothing is plugged into. Returns its number at the node.
    pub fn add_port(&mut self, node: NodeId, name: &str) -> u16 {
        let ports = &mut self.network.ports[node.0 as usize];
        if ports.is_empty() {
            // Most nodes are hosts, with one port.
            ports.reserve_exact(1);
        }
        ports.push(Port { name: name.into(), plug: Plug::Open });
        (ports.len() - 1) as u16
    }

    /// A new port called `ethN`, N being its number.
    pub fn new_port(&mut self, node: NodeId) -> u16 {
        let name = format!("eth{}", self.network.ports_of(node));
        self.add_port(node, &name)
    }

    /// Plugs a link into two ports; what was plugged in before is unplugged.
    pub fn connect(&mut self, a: (NodeId, u16), b: (NodeId, u16), spec: LinkSpec) -> LinkId {
        let id = self.network.links.len() as u32;
        self.network.links.push(Link::new(spec, a, b));
        for ((node, port), side) in [(a, 0), (b, 1)] {
            self.network.ports[node.0 as usize][port as usize].plug = Plug::Link(id, side);
        }
        LinkId(id)
    }

    /// A link between a new port of each node.
    pub fn join(&mut self, a: NodeId, b: NodeId, spec: LinkSpec) -> LinkId {
        let (port_a, port_b) = (self.new_port(a), self.new_port(b));
        self.connect((a, port_a), (b, port_b), spec)
    }

    /// Adds a shared medium.
    pub fn add_medium(&mut self, medium: Box<dyn Medium>) -> MediumId {
        self.network.media.push(medium);
        MediumId((self.network.media.len() - 1) as u32)
    }

    /// The number that the next medium will have, which it needs to be called back.
    pub fn next_medium(&self) -> MediumId {
        MediumId(self.network.media.len() as u32)
    }

    /// Plugs a port into a shared medium at a position; see [`Medium::attach`].
    pub fn attach(&mut self, node: NodeId, port: u16, medium: MediumId, position: u64) {
        let station = self.network.media[medium.0 as usize].attach(node, port, position);
        self.network.ports[node.0 as usize][port as usize].plug = Plug::Station(medium.0, station);
    }

    /// What all chance comes from.
    pub fn seed(&self) -> u64 {
        self.network.wires.seed
    }

    /// A shared medium as what it is.
    pub fn medium<T: Medium>(&self, medium: MediumId) -> Option<&T> {
        let medium: &dyn Any = &*self.network.media[medium.0 as usize];
        medium.downcast_ref()
    }

    /// A shared medium to be changed.
    pub fn medium_mut<T: Medium>(&mut self, medium: MediumId) -> Option<&mut T> {
        let medium: &mut dyn Any = &mut *self.network.media[medium.0 as usize];
        medium.downcast_mut()
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.network.wires.now
    }

    /// Events that happened so far.
    pub fn happened(&self) -> u64 {
        self.happened
    }

    /// Events to come.
    pub fn pending(&self) -> usize {
        self.network.wires.pending()
    }

    /// What was recorded.
    pub fn trace(&self) -> &Trace {
        &self.network.wires.trace
    }

    /// Forgets what was recorded.
    pub fn clear_trace(&mut self) {
        let wires = &mut self.network.wires;
        wires.trace.clear(&mut wires.frames);
    }

    /// The frames that the trace speaks of.
    pub fn frames(&self) -> &Frames {
        &self.network.wires.frames
    }

    /// See [`Trace::hash`].
    pub fn trace_hash(&self) -> u64 {
        self.trace().hash(self.frames())
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// A node's name.
    pub fn name(&self, node: NodeId) -> &str {
        &self.names[node.0 as usize]
    }

    /// The node with a name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.names.iter().position(|known| &**known == name).map(|index| NodeId(index as u32))
    }

    /// A node's ports.
    pub fn ports(&self, node: NodeId) -> &[Port] {
        &self.network.ports[node.0 as usize]
    }

    /// The name of a port; nothing for [`TraceEvent::NO_PORT`].
    pub fn port_name(&self, node: NodeId, port: u16) -> &str {
        self.ports(node).get(port as usize).map_or("", |port| &port.name)
    }

    /// Bits per second at a port; 0 if nothing is plugged in.
    pub fn rate(&self, node: NodeId, port: u16) -> u64 {
        self.network.rate(node, port)
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.network.links.iter().enumerate().map(|(index, link)| (LinkId(index as u32), link))
    }

    /// The link between two nodes, the first if there are several.
    pub fn link_between(&self, a: NodeId, b: NodeId) -> Option<LinkId> {
        let joins = |link: &Link| {
            let [one, other] = link.ends().map(|(node, _)| node);
            (one, other) == (a, b) || (one, other) == (b, a)
        };
        self.links().find(|(_, link)| joins(link)).map(|(id, _)| id)
    }

    /// A node as what it is.
    pub fn get<T: Node>(&self, node: NodeId) -> Option<&T> {
        let node: &dyn Any = &*self.nodes[node.0 as usize];
        node.downcast_ref()
    }

    /// A node's one word for what it is.
    pub fn kind(&self, node: NodeId) -> &'static str {
        self.nodes[node.0 as usize].kind()
    }

    /// Lets a node do something now.
    pub fn with<T: Node, R>(&mut self, node: NodeId, act: impl FnOnce(&mut T, &mut Context<'_>) -> R) -> Option<R> {
        self.start();
        let mut context = Context { network: &mut self.network, node };
        let node: &mut dyn Any = &mut *self.nodes[node.0 as usize];
        node.downcast_mut().map(|node| act(node, &mut context))
    }

    /// Lets a frame of any bytes arrive at a port now, as if a wire had brought it.
    pub fn deliver(&mut self, node: NodeId, port: u16, bytes: &[u8]) {
        self.start();
        let mut context = Context { network: &mut self.network, node };
        let frame = context.make(FrameId::NONE, |out| out.extend_from_slice(bytes));
        self.network.wires.record(node, port, Verb::Receive, Reason::Wire, frame, 0);
        self.nodes[node.0 as usize].on_frame(&mut Context { network: &mut self.network, node }, port, frame);
        self.network.wires.frames.release(frame);
    }

    /// A node's tables, as they are now.
    pub fn inspect(&self, node: NodeId) -> Vec<Table> {
        self.nodes[node.0 as usize].inspect(self.now())
    }

    /// Makes a link fail or work again, and tells the nodes at its ends.
    pub fn set_link(&mut self, link: LinkId, is_up: bool) {
        self.start();
        let link = &mut self.network.links[link.0 as usize];
        let ends = link.ends();
        if !link.set_up(is_up) {
            return;
        }
        for (node, port) in ends {
            let reason = if is_up { Reason::LinkUp } else { Reason::LinkDown };
            self.network.wires.record(node, port, Verb::State, reason, FrameId::NONE, 0);
            self.nodes[node.0 as usize].on_link(&mut Context { network: &mut self.network, node }, port, is_up);
        }
    }

    /// Changes what a link is like for frames sent from now on.
    pub fn set_spec(&mut self, link: LinkId, spec: LinkSpec) {
        self.network.links[link.0 as usize].set_spec(spec);
    }

    /// Lets the nodes begin that have not.
    #[inline]
    fn start(&mut self) {
        if self.started < self.nodes.len() {
            self.start_nodes();
        }
    }

    #[cold]
    fn start_nodes(&mut self) {
        while self.started < self.nodes.len() {
            let node = NodeId(self.started as u32);
            self.started += 1;
            self.nodes[node.0 as usize].start(&mut Context { network: &mut self.network, node });
        }
    }

    #[inline]
    fn arrive(&mut self, node: NodeId, port: u16, frame: FrameId) {
        self.network.wires.record(node, port, Verb::Receive, Reason::Wire, frame, 0);
        self.nodes[node.0 as usize].on_frame(&mut Context { network: &mut self.network, node }, port, frame);
    }

    /// Lets the next event happen, if it is due by `limit`; whether one was.
    pub fn step(&mut self, limit: Time) -> bool {
        self.start();
        self.advance(limit)
    }

    /// The same, of a simulation whose nodes have begun.
    #[inline(always)]
    fn advance(&mut self, limit: Time) -> bool {
        let Some(event) = self.network.wires.next(limit) else { return false };
        self.happened += 1;
        match event.what {
            Happening::Crossed { link, side, frame, epoch } => {
                let link = &self.network.links[link as usize];
                let (node, port) = link.other_end(side);
                if link.epoch == epoch {
                    self.arrive(node, port, frame);
                } else {
                    self.network.wires.record(node, port, Verb::Drop, Reason::LinkDown, frame, 0);
                }
                self.network.wires.frames.release(frame);
            }
            Happening::Frame { node, port, frame } => {
                self.arrive(node, port, frame);
                self.network.wires.frames.release(frame);
            }
            Happening::Heard { medium, group, frame } => {
                // All of them hear the same bytes: whoever changes the frame changes a copy.
                self.network.wires.frames.hold(frame);
                for (node, port) in self.network.media[medium as usize].hearers(group).iter().copied() {
                    self.arrive(node, port, frame);
                }
                self.network.wires.frames.release(frame);
                self.network.wires.frames.release(frame);
            }
            Happening::Timer { node, token } => {
                self.nodes[node.0 as usize].on_timer(&mut Context { network: &mut self.network, node }, token);
            }
            Happening::Medium { medium, first, second } => {
                self.network.media[medium as usize].on_event(&mut self.network.wires, first, second);
            }
        }
        true
    }

    /// Runs up to and including a moment, which is the present afterwards unless the budget ran out.
    pub fn run_until(&mut self, limit: Time, budget: u64) -> Stop {
        self.start();
        for _ in 0..budget {
            if !self.advance(limit) {
                if limit != Time::NEVER {
                    self.network.wires.now = self.network.wires.now.max(limit);
                }
                return if self.pending() == 0 { Stop::Quiet } else { Stop::Time };
            }
        }
        Stop::Budget
    }

    /// Runs until no frame is under way, at most to a moment. Time stays where the last frame left it.
    pub fn run_quiet(&mut self, limit: Time, budget: u64) -> Stop {
        self.start();
        for _ in 0..budget {
            if self.network.wires.under_way() == 0 {
                return Stop::Quiet;
            }
            if !self.advance(limit) {
                return Stop::Time;
            }
        }
        Stop::Budget
    }

    /// Records something that no node did.
    pub fn note(&mut self, node: NodeId, verb: Verb, reason: Reason, text: String) {
        Context { network: &mut self.network, node }.trace_text(TraceEvent::NO_PORT, verb, reason, FrameId::NONE, || text);
    }
}
