//! ICMP (RFC 792, 1122, 1812) and ICMPv6 (RFC 4443) at a host: echoes and timestamps are answered, errors are sent where they
//! may be, and errors that come are told to whom they are about.

use std::net::IpAddr;

use wire::icmpv4::unreachable;
use wire::{checksum, icmpv4, icmpv6, protocol};

use crate::app::{IcmpError, Quoted};
use crate::frame::FrameId;
use crate::node::Context;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

use super::Host;
use super::link_layer;
use super::output::{LOOPBACK, Outgoing};
use super::packet::{Packet, is_single, long, word};

/// Errors that a host sends in a row, and then one each [`ERROR_INTERVAL`] (Linux's `icmp_msgs_per_sec` and burst).
pub const ERROR_BURST: u32 = 50;
/// See [`ERROR_BURST`].
pub const ERROR_INTERVAL: Span = Span::milliseconds(1);
/// A path's MTU is believed for so long (RFC 1191, 6.3).
const PATH_MTU_TIMEOUT: Span = Span::seconds(600);

/// What is wrong with a packet, as its sender is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    TimeExceeded,
    Reassembly,
    NoRoute,
    HostUnreachable,
    PortUnreachable,
    ProtocolUnreachable,
    Prohibited,
    /// The next link takes so many bytes.
    TooBig(u32),
}

impl Problem {
    /// Type, code and second word of the message.
    fn header(self, is_v4: bool) -> (u8, u8, u32) {
        if is_v4 {
            return match self {
                Self::TimeExceeded => (11, 0, 0),
                Self::Reassembly => (11, 1, 0),
                Self::NoRoute => (3, unreachable::NETWORK, 0),
                Self::HostUnreachable => (3, unreachable::HOST, 0),
                Self::PortUnreachable => (3, unreachable::PORT, 0),
                Self::ProtocolUnreachable => (3, unreachable::PROTOCOL, 0),
                Self::Prohibited => (3, unreachable::ADMINISTRATIVELY_PROHIBITED, 0),
                Self::TooBig(mtu) => (3, unreachable::FRAGMENTATION_NEEDED, mtu.min(0xffff)),
            };
        }
        match self {
            Self::TimeExceeded => (3, 0, 0),
            Self::Reassembly => (3, 1, 0),
            Self::NoRoute => (1, 0, 0),
            Self::HostUnreachable => (1, 3, 0),
            Self::PortUnreachable => (1, 4, 0),
            // RFC 4443, 3.4: the pointer shows the next-header field.
            Self::ProtocolUnreachable => (4, 1, 6),
            Self::Prohibited => (1, 1, 0),
            Self::TooBig(mtu) => (2, 0, mtu),
        }
    }
}

/// How many errors may be sent now: a bucket of tokens.
#[derive(Debug)]
pub(crate) struct ErrorRate {
    tokens: u32,
    since: Time,
}

impl Default for ErrorRate {
    fn default() -> Self {
        Self { tokens: ERROR_BURST, since: Time::ZERO }
    }
}

impl ErrorRate {
    fn take(&mut self, now: Time) -> bool {
        let more = now.since(self.since).0 / ERROR_INTERVAL.0;
        if more > 0 {
            self.since += ERROR_INTERVAL.times(more);
            self.tokens = (u64::from(self.tokens) + more).min(u64::from(ERROR_BURST)) as u32;
        }
        let may = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        may
    }
}

/// Whether a type is that of an error.
pub(crate) fn is_error(kind: u8, is_v4: bool) -> bool {
    if is_v4 { matches!(kind, 3 | 4 | 5 | 11 | 12) } else { kind < 128 }
}

