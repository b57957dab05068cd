//! What Docker does to a host's network, done to one instance's network namespace.
//!
//! [`Network`] and [`Endpoint`] say what is wanted, [`Plan::new`] what that means for namespaces (pure), [`apply()`] makes
//! it so, from whatever is there: twice changes nothing, and what somebody flushed comes back. [`publish`] reads `-p` and
//! chooses ports, [`ipam`] subnets and addresses, [`names`] writes `/etc/hosts` and `/etc/resolv.conf`; [`firewall`] has the
//! rules, [`dns`] answers the names of user networks. [`Survey`] and [`listeners`] are what must be known of the instance before: its routes, its way out, who listens.
//!
//! A container's modes `host`, `none` and `container:` ([`NetworkMode`]) need nothing of this.

pub mod apply;
pub mod definition;
pub mod dns;
mod error;
pub mod firewall;
mod frames;
pub mod hold;
pub mod ipam;
pub mod names;
pub mod plan;
pub mod publish;
mod request;
mod text;

pub use apply::{Going, Lab, Namespaces, Outcome, Survey, apply, listeners};
pub use definition::{
    DEFAULT_BRIDGE, DEFAULT_MTU, DEFAULT_NETWORK, Endpoint, Link, Network, NetworkMode,
    NetworkOptions, NetworkV6, is_reserved, mac_of, predefined_id,
};
pub use error::{Error, Holder, Result};
pub(crate) use plan::Exits;
pub use plan::Plan;
pub use request::parse_mac;
pub use publish::{
    HostPort, Port, PublishRequest, PublishedPort, Taken, Transport, parse_exposed, parse_publish,
};
