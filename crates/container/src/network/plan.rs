//! What an instance's namespace and its containers' are to hold: pure, from networks and endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
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
    /// Largest packet, bytes.
    pub mtu: u32,
    /// The container's way out, if it is here.
    pub default_via: Option<Ipv4Addr>,
}

/// A port of the instance and where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// As it was asked for.
    pub port: PublishedPort,
    /// The container's address.
    pub address: Ipv4Addr,
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
        }
        let exits = exits(endpoints, &by_id);
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
            let is_exit =
                exits.get(endpoint.container.as_str()) == Some(&endpoint.network.as_str());
            let cable = cable(endpoint, network, is_exit);
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
                address: lead.endpoint.address,
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
        } else {
            &[
                ("net/ipv4/ip_forward", "1"),
                ("net/bridge/bridge-nf-call-iptables", "0"),
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
                    wanted: one.subnet,
                    other: format!("{} of network {}", other.subnet, other.name),
                });
            }
        }
    }
    Ok(())
}

/// The network of each container's default route.
fn exits<'a>(
    endpoints: &'a [Endpoint],
    networks: &BTreeMap<&str, &'a Network>,
) -> BTreeMap<&'a str, &'a str> {
    let mut best: BTreeMap<&str, (&Endpoint, &Network)> = BTreeMap::new();
    for endpoint in endpoints {
        let network = networks[endpoint.network.as_str()];
        if network.internal {
            continue;
        }
        let rank = |endpoint: &Endpoint, network: &Network| {
            (
                std::cmp::Reverse(endpoint.gateway_priority),
                network.name.clone(),
            )
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
}

/// Published ports lead to where the container's answers leave from; a container without a way out publishes none.
fn leads<'a>(
    endpoints: &'a [Endpoint],
    networks: &BTreeMap<&str, &'a Network>,
    exits: &BTreeMap<&str, &str>,
) -> Result<Vec<Lead<'a>>> {
    let mut leads: Vec<Lead<'a>> = Vec::new();
    for publisher in endpoints.iter().filter(|e| !e.published.is_empty()) {
        let exit = exits.get(publisher.container.as_str()).copied();
        let endpoint = endpoints
            .iter()
            .find(|e| e.container == publisher.container && Some(e.network.as_str()) == exit);
        let Some(endpoint) = endpoint else { continue };
        let network = networks[endpoint.network.as_str()];
        for port in &publisher.published {
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
        && (one.host_address == other.host_address
            || one.host_address.is_unspecified()
            || other.host_address.is_unspecified())
}

fn bridge(network: &Network) -> Bridge {
    let digest = Sha256::digest(&network.id);
    Bridge {
        name: network.bridge.clone(),
        address: within(network, network.gateway),
        mac: [0x02, 0x42, digest[0], digest[1], digest[2], digest[3]],
        mtu: network.mtu,
    }
}

fn cable(endpoint: &Endpoint, network: &Network, is_exit: bool) -> Cable {
    Cable {
        host_device: endpoint.host_device(),
        bridge: network.bridge.clone(),
        namespace: endpoint.namespace.clone(),
        interface: endpoint.interface.clone(),
        mac: endpoint.mac,
        address: within(network, endpoint.address),
        mtu: network.mtu,
        default_via: is_exit.then_some(network.gateway),
    }
}

fn within(network: &Network, address: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::new_assert(address, network.subnet.prefix_len())
}
