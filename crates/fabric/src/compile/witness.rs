//! Which public addresses stand for `internet`: enough of them that every rule that speaks of public addresses is met
//! from its inside and from its outside.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use model::cidr::{LINK_LOCAL, RFC_1918, RFC_6598};

use crate::fabric::Fabric;
use crate::group::RulePeer;
use crate::stage::internet::{AWS_API, PUBLIC_DNS};

/// Kept for tests of networks (RFC 2544): nobody's rule means it by accident.
const TEST_NETWORK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);
/// How many addresses of a block are looked at before it is given up as taken.
const TRIES: usize = 4_096;

/// No host on the internet has such an address: "this" network, private use, shared, loopback, link-local, multicast
/// and reserved (RFC 6890).
const NOT_PUBLIC: [Ipv4Net; 8] = [
    Ipv4Net::new_assert(Ipv4Addr::new(0, 0, 0, 0), 8),
    RFC_1918[0],
    RFC_1918[1],
    RFC_1918[2],
    RFC_6598,
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    LINK_LOCAL,
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// One address in each named public block that is in no narrower one, and one in none at all; all sorted, and the last.
pub(super) fn choose(fabric: &Fabric) -> (Vec<Ipv4Addr>, Option<Ipv4Addr>) {
    choose_with(fabric, &[])
}

/// As [`choose`], as if a rule named some more blocks.
fn choose_with(fabric: &Fabric, more: &[IpNet]) -> (Vec<Ipv4Addr>, Option<Ipv4Addr>) {
    let blocks = named_blocks(fabric, more);
    let taken = |address: Ipv4Addr| {
        fabric.outside_host(IpAddr::V4(address)).is_some()
            || fabric.public_addresses.contains_key(&address)
            || fabric.vpcs.values().any(|vpc| vpc.contains(IpAddr::V4(address)))
            || fabric.vpn_gateways.values().any(|gateway| gateway.is_near(address))
    };
    let known: BTreeSet<Ipv4Net> = blocks.iter().map(Ipv4Net::trunc).collect();
    let inside = |block: &Ipv4Net| first_free(*block, |address| widest_around(&known, block, address), taken);
    let mut found: Vec<Ipv4Addr> = blocks.iter().filter_map(inside).collect();
    // A block around the whole test network leaves no address outside of it there, and is none of the narrower ones.
    let general = inside(&TEST_NETWORK);
    found.extend(general);
    found.sort();
    found.dedup();
    (found, general)
}

/// Public blocks of security group rules, network ACL entries and routes: all that tell one public address from another.
fn named_blocks(fabric: &Fabric, more: &[IpNet]) -> Vec<Ipv4Net> {
    let mut blocks: Vec<Ipv4Net> = fabric.named_blocks().chain(more).filter_map(public).collect();
    blocks.sort();
    blocks.dedup();
    blocks
}

/// A block that tells one public address from another.
pub(super) fn public(block: &IpNet) -> Option<Ipv4Net> {
    match block {
        IpNet::V4(block) if block.prefix_len() > 0 && !NOT_PUBLIC.iter().any(|n| n.contains(block)) => Some(*block),
        _ => None,
    }
}

/// The last address of the widest known block around an address that is narrower than a block around it, or that no host
/// of the internet is in: one look-up a prefix length, however many blocks are known.
fn widest_around(known: &BTreeSet<Ipv4Net>, block: &Ipv4Net, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let not_public = NOT_PUBLIC.iter().filter(|other| other.contains(&address)).map(Ipv4Net::broadcast).max();
    let mut narrower = (block.prefix_len() + 1..=32).filter_map(|length| Ipv4Net::new(address, length).ok());
    let known = narrower.find_map(|around| known.get(&around.trunc()).map(Ipv4Net::broadcast));
    known.max(not_public)
}

/// The lowest host address of a block that is in no other and not taken; `around` says where others around an address end.
fn first_free(
    block: Ipv4Net,
    around: impl Fn(Ipv4Addr) -> Option<Ipv4Addr>,
    taken: impl Fn(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    let wide = block.prefix_len() < 31;
    let (first, last) = (u64::from(u32::from(block.network())), u64::from(u32::from(block.broadcast())));
    let (mut at, last) = if wide { (first + 1, last - 1) } else { (first, last) };
    for _ in 0..TRIES {
        if at > last {
            return None;
        }
        let address = Ipv4Addr::from(at as u32);
        match around(address) {
            // Past the whole other block at once.
            Some(end) => at = u64::from(u32::from(end)) + 1,
            None if taken(address) => at += 1,
            None => return Some(address),
        }
    }
    None
}

impl Fabric {
    /// Blocks that security group rules, network ACL entries and routes name, of both families; some more than once.
    pub fn named_blocks(&self) -> impl Iterator<Item = &IpNet> {
        let rules = self.groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
        let of_rules = rules.flat_map(|rule| match &rule.peer {
            RulePeer::Block(block) => std::slice::from_ref(block),
            RulePeer::PrefixList { blocks, .. } => blocks.as_slice(),
            RulePeer::Group { .. } => &[],
        });
        let of_acls = self.acls.values().flat_map(|acl| acl.ingress.iter().chain(&acl.egress).map(|entry| &entry.cidr_block));
        let of_routes = self.route_tables.values().flat_map(|table| table.routes.iter().map(|route| &route.destination));
        of_rules.chain(of_acls).chain(of_routes)
    }

    /// The hosts that stand for `internet` of both families, IPv4 first.
    pub fn internet_hosts(&self) -> Vec<IpAddr> {
        let ipv4 = self.witnesses.iter().copied().map(IpAddr::V4);
        ipv4.chain(self.ipv6_witnesses.iter().copied().map(IpAddr::V6)).collect()
    }

    /// The one of each family, IPv4 first, that no rule speaks of in particular.
    pub fn general_hosts(&self) -> [Option<IpAddr>; 2] {
        [self.representative().map(IpAddr::V4), self.ipv6_representative().map(IpAddr::V6)]
    }

    /// Public addresses that stand for `internet`, sorted: one that no rule, list or route speaks of in particular, and
    /// one inside each public block that some rule, list or route names (and in no narrower one). Nobody in the model
    /// has them; every engine puts a host at each.
    pub fn representatives(&self) -> Vec<Ipv4Addr> {
        self.witnesses.clone()
    }

    /// The same cloud with one more host of the internet inside each of these blocks, as if a rule named them: whoever
    /// speaks of a block in particular must ask from its inside and from its outside.
    pub fn with_hosts_in(&self, blocks: &[IpNet]) -> Self {
        let (witnesses, witness) = choose_with(self, blocks);
        let (ipv6_witnesses, ipv6_witness) = super::witness_ipv6::choose(self, blocks);
        Self { witnesses, witness, ipv6_witnesses, ipv6_witness, ..self.clone() }
    }

    /// Public blocks that security groups, network ACLs and routes tell apart from the rest of the internet, sorted.
    pub fn public_blocks(&self) -> Vec<IpNet> {
        let ipv6 = super::witness_ipv6::named_outside(self).into_iter().map(IpNet::V6);
        named_blocks(self, &[]).into_iter().map(IpNet::V4).chain(ipv6).collect()
    }

    /// The address that stands for `internet` where one is enough: no rule speaks of it in particular.
    pub fn representative(&self) -> Option<Ipv4Addr> {
        self.witness.or(self.witnesses.first().copied())
    }

    /// Hosts of the internet that no lab names, sorted: those that stand for `internet`, the public DNS and AWS's API unless the
    /// lab itself has its address.
    pub fn unnamed_hosts(&self) -> Vec<Ipv4Addr> {
        let mut hosts = self.witnesses.clone();
        hosts.extend([PUBLIC_DNS, AWS_API].into_iter().filter(|host| !self.public_addresses.contains_key(host)));
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// Whether an address that nobody here has may be one of a host of the internet.
    pub fn may_be_outside(&self, address: IpAddr) -> bool {
        let block = IpNet::from(address);
        let is_public = public(&block).is_some() || super::witness_ipv6::public(&block).is_some();
        let is_own = self.vpcs.values().any(|vpc| vpc.contains(address));
        is_public && !is_own && self.find_address(address).is_none() && !self.is_outside_host(address)
    }

    /// Whether a host outside has the address: a named place, or one that stands for `internet`, or the public DNS, or AWS's API.
    pub fn is_outside_host(&self, address: IpAddr) -> bool {
        let is_unnamed = match address {
            IpAddr::V4(host @ (PUBLIC_DNS | AWS_API)) => !self.public_addresses.contains_key(&host),
            IpAddr::V4(address) => self.witnesses.binary_search(&address).is_ok(),
            IpAddr::V6(address) => self.ipv6_witnesses.binary_search(&address).is_ok(),
        };
        is_unnamed || self.outside_host(address).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_block_around_an_address_is_the_one_that_reading_all_of_them_finds() {
        let mut random = 5_u64;
        let mut below = |bound: u32| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((random >> 33) as u32) % bound
        };
        let mut found = 0;
        for _ in 0..2_000 {
            // Blocks of the last six bits of an address.
            let mut block = |least: u32| {
                let length = (least + below(33 - least)) as u8;
                Ipv4Net::new_assert(Ipv4Addr::from(0x3400_0000 | below(64)), length).trunc()
            };
            let around = block(26);
            let known: BTreeSet<Ipv4Net> = (0..6).map(|_| block(26)).collect();
            for address in around.hosts() {
                let narrower = known.iter().filter(|other| **other != around && around.contains(*other));
                let wanted = narrower.filter(|other| other.contains(&address)).map(Ipv4Net::broadcast).max();
                assert_eq!(widest_around(&known, &around, address), wanted, "{known:?} {around} {address}");
                found += usize::from(wanted.is_some());
            }
        }
        assert!(found > 1_000, "{found}");
    }
}
