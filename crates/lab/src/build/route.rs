//! Route tables, peerings and endpoints: where subnets lead.

use ipnet::IpNet;
use model::operation::*;
use model::peering::PeeringStatus;
use model::route_table::Associated;
use model::{Destination, Model, NetworkInterfaceId, RouteTableId, RouteTarget, VpcId};

use super::{Build, path, tags};
use crate::code::Code;
use crate::decode::Pairs;
use crate::diagnostic::Diagnostic;
use crate::file::{RouteWord, SubnetRoute, Vpc};
use crate::source::{Located, Span};

/// A route as the file wants it.
struct Wanted {
    destination: Destination,
    target: RouteTarget,
    span: Span,
}

/// Which families a target carries, and what to write for the other one.
struct Carried {
    ipv4: bool,
    ipv6: bool,
    who: &'static str,
    what: &'static str,
    instead: &'static str,
}

impl Carried {
    fn of(word: &RouteWord) -> Self {
        let (ipv4, ipv6) = (Self { ipv4: true, ipv6: false, who: "", what: "carries IPv4 only (RT-16)", instead: "" }, "carries IPv6 only (EIGW-1)");
        match word {
            RouteWord::Nat(_) => Self { who: "a NAT gateway", instead: "for IPv6 write `::/0: eigw`, or `igw` to be reached from outside, too", ..ipv4 },
            RouteWord::Vpn => Self { who: "a virtual private gateway", instead: "links of lans carry IPv4", ..ipv4 },
            RouteWord::EgressOnly => Self {
                ipv4: false,
                ipv6: true,
                who: "an egress-only internet gateway",
                what: ipv6,
                instead: "for IPv4 write `0.0.0.0/0: nat@SUBNET`",
            },
            _ => Self { ipv6: true, ..ipv4 },
        }
    }
}

impl Build<'_, '_> {
    pub(super) fn peerings(&mut self) {
        for (name, peering) in self.lab.file.peerings.iter() {
            if self.gives_up() {
                return;
            }
            let [requester, accepter] = peering.vpcs.as_slice() else {
                let problem =
                    Diagnostic::new(Code::MissingKey, name.span, format!("peering `{}` does not name two VPCs", name.value));
                self.problem(problem.label("two VPCs").hint("such as `[shop, data]`"));
                continue;
            };
            let sides = [requester, accepter].map(|vpc| self.vpc_of(Some(vpc), vpc.span, "peering"));
            let [Some(requester), Some(accepter)] = sides else { continue };
            let request = CreateVpcPeeringConnection {
                vpc_id: requester.clone(),
                peer_vpc_id: accepter,
                tags: tags(&name.value, &peering.tags),
                origin: self.origin(name.span),
            };
            let result = create_vpc_peering_connection(self.model, request);
            let Some(id) = self.op(name.span, result) else { continue };
            self.settle();
            if let Some(failed) = self.model.vpc_peering_connections.get(&id).filter(|p| p.status == PeeringStatus::Failed) {
                let message = format!("peering `{}` fails: {}", name.value, failed.status_message);
                let problem = Diagnostic::new(Code::Refused, name.span, message);
                self.problem(problem.label("PCX-2").hint("peered VPCs must not share addresses"));
                continue;
            }
            let result = accept_vpc_peering_connection(self.model, &id);
            self.op(name.span, result);
            self.names.peerings.add(Some(name.value.clone()), &id);
            let allow = peering.dns.as_ref().is_some_and(|dns| dns.value);
            let known = self.model.vpc_peering_connections.get(&id);
            if known.is_some_and(|p| (p.requester_allows_dns_resolution, p.accepter_allows_dns_resolution) != (allow, allow)) {
                self.settle();
                let request = ModifyVpcPeeringConnectionOptions {
                    vpc_peering_connection_id: id,
                    requester_allows_dns_resolution: Some(allow),
                    accepter_allows_dns_resolution: Some(allow),
                };
                let result = modify_vpc_peering_connection_options(self.model, request);
                self.op(name.span, result);
            }
        }
    }

