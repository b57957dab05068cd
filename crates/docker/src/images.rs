//! Images: `/images`. Names have slashes, so what follows one is told apart here and not by the router.

mod describe;
mod registry;
mod remove;
mod transfer;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use container::engine::events::{Event, Kind};
use container::{Image, Reference};

pub(crate) use describe::{all_layers, shared_sizes, summary};
pub(crate) use registry::{build_settings, platform};
pub use describe::size;

use crate::error::{Failure, Result};
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/images/json", get(describe::list))
        .route("/images/create", post(create))
        .route("/images/get", get(transfer::save_several))
        .route("/images/load", post(transfer::load))
        .route("/images/prune", post(remove::prune))
        .route("/images/search", get(registry::search))
        .route("/distribution/{*name}", get(registry::distribution))
        .route("/auth", post(registry::login))
        .route("/images/{*rest}", any(of_image))
}

/// What is asked of one image, by what follows its name.
async fn of_image(
    State(api): State<Api>,
    Path(rest): Path<String>,
    method: Method,
    headers: HeaderMap,
    query: Query,
) -> Result<Response> {
    let parted = rest.rsplit_once('/').map(|(name, verb)| (name.to_owned(), verb.to_owned()));
    match (method.as_str(), parted.as_ref().map(|(name, verb)| (name.clone(), verb.as_str()))) {
        ("GET", Some((name, "json"))) => Ok(Json(blocking(&api, move |docker| describe::inspect(docker, &name)).await?).into_response()),
        ("GET", Some((name, "history"))) => Ok(Json(blocking(&api, move |docker| describe::history(docker, &name)).await?).into_response()),
        ("GET", Some((name, "get"))) => transfer::save(&api, vec![name]).await,
        ("POST", Some((name, "push"))) => registry::push(&api, name, &query, &headers).await,
        ("POST", Some((name, "tag"))) => {
            blocking(&api, move |docker| tag(docker, &name, &query)).await?;
            Ok(StatusCode::CREATED.into_response())
        }
        ("DELETE", _) => {
            let force = query.flag("force");
            Ok(Json(blocking(&api, move |docker| remove::remove(docker, &rest, force)).await?).into_response())
        }
        _ => Err(Failure::not_found("page not found")),
    }
}

async fn create(state: State<Api>, headers: HeaderMap, query: Query, body: Body) -> Result<Response> {
    match query.get("fromSrc").map(str::to_owned) {
        Some(source) => transfer::import(&state.0, &source, &query, body).await,
        None => registry::pull(&state.0, &query, &headers).await,
    }
}

fn tag(docker: &Docker, name: &str, query: &Query) -> Result<()> {
    let repository = query.get("repo").ok_or_else(|| Failure::bad_request("repository name must have at least one component"))?;
    let reference = named(repository, query.get("tag"))?;
    let image = docker.engine.store.tag(name, &reference).map_err(|error| missing(name, error))?;
    tell(docker, "tag", image.id.to_string(), &reference.familiar());
    Ok(())
}

/// A name with the tag or digest that stands beside it; `latest` where there is none.
pub(crate) fn named(name: &str, tag: Option<&str>) -> Result<Reference> {
    let whole = match tag.filter(|tag| !tag.is_empty()) {
        Some(digest) if digest.contains(':') => format!("{name}@{digest}"),
        Some(tag) => format!("{name}:{tag}"),
        None => name.to_owned(),
    };
    whole.parse::<Reference>().map_err(|error| match error {
        container::Error::Reference { why, .. } => Failure::bad_request(format!("invalid reference format: {why}")),
        other => other.into(),
    })
}

/// Docker names an image that is not there as it was asked for, with its tag.
pub(crate) fn missing(name: &str, error: container::Error) -> Failure {
    match error {
        container::Error::NoImage(_) => {
            let shown = name.parse::<Reference>().map_or_else(|_| name.to_owned(), |name| name.familiar());
            Failure::not_found(format!("No such image: {shown}"))
        }
        container::Error::Ambiguous { .. } => Failure::not_found(format!("No such image: {name}: the id begins several")),
        other => other.into(),
    }
}

/// Tells those who watch what happened to an image; `id`: its own, or the name that it was asked for by.
fn tell(docker: &Docker, action: &str, id: impl Into<String>, name: &str) {
    docker.engine.events.say(&Event::new(Kind::Image, action, id).with("name", name));
}

fn find(docker: &Docker, name: &str) -> Result<Image> {
    docker.engine.store.find(name).map_err(|error| missing(name, error))
}
