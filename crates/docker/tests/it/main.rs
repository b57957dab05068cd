//! All tests of the Engine API, as one program: linking is what takes time and disk, once for all of them is cheap. None needs a
//! program of its own: each has a lab with an instance of its own, and a door and a registry of its own.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod common;
mod containers;
mod files;
mod images;
mod networks;
mod pulls;
#[path = "../../../container/tests/common/mod.rs"]
mod registry;

sandbox::reexec_in_tests!(container::engine::dispatch);
