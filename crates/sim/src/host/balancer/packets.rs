//! Packets through a balancer: from clients to servers, back, and the errors that both are told.

use std::net::IpAddr;

use wire::tcp::Flags;
use wire::{Tcp, checksum, protocol};

use crate::frame::FrameId;
use crate::host::icmp::{Problem, emit_icmp, is_error, quoted};
use crate::host::output::Outgoing;
use crate::host::packet::{Packet, long, seal_v4};
use crate::host::Flow;
use crate::host::{Host, SendError};
use crate::node::Context;
use crate::tcp::{Segment, reset_for};
use crate::trace::{Reason, Verb};

use super::{Entry, Progress};

/// One end of a packet.
type End = (IpAddr, u16);

/// A segment or datagram with other ports, and the checksum for other addresses.
fn readdressed(segment: &[u8], number: u8, from: End, to: End) -> Vec<u8> {
    let mut out = segment.to_vec();
    out[..2].copy_from_slice(&from.1.to_be_bytes());
    out[2..4].copy_from_slice(&to.1.to_be_bytes());
    let at = if number == protocol::TCP { 16 } else { 6 };
    // UDP without a checksum stays without one (RFC 768), which IPv6 does not know (RFC 8200, 8.1).
    let has_none = number == protocol::UDP && out[at..at + 2] == [0, 0];
    if has_none && from.0.is_ipv4() {
        return out;
    }
    out[at..at + 2].copy_from_slice(&[0, 0]);
    let sum = checksum::Sum::new().pseudo_header(from.0, to.0, number, out.len()).with(&out).finish();
    let sum = if number == protocol::UDP && sum == 0 { 0xffff } else { sum };
    out[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    out
}

/// Writes other addresses into a header of IP, of which all is there.
fn readdress_header(packet: &mut [u8], from: IpAddr, to: IpAddr) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) if packet.len() >= 20 => {
            packet[12..16].copy_from_slice(&from.octets());
            packet[16..20].copy_from_slice(&to.octets());
            if packet.len() >= usize::from(packet[0] & 15) * 4 {
                seal_v4(packet, 0);
            }
        }
        (IpAddr::V6(from), IpAddr::V6(to)) if packet.len() >= 40 => {
            packet[8..24].copy_from_slice(&from.octets());
            packet[24..40].copy_from_slice(&to.octets());
        }
        _ => {}
    }
}

/// What an error quotes, with other ends; the checksum of its segment stays what the error's sender saw.
fn requoted(quote: &[u8], from: End, to: End) -> Vec<u8> {
    let mut out = quote.to_vec();
    let header = if from.0.is_ipv4() { usize::from(out.first().copied().unwrap_or(0) & 15) * 4 } else { 40 };
    readdress_header(&mut out, from.0, to.0);
    if let Some(ports) = out.get_mut(header..header + 4) {
        ports[..2].copy_from_slice(&from.1.to_be_bytes());
        ports[2..].copy_from_slice(&to.1.to_be_bytes());
    }
    out
}

fn local(flow: &Flow) -> End {
    (flow.local, flow.port)
}

fn remote(flow: &Flow) -> End {
    (flow.remote, flow.remote_port)
}

