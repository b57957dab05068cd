//! Routing protocols, as programs on routers: RIP version 2 ([`rip`]) and OSPF version 2 in one area ([`ospf`]); and group
//! membership of hosts and routers ([`igmp`]).
//!
//! A program speaks to its neighbours in bytes, and to its router by `seat`: which interfaces there are and work, and which
//! routes it puts into the table. How a table decides between what several protocols say is [`crate::host::Routes`]'.

mod alarm;
mod bytes;
pub mod igmp;
pub mod ospf;
pub mod rip;
mod seat;

pub use ospf::{Ospf, OspfSpec};
pub use rip::{Rip, RipSpec};
