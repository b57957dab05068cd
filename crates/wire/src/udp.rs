//! UDP headers (RFC 768).

use std::net::IpAddr;

use crate::checksum::Sum;
use crate::protocol;
use crate::read::{Malformed, split, u16_at};

/// A UDP header. Length and checksum are the datagram's and computed by [`Udp::emit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Udp {
    /// Of the sender.
    pub source_port: u16,
    /// Of the receiver.
    pub destination_port: u16,
}

impl Udp {
    /// Bytes of the header.
    pub const LENGTH: usize = 8;

    /// Reads a datagram: the header, and the payload up to the datagram's length, less if captured in part.
    pub fn parse(bytes: &[u8]) -> Result<(Udp, &[u8]), Malformed> {
        let (header, rest) = split("UDP", bytes, Udp::LENGTH)?;
        let length = usize::from(u16_at(header, 4));
        let payload = length.checked_sub(Udp::LENGTH).ok_or(Malformed::Field {
            header: "UDP",
            field: "length",
            value: length as u32,
        })?;
        let udp = Udp { source_port: u16_at(header, 0), destination_port: u16_at(header, 2) };
        Ok((udp, rest.get(..payload).unwrap_or(rest)))
    }

    /// Appends the datagram. A payload over 65,527 bytes is cut.
    pub fn emit(&self, source: IpAddr, destination: IpAddr, payload: &[u8], out: &mut Vec<u8>) {
        let payload = &payload[..payload.len().min(usize::from(u16::MAX) - Udp::LENGTH)];
        let length = Udp::LENGTH + payload.len();
        let words = [self.source_port, self.destination_port, length as u16];
        let sum = Sum::new().pseudo_header(source, destination, protocol::UDP, length);
        let sum = words.into_iter().fold(sum, Sum::with_word).with(payload).finish();
        // Zero says that there is no checksum, so a sum of zero is sent as its other representation.
        let sum = if sum == 0 { 0xffff } else { sum };
        let [source, destination, length] = words.map(u64::from);
        let header = source << 48 | destination << 32 | length << 16 | u64::from(sum);
        out.extend_from_slice(&header.to_be_bytes());
        out.extend_from_slice(payload);
    }

    /// The datagram alone.
    pub fn datagram(&self, source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Udp::LENGTH + payload.len());
        self.emit(source, destination, payload, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::segment_is_valid;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_datagram_comes_back_with_a_good_checksum(
            source: [u8; 4], destination: [u8; 4], v6: bool, source_port: u16, destination_port: u16, payload: Vec<u8>,
        ) {
            let address = |octets: [u8; 4]| -> IpAddr {
                if v6 { std::net::Ipv4Addr::from(octets).to_ipv6_mapped().into() } else { octets.into() }
            };
            let (source, destination) = (address(source), address(destination));
            let header = Udp { source_port, destination_port };
            let datagram = header.datagram(source, destination, &payload);
            prop_assert_ne!(u16_at(&datagram, 6), 0);
            prop_assert!(segment_is_valid(source, destination, protocol::UDP, &datagram));
            prop_assert_eq!(Udp::parse(&datagram), Ok((header, &payload[..])));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = Udp::parse(&bytes);
        }
    }
}
