//! ICMP errors that a gateway sends about a packet, back by the port that it came from.

use std::net::{IpAddr, Ipv6Addr};

use wire::ethernet::Mac;
use wire::{EtherType, Ethernet, Icmpv4, Icmpv6, Ipv4, Ipv6, Tcp, icmpv4, icmpv6, protocol};

use super::bytes::ETHERNET;
use super::judge::Travel;
use super::router::FABRIC;
use crate::node::Context;
use crate::tcp::{Segment, reset_for};
use crate::trace::{Reason, Verb};

/// Sends an error of ICMP from an address to a packet's sender, quoting it as RFC 1812 asks; `mtu` counts for
/// "fragmentation needed" alone.
pub fn send(context: &mut Context<'_>, travel: &Travel, from: IpAddr, (icmp_type, code): (u8, u8), mtu: u16) {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, travel.packet.header.source) else { return };
    let Some(ip) = context.bytes(travel.frame).get(ETHERNET..) else { return };
    let Ok((header, payload)) = Ipv4::parse(ip) else { return };
    if !icmpv4::may_be_answered(&header, payload) {
        return context.trace(travel.port, Verb::Note, Reason::IcmpBound, travel.frame);
    }
    let quoted = icmpv4::quote(ip);
    let message = match icmp_type {
        fabric::packet::icmp::UNREACHABLE => Icmpv4::Unreachable { code, mtu, quoted },
        _ => Icmpv4::TimeExceeded { code, quoted },
    };
    let header = Ipv4 { traffic_class: icmpv4::ERROR_SERVICE, ..Ipv4::new(from, to, protocol::ICMP) };
    let packet = header.packet(&message.message());
    answer(context, travel, Reason::IcmpError, EtherType::IPV4, &packet);
}

/// Tells the sender of an IPv6 packet how long one may be (RFC 4443, 3.2); it quotes what fits into the shortest longest packet.
pub fn too_big(context: &mut Context<'_>, travel: &Travel, from: Ipv6Addr, mtu: u32) {
    let IpAddr::V6(to) = travel.packet.header.source else { return };
    let Some(ip) = context.bytes(travel.frame).get(ETHERNET..) else { return };
    let quoted = icmpv6::quote(ip);
    let packet = Ipv6::new(from, to, protocol::ICMPV6).packet(&Icmpv6::PacketTooBig { mtu, quoted }.message(from, to));
    answer(context, travel, Reason::IcmpError, EtherType::IPV6, &packet);
}

/// Answers a TCP segment with a reset, in its receiver's name.
pub fn reset(context: &mut Context<'_>, travel: &Travel) {
    let Some(ip) = context.bytes(travel.frame).get(ETHERNET..) else { return };
    let Ok((header, payload)) = Ipv4::parse(ip) else { return };
    let Ok((segment, data)) = Tcp::parse(payload) else { return };
    let Some(reset) = reset_for(&Segment { header: &segment, payload: data }) else { return };
    let (from, to) = (IpAddr::V4(header.destination), IpAddr::V4(header.source));
    let packet = Ipv4::new(header.destination, header.source, protocol::TCP).packet(&reset.segment(from, to, &[]));
    answer(context, travel, Reason::Reset, EtherType::IPV4, &packet);
}

fn answer(context: &mut Context<'_>, travel: &Travel, reason: Reason, ether_type: EtherType, packet: &[u8]) {
    let ethernet = Ethernet { destination: Mac(FABRIC), source: Mac(FABRIC), ether_type };
    context.trace(travel.port, Verb::Answer, reason, travel.frame);
    let frame = context.make(travel.frame, |out| {
        ethernet.emit(out);
        out.extend_from_slice(packet);
    });
    context.send(travel.port, frame);
}
