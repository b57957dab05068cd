//! A cloud as people would describe it: things by name, what they are made of in words, no ids.
//!
//! Two clouds with equal views mean the same for packets and for whoever asks the API, apart from ids and from
//! addresses that nobody chose. Names of things replaced by names of other things is all that this file does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::dhcp_options::NameServer;
use model::endpoint::VpcEndpointKind;
use model::route_table::{Associated, RouteOrigin};
use model::*;

use crate::names::{DEFAULT, MAIN_TABLE, Names, device_text, own_name};

/// A kind of thing, in the order in which plans speak of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Quota,
    Outside,
    PrefixList,
    KeyPair,
    Vpc,
    InternetGateway,
    EgressOnlyInternetGateway,
    VpnGateway,
    Subnet,
    SecurityGroup,
    NetworkAcl,
    Volume,
    Image,
    Instance,
    Container,
    ElasticIp,
    NatGateway,
    Peering,
    TransitGateway,
    TransitAttachment,
    TransitTable,
    Endpoint,
    RouteTable,
    Interface,
    Gateway,
    FlowLog,
    Lan,
    /// A device of a lan: hub, switch, router …
    LanDevice(&'static str),
}

impl Kind {
    pub fn text(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Outside => "outside place",
            Self::PrefixList => "prefix list",
            Self::KeyPair => "key pair",
            Self::Vpc => "vpc",
            Self::InternetGateway => "internet gateway",
            Self::EgressOnlyInternetGateway => "egress-only internet gateway",
            Self::VpnGateway => "vpn gateway",
            Self::Subnet => "subnet",
            Self::SecurityGroup => "security group",
            Self::NetworkAcl => "network ACL",
            Self::Volume => "volume",
            Self::Image => "image",
            Self::Instance => "instance",
            Self::Container => "container",
            Self::ElasticIp => "elastic address",
            Self::NatGateway => "nat gateway",
            Self::Peering => "peering",
            Self::TransitGateway => "transit gateway",
            Self::TransitAttachment => "transit gateway attachment",
            Self::TransitTable => "transit gateway route table",
            Self::Endpoint => "endpoint",
            Self::RouteTable => "route table",
            Self::Interface => "interface",
            Self::Gateway => "gateway",
            Self::FlowLog => "flow log",
            Self::Lan => "lan",
            Self::LanDevice(kind) => kind,
        }
    }
}

/// One thing: kind and name.
pub(crate) type Key = (Kind, String);

/// What one thing is like.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thing {
    /// What it is from its beginning to its end; a thing with another value is another thing.
    pub fixed: BTreeMap<String, Value>,
    /// What can change.
    pub open: BTreeMap<String, Value>,
    /// What it cannot outlive.
    pub lives_in: BTreeSet<Key>,
    /// Of which it needs one that stays.
    pub stands_on: BTreeSet<Key>,
    /// A few words about a new one.
    pub summary: String,
    /// Where it is written: plans follow the file.
    pub place: Origin,
}

/// A value in words.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// One that is said with its old and its new text.
    Text(String),
    /// An address: what it is compared by, `any` where any will do, and what it is.
    Address(String, String),
    /// One of many; its name says it all.
    Listed,
    /// One that is too long to be shown.
    Long(String),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) | (Self::Address(a, _), Self::Address(b, _)) | (Self::Long(a), Self::Long(b)) => {
                a == b
            }
            (Self::Listed, Self::Listed) => true,
            _ => false,
        }
    }
}

impl Thing {
    pub(super) fn fixed(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.fixed.insert(name.into(), Value::Text(value.to_string()));
        self
    }

    pub(super) fn open(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.open.insert(name.into(), Value::Text(value.to_string()));
        self
    }

    pub(super) fn listed(mut self, all: impl IntoIterator<Item = String>) -> Self {
        self.open.extend(all.into_iter().map(|name| (name, Value::Listed)));
        self
    }

    pub(super) fn tags(self, tags: &Tags) -> Self {
        tags.iter().filter(|(key, _)| *key != "Name").fold(self, |thing, (key, value)| thing.open(format!("tag {key}"), value))
    }

    pub(super) fn lives_in(mut self, kind: Kind, name: &str) -> Self {
        self.lives_in.insert((kind, name.to_owned()));
        self
    }

    pub(super) fn at(mut self, place: &Origin) -> Self {
        self.place = place.clone();
        self
    }

    pub(super) fn summary(mut self, text: impl ToString) -> Self {
        self.summary = text.to_string();
        self
    }
}

/// Everything in a cloud.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub region: Option<Region>,
    pub things: BTreeMap<Key, Thing>,
    /// How many VPCs there are: with one, nobody needs its name before those of its parts.
    pub vpcs: usize,
}

