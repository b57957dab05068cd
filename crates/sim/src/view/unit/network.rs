//! Packets: IPv4 (RFC 791), IPv6 (RFC 8200), ICMP (RFC 792), ICMPv6 (RFC 4443) with neighbour discovery (RFC 4861), GRE.

use std::net::{IpAddr, Ipv6Addr};

use wire::checksum::Sum;
use wire::{EtherType, Gre, Icmpv4, Icmpv6, Ipv4, Ipv6, protocol};

use super::{Unit, link, routing, transport, unread, word};
use crate::trace::Layer;

const IGMP: u8 = 2;
const OSPF: u8 = 89;

/// Where an IP payload comes from and goes to, and its protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
}

impl Around {
    /// `0x1c46 (correct)`.
    pub fn checksum(&self, bytes: &[u8], at: usize) -> String {
        let sum = Sum::new().pseudo_header(self.source, self.destination, self.protocol, bytes.len()).with(bytes);
        judged(word(bytes, at).unwrap_or(0), sum.is_valid())
    }
}

pub(super) fn judged(checksum: u16, is_valid: bool) -> String {
    format!("{checksum:#06x} ({})", if is_valid { "correct" } else { "wrong" })
}

pub(super) fn ipv4(bytes: &[u8], at: usize, found: &mut Vec<Unit>) {
    let Ok((header, payload)) = Ipv4::parse(bytes) else { return unread(Layer::Network, bytes, at, found) };
    let length = Ipv4::LENGTH + header.options.len();
    let mut flags = Vec::new();
    for (set, name) in [(header.dont_fragment, "do not fragment"), (header.more_fragments, "more fragments")] {
        if set {
            flags.push(name);
        }
    }
    let sum = judged(word(bytes, 10).unwrap_or(0), Ipv4::checksum_is_valid(bytes));
    let mut unit = Unit::new(Layer::Network, "ipv4", "IPv4", "packet", (at, length))
        .with("header length", length)
        .with("total length", word(bytes, 2).unwrap_or(0))
        .with("identification", header.identification)
        .with("flags", if flags.is_empty() { "none".to_owned() } else { flags.join(", ") })
        .with("fragment offset", header.fragment_offset)
        .with("TTL", header.ttl)
        .with("protocol", named(header.protocol))
        .with("header checksum", sum)
        .with("source", header.source)
        .with("destination", header.destination);
    if !header.options.is_empty() {
        let is_alert = header.options == wire::ROUTER_ALERT;
        let named = if is_alert { "router alert".to_owned() } else { format!("{} bytes", header.options.len()) };
        unit = unit.with("options", named);
    }
    found.push(unit);
    let (source, destination) = header.addresses();
    let around = Around { source, destination, protocol: header.protocol };
    if header.is_later_fragment() {
        return unread(Layer::Network, payload, at + length, found);
    }
    upper(around, payload, at + length, !header.is_fragment(), found);
}

pub(super) fn ipv6(bytes: &[u8], at: usize, found: &mut Vec<Unit>) {
    let Ok((header, payload)) = Ipv6::parse(bytes) else { return unread(Layer::Network, bytes, at, found) };
    let mut unit = Unit::new(Layer::Network, "ipv6", "IPv6", "packet", (at, Ipv6::LENGTH))
        .with("flow label", format!("{:#07x}", header.flow_label))
        .with("payload length", word(bytes, 4).unwrap_or(0))
        .with("next header", named(header.next_header))
        .with("hop limit", header.hop_limit)
        .with("source", header.source)
        .with("destination", header.destination);
    let Ok(above) = header.upper(payload) else {
        found.push(unit);
        return unread(Layer::Network, payload, at + Ipv6::LENGTH, found);
    };
    let extensions = payload.len() - above.payload.len();
    if let Some((offset, more)) = above.fragment {
        unit = unit
            .with("identification", above.identification)
            .with("fragment offset", offset)
            .with("more fragments", if more { "yes" } else { "no" });
    }
    unit.length += extensions;
    found.push(unit);
    let (source, destination) = header.addresses();
    let around = Around { source, destination, protocol: above.protocol };
    let at = at + Ipv6::LENGTH + extensions;
    match above.fragment {
        Some((offset, _)) if offset > 0 => unread(Layer::Network, above.payload, at, found),
        fragment => upper(around, above.payload, at, fragment.is_none(), found),
    }
}

/// `6 (TCP)`.
fn named(number: u8) -> String {
    let name = match number {
        0 => "hop-by-hop options",
        protocol::ICMP => "ICMP",
        IGMP => "IGMP",
        4 => "IPv4 in IP",
        protocol::TCP => "TCP",
        protocol::UDP => "UDP",
        41 => "IPv6 in IP",
        44 => "fragment",
        protocol::GRE => "GRE",
        protocol::ESP => "ESP",
        protocol::ICMPV6 => "ICMPv6",
        59 => "nothing",
        OSPF => "OSPF",
        _ => return number.to_string(),
    };
    format!("{number} ({name})")
}

