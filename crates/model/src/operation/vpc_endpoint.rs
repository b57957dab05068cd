//! VPC endpoints: gateway and interface (VPCE-1, VPCE-5, VPCE-6).

use std::collections::BTreeSet;

use super::managed_interface::{self, ManagedInterface};
use super::prefix_list::{aws_managed_prefix_list, no_such_service};
use super::network_interface;
use super::subnet::lowest_free_address;
use super::tag;
use crate::endpoint::{VpcEndpointKind, VpcEndpointState};
use crate::network_interface::InterfaceType;
use crate::route_table::RouteOrigin;
use crate::*;

/// Seconds from `pending` to `available`, and from `deleting` to gone.
const SETTLES_AFTER: u64 = 15;

/// Characters of an endpoint policy (VPCE-6).
const POLICY_CHARACTERS: usize = 20_480;

/// Parameters of CreateVpcEndpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateVpcEndpoint {
    /// The VPC.
    pub vpc_id: VpcId,
    /// Full name, such as `com.amazonaws.ap-northeast-2.s3`.
    pub service_name: String,
    /// Which kind, and where it goes.
    pub kind: CreateVpcEndpointKind,
    /// Policy; full access if absent.
    pub policy_document: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// What is asked of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateVpcEndpointKind {
    /// A route in these tables (VPCE-1).
    Gateway {
        /// Tables.
        route_table_ids: Vec<RouteTableId>,
    },
    /// An interface in these subnets (VPCE-5).
    Interface {
        /// Subnets, at most one a zone.
        subnet_ids: Vec<SubnetId>,
        /// Groups; the default one if empty.
        security_group_ids: Vec<SecurityGroupId>,
        /// Whether the service's name resolves to the interfaces.
        private_dns_enabled: bool,
    },
}

/// Creates an endpoint. Errors: `…NotFound` of what is named, `InvalidServiceName`, `InvalidParameterValue` (another
/// VPC's table, subnet or group; policy), `InvalidParameter` (kind; two subnets in a zone; private DNS, VPCE-5),
/// `RouteAlreadyExists` (VPCE-1), `InsufficientFreeAddressesInSubnet`, `VpcEndpointLimitExceeded` (QUO-1).
pub fn create_vpc_endpoint(model: &mut Model, request: CreateVpcEndpoint) -> Result<VpcEndpointId, ApiError> {
    tag::check(&request.tags)?;
    check_policy(request.policy_document.as_deref())?;
    model.vpc(&request.vpc_id)?;
    let service = model.region.endpoint_service(&request.service_name);
    let service = service.ok_or_else(|| no_such_service(&request.service_name))?;
    let is_gateway = matches!(request.kind, CreateVpcEndpointKind::Gateway { .. });
    if (is_gateway && !service.has_gateway) || (!is_gateway && !service.has_interface) {
        let kind = if is_gateway { "Gateway" } else { "Interface" };
        let message = format!("The service {} does not support endpoints of type {kind}.", service.name);
        return Err(ApiError::new(ErrorCode::InvalidParameter, message));
    }
    check_quota(model, &request.vpc_id, is_gateway)?;

    // Several resources change together; a draft keeps the whole when one of them is refused.
    let mut draft = model.clone();
    let now = draft.context.now;
    let id: VpcEndpointId = draft.context.next_id();
    let kind = match &request.kind {
        CreateVpcEndpointKind::Gateway { .. } => VpcEndpointKind::Gateway {
            prefix_list_id: aws_managed_prefix_list(&mut draft, &service.name)?,
            route_table_ids: Vec::new(),
        },
        CreateVpcEndpointKind::Interface { private_dns_enabled, .. } => VpcEndpointKind::Interface {
            subnet_ids: Vec::new(),
            network_interface_ids: Vec::new(),
            private_dns_enabled: *private_dns_enabled,
        },
    };
    let endpoint = VpcEndpoint {
        id: id.clone(),
        vpc_id: request.vpc_id.clone(),
        service_name: service.name,
        kind,
        state: VpcEndpointState::Pending,
        settles_at: now.plus(SETTLES_AFTER),
        create_time: now,
        policy_document: request.policy_document,
        tags: request.tags,
        origin: request.origin,
    };
    if let CreateVpcEndpointKind::Interface { private_dns_enabled: true, .. } = request.kind {
        check_private_dns(&draft, &endpoint)?;
    }
    draft.vpc_endpoints.insert(id.clone(), endpoint);
    match request.kind {
        CreateVpcEndpointKind::Gateway { route_table_ids } => {
            route_table_ids.iter().try_for_each(|table| add_route(&mut draft, &id, table))?;
        }
        CreateVpcEndpointKind::Interface { subnet_ids, security_group_ids, .. } => {
            let groups = groups_or_default(&draft, &request.vpc_id, security_group_ids)?;
            subnet_ids.iter().try_for_each(|subnet| add_interface(&mut draft, &id, subnet, &groups))?;
        }
    }
    draft.generation = model.generation + 1;
    *model = draft;
    Ok(id)
}

