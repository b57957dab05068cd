//! A packet read in place: where its parts lie in a frame, and what decides about it. IPv4 (RFC 791) and IPv6 (RFC 8200).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::checksum;

use crate::trace::Reason;

/// A piece of a packet that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The same in all pieces.
    pub id: u32,
    /// Where it belongs, bytes.
    pub offset: u32,
    /// Not the last one.
    pub more: bool,
    /// Where in the frame its bytes begin.
    pub at: usize,
    /// What the whole is, by the fragment header or the IPv4 header.
    pub protocol: u8,
}

/// A packet in a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// What is behind all headers of IP.
    pub protocol: u8,
    pub ttl: u8,
    pub dont_fragment: bool,
    /// Where the header begins.
    pub start: usize,
    /// Where the upper layer begins.
    pub upper: usize,
    /// Where the packet ends.
    pub end: usize,
    pub piece: Option<Piece>,
    /// The frame was for many.
    pub to_group: bool,
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
}

pub(crate) fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) << 16 | u32::from(word(bytes, at + 2))
}

fn octets<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}

impl Packet {
    /// Reads the packet that begins at `start`, and judges its header.
    #[inline(always)]
    pub fn read(bytes: &[u8], start: usize) -> Result<Self, Reason> {
        match bytes.get(start).map(|first| first >> 4) {
            Some(4) => Self::read_v4(bytes, start),
            Some(6) => Self::read_v6(bytes, start),
            _ => Err(Reason::MalformedPacket),
        }
    }

    #[inline(always)]
    fn read_v4(bytes: &[u8], start: usize) -> Result<Self, Reason> {
        let header = usize::from(bytes[start] & 15) * 4;
        if header < 20 || bytes.len() < start + header {
            return Err(Reason::MalformedPacket);
        }
        let end = start + usize::from(word(bytes, start + 2));
        if end < start + header || end > bytes.len() {
            return Err(Reason::MalformedPacket);
        }
        if header_sum(&bytes[start..start + header]) != 0 {
            return Err(Reason::HeaderChecksum);
        }
        let (flags, upper, protocol) = (word(bytes, start + 6), start + header, bytes[start + 9]);
        let piece = (flags & 0x3fff != 0).then(|| Piece {
            id: u32::from(word(bytes, start + 4)),
            offset: u32::from(flags & 0x1fff) * 8,
            more: flags & 0x2000 != 0,
            at: upper,
            protocol,
        });
        Ok(Self {
            source: Ipv4Addr::from(octets::<4>(bytes, start + 12)).into(),
            destination: Ipv4Addr::from(octets::<4>(bytes, start + 16)).into(),
            protocol,
            ttl: bytes[start + 8],
            dont_fragment: flags & 0x4000 != 0,
            start,
            upper,
            end,
            piece,
            to_group: false,
        })
    }

    #[inline(never)]
    fn read_v6(bytes: &[u8], start: usize) -> Result<Self, Reason> {
        if bytes.len() < start + 40 {
            return Err(Reason::MalformedPacket);
        }
        let end = start + 40 + usize::from(word(bytes, start + 4));
        if end > bytes.len() {
            return Err(Reason::MalformedPacket);
        }
        let mut packet = Self {
            source: Ipv6Addr::from(octets::<16>(bytes, start + 8)).into(),
            destination: Ipv6Addr::from(octets::<16>(bytes, start + 24)).into(),
            protocol: bytes[start + 6],
            ttl: bytes[start + 7],
            dont_fragment: true,
            start,
            upper: start + 40,
            end,
            piece: None,
            to_group: false,
        };
        // Every header takes at least 8 bytes, so this ends.
        loop {
            let length = match packet.protocol {
                // Hop-by-hop options, routing, destination options.
                0 | 43 | 60 => (usize::from(*bytes.get(packet.upper + 1).ok_or(Reason::MalformedPacket)?) + 1) * 8,
                44 => 8,
                _ => return Ok(packet),
            };
            let next = packet.upper + length;
            if next > end {
                return Err(Reason::MalformedPacket);
            }
            let protocol = bytes[packet.upper];
            if packet.protocol == 44 {
                let field = word(bytes, packet.upper + 2);
                let id = long(bytes, packet.upper + 4);
                let (offset, more) = (u32::from(field & !7), field & 1 != 0);
                // An atomic fragment (RFC 6946) is a whole packet.
                if offset != 0 || more {
                    packet.piece = Some(Piece { id, offset, more, at: next, protocol });
                }
            }
            (packet.protocol, packet.upper) = (protocol, next);
            if packet.is_later_piece() {
                return Ok(packet);
            }
        }
    }

