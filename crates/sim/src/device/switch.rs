//! A learning switch (IEEE 802.1D clause 7): stores a frame, remembers where its source is, and sends it to where its
//! destination is, or everywhere else if it does not know.

use wire::Mac;

use super::bpdu::{Bpdu, GROUP};
use super::igmp_snooping::{Heard, Snooping, Steering, read};
use super::mac_table::{Found, Learned, MacTable, number};
use super::spanning_tree::{PortState, SpanningTree, SpanningTreeSettings};
use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

/// How a switch is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchSettings {
    /// Most addresses in the MAC table.
    pub table_addresses: usize,
    /// How long an address lives after a frame came from it.
    pub ageing: Span,
    /// Whether and how it takes part in a spanning tree. Without, a loop is a broadcast storm.
    pub spanning_tree: Option<SpanningTreeSettings>,
    /// Whether it reads IGMP and MLD and sends groups only where they are wanted.
    pub snooping: bool,
    /// Its own address, by which other bridges know it; one that follows from its number if there is none.
    pub address: Option<Mac>,
}

impl Default for SwitchSettings {
    /// 8,192 addresses for 300 s each (IEEE 802.1D table 7-5).
    fn default() -> Self {
        let (table_addresses, ageing) = (8_192, Span::seconds(300));
        Self { table_addresses, ageing, spanning_tree: None, snooping: false, address: None }
    }
}

/// A switch.
#[derive(Debug)]
pub struct Switch {
    kind: &'static str,
    most_ports: u16,
    settings: SwitchSettings,
    table: MacTable,
    tree: Option<Box<SpanningTree>>,
    snooping: Option<Box<Snooping>>,
}

/// Destination and source of an Ethernet header, as numbers below 2^48.
fn addresses(header: &[u8; 14]) -> Option<(u64, u64)> {
    let (destination, source) = (header.first_chunk::<8>()?, header.last_chunk::<8>()?);
    Some((u64::from_be_bytes(*destination) >> 16, u64::from_be_bytes(*source) >> 16))
}

const BROADCAST: u64 = 0xffff_ffff_ffff;

/// Groups 01-80-c2-00-00-01 to -0f: for the bridge at the other end of the cable and nobody else (IEEE 802.1D 7.12.6).
/// The first, that of spanning tree, passes a bridge that does not take part in it.
fn is_for_neighbour_bridges(destination: u64) -> bool {
    destination & !0xf == 0x0180_c200_0000 && destination & 0xf != 0
}

fn is_group(address: u64) -> bool {
    address >> 40 & 1 != 0
}

impl Switch {
    /// A switch with any number of ports.
    pub fn new(settings: SwitchSettings) -> Self {
        Self::limited("switch", u16::MAX, settings)
    }

    pub(super) fn limited(kind: &'static str, most_ports: u16, settings: SwitchSettings) -> Self {
        let table = MacTable::new(settings.table_addresses, settings.ageing);
        let snooping = settings.snooping.then(Box::default);
        Self { kind, most_ports, settings, table, tree: None, snooping }
    }

    /// Where stations are, in order of their addresses, and when each was last heard.
    pub fn addresses(&self, now: Time) -> Vec<(Mac, u16, Time)> {
        self.table.entries(now)
    }

    /// Its part in the spanning tree, if it takes one and has begun.
    pub fn tree(&self) -> Option<&SpanningTree> {
        self.tree.as_deref()
    }

    /// Where a frame goes of which there is nothing to say but that, as nearly always: from a station that is known to be at
    /// this port to one that is known to be at another.
    #[inline]
    fn known_way(&mut self, context: &Context<'_>, port: u16, frame: FrameId) -> Option<u16> {
        let (destination, source) = addresses(context.frames().start(frame)?)?;
        if self.tree.is_some() || port >= self.most_ports || is_group(destination) || is_group(source) {
            return None;
        }
        let now = context.now();
        if !self.table.refresh(source, port, now) {
            return None;
        }
        self.table.known(destination, now).filter(|out| *out != port)
    }

    #[inline]
    fn learn(&mut self, context: &mut Context<'_>, port: u16, source: u64, frame: FrameId) {
        match self.table.learn(source, port, context.now()) {
            Learned::Known => {}
            news => self.tell(context, port, news, frame),
        }
    }

