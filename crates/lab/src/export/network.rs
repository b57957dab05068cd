//! VPCs, subnets, NAT gateways, route tables; peering connections and endpoints.

use model::dhcp_options::NameServer;
use model::endpoint::VpcEndpointKind;
use model::gateway::VpnGateway;
use model::peering::PeeringStatus;
use model::route_table::{Associated, RouteOrigin};
use model::*;

use super::Writer;
use super::yaml::{key, one_or_many, quoted};
use crate::names::is_live_nat;

impl<'m> Writer<'m> {
    pub(super) fn vpcs(&mut self) {
        let model = self.model;
        if model.vpcs.is_empty() {
            return;
        }
        self.line(0, "vpcs:");
        let mut vpcs: Vec<&Vpc> = model.vpcs.values().collect();
        vpcs.sort_by_key(|vpc| &self.called.vpcs[&vpc.id]);
        self.written_tables = written(model);
        for vpc in vpcs {
            let name = self.called.vpcs[&vpc.id].clone();
            self.line(1, format!("{}:", key(&name)));
            self.vpc(vpc);
            self.subnets(vpc);
            self.nat_gateways(vpc);
            self.route_tables(vpc);
            self.security_groups(vpc);
            self.network_acls(vpc);
        }
    }

    fn vpc(&mut self, vpc: &Vpc) {
        let blocks: Vec<String> = vpc.ipv4_blocks().map(|block| block.to_string()).collect();
        self.line(2, format!("cidr: {}", one_or_many(&blocks)));
        let ipv6: Vec<String> = vpc.ipv6_blocks().map(|block| block.to_string()).collect();
        if !ipv6.is_empty() {
            self.line(2, format!("ipv6: {}", one_or_many(&ipv6)));
        }
        self.line(2, format!("igw: {}", self.model.internet_gateway_of(&vpc.id).is_some()));
        if self.model.egress_only_internet_gateway_of(&vpc.id).is_some() {
            self.line(2, "eigw: true");
        }
        if !vpc.enable_dns_support {
            self.line(2, "dns_support: false");
        }
        if vpc.enable_dns_hostnames != vpc.enable_dns_support {
            self.line(2, format!("dns_hostnames: {}", vpc.enable_dns_hostnames));
        }
        match vpc.dhcp_options_id.as_ref().and_then(|id| self.model.dhcp_options.get(id)) {
            Some(options) => self.dhcp(options),
            None => self.line(2, "dhcp: none"),
        }
        if let Some(tags) = self.tags(&vpc.tags) {
            self.line(2, tags);
        }
    }

    /// Whether they are what every region gives (DHCP-2).
    pub(super) fn is_of_every_region(&self, options: &DhcpOptions) -> bool {
        options.domain_name.as_deref().is_none_or(|domain| domain == self.model.region.internal_domain())
            && options.domain_name_servers == [NameServer::AmazonProvidedDns]
            && options.ntp_servers.is_empty()
            && options.netbios_name_servers.is_empty()
            && options.netbios_node_type.is_none()
    }

    fn dhcp(&mut self, options: &DhcpOptions) {
        // It is what a lab file without the key has.
        if self.is_of_every_region(options) {
            return;
        }
        let mut parts = Vec::new();
        parts.extend(options.domain_name.as_ref().map(|domain| format!("domain_name: {}", quoted(domain))));
        let server = |server: &NameServer| match server {
            NameServer::AmazonProvidedDns => "AmazonProvidedDNS".to_owned(),
            NameServer::Address(address) => address.to_string(),
        };
        let mut list = |name: &str, all: Vec<String>| {
            if !all.is_empty() {
                parts.push(format!("{name}: [{}]", all.join(", ")));
            }
        };
        list("domain_name_servers", options.domain_name_servers.iter().map(server).collect());
        list("ntp_servers", options.ntp_servers.iter().map(|a| a.to_string()).collect());
        list("netbios_name_servers", options.netbios_name_servers.iter().map(|a| a.to_string()).collect());
        parts.extend(options.netbios_node_type.map(|kind| format!("netbios_node_type: {kind}")));
        self.line(2, format!("dhcp: {{ {} }}", parts.join(", ")));
    }

