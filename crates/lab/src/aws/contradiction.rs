//! Facts that exclude each other: an error with both places, because reading on would mean to choose one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::Ipv4Addr;

use ipnet::IpNet;
use model::endpoint::VpcEndpointKind;
use model::network_interface::InterfaceType;
use model::route_table::Associated;
use model::*;

use super::Dump;

impl Dump<'_, '_> {
    /// Facts that exclude each other.
    pub(super) fn contradictions(&mut self) {
        self.blocks();
        self.held_addresses();
        self.doubles();
        self.across();
        self.local_routes();
    }

    fn clash(&mut self, one: impl Display, other: impl Display, message: String) {
        let (place, first) = (self.place_of(&one), self.place_of(&other));
        self.reader.contradiction(place, message, Some((first, "the other")));
    }

    fn blocks(&mut self) {
        let mut clashes: Vec<(String, String, String)> = Vec::new();
        let mut of_vpc: BTreeMap<&VpcId, Vec<&Subnet>> = BTreeMap::new();
        for subnet in self.model.subnets.values() {
            of_vpc.entry(&subnet.vpc_id).or_default().push(subnet);
            let vpc = &self.model.vpcs[&subnet.vpc_id];
            if !vpc.cidr_blocks.iter().any(|b| b.block.contains(&subnet.cidr_block)) {
                clashes.push((subnet.id.to_string(), vpc.id.to_string(), format!("{} ({}) lies outside the blocks of {}", subnet.id, subnet.cidr_block, vpc.id)));
            }
        }
        for mut subnets in of_vpc.into_values() {
            subnets.sort_by_key(|s| (s.cidr_block.network(), s.cidr_block.prefix_len()));
            for pair in subnets.windows(2).filter(|pair| pair[0].cidr_block.contains(&pair[1].cidr_block.network())) {
                let message = format!("{} ({}) and {} ({}) overlap in one VPC", pair[1].id, pair[1].cidr_block, pair[0].id, pair[0].cidr_block);
                clashes.push((pair[1].id.to_string(), pair[0].id.to_string(), message));
            }
        }
        clashes.into_iter().for_each(|(one, other, message)| self.clash(one, other, message));
    }

    fn held_addresses(&mut self) {
        let mut clashes: Vec<(String, String, String)> = Vec::new();
        let mut held: BTreeMap<(&VpcId, Ipv4Addr), &NetworkInterfaceId> = BTreeMap::new();
        let mut public: BTreeMap<Ipv4Addr, String> = BTreeMap::new();
        for interface in self.model.network_interfaces.values() {
            let subnet = &self.model.subnets[&interface.subnet_id];
            for address in &interface.private_ip_addresses {
                if !subnet.cidr_block.contains(address) {
                    let message = format!("{} has {address}, which lies outside {} ({})", interface.id, subnet.id, subnet.cidr_block);
                    clashes.push((interface.id.to_string(), subnet.id.to_string(), message));
                }
                if let Some(other) = held.insert((&interface.vpc_id, *address), &interface.id) {
                    clashes.push((interface.id.to_string(), other.to_string(), format!("{} and {other} both have {address}", interface.id)));
                }
            }
            if let Some(address) = interface.auto_public_ip
                && let Some(other) = public.insert(address, interface.id.to_string())
            {
                clashes.push((interface.id.to_string(), other.clone(), format!("{} and {other} both have {address}", interface.id)));
            }
        }
        for address in self.model.addresses.values() {
            if let Some(other) = public.insert(address.public_ip, address.allocation_id.to_string()) {
                let message = format!("{} and {other} both have {}", address.allocation_id, address.public_ip);
                clashes.push((address.allocation_id.to_string(), other, message));
            }
        }
        clashes.into_iter().for_each(|(one, other, message)| self.clash(one, other, message));
    }

    /// What there is one of: a main table and a gateway of a VPC, a table and a list of a subnet, a device of an index.
    fn doubles(&mut self) {
        let mut clashes: Vec<(String, String, String)> = Vec::new();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut once = |what: String, who: String| {
            if let Some(other) = seen.insert(what.clone(), who.clone()).filter(|other| *other != who) {
                clashes.push((who.clone(), other.clone(), format!("{what}: {who} and {other}")));
            }
        };
        for table in self.model.route_tables.values() {
            for association in &table.associations {
                match &association.to {
                    Associated::Main => once(format!("{} has two main route tables", table.vpc_id), table.id.to_string()),
                    Associated::Subnet(subnet) => once(format!("{subnet} has two route tables"), table.id.to_string()),
                    _ => {}
                }
            }
        }
        for acl in self.model.network_acls.values() {
            acl.associations.iter().for_each(|a| once(format!("{} has two network ACLs", a.subnet_id), acl.id.to_string()));
        }
        for gateway in self.model.internet_gateways.values() {
            gateway.vpc_id.iter().for_each(|vpc| once(format!("{vpc} has two internet gateways"), gateway.id.to_string()));
        }
        for interface in self.model.network_interfaces.values().filter(|i| i.interface_type == InterfaceType::Interface) {
            let device = interface.attachment.iter().map(|a| format!("{} has two interfaces {}", a.instance_id, a.device_index));
            device.for_each(|device| once(device, interface.id.to_string()));
        }
        let mut mapped: BTreeSet<(NetworkInterfaceId, Ipv4Addr)> = BTreeSet::new();
        for address in self.model.addresses.values() {
            let Some(a) = &address.association else { continue };
            if !mapped.insert((a.network_interface_id.clone(), a.private_ip_address)) {
                let message = format!("{} of {} has two Elastic IP addresses", a.private_ip_address, a.network_interface_id);
                clashes.push((address.allocation_id.to_string(), a.network_interface_id.to_string(), message));
            }
        }
        clashes.into_iter().for_each(|(one, other, message)| self.clash(one, other, message));
    }

