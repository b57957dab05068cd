//! The embedded DNS server: names of user networks, answered inside each container at 127.0.0.11.
//!
//! [`Zone`] is what one container may ask (pure); [`Resolver`] is the thread that serves all containers of a lab through
//! sockets in their namespaces. Port 53 inside stays free for the container's own programs: the sockets have other ports, and
//! a rule in the container's namespace leads to them.

mod forward;
mod server;
mod tcp;
mod zone;

pub(super) use server::kept_names;
pub use server::{Asked, Opener, Resolver, Sockets, close, open};
pub use zone::{Answer, Zone};
