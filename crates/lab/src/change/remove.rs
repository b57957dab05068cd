//! What must go, dependents first, and what must let go of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use model::endpoint::VpcEndpointKind;
use model::network_interface::InterfaceType;
use model::operation::*;
use model::route_table::{Associated, RouteOrigin};
use model::*;

use super::transition::{Step, Transition};
use super::view::{Kind, vpn_gateway_name};
use crate::names::{MAIN_TABLE, is_live};

impl Transition<'_> {
    pub(super) fn remove(&mut self) -> Step {
        self.remove_flow_logs()?;
        self.terminate()?;
        self.end_connections()?;
        self.let_addresses_go()?;
        self.let_ipv6_go()?;
        self.remove_security_groups()?;
        self.remove_routes()?;
        for name in self.going(Kind::Subnet) {
            let Some(id) = self.names.subnets.id(&name).cloned() else { continue };
            let result = delete_subnet(self.model, &id);
            self.op(&name, result)?;
        }
        self.remove_network_acls()?;
        self.remove_gateways()?;
        self.remove_blocks()?;
        for name in self.going(Kind::Vpc) {
            let Some(id) = self.names.vpcs.id(&name).cloned() else { continue };
            let result = delete_vpc(self.model, &id);
            self.op(&name, result)?;
        }
        self.release()?;
        self.remove_plain()
    }

    fn terminate(&mut self) -> Step {
        let mut going = Vec::new();
        for name in self.going(Kind::Instance) {
            let Some(id) = self.names.instances.id(&name).cloned() else { continue };
            if self.model.instances.get(&id).is_some_and(|instance| instance.disable_api_termination) {
                let request =
                    ModifyInstanceAttribute { disable_api_termination: Some(false), ..ModifyInstanceAttribute::of(id.clone()) };
                let result = modify_instance_attribute(self.model, request);
                self.op(&name, result)?;
            }
            going.push(id);
        }
        if !going.is_empty() {
            let result = terminate_instances(self.model, &going);
            self.op("instances", result)?;
            self.settle();
        }
        let is_stray = |eni: &&NetworkInterface| eni.interface_type == InterfaceType::Interface && eni.attachment.is_none();
        let strays: Vec<_> = self.model.network_interfaces.values().filter(is_stray).map(|eni| eni.id.clone()).collect();
        for id in strays {
            let result = delete_network_interface(self.model, &id);
            self.op(id.as_str(), result)?;
        }
        // Places and instances share one set of names, and a terminated instance keeps its for an hour (INST-3).
        let places = &self.target.model.outside;
        let keeps = |i: &Instance| !is_live(i) && tag::name(&i.tags).is_some_and(|name| places.contains_key(name));
        if self.model.instances.values().any(keeps) {
            self.wait(2 * 3_600);
        }
        Ok(())
    }

    /// Endpoints, peerings, NAT gateways, transit gateways.
    fn end_connections(&mut self) -> Step {
        let mut changed = false;
        let endpoints: Vec<_> = self.names.endpoints.iter().map(|(name, id)| (name.to_owned(), id.clone())).collect();
        let pinned = self.target_addresses();
        for (name, id) in endpoints {
            if self.goes(Kind::Endpoint, &name) {
                let result = delete_vpc_endpoint(self.model, &id);
                self.op(&name, result)?;
                self.names.endpoints.remove(&id);
                changed = true;
                continue;
            }
            // Interfaces in subnets that go, and those that stand on an address that another thing is to have.
            let goes = |eni: &&&NetworkInterface| {
                let subnet = self.names.subnets.name(&eni.subnet_id).unwrap_or_default();
                self.goes(Kind::Subnet, subnet) || pinned.contains(&(subnet.to_owned(), eni.primary_address()))
            };
            let interfaces = self.model.network_interfaces_of_endpoint(&id);
            let subnets: Vec<_> = interfaces.iter().filter(goes).map(|eni| eni.subnet_id.clone()).collect();
            if !subnets.is_empty() {
                let result = modify_vpc_endpoint(
                    self.model,
                    ModifyVpcEndpoint { remove_subnet_ids: subnets, ..ModifyVpcEndpoint::new(id) },
                );
                self.op(&name, result)?;
            }
        }
        for name in self.going(Kind::Peering) {
            let Some(id) = self.names.peerings.id(&name).cloned() else { continue };
            let result = delete_vpc_peering_connection(self.model, &id);
            self.op(&name, result)?;
            changed = true;
        }
        for name in self.going(Kind::NatGateway) {
            let Some(id) = self.names.nat_gateways.id(&name).cloned() else { continue };
            let result = delete_nat_gateway(self.model, &id);
            self.op(&name, result)?;
            changed = true;
        }
        if changed {
            self.settle();
        }
        self.remove_transit()
    }

    /// Private addresses that the target gives to instances and NAT gateways, with their subnets.
    fn target_addresses(&self) -> BTreeSet<(String, Ipv4Addr)> {
        let (model, names) = (&self.target.model, &self.target.names);
        let all = model.network_interfaces.values().filter(|eni| eni.interface_type != InterfaceType::VpcEndpoint);
        let all = all.filter_map(|eni| Some((names.subnets.name(&eni.subnet_id)?.to_owned(), eni)));
        all.flat_map(|(subnet, eni)| eni.private_ip_addresses.iter().map(move |a| (subnet.clone(), *a))).collect()
    }

    /// Elastic IP addresses that are to be elsewhere, secondary addresses that are to be gone, and automatic public
    /// addresses that stand where somebody else is to be.
    fn let_addresses_go(&mut self) -> Step {
        let roles: Vec<_> = self.elastic.iter().map(|(role, id)| (role.clone(), id.clone())).collect();
        for (role, id) in roles {
            let Some(address) = self.model.addresses.get(&id).filter(|a| a.association.is_some()) else { continue };
            let wanted = self.target.names.elastic.id(&role).and_then(|id| self.target.model.addresses.get(id));
            let stays = wanted.is_some_and(|wanted| self.suits(address.public_ip, wanted.public_ip));
            let of_a_nat_gateway = self.names.nat_gateways.iter().any(|(name, _)| crate::names::nat_role(name) == role);
            if !stays && !of_a_nat_gateway {
                let result = disassociate_address(self.model, &AssociationName::PublicIp(address.public_ip));
                self.op(&role, result)?;
            }
        }
        let doomed_gateways = self.going(Kind::InternetGateway);
        let devices: Vec<_> = self.names.interfaces.iter().map(|(device, id)| (device.clone(), id.clone())).collect();
        for (device, id) in devices {
            let Some(interface) = self.model.network_interfaces.get(&id) else { continue };
            let wanted = self.target.names.interfaces.get(&device).and_then(|id| self.target.model.network_interfaces.get(id));
            let stays = wanted.map(|wanted| wanted.private_ip_addresses.as_slice()).unwrap_or_default();
            let gone: Vec<_> = interface.private_ip_addresses[1..].iter().filter(|a| !stays.contains(a)).copied().collect();
            let is_in_the_way = interface.auto_public_ip.is_some_and(|address| {
                let gateway = self.names.vpcs.name(&interface.vpc_id).map(|vpc| format!("{vpc}-igw"));
                let outside = self.target.model.outside.values().any(|host| host.addresses.contains(&IpAddr::V4(address)));
                gateway.is_some_and(|name| doomed_gateways.contains(&name)) || outside || self.target.fixed.contains(&address)
            });
            if !gone.is_empty() {
                let result = unassign_private_ip_addresses(self.model, &id, &gone);
                self.op(&device.0, result)?;
            }
            if is_in_the_way {
                self.set_associate(&device.0, &id, false)?;
            }
        }
        Ok(())
    }

    pub(super) fn set_associate(&mut self, what: &str, id: &NetworkInterfaceId, value: bool) -> Step {
        let request = ModifyNetworkInterfaceAttribute {
            associate_public_ip_address: Some(value),
            ..ModifyNetworkInterfaceAttribute::of(id.clone())
        };
        let result = modify_network_interface_attribute(self.model, request);
        self.op(what, result)
    }

    fn remove_security_groups(&mut self) -> Step {
        let doomed: BTreeSet<SecurityGroupId> =
            self.going(Kind::SecurityGroup).iter().filter_map(|name| self.names.security_groups.id(name)).cloned().collect();
        let users: Vec<_> =
            self.model.network_interfaces.values().filter(|eni| eni.groups.iter().any(|g| doomed.contains(g))).cloned().collect();
        for interface in users {
            let mut stay: Vec<_> = interface.groups.iter().filter(|group| !doomed.contains(group)).cloned().collect();
            if stay.is_empty() {
                let mut groups = self.model.security_groups.values();
                stay.extend(groups.find(|g| g.vpc_id == interface.vpc_id && g.is_default()).map(|g| g.id.clone()));
            }
            let endpoint = self.model.vpc_endpoints.values().find(|endpoint| match &endpoint.kind {
                VpcEndpointKind::Interface { network_interface_ids, .. } => network_interface_ids.contains(&interface.id),
                VpcEndpointKind::Gateway { .. } => false,
            });
            let result = match endpoint.map(|endpoint| endpoint.id.clone()) {
                Some(endpoint) => {
                    let request = ModifyVpcEndpoint {
                        add_security_group_ids: stay,
                        remove_security_group_ids: doomed.iter().cloned().collect(),
                        ..ModifyVpcEndpoint::new(endpoint)
                    };
                    modify_vpc_endpoint(self.model, request)
                }
                None => {
                    let request = ModifyNetworkInterfaceAttribute {
                        groups: Some(stay),
                        ..ModifyNetworkInterfaceAttribute::of(interface.id)
                    };
                    modify_network_interface_attribute(self.model, request)
                }
            };
            self.op("security groups", result)?;
        }
        let groups: Vec<_> = self.names.security_groups.iter().map(|(name, id)| (name.to_owned(), id.clone())).collect();
        for (name, id) in groups {
            let Some(group) = self.model.security_groups.get(&id).cloned() else { continue };
            for (direction, rules) in [(Direction::Ingress, &group.ingress), (Direction::Egress, &group.egress)] {
                let wanted = self.wanted_rules(&name, direction);
                let goes = |rule: &&SecurityGroupRule| {
                    doomed.contains(&id)
                        || matches!(&rule.peer, Peer::SecurityGroup(peer) if doomed.contains(peer))
                        || !wanted.contains(&(rule.traffic, rule.peer.clone()))
                };
                let gone: Vec<_> = rules.iter().filter(goes).map(|rule| rule.id.clone()).collect();
                if gone.is_empty() {
                    continue;
                }
                let request = RevokeSecurityGroup { group_id: id.clone(), rules: Vec::new(), security_group_rule_ids: gone };
                let result = match direction {
                    Direction::Ingress => revoke_security_group_ingress(self.model, request),
                    Direction::Egress => revoke_security_group_egress(self.model, request),
                };
                self.op(&name, result)?;
            }
        }
        for id in doomed {
            if self.model.security_groups.get(&id).is_some_and(|group| !group.is_default()) {
                let result = delete_security_group(self.model, &id);
                self.op("security group", result)?;
            }
        }
        Ok(())
    }

    /// The rules that a group of this name is to have, as far as what they name is there already and stays.
    fn wanted_rules(&self, name: &str, direction: Direction) -> BTreeSet<(TrafficMatch, Peer)> {
        let group = self.target.names.security_groups.id(name).and_then(|id| self.target.model.security_groups.get(id));
        let rules = group.map(|group| if direction == Direction::Egress { &group.egress } else { &group.ingress });
        let stays = |rule: &SecurityGroupRule| {
            if let Peer::PrefixList(id) = &rule.peer {
                let name = self.target.names.prefix_lists.name(id)?;
                if self.goes(Kind::PrefixList, name) {
                    return None;
                }
            }
            Some((rule.traffic, self.own_peer(&rule.peer).ok()?))
        };
        rules.into_iter().flatten().filter_map(stays).collect()
    }

    fn remove_routes(&mut self) -> Step {
        let tables: Vec<_> = self.names.route_tables.iter().map(|(name, id)| (name.to_owned(), id.clone())).collect();
        for (name, id) in &tables {
            let goes = self.goes(Kind::RouteTable, name);
            let Some(table) = self.model.route_tables.get(id).cloned() else { continue };
            let wanted = self.target.names.route_tables.id(name).and_then(|id| self.target.model.route_tables.get(id));
            // A new block is refused while a route lies in it (VPC-5); what is wanted of the routes comes back later.
            let target_vpc = self.names.vpcs.name(&table.vpc_id).and_then(|vpc| self.target.names.vpcs.id(vpc));
            let target_vpc = target_vpc.and_then(|id| self.target.model.vpcs.get(id));
            let blocks: BTreeSet<_> =
                self.model.vpcs.get(&table.vpc_id).map(|vpc| vpc.ipv4_blocks().collect()).unwrap_or_default();
            let ipv6: BTreeSet<_> = self.model.vpcs.get(&table.vpc_id).map(|vpc| vpc.ipv6_blocks().collect()).unwrap_or_default();
            let grows = target_vpc.is_some_and(|vpc| {
                vpc.ipv4_blocks().any(|block| !blocks.contains(&block)) || vpc.ipv6_blocks().any(|block| !ipv6.contains(&block))
            });
            for route in &table.routes {
                let is_local = route.created_by == RouteOrigin::CreateRouteTable;
                let of_an_endpoint = matches!(route.target, RouteTarget::VpcEndpoint(_));
                if of_an_endpoint
                    || route.created_by == RouteOrigin::EnableVgwRoutePropagation
                    || (is_local && route.target == RouteTarget::Local)
                {
                    continue;
                }
                let stays =
                    wanted.is_some_and(|wanted| wanted.routes.iter().any(|w| self.is_same_route(wanted, w, &table, route)));
                if stays && !grows && !goes {
                    continue;
                }
                let result = match is_local {
                    true => {
                        let (destination, target) = (route.destination.clone(), RouteTarget::Local);
                        let request = CreateRoute { route_table_id: id.clone(), destination, target, origin: Origin::default() };
                        replace_route(self.model, request)
                    }
                    false => delete_route(self.model, id, &route.destination),
                };
                self.op(name, result)?;
            }
            for association in &table.associations {
                let stays = match &association.to {
                    Associated::Main => {
                        if goes {
                            self.give_main_away(&table, &association.id)?;
                        }
                        true
                    }
                    Associated::InternetGateway(_) => wanted.is_some_and(crate::change::make_route::serves_a_gateway),
                    Associated::Subnet(_) => !goes,
                    Associated::VpnGateway(_) => false,
                };
                if !stays {
                    let result = disassociate_route_table(self.model, &association.id);
                    self.op(name, result)?;
                }
            }
            if goes && self.model.route_tables.get(id).is_some_and(|table| table.associations.is_empty()) {
                let result = delete_route_table(self.model, id);
                self.op(name, result)?;
            }
        }
        Ok(())
    }

    /// A main table that goes leaves its place to the one that came with the VPC, or to a new one if somebody gave
    /// that one a name; with the VPC it goes anyway.
    fn give_main_away(&mut self, table: &RouteTable, association: &RouteTableAssociationId) -> Step {
        let Some(vpc) = self.names.vpcs.name(&table.vpc_id).filter(|vpc| !self.goes(Kind::Vpc, vpc)) else { return Ok(()) };
        let first = self.names.route_tables.id(&format!("{vpc}/{MAIN_TABLE}")).cloned();
        let first = match first.filter(|first| *first != table.id && self.model.route_tables.contains_key(first)) {
            Some(first) => first,
            None => {
                let (vpc_id, tags) = (table.vpc_id.clone(), Tags::new());
                let result = create_route_table(self.model, CreateRouteTable { vpc_id, tags, origin: table.origin.clone() });
                self.op("main route table", result)?
            }
        };
        let result = replace_route_table_association(self.model, association, &first);
        self.op("main route table", result).map(|_| ())
    }

    fn remove_network_acls(&mut self) -> Step {
        for name in self.going(Kind::NetworkAcl) {
            let Some(acl) = self.names.network_acls.id(&name).and_then(|id| self.model.network_acls.get(id)).cloned() else {
                continue;
            };
            if acl.is_default {
                continue;
            }
            let default = self.model.network_acls.values().find(|other| other.vpc_id == acl.vpc_id && other.is_default);
            let Some(default) = default.map(|default| default.id.clone()) else { continue };
            for association in &acl.associations {
                let result = replace_network_acl_association(self.model, &association.id, &default);
                self.op(&name, result)?;
            }
            let result = delete_network_acl(self.model, &acl.id);
            self.op(&name, result)?;
        }
        Ok(())
    }

    fn remove_gateways(&mut self) -> Step {
        let doomed = self.going(Kind::InternetGateway);
        let gateways: Vec<_> = self.model.internet_gateways.values().cloned().collect();
        for gateway in gateways {
            let vpc = gateway.vpc_id.as_ref().map(|vpc| self.names.vpcs.name(vpc).unwrap_or(vpc.as_str()));
            let name = vpc.map_or(gateway.id.to_string(), |vpc| format!("{vpc}-igw"));
            if !doomed.contains(&name) {
                continue;
            }
            if let Some(vpc) = &gateway.vpc_id {
                let result = detach_internet_gateway(self.model, &gateway.id, vpc);
                self.op(&name, result)?;
            }
            let result = delete_internet_gateway(self.model, &gateway.id);
            self.op(&name, result)?;
        }
        self.remove_egress_only_internet_gateways()?;
        let doomed = self.going(Kind::VpnGateway);
        let private: Vec<_> = self.model.vpn_gateways.values().cloned().collect();
        for gateway in private {
            if let Some(vpc) = &gateway.vpc_id {
                if !doomed.contains(&vpn_gateway_name(self.names.vpcs.name(vpc).unwrap_or(vpc.as_str()))) {
                    continue;
                }
                let result = detach_vpn_gateway(self.model, &gateway.id, vpc);
                self.op(gateway.id.as_str(), result)?;
            }
            let result = delete_vpn_gateway(self.model, &gateway.id);
            self.op(gateway.id.as_str(), result)?;
        }
        Ok(())
    }

    fn remove_blocks(&mut self) -> Step {
        let vpcs: Vec<_> = self.model.vpcs.values().cloned().collect();
        for vpc in vpcs {
            let Some(name) = self.names.vpcs.name(&vpc.id).filter(|name| !self.goes(Kind::Vpc, name)).map(str::to_owned) else {
                continue;
            };
            let wanted = self.target.names.vpcs.id(&name).and_then(|id| self.target.model.vpcs.get(id));
            let Some(target) = wanted.cloned() else { continue };
            let wanted: BTreeSet<_> = target.ipv4_blocks().collect();
            for block in vpc.cidr_blocks.iter().filter(|block| block.state.is_live() && !wanted.contains(&block.block)) {
                let result = disassociate_vpc_cidr_block(self.model, &block.association_id);
                self.op(&name, result)?;
            }
            self.remove_ipv6_blocks(&name, &vpc, &target)?;
        }
        Ok(())
    }

    /// Elastic IP addresses that nobody is to have.
    fn release(&mut self) -> Step {
        let free: Vec<_> = self.model.addresses.values().filter(|a| a.association.is_none()).cloned().collect();
        for address in free {
            let role = self.elastic.iter().find(|(_, id)| **id == address.allocation_id).map(|(role, _)| role.as_str());
            let wanted =
                role.filter(|role| !self.goes(Kind::ElasticIp, role)).and_then(|role| self.target.names.elastic.id(role));
            let wanted = wanted.and_then(|id| self.target.model.addresses.get(id));
            let is_for_its_own = wanted.is_some_and(|wanted| self.suits(address.public_ip, wanted.public_ip));
            let is_for_another = self.target.fixed.contains(&address.public_ip)
                && self.target.model.addresses.values().any(|w| w.public_ip == address.public_ip)
                && self.target.model.region == self.model.region;
            if !is_for_its_own && !is_for_another {
                let result = release_address(self.model, &AddressName::Allocation(address.allocation_id.clone()));
                self.op("elastic address", result)?;
                self.elastic.retain(|_, id| *id != address.allocation_id);
            }
        }
        Ok(())
    }

    /// What lies in no VPC.
    fn remove_plain(&mut self) -> Step {
        for name in self.going(Kind::PrefixList) {
            let Some(id) = self.names.prefix_lists.id(&name).cloned() else { continue };
            let result = delete_managed_prefix_list(self.model, &id);
            self.op(&name, result)?;
        }
        for name in self.going(Kind::KeyPair) {
            let result = delete_key_pair(self.model, &KeyPairName::Name(name.clone()));
            self.op(&name, result)?;
        }
        let places: Vec<_> = self.model.outside.iter().map(|(name, host)| (name.clone(), host.addresses.clone())).collect();
        for (name, addresses) in places {
            // What changes goes as well: two places may have changed addresses with each other.
            if self.target.model.outside.get(&name).is_none_or(|wanted| wanted.addresses != addresses) {
                let result = remove_outside_host(self.model, &name);
                self.op(&name, result)?;
            }
        }
        Ok(())
    }
}
