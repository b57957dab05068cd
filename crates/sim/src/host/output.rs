//! The way of a packet out of the host: route, source address, header, fragments, next hop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::frame::FrameId;
use crate::link::Framing;
use crate::node::Context;
use crate::trace::{Reason, Verb};

use super::Host;
use super::interface::Own;
use super::link_layer;
use super::neighbor::send_to_mac;
use super::packet::seal_v4;

/// The interface of packets that a host sends to itself.
pub(crate) const LOOPBACK: u16 = u16::MAX;

/// The flag in the byte at 6 of an IPv4 header.
const DONT_FRAGMENT: u8 = 0x40;

/// A packet to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// From which own address; the host chooses if there is none.
    pub source: Option<IpAddr>,
    /// To whom.
    pub destination: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// Hops; the host's default if there is none.
    pub ttl: Option<u8>,
    /// Whether nobody may cut it.
    pub dont_fragment: bool,
    /// Whether only the host itself may cut it, where it is longer than the way takes (RFC 1191, 3: what finds the MTU of a
    /// path; Linux's `IP_PMTUDISC_WANT`).
    pub discovers_mtu: bool,
    /// The IPv4 type of service (RFC 791).
    pub service: u8,
    /// Whether routers on the way are to look into it (RFC 2113; of IPv4 only).
    pub router_alert: bool,
    /// Out of this interface, whatever the routes say.
    pub interface: Option<u16>,
    /// The frame that it answers.
    pub parent: FrameId,
    /// Bytes that its upper layer takes, as far as that is known: so much memory is taken at once.
    pub length: usize,
}

impl Outgoing {
    /// A packet with nothing special: a datagram of UDP finds the MTU of its path.
    pub fn new(protocol: u8, destination: IpAddr) -> Self {
        Self {
            source: None,
            destination,
            protocol,
            ttl: None,
            dont_fragment: false,
            discovers_mtu: protocol == wire::protocol::UDP,
            service: 0,
            router_alert: false,
            interface: None,
            parent: FrameId::NONE,
            length: 64,
        }
    }
}

/// Why a host cannot send a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// No route fits the destination.
    NoRoute,
    /// The interface has no address of the destination's family.
    NoAddress,
    /// It is longer than this and must not be cut, bytes.
    TooLong(u32),
}

/// Where a packet goes next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub interface: u16,
    pub next_hop: IpAddr,
}

impl Host {
    pub(crate) fn path(&self, destination: IpAddr, interface: Option<u16>) -> Option<Path> {
        if let Some(interface) = interface {
            // Its own routes, if it has any that fit; else whoever it is must be on the link, as everybody and groups always are.
            let is_for_one = !self.is_for_many(destination);
            let fits = |route: &&super::route::Route| is_for_one && route.interface == interface && route.destination.contains(&destination);
            let route = self.routes.iter().find(fits);
            let next_hop = route.and_then(|route| route.via).unwrap_or(destination);
            let is_there = usize::from(interface) < self.interfaces.len();
            return is_there.then_some(Path { interface, next_hop });
        }
        // For everybody and for groups no route is asked; of itself and of nobody there is none on a link (RFC 1122, 3.2.1.3).
        let is_limited = matches!(destination, IpAddr::V4(address) if address.is_broadcast()) || destination.is_multicast();
        if destination.is_loopback() || destination.is_unspecified() {
            return None;
        }
        if is_limited && !self.interfaces.is_empty() {
            return Some(Path { interface: 0, next_hop: destination });
        }
        match self.routes.find(destination) {
            Some(route) => Some(Path { interface: route.interface, next_hop: route.via.unwrap_or(destination) }),
            // For all on this link, and groups on it, there need be no route.
            None if self.is_for_many(destination) && !self.interfaces.is_empty() => {
                Some(Path { interface: 0, next_hop: destination })
            }
            None => None,
        }
    }

    /// Whether a packet to this address stays in the host: an own address, or one of the loopback (RFC 1122, 3.2.1.3 (g)).
    pub(crate) fn is_itself(&self, destination: IpAddr) -> bool {
        destination.is_loopback() || matches!(self.locals.find(destination), Some((Own::Unicast, _)))
    }

    /// Whether a packet to this address goes to everybody or a group on a link.
    pub(crate) fn is_for_many(&self, destination: IpAddr) -> bool {
        is_group(destination) || destination.is_ipv4() && matches!(self.locals.find(destination), Some((Own::Broadcast, _)))
    }

    /// Longest packet out of an interface, bytes.
    pub(crate) fn mtu(&self, context: &Context<'_>, interface: u16) -> u32 {
        self.link(context, interface).1
    }

    /// How the link at an interface frames, and the longest packet out of it, bytes.
    #[inline]
    pub(crate) fn link(&self, context: &Context<'_>, interface: u16) -> (Framing, u32) {
        match self.interfaces.get(interface as usize).map(|interface| interface.mtu) {
            None => (Framing::Ethernet, 65_536),
            Some(own) => {
                let (framing, mtu) = context.link(interface);
                (framing, if own == 0 { mtu } else { own })
            }
        }
    }

