//! The control plane of running labs: services inside VPCs, state, the daemon and its API.
//!
//! Start at [`service`] (what VPCs offer their instances).
#![forbid(unsafe_code)]

pub mod host;
pub mod instance;
pub mod listener;
pub mod paths;
pub mod record;
pub mod service;
pub mod store;

pub use service::{Services, Shared};
