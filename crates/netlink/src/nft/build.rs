//! Phrases: what a rule usually says, as the instructions that say it.
//!
//! ```
//! use netlink::nft::build::{Load, in_set, is};
//! use netlink::nft::{Expr, Verdict};
//! // tcp; source address . destination port in set "web"; accept
//! let rule = [
//!     is(Load::Protocol, &[6]),
//!     in_set(&[Load::SourceV4, Load::DestinationPort], "web"),
//!     vec![Expr::Verdict(Verdict::Accept)],
//! ]
//! .concat();
//! assert_eq!(rule.len(), 6);
//! ```
//!
//! Every phrase starts at slot 0 and leaves nothing for the next one.

use super::expr::Expr;
use super::terms::{Base, CompareOp, CtDirection, CtKey, ExthdrOp, FibResult, MetaKey, Reg, RtKey, Verdict};

/// Something that can be loaded and compared: a header field, metadata, what conntrack knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Ethernet source, 6 bytes.
    SourceMac,
    /// Ethernet destination, 6 bytes.
    DestinationMac,
    /// Ethernet type as on the wire, 2 bytes.
    EtherType,
    /// IPv4 source, 4 bytes.
    SourceV4,
    /// IPv4 destination, 4 bytes.
    DestinationV4,
    /// IPv4 time to live, 1 byte.
    Ttl,
    /// IPv4 flags and fragment offset, 2 bytes.
    FragmentV4,
    /// IPv4 protocol from the header, 1 byte.
    ProtocolV4,
    /// IPv6 source, 16 bytes.
    SourceV6,
    /// IPv6 destination, 16 bytes.
    DestinationV6,
    /// IPv6 hop limit, 1 byte.
    HopLimit,
    /// TCP, UDP or SCTP source port, 2 bytes.
    SourcePort,
    /// TCP, UDP or SCTP destination port, 2 bytes.
    DestinationPort,
    /// ICMP or ICMPv6 type, 1 byte.
    IcmpType,
    /// ICMP or ICMPv6 code, 1 byte.
    IcmpCode,
    /// ICMP echo identifier, 2 bytes.
    IcmpId,
    /// TCP flags, 1 byte.
    TcpFlags,
    /// ARP operation, 2 bytes.
    ArpOperation,
    /// ARP sender's Ethernet address, 6 bytes.
    ArpSenderMac,
    /// ARP sender's IPv4 address, 4 bytes.
    ArpSenderV4,
    /// ARP target's IPv4 address, 4 bytes.
    ArpTargetV4,
    /// IP protocol, 1 byte (IPv6: behind the extension headers).
    Protocol,
    /// `NFPROTO_*`, 1 byte.
    NfProto,
    /// EtherType as the kernel knows it, 2 bytes, network order.
    PacketProtocol,
    /// Mark, 4 bytes, machine order.
    Mark,
    /// Index of the receiving device, 4 bytes, machine order.
    Iif,
    /// Index of the sending device, 4 bytes, machine order.
    Oif,
    /// Group of the receiving device, 4 bytes, machine order.
    IifGroup,
    /// Group of the sending device, 4 bytes, machine order.
    OifGroup,
    /// Length of the packet, 4 bytes, machine order.
    Length,
    /// `PACKET_*`, 1 byte.
    PacketType,
    /// State bits, 4 bytes, machine order.
    CtState,
    /// Status bits, 4 bytes, machine order.
    CtStatus,
    /// Connection's mark, 4 bytes, machine order.
    CtMark,
    /// 0 original, 1 reply; 1 byte.
    CtDirection,
    /// Connection's zone, 2 bytes, machine order.
    CtZone,
    /// IPv4 source of the connection's first packet, 4 bytes.
    CtOriginalSourceV4,
    /// IPv4 destination of the connection's first packet, 4 bytes.
    CtOriginalDestinationV4,
    /// Source port of the connection's first packet, 2 bytes.
    CtOriginalSourcePort,
    /// Destination port of the connection's first packet, 2 bytes.
    CtOriginalDestinationPort,
}

impl Load {
    /// Bytes of the value.
    pub const fn length(self) -> u32 {
        match self {
            Load::SourceMac | Load::DestinationMac | Load::ArpSenderMac => 6,
            Load::EtherType
            | Load::FragmentV4
            | Load::SourcePort
            | Load::DestinationPort
            | Load::IcmpId
            | Load::ArpOperation
            | Load::PacketProtocol
            | Load::CtZone
            | Load::CtOriginalSourcePort
            | Load::CtOriginalDestinationPort => 2,
            Load::SourceV6 | Load::DestinationV6 => 16,
            Load::Ttl
            | Load::ProtocolV4
            | Load::HopLimit
            | Load::IcmpType
            | Load::IcmpCode
            | Load::TcpFlags
            | Load::Protocol
            | Load::NfProto
            | Load::PacketType
            | Load::CtDirection => 1,
            _ => 4,
        }
    }