    fn subnets(&mut self, vpc: &Vpc) {
        let model = self.model;
        let mut subnets: Vec<&Subnet> = model.subnets.values().filter(|s| s.vpc_id == vpc.id).collect();
        subnets.sort_by_key(|s| s.cidr_block);
        if subnets.is_empty() {
            return;
        }
        self.line(2, "subnets:");
        for subnet in subnets {
            let zone = self.zone(subnet);
            let mut parts = vec![format!("az: {zone}"), format!("cidr: {}", subnet.cidr_block)];
            if let Some(block) = subnet.ipv6_block() {
                parts.push(format!("ipv6: {block}"));
                parts.extend((!subnet.assign_ipv6_address_on_creation).then(|| "assign_ipv6: false".to_owned()));
            }
            let wanted = Associated::Subnet(subnet.id.clone());
            let own = model.route_tables.values().find(|table| table.associations.iter().any(|a| a.to == wanted));
            if let Some(table) = own.filter(|table| self.written_tables.contains(&table.id)) {
                parts.push(format!("route: {}", key(&self.called.route_tables[&table.id])));
            }
            if let Some(acl) = model.network_acl_of(&subnet.id).filter(|acl| !acl.is_default) {
                parts.push(format!("acl: {}", key(&self.called.network_acls[&acl.id])));
            }
            if subnet.map_public_ip_on_launch {
                parts.push("public_ips: true".to_owned());
            }
            parts.extend(self.tags(&subnet.tags));
            let name = key(&self.called.subnets[&subnet.id]);
            self.line(3, format!("{name}: {{ {} }}", parts.join(", ")));
        }
    }

    /// The letter of a zone of the lab's region; a zone of another region becomes the one of the same letter.
    pub(super) fn zone(&mut self, subnet: &Subnet) -> String {
        let region = if self.model.region.entry().is_some() { self.model.region.clone() } else { Region::default() };
        let zones = region.zones();
        if let Some(letter) = subnet.availability_zone.strip_prefix(region.0.as_str())
            && zones.iter().any(|zone| zone.name == subnet.availability_zone)
        {
            return letter.to_owned();
        }
        let letter = subnet.availability_zone.chars().last().map(|c| format!("{region}{c}"));
        let same = zones.iter().find(|zone| Some(&zone.name) == letter.as_ref()).or(zones.first());
        let instead = same.map_or_else(String::new, |zone| zone.name.clone());
        self.changed(format!("zone {} of {} becomes {instead}", subnet.availability_zone, subnet.id));
        instead
    }

    fn nat_gateways(&mut self, vpc: &Vpc) {
        let model = self.model;
        let mut gateways: Vec<&NatGateway> = model.nat_gateways.values().filter(|g| g.vpc_id == vpc.id && is_live_nat(g)).collect();
        gateways.sort_by_key(|gateway| &self.called.nat_gateways[&gateway.id]);
        if gateways.is_empty() {
            return;
        }
        self.line(2, "nat_gateways:");
        for gateway in gateways {
            let Some(subnet) = self.called.subnets.get(&gateway.subnet_id) else { continue };
            let mut parts = vec![format!("subnet: {}", key(subnet))];
            parts.extend(gateway.private_ip.map(|address| format!("private_ip: {address}")));
            let public = gateway.network_interface_id.as_ref().zip(gateway.private_ip).and_then(|(id, ip)| model.elastic_ip_of(id, ip));
            let has_gateway = model.internet_gateway_of(&vpc.id).is_some();
            match (gateway.is_public && has_gateway, public) {
                (false, _) => parts.push("private: true".to_owned()),
                (true, Some(address)) => match self.elastic(address).as_str() {
                    "eip" => {}
                    word => parts.push(format!("eip: {word}")),
                },
                (true, None) => {}
            }
            if gateway.is_public && !has_gateway {
                self.changed(format!("{} becomes a private NAT gateway: its VPC has no internet gateway", gateway.id));
            }
            parts.extend(self.tags(&gateway.tags));
            let name = key(&self.called.nat_gateways[&gateway.id]);
            self.line(3, format!("{name}: {{ {} }}", parts.join(", ")));
        }
    }

