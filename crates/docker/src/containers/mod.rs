//! Containers: `/containers`.

mod create;
mod limits;
mod list;
mod request;
mod top;
mod update;
mod verbs;
mod wait;

use axum::Router;
use axum::routing::{any, delete, get, post};

use crate::error::Failure;
use crate::state::Api;

pub(crate) use list::find_fresh;
pub(crate) use limits::processors;
pub use list::freshen;
pub(crate) use request::Ulimit;
pub(crate) use verbs::{program_refusal, size};

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/containers/json", get(list::list))
        .route("/containers/create", post(create::create))
        .route("/containers/prune", post(verbs::prune))
        .route("/containers/{id}", delete(verbs::remove))
        .route("/containers/{id}/json", get(list::inspect))
        .route("/containers/{id}/start", post(verbs::start))
        .route("/containers/{id}/stop", post(verbs::stop))
        .route("/containers/{id}/restart", post(verbs::restart))
        .route("/containers/{id}/kill", post(verbs::kill))
        .route("/containers/{id}/pause", post(verbs::pause))
        .route("/containers/{id}/unpause", post(verbs::unpause))
        .route("/containers/{id}/rename", post(verbs::rename))
        .route("/containers/{id}/update", post(update::update))
        .route("/containers/{id}/resize", post(verbs::resize))
        .route("/containers/{id}/changes", get(verbs::changes))
        .route("/containers/{id}/wait", post(wait::wait))
        .route("/containers/{id}/top", get(top::top))
        .route("/containers/{id}/checkpoints", any(no_checkpoints))
}

async fn no_checkpoints() -> Failure {
    Failure::not_built("checkpoints of containers are not made here")
}
