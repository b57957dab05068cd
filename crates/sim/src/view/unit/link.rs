//! Frames: Ethernet (802.3, 802.1Q), spanning tree (802.1D), PPP (RFC 1661, RFC 1662), Cisco's HDLC; ARP (RFC 826).

use std::net::Ipv4Addr;

use wire::arp::Operation;
use wire::{Arp, EtherType, Ethernet, Mac};

use super::{Unit, long, network, unread, word};
use crate::link::Framing;
use crate::trace::Layer;

/// Reads a frame.
pub(super) fn read(frame: &[u8], framing: Framing, found: &mut Vec<Unit>) {
    match framing {
        Framing::Ethernet => ethernet(frame, found),
        Framing::Ppp => ppp(frame, found),
        Framing::Hdlc => hdlc(frame, found),
    }
}

fn ethernet(frame: &[u8], found: &mut Vec<Unit>) {
    let Ok((header, mut rest)) = Ethernet::parse(frame) else { return unread(Layer::DataLink, frame, 0, found) };
    let mut at = Ethernet::LENGTH;
    let mut unit = Unit::new(Layer::DataLink, "ethernet", "Ethernet", "frame", (0, at))
        .with("destination", mac(header.destination))
        .with("source", header.source);
    let mut ether_type = header.ether_type;
    if let (EtherType::VLAN, Some(tag), Some(inner)) = (ether_type, word(rest, 0), word(rest, 2)) {
        unit = unit.with("VLAN", tag & 0xfff);
        (ether_type, rest, at) = (EtherType(inner), &rest[4..], at + 4);
        unit.length = at;
    }
    // Up to 1,500 the field is a length and LLC follows (IEEE 802.3 3.2.6).
    if ether_type.0 <= 1_500 {
        found.push(unit.with("length", ether_type.0));
        let payload = rest.get(..usize::from(ether_type.0)).unwrap_or(rest);
        return logical_link(payload, at, found);
    }
    found.push(unit.with("type", ether_type));
    carried(ether_type, rest, at, found);
}

fn mac(address: Mac) -> String {
    match address {
        Mac::BROADCAST => format!("{address} (everybody)"),
        _ if address.is_group() => format!("{address} (a group)"),
        _ => address.to_string(),
    }
}

/// What a frame of this type carries.
pub(super) fn carried(ether_type: EtherType, payload: &[u8], at: usize, found: &mut Vec<Unit>) {
    match ether_type {
        EtherType::ARP => arp(payload, at, found),
        EtherType::IPV4 => network::ipv4(payload, at, found),
        EtherType::IPV6 => network::ipv6(payload, at, found),
        _ => unread(Layer::DataLink, payload, at, found),
    }
}

fn arp(bytes: &[u8], at: usize, found: &mut Vec<Unit>) {
    let Ok(arp) = Arp::parse(bytes) else { return unread(Layer::DataLink, bytes, at, found) };
    let operation = match arp.operation {
        Operation::Request => "1 (request)",
        Operation::Reply => "2 (reply)",
    };
    let unit = Unit::new(Layer::DataLink, "arp", "ARP", "message", (at, Arp::LENGTH))
        .with("operation", operation)
        .with("sender MAC", arp.sender_mac)
        .with("sender", arp.sender)
        .with("target MAC", arp.target_mac)
        .with("target", arp.target);
    found.push(unit);
}

/// LLC with the bridges' address (IEEE 802.1D 7.12.3) carries spanning tree; other LLC is not read.
fn logical_link(bytes: &[u8], at: usize, found: &mut Vec<Unit>) {
    let Some(bpdu) = bytes.strip_prefix(&[0x42, 0x42, 0x03]) else { return unread(Layer::DataLink, bytes, at, found) };
    let at = at + 3;
    let unit = |length| Unit::new(Layer::DataLink, "stp", "spanning tree", "BPDU", (at, length));
    // IEEE 802.1D-1998 9.3: protocol 0, version, type; a topology change notification ends here.
    let (Some(0), Some(kind)) = (word(bpdu, 0), bpdu.get(3)) else { return unread(Layer::DataLink, bpdu, at, found) };
    match (kind, bpdu.get(..35)) {
        (0x80, _) => {
            found.push(unit(4).with("type", "topology change notification").brief("STP, topology change notification"))
        }
        (0 | 2, Some(bpdu)) => {
            let (root, bridge) = (bridge_id(bpdu, 5), bridge_id(bpdu, 17));
            let (cost, port) = (long(bpdu, 13).unwrap_or(0), word(bpdu, 25).unwrap_or(0));
            let seconds = |at| word(bpdu, at).unwrap_or(0) / 256;
            let mut flags = Vec::new();
            for (bit, name) in [(0x01, "topology change"), (0x80, "topology change acknowledgement")] {
                if bpdu[4] & bit != 0 {
                    flags.push(name);
                }
            }
            let unit = unit(35)
                .with("type", if *kind == 0 { "configuration" } else { "rapid" })
                .with("flags", if flags.is_empty() { "none".to_owned() } else { flags.join(", ") })
                .with("root", &root)
                .with("root path cost", cost)
                .with("bridge", &bridge)
                .with("port", format!("{port:#06x}"))
                .with("message age", seconds(27))
                .with("max age", seconds(29))
                .with("hello time", seconds(31))
                .with("forward delay", seconds(33));
            let mut brief = format!("STP, root {root}, cost {cost}, bridge {bridge}, port {port:#06x}");
            if !flags.is_empty() {
                brief += &format!(", {}", flags.join(", "));
            }
            found.push(unit.brief(brief));
        }
        _ => unread(Layer::DataLink, bpdu, at, found),
    }
}

