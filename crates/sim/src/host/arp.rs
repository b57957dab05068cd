//! ARP (RFC 826): questions, answers, announcements and conflicts (RFC 5227). What is known is kept in `neighbor`.

use std::net::{IpAddr, Ipv4Addr};

use wire::arp::Operation;
use wire::{Arp, EtherType, Ethernet, Mac};

use crate::frame::FrameId;
use crate::link::Framing;
use crate::node::Context;
use crate::trace::{Reason, Verb};

use super::Host;

impl Host {
    pub(crate) fn receive_arp(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let Ok(arp) = Arp::parse(&context.bytes(frame)[Ethernet::LENGTH..]) else {
            return self.drop_frame(context, port, Reason::MalformedPacket, frame);
        };
        let interface = &self.interfaces[port as usize];
        let (mac, sender) = (interface.mac, IpAddr::V4(arp.sender));
        if interface.has(sender) {
            if arp.sender_mac != mac {
                self.counters.conflicts += 1;
                let other = arp.sender_mac;
                context.trace_text(port, Verb::Note, Reason::ArpConflict, frame, || format!("{sender} is also at {other}"));
            }
            return;
        }
        let is_for_me = interface.has(arp.target.into());
        // A probe (RFC 5227) has no sender yet.
        if !arp.sender.is_unspecified() {
            self.learn_neighbor(context, port, sender, arp.sender_mac, is_for_me);
        }
        match arp.operation {
            Operation::Request if is_for_me => {
                context.trace(port, Verb::Answer, Reason::ArpRequest, frame);
                send_arp(context, port, &arp.reply(mac), arp.sender_mac, frame);
            }
            Operation::Request if arp.sender != arp.target => {
                context.trace(port, Verb::Drop, Reason::ArpOther, frame);
            }
            Operation::Request | Operation::Reply => {}
        }
    }

    pub(crate) fn send_arp_request(&mut self, context: &mut Context<'_>, port: u16, target: Ipv4Addr, mac: Option<Mac>) {
        let interface = &self.interfaces[port as usize];
        let source = match interface.source_for(target.into()) {
            Some(IpAddr::V4(source)) => source,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let question = Arp::request(interface.mac, source, target);
        send_arp(context, port, &question, mac.unwrap_or(Mac::BROADCAST), FrameId::NONE);
    }

    /// Tells all neighbours the addresses of an interface (RFC 5227, 2.3).
    pub(crate) fn announce(&mut self, context: &mut Context<'_>, port: u16) {
        if context.framing(port) != Framing::Ethernet {
            return;
        }
        let interface = &self.interfaces[port as usize];
        for net in interface.usable() {
            if let IpAddr::V4(address) = net.addr() {
                let announcement = Arp::request(interface.mac, address, address);
                context.trace_text(port, Verb::Note, Reason::ArpGratuitous, FrameId::NONE, || format!("{address} is here"));
                send_arp(context, port, &announcement, Mac::BROADCAST, FrameId::NONE);
            }
        }
    }
}

fn send_arp(context: &mut Context<'_>, port: u16, arp: &Arp, destination: Mac, parent: FrameId) {
    let frame = context.make(parent, |out| {
        Ethernet { destination, source: arp.sender_mac, ether_type: EtherType::ARP }.emit(out);
        arp.emit(out);
    });
    context.send(port, frame);
}