    /// Says what was learned of the source of a frame.
    #[inline(never)]
    fn tell(&self, context: &mut Context<'_>, port: u16, learned: Learned, frame: FrameId) {
        let (verb, reason, value) = match learned {
            Learned::Known => return,
            Learned::New => (Verb::Learn, Reason::SourceMac, 0),
            Learned::Moved(from) => (Verb::Learn, Reason::MovedMac, u32::from(from)),
            Learned::Full => (Verb::Note, Reason::TableFull, self.table.len() as u32),
            Learned::Aged(from) => {
                context.trace(from, Verb::Forget, Reason::AgedMac, frame);
                (Verb::Learn, Reason::SourceMac, 0)
            }
        };
        context.trace_value(port, verb, reason, frame, value);
    }

    /// Sends a frame to every port but its own.
    fn flood(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, reason: Reason) {
        let ports = context.ports().min(self.most_ports);
        if let Some(tree) = &self.tree {
            let open: Vec<u16> = (0..ports).filter(|out| tree.state(*out) == PortState::Forwarding).collect();
            return Self::flood_to(context, port, frame, reason, &open);
        }
        if context.is_traced() {
            let copies = (0..ports).filter(|out| *out != port && context.is_up(*out)).count();
            context.trace_value(port, Verb::Flood, reason, frame, copies as u32);
        }
        for out in 0..ports {
            if out != port && context.is_up(out) {
                context.forward(out, frame);
            }
        }
    }

    /// Sends a frame to the ports that the group table names, but not to its own; where none is left, `or` says why.
    fn forward_to(context: &mut Context<'_>, port: u16, frame: FrameId, (reason, or): (Reason, Reason), ports: &[u16]) {
        let before = ports.len();
        let ports = ports.iter().copied().filter(|out| *out != port && context.is_up(*out)).collect::<Vec<_>>();
        if ports.is_empty() {
            return context.trace(port, Verb::Drop, if before == 0 { or } else { Reason::SamePort }, frame);
        }
        for out in ports {
            context.trace(out, Verb::Forward, reason, frame);
            context.forward(out, frame);
        }
    }

    /// Sends a frame to these ports, but not to its own.
    fn flood_to(context: &mut Context<'_>, port: u16, frame: FrameId, reason: Reason, ports: &[u16]) {
        let ports = ports.iter().copied().filter(|out| *out != port);
        if context.is_traced() {
            let copies = ports.clone().filter(|out| context.is_up(*out)).count();
            context.trace_value(port, Verb::Flood, reason, frame, copies as u32);
        }
        for out in ports {
            if context.is_up(out) {
                context.forward(out, frame);
            }
        }
    }

    /// A frame to a group goes everywhere, or where snooping says.
    fn multicast(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let Some(snooping) = &mut self.snooping else { return self.flood(context, port, frame, Reason::MulticastMac) };
        let heard = read(context.bytes(frame));
        let (steering, is_news) = snooping.steer(heard, port, context.now());
        if is_news {
            let verb = if matches!(heard, Heard::Leave(_)) { Verb::Forget } else { Verb::Learn };
            context.trace_text(port, verb, Reason::Snooped, frame, || match heard {
                Heard::Report(group) => format!("joins {group}"),
                Heard::Leave(group) => format!("leaves {group}"),
                _ => "a router".to_owned(),
            });
        }
        let (mut ports, reasons) = match steering {
            Steering::Flood => return self.flood(context, port, frame, Reason::MulticastMac),
            Steering::Members(ports) => (ports, (Reason::GroupMember, Reason::PortBlocked)),
            Steering::Routers(ports) => (ports, (Reason::GroupRouter, Reason::GroupRouter)),
        };
        if let Some(tree) = &self.tree {
            ports.retain(|out| tree.state(*out) == PortState::Forwarding);
        }
        Self::forward_to(context, port, frame, reasons, &ports);
    }

