//! Snapshots: making, copying, sharing and deleting them.

use super::volume::there;
use crate::ebs::VolumeState;
use crate::operation::tag;
use crate::*;

/// Seconds of `pending`.
const COMPLETED_AFTER: u64 = 5;

/// Parameters of CreateSnapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// The volume.
    pub volume_id: VolumeId,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Keeps what is on a volume now. Errors: `InvalidVolume.NotFound`, `IncorrectState` (it is being made), those of tags.
pub fn create_snapshot(model: &mut Model, request: CreateSnapshot) -> Result<SnapshotId, ApiError> {
    tag::check(&request.tags)?;
    let volume = there(model, &request.volume_id)?;
    if volume.state == VolumeState::Creating {
        let message = format!("Volume '{}' is in the 'creating' state.", request.volume_id);
        return Err(ApiError::new(ErrorCode::IncorrectState, message));
    }
    let (size_gib, encrypted, kms_key_id) = (volume.spec.size_gib, volume.encrypted, volume.kms_key_id.clone());
    let id: SnapshotId = model.context.next_id();
    let now = model.context.now;
    let snapshot = EbsSnapshot {
        id: id.clone(),
        volume_id: request.volume_id,
        size_gib,
        description: request.description,
        encrypted,
        kms_key_id,
        start_time: now,
        completed_at: now.plus(COMPLETED_AFTER),
        copied_from: None,
        create_volume_permissions: Vec::new(),
        tags: request.tags,
        origin: request.origin,
    };
    model.ebs_snapshots.insert(id.clone(), snapshot);
    model.generation += 1;
    Ok(id)
}

/// Snapshots of all volumes of an instance, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshots {
    /// The instance.
    pub instance_id: InstanceId,
    /// Not of the disk it boots from.
    pub exclude_boot_volume: bool,
    /// Nor of these.
    pub exclude: Vec<VolumeId>,
    /// Whether snapshots get the tags of their volumes.
    pub copy_tags: bool,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Keeps what is on the volumes of an instance. Errors: `InvalidInstanceID.NotFound`, `InvalidVolume.NotFound` (one to leave out that
/// is not the instance's), `InvalidParameterValue` (nothing is left), those of [`create_snapshot`].
pub fn create_snapshots(model: &mut Model, request: &CreateSnapshots) -> Result<Vec<SnapshotId>, ApiError> {
    let instance = model.instance(&request.instance_id)?;
    let root = instance.root_device_name.clone();
    let volumes = model.volumes_of(&request.instance_id);
    if let Some(stranger) = request.exclude.iter().find(|id| !volumes.iter().any(|(volume, _)| volume.id == **id)) {
        return Err(VolumeId::not_found(stranger.as_str()));
    }
    let kept = volumes.into_iter().filter(|(volume, attachment)| {
        let is_boot = attachment.device == root;
        !(request.exclude_boot_volume && is_boot || request.exclude.contains(&volume.id))
    });
    let wanted: Vec<CreateSnapshot> = kept
        .map(|(volume, _)| {
            let mut tags = if request.copy_tags { volume.tags.clone() } else { Tags::new() };
            tags.extend(request.tags.clone());
            CreateSnapshot { volume_id: volume.id.clone(), description: request.description.clone(), tags, origin: Origin::default() }
        })
        .collect();
    if wanted.is_empty() {
        let message = format!("No volumes of instance '{}' are left to snapshot.", request.instance_id);
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    // All or none.
    let mut changed = model.clone();
    let ids = wanted.into_iter().map(|one| create_snapshot(&mut changed, one)).collect::<Result<_, _>>()?;
    *model = changed;
    Ok(ids)
}

/// Copies a snapshot within the region. Errors: `InvalidSnapshot.NotFound`, `IncorrectState` (pending), those of tags.
pub fn copy_snapshot(
    model: &mut Model,
    source: &SnapshotId,
    description: Option<String>,
    encrypted: bool,
    tags: Tags,
) -> Result<SnapshotId, ApiError> {
    tag::check(&tags)?;
    let now = model.context.now;
    let original = model.ebs_snapshot(source)?;
    if now < original.completed_at {
        return Err(ApiError::new(ErrorCode::IncorrectState, format!("Snapshot '{source}' is not 'completed'.")));
    }
    let copy = EbsSnapshot {
        description: description.unwrap_or_else(|| format!("[Copied {source} from {}]", model.region)),
        encrypted: original.encrypted || encrypted,
        start_time: now,
        completed_at: now.plus(COMPLETED_AFTER),
        copied_from: Some(source.clone()),
        create_volume_permissions: Vec::new(),
        tags,
        ..original.clone()
    };
    let id: SnapshotId = model.context.next_id();
    model.ebs_snapshots.insert(id.clone(), EbsSnapshot { id: id.clone(), ..copy });
    model.generation += 1;
    Ok(id)
}

/// Deletes a snapshot; volumes made of it stay. Errors: `InvalidSnapshot.NotFound`, `InvalidSnapshot.InUse` (an image has it).
pub fn delete_snapshot(model: &mut Model, id: &SnapshotId) -> Result<(), ApiError> {
    model.ebs_snapshot(id)?;
    let has = |image: &&Image| image.block_devices.iter().any(|device| device.snapshot_id.as_ref() == Some(id));
    if let Some(image) = model.images.values().find(has) {
        let message = format!("The snapshot {id} is currently in use by {}", image.id);
        return Err(ApiError::new(ErrorCode::InvalidSnapshotInUse, message).with_hint("deregister the image first"));
    }
    model.ebs_snapshots.remove(id);
    model.generation += 1;
    Ok(())
}

/// Lets accounts make volumes of a snapshot, or no longer. Errors: `InvalidSnapshot.NotFound`.
pub fn modify_snapshot_permissions(
    model: &mut Model,
    id: &SnapshotId,
    add: &[String],
    remove: &[String],
) -> Result<(), ApiError> {
    let permissions = &mut model.ebs_snapshot_mut(id)?.create_volume_permissions;
    permissions.retain(|account| !remove.contains(account));
    permissions.extend(add.iter().cloned());
    permissions.sort();
    permissions.dedup();
    model.generation += 1;
    Ok(())
}
