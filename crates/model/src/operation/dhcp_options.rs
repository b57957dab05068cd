//! DHCP option sets (DHCP-1 … DHCP-3).

use std::net::Ipv4Addr;

use super::{has_dependencies, invalid_value, tag};
use crate::dhcp_options::NameServer;
use crate::*;

/// Parameters of CreateDhcpOptions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateDhcpOptions {
    /// Search domain.
    pub domain_name: Option<String>,
    /// Resolvers, up to four.
    pub domain_name_servers: Vec<NameServer>,
    /// Time servers, up to four.
    pub ntp_servers: Vec<Ipv4Addr>,
    /// NetBIOS name servers, up to four.
    pub netbios_name_servers: Vec<Ipv4Addr>,
    /// 1, 2, 4 or 8.
    pub netbios_node_type: Option<u8>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates an option set. Errors: `MissingParameter` (no option), `InvalidParameterValue` (more than four servers
/// of a kind, or a node type that is none; DHCP-1).
pub fn create_dhcp_options(model: &mut Model, request: CreateDhcpOptions) -> Result<DhcpOptionsId, ApiError> {
    tag::check(&request.tags)?;
    let servers = [
        ("domain-name-servers", request.domain_name_servers.len()),
        ("ntp-servers", request.ntp_servers.len()),
        ("netbios-name-servers", request.netbios_name_servers.len()),
    ];
    if let Some((name, count)) = servers.into_iter().find(|(_, count)| *count > 4) {
        return Err(invalid_value(count, name, "At most four servers can be given."));
    }
    if let Some(kind) = request.netbios_node_type.filter(|kind| ![1, 2, 4, 8].contains(kind)) {
        return Err(invalid_value(kind, "netbios-node-type", "The node type is 1, 2, 4 or 8."));
    }
    if request.domain_name.is_none() && request.netbios_node_type.is_none() && servers.iter().all(|(_, n)| *n == 0) {
        let message = "The request must contain the parameter dhcpConfigurationSet";
        return Err(ApiError::new(ErrorCode::MissingParameter, message));
    }
    let id: DhcpOptionsId = model.context.next_id();
    let options = DhcpOptions {
        id: id.clone(),
        domain_name: request.domain_name,
        domain_name_servers: request.domain_name_servers,
        ntp_servers: request.ntp_servers,
        netbios_name_servers: request.netbios_name_servers,
        netbios_node_type: request.netbios_node_type,
        tags: request.tags,
        origin: request.origin,
    };
    model.dhcp_options.insert(id.clone(), options);
    model.generation += 1;
    Ok(id)
}

/// Deletes an option set. Errors: `InvalidDhcpOptionID.NotFound`, `DependencyViolation` while a VPC uses it (DHCP-3).
pub fn delete_dhcp_options(model: &mut Model, id: &DhcpOptionsId) -> Result<(), ApiError> {
    model.dhcp_options_set(id)?;
    if model.vpcs.values().any(|vpc| vpc.dhcp_options_id.as_ref() == Some(id)) {
        return Err(has_dependencies("dhcpOptions", id));
    }
    model.dhcp_options.remove(id);
    model.generation += 1;
    Ok(())
}

/// Parameters of AssociateDhcpOptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateDhcpOptions {
    /// The set; `None` = the word `default`, no options at all (DHCP-1).
    pub dhcp_options_id: Option<DhcpOptionsId>,
    /// The VPC.
    pub vpc_id: VpcId,
}

/// Gives a VPC an option set in place of the one it has. Errors: `InvalidDhcpOptionID.NotFound`,
/// `InvalidVpcID.NotFound`.
pub fn associate_dhcp_options(model: &mut Model, request: AssociateDhcpOptions) -> Result<(), ApiError> {
    if let Some(id) = &request.dhcp_options_id {
        model.dhcp_options_set(id)?;
    }
    model.vpc_mut(&request.vpc_id)?.dhcp_options_id = request.dhcp_options_id;
    model.generation += 1;
    Ok(())
}

/// The region's default option set, made on first need (DHCP-2).
pub(crate) fn default_dhcp_options(model: &mut Model) -> DhcpOptionsId {
    let domain = model.region.internal_domain();
    let servers = [NameServer::AmazonProvidedDns];
    let is_default = |set: &&DhcpOptions| {
        set.domain_name.as_deref() == Some(&domain)
            && set.domain_name_servers == servers
            && set.ntp_servers.is_empty()
            && set.netbios_name_servers.is_empty()
            && set.netbios_node_type.is_none()
    };
    if let Some(set) = model.dhcp_options.values().find(is_default) {
        return set.id.clone();
    }
    let id: DhcpOptionsId = model.context.next_id();
    let options = DhcpOptions {
        id: id.clone(),
        domain_name: Some(domain),
        domain_name_servers: servers.to_vec(),
        ntp_servers: Vec::new(),
        netbios_name_servers: Vec::new(),
        netbios_node_type: None,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    model.dhcp_options.insert(id.clone(), options);
    id
}
