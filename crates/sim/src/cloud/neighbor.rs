//! Who has this address? In a VPC the fabric answers, not the neighbour (L2-1 … L2-3): ARP and IPv6 neighbour discovery.

use std::net::{IpAddr, Ipv6Addr};

use fabric::stage::exempt;
use fabric::{Component, Fabric, InterfaceIndex, Reason as StageReason, Stage};
use wire::ethernet::Mac;
use wire::{Arp, EtherType, Ethernet, Icmpv6, Ipv6, arp, protocol};

use super::bytes::ETHERNET;
use super::router::FABRIC;
use crate::frame::FrameId;
use crate::node::Context;
use crate::trace::{Detail, Reason, Verb};

/// The router's link-local address, the default gateway over IPv6.
pub const ROUTER_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Answers what asks for a neighbour; whether the frame was such a thing.
pub fn answer(context: &mut Context<'_>, fabric: &Fabric, interface: InterfaceIndex, port: u16, frame: FrameId) -> bool {
    let bytes = context.bytes(frame);
    match (bytes.get(12..14), bytes.get(ETHERNET..)) {
        (Some([0x08, 0x06]), Some(body)) => {
            let asked = Arp::parse(body).ok();
            arp_request(context, fabric, interface, port, frame, asked);
            true
        }
        (Some([0x86, 0xdd]), Some(ip)) if ip.get(6) == Some(&protocol::ICMPV6) && matches!(ip.get(40), Some(133..=137)) => {
            let asked = solicited(ip);
            neighbor_solicitation(context, fabric, interface, port, frame, asked);
            true
        }
        _ => false,
    }
}

/// On a host's cable of the internet: answers for every address with the MAC address of the internet; whether the frame was
/// such a question.
pub fn answer_all(context: &mut Context<'_>, port: u16, frame: FrameId) -> bool {
    let bytes = context.bytes(frame);
    match (bytes.get(12..14), bytes.get(ETHERNET..)) {
        (Some([0x08, 0x06]), Some(body)) => {
            let asked = Arp::parse(body).ok().filter(|asked| asked.operation == arp::Operation::Request && asked.sender != asked.target);
            match asked {
                Some(asked) => arp_reply(context, port, frame, &asked, Mac(FABRIC)),
                None => context.trace(port, Verb::Drop, Reason::ArpGratuitous, frame),
            }
            true
        }
        (Some([0x86, 0xdd]), Some(ip)) if ip.get(6) == Some(&protocol::ICMPV6) && matches!(ip.get(40), Some(133..=137)) => {
            match solicited(ip) {
                Some(asked) => advertise(context, port, frame, &asked, (Mac(FABRIC), true)),
                None => context.trace(port, Verb::Drop, Reason::MulticastMac, frame),
            }
            true
        }
        _ => false,
    }
}

/// Whether an address is the router's of the subnet.
fn is_router(fabric: &Fabric, interface: InterfaceIndex, address: IpAddr) -> bool {
    let subnet = &fabric.subnets[fabric.interfaces[interface].subnet];
    subnet.router_of(address) == Some(address) || address == IpAddr::V6(ROUTER_IPV6)
}

/// The MAC address of an address of the subnet: the router's, an interface's, or nobody's.
fn mac_of(fabric: &Fabric, interface: InterfaceIndex, address: IpAddr) -> Option<Mac> {
    let own = &fabric.interfaces[interface];
    let subnet = &fabric.subnets[own.subnet];
    // The resolver is at the VPC's base + 2, in whichever subnet that is (DNS-1).
    let is_resolver = subnet.contains(address) && exempt::is_resolver(fabric, own.vpc, address);
    if is_router(fabric, interface, address) || is_resolver {
        return Some(Mac(subnet.router_mac().0));
    }
    // L2-3: whoever announces or probes an address of his own hears nothing.
    let holder = fabric.vpcs[own.vpc].addresses.get(&address).filter(|holder| **holder != interface)?;
    let holder = &fabric.interfaces[*holder];
    (holder.subnet == own.subnet).then_some(Mac(holder.mac.0))
}

