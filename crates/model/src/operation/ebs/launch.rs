//! The disks of a launch: what the image has, changed by what the launch says; and what becomes of them at the end.

use super::attachment::check_volume_limit;
use super::volume::{size_of, source};
use super::{VolumeWish, check_device_name};
use crate::ebs::{BlockDevice, VolumeAttachment, VolumeAttachmentState, VolumeSpec, VolumeState, VolumeType};
use crate::instance_type::InstanceType;
use crate::random::SplitMix64;
use crate::*;

/// A disk of an instance to be, checked.
#[derive(Debug, Clone)]
pub(crate) struct LaunchDisk {
    device: String,
    spec: VolumeSpec,
    snapshot_id: Option<SnapshotId>,
    delete_on_termination: bool,
    encrypted: bool,
    kms_key_id: Option<String>,
}

/// The disks of each instance of a launch.
///
/// Errors: `InvalidParameterValue` (device name), `InvalidBlockDeviceMapping` (a name twice, the root volume left out or smaller than
/// its snapshot, a root volume that nothing boots from), `MissingParameter` (neither size nor snapshot),
/// `InvalidSnapshot.NotFound`, `AttachmentLimitExceeded`, those of [`VolumeWish::check`].
pub(crate) fn plan_disks(
    model: &Model,
    image: &Image,
    asked: &[BlockDevice],
    instance_type: &InstanceType,
    interfaces: usize,
) -> Result<Vec<LaunchDisk>, ApiError> {
    let mut devices: Vec<BlockDevice> = image.block_devices.clone();
    for (position, device) in asked.iter().enumerate() {
        check_device_name(&device.device_name)?;
        if asked[..position].iter().any(|earlier| earlier.device_name == device.device_name) {
            return Err(bad_mapping(format!("The device '{}' is used in more than one block-device mapping", device.device_name)));
        }
        let of_image = devices.iter_mut().find(|known| known.device_name == device.device_name);
        match of_image {
            Some(known) if device.no_device => *known = device.clone(),
            Some(known) => *known = changed(known, device)?,
            None => devices.push(device.clone()),
        }
    }
    devices.retain(|device| !device.no_device);
    if !devices.iter().any(|device| device.device_name == image.root_device_name) {
        return Err(bad_mapping(format!("The root device '{}' cannot be left out", image.root_device_name)));
    }
    check_volume_limit(instance_type.nitro, devices.len(), interfaces)?;
    devices.into_iter().map(|device| plan(model, image, device)).collect()
}

/// A disk of the image with what a launch says of it.
fn changed(known: &BlockDevice, asked: &BlockDevice) -> Result<BlockDevice, ApiError> {
    let (own, least) = (known.snapshot_id.as_ref(), known.size_gib.unwrap_or(0));
    if let (Some(snapshot), Some(size)) = (own.filter(|_| asked.snapshot_id.is_none()), asked.size_gib)
        && size < least
    {
        return Err(bad_mapping(format!("Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {least}GB")));
    }
    // Performance belongs to a type: another type has its own.
    let same_type = asked.kind.is_none() || asked.kind == known.kind;
    let asked = asked.clone();
    Ok(BlockDevice {
        device_name: asked.device_name,
        no_device: false,
        size_gib: asked.size_gib.or(known.size_gib),
        kind: asked.kind.or(known.kind),
        iops: asked.iops.or(known.iops.filter(|_| same_type)),
        throughput: asked.throughput.or(known.throughput.filter(|_| same_type)),
        snapshot_id: asked.snapshot_id.or_else(|| known.snapshot_id.clone()),
        delete_on_termination: asked.delete_on_termination.or(known.delete_on_termination),
        encrypted: asked.encrypted.or(known.encrypted),
        kms_key_id: asked.kms_key_id.or_else(|| known.kms_key_id.clone()),
    })
}

