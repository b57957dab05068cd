//! What a model means for packets. Pure.
//!
//! Start at [`Fabric`]: the immutable answer, made by [`Fabric::compile`]. One file per stage of the pipeline
//! decides about packets ([`stage`]); engines call these functions or compile the same [`Fabric`] to something
//! else. What the control plane may do is `model`'s; what Linux needs is `linux`'s.
#![forbid(unsafe_code)]

pub mod acl;
mod by_port;
pub mod called;
mod compile;
pub mod dock;
pub mod ends;
pub mod engine;
pub mod fabric;
pub mod flow_log;
pub mod gateway;
pub mod group;
pub mod index;
pub mod names;
pub mod packet;
pub mod reason;
pub mod resolver;
pub mod route;
pub mod stage;
pub mod state;
pub mod walker;

pub use acl::Acl;
pub use called::Called;
pub use compile::edit::Changed;
pub use ends::EndError;
pub use engine::Engine;
pub use fabric::{Fabric, Instance, Interface, InterfaceKind, InterfaceStatus, OutsideHost, Subnet, Vpc};
pub use group::{GroupRule, GroupSet, RulePeer, SecurityGroup};
pub use index::*;
pub use names::Entity;
pub use packet::{Family, FlowKey, Header, Packet, Segment, Transport};
pub use reason::{Component, Decision, Direction, ExplanationCode, Reason, Rule, Stage};
pub use route::{NextHop, Route, RouteTable};
pub use walker::{Explanation, Walker, explain};
