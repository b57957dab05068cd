//! Machine images of the account's own: made of an instance, of snapshots, or of another image.

use crate::ebs::BlockDevice;
use crate::instance_type::Architecture;
use crate::operation::{CreateSnapshot, check_device_name, create_snapshot, invalid_value, tag};
use crate::*;

/// Seconds of `pending`.
const AVAILABLE_AFTER: u64 = 5;

/// What images have in common, however they are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewImage {
    /// Name, unique in the account.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Disks: all of them, or what differs from the instance's.
    pub block_devices: Vec<BlockDevice>,
    /// Tags of the image.
    pub tags: Tags,
    /// Tags of the snapshots that are made.
    pub snapshot_tags: Tags,
}

/// Makes an image of an instance: a snapshot of each of its volumes. A running instance is rebooted, so that nothing is half
/// written, unless `no_reboot`.
///
/// Errors: `InvalidInstanceID.NotFound`, `IncorrectState` (neither running nor stopped), `InvalidAMIName.Malformed`,
/// `InvalidAMIName.Duplicate`, `InvalidParameterValue` (device name), those of snapshots and tags.
pub fn create_image(model: &mut Model, id: &InstanceId, new: NewImage, no_reboot: bool) -> Result<ImageId, ApiError> {
    check_new(model, &new)?;
    let instance = model.instance(id)?.clone();
    let is_running = instance.state == InstanceState::Running;
    if !is_running && instance.state != InstanceState::Stopped {
        let message = format!("The instance '{id}' is {} and cannot be imaged.", instance.state.as_str());
        return Err(ApiError::new(ErrorCode::IncorrectState, message));
    }
    let base = model.image(&instance.image_id);
    let mut changed = model.clone();
    let mut block_devices = Vec::new();
    for (volume, attachment) in model.volumes_of(id) {
        let asked = new.block_devices.iter().find(|device| device.device_name == attachment.device);
        if asked.is_some_and(|device| device.no_device) {
            continue;
        }
        let request = CreateSnapshot {
            volume_id: volume.id.clone(),
            description: format!("Created by CreateImage({id}) for {}", new.name),
            tags: new.snapshot_tags.clone(),
            origin: Origin::default(),
        };
        let snapshot_id = create_snapshot(&mut changed, request)?;
        let asked = asked.cloned().unwrap_or_default();
        block_devices.push(BlockDevice {
            device_name: attachment.device.clone(),
            no_device: false,
            size_gib: asked.size_gib.or(Some(volume.spec.size_gib)),
            kind: asked.kind.or(Some(volume.spec.kind)),
            iops: asked.iops.or(volume.spec.iops.filter(|_| volume.spec.kind.iops_range().is_some())),
            throughput: asked.throughput.or(volume.spec.throughput),
            snapshot_id: Some(snapshot_id),
            delete_on_termination: asked.delete_on_termination.or(Some(attachment.delete_on_termination)),
            encrypted: Some(volume.encrypted),
            kms_key_id: volume.kms_key_id.clone(),
        });
    }
    let more = new.block_devices.iter().filter(|device| !device.no_device);
    let fresh: Vec<_> = more.filter(|device| !block_devices.iter().any(|known| known.device_name == device.device_name)).cloned().collect();
    block_devices.extend(fresh);
    let kind = instance_type::find(&instance.instance_type);
    let architecture = base.as_ref().map(|image| image.architecture).or(kind.map(|kind| kind.architecture));
    let made = Image {
        source_instance_id: Some(id.clone()),
        source_image_id: Some(instance.image_id.clone()),
        requires_imds_v2: base.as_ref().is_some_and(|image| image.requires_imds_v2),
        ..of(&mut changed, new, architecture.unwrap_or(Architecture::X86_64), instance.root_device_name.clone(), block_devices)
    };
    let image_id = keep(&mut changed, made);
    if is_running && !no_reboot {
        changed.instance_mut(id)?.reboots += 1;
    }
    *model = changed;
    Ok(image_id)
}

/// Parameters of RegisterImage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterImage {
    /// Name, disks and tags.
    pub new: NewImage,
    /// What it runs on.
    pub architecture: Architecture,
    /// Which of the disks an instance boots from.
    pub root_device_name: String,
    /// IMDS-7.
    pub requires_imds_v2: bool,
}

/// Makes an image of snapshots.
///
/// Errors: `InvalidAMIName.Malformed`, `InvalidAMIName.Duplicate`, `InvalidBlockDeviceMapping` (no snapshot for the root device),
/// `InvalidSnapshot.NotFound`, `InvalidParameterValue` (device name), those of tags.
pub fn register_image(model: &mut Model, request: RegisterImage) -> Result<ImageId, ApiError> {
    let RegisterImage { new, architecture, root_device_name, requires_imds_v2 } = request;
    check_new(model, &new)?;
    check_device_name(&root_device_name)?;
    let devices: Vec<BlockDevice> = new.block_devices.iter().filter(|device| !device.no_device).cloned().collect();
    for snapshot in devices.iter().filter_map(|device| device.snapshot_id.as_ref()) {
        model.ebs_snapshot(snapshot)?;
    }
    let root = devices.iter().find(|device| device.device_name == root_device_name);
    if root.is_none_or(|root| root.snapshot_id.is_none()) {
        let message = format!("The root device '{root_device_name}' needs a snapshot in the block-device mappings");
        return Err(ApiError::new(ErrorCode::InvalidBlockDeviceMapping, message));
    }
    let devices = devices.into_iter().map(|device| {
        let size = device.snapshot_id.as_ref().and_then(|id| model.ebs_snapshots.get(id)).map(|snapshot| snapshot.size_gib);
        BlockDevice { size_gib: device.size_gib.or(size), ..device }
    });
    let devices = devices.collect();
    let made = of(model, new, architecture, root_device_name, devices);
    Ok(keep(model, Image { requires_imds_v2, ..made }))
}

