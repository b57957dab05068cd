//! Which interfaces of a lan are linked, and who hears whom.

use std::collections::BTreeMap;

use ipnet::IpNet;
use model::lan::{Device, End, Interface, Lan, Link};

use super::lease::{self, Lease};

/// A lan as it is built here: links that close a loop without a spanning tree are down.
pub(super) struct Wiring {
    pub lan: Lan,
    /// The links that are down for that reason, by index.
    pub closing: Vec<usize>,
    domains: BTreeMap<(String, String), usize>,
    leases: BTreeMap<(String, String), Lease>,
}

impl Wiring {
    pub fn of(lan: &Lan) -> Wiring {
        let (mut lan, closing) = (lan.clone(), lan.loops());
        closing.iter().for_each(|index| lan.links[*index].up = false);
        let mut up = lan.clone();
        up.links.retain(|link| link.up);
        let mut domains = BTreeMap::new();
        for (number, domain) in up.broadcast_domains().into_iter().enumerate() {
            domains.extend(domain.into_iter().map(|(device, interface)| ((device.to_owned(), interface.to_owned()), number)));
        }
        let mut wiring = Wiring { lan, closing, domains, leases: BTreeMap::new() };
        wiring.leases = lease::all(&wiring);
        wiring
    }

    /// The link at an interface, if there is one.
    pub fn link(&self, device: &str, interface: &str) -> Option<&Link> {
        let is_here = |end: &End| (end.device(), end.interface()) == (Some(device), Some(interface));
        self.lan.links.iter().find(|link| is_here(&link.a) || is_here(&link.b)).filter(|link| !is_at_vpc(link))
    }

    /// Whether an interface carries packets.
    pub fn is_up(&self, device: &str, interface: &str) -> bool {
        self.link(device, interface).is_some_and(|link| link.up)
    }

    /// The number of an interface's broadcast domain.
    pub fn domain(&self, device: &str, interface: &str) -> Option<usize> {
        self.domains.get(&(device.to_owned(), interface.to_owned())).copied()
    }

    /// Interfaces of a device by name; none of one that has ports only.
    pub fn interfaces(&self, device: &str) -> impl Iterator<Item = (&str, &Interface)> {
        let own = self.lan.devices.get(device).and_then(Device::interfaces);
        own.into_iter().flatten().map(|(name, interface)| (name.as_str(), interface))
    }

    /// What a DHCP server would lend an interface.
    pub fn lease(&self, device: &str, interface: &str) -> Option<&Lease> {
        self.leases.get(&(device.to_owned(), interface.to_owned()))
    }

    /// Addresses of an interface, written and lent.
    pub fn addresses(&self, device: &str, interface: &str) -> Vec<IpNet> {
        let written = self.lan.devices.get(device).and_then(Device::interfaces).and_then(|own| own.get(interface));
        let mut addresses = written.map(|own| own.addresses.clone()).unwrap_or_default();
        addresses.extend(self.lease(device, interface).map(|lease| IpNet::V4(lease.address)));
        addresses
    }
}

/// Whether a link ends at a VPC.
pub(super) fn is_at_vpc(link: &Link) -> bool {
    [&link.a, &link.b].into_iter().any(|end| matches!(end, End::Vpc(_)))
}
