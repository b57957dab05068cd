//! All tests of the doors of AWS's API, as one program: linking is what takes time and disk, once for all of them is cheap. None
//! needs a process of its own: each has a world of its own, and clients are started as programs, at a port of their test.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared is a failed test")]

mod any_call;
mod clients;
mod fuzz;
mod keys;
mod pieces;
mod rights;
mod roles;
mod world;
