//! An image of what a container wrote: its writable layer above its image's layers, and what it was asked to be.

use std::fs::File;

use super::changes::places;
use super::error::{Error, Result};
use super::events::Event;
use super::lab::Engine;
use super::owners;
use super::record::{Record, Status};
use super::time::Moment;
use crate::blob::Pending;
use crate::build::config;
use crate::digest::Hashing;
use crate::oci::{Config, Descriptor, History, Process};
use crate::reference::Reference;
use crate::store::{Image, Store};
use crate::work::Work;

/// What is said of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitOptions {
    /// Who made it.
    pub author: Option<String>,
    /// A remark for its history.
    pub message: Option<String>,
    /// Instructions as in a Dockerfile, such as `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// A container that runs stands still meanwhile.
    pub pause: bool,
    /// What to call the image.
    pub reference: Option<Reference>,
}

impl Engine {
    /// Makes an image of a container, which may run. What lies in volumes is not in it. Errors: a change that cannot be one; the
    /// container's image is gone.
    pub fn commit(&self, record: &Record, options: &CommitOptions) -> Result<Image> {
        let image = self.store.find(&record.image.id.to_string())?;
        let mut process = process(record, image.config.config.clone().unwrap_or_default());
        config::apply_changes(&mut process, &options.changes).map_err(|error| {
            Error::option("--change", options.changes.join("; "), error.to_string())
        })?;
        let session = self.store.session()?;
        let work = self.store.work()?;
        let is_paused = options.pause
            && self
                .folder
                .read(&record.id)?
                .is_some_and(|now| now.state.status == Status::Running);
        // It may have ended meanwhile: then nothing writes either.
        let is_paused = is_paused && self.pause(&record.id).is_ok();
        let layer = self.layer(record, &work, None);
        if is_paused {
            self.unpause(&record.id)?;
        }
        let step = History {
            created: Some(Moment::now().to_string()),
            created_by: Some(record.settings.arguments().join(" ")),
            comment: options.message.clone(),
            empty_layer: false,
        };
        let made = next(
            &self.store,
            &image,
            process,
            options.author.clone(),
            step,
            layer?,
        )?;
        let (config, layers) = made;
        let manifest = self.store.describe(&work, &config, &layers)?;
        let names: Vec<Reference> = options.reference.iter().cloned().collect();
        let made = self.store.add(&session, &manifest, &names)?;
        let called = names.first().map(Reference::familiar).unwrap_or_default();
        let event = Event::of(record, "commit")
            .with("comment", options.message.as_deref().unwrap_or_default())
            .with("imageID", made.id.to_string())
            .with("imageRef", called);
        self.events.say(&event);
        Ok(made)
    }

    /// What a container wrote, as a layer that is not in the store yet; none where it wrote nothing. `latest`: no time in it is
    /// later, seconds since 1970.
    pub(crate) fn layer(
        &self,
        record: &Record,
        work: &Work,
        latest: Option<i64>,
    ) -> Result<Option<Pending>> {
        let upper = self.folder.of(&record.id).join("upper");
        if std::fs::symlink_metadata(&upper).is_err() {
            return Ok(None);
        }
        let path = work.fresh();
        let making = || format!("making {}", path.display());
        let file = File::create_new(&path).map_err(Error::io(making()))?;
        owners::layer(&upper, &places(record), latest, file)?;
        let mut hashing = Hashing::new(File::open(&path).map_err(Error::io(making()))?);
        std::io::copy(&mut hashing, &mut std::io::sink()).map_err(Error::io(making()))?;
        let (_, digest, bytes) = hashing.finish();
        let pending = Pending::of_file(path, digest, bytes);
        // Two blocks of zeros are a tar with nothing in it.
        Ok((pending.bytes > 1_024).then_some(pending))
    }
}

/// The configuration and the layers of an image one step further.
pub(crate) fn next(
    store: &Store,
    image: &Image,
    process: Process,
    author: Option<String>,
    mut step: History,
    layer: Option<Pending>,
) -> crate::Result<(Config, Vec<Descriptor>)> {
    let mut config = Config {
        created: step.created.clone(),
        author: author.or_else(|| image.config.author.clone()),
        config: Some(process),
        ..image.config.clone()
    };
    let mut layers = image.layers.clone();
    step.empty_layer = layer.is_none();
    if let Some(layer) = layer {
        layers.push(crate::import::descriptor(crate::oci::LAYER, &layer));
        config.rootfs.diff_ids.push(layer.digest);
        store.blobs().keep(layer)?;
    }
    config.history.get_or_insert_default().push(step);
    Ok((config, layers))
}

/// What a container of the new image does: what this one was asked to do, over what its image says.
fn process(record: &Record, image: Process) -> Process {
    let (options, settings) = (&record.options, &record.settings);
    let words = |words: &[String]| Some(words.to_vec()).filter(|words| !words.is_empty());
    let mut process = Process {
        user: Some(settings.user.clone()).filter(|user| !user.is_empty()),
        entrypoint: words(&settings.entrypoint),
        cmd: words(&settings.command),
        working_dir: Some(settings.working_directory.clone())
            .filter(|path| path != "/")
            .or(image.working_dir.clone()),
        labels: Some(settings.labels.clone()).filter(|labels| !labels.is_empty()),
        stop_signal: options.stop_signal.clone().or(image.stop_signal.clone()),
        ..image
    };
    for variable in &options.environment {
        let all = process.env.get_or_insert_default();
        match variable.split_once('=') {
            Some((name, value)) => config::set_variable(all, name, value),
            None => all.retain(|one| one.split('=').next() != Some(variable)),
        }
    }
    for port in &settings.exposed {
        process
            .exposed_ports
            .get_or_insert_default()
            .insert(port.to_string(), serde_json::json!({}));
    }
    process
}
