//! Scenarios as text: markdown, YAML, and a typed form in which nothing unknown survives.
//!
//! [`Corpus::load`] reads files; a [`Scenario`] that could not be read carries its [`Fault`] in place of its steps,
//! so that it fails instead of vanishing.

mod corpus;
pub mod delta;
pub mod expect;
pub mod fault;
pub mod fields;
pub mod markdown;
pub mod probe;
pub mod step;
pub mod topology;
pub mod yaml;

pub use corpus::{Basis, Body, Corpus, Kind, LoadError, Place, Scenario};
pub use delta::Delta;
pub use expect::Expectation;
pub use fault::Fault;
pub use step::{Action, Caller, Step};
pub use topology::Topology;
