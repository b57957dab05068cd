//! What an instance's namespace and its containers' are to hold: pure, from networks and endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use netlink::nft::Table;
use sha2::{Digest as _, Sha256};

use super::definition::{Endpoint, Network};
use super::error::{Error, Holder, Result};
use super::firewall::{self, Lead, RuleSet};
use super::ipam;
use super::publish::{PublishedPort, Transport};

/// Device group of every device that is ours: what is in it and in no plan goes.
pub const DEVICE_GROUP: u32 = 0x646f_636b;

/// A bridge in the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Device.
    pub name: String,
    /// Its address and the subnet's length.
    pub address: Ipv4Net,
    /// The same of IPv6, where the network has it.
    pub address_v6: Option<Ipv6Net>,
    /// Its Ethernet address; fixed, so that it does not change with its ports.
    pub mac: [u8; 6],
    /// Largest packet, bytes.
    pub mtu: u32,
}

/// A pair of devices between a bridge and a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cable {
    /// The end in the instance, a port of the bridge.
    pub host_device: String,
    /// The bridge.
    pub bridge: String,
    /// Key of the container's namespace.
    pub namespace: String,
    /// The end in the container.
    pub interface: String,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Its address and the subnet's length.
    pub address: Ipv4Net,
    /// The same of IPv6, where the network has it.
    pub address_v6: Option<Ipv6Net>,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// The container's way out, if it is here.
    pub default_via: Option<Ipv4Addr>,
    /// Its way out for IPv6, if that is here.
    pub default_via_v6: Option<Ipv6Addr>,
}

/// A port of the instance and where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// As it was asked for.
    pub port: PublishedPort,
    /// The container's address, of the family of the port's.
    pub address: IpAddr,
}

/// Everything that one instance's namespace, and those of its containers, are to hold for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Bridges by device.
    pub bridges: BTreeMap<String, Bridge>,
    /// Cables by their end in the instance.
    pub cables: BTreeMap<String, Cable>,
    /// Tables in the instance.
    pub tables: BTreeMap<Table, RuleSet>,
    /// Published ports, sorted.
    pub published: Vec<Published>,
}

impl Plan {
    /// What these networks and endpoints come to; without any network, what is there goes. Errors: [`Error::Plan`] where
    /// they contradict each other, [`Error::PortTaken`] where two containers publish one port.
    pub fn new(networks: &[Network], endpoints: &[Endpoint]) -> Result<Plan> {
        let mut sorted: Vec<&Network> = networks.iter().collect();
        sorted.sort_by(|a, b| a.bridge.cmp(&b.bridge));
        distinct(&sorted)?;
        let by_id: BTreeMap<&str, &Network> = sorted
            .iter()
            .map(|network| (network.id.as_str(), *network))
            .collect();
        let mut members: BTreeMap<&str, Vec<&Endpoint>> = BTreeMap::new();
        for endpoint in endpoints {
            let network = by_id.get(endpoint.network.as_str()).ok_or_else(|| {
                Error::Plan(format!(
                    "container {} is in network {}, which does not exist",
                    endpoint.name, endpoint.network
                ))
            })?;
            if !ipam::is_usable(network.subnet, endpoint.address)
                || endpoint.address == network.gateway
            {
                return Err(Error::Plan(format!(
                    "container {} cannot have address {} in network {} ({}, gateway {})",
                    endpoint.name, endpoint.address, network.name, network.subnet, network.gateway
                )));
            }
            if let (Some(address), part) = (endpoint.address_v6, network.ipv6)
                && !part.is_some_and(|part| {
                    part.subnet.contains(&address)
                        && address != part.gateway
                        && address != part.subnet.network()
                })
            {
                return Err(Error::Plan(format!(
                    "container {} cannot have address {address} in network {}",
                    endpoint.name, network.name
                )));
            }
            members.entry(&network.id).or_default().push(endpoint);
        }
        for list in members.values_mut() {
            list.sort_by_key(|endpoint| endpoint.address);
            if let Some(pair) = list
                .windows(2)
                .find(|pair| pair[0].address == pair[1].address)
            {
                return Err(Error::Plan(format!(
                    "containers {} and {} have the same address {}",
                    pair[0].name, pair[1].name, pair[0].address
                )));
            }
            let mut seen = BTreeMap::new();
            for endpoint in list.iter() {
                let Some(address) = endpoint.address_v6 else {
                    continue;
                };
                if let Some(other) = seen.insert(address, &endpoint.name) {
                    return Err(Error::Plan(format!(
                        "containers {other} and {} have the same address {address}",
                        endpoint.name
                    )));
                }
            }
        }
        let exits = Exits::of(endpoints, &by_id);
        let leads = leads(endpoints, &by_id, &exits)?;
        let mut plan = Plan {
            bridges: sorted
                .iter()
                .map(|n| (n.bridge.clone(), bridge(n)))
                .collect(),
            tables: firewall::tables(&sorted, &members, &leads),
            ..Plan::default()
        };
        let mut ends = BTreeSet::new();
        for endpoint in endpoints {
            let network = by_id[endpoint.network.as_str()];
            if !ends.insert((&endpoint.namespace, &endpoint.interface)) {
                return Err(Error::Plan(format!(
                    "container {} has device {} twice",
                    endpoint.name, endpoint.interface
                )));
            }
            let cable = cable(endpoint, network, &exits);
            let device = cable.host_device.clone();
            if let Some(other) = plan.cables.insert(device, cable) {
                return Err(Error::Plan(format!(
                    "container {} is in network {} twice, as {} too",
                    endpoint.name, network.name, other.interface
                )));
            }
        }
        plan.published = leads
            .iter()
            .map(|lead| Published {
                port: *lead.port,
                address: lead.address,
            })
            .collect();
        plan.published.sort();
        Ok(plan)
    }