    /// Things that belong together and are in different VPCs.
    fn across(&mut self) {
        let model = &self.model;
        let mut clashes: Vec<(String, String, String)> = Vec::new();
        let mut same = |who: &dyn Display, own: &VpcId, what: &dyn Display, other: &VpcId| {
            if own != other {
                clashes.push((who.to_string(), what.to_string(), format!("{who} is in {own} and refers to {what}, which is in {other}")));
            }
        };
        let subnet_vpc = |id: &SubnetId| model.subnets.get(id).map(|subnet| &subnet.vpc_id);
        for table in model.route_tables.values() {
            for association in &table.associations {
                match &association.to {
                    Associated::Subnet(id) => subnet_vpc(id).into_iter().for_each(|vpc| same(&table.id, &table.vpc_id, id, vpc)),
                    Associated::InternetGateway(id) => {
                        let vpc = model.internet_gateways.get(id).and_then(|gateway| gateway.vpc_id.as_ref());
                        vpc.into_iter().for_each(|vpc| same(&table.id, &table.vpc_id, id, vpc));
                    }
                    _ => {}
                }
            }
            for route in &table.routes {
                let (id, vpc): (&dyn Display, Option<&VpcId>) = match &route.target {
                    RouteTarget::InternetGateway(id) => (id, model.internet_gateways.get(id).and_then(|g| g.vpc_id.as_ref())),
                    RouteTarget::NatGateway(id) => (id, model.nat_gateways.get(id).map(|g| &g.vpc_id)),
                    RouteTarget::NetworkInterface(id) => (id, model.network_interfaces.get(id).map(|i| &i.vpc_id)),
                    RouteTarget::VpcEndpoint(id) => (id, model.vpc_endpoints.get(id).map(|e| &e.vpc_id)),
                    RouteTarget::VpcPeeringConnection(id) => {
                        let other = model.vpc_peering_connections.get(id).filter(|p| p.peer_of(&table.vpc_id).is_none());
                        (id, other.map(|p| &p.requester_vpc_id))
                    }
                    _ => continue,
                };
                vpc.into_iter().for_each(|vpc| same(&table.id, &table.vpc_id, id, vpc));
            }
        }
        for acl in model.network_acls.values() {
            for association in &acl.associations {
                subnet_vpc(&association.subnet_id).into_iter().for_each(|vpc| same(&acl.id, &acl.vpc_id, &association.subnet_id, vpc));
            }
        }
        for interface in model.network_interfaces.values() {
            for group in interface.groups.iter().filter_map(|id| model.security_groups.get(id)) {
                same(&interface.id, &interface.vpc_id, &group.id, &group.vpc_id);
            }
        }
        let mut of_instance: BTreeMap<&InstanceId, &NetworkInterface> = BTreeMap::new();
        for interface in model.network_interfaces.values() {
            let Some(first) = interface.instance_id().and_then(|id| of_instance.insert(id, interface)) else { continue };
            same(&interface.id, &interface.vpc_id, &first.id, &first.vpc_id);
        }
        for endpoint in model.vpc_endpoints.values() {
            match &endpoint.kind {
                VpcEndpointKind::Gateway { route_table_ids, .. } => {
                    for table in route_table_ids.iter().filter_map(|id| model.route_tables.get(id)) {
                        same(&endpoint.id, &endpoint.vpc_id, &table.id, &table.vpc_id);
                    }
                }
                VpcEndpointKind::Interface { subnet_ids, .. } => {
                    subnet_ids.iter().filter_map(|id| Some((id, subnet_vpc(id)?))).for_each(|(id, vpc)| same(&endpoint.id, &endpoint.vpc_id, id, vpc));
                }
            }
        }
        clashes.into_iter().for_each(|(one, other, message)| self.clash(one, other, message));
    }

    /// A destination inside the VPC can lead to an interface, a NAT gateway, an endpoint or nowhere else (RT-1, RT-4).
    fn local_routes(&mut self) {
        let mut clashes = Vec::new();
        for table in self.model.route_tables.values() {
            let blocks: Vec<IpNet> = self.model.vpcs[&table.vpc_id].ipv4_blocks().map(IpNet::V4).collect();
            for route in &table.routes {
                let Destination::Ipv4(destination) = route.destination else { continue };
                let inside = blocks.iter().find(|block| block.contains(&IpNet::V4(destination)));
                let may = match route.target {
                    RouteTarget::Local => inside.is_some_and(|block| *block == IpNet::V4(destination)),
                    RouteTarget::NatGateway(_) | RouteTarget::NetworkInterface(_) | RouteTarget::VpcEndpoint(_) => true,
                    _ => inside.is_none(),
                };
                if !may {
                    clashes.push((table.id.to_string(), table.vpc_id.to_string(), format!("{} has a route for {destination} to {}, which its VPC's blocks rule out", table.id, route.target)));
                }
            }
        }
        clashes.into_iter().for_each(|(one, other, message)| self.clash(one, other, message));
    }
}
