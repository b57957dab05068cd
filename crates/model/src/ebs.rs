//! Volumes and snapshots of EBS: the disks of instances, apart from the instances. What is written on them lies with the engine.

use serde::{Deserialize, Serialize};

use crate::{InstanceId, Origin, SnapshotId, Tags, Timestamp, VolumeId};

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EbsVolume {
    /// Identifier.
    pub id: VolumeId,
    /// Size, type and what goes with them.
    pub spec: VolumeSpec,
    /// Zone by name; it can be attached to instances of this zone only.
    pub availability_zone: String,
    /// Whether it is encrypted (shown, nothing else).
    pub encrypted: bool,
    /// The key it is encrypted with, as it was given.
    pub kms_key_id: Option<String>,
    /// The snapshot that it began as.
    pub snapshot_id: Option<SnapshotId>,
    /// When it was made.
    pub create_time: Timestamp,
    /// State apart from attachments.
    pub state: VolumeState,
    /// When `creating` or `deleting` ends.
    pub settles_at: Timestamp,
    /// Where it is attached: at one instance, or several where the type allows it and it was asked for.
    pub attachments: Vec<VolumeAttachment>,
    /// The last change of size or type.
    pub modification: Option<VolumeModification>,
    /// Whether I/O is taken up again by itself after a doubt about the data (shown, nothing else).
    pub auto_enable_io: bool,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Size and performance of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Size in GiB.
    pub size_gib: u32,
    /// Type.
    pub kind: VolumeType,
    /// Operations a second, of types that have a number.
    pub iops: Option<u32>,
    /// MiB a second, of types that let one choose.
    pub throughput: Option<u32>,
    /// Whether several instances may have it at once.
    pub multi_attach: bool,
}

/// The types of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeType {
    /// Magnetic disks of the first days.
    Standard,
    /// General purpose, performance by size.
    Gp2,
    /// General purpose, performance by choice.
    Gp3,
    /// Provisioned operations.
    Io1,
    /// Provisioned operations, more durable.
    Io2,
    /// Cold magnetic disks.
    Sc1,
    /// Magnetic disks for throughput.
    St1,
}

impl VolumeType {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Standard, Self::Gp2, Self::Gp3, Self::Io1, Self::Io2, Self::Sc1, Self::St1];

    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::Sc1 => "sc1",
            Self::St1 => "st1",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Least and most GiB.
    pub fn sizes(self) -> (u32, u32) {
        match self {
            Self::Standard => (1, 1_024),
            Self::Gp2 => (1, 16_384),
            Self::Gp3 | Self::Io2 => (if self == Self::Gp3 { 1 } else { 4 }, 65_536),
            Self::Io1 => (4, 16_384),
            Self::Sc1 | Self::St1 => (125, 16_384),
        }
    }

    /// Least and most operations a second that can be asked for, and how many for each GiB; `None`: the type has its own.
    pub fn iops_range(self) -> Option<(u32, u32, u32)> {
        match self {
            Self::Gp3 => Some((3_000, 80_000, 500)),
            Self::Io1 => Some((100, 64_000, 50)),
            Self::Io2 => Some((100, 256_000, 1_000)),
            _ => None,
        }
    }

    /// Whether several instances may have such a volume at once.
    pub fn can_multi_attach(self) -> bool {
        matches!(self, Self::Io1 | Self::Io2)
    }

    /// Whether an instance can boot from it.
    pub fn can_boot(self) -> bool {
        !matches!(self, Self::Sc1 | Self::St1)
    }
}

/// State of a volume; `in-use` follows from attachments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeState {
    /// Being made.
    Creating,
    /// There.
    Ready,
    /// On its way out.
    Deleting,
}

impl EbsVolume {
    /// AWS's word for its state.
    pub fn status(&self) -> &'static str {
        match self.state {
            VolumeState::Creating => "creating",
            VolumeState::Deleting => "deleting",
            VolumeState::Ready if self.attachments.is_empty() => "available",
            VolumeState::Ready => "in-use",
        }
    }

    /// How it is attached to an instance.
    pub fn attachment_to(&self, instance: &InstanceId) -> Option<&VolumeAttachment> {
        self.attachments.iter().find(|attachment| attachment.instance_id == *instance)
    }
}

/// The attachment of a volume to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeAttachment {
    /// The instance.
    pub instance_id: InstanceId,
    /// Device name, such as `/dev/sdf`.
    pub device: String,
    /// State.
    pub state: VolumeAttachmentState,
    /// When a passing state ends.
    pub settles_at: Timestamp,
    /// When it was attached.
    pub attach_time: Timestamp,
    /// Whether the volume goes with the instance.
    pub delete_on_termination: bool,
}

/// State of an attachment; once detached there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeAttachmentState {
    /// On its way in.
    Attaching,
    /// There.
    Attached,
    /// On its way out.
    Detaching,
}

impl VolumeAttachmentState {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attaching => "attaching",
            Self::Attached => "attached",
            Self::Detaching => "detaching",
        }
    }
}

/// A change of size or type, while it goes on and afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeModification {
    /// What the volume was.
    pub original: VolumeSpec,
    /// When it began.
    pub start_time: Timestamp,
    /// When `modifying` ends and `optimizing` begins.
    pub optimizing_at: Timestamp,
    /// When it is `completed`.
    pub completed_at: Timestamp,
}

impl VolumeModification {
    /// AWS's word for how far it is, and percent.
    pub fn state(&self, now: Timestamp) -> (&'static str, u32) {
        match () {
            () if now >= self.completed_at => ("completed", 100),
            () if now >= self.optimizing_at => ("optimizing", 50),
            () => ("modifying", 0),
        }
    }
}

/// A snapshot: what was on a volume at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EbsSnapshot {
    /// Identifier.
    pub id: SnapshotId,
    /// The volume it is of; it may be gone.
    pub volume_id: VolumeId,
    /// Size of that volume in GiB.
    pub size_gib: u32,
    /// Free text.
    pub description: String,
    /// Whether the volume was encrypted.
    pub encrypted: bool,
    /// The key, as it was given.
    pub kms_key_id: Option<String>,
    /// When it was begun; what was written later is not in it.
    pub start_time: Timestamp,
    /// When `pending` ends.
    pub completed_at: Timestamp,
    /// The snapshot that it is a copy of.
    #[serde(default)]
    pub copied_from: Option<SnapshotId>,
    /// Accounts that may make volumes of it; `all` = everybody.
    pub create_volume_permissions: Vec<String>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl EbsSnapshot {
    /// AWS's word for its state.
    pub fn status(&self, now: Timestamp) -> &'static str {
        if now >= self.completed_at { "completed" } else { "pending" }
    }
}

/// One disk of a launch or an image, as it is asked for. What is `None` comes from the image, or is as AWS has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// Device name, such as `/dev/xvda`.
    pub device_name: String,
    /// Takes away what the image has under this name.
    pub no_device: bool,
    /// Size in GiB.
    pub size_gib: Option<u32>,
    /// Type.
    pub kind: Option<VolumeType>,
    /// Operations a second.
    pub iops: Option<u32>,
    /// MiB a second.
    pub throughput: Option<u32>,
    /// The snapshot that it begins as.
    pub snapshot_id: Option<SnapshotId>,
    /// Whether it goes with the instance.
    pub delete_on_termination: Option<bool>,
    /// Whether it is encrypted.
    pub encrypted: Option<bool>,
    /// The key.
    pub kms_key_id: Option<String>,
}
