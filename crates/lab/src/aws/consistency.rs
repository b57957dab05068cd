//! What the resources of a dump say of each other: what is referred to and not there is treated as absent and noted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use ipnet::{IpNet, Ipv4Net};
use model::dhcp_options::NameServer;
use model::endpoint::VpcEndpointKind;
use model::nat_gateway::NatGatewayState;
use model::network_acl::{NetworkAclAssociation, NetworkAclEntry};
use model::route_table::{Associated, RouteOrigin, RouteTableAssociation};
use model::transit_gateway::AttachedTo;
use model::*;

use super::note::NoteKind;
use super::{Dump, derived};

/// Removes what `keep` does not want and answers its ids with what is lacking.
fn prune<Id: Ord + Clone, T: Clone>(map: &mut Table<Id, T>, lacks: impl Fn(&T) -> Option<String>) -> Vec<(Id, String)> {
    let gone: Vec<(Id, String)> = map.iter().filter_map(|(id, thing)| Some((id.clone(), lacks(thing)?))).collect();
    for (id, _) in &gone {
        map.remove(id);
    }
    gone
}

/// The group without rules that stands for groups that are not known.
fn unknown_group(vpc: &VpcId) -> Option<SecurityGroupId> {
    derived("sg", vpc.as_str())
}

impl Dump<'_, '_> {
    pub(super) fn consistency(&mut self) {
        self.owners();
        self.attached();
        self.associations();
        self.filled_in();
        self.members();
        self.routes();
        self.contradictions();
    }

    fn lacks(&mut self, gone: Vec<(impl Display, String)>) {
        for (id, lacking) in gone {
            let place = self.place_of(&id);
            self.reader.note(NoteKind::Missing, place, format!("{lacking}, where {id} is: left out"));
        }
    }

    fn missing(&mut self, who: impl Display, what: impl Display) {
        let place = self.place_of(&who);
        self.reader.note(NoteKind::Missing, place, format!("{what}, which {who} refers to"));
    }

    /// Things without the VPC or subnet that they are in.
    fn owners(&mut self) {
        let vpcs: BTreeSet<VpcId> = self.model.vpcs.keys().cloned().collect();
        let lost = |vpc: &VpcId| (!vpcs.contains(vpc)).then(|| vpc.to_string());
        let model = &mut self.model;
        let mut gone: Vec<(String, String)> = Vec::new();
        let mut note = |all: Vec<(String, String)>| gone.extend(all);
        fn text<Id: Display>(all: Vec<(Id, String)>) -> Vec<(String, String)> {
            all.into_iter().map(|(id, lacking)| (id.to_string(), lacking)).collect()
        }
        note(text(prune(&mut model.subnets, |s| lost(&s.vpc_id))));
        note(text(prune(&mut model.route_tables, |t| lost(&t.vpc_id))));
        note(text(prune(&mut model.network_acls, |a| lost(&a.vpc_id))));
        note(text(prune(&mut model.egress_only_internet_gateways, |g| lost(&g.vpc_id))));
        note(text(prune(&mut model.vpc_endpoints, |e| lost(&e.vpc_id))));
        note(text(prune(&mut model.security_groups, |g| lost(&g.vpc_id))));
        let subnets = &model.subnets;
        let no_subnet = |subnet: &SubnetId, vpc: &VpcId| match subnets.get(subnet) {
            Some(known) if known.vpc_id == *vpc => None,
            _ => Some(subnet.to_string()),
        };
        note(text(prune(&mut model.network_interfaces, |i| no_subnet(&i.subnet_id, &i.vpc_id))));
        note(text(prune(&mut model.nat_gateways, |g| no_subnet(&g.subnet_id, &g.vpc_id))));
        self.lacks(gone);
        // An instance whose interfaces are not there is nobody that a packet could reach.
        let with: BTreeSet<InstanceId> = self.model.network_interfaces.values().filter_map(|i| i.instance_id().cloned()).collect();
        let is_gone = |i: &Instance| matches!(i.state, InstanceState::Terminated | InstanceState::ShuttingDown);
        let bare: Vec<InstanceId> = self.model.instances.values().filter(|i| !with.contains(&i.id) && !is_gone(i)).map(|i| i.id.clone()).collect();
        for id in bare {
            let place = self.place_of(&id);
            self.reader.note(NoteKind::Missing, place, format!("the interfaces of {id}"));
            self.model.instances.remove(&id);
        }
    }