impl Host {
    /// Takes a packet that is the balancer's to pass on. Whether it was.
    pub(crate) fn balance(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) -> bool {
        let (number, now) = (packet.protocol, context.now());
        if number == protocol::ICMP || number == protocol::ICMPV6 {
            return self.balance_error(context, port, frame, packet);
        }
        let bytes = &context.bytes(frame)[packet.upper..packet.end];
        let least = match number {
            protocol::TCP => Tcp::LENGTH,
            protocol::UDP => 8,
            _ => return false,
        };
        if bytes.len() < least || !checksum::segment_is_valid(packet.source, packet.destination, number, bytes) {
            // The host itself says what is wrong with it.
            return false;
        }
        let flags = if number == protocol::TCP { bytes[13] } else { 0 };
        let (remote_port, own_port) = packet.ports(context.bytes(frame));
        let flow = Flow { local: packet.destination, port: own_port, remote: packet.source, remote_port };
        let Some(balancer) = self.balancer.as_deref_mut() else { return false };
        if balancer.spreads(number, &flow) {
            self.balance_in(context, port, frame, packet, flow, flags);
            return true;
        }
        let Some(entry) = balancer.find_inside(number, &flow, now) else { return false };
        if number == protocol::TCP && Flags(flags).has(Flags::RST) && entry.progress == Progress::Asked {
            self.skip_backend(context, entry.backend, Reason::PortClosed);
        }
        if let Some(balancer) = self.balancer.as_deref_mut() {
            balancer.touch(number, &entry, true, flags, now);
        }
        context.trace_text(port, Verb::Translate, Reason::Balanced, frame, || {
            let (server, client) = (entry.inside.remote, entry.client.remote);
            format!("the answer of {server} goes to {client} as {}", entry.client.local)
        });
        self.pass_segment(context, port, frame, packet, local(&entry.client), remote(&entry.client));
        true
    }

    /// Something from a client.
    fn balance_in(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet, client: Flow, flags: u8) {
        let (number, now) = (packet.protocol, context.now());
        let is_opening = number != protocol::TCP || Flags(flags).has(Flags::SYN) && !Flags(flags).has(Flags::ACK);
        let mut known = None;
        if let Some(balancer) = self.balancer.as_deref_mut() {
            known = balancer.find(number, &client, now);
            // The same ports again after an end are another connection.
            if let Some(old) = known.filter(|old| is_opening && old.progress == Progress::Closing) {
                balancer.forget(number, &old);
                known = None;
            }
        }
        let entry = match known {
            Some(entry) => Ok(entry),
            None if !is_opening => Err(Reason::NatNoState),
            None => self.begin_balancing(number, client, now),
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(reason) => return self.refuse_client(context, port, frame, packet, reason),
        };
        if let Some(balancer) = self.balancer.as_deref_mut() {
            balancer.touch(number, &entry, false, flags, now);
            let name = &balancer.spec.backends[entry.backend].name;
            context.trace_text(port, Verb::Translate, Reason::Balanced, frame, || {
                format!("{} goes to {name} at {}", client.remote, entry.inside.remote)
            });
        }
        self.pass_segment(context, port, frame, packet, local(&entry.inside), remote(&entry.inside));
    }

    /// Nobody serves a client: RST for a segment, an ICMP error for a datagram.
    fn refuse_client(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet, reason: Reason) {
        if packet.protocol != protocol::TCP {
            return self.refuse(context, port, frame, packet, reason, Problem::PortUnreachable);
        }
        self.drop_frame(context, port, reason, frame);
        let Ok((header, payload)) = Tcp::parse(&context.bytes(frame)[packet.upper..packet.end]) else { return };
        let Some(reset) = reset_for(&Segment { header: &header, payload }) else { return };
        let (source, parent) = (Some(packet.destination), frame);
        let outgoing = Outgoing { source, parent, dont_fragment: true, ..Outgoing::new(protocol::TCP, packet.source) };
        self.answer(context, port, frame, &outgoing, |source, destination, out| reset.emit(source, destination, &[], out));
    }

    /// Sends a segment or datagram on between other ends, one hop later.
    fn pass_segment(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet, from: End, to: End) {
        if packet.ttl <= 1 {
            return self.refuse(context, port, frame, packet, Reason::TimeExceeded, Problem::TimeExceeded);
        }
        let segment = readdressed(&context.bytes(frame)[packet.upper..packet.end], packet.protocol, from, to);
        let outgoing = Outgoing {
            source: Some(from.0),
            ttl: Some(packet.ttl - 1),
            dont_fragment: packet.dont_fragment || !packet.is_v4(),
            discovers_mtu: false,
            parent: frame,
            ..Outgoing::new(packet.protocol, to.0)
        };
        self.counters.forwarded += 1;
        match self.send_packet(context, &outgoing, |_, _, out| out.extend_from_slice(&segment)) {
            Ok(()) => {}
            Err(SendError::TooLong(limit)) => self.send_error(context, port, frame, packet, Problem::TooBig(limit)),
            Err(SendError::NoRoute | SendError::NoAddress) => {
                self.refuse(context, port, frame, packet, Reason::NoRoute, Problem::NoRoute);
            }
        }
    }