    pub(super) fn endpoints(&mut self) {
        for (name, endpoint) in self.lab.file.endpoints.iter() {
            if self.gives_up() {
                return;
            }
            let Some(vpc) = self.vpc_of(endpoint.vpc.as_ref(), name.span, "endpoint") else { continue };
            let Some(service) = &endpoint.service else {
                let problem = Diagnostic::new(Code::MissingKey, name.span, format!("endpoint `{}` names no service", name.value));
                self.problem(problem.label("`service` is missing").hint("such as `service: s3`"));
                continue;
            };
            let full = match service.value.contains('.') {
                true => service.value.clone(),
                false => format!("com.amazonaws.{}.{}", self.model.region, service.value),
            };
            let is_gateway = endpoint.subnets.0.is_empty();
            let kind = if is_gateway {
                CreateVpcEndpointKind::Gateway { route_table_ids: Vec::new() }
            } else {
                let subnet_ids: Option<Vec<_>> = endpoint.subnets.0.iter().map(|s| self.subnet(s)).collect();
                let group_ids: Option<Vec<_>> = endpoint.sg.0.iter().map(|g| self.group(g, &vpc)).collect();
                let (Some(subnet_ids), Some(security_group_ids)) = (subnet_ids, group_ids) else { continue };
                CreateVpcEndpointKind::Interface {
                    subnet_ids,
                    security_group_ids,
                    private_dns_enabled: endpoint.private_dns.as_ref().is_none_or(|p| p.value),
                }
            };
            let request = CreateVpcEndpoint {
                vpc_id: vpc,
                service_name: full,
                kind,
                policy_document: None,
                tags: tags(&name.value, &endpoint.tags),
                origin: self.origin(name.span),
            };
            let result = create_vpc_endpoint(self.model, request);
            if let Some(id) = self.op(service.span, result) {
                self.names.endpoints.add(Some(name.value.clone()), &id);
            }
        }
    }

    pub(super) fn route_tables(&mut self) {
        let vpcs: Vec<_> = self.lab.file.vpcs.iter().collect();
        for (name, vpc) in vpcs {
            let Some(id) = self.vpc_called(&name.value) else { continue };
            for (table_name, table) in vpc.route_tables.iter() {
                let wanted = self.wanted(&id, vpc, &table.routes);
                if self.gives_up() {
                    return;
                }
                let Some(table_id) = self.table(&id, table_name, tags(&table_name.value, &table.tags), wanted) else { continue };
                if let Some(edge) = &table.edge {
                    self.edge(&id, &table_id, edge);
                }
                if table.main.as_ref().is_some_and(|m| m.value) {
                    self.main(&id, &table_id, table_name);
                }
            }
            for (subnet_name, subnet) in vpc.subnets.iter() {
                self.subnet_route(&id, name, vpc, subnet_name, subnet.route.as_ref());
            }
        }
        self.peering_routes();
        self.endpoint_routes();
        for id in std::mem::take(&mut self.blackholes).into_values() {
            let result = delete_network_interface(self.model, &id);
            self.op(Span::default(), result);
        }
    }

    /// The routes of a table as written.
    fn wanted(&mut self, vpc_id: &VpcId, vpc: &Vpc, routes: &Pairs<Located<RouteWord>>) -> Vec<Wanted> {
        let mut all = Vec::new();
        for (destination, word) in &routes.0 {
            if self.gives_up() {
                break;
            }
            let destinations = self.destinations(vpc_id, destination, &word.value);
            if destinations.is_empty() {
                continue;
            }
            let Some(target) = self.target(vpc_id, vpc, word) else { continue };
            all.extend(destinations.into_iter().map(|destination| Wanted { destination, target: target.clone(), span: word.span }));
        }
        all
    }

