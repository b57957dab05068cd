//! Which containers there are, and one in full: `GET /containers/json`, `GET /containers/{id}/json`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use container::engine::inspect::network_mode;
use container::engine::record::{HealthStatus, MountKind, Record, Status};
use container::engine::{Error, Moment};
use container::network::NetworkMode;
use serde_json::{Map, Value, json};

use crate::error::{Failure, Result};
use crate::filters::Filters;
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

const FILTERS: [&str; 17] = [
    "ancestor", "before", "expose", "exited", "health", "id", "isolation", "is-task", "label", "label!", "name", "network", "publish",
    "since", "status", "volume", "instance",
];

/// Brings records of containers that ended a moment ago to what the holder says.
pub fn freshen(docker: &Docker, records: &mut Vec<Record>) -> Result<()> {
    if !records.iter().any(|record| record.state.status.is_alive() || record.state.status == Status::Restarting) {
        return Ok(());
    }
    let known: BTreeMap<String, bool> =
        docker.engine.client.list_containers()?.into_iter().map(|status| (status.key, status.ended.is_none())).collect();
    let mut gone = Vec::new();
    for record in records.iter_mut() {
        let runs = known.get(record.id.as_str()).copied().unwrap_or(false);
        if runs == record.state.status.is_alive() {
            continue;
        }
        // Somebody who has it is bringing it there.
        match docker.engine.folder.try_hold(&record.id) {
            Ok(Some(mut held)) => {
                docker.engine.settle(&mut held)?;
                *record = held.record.clone();
            }
            Ok(None) => {}
            Err(Error::NoContainer(_)) => gone.push(record.id.clone()),
            Err(error) => return Err(error.into()),
        }
    }
    records.retain(|record| !gone.contains(&record.id));
    Ok(())
}

/// One record, as it is.
pub(crate) fn find_fresh(docker: &Docker, text: &str) -> Result<Record> {
    let mut records = vec![docker.find(text)?];
    freshen(docker, &mut records)?;
    records.pop().ok_or_else(|| Failure::not_found(format!("No such container: {text}")))
}

pub(super) async fn inspect(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let record = find_fresh(docker, &id)?;
        let mut shown = docker.engine.inspect(&record);
        shown["Name"] = json!(format!("/{}", shown_name(docker, &record, &docker.records()?)));
        shown["ExecIDs"] = match docker.shared.execs.running(&record.id) {
            ids if ids.is_empty() => Value::Null,
            ids => json!(ids),
        };
        if query.flag("size") {
            let (written, all) = sizes(docker, &record)?;
            shown["SizeRw"] = json!(written);
            shown["SizeRootFs"] = json!(all);
        }
        Ok(Json(shown))
    })
    .await
}

/// What it wrote, and that with its image, bytes.
fn sizes(docker: &Docker, record: &Record) -> Result<(u64, u64)> {
    let written = docker.engine.written_bytes(record)?;
    let image = docker.engine.store.find(&record.image.id.to_string()).map_or(0, |image| crate::images::size(docker, &image));
    Ok((written, written + image))
}

/// The name; with its instance in front where another instance that is shown has one of that name.
pub(super) fn shown_name(docker: &Docker, record: &Record, all: &[Record]) -> String {
    let is_twice = all.iter().any(|other| other.name == record.name && other.id != record.id);
    match is_twice {
        true => format!("{}/{}", docker.scope.name_of(&record.instance), record.name),
        false => record.name.clone(),
    }
}

pub(super) async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let filters = query.filters(&FILTERS)?;
        let wanted = Wanted::new(docker, &filters)?;
        let limit = query.number::<i64>("limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        let shows_all = query.flag("all") || limit.is_some() || wanted.shows_ended;
        let mut all = docker.records()?;
        freshen(docker, &mut all)?;
        let size = query.flag("size");
        let mut rows = Vec::new();
        // The newest first.
        for record in all.iter().rev() {
            let is_shown = shows_all || record.state.status.is_alive() || record.state.status == Status::Restarting;
            if is_shown && wanted.fits(docker, record) && limit.is_none_or(|limit| rows.len() < limit) {
                let mut row = row(docker, record, &all);
                if size {
                    let (written, whole) = sizes(docker, record)?;
                    row["SizeRw"] = json!(written);
                    row["SizeRootFs"] = json!(whole);
                }
                rows.push(row);
            }
        }
        Ok(Json(Value::Array(rows)))
    })
    .await
}

/// What the filters come to.
struct Wanted<'a> {
    filters: &'a Filters,
    names: Vec<regex::Regex>,
    before: Option<(Moment, String)>,
    since: Option<(Moment, String)>,
    images: Vec<String>,
    codes: Vec<i32>,
    /// Filters that ask for containers that do not run.
    shows_ended: bool,
}

