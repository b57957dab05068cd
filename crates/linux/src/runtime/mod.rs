//! The running half: namespaces and processes behind a holder, probes through them, and what is observed.

pub mod clock;
mod container;
pub mod drops;
pub mod engine;
pub(crate) mod error;
mod exchange;
mod guest;
mod inject;
mod kept;
pub mod lab;
mod packet;
mod packet_probe;
mod place;
mod service_probe;
mod sockets;
mod sys;
mod watch;

pub use engine::Engine;
pub use error::{Error, Result};
pub use lab::Lab;
