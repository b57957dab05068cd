//! A lab's cloud as devices on cables: routers of VPCs, gateways, instances, the internet. Each asks the stages of `fabric`;
//! what they decide is in the trace, beside the frames.
//!
//! Start at [`Cloud`], which builds the devices of a fabric and keeps them equal to it. [`router`] has the order of the stages,
//! [`engine`] asks a cloud what scenarios and the command line ask of every engine.

pub mod bytes;
pub mod endpoint;
mod engine;
mod errors;
mod exchange;
mod flow_log;
mod forged;
mod fragments;
pub mod gateway;
mod guest;
pub mod internet;
mod judge;
mod lease;
mod message;
pub mod nat;
mod neighbor;
mod outcome;
mod resolver;
pub mod router;
mod services;
mod tables;
mod topology;
pub mod transit;

pub use engine::SimEngine;
pub use judge::Clock;
pub use topology::Cloud;
