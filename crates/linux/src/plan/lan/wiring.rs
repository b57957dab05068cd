//! Which interfaces of a lan are linked, and who hears whom.

use std::collections::BTreeMap;

use fabric::{Fabric, VpcIndex};
use ipnet::{IpNet, Ipv4Net};
use model::lan::{Device, End, Interface, Lan, Link};

use super::lease::{self, Lease};

/// A lan as it is built here: links that close a loop without a spanning tree are down.
pub(super) struct Wiring {
    pub lan: Lan,
    /// The links that are down for that reason, by index.
    pub closing: Vec<usize>,
    tunnels: Vec<Tunnel>,
    domains: BTreeMap<(String, String), usize>,
    leases: BTreeMap<(String, String), Lease>,
}

/// A link to a VPC that has a virtual private gateway.
pub(super) struct Tunnel {
    /// Its number.
    pub link: usize,
    /// The lan's end.
    pub device: String,
    pub interface: String,
    pub vpc: VpcIndex,
    /// The VPC's blocks: what lies behind it for the lan.
    pub blocks: Vec<Ipv4Net>,
}

impl Wiring {
    /// A lan beside a cloud.
    pub fn at(lan: &Lan, fabric: &Fabric) -> Wiring {
        let tunnel = |(link, (device, interface, vpc)): (usize, (&str, &str, &str))| {
            let vpc = super::vpn::vpc(fabric, vpc)?;
            let blocks = fabric.vpcs[vpc].blocks.clone();
            Some(Tunnel { link, device: device.to_owned(), interface: interface.to_owned(), vpc, blocks })
        };
        Wiring { tunnels: lan.tunnels().filter_map(tunnel).collect(), ..Wiring::of(lan) }
    }

    /// A lan alone.
    pub fn of(lan: &Lan) -> Wiring {
        let (mut lan, closing) = (lan.clone(), lan.loops());
        closing.iter().for_each(|index| lan.links[*index].up = false);
        let mut up = lan.clone();
        up.links.retain(|link| link.up);
        let mut domains = BTreeMap::new();
        for (number, domain) in up.broadcast_domains().into_iter().enumerate() {
            domains.extend(domain.into_iter().map(|(device, interface)| ((device.to_owned(), interface.to_owned()), number)));
        }
        let mut wiring = Wiring { lan, closing, tunnels: Vec::new(), domains, leases: BTreeMap::new() };
        wiring.leases = lease::all(&wiring);
        wiring
    }

    /// The link at an interface, if there is one.
    pub fn link(&self, device: &str, interface: &str) -> Option<&Link> {
        let is_here = |end: &End| (end.device(), end.interface()) == (Some(device), Some(interface));
        let mut links = self.lan.links.iter().enumerate();
        let found = links.find(|(_, link)| is_here(&link.a) || is_here(&link.b));
        found.filter(|(index, link)| !is_at_vpc(link) || self.tunnels.iter().any(|tunnel| tunnel.link == *index)).map(|(_, link)| link)
    }

    /// Links to VPCs.
    pub fn tunnels(&self) -> &[Tunnel] {
        &self.tunnels
    }

    /// What lies behind VPCs for a router, and by which interface, as BGP would tell it: not what somebody wrote a route for.
    pub fn told_by_vpcs<'w>(&'w self, name: &'w str) -> impl Iterator<Item = (Ipv4Net, &'w str)> {
        let written = move |block: &Ipv4Net| match self.lan.devices.get(name) {
            Some(Device::Router(router)) => router.routes.iter().any(|route| route.destination == IpNet::V4(*block)),
            _ => false,
        };
        let own = self.tunnels.iter().filter(move |tunnel| tunnel.device == name);
        let blocks = own.flat_map(|tunnel| tunnel.blocks.iter().map(|block| (*block, tunnel.interface.as_str())));
        blocks.filter(move |(block, interface)| !written(block) && self.is_up(name, interface))
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
