//! All tests of proofs, as one program: linking is what takes time and disk, once for all of them is cheap. None needs a process
//! of its own: clouds are values, and files of the repository are read alone.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod claims;
/// The same clouds on which the engines are compared.
#[path = "../../../conformance/src/fuzz/clouds.rs"]
mod clouds;
mod diff;
mod examples;
mod faults;
mod ipv6;
mod laws;
mod lint;
mod part;
mod standing;
mod support;
mod why;
