//! Passing packets on (RFC 1812, 5.2): TTL, route, length, next hop.

use crate::frame::FrameId;
use crate::node::Context;
use crate::trace::{Reason, Verb};

use super::Host;
use super::icmp::Problem;
use super::link_layer;
use super::output::Path;
use super::packet::{Packet, count_hop};

impl Host {
    pub(crate) fn forward(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: Packet) {
        if packet.ttl <= 1 {
            return self.refuse(context, port, frame, &packet, Reason::TimeExceeded, Problem::TimeExceeded);
        }
        let Some(route) = self.routes.find(packet.destination) else {
            return self.refuse(context, port, frame, &packet, Reason::NoRoute, Problem::NoRoute);
        };
        let path = Path { interface: route.interface, next_hop: route.via.unwrap_or(packet.destination) };
        let length = (packet.end - packet.start) as u32;
        let limit = self.mtu(context, path.interface);
        if length > limit && (packet.dont_fragment || !packet.is_v4()) {
            let reason = if packet.is_v4() { Reason::FragmentationNeeded } else { Reason::PacketTooBig };
            return self.refuse(context, port, frame, &packet, reason, Problem::TooBig(limit));
        }
        self.counters.forwarded += 1;
        context.trace(path.interface, Verb::Forward, Reason::Route, frame);
        let framing = context.framing(path.interface);
        let own_mac = self.interfaces[path.interface as usize].mac;
        let start = link_layer::length(framing);
        let passed = if start == packet.start {
            context.change(frame, false, |bytes| {
                // Padding of the frame is not passed on.
                bytes.truncate(packet.end);
                link_layer::readdress(framing, own_mac, packet.is_v4(), bytes);
                count_hop(bytes, start);
            })
        } else {
            let bytes = context.bytes(frame)[packet.start..packet.end].to_vec();
            context.make(frame, |out| {
                link_layer::emit(framing, own_mac, packet.is_v4(), out);
                out.extend_from_slice(&bytes);
                count_hop(out, start);
            })
        };
        if length > limit {
            return self.send_in_pieces(context, path, passed, start, limit);
        }
        self.send_on_link(context, path, passed);
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
