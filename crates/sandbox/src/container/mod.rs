//! Containers: processes with their own root file system inside an instance.
//!
//! Start reading at [`spec`] (what a container is) and [`client`] (what callers do with one). The holder starts a
//! *shim* for each, a fork of itself that is a process of the instance; the shim makes the container's first process,
//! keeps its streams, log and exit code, and runs commands in it, whoever is connected to the holder.

mod capability;
mod client;
mod message;
pub mod spec;

pub use capability::CapabilitySet;
pub use client::ContainerExit;
pub(crate) use message::{Started, ToHolder, ToShim};

/// What every refusal of `execve` begins with.
const RUNNING: &str = "running `";
