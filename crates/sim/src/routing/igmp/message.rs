//! Messages of IGMP version 2 (RFC 2236 2), over IP protocol 2: eight bytes.

use std::net::Ipv4Addr;

use wire::{Malformed, checksum};

use crate::routing::bytes::address;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who is in a group, or in any if none is named?
    Query,
    /// The sender is, in the words of version 1.
    ReportV1,
    /// The sender is.
    Report,
    /// The sender is no more.
    Leave,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// In a query: answers come within so many tenths of a second; 0 from a router that speaks version 1.
    pub within: u8,
    /// Of which group.
    pub group: Ipv4Addr,
}

impl Message {
    /// Reads a message; what is behind the eight bytes is summed but not read. Errors: it is cut, of an unknown type, or its
    /// checksum is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = "IGMP";
        if bytes.len() < 8 {
            return Err(Malformed::Truncated { header, have: bytes.len(), need: 8 });
        }
        let kind = match bytes[0] {
            0x11 => Kind::Query,
            0x12 => Kind::ReportV1,
            0x16 => Kind::Report,
            0x17 => Kind::Leave,
            other => {
                return Err(Malformed::Field { header, field: "type", value: other.into() });
            }
        };
        if checksum::of(bytes) != 0 {
            let sum = u16::from_be_bytes([bytes[2], bytes[3]]);
            return Err(Malformed::Field { header, field: "checksum", value: sum.into() });
        }
        Ok(Self { kind, within: bytes[1], group: address(bytes, 4) })
    }

    /// Its bytes.
    pub fn emit(&self) -> [u8; 8] {
        let kind = match self.kind {
            Kind::Query => 0x11,
            Kind::ReportV1 => 0x12,
            Kind::Report => 0x16,
            Kind::Leave => 0x17,
        };
        let [a, b, c, d] = self.group.octets();
        let mut out = [kind, self.within, 0, 0, a, b, c, d];
        let sum = checksum::of(&out).to_be_bytes();
        out[2..4].copy_from_slice(&sum);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(kind in 0usize..4, within: u8, group: u32) {
            let kind = [Kind::Query, Kind::ReportV1, Kind::Report, Kind::Leave][kind];
            let message = Message { kind, within, group: group.into() };
            prop_assert_eq!(Message::parse(&message.emit()), Ok(message));
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Message::parse(&bytes);
        }

        #[test]
        fn a_flipped_bit_is_found(group: u32, bit in 0usize..64) {
            let mut bytes = Message { kind: Kind::Report, within: 0, group: group.into() }.emit();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Message::parse(&bytes).is_err());
        }
    }
}
