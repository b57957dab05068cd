//! Proves what a cloud's network does, for all packets at once, without sending one. Pure.
//!
//! Start at [`Reach`]: who reaches whom with what. [`TrafficSet`] is what such answers are made of, [`Atoms`] the finest
//! distinctions that a cloud makes between packets, [`Place`] who sends and receives; [`mod@lint`] what looks wrong. What decides about a packet is
//! `fabric`'s; nothing here states it again.
#![forbid(unsafe_code)]

mod atom;
mod bits;
pub mod claim;
mod class;
pub mod diff;
pub mod fault;
mod intervals;
pub mod lint;
pub mod matrix;
pub mod place;
mod plain;
pub mod reach;
mod runs;
pub mod traffic;
pub mod who;
pub mod why;

pub use atom::{Atom, Atoms};
pub use class::Class;
pub use place::{Place, PlaceIndex};
pub use reach::{Between, Options, Reach};
pub use traffic::TrafficSet;
