//! Changing what can be changed of an instance (INST-4, INST-7, INST-8, SG-30, ENI-5, IMDS-3 … IMDS-7).

use super::{MetadataOptionsRequest, check_user_data, find_type};
use crate::operation::address::sole_interface;
use crate::operation::ebs::check_device_change;
use crate::operation::network_interface::{
    ModifyNetworkInterfaceAttribute, check_address_limit, check_interface_limit, modify_network_interface_attribute,
};
use crate::*;

/// Parameters of ModifyInstanceAttribute; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyInstanceAttribute {
    /// The instance.
    pub instance_id: InstanceId,
    /// Type; only while stopped (INST-7).
    pub instance_type: Option<String>,
    /// User data, decoded; only while stopped (UD-1).
    pub user_data: Option<Vec<u8>>,
    /// Security groups of the primary interface (SG-30).
    pub groups: Option<Vec<SecurityGroupId>>,
    /// ENI-5; only of an instance with one interface.
    pub source_dest_check: Option<bool>,
    /// INST-4.
    pub disable_api_termination: Option<bool>,
    /// Whether StopInstances is refused.
    pub disable_api_stop: Option<bool>,
    /// INST-8.
    pub terminate_on_shutdown: Option<bool>,
    /// Whether it has a network of its own to its volumes; only while stopped.
    pub ebs_optimized: Option<bool>,
    /// Whether the volumes of these devices go with the instance.
    pub delete_on_termination: Vec<(String, bool)>,
}

impl ModifyInstanceAttribute {
    /// A request that changes nothing yet.
    pub fn of(instance_id: InstanceId) -> Self {
        Self {
            instance_id,
            instance_type: None,
            user_data: None,
            groups: None,
            source_dest_check: None,
            disable_api_termination: None,
            disable_api_stop: None,
            terminate_on_shutdown: None,
            ebs_optimized: None,
            delete_on_termination: Vec::new(),
        }
    }
}

/// Changes attributes, all or none.
///
/// Errors: `InvalidInstanceID.NotFound`, `InvalidParameterCombination` (nothing to change), `IncorrectInstanceState`
/// (type or user data while not stopped, INST-7; anything of a terminated instance), `InvalidParameterValue`
/// (type, its architecture, user data, no group left), `AttachmentLimitExceeded`, `PrivateIpAddressLimitExceeded`
/// (the new type is too small, ENI-4), `InvalidInstanceID` (several interfaces), those of groups.
pub fn modify_instance_attribute(model: &mut Model, request: ModifyInstanceAttribute) -> Result<(), ApiError> {
    let id = request.instance_id.clone();
    let instance = model.instance(&id)?;
    if request == ModifyInstanceAttribute::of(id.clone()) {
        return Err(ApiError::new(ErrorCode::InvalidParameterCombination, "No attributes specified."));
    }
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        let message = format!("This instance '{id}' is {} and cannot be modified.", instance.state.as_str());
        return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
    }
    if let Some(name) = &request.instance_type {
        check_is_stopped(instance, "instanceType")?;
        check_new_type(model, instance, name)?;
    }
    if let Some(user_data) = &request.user_data {
        check_is_stopped(instance, "userData")?;
        check_user_data(user_data)?;
    }
    if request.ebs_optimized.is_some() {
        check_is_stopped(instance, "ebsOptimized")?;
    }
    let volumes = request.delete_on_termination.iter();
    let volumes = volumes.map(|(device, goes)| Ok((check_device_change(model, &id, device)?, *goes)));
    let volumes = volumes.collect::<Result<Vec<_>, ApiError>>()?;
    if request.source_dest_check.is_some() {
        sole_interface(model, &id)?;
    }
    if request.groups.is_some() || request.source_dest_check.is_some() {
        let primary = model.interfaces_of(&id).first().map(|eni| eni.id.clone()).ok_or_else(|| {
            let message = format!("There is no interface attached to instance '{id}'.");
            ApiError::new(ErrorCode::InvalidInstanceId, message)
        })?;
        // The last thing that may be refused, so that nothing is changed when it is.
        let change = ModifyNetworkInterfaceAttribute {
            groups: request.groups,
            source_dest_check: request.source_dest_check,
            ..ModifyNetworkInterfaceAttribute::of(primary)
        };
        modify_network_interface_attribute(model, change)?;
    }
    let instance = model.instance_mut(&id)?;
    if let Some(name) = request.instance_type {
        instance.instance_type = name;
    }
    if let Some(user_data) = request.user_data {
        instance.user_data = Some(user_data).filter(|bytes| !bytes.is_empty());
    }
    set(&mut instance.disable_api_termination, request.disable_api_termination);
    set(&mut instance.disable_api_stop, request.disable_api_stop);
    set(&mut instance.terminate_on_shutdown, request.terminate_on_shutdown);
    set(&mut instance.options.ebs_optimized, request.ebs_optimized);
    for (volume, goes) in volumes {
        let attachments = &mut model.ebs_volume_mut(&volume)?.attachments;
        attachments.iter_mut().filter(|a| a.instance_id == id).for_each(|a| a.delete_on_termination = goes);
    }
    model.generation += 1;
    Ok(())
}

