//! What is done to one container: start, stop, kill, pause, rename, removal and the like.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use container::engine::record::{Record, Status};
use container::engine::{Error, Id, Moment, Removal, words};
use sandbox::ContainerExit;
use sandbox::container::spec::Attach;
use serde_json::{Value, json};

use super::list::find_fresh;
use crate::error::{Failure, Result};
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

/// Longer than anybody waits: what `-1` seconds mean.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

pub(super) async fn start(State(api): State<Api>, Path(id): Path<String>) -> Result<Response> {
    let exit = blocking(&api, move |docker| {
        let record = find_fresh(docker, &id)?;
        match record.state.status {
            Status::Running => return Ok(None),
            Status::Paused => return Err(Failure::conflict("cannot start a paused container, try unpause instead")),
            _ => {}
        }
        match start_now(docker, &record) {
            Ok(exit) => Ok(Some((record.id, exit))),
            // Somebody else was faster: it runs, as was asked for.
            Err(_) if is_running(docker, &record) => Ok(None),
            Err(failure) => Err(failure),
        }
    })
    .await?;
    Ok(match exit {
        None => StatusCode::NOT_MODIFIED.into_response(),
        Some((id, exit)) => {
            see_end(&api, id, exit);
            StatusCode::NO_CONTENT.into_response()
        }
    })
}

fn is_running(docker: &Docker, record: &Record) -> bool {
    let now = docker.engine.folder.read(&record.id);
    now.is_ok_and(|now| now.is_some_and(|now| now.state.status == Status::Running))
}

/// Starts a container, with those who attached to it before.
fn start_now(docker: &Docker, record: &Record) -> Result<ContainerExit> {
    let mut waiting = docker.shared.waiting.take(&record.id).into_iter();
    let first = waiting.next();
    let attach = first.as_ref().map_or_else(Attach::default, |first| first.attach);
    // Those who wait learn of a refusal when they are dropped.
    let started = docker.engine.start(&record.id, attach).map_err(|error| {
        // One that somebody else started meanwhile is theirs.
        if record.options.auto_remove && !matches!(error, Error::State { .. }) {
            // Nobody will see its end, and somebody waits until it is gone.
            let _ = docker.engine.remove(&record.id, Removal { force: true, volumes: true });
        }
        not_started(record, error)
    })?;
    if let Some(first) = first {
        let _ = first.streams.send(started.container.streams);
    }
    for other in waiting {
        if let Ok(streams) = docker.engine.client.attach_container(record.id.as_str(), other.attach) {
            let _ = other.streams.send(streams);
        }
    }
    Ok(started.container.exit)
}

/// Why a program was not started, in the words by which the CLI knows which code it ends with.
fn not_started(record: &Record, error: Error) -> Failure {
    let program = record.settings.arguments().first().cloned().unwrap_or_default();
    let Error::NotStarted { code, why } = error else { return error.into() };
    let sentence = program_refusal(&program, code, &why);
    let status = if matches!(code, 126 | 127) { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
    Failure::new(status, format!("failed to create task for container: {sentence}"))
}

/// The sentence of a program that could not be run.
pub(crate) fn program_refusal(program: &str, code: i32, why: &str) -> String {
    if let Some((directory, reason)) = why.strip_prefix("chdir to cwd ").and_then(|rest| rest.split_once(" failed: ")) {
        return match code {
            128 => "Cwd must be an absolute path".to_owned(),
            _ => format!("unable to start container process: chdir to cwd {directory} set in config.json failed: {reason}"),
        };
    }
    match code {
        127 if !program.contains('/') => {
            format!("unable to start container process: exec: \"{program}\": executable file not found in $PATH")
        }
        127 => format!("unable to start container process: exec: \"{program}\": stat {program}: no such file or directory"),
        126 if why.contains("directory") => format!("unable to start container process: exec: \"{program}\": is a directory"),
        126 if why.contains("ermission") => format!("unable to start container process: exec: \"{program}\": permission denied"),
        126 => format!("unable to start container process: exec: \"{program}\": {why}: permission denied"),
        _ => why.to_owned(),
    }
}

/// Puts the end of a container on record at once, and removes it when it is to be removed.
pub(crate) fn see_end(api: &Api, id: Id, exit: ContainerExit) {
    let api = api.clone();
    tokio::spawn(async move {
        // Where this cannot be waited for, the keeper sees the end.
        if crate::descriptor::readable(exit.exit_descriptor()).await.is_ok() {
            let _ = tokio::task::spawn_blocking(move || api.engine.tend_container(&id)).await;
        }
    });
}

fn signal(query: &Query) -> Result<Option<i32>> {
    let read = |text: &str| words::signal(text).map_err(|_| Failure::bad_request(format!("invalid signal: {text}")));
    query.get("signal").map(read).transpose()
}

/// `t`, seconds; negative: for ever.
fn grace(query: &Query) -> Result<Option<Duration>> {
    let seconds: Option<i64> = query.number("t")?;
    Ok(seconds.map(|seconds| u64::try_from(seconds).map_or(FOR_EVER, Duration::from_secs)))
}

pub(super) async fn stop(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        let record = find_fresh(docker, &id)?;
        let runs = record.state.status.is_alive() || record.state.status == Status::Restarting;
        docker.engine.stop(&record.id, signal(&query)?, grace(&query)?)?;
        Ok(if runs { StatusCode::NO_CONTENT } else { StatusCode::NOT_MODIFIED })
    })
    .await
}

