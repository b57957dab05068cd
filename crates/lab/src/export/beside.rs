//! What the API makes beside networks and instances, and a lab file has no word for: disks, images, templates, requests.

use std::collections::BTreeSet;

use model::ebs::{EbsVolume, VolumeState, VolumeType};
use model::image::default_for;
use model::instance_type::Architecture;
use model::spot::SpotState;
use model::Instance;

use super::Writer;

impl Writer<'_> {
    /// Says what of it there is.
    pub(super) fn beside(&mut self) {
        let model = self.model;
        for volume in model.ebs_volumes.values().filter(|volume| volume.state != VolumeState::Deleting) {
            let (id, size, kind) = (&volume.id, volume.spec.size_gib, volume.spec.kind.as_str());
            match volume.attachments.first().map(|attachment| (attachment, model.instances.get(&attachment.instance_id))) {
                None => self.unsaid(format!("{id}: a volume of {size} GiB that no instance has")),
                Some((at, Some(instance))) if at.device == instance.root_device_name => {
                    if !self.is_as_launched(volume) {
                        self.unsaid(format!("{id}: that the disk of {} is {size} GiB of {kind}", instance.id));
                    }
                }
                Some((at, _)) => self.unsaid(format!("{id}: a volume of {size} GiB at {} as {}", at.instance_id, at.device)),
            }
        }
        for snapshot in model.ebs_snapshots.values() {
            self.unsaid(format!("{}: a snapshot of {}", snapshot.id, snapshot.volume_id));
        }
        for image in model.images.values() {
            self.unsaid(format!("{} ({}): an image of the account's own", image.id, image.name));
        }
        for template in model.launch_templates.values() {
            self.unsaid(format!("{} ({}): a launch template", template.id, template.name));
        }
        for reservation in model.subnet_cidr_reservations.values() {
            self.unsaid(format!("{}: that {} of {} is kept back", reservation.id, reservation.cidr, reservation.subnet_id));
        }
        for request in model.spot_instance_requests.values().filter(|request| request.state != SpotState::Closed) {
            self.unsaid(format!("{}: the request at the spot price that {} came of", request.id, request.instance_id));
        }
        let used: BTreeSet<_> = model.vpcs.values().filter_map(|vpc| vpc.dhcp_options_id.as_ref()).collect();
        for options in model.dhcp_options.values().filter(|options| !used.contains(&options.id)) {
            if !self.is_of_every_region(options) {
                self.unsaid(format!("{}: DHCP options that no VPC has", options.id));
            }
        }
        let instances: Vec<&Instance> = self.instances_of().collect();
        for instance in instances {
            let settings = settings(instance);
            if !settings.is_empty() {
                self.unsaid(format!("{}: {}", instance.id, settings.join(", ")));
            }
        }
    }

    /// Whether a launch from a lab file gives an instance such a disk.
    fn is_as_launched(&self, volume: &EbsVolume) -> bool {
        let image = self.model.image(&default_for(&self.model.region, Architecture::X86_64));
        let Some(root) = image.as_ref().and_then(|image| image.root()) else { return false };
        let spec = &volume.spec;
        let same = |wanted: Option<u32>, has: Option<u32>| wanted.is_none_or(|wanted| has == Some(wanted));
        root.size_gib.is_none_or(|size| size == spec.size_gib)
            && root.kind.unwrap_or(VolumeType::Gp2) == spec.kind
            && same(root.iops, spec.iops)
            && same(root.throughput, spec.throughput)
            && !volume.encrypted
    }
}

/// Settings of an instance that a lab file has no key for.
fn settings(instance: &Instance) -> Vec<&'static str> {
    let options = &instance.options;
    let all = [
        (instance.disable_api_termination, "that it is protected from termination"),
        (instance.disable_api_stop, "that it is protected from being stopped"),
        (instance.terminate_on_shutdown, "that it ends when it shuts down"),
        (instance.monitoring, "its detailed monitoring"),
        (options.is_dedicated, "its dedicated hardware"),
        (options.cpu.is_some(), "its number of cores and threads"),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, says)| says).collect()
}
