//! From the model to the scene: names, places in order, targets.

use std::collections::{BTreeMap, BTreeSet};

use model::endpoint::{VpcEndpointKind, VpcEndpointState};
use model::nat_gateway::NatGatewayState;
use model::network_interface::InterfaceType;
use model::peering::PeeringStatus;
use model::route_table::{Associated, RouteState};
use model::{
    Instance, InstanceState, Listener, Model, NetworkInterface, NetworkInterfaceId, RouteTable, RouteTarget, SecurityGroupId,
    Subnet as ModelSubnet, Tags, VpcId, tag,
};

use super::*;

pub(super) fn scene(model: &Model) -> Scene {
    let builder = Builder::new(model);
    let mut vpcs: Vec<&model::Vpc> = model.vpcs.values().collect();
    vpcs.sort_by_key(|vpc| (vpc.primary_cidr_block(), vpc.id.clone()));
    let outside = model.outside.iter().map(|(name, host)| Place {
        name: name.clone(),
        addresses: host.addresses.iter().map(ToString::to_string).collect(),
    });
    let place = |id: &VpcId| vpcs.iter().position(|vpc| vpc.id == *id);
    let mut peerings: Vec<Peering> = model
        .vpc_peering_connections
        .values()
        .filter(|pcx| pcx.status.is_open())
        .filter_map(|pcx| {
            let (a, b) = (place(&pcx.requester_vpc_id)?, place(&pcx.accepter_vpc_id)?);
            let state = (pcx.status != PeeringStatus::Active).then(|| pcx.status.as_str());
            Some(Peering { key: pcx.id.to_string(), name: named(&pcx.tags, &pcx.id), between: (a.min(b), a.max(b)), state })
        })
        .collect();
    peerings.sort_by(|a, b| (a.between, &a.name, &a.key).cmp(&(b.between, &b.name, &b.key)));
    Scene {
        region: model.region.to_string(),
        outside: outside.collect(),
        vpcs: vpcs.iter().map(|vpc| builder.vpc(vpc)).collect(),
        peerings,
        transit: transit(model, place),
        groups: builder.groups(vpcs.len() > 1),
        loose: loose(model),
        lans: lans::of(model),
    }
}

fn transit(model: &Model, place: impl Fn(&VpcId) -> Option<usize>) -> Vec<Transit> {
    let mut gateways: Vec<&model::TransitGateway> = model.transit_gateways.values().collect();
    gateways.sort_by_key(|gateway| (named(&gateway.tags, &gateway.id), gateway.id.clone()));
    let row = |(at, gateway): (usize, &&model::TransitGateway)| {
        let own = || model.transit_gateway_attachments.values().filter(|attachment| attachment.is_of(&gateway.id));
        let mut attached: Vec<(usize, String)> =
            own().filter_map(|attachment| Some((place(attachment.vpc_id()?)?, attachment.id.to_string()))).collect();
        attached.sort();
        let is_peer = |other: &model::TransitGateway| own().any(|attachment| attachment.vpc_id().is_none() && attachment.is_of(&other.id));
        let peers = (at + 1..gateways.len()).filter(|other| is_peer(gateways[*other])).collect();
        Transit { key: gateway.id.to_string(), name: named(&gateway.tags, &gateway.id), attached, peers }
    };
    gateways.iter().enumerate().map(row).collect()
}

fn named(tags: &Tags, id: &impl ToString) -> String {
    tag::name(tags).filter(|name| !name.is_empty()).map_or_else(|| id.to_string(), str::to_owned)
}

/// A name that is short when there is none: a gateway is one of its kind.
fn named_or(tags: &Tags, word: &str) -> String {
    named(tags, &word)
}

/// `s3 endpoint`, unless it has a name.
fn endpoint_name(endpoint: &model::VpcEndpoint) -> String {
    let service = endpoint.service_name.rsplit('.').next().unwrap_or_default();
    named_or(&endpoint.tags, &format!("{service} endpoint"))
}

fn is_drawn(instance: &Instance) -> bool {
    !matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated)
}

struct Builder<'m> {
    model: &'m Model,
    /// Groups in use, in the order of their colours.
    groups: Vec<SecurityGroupId>,
}

