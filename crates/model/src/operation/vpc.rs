//! VPCs and their blocks of addresses (VPC-1 … VPC-15).

use ipnet::{Ipv4Net, Ipv6Net};

use super::{
    CreateInternetGateway, CreateRoute, attach_internet_gateway, create_default_subnet, create_internet_gateway,
    create_route, default_dhcp_options, has_dependencies, tag,
};
use crate::route_table::{Associated, RouteOrigin, RouteTableAssociation};
use crate::vpc::{CidrBlock, CidrBlockState};
use crate::*;

use super::vpc_cidr::{self, Added};

/// Seconds from `pending` to `available` (VPC-2).
const SETTLES_AFTER: u64 = 2;

/// Parameters of CreateVpc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateVpc {
    /// The primary block as given; stored in canonical form (VPC-1).
    pub cidr_block: Ipv4Net,
    /// Asks for a /56 of Amazon's (VPC-10).
    pub amazon_provided_ipv6_cidr_block: bool,
    /// Asks for this IPv6 block.
    pub ipv6_cidr_block: Option<Ipv6Net>,
    /// `default` or `dedicated`; `default` if absent (VPC-9).
    pub instance_tenancy: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a VPC with its main route table, default network ACL and default security group (VPC-3). Errors:
/// `InvalidVpc.Range` (size or range, VPC-1, VPC-8), `InvalidParameterValue` (tenancy, IPv6 block),
/// `InvalidParameterCombination` (two IPv6 blocks), `VpcLimitExceeded` (QUO-1).
pub fn create_vpc(model: &mut Model, request: CreateVpc) -> Result<VpcId, ApiError> {
    tag::check(&request.tags)?;
    vpc_cidr::check_size_and_range(request.cidr_block)?;
    let dedicated_tenancy = match request.instance_tenancy.as_deref() {
        None | Some("default") => false,
        Some("dedicated") => true,
        Some(other) => {
            return Err(super::invalid_value(other, "instanceTenancy", "It is neither default nor dedicated."));
        }
    };
    let ipv6 = match (request.amazon_provided_ipv6_cidr_block, request.ipv6_cidr_block) {
        (false, None) => None,
        (true, None) => Some(vpc_cidr::amazon_provided_block(model)?),
        (false, Some(block)) => Some(vpc_cidr::check_ipv6(model, block)?),
        (true, Some(_)) => {
            let message = "Only one of amazonProvidedIpv6CidrBlock and ipv6CidrBlock can be given";
            return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
        }
    };
    if model.vpcs.len() >= model.quotas.vpcs_per_region {
        let message = "The maximum number of VPCs has been reached.";
        return Err(ApiError::new(ErrorCode::VpcLimitExceeded, message));
    }

    let dhcp_options_id = Some(default_dhcp_options(model));
    let (now, context) = (model.context.now, &mut model.context);
    let id: VpcId = context.next_id();
    // The first block is in force with the VPC; only later ones pass through `associating` (VPC-4).
    let primary = CidrBlock {
        association_id: context.next_id(),
        block: request.cidr_block.trunc(),
        state: CidrBlockState::Associated,
        settles_at: now,
    };
    let ipv6_cidr_blocks: Vec<_> =
        ipv6.map(|block| vpc_cidr::associating(context, block)).into_iter().collect();
    let mut table = RouteTable {
        id: context.next_id(),
        vpc_id: id.clone(),
        routes: Vec::new(),
        associations: vec![RouteTableAssociation { id: context.next_id(), to: Associated::Main }],
        propagating_vgws: Vec::new(),
        tags: Tags::new(),
        origin: request.origin.clone(),
    };
    let group = SecurityGroup::default_for(&id, ipv6.is_some(), context, &request.origin);
    let acl = NetworkAcl::default_for(&id, ipv6.is_some(), context, &request.origin);
    let vpc = Vpc {
        id: id.clone(),
        cidr_blocks: vec![primary],
        ipv6_cidr_blocks,
        available_at: now.plus(SETTLES_AFTER),
        dhcp_options_id,
        dedicated_tenancy,
        is_default: false,
        enable_dns_support: true,
        enable_dns_hostnames: false,
        tags: request.tags,
        origin: request.origin,
    };
    table.routes = local_routes(&vpc);
    model.route_tables.insert(table.id.clone(), table);
    model.security_groups.insert(group.id.clone(), group);
    model.network_acls.insert(acl.id.clone(), acl);
    model.vpcs.insert(id.clone(), vpc);
    model.generation += 1;
    Ok(id)
}

