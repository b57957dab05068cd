//! ICMP for IPv4 (RFC 792; fragmentation needed: RFC 1191; codes: RFC 1122, 1812).

use crate::checksum;
use crate::ipv4::Ipv4;
use crate::read::{Malformed, split, u16_at, u32_at};

/// Codes of destination unreachable.
#[expect(missing_docs, reason = "the RFCs' names")]
pub mod unreachable {
    pub const NETWORK: u8 = 0;
    pub const HOST: u8 = 1;
    pub const PROTOCOL: u8 = 2;
    pub const PORT: u8 = 3;
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    pub const SOURCE_ROUTE_FAILED: u8 = 5;
    pub const NETWORK_PROHIBITED: u8 = 9;
    pub const HOST_PROHIBITED: u8 = 10;
    pub const ADMINISTRATIVELY_PROHIBITED: u8 = 13;
}

/// The type of service of a packet with an error: precedence 6, internetwork control (RFC 1812, 4.3.2.5).
pub const ERROR_SERVICE: u8 = 0xc0;

/// An ICMP message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Icmpv4 {
    /// Type 8, or its answer, type 0.
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
    /// Type 3: an error.
    Unreachable {
        /// Why, see [`mod@unreachable`].
        code: u8,
        /// Largest packet that would have passed, bytes; 0 with other codes than fragmentation needed.
        mtu: u16,
        /// The start of the packet that could not be delivered, see [`quote`].
        quoted: Vec<u8>,
    },
    /// Type 5: an error that names a better gateway.
    Redirect {
        /// 0 network, 1 host.
        code: u8,
        /// The better gateway.
        gateway: std::net::Ipv4Addr,
        /// The start of the packet.
        quoted: Vec<u8>,
    },
    /// Type 11: an error.
    TimeExceeded {
        /// 0: TTL on the way; 1: fragments that never came.
        code: u8,
        /// The start of the packet.
        quoted: Vec<u8>,
    },
    /// Type 13, or its answer, type 14. Times in milliseconds since midnight UT.
    Timestamp {
        /// An answer.
        reply: bool,
        /// Tells conversations apart.
        id: u16,
        /// Counts.
        sequence: u16,
        /// When it was asked.
        originate: u32,
        /// When the question came.
        receive: u32,
        /// When the answer went.
        transmit: u32,
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

impl Icmpv4 {
    /// Bytes of the header.
    pub const LENGTH: usize = 8;

    /// Type and code.
    pub fn kind(&self) -> (u8, u8) {
        match self {
            Icmpv4::Echo { reply, .. } => (if *reply { 0 } else { 8 }, 0),
            Icmpv4::Unreachable { code, .. } => (3, *code),
            Icmpv4::Redirect { code, .. } => (5, *code),
            Icmpv4::TimeExceeded { code, .. } => (11, *code),
            Icmpv4::Timestamp { reply, .. } => (if *reply { 14 } else { 13 }, 0),
            Icmpv4::Other { kind, code, .. } => (*kind, *code),
        }
    }

    /// The quoted start of a packet, in an error.
    pub fn quoted(&self) -> Option<&[u8]> {
        match self {
            Icmpv4::Unreachable { quoted, .. } | Icmpv4::Redirect { quoted, .. } | Icmpv4::TimeExceeded { quoted, .. } => {
                Some(quoted)
            }
            _ => None,
        }
    }

    /// The answer to an echo request, to which the code of others does not apply.
    pub fn echo_reply(&self) -> Option<Icmpv4> {
        match self {
            Icmpv4::Echo { reply: false, id, sequence, data } => {
                Some(Icmpv4::Echo { reply: true, id: *id, sequence: *sequence, data: data.clone() })
            }
            _ => None,
        }
    }

    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Icmpv4, Malformed> {
        let (header, data) = split("ICMP", bytes, Icmpv4::LENGTH)?;
        let (kind, code) = (header[0], header[1]);
        let (id, sequence) = (u16_at(header, 4), u16_at(header, 6));
        Ok(match (kind, code) {
            (0 | 8, 0) => Icmpv4::Echo { reply: kind == 0, id, sequence, data: data.to_vec() },
            (3, _) => Icmpv4::Unreachable { code, mtu: sequence, quoted: data.to_vec() },
            (5, _) => Icmpv4::Redirect { code, gateway: u32_at(header, 4).into(), quoted: data.to_vec() },
            (11, _) => Icmpv4::TimeExceeded { code, quoted: data.to_vec() },
            (13 | 14, 0) => {
                let (times, _) = split("ICMP timestamp", data, 12)?;
                let [originate, receive, transmit] = [0, 4, 8].map(|at| u32_at(times, at));
                Icmpv4::Timestamp { reply: kind == 14, id, sequence, originate, receive, transmit }
            }
            _ => Icmpv4::Other { kind, code, rest: crate::read::octets(header, 4), data: data.to_vec() },
        })
    }

    /// True when the message carries the right checksum.
    pub fn checksum_is_valid(bytes: &[u8]) -> bool {
        bytes.len() >= Icmpv4::LENGTH && checksum::of(bytes) == 0
    }

    /// Appends the message.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let (kind, code) = self.kind();
        out.extend_from_slice(&[kind, code, 0, 0]);
        match self {
            Icmpv4::Echo { id, sequence, data, .. } => {
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&sequence.to_be_bytes());
                out.extend_from_slice(data);
            }
            Icmpv4::Unreachable { mtu, quoted, .. } => {
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&mtu.to_be_bytes());
                out.extend_from_slice(quoted);
            }
            Icmpv4::Redirect { gateway, quoted, .. } => {
                out.extend_from_slice(&gateway.octets());
                out.extend_from_slice(quoted);
            }
            Icmpv4::TimeExceeded { quoted, .. } => {
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(quoted);
            }
            Icmpv4::Timestamp { id, sequence, originate, receive, transmit, .. } => {
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&sequence.to_be_bytes());
                for time in [originate, receive, transmit] {
                    out.extend_from_slice(&time.to_be_bytes());
                }
            }
            Icmpv4::Other { rest, data, .. } => {
                out.extend_from_slice(rest);
                out.extend_from_slice(data);
            }
        }
        let checksum = checksum::of(&out[start..]);
        out[start + 2..start + 4].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The message alone.
    pub fn message(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(&mut out);
        out
    }
}