fn set(flag: &mut bool, wanted: Option<bool>) {
    *flag = wanted.unwrap_or(*flag);
}

fn check_is_stopped(instance: &Instance, attribute: &str) -> Result<(), ApiError> {
    match instance.state {
        InstanceState::Stopped => Ok(()),
        _ => {
            let message =
                format!("The instance '{}' is not in the 'stopped' state; {attribute} cannot be changed.", instance.id);
            Err(ApiError::new(ErrorCode::IncorrectInstanceState, message).with_hint("stop it first"))
        }
    }
}

/// Whether what the instance has fits another type (ENI-4).
fn check_new_type(model: &Model, instance: &Instance, name: &str) -> Result<(), ApiError> {
    let wanted = find_type(name)?;
    let has_architecture = model.image(&instance.image_id).map(|image| image.architecture);
    if has_architecture.is_some_and(|architecture| architecture != wanted.architecture) {
        let message = format!("The instance type {name} does not support the architecture of the instance's image.");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    let interfaces = model.interfaces_of(&instance.id);
    check_interface_limit(&wanted, interfaces.len())?;
    interfaces.iter().try_for_each(|interface| {
        check_address_limit(&wanted, interface.private_ip_addresses.len().max(interface.ipv6_addresses.len()))
    })
}

/// Changes metadata settings of an instance (IMDS-3 … IMDS-5, IMDS-9); what is not given stays.
///
/// Errors: `InvalidInstanceID.NotFound`, `InvalidParameterValue` (hop limit), `IncorrectInstanceState`.
pub fn modify_instance_metadata_options(
    model: &mut Model,
    id: &InstanceId,
    options: MetadataOptionsRequest,
) -> Result<(), ApiError> {
    let instance = model.instance(id)?;
    let changed = options.apply_to(&instance.metadata_options)?;
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        let message = format!("This instance '{id}' is {} and cannot be modified.", instance.state.as_str());
        return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
    }
    model.instance_mut(id)?.metadata_options = changed;
    model.generation += 1;
    Ok(())
}

/// Turns detailed monitoring on or off, for all or none. Errors: `InvalidInstanceID.NotFound`.
pub fn monitor_instances(model: &mut Model, ids: &[InstanceId], monitoring: bool) -> Result<(), ApiError> {
    for id in ids {
        model.instance(id)?;
    }
    for id in ids {
        model.instance_mut(id)?.monitoring = monitoring;
    }
    model.generation += 1;
    Ok(())
}

/// Whether the resource name `i-….REGION.compute.internal` answers (DNS-3). Errors: `InvalidInstanceID.NotFound`.
pub fn modify_private_dns_name_options(
    model: &mut Model,
    id: &InstanceId,
    resource_name_dns: bool,
) -> Result<(), ApiError> {
    model.instance_mut(id)?.resource_name_dns = resource_name_dns;
    model.generation += 1;
    Ok(())
}

/// Sets whether CPU credits are unlimited. Errors: `InvalidInstanceID.NotFound`, `InvalidParameterValue` (the type is
/// not burstable).
pub fn modify_instance_credit_specification(
    model: &mut Model,
    id: &InstanceId,
    unlimited_cpu_credits: bool,
) -> Result<(), ApiError> {
    let instance = model.instance_mut(id)?;
    if !instance_type::find(&instance.instance_type).is_some_and(|kind| kind.burstable) {
        return Err(super::run::not_burstable(&instance.instance_type));
    }
    instance.unlimited_cpu_credits = unlimited_cpu_credits;
    model.generation += 1;
    Ok(())
}

/// Changes settings that mean nothing for the network. Errors: `InvalidInstanceID.NotFound`, `IncorrectInstanceState` (terminated).
pub fn modify_instance_options(
    model: &mut Model,
    id: &InstanceId,
    change: impl FnOnce(&mut crate::instance::InstanceOptions),
) -> Result<(), ApiError> {
    let instance = model.instance_mut(id)?;
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        let message = format!("This instance '{id}' is {} and cannot be modified.", instance.state.as_str());
        return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
    }
    change(&mut instance.options);
    model.generation += 1;
    Ok(())
}
