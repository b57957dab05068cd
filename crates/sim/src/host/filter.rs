//! A stateful packet filter: the first rule that fits decides, then the default; answers of what was let through pass. It
//! looks at what a host forwards and at what comes for the host itself; what the host sends itself always goes.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use wire::protocol;

use crate::frame::FrameId;
use crate::node::Context;
use crate::time::Time;
use crate::trace::{Reason, Verb};

use super::Host;
use super::icmp::Problem;
use super::nat::Progress;
use super::packet::{Packet, word};
use super::spec::Protocol;
use super::streams::{Flow, FlowHasher};

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Action {
    /// It passes, and so do its answers.
    #[default]
    Allow,
    /// It is dropped without a word.
    Deny,
    /// It is dropped, and its sender told so by ICMP (administratively prohibited).
    Reject,
}

/// A rule; what is not said fits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterRule {
    /// What becomes of a packet that fits.
    pub action: Action,
    /// Of this protocol.
    pub protocol: Option<Protocol>,
    /// From these addresses.
    pub from: Option<IpNet>,
    /// To these addresses.
    pub to: Option<IpNet>,
    /// To these ports.
    pub ports: Option<RangeInclusive<u16>>,
    /// Of ICMP and ICMPv6, of this type.
    pub icmp_type: Option<u8>,
    /// That came in by this interface.
    pub interface: Option<u16>,
    /// That goes out by this interface.
    pub out_interface: Option<u16>,
}

/// A filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterSpec {
    /// Rules, in order.
    pub rules: Vec<FilterRule>,
    /// What becomes of packets that no rule fits.
    pub default: Action,
    /// Whether it judges what is forwarded alone, and not what comes for the host itself.
    pub forwarded_only: bool,
}

/// A packet as rules look at it.
#[derive(Debug, Clone, Copy)]
struct Judged {
    came_by: u16,
    /// Where it would go out; of what is for the host itself, nowhere.
    goes_by: Option<u16>,
    destination_port: u16,
    /// The first byte of an ICMP message.
    kind: Option<u8>,
}

impl FilterRule {
    fn fits(&self, packet: &Packet, judged: Judged) -> bool {
        self.protocol.is_none_or(|number| number.0 == packet.protocol)
            && self.from.is_none_or(|net| net.contains(&packet.source))
            && self.to.is_none_or(|net| net.contains(&packet.destination))
            && self.ports.as_ref().is_none_or(|ports| ports.contains(&judged.destination_port))
            && (self.icmp_type.is_none() || self.icmp_type == judged.kind)
            && self.interface.is_none_or(|interface| interface == judged.came_by)
            && (self.out_interface.is_none() || self.out_interface == judged.goes_by)
    }
}

type Key = (u8, Flow);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// Who began: the flow's local end is the first sender.
    pub first: Flow,
    pub progress: Progress,
    pub until: Time,
}

#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub spec: FilterSpec,
    states: HashMap<Key, Passed, BuildHasherDefault<FlowHasher>>,
    sweep_at: usize,
}

/// A flow from both of its ends is one: the lesser end first.
fn key(number: u8, flow: &Flow) -> Key {
    let turned = Flow { local: flow.remote, port: flow.remote_port, remote: flow.local, remote_port: flow.port };
    (number, if (flow.local, flow.port) <= (flow.remote, flow.remote_port) { *flow } else { turned })
}

/// The flow of a packet, or of the one that an ICMP error quotes, and whether it is such an error.
fn flow_of(bytes: &[u8], packet: &Packet) -> (u8, Flow, bool) {
    let icmp = if packet.is_v4() { protocol::ICMP } else { protocol::ICMPV6 };
    let whole = |source, destination, (from, to): (u16, u16)| Flow {
        local: source,
        port: from,
        remote: destination,
        remote_port: to,
    };
    if packet.protocol != icmp {
        let has_ports = matches!(packet.protocol, protocol::TCP | protocol::UDP);
        let ports = if has_ports { packet.ports(bytes) } else { (0, 0) };
        return (packet.protocol, whole(packet.source, packet.destination, ports), false);
    }
    let kind = bytes.get(packet.upper).copied().unwrap_or(0);
    let is_error = if packet.is_v4() { matches!(kind, 3 | 4 | 5 | 11 | 12) } else { kind < 128 };
    if is_error
        && let Some(about) = super::icmp::quoted(&bytes[(packet.upper + 8).min(packet.end)..packet.end], packet.is_v4())
    {
        let ports = (about.source_port, about.destination_port);
        return (about.protocol, whole(about.source, about.destination, ports), true);
    }
    // The identifier stands for the port of who asks.
    let id = word(bytes, packet.upper + 4);
    let is_answer = matches!((packet.is_v4(), kind), (true, 0 | 14 | 16 | 18) | (false, 129));
    let ports = if is_answer { (0, id) } else { (id, 0) };
    (packet.protocol, whole(packet.source, packet.destination, ports), false)
}

