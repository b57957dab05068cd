//! Segments of TCP (RFC 9293) and datagrams of UDP (RFC 768), and the socket pair they belong to.

use std::net::SocketAddr;

use wire::tcp::{Flags, TcpOption};
use wire::{Tcp, Udp};

use super::network::Around;
use super::{Unit, application, unread, word};
use crate::trace::Layer;

pub(super) fn tcp(around: Around, bytes: &[u8], at: usize, whole: bool, found: &mut Vec<Unit>) {
    let Ok((tcp, data)) = Tcp::parse(bytes) else { return unread(Layer::Transport, bytes, at, found) };
    let length = usize::from(bytes[12] >> 4) * 4;
    let mut unit = Unit::new(Layer::Transport, "tcp", "TCP", "segment", (at, length))
        .with("source port", port(around.protocol, tcp.source_port))
        .with("destination port", port(around.protocol, tcp.destination_port))
        .with("sequence", tcp.sequence)
        .with("acknowledgement", tcp.acknowledgement)
        .with("flags", flags(tcp.flags))
        .with("window", tcp.window);
    if whole {
        unit = unit.with("checksum", around.checksum(bytes, 16));
    }
    if !tcp.options.is_empty() {
        unit = unit.with("options", tcp.options.iter().map(option).collect::<Vec<_>>().join(", "));
    }
    found.push(unit);
    session(around, tcp.source_port, tcp.destination_port, at, found);
    application::read(around.protocol, (tcp.source_port, tcp.destination_port), data, at + length, found);
}

pub(super) fn udp(around: Around, bytes: &[u8], at: usize, whole: bool, found: &mut Vec<Unit>) {
    let Ok((udp, data)) = Udp::parse(bytes) else { return unread(Layer::Transport, bytes, at, found) };
    let mut unit = Unit::new(Layer::Transport, "udp", "UDP", "datagram", (at, Udp::LENGTH))
        .with("source port", port(around.protocol, udp.source_port))
        .with("destination port", port(around.protocol, udp.destination_port))
        .with("length", word(bytes, 4).unwrap_or(0));
    if whole {
        let sum = match word(bytes, 6) {
            Some(0) if around.source.is_ipv4() => "0x0000 (none)".to_owned(),
            // Behind the datagram there may be bytes that do not belong to it.
            _ => around.checksum(&bytes[..Udp::LENGTH + data.len()], 6),
        };
        unit = unit.with("checksum", sum);
    }
    found.push(unit);
    session(around, udp.source_port, udp.destination_port, at, found);
    application::read(around.protocol, (udp.source_port, udp.destination_port), data, at + Udp::LENGTH, found);
}

/// `80 (http)`.
fn port(protocol: u8, number: u16) -> String {
    match model::service::at(protocol, number) {
        Some(service) => format!("{number} ({})", service.name),
        None => number.to_string(),
    }
}

fn flags(flags: Flags) -> String {
    let all = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::ACK, "ACK"),
        (Flags::URG, "URG"),
        (Flags::ECE, "ECE"),
        (Flags::CWR, "CWR"),
    ];
    let set: Vec<&str> = all.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" ") }
}

fn option(option: &TcpOption) -> String {
    match option {
        TcpOption::MaximumSegmentSize(size) => format!("MSS {size}"),
        TcpOption::WindowScale(shift) => format!("window scale {shift}"),
        TcpOption::SackPermitted => "SACK permitted".to_owned(),
        TcpOption::Sack(blocks) => {
            let blocks: Vec<String> = blocks.iter().map(|(from, to)| format!("{from}-{to}")).collect();
            format!("SACK {}", blocks.join(" "))
        }
        TcpOption::Timestamps(value, echo) => format!("timestamps {value} {echo}"),
        TcpOption::Other(kind, _) => format!("option {kind}"),
    }
}

/// Layer 5 has no header of its own here: it is who talks to whom.
fn session(around: Around, source_port: u16, destination_port: u16, at: usize, found: &mut Vec<Unit>) {
    let pair = [SocketAddr::new(around.source, source_port), SocketAddr::new(around.destination, destination_port)];
    let unit = Unit::new(Layer::Session, "socket", "socket pair", "data", (at, 0)).with("from", pair[0]).with("to", pair[1]);
    found.push(unit);
}
