//! Subnets, and which of their addresses are free (SUB-1 … SUB-12).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::{has_dependencies, invalid_value, tag};
use crate::cidr::{first_free, overlaps, usable_addresses};
use crate::network_acl::NetworkAclAssociation;
use crate::route_table::Associated;
use crate::vpc::{CidrBlock, CidrBlockState};
use crate::*;

/// Seconds from `pending` to `available`, and of an IPv6 block's association (SUB-12).
const SETTLES_AFTER: u64 = 2;

/// Parameters of CreateSubnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSubnet {
    /// The VPC.
    pub vpc_id: VpcId,
    /// Its block as given; stored in canonical form.
    pub cidr_block: Ipv4Net,
    /// A /64 of the VPC.
    pub ipv6_cidr_block: Option<Ipv6Net>,
    /// Zone by name or id; the region's first if absent.
    pub availability_zone: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl CreateSubnet {
    /// A subnet in the region's first zone, without IPv6.
    pub fn new(vpc_id: VpcId, cidr_block: Ipv4Net) -> Self {
        let (tags, origin) = (Tags::new(), Origin::default());
        Self { vpc_id, cidr_block, ipv6_cidr_block: None, availability_zone: None, tags, origin }
    }
}

/// Creates a subnet. Errors: `InvalidVpcID.NotFound`, `InvalidParameterValue` (zone), `InvalidSubnet.Range` (not /16 … /28 or outside the VPC), `InvalidSubnet.Conflict` (both SUB-1),
/// `SubnetLimitExceeded` (QUO-1).
pub fn create_subnet(model: &mut Model, request: CreateSubnet) -> Result<SubnetId, ApiError> {
    let vpc_id = &request.vpc_id;
    tag::check(&request.tags)?;
    let availability_zone = zone_of(model, request.availability_zone.as_deref())?;
    let block = request.cidr_block.trunc();
    if !(16..=28).contains(&block.prefix_len()) {
        return Err(out_of_range(request.cidr_block));
    }
    let vpc = model.vpc(vpc_id)?;
    if !vpc.ipv4_blocks().any(|whole| whole.contains(&block)) {
        return Err(out_of_range(request.cidr_block));
    }
    let siblings: Vec<&Subnet> = model.subnets.values().filter(|s| s.vpc_id == *vpc_id).collect();
    if siblings.iter().any(|s| overlaps(s.cidr_block, block)) {
        return Err(conflicts(request.cidr_block));
    }
    if siblings.len() >= model.quotas.subnets_per_vpc {
        let message = "The maximum number of subnets has been reached.";
        return Err(ApiError::new(ErrorCode::SubnetLimitExceeded, message));
    }
    if let Some(block) = request.ipv6_cidr_block {
        check_ipv6_block(model, vpc, block)?;
    }
    let default_acl = model.network_acls.values().find(|acl| acl.vpc_id == *vpc_id && acl.is_default);
    let default_acl = default_acl.map(|acl| acl.id.clone());

    let id: SubnetId = model.context.next_id();
    if let Some(acl) = default_acl {
        let association = NetworkAclAssociation { id: model.context.next_id(), subnet_id: id.clone() };
        model.network_acl_mut(&acl)?.associations.push(association);
    }
    let available_at = model.context.now.plus(SETTLES_AFTER);
    let ipv6_cidr_blocks = request.ipv6_cidr_block.map(|block| ipv6_association(model, block)).into_iter().collect();
    let subnet = Subnet {
        id: id.clone(),
        vpc_id: vpc_id.clone(),
        cidr_block: block,
        ipv6_cidr_blocks,
        availability_zone,
        map_public_ip_on_launch: false,
        assign_ipv6_address_on_creation: false,
        default_for_az: false,
        available_at,
        tags: request.tags,
        origin: request.origin,
    };
    model.subnets.insert(id.clone(), subnet);
    model.generation += 1;
    Ok(id)
}

/// Parameters of CreateDefaultSubnet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateDefaultSubnet {
    /// Zone by name or id.
    pub availability_zone: String,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates the zone's default subnet: the next free /20 of the default VPC (VPC-12). Errors:
