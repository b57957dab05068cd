//! What people may type for a thing: `Name` tag, identifier, address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::fabric::Fabric;
use crate::index::*;

/// Anything that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entity {
    /// An instance.
    Instance(InstanceIndex),
    /// A named place on the internet.
    Outside(OutsideIndex),
    /// A network interface.
    Interface(InterfaceIndex),
    /// A subnet.
    Subnet(SubnetIndex),
    /// A VPC.
    Vpc(VpcIndex),
    /// A security group.
    Group(GroupIndex),
    /// A network ACL.
    Acl(AclIndex),
    /// A route table.
    RouteTable(RouteTableIndex),
    /// An internet gateway.
    InternetGateway(InternetGatewayIndex),
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayIndex),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayIndex),
    /// A transit gateway.
    TransitGateway(TransitGatewayIndex),
    /// A NAT gateway.
    NatGateway(NatGatewayIndex),
    /// A peering connection.
    Peering(PeeringIndex),
    /// An endpoint.
    VpcEndpoint(VpcEndpointIndex),
}

/// Every name and id with what it may mean, best first: instances and outside places share one namespace and win.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Names {
    pub(crate) by_text: BTreeMap<String, Vec<Entity>>,
}

impl Names {
    pub(crate) fn of(fabric: &Fabric) -> Self {
        let mut names = Self::default();
        macro_rules! add {
            ($table:ident, $kind:ident) => {
                for (index, row) in fabric.$table.iter() {
                    names.add(row.id.as_str(), Entity::$kind(index));
                    names.add(&row.name, Entity::$kind(index));
                }
            };
        }
        add!(instances, Instance);
        for (index, host) in fabric.outside.iter() {
            names.add(&host.name, Entity::Outside(index));
        }
        add!(interfaces, Interface);
        add!(subnets, Subnet);
        add!(vpcs, Vpc);
        add!(groups, Group);
        add!(acls, Acl);
        add!(route_tables, RouteTable);
        add!(internet_gateways, InternetGateway);
        add!(egress_only_internet_gateways, EgressOnlyInternetGateway);
        add!(vpn_gateways, VpnGateway);
        add!(transit_gateways, TransitGateway);
        add!(nat_gateways, NatGateway);
        add!(peerings, Peering);
        add!(vpc_endpoints, VpcEndpoint);
        for found in names.by_text.values_mut() {
            found.sort();
            found.dedup();
        }
        names
    }

    fn add(&mut self, text: &str, entity: Entity) {
        self.by_text.entry(text.to_owned()).or_default().push(entity);
    }
}

impl Fabric {
    /// The thing of this name, identifier or address. Of several with one name, instances and outside places come
    /// first, then interfaces, then by kind as in [`Entity`], then by id. An address names the interface that holds
    /// it, or that its public address stands for, or the outside place.
    pub fn find(&self, text: &str) -> Option<Entity> {
        if let Some(found) = self.names.by_text.get(text).and_then(|found| found.first()) {
            return Some(*found);
        }
        self.find_address(text.parse().ok()?)
    }

    /// Everything of this name or identifier, best first.
    pub fn find_all(&self, text: &str) -> &[Entity] {
        self.names.by_text.get(text).map_or(&[], Vec::as_slice)
    }

    /// All names and identifiers, sorted: for hints after a typing error.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.by_text.keys().map(String::as_str)
    }

    /// Who has an address; of several VPCs with one private address, the first by id.
    pub fn find_address(&self, address: IpAddr) -> Option<Entity> {
        if let IpAddr::V4(public) = address
            && let Some(mapping) = self.public_addresses.get(&public)
        {
            return Some(Entity::Interface(mapping.interface));
        }
        let held = self.held.binary_search_by_key(&address, |(held, _)| *held).ok();
        let holder = held.map(|place| Entity::Interface(self.held[place].1));
        holder.or_else(|| self.outside_host(address).map(Entity::Outside))
    }

    /// The named place that has an address.
    pub fn outside_host(&self, address: IpAddr) -> Option<OutsideIndex> {
        self.outside.iter().find(|(_, host)| host.addresses.contains(&address)).map(|(index, _)| index)
    }
}