impl<'m> Builder<'m> {
    fn new(model: &'m Model) -> Builder<'m> {
        let used: BTreeSet<&SecurityGroupId> = model
            .network_interfaces
            .values()
            .filter(|eni| eni.instance_id().and_then(|id| model.instances.get(id)).is_none_or(is_drawn))
            .flat_map(|eni| &eni.groups)
            .collect();
        let mut groups: Vec<SecurityGroupId> = used.into_iter().cloned().collect();
        let vpc = |id: &SecurityGroupId| model.security_groups.get(id).and_then(|group| model.vpcs.get(&group.vpc_id));
        groups.sort_by_key(|id| (vpc(id).map(|vpc| (vpc.primary_cidr_block(), vpc.id.clone())), group_name(model, id), id.clone()));
        Builder { model, groups }
    }

    fn groups(&self, several_vpcs: bool) -> Vec<Group> {
        let group = |id: &SecurityGroupId| {
            let group = self.model.security_groups.get(id)?;
            let carries = |eni: &&NetworkInterface| eni.groups.contains(id);
            let holders = self.model.network_interfaces.values().filter(carries).filter_map(|eni| {
                let instance = self.model.instances.get(eni.instance_id()?)?;
                is_drawn(instance).then(|| named(&instance.tags, &instance.id))
            });
            let vpc = self.model.vpcs.get(&group.vpc_id).filter(|_| several_vpcs);
            Some(Group {
                name: group_name(self.model, id),
                vpc: vpc.map(|vpc| named(&vpc.tags, &vpc.id)),
                rules: rules::of_group(self.model, group),
                members: sorted(holders),
            })
        };
        self.groups.iter().filter_map(group).collect()
    }

    fn vpc(&self, vpc: &model::Vpc) -> Vpc {
        let model = self.model;
        let blocks = vpc.ipv4_blocks().map(|block| block.to_string()).chain(vpc.ipv6_blocks().map(|block| block.to_string()));
        let mut subnets: Vec<&ModelSubnet> = model.subnets.values().filter(|subnet| subnet.vpc_id == vpc.id).collect();
        subnets.sort_by_key(|subnet| (subnet.cidr_block, subnet.id.clone()));
        let mut zones: BTreeMap<String, Vec<Subnet>> = BTreeMap::new();
        for subnet in subnets {
            zones.entry(subnet.availability_zone.clone()).or_default().push(self.subnet(subnet));
        }
        let acls = model.network_acls.values().filter(|acl| acl.vpc_id == vpc.id && !acl.is_default && !acl.associations.is_empty());
        let mut acls: Vec<Acl> = acls
            .map(|acl| Acl {
                name: named(&acl.tags, &acl.id),
                rules: rules::of_acl(model, acl),
                users: sorted(acl.associations.iter().filter_map(|a| self.subnet_name(&a.subnet_id))),
            })
            .collect();
        acls.sort_by(|a, b| (&a.name, &a.users).cmp(&(&b.name, &b.users)));
        Vpc {
            key: vpc.id.to_string(),
            name: named(&vpc.tags, &vpc.id),
            blocks: blocks.collect(),
            gateways: self.gateways(&vpc.id),
            zones: zones.into_iter().map(|(name, subnets)| Zone { name, subnets }).collect(),
            tables: self.tables(&vpc.id),
            acls,
        }
    }

    fn gateways(&self, vpc: &VpcId) -> Vec<Gateway> {
        let model = self.model;
        let mut gateways = Vec::new();
        let mut add = |key: String, name: String, kind| gateways.push(Gateway { key, name, kind });
        for igw in model.internet_gateways.values().filter(|igw| igw.vpc_id.as_ref() == Some(vpc)) {
            add(igw.id.to_string(), named_or(&igw.tags, "internet gateway"), GatewayKind::Internet);
        }
        for eigw in model.egress_only_internet_gateways.values().filter(|eigw| eigw.vpc_id == *vpc) {
            add(eigw.id.to_string(), named_or(&eigw.tags, "egress-only gateway"), GatewayKind::EgressOnly);
        }
        for vgw in model.vpn_gateways.values().filter(|vgw| vgw.vpc_id.as_ref() == Some(vpc)) {
            add(vgw.id.to_string(), named_or(&vgw.tags, "VPN gateway"), GatewayKind::Vpn);
        }
        let gone = |state| matches!(state, VpcEndpointState::Deleting | VpcEndpointState::Deleted);
        for endpoint in model.vpc_endpoints.values().filter(|endpoint| endpoint.vpc_id == *vpc && !gone(endpoint.state)) {
            if let VpcEndpointKind::Gateway { .. } = endpoint.kind {
                add(endpoint.id.to_string(), endpoint_name(endpoint), GatewayKind::Endpoint);
            }
        }
        for attachment in model.transit_gateway_attachments.values().filter(|attachment| attachment.vpc_id() == Some(vpc)) {
            if let Some(gateway) = model.transit_gateways.get(&attachment.transit_gateway_id) {
                add(attachment.id.to_string(), named(&gateway.tags, &gateway.id), GatewayKind::Transit);
            }
        }
        gateways.sort_by(|a, b| (a.kind, &a.name, &a.key).cmp(&(b.kind, &b.name, &b.key)));
        gateways
    }

    fn subnet_name(&self, id: &model::SubnetId) -> Option<String> {
        self.model.subnets.get(id).map(|subnet| named(&subnet.tags, &subnet.id))
    }

    fn tables(&self, vpc: &VpcId) -> Vec<Table> {
        let model = self.model;
        let mut tables = Vec::new();
        for table in model.route_tables.values().filter(|table| table.vpc_id == *vpc) {
            let subnets = model.subnets.values().filter(|subnet| {
                subnet.vpc_id == *vpc && model.route_table_of(subnet).is_some_and(|used| used.id == table.id)
            });
            let gateways = table.associations.iter().filter_map(|association| match &association.to {
                Associated::InternetGateway(id) => model.internet_gateways.get(id).map(|igw| named_or(&igw.tags, "internet gateway")),
                Associated::VpnGateway(id) => model.vpn_gateways.get(id).map(|vgw| named_or(&vgw.tags, "VPN gateway")),
                Associated::Main | Associated::Subnet(_) => None,
            });
            let users = sorted(subnets.map(|subnet| named(&subnet.tags, &subnet.id)).chain(gateways));
            // A table that nobody uses is nobody's way.
            if !users.is_empty() {
                tables.push(Table { name: self.table_name(table), is_main: table.is_main(), users, routes: self.routes(table) });
            }
        }
        tables.sort_by(|a, b| (&a.name, &a.users).cmp(&(&b.name, &b.users)));
        tables
    }

    fn table_name(&self, table: &RouteTable) -> String {
        match tag::name(&table.tags) {
            None if table.is_main() => "main".to_owned(),
            _ => named(&table.tags, &table.id),
        }
    }

    fn subnet(&self, subnet: &ModelSubnet) -> Subnet {
        let table = self.model.route_table_of(subnet);
        let acl = self.model.network_acl_of(&subnet.id).filter(|acl| !acl.is_default);
        let mut routes = table.map(|table| self.routes(table)).unwrap_or_default();
        routes.retain(|route| route.kind != TargetKind::Local);
        let mut cards: Vec<Card> =
            self.model.network_interfaces.values().filter(|eni| eni.subnet_id == subnet.id).filter_map(|eni| self.card(eni)).collect();
        cards.sort_by(|a, b| (a.kind, natural(&a.name), &a.key).cmp(&(b.kind, natural(&b.name), &b.key)));
        let to_gateway = |table: &RouteTable| {
            table.routes.iter().any(|route| {
                matches!(route.target, RouteTarget::InternetGateway(_)) && self.model.route_state(table, route) == RouteState::Active
            })
        };
        let reach = match table.is_some_and(to_gateway) {
            true => Reach::Public,
            // A gateway endpoint and a peering connection lead to private places.
            false => match routes.iter().any(|r| !r.blackhole && matches!(r.kind, TargetKind::Nat | TargetKind::Interface | TargetKind::Internet)) {
                true => Reach::Internal,
                false => Reach::Isolated,
            },
        };
        Subnet {
            key: subnet.id.to_string(),
            name: named(&subnet.tags, &subnet.id),
            block: subnet.cidr_block.to_string(),
            position: subnet.cidr_block.network().into(),
            reach,
            table: table.map_or_else(|| "none".to_owned(), |table| self.table_name(table)),
            acl: acl.map(|acl| named(&acl.tags, &acl.id)),
            routes,
            cards,
        }
    }

    /// The routes of a table, those to one target together.
    fn routes(&self, table: &RouteTable) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for route in &table.routes {
            let (target, key, kind) = self.target(&table.vpc_id, &route.target);
            let blackhole = self.model.route_state(table, route) == RouteState::Blackhole;
            let destination = match &route.destination {
                model::Destination::PrefixList(id) => self.model.prefix_lists.get(id).map_or(id.to_string(), |list| list.name.clone()),
                other => other.to_string(),
            };
            match routes.iter_mut().find(|known| (&known.target, &known.key, known.blackhole) == (&target, &key, blackhole)) {
                Some(known) => known.destinations.push(destination),
                None => routes.push(Route { destinations: vec![destination], target, key, kind, blackhole }),
            }
        }
        // Stable: the local routes first, the rest as they were made.
        routes.sort_by_key(|route| route.kind != TargetKind::Local);
        routes
    }

