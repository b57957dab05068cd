//! IPv6 headers (RFC 8200) and the way through extension headers.

use std::net::{IpAddr, Ipv6Addr};

use crate::read::{Malformed, octets, split, u16_at, u32_at};

/// An IPv6 header. The length is the packet's and computed by [`Ipv6::emit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ipv6 {
    /// Sender.
    pub source: Ipv6Addr,
    /// Receiver.
    pub destination: Ipv6Addr,
    /// What follows: an extension header or a protocol, see [`crate::protocol`].
    pub next_header: u8,
    /// Hops it may still take.
    pub hop_limit: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
}

/// What lies behind the extension headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upper<'a> {
    /// IP protocol.
    pub protocol: u8,
    /// Its bytes.
    pub payload: &'a [u8],
    /// Where the payload belongs in the packet, and whether more follows, in a fragment.
    pub fragment: Option<(u16, bool)>,
    /// What all fragments of the packet have in common; 0 of one that is whole.
    pub identification: u32,
}

impl Ipv6 {
    /// Bytes of the header.
    pub const LENGTH: usize = 40;

    /// A header with hop limit 64 and nothing special.
    pub fn new(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8) -> Ipv6 {
        Ipv6 { source, destination, next_header, hop_limit: 64, traffic_class: 0, flow_label: 0 }
    }

    /// Both addresses, as pseudo headers want them.
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        (self.source.into(), self.destination.into())
    }

    /// Reads a packet: the header, and the payload up to the packet's length, less if captured in part.
    pub fn parse(bytes: &[u8]) -> Result<(Ipv6, &[u8]), Malformed> {
        let (header, rest) = split("IPv6", bytes, Ipv6::LENGTH)?;
        let first = u32_at(header, 0);
        if first >> 28 != 6 {
            return Err(Malformed::Field { header: "IPv6", field: "version", value: first >> 28 });
        }
        let ipv6 = Ipv6 {
            source: octets::<16>(header, 8).into(),
            destination: octets::<16>(header, 24).into(),
            next_header: header[6],
            hop_limit: header[7],
            traffic_class: (first >> 20) as u8,
            flow_label: first & 0xf_ffff,
        };
        Ok((ipv6, rest.get(..usize::from(u16_at(header, 4))).unwrap_or(rest)))
    }

    /// Follows the extension headers of a payload to what they precede (RFC 8200, section 4).
    pub fn upper<'a>(&self, payload: &'a [u8]) -> Result<Upper<'a>, Malformed> {
        const HOP_BY_HOP: u8 = 0;
        const ROUTING: u8 = 43;
        const FRAGMENT: u8 = 44;
        const AUTHENTICATION: u8 = 51;
        const DESTINATION: u8 = 60;
        let mut upper = Upper { protocol: self.next_header, payload, fragment: None, identification: 0 };
        // Every header takes at least 8 bytes, so this ends.
        loop {
            let have = upper.payload;
            let length = match upper.protocol {
                HOP_BY_HOP | ROUTING | DESTINATION => (usize::from(split("IPv6 extension", have, 8)?.0[1]) + 1) * 8,
                AUTHENTICATION => (usize::from(split("IPv6 extension", have, 8)?.0[1]) + 2) * 4,
                FRAGMENT => 8,
                _ => return Ok(upper),
            };
            let (header, rest) = split("IPv6 extension", have, length.max(8))?;
            if upper.protocol == FRAGMENT {
                let word = u16_at(header, 2);
                upper.fragment = Some((word & !7, word & 1 != 0));
                upper.identification = u32::from(u16_at(header, 4)) << 16 | u32::from(u16_at(header, 6));
            }
            upper = Upper { protocol: header[0], payload: rest, ..upper };
            // Behind a later fragment's header there is no other header, only a piece of payload.
            if upper.fragment.is_some_and(|(offset, _)| offset > 0) {
                return Ok(upper);
            }
        }
    }

    /// Appends the packet. A payload over 65,535 bytes is cut.
    pub fn emit(&self, payload: &[u8], out: &mut Vec<u8>) {
        let payload = &payload[..payload.len().min(usize::from(u16::MAX))];
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        out.extend_from_slice(&[self.next_header, self.hop_limit]);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&self.destination.octets());
        out.extend_from_slice(payload);
    }

    /// The packet alone.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Ipv6::LENGTH + payload.len());
        self.emit(payload, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn extension_headers_lead_to_the_protocol() {
        let header = Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 0);
        // Hop-by-hop, 16 bytes; fragment at 0, more to come; UDP.
        let payload = [&[44, 1][..], &[0; 14], &[17, 0, 0, 1, 0, 0, 0, 9], b"udp"].concat();
        assert_eq!(header.upper(&payload), Ok(Upper { protocol: 17, payload: b"udp", fragment: Some((0, true)), identification: 9 }));
        let later = [&[60, 0, 0, 8, 0, 0, 0, 9][..], b"piece"].concat();
        let found = Ipv6 { next_header: 44, ..header }.upper(&later);
        assert_eq!(found, Ok(Upper { protocol: 60, payload: b"piece", fragment: Some((8, false)), identification: 9 }));
        assert!(header.upper(&payload[..12]).is_err());
    }

    proptest! {
        #[test]
        fn a_packet_comes_back(
            addresses: ([u8; 16], [u8; 16]), next_header: u8, hop_limit: u8, traffic_class: u8, flow_label in 0u32..0x10_0000, payload: Vec<u8>,
        ) {
            let header = Ipv6 {
                source: addresses.0.into(), destination: addresses.1.into(), next_header, hop_limit, traffic_class, flow_label,
            };
            let packet = header.packet(&payload);
            prop_assert_eq!(Ipv6::parse(&packet), Ok((header, &payload[..])));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>, next_header: u8) {
            let _ = Ipv6::parse(&bytes);
            let _ = Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, next_header).upper(&bytes);
        }
    }
}
