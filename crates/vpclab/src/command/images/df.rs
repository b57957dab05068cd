//! `images df`: what images, containers and volumes of all labs take on this machine's disk, and what could go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use container::engine::{lab, owners};
use container::limits::size;
use container::oci::chain_ids;
use container::{Digest, Image, Store};
use serde_json::json;

use super::failure;
use crate::command::containers::failed;
use crate::command::running::paths;
use crate::exit::Result;
use crate::output::{Format, Output};

/// One line of the table.
struct Row {
    what: &'static str,
    count: usize,
    used: usize,
    bytes: u64,
    /// What nobody uses.
    free: u64,
}

pub(super) fn df(store: &Store, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Csv, Format::Markdown])?;
    let labs = paths()?.home.join("labs");
    let [layers, packed] = images(store)?;
    let rows = [layers, packed, containers(&labs)?, volumes(&labs)?];
    if output.format == Format::Json {
        let row = |row: &Row| json!({"type": row.what, "count": row.count, "in_use": row.used, "bytes": row.bytes, "reclaimable_bytes": row.free});
        output.json(&rows.iter().map(row).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = |row: &Row| {
        let percent = (row.free * 100).checked_div(row.bytes).unwrap_or(0);
        vec![row.what.to_owned(), row.count.to_string(), row.used.to_string(), size(row.bytes), format!("{} ({percent}%)", size(row.free))]
    };
    output.table(&["type", "count", "in use", "size", "reclaimable"], &rows.iter().map(shown).collect::<Vec<_>>());
    if rows.iter().any(|row| row.free > 0) && output.format == Format::Table {
        output.hint("vpclab images prune --all --yes, containers prune, volumes prune");
    }
    Ok(ExitCode::SUCCESS)
}

/// Layers as containers have them, which is what Docker counts, and as they came and are sent: packed.
fn images(store: &Store) -> Result<[Row; 2]> {
    let all = store.images().map_err(|error| failure(&error))?;
    let used = control::containers::images_in_use(&paths()?).map_err(|error| failed(&error))?;
    let is_used = |image: &&Image| used.contains_key(&image.id);
    let layers = |image: &Image| -> Vec<(Digest, u64)> {
        let chains = chain_ids(&image.config.rootfs.diff_ids);
        chains.into_iter().map(|chain| (chain, store.layer_bytes(&chain).unwrap_or(0))).collect()
    };
    let packed = |image: &Image| -> Vec<(Digest, u64)> { image.layers.iter().chain([&image.manifest]).map(|blob| (blob.digest, blob.size)).collect() };
    // What several images have counts once, and is free when none of them is used.
    let bytes = |parts: &dyn Fn(&Image) -> Vec<(Digest, u64)>| {
        let whole: BTreeMap<Digest, u64> = all.iter().flat_map(parts).collect();
        let kept: BTreeSet<Digest> = all.iter().filter(is_used).flat_map(parts).map(|(part, _)| part).collect();
        let free = whole.iter().filter(|(part, _)| !kept.contains(part)).map(|(_, bytes)| bytes).sum();
        (whole.len(), kept.len(), whole.values().sum(), free)
    };
    let (_, _, unpacked, free) = bytes(&layers);
    let images = Row { what: "images", count: all.len(), used: all.iter().filter(is_used).count(), bytes: unpacked, free };
    let (count, used, bytes, free) = bytes(&packed);
    Ok([images, Row { what: "packed layers", count, used, bytes, free }])
}

fn folders(labs: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(labs).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}

fn containers(labs: &Path) -> Result<Row> {
    let mut row = Row { what: "containers", count: 0, used: 0, bytes: 0, free: 0 };
    for path in folders(labs) {
        let folder = lab::folder(&path);
        for record in folder.list().map_err(|error| failed(&error))? {
            let bytes = owners::bytes(&folder.of(&record.id).join("upper")).map_err(|error| failed(&error))?;
            row.count += 1;
            row.bytes += bytes;
            match record.state.status.is_alive() {
                true => row.used += 1,
                false => row.free += bytes,
            }
        }
    }
    Ok(row)
}

fn volumes(labs: &Path) -> Result<Row> {
    let mut row = Row { what: "volumes", count: 0, used: 0, bytes: 0, free: 0 };
    for path in folders(labs) {
        let volumes = lab::volumes(&path);
        let records = lab::folder(&path).list().map_err(|error| failed(&error))?;
        for volume in volumes.list().map_err(|error| failed(&error))? {
            let bytes = owners::bytes(&volumes.files(&volume.name)).map_err(|error| failed(&error))?;
            row.count += 1;
            row.bytes += bytes;
            match records.iter().any(|record| record.volumes().any(|name| name == volume.name)) {
                true => row.used += 1,
                false => row.free += bytes,
            }
        }
    }
    Ok(row)
}
