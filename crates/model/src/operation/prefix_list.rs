//! Managed prefix lists (RT-21) and those that AWS owns (VPCE-1).

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{has_dependencies, invalid_value, tag};
use crate::prefix_list::PrefixListEntry;
use crate::*;

/// Parameters of CreateManagedPrefixList.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateManagedPrefixList {
    /// Name.
    pub prefix_list_name: String,
    /// Whether it holds IPv6 blocks.
    pub is_ipv6: bool,
    /// How many entries it can hold.
    pub max_entries: u32,
    /// First entries; host bits are cleared.
    pub entries: Vec<PrefixListEntry>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a list, version 1. Errors: `InvalidParameterValue` (family, duplicate, maximum), `ReservedPrefixListName`,
/// `PrefixListMaxEntriesExceeded`, `PrefixListLimitExceeded` (QUO-1).
pub fn create_managed_prefix_list(
    model: &mut Model,
    request: CreateManagedPrefixList,
) -> Result<PrefixListId, ApiError> {
    tag::check(&request.tags)?;
    check_name(&request.prefix_list_name)?;
    check_maximum(model, request.max_entries)?;
    let mut entries = BTreeMap::new();
    for entry in &request.entries {
        let cidr = checked(entry.cidr, request.is_ipv6)?;
        if entries.insert(cidr, entry.description.clone()).is_some() {
            return Err(invalid_value(cidr, "cidr", "It stands in the list twice."));
        }
    }
    if entries.len() > request.max_entries as usize {
        return Err(too_many_entries(request.max_entries));
    }
    if model.prefix_lists.values().filter(|list| !list.is_aws_managed).count() >= model.quotas.prefix_lists_per_region {
        let message = "You've reached the limit on the number of prefix lists that you can create.";
        return Err(ApiError::new(ErrorCode::PrefixListLimitExceeded, message));
    }
    let id: PrefixListId = model.context.next_id();
    let list = PrefixList {
        id: id.clone(),
        name: request.prefix_list_name,
        is_ipv6: request.is_ipv6,
        max_entries: request.max_entries,
        version: 1,
        is_modified: false,
        entries: listed(entries),
        is_aws_managed: false,
        tags: request.tags,
        origin: request.origin,
    };
    model.prefix_lists.insert(id.clone(), list);
    model.generation += 1;
    Ok(id)
}

/// Parameters of ModifyManagedPrefixList.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyManagedPrefixList {
    /// The list.
    pub prefix_list_id: PrefixListId,
    /// The version that the caller has seen; a must when entries change.
    pub current_version: Option<u64>,
    /// New name.
    pub prefix_list_name: Option<String>,
    /// New maximum; not together with changes of entries.
    pub max_entries: Option<u32>,
    /// Entries to add, or to describe anew.
    pub add_entries: Vec<PrefixListEntry>,
    /// Entries to take out.
    pub remove_entries: Vec<IpNet>,
}

/// Changes a list; entries that change make a new version, which users follow at once (RT-21). Errors:
/// `InvalidPrefixListID.NotFound`, `OperationNotPermitted` (AWS's), `PrefixListVersionMismatch`, `MissingParameter`
/// (version), `InvalidParameterCombination` (maximum and entries), `InvalidParameterValue` (family, an entry that is
/// not there, a maximum below the entries), `ReservedPrefixListName`, `PrefixListMaxEntriesExceeded`.
pub fn modify_managed_prefix_list(model: &mut Model, request: ModifyManagedPrefixList) -> Result<(), ApiError> {
    let changes_entries = !request.add_entries.is_empty() || !request.remove_entries.is_empty();
    if changes_entries && request.max_entries.is_some() {
        let message = "You cannot modify the entries of a prefix list and its maximum number of entries in one call.";
        return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
    }
    if changes_entries && request.current_version.is_none() {
        let message = "The request must contain the parameter CurrentVersion";
        return Err(ApiError::new(ErrorCode::MissingParameter, message));
    }
    if let Some(name) = &request.prefix_list_name {
        check_name(name)?;
    }
    let list = model.prefix_list(&request.prefix_list_id)?;
    check_owned(list)?;
    if let Some(seen) = request.current_version.filter(|seen| *seen != list.version) {
        let message = format!("The prefix list has the incorrect version number {seen}; it is at {}.", list.version);
        return Err(ApiError::new(ErrorCode::PrefixListVersionMismatch, message));
    }
    let mut entries: BTreeMap<IpNet, String> =
        list.entries.iter().map(|entry| (entry.cidr, entry.description.clone())).collect();
    for cidr in &request.remove_entries {
        let cidr = checked(*cidr, list.is_ipv6)?;
        if entries.remove(&cidr).is_none() {
            return Err(invalid_value(cidr, "cidr", "It is not in the prefix list."));
        }
    }
    for entry in &request.add_entries {
        entries.insert(checked(entry.cidr, list.is_ipv6)?, entry.description.clone());
    }
    let max_entries = request.max_entries.unwrap_or(list.max_entries);
    if request.max_entries.is_some() {
        check_maximum(model, max_entries)?;
    }
    if entries.len() > max_entries as usize {
        return Err(too_many_entries(max_entries));
    }
    let list = model.prefix_list_mut(&request.prefix_list_id)?;
    (list.max_entries, list.is_modified) = (max_entries, true);
    if let Some(name) = request.prefix_list_name {
        list.name = name;
    }
    if changes_entries {
        list.entries = listed(entries);
        list.version += 1;
    }
    model.generation += 1;
    Ok(())
}

