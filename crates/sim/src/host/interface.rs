//! Interfaces, and the addresses that are a host's own.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use wire::Mac;

use super::spec::InterfaceSpec;

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address and the length of its subnet's prefix.
    pub net: IpNet,
    /// Whether it is not known yet to be nobody else's (RFC 4862).
    pub is_tentative: bool,
}

/// An interface.
#[derive(Debug)]
pub struct Interface {
    /// `eth0`.
    pub name: Box<str>,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// Longest packet that it sends, bytes; 0 for what the link takes.
    pub mtu: u32,
    /// Multicast groups that it takes packets for.
    pub groups: Vec<IpAddr>,
}

/// What an address of a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Own {
    /// Its own.
    Unicast,
    /// That of everybody in a subnet that it is in.
    Broadcast,
}

/// All addresses that a host takes packets for, sorted, a family apart from the other.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    v4: Vec<(u32, Own, u16)>,
    v6: Vec<(u128, Own, u16)>,
}

fn find<T: Copy + Ord>(sorted: &[(T, Own, u16)], address: T) -> Option<(Own, u16)> {
    let at = sorted.partition_point(|(known, _, _)| *known < address);
    sorted.get(at).filter(|(known, _, _)| *known == address).map(|(_, own, interface)| (*own, *interface))
}

/// Whether an address is in a net.
fn is_in(net: &IpNet, address: IpAddr) -> bool {
    let length = u32::from(net.prefix_len());
    match (net.addr(), address) {
        (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= length,
        (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= length,
        _ => false,
    }
}

/// The link-local address of an interface (RFC 4291, appendix A).
pub(crate) fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let half = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, half(a ^ 2, b), half(c, 0xff), half(0xfe, d), half(e, f))
}

/// The multicast group in which a neighbour asks for an address (RFC 4291, 2.7.1).
pub(crate) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let low = address.to_bits() as u32;
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (low >> 16) as u16 & 0xff, low as u16)
}

/// Whether a group is that of all routers: of the link, of IPv6 of the site, too (RFC 4291 2.7.1).
pub(crate) fn is_all_routers(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.octets() == [224, 0, 0, 2],
        IpAddr::V6(group) => matches!(group.segments(), [0xff02 | 0xff05, 0, 0, 0, 0, 0, 0, 2]),
    }
}

impl Interface {
    pub(crate) fn new(spec: InterfaceSpec) -> Self {
        let address = |net| Address { net, is_tentative: false };
        let mut addresses: Vec<Address> = Vec::with_capacity(spec.addresses.len());
        addresses.extend(spec.addresses.into_iter().map(address));
        Self { name: spec.name.into_boxed_str(), mac: spec.mac, addresses, mtu: spec.mtu, groups: Vec::new() }
    }

    /// Its addresses that may be used.
    pub fn usable(&self) -> impl Iterator<Item = IpNet> {
        self.addresses.iter().filter(|address| !address.is_tentative).map(|address| address.net)
    }

    /// Whether an address is its own.
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.net.addr() == address)
    }

    /// The address to send from to a destination behind a next hop: of IPv4 one in the next hop's subnet, or the first; of
    /// IPv6 as the destination alone decides (RFC 6724 5), whatever the next hop is called on the link.
    pub(crate) fn source_by(&self, next_hop: IpAddr, destination: IpAddr) -> Option<IpAddr> {
        match destination {
            IpAddr::V4(_) => self.source_for(next_hop),
            IpAddr::V6(destination) => self.source_v6(destination).map(IpAddr::V6),
        }
    }

    /// The address to send from to somebody of IPv6: that one itself, else one of its scope rather than another; of several the
    /// one with the longest prefix in common, the first of equals (RFC 6724 5, rules 1, 2 and 8).
    fn source_v6(&self, destination: Ipv6Addr) -> Option<Ipv6Addr> {
        let is_of_link = |address: Ipv6Addr| address.is_unicast_link_local() || address.octets()[..2] == [0xff, 2];
        let rank = |own: &Ipv6Addr| {
            let common = (own.to_bits() ^ destination.to_bits()).leading_zeros();
            (*own == destination, is_of_link(*own) == is_of_link(destination), common)
        };
        let own = self.usable().filter_map(|net| match net.addr() {
            IpAddr::V6(own) => Some(own),
            IpAddr::V4(_) => None,
        });
        own.reduce(|best, other| if rank(&other) > rank(&best) { other } else { best })
    }

    /// The address to send from to somebody on the link: one in the subnet of `towards`, or the first of its family; for IPv6
    /// one of the same scope.
    pub fn source_for(&self, towards: IpAddr) -> Option<IpAddr> {
        let is_link_local = |address: IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        let family = || self.usable().filter(|net| net.addr().is_ipv4() == towards.is_ipv4());
        let on_link = |net: &IpNet| is_in(net, towards);
        let of_scope = |net: &IpNet| is_link_local(net.addr()) == is_link_local(towards);
        family().find(on_link).or_else(|| family().find(of_scope)).or_else(|| family().next()).map(|net| net.addr())
    }

    /// Whether it takes frames for a group.
    pub fn takes_group(&self, group: IpAddr) -> bool {
        match group {
            IpAddr::V4(address) if address.octets() == [224, 0, 0, 1] => true,
            IpAddr::V6(address)
                if address.octets()[..2] == [0xff, 2]
                    && address.to_bits() as u16 == 1
                    && address.segments()[1..7] == [0; 6] =>
            {
                true
            }
            IpAddr::V6(address) => {
                self.groups.contains(&group)
                    || self
                        .addresses
                        .iter()
                        .any(|own| matches!(own.net.addr(), IpAddr::V6(own) if solicited_node(own) == address))
            }
            IpAddr::V4(_) => self.groups.contains(&group),
        }
    }
}

impl Locals {
    pub fn of(interfaces: &[Interface]) -> Self {
        let mut locals = Self::default();
        for (index, interface) in interfaces.iter().enumerate() {
            for address in &interface.addresses {
                match address.net.addr() {
                    IpAddr::V4(own) => locals.v4.push((own.to_bits(), Own::Unicast, index as u16)),
                    IpAddr::V6(own) => locals.v6.push((own.to_bits(), Own::Unicast, index as u16)),
                }
                // A /31 or /32 has no broadcast address (RFC 3021).
                if let IpNet::V4(net) = address.net
                    && net.prefix_len() < 31
                {
                    locals.v4.push((net.broadcast().to_bits(), Own::Broadcast, index as u16));
                }
            }
        }
        locals.v4.sort_unstable();
        locals.v6.sort_unstable();
        locals.v4.shrink_to_fit();
        locals.v6.shrink_to_fit();
        locals
    }

    /// What an address is, if it is one that the host takes packets for, and at which interface.
    pub fn find(&self, address: IpAddr) -> Option<(Own, u16)> {
        match address {
            IpAddr::V4(address) => find(&self.v4, address.to_bits()),
            IpAddr::V6(address) => find(&self.v6, address.to_bits()),
        }
    }
}