/// What an error quotes.
pub(crate) fn quoted(bytes: &[u8], is_v4: bool) -> Option<Quoted> {
    let first = *bytes.first()?;
    let octets = |at: usize, length: usize| bytes.get(at..at + length);
    let (source, destination, number, upper) = match (first >> 4, is_v4) {
        (4, true) => {
            let address = |at| octets(at, 4).and_then(|found| <[u8; 4]>::try_from(found).ok()).map(IpAddr::from);
            (address(12)?, address(16)?, *bytes.get(9)?, usize::from(first & 15) * 4)
        }
        (6, false) => {
            let address = |at| octets(at, 16).and_then(|found| <[u8; 16]>::try_from(found).ok()).map(IpAddr::from);
            (address(8)?, address(24)?, *bytes.get(6)?, 40)
        }
        _ => return None,
    };
    let is_icmp = matches!(number, protocol::ICMP | protocol::ICMPV6);
    let (source_port, destination_port, sequence) = match number {
        _ if is_icmp => (word(bytes, upper + 4), 0, u32::from(word(bytes, upper + 6))),
        protocol::TCP => (word(bytes, upper), word(bytes, upper + 2), long(bytes, upper + 4)),
        protocol::UDP => (word(bytes, upper), word(bytes, upper + 2), 0),
        _ => (0, 0, 0),
    };
    Some(Quoted { protocol: number, source, destination, source_port, destination_port, sequence })
}

impl Host {
    /// Tells the sender of a packet what is wrong with it, if that is allowed (RFC 1122, 3.2.2; RFC 4443, 2.4).
    pub(crate) fn send_error(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
        problem: Problem,
    ) {
        let is_v4 = packet.is_v4();
        let bytes = context.bytes(frame);
        let icmp = if is_v4 { protocol::ICMP } else { protocol::ICMPV6 };
        let is_about_error = packet.protocol == icmp
            && (packet.upper >= packet.end || is_error(bytes[packet.upper], is_v4))
            && !packet.is_later_piece();
        // RFC 4443, 2.4 (e.3): a group may be told that a packet is too big.
        let to_many = packet.to_group || !is_single(packet.destination);
        let may_to_many = !is_v4 && matches!(problem, Problem::TooBig(_));
        if is_about_error || packet.is_later_piece() || !is_single(packet.source) || to_many && !may_to_many {
            return context.trace(port, Verb::Note, Reason::IcmpBound, frame);
        }
        if !self.error_rate.take(context.now()) {
            self.counters.errors_withheld += 1;
            return context.trace(port, Verb::Note, Reason::IcmpRate, frame);
        }
        // As much as keeps the error within 576 bytes (RFC 1812, 4.3.2.3) or 1,280 (RFC 4443, 2.4).
        let quote = if is_v4 {
            icmpv4::quote(&bytes[packet.start..packet.end])
        } else {
            icmpv6::quote(&bytes[packet.start..packet.end])
        };
        let (kind, code, rest) = problem.header(is_v4);
        let is_own = self.is_own(packet.destination);
        let outgoing = Outgoing {
            source: is_own.then_some(packet.destination),
            service: if is_v4 { icmpv4::ERROR_SERVICE } else { 0 },
            parent: frame,
            ..Outgoing::new(icmp, packet.source)
        };
        self.counters.errors_sent += 1;
        let sent = self.send_packet(context, &outgoing, |source, destination, out| {
            emit_icmp(out, (source, destination), [kind, code], rest, &quote);
        });
        if sent.is_err() {
            context.trace(port, Verb::Drop, Reason::NoRoute, FrameId::NONE);
        }
    }

    /// The next hop of a packet that waited for it does not answer.
    pub(crate) fn next_hop_is_gone(&mut self, context: &mut Context<'_>, interface: u16, frame: FrameId) {
        let start = link_layer::length(context.framing(interface));
        let Ok(packet) = Packet::read(context.bytes(frame), start) else { return };
        let is_translated = self.next_hop_is_gone_for_inside(context, interface, frame, &packet);
        if is_translated || self.backend_is_gone(context, interface, frame, &packet) {
            return;
        }
        if !self.is_own(packet.source) {
            return self.send_error(context, interface, frame, &packet, Problem::HostUnreachable);
        }
        let Some(about) = quoted(&context.bytes(frame)[packet.start..packet.end], packet.is_v4()) else { return };
        let (kind, code, _) = Problem::HostUnreachable.header(packet.is_v4());
        let error = IcmpError { at: context.now(), from: packet.source, kind, code, mtu: None, ttl: self.ttl, about };
        self.tell_error(context, &error);
    }

