//! All tests of holders, instances and containers, as one program: linking is what takes time and disk, once for all of them is
//! cheap. None needs a program of its own, though they run beside each other in one process: each has a lab of its own in a
//! folder of its own, what counts descriptors or children counts the holder's, what opens something closes it on exec, and
//! whoever plays a process that is killed or that inherits is started anew, by its whole name.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod container;
mod container_faults;
mod container_isolation;
mod disk;
mod filter;
mod holder;
mod instance;
mod isolation;
mod relay;
mod uplink;
mod volumes;

sandbox::reexec_in_tests!();
