//! The simulator: networks of nodes and links, from a hub to a cloud, in which every frame, layer and reason can be seen.
//! Pure, any system.
//!
//! Start at [`Simulator`]: nodes ([`node`]) joined by full-duplex links ([`link`]) or on a shared medium ([`medium`]); one
//! event after another from the [`wheel`]; what happened in the [`trace`]. Bytes are `wire`'s; what a VPC decides is
//! `fabric`'s.
#![forbid(unsafe_code)]

pub mod app;
pub mod cloud;
pub mod device;
pub mod fragment;
pub mod frame;
pub mod host;
pub mod lan;
pub mod link;
pub mod media;
pub mod medium;
pub mod network;
pub mod node;
pub mod osi;
pub mod random;
pub mod routing;
pub mod simulator;
pub mod table;
pub mod tcp;
pub mod time;
pub mod trace;
pub mod view;
pub mod wheel;
pub mod wires;
pub mod world;

pub use cloud::{Cloud, SimEngine};
pub use frame::{FrameId, Frames};
pub use link::{Framing, LinkSpec};
pub use medium::Medium;
pub use node::{Context, Node, NodeId, Timer};
pub use random::Random;
pub use simulator::{LinkId, MediumId, Simulator, Stop};
pub use table::Table;
pub use time::{Span, Time};
pub use trace::{Bounds, Detail, Events, Layer, Reason, Trace, TraceEvent, Verb};
pub use world::World;
