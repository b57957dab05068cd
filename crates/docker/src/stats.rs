//! What containers take: `/containers/{id}/stats`.

use axum::Router;

use crate::state::Api;

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
}