/// Copies an image within the region; the copy is the account's own, and shares its snapshots. Errors: `InvalidAMIID.NotFound`,
/// `InvalidAMIID.Unavailable`, those of names and tags.
pub fn copy_image(model: &mut Model, source: &ImageId, new: NewImage) -> Result<ImageId, ApiError> {
    check_new(model, &new)?;
    let original = available_image(model, source)?;
    let description = if new.description.is_empty() { format!("[Copied {source} from {}] {}", model.region, new.name) } else { new.description.clone() };
    let devices = original.block_devices.clone();
    let made = of(model, NewImage { description, ..new }, original.architecture, original.root_device_name.to_string(), devices);
    Ok(keep(model, Image { requires_imds_v2: original.requires_imds_v2, source_image_id: Some(source.clone()), ..made }))
}

/// An image that can be launched. Errors: `InvalidAMIID.NotFound`, `InvalidAMIID.Unavailable` (pending).
pub(crate) fn available_image(model: &Model, id: &ImageId) -> Result<Image, ApiError> {
    let image = model.image(id).ok_or_else(|| image_not_found(id))?;
    match model.context.now >= image.available_at {
        true => Ok(image),
        false => Err(ApiError::new(ErrorCode::InvalidAmiIdUnavailable, format!("The image ID '{id}' is not available"))),
    }
}

fn image_not_found(id: &ImageId) -> ApiError {
    let message = format!("The image id '[{id}]' does not exist");
    ApiError::new(ErrorCode::InvalidAmiIdNotFound, message).with_hint("DescribeImages lists those on offer")
}

/// One of the account's own. Errors: `InvalidAMIID.NotFound`, `AuthFailure` (somebody else's).
fn own_mut<'m>(model: &'m mut Model, id: &ImageId) -> Result<&'m mut Image, ApiError> {
    if !model.images.contains_key(id) {
        return match model.image(id) {
            Some(_) => Err(ApiError::new(ErrorCode::AuthFailure, format!("Not authorized for image {id}"))),
            None => Err(image_not_found(id)),
        };
    }
    model.images.get_mut(id).ok_or_else(|| image_not_found(id))
}

/// Takes an image away; instances and snapshots of it stay. Returns its snapshots.
///
/// Errors: `InvalidAMIID.NotFound`, `AuthFailure`.
pub fn deregister_image(model: &mut Model, id: &ImageId) -> Result<Vec<SnapshotId>, ApiError> {
    let image = own_mut(model, id)?;
    let snapshots = image.block_devices.iter().filter_map(|device| device.snapshot_id.clone()).collect();
    model.images.remove(id);
    model.generation += 1;
    Ok(snapshots)
}

/// Changes description or who may launch an image. Errors: `InvalidAMIID.NotFound`, `AuthFailure`, `InvalidParameterValue`.
pub fn modify_image_attribute(
    model: &mut Model,
    id: &ImageId,
    description: Option<String>,
    add: &[String],
    remove: &[String],
) -> Result<(), ApiError> {
    let image = own_mut(model, id)?;
    let is_account = |account: &&String| account.as_str() == "all" || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    if let Some(wrong) = add.iter().chain(remove).find(|account| !is_account(account)) {
        return Err(ApiError::new(ErrorCode::InvalidAmiAttributeItemValue, format!("Invalid attribute item value \"{wrong}\" for userId item type.")));
    }
    if let Some(description) = description {
        image.description = description.into();
    }
    image.launch_permissions.retain(|account| !remove.contains(account));
    image.launch_permissions.extend(add.iter().cloned());
    image.launch_permissions.sort();
    image.launch_permissions.dedup();
    model.generation += 1;
    Ok(())
}

/// The rules of a new image's name, disks and tags.
fn check_new(model: &Model, new: &NewImage) -> Result<(), ApiError> {
    tag::check(&new.tags)?;
    tag::check(&new.snapshot_tags)?;
    let sound = |c: char| c.is_ascii_alphanumeric() || " ()[]./-'@_".contains(c);
    if !(3..=128).contains(&new.name.chars().count()) || !new.name.chars().all(sound) {
        let message = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'";
        return Err(ApiError::new(ErrorCode::InvalidAmiNameMalformed, message));
    }
    if new.description.chars().count() > 255 {
        return Err(invalid_value(&new.description, "Description", "It has more than 255 characters."));
    }
    if let Some(known) = model.images.values().find(|image| image.name == new.name) {
        let message = format!("AMI name {} is already in use by AMI {}", new.name, known.id);
        return Err(ApiError::new(ErrorCode::InvalidAmiNameDuplicate, message));
    }
    new.block_devices.iter().try_for_each(|device| check_device_name(&device.device_name))
}

fn of(model: &mut Model, new: NewImage, architecture: Architecture, root: String, devices: Vec<BlockDevice>) -> Image {
    let now = model.context.now;
    Image {
        id: model.context.next_id(),
        name: new.name.into(),
        description: new.description.into(),
        architecture,
        owner_id: model.account_id.clone().into(),
        owner_alias: None,
        root_device_name: root.into(),
        block_devices: devices,
        requires_imds_v2: false,
        creation_date: now.iso8601().replace('Z', ".000Z").into(),
        available_at: now.plus(AVAILABLE_AFTER),
        launch_permissions: Vec::new(),
        deprecation_time: None,
        source_instance_id: None,
        source_image_id: None,
        tags: new.tags,
    }
}

fn keep(model: &mut Model, image: Image) -> ImageId {
    let id = image.id.clone();
    model.images.insert(id.clone(), image);
    model.generation += 1;
    id
}
