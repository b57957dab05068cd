//! What connects: NAT gateways, Elastic IP addresses, peering connections, gateway endpoints.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::World;
use super::answer::Object;
use super::node::{Got, Node};
use super::reference::primary_interface;
use crate::aws::NoteKind;
use crate::aws::derived;
use crate::aws::json::cut;

impl<'j> World<'_, 'j> {
    /// Addresses that gateways and services have already are not chosen for others.
    pub(super) fn reserve(&mut self) {
        for node in self.nodes("aws_nat_gateway") {
            if let (Got::Is(subnet), Got::Is(address)) = (self.id(&node, "subnet_id", "subnet"), self.parsed::<Ipv4Addr>(&node, "private_ip", "an IPv4 address")) {
                self.taken.entry(subnet).or_default().insert(u32::from(address));
            }
        }
        for node in self.nodes("aws_eip") {
            if let Got::Is(address) = self.parsed::<Ipv4Addr>(&node, "public_ip", "an IPv4 address") {
                self.public.insert(u32::from(address));
            }
        }
    }

    /// The public address of an allocation.
    fn public_of(&mut self, allocation: &str) -> Option<Ipv4Addr> {
        self.allocations.get(allocation).copied()
    }

    pub(super) fn nat_gateways(&mut self) {
        for node in self.nodes("aws_eip") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            let public = match self.parsed::<Ipv4Addr>(&node, "public_ip", "an IPv4 address") {
                Got::Is(public) => public,
                _ => self.choose_public(),
            };
            self.allocations.insert(id, public);
        }
        for node in self.nodes("aws_nat_gateway") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            let Got::Is(subnet) = self.id(&node, "subnet_id", "subnet") else {
                self.gap(&node, "subnet_id", "left out");
                continue;
            };
            let Some(vpc) = self.subnets.get(&subnet).map(|subnet| subnet.vpc.clone()) else {
                self.note(NoteKind::Missing, node.span, format!("{subnet}, where {} is: left out", node.address));
                continue;
            };
            let private = match self.parsed::<Ipv4Addr>(&node, "private_ip", "an IPv4 address") {
                Got::Is(private) => Some(private),
                _ => self.choose(&subnet),
            };
            let Some(private) = private else {
                self.note(NoteKind::Missing, node.span, format!("a free address in {subnet}, where {} is: left out", node.address));
                continue;
            };
            let is_private = self.text(&node, "connectivity_type") == Got::Is("private");
            let allocation = self.id(&node, "allocation_id", "eipalloc");
            if allocation.is_unknown() {
                self.gap(&node, "allocation_id", "the gateway has no public address");
            }
            let allocation = allocation.known();
            let public = allocation.as_deref().and_then(|id| self.public_of(id));
            let own = self.text(&node, "network_interface_id").known().map_or_else(|| primary_interface(&id), str::to_owned);
            let address = Object::at(node.span)
                .text("NetworkInterfaceId", &own)
                .text("PrivateIp", private.to_string())
                .bool("IsPrimary", true)
                .maybe("AllocationId", allocation.as_ref())
                .maybe("PublicIp", public.map(|public| public.to_string()));
            if let Some(allocation) = allocation {
                self.users.insert(allocation, (own, private));
            }
            let object = Object::at(node.span)
                .text("NatGatewayId", id)
                .text("SubnetId", subnet)
                .text("VpcId", vpc)
                .text("State", "available")
                .text("ConnectivityType", if is_private { "private" } else { "public" })
                .list("NatGatewayAddresses", [address])
                .tags(&self.tags(&node, true));
            self.answers.push("NatGateways", object);
        }
    }

    /// The interface and private address that a public one is for.
    fn user(&mut self, node: &Node<'j>, instance: &str, private: &str) -> Option<(String, Ipv4Addr)> {
        let eni = match self.text(node, "network_interface") {
            Got::Unset => match self.text(node, "network_interface_id") {
                Got::Unset => None,
                _ => self.id(node, "network_interface_id", "eni").known(),
            },
            _ => self.id(node, "network_interface", "eni").known(),
        };
        let eni = match eni {
            Some(eni) => eni,
            None => {
                let instance = match self.text(node, instance) {
                    Got::Unset => return None,
                    _ => self.id(node, instance, "i").known(),
                };
                match instance.as_ref().and_then(|instance| self.interface_of.get(instance)) {
                    Some(eni) => eni.clone(),
                    None => {
                        self.gap(node, "instance", "the address is of nobody");
                        return None;
                    }
                }
            }
        };
        let address = match self.parsed::<Ipv4Addr>(node, private, "an IPv4 address") {
            Got::Is(address) => Some(address),
            _ => self.primary.get(&eni).copied(),
        };
        Some((eni, address?))
    }

    pub(super) fn elastic_addresses(&mut self) {
        for node in self.nodes("aws_eip_association") {
            let Got::Is(allocation) = self.id(&node, "allocation_id", "eipalloc") else {
                self.gap(&node, "allocation_id", "left out");
                continue;
            };
            if let Some(user) = self.user(&node, "instance_id", "private_ip_address") {
                self.users.entry(allocation).or_insert(user);
            }
        }
        for node in self.nodes("aws_eip") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            let Some(public) = self.public_of(&id) else { continue };
            let user = match self.users.get(&id) {
                Some(user) => Some(user.clone()),
                None => self.user(&node, "instance", "associate_with_private_ip"),
            };
            let mut object = Object::at(node.span).text("AllocationId", id).text("PublicIp", public.to_string()).tags(&self.tags(&node, false));
            if let Some((eni, private)) = user {
                object = object.text("NetworkInterfaceId", eni).text("PrivateIpAddress", private.to_string());
            }
            self.answers.push("Addresses", object);
        }
    }

    pub(super) fn peerings(&mut self) {
        let mut accepted: BTreeMap<String, bool> = BTreeMap::new();
        for node in self.nodes("aws_vpc_peering_connection_accepter") {
            let accepts = self.bool(&node, "auto_accept") == Got::Is(true);
            match self.id(&node, "vpc_peering_connection_id", "pcx") {
                Got::Is(id) => drop(accepted.insert(id, accepts)),
                _ => self.gap(&node, "vpc_peering_connection_id", "nothing is accepted"),
            }
        }
        for node in self.nodes("aws_vpc_peering_connection") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            let mut sides = Vec::new();
            for (key, answer) in [("vpc_id", "RequesterVpcInfo"), ("peer_vpc_id", "AccepterVpcInfo")] {
                match self.id(&node, key, "vpc") {
                    Got::Is(vpc) => sides.push((answer, Object::at(node.span).text("VpcId", vpc))),
                    _ => self.gap(&node, key, "left out"),
                }
            }
            if sides.len() < 2 {
                continue;
            }
            let is_accepted = self.bool(&node, "auto_accept") == Got::Is(true) || accepted.get(&id) == Some(&true);
            let status = match self.text(&node, "accept_status") {
                Got::Is(word) => word,
                _ if is_accepted => "active",
                _ => "pending-acceptance",
            };
            let mut object = Object::at(node.span).text("VpcPeeringConnectionId", id).object("Status", Object::at(node.span).text("Code", status));
            for (answer, side) in sides {
                object = object.object(answer, side);
            }
            let tags = self.tags(&node, false);
            self.answers.push("VpcPeeringConnections", object.tags(&tags));
        }
    }

    /// Gateway endpoints; their routes are noted for the tables.
    pub(super) fn endpoints(&mut self) {
        let mut more: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in self.nodes("aws_vpc_endpoint_route_table_association") {
            match (self.id(&node, "vpc_endpoint_id", "vpce"), self.id(&node, "route_table_id", "rtb")) {
                (Got::Is(endpoint), Got::Is(table)) => more.entry(endpoint).or_default().push(table),
                _ => self.gap(&node, "vpc_endpoint_id or route_table_id", "left out"),
            }
        }
        for node in self.nodes("aws_vpc_endpoint") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            match self.text(&node, "vpc_endpoint_type") {
                Got::Unset | Got::Is("Gateway") => {}
                Got::Is(kind) => {
                    self.note(NoteKind::NotModelled, node.span, format!("{}: an endpoint of type {}", node.address, cut(kind)));
                    continue;
                }
                Got::Unknown => {
                    self.gap(&node, "vpc_endpoint_type", "left out");
                    continue;
                }
            }
            let (Got::Is(service), Got::Is(vpc)) = (self.text(&node, "service_name"), self.id(&node, "vpc_id", "vpc")) else {
                self.gap(&node, "service_name or vpc_id", "left out");
                continue;
            };
            let tables = self.ids(&node, "route_table_ids", "rtb");
            if !tables.is_complete {
                self.gap(&node, "route_table_ids", "no route leads to it");
            }
            let tables: Vec<String> = tables.all.into_iter().chain(more.remove(&id).unwrap_or_default()).collect();
            let Some(list) = derived::<model::PrefixListId>("pl", service) else { continue };
            let list = list.to_string();
            if self.services.insert(service.to_owned()) {
                let object = Object::at(node.span).text("PrefixListId", &list).text("PrefixListName", service).text("OwnerId", "AWS");
                self.answers.push("PrefixLists", object);
            }
            self.endpoint_routes.extend(tables.iter().map(|table| (table.clone(), id.clone(), list.clone(), node.span)));
            let object = Object::at(node.span)
                .text("VpcEndpointId", &id)
                .text("VpcId", vpc)
                .text("ServiceName", service)
                .text("VpcEndpointType", "Gateway")
                .text("State", "available")
                .words("RouteTableIds", tables)
                .tags(&self.tags(&node, false));
            self.answers.push("VpcEndpoints", object);
        }
    }
}
