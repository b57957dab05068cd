//! `POST /containers/{id}/update`: limits and restarts of a container that is there.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use container::engine::update::Update;
use serde_json::{Value, json};

use super::create::restart;
use super::limits::{positive, processors, warnings};
use super::request::Host;
use crate::error::Result;
use crate::state::{Api, blocking};

pub(super) async fn update(State(api): State<Api>, Path(id): Path<String>, body: Bytes) -> Result<Json<Value>> {
    let asked: Host = crate::query::json(&body)?;
    blocking(&api, move |docker| {
        let record = docker.find(&id)?;
        let cpu = processors(asked.nano_cpus, asked.cpu_period, asked.cpu_quota)?;
        let update = Update {
            restart: if asked.restart_policy.name.is_empty() { None } else { Some(restart(&asked.restart_policy)?) },
            // 0 is nothing said, -1 no limit.
            memory_bytes: (asked.memory != 0).then(|| positive(asked.memory)),
            cpu_percent: cpu.map(Some),
            processes: asked.pids_limit.filter(|limit| *limit != 0).map(positive),
        };
        let mut told = warnings(&asked);
        told.extend(docker.engine.update(&record.id, &update)?);
        docker.engine.note(&record, "update");
        Ok(Json(json!({"Warnings": told})))
    })
    .await
}
