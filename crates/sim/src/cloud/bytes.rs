//! Between bytes and what stages look at: a frame's IP packet as a [`fabric::Packet`], and a translated header back into the
//! bytes, checksums kept right as they change (RFC 1624).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fabric::packet::icmp;
use fabric::{Header, Packet, Segment, Transport};
use wire::{checksum, protocol};

/// Bytes of an Ethernet header without a tag.
pub const ETHERNET: usize = 14;

/// An IP packet in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// As the stages see it. Of a later fragment the ports are not there: [`Transport::Other`].
    pub packet: Packet,
    /// What its fragments share, if it is one.
    pub fragment: Option<Fragment>,
}

/// A fragment of an IPv4 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The same for all of them.
    pub identification: u16,
    /// Whether the transport header is in it.
    pub is_first: bool,
}

/// Reads the IP packet of a frame; `None` for what is none or is malformed.
pub fn read(frame: &[u8]) -> Option<Read> {
    let ip = frame.get(ETHERNET..)?;
    match (u16_at(frame, 12)?, ip.first()? >> 4) {
        (0x0800, 4) => read_v4(ip),
        (0x86dd, 6) => read_v6(ip),
        _ => None,
    }
}

fn read_v4(ip: &[u8]) -> Option<Read> {
    let header_length = usize::from(ip[0] & 0xf) * 4;
    let length = usize::from(u16_at(ip, 2)?);
    if header_length < 20 || length < header_length || ip.len() < length {
        return None;
    }
    let (source, destination) = (v4_at(ip, 12)?, v4_at(ip, 16)?);
    let flags = u16_at(ip, 6)?;
    let (is_first, is_fragment) = (flags & 0x1fff == 0, flags & 0x3fff != 0);
    let protocol = ip[9];
    let transport = match is_first {
        true => transport_v4(protocol, &ip[header_length..length], false)?,
        false => Transport::Other { protocol },
    };
    let header = Header { source: source.into(), destination: destination.into(), transport };
    let packet = Packet {
        header,
        ttl: ip[8],
        length: length as u32,
        dont_fragment: flags & 0x4000 != 0,
        fragmented: is_fragment,
    };
    let fragment = is_fragment.then_some(Fragment { identification: u16_at(ip, 4)?, is_first });
    Some(Read { packet, fragment })
}

fn read_v6(ip: &[u8]) -> Option<Read> {
    let payload = usize::from(u16_at(ip, 4)?);
    let (source, destination) = (v6_at(ip, 8)?, v6_at(ip, 24)?);
    let body = ip.get(40..40 + payload)?;
    let transport = transport_v6(ip[6], body, false)?;
    let header = Header { source: source.into(), destination: destination.into(), transport };
    let length = (40 + payload) as u32;
    Some(Read { packet: Packet { header, ttl: ip[7], length, dont_fragment: true, fragmented: false }, fragment: None })
}

/// `quoted`: only the first eight bytes need be there (RFC 792).
fn transport_v4(number: u8, body: &[u8], quoted: bool) -> Option<Transport> {
    match number {
        protocol::ICMP => {
            let (icmp_type, code) = (*body.first()?, *body.get(1)?);
            match icmp_type {
                icmp::UNREACHABLE | 4 | 5 | icmp::TIME_EXCEEDED | 12 if !quoted => {
                    let needs_mtu = (icmp_type, code) == (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED);
                    let mtu = if needs_mtu { u16_at(body, 6) } else { None };
                    let quoted = Box::new(quoted_v4(body.get(8..)?)?);
                    Some(Transport::IcmpError { icmp_type, code, mtu, quoted })
                }
                _ => Some(Transport::Icmp { icmp_type, code, identifier: u16_at(body, 4)? }),
            }
        }
        _ => ports(number, body, quoted),
    }
}

fn transport_v6(number: u8, body: &[u8], quoted: bool) -> Option<Transport> {
    match number {
        protocol::ICMPV6 => {
            let (icmp_type, code) = (*body.first()?, *body.get(1)?);
            if icmp_type < 128 && !quoted {
                let needs_mtu = icmp_type == icmp::V6_PACKET_TOO_BIG;
                let mtu = if needs_mtu { u16_at(body, 6) } else { None };
                let quoted = Box::new(quoted_v6(body.get(8..)?)?);
                return Some(Transport::IcmpError { icmp_type, code, mtu, quoted });
            }
            Some(Transport::Icmp { icmp_type, code, identifier: u16_at(body, 4)? })
        }
        _ => ports(number, body, quoted),
    }
}

