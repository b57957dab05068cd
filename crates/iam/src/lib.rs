//! Identity: who may do what (semantics §17). Policies in AWS's language, read and evaluated; every answer can be told statement by
//! statement. Pure: no I/O, no clock.
//!
//! Start at [`decide`](decision::decide): a [`Subject`] with its policies asks for an action on a resource, and the [`Decision`]
//! says what comes of it and why. [`Policy::parse`] reads documents.
#![forbid(unsafe_code)]

pub mod arn;
pub mod decision;
pub mod facts;
pub mod policy;

pub use arn::Arn;
pub use decision::{Decision, Named, Outcome, Request, Subject};
pub use facts::Facts;
pub use policy::{Effect, Policy, PolicyError, PolicyKind, Statement};