pub(super) async fn restart(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<StatusCode> {
    let (id, exit) = blocking(&api, move |docker| {
        let record = docker.find(&id)?;
        let started = docker.engine.restart(&record.id, signal(&query)?, grace(&query)?);
        Ok((record.id.clone(), started.map_err(|error| not_started(&record, error))?.container.exit))
    })
    .await?;
    see_end(&api, id, exit);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn kill(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        let signal = signal(&query)?.unwrap_or(9);
        let record = find_fresh(docker, &id)?;
        if !record.state.status.is_alive() {
            return Err(Failure::conflict(format!("cannot kill container: {id}: container {} is not running", record.id)));
        }
        match docker.engine.kill(&record.id, signal) {
            Err(Error::State { .. }) => {
                Err(Failure::conflict(format!("cannot kill container: {id}: container {} is not running", record.id)))
            }
            // It was to be removed at its end.
            Ok(()) | Err(Error::NoContainer(_)) => Ok(StatusCode::NO_CONTENT),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

pub(super) async fn pause(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        let record = find_fresh(docker, &id)?;
        match record.state.status {
            Status::Running => docker.engine.pause(&record.id).map(|_| StatusCode::NO_CONTENT).map_err(Failure::from),
            Status::Paused => Err(Failure::conflict(format!("container {} is already paused", record.id))),
            _ => Err(Failure::conflict(format!("container {} is not running", record.id))),
        }
    })
    .await
}

pub(super) async fn unpause(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        let record = find_fresh(docker, &id)?;
        match record.state.status {
            Status::Paused => docker.engine.unpause(&record.id).map(|()| StatusCode::NO_CONTENT).map_err(Failure::from),
            _ => Err(Failure::conflict(format!("container {} is not paused", record.id))),
        }
    })
    .await
}

pub(super) async fn rename(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        let record = docker.find(&id)?;
        let name = query.get("name").map(|name| name.strip_prefix('/').unwrap_or(name)).unwrap_or_default();
        if name.is_empty() {
            return Err(Failure::bad_request("neither old nor new names may be empty"));
        }
        if name == record.name {
            return Err(Failure::bad_request("renaming a container with the same name as its current name"));
        }
        docker.engine.rename(&record.id, name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) async fn remove(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        if query.flag("link") {
            return Err(Failure::bad_request("there are no links to remove"));
        }
        let record = find_fresh(docker, &id)?;
        let force = query.flag("force");
        if record.state.status.is_alive() && !force {
            let (state, what) = match record.state.status {
                Status::Paused => ("paused", "unpause and then stop"),
                _ => ("running", "stop"),
            };
            return Err(Failure::conflict(format!(
                "cannot remove container \"{}\": container is {state}: {what} the container before removing or force remove",
                record.name
            )));
        }
        docker.engine.remove(&record.id, Removal { force, volumes: query.flag("v") })?;
        docker.shared.execs.forget(&record.id);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) async fn resize(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        let (rows, columns) = size(&query)?;
        let record = find_fresh(docker, &id)?;
        if !record.state.status.is_alive() {
            return Err(Failure::conflict(format!("container {} is not running", record.id)));
        }
        if record.options.terminal {
            docker.engine.client.resize_container(record.id.as_str(), rows, columns)?;
        }
        Ok(StatusCode::OK)
    })
    .await
}

/// `h` and `w` of a terminal.
pub(crate) fn size(query: &Query) -> Result<(u16, u16)> {
    match (query.number("h")?, query.number("w")?) {
        (Some(rows), Some(columns)) => Ok((rows, columns)),
        _ => Err(Failure::bad_request("a terminal's size needs h and w")),
    }
}

pub(super) async fn changes(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let record = docker.find(&id)?;
        let changes = docker.engine.changes(&record)?;
        let changes = changes.iter().map(|change| json!({"Path": change.path.to_string_lossy(), "Kind": change.kind.number()}));
        let changes: Vec<Value> = changes.collect();
        Ok(Json(if changes.is_empty() { Value::Null } else { Value::Array(changes) }))
    })
    .await
}

pub(super) async fn prune(State(api): State<Api>, query: Query, _: Bytes) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let filters = query.filters(&["until", "label", "label!"])?;
        let now = Moment::now();
        let mut until = None;
        for text in filters.values("until") {
            if until.is_some() {
                return Err(Failure::bad_request("more than one until filter specified"));
            }
            until = Some(Moment::parse_or_ago(text, now).ok_or_else(|| Failure::bad_request(format!("invalid filter 'until={text}'")))?);
        }
        let mut all = docker.records()?;
        super::freshen(docker, &mut all)?;
        let is_idle = |record: &&Record| matches!(record.state.status, Status::Created | Status::Exited | Status::Dead);
        let (mut gone, mut bytes) = (Vec::new(), 0);
        for record in all.iter().filter(is_idle) {
            if until.is_some_and(|until| record.created >= until) || !filters.labels(&record.settings.labels) {
                continue;
            }
            let written = docker.engine.written_bytes(record).unwrap_or(0);
            match docker.engine.remove(&record.id, Removal::default()) {
                Ok(()) => {
                    bytes += written;
                    gone.push(record.id.clone());
                }
                // Somebody removed it, or started it, meanwhile.
                Err(Error::NoContainer(_) | Error::State { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Json(json!({"ContainersDeleted": gone, "SpaceReclaimed": bytes})))
    })
    .await
}