    fn route_tables(&mut self, vpc: &Vpc) {
        let model = self.model;
        let written = self.written_tables.clone();
        let of_vpc = model.route_tables.values().filter(|t| t.vpc_id == vpc.id && written.contains(&t.id));
        let mut tables: Vec<&RouteTable> = of_vpc.collect();
        tables.sort_by_key(|table| &self.called.route_tables[&table.id]);
        if tables.is_empty() {
            return;
        }
        self.line(2, "route_tables:");
        for table in tables {
            let name = key(&self.called.route_tables[&table.id]);
            self.line(3, format!("{name}:"));
            if table.is_main() {
                self.line(4, "main: true");
            }
            for association in &table.associations {
                match &association.to {
                    Associated::InternetGateway(id) if model.internet_gateways.get(id).is_some_and(|g| g.vpc_id.as_ref() == Some(&vpc.id)) => {
                        self.line(4, "edge: igw");
                    }
                    Associated::InternetGateway(id) => self.unsaid(format!("{}: serves {id}, which is not attached", table.id)),
                    Associated::VpnGateway(id) => self.unsaid(format!("{}: serves what comes in by {id}", table.id)),
                    Associated::Main | Associated::Subnet(_) => {}
                }
            }
            if let Some(gateway) = self.gateway_to_lans(vpc)
                && !table.associations.iter().any(|association| matches!(association.to, Associated::InternetGateway(_)))
                && !table.propagating_vgws.contains(&gateway.id)
            {
                self.line(4, "propagation: false");
            }
            if let Some(tags) = self.tags(&table.tags) {
                self.line(4, tags);
            }
            let routes: Vec<(String, String)> = table.routes.iter().filter_map(|route| self.route(vpc, table, route)).collect();
            match routes.is_empty() {
                true => self.line(4, "routes: {}"),
                false => self.line(4, "routes:"),
            }
            for (destination, target) in routes {
                self.line(5, format!("{destination}: {target}"));
            }
        }
    }

    /// A route as a key and a value; `None` where there is nothing to say, or no way to say it.
    fn route(&mut self, vpc: &Vpc, table: &RouteTable, route: &Route) -> Option<(String, String)> {
        let model = self.model;
        let destination = match &route.destination {
            Destination::Ipv4(block) => block.to_string(),
            Destination::Ipv6(block) if vpc.ipv6_blocks().next().is_some() => quoted(&block.to_string()),
            Destination::Ipv6(block) => {
                if route.target != RouteTarget::Local {
                    self.changed(format!("the route to {block} in {} is left out: its VPC has no IPv6, so nothing takes it", table.id));
                }
                return None;
            }
            Destination::PrefixList(id) => match self.called.prefix_lists.get(id) {
                // Endpoints put their routes into tables themselves.
                Some(_) if self.is_endpoints(route) => return None,
                Some(name) => quoted(&format!("pl:{name}")),
                None => {
                    if !self.is_endpoints(route) {
                        self.unsaid(format!("{}: the route to {id}, whose entries are not known", table.id));
                    }
                    return None;
                }
            },
        };
        let to_lans = self.gateway_to_lans(vpc).map(|gateway| RouteTarget::VpnGateway(gateway.id.clone()));
        if to_lans.as_ref() == Some(&route.target) && route.created_by == RouteOrigin::EnableVgwRoutePropagation {
            // The links say it.
            return None;
        }
        let gone = "blackhole".to_owned();
        let target = match &route.target {
            RouteTarget::Local => return None,
            RouteTarget::InternetGateway(id) => {
                let attached = model.internet_gateways.get(id).is_some_and(|g| g.vpc_id.as_ref() == Some(&vpc.id));
                if attached { "igw".to_owned() } else { gone }
            }
            RouteTarget::EgressOnlyInternetGateway(id) => {
                let is_own = model.egress_only_internet_gateways.get(id).is_some_and(|gateway| gateway.vpc_id == vpc.id);
                if is_own { "eigw".to_owned() } else { gone }
            }
            RouteTarget::NatGateway(id) => self.called.nat_gateways.get(id).map_or(gone, |name| format!("nat@{name}")),
            RouteTarget::NetworkInterface(id) => match model.network_interfaces.get(id).and_then(|eni| self.device(eni)) {
                Some((name, 0)) => format!("instance {name}"),
                Some((name, index)) => format!("instance {name}/{index}"),
                None => {
                    if model.network_interfaces.contains_key(id) {
                        self.unsaid(format!("{}: the route to {destination} by {id}, which no instance has", table.id));
                    }
                    gone
                }
            },
            RouteTarget::VpcPeeringConnection(id) => {
                let is_active = model.vpc_peering_connections.get(id).is_some_and(|p| p.status == PeeringStatus::Active && self.is_whole(p));
                self.called.peerings.get(id).filter(|_| is_active).map_or(gone, |name| format!("peering {name}"))
            }
            RouteTarget::VpnGateway(_) if to_lans.as_ref() == Some(&route.target) => "vpn".to_owned(),
            RouteTarget::TransitGateway(id) if model.transit_gateways.contains_key(id) => {
                let name = self.gateway_of_route(id, &vpc.id).map(|name| format!("tgw {name}"));
                if name.is_none() {
                    self.changed(format!("{}: the route to {destination} by {id} becomes a blackhole: its VPC is not attached", table.id));
                }
                name.unwrap_or(gone)
            }
            RouteTarget::VpcEndpoint(_) | RouteTarget::VpnGateway(_) | RouteTarget::TransitGateway(_) => {
                self.unsaid(format!("{}: the route to {destination} by {}: it is a blackhole there", table.id, route.target));
                gone
            }
        };
        if target == "blackhole" && !model.subnets.values().any(|subnet| subnet.vpc_id == vpc.id) {
            return None;
        }
        Some((destination, target))
    }

