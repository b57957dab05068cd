//! Sockets of running labs on which Docker's clients are answered: one for a lab, one for each of its instances.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use docker::serve::Door;
use docker::state::Shared;
use docker::{Api, Docker, Scope};
use fabric::Fabric;
use model::{InstanceState, Model};

use crate::api::LabView;
use crate::instance;
use crate::paths::Paths;

/// The doors of all labs.
pub struct Doors {
    paths: Paths,
    all: Mutex<BTreeMap<String, Lab>>,
}

/// The doors of one lab; dropped, they close.
struct Lab {
    generation: u64,
    engine: Arc<container::engine::Engine>,
    shared: Arc<Shared>,
    names: Arc<Mutex<BTreeMap<String, String>>>,
    /// By the holder's key of the instance; none: the lab's own.
    doors: BTreeMap<Option<String>, Door>,
}

impl Doors {
    /// Of this user's labs.
    pub fn new(paths: Paths) -> Doors {
        Doors { paths, all: Mutex::default() }
    }

    /// Opens and closes what has to be, for these labs. Called within a runtime, where waiting is no harm.
    pub fn tend(&self, labs: &[Arc<LabView>]) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| labs.iter().any(|lab| lab.is_up && lab.name == *name));
        for lab in labs.iter().filter(|lab| lab.is_up) {
            if all.get(&lab.name).is_some_and(|known| known.generation == lab.model.generation && known.is_connected()) {
                continue;
            }
            if let Err(error) = self.open(&mut all, lab) {
                // One that goes meanwhile has no folder for them any more.
                if self.paths.logs(&lab.name).exists() {
                    sandbox::say!("docker's sockets of lab {}: {error}", lab.name);
                }
                all.remove(&lab.name);
            }
        }
    }

    fn open(&self, all: &mut BTreeMap<String, Lab>, lab: &LabView) -> Result<(), String> {
        let fabric = Fabric::compile(&lab.model);
        let names = names(&lab.model);
        if all.get(&lab.name).is_some_and(|known| !known.is_connected()) {
            // Its holder is another one: what was open leads nowhere.
            all.remove(&lab.name);
        }
        if !all.contains_key(&lab.name) {
            let engine = super::engine(&self.paths, &lab.name, &fabric).map_err(|error| error.to_string())?;
            let shared = Shared::new(&engine).map_err(|error| error.to_string())?;
            let new = Lab {
                generation: lab.model.generation,
                engine: Arc::new(engine),
                shared: Arc::new(shared),
                names: Arc::default(),
                doors: BTreeMap::new(),
            };
            all.insert(lab.name.clone(), new);
        }
        let Some(known) = all.get_mut(&lab.name) else { return Ok(()) };
        *known.engine.resolvers.lock().unwrap_or_else(PoisonError::into_inner) = instance::resolvers(&fabric);
        known.names.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&names);
        known.generation = lab.model.generation;
        let wanted: BTreeMap<Option<String>, PathBuf> = std::iter::once((None, self.paths.docker_socket(&lab.name, None)))
            .chain(names.keys().map(|key| (Some(key.clone()), self.paths.docker_socket(&lab.name, Some(&file_name(key, &names))))))
            .collect();
        known.doors.retain(|key, door| wanted.get(key).is_some_and(|path| path == door.path()));
        for (key, path) in wanted {
            if known.doors.contains_key(&key) {
                continue;
            }
            let scope = Scope { lab: lab.name.clone(), only: key.clone(), names: known.names.clone() };
            let api = Api::new(Docker { engine: known.engine.clone(), scope, shared: known.shared.clone() });
            let opened = self.paths.make_parent(&lab.name, &path).and_then(|()| Door::open(&path, api));
            let door = opened.map_err(|error| format!("listening on {}: {error}", path.display()))?;
            known.doors.insert(key, door);
        }
        Ok(())
    }
}

impl Lab {
    fn is_connected(&self) -> bool {
        !self.engine.client.is_lost()
    }
}

/// Names of instances that are there, by the holder's keys.
fn names(model: &Model) -> BTreeMap<String, String> {
    let gone = model.instances.values().filter(|instance| instance.state == InstanceState::Terminated);
    let gone: Vec<String> = gone.map(|instance| linux::naming::instance_namespace(&instance.id)).collect();
    let mut names = super::instance_names(model);
    names.retain(|key, _| !gone.contains(key));
    names
}

/// An instance's name where it is one file's and nobody else's; else its id.
pub fn file_name(key: &str, names: &BTreeMap<String, String>) -> String {
    let id = || key.rsplit('/').next().unwrap_or(key).to_owned();
    let Some(name) = names.get(key) else { return id() };
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('.');
    let is_alone = names.values().filter(|other| *other == name).count() == 1;
    if is_plain && is_alone { name.clone() } else { id() }
}

/// The socket of a lab or of an instance (by its key), whether somebody listens there or not.
pub fn socket(paths: &Paths, lab: &str, model: &Model, key: Option<&str>) -> PathBuf {
    let name = key.map(|key| file_name(key, &names(model)));
    paths.docker_socket(lab, name.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_when_it_is_plain_and_nobody_elses() {
        let names = [("instance/i-1", "web-1"), ("instance/i-2", "web-2"), ("instance/i-3", "web-2"), ("instance/i-4", "a/b"), ("instance/i-5", "..")];
        let names: BTreeMap<String, String> = names.map(|(key, name)| (key.to_owned(), name.to_owned())).into();
        let found: Vec<String> = names.keys().map(|key| file_name(key, &names)).collect();
        assert_eq!(found, ["web-1", "i-2", "i-3", "i-4", "i-5"]);
    }
}
