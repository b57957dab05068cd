//! A plain root file system, as a tar, into an image of one layer.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use crate::blob::Pending;
use crate::compression::Unpacked;
use crate::error::{Error, Result};
use crate::limits::Bounded;
use crate::oci::{self, Config, Descriptor, History, Manifest, Platform, Process, RootFs};
use crate::reference::Reference;
use crate::store::{Image, Store};
use crate::tar::Reader;
use crate::work::Work;

/// What a tar does not say.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What to call it.
    pub name: Option<Reference>,
    /// For which machine; this one if nothing is said.
    pub platform: Option<Platform>,
    /// What a container of it does.
    pub process: Process,
    /// A remark for its history.
    pub comment: Option<String>,
    /// When it was made, RFC 3339; without it the same files make the same image whenever they come.
    pub created: Option<String>,
}

/// Reads a tar from a stream, packed with gzip or zstd or not. The same bytes and settings make the same image: no time is
/// written into it. `what` is named in errors.
pub fn root_file_system(
    store: &Store,
    input: impl Read,
    what: &str,
    settings: &Settings,
) -> Result<Image> {
    let session = store.session()?;
    let work = store.work()?;
    let input = Unpacked::new(BufReader::with_capacity(1 << 16, input), what)?;
    let layer = Pending::write(&work, Bounded::new(input, store.limits.bytes, what), what)?;
    check(store, &layer, what)?;
    let described_layer = descriptor(oci::LAYER, &layer);
    let diff_id = store.blobs().keep(layer)?;
    let platform = settings.platform.clone().unwrap_or_else(Platform::host);
    let step = History {
        created_by: Some("import".into()),
        comment: settings.comment.clone(),
        created: settings.created.clone(),
        ..History::default()
    };
    let config = Config {
        created: settings.created.clone(),
        author: None,
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant,
        config: Some(settings.process.clone()),
        rootfs: RootFs {
            kind: "layers".into(),
            diff_ids: vec![diff_id],
        },
        history: Some(vec![step]),
    };
    let described = store.describe(&work, &config, &[described_layer])?;
    let names: Vec<Reference> = settings.name.iter().cloned().collect();
    store.add(&session, &described, &names)
}

impl Store {
    /// Makes blobs of a configuration and of the manifest for it and these layers; names the manifest.
    pub(crate) fn describe(
        &self,
        work: &Work,
        config: &Config,
        layers: &[Descriptor],
    ) -> Result<Descriptor> {
        let document = |value: serde_json::Result<Vec<u8>>| {
            let bytes = value.map_err(|e| Error::malformed("a document", e.to_string()))?;
            Pending::write(work, &bytes[..], "a document")
        };
        let config = document(serde_json::to_vec(config))?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(oci::MANIFEST.into()),
            config: descriptor(oci::CONFIG, &config),
            layers: layers.to_vec(),
        };
        let manifest = document(serde_json::to_vec(&manifest))?;
        let described = descriptor(oci::MANIFEST, &manifest);
        for blob in [config, manifest] {
            self.blobs().keep(blob)?;
        }
        Ok(described)
    }
}

pub(crate) fn descriptor(media_type: &str, blob: &Pending) -> Descriptor {
    Descriptor {
        media_type: media_type.into(),
        digest: blob.digest,
        size: blob.bytes,
        platform: None,
        urls: Vec::new(),
        annotations: BTreeMap::new(),
    }
}

/// No digest promises anything here, so a tar that was cut off between two entries has to be known by its end.
fn check(store: &Store, layer: &Pending, what: &str) -> Result<()> {
    let mut tar = Reader::new(
        BufReader::with_capacity(1 << 16, layer.open()?),
        what,
        store.limits,
    );
    let mut entries = 0;
    while let Some(entry) = tar.next_entry()? {
        entries += 1;
        if entry.path == b"manifest.json" || entry.path == b"oci-layout" {
            return Err(Error::malformed(
                what,
                "it is an archive of images, and no root file system",
            ));
        }
    }
    match (entries, tar.is_marked_as_ended()) {
        (_, false) => Err(Error::malformed(
            what,
            "it is cut off, or no tar: the mark of its end is missing",
        )),
        (0, true) => Err(Error::malformed(what, "there is nothing in it")),
        _ => Ok(()),
    }
}
