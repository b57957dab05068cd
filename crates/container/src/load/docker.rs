//! What `docker save` writes: `manifest.json` names a configuration and layers of each image.

use serde::Deserialize;

use super::contents::{Contents, Taken};
use super::{check_count, check_layer};
use crate::compression::Compression;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::oci::{self, Config, Descriptor, Manifest};
use crate::reference::Reference;
use crate::store::{Store, parse};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Puts every blob into the store and makes manifests; old archives have none.
pub fn read(
    store: &Store,
    contents: &mut impl Contents,
    what: &str,
) -> Result<Vec<(Descriptor, Vec<Reference>)>> {
    let missing =
        |name: &str| Error::malformed(what, format!("`{}` is not in it", name.escape_debug()));
    let list = contents
        .document("manifest.json")?
        .ok_or_else(|| missing("manifest.json"))?;
    let items: Vec<Item> = parse(&list, &format!("{what}: manifest.json"))?;
    let work = store.work()?;
    let mut images = Vec::new();
    for item in items {
        let bytes = contents.document(&item.config)?;
        let config_digest = match contents
            .take(&item.config)?
            .ok_or_else(|| missing(&item.config))?
        {
            Taken::New(file) => {
                promised(&item.config)
                    .map_or(Ok(()), |digest| file.expect(&digest, &item.config))?;
                store.blobs().keep(file)?
            }
            Taken::Before(digest, _) => digest,
        };
        let bytes = bytes.map_or_else(
            || store.blobs().read(&config_digest, store.limits.document),
            Ok,
        )?;
        let config: Config = parse(&bytes, &format!("{what}: {}", item.config))?;
        let names = item.layers.unwrap_or_default();
        check_count(store, &config, names.len(), what)?;
        let mut layers = Vec::new();
        for (name, diff_id) in names.iter().zip(&config.rootfs.diff_ids) {
            let (digest, size, compression) =
                match contents.take(name)?.ok_or_else(|| missing(name))? {
                    Taken::New(file) => {
                        let (size, compression) = (file.bytes, check_layer(store, &file, diff_id)?);
                        (store.blobs().keep(file)?, size, compression)
                    }
                    Taken::Before(digest, size) if digest == *diff_id => {
                        (digest, size, Compression::None)
                    }
                    Taken::Before(digest, size) => {
                        let copy =
                            crate::blob::Pending::write(&work, store.blobs().open(&digest)?, name)?;
                        (digest, size, check_layer(store, &copy, diff_id)?)
                    }
                };
            layers.push(descriptor(&media_type(compression), digest, size));
        }
        let config = descriptor(oci::CONFIG, config_digest, bytes.len() as u64);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(oci::MANIFEST.into()),
            config,
            layers,
        };
        let bytes =
            serde_json::to_vec(&manifest).map_err(|e| Error::malformed(what, e.to_string()))?;
        let digest = store.put(&work, &bytes, "a manifest")?;
        let names = item
            .repo_tags
            .unwrap_or_default()
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_>>()?;
        images.push((descriptor(oci::MANIFEST, digest, bytes.len() as u64), names));
    }
    Ok(images)
}

/// The digest that a file's name promises: `blobs/sha256/HEX` or `HEX.json`.
fn promised(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next()?;
    format!("sha256:{}", last.strip_suffix(".json").unwrap_or(last))
        .parse()
        .ok()
}

fn media_type(compression: Compression) -> String {
    let packed = match compression {
        Compression::None => "",
        Compression::Gzip => "+gzip",
        Compression::Zstd => "+zstd",
    };
    format!("{}{packed}", oci::LAYER)
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.into(),
        digest,
        size,
        platform: None,
        urls: Vec::new(),
        annotations: Default::default(),
    }
}