fn ports(number: u8, body: &[u8], quoted: bool) -> Option<Transport> {
    Some(match number {
        protocol::TCP => {
            let flags = match body.get(13) {
                Some(flags) => *flags,
                None if quoted => 0x10,
                None => return None,
            };
            let segment = match flags {
                flags if flags & 0x04 != 0 => Segment::Rst,
                flags if flags & 0x12 == 0x12 => Segment::SynAck,
                flags if flags & 0x02 != 0 => Segment::Syn,
                _ => Segment::Ack,
            };
            Transport::Tcp { source_port: u16_at(body, 0)?, destination_port: u16_at(body, 2)?, segment }
        }
        protocol::UDP => Transport::Udp { source_port: u16_at(body, 0)?, destination_port: u16_at(body, 2)? },
        protocol => Transport::Other { protocol },
    })
}

fn quoted_v4(ip: &[u8]) -> Option<Header> {
    let header_length = usize::from(ip.first()? & 0xf) * 4;
    let transport = transport_v4(*ip.get(9)?, ip.get(header_length..)?, true)?;
    Some(Header { source: v4_at(ip, 12)?.into(), destination: v4_at(ip, 16)?.into(), transport })
}

fn quoted_v6(ip: &[u8]) -> Option<Header> {
    let transport = transport_v6(*ip.get(6)?, ip.get(40..)?, true)?;
    Some(Header { source: v6_at(ip, 8)?.into(), destination: v6_at(ip, 24)?.into(), transport })
}

/// Writes what changed of a header into the IP packet of a frame. Addresses, ports and ICMP identifiers change, of the
/// packet and of what it quotes; nothing else does.
pub fn translate(frame: &mut [u8], from: &Header, to: &Header) {
    let Some(ip) = frame.get_mut(ETHERNET..) else { return };
    let is_error = from.quoted().is_some();
    change(ip, from, to);
    let (Some(old), Some(new), true) = (from.quoted(), to.quoted(), is_error) else { return };
    let header_length = if ip[0] >> 4 == 4 { usize::from(ip[0] & 0xf) * 4 } else { 40 };
    let length = ip.len();
    if let Some(quoted) = ip.get_mut(header_length + 8..length) {
        change(quoted, old, new);
    }
    // The message's own checksum covers what it quotes.
    if ip[0] >> 4 == 4 {
        let end = usize::from(u16::from_be_bytes([ip[2], ip[3]])).min(length);
        ip[header_length + 2..header_length + 4].fill(0);
        let sum = checksum::of(&ip[header_length..end]);
        ip[header_length + 2..header_length + 4].copy_from_slice(&sum.to_be_bytes());
    }
}

fn change(ip: &mut [u8], from: &Header, to: &Header) {
    let is_v4 = ip[0] >> 4 == 4;
    let header_length = if is_v4 { usize::from(ip[0] & 0xf) * 4 } else { 40 };
    let (source_at, destination_at) = if is_v4 { (12, 16) } else { (8, 24) };
    let number = if is_v4 { ip[9] } else { ip[6] };
    let is_later = is_v4 && u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff != 0;
    // Where the transport's checksum lies, and whether addresses are part of it (the pseudo header).
    let (sum_at, covers_addresses) = match number {
        _ if is_later => (None, false),
        protocol::TCP => (Some(header_length + 16), true),
        protocol::UDP => (Some(header_length + 6), true),
        protocol::ICMP => (Some(header_length + 2), false),
        protocol::ICMPV6 => (Some(header_length + 2), true),
        _ => (None, false),
    };
    let sum_at = sum_at.filter(|at| ip.len() >= at + 2);
    // A UDP datagram over IPv4 may carry no checksum.
    let sum_at = sum_at.filter(|at| !(number == protocol::UDP && is_v4 && ip[*at..at + 2] == [0, 0]));
    let header_sum = is_v4.then_some(10);
    for (at, new) in [(source_at, to.source), (destination_at, to.destination)] {
        match new {
            IpAddr::V4(new) if is_v4 => set(ip, at, &new.octets(), [header_sum, sum_at.filter(|_| covers_addresses)]),
            IpAddr::V6(new) if !is_v4 => set(ip, at, &new.octets(), [None, sum_at.filter(|_| covers_addresses)]),
            _ => {}
        }
    }
    if is_later {
        return;
    }
    match (&from.transport, &to.transport) {
        (Transport::Tcp { .. } | Transport::Udp { .. }, Transport::Tcp { source_port, destination_port, .. })
        | (Transport::Tcp { .. } | Transport::Udp { .. }, Transport::Udp { source_port, destination_port }) => {
            set(ip, header_length, &source_port.to_be_bytes(), [None, sum_at]);
            set(ip, header_length + 2, &destination_port.to_be_bytes(), [None, sum_at]);
        }
        (Transport::Icmp { .. }, Transport::Icmp { identifier, .. }) => {
            set(ip, header_length + 4, &identifier.to_be_bytes(), [None, sum_at]);
        }
        _ => {}
    }
}

