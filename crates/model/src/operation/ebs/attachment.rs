//! Volumes at instances: putting in and taking out.

use super::volume::there;
use super::{SETTLES_AFTER, check_device_name};
use crate::ebs::{VolumeAttachment, VolumeAttachmentState, VolumeState};
use crate::operation::invalid_value;
use crate::*;

/// Volumes and interfaces together that an instance on Nitro may have.
const NITRO_ATTACHMENTS: usize = 28;
/// Volumes that an instance on Xen may have.
const XEN_VOLUMES: usize = 40;

/// Parameters of AttachVolume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachVolume {
    /// The volume.
    pub volume_id: VolumeId,
    /// The instance.
    pub instance_id: InstanceId,
    /// Device name.
    pub device: String,
}

/// Attaches a volume.
///
/// Errors: `InvalidVolume.NotFound`, `InvalidInstanceID.NotFound`, `InvalidParameterValue` (device), `VolumeInUse`,
/// `IncorrectState` (volume or instance), `InvalidVolume.ZoneMismatch`, `AttachmentLimitExceeded`.
pub fn attach_volume(model: &mut Model, request: AttachVolume) -> Result<(), ApiError> {
    let AttachVolume { volume_id, instance_id, device } = request;
    check_device_name(&device)?;
    let volume = there(model, &volume_id)?;
    let instance = model.instance(&instance_id)?;
    if volume.state == VolumeState::Creating {
        return Err(ApiError::new(ErrorCode::IncorrectState, format!("Volume '{volume_id}' is in the 'creating' state.")));
    }
    let is_full = !volume.attachments.is_empty() && !volume.spec.multi_attach;
    if is_full || volume.attachment_to(&instance_id).is_some() {
        let message = format!("{volume_id} is already attached to an instance");
        return Err(ApiError::new(ErrorCode::VolumeInUse, message));
    }
    if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped | InstanceState::Stopping | InstanceState::Pending) {
        return Err(ApiError::new(ErrorCode::IncorrectState, format!("Instance '{instance_id}' is not 'running'.")));
    }
    if volume.availability_zone != instance.availability_zone {
        let message = format!("The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'");
        let hint = format!("the volume is in {}, the instance in {}", volume.availability_zone, instance.availability_zone);
        return Err(ApiError::new(ErrorCode::InvalidVolumeZoneMismatch, message).with_hint(hint));
    }
    let present = model.volumes_of(&instance_id);
    let name = |device: &str| device.trim_start_matches("/dev/").to_owned();
    if present.iter().any(|(_, attachment)| name(&attachment.device) == name(&device)) {
        return Err(invalid_value(&device, "unixDevice", format!("Attachment point {device} is already in use")));
    }
    check_room(model, &instance.instance_type, &instance_id, present.len() + 1)?;
    let attachment = VolumeAttachment {
        instance_id,
        device,
        state: VolumeAttachmentState::Attaching,
        settles_at: model.context.now.plus(SETTLES_AFTER),
        attach_time: model.context.now,
        delete_on_termination: false,
    };
    model.ebs_volume_mut(&volume_id)?.attachments.push(attachment);
    model.generation += 1;
    Ok(())
}

fn check_room(model: &Model, instance_type: &str, id: &InstanceId, volumes: usize) -> Result<(), ApiError> {
    let is_nitro = instance_type::find(instance_type).is_none_or(|kind| kind.nitro);
    check_volume_limit(is_nitro, volumes, model.interfaces_of(id).len())
}

/// Whether an instance has room for so many volumes. Errors: `AttachmentLimitExceeded`.
pub(super) fn check_volume_limit(is_nitro: bool, volumes: usize, interfaces: usize) -> Result<(), ApiError> {
    let most = if is_nitro { NITRO_ATTACHMENTS.saturating_sub(interfaces) } else { XEN_VOLUMES };
    match volumes <= most {
        true => Ok(()),
        false => {
            let message = format!("The instance cannot have more than {most} volumes beside its network interfaces.");
            Err(ApiError::new(ErrorCode::AttachmentLimitExceeded, message))
        }
    }
}

/// Parameters of DetachVolume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachVolume {
    /// The volume.
    pub volume_id: VolumeId,
    /// The instance; needed only where there are several.
    pub instance_id: Option<InstanceId>,
    /// The device that it is thought to be.
    pub device: Option<String>,
}

/// Detaches a volume; returns from which instance. A root volume leaves a stopped instance only.
///
/// Errors: `InvalidVolume.NotFound`, `IncorrectState` (not attached, or on its way out), `InvalidAttachment.NotFound` (not to this
/// instance or as this device), `MissingParameter` (attached to several), `OperationNotPermitted` (root volume).
pub fn detach_volume(model: &mut Model, request: &DetachVolume) -> Result<InstanceId, ApiError> {
    let DetachVolume { volume_id, instance_id, device } = request;
    let volume = there(model, volume_id)?;
    if let Some(id) = instance_id {
        model.instance(id)?;
    }
    if volume.attachments.is_empty() {
        let message = format!("Volume '{volume_id}' is in the '{}' state.", volume.status());
        return Err(ApiError::new(ErrorCode::IncorrectState, message));
    }
    let is_meant = |attachment: &&VolumeAttachment| {
        instance_id.as_ref().is_none_or(|id| *id == attachment.instance_id)
            && device.as_ref().is_none_or(|device| *device == attachment.device)
    };
    let mut meant = volume.attachments.iter().filter(is_meant);
    let attachment = meant.next().ok_or_else(|| {
        let message = format!("The volume '{volume_id}' is not attached to that instance as that device.");
        ApiError::new(ErrorCode::InvalidAttachmentNotFound, message)
    })?;
    if meant.next().is_some() {
        let message = "The request must contain the parameter instanceId: the volume is attached to several instances";
        return Err(ApiError::new(ErrorCode::MissingParameter, message));
    }
    if attachment.state == VolumeAttachmentState::Detaching {
        let message = format!("Volume '{volume_id}' is in the 'detaching' state.");
        return Err(ApiError::new(ErrorCode::IncorrectState, message));
    }
    let owner = attachment.instance_id.clone();
    let instance = model.instance(&owner)?;
    if attachment.device == instance.root_device_name && instance.state != InstanceState::Stopped {
        let message = format!("Unable to detach root volume '{volume_id}' from instance '{owner}'");
        return Err(ApiError::new(ErrorCode::OperationNotPermitted, message).with_hint("stop the instance first"));
    }
    let settles_at = model.context.now.plus(SETTLES_AFTER);
    let volume = model.ebs_volume_mut(volume_id)?;
    for attachment in volume.attachments.iter_mut().filter(|attachment| attachment.instance_id == owner) {
        (attachment.state, attachment.settles_at) = (VolumeAttachmentState::Detaching, settles_at);
    }
    model.generation += 1;
    Ok(owner)
}

impl Model {
    /// The volumes of an instance with their attachments, by device.
    pub fn volumes_of<'m>(&'m self, instance: &InstanceId) -> Vec<(&'m EbsVolume, &'m VolumeAttachment)> {
        let volumes = self.ebs_volumes.values();
        let mut found: Vec<_> = volumes.filter_map(|volume| Some((volume, volume.attachment_to(instance)?))).collect();
        found.sort_by(|(_, a), (_, b)| a.device.cmp(&b.device));
        found
    }
}
