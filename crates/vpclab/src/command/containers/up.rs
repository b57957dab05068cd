//! What `up` does with the containers of the lab file, once their instances run.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use container::engine::{Error, lab};
use container::{Digest, Image, Store};
use control::containers::{Reconcile, Step};
use fabric::Fabric;
use model::Model;
use model::container::ImageSource;

use super::{failed, images, run};
use crate::command::running::paths;
use crate::exit::{self, Failure, Result};
use crate::output::Output;

/// Makes the containers of a lab what its file says; what was done. `wait`: until those that say so are healthy.
pub fn bring(lab_name: &str, model: &Model, wait: bool, deadline: Instant, output: &Output) -> Result<Vec<Step>> {
    let paths = paths()?;
    let has_any = lab::folder(&paths.logs(lab_name)).root().exists();
    if model.containers.is_empty() && model.volumes.is_empty() && !has_any {
        return Ok(Vec::new());
    }
    let engine = control::containers::engine(&paths, lab_name, model, &Fabric::compile(model)).map_err(|error| failed(&error))?;
    let mut steps = Vec::new();
    let mut image = |name: &str| find(&engine.store, model, name, output).map(|image| image.id);
    let mut say = |step: Step| match step {
        Step::Warning(text) => output.note(text),
        step => steps.push(step),
    };
    let mut reconcile = Reconcile { engine: &engine, model, image: &mut image, say: &mut say, deadline };
    let done = reconcile.run().and_then(|()| if wait { reconcile.wait_for_health() } else { Ok(()) });
    match done {
        Ok(()) => Ok(steps),
        Err(error) => {
            // What was done before is told all the same.
            steps.iter().for_each(|step| output.line(step.to_string()));
            Err(match error {
                // `up` has codes of its own; a container's is in the sentence.
                Error::NotStarted { .. } => Failure { code: exit::NO, ..run::not_started(&error) },
                Error::Conflict(_) => Failure { code: exit::NO, ..failed(&error) },
                error => failed(&error),
            })
        }
    }
}

/// The image that a spec means: by the lab's own name for it, or by its reference.
fn find(store: &Store, model: &Model, name: &str, output: &Output) -> std::result::Result<Image, Error> {
    let here_or_pulled = |reference: &str| match store.find(reference) {
        Err(container::Error::NoImage(_)) => {
            let why = |failure: Failure| Error::Conflict(format!("image {name}: {}", failure.message));
            images::bring(store, reference, output).map_err(why)
        }
        found => found.map_err(Error::from),
    };
    match model.container_images.get(name).map(|image| &image.source) {
        None => here_or_pulled(name),
        Some(ImageSource::Pull(reference)) => here_or_pulled(reference),
        Some(ImageSource::Archive(path)) => load(store, Path::new(path)),
        Some(ImageSource::Build(path)) => {
            let why = format!("image {name}: vpclab does not build images yet ({path}); docker build and docker save it, and write archive:");
            Err(Error::Conflict(why))
        }
    }
}

fn load(store: &Store, path: &Path) -> std::result::Result<Image, Error> {
    let options = container::load::Options::default();
    let images = if path.is_dir() {
        container::load::folder(store, path, &options)?
    } else {
        let file = File::open(path).map_err(Error::io(format!("reading {}", path.display())))?;
        container::load::archive(store, file, &path.display().to_string(), &options)?
    };
    let ids: std::collections::BTreeSet<Digest> = images.iter().map(|image| image.id).collect();
    match (ids.len(), images.into_iter().next()) {
        (1, Some(image)) => Ok(image),
        (count, _) => Err(Error::Conflict(format!("{} has {count} images, and one is needed", path.display()))),
    }
}