    /// Keys of the containers' namespaces.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        self.cables
            .values()
            .map(|cable| cable.namespace.as_str())
            .collect()
    }

    /// Settings of the instance's namespace, below `/proc/sys`. The second exists where bridged frames can be shown to the
    /// rules for packets; they must not be, lest a published port be translated inside a bridge.
    pub fn sysctls(&self) -> &'static [(&'static str, &'static str)] {
        if self.bridges.is_empty() {
            &[]
        } else if self.bridges.values().all(|b| b.address_v6.is_none()) {
            &[
                ("net/ipv4/ip_forward", "1"),
                ("net/bridge/bridge-nf-call-iptables", "0"),
            ]
        } else {
            &[
                ("net/ipv4/ip_forward", "1"),
                ("net/bridge/bridge-nf-call-iptables", "0"),
                ("net/ipv6/conf/all/forwarding", "1"),
                ("net/bridge/bridge-nf-call-ip6tables", "0"),
            ]
        }
    }
}

fn distinct(networks: &[&Network]) -> Result<()> {
    for (at, one) in networks.iter().enumerate() {
        for other in &networks[at + 1..] {
            if one.bridge == other.bridge || one.id == other.id {
                return Err(Error::Plan(format!(
                    "networks {} and {} have the same bridge or id",
                    one.name, other.name
                )));
            }
            if ipam::overlap(one.subnet, other.subnet) {
                return Err(Error::Overlap {
                    wanted: one.subnet.into(),
                    other: format!("{} of network {}", other.subnet, other.name),
                });
            }
            if let (Some(part), Some(others)) = (one.ipv6, other.ipv6)
                && ipam::overlap_v6(part.subnet, others.subnet)
            {
                return Err(Error::Overlap {
                    wanted: part.subnet.into(),
                    other: format!("{} of network {}", others.subnet, other.name),
                });
            }
        }
    }
    Ok(())
}

/// The network of each container's default route, by container: one for each family, as Docker chooses them.
pub(crate) struct Exits<'a> {
    v4: BTreeMap<&'a str, &'a str>,
    v6: BTreeMap<&'a str, &'a str>,
}