    /// Name, key and kind of a route's target.
    fn target(&self, vpc: &VpcId, target: &RouteTarget) -> (String, Option<String>, TargetKind) {
        let model = self.model;
        let of = |tags: Option<&Tags>, id: &dyn ToString, word: &str, kind| match tags {
            Some(tags) => (named_or(tags, word), Some(id.to_string()), kind),
            None => (id.to_string(), None, kind),
        };
        match target {
            RouteTarget::Local => ("local".to_owned(), None, TargetKind::Local),
            RouteTarget::InternetGateway(id) => {
                of(model.internet_gateways.get(id).map(|g| &g.tags), id, "internet gateway", TargetKind::Internet)
            }
            RouteTarget::EgressOnlyInternetGateway(id) => {
                of(model.egress_only_internet_gateways.get(id).map(|g| &g.tags), id, "egress-only gateway", TargetKind::Internet)
            }
            RouteTarget::NatGateway(id) => {
                let nat = model.nat_gateways.get(id).filter(|nat| nat.state != NatGatewayState::Deleted);
                of(nat.map(|nat| &nat.tags), id, "NAT gateway", TargetKind::Nat)
            }
            RouteTarget::VpcPeeringConnection(id) => {
                let pcx = model.vpc_peering_connections.get(id).filter(|pcx| pcx.status.is_open());
                of(pcx.map(|pcx| &pcx.tags), id, id.as_str(), TargetKind::Peering)
            }
            RouteTarget::VpcEndpoint(id) => {
                let endpoint = model.vpc_endpoints.get(id);
                let word = endpoint.map(endpoint_name).unwrap_or_default();
                of(endpoint.map(|e| &e.tags), id, &word, TargetKind::Endpoint)
            }
            RouteTarget::VpnGateway(id) => of(model.vpn_gateways.get(id).map(|g| &g.tags), id, "VPN gateway", TargetKind::Vpn),
            RouteTarget::TransitGateway(id) => {
                let attachment = model.transit_gateway_attachment_of(id, vpc).map(|attachment| attachment.id.to_string());
                let name = model.transit_gateways.get(id).map_or_else(|| id.to_string(), |gateway| named(&gateway.tags, id));
                (name, attachment, TargetKind::Transit)
            }
            RouteTarget::NetworkInterface(id) => self.interface_target(id),
        }
    }

