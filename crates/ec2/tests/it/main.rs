//! All tests of EC2's operations, as one program: linking is what takes time and disk, once for all of them is cheap. None needs
//! a process of its own: each asks a model that is its own.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod client;
mod compute;
mod disks;
mod filters;
mod flow_logs;
mod network;
mod settings;
mod templates_and_images;