impl<'a> Wanted<'a> {
    fn new(docker: &Docker, filters: &'a Filters) -> Result<Wanted<'a>> {
        const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
        const HEALTH: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];
        let one_of = |name: &str, known: &[&str]| match filters.values(name).find(|value| !known.contains(value)) {
            Some(value) => Err(Failure::bad_request(format!("invalid filter '{name}={value}'"))),
            None => Ok(()),
        };
        one_of("status", &STATES)?;
        one_of("health", &HEALTH)?;
        filters.flag("is-task")?;
        let moment = |name: &str| -> Result<Option<(Moment, String)>> {
            let found = filters.values(name).next().map(|text| docker.find(text)).transpose()?;
            Ok(found.map(|record| (record.created, record.id.to_string())))
        };
        let mut names = Vec::new();
        for pattern in filters.values("name") {
            let pattern = regex::RegexBuilder::new(pattern.strip_prefix('/').unwrap_or(pattern)).size_limit(1 << 20).build();
            names.push(pattern.map_err(|error| Failure::bad_request(format!("invalid filter 'name': {error}")))?);
        }
        let mut codes = Vec::new();
        for text in filters.values("exited") {
            codes.push(text.parse().map_err(|_| Failure::bad_request(format!("invalid filter 'exited={text}'")))?);
        }
        let images = filters.values("ancestor").filter_map(|text| docker.engine.store.find(text).ok()).map(|image| image.id.to_string());
        Ok(Wanted {
            names,
            before: moment("before")?,
            since: moment("since")?,
            images: images.collect(),
            codes,
            shows_ended: ["status", "exited", "before", "since"].iter().any(|name| filters.has(name)),
            filters,
        })
    }

    fn fits(&self, docker: &Docker, record: &Record) -> bool {
        let (filters, state) = (self.filters, &record.state);
        let age = (record.created, record.id.to_string());
        let health = state.health.as_ref().map(|health| health.status);
        let health = match health {
            None => "none",
            Some(HealthStatus::Starting) => "starting",
            Some(other) => other.name(),
        };
        let image = record.image.id.to_string();
        let name = format!("/{}", record.name);
        filters.allows("id", |id| record.id.as_str().starts_with(id))
            && (self.names.is_empty() || self.names.iter().any(|pattern| pattern.is_match(&record.name) || pattern.is_match(&name)))
            && filters.allows("status", |status| status == state.status.name())
            && filters.allows("health", |wanted| wanted == health)
            && (self.codes.is_empty() || (state.started.is_some() && !state.status.is_alive() && self.codes.contains(&state.exit_code)))
            && filters.labels(&record.settings.labels)
            && self.before.as_ref().is_none_or(|before| age < *before)
            && self.since.as_ref().is_none_or(|since| age > *since)
            && filters.allows("ancestor", |text| self.images.contains(&image) || text == record.image.name)
            && filters.allows("volume", |text| record.volumes().any(|name| name == text) || record.mounts.iter().any(|mount| mount.target == text))
            && filters.allows("network", |text| in_network(record, text))
            && filters.allows("publish", |text| {
                let text = text.split('/').next().unwrap_or(text);
                record.endpoints.iter().flat_map(|endpoint| &endpoint.published).any(|port| port.host_port.to_string() == text)
            })
            && filters.allows("expose", |text| {
                record.settings.exposed.iter().any(|port| port.to_string() == text || port.number.to_string() == text)
            })
            && filters.allows("isolation", |text| text == "default")
            && filters.allows("instance", |text| docker.scope.name_of(&record.instance) == text)
            && !filters.values("is-task").any(|text| matches!(text.to_ascii_lowercase().as_str(), "1" | "t" | "true"))
    }
}

fn in_network(record: &Record, text: &str) -> bool {
    let by_mode = match &record.options.network {
        NetworkMode::Bridge(name) => name == text || record.options.more_networks.iter().any(|name| name == text),
        other => network_mode(other) == text,
    };
    by_mode || record.endpoints.iter().any(|endpoint| text.len() >= 12 && endpoint.network.starts_with(text))
}

fn row(docker: &Docker, record: &Record, all: &[Record]) -> Value {
    let inspected = docker.engine.inspect(record);
    let mut ports: Vec<Value> = Vec::new();
    if record.state.status.is_alive() {
        let published = || record.endpoints.iter().flat_map(|endpoint| &endpoint.published);
        for port in &record.settings.exposed {
            if !published().any(|one| (one.container_port, one.transport) == (port.number, port.transport)) {
                ports.push(json!({"PrivatePort": port.number, "Type": port.transport.to_string()}));
            }
        }
        ports.extend(published().map(|port| {
            let (address, kind) = (port.host_address.to_string(), port.transport.to_string());
            json!({"IP": address, "PrivatePort": port.container_port, "PublicPort": port.host_port, "Type": kind})
        }));
    }
    let mounts = record.mounts.iter().zip(inspected["Mounts"].as_array().into_iter().flatten());
    let mounts = mounts.filter(|(mount, _)| !matches!(mount.kind, MountKind::Tmpfs { .. })).map(|(_, shown)| shown);
    let mut labels: Map<String, Value> = record.settings.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    if docker.scope.only.is_none() {
        // Where several instances are shown, whose it is.
        labels.entry(crate::state::INSTANCE_LABEL).or_insert_with(|| json!(docker.scope.name_of(&record.instance)));
    }
    json!({
        "Id": record.id,
        "Names": [format!("/{}", shown_name(docker, record, all))],
        "Image": record.image.name,
        "ImageID": record.image.id,
        "Command": record.settings.arguments().join(" "),
        "Created": record.created.seconds,
        "Ports": ports,
        "Labels": labels,
        "State": record.state.status.name(),
        "Status": record.status_text(Moment::now()),
        "HostConfig": {"NetworkMode": network_mode(&record.options.network)},
        "NetworkSettings": {"Networks": inspected["NetworkSettings"]["Networks"]},
        "Mounts": mounts.collect::<Vec<_>>(),
    })
}
