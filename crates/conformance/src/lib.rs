//! Executes scenarios (`conformance/scenarios.md`) on an engine and says where the two disagree.
//!
//! Start at [`run`], which is what `vpclab conformance run` calls. [`scenario`] turns text into steps and refuses what
//! it does not know, [`topology`] turns topologies and deltas into operations on a model, [`value`] compares, and
//! [`engine`] says which engine serves which kind, [`fuzz`] holds engines against each other on random clouds, [`frames`] the
//! simulator's frames to the kernel's. What is right is decided by the scenarios alone.
#![forbid(unsafe_code)]

pub mod engine;
#[cfg(target_os = "linux")]
pub mod frames;
pub mod fuzz;
#[cfg(target_os = "linux")]
pub mod linux_engine;
pub mod run;
pub mod scenario;
pub mod topology;
pub mod value;

pub use engine::EngineName;
pub use run::{Options, Report, RunError, ScenarioResult, Status, run};