impl View {
    /// Looks at a cloud. Elastic IP addresses outside of `fixed` are any.
    pub fn of(model: &Model, fixed: &BTreeSet<Ipv4Addr>, is_target: bool) -> Self {
        let names = Names::of(model);
        let region = Some(model.region.clone()).filter(|_| !model.vpcs.is_empty());
        let mut view = Self { region, things: BTreeMap::new(), vpcs: model.vpcs.len() };
        let reader = Reader { model, names: &names, fixed, is_target };
        reader.plain(&mut view);
        reader.network(&mut view);
        reader.policy(&mut view);
        reader.instances(&mut view);
        reader.containers(&mut view);
        reader.transit(&mut view);
        reader.routes(&mut view);
        reader.strays(&mut view);
        reader.flow_logs(&mut view);
        reader.lans(&mut view);
        view
    }

    pub(super) fn add(&mut self, kind: Kind, name: &str, thing: Thing) {
        self.things.insert((kind, name.to_owned()), thing);
    }
}

pub(super) struct Reader<'m> {
    pub(super) model: &'m Model,
    pub(super) names: &'m Names,
    fixed: &'m BTreeSet<Ipv4Addr>,
    is_target: bool,
}

impl Reader<'_> {
    pub(super) fn vpc<'a>(&'a self, id: &'a VpcId) -> &'a str {
        self.names.vpcs.name(id).unwrap_or(id.as_str())
    }

    pub(super) fn subnet<'a>(&'a self, id: &'a SubnetId) -> &'a str {
        self.names.subnets.name(id).unwrap_or(id.as_str())
    }

    /// A public address; one of the target that nobody asked for is none yet.
    fn public(&self, address: Ipv4Addr) -> Value {
        let any = || "any".to_owned();
        match (self.fixed.contains(&address), self.is_target) {
            (true, _) => Value::Address(address.to_string(), address.to_string()),
            (false, true) => Value::Address(any(), any()),
            (false, false) => Value::Address(any(), address.to_string()),
        }
    }

    /// What lies in no VPC.
    fn plain(&self, view: &mut View) {
        let (quotas, defaults) = (numbers(&self.model.quotas), numbers(&quota::Quotas::default()));
        for (name, value) in quotas.iter().filter(|(name, value)| defaults.get(*name) != Some(value)) {
            view.add(Kind::Quota, name, Thing::default().open("limit", value).summary(value));
        }
        for (name, host) in &self.model.outside {
            view.add(Kind::Outside, name, Thing::default().at(&host.origin).listed(host.addresses.iter().map(|a| a.to_string())));
        }
        for (name, id) in self.names.prefix_lists.iter() {
            let Some(list) = self.model.prefix_lists.get(id).filter(|list| !list.is_aws_managed) else { continue };
            let thing = Thing::default()
                .fixed("family", if list.is_ipv6 { "IPv6" } else { "IPv4" })
                .open("max entries", list.max_entries)
                .listed(list.entries.iter().map(|entry| entry.cidr.to_string()));
            view.add(Kind::PrefixList, name, thing.tags(&list.tags).at(&list.origin));
        }
        for (name, key) in &self.model.key_pairs {
            let mut thing = Thing::default();
            thing.fixed.insert("public key".to_owned(), Value::Long(key.public_key.clone()));
            view.add(Kind::KeyPair, name, thing.at(&key.origin));
        }
    }

    fn network(&self, view: &mut View) {
        for (name, id) in self.names.vpcs.iter() {
            let Some(vpc) = self.model.vpcs.get(id) else { continue };
            let primary = vpc.primary_cidr_block();
            let more = vpc.ipv4_blocks().filter(|block| *block != primary).map(|block| format!("block {block}"));
            let thing = Thing::default()
                .summary(with_ipv6(primary, vpc.ipv6_blocks()))
                .fixed("primary block", primary)
                .listed(more)
                .listed(vpc.ipv6_blocks().map(|block| format!("IPv6 block {block}")))
                .open("DNS support", on(vpc.enable_dns_support))
                .open("DNS host names", on(vpc.enable_dns_hostnames))
                .open("DHCP options", self.dhcp(vpc));
            view.add(Kind::Vpc, name, thing.tags(&vpc.tags).at(&vpc.origin));
        }
        let (tables, acls) = (self.route_tables_by_subnet(), self.network_acls_by_subnet());
        let main = self.model.route_tables.values().filter(|table| table.is_main());
        let main: BTreeMap<&VpcId, &RouteTableId> = main.map(|table| (&table.vpc_id, &table.id)).collect();
        for (name, id) in self.names.subnets.iter() {
            let Some(subnet) = self.model.subnets.get(id) else { continue };
            let table = tables.get(id).or(main.get(&subnet.vpc_id)).and_then(|table| self.names.route_tables.name(table));
            let acl = acls.get(id).and_then(|acl| self.names.network_acls.name(acl));
            let thing = Thing::default()
                .summary(with_ipv6(subnet.cidr_block, subnet.ipv6_block()))
                .fixed("block", subnet.cidr_block)
                .fixed("zone", &subnet.availability_zone)
                .open("public addresses at launch", on(subnet.map_public_ip_on_launch))
                .open("IPv6 block", subnet.ipv6_block().map_or("none".to_owned(), |block| block.to_string()))
                .open("IPv6 addresses at launch", on(subnet.assign_ipv6_address_on_creation))
                .open("route table", table.map_or("none", own_name))
                .open("network ACL", acl.map_or("none", own_name))
                .lives_in(Kind::Vpc, self.vpc(&subnet.vpc_id));
            view.add(Kind::Subnet, name, thing.tags(&subnet.tags).at(&subnet.origin));
        }
        for gateway in self.model.internet_gateways.values() {
            let (name, thing) = match &gateway.vpc_id {
                Some(vpc) => (format!("{}-igw", self.vpc(vpc)), Thing::default().lives_in(Kind::Vpc, self.vpc(vpc))),
                None => (gateway.id.to_string(), Thing::default()),
            };
            view.add(Kind::InternetGateway, &name, thing.tags(&gateway.tags).at(&gateway.origin));
        }
        for gateway in self.model.egress_only_internet_gateways.values() {
            let vpc = self.vpc(&gateway.vpc_id);
            let thing = Thing::default().lives_in(Kind::Vpc, vpc).tags(&gateway.tags).at(&gateway.origin);
            view.add(Kind::EgressOnlyInternetGateway, &egress_only_name(vpc), thing);
        }
        for gateway in self.model.vpn_gateways.values() {
            let Some(vpc) = &gateway.vpc_id else { continue };
            let name = vpn_gateway_name(self.vpc(vpc));
            view.add(Kind::VpnGateway, &name, Thing::default().lives_in(Kind::Vpc, self.vpc(vpc)).tags(&gateway.tags).at(&gateway.origin));
        }
        for (name, id) in self.names.elastic.iter() {
            let Some(address) = self.model.addresses.get(id) else { continue };
            let mut thing = Thing::default();
            // What the address of a NAT gateway is, is told with the gateway: it cannot change there.
            if !name.starts_with("nat ") {
                thing.open.insert("address".to_owned(), self.public(address.public_ip));
            }
            let summary =
                Some(address.public_ip).filter(|address| self.fixed.contains(address)).map(|address| address.to_string());
            view.add(Kind::ElasticIp, name, thing.at(&address.origin).summary(summary.unwrap_or_default()));
        }
        for (name, id) in self.names.nat_gateways.iter() {
            let Some(gateway) = self.model.nat_gateways.get(id) else { continue };
            let public = gateway.allocation_id.as_ref().and_then(|id| self.model.addresses.get(id));
            let mut thing = Thing::default();
            let public = public.map_or(Value::Address("none".to_owned(), "none".to_owned()), |a| self.public(a.public_ip));
            thing.fixed.insert("public address".to_owned(), public);
            let thing = thing
                .fixed("subnet", own_name(self.subnet(&gateway.subnet_id)))
                .fixed("private address", gateway.private_ip.map_or("none".to_owned(), |a| a.to_string()))
                .lives_in(Kind::Subnet, self.subnet(&gateway.subnet_id));
            view.add(Kind::NatGateway, name, thing.tags(&gateway.tags).at(&gateway.origin));
        }
    }

    /// Tables of subnets that have one of their own. Asked of the model one by one, many subnets take long.
    fn route_tables_by_subnet(&self) -> BTreeMap<&SubnetId, &RouteTableId> {
        let all = self.model.route_tables.values().flat_map(|table| table.associations.iter().map(move |a| (&table.id, a)));
        all.filter_map(|(table, association)| match &association.to {
            Associated::Subnet(subnet) => Some((subnet, table)),
            _ => None,
        })
        .collect()
    }

    fn network_acls_by_subnet(&self) -> BTreeMap<&SubnetId, &NetworkAclId> {
        let all = self.model.network_acls.values().flat_map(|acl| acl.associations.iter().map(move |a| (&a.subnet_id, &acl.id)));
        all.collect()
    }

    fn dhcp(&self, vpc: &Vpc) -> String {
        let Some(options) = vpc.dhcp_options_id.as_ref().and_then(|id| self.model.dhcp_options.get(id)) else {
            return "none".to_owned();
        };
        let mut parts: Vec<String> = Vec::new();
        let mut part = |what: &str, list: Vec<String>| {
            if !list.is_empty() {
                parts.push(format!("{what} {}", list.join(" ")));
            }
        };
        let server = |server: &NameServer| match server {
            NameServer::AmazonProvidedDns => "AmazonProvidedDNS".to_owned(),
            NameServer::Address(address) => address.to_string(),
        };
        part("domain", options.domain_name.iter().cloned().collect());
        part("resolvers", options.domain_name_servers.iter().map(server).collect());
        part("NTP", options.ntp_servers.iter().map(|a| a.to_string()).collect());
        part("NetBIOS", options.netbios_name_servers.iter().map(|a| a.to_string()).collect());
        part("node type", options.netbios_node_type.iter().map(|kind| kind.to_string()).collect());
        parts.join(", ")
    }

    fn routes(&self, view: &mut View) {
        for (name, id) in self.names.peerings.iter() {
            let Some(peering) = self.model.vpc_peering_connections.get(id) else { continue };
            let (requester, accepter) = (self.vpc(&peering.requester_vpc_id), self.vpc(&peering.accepter_vpc_id));
            let dns = peering.requester_allows_dns_resolution && peering.accepter_allows_dns_resolution;
            let one_sided = peering.requester_allows_dns_resolution != peering.accepter_allows_dns_resolution;
            let thing = Thing::default()
                .fixed("between", format!("{requester} and {accepter}"))
                .fixed("state", if peering.status == peering::PeeringStatus::Active { "active" } else { "not yet active" })
                .open("DNS resolution", if one_sided { "on one side" } else { on(dns) })
                .lives_in(Kind::Vpc, requester)
                .lives_in(Kind::Vpc, accepter);
            view.add(Kind::Peering, name, thing.tags(&peering.tags).at(&peering.origin));
        }
        for (name, id) in self.names.endpoints.iter() {
            let Some(endpoint) = self.model.vpc_endpoints.get(id) else { continue };
            let mut thing = Thing::default()
                .fixed("service", &endpoint.service_name)
                .fixed("vpc", self.vpc(&endpoint.vpc_id))
                .lives_in(Kind::Vpc, self.vpc(&endpoint.vpc_id));
            if let Some(policy) = &endpoint.policy_document {
                thing.open.insert("policy".to_owned(), Value::Long(policy.clone()));
            }
            thing = match &endpoint.kind {
                VpcEndpointKind::Gateway { route_table_ids, .. } => thing.fixed("kind", "gateway").listed(
                    route_table_ids
                        .iter()
                        .map(|id| format!("route table {}", self.names.route_tables.name(id).unwrap_or(id.as_str()))),
                ),
                VpcEndpointKind::Interface { subnet_ids, private_dns_enabled, .. } => {
                    let interfaces = self.model.network_interfaces_of_endpoint(id);
                    let groups: BTreeSet<_> = interfaces.iter().flat_map(|eni| &eni.groups).collect();
                    let groups = groups.into_iter().map(|id| self.names.security_groups.name(id).unwrap_or(id.as_str()));
                    thing
                        .fixed("kind", "interface")
                        .open("private DNS", on(*private_dns_enabled))
                        .listed(subnet_ids.iter().map(|id| format!("subnet {}", self.subnet(id))))
                        .listed(groups.map(|name| format!("security group {name}")))
                }
            };
            view.add(Kind::Endpoint, name, thing.tags(&endpoint.tags).at(&endpoint.origin));
        }
        for (name, id) in self.names.route_tables.iter() {
            let Some(table) = self.model.route_tables.get(id) else { continue };
            let mut thing = Thing::default().lives_in(Kind::Vpc, self.vpc(&table.vpc_id));
            if !table.propagating_vgws.is_empty() {
                thing = thing.listed(["routes from the vpn gateway".to_owned()]);
            }
            for route in &table.routes {
                if route.created_by == RouteOrigin::EnableVgwRoutePropagation {
                    thing = thing.listed([format!("propagated route {}", self.destination(&route.destination))]);
                    continue;
                }
                let is_plain = route.created_by == RouteOrigin::CreateRouteTable && route.target == RouteTarget::Local;
                if is_plain || matches!(route.target, RouteTarget::VpcEndpoint(_)) {
                    continue;
                }
                thing = thing.open(format!("route {}", self.destination(&route.destination)), self.target(table, route));
            }
            for association in &table.associations {
                match &association.to {
                    Associated::Main => thing = thing.listed(["main table".to_owned()]),
                    Associated::InternetGateway(_) => thing = thing.listed(["table of the internet gateway".to_owned()]),
                    Associated::VpnGateway(id) => thing = thing.listed([format!("table of {id}")]),
                    Associated::Subnet(_) => {}
                }
            }
            view.add(Kind::RouteTable, name, thing.tags(&table.tags).at(&table.origin));
        }
    }

    fn destination(&self, destination: &Destination) -> String {
        match destination {
            Destination::PrefixList(id) => format!("pl:{}", self.names.prefix_lists.name(id).unwrap_or(id.as_str())),
            other => other.to_string(),
        }
    }

    /// A target in the file's words. What is gone is a blackhole, whatever it was.
    fn target(&self, table: &RouteTable, route: &Route) -> String {
        let known = match &route.target {
            RouteTarget::Local => Some("local".to_owned()),
            RouteTarget::InternetGateway(id) => {
                let gateway = self.model.internet_gateways.get(id).filter(|g| g.vpc_id.as_ref() == Some(&table.vpc_id));
                gateway.map(|_| "igw".to_owned())
            }
            RouteTarget::EgressOnlyInternetGateway(id) => {
                let gateway = self.model.egress_only_internet_gateways.get(id).filter(|gateway| gateway.vpc_id == table.vpc_id);
                gateway.map(|_| "eigw".to_owned())
            }
            RouteTarget::VpnGateway(id) => {
                let gateway = self.model.vpn_gateways.get(id).filter(|gateway| gateway.vpc_id.as_ref() == Some(&table.vpc_id));
                gateway.map(|_| "vpn".to_owned())
            }
            RouteTarget::NatGateway(id) => self.names.nat_gateways.name(id).map(|name| format!("nat@{}", own_name(name))),
            RouteTarget::VpcPeeringConnection(id) => self.names.peerings.name(id).map(|name| format!("peering {name}")),
            RouteTarget::TransitGateway(id) => {
                // With an attachment it would lead there again.
                let lost = if self.model.transit_gateway_attachment_of(id, &table.vpc_id).is_some() { "" } else { " (not attached)" };
                self.names.transit_gateways.name(id).map(|name| format!("tgw {name}{lost}"))
            }
            RouteTarget::VpcEndpoint(id) => self.names.endpoints.name(id).map(|name| format!("endpoint {name}")),
            RouteTarget::NetworkInterface(id) => match self.names.device(self.model, id) {
                Some((instance, index)) => Some(format!("instance {}", device_text(&instance, index))),
                None => self.model.network_interfaces.get(id).map(|_| id.to_string()),
            },
        };
        known.unwrap_or_else(|| "blackhole".to_owned())
    }

    /// What no lab file can describe: it goes when a file is applied.
    fn strays(&self, view: &mut View) {
        for interface in self.model.network_interfaces.values() {
            let is_plain = interface.interface_type == network_interface::InterfaceType::Interface;
            if is_plain && interface.attachment.is_none() {
                view.add(
                    Kind::Interface,
                    interface.id.as_str(),
                    Thing::default().lives_in(Kind::Subnet, self.subnet(&interface.subnet_id)),
                );
            }
        }
        for gateway in self.model.vpn_gateways.values().filter(|gateway| gateway.vpc_id.is_none()) {
            view.add(Kind::Gateway, gateway.id.as_str(), Thing::default());
        }
    }
}

/// What a VPC's virtual private gateway is called.
pub(super) fn vpn_gateway_name(vpc: &str) -> String {
    format!("{vpc}-vgw")
}

/// What a VPC's egress-only internet gateway is called.
pub(super) fn egress_only_name(vpc: &str) -> String {
    format!("{vpc}-eigw")
}

/// Blocks of a new VPC or subnet in words.
fn with_ipv6(ipv4: ipnet::Ipv4Net, ipv6: impl IntoIterator<Item = ipnet::Ipv6Net>) -> String {
    ipv6.into_iter().fold(ipv4.to_string(), |text, block| format!("{text}, {block}"))
}

pub(super) fn on(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn numbers(quotas: &quota::Quotas) -> BTreeMap<String, u64> {
    let value = serde_json::to_value(quotas).unwrap_or_default();
    let map = value.as_object().into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect()
}

/// Whether a name is one that a VPC brings along, or a transit gateway.
pub(crate) fn comes_along(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::RouteTable => own_name(name) == MAIN_TABLE,
        Kind::SecurityGroup | Kind::NetworkAcl | Kind::TransitTable => own_name(name) == DEFAULT,
        _ => false,
    }
}
