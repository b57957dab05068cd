//! The engine with real packets: a fabric compiled to kernel objects, applied in namespaces, probed with sockets.
//!
//! `plan` says what the kernel must hold (pure), `diff` what must change, `apply` makes netlink of it,
//! `runtime` holds the namespaces and observes. The map is
//! `docs/linux-engine.md`. What is allowed is decided in `fabric`; nothing here re-states it.
#![deny(unsafe_code)]

pub mod apply;
mod aside;
pub mod diff;
pub mod naming;
pub mod plan;
pub mod runtime;

pub use plan::{Options, Plan, PlanError};
pub use runtime::{Engine, Error, Lab};
