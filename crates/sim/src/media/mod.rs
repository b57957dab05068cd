//! Shared half-duplex media, where stations take turns by CSMA/CD (IEEE 802.3 clause 4).
//!
//! Start at [`Segment`]: one collision domain, be it a cable or everything that hubs and repeaters join. [`Layout`] says how
//! far apart stations are; [`HubTree`] finds that out for hubs that are joined. What a station does with a frame that came is
//! its node's affair.

mod air;
mod hearers;
mod hub_tree;
mod layout;
mod segment;
mod spec;
mod station;

pub use hub_tree::{HubTree, HubTreeError};
pub use layout::{Layout, Measured};
pub use segment::Segment;
pub use spec::SegmentSpec;
pub use station::Counts;