/// Parameters of ModifyVpcEndpoint; what is empty or absent stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyVpcEndpoint {
    /// The endpoint.
    pub vpc_endpoint_id: VpcEndpointId,
    /// Tables that get the route (gateway).
    pub add_route_table_ids: Vec<RouteTableId>,
    /// Tables that lose it (gateway).
    pub remove_route_table_ids: Vec<RouteTableId>,
    /// Subnets that get an interface.
    pub add_subnet_ids: Vec<SubnetId>,
    /// Subnets that lose it.
    pub remove_subnet_ids: Vec<SubnetId>,
    /// Groups that the interfaces get.
    pub add_security_group_ids: Vec<SecurityGroupId>,
    /// Groups that they lose; one must stay.
    pub remove_security_group_ids: Vec<SecurityGroupId>,
    /// VPCE-5.
    pub private_dns_enabled: Option<bool>,
    /// New policy.
    pub policy_document: Option<String>,
    /// Back to full access.
    pub reset_policy: bool,
}

impl ModifyVpcEndpoint {
    /// A change of nothing.
    pub fn new(vpc_endpoint_id: VpcEndpointId) -> Self {
        Self {
            vpc_endpoint_id,
            add_route_table_ids: Vec::new(),
            remove_route_table_ids: Vec::new(),
            add_subnet_ids: Vec::new(),
            remove_subnet_ids: Vec::new(),
            add_security_group_ids: Vec::new(),
            remove_security_group_ids: Vec::new(),
            private_dns_enabled: None,
            policy_document: None,
            reset_policy: false,
        }
    }
}

