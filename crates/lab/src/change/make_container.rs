//! Volumes, images and containers as the target has them.

use std::collections::BTreeMap;

use model::operation::*;
use model::*;

use super::transition::{Step, Transition};

impl Transition<'_> {
    /// Volumes and images come before the containers that name them.
    pub(super) fn make_volumes(&mut self) -> Step {
        let target = &self.target.model;
        for (name, volume) in &target.volumes {
            if self.model.volumes.get(name) != Some(volume) {
                let result = set_volume(self.model, name, volume.clone());
                self.op(name, result)?;
            }
        }
        for (name, image) in &target.container_images {
            if self.model.container_images.get(name) != Some(image) {
                let result = set_container_image(self.model, name, image.clone());
                self.op(name, result)?;
            }
        }
        Ok(())
    }

    /// And go after them.
    pub(super) fn forget_volumes(&mut self) -> Step {
        let target = &self.target.model;
        let gone: Vec<_> = self.model.volumes.keys().filter(|name| !target.volumes.contains_key(*name)).cloned().collect();
        for name in gone {
            let result = remove_volume(self.model, &name);
            self.op(&name, result)?;
        }
        let images = self.model.container_images.keys();
        let gone: Vec<_> = images.filter(|name| !target.container_images.contains_key(*name)).cloned().collect();
        for name in gone {
            let result = remove_container_image(self.model, &name);
            self.op(&name, result)?;
        }
        Ok(())
    }

    /// What runs in an instance: its own listeners and its containers, which share its ports.
    pub(super) fn make_guest(&mut self, name: &str, id: &InstanceId, there: &InstanceId) -> Step {
        let target = &self.target.model;
        let containers = target.containers.get(there).cloned().unwrap_or_default();
        let differ = self.model.containers.get(id).cloned().unwrap_or_default() != containers;
        if differ && self.model.containers.contains_key(id) {
            // A port may pass from a container to a listener: nothing is told of the moment between.
            let result = set_containers(self.model, id, BTreeMap::new());
            self.op(name, result)?;
        }
        let guest = target.guests.get(there).cloned().unwrap_or_default();
        if self.model.guests.get(id).cloned().unwrap_or_default() != guest {
            let result = set_guest(self.model, id, guest);
            self.op(name, result)?;
        }
        if differ && !containers.is_empty() {
            let result = set_containers(self.model, id, containers);
            self.op(name, result)?;
        }
        Ok(())
    }
}
