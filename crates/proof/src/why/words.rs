//! Names and sentences: things of a cloud as people call them, rules as a lab file writes them.

use std::net::IpAddr;

use fabric::group::{GroupRule, RulePeer};
use fabric::{Component, Direction, Fabric, NextHop, RouteTableIndex, SubnetIndex};
use ipnet::IpNet;
use model::network_acl::NetworkAclEntry;
use model::{Model, NetworkAclId, Origin, RouteTarget, SecurityGroupId, TrafficMatch, VpcId, tag};

use super::view;

/// A model and what it means, together.
#[derive(Clone, Copy)]
pub struct Cloud<'a> {
    /// Resources.
    pub model: &'a Model,
    /// The same, compiled.
    pub fabric: &'a Fabric,
}

impl Cloud<'_> {
    /// A group by name, with its VPC where another one has the same name.
    pub fn group(&self, id: &SecurityGroupId) -> String {
        let Some(group) = self.model.security_groups.get(id) else {
            return id.to_string();
        };
        // By a look-up: an answer names many groups, and an account has thousands.
        let named = self.fabric.find_all(&group.group_name).iter();
        let mut others = named.filter_map(|found| match found {
            fabric::Entity::Group(index) => self.fabric.groups.get(*index),
            _ => None,
        });
        let is_shared = others.any(|o| o.id != *id && o.name == group.group_name);
        match is_shared {
            true => format!("{}/{}", self.vpc(&group.vpc_id), group.group_name),
            false => group.group_name.clone(),
        }
    }

    /// The groups of an interface by name, in the order in which they were given.
    pub fn groups_of(&self, interface: fabric::InterfaceIndex) -> Vec<String> {
        let own = &self.fabric.interfaces[interface];
        let eni = self.model.network_interfaces.get(&own.id);
        let groups = eni.map(|eni| eni.groups.iter().map(|group| self.group(group)).collect());
        groups.unwrap_or_default()
    }

    /// A VPC by name.
    pub fn vpc(&self, id: &VpcId) -> String {
        let name = self.model.vpcs.get(id).and_then(|vpc| tag::name(&vpc.tags));
        name.map_or_else(|| id.to_string(), str::to_owned)
    }

    /// A network ACL by name; the one that came with a VPC has none.
    pub fn acl(&self, id: &NetworkAclId) -> String {
        let Some(acl) = self.model.network_acls.get(id) else {
            return id.to_string();
        };
        match tag::name(&acl.tags) {
            Some(name) => name.to_owned(),
            None if acl.is_default => format!("default acl of {}", self.vpc(&acl.vpc_id)),
            None => id.to_string(),
        }
    }

    /// A route table by name; the main one that came with a VPC has none.
    pub fn table(&self, index: RouteTableIndex) -> String {
        let table = &self.fabric.route_tables[index];
        match table.name == table.id.as_str() && table.is_main {
            true => format!("main table of {}", self.fabric.vpcs[table.vpc].name),
            false => table.name.clone(),
        }
    }

    /// The name of a subnet's list.
    pub fn acl_of(&self, subnet: SubnetIndex) -> String {
        self.acl(&self.fabric.acls[self.fabric.subnets[subnet].acl].id)
    }

    /// A block as rules write it.
    pub fn block(&self, block: IpNet) -> String {
        if block.prefix_len() == 0 {
            return "anywhere".to_owned();
        }
        if block.prefix_len() < block.max_prefix_len() {
            return block.to_string();
        }
        match self.fabric.outside_host(block.addr()) {
            Some(host) => self.fabric.outside[host].name.clone(),
            None => block.to_string(),
        }
    }

    /// The other side of a rule as it is written.
    pub fn peer(&self, peer: &RulePeer) -> String {
        match peer {
            RulePeer::Block(block) => self.block(*block),
            RulePeer::PrefixList { id, .. } => {
                let list = self.model.prefix_lists.get(id);
                format!(
                    "pl:{}",
                    list.map_or_else(|| id.to_string(), |l| l.name.clone())
                )
            }
            RulePeer::Group { id, .. } => format!("sg:{}", self.group(id)),
        }
    }

    /// A rule of a group.
    pub fn group_rule(&self, rule: &GroupRule, direction: Direction) -> String {
        sentence(rule.traffic, direction, &self.peer(&rule.peer))
    }

    /// An entry of a list, with its number.
    pub fn entry(&self, entry: &NetworkAclEntry, direction: Direction) -> String {
        let verb = if entry.allow { "allow" } else { "deny" };
        let says = sentence(entry.traffic, direction, &self.block(entry.cidr_block));
        format!("{} {verb} {says}", entry.rule_number)
    }

    /// Where a route leads, as a lab file writes it.
    pub fn target(&self, target: &RouteTarget) -> String {
        let model = self.model;
        match target {
            RouteTarget::Local => "local".to_owned(),
            RouteTarget::InternetGateway(_) => "igw".to_owned(),
            RouteTarget::NatGateway(id) => format!(
                "nat@{}",
                called(model.nat_gateways.get(id).map(|n| &n.tags), id)
            ),
            RouteTarget::NetworkInterface(id) => {
                let index = self.fabric.interface_by_id(id);
                let name = index.map(|index| self.fabric.interfaces[index].name.clone());
                format!("instance {}", name.unwrap_or_else(|| id.to_string()))
            }
            RouteTarget::VpcPeeringConnection(id) => {
                let tags = model.vpc_peering_connections.get(id).map(|p| &p.tags);
                format!("peering {}", called(tags, id))
            }
            RouteTarget::VpcEndpoint(id) => format!(
                "endpoint {}",
                called(model.vpc_endpoints.get(id).map(|e| &e.tags), id)
            ),
            RouteTarget::EgressOnlyInternetGateway(id) => {
                let tags = model.egress_only_internet_gateways.get(id).map(|e| &e.tags);
                called(tags, id)
            }
            RouteTarget::VpnGateway(id) => called(model.vpn_gateways.get(id).map(|v| &v.tags), id),
            RouteTarget::TransitGateway(id) => {
                called(model.transit_gateways.get(id).map(|t| &t.tags), id)
            }
        }
    }

    /// The name of what has an address; the address itself where nobody has it.
    pub fn holder(&self, address: IpAddr) -> String {
        match self.fabric.find_address(address) {
            Some(fabric::Entity::Interface(index)) => self.fabric.interfaces[index].name.clone(),
            Some(fabric::Entity::Outside(index)) => self.fabric.outside[index].name.clone(),
            _ => address.to_string(),
        }
    }

    /// A component's identifier as AWS gives it.
    pub fn id(&self, at: Component, rule: Option<&fabric::Rule>) -> String {
        let fabric = self.fabric;
        match at {
            Component::SecurityGroups(interface, _) => {
                if let Some(fabric::Rule::SecurityGroup { group, .. }) = rule {
                    return group.to_string();
                }
                let interface = &fabric.interfaces[interface];
                let first = interface.groups.first();
                first.map_or_else(
                    || interface.id.to_string(),
                    |group| fabric.groups[*group].id.to_string(),
                )
            }
            Component::NetworkAcl(subnet, _) => {
                fabric.acls[fabric.subnets[subnet].acl].id.to_string()
            }
            Component::RouteTable(i) => fabric.route_tables[i].id.to_string(),
            Component::SourceDestCheck(i) | Component::Interface(i) => {
                fabric.interfaces[i].id.to_string()
            }
            Component::Guest(i) => match fabric.interfaces[i].instance() {
                Some(instance) => fabric.instances[instance].id.to_string(),
                None => fabric.interfaces[i].id.to_string(),
            },
            Component::InternetGateway(i) => fabric.internet_gateways[i].id.to_string(),
            Component::EgressOnlyInternetGateway(i) => {
                fabric.egress_only_internet_gateways[i].id.to_string()
            }
            Component::VpnGateway(i) => fabric.vpn_gateways[i].id.to_string(),
            Component::TransitGateway(i) => fabric.transit_gateways[i].id.to_string(),
            Component::NatGateway(i) => fabric.nat_gateways[i].id.to_string(),
            Component::Peering(i) => fabric.peerings[i].id.to_string(),
            Component::VpcEndpoint(i) => fabric.vpc_endpoints[i].id.to_string(),
            Component::Fabric
            | Component::Internet
            | Component::Outside(_)
            | Component::Resolver(_)
            | Component::Service(_) => at.label(fabric),
        }
    }

    /// The name of what decides at a component: groups, list, table, gateway.
    pub fn name(&self, at: Component) -> String {
        let fabric = self.fabric;
        match at {
            Component::SecurityGroups(interface, _) => self.groups_of(interface).join(", "),
            Component::NetworkAcl(subnet, _) => self.acl_of(subnet),
            Component::RouteTable(table) => self.table(table),
            Component::SourceDestCheck(i) | Component::Interface(i) => {
                fabric.interfaces[i].name.clone()
            }
            at => at.label(fabric),
        }
    }

    /// A rule of a group for short: its group, and its place in the group's list of that direction.
    pub fn group_rule_view(
        &self,
        group: fabric::GroupIndex,
        position: usize,
        direction: Direction,
    ) -> Option<view::Rule> {
        let own = &self.fabric.groups[group];
        let rule = own.rules(direction).get(position)?;
        let name = self.group(&own.id);
        Some(view::Rule {
            kind: "security-group",
            id: Some(own.id.to_string()),
            short: format!("{name}#{}", position + 1),
            name,
            text: self.group_rule(rule, direction),
            allow: None,
            protocol: Some(protocol_text(rule.traffic)),
            ports: ports(rule.traffic),
            cidr: match &rule.peer {
                RulePeer::Block(block) => Some(block.to_string()),
                _ => None,
            },
            number: None,
            target: None,
            origin: view::origin(&rule.origin),
        })
    }

    /// An entry of a subnet's list.
    pub fn entry_view(
        &self,
        subnet: SubnetIndex,
        entry: Option<&NetworkAclEntry>,
        direction: Direction,
    ) -> view::Rule {
        let acl = &self.fabric.acls[self.fabric.subnets[subnet].acl];
        let name = self.acl(&acl.id);
        let number = entry.map(|entry| entry.rule_number);
        view::Rule {
            kind: "network-acl",
            id: Some(acl.id.to_string()),
            short: match number {
                Some(number) => format!("{name}#{number}"),
                None => format!("{name}#*"),
            },
            name,
            text: match entry {
                Some(entry) => self.entry(entry, direction),
                None => format!(
                    "* deny {}",
                    sentence(TrafficMatch::All, direction, "anywhere")
                ),
            },
            allow: Some(entry.is_some_and(|entry| entry.allow)),
            protocol: Some(
                entry.map_or_else(|| "-1".to_owned(), |entry| protocol_text(entry.traffic)),
            ),
            ports: entry.and_then(|entry| ports(entry.traffic)),
            cidr: Some(entry.map_or_else(
                || "0.0.0.0/0".to_owned(),
                |entry| entry.cidr_block.to_string(),
            )),
            number,
            target: None,
            origin: entry.and_then(|entry| view::origin(&entry.origin)),
        }
    }

    /// A rule that decided at a component.
    pub fn rule(&self, at: Component, rule: &fabric::Rule) -> view::Rule {
        let plain = |kind, short: String, text: String, origin: &Origin| view::Rule {
            kind,
            id: None,
            name: self.name(at),
            short,
            text,
            allow: None,
            protocol: None,
            ports: None,
            cidr: None,
            number: None,
            target: None,
            origin: view::origin(origin),
        };
        match (rule, at) {
            (
                fabric::Rule::SecurityGroup {
                    group,
                    rule,
                    origin,
                },
                Component::SecurityGroups(_, direction),
            ) => {
                let index = self.fabric.groups.find(group, |g| &g.id);
                let position = index.and_then(|i| {
                    let rules = self.fabric.groups[i].rules(direction);
                    rules.iter().position(|r| r.id == *rule)
                });
                let found = index
                    .zip(position)
                    .and_then(|(i, p)| self.group_rule_view(i, p, direction));
                found.unwrap_or_else(|| {
                    plain("security-group", self.group(group), String::new(), origin)
                })
            }
            (
                fabric::Rule::NetworkAclEntry { rule_number, .. },
                Component::NetworkAcl(subnet, direction),
            ) => {
                let acl = &self.fabric.acls[self.fabric.subnets[subnet].acl];
                let mut entries = acl.entries(direction).iter();
                let entry = entries.find(|entry| Some(entry.rule_number) == *rule_number);
                self.entry_view(subnet, entry, direction)
            }
            (
                fabric::Rule::Route {
                    route_table,
                    destination,
                    origin,
                },
                _,
            ) => {
                let table = self.fabric.route_tables.find(route_table, |t| &t.id);
                let route = table.and_then(|t| {
                    let mut routes = self.fabric.route_tables[t].routes.iter();
                    routes.find(|route| route.destination == *destination)
                });
                let target = route.map_or_else(String::new, |r| self.target(&r.target));
                view::Rule {
                    id: Some(route_table.to_string()),
                    cidr: Some(destination.to_string()),
                    target: route.map(|route| route.target.to_string()),
                    ..plain(
                        "route",
                        format!("{} {destination}", self.name(at)),
                        format!("{destination} -> {target}"),
                        origin,
                    )
                }
            }
            (fabric::Rule::State { reply }, _) => {
                let text = match reply {
                    true => "stateful: it answers what was let through before",
                    false => "stateful: it belongs to what was let through before",
                };
                plain("state", self.name(at), text.to_owned(), &Origin::default())
            }
            (rule, _) => plain(
                "rule",
                self.name(at),
                format!("{rule:?}"),
                &Origin::default(),
            ),
        }
    }

    /// Gateways and connections by which a destination could be reached from a VPC.
    pub fn reachable_by(&self, vpc: fabric::VpcIndex, destination: IpAddr) -> Vec<String> {
        let fabric = self.fabric;
        let own = &fabric.vpcs[vpc];
        let mut ways = Vec::new();
        for peering in fabric.peerings.values() {
            let Some(peer) = peering.peer_of(vpc) else {
                continue;
            };
            if fabric.vpcs[peer].contains(destination) {
                let blocks: Vec<String> = fabric.vpcs[peer]
                    .blocks
                    .iter()
                    .map(|b| b.to_string())
                    .collect();
                ways.push(format!(
                    "peering {} to {} ({}, {})",
                    peering.name,
                    fabric.vpcs[peer].name,
                    peering.status.as_str(),
                    blocks.join(" ")
                ));
            }
        }
        for (index, gateway) in fabric.transit_gateways.iter() {
            let holds = |other: fabric::VpcIndex| {
                other != vpc
                    && fabric.vpcs[other].contains(destination)
                    && fabric.are_joined(vpc, other)
            };
            if fabric.is_attached(index, vpc) && fabric.vpcs.indices().any(holds) {
                ways.push(format!("transit gateway {}", gateway.name));
            }
        }
        if fabric.is_outside_host(destination) {
            if let Some(gateway) = own.internet_gateway {
                ways.push(format!(
                    "internet gateway {}",
                    fabric.internet_gateways[gateway].name
                ));
            }
            let nats = fabric.nat_gateways.values();
            for nat in nats.filter(|nat| nat.vpc == vpc && is_usable(nat)) {
                ways.push(format!("NAT gateway {}", nat.name));
            }
            if let Some(gateway) = own.vpn_gateway {
                ways.push(format!(
                    "virtual private gateway {}",
                    fabric.vpn_gateways[gateway].name
                ));
            }
        }
        ways
    }

    /// The routes of a table, longest prefix first; unusable ones say so.
    pub fn routes(&self, table: RouteTableIndex) -> Vec<String> {
        let routes = self.fabric.route_tables[table].routes.iter();
        let text = |route: &fabric::Route| {
            let target = self.target(&route.target);
            match route.next_hop {
                NextHop::Blackhole(why) => {
                    format!("{} blackhole ({target} {})", route.destination, why.text())
                }
                _ => format!("{} {target}", route.destination),
            }
        };
        routes.map(text).collect()
    }
}

/// Whether a NAT gateway serves anybody.
pub(super) fn is_usable(nat: &fabric::gateway::NatGateway) -> bool {
    nat.state == model::nat_gateway::NatGatewayState::Available
}

fn called(tags: Option<&model::Tags>, id: &impl ToString) -> String {
    tags.and_then(tag::name)
        .map_or_else(|| id.to_string(), str::to_owned)
}

/// `tcp/22 from sg:web`, `out tcp/22 to anywhere`.
pub(super) fn sentence(traffic: TrafficMatch, direction: Direction, peer: &str) -> String {
    match direction {
        Direction::Ingress => format!("{traffic} from {peer}"),
        Direction::Egress => format!("out {traffic} to {peer}"),
    }
}

/// IP protocol number as AWS writes it; all is -1.
fn protocol_text(traffic: TrafficMatch) -> String {
    traffic
        .protocol()
        .map_or_else(|| "-1".to_owned(), |number| number.to_string())
}

fn ports(traffic: TrafficMatch) -> Option<(u16, u16)> {
    match traffic {
        TrafficMatch::Tcp(ports) | TrafficMatch::Udp(ports) => Some((ports.from, ports.to)),
        _ => None,
    }
}
