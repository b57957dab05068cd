//! Which subnet a network gets, and which address a container: Docker's pools, lowest free first.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::definition::Network;
use super::error::{Error, Result};

/// Docker's pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in parts of /20.
pub fn default_pools() -> impl Iterator<Item = Ipv4Net> {
    let sixteens = (17..=31).map(|second| (Ipv4Addr::new(172, second, 0, 0), 16));
    let twenties = (0..16).map(|part| (Ipv4Addr::new(192, 168, part * 16, 0), 20));
    sixteens
        .chain(twenties)
        .map(|(address, length)| Ipv4Net::new_assert(address, length))
}

/// The first pool that overlaps neither a network nor a route; a default route is in nobody's way.
pub fn choose_subnet(networks: &[Ipv4Net], routes: &[Ipv4Net]) -> Result<Ipv4Net> {
    let mut pools = default_pools();
    let is_free = |pool: &Ipv4Net| {
        let routes = routes.iter().filter(|route| route.prefix_len() > 0);
        !networks
            .iter()
            .chain(routes)
            .any(|other| overlap(*pool, *other))
    };
    pools.find(is_free).ok_or(Error::NoPool)
}

/// Whether two blocks have an address in common.
pub fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Whether two blocks of IPv6 have an address in common.
pub fn overlap_v6(one: Ipv6Net, other: Ipv6Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// The first address of `range`, which lies in the subnet, that somebody can have.
pub fn first_usable(subnet: Ipv4Net, range: Ipv4Net) -> Option<Ipv4Addr> {
    let first = u32::from(range.network());
    (first..=u32::from(range.broadcast()))
        .map(Ipv4Addr::from)
        .find(|address| is_usable(subnet, *address))
}

/// Whether somebody can have the address: inside, neither the first nor the last.
pub fn is_usable(subnet: Ipv4Net, address: Ipv4Addr) -> bool {
    subnet.contains(&address) && address != subnet.network() && address != subnet.broadcast()
}

/// An address in a network for one more container. `used` are the addresses of those in it; a released address is one that
/// is no longer there. With `wanted` that address or an error; else the lowest free one.
pub fn allocate_address(
    network: &Network,
    used: &BTreeSet<Ipv4Addr>,
    wanted: Option<Ipv4Addr>,
) -> Result<Ipv4Addr> {
    if let Some(address) = wanted {
        let refused = |why: String| {
            Err(Error::Address {
                address: address.into(),
                why,
            })
        };
        if network.is_default() {
            return refused(
                "user specified IP address is supported on user defined networks only".into(),
            );
        }
        if !network.is_subnet_given {
            return refused(format!(
                "user specified IP address is supported only when connecting to networks with user configured subnets, \
                 and the subnet of network {} was chosen for it",
                network.name
            ));
        }
        if !is_usable(network.subnet, address) {
            return refused(format!(
                "it is no usable address of {}, the subnet of network {}",
                network.subnet, network.name
            ));
        }
        if address == network.gateway {
            return refused(format!(
                "Address already in use: it is the gateway of network {}",
                network.name
            ));
        }
        if used.contains(&address) {
            return refused(format!(
                "Address already in use in network {}",
                network.name
            ));
        }
        return Ok(address);
    }
    let range = network.ip_range.unwrap_or(network.subnet);
    let (first, last) = (u32::from(range.network()), u32::from(range.broadcast()));
    // At most `used`, those that are reserved and three more addresses are passed over before one is free.
    (first..=last)
        .map(Ipv4Addr::from)
        .find(|address| {
            is_usable(network.subnet, *address)
                && *address != network.gateway
                && !network.is_reserved(*address)
                && !used.contains(address)
        })
        .ok_or_else(|| Error::NoAddress {
            network: network.name.clone(),
            range: range.into(),
        })
}

/// An IPv6 address in a network for one more container; none where the network has none. With `wanted` that one or an
/// error; else the lowest free one.
pub fn allocate_address_v6(
    network: &Network,
    used: &BTreeSet<Ipv6Addr>,
    wanted: Option<Ipv6Addr>,
) -> Result<Option<Ipv6Addr>> {
    let refused = |address: Ipv6Addr, why: String| {
        Err(Error::Address {
            address: address.into(),
            why,
        })
    };
    let Some(part) = network.ipv6 else {
        return match wanted {
            Some(address) => refused(
                address,
                format!("network {} has no IPv6 (--ipv6)", network.name),
            ),
            None => Ok(None),
        };
    };
    let first = part.subnet.network();
    if let Some(address) = wanted {
        if !part.subnet.contains(&address) || address == first {
            return refused(
                address,
                format!(
                    "it is no usable address of {}, the subnet of network {}",
                    part.subnet, network.name
                ),
            );
        }
        if address == part.gateway || used.contains(&address) {
            return refused(
                address,
                format!("Address already in use in network {}", network.name),
            );
        }
        return Ok(Some(address));
    }
    // At most `used` and two more are passed over.
    let last = u128::from(part.subnet.broadcast());
    (u128::from(first) + 1..=last)
        .map(Ipv6Addr::from)
        .find(|address| *address != part.gateway && !used.contains(address))
        .map(Some)
        .ok_or_else(|| Error::NoAddress {
            network: network.name.clone(),
            range: part.subnet.into(),
        })
}
