//! Network ACLs and their entries (ACL-1, ACL-2, ACL-4, ACL-6, ACL-11 … ACL-13).

use ipnet::IpNet;


use super::security_group::{Direction, check_traffic};
use crate::network_acl::{NetworkAclAssociation, NetworkAclEntry};
use crate::*;

/// The highest number a user may give an entry (ACL-1).
const LAST_RULE_NUMBER: u16 = 32_766;

/// Parameters of CreateNetworkAcl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNetworkAcl {
    /// The VPC.
    pub vpc_id: VpcId,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Parameters of CreateNetworkAclEntry and ReplaceNetworkAclEntry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutNetworkAclEntry {
    /// The list.
    pub network_acl_id: NetworkAclId,
    /// Which of its two lists.
    pub direction: Direction,
    /// Position, 1 to 32766.
    pub rule_number: u16,
    /// Protocol, and ports or ICMP type.
    pub traffic: TrafficMatch,
    /// Source of what enters, destination of what leaves; host bits are cleared (ACL-12).
    pub cidr_block: IpNet,
    /// Allow or deny.
    pub allow: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a list that denies everything (ACL-2).
///
/// Errors: `InvalidVpcID.NotFound`, `NetworkAclLimitExceeded` (ACL-13), those of tags.
pub fn create_network_acl(model: &mut Model, request: CreateNetworkAcl) -> Result<NetworkAclId, ApiError> {
    let CreateNetworkAcl { vpc_id, tags, origin } = request;
    super::tag::check(&tags)?;
    model.vpc(&vpc_id)?;
    let present = model.network_acls.values().filter(|acl| acl.vpc_id == vpc_id).count();
    if present >= model.quotas.network_acls_per_vpc {
        let message = "The maximum number of network ACLs has been reached.";
        return Err(ApiError::new(ErrorCode::NetworkAclLimitExceeded, message));
    }
    let id: NetworkAclId = model.context.next_id();
    let acl = NetworkAcl {
        id: id.clone(),
        vpc_id,
        is_default: false,
        ingress: Vec::new(),
        egress: Vec::new(),
        associations: Vec::new(),
        tags,
        origin,
    };
    model.network_acls.insert(id.clone(), acl);
    model.generation += 1;
    Ok(id)
}

/// Deletes a list that no subnet uses.
///
/// Errors: `InvalidNetworkAclID.NotFound`, `InvalidParameterValue` (the default list), `DependencyViolation` (a
/// subnet uses it); ACL-4.
pub fn delete_network_acl(model: &mut Model, id: &NetworkAclId) -> Result<(), ApiError> {
    let acl = model.network_acl(id)?;
    if acl.is_default {
        return Err(invalid(format!("cannot delete default network ACL {id}")));
    }
    if let Some(association) = acl.associations.first() {
        let message = format!("The networkAcl '{id}' has dependencies and cannot be deleted.");
        let hint = format!("{} uses it", association.subnet_id);
        return Err(ApiError::new(ErrorCode::DependencyViolation, message).with_hint(hint));
    }
    model.network_acls.remove(id);
    model.generation += 1;
    Ok(())
}

/// Adds an entry; it concerns flows that exist already as well (ACL-8).
///
/// Errors: `InvalidNetworkAclID.NotFound`, `InvalidParameterValue` (number, ports),
/// `NetworkAclEntryAlreadyExists` (ACL-11), `NetworkAclEntryLimitExceeded` (ACL-13).
pub fn create_network_acl_entry(model: &mut Model, request: PutNetworkAclEntry) -> Result<(), ApiError> {
    check_entry(&request)?;
    let acl = model.network_acl(&request.network_acl_id)?;
    let entries = entries_of(acl, request.direction);
    if entries.iter().any(|entry| entry.rule_number == request.rule_number) {
        let message = format!("The network acl entry identified by {} already exists.", request.rule_number);
        return Err(ApiError::new(ErrorCode::NetworkAclEntryAlreadyExists, message));
    }
    if entries.len() >= model.quotas.entries_per_network_acl {
        let message = "The maximum number of network ACL entries has been reached.";
        return Err(ApiError::new(ErrorCode::NetworkAclEntryLimitExceeded, message));
    }
    put_entry(model, request);
    Ok(())
}

/// Puts an entry in the place of the one with its number (ACL-11).
///
/// Errors: `InvalidNetworkAclID.NotFound`, `InvalidParameterValue`, `InvalidNetworkAclEntry.NotFound`.
pub fn replace_network_acl_entry(model: &mut Model, request: PutNetworkAclEntry) -> Result<(), ApiError> {
    check_entry(&request)?;
    let acl = model.network_acl(&request.network_acl_id)?;
    find_entry(acl, request.direction, request.rule_number)?;
    put_entry(model, request);
    Ok(())
}

/// Takes an entry away.
///
/// Errors: `InvalidNetworkAclID.NotFound`, `InvalidParameterValue` (a number that no user's entry has),
/// `InvalidNetworkAclEntry.NotFound`.
pub fn delete_network_acl_entry(
    model: &mut Model,
    id: &NetworkAclId,
    direction: Direction,
    rule_number: u16,
) -> Result<(), ApiError> {
    check_number(rule_number)?;
    let acl = model.network_acl(id)?;
    find_entry(acl, direction, rule_number)?;
    if let Some(acl) = model.network_acls.get_mut(id) {
        entries_of_mut(acl, direction).retain(|entry| entry.rule_number != rule_number);
    }
    model.generation += 1;
    Ok(())
}

/// Gives a subnet another list (ACL-4). Returns the association that took the old one's place.
///
/// Errors: `InvalidAssociationID.NotFound`, `InvalidNetworkAclID.NotFound`, `InvalidParameterValue` (another VPC).
pub fn replace_network_acl_association(
    model: &mut Model,
    association_id: &NetworkAclAssociationId,
    network_acl_id: &NetworkAclId,
) -> Result<NetworkAclAssociationId, ApiError> {
    let present = model
        .network_acls
        .values()
        .find_map(|acl| acl.associations.iter().find(|a| a.id == *association_id).map(|a| (acl, a)));
    let Some((present, association)) = present else {
        let message = format!("The association ID '{association_id}' does not exist");
        return Err(ApiError::new(ErrorCode::InvalidAssociationIdNotFound, message));
    };
    let wanted = model.network_acl(network_acl_id)?;
    if wanted.vpc_id != present.vpc_id {
        let (acl, subnet) = (&wanted.id, &association.subnet_id);
        return Err(invalid(format!("networkAcl {acl} and subnet {subnet} belong to different networks")));
    }
    let (present, subnet_id) = (present.id.clone(), association.subnet_id.clone());
    let id: NetworkAclAssociationId = model.context.next_id();
    if let Some(acl) = model.network_acls.get_mut(&present) {
        acl.associations.retain(|a| a.id != *association_id);
    }
    if let Some(acl) = model.network_acls.get_mut(network_acl_id) {
        acl.associations.push(NetworkAclAssociation { id: id.clone(), subnet_id });
    }
    model.generation += 1;
    Ok(id)
}

fn entries_of(acl: &NetworkAcl, direction: Direction) -> &Vec<NetworkAclEntry> {
    match direction {
        Direction::Ingress => &acl.ingress,
        Direction::Egress => &acl.egress,
    }
}

fn entries_of_mut(acl: &mut NetworkAcl, direction: Direction) -> &mut Vec<NetworkAclEntry> {
    match direction {
        Direction::Ingress => &mut acl.ingress,
        Direction::Egress => &mut acl.egress,
    }
}

fn find_entry(acl: &NetworkAcl, direction: Direction, number: u16) -> Result<&NetworkAclEntry, ApiError> {
    entries_of(acl, direction).iter().find(|entry| entry.rule_number == number).ok_or_else(|| {
        let which = if direction == Direction::Egress { "egress" } else { "ingress" };
        let message = format!("The specified network acl entry {number} ({which}) does not exist in {}", acl.id);
        ApiError::new(ErrorCode::InvalidNetworkAclEntryNotFound, message)
    })
}

fn check_entry(request: &PutNetworkAclEntry) -> Result<(), ApiError> {
    check_number(request.rule_number)?;
    check_traffic(request.traffic)
}

fn check_number(number: u16) -> Result<(), ApiError> {
    match number {
        1..=LAST_RULE_NUMBER => Ok(()),
        _ => Err(invalid(format!("Invalid value '{number}' for ruleNumber. Rule numbers are 1 to {LAST_RULE_NUMBER}"))),
    }
}

/// Stores a checked entry in its place by number.
fn put_entry(model: &mut Model, request: PutNetworkAclEntry) {
    let PutNetworkAclEntry { network_acl_id, direction, rule_number, traffic, cidr_block, allow, origin } = request;
    let entry = NetworkAclEntry { rule_number, traffic, cidr_block: cidr_block.trunc(), allow, origin };
    if let Some(acl) = model.network_acls.get_mut(&network_acl_id) {
        let entries = entries_of_mut(acl, direction);
        match entries.binary_search_by_key(&rule_number, |entry| entry.rule_number) {
            Ok(place) => entries[place] = entry,
            Err(place) => entries.insert(place, entry),
        }
    }
    model.generation += 1;
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}
