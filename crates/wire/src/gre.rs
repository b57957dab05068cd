//! GRE headers (RFC 2784, key and sequence number of RFC 2890). No checksum is sent; one received is skipped.

use crate::ethernet::EtherType;
use crate::read::{Malformed, split, u16_at, u32_at};

/// A GRE header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gre {
    /// What it carries.
    pub protocol: EtherType,
    /// Tells tunnels between the same ends apart.
    pub key: Option<u32>,
    /// Counts packets.
    pub sequence: Option<u32>,
}

impl Gre {
    const CHECKSUM: u16 = 0x8000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;

    /// Reads a header. Version 1 (PPTP) and source routes are malformed.
    pub fn parse(bytes: &[u8]) -> Result<(Gre, &[u8]), Malformed> {
        let (fixed, mut rest) = split("GRE", bytes, 4)?;
        let flags = u16_at(fixed, 0);
        if flags & !(Gre::CHECKSUM | Gre::KEY | Gre::SEQUENCE) != 0 {
            return Err(Malformed::Field { header: "GRE", field: "flags", value: u32::from(flags) });
        }
        let mut word = |flag| -> Result<Option<u32>, Malformed> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let (word, behind) = split("GRE", rest, 4)?;
            rest = behind;
            Ok(Some(u32_at(word, 0)))
        };
        word(Gre::CHECKSUM)?;
        let (key, sequence) = (word(Gre::KEY)?, word(Gre::SEQUENCE)?);
        Ok((Gre { protocol: EtherType(u16_at(fixed, 2)), key, sequence }, rest))
    }

    /// Appends the header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let flag = |present: bool, flag: u16| if present { flag } else { 0 };
        let flags = flag(self.key.is_some(), Gre::KEY) | flag(self.sequence.is_some(), Gre::SEQUENCE);
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&self.protocol.0.to_be_bytes());
        for word in [self.key, self.sequence].into_iter().flatten() {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_header_comes_back(protocol: u16, key: Option<u32>, sequence: Option<u32>, payload: Vec<u8>) {
            let header = Gre { protocol: EtherType(protocol), key, sequence };
            let mut bytes = Vec::new();
            header.emit(&mut bytes);
            bytes.extend_from_slice(&payload);
            proptest::prop_assert_eq!(Gre::parse(&bytes), Ok((header, &payload[..])));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = Gre::parse(&bytes);
        }
    }
}
