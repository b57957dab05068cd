//! Who is where: nodes and ports by what the fabric calls them, and back.

use std::net::IpAddr;

use fabric::VpcIndex;
use model::{EgressOnlyInternetGatewayId, InternetGatewayId, NetworkInterfaceId};

use super::Cloud;
use crate::cloud::internet::{Beyond, Internet};
use crate::host::Host;
use crate::node::NodeId;

impl Cloud {
    /// The node and port of an interface's guest.
    pub fn place(&self, interface: &NetworkInterfaceId) -> Option<(NodeId, u16)> {
        self.places.get(interface).copied()
    }

    /// The guest that a public address leads to.
    pub fn holder(&self, address: IpAddr) -> Option<NodeId> {
        let IpAddr::V4(address) = address else { return None };
        let mapping = self.fabric.public_addresses.get(&address)?;
        self.place(&self.fabric.interfaces[mapping.interface].id).map(|(node, _)| node)
    }

    /// The interface behind which a node's port is.
    pub fn interface_at(&self, node: NodeId, port: u16) -> Option<&NetworkInterfaceId> {
        self.places.iter().find(|(_, place)| **place == (node, port)).map(|(id, _)| id)
    }

    /// Whether a node is an instance or a host outside.
    pub fn is_host(&self, node: NodeId) -> bool {
        self.simulator.get::<Host>(node).is_some()
    }

    /// The VPC whose services a node is.
    pub fn services_of(&self, node: NodeId) -> Option<VpcIndex> {
        self.fabric.vpcs.find(self.services.get(&node)?, |vpc| &vpc.id)
    }

    /// All instances and hosts.
    pub fn all_hosts(&self) -> Vec<NodeId> {
        self.guests.values().chain(self.hosts.values()).chain(self.services.keys()).chain(&self.service_hosts).copied().collect()
    }

    /// The hosts behind endpoints that have this address.
    pub fn service_hosts(&self, address: IpAddr) -> Vec<NodeId> {
        let has = |node: &&NodeId| self.simulator.get::<Host>(**node).is_some_and(|host| host.addresses(0).iter().any(|own| own.addr() == address));
        self.service_hosts.iter().filter(has).copied().collect()
    }

    /// The port of the internet that leads to a gateway.
    pub fn internet_port(&self, gateway: &InternetGatewayId) -> Option<(NodeId, u16)> {
        let internet: &Internet = self.simulator.get(self.internet)?;
        internet.port(&Beyond::InternetGateway(gateway.clone())).map(|port| (self.internet, port))
    }

    /// The port of the internet that leads to an egress-only gateway.
    pub fn egress_only_port(&self, gateway: &EgressOnlyInternetGatewayId) -> Option<(NodeId, u16)> {
        let internet: &Internet = self.simulator.get(self.internet)?;
        internet.port(&Beyond::EgressOnlyInternetGateway(gateway.clone())).map(|port| (self.internet, port))
    }
}