/// What an IP packet carries; `whole`: it is no fragment, so that checksums can be judged.
fn upper(around: Around, bytes: &[u8], at: usize, whole: bool, found: &mut Vec<Unit>) {
    match around.protocol {
        protocol::TCP => transport::tcp(around, bytes, at, whole, found),
        protocol::UDP => transport::udp(around, bytes, at, whole, found),
        protocol::ICMP => icmp(bytes, at, whole, found),
        protocol::ICMPV6 => icmpv6(around, bytes, at, whole, found),
        protocol::GRE => gre(bytes, at, found),
        IGMP => routing::igmp(bytes, at, found),
        OSPF => routing::ospf(bytes, at, found),
        _ => unread(Layer::Network, bytes, at, found),
    }
}

fn icmp(bytes: &[u8], at: usize, whole: bool, found: &mut Vec<Unit>) {
    let Ok(icmp) = Icmpv4::parse(bytes) else { return unread(Layer::Network, bytes, at, found) };
    let (kind, code) = icmp.kind();
    let what = match kind {
        0 => "echo reply",
        3 => "destination unreachable",
        5 => "redirect",
        8 => "echo request",
        11 => "time exceeded",
        13 => "timestamp",
        14 => "timestamp reply",
        _ => "other",
    };
    let mut unit = Unit::new(Layer::Network, "icmp", "ICMP", "message", (at, Icmpv4::LENGTH.min(bytes.len())))
        .with("type", format!("{kind} ({what})"))
        .with("code", code);
    if whole {
        unit = unit.with("checksum", judged(word(bytes, 2).unwrap_or(0), Icmpv4::checksum_is_valid(bytes)));
    }
    match &icmp {
        Icmpv4::Echo { id, sequence, .. } => unit = unit.with("identifier", id).with("sequence number", sequence),
        Icmpv4::Unreachable { mtu, .. } if *mtu > 0 => unit = unit.with("next-hop MTU", mtu),
        Icmpv4::Redirect { gateway, .. } => unit = unit.with("gateway", gateway),
        _ => {}
    }
    found.push(about(unit, icmp.quoted()));
    if icmp.quoted().is_none() {
        unread(Layer::Application, bytes.get(Icmpv4::LENGTH..).unwrap_or(&[]), at + Icmpv4::LENGTH, found);
    }
}

/// An ICMP error says which packet it is about.
fn about(unit: Unit, quoted: Option<&[u8]>) -> Unit {
    match quoted.map(wire::Packet::from_ip) {
        Some(packet) => unit.with("about", packet),
        None => unit,
    }
}

fn icmpv6(around: Around, bytes: &[u8], at: usize, whole: bool, found: &mut Vec<Unit>) {
    let Ok(icmp) = Icmpv6::parse(bytes) else { return unread(Layer::Network, bytes, at, found) };
    let (kind, code) = icmp.kind();
    let what = match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        128 => "echo request",
        129 => "echo reply",
        130 => "listener query",
        131 => "listener report",
        132 => "listener done",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbor solicitation",
        136 => "neighbor advertisement",
        143 => "listener report",
        _ => "other",
    };
    let (word_, name) = if (133..=136).contains(&kind) { ("ndp", "NDP") } else { ("icmpv6", "ICMPv6") };
    let mut unit = Unit::new(Layer::Network, word_, name, "message", (at, Icmpv6::LENGTH.min(bytes.len())))
        .with("type", format!("{kind} ({what})"))
        .with("code", code);
    if whole {
        unit = unit.with("checksum", around.checksum(bytes, 2));
    }
    match &icmp {
        Icmpv6::Echo { id, sequence, .. } => unit = unit.with("identifier", id).with("sequence number", sequence),
        Icmpv6::PacketTooBig { mtu, .. } => unit = unit.with("MTU", mtu),
        _ => {}
    }
    if let Some(target) = neighbour(kind, bytes) {
        let brief = match kind {
            135 => format!("ICMP6, neighbor solicitation, who has {target}"),
            _ => format!("ICMP6, neighbor advertisement, tgt is {target}"),
        };
        unit = unit.with("target", target).brief(format!("IP6 {} > {}: {brief}", around.source, around.destination));
    }
    found.push(about(unit, icmp.quoted()));
    if let Icmpv6::Echo { .. } = icmp {
        unread(Layer::Application, bytes.get(Icmpv6::LENGTH..).unwrap_or(&[]), at + Icmpv6::LENGTH, found);
    }
}

/// Whose address a solicitation or advertisement is about (RFC 4861, sections 4.3 and 4.4).
fn neighbour(kind: u8, bytes: &[u8]) -> Option<Ipv6Addr> {
    let target: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
    matches!(kind, 135 | 136).then(|| target.into())
}

fn gre(bytes: &[u8], at: usize, found: &mut Vec<Unit>) {
    let Ok((header, rest)) = Gre::parse(bytes) else { return unread(Layer::Network, bytes, at, found) };
    let length = bytes.len() - rest.len();
    let mut unit = Unit::new(Layer::Network, "gre", "GRE", "packet", (at, length)).with("protocol", header.protocol);
    if let Some(key) = header.key {
        unit = unit.with("key", key);
    }
    found.push(unit);
    // One tunnel is read; a tunnel in a tunnel is data.
    let is_inner = found.iter().filter(|unit| unit.protocol == "gre").count() > 1;
    match header.protocol {
        EtherType::IPV4 | EtherType::IPV6 if !is_inner => link::carried(header.protocol, rest, at + length, found),
        _ => unread(Layer::Network, rest, at + length, found),
    }
}
