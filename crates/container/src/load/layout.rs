//! OCI image layouts: `index.json` leads to manifests, and those to blobs by digest.

use super::contents::{Contents, Taken};
use super::{Options, check_count};
use crate::error::{Error, Result};
use crate::oci::{self, Config, Descriptor, FULL_NAME, Index, Manifest, Platform, REF_NAME};
use crate::reference::Reference;
use crate::store::{Store, parse};

/// Lists may name lists, but not for long.
const DEPTH: usize = 4;

/// Puts the blobs of every named image into the store; of one that is there for several machines, one.
pub fn read(
    store: &Store,
    contents: &mut impl Contents,
    what: &str,
    options: &Options,
) -> Result<Vec<(Descriptor, Vec<Reference>)>> {
    let list = contents.document("index.json")?.unwrap_or_default();
    let index: Index = parse(&list, &format!("{what}: index.json"))?;
    let platform = options.platform.clone().unwrap_or_else(Platform::host);
    let mut images: Vec<(Descriptor, Vec<Reference>)> = Vec::new();
    let mut passed = Vec::new();
    let mut any = 0;
    for descriptor in &index.manifests {
        if descriptor.platform.as_ref().is_some_and(is_attestation) {
            continue;
        }
        any += 1;
        let Some(manifest) = choose(store, contents, descriptor, &platform, &mut passed, DEPTH)?
        else {
            continue;
        };
        let names: Vec<Reference> = name_of(descriptor)?.into_iter().collect();
        match images
            .iter_mut()
            .find(|(known, _)| known.digest == manifest.digest)
        {
            Some((_, known)) => known.extend(
                names
                    .into_iter()
                    .filter(|name| !known.contains(name))
                    .collect::<Vec<_>>(),
            ),
            None => {
                image(store, contents, &manifest, what)?;
                images.push((manifest, names));
            }
        }
    }
    if images.is_empty() && any > 0 {
        passed.sort();
        passed.dedup();
        return Err(Error::malformed(
            what,
            format!(
                "it has no image for {platform}, only for {}",
                passed.join(", ")
            ),
        ));
    }
    Ok(images)
}

/// What builders say about images is listed like an image of no machine.
fn is_attestation(platform: &Platform) -> bool {
    platform.os == "unknown" && platform.architecture == "unknown"
}

/// The manifest for `platform` below a descriptor. One that names no platform is taken as it is.
fn choose(
    store: &Store,
    contents: &mut impl Contents,
    descriptor: &Descriptor,
    platform: &Platform,
    passed: &mut Vec<String>,
    depth: usize,
) -> Result<Option<Descriptor>> {
    if let Some(other) = descriptor
        .platform
        .as_ref()
        .filter(|other| !platform.runs(other))
    {
        passed.push(other.to_string());
        return Ok(None);
    }
    if oci::is_manifest(&descriptor.media_type) {
        return Ok(Some(Descriptor {
            annotations: Default::default(),
            ..descriptor.clone()
        }));
    }
    let what = format!("blob {}", descriptor.digest);
    if !oci::is_index(&descriptor.media_type) {
        return Err(Error::malformed(
            what,
            format!(
                "`{}` is not a kind of image",
                descriptor.media_type.escape_debug()
            ),
        ));
    }
    if depth == 0 {
        return Err(Error::malformed(what, "lists name lists without end"));
    }
    let Some(bytes) = blob(contents, descriptor, store.limits.document)? else {
        return Err(Error::malformed(what, "it is not in the layout"));
    };
    let index: Index = parse(&bytes, &what)?;
    for inner in index
        .manifests
        .iter()
        .filter(|inner| !inner.platform.as_ref().is_some_and(is_attestation))
    {
        if let Some(found) = choose(store, contents, inner, platform, passed, depth - 1)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn path_of(descriptor: &Descriptor) -> String {
    format!("blobs/sha256/{}", descriptor.digest.hex())
}

/// A small blob, compared with its digest.
fn blob(
    contents: &mut impl Contents,
    descriptor: &Descriptor,
    limit: u64,
) -> Result<Option<Vec<u8>>> {
    if descriptor.size > limit {
        return Err(Error::Limit {
            what: format!("blob {}", descriptor.digest),
            limit: crate::limits::size(limit),
        });
    }
    let Some(bytes) = contents.document(&path_of(descriptor))? else {
        return Ok(None);
    };
    crate::Digest::of(&bytes).expect(&descriptor.digest, &path_of(descriptor))?;
    Ok(Some(bytes))
}

/// Puts manifest, configuration and layers of one image into the store, each compared with its digest.
fn image(
    store: &Store,
    contents: &mut impl Contents,
    descriptor: &Descriptor,
    what: &str,
) -> Result<()> {
    let missing =
        |one: &Descriptor| Error::malformed(what, format!("blob {} is not in it", one.digest));
    let bytes =
        blob(contents, descriptor, store.limits.document)?.ok_or_else(|| missing(descriptor))?;
    let manifest: Manifest = parse(&bytes, &format!("manifest {}", descriptor.digest))?;
    let bytes = match blob(contents, &manifest.config, store.limits.document)? {
        Some(bytes) => bytes,
        // Another image of the same archive brought it.
        None => store
            .blobs()
            .read(&manifest.config.digest, store.limits.document)
            .map_err(|_| missing(&manifest.config))?,
    };
    let config: Config = parse(&bytes, &format!("configuration {}", manifest.config.digest))?;
    check_count(store, &config, manifest.layers.len(), what)?;
    for layer in &manifest.layers {
        if !layer.urls.is_empty() {
            return Err(Error::malformed(
                format!("layer {}", layer.digest),
                "it is to be fetched from elsewhere, which is not done",
            ));
        }
        // What it unpacks to is seen when the image is added.
        keep(store, contents, layer, what)?;
    }
    keep(store, contents, &manifest.config, what)?;
    keep(store, contents, descriptor, what)
}

fn keep(store: &Store, contents: &mut impl Contents, one: &Descriptor, what: &str) -> Result<()> {
    let path = path_of(one);
    let wrong_size = |path, bytes| {
        let why = format!("it has {bytes} bytes, and {} were promised", one.size);
        Error::malformed(path, why)
    };
    match contents.take(&path)? {
        Some(Taken::New(file)) => {
            file.expect(&one.digest, &path)?;
            if file.bytes != one.size {
                return Err(wrong_size(path, file.bytes));
            }
            store.blobs().keep(file).map(drop)
        }
        Some(Taken::Before(_, bytes)) if bytes == one.size => Ok(()),
        Some(Taken::Before(_, bytes)) => Err(wrong_size(path, bytes)),
        None if store.blobs().size(&one.digest) == Some(one.size) => Ok(()),
        None => Err(Error::malformed(
            what,
            format!("blob {} is not in it", one.digest),
        )),
    }
}

/// The name in a descriptor's annotations. Many tools write only a tag, which names nothing.
fn name_of(descriptor: &Descriptor) -> Result<Option<Reference>> {
    if let Some(name) = descriptor.annotations.get(FULL_NAME) {
        return name.parse().map(Some);
    }
    Ok(descriptor
        .annotations
        .get(REF_NAME)
        .filter(|name| name.contains([':', '/']))
        .and_then(|name| name.parse().ok()))
}
