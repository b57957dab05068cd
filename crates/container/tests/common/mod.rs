//! Images made in the test: no file of anybody else is needed.
#![allow(dead_code, reason = "other rooms' tests borrow a part")]
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a fixture that cannot be made is a failed test"
)]

pub mod server;

use std::io::Write;
use std::path::Path;

use container::tar::{Entry, Kind, Writer};
use container::{Digest, Store};
use serde_json::json;

pub fn entry(path: &str, kind: Kind) -> Entry {
    Entry { mtime: (1_700_000_000, 0), ..Entry::new(path, kind) }
}

pub fn link(path: &str, kind: Kind, target: &str) -> Entry {
    Entry {
        link: target.into(),
        ..entry(path, kind)
    }
}

/// A tar of entries with their data.
pub fn tar(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in entries {
        let entry = Entry {
            size: data.len() as u64,
            ..entry.clone()
        };
        writer.append(&entry, *data).unwrap();
    }
    writer.finish().unwrap()
}

/// A tar of files.
pub fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    tar(&files
        .iter()
        .map(|(path, data)| (entry(path, Kind::File), *data))
        .collect::<Vec<_>>())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

pub fn config(diff_ids: &[Digest]) -> Vec<u8> {
    let config = json!({
        "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"), "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Cmd": ["/bin/app"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": diff_ids.iter().map(|_| json!({"created_by": "COPY . /"})).collect::<Vec<_>>(),
    });
    serde_json::to_vec(&config).unwrap()
}

/// What `docker save` wrote before version 25.
pub fn docker_save(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = config(&diff_ids);
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let names: Vec<String> = (0..layers.len())
        .map(|at| format!("{at}/layer.tar"))
        .collect();
    let manifest =
        json!([{"Config": config_name, "RepoTags": [name], "Layers": names}]).to_string();
    let mut all: Vec<(&str, &[u8])> = vec![(&config_name, &config)];
    all.extend(
        names
            .iter()
            .zip(layers)
            .map(|(name, layer)| (name.as_str(), &layer[..])),
    );
    all.push(("manifest.json", manifest.as_bytes()));
    files(&all)
}

/// Files of an OCI layout with one image; layers as they are to be kept, with what they unpack to.
pub fn oci_layout(name: Option<&str>, layers: &[(Vec<u8>, Digest)]) -> Vec<(String, Vec<u8>)> {
    let diff_ids: Vec<Digest> = layers.iter().map(|(_, diff_id)| *diff_id).collect();
    let config = config(&diff_ids);
    let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()});
    let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
    let manifest = json!({
        "schemaVersion": 2,
        "config": describe(container::oci::CONFIG, &config),
        "layers": layers.iter().map(|(bytes, _)| describe(layer, bytes)).collect::<Vec<_>>(),
    });
    let manifest = manifest.to_string().into_bytes();
    let mut descriptor = describe(container::oci::MANIFEST, &manifest);
    if let Some(name) = name {
        descriptor["annotations"] = json!({ container::oci::FULL_NAME: name });
    }
    let index = json!({"schemaVersion": 2, "manifests": [descriptor]})
        .to_string()
        .into_bytes();
    let blob = |bytes: &[u8]| {
        (
            format!("blobs/sha256/{}", Digest::of(bytes).hex()),
            bytes.to_vec(),
        )
    };
    let mut all = vec![
        (
            "oci-layout".into(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".into(), index),
    ];
    all.extend([blob(&manifest), blob(&config)]);
    all.extend(layers.iter().map(|(bytes, _)| blob(bytes)));
    all
}

pub fn archive(contents: &[(String, Vec<u8>)]) -> Vec<u8> {
    files(
        &contents
            .iter()
            .map(|(path, data)| (path.as_str(), &data[..]))
            .collect::<Vec<_>>(),
    )
}

/// Every file below a folder, to see that nothing is left.
pub fn all_files(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            all.push(
                entry
                    .path()
                    .strip_prefix(folder)
                    .unwrap()
                    .display()
                    .to_string(),
            );
        }
    }
    all.sort();
    all
}

pub fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    (folder, store)
}