/// The local routes that every table of a VPC has (RT-1).
pub(crate) fn local_routes(vpc: &Vpc) -> Vec<Route> {
    let ipv4 = vpc.ipv4_blocks().map(Destination::Ipv4);
    let all = ipv4.chain(vpc.ipv6_blocks().map(Destination::Ipv6));
    all.map(|destination| local_route(destination, &vpc.origin)).collect()
}

pub(crate) fn local_route(destination: Destination, origin: &Origin) -> Route {
    let created_by = RouteOrigin::CreateRouteTable;
    Route { destination, target: RouteTarget::Local, created_by, origin: origin.clone() }
}

/// Parameters of CreateDefaultVpc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateDefaultVpc {
    /// Where it was written.
    pub origin: Origin,
}

/// Creates the default VPC with its gateway, route and a subnet a zone (VPC-11). Errors:
/// `DefaultVpcAlreadyExists`, `VpcLimitExceeded`, `InternetGatewayLimitExceeded`.
pub fn create_default_vpc(model: &mut Model, request: CreateDefaultVpc) -> Result<VpcId, ApiError> {
    if let Some(present) = model.vpcs.values().find(|vpc| vpc.is_default) {
        let message = format!("A Default VPC already exists for this account in this region: {}", present.id);
        return Err(ApiError::new(ErrorCode::DefaultVpcAlreadyExists, message));
    }
    // Several operations make up this one; a draft keeps it whole when a later one is refused.
    let mut draft = model.clone();
    let origin = request.origin;
    let cidr_block = Ipv4Net::new_assert([172, 31, 0, 0].into(), 16);
    let vpc = create_vpc(&mut draft, CreateVpc { cidr_block, origin: origin.clone(), ..CreateVpc::default() })?;
    let made = draft.vpc_mut(&vpc)?;
    (made.is_default, made.enable_dns_hostnames) = (true, true);
    let gateway = CreateInternetGateway { tags: Tags::new(), origin: origin.clone() };
    let gateway = create_internet_gateway(&mut draft, gateway)?;
    attach_internet_gateway(&mut draft, &gateway, &vpc)?;
    let main = draft.route_tables.values().find(|table| table.vpc_id == vpc).map(|table| table.id.clone());
    if let Some(route_table_id) = main {
        let route = CreateRoute {
            route_table_id,
            destination: Destination::Ipv4(Ipv4Net::default()),
            target: RouteTarget::InternetGateway(gateway.clone()),
            origin: origin.clone(),
        };
        create_route(&mut draft, route)?;
    }
    for zone in draft.region.zones() {
        let subnet = super::CreateDefaultSubnet {
            availability_zone: zone.name,
            tags: Tags::new(),
            origin: origin.clone(),
        };
        create_default_subnet(&mut draft, subnet)?;
    }
    draft.generation = model.generation + 1;
    *model = draft;
    Ok(vpc)
}

/// Deletes a VPC with the things that came with it; its peering connections end. Errors: `InvalidVpcID.NotFound`,
/// `DependencyViolation` (VPC-14).
pub fn delete_vpc(model: &mut Model, id: &VpcId) -> Result<(), ApiError> {
    model.vpc(id)?;
    let is_used = model.subnets.values().any(|s| s.vpc_id == *id)
        || model.network_interfaces.values().any(|eni| eni.vpc_id == *id)
        || model.internet_gateway_of(id).is_some()
        || model.egress_only_internet_gateways.values().any(|gateway| gateway.vpc_id == *id)
        || model.vpn_gateways.values().any(|gateway| gateway.vpc_id.as_ref() == Some(id))
        || model.transit_gateway_attachments.values().any(|attachment| attachment.vpc_id() == Some(id))
        || model.security_groups.values().any(|group| group.vpc_id == *id && !group.is_default())
        || model.route_tables.values().any(|table| table.vpc_id == *id && !table.is_main())
        || model.network_acls.values().any(|acl| acl.vpc_id == *id && !acl.is_default)
        || model.vpc_endpoints.values().any(|endpoint| endpoint.vpc_id == *id && endpoint.state.holds_the_vpc());
    if is_used {
        return Err(has_dependencies("vpc", id));
    }
    model.security_groups.retain(|_, group| group.vpc_id != *id);
    model.route_tables.retain(|_, table| table.vpc_id != *id);
    model.network_acls.retain(|_, acl| acl.vpc_id != *id);
    model.vpc_endpoints.retain(|_, endpoint| endpoint.vpc_id != *id);
    let ends = |connection: &VpcPeeringConnection| connection.peer_of(id).is_some() && connection.status.is_open();
    for (_, connection) in model.vpc_peering_connections.iter_mut_where(|_, connection| ends(connection)) {
        (connection.status, connection.settles) = (peering::PeeringStatus::Deleted, None);
    }
    super::flow_log::remove_of(model, &crate::flow_log::FlowLogResource::Vpc(id.clone()));
    model.vpcs.remove(id);
    model.generation += 1;
    Ok(())
}

