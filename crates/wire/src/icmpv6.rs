//! ICMP for IPv6 (RFC 4443): echo and errors. Neighbour discovery passes as [`Icmpv6::Other`].

use std::net::Ipv6Addr;

use crate::checksum::Sum;
use crate::ipv6::Ipv6;
use crate::protocol;
use crate::read::{Malformed, octets, split, u16_at, u32_at};

/// An ICMPv6 message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Icmpv6 {
    /// Type 128, or its answer, type 129.
    Echo {
        /// An answer.
        reply: bool,
        /// Tells conversations apart.
        id: u16,
        /// Counts.
        sequence: u16,
        /// Comes back as it was sent.
        data: Vec<u8>,
    },
    /// Type 1: an error.
    Unreachable {
        /// 0 no route, 1 prohibited, 3 address, 4 port.
        code: u8,
        /// The start of the packet.
        quoted: Vec<u8>,
    },
    /// Type 2: an error.
    PacketTooBig {
        /// Largest packet that would have passed, bytes.
        mtu: u32,
        /// The start of the packet.
        quoted: Vec<u8>,
    },
    /// Type 3: an error.
    TimeExceeded {
        /// 0: hop limit on the way; 1: fragments that never came.
        code: u8,
        /// The start of the packet.
        quoted: Vec<u8>,
    },
    /// Any other message.
    Other {
        /// Type, none of the above.
        kind: u8,
        /// Code.
        code: u8,
        /// Second word of the header.
        rest: [u8; 4],
        /// What follows.
        data: Vec<u8>,
    },
}

impl Icmpv6 {
    /// Bytes of the header.
    pub const LENGTH: usize = 8;

    /// Type and code.
    pub fn kind(&self) -> (u8, u8) {
        match self {
            Icmpv6::Echo { reply, .. } => (if *reply { 129 } else { 128 }, 0),
            Icmpv6::Unreachable { code, .. } => (1, *code),
            Icmpv6::PacketTooBig { .. } => (2, 0),
            Icmpv6::TimeExceeded { code, .. } => (3, *code),
            Icmpv6::Other { kind, code, .. } => (*kind, *code),
        }
    }

    /// The quoted start of a packet, in an error.
    pub fn quoted(&self) -> Option<&[u8]> {
        match self {
            Icmpv6::Unreachable { quoted, .. } | Icmpv6::PacketTooBig { quoted, .. } | Icmpv6::TimeExceeded { quoted, .. } => {
                Some(quoted)
            }
            _ => None,
        }
    }

    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Icmpv6, Malformed> {
        let (header, data) = split("ICMPv6", bytes, Icmpv6::LENGTH)?;
        let (kind, code, data) = (header[0], header[1], data.to_vec());
        Ok(match (kind, code) {
            (128 | 129, 0) => {
                Icmpv6::Echo { reply: kind == 129, id: u16_at(header, 4), sequence: u16_at(header, 6), data }
            }
            (1, _) => Icmpv6::Unreachable { code, quoted: data },
            (2, 0) => Icmpv6::PacketTooBig { mtu: u32_at(header, 4), quoted: data },
            (3, _) => Icmpv6::TimeExceeded { code, quoted: data },
            _ => Icmpv6::Other { kind, code, rest: octets(header, 4), data },
        })
    }

    /// Appends the message; the checksum covers the addresses too.
    pub fn emit(&self, source: Ipv6Addr, destination: Ipv6Addr, out: &mut Vec<u8>) {
        let start = out.len();
        let (kind, code) = self.kind();
        out.extend_from_slice(&[kind, code, 0, 0]);
        let (word, data) = match self {
            Icmpv6::Echo { id, sequence, data, .. } => ((u32::from(*id) << 16 | u32::from(*sequence)).to_be_bytes(), data),
            Icmpv6::Unreachable { quoted, .. } | Icmpv6::TimeExceeded { quoted, .. } => ([0; 4], quoted),
            Icmpv6::PacketTooBig { mtu, quoted } => (mtu.to_be_bytes(), quoted),
            Icmpv6::Other { rest, data, .. } => (*rest, data),
        };
        out.extend_from_slice(&word);
        out.extend_from_slice(data);
        let sum = Sum::new().pseudo_header(source.into(), destination.into(), protocol::ICMPV6, out.len() - start);
        let checksum = sum.with(&out[start..]).finish();
        out[start + 2..start + 4].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The message alone.
    pub fn message(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(source, destination, &mut out);
        out
    }
}

/// What an error quotes of an IPv6 packet: as much as keeps the error within 1,280 bytes (RFC 4443,
/// section 2.4).
pub fn quote(packet: &[u8]) -> Vec<u8> {
    packet[..packet.len().min(1280 - Ipv6::LENGTH - Icmpv6::LENGTH)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::segment_is_valid;
    use proptest::prelude::*;

    fn messages() -> impl Strategy<Value = Icmpv6> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..64);
        prop_oneof![
            (any::<(bool, u16, u16)>(), bytes()).prop_map(|((reply, id, sequence), data)| Icmpv6::Echo { reply, id, sequence, data }),
            (any::<u8>(), bytes()).prop_map(|(code, quoted)| Icmpv6::Unreachable { code, quoted }),
            (any::<u32>(), bytes()).prop_map(|(mtu, quoted)| Icmpv6::PacketTooBig { mtu, quoted }),
            (any::<u8>(), bytes()).prop_map(|(code, quoted)| Icmpv6::TimeExceeded { code, quoted }),
            (130u8.., any::<(u8, [u8; 4])>(), bytes()).prop_map(|(kind, (code, rest), data)| Icmpv6::Other { kind, code, rest, data }),
        ]
    }

    proptest! {
        #[test]
        fn a_message_comes_back_with_a_good_checksum(message in messages(), source: [u8; 16], destination: [u8; 16]) {
            let bytes = message.message(source.into(), destination.into());
            prop_assert!(segment_is_valid(
                Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into(), protocol::ICMPV6, &bytes
            ));
            prop_assert_eq!(Icmpv6::parse(&bytes), Ok(message));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = (Icmpv6::parse(&bytes), quote(&bytes));
        }
    }
}