    pub(crate) fn reassembly_is_over(&mut self, context: &mut Context<'_>, port: u16, first: FrameId) {
        let start = if port == LOOPBACK { 14 } else { link_layer::length(context.framing(port)) };
        if let Ok(packet) = Packet::read(context.bytes(first), start) {
            self.send_error(context, port, first, &packet, Problem::Reassembly);
        }
    }

    pub(crate) fn receive_icmp(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let message = &context.bytes(frame)[packet.upper..packet.end];
        if message.len() < 8 {
            return self.drop_frame(context, port, Reason::MalformedPacket, frame);
        }
        if checksum::of(message) != 0 {
            return self.drop_frame(context, port, Reason::TransportChecksum, frame);
        }
        match message[0] {
            // A host may keep silent to such requests (RFC 1122, 3.2.2.6), and Linux does: answers of everybody can flood a victim.
            8 if packet.to_group => self.drop_frame(context, port, Reason::EchoToMany, frame),
            8 => self.answer_echo(context, port, frame, packet),
            0 => self.receive_echo_reply(context, port, frame, packet),
            13 => self.answer_timestamp(context, port, frame, packet),
            kind if is_error(kind, true) => self.receive_error(context, port, frame, packet),
            _ => self.receive_other(context, port, frame, packet),
        }
    }

    pub(crate) fn receive_icmpv6(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let message = &context.bytes(frame)[packet.upper..packet.end];
        if message.len() < 8 {
            return self.drop_frame(context, port, Reason::MalformedPacket, frame);
        }
        if !checksum::segment_is_valid(packet.source, packet.destination, protocol::ICMPV6, message) {
            return self.drop_frame(context, port, Reason::TransportChecksum, frame);
        }
        let kind = message[0];
        match kind {
            128 => self.answer_echo(context, port, frame, packet),
            129 => self.receive_echo_reply(context, port, frame, packet),
            _ if is_error(kind, false) => self.receive_error(context, port, frame, packet),
            _ if self.receive_discovery(context, port, frame, packet) => {}
            _ => self.receive_other(context, port, frame, packet),
        }
    }

    fn answer_echo(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        self.counters.delivered += 1;
        context.trace(port, Verb::Deliver, Reason::EchoRequest, frame);
        let message = &context.bytes(frame)[packet.upper..packet.end];
        let (rest, data, kind) = (long(message, 4), message[8..].to_vec(), if packet.is_v4() { 0 } else { 129 });
        let outgoing = Outgoing {
            source: (!packet.to_group).then_some(packet.destination),
            parent: frame,
            interface: self.interface_back(port, packet),
            ..Outgoing::new(packet.protocol, packet.source)
        };
        self.answer(context, port, frame, &outgoing, |source, destination, out| {
            emit_icmp(out, (source, destination), [kind, 0], rest, &data);
        });
    }

    /// RFC 792: milliseconds since midnight, which is when the simulation began.
    fn answer_timestamp(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let message = &context.bytes(frame)[packet.upper..packet.end];
        if message.len() < 20 || packet.to_group {
            return self.drop_frame(context, port, Reason::MalformedPacket, frame);
        }
        let (rest, originate) = (long(message, 4), long(message, 8));
        self.counters.delivered += 1;
        context.trace(port, Verb::Deliver, Reason::EchoRequest, frame);
        let now = ((context.now().0 / 1_000_000) % 86_400_000) as u32;
        let times = [originate, now, now].map(u32::to_be_bytes).concat();
        let outgoing =
            Outgoing { source: Some(packet.destination), parent: frame, ..Outgoing::new(packet.protocol, packet.source) };
        self.answer(context, port, frame, &outgoing, |source, destination, out| {
            emit_icmp(out, (source, destination), [14, 0], rest, &times);
        });
    }