/// What an error quotes of an IPv4 packet: as much as keeps the error within 576 bytes (RFC 1812,
/// section 4.3.2.3).
pub fn quote(packet: &[u8]) -> Vec<u8> {
    packet[..packet.len().min(576 - Ipv4::LENGTH - Icmpv4::LENGTH)].to_vec()
}

/// True when RFC 1122 (section 3.2.2) lets an error answer this packet: not for another error, for a later
/// fragment, or for a packet that was not to or from one host.
pub fn may_be_answered(header: &Ipv4, payload: &[u8]) -> bool {
    let single = |address: std::net::Ipv4Addr| !address.is_multicast() && !address.is_broadcast() && !address.is_unspecified();
    let is_error = header.protocol == crate::protocol::ICMP && matches!(payload.first(), None | Some(3 | 4 | 5 | 11 | 12));
    single(header.destination) && single(header.source) && !header.is_later_fragment() && !is_error
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fragmentation_needed_has_the_layout_of_rfc_1191() {
        let error = Icmpv4::Unreachable { code: unreachable::FRAGMENTATION_NEEDED, mtu: 1500, quoted: vec![0x45, 0] };
        assert_eq!(error.message(), [3, 4, 0xb2, 0x1f, 0, 0, 0x05, 0xdc, 0x45, 0]);
    }

    #[test]
    fn errors_are_not_answered_with_errors() {
        let header = Ipv4::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 1);
        assert!(may_be_answered(&header, &[8, 0]));
        assert!(!may_be_answered(&header, &[3, 3]));
        assert!(!may_be_answered(&Ipv4 { fragment_offset: 8, ..header.clone() }, &[8, 0]));
        assert!(!may_be_answered(&Ipv4 { destination: [224, 0, 0, 1].into(), ..header }, &[8, 0]));
    }

    fn messages() -> impl Strategy<Value = Icmpv4> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..64);
        prop_oneof![
            (any::<(bool, u16, u16)>(), bytes()).prop_map(|((reply, id, sequence), data)| Icmpv4::Echo { reply, id, sequence, data }),
            (any::<(u8, u16)>(), bytes()).prop_map(|((code, mtu), quoted)| Icmpv4::Unreachable { code, mtu, quoted }),
            (any::<(u8, [u8; 4])>(), bytes())
                .prop_map(|((code, gateway), quoted)| Icmpv4::Redirect { code, gateway: gateway.into(), quoted }),
            (any::<u8>(), bytes()).prop_map(|(code, quoted)| Icmpv4::TimeExceeded { code, quoted }),
            any::<(bool, u16, u16, u32, u32, u32)>().prop_map(|(reply, id, sequence, originate, receive, transmit)| {
                Icmpv4::Timestamp { reply, id, sequence, originate, receive, transmit }
            }),
            (15u8.., any::<(u8, [u8; 4])>(), bytes()).prop_map(|(kind, (code, rest), data)| Icmpv4::Other { kind, code, rest, data }),
        ]
    }

    proptest! {
        #[test]
        fn a_message_comes_back_with_a_good_checksum(message in messages()) {
            let bytes = message.message();
            prop_assert!(Icmpv4::checksum_is_valid(&bytes));
            prop_assert_eq!(Icmpv4::parse(&bytes), Ok(message));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = (Icmpv4::parse(&bytes), Icmpv4::checksum_is_valid(&bytes), quote(&bytes));
        }
    }
}
