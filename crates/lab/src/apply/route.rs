//! Route tables, peerings and endpoints: where subnets lead.

use model::operation::*;
use model::peering::PeeringStatus;
use model::route_table::{Associated, RouteOrigin};
use model::{Destination, RouteTableId, RouteTarget, VpcEndpointId, VpcId, VpcPeeringConnectionId};

use super::{Action, Apply, is_called, path, tags};
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

impl Apply<'_, '_> {
    pub(super) fn peerings(&mut self) {
        for (name, peering) in self.lab.file.peerings.iter() {
            let [requester, accepter] = peering.vpcs.as_slice() else {
                let problem = Diagnostic::new(Code::MissingKey, name.span, format!("peering `{}` does not name two VPCs", name.value));
                self.problem(problem.label("two VPCs").hint("such as `[shop, data]`"));
                continue;
            };
            let sides = [requester, accepter].map(|vpc| self.vpc_of(Some(vpc), vpc.span, "peering"));
            let [Some(requester), Some(accepter)] = sides else { continue };
            let id = match self.peering_called(&name.value) {
                Some(id) => id,
                None => {
                    let request = CreateVpcPeeringConnection {
                        vpc_id: requester.clone(),
                        peer_vpc_id: accepter,
                        tags: tags(&name.value, &peering.tags),
                        origin: self.origin(name.span),
                    };
                    let result = create_vpc_peering_connection(self.model, request);
                    let Some(id) = self.op(name.span, result) else { continue };
                    self.settle();
                    if self.model.vpc_peering_connections.get(&id).is_some_and(|p| p.status == PeeringStatus::Failed) {
                        let why = self.model.vpc_peering_connections[&id].status_message.clone();
                        let problem = Diagnostic::new(Code::Refused, name.span, format!("peering `{}` fails: {why}", name.value));
                        self.problem(problem.label("PCX-2").hint("peered VPCs must not share addresses"));
                        continue;
                    }
                    let result = accept_vpc_peering_connection(self.model, &id);
                    self.op(name.span, result);
                    self.note(Action::Create, "peering", &name.value, "");
                    id
                }
            };
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

    fn peering_called(&self, name: &str) -> Option<VpcPeeringConnectionId> {
        let live = |p: &&model::VpcPeeringConnection| {
            !matches!(p.status, PeeringStatus::Deleted | PeeringStatus::Deleting | PeeringStatus::Failed | PeeringStatus::Rejected | PeeringStatus::Expired)
        };
        self.model.vpc_peering_connections.values().filter(live).find(|p| is_called(&p.tags, name)).map(|p| p.id.clone())
    }

    fn endpoint_called(&self, name: &str) -> Option<VpcEndpointId> {
        self.model.vpc_endpoints.values().find(|e| is_called(&e.tags, name)).map(|e| e.id.clone())
    }

    pub(super) fn endpoints(&mut self) {
        for (name, endpoint) in self.lab.file.endpoints.iter() {
            if self.endpoint_called(&name.value).is_some() {
                continue;
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
            if self.op(service.span, result).is_some() {
                self.note(Action::Create, "endpoint", &name.value, "");
            }
        }
    }

    pub(super) fn route_tables(&mut self) {
        let vpcs: Vec<_> = self.lab.file.vpcs.iter().collect();
        for (name, vpc) in vpcs {
            let Some(id) = self.vpc_called(&name.value) else { continue };
            for (table_name, table) in vpc.route_tables.iter() {
                let wanted = self.wanted(&id, vpc, &table.routes);
                let Some(table_id) = self.table(&id, table_name, wanted) else { continue };
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
    }

    /// The routes of a table as written.
    fn wanted(&mut self, vpc_id: &VpcId, vpc: &Vpc, routes: &Pairs<Located<RouteWord>>) -> Vec<Wanted> {
        let mut all = Vec::new();
        for (destination, word) in &routes.0 {
            let Some(destination) = self.destination(destination) else { continue };
            let Some(target) = self.target(vpc_id, vpc, word) else { continue };
            all.push(Wanted { destination, target, span: word.span });
        }
        all
    }

    fn destination(&mut self, written: &Located<String>) -> Option<Destination> {
        let text = if written.value == "anywhere" { "0.0.0.0/0" } else { &written.value };
        if let Some(name) = text.strip_prefix("pl:") {
            let found = self.model.prefix_lists.values().find(|l| l.name == name).map(|l| l.id.clone());
            let known = || self.lab.file.prefix_lists.names().map(str::to_owned).collect();
            return match found {
                Some(id) => Some(Destination::PrefixList(id)),
                None => {
                    let known = known();
                    self.unknown(Code::UnknownPrefixList, "prefix list", &Located::new(name.to_owned(), written.span), known)
                }
            };
        }
        match text.parse() {
            Ok(ipnet::IpNet::V4(net)) => Some(Destination::Ipv4(net)),
            Ok(ipnet::IpNet::V6(net)) => Some(Destination::Ipv6(net)),
            Err(_) => {
                let problem = Diagnostic::new(Code::NotABlock, written.span, format!("`{}` is no destination", written.value));
                self.problem(problem.label("not a block").hint("a block, `anywhere`, or pl:NAME"));
                None
            }
        }
    }

    fn target(&mut self, vpc_id: &VpcId, vpc: &Vpc, word: &Located<RouteWord>) -> Option<RouteTarget> {
        let span = word.span;
        match &word.value {
            RouteWord::Local => Some(RouteTarget::Local),
            RouteWord::InternetGateway => match self.model.internet_gateway_of(vpc_id) {
                Some(gateway) => Some(RouteTarget::InternetGateway(gateway.id.clone())),
                None => {
                    self.problem(Diagnostic::new(Code::BadRouteTarget, span, "this VPC has no internet gateway").label("`igw: false`"));
                    None
                }
            },
            RouteWord::Nat(name) => {
                let written = Located::new(name.clone(), span);
                self.nat(vpc_id, vpc, &written).map(RouteTarget::NatGateway)
            }
            RouteWord::Peering(name) => match self.peering_called(name) {
                Some(id) => Some(RouteTarget::VpcPeeringConnection(id)),
                None => {
                    let known = self.lab.file.peerings.names().map(str::to_owned).collect();
                    self.unknown(Code::UnknownPeering, "peering", &Located::new(name.clone(), span), known)
                }
            },
            RouteWord::Endpoint(name) => match self.endpoint_called(name) {
                Some(id) => Some(RouteTarget::VpcEndpoint(id)),
                None => {
                    let known = self.lab.file.endpoints.names().map(str::to_owned).collect();
                    self.unknown(Code::UnknownEndpoint, "endpoint", &Located::new(name.clone(), span), known)
                }
            },
            RouteWord::Instance(name) => {
                let (name_of, device) = match name.split_once('/') {
                    Some((name, device)) => (name, device.parse().unwrap_or(0)),
                    None => (name.as_str(), 0),
                };
                let interface = self.instance_called(name_of).and_then(|id| {
                    self.model.interfaces_of(&id).get(device).map(|interface| interface.id.clone())
                });
                match interface {
                    Some(id) => Some(RouteTarget::NetworkInterface(id)),
                    None => {
                        let known = self.lab.instances.iter().map(|(n, _)| n.value.clone()).collect();
                        self.unknown(Code::UnknownInstance, "instance", &Located::new(name.clone(), span), known)
                    }
                }
            }
            // A target that never was: what a route looks like whose gateway was deleted (RT-9).
            RouteWord::Blackhole => "eni-00000000000000000".parse().ok().map(RouteTarget::NetworkInterface),
        }
    }

    /// The table of a name with these routes.
    fn table(&mut self, vpc: &VpcId, name: &Located<String>, wanted: Vec<Wanted>) -> Option<RouteTableId> {
        let known = self.model.route_tables.values().find(|t| t.vpc_id == *vpc && is_called(&t.tags, &name.value));
        let (id, is_new) = match known {
            Some(known) => (known.id.clone(), false),
            None => {
                let request = CreateRouteTable { vpc_id: vpc.clone(), tags: tags(&name.value, &Default::default()), origin: self.origin(name.span) };
                let result = create_route_table(self.model, request);
                let id = self.op(name.span, result)?;
                self.note(Action::Create, "route table", &name.value, "");
                (id, true)
            }
        };
        self.routes(&id, name, wanted, is_new);
        Some(id)
    }

    fn routes(&mut self, id: &RouteTableId, name: &Located<String>, wanted: Vec<Wanted>, is_new: bool) {
        let known = self.model.route_tables.get(id).map(|t| t.routes.clone()).unwrap_or_default();
        let by_call = |r: &&model::Route| r.created_by == RouteOrigin::CreateRoute && !matches!(r.target, RouteTarget::VpcEndpoint(_));
        for route in known.iter().filter(by_call) {
            let from_peering = matches!(route.target, RouteTarget::VpcPeeringConnection(_)) && self.is_peering_route(id, &route.destination);
            if !from_peering && !wanted.iter().any(|w| w.destination == route.destination) {
                let result = delete_route(self.model, id, &route.destination);
                if self.op(name.span, result).is_some() {
                    self.note(Action::Change, "route table", &name.value, format!("- {}", route.destination));
                }
            }
        }
        for route in wanted {
            let request = CreateRoute {
                route_table_id: id.clone(),
                destination: route.destination.clone(),
                target: route.target.clone(),
                origin: self.origin(route.span),
            };
            let (sign, result) = match known.iter().find(|k| k.destination == route.destination) {
                Some(same) if same.target == route.target => continue,
                Some(_) => ('~', replace_route(self.model, request)),
                None => ('+', create_route(self.model, request)),
            };
            if self.op(route.span, result).is_some() && !is_new {
                self.note(Action::Change, "route table", &name.value, format!("{sign} {}", route.destination));
            }
        }
    }

    fn subnet_route(&mut self, vpc_id: &VpcId, vpc_name: &Located<String>, vpc: &Vpc, name: &Located<String>, route: Option<&Located<SubnetRoute>>) {
        let Some(subnet) = self.subnet_in(vpc_id, &name.value) else { return };
        let span = route.map_or(name.span, |r| r.span);
        let default = Destination::Ipv4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0));
        let table = match route.map(|r| &r.value) {
            None | Some(SubnetRoute::None) => {
                // The main table has the local route alone, unless the file made another one main.
                self.associate(name, &subnet, None);
                return;
            }
            Some(SubnetRoute::Table(table)) => {
                let found = self.model.route_tables.values().find(|t| t.vpc_id == *vpc_id && is_called(&t.tags, table)).map(|t| t.id.clone());
                match found {
                    Some(id) => id,
                    None => {
                        let known = vpc.route_tables.names().map(str::to_owned).collect();
                        let _: Option<()> = self.unknown(Code::UnknownRouteTable, "route table", &Located::new(table.clone(), span), known);
                        return;
                    }
                }
            }
            Some(SubnetRoute::InternetGateway) => {
                let Some(target) = self.target(vpc_id, vpc, &Located::new(RouteWord::InternetGateway, span)) else { return };
                let called = Located::new(format!("{}-public", vpc_name.value), span);
                let wanted = vec![Wanted { destination: default, target, span }];
                let Some(id) = self.table(vpc_id, &called, wanted) else { return };
                id
            }
            Some(SubnetRoute::Nat(nat)) => {
                let Some(target) = self.target(vpc_id, vpc, &Located::new(RouteWord::Nat(nat.clone()), span)) else { return };
                let called = Located::new(format!("{}-nat-{nat}", vpc_name.value), span);
                let wanted = vec![Wanted { destination: default, target, span }];
                let Some(id) = self.table(vpc_id, &called, wanted) else { return };
                id
            }
        };
        self.associate(name, &subnet, Some(table));
    }

    /// Makes a subnet use a table, or the main one.
    fn associate(&mut self, name: &Located<String>, subnet: &model::SubnetId, table: Option<RouteTableId>) {
        let wanted = Associated::Subnet(subnet.clone());
        let known = self.model.route_tables.values().find_map(|t| {
            t.associations.iter().find(|a| a.to == wanted).map(|a| (t.id.clone(), a.id.clone()))
        });
        let result = match (known, table) {
            (None, None) => return,
            (Some((is, _)), Some(wanted)) if is == wanted => return,
            (Some((_, association)), Some(table)) => replace_route_table_association(self.model, &association, &table).map(|_| ()),
            (Some((_, association)), None) => disassociate_route_table(self.model, &association),
            (None, Some(route_table_id)) => {
                associate_route_table(self.model, AssociateRouteTable { route_table_id, to: wanted }).map(|_| ())
            }
        };
        let is_new = self.changes.iter().any(|c| c.action == Action::Create && c.kind == "subnet" && c.name == name.value);
        if self.op(name.span, result).is_some() && !is_new {
            self.note(Action::Change, "subnet", &name.value, "route table");
        }
    }

    fn edge(&mut self, vpc: &VpcId, table: &RouteTableId, edge: &Located<String>) {
        if edge.value != "igw" {
            self.problem(Diagnostic::new(Code::NotAChoice, edge.span, format!("`{}` is no edge", edge.value)).label("not understood").hint("edge: igw"));
            return;
        }
        let Some(gateway) = self.model.internet_gateway_of(vpc).map(|g| g.id.clone()) else {
            self.problem(Diagnostic::new(Code::BadRouteTarget, edge.span, "this VPC has no internet gateway").label("nothing to serve"));
            return;
        };
        let to = Associated::InternetGateway(gateway);
        if self.model.route_tables.get(table).is_some_and(|t| t.associations.iter().any(|a| a.to == to)) {
            return;
        }
        let result = associate_route_table(self.model, AssociateRouteTable { route_table_id: table.clone(), to });
        self.op(edge.span, result);
    }

    fn main(&mut self, vpc: &VpcId, table: &RouteTableId, name: &Located<String>) {
        let known = self.model.route_tables.values().filter(|t| t.vpc_id == *vpc).find_map(|t| {
            t.associations.iter().find(|a| a.to == Associated::Main).map(|a| (t.id.clone(), a.id.clone()))
        });
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
            let (Some(id), [a, b]) = (self.peering_called(&name.value), peering.vpcs.as_slice()) else { continue };
            let (Some(a), Some(b)) = (self.vpc_called(&a.value), self.vpc_called(&b.value)) else { continue };
            for (own, other) in [(&a, &b), (&b, &a)] {
                let blocks: Vec<_> = self.model.vpcs[other].ipv4_blocks().collect();
                let tables: Vec<_> = self.model.route_tables.values().filter(|t| t.vpc_id == *own).cloned().collect();
                for table in tables {
                    for block in &blocks {
                        let destination = Destination::Ipv4(*block);
                        if table.routes.iter().any(|r| r.destination == destination) {
                            continue;
                        }
                        let request = CreateRoute {
                            route_table_id: table.id.clone(),
                            destination,
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

    fn is_peering_route(&self, table: &RouteTableId, destination: &Destination) -> bool {
        let Some(vpc) = self.model.route_tables.get(table).map(|t| &t.vpc_id) else { return false };
        let Destination::Ipv4(block) = destination else { return false };
        self.lab.file.peerings.iter().any(|(_, peering)| {
            let sides: Vec<_> = peering.vpcs.iter().filter_map(|v| self.vpc_called(&v.value)).collect();
            peering.routes.as_ref().is_some_and(|r| r.value)
                && sides.contains(vpc)
                && sides.iter().any(|s| s != vpc && self.model.vpcs[s].ipv4_blocks().any(|b| b == *block))
        })
    }

    /// Gateway endpoints put their route into the tables named, by the names of tables or of subnets that use them.
    fn endpoint_routes(&mut self) {
        for (name, endpoint) in self.lab.file.endpoints.iter() {
            let Some(id) = self.endpoint_called(&name.value) else { continue };
            let Some(known) = self.model.vpc_endpoints.get(&id).cloned() else { continue };
            let model::endpoint::VpcEndpointKind::Gateway { route_table_ids, .. } = &known.kind else { continue };
            let mut wanted = Vec::new();
            for written in &endpoint.route_tables.0 {
                let (_, plain) = path(&written.value);
                let table = self.model.route_tables.values().find(|t| t.vpc_id == known.vpc_id && is_called(&t.tags, plain)).map(|t| t.id.clone());
                let of_subnet = self
                    .subnet_in(&known.vpc_id, plain)
                    .and_then(|s| self.model.subnets.get(&s))
                    .and_then(|s| self.model.route_table_of(s))
                    .map(|t| t.id.clone());
                match table.or(of_subnet) {
                    Some(table) => wanted.push(table),
                    None => {
                        let _: Option<()> = self.unknown(Code::UnknownRouteTable, "route table or subnet", written, Vec::new());
                    }
                }
            }
            let add: Vec<_> = wanted.iter().filter(|t| !route_table_ids.contains(t)).cloned().collect();
            let remove: Vec<_> = route_table_ids.iter().filter(|t| !wanted.contains(t)).cloned().collect();
            if !add.is_empty() || !remove.is_empty() {
                let request = ModifyVpcEndpoint { add_route_table_ids: add, remove_route_table_ids: remove, ..ModifyVpcEndpoint::new(id) };
                let result = modify_vpc_endpoint(self.model, request);
                self.op(name.span, result);
            }
        }
    }
}