/// Priority and address of a bridge (IEEE 802.1D 9.2.5).
fn bridge_id(bpdu: &[u8], at: usize) -> String {
    let mut address = [0; 6];
    address.copy_from_slice(&bpdu[at + 2..at + 8]);
    format!("{:#06x}/{}", word(bpdu, at).unwrap_or(0), Mac(address))
}

fn ppp(frame: &[u8], found: &mut Vec<Unit>) {
    let (Some(0xff03), Some(protocol)) = (word(frame, 0), word(frame, 2)) else {
        return unread(Layer::DataLink, frame, 0, found);
    };
    let name = match protocol {
        0x0021 => "IPv4",
        0x0057 => "IPv6",
        0x8021 => "IPCP",
        0x8057 => "IPV6CP",
        0xc021 => "LCP",
        0xc023 => "PAP",
        0xc025 => "link quality report",
        0xc223 => "CHAP",
        _ => "",
    };
    let unit = Unit::new(Layer::DataLink, "ppp", "PPP", "frame", (0, 4))
        .with("address", "0xff (all stations)")
        .with("control", "0x03 (unnumbered)")
        .with("protocol", format!("{protocol:#06x} {name}").trim_end());
    let payload = &frame[4..];
    if let 0x0021 | 0x0057 = protocol {
        found.push(unit);
        let ether_type = if protocol == 0x0021 { EtherType::IPV4 } else { EtherType::IPV6 };
        return carried(ether_type, payload, 4, found);
    }
    found.push(unit);
    let (Some(code), Some(id)) = (payload.first(), payload.get(1)) else { return };
    if name.is_empty() {
        return unread(Layer::DataLink, payload, 4, found);
    }
    // Codes of RFC 1661, section 5; PAP and CHAP number theirs otherwise.
    let codes = [
        "",
        "Configure-Request",
        "Configure-Ack",
        "Configure-Nak",
        "Configure-Reject",
        "Terminate-Request",
        "Terminate-Ack",
    ];
    let more = ["Code-Reject", "Protocol-Reject", "Echo-Request", "Echo-Reply", "Discard-Request"];
    let is_control = protocol == 0xc021 || protocol >> 8 == 0x80;
    let known = codes.iter().chain(&more).nth(usize::from(*code)).filter(|word| is_control && !word.is_empty());
    let what = known.map_or_else(|| format!("code {code}"), |word| (*word).to_owned());
    let (word, long_name) = match protocol {
        0xc021 => ("lcp", "LCP"),
        0x8021 => ("ipcp", "IPCP"),
        0x8057 => ("ipv6cp", "IPV6CP"),
        _ => ("ppp-control", name),
    };
    let unit = Unit::new(Layer::DataLink, word, long_name, "message", (4, payload.len()));
    found.push(
        unit.with("code", &what).with("identifier", id).brief(format!("{name}, {what}, id {id}, length {}", payload.len())),
    );
}

/// Cisco's HDLC: address, control 0, an Ethernet type; keepalives (SLARP) have type 0x8035.
fn hdlc(frame: &[u8], found: &mut Vec<Unit>) {
    let (Some([address @ (0x0f | 0x8f), 0]), Some(ether_type)) = (frame.get(..2), word(frame, 2)) else {
        return unread(Layer::DataLink, frame, 0, found);
    };
    let address = if *address == 0x0f { "0x0f (unicast)" } else { "0x8f (multicast)" };
    let name = if ether_type == 0x8035 { "SLARP".to_owned() } else { EtherType(ether_type).to_string() };
    found
        .push(Unit::new(Layer::DataLink, "hdlc", "Cisco HDLC", "frame", (0, 4)).with("address", address).with("type", name));
    let payload = &frame[4..];
    if ether_type != 0x8035 {
        return carried(EtherType(ether_type), payload, 4, found);
    }
    let unit = Unit::new(Layer::DataLink, "slarp", "SLARP", "message", (4, payload.len()));
    found.push(match (long(payload, 0), long(payload, 4), long(payload, 8)) {
        (Some(2), Some(mine), Some(yours)) => unit
            .with("type", "2 (keepalive)")
            .with("my sequence", mine)
            .with("your sequence", yours)
            .brief(format!("SLARP, keepalive, mine {mine}, yours {yours}")),
        (Some(kind @ (0 | 1)), Some(address), Some(mask)) => {
            let what = if kind == 0 { "request" } else { "reply" };
            let (address, mask) = (Ipv4Addr::from(address), Ipv4Addr::from(mask));
            unit.with("type", format!("{kind} ({what})"))
                .with("address", address)
                .with("mask", mask)
                .brief(format!("SLARP, {what}"))
        }
        _ => unit.brief("SLARP"),
    });
}
