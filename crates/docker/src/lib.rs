//! The Docker Engine API, versions 1.24 to 1.50, over the containers of a lab or of one of its instances.
//!
//! Start at [`state`] (whose containers a door shows, what its requests share) and [`serve`] (a unix socket, who may come in,
//! how much one client may take). [`version`] reads the path that clients write before routes see it. Every group of endpoints
//! is a file with `routes()`; errors are told in one place, [`error`]; [`query`] and [`filters`] read what clients add to a
//! path; [`progress`] is the stream of lines that long work answers with.
//!
//! What is done is `container::engine`'s; this room only says it in Docker's words.

#![deny(unsafe_code)]

pub mod archive;
pub mod build;
pub mod containers;
mod conversation;
mod descriptor;
pub mod error;
pub mod events;
pub mod exec;
pub mod filters;
mod frames;
pub mod images;
pub mod logs;
pub mod networks;
mod pattern;
pub mod progress;
pub mod query;
pub mod serve;
pub mod state;
pub mod stats;
pub mod streams;
pub mod system;
pub mod upload;
pub mod usage;
pub mod version;
pub mod volumes;

pub use error::Failure;
pub use filters::Filters;
pub use query::Query;
pub use state::{Api, Docker, Scope, blocking};

/// All endpoints, without the version in front of the path.
pub fn router(api: Api) -> axum::Router {
    axum::Router::new()
        .merge(archive::routes())
        .merge(build::routes())
        .merge(containers::routes())
        .merge(events::routes())
        .merge(exec::routes())
        .merge(images::routes())
        .merge(logs::routes())
        .merge(networks::routes())
        .merge(stats::routes())
        .merge(streams::routes())
        .merge(system::routes())
        .merge(usage::routes())
        .merge(volumes::routes())
        .fallback(|| async { Failure::not_found("page not found") })
        .method_not_allowed_fallback(|| async { Failure::not_found("page not found") })
        .with_state(api)
}