    /// The virtual private gateway of a VPC to which a lan is linked: the link makes it.
    pub(super) fn gateway_to_lans(&self, vpc: &Vpc) -> Option<&'m VpnGateway> {
        let name = model::tag::name(&vpc.tags)?;
        let is_linked = self.model.lans.values().flat_map(model::Lan::tunnels).any(|(_, (_, _, to))| to == name);
        self.model.vpn_gateway_of(&vpc.id).filter(|_| is_linked)
    }

    fn is_endpoints(&self, route: &Route) -> bool {
        matches!(&route.target, RouteTarget::VpcEndpoint(id) if self.model.vpc_endpoints.contains_key(id))
    }

    /// Whether both VPCs of a peering are there.
    fn is_whole(&self, peering: &VpcPeeringConnection) -> bool {
        [&peering.requester_vpc_id, &peering.accepter_vpc_id].iter().all(|vpc| self.model.vpcs.contains_key(*vpc))
    }

    pub(super) fn peerings(&mut self) {
        let model = self.model;
        let open: Vec<&VpcPeeringConnection> = model.vpc_peering_connections.values().filter(|p| p.status.is_open()).collect();
        let (mut whole, broken): (Vec<_>, Vec<_>) = open.into_iter().partition(|p| p.status == PeeringStatus::Active && self.is_whole(p));
        for peering in broken {
            let why = if self.is_whole(peering) { peering.status.as_str() } else { "one of its VPCs is not here" };
            self.unsaid(format!("{}: a peering connection ({why})", peering.id));
        }
        if whole.is_empty() {
            return;
        }
        whole.sort_by_key(|peering| &self.called.peerings[&peering.id]);
        self.line(0, "peerings:");
        for peering in whole {
            let vpcs = [&peering.requester_vpc_id, &peering.accepter_vpc_id].map(|vpc| key(&self.called.vpcs[vpc]));
            let mut parts = vec![format!("vpcs: [{}]", vpcs.join(", "))];
            match (peering.requester_allows_dns_resolution, peering.accepter_allows_dns_resolution) {
                (true, true) => parts.push("dns: true".to_owned()),
                (false, false) => {}
                _ => self.unsaid(format!("{}: that one side only lets the other resolve its names", peering.id)),
            }
            parts.extend(self.tags(&peering.tags));
            let name = key(&self.called.peerings[&peering.id]);
            self.line(1, format!("{name}: {{ {} }}", parts.join(", ")));
        }
    }

    pub(super) fn endpoints(&mut self) {
        let model = self.model;
        let region = if model.region.entry().is_some() { model.region.clone() } else { Region::default() };
        let mut lines = Vec::new();
        for endpoint in model.vpc_endpoints.values() {
            let Some(name) = self.called.endpoints.get(&endpoint.id).map(|name| key(name)) else { continue };
            let service = region.endpoint_service(&endpoint.service_name);
            let mut parts = vec![format!("service: {}", quoted(&endpoint.service_name)), format!("vpc: {}", key(&self.called.vpcs[&endpoint.vpc_id]))];
            match &endpoint.kind {
                VpcEndpointKind::Gateway { route_table_ids, prefix_list_id } => {
                    let Some(service) = service.filter(|s| s.has_gateway) else {
                        self.unsaid(format!("{}: a gateway endpoint for {}", endpoint.id, endpoint.service_name));
                        continue;
                    };
                    let blocks = model.prefix_lists.get(prefix_list_id).into_iter().flat_map(|list| &list.entries);
                    let blocks: std::collections::BTreeSet<_> = blocks.map(|entry| entry.cidr).collect();
                    if blocks != service.blocks.iter().map(|block| ipnet::IpNet::V4(*block)).collect() {
                        self.changed(format!("the addresses of {} become those that a lab has for it", endpoint.service_name));
                    }
                    let tables: Vec<String> = route_table_ids.iter().filter_map(|id| self.called.route_tables.get(id)).map(|n| key(n)).collect();
                    parts.push(format!("route_tables: [{}]", tables.join(", ")));
                }
                VpcEndpointKind::Interface { subnet_ids, network_interface_ids, private_dns_enabled } => {
                    if !service.is_some_and(|s| s.has_interface) {
                        self.unsaid(format!("{}: an interface endpoint for {}", endpoint.id, endpoint.service_name));
                        continue;
                    }
                    let subnets = subnet_ids.iter().filter_map(|id| model.subnets.get(id)).map(|s| self.called.subnet(s));
                    parts.push(format!("subnets: [{}]", subnets.collect::<Vec<_>>().join(", ")));
                    let first = network_interface_ids.iter().find_map(|id| model.network_interfaces.get(id));
                    let groups = first.into_iter().flat_map(|eni| &eni.groups).filter_map(|id| self.called.security_groups.get(id));
                    parts.push(format!("sg: [{}]", groups.map(|n| key(n)).collect::<Vec<_>>().join(", ")));
                    parts.push(format!("private_dns: {private_dns_enabled}"));
                }
            }
            parts.extend(self.tags(&endpoint.tags));
            lines.push(format!("{name}: {{ {} }}", parts.join(", ")));
        }
        lines.sort();
        if !lines.is_empty() {
            self.line(0, "endpoints:");
            lines.into_iter().for_each(|line| self.line(1, line));
        }
    }
}

/// Tables that the file must have: all but main ones that say nothing.
fn written(model: &Model) -> std::collections::BTreeSet<RouteTableId> {
    let endpoints: Vec<&RouteTableId> = model.vpc_endpoints.values().flat_map(|endpoint| match &endpoint.kind {
        VpcEndpointKind::Gateway { route_table_ids, .. } => route_table_ids.as_slice(),
        VpcEndpointKind::Interface { .. } => &[],
    }).collect();
    let says = |table: &&RouteTable| {
        !table.is_main()
            || tag::name(&table.tags).is_some()
            || endpoints.contains(&&table.id)
            || table.associations.iter().any(|a| matches!(a.to, Associated::InternetGateway(_)))
            || table.routes.iter().any(|route| route.target != RouteTarget::Local)
            || model.vpn_gateway_of(&table.vpc_id).is_some()
    };
    model.route_tables.values().filter(says).map(|table| table.id.clone()).collect()
}
