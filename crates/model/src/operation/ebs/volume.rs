//! Making, changing and deleting volumes.

use super::{SETTLES_AFTER, VolumeWish};
use crate::ebs::{VolumeModification, VolumeState, VolumeType};
use crate::operation::tag;
use crate::*;

/// Seconds of `modifying`, and of both `modifying` and `optimizing`.
const MODIFIED_AFTER: (u64, u64) = (2, 10);

/// Parameters of CreateVolume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateVolume {
    /// Zone by name or id.
    pub availability_zone: String,
    /// Size and performance.
    pub wish: VolumeWish,
    /// The snapshot that it begins as.
    pub snapshot_id: Option<SnapshotId>,
    /// Whether it is encrypted.
    pub encrypted: Option<bool>,
    /// The key.
    pub kms_key_id: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a volume. Errors: `InvalidZone.NotFound`, `InvalidSnapshot.NotFound`, `IncorrectState` (the snapshot is pending),
/// `MissingParameter` (neither size nor snapshot), `InvalidParameterValue` (smaller than the snapshot),
/// `InvalidParameterDependency` (a key, and not encrypted), those of [`VolumeWish::check`] and of tags.
pub fn create_volume(model: &mut Model, request: CreateVolume) -> Result<VolumeId, ApiError> {
    tag::check(&request.tags)?;
    let zones = model.region.zones();
    let zone = zones.into_iter().find(|zone| [&zone.name, &zone.id].contains(&&request.availability_zone)).ok_or_else(|| {
        let message = format!("The zone '{}' does not exist.", request.availability_zone);
        ApiError::new(ErrorCode::InvalidZoneNotFound, message)
    })?;
    let snapshot = request.snapshot_id.as_ref().map(|id| source(model, id)).transpose()?;
    let size_gib = size_of(request.wish.size_gib, snapshot)?;
    let spec = request.wish.check(size_gib, VolumeType::Gp2)?;
    let of_snapshot = request.snapshot_id.as_ref().and_then(|id| model.ebs_snapshots.get(id));
    let inherits = of_snapshot.is_some_and(|snapshot| snapshot.encrypted);
    if request.kms_key_id.is_some() && request.encrypted == Some(false) {
        let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
        return Err(ApiError::new(ErrorCode::InvalidParameterDependency, message));
    }
    let encrypted = inherits || request.encrypted.unwrap_or(request.kms_key_id.is_some());
    let kms_key_id = request.kms_key_id.or_else(|| of_snapshot.and_then(|snapshot| snapshot.kms_key_id.clone()));
    let id: VolumeId = model.context.next_id();
    let now = model.context.now;
    let volume = EbsVolume {
        id: id.clone(),
        spec,
        availability_zone: zone.name,
        encrypted,
        kms_key_id,
        snapshot_id: request.snapshot_id,
        create_time: now,
        state: VolumeState::Creating,
        settles_at: now.plus(SETTLES_AFTER),
        attachments: Vec::new(),
        modification: None,
        auto_enable_io: false,
        tags: request.tags,
        origin: request.origin,
    };
    model.ebs_volumes.insert(id.clone(), volume);
    model.generation += 1;
    Ok(id)
}

/// The size in GiB of a snapshot that a volume may begin as: one of the account's, or one of an image on offer.
/// Errors: `InvalidSnapshot.NotFound`, `IncorrectState` (pending).
pub(super) fn source(model: &Model, id: &SnapshotId) -> Result<u32, ApiError> {
    if let Some(snapshot) = model.ebs_snapshots.get(id) {
        if model.context.now < snapshot.completed_at {
            return Err(ApiError::new(ErrorCode::IncorrectState, format!("Snapshot '{id}' is not 'completed'.")));
        }
        return Ok(snapshot.size_gib);
    }
    let offered = image::offered(&model.region);
    let mut devices = offered.iter().flat_map(|image| &image.block_devices);
    let found = devices.find(|device| device.snapshot_id.as_ref() == Some(id)).and_then(|device| device.size_gib);
    found.ok_or_else(|| SnapshotId::not_found(id.as_str()))
}

/// The size that is meant: that of the snapshot, or more. Errors: `MissingParameter`, `InvalidParameterValue`.
pub(super) fn size_of(asked: Option<u32>, snapshot: Option<u32>) -> Result<u32, ApiError> {
    match (asked, snapshot) {
        (None, None) => {
            let message = "The request must contain the parameter size or snapshotId";
            Err(ApiError::new(ErrorCode::MissingParameter, message))
        }
        (Some(asked), Some(least)) if asked < least => {
            let message = format!("The size of a volume must be greater than or equal to the size of its snapshot: {asked}GiB is less than {least}GiB.");
            Err(ApiError::new(ErrorCode::InvalidParameterValue, message))
        }
        (Some(size), _) | (None, Some(size)) => Ok(size),
    }
}

