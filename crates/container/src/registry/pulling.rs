//! An image out of a registry into the store.

use std::collections::BTreeSet;

use super::manifest::{Found, find};
use super::source::Sources;
use super::{Event, Job, Progress, Settings, State, blob};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::oci::{self, Config, Descriptor};
use crate::reference::Reference;
use crate::store::{Image, Store, parse};

/// What a pull came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// The image, with all of its names.
    pub image: Image,
    /// The name that it has now.
    pub name: Reference,
    /// What the name stands for in the registry: digest of a manifest, or of a list of them.
    pub digest: Digest,
    /// Who had it: the registry or a mirror.
    pub source: String,
    /// Whether the name stood for something else before, or for nothing.
    pub is_new: bool,
}

/// Brings the image that `reference` names, and gives it that name. Of an image that is there no layer is asked for. What an
/// interrupted pull had got is gone on with.
///
/// # Errors
/// What the registry does not give ([`super::Failure`]), or gives as something else than its digest says; nothing has a name
/// then that had none before.
pub fn pull(
    store: &Store,
    reference: &Reference,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let job = Job::new(settings, progress);
    // As a digest says all, a tag beside it says nothing.
    let tag = reference.tag.clone().filter(|_| reference.digest.is_none());
    let name = Reference {
        tag,
        ..reference.clone()
    };
    let session = store.session()?;
    let sources = Sources::of(&job, &name);
    let found =
        sources.ask(|client| find(client, &name, settings.platform.as_ref(), &store.limits))?;
    let what = format!("image {}", name.familiar());
    let known = store
        .images()?
        .into_iter()
        .find(|image| image.id == found.manifest.config.digest);
    let (image, is_new) = match known {
        Some(image) => {
            check_platform(settings, &image.config, &what)?;
            let is_new = !image.names.contains(&name);
            (store.also(&session, &image, &name)?, is_new)
        }
        None => {
            bring(store, &sources, &job, &found, &what)?;
            let work = store.work()?;
            store.put(&work, &found.bytes, "a manifest")?;
            (
                store.add(&session, &found.descriptor, std::slice::from_ref(&name))?,
                true,
            )
        }
    };
    Ok(Pulled {
        image,
        name,
        digest: found.digest,
        source: found.source,
        is_new,
    })
}

/// Configuration and layers, each compared with its digest; what the layers unpack to is seen when the image is added.
fn bring(store: &Store, sources: &Sources, job: &Job, found: &Found, what: &str) -> Result<()> {
    let described = &found.manifest.config;
    if !described.media_type.is_empty()
        && !matches!(
            described.media_type.as_str(),
            oci::CONFIG | oci::DOCKER_CONFIG
        )
    {
        let why = format!(
            "it is `{}`, and no image of a container",
            described.media_type.escape_debug()
        );
        return Err(Error::malformed(what, why));
    }
    if described.size > store.limits.document {
        let limit = crate::limits::size(store.limits.document);
        return Err(Error::Limit {
            what: format!("configuration {}", described.digest),
            limit,
        });
    }
    let layers = &found.manifest.layers;
    if let Some(foreign) = layers.iter().find(|layer| !layer.urls.is_empty()) {
        let why = "it is to be fetched from elsewhere, which is not done";
        return Err(Error::malformed(format!("layer {}", foreign.digest), why));
    }
    if let Some(large) = layers.iter().find(|layer| layer.size > store.limits.bytes) {
        return Err(Error::Limit {
            what: format!("layer {}", large.digest),
            limit: crate::limits::size(store.limits.bytes),
        });
    }
    blob::fetch(store, sources, job, described, "configuration")?;
    let bytes = store
        .blobs()
        .read(&described.digest, store.limits.document)?;
    let config: Config = parse(&bytes, &format!("configuration {}", described.digest))?;
    crate::load::check_count(store, &config, layers.len(), what)?;
    check_platform(job.settings, &config, what)?;
    let mut seen = BTreeSet::new();
    let layers: Vec<&Descriptor> = layers
        .iter()
        .filter(|layer| seen.insert(layer.digest))
        .collect();
    let (there, missing): (Vec<&Descriptor>, Vec<&Descriptor>) = layers
        .into_iter()
        .partition(|layer| store.blobs().size(&layer.digest) == Some(layer.size));
    let bytes = missing.iter().map(|layer| layer.size).sum();
    job.progress.event(Event::Begins {
        blobs: missing.len(),
        bytes,
    });
    for layer in there {
        job.progress.event(Event::Blob {
            digest: &layer.digest,
            size: layer.size,
            state: State::There,
        });
    }
    for layer in &missing {
        job.progress.event(Event::Blob {
            digest: &layer.digest,
            size: layer.size,
            state: State::Missing,
        });
    }
    job.each(&missing, |layer| {
        blob::fetch(store, sources, job, layer, "layer")
    })
}

/// A platform that was asked for is not taken as a wish.
fn check_platform(settings: &Settings, config: &Config, what: &str) -> Result<()> {
    let Some(wanted) = &settings.platform else {
        return Ok(());
    };
    let is_right = wanted.os == config.os && wanted.architecture == config.architecture;
    if is_right {
        return Ok(());
    }
    Err(Error::malformed(
        what,
        format!(
            "there is none for {wanted}, only for {}/{}",
            config.os, config.architecture
        ),
    ))
}