    /// Attachments of transit gateways without the gateway or the VPC.
    fn attached(&mut self) {
        let model = &mut self.model;
        let (gateways, vpcs) = (&model.transit_gateways, &model.vpcs);
        let gone = prune(&mut model.transit_gateway_attachments, |attachment| {
            let no_gateway = |id: &TransitGatewayId| (!gateways.contains_key(id)).then(|| id.to_string());
            let other = match &attachment.to {
                AttachedTo::Vpc { vpc_id, .. } => (!vpcs.contains_key(vpc_id)).then(|| vpc_id.to_string()),
                AttachedTo::Peering { accepter } => no_gateway(accepter),
            };
            no_gateway(&attachment.transit_gateway_id).or(other)
        });
        let gone = gone.into_iter().map(|(id, lacking)| (id.to_string(), lacking));
        let tables = prune(&mut model.transit_gateway_route_tables, |t: &TransitGatewayRouteTable| (!gateways.contains_key(&t.transit_gateway_id)).then(|| t.transit_gateway_id.to_string()));
        let gone: Vec<_> = gone.chain(tables.into_iter().map(|(id, lacking)| (id.to_string(), lacking))).collect();
        self.lacks(gone);
        let model = &mut self.model;
        let mut missing = Vec::new();
        for table in model.transit_gateway_route_tables.values_mut() {
            let known = |id: &TransitGatewayAttachmentId| model.transit_gateway_attachments.contains_key(id);
            let lost: Vec<_> = table.associations.iter().chain(&table.propagations).chain(table.routes.values().flatten()).filter(|id| !known(id)).cloned().collect();
            missing.extend(lost.into_iter().map(|id| (table.id.to_string(), id.to_string())));
            table.associations.retain(known);
            table.propagations.retain(known);
            // A route by what is not known drops what it takes.
            table.routes.values_mut().for_each(|route| drop(route.take_if(|id| !known(id))));
        }
        missing.into_iter().for_each(|(who, what)| self.missing(who, what));
    }

    /// References that may point at nothing and are then cut.
    fn associations(&mut self) {
        let vpcs: BTreeSet<VpcId> = self.model.vpcs.keys().cloned().collect();
        let mut missing: Vec<(String, String)> = Vec::new();
        for gateway in self.model.internet_gateways.values_mut() {
            if let Some(vpc) = gateway.vpc_id.take_if(|vpc| !vpcs.contains(vpc)) {
                missing.push((gateway.id.to_string(), vpc.to_string()));
            }
        }
        for gateway in self.model.vpn_gateways.values_mut() {
            if let Some(vpc) = gateway.vpc_id.take_if(|vpc| !vpcs.contains(vpc)) {
                missing.push((gateway.id.to_string(), vpc.to_string()));
            }
        }
        for peering in self.model.vpc_peering_connections.values() {
            if peering.status.is_open() {
                let sides = [&peering.requester_vpc_id, &peering.accepter_vpc_id];
                missing.extend(sides.into_iter().filter(|vpc| !vpcs.contains(*vpc)).map(|vpc| (peering.id.to_string(), vpc.to_string())));
            }
        }
        let (subnets, instances) = (&self.model.subnets, &self.model.instances);
        for table in self.model.route_tables.values_mut() {
            table.associations.retain(|association| match &association.to {
                Associated::Subnet(subnet) if !subnets.contains_key(subnet) => {
                    missing.push((table.id.to_string(), subnet.to_string()));
                    false
                }
                _ => true,
            });
        }
        for acl in self.model.network_acls.values_mut() {
            acl.associations.retain(|association| {
                let known = subnets.contains_key(&association.subnet_id);
                if !known {
                    missing.push((acl.id.to_string(), association.subnet_id.to_string()));
                }
                known
            });
        }
        for interface in self.model.network_interfaces.values_mut() {
            if let Some(attachment) = interface.attachment.take_if(|a| !instances.contains_key(&a.instance_id)) {
                missing.push((interface.id.to_string(), attachment.instance_id.to_string()));
            }
        }
        let interfaces = &self.model.network_interfaces;
        for address in self.model.addresses.values_mut() {
            let lost = |a: &mut model::address::AddressAssociation| {
                !interfaces.get(&a.network_interface_id).is_some_and(|eni| eni.private_ip_addresses.contains(&a.private_ip_address))
            };
            if let Some(association) = address.association.take_if(lost) {
                let what = format!("{} with {}", association.network_interface_id, association.private_ip_address);
                missing.push((address.allocation_id.to_string(), what));
            }
        }
        for gateway in self.model.nat_gateways.values() {
            let is_live = matches!(gateway.state, NatGatewayState::Available | NatGatewayState::Pending);
            if is_live && !gateway.network_interface_id.as_ref().is_some_and(|id| interfaces.contains_key(id)) {
                missing.push((gateway.id.to_string(), "the interface".to_owned()));
            }
        }
        for endpoint in self.model.vpc_endpoints.values() {
            match &endpoint.kind {
                VpcEndpointKind::Gateway { prefix_list_id, .. } if !self.model.prefix_lists.contains_key(prefix_list_id) => {
                    missing.push((endpoint.id.to_string(), format!("the prefix list of {}", endpoint.service_name)));
                }
                VpcEndpointKind::Interface { network_interface_ids, .. } => {
                    let lost = network_interface_ids.iter().filter(|id| !interfaces.contains_key(*id));
                    missing.extend(lost.map(|id| (endpoint.id.to_string(), id.to_string())));
                }
                VpcEndpointKind::Gateway { .. } => {}
            }
        }
        missing.into_iter().for_each(|(who, what)| self.missing(who, what));
    }

