//! Volumes and snapshots of EBS. What is written on them is the engine's business; here is what AWS allows, and when.
//!
//! [`volume`] makes, changes and deletes volumes, [`attachment`] puts them into instances, [`snapshot`] keeps what they hold,
//! [`launch`] makes the disks of a launch, [`settle`] is what time does.

mod attachment;
mod launch;
mod settle;
mod snapshot;
mod spec;
mod volume;

pub use attachment::*;
pub(crate) use launch::{LaunchDisk, check_device_change, leave_volumes, plan_disks};
pub(crate) use settle::{next_ebs_transition, settle_ebs};
pub use snapshot::*;
pub use spec::VolumeWish;
pub(crate) use spec::check_device_name;
pub use volume::*;

/// Seconds from `creating` to `available`, from `deleting` to gone, from `attaching` to `attached` and back.
const SETTLES_AFTER: u64 = 2;
