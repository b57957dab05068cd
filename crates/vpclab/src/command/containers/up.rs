//! What `up` does with the containers of the lab file, once their instances run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use container::build::{self, Build, BuildOptions, Context, Progress};
use container::engine::{Engine, Error, lab};
use container::{Digest, Image, Store};
use control::containers::{Reconcile, Step};
use fabric::Fabric;
use model::container::{ContainerSpec, ImageBuild, ImageSource};
use model::{InstanceId, InstanceState, Model};

use super::{failed, images, run};
use crate::command::running::paths;
use crate::exit::{self, Failure, Result};
use crate::output::Output;

/// Makes the containers of a lab what its file says; what was done. `wait`: until those that say so are healthy.
pub fn bring(lab_name: &str, model: &Model, wait: bool, deadline: Instant, output: &Output) -> Result<Vec<Step>> {
    let paths = paths()?;
    if model.containers.is_empty() && model.volumes.is_empty() {
        let there = lab::folder(&paths.logs(lab_name)).list().map_err(|error| failed(&error))?;
        if there.is_empty() {
            return Ok(Vec::new());
        }
    }
    let engine = control::containers::engine(&paths, lab_name, &Fabric::compile(model)).map_err(|error| match error {
        Error::Sandbox(sandbox::Error::NotRunning { .. }) => {
            Failure::environment(format!("lab {lab_name} was taken down meanwhile, before its containers were there")).hint("vpclab up")
        }
        error => failed(&error),
    })?;
    let mut steps = Vec::new();
    // Several containers of one image need it once.
    let mut found: BTreeMap<String, Digest> = BTreeMap::new();
    let mut image = |name: &str| match found.get(name) {
        Some(id) => Ok(*id),
        None => {
            let id = find(lab_name, &engine, model, name, output)?.id;
            found.insert(name.to_owned(), id);
            Ok(id)
        }
    };
    let mut say = |step: Step| match step {
        Step::Warning(text) => output.note(text),
        Step::Waiting(_) => output.note(step.to_string()),
        step => steps.push(step),
    };
    let mut reconcile = Reconcile { engine: &engine, model, image: &mut image, say: &mut say, deadline };
    let done = reconcile.run().and_then(|()| if wait { reconcile.wait_for_health() } else { Ok(()) });
    match done {
        Ok(()) => Ok(steps),
        Err(error) => {
            // What was done before is told all the same.
            steps.iter().for_each(|step| output.line(step.to_string()));
            Err(match &error {
                // `up` has codes of its own; a container's is in the sentence.
                Error::NotStarted { .. } => Failure { code: exit::NO, ..run::not_started(&error) },
                // What to type is behind what is wrong.
                Error::Conflict(text) => match text.rsplit_once(": vpclab ") {
                    Some((why, command)) => Failure { code: exit::NO, message: why.to_owned(), hint: None }.hint(format!("vpclab {command}")),
                    None => Failure { code: exit::NO, ..failed(&error) },
                },
                Error::Network(container::network::Error::PortTaken { .. }) => Failure { code: exit::NO, ..failed(&error) },
                _ => failed(&error),
            })
        }
    }
}

/// The image that a spec means: by the lab's own name for it, or by its reference.
fn find(lab: &str, engine: &Engine, model: &Model, name: &str, output: &Output) -> std::result::Result<Image, Error> {
    let store = &engine.store;
    let why = |failure: Failure| Error::Conflict(format!("image {name}: {}", failure.message));
    let here_or_pulled = |reference: &str| match store.find(reference) {
        Err(container::Error::NoImage(_)) => images::bring(store, reference, output).map_err(why),
        found => found.map_err(Error::from),
    };
    let Some(source) = model.container_images.get(name).map(|image| &image.source) else { return here_or_pulled(name) };
    match source {
        ImageSource::Pull(reference) => here_or_pulled(reference),
        ImageSource::Archive(path) => load(store, Path::new(path)),
        ImageSource::Build(_) | ImageSource::BuildWith(_) => match source.build() {
            Some(asked) => build(lab, engine, model, name, &asked, output),
            None => here_or_pulled(name),
        },
    }
}

/// Builds an image of the lab; its commands run in the first instance that has a container of it.
fn build(lab: &str, engine: &Engine, model: &Model, name: &str, asked: &ImageBuild, output: &Output) -> std::result::Result<Image, Error> {
    let is_running = |id: &InstanceId| model.instances.get(id).is_some_and(|instance| instance.state == InstanceState::Running);
    let wants = |specs: &BTreeMap<String, ContainerSpec>| specs.values().any(|spec| spec.image == name);
    let home = model.containers.iter().find(|(id, specs)| is_running(id) && wants(specs)).map(|(id, _)| linux::naming::instance_namespace(id));
    let options = BuildOptions {
        dockerfile: asked.dockerfile.clone(),
        arguments: asked.arguments.clone(),
        target: asked.target.clone(),
        // As compose does it: whoever looks at images sees whose it is.
        names: format!("{lab}-{name}").parse().into_iter().collect(),
        ..BuildOptions::default()
    };
    images::build::stop_on_signals(&options.cancel);
    let (mut step, mut said) = (String::new(), Vec::new());
    let mut progress = |progress: Progress| match progress {
        Progress::Step { text, .. } => step = text.lines().next().unwrap_or_default().to_owned(),
        Progress::Running(_) => {
            said.clear();
            output.note(format!("image {name}: {step}"));
        }
        Progress::Output(_, bytes) => said.extend(bytes),
        Progress::Note(text) => output.note(format!("image {name}: {text}")),
        _ => {}
    };
    let build = Build { context: Context::Folder(asked.context.clone().into()), options };
    let built = build.run(engine, &home.unwrap_or_default(), &mut progress);
    built.map_err(|error| {
        if matches!(error, build::Error::Failed { .. }) {
            let _ = std::io::stderr().write_all(&said);
        }
        Error::Conflict(format!("image {name}: {}", error.diagnostic()))
    })
}

/// An archive of images, the folder of an OCI layout, or the tar of a root file system.
fn load(store: &Store, path: &Path) -> std::result::Result<Image, Error> {
    let options = container::load::Options::default();
    if path.is_dir() {
        return only(path, container::load::folder(store, path, &options)?);
    }
    let open = || File::open(path).map_err(Error::io(format!("reading {}", path.display())));
    let what = path.display().to_string();
    match container::load::archive(store, open()?, &what, &options) {
        Err(container::Error::Malformed { why, .. }) if why.starts_with("it has neither") => {
            Ok(container::import::root_file_system(store, open()?, &what, &container::import::Settings::default())?)
        }
        images => only(path, images?),
    }
}

fn only(path: &Path, images: Vec<Image>) -> std::result::Result<Image, Error> {
    let ids: std::collections::BTreeSet<Digest> = images.iter().map(|image| image.id).collect();
    match (ids.len(), images.into_iter().next()) {
        (1, Some(image)) => Ok(image),
        (count, _) => Err(Error::Conflict(format!("{} has {count} images, and one is needed", path.display()))),
    }
}
