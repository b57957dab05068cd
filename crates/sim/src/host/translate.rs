//! Rewriting addresses and ports in packets, the packets that ICMP errors quote included, with their checksums (RFC 1624,
//! RFC 5508).

use std::net::{IpAddr, Ipv4Addr};

use wire::{checksum, protocol};

use crate::frame::FrameId;
use crate::node::Context;

use super::packet::{Packet, seal_v4, word};
use super::streams::Flow;

/// From where a packet comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Its source is the host inside.
    Inside,
    /// Its destination is what stands for the host inside.
    Outside,
}

/// The flow that a packet belongs to: `local` is the host inside, or what stands for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Belongs {
    pub protocol: u8,
    pub flow: Flow,
    /// Flags of TCP.
    pub flags: u8,
    /// It is an ICMP error, and the flow is that of the packet that it quotes.
    pub is_error: bool,
}

fn v4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

/// Ports of both directions: of an echo its identifier stands for the port of who asks.
fn ports(bytes: &[u8], number: u8, upper: usize) -> Option<(u16, u16)> {
    match number {
        protocol::TCP | protocol::UDP => Some((word(bytes, upper), word(bytes, upper + 2))),
        protocol::ICMP => {
            let kind = *bytes.get(upper)?;
            let id = word(bytes, upper + 4);
            match kind {
                8 | 13 | 15 | 17 => Some((id, 0)),
                0 | 14 | 16 | 18 => Some((0, id)),
                _ => None,
            }
        }
        _ => Some((0, 0)),
    }
}

/// Which flow an IPv4 packet belongs to, seen from a side.
pub(crate) fn flow_of(bytes: &[u8], packet: &Packet, side: Side) -> Option<Belongs> {
    let is_error = packet.protocol == protocol::ICMP && matches!(bytes.get(packet.upper), Some(3 | 4 | 5 | 11 | 12));
    if is_error {
        let quoted = packet.upper + 8;
        let upper = quoted + usize::from(bytes.get(quoted)? & 15) * 4;
        let number = *bytes.get(quoted + 9)?;
        let (source, destination) = (v4(bytes, quoted + 12)?, v4(bytes, quoted + 16)?);
        let (source_port, destination_port) = ports(bytes, number, upper)?;
        // The quoted packet went the other way.
        let flow = match side {
            Side::Inside => Flow { local: destination, port: destination_port, remote: source, remote_port: source_port },
            Side::Outside => Flow { local: source, port: source_port, remote: destination, remote_port: destination_port },
        };
        return Some(Belongs { protocol: number, flow, flags: 0, is_error });
    }
    let (source_port, destination_port) = ports(bytes, packet.protocol, packet.upper)?;
    let flow = match side {
        Side::Inside => {
            Flow { local: packet.source, port: source_port, remote: packet.destination, remote_port: destination_port }
        }
        Side::Outside => {
            Flow { local: packet.destination, port: destination_port, remote: packet.source, remote_port: source_port }
        }
    };
    let flags = if packet.protocol == protocol::TCP { bytes.get(packet.upper + 13).copied().unwrap_or(0) } else { 0 };
    Some(Belongs { protocol: packet.protocol, flow, flags, is_error })
}

/// The packet with `to` in the place of its flow's local end, as a frame of the node's own.
pub(crate) fn rewrite(
    context: &mut Context<'_>,
    frame: FrameId,
    packet: &Packet,
    belongs: &Belongs,
    side: Side,
    to: &Flow,
) -> FrameId {
    let packet = *packet;
    let bytes = context.bytes(frame).to_vec();
    context.make(frame, |out| {
        out.extend_from_slice(&bytes);
        let is_source = side == Side::Inside;
        if !belongs.is_error {
            return replace(out, packet.start, packet.end, is_source, to);
        }
        // The outer address: of a router on the way, it is not that of the flow, and goes out under the outer one.
        address(out, packet.start, is_source, to.local);
        seal_v4(out, packet.start);
        let quoted = packet.upper + 8;
        replace(out, quoted, packet.end, !is_source, to);
        out[packet.upper + 2..packet.upper + 4].copy_from_slice(&[0, 0]);
        let sum = checksum::of(&out[packet.upper..packet.end]);
        out[packet.upper + 2..packet.upper + 4].copy_from_slice(&sum.to_be_bytes());
    })
}

fn address(bytes: &mut [u8], start: usize, is_source: bool, to: IpAddr) {
    let at = start + if is_source { 12 } else { 16 };
    if let IpAddr::V4(to) = to {
        bytes[at..at + 4].copy_from_slice(&to.octets());
    }
}

/// Replaces one end of a packet that may have been cut by a quotation.
fn replace(bytes: &mut [u8], start: usize, end: usize, is_source: bool, to: &Flow) {
    let IpAddr::V4(new) = to.local else { return };
    let (number, upper) = (bytes[start + 9], start + usize::from(bytes[start] & 15) * 4);
    let at = start + if is_source { 12 } else { 16 };
    let old = [word(bytes, at), word(bytes, at + 2)];
    let new = new.octets();
    let new = [u16::from_be_bytes([new[0], new[1]]), u16::from_be_bytes([new[2], new[3]])];
    let port_at = match number {
        protocol::TCP | protocol::UDP => Some(upper + if is_source { 0 } else { 2 }),
        protocol::ICMP => Some(upper + 4),
        _ => None,
    };
    let sum_at = match number {
        protocol::TCP => Some(upper + 16),
        protocol::UDP => Some(upper + 6),
        protocol::ICMP => Some(upper + 2),
        _ => None,
    };
    let header_sum = word(bytes, start + 10);
    let mut sums = [header_sum, sum_at.map_or(0, |at| word(bytes, at))];
    for (old, new) in old.into_iter().zip(new) {
        sums[0] = checksum::update(sums[0], old, new);
        // The addresses are part of what TCP and UDP sum, not of what ICMP does.
        if number != protocol::ICMP {
            sums[1] = checksum::update(sums[1], old, new);
        }
    }
    if let Some(at) = port_at.filter(|at| at + 2 <= end) {
        sums[1] = checksum::update(sums[1], word(bytes, at), to.port);
        bytes[at..at + 2].copy_from_slice(&to.port.to_be_bytes());
    }
    address(bytes, start, is_source, to.local);
    bytes[start + 10..start + 12].copy_from_slice(&sums[0].to_be_bytes());
    if let Some(at) = sum_at.filter(|at| at + 2 <= end) {
        // UDP without a checksum stays without one, and none becomes zero (RFC 768).
        let has_none = number == protocol::UDP && word(bytes, at) == 0;
        let sum = if number == protocol::UDP && sums[1] == 0 { 0xffff } else { sums[1] };
        if !has_none {
            bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
    }
}