    /// Sends an answer; what cannot be sent is traced.
    pub(crate) fn answer(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        outgoing: &Outgoing,
        write: impl FnOnce(IpAddr, IpAddr, &mut Vec<u8>),
    ) {
        if self.send_packet(context, outgoing, write).is_err() {
            context
                .trace_text(port, Verb::Note, Reason::NoRoute, frame, || format!("no way back to {}", outgoing.destination));
        }
    }

    /// Link-local addresses say nothing about the interface: answers go out where the question came in.
    fn interface_back(&self, port: u16, packet: &Packet) -> Option<u16> {
        let is_link_local = matches!(packet.source, IpAddr::V6(address) if address.is_unicast_link_local());
        (is_link_local && port != LOOPBACK).then_some(port)
    }

    fn receive_error(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let message = &context.bytes(frame)[packet.upper..packet.end];
        let Some(about) = quoted(&message[8..], packet.is_v4()) else {
            return self.drop_frame(context, port, Reason::MalformedPacket, frame);
        };
        let (kind, code) = (message[0], message[1]);
        let mtu = match (kind, code, packet.is_v4()) {
            (3, unreachable::FRAGMENTATION_NEEDED, true) => Some(u32::from(word(message, 6))),
            (2, _, false) => Some(long(message, 4)),
            _ => None,
        };
        self.counters.delivered += 1;
        context.trace(port, Verb::Deliver, Reason::IcmpError, frame);
        if let Some(mtu) = mtu {
            // Routers of before RFC 1191 say 0; no link takes less than the least.
            let least = if packet.is_v4() { 68 } else { 1_280 };
            let believed = if mtu == 0 { 576 } else { mtu.max(least) };
            self.note_path_mtu(about.destination, believed, context.now());
        }
        let error = IcmpError { at: context.now(), from: packet.source, kind, code, mtu, ttl: packet.ttl, about };
        self.tell_error(context, &error);
    }

    /// The longest packet that the path to a destination is known to take, bytes.
    pub(crate) fn path_mtu(&self, destination: IpAddr, now: Time) -> u32 {
        let known = self.path_mtus.iter().find(|(known, _, until)| *known == destination && *until > now);
        known.map_or(u32::MAX, |(_, mtu, _)| *mtu)
    }

    fn note_path_mtu(&mut self, destination: IpAddr, mtu: u32, now: Time) {
        self.path_mtus.retain(|(known, _, until)| *known != destination && *until > now);
        self.path_mtus.push((destination, mtu, now + PATH_MTU_TIMEOUT));
        self.path_mtus.sort_unstable();
    }
}

/// Appends an ICMP or ICMPv6 message.
pub(crate) fn emit_icmp(out: &mut Vec<u8>, addresses: (IpAddr, IpAddr), kind: [u8; 2], rest: u32, data: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[kind[0], kind[1], 0, 0]);
    out.extend_from_slice(&rest.to_be_bytes());
    out.extend_from_slice(data);
    seal_icmp(out, start, addresses);
}

/// Writes the checksum of an ICMP or ICMPv6 message.
pub(crate) fn seal_icmp(out: &mut [u8], start: usize, (source, destination): (IpAddr, IpAddr)) {
    if out.len() < start + 4 {
        return;
    }
    out[start + 2..start + 4].copy_from_slice(&[0, 0]);
    let message = &out[start..];
    let sum = match destination {
        IpAddr::V4(_) => checksum::of(message),
        IpAddr::V6(_) => {
            let pseudo = checksum::Sum::new().pseudo_header(source, destination, protocol::ICMPV6, message.len());
            pseudo.with(message).finish()
        }
    };
    out[start + 2..start + 4].copy_from_slice(&sum.to_be_bytes());
}