/// Changes an endpoint. Errors: as [`create_vpc_endpoint`], and `InvalidVpcEndpointId.NotFound`, `InvalidParameter`
/// (a change that this kind does not know, or no group left).
pub fn modify_vpc_endpoint(model: &mut Model, request: ModifyVpcEndpoint) -> Result<(), ApiError> {
    let id = &request.vpc_endpoint_id;
    check_policy(request.policy_document.as_deref())?;
    let endpoint = live(model, id)?;
    let for_gateway = !request.add_route_table_ids.is_empty() || !request.remove_route_table_ids.is_empty();
    let for_interface = !request.add_subnet_ids.is_empty()
        || !request.remove_subnet_ids.is_empty()
        || !request.add_security_group_ids.is_empty()
        || !request.remove_security_group_ids.is_empty()
        || request.private_dns_enabled.is_some();
    let is_gateway = matches!(endpoint.kind, VpcEndpointKind::Gateway { .. });
    if (is_gateway && for_interface) || (!is_gateway && for_gateway) {
        let message = format!("The endpoint {id} is of a type that does not have what is to be modified.");
        return Err(ApiError::new(ErrorCode::InvalidParameter, message));
    }
    let mut draft = model.clone();
    request.remove_route_table_ids.iter().try_for_each(|table| remove_route(&mut draft, id, table))?;
    request.add_route_table_ids.iter().try_for_each(|table| add_route(&mut draft, id, table))?;
    request.remove_subnet_ids.iter().try_for_each(|subnet| remove_interface(&mut draft, id, subnet))?;
    let vpc_id = draft.vpc_endpoint(id)?.vpc_id.clone();
    if !is_gateway {
        let present = draft.network_interfaces_of_endpoint(id).first().map(|eni| eni.groups.clone());
        let mut groups = match present {
            Some(groups) => groups,
            None => groups_or_default(&draft, &vpc_id, Vec::new())?,
        };
        groups.retain(|group| !request.remove_security_group_ids.contains(group));
        groups.extend(request.add_security_group_ids.iter().filter(|g| !groups.contains(g)).cloned().collect::<Vec<_>>());
        if groups.is_empty() {
            let message = "An interface endpoint needs at least one security group.";
            return Err(ApiError::new(ErrorCode::InvalidParameter, message));
        }
        let groups = groups_or_default(&draft, &vpc_id, groups)?;
        let interfaces: Vec<_> = draft.network_interfaces_of_endpoint(id).iter().map(|eni| eni.id.clone()).collect();
        for interface in interfaces {
            draft.network_interface_mut(&interface)?.groups.clone_from(&groups);
        }
        request.add_subnet_ids.iter().try_for_each(|subnet| add_interface(&mut draft, id, subnet, &groups))?;
    }
    if request.private_dns_enabled == Some(true) {
        check_private_dns(&draft, draft.vpc_endpoint(id)?)?;
    }
    let endpoint = draft.vpc_endpoint_mut(id)?;
    if let (VpcEndpointKind::Interface { private_dns_enabled, .. }, Some(wanted)) =
        (&mut endpoint.kind, request.private_dns_enabled)
    {
        *private_dns_enabled = wanted;
    }
    match request.policy_document {
        Some(policy) => endpoint.policy_document = Some(policy),
        None if request.reset_policy => endpoint.policy_document = None,
        None => {}
    }
    draft.generation = model.generation + 1;
    *model = draft;
    Ok(())
}

/// Deletes an endpoint: its routes and interfaces go at once, itself after a moment. Errors:
/// `InvalidVpcEndpointId.NotFound`.
pub fn delete_vpc_endpoint(model: &mut Model, id: &VpcEndpointId) -> Result<(), ApiError> {
    live(model, id)?;
    let target = RouteTarget::VpcEndpoint(id.clone());
    for (_, table) in model.route_tables.iter_mut_where(|_, table| table.routes.iter().any(|route| route.target == target)) {
        table.routes.retain(|route| route.target != target);
    }
    let interfaces: Vec<_> = model.network_interfaces_of_endpoint(id).iter().map(|eni| eni.id.clone()).collect();
    for interface in &interfaces {
        network_interface::remove(model, interface);
    }
    let settles_at = model.context.now.plus(SETTLES_AFTER);
    let endpoint = model.vpc_endpoint_mut(id)?;
    (endpoint.state, endpoint.settles_at) = (VpcEndpointState::Deleting, settles_at);
    model.generation += 1;
    Ok(())
}