    /// The instruction that loads it.
    pub fn into_register(self, register: Reg) -> Expr {
        let length = self.length();
        let payload = |base, offset| Expr::Payload { base, offset, length, register };
        let meta = |key| Expr::Meta { key, register };
        let ct = |key| Expr::Ct { key, direction: None, register };
        let original = |key| Expr::Ct { key, direction: Some(CtDirection::Original), register };
        match self {
            Load::DestinationMac => payload(Base::Link, 0),
            Load::SourceMac => payload(Base::Link, 6),
            Load::EtherType => payload(Base::Link, 12),
            Load::FragmentV4 => payload(Base::Network, 6),
            Load::Ttl => payload(Base::Network, 8),
            Load::ProtocolV4 => payload(Base::Network, 9),
            Load::SourceV4 => payload(Base::Network, 12),
            Load::DestinationV4 => payload(Base::Network, 16),
            Load::HopLimit => payload(Base::Network, 7),
            Load::SourceV6 => payload(Base::Network, 8),
            Load::DestinationV6 => payload(Base::Network, 24),
            Load::SourcePort | Load::IcmpType => payload(Base::Transport, 0),
            Load::DestinationPort => payload(Base::Transport, 2),
            Load::IcmpCode => payload(Base::Transport, 1),
            Load::IcmpId => payload(Base::Transport, 4),
            Load::TcpFlags => payload(Base::Transport, 13),
            Load::ArpOperation => payload(Base::Network, 6),
            Load::ArpSenderMac => payload(Base::Network, 8),
            Load::ArpSenderV4 => payload(Base::Network, 14),
            Load::ArpTargetV4 => payload(Base::Network, 24),
            Load::Protocol => meta(MetaKey::L4Proto),
            Load::NfProto => meta(MetaKey::NfProto),
            Load::PacketProtocol => meta(MetaKey::Protocol),
            Load::Mark => meta(MetaKey::Mark),
            Load::Iif => meta(MetaKey::Iif),
            Load::Oif => meta(MetaKey::Oif),
            Load::IifGroup => meta(MetaKey::IifGroup),
            Load::OifGroup => meta(MetaKey::OifGroup),
            Load::Length => meta(MetaKey::Length),
            Load::PacketType => meta(MetaKey::PacketType),
            Load::CtState => ct(CtKey::State),
            Load::CtStatus => ct(CtKey::Status),
            Load::CtMark => ct(CtKey::Mark),
            Load::CtDirection => ct(CtKey::Direction),
            Load::CtZone => ct(CtKey::Zone),
            Load::CtOriginalSourceV4 => original(CtKey::SourceV4),
            Load::CtOriginalDestinationV4 => original(CtKey::DestinationV4),
            Load::CtOriginalSourcePort => original(CtKey::ProtoSource),
            Load::CtOriginalDestinationPort => original(CtKey::ProtoDestination),
        }
    }
}

const FIRST: Reg = Reg(0);

/// Loads a concatenated key from slot `first` on; returns the first free slot too.
pub fn load_key(fields: &[Load], first: Reg) -> (Vec<Expr>, Reg) {
    let mut next = first;
    let mut loads = Vec::with_capacity(fields.len());
    for field in fields {
        loads.push(field.into_register(next));
        next = next.after(field.length());
    }
    (loads, next)
}

/// Bytes of each field, as [`super::Set::new`] wants them.
pub fn field_lengths(fields: &[Load]) -> Vec<u32> {
    fields.iter().map(|field| field.length()).collect()
}

fn compare(load: Load, op: CompareOp, value: &[u8]) -> Vec<Expr> {
    vec![load.into_register(FIRST), Expr::Compare { register: FIRST, op, value: value.to_vec() }]
}

/// Matches a value, or its first bytes.
pub fn is(load: Load, value: &[u8]) -> Vec<Expr> {
    compare(load, CompareOp::Eq, value)
}

/// Matches any other value.
pub fn is_not(load: Load, value: &[u8]) -> Vec<Expr> {
    compare(load, CompareOp::Neq, value)
}

