//! The control plane of running labs: services inside VPCs, state, the daemon and its API.
//!
//! Start at [`api`] (what can be asked), [`client::Daemon`] (how commands ask), [`daemon`] (who answers), [`host`] (one
//! running lab), [`cloud`] (what answers AWS's clients), [`identity`] (who they are) and [`service`] (what VPCs offer their instances).
#![forbid(unsafe_code)]

mod accounts;
pub mod api;
pub mod client;
pub mod cloud;
pub mod containers;
pub mod daemon;
pub mod flow_log;
pub mod host;
pub mod identity;
pub mod instance;
pub mod listener;
pub mod paths;
pub mod record;
pub mod service;
pub mod store;
mod unseen;
pub mod volumes;
mod whole_file;

pub use service::{Backing, Services, Shared};