    /// What every VPC has and the dump does not tell: a main route table, a network ACL for each subnet, DHCP options.
    fn filled_in(&mut self) {
        let domain = self.model.region.internal_domain();
        for vpc in self.model.vpcs.values().cloned().collect::<Vec<_>>() {
            let place = self.place_of(&vpc.id);
            if let Some(id) = vpc.dhcp_options_id.clone().filter(|id| !self.model.dhcp_options.contains_key(id)) {
                let text = format!("{id} of {}: taken for the region's default options", vpc.id);
                self.reader.note(NoteKind::Assumed, place, text);
                let options = DhcpOptions {
                    id: id.clone(),
                    domain_name: Some(domain.clone()),
                    domain_name_servers: vec![NameServer::AmazonProvidedDns],
                    ntp_servers: Vec::new(),
                    netbios_name_servers: Vec::new(),
                    netbios_node_type: None,
                    tags: Tags::new(),
                    origin: vpc.origin.clone(),
                };
                self.model.dhcp_options.insert(id, options);
            }
            let subnets: Vec<&Subnet> = self.model.subnets.values().filter(|s| s.vpc_id == vpc.id).collect();
            let bare: Vec<SubnetId> = subnets.iter().filter(|s| self.model.network_acl_of(&s.id).is_none()).map(|s| s.id.clone()).collect();
            if subnets.iter().any(|s| self.model.route_table_of(s).is_none()) {
                self.main_table(&vpc);
            }
            if !bare.is_empty() {
                self.default_acl(&vpc, bare);
            }
        }
    }

    fn main_table(&mut self, vpc: &Vpc) {
        let place = self.place_of(&vpc.id);
        let text = format!("the main route table of {}: its subnets without a table of their own are taken to have no way out", vpc.id);
        self.reader.note(NoteKind::Missing, place, text);
        let local = |block| Route {
            destination: Destination::Ipv4(block),
            target: RouteTarget::Local,
            created_by: RouteOrigin::CreateRouteTable,
            origin: vpc.origin.clone(),
        };
        let (Some(id), Some(association)) = (derived::<RouteTableId>("rtb", vpc.id.as_str()), derived("rtbassoc", vpc.id.as_str())) else { return };
        let table = RouteTable {
            id: id.clone(),
            vpc_id: vpc.id.clone(),
            routes: vpc.ipv4_blocks().map(local).collect(),
            associations: vec![RouteTableAssociation { id: association, to: Associated::Main }],
            propagating_vgws: Vec::new(),
            tags: Tags::new(),
            origin: vpc.origin.clone(),
        };
        self.model.route_tables.insert(id, table);
    }

    fn default_acl(&mut self, vpc: &Vpc, subnets: Vec<SubnetId>) {
        let place = self.place_of(&vpc.id);
        let names = subnets.iter().map(SubnetId::as_str).collect::<Vec<_>>().join(", ");
        self.reader.note(NoteKind::Missing, place, format!("the network ACL of {names}: taken to allow all, as a VPC's first one does"));
        let entry = |(rule_number, cidr_block)| NetworkAclEntry { rule_number, traffic: TrafficMatch::All, cidr_block, allow: true, origin: vpc.origin.clone() };
        let entries: Vec<_> = [(100, IpNet::V4(Ipv4Net::default())), (101, IpNet::V6(ipnet::Ipv6Net::default()))].into_iter().map(entry).collect();
        let association = |subnet_id: SubnetId| Some(NetworkAclAssociation { id: derived("aclassoc", subnet_id.as_str())?, subnet_id });
        let Some(id) = derived::<NetworkAclId>("acl", vpc.id.as_str()) else { return };
        let acl = NetworkAcl {
            id: id.clone(),
            vpc_id: vpc.id.clone(),
            is_default: false,
            ingress: entries.clone(),
            egress: entries,
            associations: subnets.into_iter().filter_map(association).collect(),
            tags: Tags::new(),
            origin: vpc.origin.clone(),
        };
        self.model.network_acls.insert(id, acl);
    }

