//! Devices of the physical and the data link layer: what repeats bits, and what forwards frames by address.

pub mod bridge;
pub mod hub;
pub mod mac_table;
pub mod switch;

pub use bridge::bridge;
pub use hub::Hub;
pub use switch::{Switch, SwitchSettings};
