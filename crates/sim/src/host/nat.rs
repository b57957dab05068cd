//! Network address translation (RFC 3022, 4787, 5382, 5508): what goes out of one interface gets that interface's address
//! and a port of its own; what comes back to them goes where it belongs. Port forwards let strangers in.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::net::IpAddr;

use wire::protocol;

use crate::frame::FrameId;
use crate::node::Context;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

use super::Host;
use super::icmp::Problem;
use super::packet::Packet;
use super::spec::Protocol;
use super::streams::{Flow, FlowHasher};
use super::translate::{self, Side, flow_of};

/// First port of those that translations get.
pub const FIRST_PORT: u16 = 1_024;
/// An established TCP connection is forgotten after so long (Linux's `nf_conntrack_tcp_timeout_established`).
pub const TCP_ESTABLISHED: Span = Span::seconds(432_000);
/// One that only asked, or that ends, after so long.
pub const TCP_TRANSITORY: Span = Span::seconds(120);
/// UDP that was not answered.
pub const UDP_UNANSWERED: Span = Span::seconds(30);
/// UDP that was.
pub const UDP_ANSWERED: Span = Span::seconds(180);
/// Echoes, and everything else.
pub const ICMP_TIMEOUT: Span = Span::seconds(30);
/// Translations at a time.
pub const BOUND: usize = 65_536;

/// A port of the outside that leads to a host inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortForward {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port outside.
    pub port: u16,
    /// The host inside.
    pub to: IpAddr,
    /// Its port.
    pub to_port: u16,
}

/// How far a flow has come, for how long it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Asked,
    Answered,
    Closing,
}

impl Progress {
    pub fn timeout(self, number: u8) -> Span {
        match (number, self) {
            (protocol::TCP, Self::Answered) => TCP_ESTABLISHED,
            (protocol::TCP, _) => TCP_TRANSITORY,
            (protocol::UDP, Self::Asked) => UDP_UNANSWERED,
            (protocol::UDP, _) => UDP_ANSWERED,
            _ => ICMP_TIMEOUT,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Closing => "closing",
        }
    }

    /// After a packet that came with or against the first one.
    pub fn after(self, is_answer: bool, flags: u8) -> Self {
        const FIN_OR_RST: u8 = 5;
        match self {
            _ if flags & FIN_OR_RST != 0 => Self::Closing,
            Self::Asked if is_answer => Self::Answered,
            other => other,
        }
    }
}

/// A translation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub protocol: u8,
    /// The flow as the host inside has it: local is that host.
    pub inside: Flow,
    /// The flow as the outside sees it: local is the router.
    pub outside: Flow,
    /// Whether a stranger began it.
    from_outside: bool,
    pub progress: Progress,
    pub until: Time,
}

type ByFlow = HashMap<(u8, Flow), u32, BuildHasherDefault<FlowHasher>>;

#[derive(Debug, Default)]
pub(crate) struct Nat {
    /// The interface whose address hides the others.
    pub outside: Option<u16>,
    forwards: Vec<PortForward>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_inside: ByFlow,
    by_outside: ByFlow,
    next: u16,
    /// Old ones are swept out when there are this many.
    sweep_at: usize,
}

impl Nat {
    pub fn new(outside: Option<u16>) -> Self {
        Self { outside, next: FIRST_PORT, sweep_at: 64, ..Self::default() }
    }