/// Matches a range, ends included; network order compares as numbers.
pub fn in_range(load: Load, from: &[u8], to: &[u8]) -> Vec<Expr> {
    let range = Expr::Range { register: FIRST, inverted: false, from: from.to_vec(), to: to.to_vec() };
    vec![load.into_register(FIRST), range]
}

/// Matches `load & mask == value`.
pub fn masked_is(load: Load, mask: &[u8], value: &[u8]) -> Vec<Expr> {
    masked(load, mask, CompareOp::Eq, value)
}

/// Matches when any of the bits is set: `load & bits != 0`.
pub fn has_any(load: Load, bits: &[u8]) -> Vec<Expr> {
    masked(load, bits, CompareOp::Neq, &vec![0; bits.len()])
}

fn masked(load: Load, mask: &[u8], op: CompareOp, value: &[u8]) -> Vec<Expr> {
    vec![
        load.into_register(FIRST),
        Expr::Bitwise { from: FIRST, to: FIRST, mask: mask.to_vec(), xor: vec![0; mask.len()] },
        Expr::Compare { register: FIRST, op, value: value.to_vec() },
    ]
}

/// Matches a conntrack state, bits of [`super::ct_state`].
pub fn ct_state_is(bits: u32) -> Vec<Expr> {
    has_any(Load::CtState, &bits.to_ne_bytes())
}

/// Matches an IPv4 or IPv6 address of the packet against a prefix. Pair it with `NfProto` in `inet` tables.
pub fn in_prefix(load: Load, prefix: ipnet::IpNet) -> Vec<Expr> {
    let (mask, value) = match prefix {
        ipnet::IpNet::V4(net) => (net.netmask().octets().to_vec(), net.network().octets().to_vec()),
        ipnet::IpNet::V6(net) => (net.netmask().octets().to_vec(), net.network().octets().to_vec()),
    };
    if mask.iter().all(|byte| *byte == 0xff) { is(load, &value) } else { masked_is(load, &mask, &value) }
}

/// Matches when a set has the key.
pub fn in_set(fields: &[Load], set: &str) -> Vec<Expr> {
    lookup(fields, set, false)
}

/// Matches when a set does not have the key.
pub fn not_in_set(fields: &[Load], set: &str) -> Vec<Expr> {
    lookup(fields, set, true)
}

fn lookup(fields: &[Load], set: &str, inverted: bool) -> Vec<Expr> {
    let (mut rule, _) = load_key(fields, FIRST);
    rule.push(Expr::Lookup { set: set.to_owned(), key: FIRST, inverted });
    rule
}

/// Carries out the verdict that a verdict map has for the key.
pub fn by_verdict_map(fields: &[Load], map: &str) -> Vec<Expr> {
    let (mut rule, _) = load_key(fields, FIRST);
    rule.push(Expr::LookupVerdict { set: map.to_owned(), key: FIRST });
    rule
}

/// Loads what a map has for the key into slot 0.
pub fn from_map(fields: &[Load], map: &str) -> Vec<Expr> {
    let (mut rule, _) = load_key(fields, FIRST);
    rule.push(Expr::LookupMap { set: map.to_owned(), key: FIRST, data: FIRST });
    rule
}

/// Counts in the counter that a map of counters has for the key.
pub fn count_in_map(fields: &[Load], map: &str) -> Vec<Expr> {
    let (mut rule, _) = load_key(fields, FIRST);
    rule.push(Expr::CounterMap { set: map.to_owned(), key: FIRST });
    rule
}

/// Sets metadata to a constant.
pub fn set_meta(key: MetaKey, value: &[u8]) -> Vec<Expr> {
    vec![Expr::Immediate { register: FIRST, value: value.to_vec() }, Expr::MetaStore { key, register: FIRST }]
}

/// Sets the packet's mark.
pub fn set_mark(mark: u32) -> Vec<Expr> {
    set_meta(MetaKey::Mark, &mark.to_ne_bytes())
}

/// Changes only the bits `mask` of the packet's mark.
pub fn set_mark_bits(mark: u32, mask: u32) -> Vec<Expr> {
    vec![
        Load::Mark.into_register(FIRST),
        merge(mark, mask),
        Expr::MetaStore { key: MetaKey::Mark, register: FIRST },
    ]
}

/// Changes only the bits `mask` of the connection's mark.
pub fn set_ct_mark_bits(mark: u32, mask: u32) -> Vec<Expr> {
    vec![
        Load::CtMark.into_register(FIRST),
        merge(mark, mask),
        Expr::CtStore { key: CtKey::Mark, direction: None, register: FIRST },
    ]
}

