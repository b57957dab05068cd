//! Devices of the physical and the data link layer: what repeats bits, and what forwards frames by address.

pub mod bpdu;
pub mod bridge;
pub mod hub;
pub mod igmp_snooping;
pub mod mac_table;
pub mod spanning_tree;
pub mod switch;

pub use bridge::bridge;
pub use hub::Hub;
pub use spanning_tree::{PortState, SpanningTree, SpanningTreeSettings};
pub use switch::{Switch, SwitchSettings};