/// `InvalidParameterValue` (zone), `DefaultVpcDoesNotExist`, `DefaultSubnetAlreadyExistsInAvailabilityZone`,
/// `InvalidSubnet.Conflict` (no /20 is free).
pub fn create_default_subnet(model: &mut Model, request: CreateDefaultSubnet) -> Result<SubnetId, ApiError> {
    let zone = zone_of(model, Some(&request.availability_zone))?;
    let Some(vpc) = model.vpcs.values().find(|vpc| vpc.is_default) else {
        return Err(ApiError::new(
            ErrorCode::DefaultVpcDoesNotExist,
            format!("No default VPC exists for this account in this region: {}", model.region),
        ));
    };
    let siblings = || model.subnets.values().filter(|s| s.vpc_id == vpc.id);
    if let Some(present) = siblings().find(|s| s.default_for_az && s.availability_zone == zone) {
        return Err(ApiError::new(
            ErrorCode::DefaultSubnetAlreadyExistsInAvailabilityZone,
            format!("'{}' is already the default subnet in {zone}.", present.id),
        ));
    }
    let taken: Vec<Ipv4Net> = siblings().map(|s| s.cidr_block).collect();
    let vpc_id = vpc.id.clone();
    let cidr_block = first_free(vpc.primary_cidr_block(), 20, &taken).ok_or_else(|| conflicts("/20"))?;
    let request = CreateSubnet {
        availability_zone: Some(zone),
        tags: request.tags,
        origin: request.origin,
        ..CreateSubnet::new(vpc_id, cidr_block)
    };
    let id = create_subnet(model, request)?;
    let subnet = model.subnet_mut(&id)?;
    (subnet.default_for_az, subnet.map_public_ip_on_launch) = (true, true);
    Ok(id)
}

/// Deletes a subnet. Errors: `InvalidSubnetID.NotFound`, `DependencyViolation` while an interface is in it (SUB-10).
pub fn delete_subnet(model: &mut Model, id: &SubnetId) -> Result<(), ApiError> {
    model.subnet(id)?;
    let attached = model.transit_gateway_attachments.values().any(|attachment| {
        matches!(&attachment.to, crate::transit_gateway::AttachedTo::Vpc { subnet_ids, .. } if subnet_ids.contains(id))
    });
    if attached || model.network_interfaces.values().any(|eni| eni.subnet_id == *id) {
        return Err(has_dependencies("subnet", id));
    }
    model.subnets.remove(id);
    super::flow_log::remove_of(model, &crate::flow_log::FlowLogResource::Subnet(id.clone()));
    model.subnet_cidr_reservations.retain(|_, reservation| reservation.subnet_id != *id);
    for (_, acl) in model.network_acls.iter_mut_where(|_, acl| acl.associations.iter().any(|a| a.subnet_id == *id)) {
        acl.associations.retain(|a| a.subnet_id != *id);
    }
    let own = Associated::Subnet(id.clone());
    for (_, table) in model.route_tables.iter_mut_where(|_, table| table.associations.iter().any(|a| a.to == own)) {
        table.associations.retain(|a| a.to != own);
    }
    model.generation += 1;
    Ok(())
}

/// Parameters of ModifySubnetAttribute: one attribute a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifySubnetAttribute {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// What to set.
    pub attribute: SubnetAttribute,
}

/// An attribute of a subnet that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubnetAttribute {
    /// SUB-6.
    MapPublicIpOnLaunch(bool),
    /// Needs an IPv6 block.
    AssignIpv6AddressOnCreation(bool),
}

/// Sets an attribute; interfaces that exist keep what they were made with (SUB-7). Errors:
/// `InvalidSubnetID.NotFound`, `InvalidParameterValue` (automatic IPv6 addresses without an IPv6 block).
pub fn modify_subnet_attribute(model: &mut Model, request: ModifySubnetAttribute) -> Result<(), ApiError> {
    let subnet = model.subnet_mut(&request.subnet_id)?;
    match request.attribute {
        SubnetAttribute::MapPublicIpOnLaunch(value) => subnet.map_public_ip_on_launch = value,
        SubnetAttribute::AssignIpv6AddressOnCreation(value) => {
            if value && !subnet.ipv6_cidr_blocks.iter().any(|b| b.state.is_live()) {
                let why = "Invalid value for assignIpv6AddressOnCreation. The subnet has no IPv6 CIDR block.";
                return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
            }
            subnet.assign_ipv6_address_on_creation = value;
        }
    }
    model.generation += 1;
    Ok(())
}

/// Parameters of AssociateSubnetCidrBlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateSubnetCidrBlock {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// A /64 of the VPC.
    pub ipv6_cidr_block: Ipv6Net,
}

/// Gives a subnet an IPv6 block. Errors: `InvalidSubnetID.NotFound`, `InvalidSubnet.Range`,
/// `InvalidSubnet.Conflict`, `InvalidParameterValue` (it has one already).
pub fn associate_subnet_cidr_block(
    model: &mut Model,
    request: AssociateSubnetCidrBlock,
) -> Result<SubnetCidrAssociationId, ApiError> {
    let subnet = model.subnet(&request.subnet_id)?;
    check_ipv6_block(model, model.vpc(&subnet.vpc_id)?, request.ipv6_cidr_block)?;
    if subnet.ipv6_cidr_blocks.iter().any(|b| b.state.is_live()) {
        let why = format!("The subnet {} already has an IPv6 CIDR block.", subnet.id);
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
    }
    let association = ipv6_association(model, request.ipv6_cidr_block);
    let id = association.association_id.clone();
    model.subnet_mut(&request.subnet_id)?.ipv6_cidr_blocks.push(association);
    model.generation += 1;
    Ok(id)
}

/// Takes the IPv6 block off a subnet. Errors: `InvalidSubnetCidrBlockAssociationID.NotFound`,
/// `DependencyViolation` while an interface has an address of it.
pub fn disassociate_subnet_cidr_block(model: &mut Model, id: &SubnetCidrAssociationId) -> Result<SubnetId, ApiError> {
    let settles_at = model.context.now.plus(SETTLES_AFTER);
    let found = model.subnets.values().find_map(|subnet| {
        let block = subnet.ipv6_cidr_blocks.iter().find(|b| b.association_id == *id && b.state.is_live())?;
        Some((subnet.id.clone(), block.block))
    });
    let Some((subnet_id, block)) = found else {
        let message = format!("The subnet CIDR block with association ID {id} does not exist");
        return Err(ApiError::new(ErrorCode::InvalidSubnetCidrBlockAssociationIdNotFound, message));
    };
    let mut interfaces = model.network_interfaces.values().filter(|eni| eni.subnet_id == subnet_id);
    if interfaces.any(|eni| eni.ipv6_addresses.iter().any(|address| block.contains(address))) {
        return Err(has_dependencies("subnet CIDR block", id));
    }
    let subnet = model.subnet_mut(&subnet_id)?;
    subnet.assign_ipv6_address_on_creation = false;
    for block in subnet.ipv6_cidr_blocks.iter_mut().filter(|b| b.association_id == *id) {
        (block.state, block.settles_at) = (CidrBlockState::Disassociating, settles_at);
    }
    model.generation += 1;
    Ok(subnet_id)
}

impl Model {
    /// Addresses of a subnet that nobody holds and AWS does not keep (SUB-4).
    pub fn available_ip_address_count(&self, subnet: &Subnet) -> u32 {
        usable_addresses(subnet.cidr_block) - held_addresses(self, &subnet.id).len() as u32
    }
}

/// Every IPv4 address of a subnet that an interface holds, running or not (SUB-4).
pub(crate) fn held_addresses(model: &Model, subnet: &SubnetId) -> BTreeSet<Ipv4Addr> {
    let interfaces = model.network_interfaces.values().filter(|eni| eni.subnet_id == *subnet);
    interfaces.flat_map(|eni| eni.private_ip_addresses.iter().copied()).collect()
}

