//! All tests of the query protocol, as one program: linking is what takes time and disk, once for all of them is cheap. None
//! needs a process of its own: fixtures are read, and written by `make shapes` alone.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared is a failed test")]

mod botocore;
mod coverage;
mod endpoint;
mod parameters;
mod values;