/// Writes bytes, an even number at an even place, and keeps the checksums at `sums` right.
fn set(ip: &mut [u8], at: usize, new: &[u8], sums: [Option<usize>; 2]) {
    if ip.len() < at + new.len() {
        return;
    }
    for (index, word) in new.chunks_exact(2).enumerate() {
        let place = at + 2 * index;
        let (old, new) = (u16::from_be_bytes([ip[place], ip[place + 1]]), u16::from_be_bytes([word[0], word[1]]));
        ip[place..place + 2].copy_from_slice(word);
        for sum in sums.into_iter().flatten() {
            let updated = checksum::update(u16::from_be_bytes([ip[sum], ip[sum + 1]]), old, new);
            ip[sum..sum + 2].copy_from_slice(&updated.to_be_bytes());
        }
    }
}

/// Takes one from the time to live of the IP packet in a frame.
pub fn count_hop(frame: &mut [u8]) {
    let ip = &mut frame[ETHERNET..];
    if ip[0] >> 4 == 4 {
        let word = [ip[8] - 1, ip[9]];
        set(ip, 8, &word, [Some(10), None]);
    } else {
        ip[7] -= 1;
    }
}

/// Lowers the largest segment size that a SYN over IPv4 announces to `most`.
pub fn clamp_segment_size(frame: &mut [u8], most: u16) {
    let ip = &mut frame[ETHERNET..];
    let header_length = usize::from(ip[0] & 0xf) * 4;
    if ip[0] >> 4 != 4 || ip[9] != protocol::TCP || u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff != 0 {
        return;
    }
    let Some(flags) = ip.get(header_length + 13) else { return };
    let end = header_length + ip.get(header_length + 12).map_or(0, |offset| usize::from(offset >> 4) * 4);
    if flags & 0x02 == 0 || end > ip.len() {
        return;
    }
    let mut at = header_length + 20;
    while at + 4 <= end {
        match (ip[at], ip[at + 1]) {
            (0, _) => return,
            (1, _) => at += 1,
            (2, 4) => {
                let value = u16::from_be_bytes([ip[at + 2], ip[at + 3]]);
                // The option may begin at an odd byte; checksums count words, so the sum is taken anew there.
                if value > most {
                    ip[at + 2..at + 4].copy_from_slice(&most.to_be_bytes());
                    renew_checksum(ip, header_length);
                }
                return;
            }
            (_, length) => at += usize::from(length).max(2),
        }
    }
}

/// The checksum of a whole TCP segment over IPv4.
fn renew_checksum(ip: &mut [u8], header_length: usize) {
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]])).min(ip.len());
    let (Some(source), Some(destination)) = (v4_at(ip, 12), v4_at(ip, 16)) else { return };
    ip[header_length + 16..header_length + 18].fill(0);
    let segment = &ip[header_length..total];
    let sum = checksum::Sum::new().pseudo_header(source.into(), destination.into(), protocol::TCP, segment.len());
    let sum = sum.with(segment).finish();
    ip[header_length + 16..header_length + 18].copy_from_slice(&sum.to_be_bytes());
}

/// Writes the two addresses of a frame.
pub fn address(frame: &mut [u8], destination: [u8; 6], source: [u8; 6]) {
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&source);
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn v4_at(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(octets.into())
}

fn v6_at(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(octets.into())
}
