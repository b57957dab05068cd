//! Spanning tree (IEEE 802.1D-1998 clause 8): bridges elect a root, keep the ports that lead to it or away from it, and block
//! the rest, so that a network with loops has none for frames.

use wire::Mac;

use super::bpdu::{Bpdu, BridgeId, Configuration, Offer};
use crate::frame::FrameId;
use crate::node::{Context, Timer};
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

/// How spanning tree is set; 802.1D table 8-3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanningTreeSettings {
    /// The lower, the likelier the bridge becomes root.
    pub priority: u16,
    /// How often the root sends.
    pub hello_time: Span,
    /// When what was heard is void.
    pub max_age: Span,
    /// How long a port listens, and then learns, before it forwards.
    pub forward_delay: Span,
}

impl Default for SpanningTreeSettings {
    fn default() -> Self {
        let (hello_time, max_age, forward_delay) = (Span::seconds(2), Span::seconds(20), Span::seconds(15));
        Self { priority: 0x8000, hello_time, max_age, forward_delay }
    }
}

/// Shortest time between two messages by one port.
const HOLD_TIME: Span = Span::seconds(1);
/// What a bridge adds to the age of a message: one second, in 1/256.
const AGE_INCREMENT: u16 = 256;

/// What a port does with frames (8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortState {
    /// Its link is down.
    Disabled,
    /// It only listens for messages.
    Blocking,
    /// It takes part in the tree and waits for others to hear of that.
    Listening,
    /// It learns addresses.
    Learning,
    /// It forwards.
    Forwarding,
}

impl PortState {
    fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Blocking => "blocking",
            Self::Listening => "listening",
            Self::Learning => "learning",
            Self::Forwarding => "forwarding",
        }
    }
}

#[derive(Debug)]
struct Port {
    number: u16,
    cost: u32,
    state: PortState,
    /// The best offer on its network: the bridge's own if the port is designated.
    best: Offer,
    /// The message that it came in, if from another bridge, and when.
    heard: Option<(Configuration, Time)>,
    age: Timer,
    delay: Timer,
    hold: Timer,
    /// A message waits for [`HOLD_TIME`] to pass.
    is_due: bool,
    acknowledges: bool,
}

/// What a timer is for: the upper half of its key; the lower is a port.
const HELLO: u32 = 0;
const AGE: u32 = 1;
const DELAY: u32 = 2;
const HOLD: u32 = 3;
const NOTIFY: u32 = 4;
const CHANGE: u32 = 5;

/// A bridge's part in the tree.
#[derive(Debug)]
pub struct SpanningTree {
    settings: SpanningTreeSettings,
    bridge: BridgeId,
    root: BridgeId,
    root_cost: u32,
    root_port: Option<u16>,
    ports: Vec<Port>,
    hello: Timer,
    /// Sends notifications until one is acknowledged.
    notify: Timer,
    /// The root says that the topology has changed until then.
    change: Timer,
    change_heard: bool,
    /// Ports that ceased to forward since the switch asked.
    closed: Vec<u16>,
}

fn cost_of(rate: u64) -> u32 {
    // Table 8-5; between its rows that of the slower one.
    match rate {
        10_000_000_000.. => 2,
        1_000_000_000.. => 4,
        100_000_000.. => 19,
        16_000_000.. => 62,
        10_000_000.. => 100,
        _ => 250,
    }
}

fn in_256ths(span: Span) -> u16 {
    (span.0 / (1_000_000_000 / 256)).min(0xffff) as u16
}

fn span_of(time: u16) -> Span {
    Span(u64::from(time) * 1_000_000_000 / 256)
}

impl SpanningTree {
    /// A bridge that has not begun.
    pub fn new(settings: SpanningTreeSettings, address: Mac) -> Self {
        let bridge = BridgeId::new(settings.priority, address);
        let (hello, notify, change) = (Timer::default(), Timer::default(), Timer::default());
        let (ports, closed) = (Vec::new(), Vec::new());
        let (root_port, root_cost, change_heard) = (None, 0, false);
        Self { settings, bridge, root: bridge, root_cost, root_port, ports, hello, notify, change, change_heard, closed }
    }

