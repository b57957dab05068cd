//! Containers in a lab's instances: the engine of a lab that is up, who looks after it in the daemon, and the containers of
//! its file made so.

mod dock;
pub mod doors;
mod keepers;
mod options;
mod reconcile;

use std::collections::BTreeMap;

use container::Store;
use container::engine::{Engine, Error};
use fabric::Fabric;
use model::Model;

use crate::instance;
use crate::paths::Paths;

pub use doors::Doors;
pub use dock::dock;
pub use keepers::Keepers;
pub use reconcile::{Reconcile, Step, forget_terminated, pending};

/// The engine of a lab that is up, whose model is `fabric`'s.
pub fn engine(paths: &Paths, lab: &str, fabric: &Fabric) -> Result<Engine, Error> {
    let store = Store::open(&paths.images())?;
    let client = sandbox::Client::connect(&paths.holder_socket(lab))?;
    Ok(Engine::new(&paths.logs(lab), store, client, instance::resolvers(fabric)))
}

/// Names of instances by the holder's key for them.
pub fn instance_names(model: &Model) -> BTreeMap<String, String> {
    let name = |instance: &model::Instance| {
        model::tag::name(&instance.tags).map_or_else(|| instance.id.as_str().to_owned(), str::to_owned)
    };
    model.instances.values().map(|instance| (linux::naming::instance_namespace(&instance.id), name(instance))).collect()
}

/// Ids of images that containers of any lab are made of: those must stay.
pub fn images_in_use(paths: &Paths) -> Result<BTreeMap<container::Digest, Vec<String>>, Error> {
    let mut used: BTreeMap<container::Digest, Vec<String>> = BTreeMap::new();
    let entries = std::fs::read_dir(paths.home.join("labs")).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| !name.starts_with('.')) {
        for record in container::engine::lab::folder(&paths.logs(&name)).list()? {
            used.entry(record.image.id).or_default().push(format!("{} of lab {name}", record.name));
        }
    }
    Ok(used)
}
