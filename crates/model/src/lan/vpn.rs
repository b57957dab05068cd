//! What a lan that is linked to a VPC tells it: the networks behind the router, as BGP would announce them (VPN-1).

use super::*;

impl Lan {
    /// The networks that the VPC at the end of a link is told to lie behind it, sorted, each once: what the link says, else
    /// every IPv4 network of every router that the linked one is joined with, links that are down included. A router that
    /// hides addresses behind the linked interface tells that interface's network alone. Empty for other links, and for one
    /// that is down: nobody speaks over it.
    pub fn announced(&self, link: usize) -> Vec<Ipv4Net> {
        let Some(link) = self.links.get(link) else { return Vec::new() };
        let Some((device, interface, _)) = self.tunnel(link).filter(|_| link.up) else { return Vec::new() };
        let mut networks = match &link.announce {
            written if !written.is_empty() => written.clone(),
            _ => self.networks_behind(device, interface),
        };
        networks.sort_unstable();
        networks.dedup();
        networks
    }

    /// Device, interface and VPC of a link between a lan and a VPC.
    pub fn tunnel<'l>(&'l self, link: &'l Link) -> Option<(&'l str, &'l str, &'l str)> {
        match (&link.a, &link.b) {
            (End::Device { device, interface }, End::Vpc(vpc)) | (End::Vpc(vpc), End::Device { device, interface }) => {
                Some((device, interface, vpc))
            }
            _ => None,
        }
    }

    /// All links to VPCs with their numbers: device, interface and VPC of each.
    pub fn tunnels(&self) -> impl Iterator<Item = (usize, (&str, &str, &str))> {
        self.links.iter().enumerate().filter_map(|(index, link)| Some((index, self.tunnel(link)?)))
    }

    /// Every IPv4 network that an interface of this lan is in, announced or not.
    pub fn ipv4_networks(&self) -> impl Iterator<Item = Ipv4Net> {
        self.devices.values().filter_map(Device::interfaces).flat_map(BTreeMap::values).flat_map(networks)
    }

    /// The IPv4 addresses that somebody in this lan has, or may be lent, as ranges, sorted: what is written for interfaces, virtual
    /// addresses of balancers, and, where an interface asks for a lease, what servers lend.
    pub fn ipv4_held(&self) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let interfaces = || self.devices.values().filter_map(Device::interfaces).flat_map(BTreeMap::values);
        let written = interfaces().flat_map(|interface| &interface.addresses).map(IpNet::addr);
        let shared = self.devices.values().filter_map(|device| match device {
            Device::Balancer(balancer) => Some(balancer.virtual_address),
            _ => None,
        });
        let mut held: Vec<(Ipv4Addr, Ipv4Addr)> = written.chain(shared).filter_map(|address| match address {
            IpAddr::V4(address) => Some((address, address)),
            IpAddr::V6(_) => None,
        }).collect();
        if interfaces().any(|interface| interface.dhcp) {
            let serving = self.devices.values().flat_map(|device| match device {
                Device::Router(router) => router.serve.as_slice(),
                Device::Host(host) => host.serve.as_slice(),
                _ => &[],
            });
            held.extend(serving.filter_map(|service| match service {
                Service::Dhcp(pool) => Some((pool.first, pool.last)),
                _ => None,
            }));
        }
        held.sort_unstable();
        held.dedup();
        held
    }

    /// Pairs of links by which devices that are joined reach two VPCs, both up; the smaller number first.
    pub fn tunnel_pairs(&self) -> Vec<(usize, usize)> {
        let up: Vec<_> = self.tunnels().filter(|(index, _)| self.links[*index].up).collect();
        let mut pairs = Vec::new();
        for (at, (one, (device, _, vpc))) in up.iter().enumerate() {
            let joined = self.joined_with(device);
            let others = up[at + 1..].iter().filter(|(_, (other, _, to))| to != vpc && joined.contains(other));
            pairs.extend(others.map(|(other, _)| (*one, *other)));
        }
        pairs
    }

    fn networks_behind(&self, device: &str, interface: &str) -> Vec<Ipv4Net> {
        if let Some(Device::Router(router)) = self.devices.get(device)
            && router.nat_interface.as_deref() == Some(interface)
        {
            return router.interfaces.get(interface).into_iter().flat_map(networks).collect();
        }
        let joined = self.joined_with(device);
        let routers = joined.iter().filter_map(|name| match self.devices.get(*name) {
            Some(Device::Router(router)) => Some(router),
            _ => None,
        });
        routers.flat_map(|router| router.interfaces.values()).flat_map(networks).collect()
    }

    /// Every device that links of this lan join with one, itself included.
    fn joined_with<'l>(&'l self, device: &'l str) -> BTreeSet<&'l str> {
        let mut known = BTreeSet::from([device]);
        let mut next = vec![device];
        while let Some(at) = next.pop() {
            for link in self.links_of(at) {
                let ends = [&link.a, &link.b].into_iter().filter_map(End::device);
                next.extend(ends.filter(|other| known.insert(other)));
            }
        }
        known
    }
}

/// The IPv4 networks that an interface is in.
fn networks(interface: &Interface) -> impl Iterator<Item = Ipv4Net> {
    interface.addresses.iter().filter_map(|address| match address {
        IpNet::V4(block) => Some(block.trunc()),
        IpNet::V6(_) => None,
    })
}