    /// What a destination means for a target: `anywhere` is one of each family that the VPC has and the target carries.
    fn destinations(&mut self, vpc: &VpcId, written: &Located<String>, word: &RouteWord) -> Vec<Destination> {
        let span = written.span;
        let text = match written.value.as_str() {
            "anywhere" => {
                let carried = [(Destination::Ipv4(Default::default()), Carried::of(word).ipv4), (Destination::Ipv6(Default::default()), Carried::of(word).ipv6)];
                let has_ipv6 = self.has_ipv6(vpc);
                let meant = carried.into_iter().filter(|(destination, carries)| *carries && (has_ipv6 || matches!(destination, Destination::Ipv4(_))));
                let meant: Vec<Destination> = meant.map(|(destination, _)| destination).collect();
                if meant.is_empty() {
                    self.route_without_ipv6(vpc, span);
                }
                return meant;
            }
            text => text,
        };
        if let Some(name) = text.strip_prefix("pl:") {
            let found = self.names.prefix_lists.id(name).cloned();
            let known = || self.lab.file.prefix_lists.names().map(str::to_owned).collect();
            return match found {
                Some(id) => vec![Destination::PrefixList(id)],
                None => {
                    let known = known();
                    let written = Located::new(name.to_owned(), span);
                    self.unknown(Code::UnknownPrefixList, "prefix list", &written, known).into_iter().collect()
                }
            };
        }
        let Some(block) = self.block(text, span, "a block, `anywhere`, or pl:NAME") else { return Vec::new() };
        let carried = Carried::of(word);
        let (carries, destination) = match block {
            IpNet::V4(block) => (carried.ipv4, Destination::Ipv4(block)),
            IpNet::V6(block) => (carried.ipv6, Destination::Ipv6(block)),
        };
        match (carries, &destination) {
            (true, Destination::Ipv6(_)) if !self.has_ipv6(vpc) => self.route_without_ipv6(vpc, span),
            (true, _) => return vec![destination],
            (false, _) => {
                let problem = Diagnostic::new(Code::BadRouteTarget, span, format!("{} {}", carried.who, carried.what));
                self.problem(problem.label(if block.addr().is_ipv4() { "IPv4" } else { "IPv6" }).hint(carried.instead));
            }
        }
        Vec::new()
    }

    /// A destination that is a block; else `possible` says what would be one.
    pub(super) fn block(&mut self, text: &str, span: Span, possible: &str) -> Option<IpNet> {
        let Ok(block) = text.parse::<IpNet>() else {
            let problem = Diagnostic::new(Code::NotABlock, span, format!("`{text}` is no destination"));
            self.problem(problem.label("not a block").hint(possible));
            return None;
        };
        if block.trunc() != block {
            let message = format!("`{block}` has bits set after its first {}", block.prefix_len());
            let problem = Diagnostic::new(Code::HostBits, span, message).label("not the start of the block");
            self.problem(problem.hint(format!("write `{}`", block.trunc())));
            return None;
        }
        Some(block)
    }

    fn route_without_ipv6(&mut self, vpc: &VpcId, span: Span) {
        let name = Located::new(self.names.vpcs.name(vpc).unwrap_or_default().to_owned(), span);
        self.no_ipv6(&name, span, "nothing takes this route");
    }