fn arp_request(context: &mut Context<'_>, fabric: &Fabric, interface: InterfaceIndex, port: u16, frame: FrameId, asked: Option<Arp>) {
    let Some(asked) = asked else { return context.trace(port, Verb::Drop, Reason::MalformedFrame, frame) };
    if asked.operation != arp::Operation::Request {
        return context.trace(port, Verb::Drop, Reason::ArpGratuitous, frame);
    }
    match mac_of(fabric, interface, IpAddr::V4(asked.target)) {
        Some(mac) => arp_reply(context, port, frame, &asked, mac),
        // It announces its own address (RFC 5227 3): nobody needs to answer.
        None if asked.sender == asked.target => context.trace(port, Verb::Drop, Reason::ArpGratuitous, frame),
        None => nobody(context, fabric, interface, port, frame, IpAddr::V4(asked.target)),
    }
}

fn neighbor_solicitation(
    context: &mut Context<'_>,
    fabric: &Fabric,
    interface: InterfaceIndex,
    port: u16,
    frame: FrameId,
    asked: Option<Solicited>,
) {
    let Some(asked) = asked else { return context.trace(port, Verb::Drop, Reason::MulticastMac, frame) };
    let target = IpAddr::V6(asked.target);
    match mac_of(fabric, interface, target) {
        Some(mac) => advertise(context, port, frame, &asked, (mac, is_router(fabric, interface, target))),
        None => nobody(context, fabric, interface, port, frame, IpAddr::V6(asked.target)),
    }
}

fn arp_reply(context: &mut Context<'_>, port: u16, frame: FrameId, asked: &Arp, mac: Mac) {
    let bytes = asked.reply(mac).frame();
    let reply = context.make(frame, |out| out.extend_from_slice(&bytes));
    context.trace(port, Verb::Answer, Reason::ArpReply, frame);
    context.send(port, reply);
}

fn advertise(context: &mut Context<'_>, port: u16, frame: FrameId, asked: &Solicited, (mac, is_router): (Mac, bool)) {
    // Solicited and override, and router where it is one (RFC 4861 4.4), with the target's link-layer address (4.6.1).
    let flags = if is_router { 0xe0 } else { 0x60 };
    let mut data = asked.target.octets().to_vec();
    data.extend_from_slice(&[2, 1]);
    data.extend_from_slice(&mac.0);
    let message = Icmpv6::Other { kind: 136, code: 0, rest: [flags, 0, 0, 0], data }.message(asked.target, asked.sender);
    let header = Ipv6 { hop_limit: 255, ..Ipv6::new(asked.target, asked.sender, protocol::ICMPV6) };
    let packet = header.packet(&message);
    let ethernet = Ethernet { destination: asked.mac, source: mac, ether_type: EtherType::IPV6 };
    context.trace(port, Verb::Answer, Reason::NeighborAdvertisement, frame);
    let reply = context.make(frame, |out| {
        ethernet.emit(out);
        out.extend_from_slice(&packet);
    });
    context.send(port, reply);
}

/// A neighbour that is looked for.
struct Solicited {
    sender: Ipv6Addr,
    mac: Mac,
    target: Ipv6Addr,
}

/// Reads a neighbour solicitation (RFC 4861 4.3) that says where to answer; `None` for other messages of discovery.
fn solicited(ip: &[u8]) -> Option<Solicited> {
    let (header, payload) = Ipv6::parse(ip).ok()?;
    let Icmpv6::Other { kind: 135, data, .. } = Icmpv6::parse(payload).ok()? else { return None };
    let target: [u8; 16] = data.get(..16)?.try_into().ok()?;
    // Duplicate address detection comes from no address, and nobody has a duplicate (L2-3).
    let mac = data.get(16..24).filter(|option| option[..2] == [1, 1] && !header.source.is_unspecified())?;
    let mac = Mac(mac[2..8].try_into().ok()?);
    Some(Solicited { sender: header.source, mac, target: target.into() })
}

fn nobody(
    context: &mut Context<'_>,
    fabric: &Fabric,
    interface: InterfaceIndex,
    port: u16,
    frame: FrameId,
    address: IpAddr,
) {
    let reason = match address {
        IpAddr::V4(_) => Reason::ArpRequest,
        IpAddr::V6(_) => Reason::NeighborSolicitation,
    };
    context.trace_with(port, Verb::Drop, reason, frame, || {
        // Who looks for a duplicate has the address itself (RFC 5227 2.1).
        let is_own = fabric.vpcs[fabric.interfaces[interface].vpc].addresses.get(&address) == Some(&interface);
        let text = format!("nobody {}in the subnet has {address}", if is_own { "else " } else { "" });
        Detail::Stage(Box::new(StageReason::new(Stage::LocalDelivery, Component::Fabric, text)))
    });
}
