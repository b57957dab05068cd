//! The services that every VPC has at link-local addresses: DNS, metadata, time. What they answer is pure (`dns`,
//! `metadata`); `server` moves the bytes.

pub mod dns;
pub mod lease;
pub mod metadata;
mod server;

pub use server::{Backing, Services, Shared};