impl<'a> Exits<'a> {
    /// Of the networks that lead out the one of the highest priority, of those the first by name.
    pub(crate) fn of(
        endpoints: &'a [Endpoint],
        networks: &BTreeMap<&str, &'a Network>,
    ) -> Exits<'a> {
        let best = |has_family: fn(&Endpoint) -> bool| {
            let mut best: BTreeMap<&str, (&Endpoint, &Network)> = BTreeMap::new();
            for endpoint in endpoints.iter().filter(|endpoint| has_family(endpoint)) {
                let Some(network) = networks.get(endpoint.network.as_str()).copied() else {
                    continue;
                };
                if network.internal {
                    continue;
                }
                let rank = |endpoint: &Endpoint, network: &'a Network| {
                    let priority = std::cmp::Reverse(endpoint.gateway_priority);
                    (priority, network.name.as_str())
                };
                let held = best
                    .entry(&endpoint.container)
                    .or_insert((endpoint, network));
                if rank(endpoint, network) < rank(held.0, held.1) {
                    *held = (endpoint, network);
                }
            }
            best.into_iter()
                .map(|(container, (_, network))| (container, network.id.as_str()))
                .collect()
        };
        Exits {
            v4: best(|_| true),
            v6: best(|endpoint| endpoint.address_v6.is_some()),
        }
    }

    /// Whether a container's packets of a family leave by this place.
    pub(crate) fn is_at(&self, endpoint: &Endpoint, is_v6: bool) -> bool {
        let exits = if is_v6 { &self.v6 } else { &self.v4 };
        exits.get(endpoint.container.as_str()) == Some(&endpoint.network.as_str())
    }
}

/// Published ports lead to where the container's answers leave from; a container without a way out publishes none.
fn leads<'a>(
    endpoints: &'a [Endpoint],
    networks: &BTreeMap<&str, &'a Network>,
    exits: &Exits<'_>,
) -> Result<Vec<Lead<'a>>> {
    let mut leads: Vec<Lead<'a>> = Vec::new();
    for publisher in endpoints.iter().filter(|e| !e.published.is_empty()) {
        for port in &publisher.published {
            let is_v6 = port.host_address.is_ipv6();
            let endpoint = endpoints
                .iter()
                .find(|e| e.container == publisher.container && exits.is_at(e, is_v6));
            let Some(endpoint) = endpoint else { continue };
            let address = match is_v6 {
                false => Some(IpAddr::from(endpoint.address)),
                true => endpoint.address_v6.map(IpAddr::from),
            };
            let Some(address) = address else { continue };
            let network = networks[endpoint.network.as_str()];
            if let Some(other) = leads.iter().find(|other| meet(other.port, port)) {
                if (other.endpoint, other.port) == (endpoint, port) {
                    continue;
                }
                return Err(Error::PortTaken {
                    port: *port,
                    holder: Holder::Container(other.endpoint.name.clone()),
                });
            }
            leads.push(Lead {
                endpoint,
                network,
                port,
                address,
            });
        }
    }
    leads.sort_by_key(|lead| *lead.port);
    // Of two rules for a port the one for an address of its own must come first; none is in the way of another here.
    Ok(leads)
}

fn meet(one: &PublishedPort, other: &PublishedPort) -> bool {
    let ports = |port: &PublishedPort| -> (u16, Transport) { (port.host_port, port.transport) };
    ports(one) == ports(other)
        && one.host_address.is_ipv4() == other.host_address.is_ipv4()
        && (one.host_address == other.host_address
            || one.host_address.is_unspecified()
            || other.host_address.is_unspecified())
}

fn bridge(network: &Network) -> Bridge {
    let digest = Sha256::digest(&network.id);
    Bridge {
        name: network.bridge.clone(),
        address: within(network, network.gateway),
        address_v6: network
            .ipv6
            .map(|part| Ipv6Net::new_assert(part.gateway, part.subnet.prefix_len())),
        mac: [0x02, 0x42, digest[0], digest[1], digest[2], digest[3]],
        mtu: network.mtu,
    }
}

fn cable(endpoint: &Endpoint, network: &Network, exits: &Exits<'_>) -> Cable {
    let part = network.ipv6.filter(|_| endpoint.address_v6.is_some());
    Cable {
        host_device: endpoint.host_device(),
        bridge: network.bridge.clone(),
        namespace: endpoint.namespace.clone(),
        interface: endpoint.interface.clone(),
        mac: endpoint.mac,
        address: within(network, endpoint.address),
        address_v6: part
            .zip(endpoint.address_v6)
            .map(|(part, address)| Ipv6Net::new_assert(address, part.subnet.prefix_len())),
        mtu: network.mtu,
        default_via: exits.is_at(endpoint, false).then_some(network.gateway),
        default_via_v6: part
            .filter(|_| exits.is_at(endpoint, true))
            .map(|part| part.gateway),
    }
}

fn within(network: &Network, address: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::new_assert(address, network.subnet.prefix_len())
}