impl Filter {
    pub fn new(spec: FilterSpec) -> Self {
        Self { spec, states: HashMap::default(), sweep_at: 64 }
    }

    /// Flows that it let pass, sorted.
    pub fn states(&self, now: Time) -> Vec<(u8, Passed)> {
        let live = self.states.iter().filter(|(_, passed)| passed.until > now);
        let mut all: Vec<_> = live.map(|((number, _), passed)| (*number, *passed)).collect();
        all.sort_unstable_by_key(|(number, passed)| (*number, passed.first));
        all
    }

    fn note(&mut self, number: u8, flow: &Flow, flags: u8, now: Time) {
        if self.states.len() >= self.sweep_at {
            self.states.retain(|_, passed| passed.until > now);
            self.sweep_at = (self.states.len() * 2).max(64);
        }
        let fresh = Passed { first: *flow, progress: Progress::Asked, until: now };
        let passed = self.states.entry(key(number, flow)).or_insert(fresh);
        if passed.until < now {
            *passed = fresh;
        }
        passed.progress = passed.progress.after(passed.first != *flow, flags);
        passed.until = now + passed.progress.timeout(number);
    }

    fn knows(&self, number: u8, flow: &Flow, now: Time) -> bool {
        self.states.get(&key(number, flow)).is_some_and(|passed| passed.until > now)
    }
}

impl Host {
    /// Sets the filter, or takes it away. What it let pass before is forgotten.
    pub fn set_filter(&mut self, spec: Option<FilterSpec>) {
        self.filter = spec.map(|spec| Box::new(Filter::new(spec)));
    }

    /// Whether a packet may pass; if not it is dropped, and its sender told where the rule says so.
    /// `out`: the interface by which it would go on.
    #[inline]
    pub(crate) fn passes_filter(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
        out: Option<u16>,
    ) -> bool {
        self.filter.is_none() || self.judge(context, port, frame, packet, out)
    }

    #[inline(never)]
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
        out: Option<u16>,
    ) -> bool {
        let now = context.now();
        let Some(filter) = self.filter.as_deref_mut() else { return true };
        if out.is_none() && filter.spec.forwarded_only {
            return true;
        }
        let bytes = context.bytes(frame);
        let (number, flow, is_error) = flow_of(bytes, packet);
        let flags = if packet.protocol == protocol::TCP { bytes.get(packet.upper + 13).copied().unwrap_or(0) } else { 0 };
        let is_discovery = packet.protocol == protocol::ICMPV6 && matches!(bytes.get(packet.upper), Some(133..=137));
        if is_discovery {
            return true;
        }
        if filter.knows(number, &flow, now) {
            if !is_error {
                filter.note(number, &flow, flags, now);
            }
            context.trace(port, Verb::Pass, Reason::FilterState, frame);
            return true;
        }
        let kind = bytes.get(packet.upper).copied();
        let judged = Judged { came_by: port, goes_by: out, destination_port: flow.remote_port, kind };
        let rule = filter.spec.rules.iter().position(|rule| rule.fits(packet, judged));
        let action = rule.map_or(filter.spec.default, |at| filter.spec.rules[at].action);
        if action == Action::Allow && !is_error {
            filter.note(number, &flow, flags, now);
        }
        let verb = if action == Action::Allow { Verb::Pass } else { Verb::Drop };
        context.trace_text(port, verb, Reason::FilterRule, frame, || match rule {
            Some(at) => format!("rule {}", at + 1),
            None => "no rule fits: the default".to_string(),
        });
        if action != Action::Allow {
            self.counters.dropped += 1;
        }
        if action == Action::Reject {
            self.send_error(context, port, frame, packet, Problem::Prohibited);
        }
        action == Action::Allow
    }

    /// What the host itself sends: its answers may come.
    #[inline]
    pub(crate) fn note_sent(&mut self, context: &Context<'_>, frame: FrameId, start: usize) {
        if self.filter.is_some() {
            self.expect_answers(context, frame, start);
        }
    }

    #[inline(never)]
    fn expect_answers(&mut self, context: &Context<'_>, frame: FrameId, start: usize) {
        let Some(filter) = self.filter.as_deref_mut() else { return };
        let bytes = context.bytes(frame);
        if let Ok(packet) = Packet::read(bytes, start) {
            let (number, flow, is_error) = flow_of(bytes, &packet);
            let flags =
                if packet.protocol == protocol::TCP { bytes.get(packet.upper + 13).copied().unwrap_or(0) } else { 0 };
            if !is_error {
                filter.note(number, &flow, flags, context.now());
            }
        }
    }

    /// Whether pieces of packets must be put together before they can be judged.
    pub(crate) fn judges_whole_packets(&self) -> bool {
        self.filter.is_some()
    }
}
