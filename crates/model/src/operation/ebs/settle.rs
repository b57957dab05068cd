//! What time does to volumes, attachments and snapshots.

use crate::ebs::{EbsVolume, VolumeAttachmentState, VolumeState};
use crate::*;

/// Ends every transition that is due. Says whether the model changed.
pub(crate) fn settle_ebs(model: &mut Model, now: Timestamp) -> bool {
    // A table that is taken to be changed is copied.
    if next_ebs_transition(model).is_none_or(|at| at > now) {
        return false;
    }
    let mut changed = false;
    let is_passing = |volume: &EbsVolume| next_transition_of(volume).is_some_and(|at| at <= now);
    for (_, volume) in model.ebs_volumes.iter_mut_where(|_, volume| is_passing(volume)) {
        if volume.state == VolumeState::Creating && volume.settles_at <= now {
            volume.state = VolumeState::Ready;
            changed = true;
        }
        let before = volume.attachments.len();
        volume.attachments.retain_mut(|attachment| {
            if attachment.settles_at > now {
                return true;
            }
            if attachment.state == VolumeAttachmentState::Attaching {
                attachment.state = VolumeAttachmentState::Attached;
                changed = true;
            }
            attachment.state != VolumeAttachmentState::Detaching
        });
        changed |= volume.attachments.len() != before;
    }
    let before = model.ebs_volumes.len();
    model.ebs_volumes.retain(|_, volume| volume.state != VolumeState::Deleting || volume.settles_at > now);
    changed || model.ebs_volumes.len() != before
}

/// When the next transition is due. Snapshots and changes of volumes end without an event: their words follow from the clock.
pub(crate) fn next_ebs_transition(model: &Model) -> Option<Timestamp> {
    model.ebs_volumes.values().filter_map(next_transition_of).min()
}

fn next_transition_of(volume: &EbsVolume) -> Option<Timestamp> {
    let own = (volume.state != VolumeState::Ready).then_some(volume.settles_at);
    let passing = volume.attachments.iter().filter(|attachment| attachment.state != VolumeAttachmentState::Attached);
    own.into_iter().chain(passing.map(|attachment| attachment.settles_at)).min()
}