/// Deletes a volume. Errors: `InvalidVolume.NotFound`, `VolumeInUse`, `IncorrectState` (it is being made).
pub fn delete_volume(model: &mut Model, id: &VolumeId) -> Result<(), ApiError> {
    let now = model.context.now;
    let volume = there_mut(model, id)?;
    if let Some(attachment) = volume.attachments.first() {
        let message = format!("Volume {id} is currently attached to {}", attachment.instance_id);
        return Err(ApiError::new(ErrorCode::VolumeInUse, message).with_hint("detach it first"));
    }
    if volume.state == VolumeState::Creating {
        return Err(ApiError::new(ErrorCode::IncorrectState, format!("Volume {id} is in the 'creating' state.")));
    }
    (volume.state, volume.settles_at) = (VolumeState::Deleting, now.plus(SETTLES_AFTER));
    model.generation += 1;
    Ok(())
}

/// A volume that is not on its way out. Errors: `InvalidVolume.NotFound`.
pub(super) fn there<'m>(model: &'m Model, id: &VolumeId) -> Result<&'m EbsVolume, ApiError> {
    let volume = model.ebs_volume(id)?;
    match volume.state {
        VolumeState::Deleting => Err(VolumeId::not_found(id.as_str())),
        _ => Ok(volume),
    }
}

fn there_mut<'m>(model: &'m mut Model, id: &VolumeId) -> Result<&'m mut EbsVolume, ApiError> {
    there(model, id)?;
    model.ebs_volume_mut(id)
}

/// Changes size, type or performance, without an interruption. A volume never becomes smaller. AWS makes one wait some hours
/// after a change; here the next one may come once the last is completed.
///
/// Errors: `InvalidVolume.NotFound`, `IncorrectState` (being made), `IncorrectModificationState` (the last change goes on),
/// `InvalidParameterValue` (smaller; nothing to change), those of [`VolumeWish::check`].
pub fn modify_volume(model: &mut Model, id: &VolumeId, wish: &VolumeWish) -> Result<(), ApiError> {
    let now = model.context.now;
    let volume = there(model, id)?;
    if volume.state == VolumeState::Creating {
        let message = format!("Volume {id} is in the 'creating' state and cannot be modified.");
        return Err(ApiError::new(ErrorCode::IncorrectState, message));
    }
    if volume.modification.as_ref().is_some_and(|last| now < last.completed_at) {
        let message = format!("Volume {id} currently has a modification in progress.");
        return Err(ApiError::new(ErrorCode::IncorrectModificationState, message));
    }
    let old = volume.spec.clone();
    let size_gib = wish.size_gib.unwrap_or(old.size_gib);
    if size_gib < old.size_gib {
        let message = format!("New size cannot be smaller than existing size: {size_gib}GiB is less than {}GiB.", old.size_gib);
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    let kind = wish.kind.unwrap_or(old.kind);
    let kept = |value: Option<u32>, has: bool| value.filter(|_| kind == old.kind && has);
    let wish = VolumeWish {
        size_gib: Some(size_gib),
        kind: Some(kind),
        iops: wish.iops.or(kept(old.iops, kind.iops_range().is_some())),
        throughput: wish.throughput.or(kept(old.throughput, kind == VolumeType::Gp3)),
        multi_attach: wish.multi_attach.or(Some(old.multi_attach && kind.can_multi_attach())),
    };
    let spec = wish.check(size_gib, kind)?;
    if old.multi_attach && !spec.multi_attach && volume.attachments.len() > 1 {
        let message = format!("Volume {id} is attached to several instances.");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    let modification = VolumeModification {
        original: old,
        start_time: now,
        optimizing_at: now.plus(MODIFIED_AFTER.0),
        completed_at: now.plus(MODIFIED_AFTER.1),
    };
    let volume = model.ebs_volume_mut(id)?;
    (volume.spec, volume.modification) = (spec, Some(modification));
    model.generation += 1;
    Ok(())
}

/// Sets whether I/O is taken up again by itself. Errors: `InvalidVolume.NotFound`.
pub fn modify_volume_attribute(model: &mut Model, id: &VolumeId, auto_enable_io: bool) -> Result<(), ApiError> {
    there_mut(model, id)?.auto_enable_io = auto_enable_io;
    model.generation += 1;
    Ok(())
}