    fn target(&mut self, vpc_id: &VpcId, vpc: &Vpc, word: &Located<RouteWord>) -> Option<RouteTarget> {
        let span = word.span;
        match &word.value {
            RouteWord::Local => Some(RouteTarget::Local),
            RouteWord::InternetGateway => match self.model.internet_gateway_of(vpc_id) {
                Some(gateway) => Some(RouteTarget::InternetGateway(gateway.id.clone())),
                None => {
                    self.problem(
                        Diagnostic::new(Code::BadRouteTarget, span, "this VPC has no internet gateway").label("`igw: false`"),
                    );
                    None
                }
            },
            RouteWord::EgressOnly => match self.model.egress_only_internet_gateway_of(vpc_id) {
                Some(gateway) => Some(RouteTarget::EgressOnlyInternetGateway(gateway.id.clone())),
                None => {
                    let problem = Diagnostic::new(Code::BadRouteTarget, span, "this VPC has no egress-only internet gateway");
                    self.problem(problem.label("`eigw: false`"));
                    None
                }
            },
            RouteWord::Vpn => match self.model.vpn_gateway_of(vpc_id) {
                Some(gateway) => Some(RouteTarget::VpnGateway(gateway.id.clone())),
                None => {
                    let hint = match self.names.interfaces.contains_key(&("vpn".to_owned(), 0)) {
                        true => "an instance of that name is `instance vpn`".to_owned(),
                        false => {
                            let name = self.names.vpcs.name(vpc_id).unwrap_or("NAME");
                            format!("a link of a lan makes one: `- r-1:eth1 -- vpc:{name}`")
                        }
                    };
                    let problem = Diagnostic::new(Code::BadRouteTarget, span, "this VPC has no virtual private gateway");
                    self.problem(problem.label("no lan is linked to it").hint(hint));
                    None
                }
            },
            RouteWord::Nat(name) => {
                let written = Located::new(name.clone(), span);
                self.nat(vpc_id, vpc, &written).map(RouteTarget::NatGateway)
            }
            RouteWord::Peering(name) => match self.names.peerings.id(name).cloned() {
                Some(id) => Some(RouteTarget::VpcPeeringConnection(id)),
                None => {
                    let known = self.lab.file.peerings.names().map(str::to_owned).collect();
                    self.unknown(Code::UnknownPeering, "peering", &Located::new(name.clone(), span), known)
                }
            },
            RouteWord::TransitGateway(name) => self.attached_gateway(vpc_id, &Located::new(name.clone(), span)).map(RouteTarget::TransitGateway),
            RouteWord::Endpoint(name) => match self.names.endpoints.id(name).cloned() {
                Some(id) => Some(RouteTarget::VpcEndpoint(id)),
                None => {
                    let known = self.lab.file.endpoints.names().map(str::to_owned).collect();
                    self.unknown(Code::UnknownEndpoint, "endpoint", &Located::new(name.clone(), span), known)
                }
            },
            RouteWord::Instance(name) => {
                let device = match name.split_once('/') {
                    Some((name, device)) => device.parse().ok().map(|device| (name.to_owned(), device)),
                    None => Some((name.clone(), 0)),
                };
                match device.and_then(|device| self.names.interfaces.get(&device)).cloned() {
                    Some(id) => Some(RouteTarget::NetworkInterface(id)),
                    None => {
                        let known = self.lab.instances.iter().map(|(n, _)| n.value.clone()).collect();
                        self.unknown(Code::UnknownInstance, "instance", &Located::new(name.clone(), span), known)
                    }
                }
            }
            RouteWord::Blackhole => self.blackhole(vpc_id, span).map(RouteTarget::NetworkInterface),
        }
    }

    /// An interface that will be gone when all is done: what is left of a route when its target was deleted (RT-9).
    fn blackhole(&mut self, vpc: &VpcId, span: Span) -> Option<NetworkInterfaceId> {
        if let Some(known) = self.blackholes.get(vpc) {
            return Some(known.clone());
        }
        match passing_interface(self.model, vpc) {
            Some(result) => {
                let id = self.op(span, result)?;
                self.blackholes.insert(vpc.clone(), id.clone());
                Some(id)
            }
            None => {
                let problem = Diagnostic::new(Code::BadRouteTarget, span, "a VPC without subnets has no packets to lose");
                self.problem(problem.label("no use"));
                None
            }
        }
    }

    /// A new table with these routes.
    fn table(&mut self, vpc: &VpcId, name: &Located<String>, tags: model::Tags, wanted: Vec<Wanted>) -> Option<RouteTableId> {
        let request = CreateRouteTable { vpc_id: vpc.clone(), tags, origin: self.origin(name.span) };
        let result = create_route_table(self.model, request);
        let id = self.op(name.span, result)?;
        self.names.route_tables.add(self.names.below(vpc, Some(&name.value)), &id);
        let local: Vec<Destination> = self.model.route_tables.get(&id)?.routes.iter().map(|r| r.destination.clone()).collect();
        for route in wanted {
            if self.gives_up() {
                return None;
            }
            let is_local = local.contains(&route.destination);
            if is_local && route.target == RouteTarget::Local {
                continue;
            }
            let (destination, target) = (route.destination, route.target);
            let request = CreateRoute { route_table_id: id.clone(), destination, target, origin: self.origin(route.span) };
            let result = match is_local {
                true => replace_route(self.model, request),
                false => create_route(self.model, request),
            };
            self.op(route.span, result);
        }
        Some(id)
    }

