//! An image out of the store into a registry, byte by byte as it is: its digests stay what they are.

use std::collections::BTreeSet;

use ureq::http::{Method, Uri};

use super::client::{Ask, Backoff, Client, Sent, Trouble};
use super::{Event, Job, Progress, Settings, State};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Manifest};
use crate::reference::Reference;
use crate::store::{Image, Store, parse};

/// What a push came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// The image.
    pub image: Image,
    /// Digest of its manifest, under which the registry has it too.
    pub digest: Digest,
    /// Blobs that the registry had before.
    pub there: usize,
    /// Blobs that it got.
    pub sent: usize,
}

/// Sends the image that has this name to where the name says.
///
/// # Errors
/// [`Error::NoImage`] if no image has this name; what the registry does not take ([`super::Failure`]).
pub fn push(
    store: &Store,
    name: &Reference,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let Some(tag) = name.tag.as_ref().filter(|_| name.digest.is_none()) else {
        let why = "an image is pushed by a tag; its digest is computed and not given";
        return Err(Error::Reference {
            text: name.familiar(),
            why: why.into(),
        });
    };
    let _session = store.session()?;
    let image = store
        .images()?
        .into_iter()
        .find(|image| image.names.contains(name));
    let image = image.ok_or_else(|| Error::NoImage(name.familiar()))?;
    let manifest_bytes = store
        .blobs()
        .read(&image.manifest.digest, store.limits.document)?;
    let manifest: Manifest = parse(
        &manifest_bytes,
        &format!("manifest {}", image.manifest.digest),
    )?;
    let mut seen = BTreeSet::new();
    let blobs = manifest
        .layers
        .iter()
        .chain([&manifest.config])
        .filter(|one| seen.insert(one.digest));
    let blobs: Vec<&Descriptor> = blobs.collect();
    for one in &blobs {
        store
            .blobs()
            .size(&one.digest)
            .ok_or(Error::NoBlob(one.digest))?;
    }
    let job = Job::new(settings, progress);
    let client = Client::connect(
        &job,
        &name.registry,
        &name.repository,
        "pull,push",
        settings.patience.tries,
    )?;
    progress.event(Event::Begins {
        blobs: blobs.len(),
        bytes: blobs.iter().map(|one| one.size).sum(),
    });
    let there = std::sync::atomic::AtomicUsize::new(0);
    job.each(&blobs, |one| {
        let kind = if one.digest == manifest.config.digest {
            "configuration"
        } else {
            "layer"
        };
        let is_there = send(store, &client, one, &format!("{kind} {}", one.digest))?;
        let state = if is_there { State::There } else { State::Done };
        progress.event(Event::Blob {
            digest: &one.digest,
            size: one.size,
            state,
        });
        there.fetch_add(is_there.into(), std::sync::atomic::Ordering::Relaxed);
        Ok(())
    })?;
    let what = format!("a place for image {}", name.familiar());
    let response = client.request(&Ask {
        method: Method::PUT,
        uri: client.uri(&format!("manifests/{tag}"))?,
        headers: vec![("content-type", image.manifest.media_type.clone())],
        body: Sent::Bytes(&manifest_bytes),
        what: what.clone(),
        accepted: &[],
    })?;
    let told = response
        .headers()
        .get("docker-content-digest")
        .and_then(|value| value.to_str().ok());
    if let Some(found) = told.and_then(|digest| digest.parse::<Digest>().ok()) {
        found.expect(
            &image.manifest.digest,
            &format!("what {} made of image {}", client.registry, name.familiar()),
        )?;
    }
    let there = there.into_inner();
    Ok(Pushed {
        digest: image.manifest.digest,
        there,
        sent: blobs.len() - there,
        image,
    })
}

/// Sends a blob unless it is there; whether it was.
fn send(store: &Store, client: &Client, one: &Descriptor, what: &str) -> Result<bool> {
    let place = format!("a place for {what}");
    let head = Ask {
        method: Method::HEAD,
        uri: client.uri(&format!("blobs/{}", one.digest))?,
        headers: Vec::new(),
        body: Sent::None,
        what: what.to_owned(),
        accepted: &[404],
    };
    if client.request(&head)?.status().as_u16() != 404 {
        return Ok(true);
    }
    let mut backoff = Backoff::new(client.tries, &client.job.settings.patience);
    // Each try begins an upload of its own: of one that broke off nobody knows how far it came.
    loop {
        match upload(store, client, one, &place) {
            Ok(()) => return Ok(false),
            Err(trouble) => backoff.after(client.job, trouble)?,
        }
    }
}

fn upload(store: &Store, client: &Client, one: &Descriptor, what: &str) -> Result<(), Trouble> {
    let begin = Ask {
        method: Method::POST,
        uri: client.uri("blobs/uploads/")?,
        headers: Vec::new(),
        body: Sent::Bytes(b""),
        what: what.to_owned(),
        accepted: &[],
    };
    let response = client.once(&begin)?;
    let location = client.located(response.headers(), &begin.uri)?;
    let between = if location.query().is_some() { '&' } else { '?' };
    let uri: Uri = format!("{location}{between}digest={}", one.digest)
        .parse()
        .map_err(|_| client.odd("the place for a blob is no address"))?;
    let file = store.blobs().open(&one.digest)?;
    client.once(&Ask {
        method: Method::PUT,
        uri,
        headers: vec![("content-type", "application/octet-stream".into())],
        body: Sent::File(&file, one.size, &one.digest),
        what: what.to_owned(),
        accepted: &[],
    })?;
    Ok(())
}
