//! A layer's tar becomes a folder, and nothing but that folder, whatever the tar says.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made is a failed test")]

mod attributes;
#[path = "../common/mod.rs"]
mod common;
mod ground;
mod stack;
mod tricks;
