//! Attached streams: `/containers/{id}/attach`.

use axum::Router;

use crate::state::Api;

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
}

/// Who waits for containers that do not run yet.
#[derive(Default)]
pub struct Waiting {}
