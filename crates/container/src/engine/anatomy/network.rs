//! The network: devices, addresses and routes inside; the cable to its bridge; who else is at it; the rules of the instance
//! that lead in and out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use netlink::rtnl::{Family, address, link, route};
use netlink::{Protocol, nft};

use super::super::error::{Error, Result};
use super::super::networks::Networks;
use super::super::record::Record;
use super::parts::{Bridge, Cable, Device, Member, Network, Published, Rule};
use crate::network::firewall::{TABLE, policy_of};
use crate::network::plan::DEVICE_GROUP;
use crate::network::{self, Endpoint, Namespaces};

/// What a namespace holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    devices: BTreeMap<u32, Device>,
    masters: BTreeMap<u32, u32>,
    groups: BTreeMap<u32, u32>,
    routes: Vec<String>,
}

fn shown(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Looks into a namespace by its key.
pub(super) fn look(lab: &mut network::Lab<'_>, key: &str) -> Result<Held> {
    let kernel = |error: netlink::Error| Error::Network(network::Error::Kernel { namespace: key.to_owned(), source: error });
    let socket = lab.socket(key, Protocol::Route)?;
    let links = link::dump(socket).map_err(kernel)?;
    let addresses = address::dump(socket, None, None).map_err(kernel)?;
    let mut routes = route::dump(socket, Family::V4, Some(route::MAIN)).map_err(kernel)?;
    routes.extend(route::dump(socket, Family::V6, Some(route::MAIN)).map_err(kernel)?);
    let mut held = Held::default();
    let names: BTreeMap<u32, String> = links.iter().map(|link| (link.index, link.name.clone())).collect();
    for link in links {
        held.masters.extend(link.master.map(|master| (link.index, master)));
        held.groups.insert(link.index, link.group);
        let own = addresses.iter().filter(|address| address.device == link.index);
        let device = Device {
            index: link.index,
            kind: link.kind.clone().unwrap_or_else(|| if link.name == "lo" { "loopback".into() } else { "device".into() }),
            peer: link.peer,
            mac: link.mac.filter(|mac| *mac != [0; 6]).map(shown),
            addresses: own.map(|address| address.address.to_string()).collect(),
            mtu: link.mtu,
            is_up: link.is_up(),
            received: link.statistics.rx_bytes,
            sent: link.statistics.tx_bytes,
            name: link.name,
        };
        held.devices.insert(device.index, device);
    }
    let is_kept = |route: &&route::Route| match route.destination {
        // Every device has those.
        IpNet::V6(net) => !(net.addr().is_unicast_link_local() || net.addr().is_multicast()),
        IpNet::V4(_) => true,
    };
    held.routes = routes.iter().filter(is_kept).map(|route| words(route, &names)).collect();
    Ok(held)
}

/// As `ip route` writes it.
fn words(route: &route::Route, names: &BTreeMap<u32, String>) -> String {
    let mut text = match route.destination.prefix_len() {
        0 => "default".to_owned(),
        _ => route.destination.to_string(),
    };
    if let Some(gateway) = route.gateway {
        text.push_str(&format!(" via {gateway}"));
    }
    if let Some(name) = route.device.and_then(|device| names.get(&device)) {
        text.push_str(&format!(" dev {name}"));
    }
    if let Some(source) = route.preferred_source {
        text.push_str(&format!(" src {source}"));
    }
    text
}

impl Held {
    /// Everything inside, from the point of view of who is in it.
    pub(super) fn inside(self, mode: &str) -> Network {
        Network {
            mode: mode.to_owned(),
            devices: self.devices.into_values().collect(),
            routes: self.routes,
            ..Network::default()
        }
    }

    /// Interfaces into the VPC: those that no container made.
    fn uplinks(&self) -> Vec<Device> {
        let is_uplink = |device: &&Device| device.kind != "loopback" && self.groups.get(&device.index) != Some(&DEVICE_GROUP);
        self.devices.values().filter(is_uplink).cloned().collect()
    }

    fn by_name(&self, name: &str) -> Option<&Device> {
        self.devices.values().find(|device| device.name == name)
    }

    /// Bridges of the instance with the containers at them.
    fn bridges(&self, networks: &Networks, endpoints: &[Endpoint]) -> Vec<Bridge> {
        let bridge = |network: &network::Network| {
            let device = self.by_name(&network.bridge)?.clone();
            let own = endpoints.iter().filter(|endpoint| endpoint.network == network.id);
            let mut members: Vec<Member> = own
                .map(|endpoint| Member {
                    name: endpoint.name.clone(),
                    address: IpAddr::from(endpoint.address),
                    mac: shown(endpoint.mac),
                    port: endpoint.host_device(),
                })
                .collect();
            members.sort_by_key(|member| member.address);
            Some(Bridge {
                network: network.name.clone(),
                device,
                is_internal: network.internal,
                icc: network.icc,
                masquerade: network.masquerade,
                members,
            })
        };
        networks.networks.values().filter_map(bridge).collect()
    }
}

/// Adds what is outside of it: cables, bridges, published ports, rules. `records` are those of the instance; `own` is whose
/// network it is, none: the instance's.
pub(super) fn outside(
    network: &mut Network,
    lab: &mut network::Lab<'_>,
    instance: &str,
    networks: &Networks,
    records: &[Record],
    own: Option<&Record>,
) -> Result<()> {
    let held = look(lab, instance)?;
    let endpoints: Vec<Endpoint> = records.iter().flat_map(|record| record.endpoints.iter().cloned()).collect();
    let mine = |endpoint: &&Endpoint| own.is_none_or(|own| endpoint.container == own.id.as_str());
    let ours: Vec<&Endpoint> = endpoints.iter().filter(mine).collect();
    let by_id = |id: &str| networks.networks.values().find(|network| network.id == id);
    network.bridges = held.bridges(networks, &endpoints);
    if own.is_some() {
        for endpoint in &ours {
            let Some(inside) = network.devices.iter().find(|device| device.name == endpoint.interface) else { continue };
            // The kernel says at either end which index the other one has.
            let outside = inside.peer.and_then(|peer| held.devices.get(&peer)).filter(|other| other.peer == Some(inside.index));
            let Some(outside) = outside else { continue };
            let master = held.masters.get(&outside.index).and_then(|master| held.devices.get(master));
            network.cables.push(Cable {
                network: by_id(&endpoint.network).map(|network| network.name.clone()).unwrap_or_default(),
                inside: inside.clone(),
                outside: outside.clone(),
                bridge: master.map(|master| master.name.clone()).unwrap_or_default(),
            });
        }
        let at: BTreeSet<&str> = network.cables.iter().map(|cable| cable.bridge.as_str()).collect();
        network.bridges.retain(|bridge| at.contains(bridge.device.name.as_str()));
    }
    network.uplinks = if own.is_some() { held.uplinks() } else { Vec::new() };
    for endpoint in &ours {
        network.published.extend(endpoint.published.iter().map(|port| Published {
            protocol: port.transport.to_string(),
            address: port.host_address,
            port: port.host_port,
            to: format!("{}:{}", endpoint.address, port.container_port),
            container: endpoint.name.clone(),
        }));
    }
    let bridges: Vec<String> = network.bridges.iter().map(|bridge| bridge.device.name.clone()).collect();
    network.rules = rules(lab, instance, own.map(|own| own.id.short()), &bridges)?;
    Ok(())
}

/// The rules that say of themselves that they are about this container or these bridges.
fn rules(lab: &mut network::Lab<'_>, instance: &str, own: Option<&str>, bridges: &[String]) -> Result<Vec<Rule>> {
    let kernel = |error: netlink::Error| Error::Network(network::Error::Kernel { namespace: instance.to_owned(), source: error });
    let socket = lab.socket(instance, Protocol::Netfilter)?;
    let mut found = Vec::new();
    for table in nft::dump::tables(socket).map_err(kernel)?.into_iter().filter(|table| table.name == TABLE) {
        for rule in nft::dump::rules(socket, &table, None).map_err(kernel)? {
            let Some(comment) = nft::comment_text(&rule.user_data) else { continue };
            let Some((stage, subject)) = policy_of(comment) else { continue };
            let about = subject.split('/').next().unwrap_or_default();
            let is_about = match own {
                Some(own) => about == own || bridges.iter().any(|bridge| bridge == about),
                None => true,
            };
            if !is_about {
                continue;
            }
            found.push(Rule {
                table: format!("{} {}", family(table.family), table.name),
                chain: rule.chain.clone(),
                handle: rule.handle,
                stage: stage.to_owned(),
                text: comment.split_once(": ").map_or(comment, |(_, text)| text).to_owned(),
                does: does(&rule.expressions).to_owned(),
                packets: rule.count.map(|count| count.packets),
            });
        }
    }
    Ok(found)
}

fn family(family: nft::Family) -> &'static str {
    match family {
        nft::Family::Bridge => "bridge",
        nft::Family::Ip => "ip",
        nft::Family::Ip6 => "ip6",
        _ => "inet",
    }
}

/// By its last instruction.
fn does(expressions: &[String]) -> &'static str {
    match expressions.last().map(String::as_str) {
        Some("nat") => "dnat",
        Some("masq") => "masquerade",
        Some("immediate") => "verdict",
        Some("lookup") => "goes on by name",
        _ => "other",
    }
}
