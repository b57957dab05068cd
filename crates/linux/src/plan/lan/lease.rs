//! What DHCP servers of a lan end up lending (RFC 2131): no server runs here, so the addresses are given beforehand, the
//! lowest first, to interfaces in the order of their devices' names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use model::lan::{DhcpService, Device, Service};

use super::wiring::Wiring;

/// What an interface is lent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub address: Ipv4Net,
    pub gateway: Option<Ipv4Addr>,
    pub dns: Vec<Ipv4Addr>,
}

/// Leases by device and interface.
pub(super) fn all(wiring: &Wiring) -> BTreeMap<(String, String), Lease> {
    let mut leases = BTreeMap::new();
    let devices = || wiring.lan.devices.keys();
    let mut taken: BTreeSet<Ipv4Addr> = devices()
        .flat_map(|device| wiring.interfaces(device))
        .flat_map(|(_, interface)| &interface.addresses)
        .filter_map(|address| if let IpAddr::V4(address) = address.addr() { Some(address) } else { None })
        .collect();
    for client in devices() {
        for (interface, _) in wiring.interfaces(client).filter(|(_, interface)| interface.dhcp) {
            let Some((block, pool)) = pool(wiring, client, interface) else { continue };
            let free = (u32::from(pool.first)..=u32::from(pool.last)).map(Ipv4Addr::from).find(|address| !taken.contains(address));
            let Some(address) = free else { continue };
            taken.insert(address);
            let address = Ipv4Net::new(address, block.prefix_len()).unwrap_or(block);
            let lease = Lease { address, gateway: pool.gateway, dns: pool.dns.clone() };
            leases.insert((client.clone(), interface.to_owned()), lease);
        }
    }
    leases
}

/// The pool of a server that hears a client, and the block that it lies in.
fn pool<'w>(wiring: &'w Wiring, client: &str, interface: &str) -> Option<(Ipv4Net, &'w DhcpService)> {
    let domain = wiring.domain(client, interface).filter(|_| wiring.is_up(client, interface))?;
    wiring.lan.devices.iter().find_map(|(name, device)| {
        let serve = match device {
            Device::Host(host) => &host.serve,
            Device::Router(router) => &router.serve,
            _ => return None,
        };
        let pools = serve.iter().filter_map(|service| if let Service::Dhcp(pool) = service { Some(pool) } else { None });
        let blocks = |first: Ipv4Addr| {
            let heard = wiring.interfaces(name).filter(|(own, _)| wiring.domain(name, own) == Some(domain) && wiring.is_up(name, own));
            let mut blocks = heard.flat_map(|(_, own)| &own.addresses);
            blocks.find_map(|block| if let IpNet::V4(block) = block { block.contains(&first).then_some(*block) } else { None })
        };
        pools.into_iter().find_map(|pool| blocks(pool.first).map(|block| (block, pool)))
    })
}
