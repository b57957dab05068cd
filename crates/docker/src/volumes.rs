//! Volumes: `/volumes`.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use container::engine::events::{Event, Kind};
use container::engine::volumes::Volume;
use container::engine::{Error, Record};
use sandbox::SelfCommand;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Failure, Result};
use crate::filters::Filters;
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

const FILTERS: [&str; 5] = ["dangling", "driver", "label", "label!", "name"];

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(inspect).delete(remove))
}

/// As Docker shows one.
pub(crate) fn shown(docker: &Docker, volume: &Volume) -> Value {
    json!({
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": if volume.is_anonymous && volume.labels.is_empty() { json!({"com.docker.volume.anonymous": ""}) } else { json!(volume.labels) },
        "Mountpoint": docker.engine.volumes.files(&volume.name),
        "Name": volume.name,
        "Options": null,
        "Scope": "local",
    })
}

fn is_used(volume: &Volume, records: &[Record]) -> bool {
    records.iter().any(|record| record.volumes().any(|name| name == volume.name))
}

fn fits(volume: &Volume, records: &[Record], filters: &Filters) -> Result<bool> {
    Ok(filters.flag("dangling")?.is_none_or(|dangling| dangling != is_used(volume, records))
        && filters.allows("driver", |driver| driver == "local")
        && filters.allows("name", |part| volume.name.contains(part))
        && filters.labels(&volume.labels))
}

async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let filters = query.filters(&FILTERS)?;
        let records = docker.engine.folder.list()?;
        let mut all = Vec::new();
        for volume in docker.engine.volumes.list()? {
            if fits(&volume, &records, &filters)? {
                all.push(shown(docker, &volume));
            }
        }
        Ok(Json(json!({"Volumes": all, "Warnings": null})))
    })
    .await
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wish {
    name: Option<String>,
    driver: Option<String>,
    driver_opts: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

async fn create(State(api): State<Api>, body: Bytes) -> Result<Response> {
    let wish: Wish = crate::query::json(&body)?;
    let volume = blocking(&api, move |docker| {
        if let Some(driver) = wish.driver.as_deref().filter(|driver| !matches!(*driver, "" | "local" | "default")) {
            return Err(Failure::not_found(format!("error looking up volume plugin {driver}: plugin \"{driver}\" not found")));
        }
        if let Some(option) = wish.driver_opts.iter().flatten().map(|(name, _)| name).next() {
            return Err(Failure::bad_request(format!("invalid option: {option:?}: a volume is a folder of the lab, and has none")));
        }
        let (name, labels) = (wish.name.as_deref().filter(|name| !name.is_empty()), wish.labels.unwrap_or_default());
        // One that is there is what was asked for, and no news.
        let volume = match docker.engine.volumes.create(name, &labels) {
            Err(Error::VolumeExists(name)) => return Ok(shown(docker, &docker.engine.volumes.find(&name)?)),
            Err(Error::Name { text, .. }) => {
                let why = "includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed";
                return Err(Failure::bad_request(format!("create {text}: {text:?} {why}. If you intended to pass a host directory, use absolute path")));
            }
            other => other?,
        };
        docker.engine.events.say(&Event::new(Kind::Volume, "create", &*volume.name).with("driver", "local"));
        Ok(shown(docker, &volume))
    })
    .await?;
    Ok((StatusCode::CREATED, Json(volume)).into_response())
}

async fn inspect(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<Value>> {
    blocking(&api, move |docker| Ok(Json(shown(docker, &docker.engine.volumes.find(&name)?)))).await
}

async fn remove(State(api): State<Api>, Path(name): Path<String>, query: Query) -> Result<StatusCode> {
    let force = query.flag("force");
    blocking(&api, move |docker| {
        match take_away(docker, &name) {
            Err(Error::NoVolume(_)) if force => {}
            other => other?,
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

fn take_away(docker: &Docker, name: &str) -> std::result::Result<(), Error> {
    let command = SelfCommand::current()?;
    let volumes = &docker.engine.volumes;
    let lock = volumes.lock()?;
    let gone = match volumes.remove(&lock, name, &docker.engine.folder.list()?) {
        // Docker names containers by their ids here.
        Err(Error::VolumeInUse { name, .. }) => {
            let records = docker.engine.folder.list()?;
            let by = records.iter().filter(|record| record.volumes().any(|other| other == name)).map(|record| record.id.to_string());
            return Err(Error::VolumeInUse { name: name.clone(), by: by.collect() });
        }
        other => other?,
    };
    let left = volumes.left(&lock);
    drop(lock);
    for folder in left.iter().chain(std::iter::once(&gone)) {
        sandbox::remove_tree(folder, &command)?;
    }
    docker.engine.events.say(&Event::new(Kind::Volume, "destroy", name).with("driver", "local"));
    Ok(())
}

async fn prune(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let filters = query.filters(&["label", "label!", "all"])?;
        let all = filters.flag("all")?.unwrap_or(false);
        let records = docker.engine.folder.list()?;
        let (mut gone, mut bytes) = (Vec::new(), 0);
        for volume in docker.engine.volumes.list()? {
            if is_used(&volume, &records) || !(all || volume.is_anonymous) || !filters.labels(&volume.labels) {
                continue;
            }
            let size = container::engine::owners::bytes(&docker.engine.volumes.files(&volume.name)).unwrap_or(0);
            match take_away(docker, &volume.name) {
                Ok(()) => {
                    bytes += size;
                    gone.push(volume.name);
                }
                // Somebody took it or mounted it meanwhile.
                Err(Error::NoVolume(_) | Error::VolumeInUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        docker.engine.events.say(&Event::new(Kind::Volume, "prune", "").with("reclaimed", bytes.to_string()));
        Ok(Json(json!({"VolumesDeleted": gone, "SpaceReclaimed": bytes})))
    })
    .await
}
