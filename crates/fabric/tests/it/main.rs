//! All tests of the fabric, as one program: linking is what takes time and disk, once for all of them is cheap. None needs a
//! process of its own: what is walked is a value, and no two share anything.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod docks;
mod explain;
mod flow_logs;
mod laws;
mod stages;
mod support;
mod transit_gateways;
mod walks;