impl Model {
    /// The interfaces of an interface endpoint, in the order of its subnets; none for a gateway endpoint.
    pub fn network_interfaces_of_endpoint(&self, id: &VpcEndpointId) -> Vec<&NetworkInterface> {
        match self.vpc_endpoints.get(id).map(|endpoint| &endpoint.kind) {
            Some(VpcEndpointKind::Interface { network_interface_ids, .. }) => {
                network_interface_ids.iter().filter_map(|id| self.network_interfaces.get(id)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// An endpoint that is not on its way out.
fn live<'m>(model: &'m Model, id: &VpcEndpointId) -> Result<&'m VpcEndpoint, ApiError> {
    let endpoint = model.vpc_endpoint(id)?;
    match endpoint.state {
        VpcEndpointState::Pending | VpcEndpointState::Available => Ok(endpoint),
        VpcEndpointState::Deleting | VpcEndpointState::Deleted => Err(VpcEndpointId::not_found(id.as_str())),
    }
}

fn other_vpc(id: impl std::fmt::Display, vpc: &VpcId) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, format!("{id} does not belong to the VPC {vpc}"))
}

fn check_policy(policy: Option<&str>) -> Result<(), ApiError> {
    match policy.is_some_and(|policy| policy.chars().count() > POLICY_CHARACTERS) {
        false => Ok(()),
        true => {
            let message = format!("A policy has at most {POLICY_CHARACTERS} characters.");
            Err(ApiError::new(ErrorCode::InvalidParameterValue, message))
        }
    }
}

fn check_quota(model: &Model, vpc: &VpcId, is_gateway: bool) -> Result<(), ApiError> {
    const INTERFACE_ENDPOINTS_PER_VPC: usize = 50;
    let same_kind = |endpoint: &&VpcEndpoint| {
        endpoint.state.holds_the_vpc() && matches!(endpoint.kind, VpcEndpointKind::Gateway { .. }) == is_gateway
    };
    let mut present = model.vpc_endpoints.values().filter(same_kind);
    let is_full = match is_gateway {
        true => present.count() >= model.quotas.gateway_endpoints_per_region,
        false => present.by_ref().filter(|e| e.vpc_id == *vpc).count() >= INTERFACE_ENDPOINTS_PER_VPC,
    };
    match is_full {
        false => Ok(()),
        true => {
            let message = "The maximum number of VPC endpoints has been reached.";
            Err(ApiError::new(ErrorCode::VpcEndpointLimitExceeded, message))
        }
    }
}

/// VPCE-5: both DNS attributes, and no second endpoint that claims the name.
fn check_private_dns(model: &Model, endpoint: &VpcEndpoint) -> Result<(), ApiError> {
    let vpc = model.vpc(&endpoint.vpc_id)?;
    if !(vpc.enable_dns_support && vpc.enable_dns_hostnames) {
        let message = "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to \
                       true";
        return Err(ApiError::new(ErrorCode::InvalidParameter, message));
    }
    let claims = |other: &VpcEndpoint| {
        other.id != endpoint.id
            && other.vpc_id == endpoint.vpc_id
            && other.service_name == endpoint.service_name
            && other.state.holds_the_vpc()
            && matches!(other.kind, VpcEndpointKind::Interface { private_dns_enabled: true, .. })
    };
    match model.vpc_endpoints.values().any(claims) {
        false => Ok(()),
        true => {
            let message = "private-dns-enabled cannot be set because there is already a conflicting DNS domain in the VPC";
            Err(ApiError::new(ErrorCode::InvalidParameter, message))
        }
    }
}

fn groups_or_default(
    model: &Model,
    vpc: &VpcId,
    groups: Vec<SecurityGroupId>,
) -> Result<Vec<SecurityGroupId>, ApiError> {
    if groups.is_empty() {
        let default = model.security_groups.values().find(|group| group.vpc_id == *vpc && group.is_default());
        return Ok(default.map(|group| group.id.clone()).into_iter().collect());
    }
    for id in &groups {
        if model.security_group(id)?.vpc_id != *vpc {
            return Err(other_vpc(id, vpc));
        }
    }
    if groups.len() > model.quotas.security_groups_per_interface {
        let message = "The maximum number of security groups per interface has been reached.";
        return Err(ApiError::new(ErrorCode::SecurityGroupsPerInterfaceLimitExceeded, message));
    }
    Ok(groups)
}

fn add_route(model: &mut Model, id: &VpcEndpointId, table_id: &RouteTableId) -> Result<(), ApiError> {
    let endpoint = model.vpc_endpoint(id)?;
    let VpcEndpointKind::Gateway { prefix_list_id, .. } = &endpoint.kind else { return Ok(()) };
    let (destination, origin) = (Destination::PrefixList(prefix_list_id.clone()), endpoint.origin.clone());
    let table = model.route_table(table_id)?;
    if table.vpc_id != endpoint.vpc_id {
        return Err(other_vpc(table_id, &endpoint.vpc_id));
    }
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("route table {table_id} already has a route with destination-prefix-list-id {destination}");
        return Err(ApiError::new(ErrorCode::RouteAlreadyExists, message));
    }
    let target = RouteTarget::VpcEndpoint(id.clone());
    let route = Route { destination, target, created_by: RouteOrigin::CreateRoute, origin };
    model.route_table_mut(table_id)?.routes.push(route);
    if let VpcEndpointKind::Gateway { route_table_ids, .. } = &mut model.vpc_endpoint_mut(id)?.kind {
        route_table_ids.push(table_id.clone());
    }
    Ok(())
}

