//! The only way to change a model: one verb, one function, in the file of its resource.
//!
//! Each takes a request with the parameters of the EC2 call of the same name, checks everything, then changes,
//! then says what changed. A refused operation leaves the model as it was.

mod lookup;

pub mod network_acl;
pub mod security_group;

pub use network_acl::*;
pub use security_group::*;
