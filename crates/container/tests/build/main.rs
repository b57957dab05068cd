//! Builds without commands: which files come into an image and which never do, what is found again, and what is refused.

#![allow(clippy::unwrap_used)]

mod again;
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod context;
mod copying;
mod recipe;
