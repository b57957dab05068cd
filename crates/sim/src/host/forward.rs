//! Passing packets on (RFC 1812, 5.2): TTL, route, length, next hop.

use wire::Mac;

use crate::frame::FrameId;
use crate::link::Framing;
use crate::node::Context;
use crate::trace::{Reason, Verb};

use super::Host;
use super::icmp::Problem;
use super::link_layer;
use super::output::Path;
use super::packet::{Packet, count_hop};

impl Host {
    /// `is_answer`: it belongs to a flow that was translated on its way out, and was translated back.
    pub(crate) fn forward(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet, is_answer: bool) {
        if packet.ttl <= 1 {
            return self.refuse(context, port, frame, packet, Reason::TimeExceeded, Problem::TimeExceeded);
        }
        let Some(route) = self.routes.find_often(packet.destination) else {
            return self.refuse(context, port, frame, packet, Reason::NoRoute, Problem::NoRoute);
        };
        // One more than the length of the prefix that decided.
        let decided_by = 1 + u32::from(route.destination.prefix_len());
        let path = Path { interface: route.interface, next_hop: route.via.unwrap_or(packet.destination) };
        let length = (packet.end - packet.start) as u32;
        let (framing, limit) = self.link(context, path.interface);
        if length > limit && (packet.dont_fragment || !packet.is_v4()) {
            let reason = if packet.is_v4() { Reason::FragmentationNeeded } else { Reason::PacketTooBig };
            return self.refuse(context, port, frame, packet, reason, Problem::TooBig(limit));
        }
        let is_translated = !is_answer && self.translates_out_of(path.interface, packet);
        if let Some(piece) = packet.piece
            && (is_translated || self.judges_whole_packets())
        {
            if let Some(whole) = self.reassemble(context, port, frame, packet, piece) {
                if let Ok(packet) = &Packet::read(context.bytes(whole), packet.start) {
                    self.forward(context, port, whole, packet, is_answer);
                }
                context.release(whole);
            }
            return;
        }
        if !self.passes_filter(context, port, frame, packet, Some(path.interface)) {
            return;
        }
        self.note_from_outside(context, port, path.interface, frame, packet);
        context.trace_value(path.interface, Verb::Forward, Reason::Route, frame, decided_by);
        if !is_translated {
            return self.pass_on(context, (path, framing, limit), frame, packet);
        }
        match self.translate_out(context, path.interface, frame, packet) {
            Ok(None) => self.pass_on(context, (path, framing, limit), frame, packet),
            Ok(Some(changed)) => {
                self.pass_on(context, (path, framing, limit), changed, packet);
                context.release(changed);
            }
            Err(reason) => self.drop_frame(context, port, reason, frame),
        }
    }

    /// Sends what may pass by a link that frames like this and takes so much: one hop fewer, a new link header, in pieces if
    /// it is too long.
    fn pass_on(&mut self, context: &mut Context<'_>, (path, framing, limit): (Path, Framing, u32), frame: FrameId, packet: &Packet) {
        self.counters.forwarded += 1;
        let length = (packet.end - packet.start) as u32;
        let own_mac = self.interfaces[path.interface as usize].mac;
        let start = link_layer::length(framing);
        let passed = if start == packet.start {
            let fits_ethernet = framing == Framing::Ethernet && length <= limit;
            let mac = fits_ethernet.then(|| self.mac_of(context.now(), path.interface, path.next_hop)).flatten();
            let passed = context.change(frame, false, |bytes| {
                // Padding of the frame is not passed on.
                bytes.truncate(packet.end);
                link_layer::readdress(framing, own_mac, packet.is_v4(), bytes);
                count_hop(bytes, start);
                if let Some(mac) = mac {
                    bytes[..6].copy_from_slice(&mac.0);
                }
            });
            if mac.is_some() {
                // Nearly always: all that changes is written at once.
                return context.send(path.interface, passed);
            }
            passed
        } else {
            let bytes = context.bytes(frame)[packet.start..packet.end].to_vec();
            context.make(frame, |out| {
                link_layer::emit(framing, (own_mac, Mac::default()), packet.is_v4(), out);
                out.extend_from_slice(&bytes);
                count_hop(out, start);
            })
        };
        if length > limit {
            return self.send_in_pieces(context, path, passed, start, limit);
        }
        self.send_on_link(context, path, framing, passed);
    }

    /// Drops a packet and says so to its sender.
    pub(crate) fn refuse(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
        reason: Reason,
        problem: Problem,
    ) {
        self.drop_frame(context, port, reason, frame);
        self.send_error(context, port, frame, packet, problem);
    }
}
