//! All tests of images, builds and networks of containers, as one program: linking is what takes time and disk, once for all of
//! them is cheap. None needs a program of its own, though they run beside each other in one process: stores, labs and
//! registries are each test's own, and whoever is killed, fills a disk or works in namespaces is started anew, by its whole
//! name.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made is a failed test")]

mod build;
#[path = "../common/mod.rs"]
mod common;
mod dockerfile;
mod faults;
mod files_of_containers;
mod load;
#[path = "../../../netlink/tests/common/mod.rs"]
mod netlink_common;
mod network;
mod network_in_a_lab;
mod network_names;
mod network_plan;
mod pull;
mod pull_faults;
mod push;
#[path = "../../../sandbox/tests/common/mod.rs"]
mod sandbox_common;
mod save;
mod unpack;

sandbox::reexec_in_tests!(container::engine::dispatch);
