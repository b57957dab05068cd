//! The Docker Engine API, versions 1.24 to 1.50, over the containers of a lab or of one of its instances.
//!
//! Start at [`state`] (whose containers a door shows, what its requests share) and [`serve`] (a unix socket, who may come in,
//! how much one client may take). [`version`] reads the path that clients write before routes see it. Every group of endpoints
//! is a file with `routes()`; errors are told in one place, [`error`]; [`query`] and [`filters`] read what clients add to a
//! path; [`progress`] is the stream of lines that long work answers with.
//!
//! What is done is `container::engine`'s; this room only says it in Docker's words.

#![deny(unsafe_code)]

mod archive;
mod build;
mod containers;
mod conversation;
mod descriptor;
mod error;
mod events;
mod exec;
mod filters;
mod frames;
mod images;
mod logs;
mod networks;
mod pattern;
mod progress;
mod query;
pub mod serve;
pub mod state;
mod stats;
mod streams;
mod system;
mod upload;
mod usage;
mod version;
mod volumes;

pub use state::{Api, Docker, Scope};

/// All endpoints, without the version in front of the path.
fn router(api: Api) -> axum::Router {
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
        .fallback(|| async { error::Failure::not_found("page not found") })
        .method_not_allowed_fallback(|| async { error::Failure::not_found("page not found") })
        .with_state(api)
}
