//! All tests of the model, as one program: linking is what takes time and disk, once for all of them is cheap. None needs a
//! process of its own: a model is a value, and no two share anything.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod addresses_and_gateways;
mod cloud;
mod compute_invariants;
mod containers;
mod instances;
mod interfaces;
mod invariants;
mod lans;
mod peerings_endpoints_and_lists;
mod routes;
mod security_groups_and_acls;
mod vpcs_and_subnets;