fn merge(mark: u32, mask: u32) -> Expr {
    let keep = (!mask).to_ne_bytes().to_vec();
    Expr::Bitwise { from: FIRST, to: FIRST, mask: keep, xor: (mark & mask).to_ne_bytes().to_vec() }
}

/// Sets a conntrack property (mark, labels, zone) to a constant.
pub fn set_ct(key: CtKey, value: &[u8]) -> Vec<Expr> {
    vec![
        Expr::Immediate { register: FIRST, value: value.to_vec() },
        Expr::CtStore { key, direction: None, register: FIRST },
    ]
}

/// Replaces the connection's labels by these bits, numbered from 0 to 127.
pub fn set_ct_labels(bits: &[u8]) -> Vec<Expr> {
    set_ct(CtKey::Labels, &labels(bits))
}

/// Matches a connection that has any of these labels.
pub fn has_ct_label(bits: &[u8]) -> Vec<Expr> {
    let mask = labels(bits).to_vec();
    vec![
        Expr::Ct { key: CtKey::Labels, direction: None, register: FIRST },
        Expr::Bitwise { from: FIRST, to: FIRST, xor: vec![0; mask.len()], mask },
        Expr::Compare { register: FIRST, op: CompareOp::Neq, value: vec![0; 16] },
    ]
}

/// Label bits as conntrack keeps them: an array of the machine's 64-bit words. Bits over 127 are left out.
pub fn labels(bits: &[u8]) -> [u8; 16] {
    let words = bits.iter().filter(|bit| **bit < 128).fold([0u64; 2], |mut words, bit| {
        words[usize::from(bit / 64)] |= 1 << (bit % 64);
        words
    });
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&words[0].to_ne_bytes());
    bytes[8..].copy_from_slice(&words[1].to_ne_bytes());
    bytes
}

/// Matches the name of the receiving device.
pub fn iif_name(name: &str) -> Vec<Expr> {
    device_name(MetaKey::IifName, name)
}

/// Matches the name of the sending device.
pub fn oif_name(name: &str) -> Vec<Expr> {
    device_name(MetaKey::OifName, name)
}

fn device_name(key: MetaKey, name: &str) -> Vec<Expr> {
    let mut value = name.as_bytes().to_vec();
    value.resize(16, 0);
    vec![Expr::Meta { key, register: FIRST }, Expr::Compare { register: FIRST, op: CompareOp::Eq, value }]
}

/// Lowers the MSS of a TCP SYN to what the packet's route carries.
pub fn clamp_mss_to_route() -> Vec<Expr> {
    const MSS: u8 = 2;
    vec![
        Expr::Rt { key: RtKey::TcpMss, register: FIRST },
        Expr::ByteOrder { from: FIRST, to: FIRST, to_network: true, length: 2, size: 2 },
        Expr::ExthdrStore { kind: MSS, offset: 2, length: 2, register: FIRST },
    ]
}

/// Loads the MSS option of a TCP SYN into slot 0, network order.
pub fn load_mss() -> Expr {
    Expr::Exthdr { op: ExthdrOp::TcpOption, kind: 2, offset: 2, length: 2, present: false, register: FIRST }
}

/// Matches when a route look-up finds a way of this kind (`RTN_*`) for source or destination
/// ([`super::fib_flags`]).
pub fn fib_type_is(flags: u32, kind: u32) -> Vec<Expr> {
    vec![
        Expr::Fib { result: FibResult::AddressType, flags, register: FIRST },
        Expr::Compare { register: FIRST, op: CompareOp::Eq, value: kind.to_ne_bytes().to_vec() },
    ]
}

/// Decides.
pub fn verdict(verdict: Verdict) -> Vec<Expr> {
    vec![Expr::Verdict(verdict)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_a_slot_for_each_started_word() {
        let (loads, free) = load_key(&[Load::SourceV6, Load::Protocol, Load::SourceMac, Load::DestinationPort], Reg(0));
        let slots: Vec<_> = loads
            .iter()
            .map(|expr| match expr {
                Expr::Payload { register, .. } | Expr::Meta { register, .. } => register.0,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((slots, free), (vec![0, 4, 5, 7], Reg(8)));
    }

    #[test]
    fn merging_bits_keeps_the_others() {
        let Expr::Bitwise { mask, xor, .. } = merge(0x1234_0005, 0xff) else { panic!() };
        let word = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap());
        assert_eq!((0xaabb_ccdd & word(&mask)) ^ word(&xor), 0xaabb_cc05);
    }
}
