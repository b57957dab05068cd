//! IPv4 headers (RFC 791).

use std::net::{IpAddr, Ipv4Addr};

use crate::checksum;
use crate::read::{Malformed, octets, split, u16_at};

/// The option by which routers on the way look into a packet (RFC 2113 2.1).
pub const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

/// An IPv4 header. Length and checksum are the packet's and computed by [`Ipv4::emit`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ipv4 {
    /// Sender.
    pub source: Ipv4Addr,
    /// Receiver.
    pub destination: Ipv4Addr,
    /// What follows, see [`crate::protocol`].
    pub protocol: u8,
    /// Hops it may still take.
    pub ttl: u8,
    /// DSCP and ECN (RFC 2474, 3168).
    pub traffic_class: u8,
    /// The same in all fragments of a packet.
    pub identification: u16,
    /// Must not be fragmented.
    pub dont_fragment: bool,
    /// Not the last fragment.
    pub more_fragments: bool,
    /// Where this fragment's payload belongs, bytes; a multiple of 8.
    pub fragment_offset: u16,
    /// Options, up to 40 bytes, padded to 4.
    pub options: Vec<u8>,
}

impl Ipv4 {
    /// Bytes of a header without options.
    pub const LENGTH: usize = 20;

    /// A header with TTL 64 and nothing special.
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8) -> Ipv4 {
        Ipv4 {
            source,
            destination,
            protocol,
            ttl: 64,
            traffic_class: 0,
            identification: 0,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            options: Vec::new(),
        }
    }

    /// True for every fragment but the first: the payload does not start with a transport header.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment_offset > 0
    }

    /// True for every piece of a packet that was cut.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset > 0
    }

    /// Both addresses, as pseudo headers want them.
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        (self.source.into(), self.destination.into())
    }

    /// Reads a packet: the header, and the payload up to the packet's length, less if it was captured
    /// in part. What follows the packet (padding of a frame) is left out.
    pub fn parse(bytes: &[u8]) -> Result<(Ipv4, &[u8]), Malformed> {
        let (fixed, _) = split("IPv4", bytes, Ipv4::LENGTH)?;
        let wrong = |field, value: u32| Malformed::Field { header: "IPv4", field, value };
        if fixed[0] >> 4 != 4 {
            return Err(wrong("version", u32::from(fixed[0] >> 4)));
        }
        let length = usize::from(fixed[0] & 0xf) * 4;
        if length < Ipv4::LENGTH {
            return Err(wrong("header length", length as u32));
        }
        let (header, rest) = split("IPv4", bytes, length)?;
        let total = usize::from(u16_at(header, 2));
        let payload = total.checked_sub(length).ok_or(wrong("total length", total as u32))?;
        let flags = u16_at(header, 6);
        let ipv4 = Ipv4 {
            source: octets::<4>(header, 12).into(),
            destination: octets::<4>(header, 16).into(),
            protocol: header[9],
            ttl: header[8],
            traffic_class: header[1],
            identification: u16_at(header, 4),
            dont_fragment: flags & 0x4000 != 0,
            more_fragments: flags & 0x2000 != 0,
            fragment_offset: (flags & 0x1fff) << 3,
            options: header[Ipv4::LENGTH..].to_vec(),
        };
        Ok((ipv4, rest.get(..payload).unwrap_or(rest)))
    }

    /// True when the header's checksum is right.
    pub fn checksum_is_valid(bytes: &[u8]) -> bool {
        let length = bytes.first().map_or(0, |first| usize::from(first & 0xf) * 4);
        length >= Ipv4::LENGTH && bytes.get(..length).is_some_and(|header| checksum::of(header) == 0)
    }

    /// Appends the packet. Payload and options over the format's limits (65,535 and 40 bytes) are cut.
    pub fn emit(&self, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let options = &self.options[..self.options.len().min(40)];
        let length = Ipv4::LENGTH + options.len().next_multiple_of(4);
        let payload = &payload[..payload.len().min(usize::from(u16::MAX) - length)];
        let flags = u16::from(self.dont_fragment) << 14 | u16::from(self.more_fragments) << 13 | self.fragment_offset >> 3;
        out.extend_from_slice(&[0x40 | (length / 4) as u8, self.traffic_class]);
        out.extend_from_slice(&((length + payload.len()) as u16).to_be_bytes());
        out.extend_from_slice(&self.identification.to_be_bytes());
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&[self.ttl, self.protocol, 0, 0]);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&self.destination.octets());
        out.extend_from_slice(options);
        out.resize(start + length, 0);
        let checksum = checksum::of(&out[start..]);
        out[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        out.extend_from_slice(payload);
    }

    /// The packet alone.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Ipv4::LENGTH + payload.len());
        self.emit(payload, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_has_the_layout_of_rfc_791() {
        let mut header = Ipv4::new(Ipv4Addr::new(192, 168, 0, 1), Ipv4Addr::new(192, 168, 0, 199), 17);
        header.dont_fragment = true;
        // A well-known example: its checksum is b861.
        let mut packet = header.packet(&[0; 95]);
        packet.truncate(20);
        let expected = [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 192, 168, 0, 1, 192, 168, 0, 199];
        assert_eq!(packet, expected);
        assert!(Ipv4::checksum_is_valid(&packet));
    }

    #[test]
    fn padding_of_the_frame_is_not_payload() {
        let header = Ipv4::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, 6);
        let mut bytes = header.packet(b"abc");
        bytes.extend_from_slice(&[0; 20]);
        assert_eq!(Ipv4::parse(&bytes), Ok((header, &b"abc"[..])));
    }

    prop_compose! {
        fn headers()(
            addresses: ([u8; 4], [u8; 4]), protocol: u8, ttl: u8, traffic_class: u8, identification: u16,
            dont_fragment: bool, more_fragments: bool, offset in 0u16..0x2000, options in prop::collection::vec(any::<[u8; 4]>(), 0..10),
        ) -> Ipv4 {
            Ipv4 {
                source: addresses.0.into(), destination: addresses.1.into(), protocol, ttl, traffic_class, identification,
                dont_fragment, more_fragments, fragment_offset: offset << 3, options: options.concat(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_packet_comes_back_with_a_good_checksum(header in headers(), payload: Vec<u8>) {
            let packet = header.packet(&payload);
            prop_assert!(Ipv4::checksum_is_valid(&packet));
            prop_assert_eq!(Ipv4::parse(&packet), Ok((header, &payload[..])));
        }

        #[test]
        fn a_flipped_bit_is_noticed(header in headers(), at in 0usize..160) {
            let mut packet = header.packet(&[]);
            packet[at / 8] ^= 1 << (at % 8);
            prop_assert!(!Ipv4::checksum_is_valid(&packet));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = (Ipv4::parse(&bytes), Ipv4::checksum_is_valid(&bytes));
        }
    }
}