/// The `count` lowest free addresses of a subnet, those in `spoken_for` left out.
/// Errors: `InsufficientFreeAddressesInSubnet` (SUB-5).
pub(crate) fn lowest_free_addresses(
    model: &Model,
    subnet: &Subnet,
    count: usize,
    spoken_for: &[Ipv4Addr],
) -> Result<Vec<Ipv4Addr>, ApiError> {
    let held = held_addresses(model, &subnet.id);
    let kept = super::subnet_cidr_reservation::reserved_blocks(model, &subnet.id);
    let is_kept = |address: &Ipv4Addr| kept.iter().any(|block| block.contains(&IpAddr::V4(*address)));
    let free = subnet.cidr_block.hosts().filter(|a| !subnet.is_reserved(*a) && !held.contains(a) && !is_kept(a));
    let chosen: Vec<_> = free.filter(|a| !spoken_for.contains(a)).take(count).collect();
    match chosen.len() == count {
        true => Ok(chosen),
        false => Err(ApiError::new(
            ErrorCode::InsufficientFreeAddressesInSubnet,
            format!(
                "The specified subnet does not have enough free addresses to satisfy the request: {}",
                subnet.id
            ),
        )),
    }
}

/// The lowest free address of a subnet. Errors: `InsufficientFreeAddressesInSubnet` (SUB-5).
pub(crate) fn lowest_free_address(model: &Model, subnet: &Subnet) -> Result<Ipv4Addr, ApiError> {
    Ok(lowest_free_addresses(model, subnet, 1, &[])?[0])
}

/// Whether an address that somebody asks for can be had. Errors: `InvalidParameterValue` (outside the subnet,
/// ENI-10, or reserved, SUB-2), `InvalidIPAddress.InUse` (ENI-10).
pub(crate) fn check_address_is_free(model: &Model, subnet: &Subnet, address: Ipv4Addr) -> Result<(), ApiError> {
    if !subnet.cidr_block.contains(&address) {
        return Err(invalid_value(address, "address", "Address does not fall within the subnet's address range"));
    }
    if subnet.is_reserved(address) {
        return Err(invalid_value(address, "address", "Address is in subnet's reserved address range"));
    }
    match held_addresses(model, &subnet.id).contains(&address) {
        false => Ok(()),
        true => {
            Err(ApiError::new(ErrorCode::InvalidIpAddressInUse, format!("Address {address} is in use.")))
        }
    }
}

fn out_of_range(block: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::InvalidSubnetRange, format!("The CIDR '{block}' is invalid."))
}

fn conflicts(block: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::InvalidSubnetConflict, format!("The CIDR '{block}' conflicts with another subnet"))
}

fn zone_of(model: &Model, wanted: Option<&str>) -> Result<String, ApiError> {
    let zones = model.region.zones();
    let found = match wanted {
        None => zones.first().cloned(),
        Some(wanted) => model.region.zone(wanted),
    };
    found.map(|zone| zone.name).ok_or_else(|| {
        let names: Vec<_> = zones.into_iter().map(|zone| zone.name).collect();
        let why = format!("Subnets can currently only be created in the following availability zones: {}.", names.join(", "));
        invalid_value(wanted.unwrap_or_default(), "availabilityZone", why)
    })
}

fn check_ipv6_block(model: &Model, vpc: &Vpc, block: Ipv6Net) -> Result<(), ApiError> {
    let canonical = block.trunc();
    if canonical.prefix_len() != 64 || !vpc.ipv6_blocks().any(|whole| whole.contains(&canonical)) {
        return Err(out_of_range(block));
    }
    let siblings = model.subnets.values().filter(|s| s.vpc_id == vpc.id);
    let mut taken = siblings.flat_map(|s| s.ipv6_cidr_blocks.iter().filter(|b| b.state.is_live()));
    match taken.any(|taken| taken.block == canonical) {
        false => Ok(()),
        true => Err(conflicts(block)),
    }
}

fn ipv6_association(model: &mut Model, block: Ipv6Net) -> CidrBlock<Ipv6Net, SubnetCidrAssociationId> {
    CidrBlock {
        association_id: model.context.next_id(),
        block: block.trunc(),
        state: CidrBlockState::Associating,
        settles_at: model.context.now.plus(SETTLES_AFTER),
    }
}
