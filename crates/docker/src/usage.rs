//! What all of it takes on disk: `/system/df`.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use container::engine::{Record, owners};
use container::oci::chain_ids;
use container::{Digest, Image};
use serde_json::{Value, json};

use crate::error::{Failure, Result};
use crate::query::Query;
use crate::state::{Api, Docker, blocking};
use crate::{images, volumes};

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/system/df", get(df))
}

/// What can be asked for by `type`.
const KINDS: [&str; 4] = ["container", "image", "volume", "build-cache"];

async fn df(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    let kinds: Vec<String> = query.all("type").map(str::to_owned).collect();
    if let Some(odd) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(Failure::bad_request(format!("unknown object type: {odd}")));
    }
    blocking(&api, move |docker| {
        let wants = |kind: &str| kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
        let records = docker.records()?;
        let all = docker.engine.store.images()?;
        let mut value = json!({"LayersSize": 0, "Images": null, "Containers": null, "Volumes": null, "BuildCache": null});
        if wants("image") {
            value["LayersSize"] = json!(images::all_layers(docker, &all));
            value["Images"] = of_images(docker, &all, &records);
        }
        if wants("container") {
            value["Containers"] = records.iter().map(|record| of_container(docker, record, &all)).collect();
        }
        if wants("volume") {
            value["Volumes"] = of_volumes(docker)?;
        }
        if wants("build-cache") {
            value["BuildCache"] = of_steps(docker, &all);
        }
        Ok(Json(value))
    })
    .await
}

/// Steps of builds: each with the layer that it added, which is shared where an image has it too.
fn of_steps(docker: &Docker, images: &[Image]) -> Value {
    let kept: BTreeSet<Digest> = images.iter().flat_map(|image| chain_ids(&image.config.rootfs.diff_ids)).collect();
    let mut seen = BTreeSet::new();
    let mut steps = Vec::new();
    for step in docker.engine.store.steps_of_builds() {
        let chains = chain_ids(&step.config.rootfs.diff_ids);
        let Some(chain) = chains.last().filter(|chain| seen.insert(**chain)) else { continue };
        let description = step.config.history.iter().flatten().last().and_then(|step| step.created_by.clone()).unwrap_or_default();
        let created = step.config.created.clone().unwrap_or_else(|| "1970-01-01T00:00:00Z".into());
        steps.push(json!({
            "ID": step.id.short(),
            "Type": "regular",
            "Description": description,
            "InUse": false,
            "Shared": kept.contains(chain),
            "Size": docker.engine.store.layer_bytes(chain).unwrap_or(0),
            "CreatedAt": created,
            "LastUsedAt": null,
            "UsageCount": 1,
        }));
    }
    Value::Array(steps)
}

fn of_images(docker: &Docker, all: &[Image], records: &[Record]) -> Value {
    let shared: BTreeMap<Digest, u64> = images::shared_sizes(docker, all);
    let one = |image: &Image| {
        let mut value = images::summary(docker, image, &image.names);
        value["SharedSize"] = json!(shared.get(&image.id).copied().unwrap_or(0));
        value["Containers"] = json!(records.iter().filter(|record| record.image.id == image.id).count());
        value
    };
    all.iter().map(one).collect()
}

/// Bytes that a container wrote.
fn written(docker: &Docker, record: &Record) -> u64 {
    docker.engine.written_bytes(record).unwrap_or(0)
}

fn of_container(docker: &Docker, record: &Record, all: &[Image]) -> Value {
    let written = written(docker, record);
    let image = all.iter().find(|image| image.id == record.image.id).map_or(0, |image| images::size(docker, image));
    let mounts = record.mounts.iter().filter_map(|mount| match &mount.kind {
        container::engine::record::MountKind::Volume { name, .. } => Some(json!({"Type": "volume", "Name": name, "Destination": mount.target})),
        _ => None,
    });
    json!({
        "Id": record.id,
        "Names": [format!("/{}", record.name)],
        "Image": record.image.name,
        "ImageID": record.image.id,
        "Command": record.settings.arguments().join(" "),
        "Created": record.created.seconds,
        "State": record.state.status.name(),
        "Status": record.status_text(container::engine::Moment::now()),
        "SizeRw": written,
        "SizeRootFs": image + written,
        "Labels": record.settings.labels,
        "HostConfig": {},
        "NetworkSettings": {"Networks": {}},
        "Mounts": mounts.collect::<Vec<_>>(),
        "Ports": [],
    })
}

fn of_volumes(docker: &Docker) -> Result<Value> {
    let records = docker.engine.folder.list()?;
    let mut all = Vec::new();
    for volume in docker.engine.volumes.list()? {
        let users = records.iter().filter(|record| record.volumes().any(|name| name == volume.name)).count();
        let mut value = volumes::shown(docker, &volume);
        let size = owners::bytes(&docker.engine.volumes.files(&volume.name)).map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        value["UsageData"] = json!({"RefCount": users, "Size": size});
        all.push(value);
    }
    Ok(Value::Array(all))
}
