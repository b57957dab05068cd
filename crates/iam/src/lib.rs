//! Identity: who may do what (semantics §17). Accounts with users, groups, roles, policies, keys and sessions; policies in AWS's
//! language, read and evaluated; every answer can be told statement by statement. Pure: no I/O, no clock.
//!
//! Start at [`decide`](decision::decide): a [`Subject`] with its policies asks for an action on a resource, and the [`Decision`]
//! says what comes of it and why ([`explain`](explain::explain) tells that to people). [`Policy::parse`] reads documents; an [`Account`] holds them, and [`operation`]
//! changes it; [`converge`](converge::converge) makes it like another one.
#![forbid(unsafe_code)]

pub mod account;
pub mod api;
pub mod arn;
pub mod claim;
pub mod converge;
pub mod decision;
pub mod document;
pub mod environment;
pub mod error;
pub mod explain;
pub mod facts;
pub mod managed;
pub mod operation;
pub mod policy;

pub use account::{Account, Kind};
pub use arn::Arn;
pub use claim::Claim;
pub use converge::{Difference, converge};
pub use decision::{Decision, Named, Outcome, Request, Subject};
pub use document::Document;
pub use environment::Environment;
pub use error::{Code, Error};
pub use facts::Facts;
pub use policy::{Effect, Policy, PolicyError, PolicyKind, Statement};