    /// What a port does.
    pub fn state(&self, port: u16) -> PortState {
        self.ports.get(port as usize).map_or(PortState::Disabled, |port| port.state)
    }

    /// The root, as far as the bridge knows.
    pub fn root(&self) -> BridgeId {
        self.root
    }

    /// How long addresses live while the topology changes; nothing if it does not.
    pub fn short_ageing(&self) -> Option<Span> {
        (self.change_heard || self.change.at().is_some()).then_some(self.settings.forward_delay)
    }

    /// Ports that ceased to forward since the last time this was asked.
    pub fn take_closed(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.closed)
    }

    /// Begins with the ports that there are.
    pub fn start(&mut self, context: &mut Context<'_>) {
        for port in 0..context.ports() {
            self.add_port(context, port);
        }
        self.choose(context);
        self.hello.set(context, context.now(), HELLO << 16);
    }

    /// A frame came by a port, which may be newer than the bridge's beginning.
    pub fn notice(&mut self, context: &mut Context<'_>, port: u16) {
        while self.ports.len() <= port as usize {
            self.add_port(context, self.ports.len() as u16);
            self.choose(context);
        }
        if self.state(port) == PortState::Disabled && context.is_up(port) {
            self.on_link(context, port, true);
        }
    }

    fn add_port(&mut self, context: &mut Context<'_>, number: u16) {
        let (cost, id) = (cost_of(context.rate(number)), 0x8000 | (number + 1));
        let best = Offer { root: self.bridge, cost: 0, bridge: self.bridge, port: id };
        let (age, delay, hold) = (Timer::default(), Timer::default(), Timer::default());
        let state = if context.is_up(number) { PortState::Blocking } else { PortState::Disabled };
        let (heard, is_due, acknowledges) = (None, false, false);
        self.ports.push(Port { number, cost, state, best, heard, age, delay, hold, is_due, acknowledges });
    }

    fn is_root(&self) -> bool {
        self.root == self.bridge
    }

    fn offer(&self, port: &Port) -> Offer {
        Offer { root: self.root, cost: self.root_cost, bridge: self.bridge, port: 0x8000 | (port.number + 1) }
    }

    fn is_designated(&self, port: &Port) -> bool {
        port.heard.is_none()
    }

    /// Finds the root, the way to it, and what each port is for (8.6.8 to 8.6.12).
    fn choose(&mut self, context: &mut Context<'_>) {
        let was_root = self.is_root();
        let heard = self.ports.iter().filter(|port| port.state != PortState::Disabled && port.heard.is_some());
        let ways = heard.map(|port| {
            let best = port.best;
            ((best.root, best.cost.saturating_add(port.cost), best.bridge, best.port, port.number), port.number)
        });
        // A way back to the bridge itself is none.
        let way = ways.filter(|(way, _)| way.0 < self.bridge && way.2 != self.bridge).min();
        (self.root, self.root_cost, self.root_port) = match way {
            Some(((root, cost, ..), port)) => (root, cost, Some(port)),
            None => (self.bridge, 0, None),
        };
        for index in 0..self.ports.len() {
            let own = self.offer(&self.ports[index]);
            let is_root_port = self.root_port == Some(index as u16);
            let port = &mut self.ports[index];
            if port.state == PortState::Disabled {
                continue;
            }
            if !is_root_port && (port.heard.is_none() || own < port.best) {
                port.best = own;
                port.heard = None;
                port.age.cancel();
            }
            let goes = is_root_port || port.heard.is_none();
            if goes && port.state == PortState::Blocking {
                self.enter(context, index, PortState::Listening);
            } else if !goes && port.state != PortState::Blocking {
                self.close(context, index, PortState::Blocking);
            }
        }
        if was_root != self.is_root() {
            let root = self.root;
            context.note(Verb::State, Reason::SpanningTree, || format!("the root is {root}"));
            if self.is_root() {
                self.change_heard = false;
                self.notify.cancel();
                self.hello.set(context, context.now(), HELLO << 16);
            } else {
                self.hello.cancel();
                self.change.cancel();
            }
        }
    }

    fn enter(&mut self, context: &mut Context<'_>, index: usize, state: PortState) {
        let delay = self.settings.forward_delay;
        let port = &mut self.ports[index];
        let (was, number) = (port.state, port.number);
        port.state = state;
        context.trace_text(number, Verb::State, Reason::SpanningTree, FrameId::NONE, || {
            format!("{} after {}", state.word(), was.word())
        });
        match state {
            PortState::Listening | PortState::Learning => {
                port.delay.set(context, context.now() + delay, DELAY << 16 | index as u32);
            }
            _ => port.delay.cancel(),
        }
    }

    /// A port forwards no more.
    fn close(&mut self, context: &mut Context<'_>, index: usize, state: PortState) {
        let was = self.ports[index].state;
        self.enter(context, index, state);
        if matches!(was, PortState::Forwarding | PortState::Learning) {
            self.closed.push(index as u16);
            self.topology_changes(context);
        }
    }

    /// Tells the root, or everybody if the bridge is it (8.6.14).
    fn topology_changes(&mut self, context: &mut Context<'_>) {
        if self.is_root() {
            let until = context.now() + self.settings.max_age + self.settings.forward_delay;
            self.change.set(context, until, CHANGE << 16);
        } else if self.notify.at().is_none() {
            self.send_notification(context);
        }
    }

    fn send_notification(&mut self, context: &mut Context<'_>) {
        if let Some(port) = self.root_port {
            self.send(context, port, Bpdu::TopologyChange);
            self.notify.set(context, context.now() + self.settings.hello_time, NOTIFY << 16);
        }
    }

    fn send(&self, context: &mut Context<'_>, port: u16, message: Bpdu) {
        let source = self.bridge.address();
        let frame = context.make(FrameId::NONE, |bytes| message.emit(source, bytes));
        context.send(port, frame);
    }

    /// Sends a configuration by a designated port, at most one in [`HOLD_TIME`].
    fn send_configuration(&mut self, context: &mut Context<'_>, index: usize) {
        if self.ports[index].hold.at().is_some() {
            self.ports[index].is_due = true;
            return;
        }
        let now = context.now();
        let from_root = self.root_port.and_then(|port| self.ports[port as usize].heard);
        let settings = self.settings;
        let (message_age, max_age, hello_time, forward_delay) = match from_root {
            None => (0, in_256ths(settings.max_age), in_256ths(settings.hello_time), in_256ths(settings.forward_delay)),
            Some((heard, at)) => {
                let age = heard.message_age.saturating_add(in_256ths(now.since(at))).saturating_add(AGE_INCREMENT);
                (age, heard.max_age, heard.hello_time, heard.forward_delay)
            }
        };
        if message_age >= max_age {
            return;
        }
        let topology_change = self.short_ageing().is_some();
        let offer = self.offer(&self.ports[index]);
        let port = &mut self.ports[index];
        let acknowledges = std::mem::take(&mut port.acknowledges);
        port.is_due = false;
        port.hold.set(context, now + HOLD_TIME, HOLD << 16 | index as u32);
        let message =
            Configuration { offer, topology_change, acknowledges, message_age, max_age, hello_time, forward_delay };
        self.send(context, index as u16, Bpdu::Configuration(message));
    }

    fn send_everywhere(&mut self, context: &mut Context<'_>) {
        for index in 0..self.ports.len() {
            if self.ports[index].state != PortState::Disabled && self.is_designated(&self.ports[index]) {
                self.send_configuration(context, index);
            }
        }
    }

    /// A message came.
    pub fn on_bpdu(&mut self, context: &mut Context<'_>, port: u16, message: Bpdu) {
        let index = port as usize;
        if self.state(port) == PortState::Disabled {
            return;
        }
        match message {
            Bpdu::TopologyChange => {
                if self.is_designated(&self.ports[index]) {
                    self.ports[index].acknowledges = true;
                    self.topology_changes(context);
                    self.send_configuration(context, index);
                }
            }
            Bpdu::Configuration(message) => self.on_configuration(context, index, message),
        }
    }

    fn on_configuration(&mut self, context: &mut Context<'_>, index: usize, message: Configuration) {
        let port = &mut self.ports[index];
        let is_own = message.offer.bridge == self.bridge && message.offer.port == 0x8000 | (port.number + 1);
        if is_own || message.message_age >= message.max_age {
            return;
        }
        let is_same_sender = (message.offer.bridge, message.offer.port) == (port.best.bridge, port.best.port);
        if message.offer > port.best && !is_same_sender {
            if port.heard.is_none() {
                // Whoever knows no better is told.
                self.send_configuration(context, index);
            }
            return;
        }
        let now = context.now();
        port.best = message.offer;
        port.heard = Some((message, now));
        let left = span_of(message.max_age - message.message_age);
        port.age.set(context, now + left, AGE << 16 | index as u32);
        self.choose(context);
        if self.root_port == Some(index as u16) {
            self.change_heard = message.topology_change;
            if message.acknowledges {
                self.notify.cancel();
            }
            self.send_everywhere(context);
        }
    }

    /// A timer that was set by [`Timer::set`] is due.
    pub fn on_timer(&mut self, context: &mut Context<'_>, token: u64) {
        let key = Timer::key(token);
        let index = (key & 0xffff) as usize;
        match key >> 16 {
            HELLO if self.hello.fires(token) => {
                self.send_everywhere(context);
                self.hello.set(context, context.now() + self.settings.hello_time, HELLO << 16);
            }
            NOTIFY if self.notify.fires(token) => self.send_notification(context),
            CHANGE => _ = self.change.fires(token),
            AGE if self.ports[index].age.fires(token) => {
                self.ports[index].heard = None;
                self.ports[index].best = Offer { root: self.bridge, ..self.offer(&self.ports[index]) };
                self.choose(context);
                self.send_everywhere(context);
            }
            DELAY if self.ports[index].delay.fires(token) => self.goes_on(context, index),
            HOLD if self.ports[index].hold.fires(token) && self.ports[index].is_due => {
                self.send_configuration(context, index);
            }
            _ => {}
        }
    }

    fn goes_on(&mut self, context: &mut Context<'_>, index: usize) {
        match self.ports[index].state {
            PortState::Listening => self.enter(context, index, PortState::Learning),
            PortState::Learning => {
                self.enter(context, index, PortState::Forwarding);
                if self.ports.iter().any(|port| port.state != PortState::Disabled && self.is_designated(port)) {
                    self.topology_changes(context);
                }
            }
            _ => {}
        }
    }

    /// A port's link came up or went down.
    pub fn on_link(&mut self, context: &mut Context<'_>, port: u16, is_up: bool) {
        let Some(index) = self.ports.get(port as usize).map(|_| port as usize) else { return };
        let own = Offer { root: self.bridge, cost: 0, bridge: self.bridge, port: 0x8000 | (port + 1) };
        let at = &mut self.ports[index];
        (at.heard, at.best, at.cost) = (None, own, cost_of(context.rate(port)));
        at.age.cancel();
        if is_up {
            self.enter(context, index, PortState::Blocking);
        } else {
            self.close(context, index, PortState::Disabled);
        }
        self.choose(context);
        self.send_everywhere(context);
    }

    /// Roles and states of the ports.
    pub fn inspect(&self) -> Table {
        let mut table = Table::new("spanning-tree", &["port", "role", "state", "cost", "root", "root cost", "bridge"]);
        for port in &self.ports {
            let role = match () {
                () if port.state == PortState::Disabled => "-",
                () if self.root_port == Some(port.number) => "root",
                () if self.is_designated(port) => "designated",
                () => "blocked",
            };
            let (number, cost, best) = (port.number.to_string(), port.cost.to_string(), port.best);
            let (root, root_cost, bridge) = (best.root.to_string(), best.cost.to_string(), best.bridge.to_string());
            table.row([number, role.to_owned(), port.state.word().to_owned(), cost, root, root_cost, bridge]);
        }
        table
    }
}
