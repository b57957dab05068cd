//! All tests of the corpus and of random clouds and frames, as one program: linking is what takes time and disk, once for all of
//! them is cheap. None needs a program of its own: each lab has a holder of its own, in a folder of its own.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod any_frames;
mod broken;
mod corpus;
mod export;
mod findings;
mod frames;
mod frames_findings;
mod fuzz;
mod many_connections;
mod mutate;
mod proof;
mod sim;
mod sim_names;

#[cfg(target_os = "linux")]
sandbox::reexec_in_tests!();
