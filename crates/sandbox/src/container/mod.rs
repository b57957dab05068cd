//! Containers: processes with their own root file system inside an instance.
//!
//! Start reading at [`spec`] (what a container is) and `client` (what callers do with one). The holder starts a
//! *shim* for each, a fork of itself that is a process of the instance; the shim makes the container's first process
//! (`birth`, `root`, `program`), keeps its streams, log and exit code, and runs commands in it (`exec`), whoever is
//! connected to the holder.

mod birth;
mod capability;
mod client;
mod copy_up;
mod exec;
mod first;
mod log;
mod message;
mod mount;
mod privilege;
mod profile;
mod program;
mod root;
pub(crate) mod shim;
pub mod spec;
mod streams;
mod target;
mod users;

pub(crate) use copy_up::copy_tree;
pub use capability::CapabilitySet;
pub use crate::cgroup::limit;
pub use client::{ContainerExit, NetnsPending, StartedContainer, Starting};
pub(crate) use message::{Started, ToHolder, ToShim};
pub(crate) use root::show;
pub use users::{Identity, identity};

/// What every refusal of `execve` begins with.
const RUNNING: &str = "running `";
/// What a fault begins with that is about the place where a program begins.
const CWD: &str = "chdir to cwd (";
