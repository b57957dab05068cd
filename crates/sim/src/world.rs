//! A whole lab in one simulation: its cloud and its lans, joined where the file says so.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::Fabric;
use ipnet::IpNet;
use model::{Model, TrafficMatch};
use model::lan::{Device, Lan};

use crate::cloud::Cloud;
use crate::host::{Host, Protocol, RouteSpec, Services};
use crate::lan::{self, BuildError};
use crate::node::NodeId;
use crate::simulator::Simulator;
use crate::trace::Bounds;

/// A lab that is simulated.
pub struct World {
    /// Its cloud, in whose simulation the lans are, too.
    pub cloud: Cloud,
    /// What was built.
    pub model: Arc<Model>,
    /// What of it cannot carry anything, as sentences.
    pub notes: Vec<String>,
}

/// A node that sends and receives packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its addresses, the one that it speaks with first.
    pub addresses: Vec<IpAddr>,
}

impl World {
    /// Builds a lab. Errors: a lan that cannot be.
    pub fn new(model: Arc<Model>, fabric: Arc<Fabric>, seed: u64, bounds: Bounds) -> Result<Self, BuildError> {
        let mut cloud = Cloud::new(seed, bounds, fabric);
        let mut notes = Vec::new();
        for lan in model.lans.values() {
            lan::add(&mut cloud.simulator, lan)?;
            attach(&mut cloud, lan, &mut notes)?;
        }
        Ok(Self { cloud, model, notes })
    }

    /// Lets instances answer where their file says so, ports that their containers publish included, and nowhere else.
    pub fn serve_listeners(&mut self) {
        let fabric = Arc::clone(self.cloud.fabric());
        for instance in fabric.instances.values() {
            let Some((node, _)) = instance.interfaces.first().and_then(|index| self.cloud.place(&fabric.interfaces[*index].id)) else { continue };
            let open = instance.listens_to().flat_map(|traffic| match traffic {
                TrafficMatch::Tcp(ports) => (ports.from..=ports.to).map(|port| (Protocol::TCP, port)).collect::<Vec<_>>(),
                TrafficMatch::Udp(ports) => (ports.from..=ports.to).map(|port| (Protocol::UDP, port)).collect(),
                _ => Vec::new(),
            });
            let services = Services { open: open.collect(), ..Services::default() };
            self.cloud.simulator.with(node, |host: &mut Host, _| host.set_services(services));
        }
    }

    /// The simulation.
    pub fn simulator(&mut self) -> &mut Simulator {
        &mut self.cloud.simulator
    }

    /// The host, router or balancer of a lan by its name, or by an address that it has.
    pub fn lan_host(&self, name: &str) -> Option<Place> {
        if let Ok(address) = name.parse::<IpAddr>() {
            let all = self.lan_hosts().into_iter().filter_map(|name| self.cloud.simulator.find(name));
            return all.map(|node| self.place(node)).find(|place| place.addresses.contains(&address));
        }
        let is_host = |device: &Device| matches!(device, Device::Host(_) | Device::Router(_) | Device::Balancer(_));
        let known = self.model.lans.values().any(|lan| lan.devices.get(name).is_some_and(is_host));
        let node = self.cloud.simulator.find(name).filter(|_| known)?;
        Some(self.place(node))
    }

    /// A node with its addresses.
    pub fn place(&self, node: NodeId) -> Place {
        let simulator = &self.cloud.simulator;
        let host: Option<&Host> = simulator.get(node);
        let ports = 0..simulator.ports(node).len() as u16;
        let addresses = host.map(|host| ports.flat_map(|port| host.addresses(port)).map(|own: IpNet| own.addr()).collect());
        Place { node, name: simulator.name(node).to_owned(), addresses: addresses.unwrap_or_default() }
    }

    /// Names of all hosts, routers and balancers of lans, sorted.
    pub fn lan_hosts(&self) -> Vec<&str> {
        let devices = self.model.lans.values().flat_map(|lan| &lan.devices);
        let hosts = devices.filter(|(_, device)| device.interfaces().is_some());
        let mut names: Vec<&str> = hosts.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// Plugs the links of a lan that end at VPCs into their virtual private gateways, and gives each router the way to its VPC,
/// as BGP would tell it: a route for each of the VPC's blocks, unless the router has one that somebody wrote.
fn attach(cloud: &mut Cloud, lan: &Lan, notes: &mut Vec<String>) -> Result<(), BuildError> {
    for (index, (device, interface, vpc)) in lan.tunnels() {
        let (link, networks) = (&lan.links[index], lan.announced(index));
        let node = cloud.simulator.find(device).ok_or_else(|| BuildError::NoDevice(device.to_owned()))?;
        let port = cloud.simulator.ports(node).iter().position(|port| *port.name == *interface);
        let port = match port {
            Some(port) => port as u16,
            None => cloud.simulator.add_port(node, interface),
        };
        let Some((cable, blocks)) = cloud.attach_lan(vpc, (node, port), lan::link_spec(link), networks) else {
            notes.push(format!("{device}:{interface} -- vpc:{vpc} carries nothing: the VPC has no virtual private gateway"));
            continue;
        };
        if !link.up {
            cloud.simulator.set_link(cable, false);
        }
        let written = |block: &IpNet| match lan.devices.get(device) {
            Some(Device::Router(router)) => router.routes.iter().any(|route| route.destination == *block),
            _ => false,
        };
        for destination in blocks.into_iter().map(IpNet::V4).filter(|block| !written(block)) {
            // Of several ways to one VPC the first that is up is used.
            let metric = index as u32 + if link.up { 0 } else { lan.links.len() as u32 };
            let route = RouteSpec { destination, via: None, interface: port, metric };
            cloud.simulator.with(node, |router: &mut Host, _| router.set_route(route));
        }
    }
    Ok(())
}
