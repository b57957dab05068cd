//! All tests of lab files, as one program: linking is what takes time and disk, once for all of them is cheap. None needs a
//! process of its own: text and files of the repository are read, nothing is written.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod apply;
mod aws;
mod aws_mutation;
/// The same clouds on which the engines are compared.
#[path = "../../../conformance/src/fuzz/clouds.rs"]
mod clouds;
mod containers;
mod dumps;
mod edits;
mod export;
mod flow_logs;
mod hostile;
mod iam;
mod lans;
mod messages;
mod mutation;
mod schema;
mod slip;
mod snapshot;
mod terraform;
mod terraform_transit;
mod texts;
mod transit_gateways;
mod vpn;