    /// The table of subnets that only say where everything else leads; made for the first of them.
    fn plain_table(&mut self, vpc_id: &VpcId, vpc: &Vpc, name: Located<String>, words: &[RouteWord]) -> Option<RouteTableId> {
        let path = self.names.below(vpc_id, Some(&name.value))?;
        if let Some((written, _)) = vpc.route_tables.iter().find(|(written, _)| written.value == name.value) {
            let message = format!("`{}` is the table of subnets without one of their own", name.value);
            let problem = Diagnostic::new(Code::NameClash, written.span, message).label("taken");
            self.problem(problem.other(name.span, "needs that table").hint("give the written table another name"));
            return None;
        }
        if let Some(known) = self.names.route_tables.id(&path) {
            return Some(known.clone());
        }
        let anywhere = Located::new("anywhere".to_owned(), name.span);
        let ways = words.iter().map(|word| (anywhere.clone(), Located::new(word.clone(), name.span))).collect();
        let wanted = self.wanted(vpc_id, vpc, &Pairs(ways));
        if wanted.len() < words.len() {
            return None;
        }
        self.table(vpc_id, &name, tags(&name.value, &Default::default()), wanted)
    }

    fn subnet_route(
        &mut self,
        vpc_id: &VpcId,
        vpc_name: &Located<String>,
        vpc: &Vpc,
        name: &Located<String>,
        route: Option<&Located<SubnetRoute>>,
    ) {
        let Some(subnet) = self.subnet_in(vpc_id, &name.value) else { return };
        // Without a route of its own a subnet uses the main table.
        let Some(Located { value: route, span }) = route else { return };
        let span = *span;
        let table = match route {
            SubnetRoute::None => return,
            SubnetRoute::Table(table) => {
                let path = self.names.below(vpc_id, Some(table));
                let found = path.and_then(|path| self.names.route_tables.id(&path)).cloned();
                found.or_else(|| {
                    let known = vpc.route_tables.names().map(str::to_owned).collect();
                    self.unknown(Code::UnknownRouteTable, "route table", &Located::new(table.clone(), span), known)
                })
            }
            SubnetRoute::InternetGateway => {
                let called = Located::new(format!("{}-public", vpc_name.value), span);
                self.plain_table(vpc_id, vpc, called, &[RouteWord::InternetGateway])
            }
            SubnetRoute::Nat(nat) => {
                let called = Located::new(format!("{}-nat-{nat}", vpc_name.value), span);
                self.plain_table(vpc_id, vpc, called, &[RouteWord::Nat(nat.clone())])
            }
            SubnetRoute::TransitGateway(gateway) => {
                let called = Located::new(format!("{}-tgw-{gateway}", vpc_name.value), span);
                self.plain_table(vpc_id, vpc, called, &[RouteWord::TransitGateway(gateway.clone())])
            }
            SubnetRoute::EgressOnly => {
                let called = Located::new(format!("{}-eigw", vpc_name.value), span);
                self.plain_table(vpc_id, vpc, called, &[RouteWord::EgressOnly])
            }
            SubnetRoute::NatAndEgressOnly(nat) => {
                let called = Located::new(format!("{}-nat-{nat}-eigw", vpc_name.value), span);
                self.plain_table(vpc_id, vpc, called, &[RouteWord::Nat(nat.clone()), RouteWord::EgressOnly])
            }
        };
        if let Some(route_table_id) = table {
            let result =
                associate_route_table(self.model, AssociateRouteTable { route_table_id, to: Associated::Subnet(subnet) });
            self.op(span, result);
        }
    }

    fn edge(&mut self, vpc: &VpcId, table: &RouteTableId, edge: &Located<String>) {
        if edge.value != "igw" {
            self.problem(
                Diagnostic::new(Code::NotAChoice, edge.span, format!("`{}` is no edge", edge.value))
                    .label("not understood")
                    .hint("edge: igw"),
            );
            return;
        }
        let Some(gateway) = self.model.internet_gateway_of(vpc).map(|g| g.id.clone()) else {
            self.problem(
                Diagnostic::new(Code::BadRouteTarget, edge.span, "this VPC has no internet gateway").label("nothing to serve"),
            );
            return;
        };
        let to = Associated::InternetGateway(gateway);
        let result = associate_route_table(self.model, AssociateRouteTable { route_table_id: table.clone(), to });
        self.op(edge.span, result);
    }

    fn main(&mut self, vpc: &VpcId, table: &RouteTableId, name: &Located<String>) {
        let known = self
            .model
            .route_tables
            .values()
            .filter(|t| t.vpc_id == *vpc)
            .find_map(|t| t.associations.iter().find(|a| a.to == Associated::Main).map(|a| (t.id.clone(), a.id.clone())));
        if let Some((is, association)) = known
            && is != *table
        {
            let result = replace_route_table_association(self.model, &association, table);
            self.op(name.span, result);
        }
    }

