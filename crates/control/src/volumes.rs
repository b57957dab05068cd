//! Where what is written on volumes and snapshots of EBS lies, and what a change of the cloud means for it.
//!
//! A volume that an instance boots from is the instance's disk; every other one is a folder of its own, seen at `/mnt/sdf` for
//! `/dev/sdf`. Its size is not enforced. A snapshot is a copy of the folder, made when the kernel follows the call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use model::{EbsVolume, InstanceId, InstanceState, Model, SnapshotId};
use sandbox::client::Client;

/// The folders of a lab.
#[derive(Debug, Clone, Copy)]
pub struct Places<'p> {
    /// Disks of instances.
    pub disks: &'p Path,
    /// Volumes and snapshots.
    pub volumes: &'p Path,
}

/// What has to be done on disk, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arrangement {
    /// From and to; only what is not there yet is made.
    snapshots: Vec<(PathBuf, PathBuf)>,
    /// Disks that become volumes, and the other way round.
    moves: Vec<(PathBuf, PathBuf)>,
    /// Volumes that begin as a snapshot.
    beginnings: Vec<(PathBuf, PathBuf)>,
}

impl Places<'_> {
    /// Where a volume lies.
    fn of(&self, model: &Model, volume: &EbsVolume) -> PathBuf {
        let boots = |instance: &InstanceId, device: &str| model.instances.get(instance).is_some_and(|i| i.root_device_name == device);
        match volume.attachments.iter().find(|attachment| boots(&attachment.instance_id, &attachment.device)) {
            Some(attachment) => self.disks.join(attachment.instance_id.as_str()),
            None => self.volumes.join(volume.id.as_str()),
        }
    }

    fn snapshot(&self, id: &SnapshotId) -> PathBuf {
        self.volumes.join(id.as_str())
    }

    /// What an instance sees of volumes, by path.
    pub fn seen(&self, model: &Model, instance: &InstanceId) -> BTreeMap<PathBuf, PathBuf> {
        let volumes = model.volumes_of(instance).into_iter().filter_map(|(volume, attachment)| {
            let place = self.of(model, volume);
            let name = Path::new(&attachment.device).file_name()?;
            (!place.starts_with(self.disks)).then(|| (Path::new("/mnt").join(name), place))
        });
        volumes.collect()
    }

    /// Names of folders of volumes and snapshots that stay.
    pub fn kept(&self, model: &Model) -> BTreeSet<String> {
        let volumes = model.ebs_volumes.keys().map(|id| id.as_str().to_owned());
        volumes.chain(model.ebs_snapshots.keys().map(|id| id.as_str().to_owned())).collect()
    }

    fn arrange(&self, before: Option<&Model>, now: &Model) -> Arrangement {
        let mut all = Arrangement::default();
        let is_new = |id: &SnapshotId| before.is_none_or(|before| !before.ebs_snapshots.contains_key(id));
        for snapshot in now.ebs_snapshots.values().filter(|snapshot| is_new(&snapshot.id)) {
            // The volume may have gone with the same change.
            let volume = [before, Some(now)].into_iter().flatten().find_map(|model| Some((model, model.ebs_volumes.get(&snapshot.volume_id)?)));
            let from = match (&snapshot.copied_from, volume) {
                (Some(original), _) => self.snapshot(original),
                (None, Some((model, volume))) => self.of(model, volume),
                (None, None) => self.volumes.join(snapshot.volume_id.as_str()),
            };
            all.snapshots.push((from, self.snapshot(&snapshot.id)));
        }
        for volume in now.ebs_volumes.values() {
            let place = self.of(now, volume);
            match before.and_then(|before| Some((before, before.ebs_volumes.get(&volume.id)?))) {
                Some((before, old)) => {
                    let was = self.of(before, old);
                    if was != place {
                        all.moves.push((was, place));
                    }
                }
                None => {
                    let own = volume.snapshot_id.as_ref().filter(|id| now.ebs_snapshots.contains_key(id));
                    all.beginnings.extend(own.map(|id| (self.snapshot(id), place)));
                }
            }
        }
        all
    }

    /// Puts what is written where the cloud as it is now has it. What cannot be done is said in the log, and the lab goes on.
    pub fn settle(&self, client: &Client, lab: &str, before: Option<&Model>, now: &Model) {
        let all = self.arrange(before, now);
        let copies = |list: &[(PathBuf, PathBuf)]| {
            for (from, to) in list {
                let _ = client.copy_disk(from, to).inspect_err(|error| sandbox::say!("lab {lab}: {error}"));
            }
        };
        copies(&all.snapshots);
        for (from, to) in &all.moves {
            let _ = client.move_disk(from, to).inspect_err(|error| sandbox::say!("lab {lab}: {error}"));
        }
        copies(&all.beginnings);
    }

    /// Shows running instances the volumes that they have now; those that start find theirs by themselves.
    pub fn show(&self, client: &Client, before: Option<&Model>, now: &Model) -> sandbox::Result<()> {
        let Some(before) = before else { return Ok(()) };
        if before.ebs_volumes.is_shared_with(&now.ebs_volumes) {
            return Ok(());
        }
        let is_running = |model: &Model, id: &InstanceId| model.instances.get(id).is_some_and(|i| i.state == InstanceState::Running);
        let owners = |model: &Model| -> BTreeSet<InstanceId> {
            model.ebs_volumes.values().flat_map(|volume| volume.attachments.iter().map(|attachment| attachment.instance_id.clone())).collect()
        };
        let all: BTreeSet<InstanceId> = owners(before).union(&owners(now)).cloned().collect();
        for id in all.iter().filter(|id| is_running(before, id) && is_running(now, id)) {
            let seen = self.seen(now, id);
            if seen != self.seen(before, id) {
                client.set_volumes(&linux::naming::instance_namespace(id), seen)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::operation::*;
    use model::*;

    use super::*;

    const PLACES: (&str, &str) = ("/lab/disks", "/lab/volumes");

    fn places() -> Places<'static> {
        Places { disks: Path::new(PLACES.0), volumes: Path::new(PLACES.1) }
    }

    fn with_instance() -> (Model, InstanceId) {
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)));
        create_default_vpc(&mut model, CreateDefaultVpc::default()).unwrap();
        let image = image::default_for(&model.region, instance_type::Architecture::X86_64);
        let id = run_instances(&mut model, RunInstances::of(image)).unwrap().remove(0);
        model.advance_to(Timestamp(100));
        (model, id)
    }

    fn volume(model: &mut Model, instance: &InstanceId, snapshot_id: Option<SnapshotId>) -> VolumeId {
        let wish = VolumeWish { size_gib: Some(10), ..VolumeWish::default() };
        let zone = model.instances[instance].availability_zone.clone();
        let id = create_volume(model, CreateVolume { availability_zone: zone, wish, snapshot_id, ..CreateVolume::default() }).unwrap();
        model.advance_to(model.context.now.plus(10));
        id
    }

    fn snapshot(model: &mut Model, volume_id: &VolumeId) -> SnapshotId {
        let request = CreateSnapshot { volume_id: volume_id.clone(), description: String::new(), tags: Tags::new(), origin: Origin::default() };
        let id = create_snapshot(model, request).unwrap();
        model.advance_to(model.context.now.plus(10));
        id
    }

    #[test]
    fn a_volume_is_seen_where_its_device_says_and_the_root_volume_is_the_disk() {
        let (mut model, instance) = with_instance();
        assert_eq!(places().seen(&model, &instance), BTreeMap::new());
        let data = volume(&mut model, &instance, None);
        let request = AttachVolume { volume_id: data.clone(), instance_id: instance.clone(), device: "/dev/sdf".to_owned() };
        attach_volume(&mut model, request).unwrap();
        let expected = BTreeMap::from([(PathBuf::from("/mnt/sdf"), PathBuf::from(format!("/lab/volumes/{data}")))]);
        assert_eq!(places().seen(&model, &instance), expected);
        let root = model.volumes_of(&instance).into_iter().find(|(volume, _)| volume.id != data).unwrap().0;
        assert_eq!(places().of(&model, root), PathBuf::from(format!("/lab/disks/{instance}")));
    }

    #[test]
    fn a_snapshot_is_of_where_its_volume_lay_and_begins_others() {
        let (mut model, instance) = with_instance();
        let root = model.volumes_of(&instance)[0].0.id.clone();
        let before = model.clone();
        let taken = snapshot(&mut model, &root);
        let made = volume(&mut model, &instance, Some(taken.clone()));
        // The instance ends with the same change.
        terminate_instances(&mut model, &[instance.clone()]).unwrap();
        model.advance_to(model.context.now.plus(10));
        let all = places().arrange(Some(&before), &model);
        let at = |text: String| PathBuf::from(text);
        assert_eq!(all.snapshots, [(at(format!("/lab/disks/{instance}")), at(format!("/lab/volumes/{taken}")))]);
        assert_eq!(all.beginnings, [(at(format!("/lab/volumes/{taken}")), at(format!("/lab/volumes/{made}")))]);
        assert_eq!(places().arrange(Some(&model), &model), Arrangement::default(), "what is done is done");
    }

    #[test]
    fn a_root_volume_that_outlives_its_instance_becomes_a_folder_of_its_own() {
        let (mut model, instance) = with_instance();
        let device = model.instances[&instance].root_device_name.clone();
        let keep = ModifyInstanceAttribute { delete_on_termination: vec![(device, false)], ..ModifyInstanceAttribute::of(instance.clone()) };
        modify_instance_attribute(&mut model, keep).unwrap();
        let root = model.volumes_of(&instance)[0].0.id.clone();
        let before = model.clone();
        terminate_instances(&mut model, &[instance.clone()]).unwrap();
        model.advance_to(model.context.now.plus(10));
        let all = places().arrange(Some(&before), &model);
        let moved = (PathBuf::from(format!("/lab/disks/{instance}")), PathBuf::from(format!("/lab/volumes/{root}")));
        assert_eq!(all.moves, [moved]);
        assert!(places().kept(&model).contains(root.as_str()));
    }
}
