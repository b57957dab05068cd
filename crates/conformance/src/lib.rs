//! Executes scenarios (`conformance/scenarios.md`) on an engine and says where the two disagree.
//!
//! Start at [`scenario::Corpus`] for the text and at [`value`] for how values compare.
#![forbid(unsafe_code)]

pub mod scenario;
pub mod value;
