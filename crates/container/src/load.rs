//! Archives into the store: what `docker save` writes (old and new), OCI archives, OCI layouts in folders.

mod contents;
mod docker;
mod layout;

use std::io::Read;
use std::path::Path;

use crate::blob::Pending;
use crate::compression::{Compression, Unpacked};
use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::limits::Bounded;
use crate::oci::{Config, Platform};
use crate::reference::Reference;
use crate::store::{Image, Store};

use contents::{Archive, Contents, Folder};

/// What to take, and what to call it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Instead of the names in the archive; it has to hold one image then.
    pub name: Option<Reference>,
    /// Of several images for different machines; this machine's if nothing is said.
    pub platform: Option<Platform>,
}

/// Reads an archive from a stream, packed with gzip or zstd or not, and adds its images. `what` is named in errors.
pub fn archive(
    store: &Store,
    input: impl Read,
    what: &str,
    options: &Options,
) -> Result<Vec<Image>> {
    let all = archive_with_names(store, input, what, options)?;
    Ok(all.into_iter().map(|(image, _)| image).collect())
}

/// As [`archive`], with the names that each image has there; it may have had others before.
pub fn archive_with_names(
    store: &Store,
    input: impl Read,
    what: &str,
    options: &Options,
) -> Result<Vec<(Image, Vec<Reference>)>> {
    let work = store.work()?;
    let archive = Archive::read(input, what, &work, &store.limits)?;
    images(store, archive, what, options)
}

/// Reads an OCI layout that lies in a folder.
pub fn folder(store: &Store, path: &Path, options: &Options) -> Result<Vec<Image>> {
    let work = store.work()?;
    let folder = Folder::open(path, &work, &store.limits)?;
    let all = images(store, folder, &path.display().to_string(), options)?;
    Ok(all.into_iter().map(|(image, _)| image).collect())
}

fn images(
    store: &Store,
    mut contents: impl Contents,
    what: &str,
    options: &Options,
) -> Result<Vec<(Image, Vec<Reference>)>> {
    let session = store.session()?;
    // Newer archives of docker are both; the layout keeps the manifest's digest.
    let found = if contents.has("oci-layout") && contents.has("index.json") {
        layout::read(store, &mut contents, what, options)?
    } else if contents.has("manifest.json") {
        docker::read(store, &mut contents, what)?
    } else {
        let why =
            "it has neither `manifest.json` (docker save) nor `oci-layout` and `index.json` (OCI)";
        return Err(Error::malformed(what, why));
    };
    if let (Some(_), 2..) = (&options.name, found.len()) {
        return Err(Error::malformed(
            what,
            format!(
                "it holds {} images, which cannot all have one name",
                found.len()
            ),
        ));
    }
    let mut images = Vec::new();
    for (manifest, names) in found {
        let names = options.name.clone().map_or(names, |name| vec![name]);
        images.push((store.add(&session, &manifest, &names)?, names));
    }
    Ok(images)
}

/// Whether there are as many layers as the configuration says, and no more than can be stacked.
pub(crate) fn check_count(store: &Store, config: &Config, layers: usize, what: &str) -> Result<()> {
    if layers != config.rootfs.diff_ids.len() {
        let why = format!(
            "{layers} layers, and {} in its configuration",
            config.rootfs.diff_ids.len()
        );
        return Err(Error::malformed(what, why));
    }
    if layers > store.limits.layers {
        return Err(Error::Limit {
            what: what.to_owned(),
            limit: format!("{} layers", store.limits.layers),
        });
    }
    Ok(())
}

/// Whether a layer, unpacked, is what the configuration promises; how it is packed.
fn check_layer(store: &Store, layer: &Pending, diff_id: &Digest) -> Result<Compression> {
    let what = format!("layer {diff_id}");
    let input = std::io::BufReader::with_capacity(1 << 16, layer.open()?);
    let unpacked = Unpacked::new(input, &what)?;
    let compression = unpacked.compression();
    if compression == Compression::None {
        layer.expect(diff_id, &what)?;
        return Ok(compression);
    }
    let mut hashing = Hashing::new(Bounded::new(unpacked, store.limits.bytes, what.clone()));
    std::io::copy(&mut hashing, &mut std::io::sink())
        .map_err(Error::io(format!("unpacking {what}")))?;
    let (_, found, _) = hashing.finish();
    found.expect(diff_id, &what)?;
    Ok(compression)
}
