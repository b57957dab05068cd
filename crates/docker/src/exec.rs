//! Commands in containers: `/exec`.

use axum::Router;

use crate::state::Api;

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
}

/// Commands in containers, by the ids that clients got.
#[derive(Default)]
pub struct Execs {}
