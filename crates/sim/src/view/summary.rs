//! One line about a frame, as tcpdump would write it.

use wire::{EtherType, Ethernet, Mac, Packet};

use super::unit::{Unit, units};
use crate::link::Framing;
use crate::trace::Layer;

/// One line about a frame.
pub fn summary(frame: &[u8], framing: Framing) -> String {
    line(frame, &packet(frame, framing), framing, &units(frame, framing))
}

/// The IP packet or ARP of a frame, as `wire` reads it.
pub fn packet(frame: &[u8], framing: Framing) -> Packet {
    match framing {
        Framing::Ethernet => Packet::from_frame(frame),
        Framing::Ppp | Framing::Hdlc => {
            let is_ip = matches!(frame.get(2..4), Some([0x00, 0x21 | 0x57] | [0x08, 0x00] | [0x86, 0xdd]));
            Packet::from_ip(if is_ip { &frame[4..] } else { &[] })
        }
    }
}

/// The same with packet and units at hand.
pub(super) fn line(frame: &[u8], packet: &Packet, framing: Framing, units: &[Unit]) -> String {
    let top = units.iter().rev().find(|unit| unit.brief.is_some());
    let brief = top.and_then(|unit| unit.brief.as_deref());
    let Some(ip) = packet.ip() else {
        return match (brief, Ethernet::parse(frame)) {
            (Some(brief), _) => brief.to_owned(),
            (None, Ok((header, rest))) if framing == Framing::Ethernet => match &packet.network {
                wire::packet::Network::Arp(_) => packet.to_string(),
                _ => other(header, rest.len()),
            },
            _ => format!("{framing:?} frame, length {}", frame.len()).to_lowercase(),
        };
    };
    let (Some(top), Some(brief)) = (top, brief) else { return packet.to_string() };
    match &ip.transport {
        // A tunnel or a fragment: the outer packet says it.
        _ if ip.fragment.is_some() || ip.protocol == wire::protocol::GRE => packet.to_string(),
        wire::packet::Transport::Tcp(..) => format!("{packet}: {brief}"),
        wire::packet::Transport::Udp(udp, _) => {
            let version = if ip.source.is_ipv6() { "IP6" } else { "IP" };
            format!("{version} {}.{} > {}.{}: {brief}", ip.source, udp.source_port, ip.destination, udp.destination_port)
        }
        _ if top.layer == Layer::Network && brief.starts_with("IP") => brief.to_owned(),
        _ => format!("{} {} > {}: {brief}", if ip.source.is_ipv6() { "IP6" } else { "IP" }, ip.source, ip.destination),
    }
}

fn other(header: Ethernet, length: usize) -> String {
    let to = if header.destination == Mac::BROADCAST { "everybody".to_owned() } else { header.destination.to_string() };
    let what = match header.ether_type {
        EtherType(length) if length <= 1_500 => "802.3".to_owned(),
        known => format!("ethertype {known}"),
    };
    format!("{} > {to}: {what}, length {length}", header.source)
}
