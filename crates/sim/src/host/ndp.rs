//! Neighbour discovery for IPv6 (RFC 4861): solicitations and advertisements, and the detection of duplicate addresses
//! (RFC 4862). What is known is kept in `neighbor`.

use std::net::{IpAddr, Ipv6Addr};

use wire::{Icmpv6, Ipv6, Mac, protocol};

use crate::frame::FrameId;
use crate::link::Framing;
use crate::node::Context;
use crate::trace::{Reason, Verb};

use super::Host;
use super::interface::solicited_node;
use super::link_layer;
use super::packet::Packet;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_OPTION: u8 = 1;
const TARGET_OPTION: u8 = 2;
/// Flags of an advertisement: it is a router, it was asked, it overrides.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The Ethernet address in the options of a message.
fn option(mut options: &[u8], wanted: u8) -> Option<Mac> {
    while let [kind, length, rest @ ..] = options {
        let bytes = usize::from(*length) * 8;
        if bytes == 0 || bytes > options.len() {
            return None;
        }
        if *kind == wanted && bytes >= 8 {
            return rest[..6].try_into().ok().map(Mac);
        }
        options = &options[bytes..];
    }
    None
}

impl Host {
    /// Takes a message of neighbour discovery. Whether it was one.
    pub(crate) fn receive_discovery(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
    ) -> bool {
        let message = &context.bytes(frame)[packet.upper..packet.end];
        let kind = message[0];
        if !matches!(kind, SOLICITATION | ADVERTISEMENT) {
            return false;
        }
        // RFC 4861, 7.1: only a neighbour can send it with 255 hops left.
        if packet.ttl != 255 || message.len() < 24 || self.interfaces.len() <= port as usize {
            self.drop_frame(context, port, Reason::MalformedPacket, frame);
            return true;
        }
        let octets: [u8; 16] = message[8..24].try_into().unwrap_or_default();
        let (target, flags) = (Ipv6Addr::from(octets), message[4]);
        let wanted = if kind == SOLICITATION { SOURCE_OPTION } else { TARGET_OPTION };
        let mac = option(&message[24..], wanted);
        let own = self.interfaces[port as usize].addresses.iter_mut().find(|own| own.net.addr() == IpAddr::V6(target));
        if kind == SOLICITATION {
            let Some(own) = own else {
                context.trace(port, Verb::Drop, Reason::ArpOther, frame);
                return true;
            };
            if own.is_tentative {
                // Somebody probes the same address at the same time (RFC 4862, 5.4.3).
                if packet.source == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
                    self.counters.conflicts += 1;
                    context.trace(port, Verb::Note, Reason::DuplicateAddress, frame);
                    self.give_up_address(context, port, target.into());
                }
                return true;
            }
            if let (Some(mac), true) = (mac, packet.source != IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
                self.learn_neighbor(context, port, packet.source, mac, true);
            }
            context.trace(port, Verb::Answer, Reason::NeighborSolicitation, frame);
            self.send_advertisement(context, port, packet.source, target, frame);
        } else {
            if let Some(own) = own {
                let is_tentative = own.is_tentative;
                self.counters.conflicts += 1;
                context.trace(port, Verb::Note, Reason::DuplicateAddress, frame);
                if is_tentative {
                    self.give_up_address(context, port, target.into());
                }
                return true;
            }
            if let Some(mac) = mac {
                let overrides = flags & OVERRIDE != 0
                    || self.neighbors.get(port, target.into()).is_none_or(|known| known.mac == Mac::default());
                if overrides {
                    self.learn_neighbor(context, port, target.into(), mac, false);
                }
            }
        }
        true
    }

    fn send_advertisement(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        asker: IpAddr,
        target: Ipv6Addr,
        parent: FrameId,
    ) {
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let (destination, asked) = match asker {
            IpAddr::V6(asker) if !asker.is_unspecified() => (asker, SOLICITED),
            _ => (all_nodes, 0),
        };
        let router = if self.forwarding { ROUTER } else { 0 };
        let flags = router | asked | OVERRIDE;
        let mac = self.interfaces[port as usize].mac;
        let data = [&target.octets()[..], &[TARGET_OPTION, 1], &mac.0].concat();
        let message = Icmpv6::Other { kind: ADVERTISEMENT, code: 0, rest: [flags, 0, 0, 0], data };
        let to = if destination.is_multicast() { None } else { self.neighbors.get(port, asker).map(|known| known.mac) };
        self.send_discovery(context, port, target, destination, &message, to, parent);
    }

    /// Asks for an address: in its group, or the one who had it.
    pub(crate) fn send_solicitation(&mut self, context: &mut Context<'_>, port: u16, target: Ipv6Addr, mac: Option<Mac>) {
        let interface = &self.interfaces[port as usize];
        let source = match interface.source_for(target.into()) {
            Some(IpAddr::V6(source)) => source,
            _ => Ipv6Addr::UNSPECIFIED,
        };
        let data = [&target.octets()[..], &[SOURCE_OPTION, 1], &interface.mac.0].concat();
        let destination = if mac.is_some() { target } else { solicited_node(target) };
        let message = Icmpv6::Other { kind: SOLICITATION, code: 0, rest: [0; 4], data };
        self.send_discovery(context, port, source, destination, &message, mac, FrameId::NONE);
    }

    /// Asks whether anybody has an address that the host wants to use.
    pub(crate) fn probe_address(&mut self, context: &mut Context<'_>, port: u16, target: Ipv6Addr) {
        let message = Icmpv6::Other { kind: SOLICITATION, code: 0, rest: [0; 4], data: target.octets().to_vec() };
        self.send_discovery(context, port, Ipv6Addr::UNSPECIFIED, solicited_node(target), &message, None, FrameId::NONE);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a packet")]
    fn send_discovery(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        message: &Icmpv6,
        mac: Option<Mac>,
        parent: FrameId,
    ) {
        let framing = context.framing(port);
        let own = self.interfaces[port as usize].mac;
        let mac = mac.unwrap_or_else(|| link_layer::group_mac(destination.into()));
        let frame = context.make(parent, |out| {
            link_layer::emit(framing, (own, Mac::default()), false, out);
            if framing == Framing::Ethernet {
                out[..6].copy_from_slice(&mac.0);
            }
            let header = Ipv6 { hop_limit: 255, ..Ipv6::new(source, destination, protocol::ICMPV6) };
            header.emit(&message.message(source, destination), out);
        });
        context.send(port, frame);
    }
}
