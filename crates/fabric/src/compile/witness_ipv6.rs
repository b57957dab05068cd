//! Which IPv6 addresses stand for `internet`: as in `witness`, enough of them that every rule that speaks of IPv6
//! addresses outside is met from its inside and from its outside. A cloud without IPv6 addresses has none.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use crate::fabric::Fabric;

/// Whatever is on the internet has its address in it (RFC 4291 §2.4: the unicast space that is given out).
const GLOBAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// For documentation (RFC 3849): nobody's rule means it by accident.
const DOCUMENTATION: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32);

/// One address in each named block that is in no narrower one, and one in none at all; all sorted, and the last. `more`
/// blocks are taken as if a rule named them.
pub(super) fn choose(fabric: &Fabric, more: &[IpNet]) -> (Vec<Ipv6Addr>, Option<Ipv6Addr>) {
    if !is_spoken(fabric) {
        return (Vec::new(), None);
    }
    let vpcs: BTreeSet<Ipv6Net> = fabric.vpcs.values().flat_map(|vpc| vpc.ipv6_blocks.iter().copied()).collect();
    let hosts: BTreeSet<Ipv6Addr> = fabric.outside.values().flat_map(|host| &host.addresses).filter_map(ipv6).collect();
    // A rule that names a place outside names its one address, which is not just anybody's on the internet.
    let is_a_host = |block: &Ipv6Net| block.prefix_len() == 128 && hosts.contains(&block.addr());
    let is_outside = |block: &Ipv6Net| !vpcs.iter().any(|own| own.contains(block)) && !is_a_host(block);
    let named: BTreeSet<Ipv6Net> = named_blocks(fabric, more).into_iter().filter(is_outside).collect();
    // What is not outside, and what is taken, is like a narrower block: nothing is chosen in it.
    let closed = vpcs.iter().copied().chain(hosts.iter().map(|address| Ipv6Net::from(*address)));
    let all: BTreeSet<Ipv6Net> = named.iter().copied().chain(closed).collect();
    let mut found: BTreeSet<Ipv6Addr> = named.iter().filter_map(|block| first_free(*block, &all)).collect();
    // A rule may name the whole block for documentation, or parts of it.
    let is_around = |block: &Ipv6Net| block.contains(&DOCUMENTATION);
    let general = match named.iter().any(is_around) {
        false => first_free(DOCUMENTATION, &all),
        true => first_free(GLOBAL, &all),
    };
    found.extend(general);
    (found.into_iter().collect(), general)
}

/// Whether anybody inside has an IPv6 address.
fn is_spoken(fabric: &Fabric) -> bool {
    fabric.interfaces.values().any(|interface| !interface.ipv6.is_empty())
}

/// Named blocks where they matter.
pub(super) fn named_outside(fabric: &Fabric) -> BTreeSet<Ipv6Net> {
    if is_spoken(fabric) { named_blocks(fabric, &[]) } else { BTreeSet::new() }
}

/// IPv6 blocks of rules, entries and routes that tell one address outside from another.
fn named_blocks(fabric: &Fabric, more: &[IpNet]) -> BTreeSet<Ipv6Net> {
    fabric.named_blocks().chain(more).filter_map(public).collect()
}

/// A block that tells one address outside from another. One that holds all of them does not.
pub(super) fn public(block: &IpNet) -> Option<Ipv6Net> {
    match block {
        IpNet::V6(block) if GLOBAL.contains(block) && *block != GLOBAL => Some(block.trunc()),
        _ => None,
    }
}

fn ipv6(address: &IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    }
}

/// The lowest address of a block that is in no other of some blocks that are inside it. The anycast address of the
/// subnet's routers (RFC 4291 §2.6.1) is nobody's.
fn first_free(block: Ipv6Net, all: &BTreeSet<Ipv6Net>) -> Option<Ipv6Addr> {
    let last = u128::from(block.broadcast());
    let mut at = u128::from(block.network()) + u128::from(block.prefix_len() < 127);
    // Sorted by where they begin, those around others first: each is looked at once.
    let inside = all.range(block..).take_while(|other| block.contains(*other)).filter(|other| **other != block);
    for other in inside {
        let (from, to) = (u128::from(other.network()), u128::from(other.broadcast()));
        if at < from {
            break;
        }
        if at <= to {
            at = to.checked_add(1)?;
        }
    }
    (at <= last).then(|| Ipv6Addr::from(at))
}

impl Fabric {
    /// IPv6 addresses that stand for `internet`, sorted, as [`Fabric::representatives`] are those of IPv4; none in a
    /// cloud in which nobody has an IPv6 address.
    pub fn ipv6_representatives(&self) -> &[Ipv6Addr] {
        &self.ipv6_witnesses
    }

    /// The one of them that no rule speaks of in particular.
    pub fn ipv6_representative(&self) -> Option<Ipv6Addr> {
        self.ipv6_witness.or(self.ipv6_witnesses.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_each_block_and_in_no_narrower_one() {
        let net = |text: &str| text.parse::<Ipv6Net>().unwrap();
        let all = BTreeSet::from(["2001:db8::/32", "2001:db8::/48", "2001:db8::/64", "2001:db8:2::/48", "2600::/12"].map(net));
        let free = |text: &str| first_free(net(text), &all).map(|address| address.to_string());
        assert_eq!(free("2001:db8::/64").as_deref(), Some("2001:db8::1"));
        assert_eq!(free("2001:db8::/48").as_deref(), Some("2001:db8:0:1::"), "behind the narrower block");
        assert_eq!(free("2001:db8::/32").as_deref(), Some("2001:db8:1::"));
        assert_eq!(free("2001:db8:2::1/128").as_deref(), Some("2001:db8:2::1"));
        let halves = BTreeSet::from(["2001:db8::/33", "2001:db8:8000::/33"].map(net));
        assert_eq!(first_free(net("2001:db8::/32"), &halves), None, "nothing is left of it");
    }
}