fn remove_route(model: &mut Model, id: &VpcEndpointId, table_id: &RouteTableId) -> Result<(), ApiError> {
    let target = RouteTarget::VpcEndpoint(id.clone());
    model.route_table_mut(table_id)?.routes.retain(|route| route.target != target);
    if let VpcEndpointKind::Gateway { route_table_ids, .. } = &mut model.vpc_endpoint_mut(id)?.kind {
        route_table_ids.retain(|table| table != table_id);
    }
    Ok(())
}

fn add_interface(
    model: &mut Model,
    id: &VpcEndpointId,
    subnet_id: &SubnetId,
    groups: &[SecurityGroupId],
) -> Result<(), ApiError> {
    let endpoint = model.vpc_endpoint(id)?;
    let subnet = model.subnet(subnet_id)?;
    if subnet.vpc_id != endpoint.vpc_id {
        return Err(other_vpc(subnet_id, &endpoint.vpc_id));
    }
    let interfaces = model.network_interfaces_of_endpoint(id);
    let zones: BTreeSet<_> = interfaces
        .iter()
        .filter_map(|eni| model.subnets.get(&eni.subnet_id))
        .map(|subnet| subnet.availability_zone.as_str())
        .collect();
    if zones.contains(subnet.availability_zone.as_str()) {
        let message = format!("Found another VPC endpoint subnet in the availability zone of {subnet_id}.");
        return Err(ApiError::new(ErrorCode::InvalidParameter, message));
    }
    let request = ManagedInterface {
        subnet_id: subnet_id.clone(),
        vpc_id: subnet.vpc_id.clone(),
        address: lowest_free_address(model, subnet)?,
        groups: groups.to_vec(),
        interface_type: InterfaceType::VpcEndpoint,
        description: format!("VPC Endpoint Interface {id}"),
        origin: endpoint.origin.clone(),
    };
    let interface = managed_interface::create(model, request);
    let endpoint = model.vpc_endpoint_mut(id)?;
    if let VpcEndpointKind::Interface { subnet_ids, network_interface_ids, .. } = &mut endpoint.kind {
        subnet_ids.push(subnet_id.clone());
        network_interface_ids.push(interface);
    }
    Ok(())
}

fn remove_interface(model: &mut Model, id: &VpcEndpointId, subnet_id: &SubnetId) -> Result<(), ApiError> {
    model.subnet(subnet_id)?;
    let interfaces = model.network_interfaces_of_endpoint(id);
    let found = interfaces.iter().find(|eni| eni.subnet_id == *subnet_id).map(|eni| eni.id.clone());
    let Some(interface) = found else { return Ok(()) };
    network_interface::remove(model, &interface);
    if let VpcEndpointKind::Interface { subnet_ids, network_interface_ids, .. } =
        &mut model.vpc_endpoint_mut(id)?.kind
    {
        subnet_ids.retain(|subnet| subnet != subnet_id);
        network_interface_ids.retain(|eni| *eni != interface);
    }
    Ok(())
}