    /// `routes: true` of a peering: both sides' tables know the other side's blocks.
    fn peering_routes(&mut self) {
        for (name, peering) in self.lab.file.peerings.iter() {
            if !peering.routes.as_ref().is_some_and(|r| r.value) {
                continue;
            }
            let (Some(id), [a, b]) = (self.names.peerings.id(&name.value).cloned(), peering.vpcs.as_slice()) else { continue };
            let (Some(a), Some(b)) = (self.vpc_called(&a.value), self.vpc_called(&b.value)) else { continue };
            for (own, other) in [(&a, &b), (&b, &a)] {
                let far = &self.model.vpcs[other];
                // Without IPv6 of its own nobody takes a route to it.
                let ipv6 = far.ipv6_blocks().filter(|_| self.has_ipv6(own)).map(Destination::Ipv6);
                let blocks: Vec<Destination> = far.ipv4_blocks().map(Destination::Ipv4).chain(ipv6).collect();
                let tables: Vec<_> = self.model.route_tables.values().filter(|t| t.vpc_id == *own).cloned().collect();
                for table in tables {
                    for destination in &blocks {
                        if table.routes.iter().any(|r| r.destination == *destination) {
                            continue;
                        }
                        let request = CreateRoute {
                            route_table_id: table.id.clone(),
                            destination: destination.clone(),
                            target: RouteTarget::VpcPeeringConnection(id.clone()),
                            origin: self.origin(name.span),
                        };
                        let result = create_route(self.model, request);
                        self.op(name.span, result);
                    }
                }
            }
        }
    }

    /// Gateway endpoints put their route into the tables named, by the names of tables or of subnets that use them.
    fn endpoint_routes(&mut self) {
        for (name, endpoint) in self.lab.file.endpoints.iter() {
            let Some(id) = self.names.endpoints.id(&name.value).cloned() else { continue };
            let Some(known) = self.model.vpc_endpoints.get(&id).cloned() else { continue };
            let model::endpoint::VpcEndpointKind::Gateway { route_table_ids, .. } = &known.kind else { continue };
            let mut wanted = Vec::new();
            for written in &endpoint.route_tables.0 {
                let (_, plain) = path(&written.value);
                let table =
                    self.names.below(&known.vpc_id, Some(plain)).and_then(|path| self.names.route_tables.id(&path)).cloned();
                let of_subnet = self
                    .subnet_in(&known.vpc_id, plain)
                    .and_then(|s| self.model.subnets.get(&s))
                    .and_then(|s| self.model.route_table_of(s))
                    .map(|t| t.id.clone());
                match table.or(of_subnet) {
                    Some(table) if wanted.contains(&table) => {}
                    Some(table) => wanted.push(table),
                    None => {
                        let tables = self.names.route_tables.iter().map(|(name, _)| name);
                        let names = tables.chain(self.names.subnets.iter().map(|(name, _)| name));
                        let mut known: Vec<String> = names.map(|name| path(name).1.to_owned()).collect();
                        known.sort();
                        known.dedup();
                        let _: Option<()> = self.unknown(Code::UnknownRouteTable, "route table or subnet", written, known);
                    }
                }
            }
            let add: Vec<_> = wanted.iter().filter(|t| !route_table_ids.contains(t)).cloned().collect();
            let remove: Vec<_> = route_table_ids.iter().filter(|t| !wanted.contains(t)).cloned().collect();
            if !add.is_empty() || !remove.is_empty() {
                let request =
                    ModifyVpcEndpoint { add_route_table_ids: add, remove_route_table_ids: remove, ..ModifyVpcEndpoint::new(id) };
                let result = modify_vpc_endpoint(self.model, request);
                self.op(name.span, result);
            }
        }
    }
}

/// Makes an interface in a subnet of a VPC, to be deleted again. `None`: there is no subnet.
pub(crate) fn passing_interface(model: &mut Model, vpc: &VpcId) -> Option<Result<NetworkInterfaceId, model::ApiError>> {
    let subnet = model.subnets.values().find(|subnet| subnet.vpc_id == *vpc)?;
    let request = CreateNetworkInterface::in_subnet(subnet.id.clone());
    Some(create_network_interface(model, request))
}
