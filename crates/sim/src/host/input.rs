//! The way of a packet into the host: is it for me, is it right, and who gets it.

use std::net::IpAddr;

use wire::{EtherType, protocol};

use crate::frame::FrameId;
use crate::link::Framing;
use crate::node::Context;
use crate::routing::igmp;
use crate::trace::{Reason, Verb};

use super::Host;
use super::interface::{Own, is_all_routers};
use super::link_layer;
use super::output::{LOOPBACK, is_group};
use super::packet::{Packet, is_single};

impl Host {
    pub(crate) fn drop_frame(&mut self, context: &mut Context<'_>, port: u16, reason: Reason, frame: FrameId) {
        self.counters.dropped += 1;
        context.trace(port, Verb::Drop, reason, frame);
    }

    pub(crate) fn receive_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let framing = context.framing(port);
        let Some(interface) = self.interfaces.get(port as usize) else {
            return self.drop_frame(context, port, Reason::PortLimit, frame);
        };
        match link_layer::read(framing, interface.mac, context.bytes(frame)) {
            Err(reason) => self.drop_frame(context, port, reason, frame),
            Ok((EtherType::ARP, _)) if framing == Framing::Ethernet => self.receive_arp(context, port, frame),
            Ok((kind @ (EtherType::IPV4 | EtherType::IPV6), to_group)) => {
                let start = link_layer::length(framing);
                match &mut Packet::read(context.bytes(frame), start) {
                    Ok(packet) if packet.is_v4() == (kind == EtherType::IPV4) => {
                        packet.to_group = to_group;
                        self.receive_packet(context, port, frame, packet);
                    }
                    Ok(_) => self.drop_frame(context, port, Reason::MalformedPacket, frame),
                    Err(reason) => self.drop_frame(context, port, *reason, frame),
                }
            }
            Ok(_) => self.drop_frame(context, port, Reason::ProtocolUnreachable, frame),
        }
    }

    /// Takes what the host sent to itself.
    pub(crate) fn receive_loopback(&mut self, context: &mut Context<'_>, frame: FrameId) {
        let start = link_layer::length(Framing::Ethernet);
        match &mut Packet::read(context.bytes(frame), start) {
            Ok(packet) => self.receive_packet(context, LOOPBACK, frame, packet),
            Err(reason) => self.drop_frame(context, LOOPBACK, *reason, frame),
        }
        context.release(frame);
    }

    #[inline]
    fn receive_packet(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &mut Packet) {
        self.counters.received += 1;
        let is_unspecified = packet.source.is_unspecified();
        if !is_unspecified && !is_single(packet.source) {
            return self.drop_frame(context, port, Reason::Martian, frame);
        }
        let to_many = match self.locals.find(packet.destination) {
            Some((own, _)) => own == Own::Broadcast,
            // On a link nobody has such an address.
            None if port == LOOPBACK && packet.destination.is_loopback() => false,
            None if is_group(packet.destination) => {
                let takes = |address: IpAddr| self.takes_group(port, address);
                let is_all = matches!(packet.destination, IpAddr::V4(address) if address.is_broadcast());
                // Who speaks IGMP hears of all groups (RFC 2236 3).
                let hears = packet.protocol == igmp::PROTOCOL && self.sockets.is_bound(igmp::PROTOCOL, 0);
                if !is_all && !hears && !takes(packet.destination) {
                    return self.drop_frame(context, port, Reason::NotMember, frame);
                }
                true
            }
            // RFC 1812, 5.3.4: what was for everybody on a link is not passed on.
            None if self.forwarding && !packet.to_group && !is_unspecified => {
                return self.forward(context, port, frame, packet, false);
            }
            None => return self.drop_frame(context, port, Reason::NotForMe, frame),
        };
        self.take_packet(context, port, frame, packet, to_many);
    }

    /// Whether it takes packets to a group at an interface: a router hears what is for all routers (RFC 4291 2.8, RFC 2236 3).
    fn takes_group(&self, port: u16, group: IpAddr) -> bool {
        let joined = self.interfaces.get(port as usize).is_some_and(|at| at.takes_group(group));
        joined || self.forwarding && is_all_routers(group)
    }

    /// Takes a packet for this host, whole or in pieces.
    #[inline]
    fn take_packet(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &mut Packet, to_many: bool) {
        let Some(piece) = packet.piece else { return self.take_whole(context, port, frame, packet, to_many) };
        if let Some(whole) = self.reassemble(context, port, frame, packet, piece) {
            match &mut Packet::read(context.bytes(whole), packet.start) {
                Ok(read) => {
                    read.to_group = packet.to_group;
                    self.take_whole(context, port, whole, read, to_many);
                }
                Err(reason) => self.drop_frame(context, port, *reason, whole),
            }
            context.release(whole);
        }
    }

    fn take_whole(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &mut Packet, to_many: bool) {
        packet.to_group |= to_many;
        let packet = &*packet;
        if self.nat.is_some()
            && packet.is_v4()
            && !packet.to_group
            && let Some((changed, is_answer)) = self.translate_in(context, port, frame, packet)
        {
            if let Ok(packet) = &Packet::read(context.bytes(changed), packet.start) {
                self.forward(context, port, changed, packet, is_answer);
            }
            return context.release(changed);
        }
        if port != LOOPBACK && !self.passes_filter(context, port, frame, packet, None) {
            return;
        }
        if self.balancer.is_some() && !packet.to_group && self.balance(context, port, frame, packet) {
            return;
        }
        match packet.protocol {
            protocol::UDP => self.receive_udp(context, port, frame, packet),
            protocol::TCP => self.receive_tcp(context, port, frame, packet),
            protocol::ICMP if packet.is_v4() => self.receive_icmp(context, port, frame, packet),
            protocol::ICMPV6 if !packet.is_v4() => self.receive_icmpv6(context, port, frame, packet),
            _ => self.receive_other(context, port, frame, packet),
        }
    }
}