/// Parameters of ModifyVpcAttribute: one attribute a call (VPC-15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyVpcAttribute {
    /// The VPC.
    pub vpc_id: VpcId,
    /// What to set.
    pub attribute: VpcAttribute,
}

/// An attribute of a VPC that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpcAttribute {
    /// DNS-2.
    EnableDnsSupport(bool),
    /// DNS-5.
    EnableDnsHostnames(bool),
}

/// Sets an attribute. Errors: `InvalidVpcID.NotFound`, `InvalidParameterValue` (host names need DNS support, VPC-15).
pub fn modify_vpc_attribute(model: &mut Model, request: ModifyVpcAttribute) -> Result<(), ApiError> {
    let vpc = model.vpc_mut(&request.vpc_id)?;
    let (mut support, mut hostnames) = (vpc.enable_dns_support, vpc.enable_dns_hostnames);
    match request.attribute {
        VpcAttribute::EnableDnsSupport(value) => support = value,
        VpcAttribute::EnableDnsHostnames(value) => hostnames = value,
    }
    if hostnames && !support {
        let message = "Value (true) for parameter enableDnsHostnames is invalid. DNS hostnames need DNS support.";
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message)
            .with_hint("set enableDnsSupport first; to switch it off, switch enableDnsHostnames off first"));
    }
    (vpc.enable_dns_support, vpc.enable_dns_hostnames) = (support, hostnames);
    model.generation += 1;
    Ok(())
}

/// Turns dedicated tenancy into default tenancy, the only way it may change (VPC-9). Errors: `InvalidVpcID.NotFound`,
/// `InvalidParameterValue`.
pub fn modify_vpc_tenancy(model: &mut Model, id: &VpcId, instance_tenancy: &str) -> Result<(), ApiError> {
    let vpc = model.vpc_mut(id)?;
    if instance_tenancy != "default" {
        let why = "The tenancy of a VPC can only be changed to default.";
        return Err(super::invalid_value(instance_tenancy, "instanceTenancy", why));
    }
    vpc.dedicated_tenancy = false;
    model.generation += 1;
    Ok(())
}

/// Parameters of AssociateVpcCidrBlock: exactly one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateVpcCidrBlock {
    /// The VPC.
    pub vpc_id: VpcId,
    /// The block.
    pub block: NewVpcBlock,
}

/// A block for a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewVpcBlock {
    /// A secondary IPv4 block, as given.
    Ipv4(Ipv4Net),
    /// This IPv6 block.
    Ipv6(Ipv6Net),
    /// A /56 of Amazon's (VPC-10).
    AmazonProvidedIpv6,
}

/// Adds a block and its local route in every table (VPC-6). Errors: `InvalidVpcID.NotFound`; `InvalidVpc.Range`
/// (size, VPC-1; range, VPC-8; overlap, VPC-4; family, VPC-7; overlap with an active peer, PCX-7);
/// `InvalidParameterValue` (a route is as narrow or narrower, VPC-5); `IncorrectState` (own peering request is
/// pending, PCX-7); `CidrLimitExceeded` (QUO-1).
pub fn associate_vpc_cidr_block(
    model: &mut Model,
    request: AssociateVpcCidrBlock,
) -> Result<VpcCidrAssociationId, ApiError> {
    let vpc = model.vpc(&request.vpc_id)?;
    let added = match request.block {
        NewVpcBlock::Ipv4(block) => Added::Ipv4(vpc_cidr::check_ipv4(model, vpc, block)?),
        NewVpcBlock::Ipv6(block) => Added::Ipv6(vpc_cidr::check_ipv6(model, block)?),
        NewVpcBlock::AmazonProvidedIpv6 => Added::Ipv6(vpc_cidr::amazon_provided_block(model)?),
    };
    vpc_cidr::check_quota(model, vpc, &added)?;
    vpc_cidr::check_peers(model, vpc, &added)?;
    let id = vpc_cidr::add(model, &request.vpc_id, added)?;
    model.generation += 1;
    Ok(id)
}

/// Takes a block off its VPC. Errors: `InvalidVpcCidrBlockAssociationID.NotFound`, `OperationNotPermitted` (the
/// primary one, VPC-4), `DependencyViolation` while a subnet lies in it.
pub fn disassociate_vpc_cidr_block(model: &mut Model, id: &VpcCidrAssociationId) -> Result<VpcId, ApiError> {
    let vpc = vpc_cidr::remove(model, id)?;
    model.generation += 1;
    Ok(vpc)
}
