//! The stages of the pipeline (PIPE-2 … PIPE-11), one a file: each looks at a packet and decides. What a stage
//! remembers about flows is its caller's (`walker`); the decisions here depend on the fabric and the packet alone. Docker's stages, inside an instance, look at a
//! [`crate::dock::Dock`] instead.

pub mod docker_bridge;
pub mod docker_icc;
pub mod docker_publish;
pub mod egress_only_internet_gateway;
pub mod exempt;
pub mod interface_state;
pub mod internet;
pub mod internet_gateway;
pub mod listener;
pub mod local_delivery;
pub mod nat_gateway;
pub mod network_acl;
pub mod peering;
pub mod route_table;
pub mod security_group;
pub mod source_dest_check;
pub mod transit_gateway;
pub mod vpc_endpoint;
pub mod vpn_gateway;
