//! Files in and out of containers: `/containers/{id}/archive` and `/export`.

use std::io::{self, Read};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use container::engine::archive::{PathStat, Put};
use container::engine::{Engine, Error};
use serde_json::json;

use crate::error::{Failure, Result};
use crate::progress::{self, Progress};
use crate::query::Query;
use crate::state::{Api, Docker, blocking};
use crate::upload::Upload;

/// What is at the path, as base64 of JSON.
const STAT: &str = "x-docker-container-path-stat";
const TAR: &str = "application/x-tar";

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/containers/{id}/archive", get(take).head(look).put(put))
        .route("/containers/{id}/export", get(export))
}

fn path_of(query: &Query) -> Result<String> {
    query.get("path").map(str::to_owned).ok_or_else(|| Failure::bad_request("bad parameter: 'path' cannot be empty"))
}

/// Docker's words for a path that is not there name the container as the client did.
fn told(name: &str) -> impl Fn(Error) -> Failure {
    let name = name.to_owned();
    move |error| match error {
        Error::NoPath { path, .. } => Failure::not_found(format!("Could not find the file {path} in container {name}")),
        other => other.into(),
    }
}

fn stat_of(docker: &Docker, name: &str, path: &str) -> Result<HeaderMap> {
    let record = docker.find(name)?;
    let stat = docker.engine.path_stat(&record.id, path).map_err(told(name))?;
    let value = HeaderValue::from_str(&STANDARD.encode(described(&stat).to_string()));
    let value = value.map_err(|error| Failure::failed(error.to_string()))?;
    Ok(HeaderMap::from_iter([(HeaderName::from_static(STAT), value)]))
}

fn described(stat: &PathStat) -> serde_json::Value {
    json!({
        "name": stat.name,
        "size": stat.size,
        "mode": stat.go_mode(),
        "mtime": stat.modified,
        "linkTarget": stat.link_target,
    })
}

async fn look(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<Response> {
    let path = path_of(&query)?;
    let headers = blocking(&api, move |docker| stat_of(docker, &id, &path)).await?;
    Ok((StatusCode::OK, headers).into_response())
}

async fn take(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<Response> {
    let path = path_of(&query)?;
    let (name, wanted) = (id.clone(), path.clone());
    let headers = blocking(&api, move |docker| stat_of(docker, &name, &wanted)).await?;
    let mut response = progress::stream(&api, TAR, move |docker, progress| {
        let record = docker.find(&id)?;
        docker.engine.note(&record, "archive-path");
        piped(&docker.engine, progress, |engine, output| engine.copy_out(&record.id, &path, output)).map_err(told(&id))
    })
    .await?;
    response.headers_mut().extend(headers);
    Ok(response)
}

async fn export(State(api): State<Api>, Path(id): Path<String>) -> Result<Response> {
    progress::stream(&api, "application/octet-stream", move |docker, progress| {
        let record = docker.find(&id)?;
        docker.engine.note(&record, "export");
        Ok(piped(&docker.engine, progress, |engine, output| engine.export(&record.id, output))?)
    })
    .await
}

/// Passes on what a helper writes; when nobody listens any more it ends, as nobody reads its pipe.
fn piped(
    engine: &Engine,
    progress: &Progress,
    work: impl FnOnce(&Engine, io::PipeWriter) -> std::result::Result<(), Error> + Send,
) -> std::result::Result<(), Error> {
    let (mut reader, writer) = io::pipe().map_err(Error::io("making a pipe"))?;
    std::thread::scope(|scope| {
        let working = scope.spawn(move || work(engine, writer));
        let mut buffer = vec![0; 64 << 10];
        let read = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    if !progress.write(buffer[..count].to_vec()) {
                        break Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(Error::io("reading an archive")(error)),
            }
        };
        drop(reader);
        let worked = working.join().unwrap_or_else(|_| Err(Error::Conflict("the work ended early".into())));
        if progress.is_closed() { Ok(()) } else { worked.and(read) }
    })
}

async fn put(State(api): State<Api>, Path(id): Path<String>, query: Query, body: Body) -> Result<StatusCode> {
    let path = path_of(&query)?;
    let how = Put { keep_kinds: query.flag("noOverwriteDirNonDir"), as_user: query.flag("copyUIDGID") };
    let upload = Upload::new(body);
    blocking(&api, move |docker| {
        let record = docker.find(&id)?;
        docker.engine.copy_in(&record.id, &path, upload, how).map_err(told(&id))?;
        docker.engine.note(&record, "extract-to-dir");
        Ok(StatusCode::OK)
    })
    .await
}