/// Deletes a list. Errors: `InvalidPrefixListID.NotFound`, `OperationNotPermitted` (AWS's), `DependencyViolation` while
/// a route or a security group names it.
pub fn delete_managed_prefix_list(model: &mut Model, id: &PrefixListId) -> Result<(), ApiError> {
    check_owned(model.prefix_list(id)?)?;
    let destination = Destination::PrefixList(id.clone());
    let peer = Peer::PrefixList(id.clone());
    let mut routes = model.route_tables.values().flat_map(|table| &table.routes);
    let mut rules = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
    if routes.any(|route| route.destination == destination) || rules.any(|rule| rule.peer == peer) {
        return Err(has_dependencies("prefix list", id));
    }
    model.prefix_lists.remove(id);
    model.generation += 1;
    Ok(())
}

/// The list that AWS keeps for a service with gateway endpoints, made on first need. Errors: `InvalidServiceName`.
pub fn aws_managed_prefix_list(model: &mut Model, service_name: &str) -> Result<PrefixListId, ApiError> {
    if let Some(list) = model.prefix_lists.values().find(|list| list.is_aws_managed && list.name == service_name) {
        return Ok(list.id.clone());
    }
    let service = model.region.endpoint_service(service_name).filter(|service| service.has_gateway);
    let blocks = service.ok_or_else(|| no_such_service(service_name))?.blocks;
    define_aws_managed_prefix_list(model, service_name, blocks.into_iter().map(IpNet::V4), Origin::default())
}

/// Says which addresses a service with gateway endpoints has, in place of the table's: a lab may move S3 to hosts of
/// its own. Errors: `InvalidServiceName`.
pub fn define_aws_managed_prefix_list(
    model: &mut Model,
    service_name: &str,
    blocks: impl IntoIterator<Item = IpNet>,
    origin: Origin,
) -> Result<PrefixListId, ApiError> {
    if !model.region.endpoint_service(service_name).is_some_and(|service| service.has_gateway) {
        return Err(no_such_service(service_name));
    }
    let entries = listed(blocks.into_iter().map(|block| (block.trunc(), String::new())).collect());
    let present = model.prefix_lists.values_mut().find(|list| list.is_aws_managed && list.name == service_name);
    model.generation += 1;
    if let Some(list) = present {
        (list.max_entries, list.entries, list.origin) = (entries.len() as u32, entries, origin);
        list.version += 1;
        return Ok(list.id.clone());
    }
    let id: PrefixListId = model.context.next_id();
    let list = PrefixList {
        id: id.clone(),
        name: service_name.to_owned(),
        is_ipv6: false,
        max_entries: entries.len() as u32,
        version: 1,
        is_modified: false,
        entries,
        is_aws_managed: true,
        tags: Tags::new(),
        origin,
    };
    model.prefix_lists.insert(id.clone(), list);
    Ok(id)
}

pub(crate) fn no_such_service(name: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidServiceName, format!("The Vpc Endpoint Service '{name}' does not exist"))
}

fn listed(entries: BTreeMap<IpNet, String>) -> Vec<PrefixListEntry> {
    entries.into_iter().map(|(cidr, description)| PrefixListEntry { cidr, description }).collect()
}

fn check_owned(list: &PrefixList) -> Result<(), ApiError> {
    match list.is_aws_managed {
        false => Ok(()),
        true => {
            let message = format!("The prefix list {} is managed by AWS.", list.id);
            Err(ApiError::new(ErrorCode::OperationNotPermitted, message))
        }
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.starts_with("com.amazonaws") {
        let message = format!("The name '{name}' is reserved: it starts with com.amazonaws.");
        return Err(ApiError::new(ErrorCode::ReservedPrefixListName, message));
    }
    match name.is_empty() || name.chars().count() > 255 {
        false => Ok(()),
        true => Err(invalid_value(name, "PrefixListName", "A name has 1 to 255 characters.")),
    }
}

fn check_maximum(model: &Model, max_entries: u32) -> Result<(), ApiError> {
    match (1..=model.quotas.entries_per_prefix_list).contains(&max_entries) {
        true => Ok(()),
        false => {
            let why = format!("The maximum is from 1 to {}.", model.quotas.entries_per_prefix_list);
            Err(invalid_value(max_entries, "MaxEntries", why))
        }
    }
}

fn too_many_entries(max_entries: u32) -> ApiError {
    let message = format!("You've reached the maximum number of entries for the prefix list: {max_entries}.");
    ApiError::new(ErrorCode::PrefixListMaxEntriesExceeded, message)
}

fn checked(cidr: IpNet, is_ipv6: bool) -> Result<IpNet, ApiError> {
    match matches!(cidr, IpNet::V6(_)) == is_ipv6 {
        true => Ok(cidr.trunc()),
        false => Err(invalid_value(cidr, "cidr", "It is not of the prefix list's address family.")),
    }
}
