//! Volumes and snapshots of EBS, and machine images, as rows.

use model::{EbsVolume, Image, Model, image, tag};

/// Volumes, then snapshots.
pub fn volumes(model: &Model) -> Vec<Vec<String>> {
    let gib = |size: u32| format!("{size} GiB");
    let volume = |volume: &EbsVolume| {
        let at = volume.attachments.first();
        let instance = at.map(|at| &at.instance_id);
        let instance = instance.and_then(|id| model.instances.get(id)).map(|i| tag::name(&i.tags).unwrap_or(i.id.as_str()));
        let goes = at.map(|at| if at.delete_on_termination { "yes" } else { "no" });
        vec![
            tag::name(&volume.tags).unwrap_or(volume.id.as_str()).to_owned(),
            "volume".to_owned(),
            gib(volume.spec.size_gib),
            volume.spec.kind.as_str().to_owned(),
            volume.status().to_owned(),
            instance.unwrap_or("-").to_owned(),
            at.map_or("-", |at| at.device.as_str()).to_owned(),
            goes.unwrap_or("-").to_owned(),
            volume.availability_zone.clone(),
            volume.id.to_string(),
        ]
    };
    let snapshots = model.ebs_snapshots.values().map(|snapshot| {
        let nothing = || "-".to_owned();
        vec![
            tag::name(&snapshot.tags).unwrap_or(snapshot.id.as_str()).to_owned(),
            "snapshot".to_owned(),
            gib(snapshot.size_gib),
            nothing(),
            snapshot.status(model.context.now).to_owned(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            snapshot.id.to_string(),
        ]
    });
    model.ebs_volumes.values().map(volume).chain(snapshots).collect()
}

/// The account's own images, and those on offer in its region.
pub fn images(model: &Model) -> Vec<Vec<String>> {
    let row = |image: Image| {
        let is_own = model.images.contains_key(&image.id);
        let is_pending = model.context.now < image.available_at;
        let disks: Vec<String> = image
            .block_devices
            .iter()
            .map(|device| format!("{} {} GiB", device.device_name, device.size_gib.unwrap_or_default()))
            .collect();
        vec![
            image.name.to_string(),
            image.architecture.as_str().to_owned(),
            if is_own { "self".to_owned() } else { image.owner_alias.as_ref().unwrap_or(&image.owner_id).to_string() },
            if is_pending { "pending" } else { "available" }.to_owned(),
            image.root_device_name.to_string(),
            disks.join(", "),
            image.id.to_string(),
        ]
    };
    let own = model.images.values().cloned();
    own.chain(image::offered(&model.region)).map(row).collect()
}