    fn interface_target(&self, id: &NetworkInterfaceId) -> (String, Option<String>, TargetKind) {
        let card = self.model.network_interfaces.get(id).and_then(|eni| self.card(eni));
        match card {
            Some(card) => (card.name, Some(card.key), TargetKind::Interface),
            None => (id.to_string(), None, TargetKind::Interface),
        }
    }

    fn card(&self, eni: &NetworkInterface) -> Option<Card> {
        let model = self.model;
        let instance = eni.instance_id().and_then(|id| model.instances.get(id));
        if instance.is_some_and(|instance| !is_drawn(instance)) {
            return None;
        }
        let index = eni.attachment.as_ref().map_or(0, |attachment| attachment.device_index);
        let (key, kind, name, state) = match (eni.interface_type, instance) {
            (InterfaceType::NatGateway, _) => {
                let mut gateways = model.nat_gateways.values();
                let nat = gateways.find(|nat| nat.network_interface_id.as_ref() == Some(&eni.id))?;
                let state = (nat.state != NatGatewayState::Available).then(|| nat.state.as_str());
                (nat.id.to_string(), CardKind::Nat, named_or(&nat.tags, "NAT gateway"), state)
            }
            (InterfaceType::VpcEndpoint, _) => {
                let mine = |endpoint: &&model::VpcEndpoint| match &endpoint.kind {
                    VpcEndpointKind::Interface { network_interface_ids, .. } => network_interface_ids.contains(&eni.id),
                    VpcEndpointKind::Gateway { .. } => false,
                };
                let endpoint = model.vpc_endpoints.values().find(mine)?;
                (eni.id.to_string(), CardKind::Endpoint, endpoint_name(endpoint), None)
            }
            (InterfaceType::Interface, Some(instance)) => {
                let state = (instance.state != InstanceState::Running).then(|| instance.state.as_str());
                let name = named(&instance.tags, &instance.id);
                match index {
                    0 => (instance.id.to_string(), CardKind::Instance, name, state),
                    _ => (eni.id.to_string(), CardKind::Interface, format!("{name} eth{index}"), state),
                }
            }
            (InterfaceType::Interface, None) => (eni.id.to_string(), CardKind::Interface, named(&eni.tags, &eni.id), Some("not attached")),
        };
        let listens = instance.filter(|_| index == 0).map(|instance| {
            let word = |listener: &Listener| match listener {
                Listener::Tcp(port) => format!("tcp/{port}"),
                Listener::Udp(port) => format!("udp/{port}"),
            };
            let own = model.guests.get(&instance.id).map(|guest| guest.listen.as_slice()).unwrap_or_default();
            let ports: BTreeSet<Listener> = own.iter().copied().collect();
            let published = model.published_ports(&instance.id).into_iter().map(|traffic| traffic.to_string());
            ports.iter().map(word).chain(published).collect()
        });
        let addresses = eni.private_ip_addresses.iter().map(ToString::to_string);
        let place = |id: &SecurityGroupId| self.groups.iter().position(|known| known == id);
        let mut groups: Vec<(usize, String)> = eni.groups.iter().filter_map(|id| Some((place(id)?, group_name(model, id)))).collect();
        groups.sort();
        Some(Card {
            key,
            kind,
            name,
            addresses: addresses.chain(eni.ipv6_addresses.iter().map(ToString::to_string)).collect(),
            public: eni.private_ip_addresses.iter().filter_map(|own| model.public_ip_of(eni, *own)).map(|ip| ip.to_string()).collect(),
            groups,
            listens: listens.unwrap_or_default(),
            passes_on: kind != CardKind::Nat && instance.is_some() && !eni.source_dest_check,
            state,
        })
    }
}

