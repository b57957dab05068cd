//! The lans of a lab as nodes and links: hubs and repeaters become shared media, everything else a node.
//!
//! Start at [`add`]. [`domains`] counts collision and broadcast domains.

mod build;
pub mod domains;
mod serve;

pub use build::{BuildError, add, link_spec};
