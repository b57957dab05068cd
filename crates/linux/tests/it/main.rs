//! All tests of the linux engine, as one program: linking is what takes time and disk, once for all of them is cheap. None needs
//! a program of its own, though they run beside each other in one process: whoever works in namespaces without a holder is
//! started anew in its own, by its whole name, the others have a lab of their own behind a holder. What measures is ignored
//! and run by hand.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod agree;
mod bench;
mod changes;
mod cost;
mod edges;
mod engine;
mod flow_logs;
mod inverted;
mod ipv6;
mod lans;
mod observe;
mod packets;
mod probe_all;
mod resets;
mod scale;
mod snapshot;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod transit_gateways;

sandbox::reexec_in_tests!();
