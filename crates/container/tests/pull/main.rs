//! Pulls from a registry on loopback: what is chosen, proved, checked, and asked for only once.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod desk;
mod images;
mod logins;