    /// The address that the host sends from to a destination.
    pub fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        if self.is_itself(destination) {
            return Some(destination);
        }
        let path = self.path(destination, None)?;
        self.speaks_as(path, destination)
    }

    /// The address that the host sends from to a destination by a path: the interface's, else, as an unnumbered line has none,
    /// another interface's (RFC 1812 4.3.2.4).
    pub(crate) fn speaks_as(&self, path: Path, destination: IpAddr) -> Option<IpAddr> {
        let own = self.interfaces.get(path.interface as usize)?.source_by(path.next_hop, destination);
        let other = || self.interfaces.iter().find_map(|interface| interface.source_by(path.next_hop, destination));
        own.or_else(|| other().filter(IpAddr::is_ipv4))
    }

    /// Sends a packet whose upper layer `write` appends, given the addresses that checksums are over.
    pub(crate) fn send_packet(
        &mut self,
        context: &mut Context<'_>,
        packet: &Outgoing,
        write: impl FnOnce(IpAddr, IpAddr, &mut Vec<u8>),
    ) -> Result<(), SendError> {
        let destination = packet.destination;
        let (path, source) = self.way(packet)?;
        let is_own = path.interface == LOOPBACK;
        let (framing, limit) = self.link(context, path.interface);
        let own_mac = self.interfaces.get(path.interface as usize).map(|interface| interface.mac).unwrap_or_default();
        // Nearly always: whom the frame is for is known before it is written.
        let is_ethernet = framing == Framing::Ethernet && !is_own;
        let mac = is_ethernet.then(|| self.mac_of(context.now(), path.interface, path.next_hop)).flatten();
        self.identification = self.identification.wrapping_add(1);
        let (ttl, id) = (packet.ttl.unwrap_or(self.ttl), self.identification);
        let start = link_layer::length(framing);
        let frame = context.make(packet.parent, |out| {
            out.reserve(start + 40 + packet.length);
            link_layer::emit(framing, (own_mac, mac.unwrap_or_default()), destination.is_ipv4(), out);
            match (source, destination) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => emit_v4(packet, (source, destination), ttl, id, out),
                (IpAddr::V6(source), IpAddr::V6(destination)) => emit_v6(packet, (source, destination), ttl, out),
                _ => {}
            }
            write(source, destination, out);
            finish(out, start);
        });
        self.counters.sent += 1;
        self.note_sent(context, frame, start);
        if is_own {
            self.loopback.push_back(frame);
            return Ok(());
        }
        let length = (context.bytes(frame).len() - start) as u32;
        let limit = limit.min(self.path_mtu(destination, context.now()));
        if length > limit {
            if packet.dont_fragment {
                context.trace(path.interface, Verb::Drop, Reason::FragmentationNeeded, frame);
                context.release(frame);
                return Err(SendError::TooLong(limit));
            }
            if packet.discovers_mtu && destination.is_ipv4() {
                let bytes = context.bytes_mut(frame);
                bytes[start + 6] &= !DONT_FRAGMENT;
                seal_v4(bytes, start);
            }
            self.send_in_pieces(context, path, frame, start, limit);
            return Ok(());
        }
        match mac {
            Some(_) => context.send(path.interface, frame),
            None => self.send_on_link(context, path, framing, frame),
        }
        Ok(())
    }

    /// Cuts an own frame and sends the pieces.
    pub(crate) fn send_in_pieces(
        &mut self,
        context: &mut Context<'_>,
        path: Path,
        frame: FrameId,
        start: usize,
        limit: u32,
    ) {
        context.trace(path.interface, Verb::Fragment, Reason::Fragmented, frame);
        self.identification = self.identification.wrapping_add(1);
        let framing = context.framing(path.interface);
        for piece in super::fragment::cut(context, frame, start, limit, u32::from(self.identification)) {
            self.counters.fragmented += 1;
            self.send_on_link(context, path, framing, piece);
        }
        context.release(frame);
    }

    /// Sends an own frame that is complete but for the receiver's Ethernet address.
    pub(crate) fn send_on_link(&mut self, context: &mut Context<'_>, path: Path, framing: Framing, frame: FrameId) {
        if framing != Framing::Ethernet {
            return context.send(path.interface, frame);
        }
        // Who is known as a neighbour is nobody's broadcast address: nearly always one look is enough.
        let place = self.neighbors.find(path.interface, path.next_hop);
        if place.is_ok() || !self.is_for_many(path.next_hop) {
            return self.send_to_neighbor(context, path.interface, path.next_hop, place, frame);
        }
        send_to_mac(context, path.interface, link_layer::group_mac(path.next_hop), frame);
    }
}

/// Whether an address stands for many on every link.
pub(crate) fn is_group(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

fn emit_v4(packet: &Outgoing, (source, destination): (Ipv4Addr, Ipv4Addr), ttl: u8, id: u16, out: &mut Vec<u8>) {
    let [high, low] = id.to_be_bytes();
    let flags = if packet.dont_fragment || packet.discovers_mtu { DONT_FRAGMENT } else { 0 };
    let length = if packet.router_alert { 0x46 } else { 0x45 };
    let mut header = [length, packet.service, 0, 0, high, low, flags, 0, ttl, packet.protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[12..16].copy_from_slice(&source.octets());
    header[16..].copy_from_slice(&destination.octets());
    out.extend_from_slice(&header);
    if packet.router_alert {
        out.extend_from_slice(&wire::ROUTER_ALERT);
    }
}

fn emit_v6(packet: &Outgoing, (source, destination): (Ipv6Addr, Ipv6Addr), ttl: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x60, 0, 0, 0, 0, 0, packet.protocol, ttl]);
    out.extend_from_slice(&source.octets());
    out.extend_from_slice(&destination.octets());
}

/// Fills in the length and the checksum of the header. A payload beyond what the field holds is cut.
fn finish(out: &mut Vec<u8>, start: usize) {
    match out.get(start).map(|first| first >> 4) {
        Some(4) => {
            out.truncate(start + usize::from(u16::MAX));
            let length = (out.len() - start) as u16;
            out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
            seal_v4(out, start);
        }
        Some(6) => {
            out.truncate(start + 40 + usize::from(u16::MAX));
            let length = (out.len() - start - 40) as u16;
            out[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
        }
        _ => {}
    }
}
