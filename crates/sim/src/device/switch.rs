//! A learning switch (IEEE 802.1D clause 7): stores a frame, remembers where its source is, and sends it to where its
//! destination is, or everywhere else if it does not know.

use wire::Mac;

use super::mac_table::{Found, Learned, MacTable};
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
}

impl Default for SwitchSettings {
    /// 8,192 addresses for 300 s each (IEEE 802.1D table 7-5).
    fn default() -> Self {
        Self { table_addresses: 8_192, ageing: Span::seconds(300) }
    }
}

/// A switch.
#[derive(Debug)]
pub struct Switch {
    kind: &'static str,
    most_ports: u16,
    table: MacTable,
}

/// The six bytes at a place, as a number below 2^48.
fn mac_at(bytes: &[u8], place: usize) -> u64 {
    bytes[place..place + 6].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
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
        Self { kind, most_ports, table: MacTable::new(settings.table_addresses, settings.ageing) }
    }

    /// Where stations are, in order of their addresses, and when each was last heard.
    pub fn addresses(&self, now: Time) -> Vec<(Mac, u16, Time)> {
        self.table.entries(now)
    }

    fn learn(&mut self, context: &mut Context<'_>, port: u16, source: u64, frame: FrameId) {
        let (verb, reason, value) = match self.table.learn(source, port, context.now()) {
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
}

impl Node for Switch {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        if port >= self.most_ports {
            return context.trace(port, Verb::Drop, Reason::PortLimit, frame);
        }
        let bytes = context.bytes(frame);
        if bytes.len() < 14 {
            return context.trace(port, Verb::Drop, Reason::MalformedFrame, frame);
        }
        let (destination, source) = (mac_at(bytes, 0), mac_at(bytes, 6));
        if is_for_neighbour_bridges(destination) {
            return context.trace(port, Verb::Drop, Reason::ReservedMac, frame);
        }
        if !is_group(source) {
            self.learn(context, port, source, frame);
        }
        if is_group(destination) {
            let reason = if destination == BROADCAST { Reason::BroadcastMac } else { Reason::MulticastMac };
            return self.flood(context, port, frame, reason);
        }
        match self.table.find(destination, context.now()) {
            Found::Port(out) if out == port => context.trace(port, Verb::Drop, Reason::SamePort, frame),
            Found::Port(out) => {
                context.trace(out, Verb::Forward, Reason::KnownMac, frame);
                context.forward(out, frame);
            }
            Found::Aged(was) => {
                context.trace(was, Verb::Forget, Reason::AgedMac, frame);
                self.flood(context, port, frame, Reason::UnknownMac);
            }
            Found::Unknown => self.flood(context, port, frame, Reason::UnknownMac),
        }
    }

    fn on_link(&mut self, context: &mut Context<'_>, port: u16, is_up: bool) {
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
        vec![table]
    }
}