fn group_name(model: &Model, id: &SecurityGroupId) -> String {
    model.security_groups.get(id).map_or_else(|| id.to_string(), |group| named_or(&group.tags, &group.group_name))
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_by_key(|name| natural(name));
    names.dedup();
    names
}

/// A key by which `web-2` comes before `web-10`.
fn natural(name: &str) -> Vec<(bool, u64, String)> {
    let mut parts: Vec<(bool, u64, String)> = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        let number = if is_digit { part.parse().unwrap_or(u64::MAX) } else { 0 };
        parts.push((!is_digit, number, part.to_owned()));
        rest = tail;
    }
    parts
}

fn loose(model: &Model) -> Vec<String> {
    let igws = model.internet_gateways.values().filter(|igw| igw.vpc_id.is_none()).map(|igw| ("internet gateway", named(&igw.tags, &igw.id)));
    let vgws = model.vpn_gateways.values().filter(|vgw| vgw.vpc_id.is_none()).map(|vgw| ("VPN gateway", named(&vgw.tags, &vgw.id)));
    let free = model.addresses.values().filter(|address| address.association.is_none());
    let addresses = free.map(|address| ("Elastic IP address", address.public_ip.to_string()));
    let mut loose: Vec<String> = igws.chain(vgws).chain(addresses).map(|(what, name)| format!("{what} {name}")).collect();
    loose.sort();
    loose
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        assert_eq!(sorted(["web-10", "web-2", "app-1", "web-1", "web-2"].map(str::to_owned).into_iter()), ["app-1", "web-1", "web-2", "web-10"]);
        assert!(natural("99999999999999999999999") > natural("1"));
    }
}