    /// An error about something that went to a server is the client's to know.
    fn balance_error(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) -> bool {
        let (now, is_v4) = (context.now(), packet.is_v4());
        let message = &context.bytes(frame)[packet.upper..packet.end];
        let is_valid = match packet.destination {
            IpAddr::V4(_) => checksum::of(message) == 0,
            IpAddr::V6(_) => checksum::segment_is_valid(packet.source, packet.destination, packet.protocol, message),
        };
        if message.len() < 8 || !is_valid || !is_error(message[0], is_v4) {
            return false;
        }
        let Some(about) = quoted(&message[8..], is_v4) else { return false };
        let inside = Flow {
            local: about.source,
            port: about.source_port,
            remote: about.destination,
            remote_port: about.destination_port,
        };
        let (kind, code, rest) = (message[0], message[1], long(message, 4));
        let quote = message[8..].to_vec();
        let Some(entry) = self.balancer.as_deref_mut().and_then(|balancer| balancer.find_inside(about.protocol, &inside, now)) else {
            return false;
        };
        let is_unreachable = if is_v4 { kind == 3 && code != 4 } else { kind == 1 };
        if is_unreachable && entry.progress == Progress::Asked {
            self.give_up(context, about.protocol, &entry, Reason::HostUnreachable);
        }
        let quote = requoted(&quote, remote(&entry.client), local(&entry.client));
        context.trace_text(port, Verb::Translate, Reason::Balanced, frame, || format!("{} is told of it", entry.client.remote));
        let source = Some(entry.client.local);
        let outgoing = Outgoing { source, parent: frame, ..Outgoing::new(packet.protocol, entry.client.remote) };
        self.answer(context, port, frame, &outgoing, |source, destination, out| {
            emit_icmp(out, (source, destination), [kind, code], rest, &quote);
        });
        true
    }

    /// A server did not take what it was given: the next try of the client goes to another one.
    fn give_up(&mut self, context: &mut Context<'_>, number: u8, entry: &Entry, reason: Reason) {
        self.skip_backend(context, entry.backend, reason);
        if let Some(balancer) = self.balancer.as_deref_mut() {
            balancer.forget(number, entry);
        }
    }

    /// A server does not answer for its address: what waited for it goes to another one, or its client is told. Whether it
    /// was the balancer's.
    pub(crate) fn backend_is_gone(&mut self, context: &mut Context<'_>, interface: u16, frame: FrameId, packet: &Packet) -> bool {
        let (number, now) = (packet.protocol, context.now());
        if self.balancer.is_none() || !matches!(number, protocol::TCP | protocol::UDP) || packet.end < packet.upper + 8 {
            return false;
        }
        let (port, remote_port) = packet.ports(context.bytes(frame));
        let inside = Flow { local: packet.source, port, remote: packet.destination, remote_port };
        let found = self.balancer.as_deref_mut().and_then(|balancer| balancer.find_inside(number, &inside, now));
        // Several packets may have waited; after the first one the others have an entry of their own no longer.
        let Some(entry) = found else { return false };
        let bytes = context.bytes(frame);
        let (from, to) = (remote(&entry.client), local(&entry.client));
        let segment = readdressed(&bytes[packet.upper..packet.end], number, from, to);
        let mut whole = bytes[..packet.upper].to_vec();
        readdress_header(&mut whole[packet.start..], from.0, to.0);
        whole.extend_from_slice(&segment);
        let original = context.make(frame, |out| out.extend_from_slice(&whole));
        if let Ok(packet) = Packet::read(context.bytes(original), packet.start) {
            if entry.progress == Progress::Asked {
                self.give_up(context, number, &entry, Reason::HostUnreachable);
                self.balance(context, interface, original, &packet);
            } else {
                self.skip_backend(context, entry.backend, Reason::HostUnreachable);
                self.send_error(context, interface, original, &packet, Problem::HostUnreachable);
            }
        }
        context.release(original);
        true
    }
}