    /// Security groups and prefix lists that interfaces and rules name.
    fn members(&mut self) {
        let mut missing: BTreeMap<String, String> = BTreeMap::new();
        let (groups, lists) = (&self.model.security_groups, &self.model.prefix_lists);
        let mut bare: BTreeSet<VpcId> = BTreeSet::new();
        for interface in self.model.network_interfaces.values_mut() {
            let had_some = !interface.groups.is_empty();
            interface.groups.retain(|group| {
                let known = groups.contains_key(group);
                if !known {
                    missing.insert(group.to_string(), interface.id.to_string());
                }
                known
            });
            // Without any group nothing would be kept out: what is not known must not be open.
            if had_some && interface.groups.is_empty() {
                bare.insert(interface.vpc_id.clone());
                interface.groups.extend(unknown_group(&interface.vpc_id));
            }
        }
        for group in groups.values() {
            for rule in group.ingress.iter().chain(&group.egress) {
                // A stale rule matches nobody (SG-14), as one about a group of an account that was not described.
                match &rule.peer {
                    Peer::SecurityGroup(id) if !groups.contains_key(id) => drop(missing.insert(id.to_string(), group.id.to_string())),
                    Peer::PrefixList(id) if !lists.contains_key(id) => drop(missing.insert(id.to_string(), group.id.to_string())),
                    _ => {}
                }
            }
        }
        for vpc_id in bare {
            let Some(id) = unknown_group(&vpc_id) else { continue };
            let group = SecurityGroup {
                id: id.clone(),
                group_name: "unknown".to_owned(),
                description: "Stands for groups that were not described".to_owned(),
                vpc_id,
                ingress: Vec::new(),
                egress: Vec::new(),
                tags: Tags::new(),
                origin: Origin::default(),
            };
            self.model.security_groups.insert(id, group);
        }
        missing.into_iter().for_each(|(what, who)| self.missing(who, what));
    }

    /// Targets and prefix lists of routes. A blackhole has lost its target in the account too.
    fn routes(&mut self) {
        let model = &self.model;
        let mut missing: Vec<(String, String)> = Vec::new();
        let mut unexplained: Vec<(RouteTableId, String)> = Vec::new();
        for table in model.route_tables.values() {
            for route in &table.routes {
                let is_known = match &route.target {
                    RouteTarget::Local => true,
                    RouteTarget::InternetGateway(id) => model.internet_gateways.contains_key(id),
                    RouteTarget::NatGateway(id) => model.nat_gateways.contains_key(id),
                    RouteTarget::NetworkInterface(id) => model.network_interfaces.contains_key(id),
                    RouteTarget::VpcPeeringConnection(id) => model.vpc_peering_connections.contains_key(id),
                    RouteTarget::EgressOnlyInternetGateway(id) => model.egress_only_internet_gateways.contains_key(id),
                    RouteTarget::VpcEndpoint(id) => model.vpc_endpoints.contains_key(id),
                    RouteTarget::VpnGateway(id) => model.vpn_gateways.contains_key(id),
                    RouteTarget::TransitGateway(id) => model.transit_gateways.contains_key(id),
                };
                let is_blackhole = self.blackholes.contains(&(table.id.clone(), route.destination.clone()));
                if !is_known && !is_blackhole {
                    missing.push((table.id.to_string(), route.target.to_string()));
                }
                // The account knows more of a target than a dump tells: that the two differ must not go unsaid.
                let is_active = model.route_state(table, route) == model::route_table::RouteState::Active;
                if is_known && is_active == is_blackhole {
                    let (said, is) = if is_blackhole { ("a blackhole", "active") } else { ("active", "a blackhole") };
                    let text = format!("why {} to {} is {said} in the account: here it is {is}", route.destination, route.target);
                    unexplained.push((table.id.clone(), text));
                }
                if let Destination::PrefixList(id) = &route.destination && !model.prefix_lists.contains_key(id) {
                    missing.push((table.id.to_string(), id.to_string()));
                }
            }
        }
        missing.sort();
        missing.dedup();
        missing.into_iter().for_each(|(who, what)| self.missing(who, what));
        for (table, text) in unexplained {
            let place = self.place_of(&table);
            self.reader.note(NoteKind::Missing, place, format!("{table}: {text}"));
        }
    }
}
