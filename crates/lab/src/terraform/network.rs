//! VPCs, subnets, gateways of a VPC, route tables.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::World;
use super::answer::Object;
use super::node::{Got, Node};
use super::reference::{default_acl, default_group, main_table};
use crate::aws::NoteKind;
use crate::source::Span;

/// A VPC and what it comes with.
pub(super) struct Cloud {
    pub blocks: Vec<IpNet>,
    pub main_table: String,
    pub default_group: String,
    pub default_acl: String,
    pub span: Span,
    pub address: String,
}

/// A subnet and where it is.
pub(super) struct Placed {
    pub vpc: String,
    pub block: Ipv4Net,
    pub six: Option<Ipv6Net>,
    pub gives_ipv6_addresses: bool,
    pub zone: String,
    pub gives_public_addresses: bool,
    pub span: Span,
}

/// A route table while its parts are found.
struct Table {
    vpc: String,
    /// By destination: the first that says something stands.
    routes: BTreeMap<String, Object>,
    associations: Vec<Object>,
    propagating: Vec<Object>,
    /// Whether a route without a known destination may take what another one takes.
    is_closed: bool,
    tags: BTreeMap<String, String>,
    span: Span,
}

impl<'j> World<'_, 'j> {
    pub(super) fn vpcs(&mut self) {
        let mut more: BTreeMap<String, Vec<IpNet>> = BTreeMap::new();
        for node in self.nodes("aws_vpc_ipv4_cidr_block_association") {
            let (vpc, block) = (self.id(&node, "vpc_id", "vpc"), self.block(&node, "cidr_block"));
            match (vpc, block) {
                (Got::Is(vpc), Got::Is(block)) => more.entry(vpc).or_default().push(block),
                (_, Got::Is(_)) => self.gap(&node, "vpc_id", "left out"),
                _ => self.gap(&node, "cidr_block", "left out"),
            }
        }
        for node in self.nodes("aws_vpc_ipv6_cidr_block_association") {
            let block = self.vpc_six(&node);
            match (self.id(&node, "vpc_id", "vpc"), block) {
                (Got::Is(vpc), Some(block)) => more.entry(vpc).or_default().push(IpNet::V6(block)),
                (Got::Is(_), None) => {}
                _ => self.gap(&node, "vpc_id", "left out"),
            }
        }
        let mut nodes = self.nodes("aws_vpc");
        nodes.extend(self.nodes("aws_default_vpc"));
        for node in nodes {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            let Got::Is(IpNet::V4(block)) = self.block(&node, "cidr_block") else {
                self.gap(&node, "cidr_block", "left out with all that is in it");
                continue;
            };
            let mut blocks = vec![IpNet::V4(block)];
            blocks.extend(more.remove(&id).unwrap_or_default());
            let mut object = Object::at(node.span).text("VpcId", &id).text("CidrBlock", block.to_string());
            blocks.extend(self.vpc_six(&node).map(IpNet::V6));
            let (four, sixes): (Vec<IpNet>, Vec<IpNet>) = blocks.iter().partition(|block| matches!(block, IpNet::V4(_)));
            let set = |key: &'static str, all: Vec<IpNet>| all.into_iter().map(move |block| Object::at(node.span).text(key, block.to_string()));
            object = object.list("CidrBlockAssociationSet", set("CidrBlock", four)).list("Ipv6CidrBlockAssociationSet", set("Ipv6CidrBlock", sixes));
            let is_default = node.address.contains("aws_default_vpc");
            let [support, hostnames] = ["enable_dns_support", "enable_dns_hostnames"].map(|key| self.bool(&node, key).known());
            let tags = self.tags(&node, true);
            let object = object.bool("IsDefault", is_default).text("DhcpOptionsId", DHCP_OPTIONS).tags(&tags);
            let tenancy = self.text(&node, "instance_tenancy").known();
            self.answers.push("Vpcs", object.maybe("InstanceTenancy", tenancy));
            let value = |value: bool| Object::at(node.span).bool("Value", value);
            let attributes = Object::at(node.span).text("VpcId", &id).object("EnableDnsSupport", value(support.unwrap_or(true)));
            self.answers.push("VpcAttributes", attributes.object("EnableDnsHostnames", value(hostnames.unwrap_or(is_default))));
            let attribute = |key| self.document.attribute_of(node.resource, key, 0);
            let cloud = Cloud {
                blocks,
                main_table: attribute("main_route_table_id").unwrap_or_else(|| main_table(&id)),
                default_group: attribute("default_security_group_id").unwrap_or_else(|| default_group(&id)),
                default_acl: attribute("default_network_acl_id").unwrap_or_else(|| default_acl(&id)),
                span: node.span,
                address: node.address.to_owned(),
            };
            self.vpcs.insert(id, cloud);
        }
        if let Some(cloud) = self.vpcs.values().next() {
            let option = |key: &str, value: &str| {
                let value = Object::at(cloud.span).text("Value", value);
                Object::at(cloud.span).text("Key", key).list("Values", [value])
            };
            let object = Object::at(cloud.span).text("DhcpOptionsId", DHCP_OPTIONS);
            let region = self.document.region().unwrap_or(DEFAULT_REGION);
            let domain = if region == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
            let options = [option("domain-name-servers", "AmazonProvidedDNS"), option("domain-name", &domain)];
            self.answers.push("DhcpOptions", object.list("DhcpConfigurations", options));
        }
    }

    pub(super) fn subnets(&mut self) {
        let mut nodes = self.nodes("aws_subnet");
        nodes.extend(self.nodes("aws_default_subnet"));
        for node in nodes {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            let Got::Is(vpc) = self.id(&node, "vpc_id", "vpc") else {
                self.gap(&node, "vpc_id", "left out with all that is in it");
                continue;
            };
            let Got::Is(IpNet::V4(block)) = self.block(&node, "cidr_block") else {
                self.gap(&node, "cidr_block", "left out with all that is in it");
                continue;
            };
            let zone = match self.text(&node, "availability_zone") {
                Got::Is(zone) => zone.to_owned(),
                _ => format!("{}a", self.document.region().unwrap_or(DEFAULT_REGION)),
            };
            let public = self.bool(&node, "map_public_ip_on_launch");
            if public.is_unknown() {
                self.gap(&node, "map_public_ip_on_launch", "no public addresses there");
            }
            let gives_public_addresses = public.known().unwrap_or(false);
            let mut object = Object::at(node.span)
                .text("SubnetId", &id)
                .text("VpcId", &vpc)
                .text("CidrBlock", block.to_string())
                .text("AvailabilityZone", &zone)
                .bool("MapPublicIpOnLaunch", gives_public_addresses)
                .tags(&self.tags(&node, true));
            let six = self.subnet_six(&node, &vpc);
            object = object.list("Ipv6CidrBlockAssociationSet", six.map(|six| Object::at(node.span).text("Ipv6CidrBlock", six.to_string())));
            let gives = self.bool(&node, "assign_ipv6_address_on_creation");
            if gives.is_unknown() {
                self.gap(&node, "assign_ipv6_address_on_creation", "no IPv6 addresses there but those that are asked for");
            }
            let gives_ipv6_addresses = gives.known().unwrap_or(false);
            self.answers.push("Subnets", object.bool("AssignIpv6AddressOnCreation", gives_ipv6_addresses));
            self.subnets.insert(id, Placed { vpc, block, six, gives_ipv6_addresses, zone, gives_public_addresses, span: node.span });
        }
    }

    pub(super) fn gateways(&mut self) {
        const GATEWAYS: [(&str, &str, &str, &str, &str, &str); 3] = [
            ("aws_internet_gateway", "aws_internet_gateway_attachment", "internet_gateway_id", "igw", "InternetGateways", "InternetGatewayId"),
            ("aws_egress_only_internet_gateway", "", "", "eigw", "EgressOnlyInternetGateways", "EgressOnlyInternetGatewayId"),
            ("aws_vpn_gateway", "aws_vpn_gateway_attachment", "vpn_gateway_id", "vgw", "VpnGateways", "VpnGatewayId"),
        ];
        for (kind, attachment, refers, prefix, list, key) in GATEWAYS {
            let mut attached: BTreeMap<String, String> = BTreeMap::new();
            for node in self.nodes(attachment) {
                match (self.id(&node, refers, prefix), self.id(&node, "vpc_id", "vpc")) {
                    (Got::Is(gateway), Got::Is(vpc)) => drop(attached.insert(gateway, vpc)),
                    (Got::Is(_), _) => self.gap(&node, "vpc_id", "attached to nothing"),
                    _ => self.gap(&node, refers, "attached to nothing"),
                }
            }
            for node in self.nodes(kind) {
                let Some(id) = self.document.id_of(node.resource) else { continue };
                let vpc = self.id(&node, "vpc_id", "vpc");
                if vpc.is_unknown() {
                    self.gap(&node, "vpc_id", "attached to nothing");
                }
                let vpc = vpc.known().or_else(|| attached.remove(&id));
                let attachments = vpc.map(|vpc| Object::at(node.span).text("VpcId", vpc).text("State", "attached"));
                let at = if list == "VpnGateways" { "VpcAttachments" } else { "Attachments" };
                let object = Object::at(node.span).text(key, id).list(at, attachments).tags(&self.tags(&node, false));
                self.answers.push(list, object);
            }
        }
    }

    pub(super) fn route_tables(&mut self) {
        let mut tables = self.tables();
        for node in self.nodes("aws_route") {
            match self.id(&node, "route_table_id", "rtb") {
                Got::Is(id) => match tables.get_mut(&id) {
                    Some(_) => self.route(&node, "destination_", &id, &mut tables),
                    None => self.note(NoteKind::Missing, node.span, format!("{id}, which {} belongs to", node.address)),
                },
                // A route may take what another one takes, in any table.
                _ => {
                    self.gap(&node, "route_table_id", "no table leads anywhere");
                    tables.values_mut().for_each(|table| table.is_closed = true);
                }
            }
        }
        self.endpoint_routes(&mut tables);
        self.table_associations(&mut tables);
        for (id, table) in tables {
            let blocks: Vec<String> = self.vpcs.get(&table.vpc).map(|cloud| cloud.blocks.iter().map(ToString::to_string).collect()).unwrap_or_default();
            let local = blocks.iter().map(|block| Object::at(table.span).text(destination_key(block), block).text("GatewayId", "local").text("Origin", "CreateRouteTable"));
            let mut routes: Vec<Object> = local.collect();
            let is_closed = table.is_closed;
            let others = table.routes.into_iter().filter(|(destination, _)| !blocks.contains(destination));
            routes.extend(others.map(|(destination, route)| match is_closed {
                true => blackhole(table.span, &destination),
                false => route,
            }));
            let object = Object::at(table.span).text("RouteTableId", id).text("VpcId", table.vpc).list("Routes", routes);
            let object = object.list("Associations", table.associations).list("PropagatingVgws", table.propagating);
            self.answers.push("RouteTables", object.tags(&table.tags));
        }
    }

    /// Tables with the routes that are written inside them.
    fn tables(&mut self) -> BTreeMap<String, Table> {
        let mut tables = BTreeMap::new();
        for (vpc, cloud) in &self.vpcs {
            let table = Table { vpc: vpc.clone(), routes: BTreeMap::new(), associations: Vec::new(), propagating: Vec::new(), is_closed: false, tags: BTreeMap::new(), span: cloud.span };
            tables.insert(cloud.main_table.clone(), table);
        }
        let mut nodes = self.nodes("aws_default_route_table");
        nodes.extend(self.nodes("aws_route_table"));
        for node in nodes {
            let Some(id) = self.document.id_of(node.resource) else {
                self.gap(&node, "default_route_table_id", "left out");
                continue;
            };
            let of_main = tables.get(&id).map(|table: &Table| table.vpc.clone());
            let vpc = match of_main {
                Some(vpc) => vpc,
                None => match self.id(&node, "vpc_id", "vpc") {
                    Got::Is(vpc) => vpc,
                    _ => {
                        self.gap(&node, "vpc_id", "left out");
                        continue;
                    }
                },
            };
            let propagating = self.ids(&node, "propagating_vgws", "vgw").all;
            let propagating = propagating.into_iter().map(|id| Object::at(node.span).text("GatewayId", id)).collect();
            let table = Table { vpc, routes: BTreeMap::new(), associations: Vec::new(), propagating, is_closed: false, tags: self.tags(&node, false), span: node.span };
            tables.insert(id.clone(), table);
            let routes = self.blocks(&node, "route", "the table leads nowhere");
            for route in &routes.all {
                self.route(route, "", &id, &mut tables);
            }
            if let (false, Some(table)) = (routes.is_complete, tables.get_mut(&id)) {
                table.is_closed = true;
            }
        }
        tables
    }

    fn route(&mut self, node: &Node<'j>, prefix: &str, table: &str, tables: &mut BTreeMap<String, Table>) {
        let mut destination = None;
        for key in ["cidr_block", "ipv6_cidr_block"] {
            let key = format!("{prefix}{key}");
            match self.block(node, &key) {
                Got::Is(block) => destination = Some(block.to_string()),
                Got::Unknown => self.gap(node, &key, "its table leads nowhere"),
                Got::Unset => {}
            }
        }
        match self.id(node, "destination_prefix_list_id", "pl") {
            Got::Is(id) => destination = Some(id),
            Got::Unknown => self.gap(node, "destination_prefix_list_id", "its table leads nowhere"),
            Got::Unset => {}
        }
        let target = self.target(node);
        let Some(table) = tables.get_mut(table) else { return };
        let Some(destination) = destination else {
            table.is_closed = true;
            return;
        };
        let route = match target {
            Some((key, id)) => Object::at(node.span).text(destination_key(&destination), &destination).text(key, id).text("Origin", "CreateRoute"),
            None => blackhole(node.span, &destination),
        };
        table.routes.entry(destination).or_insert(route);
    }

    fn target(&mut self, node: &Node<'j>) -> Option<(&'static str, String)> {
        const TARGETS: [(&str, &[&str], &str); 9] = [
            ("gateway_id", &["igw", "vgw", "vpce"], "GatewayId"),
            ("nat_gateway_id", &["nat"], "NatGatewayId"),
            ("network_interface_id", &["eni"], "NetworkInterfaceId"),
            ("instance_id", &["i"], "InstanceId"),
            ("vpc_peering_connection_id", &["pcx"], "VpcPeeringConnectionId"),
            ("egress_only_gateway_id", &["eigw"], "EgressOnlyInternetGatewayId"),
            ("transit_gateway_id", &["tgw"], "TransitGatewayId"),
            ("vpc_endpoint_id", &["vpce"], "VpcEndpointId"),
            ("carrier_gateway_id", &["cagw"], "CarrierGatewayId"),
        ];
        let mut unknown = None;
        for (key, prefixes, answer) in TARGETS {
            match self.text(node, key) {
                Got::Is("local") => return Some((answer, "local".to_owned())),
                Got::Is(id) => return Some((answer, id.to_owned())),
                Got::Unset => continue,
                Got::Unknown => {}
            }
            let found: Vec<String> = prefixes.iter().filter_map(|prefix| self.id(node, key, prefix).known()).collect();
            match found.as_slice() {
                [id] => return Some((answer, id.clone())),
                _ => unknown = unknown.or(Some(key)),
            }
        }
        self.gap(node, unknown.unwrap_or("target"), "the route leads nowhere");
        None
    }

    /// Gateway endpoints put a route to their service into their tables (VPCE-1).
    fn endpoint_routes(&mut self, tables: &mut BTreeMap<String, Table>) {
        for (table, endpoint, list, span) in std::mem::take(&mut self.endpoint_routes) {
            if let Some(table) = tables.get_mut(&table) {
                let route = Object::at(span).text("DestinationPrefixListId", &list).text("GatewayId", endpoint).text("Origin", "CreateRoute");
                table.routes.entry(list).or_insert(route);
            }
        }
    }

    fn table_associations(&mut self, tables: &mut BTreeMap<String, Table>) {
        let mut main: BTreeMap<String, String> = self.vpcs.iter().map(|(vpc, cloud)| (vpc.clone(), cloud.main_table.clone())).collect();
        // VPCs of which some subnet uses a table that nobody knows, and subnets that surely do.
        let (mut doubtful, mut lost): (BTreeSet<String>, BTreeSet<String>) = Default::default();
        for node in self.nodes("aws_main_route_table_association") {
            match (self.id(&node, "vpc_id", "vpc"), self.id(&node, "route_table_id", "rtb")) {
                (Got::Is(vpc), Got::Is(table)) => drop(main.insert(vpc, table)),
                (Got::Is(vpc), _) => {
                    self.gap(&node, "route_table_id", "subnets without a table of their own have no way out");
                    doubtful.insert(vpc);
                }
                _ => {
                    self.gap(&node, "vpc_id", "subnets without a table of their own have no way out");
                    doubtful.extend(self.vpcs.keys().cloned());
                }
            }
        }
        for table in main.values() {
            if let Some(table) = tables.get_mut(table) {
                table.associations.push(Object::at(table.span).bool("Main", true));
            }
        }
        let mut associated: BTreeSet<String> = BTreeSet::new();
        for node in self.nodes("aws_route_table_association") {
            let table = self.id(&node, "route_table_id", "rtb").known().filter(|table| tables.contains_key(table));
            let gateway = ["igw", "vgw"].into_iter().find_map(|prefix| match self.text(&node, "gateway_id") {
                Got::Unset => None,
                _ => self.id(&node, "gateway_id", prefix).known(),
            });
            let subnet = self.id(&node, "subnet_id", "subnet");
            match (table.and_then(|table| tables.get_mut(&table)), subnet, gateway) {
                (Some(table), Got::Is(subnet), _) => {
                    table.associations.push(Object::at(node.span).text("SubnetId", &subnet));
                    associated.insert(subnet);
                }
                (Some(table), _, Some(gateway)) => table.associations.push(Object::at(node.span).text("GatewayId", gateway)),
                (Some(table), ..) => {
                    doubtful.insert(table.vpc.clone());
                    self.gap(&node, "subnet_id", "subnets without a table of their own have no way out");
                }
                (None, Got::Is(subnet), _) => {
                    self.gap(&node, "route_table_id", "the subnet has no way out");
                    lost.insert(subnet);
                }
                (None, ..) => {
                    self.gap(&node, "route_table_id", "subnets without a table of their own have no way out");
                    doubtful.extend(self.vpcs.keys().cloned());
                }
            }
        }
        for (id, subnet) in &self.subnets {
            let is_lost = lost.contains(id) || doubtful.contains(&subnet.vpc);
            if associated.contains(id) || !is_lost {
                continue;
            }
            let table = tables.entry(main_table(&format!("{}/unknown", subnet.vpc))).or_insert_with(|| Table {
                vpc: subnet.vpc.clone(),
                routes: BTreeMap::new(),
                associations: Vec::new(),
                propagating: Vec::new(),
                is_closed: false,
                tags: BTreeMap::from([("Name".to_owned(), "unknown".to_owned())]),
                span: subnet.span,
            });
            table.associations.push(Object::at(subnet.span).text("SubnetId", id));
        }
        // What a state says of a main table is what Terraform manages of it.
        if self.document.is_state {
            let managed: BTreeSet<String> = self.document.of_kind("aws_default_route_table").into_iter().chain(self.document.of_kind("aws_route_table")).filter_map(|index| self.document.id_of(index)).collect();
            let told: Vec<(Span, String)> = self.vpcs.iter().filter(|(vpc, _)| main.get(*vpc).is_some_and(|table| !managed.contains(table))).map(|(_, cloud)| (cloud.span, cloud.address.clone())).collect();
            for (span, address) in told {
                self.note(NoteKind::Assumed, span, format!("the main route table of {address} has no routes but local ones: Terraform does not manage it"));
            }
        }
    }
}

/// DHCP options of every VPC here.
const DHCP_OPTIONS: &str = "dopt-00000000000000001";
/// Where a plan is that does not say it.
pub(super) const DEFAULT_REGION: &str = "us-east-1";

fn destination_key(destination: &str) -> &'static str {
    match destination {
        list if list.starts_with("pl-") => "DestinationPrefixListId",
        six if six.contains(':') => "DestinationIpv6CidrBlock",
        _ => "DestinationCidrBlock",
    }
}

/// A route that drops what it takes: its target is a transit gateway that nothing is attached to (RT-9).
fn blackhole(place: Span, destination: &str) -> Object {
    let nowhere = "tgw-00000000000000000";
    Object::at(place).text(destination_key(destination), destination).text("TransitGatewayId", nowhere).text("State", "blackhole")
}