    /// Whether it is a piece other than the first, so that its bytes do not begin with a transport header.
    pub fn is_later_piece(&self) -> bool {
        self.piece.is_some_and(|piece| piece.offset > 0)
    }

    pub fn is_v4(&self) -> bool {
        self.destination.is_ipv4()
    }

    /// Whether its upper layer may be read: source and destination port, or what stands there.
    pub fn ports(&self, bytes: &[u8]) -> (u16, u16) {
        if self.is_later_piece() || self.upper + 4 > self.end {
            return (0, 0);
        }
        (word(bytes, self.upper), word(bytes, self.upper + 2))
    }
}

/// Whether an address may stand for one host.
pub(crate) fn is_single(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_multicast() && !address.is_broadcast() && address.octets()[0] != 0,
        IpAddr::V6(address) => !address.is_multicast() && !address.is_unspecified(),
    }
}

/// Takes one from the TTL and keeps the checksum right (RFC 1624).
pub(crate) fn count_hop(bytes: &mut [u8], start: usize) {
    if bytes[start] >> 4 == 6 {
        bytes[start + 7] -= 1;
        return;
    }
    let old = word(bytes, start + 8);
    let sum = checksum::update(word(bytes, start + 10), old, old - 0x100);
    bytes[start + 8] -= 1;
    bytes[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
}

/// Writes the checksum of an IPv4 header.
pub(crate) fn seal_v4(bytes: &mut [u8], start: usize) {
    let header = usize::from(bytes[start] & 15) * 4;
    bytes[start + 10..start + 12].copy_from_slice(&[0, 0]);
    let sum = header_sum(&bytes[start..start + header]);
    bytes[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
}

/// The checksum of an IPv4 header; nearly all have 20 bytes, which takes no loop.
fn header_sum(header: &[u8]) -> u16 {
    let Ok(header) = <&[u8; 20]>::try_from(header) else { return checksum::of(header) };
    let long = |at: usize| u64::from(u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
    let sum = long(0) + long(4) + long(8) + long(12) + long(16);
    // Three foldings are enough for five times 32 bits.
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    !(((sum >> 16) + sum) as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::Ipv4;

    use super::*;

    proptest! {
        #[test]
        fn reading_never_panics(bytes: Vec<u8>, start in 0usize..20) {
            let _ = Packet::read(&bytes, start);
        }

        #[test]
        fn a_hop_keeps_the_checksum_right(ttl in 1u8.., id: u16, source: [u8; 4]) {
            let header = Ipv4 { ttl, identification: id, ..Ipv4::new(source.into(), [10, 0, 0, 1].into(), 17) };
            let mut bytes = header.packet(&[1, 2, 3]);
            count_hop(&mut bytes, 0);
            prop_assert_eq!(Packet::read(&bytes, 0).map(|packet| packet.ttl), Ok(ttl - 1));
        }
    }

    proptest! {
        #[test]
        fn the_sum_of_a_header_is_the_checksum_of_its_bytes(header: [u8; 20]) {
            prop_assert_eq!(header_sum(&header), checksum::of(&header));
        }
    }

    #[test]
    fn a_changed_bit_of_the_header_is_found() {
        let mut bytes = Ipv4::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17).packet(b"x");
        bytes[15] ^= 1;
        assert_eq!(Packet::read(&bytes, 0).err(), Some(Reason::HeaderChecksum));
    }
}