    pub fn iter(&self, now: Time) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten().filter(move |entry| entry.until > now)
    }

    pub fn forwards(&self) -> &[PortForward] {
        &self.forwards
    }

    fn find(&mut self, side: Side, number: u8, flow: &Flow, now: Time) -> Option<u32> {
        let table = if side == Side::Inside { &self.by_inside } else { &self.by_outside };
        let at = *table.get(&(number, *flow))?;
        if self.entries[at as usize].is_some_and(|entry| entry.until <= now) {
            self.forget(at);
            return None;
        }
        Some(at)
    }

    fn forget(&mut self, at: u32) {
        if let Some(entry) = self.entries[at as usize].take() {
            self.by_inside.remove(&(entry.protocol, entry.inside));
            self.by_outside.remove(&(entry.protocol, entry.outside));
            self.free.push(at);
        }
    }

    fn add(&mut self, entry: Entry, now: Time) -> Option<u32> {
        if self.by_outside.len() >= self.sweep_at {
            let old = |entry: &Option<Entry>| entry.is_some_and(|entry| entry.until <= now);
            let gone: Vec<u32> = (0..self.entries.len() as u32).filter(|at| old(&self.entries[*at as usize])).collect();
            gone.into_iter().for_each(|at| self.forget(at));
            self.sweep_at = (self.by_outside.len() * 2).max(64);
        }
        if self.by_outside.len() >= BOUND {
            return None;
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            (self.entries.len() - 1) as u32
        });
        self.by_inside.insert((entry.protocol, entry.inside), at);
        self.by_outside.insert((entry.protocol, entry.outside), at);
        self.entries[at as usize] = Some(entry);
        Some(at)
    }

    /// A port of the outside that no flow to the same end has: the same as inside if that can be.
    fn port(&mut self, number: u8, wanted: Flow, now: Time, is_taken: impl Fn(&Flow) -> bool) -> Option<Flow> {
        let is_translated = matches!(number, protocol::TCP | protocol::UDP | protocol::ICMP);
        let mut flow = wanted;
        if !is_translated {
            return self.find(Side::Outside, number, &flow, now).is_none().then_some(flow);
        }
        // As Linux: ports below 1024, too.
        if !is_taken(&flow) && self.find(Side::Outside, number, &flow, now).is_none() {
            return Some(flow);
        }
        for _ in FIRST_PORT..=u16::MAX {
            flow.port = self.next;
            self.next = self.next.checked_add(1).unwrap_or(FIRST_PORT);
            if !is_taken(&flow) && self.find(Side::Outside, number, &flow, now).is_none() {
                return Some(flow);
            }
        }
        None
    }

    /// A packet of a flow passes. A reset before anything else answered ends what is remembered, as in Linux (`nf_conntrack_tcp_packet`).
    fn touch(&mut self, at: u32, is_from_inside: bool, flags: u8, now: Time) -> Option<Entry> {
        const RST: u8 = 4;
        let entry = self.entries[at as usize].as_mut()?;
        if (entry.protocol, entry.progress) == (protocol::TCP, Progress::Asked) && flags & RST != 0 {
            let last = *entry;
            self.forget(at);
            return Some(last);
        }
        entry.progress = entry.progress.after(is_from_inside == entry.from_outside, flags);
        entry.until = now + entry.progress.timeout(entry.protocol);
        Some(*entry)
    }
}

impl Host {
    /// Lets strangers in: a port of the outside leads to a host inside.
    pub fn set_port_forward(&mut self, forward: PortForward) {
        let nat = self.nat.get_or_insert_with(|| Box::new(Nat::new(None)));
        nat.forwards.retain(|known| (known.protocol, known.port) != (forward.protocol, forward.port));
        nat.forwards.push(forward);
    }

    /// Hides others behind the address of an interface, or no longer.
    pub fn set_masquerade(&mut self, interface: Option<u16>) {
        match &mut self.nat {
            Some(nat) => nat.outside = interface,
            None if interface.is_some() => self.nat = Some(Box::new(Nat::new(interface))),
            None => {}
        }
    }

    /// Whether what goes out of an interface is translated.
    pub(crate) fn translates_out_of(&self, interface: u16, packet: &Packet) -> bool {
        let is_translated = |nat: &Nat| nat.outside == Some(interface) || !nat.forwards.is_empty();
        packet.is_v4() && self.nat.as_deref().is_some_and(is_translated)
    }

    /// Notes a flow that came in from outside as it is, so that its answers go out as they are (as Linux tracks it).
    pub(crate) fn note_from_outside(&mut self, context: &Context<'_>, port: u16, out: u16, frame: FrameId, packet: &Packet) {
        let now = context.now();
        let Some(nat) = self.nat.as_deref_mut().filter(|nat| nat.outside == Some(port) && out != port) else { return };
        if !packet.is_v4() {
            return;
        }
        let Some(flow) = flow_of(context.bytes(frame), packet, Side::Outside).filter(|flow| !flow.is_error) else { return };
        let flags = flow.flags;
        let known = nat.find(Side::Inside, flow.protocol, &flow.flow, now);
        let at = known.or_else(|| {
            let progress = Progress::Asked;
            let until = now + progress.timeout(flow.protocol);
            let (number, same) = (flow.protocol, flow.flow);
            nat.add(Entry { protocol: number, inside: same, outside: same, from_outside: true, progress, until }, now)
        });
        if let Some(at) = at.filter(|at| nat.entries[*at as usize].is_some_and(|entry| entry.inside == entry.outside)) {
            nat.touch(at, false, flags, now);
        }
    }