    /// Decides about a frame, whatever it is.
    #[inline(never)]
    fn decide(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        if port >= self.most_ports {
            return context.trace(port, Verb::Drop, Reason::PortLimit, frame);
        }
        let Some((destination, source)) = context.bytes(frame).first_chunk().and_then(addresses) else {
            return context.trace(port, Verb::Drop, Reason::MalformedFrame, frame);
        };
        if is_for_neighbour_bridges(destination) {
            return context.trace(port, Verb::Drop, Reason::ReservedMac, frame);
        }
        if self.tree.is_some() && !self.passes_tree(context, port, frame, (destination, source)) {
            return;
        }
        if !is_group(source) {
            self.learn(context, port, source, frame);
        }
        if destination == BROADCAST {
            return self.flood(context, port, frame, Reason::BroadcastMac);
        }
        if is_group(destination) {
            return self.multicast(context, port, frame);
        }
        match self.table.find(destination, context.now()) {
            Found::Port(out) if out == port => context.trace(port, Verb::Drop, Reason::SamePort, frame),
            Found::Port(out) => Self::pass(context, out, frame),
            Found::Aged(was) => {
                context.trace(was, Verb::Forget, Reason::AgedMac, frame);
                self.flood(context, port, frame, Reason::UnknownMac);
            }
            Found::Unknown => self.flood(context, port, frame, Reason::UnknownMac),
        }
    }

    /// Sends a frame to where its destination is.
    #[inline]
    fn pass(context: &mut Context<'_>, out: u16, frame: FrameId) {
        context.trace(out, Verb::Forward, Reason::KnownMac, frame);
        context.forward(out, frame);
    }

    /// What spanning tree did to ports, done to the table.
    fn follow_tree(&mut self, context: &mut Context<'_>) {
        let Some(tree) = &mut self.tree else { return };
        for port in tree.take_closed() {
            let forgotten = self.table.forget_port(port);
            if forgotten > 0 {
                context.trace_value(port, Verb::Forget, Reason::PortBlocked, FrameId::NONE, forgotten as u32);
            }
        }
        self.table.set_ageing(tree.short_ageing().map_or(self.settings.ageing, |short| short.min(self.settings.ageing)));
    }

    /// Whether spanning tree lets a frame pass; what it is for itself it keeps.
    fn passes_tree(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, (destination, source): (u64, u64)) -> bool {
        let Some(tree) = &mut self.tree else { return true };
        tree.notice(context, port);
        if destination == number(GROUP) {
            match Bpdu::parse(context.bytes(frame)) {
                Some(message) => tree.on_bpdu(context, port, message),
                None => context.trace(port, Verb::Drop, Reason::MalformedFrame, frame),
            }
            self.follow_tree(context);
            return false;
        }
        let state = tree.state(port);
        if state == PortState::Learning && !is_group(source) {
            self.learn(context, port, source, frame);
        }
        if state != PortState::Forwarding {
            context.trace(port, Verb::Drop, Reason::PortBlocked, frame);
        }
        state == PortState::Forwarding
    }
}

impl Node for Switch {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn start(&mut self, context: &mut Context<'_>) {
        if let Some(settings) = self.settings.spanning_tree {
            let [_, a, b, c] = context.node().0.to_be_bytes();
            let address = self.settings.address.unwrap_or(Mac([0x06, 0x53, 0x57, a, b, c]));
            let mut tree = SpanningTree::new(settings, address);
            tree.start(context);
            self.tree = Some(Box::new(tree));
        }
    }

    fn on_timer(&mut self, context: &mut Context<'_>, token: u64) {
        if let Some(tree) = &mut self.tree {
            tree.on_timer(context, token);
            self.follow_tree(context);
        }
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        match self.known_way(context, port, frame) {
            Some(out) => Self::pass(context, out, frame),
            None => self.decide(context, port, frame),
        }
    }

    fn on_link(&mut self, context: &mut Context<'_>, port: u16, is_up: bool) {
        if let Some(tree) = &mut self.tree {
            tree.on_link(context, port, is_up);
            self.follow_tree(context);
        }
        if !is_up && let Some(snooping) = &mut self.snooping {
            snooping.forget_port(port);
        }
        if !is_up {
            let forgotten = self.table.forget_port(port);
            if forgotten > 0 {
                context.trace_value(port, Verb::Forget, Reason::LinkDown, FrameId::NONE, forgotten as u32);
            }
        }
    }

    fn inspect(&self, now: Time) -> Vec<Table> {
        let mut table = Table::new("mac", &["address", "port", "age"]);
        for (mac, port, seen) in self.addresses(now) {
            table.row([mac.to_string(), port.to_string(), now.since(seen).to_string()]);
        }
        let mut tables = vec![table];
        tables.extend(self.tree.as_ref().map(|tree| tree.inspect()));
        tables.extend(self.snooping.as_ref().map(|snooping| snooping.inspect(now)));
        tables
    }
}
