//! The simulator: networks of nodes and links, from a hub to a cloud, in which every frame, layer and reason can be seen.
//! Pure, any system.
//!
//! Start at [`time`].
#![forbid(unsafe_code)]

pub mod tcp;
pub mod time;

pub use time::{Span, Time};
