//! The running half: namespaces and processes behind a holder, probes through them, and what is observed.

pub mod capture;
pub mod clock;
mod container;
pub mod drops;
pub mod engine;
pub(crate) mod error;
mod exchange;
pub(crate) mod flow_log;
mod forget;
mod gear;
mod guest;
mod inject;
mod kept;
pub mod lab;
mod many_probes;
pub mod open_sockets;
mod packet;
mod packet_probe;
pub mod place;
mod servers;
mod shaping;
mod service_probe;
mod sockets;
mod sys;
mod tag;
pub mod trace;
pub mod uplink;
mod volley;
mod watch;
mod way;

pub use engine::Engine;
pub use error::{Error, Result};
pub use lab::Lab;