    /// Translates a packet that goes out. The frame, the host's own, or why not; nothing where it passes as it is.
    pub(crate) fn translate_out(
        &mut self,
        context: &mut Context<'_>,
        interface: u16,
        frame: FrameId,
        packet: &Packet,
    ) -> Result<Option<FrameId>, Reason> {
        let now = context.now();
        let Some(flow) = flow_of(context.bytes(frame), packet, Side::Inside) else { return Ok(None) };
        let outside = self.interfaces.get(interface as usize).and_then(|at| at.source_for(flow.flow.remote));
        let (sockets, streams, services) = (&self.sockets, &self.streams, &self.services);
        let Some(nat) = self.nat.as_deref_mut() else { return Ok(None) };
        let at = match nat.find(Side::Inside, flow.protocol, &flow.flow, now) {
            Some(at) => at,
            // An error about a flow that nobody knows, or a way out that is not hidden.
            None if flow.is_error || nat.outside != Some(interface) => return Ok(None),
            // An answer to a flow that went another way begins nothing: it is passed on as it is, as Linux does.
            None if flow.protocol == protocol::ICMP && flow.flow.port == 0 => return Ok(None),
            None if flow.protocol == protocol::TCP && is_answer(flow.flags) => return Ok(None),
            None => {
                let outside = outside.ok_or(Reason::NoRoute)?;
                let is_taken = |flow_: &Flow| {
                    sockets.is_bound(flow.protocol, flow_.port)
                        || flow.protocol == protocol::TCP && (streams.is_taken(flow_) || streams.listens(flow_.port))
                        || services.open.contains(&(Protocol(flow.protocol), flow_.port))
                };
                let wanted = Flow { local: outside, ..flow.flow };
                let outside = nat.port(flow.protocol, wanted, now, is_taken).ok_or(Reason::NatPorts)?;
                let progress = Progress::Asked;
                let until = now + progress.timeout(flow.protocol);
                let (number, inside) = (flow.protocol, flow.flow);
                let entry = Entry { protocol: number, inside, outside, from_outside: false, progress, until };
                nat.add(entry, now).ok_or(Reason::NatPorts)?
            }
        };
        let flags = if flow.is_error { 0 } else { flow.flags };
        let Some(entry) = nat.touch(at, true, flags, now) else { return Ok(None) };
        if entry.inside == entry.outside {
            return Ok(None);
        }
        let changed = translate::rewrite(context, frame, packet, &flow, Side::Inside, &entry.outside);
        context.trace_text(interface, Verb::Translate, Reason::Nat, changed, || said(&entry, true));
        Ok(Some(changed))
    }

    /// Translates a packet that came to an own address, if it belongs to a host inside: the frame, the host's own, and whether
    /// the flow began inside, so that this is an answer, which nothing translates again.
    pub(crate) fn translate_in(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
    ) -> Option<(FrameId, bool)> {
        let now = context.now();
        let flow = flow_of(context.bytes(frame), packet, Side::Outside)?;
        let nat = self.nat.as_deref_mut()?;
        let at = match nat.find(Side::Outside, flow.protocol, &flow.flow, now) {
            Some(at) => at,
            None if flow.is_error => return None,
            None => {
                let leads = |known: &&PortForward| (known.protocol.0, known.port) == (flow.protocol, flow.flow.port);
                let forward = *nat.forwards.iter().find(leads)?;
                let is_outside = nat.outside.is_none_or(|outside| outside == port);
                if !is_outside {
                    return None;
                }
                let inside = Flow { local: forward.to, port: forward.to_port, ..flow.flow };
                let progress = Progress::Asked;
                let until = now + progress.timeout(flow.protocol);
                let (number, outside) = (flow.protocol, flow.flow);
                nat.add(Entry { protocol: number, inside, outside, from_outside: true, progress, until }, now)?
            }
        };
        let flags = if flow.is_error { 0 } else { flow.flags };
        let entry = nat.touch(at, false, flags, now)?;
        let changed = translate::rewrite(context, frame, packet, &flow, Side::Outside, &entry.inside);
        context.trace_text(port, Verb::Translate, Reason::Nat, changed, || said(&entry, false));
        Some((changed, !entry.from_outside))
    }

    /// Tells the host inside that the next hop of what was translated does not answer. Whether it was translated.
    pub(crate) fn next_hop_is_gone_for_inside(
        &mut self,
        context: &mut Context<'_>,
        interface: u16,
        frame: FrameId,
        packet: &Packet,
    ) -> bool {
        let now = context.now();
        let Some(flow) = flow_of(context.bytes(frame), packet, Side::Inside).filter(|flow| !flow.is_error) else {
            return false;
        };
        let Some(nat) = self.nat.as_deref_mut() else { return false };
        let Some(at) = nat.find(Side::Outside, flow.protocol, &flow.flow, now) else { return false };
        let Some(entry) = nat.entries[at as usize] else { return false };
        let original = translate::rewrite(context, frame, packet, &flow, Side::Inside, &entry.inside);
        if let Ok(packet) = Packet::read(context.bytes(original), packet.start) {
            self.send_error(context, interface, original, &packet, Problem::HostUnreachable);
        }
        context.release(original);
        true
    }
}

/// Whether a TCP segment with these flags answers another one: SYN with ACK, or RST.
fn is_answer(flags: u8) -> bool {
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;
    flags & RST != 0 || flags & (SYN | ACK) == SYN | ACK
}

fn said(entry: &Entry, is_out: bool) -> String {
    let end = |flow: &Flow| std::net::SocketAddr::new(flow.local, flow.port);
    let (inside, outside) = (end(&entry.inside), end(&entry.outside));
    if is_out { format!("{inside} becomes {outside}") } else { format!("{outside} becomes {inside}") }
}
