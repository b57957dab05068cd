//! NAT gateways, peerings, endpoints and routes as the target has them.

use std::collections::{BTreeMap, BTreeSet};

use model::endpoint::VpcEndpointKind;
use model::operation::*;
use model::route_table::{Associated, RouteOrigin};
use model::*;

use super::transition::{Step, Transition};
use crate::build::passing_interface;
use crate::names::nat_role;

/// Whether traffic that comes in by a gateway uses the table (RT-18).
pub(super) fn serves_a_gateway(table: &RouteTable) -> bool {
    table.associations.iter().any(|a| matches!(a.to, Associated::InternetGateway(_)))
}

/// Where a route leads here; `None` when it leads nowhere any more.
type Target = Option<RouteTarget>;

impl Transition<'_> {
    pub(super) fn make_nat_gateways(&mut self) -> Step {
        let target = self.target;
        for (name, id) in target.names.nat_gateways.iter() {
            let Some(wanted) = target.model.nat_gateways.get(id) else { continue };
            if let Some(known) = self.names.nat_gateways.id(name).and_then(|id| self.model.nat_gateways.get(id)) {
                let (id, tags) = (known.id.to_string(), known.tags.clone());
                self.set_tags(id, &tags, &wanted.tags)?;
                continue;
            }
            let request = CreateNatGateway {
                subnet_id: self.own_subnet(&wanted.subnet_id)?,
                is_public: wanted.is_public,
                allocation_id: self.elastic.get(&nat_role(name)).filter(|_| wanted.is_public).cloned(),
                private_ip_address: wanted.private_ip,
                tags: wanted.tags.clone(),
                origin: wanted.origin.clone(),
            };
            let result = create_nat_gateway(self.model, request);
            let id = self.op(name, result)?;
            self.names.nat_gateways.add(Some(name.to_owned()), &id);
        }
        Ok(())
    }

    /// Before any rule: rules may name groups on the other side (SG-13).
    pub(super) fn make_peerings(&mut self) -> Step {
        let target = self.target;
        for (name, id) in target.names.peerings.iter() {
            if let Some(wanted) = target.model.vpc_peering_connections.get(id) {
                self.peering(name, wanted)?;
            }
        }
        Ok(())
    }

    pub(super) fn make_routes(&mut self) -> Step {
        let target = self.target;
        for (name, id) in target.names.route_tables.iter() {
            let Some(wanted) = target.model.route_tables.get(id) else { continue };
            let known = self.names.route_tables.id(name).and_then(|id| self.model.route_tables.get(id));
            if let Some((id, tags)) = known.map(|table| (table.id.to_string(), table.tags.clone())) {
                self.set_tags(id, &tags, &wanted.tags)?;
                continue;
            }
            let vpc_id = self.own_vpc(&wanted.vpc_id)?;
            let result = create_route_table(
                self.model,
                CreateRouteTable { vpc_id, tags: wanted.tags.clone(), origin: wanted.origin.clone() },
            );
            let id = self.op(name, result)?;
            self.names.route_tables.add(Some(name.to_owned()), &id);
        }
        for (name, id) in target.names.endpoints.iter() {
            if let Some(wanted) = target.model.vpc_endpoints.get(id) {
                self.endpoint(name, wanted)?;
            }
        }
        self.settle();
        let mut passing = BTreeMap::new();
        for (name, id) in target.names.route_tables.iter() {
            if let Some(wanted) = target.model.route_tables.get(id) {
                self.routes(name, wanted, &mut passing)?;
                self.propagation(name, wanted)?;
            }
        }
        for id in passing.into_values() {
            let result = delete_network_interface(self.model, &id);
            self.op("blackhole", result)?;
        }
        self.associations()
    }

    fn peering(&mut self, name: &str, wanted: &VpcPeeringConnection) -> Step {
        let known = self.names.peerings.id(name).and_then(|id| self.model.vpc_peering_connections.get(id));
        let id = match known.map(|known| (known.id.clone(), known.tags.clone())) {
            Some((id, tags)) => {
                self.set_tags(id.to_string(), &tags, &wanted.tags)?;
                id
            }
            None => {
                let request = CreateVpcPeeringConnection {
                    vpc_id: self.own_vpc(&wanted.requester_vpc_id)?,
                    peer_vpc_id: self.own_vpc(&wanted.accepter_vpc_id)?,
                    tags: wanted.tags.clone(),
                    origin: wanted.origin.clone(),
                };
                let result = create_vpc_peering_connection(self.model, request);
                let id = self.op(name, result)?;
                let result = accept_vpc_peering_connection(self.model, &id);
                self.op(name, result)?;
                self.names.peerings.add(Some(name.to_owned()), &id);
                self.settle();
                id
            }
        };
        let dns = |p: &VpcPeeringConnection| (p.requester_allows_dns_resolution, p.accepter_allows_dns_resolution);
        if self.model.vpc_peering_connections.get(&id).is_some_and(|known| dns(known) != dns(wanted)) {
            let request = ModifyVpcPeeringConnectionOptions {
                vpc_peering_connection_id: id,
                requester_allows_dns_resolution: Some(wanted.requester_allows_dns_resolution),
                accepter_allows_dns_resolution: Some(wanted.accepter_allows_dns_resolution),
            };
            let result = modify_vpc_peering_connection_options(self.model, request);
            self.op(name, result)?;
        }
        Ok(())
    }

    fn endpoint(&mut self, name: &str, wanted: &VpcEndpoint) -> Step {
        let vpc_id = self.own_vpc(&wanted.vpc_id)?;
        let mut subnets = Vec::new();
        let (mut tables, mut groups, mut dns) = (Vec::new(), Vec::new(), false);
        match &wanted.kind {
            VpcEndpointKind::Gateway { route_table_ids, .. } => {
                for table in route_table_ids {
                    tables.push(self.own(|names| &names.route_tables, table)?);
                }
            }
            VpcEndpointKind::Interface { subnet_ids, private_dns_enabled, .. } => {
                for subnet in subnet_ids {
                    subnets.push(self.own_subnet(subnet)?);
                }
                let first = self.target.model.network_interfaces_of_endpoint(&wanted.id).first().map(|eni| eni.groups.clone());
                groups = self.own_groups(&first.unwrap_or_default())?;
                dns = *private_dns_enabled;
            }
        }
        let is_gateway = matches!(wanted.kind, VpcEndpointKind::Gateway { .. });
        let known = self.names.endpoints.id(name).and_then(|id| self.model.vpc_endpoints.get(id)).cloned();
        let Some(known) = known else {
            let kind = match is_gateway {
                true => CreateVpcEndpointKind::Gateway { route_table_ids: tables },
                false => {
                    CreateVpcEndpointKind::Interface { subnet_ids: subnets, security_group_ids: groups, private_dns_enabled: dns }
                }
            };
            let request = CreateVpcEndpoint {
                vpc_id,
                service_name: wanted.service_name.clone(),
                kind,
                policy_document: wanted.policy_document.clone(),
                tags: wanted.tags.clone(),
                origin: wanted.origin.clone(),
            };
            let result = create_vpc_endpoint(self.model, request);
            let id = self.op(name, result)?;
            self.names.endpoints.add(Some(name.to_owned()), &id);
            return Ok(());
        };
        let mut request = ModifyVpcEndpoint::new(known.id.clone());
        match &known.kind {
            VpcEndpointKind::Gateway { route_table_ids, .. } => {
                (request.add_route_table_ids, request.remove_route_table_ids) = gained_and_lost(route_table_ids, &tables);
            }
            VpcEndpointKind::Interface { subnet_ids, private_dns_enabled, .. } => {
                (request.add_subnet_ids, request.remove_subnet_ids) = gained_and_lost(subnet_ids, &subnets);
                request.private_dns_enabled = Some(dns).filter(|dns| dns != private_dns_enabled);
                let is = self.model.network_interfaces_of_endpoint(&known.id).first().map(|eni| eni.groups.clone());
                // Without an interface there are no groups to take away; new ones start with the default group.
                let default = || {
                    self.model
                        .security_groups
                        .values()
                        .filter(|g| g.vpc_id == vpc_id && g.is_default())
                        .map(|g| g.id.clone())
                        .collect()
                };
                (request.add_security_group_ids, request.remove_security_group_ids) =
                    gained_and_lost(&is.unwrap_or_else(default), &groups);
            }
        }
        request.policy_document = wanted.policy_document.clone().filter(|_| known.policy_document != wanted.policy_document);
        request.reset_policy = known.policy_document.is_some() && wanted.policy_document.is_none();
        if request != ModifyVpcEndpoint::new(known.id.clone()) {
            let result = modify_vpc_endpoint(self.model, request);
            self.op(name, result)?;
        }
        self.set_tags(known.id.to_string(), &known.tags, &wanted.tags)
    }

    fn routes(&mut self, name: &str, wanted: &RouteTable, passing: &mut BTreeMap<VpcId, NetworkInterfaceId>) -> Step {
        let Some(table) = self.names.route_tables.id(name).and_then(|id| self.model.route_tables.get(id)).cloned() else {
            return Ok(());
        };
        for route in &wanted.routes {
            let is_local = route.created_by == RouteOrigin::CreateRouteTable;
            if matches!(route.target, RouteTarget::VpcEndpoint(_)) || is_propagated(route) {
                continue;
            }
            let destination = self.own_destination(&route.destination)?;
            let known = table.routes.iter().find(|known| known.destination == destination && !is_propagated(known));
            if known.is_some_and(|known| self.is_same_route(wanted, route, &table, known)) {
                continue;
            }
            let target = match self.own_target(wanted, route) {
                Some(target) => target,
                None => {
                    let known = passing.get(&table.vpc_id).cloned();
                    let interface = match (known, passing_interface(self.model, &table.vpc_id)) {
                        (Some(known), made) => {
                            // One is enough for a VPC.
                            if let Some(Ok(second)) = made {
                                let result = delete_network_interface(self.model, &second);
                                self.op(name, result)?;
                            }
                            known
                        }
                        (None, Some(made)) => self.op(name, made)?,
                        (None, None) => continue,
                    };
                    passing.insert(table.vpc_id.clone(), interface.clone());
                    RouteTarget::NetworkInterface(interface)
                }
            };
            let request = CreateRoute { route_table_id: table.id.clone(), destination, target, origin: route.origin.clone() };
            let result = match known.is_some() || is_local {
                true => replace_route(self.model, request),
                false => create_route(self.model, request),
            };
            self.op(name, result)?;
        }
        Ok(())
    }

    /// Whether a table takes what lies behind the virtual private gateway, and what that is.
    fn propagation(&mut self, name: &str, wanted: &RouteTable) -> Step {
        let Some(table) = self.names.route_tables.id(name).and_then(|id| self.model.route_tables.get(id)).cloned() else {
            return Ok(());
        };
        let Some(gateway) = self.model.vpn_gateway_of(&table.vpc_id).map(|gateway| gateway.id.clone()) else { return Ok(()) };
        let (is, there) = (table.propagating_vgws.contains(&gateway), !wanted.propagating_vgws.is_empty());
        let networks = |table: &RouteTable| -> BTreeSet<Destination> {
            table.routes.iter().filter(|route| is_propagated(route)).map(|route| route.destination.clone()).collect()
        };
        // Nobody takes back a single network: the gateway tells all that it knows anew.
        let stale = !networks(&table).is_subset(&networks(wanted));
        if is && (stale || !there) {
            let result = disable_vgw_route_propagation(self.model, &table.id, &gateway);
            self.op(name, result)?;
        }
        if !there {
            return Ok(());
        }
        let result = enable_vgw_route_propagation(self.model, &table.id, &gateway);
        self.op(name, result)?;
        for route in wanted.routes.iter().filter(|route| is_propagated(route)) {
            let (destination, origin) = (route.destination.clone(), route.origin.clone());
            let result = propagate_route(self.model, &table.id, &gateway, destination, origin);
            self.op(name, result)?;
        }
        Ok(())
    }

    fn own_destination(&self, there: &Destination) -> Step<Destination> {
        Ok(match there {
            Destination::PrefixList(id) => Destination::PrefixList(self.own(|names| &names.prefix_lists, id)?),
            other => other.clone(),
        })
    }

    /// Where a route of the target leads here. `None`: nowhere, because its target is gone.
    fn own_target(&self, table: &RouteTable, route: &Route) -> Target {
        match &route.target {
            RouteTarget::Local => Some(RouteTarget::Local),
            RouteTarget::InternetGateway(_) => {
                let vpc = self.own_vpc(&table.vpc_id).ok()?;
                self.model.internet_gateway_of(&vpc).map(|gateway| RouteTarget::InternetGateway(gateway.id.clone()))
            }
            RouteTarget::EgressOnlyInternetGateway(_) => {
                let vpc = self.own_vpc(&table.vpc_id).ok()?;
                let gateway = self.model.egress_only_internet_gateway_of(&vpc);
                gateway.map(|gateway| RouteTarget::EgressOnlyInternetGateway(gateway.id.clone()))
            }
            RouteTarget::VpnGateway(_) => {
                let vpc = self.own_vpc(&table.vpc_id).ok()?;
                self.model.vpn_gateway_of(&vpc).map(|gateway| RouteTarget::VpnGateway(gateway.id.clone()))
            }
            RouteTarget::NatGateway(id) => self.own(|names| &names.nat_gateways, id).ok().map(RouteTarget::NatGateway),
            RouteTarget::VpcPeeringConnection(id) => {
                self.own(|names| &names.peerings, id).ok().map(RouteTarget::VpcPeeringConnection)
            }
            RouteTarget::NetworkInterface(id) => {
                let device = self.target.names.device(&self.target.model, id)?;
                self.names.interfaces.get(&device).cloned().map(RouteTarget::NetworkInterface)
            }
            RouteTarget::TransitGateway(id) => self.own(|names| &names.transit_gateways, id).ok().map(RouteTarget::TransitGateway),
            _ => None,
        }
    }

    /// Whether a route here says what one of the target says.
    pub(super) fn is_same_route(&self, wanted_table: &RouteTable, wanted: &Route, table: &RouteTable, route: &Route) -> bool {
        let is_same_kind = is_propagated(wanted) == is_propagated(route);
        if !is_same_kind || self.own_destination(&wanted.destination).ok().as_ref() != Some(&route.destination) {
            return false;
        }
        let leads_nowhere = match &route.target {
            RouteTarget::InternetGateway(id) => {
                self.model.internet_gateways.get(id).is_none_or(|gateway| gateway.vpc_id.as_ref() != Some(&table.vpc_id))
            }
            RouteTarget::VpnGateway(id) => {
                self.model.vpn_gateways.get(id).is_none_or(|gateway| gateway.vpc_id.as_ref() != Some(&table.vpc_id))
            }
            RouteTarget::EgressOnlyInternetGateway(id) => !self.model.egress_only_internet_gateways.contains_key(id),
            RouteTarget::NatGateway(id) => self.names.nat_gateways.name(id).is_none(),
            RouteTarget::VpcPeeringConnection(id) => self.names.peerings.name(id).is_none(),
            RouteTarget::NetworkInterface(id) => !self.model.network_interfaces.contains_key(id),
            RouteTarget::TransitGateway(id) => !self.model.transit_gateways.contains_key(id),
            _ => false,
        };
        match (self.own_target(wanted_table, wanted), leads_nowhere) {
            (None, true) => true,
            (Some(target), false) => target == route.target,
            _ => false,
        }
    }

    /// Who uses which table: subnets, the VPC itself, the gateway.
    fn associations(&mut self) -> Step {
        let target = self.target;
        let mut own_tables = BTreeSet::new();
        for table in target.model.route_tables.values() {
            let own = self.own(|names| &names.route_tables, &table.id)?;
            for association in &table.associations {
                let to = match &association.to {
                    Associated::Main => {
                        let main = self.model.route_tables.get(&own).map(|table| table.vpc_id.clone());
                        let main = main.and_then(|vpc| self.model.route_tables.values().find(|t| t.vpc_id == vpc && t.is_main()));
                        let main = main
                            .filter(|main| main.id != own)
                            .and_then(|main| main.associations.iter().find(|a| a.to == Associated::Main));
                        if let Some(association) = main.map(|association| association.id.clone()) {
                            let result = replace_route_table_association(self.model, &association, &own);
                            self.op("main route table", result)?;
                        }
                        continue;
                    }
                    Associated::Subnet(id) => {
                        let subnet = self.own_subnet(id)?;
                        own_tables.insert(subnet.clone());
                        Associated::Subnet(subnet)
                    }
                    Associated::InternetGateway(_) => {
                        let vpc = self.own_vpc(&table.vpc_id)?;
                        match self.model.internet_gateway_of(&vpc) {
                            Some(gateway) => Associated::InternetGateway(gateway.id.clone()),
                            None => continue,
                        }
                    }
                    Associated::VpnGateway(_) => continue,
                };
                let known = self
                    .model
                    .route_tables
                    .values()
                    .find_map(|t| t.associations.iter().find(|a| a.to == to).map(|a| (t.id.clone(), a.id.clone())));
                let result = match known {
                    Some((holder, _)) if holder == own => continue,
                    Some((_, association)) => replace_route_table_association(self.model, &association, &own).map(|_| ()),
                    None => {
                        associate_route_table(self.model, AssociateRouteTable { route_table_id: own.clone(), to }).map(|_| ())
                    }
                };
                self.op("route table", result)?;
            }
        }
        let mut stale = Vec::new();
        for table in self.model.route_tables.values() {
            stale.extend(table.associations.iter().filter_map(|a| match &a.to {
                Associated::Subnet(subnet) if !own_tables.contains(subnet) => Some(a.id.clone()),
                _ => None,
            }));
        }
        for association in stale {
            let result = disassociate_route_table(self.model, &association);
            self.op("route table", result)?;
        }
        Ok(())
    }
}

/// Whether a virtual private gateway announced the route (RT-10).
pub(super) fn is_propagated(route: &Route) -> bool {
    route.created_by == RouteOrigin::EnableVgwRoutePropagation
}

fn gained_and_lost<T: Clone + PartialEq>(is: &[T], wanted: &[T]) -> (Vec<T>, Vec<T>) {
    let gained = wanted.iter().filter(|thing| !is.contains(thing)).cloned().collect();
    let lost = is.iter().filter(|thing| !wanted.contains(thing)).cloned().collect();
    (gained, lost)
}
