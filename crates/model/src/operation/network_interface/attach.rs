//! Attaching interfaces to instances and detaching them (ENI-2 … ENI-4, ENI-8).

use super::{check_address_limit, check_is_users_own};
use crate::instance_type::{self, InstanceType};
use crate::network_interface::Attachment;
use crate::*;

/// Parameters of AttachNetworkInterface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachNetworkInterface {
    /// The interface.
    pub network_interface_id: NetworkInterfaceId,
    /// The instance, running or stopped.
    pub instance_id: InstanceId,
    /// Position, from 1 here: 0 is taken from birth (ENI-3).
    pub device_index: u32,
}

/// Attaches an interface; it does not go away with the instance (ENI-8).
///
/// Errors: `InvalidNetworkInterfaceID.NotFound`, `InvalidInstanceID.NotFound`, `OperationNotPermitted` (ENI-7),
/// `InvalidNetworkInterface.InUse`, `IncorrectInstanceState`, `InvalidParameterCombination` (another zone, GEO-5),
/// `InvalidParameterValue` (index in use), `AttachmentLimitExceeded`, `PrivateIpAddressLimitExceeded` (ENI-4).
pub fn attach_network_interface(
    model: &mut Model,
    request: AttachNetworkInterface,
) -> Result<AttachmentId, ApiError> {
    let AttachNetworkInterface { network_interface_id, instance_id, device_index } = request;
    let interface = model.network_interface(&network_interface_id)?;
    let instance = model.instance(&instance_id)?;
    check_is_users_own(interface)?;
    check_is_free(interface)?;
    if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
        let message = format!("Instance '{instance_id}' is not 'running' or 'stopped'.");
        return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
    }
    check_zone(model, interface, &instance.availability_zone)?;
    let present = model.interfaces_of(&instance_id);
    let has_index = |eni: &&NetworkInterface| eni.attachment.as_ref().is_some_and(|a| a.device_index == device_index);
    if present.iter().any(has_index) {
        let message =
            format!("Instance '{instance_id}' already has an interface attached at device index '{device_index}'.");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    if let Some(instance_type) = instance_type::find(&instance.instance_type) {
        check_interface_limit(&instance_type, present.len() + 1)?;
        check_address_limit(&instance_type, interface.private_ip_addresses.len().max(interface.ipv6_addresses.len()))?;
    }
    let id: AttachmentId = model.context.next_id();
    let attachment = Attachment {
        id: id.clone(),
        instance_id,
        device_index,
        delete_on_termination: false,
        attach_time: model.context.now,
    };
    model.network_interface_mut(&network_interface_id)?.attachment = Some(attachment);
    model.generation += 1;
    Ok(id)
}

/// Detaches an interface. `force` changes nothing here: no guest can refuse.
///
/// Errors: `InvalidAttachmentID.NotFound`, `OperationNotPermitted` (device index 0, ENI-3; ENI-7).
pub fn detach_network_interface(model: &mut Model, id: &AttachmentId) -> Result<(), ApiError> {
    let found = model.network_interfaces.values().find_map(|eni| match &eni.attachment {
        Some(attachment) if attachment.id == *id => Some((eni, attachment)),
        _ => None,
    });
    let Some((interface, attachment)) = found else {
        let message = format!("The networkInterface attachment '{id}' does not exist");
        return Err(ApiError::new(ErrorCode::InvalidAttachmentIdNotFound, message));
    };
    check_is_users_own(interface)?;
    if attachment.device_index == 0 {
        let message = "The network interface at device index 0 and networkCard index 0 cannot be detached.";
        return Err(ApiError::new(ErrorCode::OperationNotPermitted, message));
    }
    let interface = interface.id.clone();
    model.network_interface_mut(&interface)?.attachment = None;
    model.generation += 1;
    Ok(())
}

/// Errors: `InvalidNetworkInterface.InUse`.
pub(crate) fn check_is_free(interface: &NetworkInterface) -> Result<(), ApiError> {
    match &interface.attachment {
        None => Ok(()),
        Some(attachment) => {
            let message = format!("Interface: [{}] in use.", interface.id);
            let hint = format!("it is attached to {}", attachment.instance_id);
            Err(ApiError::new(ErrorCode::InvalidNetworkInterfaceInUse, message).with_hint(hint))
        }
    }
}

/// GEO-5. Errors: `InvalidParameterCombination`.
pub(crate) fn check_zone(model: &Model, interface: &NetworkInterface, zone: &str) -> Result<(), ApiError> {
    match model.subnet(&interface.subnet_id)?.availability_zone == zone {
        true => Ok(()),
        false => Err(ApiError::new(
            ErrorCode::InvalidParameterCombination,
            "You may not attach a network interface to an instance if they are not in the same availability zone",
        )),
    }
}

/// ENI-4. Errors: `AttachmentLimitExceeded`.
pub(crate) fn check_interface_limit(instance_type: &InstanceType, interfaces: usize) -> Result<(), ApiError> {
    match interfaces > instance_type.max_interfaces as usize {
        false => Ok(()),
        true => Err(ApiError::new(
            ErrorCode::AttachmentLimitExceeded,
            format!("Interface count {interfaces} exceeds the limit for {}", instance_type.name()),
        )),
    }
}
