//! Images out of the store: an archive that `docker load` takes (of any version) and that is an OCI layout too. The same
//! images make the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use serde_json::json;

use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::oci::{Descriptor, FULL_NAME, INDEX, REF_NAME};
use crate::reference::Reference;
use crate::store::{Image, Store};
use crate::tar::{Entry, Kind, Writer};

/// Writes these images under these names, which may be none; an image may come under several.
pub fn archive(
    store: &Store,
    images: &[(Image, Vec<Reference>)],
    output: impl Write,
) -> Result<()> {
    let _session = store.session()?;
    let mut tar = Writer::new(output);
    let mut digests = BTreeSet::new();
    let mut manifests: Vec<Descriptor> = Vec::new();
    let mut items = Vec::new();
    for (image, names) in images {
        digests.extend([image.manifest.digest, image.id]);
        digests.extend(image.layers.iter().map(|layer| layer.digest));
        let of = |annotations| Descriptor {
            annotations,
            ..image.manifest.clone()
        };
        if names.is_empty() {
            manifests.push(of(BTreeMap::new()));
        }
        for name in names {
            let tag = name.tag.clone().map(|tag| (REF_NAME.to_owned(), tag));
            manifests.push(of([(FULL_NAME.to_owned(), name.to_string())]
                .into_iter()
                .chain(tag)
                .collect()));
        }
        // A name by digest is nothing that docker could give.
        let tags: Vec<String> = names
            .iter()
            .filter(|name| name.tag.is_some())
            .map(without_digest)
            .collect();
        items.push(json!({
            "Config": path(&image.id),
            "RepoTags": if tags.is_empty() { serde_json::Value::Null } else { json!(tags) },
            "Layers": image.layers.iter().map(|layer| path(&layer.digest)).collect::<Vec<_>>(),
        }));
    }
    for folder in ["blobs/", "blobs/sha256/"] {
        tar.append(&Entry::new(folder, Kind::Directory), io::empty())
            .map_err(writing)?;
    }
    for digest in &digests {
        blob(store, &mut tar, digest)?;
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    for (name, document) in [
        ("index.json", index),
        ("manifest.json", json!(items)),
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
    ] {
        let bytes = document.to_string().into_bytes();
        tar.append(&Entry { size: bytes.len() as u64, ..Entry::new(name, Kind::File) }, &bytes[..])
            .map_err(writing)?;
    }
    tar.finish().map_err(writing)?;
    Ok(())
}

/// What leaves is what its digest says, even if somebody changed the store's files.
fn blob(store: &Store, tar: &mut Writer<impl Write>, digest: &Digest) -> Result<()> {
    let size = store.blobs().size(digest).ok_or(Error::NoBlob(*digest))?;
    let mut data = Hashing::new(store.blobs().open(digest)?.take(size));
    tar.append(&Entry { size, ..Entry::new(path(digest), Kind::File) }, &mut data)
        .map_err(writing)?;
    let (_, found, _) = data.finish();
    found.expect(digest, &format!("blob {digest}"))
}

fn writing(error: io::Error) -> Error {
    Error::io("writing the archive")(error)
}

fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn without_digest(name: &Reference) -> String {
    Reference {
        digest: None,
        ..name.clone()
    }
    .familiar()
}
