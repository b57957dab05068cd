//! The only way to change a model: one verb, one function, in the file of its resource.
//!
//! Each takes a request with the parameters of the EC2 call of the same name, checks everything, then changes,
//! then says what changed. A refused operation leaves the model as it was.

mod find;
mod managed_interface;
mod vpc_cidr;

pub(crate) mod address;
pub(crate) mod container;
pub(crate) mod dhcp_options;
pub(crate) mod ebs;
pub(crate) mod egress_only_internet_gateway;
pub(crate) mod flow_log;
pub(crate) mod internet_gateway;
pub(crate) mod nat_gateway;
mod nat_gateway_address;
pub(crate) mod guest;
mod image;
pub(crate) mod instance;
pub(crate) mod key_pair;
mod lan;
mod launch_template;
pub(crate) mod network_acl;
pub(crate) mod network_interface;
pub(crate) mod peering;
pub(crate) mod prefix_list;
pub(crate) mod route;
pub(crate) mod route_table;
pub(crate) mod security_group;
mod spot;
pub(crate) mod subnet;
pub(crate) mod subnet_cidr_reservation;
pub(crate) mod tag;
mod transit_gateway;
mod transit_gateway_change;
pub(crate) mod transit_gateway_state;
pub(crate) mod vpc;
pub(crate) mod vpc_endpoint;
pub(crate) mod vpn_gateway;

pub use address::*;
pub use container::*;
pub use dhcp_options::*;
pub use ebs::*;
pub use egress_only_internet_gateway::*;
pub use flow_log::{CreateFlowLog, create_flow_log, delete_flow_log};
pub use internet_gateway::*;
pub use nat_gateway::*;
pub use nat_gateway_address::*;
pub use guest::*;
pub use image::*;
pub use instance::*;
pub use key_pair::*;
pub use lan::*;
pub use launch_template::*;
pub use network_acl::*;
pub use network_interface::*;
pub use peering::*;
pub use prefix_list::*;
pub use route::*;
pub use route_table::*;
pub use security_group::*;
pub use spot::*;
pub use subnet::*;
pub use subnet_cidr_reservation::*;
pub use tag::*;
pub use transit_gateway::*;
pub use transit_gateway_change::*;
pub use vpc::*;
pub use vpc_endpoint::*;
pub use vpn_gateway::*;

pub(crate) use ebs::check_device_name;
pub(crate) use find::{has_dependencies, invalid_value};
