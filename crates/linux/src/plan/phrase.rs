//! Phrases of rules that several plans use.

use std::net::Ipv4Addr;

use fabric::Family;
use ipnet::{IpNet, Ipv4Net};
use netlink::nft::build::{Load, from_map, in_prefix, load_key};
use netlink::nft::{Base, Checksum, CompareOp, Element, Expr, MetaKey, Reg, Set, Verdict};

use super::{Table, device_index};

/// The first register.
pub const FIRST: Reg = Reg(0);

/// `prefix` and then a verdict.
pub fn then(mut rule: Vec<Expr>, verdict: Verdict) -> Vec<Expr> {
    rule.push(Expr::Verdict(verdict));
    rule
}

/// Several phrases as one rule.
pub fn all(phrases: impl IntoIterator<Item = Vec<Expr>>) -> Vec<Expr> {
    phrases.into_iter().flatten().collect()
}

/// Goes to a chain.
pub fn goto(chain: impl Into<String>) -> Verdict {
    Verdict::Goto(chain.into())
}

/// Jumps to a chain.
pub fn jump(chain: impl Into<String>) -> Verdict {
    Verdict::Jump(chain.into())
}

/// Matches a block; every address matches 0.0.0.0/0 and ::/0 without an instruction.
pub fn within(load: Load, block: impl Into<IpNet>) -> Vec<Expr> {
    let block = block.into();
    if block.prefix_len() == 0 { Vec::new() } else { in_prefix(load, block) }
}

/// A device as a set key: its index is planned, and a quarter as long as its name.
pub fn device_key(name: &str) -> Vec<u8> {
    device_index(name).to_ne_bytes().to_vec()
}

/// Carries out the verdict that a map has for the receiving or sending device ([`MetaKey::Iif`], [`MetaKey::Oif`]).
pub fn by_device(key: MetaKey, map: &str) -> Vec<Expr> {
    vec![Expr::Meta { key, register: FIRST }, Expr::LookupVerdict { set: map.to_owned(), key: FIRST }]
}

/// Matches one receiving or sending device.
pub fn device_is(key: MetaKey, name: &str) -> Vec<Expr> {
    vec![Expr::Meta { key, register: FIRST }, Expr::Compare { register: FIRST, op: CompareOp::Eq, value: device_key(name) }]
}

/// Looks a device, and what follows, up in a set.
pub fn device_in_set(key: MetaKey, set: &str, inverted: bool, more: &[Load]) -> Vec<Expr> {
    let mut rule = vec![Expr::Meta { key, register: FIRST }];
    rule.extend(load_key(more, FIRST.after(4)).0);
    rule.push(Expr::Lookup { set: set.to_owned(), key: FIRST, inverted });
    rule
}

/// Matches the kind of Ethernet payload.
pub fn ethertype(op: CompareOp, value: u16) -> Vec<Expr> {
    vec![
        Load::PacketProtocol.into_register(FIRST),
        Expr::Compare { register: FIRST, op, value: value.to_be_bytes().to_vec() },
    ]
}

/// Adds one to the TTL or hop limit, by a map because nf_tables cannot add: the fabric is no hop (L2-5).
pub fn restore_ttl(family: Family, table: &mut Table) -> Vec<Expr> {
    let steps = (1u8..255).map(|ttl| Element::new([ttl]).value([ttl + 1]));
    table.set(Set::map("ttl", [1], 1), steps);
    let (load, offset, checksum) = match family {
        Family::V4 => (Load::Ttl, 8, Checksum::IPV4_HEADER),
        Family::V6 => (Load::HopLimit, 7, Checksum::None),
    };
    let mut rule = from_map(&[load], "ttl");
    rule.push(Expr::PayloadStore { base: Base::Network, offset, length: 1, register: FIRST, checksum });
    rule
}

/// Writes an address from register 0 into the IP header and fixes both checksums.
pub fn store_address(source: bool) -> Expr {
    Expr::PayloadStore {
        base: Base::Network,
        offset: if source { 12 } else { 16 },
        length: 4,
        register: FIRST,
        checksum: Checksum::IPV4_ADDRESS,
    }
}

/// In an ICMP error, replaces an address of the quoted header by what a map has for it. The quoted header's own checksum
/// is fixed, which leaves the ICMP checksum right.
pub fn translate_quoted(icmp_type: u8, source: bool, map: &str) -> Vec<Expr> {
    let offset = if source { 8 + 12 } else { 8 + 16 };
    let mut rule = netlink::nft::build::is(Load::Protocol, &[1]);
    rule.extend(netlink::nft::build::is(Load::IcmpType, &[icmp_type]));
    rule.push(Expr::Payload { base: Base::Transport, offset, length: 4, register: FIRST });
    rule.push(Expr::LookupMap { set: map.to_owned(), key: FIRST, data: FIRST });
    rule.push(Expr::PayloadStore {
        base: Base::Transport,
        offset,
        length: 4,
        register: FIRST,
        checksum: Checksum::Internet { offset: 8 + 10, pseudo_header: false },
    });
    rule
}

/// ICMP types that quote a packet (RFC 792).
pub const ICMP_ERRORS: [u8; 5] = [3, 4, 5, 11, 12];

/// Private ranges and the reason for which an internet gateway drops them (IGW-5).
pub const PRIVATE: [(Ipv4Net, &str); 4] = [
    (Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8), "1918"),
    (Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12), "1918"),
    (Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16), "1918"),
    (Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10), "6598"),
];
