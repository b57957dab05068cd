//! Changing what can be changed of an interface (ENI-5, ENI-8, PIP-4, SG-20).

use super::{check_is_users_own, grant_public_address};
use crate::operation::security_group::groups_for_interface;
use crate::*;

/// Parameters of ModifyNetworkInterfaceAttribute; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyNetworkInterfaceAttribute {
    /// The interface.
    pub network_interface_id: NetworkInterfaceId,
    /// Free text.
    pub description: Option<String>,
    /// Security groups, at least one.
    pub groups: Option<Vec<SecurityGroupId>>,
    /// ENI-5.
    pub source_dest_check: Option<bool>,
    /// Whether the interface goes with the instance, by attachment (ENI-8).
    pub attachment: Option<(AttachmentId, bool)>,
    /// Whether the primary interface of an instance gets an auto-assigned address (PIP-4).
    pub associate_public_ip_address: Option<bool>,
}

impl ModifyNetworkInterfaceAttribute {
    /// A request that changes nothing yet.
    pub fn of(network_interface_id: NetworkInterfaceId) -> Self {
        Self {
            network_interface_id,
            description: None,
            groups: None,
            source_dest_check: None,
            attachment: None,
            associate_public_ip_address: None,
        }
    }
}

/// Changes attributes, all or none; groups are in force at once (SG-29).
///
/// Errors: `InvalidNetworkInterfaceID.NotFound`, `OperationNotPermitted` (requester-managed, ENI-7),
/// `InvalidParameterCombination` (nothing to change; a public address for an interface that is not primary),
/// `InvalidParameterValue` (no group left, SG-28), `InvalidGroup.NotFound`,
/// `SecurityGroupsPerInterfaceLimitExceeded`, `InvalidAttachmentID.NotFound`.
pub fn modify_network_interface_attribute(
    model: &mut Model,
    request: ModifyNetworkInterfaceAttribute,
) -> Result<(), ApiError> {
    let id = request.network_interface_id.clone();
    let interface = model.network_interface(&id)?;
    check_is_users_own(interface)?;
    if request == ModifyNetworkInterfaceAttribute::of(id.clone()) {
        let message = "No attributes specified.";
        return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
    }
    let groups = match &request.groups {
        None => None,
        Some(groups) if groups.is_empty() => {
            let message = "An interface needs at least one security group.";
            return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
        }
        Some(groups) => Some(groups_for_interface(model, &interface.vpc_id, groups)?),
    };
    let attached = interface.attachment.as_ref();
    if let Some((attachment, _)) = &request.attachment
        && attached.is_none_or(|a| a.id != *attachment)
    {
        let message = format!("The networkInterface attachment '{attachment}' does not exist");
        return Err(ApiError::new(ErrorCode::InvalidAttachmentIdNotFound, message));
    }
    if request.associate_public_ip_address.is_some() && attached.is_none_or(|a| a.device_index != 0) {
        let message = "The associatePublicIpAddress attribute applies to the primary interface of an instance only.";
        return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
    }

    let interface = model.network_interface_mut(&id)?;
    if let Some(description) = request.description {
        interface.description = description;
    }
    if let Some(groups) = groups {
        interface.groups = groups;
    }
    if let Some(check) = request.source_dest_check {
        interface.source_dest_check = check;
    }
    if let (Some((_, delete)), Some(attachment)) = (request.attachment, interface.attachment.as_mut()) {
        attachment.delete_on_termination = delete;
    }
    if let Some(associate) = request.associate_public_ip_address {
        interface.associate_public_ip_address = associate;
        match associate {
            true => grant_public_address(model, &id),
            false => (interface.auto_public_ip, interface.auto_public_ip_due) = (None, None),
        }
    }
    model.generation += 1;
    Ok(())
}
