//! All tests of decisions about rights, as one program: linking is what takes time and disk, once for all of them is cheap. None
//! needs a process of its own: policies are values, and no two tests share anything.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod calls;
mod decisions;
mod laws;