fn plan(model: &Model, image: &Image, device: BlockDevice) -> Result<LaunchDisk, ApiError> {
    let is_root = device.device_name == image.root_device_name;
    let snapshot = device.snapshot_id.as_ref().map(|id| source(model, id)).transpose()?;
    let size_gib = size_of(device.size_gib, snapshot)?;
    let wish = VolumeWish {
        size_gib: Some(size_gib),
        kind: device.kind,
        iops: device.iops,
        throughput: device.throughput,
        multi_attach: None,
    };
    let spec = wish.check(size_gib, VolumeType::Gp2)?;
    if is_root && !spec.kind.can_boot() {
        return Err(bad_mapping(format!("Nothing boots from a volume of type {}", spec.kind.as_str())));
    }
    let own = device.snapshot_id.as_ref().and_then(|id| model.ebs_snapshots.get(id));
    Ok(LaunchDisk {
        spec,
        delete_on_termination: device.delete_on_termination.unwrap_or(is_root),
        encrypted: device.encrypted.unwrap_or(device.kms_key_id.is_some()) || own.is_some_and(|snapshot| snapshot.encrypted),
        kms_key_id: device.kms_key_id.or_else(|| own.and_then(|snapshot| snapshot.kms_key_id.clone())),
        device: device.device_name,
        snapshot_id: device.snapshot_id,
    })
}

impl LaunchDisk {
    /// Makes the volume at an instance.
    pub fn make(&self, model: &mut Model, instance: &InstanceId, tags: &Tags, origin: &Origin) {
        let now = model.context.now;
        let id = id_of(instance, &self.device);
        let attachment = VolumeAttachment {
            instance_id: instance.clone(),
            device: self.device.clone(),
            state: VolumeAttachmentState::Attached,
            settles_at: now,
            attach_time: now,
            delete_on_termination: self.delete_on_termination,
        };
        let volume = EbsVolume {
            id: id.clone(),
            spec: self.spec.clone(),
            availability_zone: model.instances.get(instance).map(|i| i.availability_zone.clone()).unwrap_or_default(),
            encrypted: self.encrypted,
            kms_key_id: self.kms_key_id.clone(),
            snapshot_id: self.snapshot_id.clone(),
            create_time: now,
            state: VolumeState::Ready,
            settles_at: now,
            attachments: vec![attachment],
            modification: None,
            auto_enable_io: false,
            tags: tags.clone(),
            origin: origin.clone(),
        };
        model.ebs_volumes.insert(id, volume);
    }
}

/// The identifier of a disk that a launch makes. It follows from the instance's, which nobody else ever gets, so that disks take
/// no turn among the identifiers that a seed gives.
fn id_of(instance: &InstanceId, device: &str) -> VolumeId {
    let bytes = instance.as_str().bytes().chain([b'/']).chain(device.bytes());
    let seed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut random = SplitMix64(seed);
    let (high, low) = (random.next_u64(), random.next_u64());
    VolumeId::from(id::RawId((u128::from(high) << 64) | u128::from(low)))
}

/// What becomes of the volumes of an instance that ended: they go too, or are free again.
pub(crate) fn leave_volumes(model: &mut Model, instance: &InstanceId) {
    let mut gone = Vec::new();
    for (id, volume) in model.ebs_volumes.iter_mut_where(|_, volume| volume.attachment_to(instance).is_some()) {
        let goes = volume.attachment_to(instance).is_some_and(|attachment| attachment.delete_on_termination);
        volume.attachments.retain(|attachment| attachment.instance_id != *instance);
        if goes && volume.attachments.is_empty() {
            gone.push(id.clone());
        }
    }
    gone.iter().for_each(|id| drop(model.ebs_volumes.remove(id)));
}

/// Whether a disk goes with its instance: ModifyInstanceAttribute. Errors: `InvalidInstanceAttributeValue` (no such device).
pub(crate) fn check_device_change(model: &Model, instance: &InstanceId, device: &str) -> Result<VolumeId, ApiError> {
    let found = model.volumes_of(instance).into_iter().find(|(_, attachment)| attachment.device == device);
    found.map(|(volume, _)| volume.id.clone()).ok_or_else(|| {
        let message = format!("No device is currently mapped at {device}");
        ApiError::new(ErrorCode::InvalidInstanceAttributeValue, message)
    })
}

fn bad_mapping(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidBlockDeviceMapping, message)
}
