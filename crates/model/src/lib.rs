//! The resources of a cloud as AWS names them, and the operations that change them. Pure.
//!
//! Start at [`Model`]: plain data, serialisable, a snapshot is a clone. The only way to change it is
//! an operation ([`operation`]), which enforces AWS's rules and fails with AWS's error code
//! ([`ApiError`]). Nothing here does I/O: time and identifiers come from [`Context`].
//! What a model means for packets is decided one room up, in `fabric`.
#![forbid(unsafe_code)]

pub mod address;
mod advance;
pub mod cidr;
pub mod claim;
pub mod container;
pub mod context;
pub mod dhcp_options;
pub mod ebs;
pub mod endpoint;
pub mod endpoint_service;
pub mod error;
pub mod flow_log;
pub mod gateway;
pub mod guest;
pub mod id;
pub mod image;
pub mod instance;
pub mod instance_type;
pub mod key_pair;
pub mod lan;
pub mod launch_template;
mod model;
pub mod moment;
pub mod nat_gateway;
pub mod network_acl;
pub mod network_interface;
pub mod operation;
pub mod origin;
pub mod peering;
pub mod prefix_list;
pub mod probe;
mod public_address;
pub mod quota;
pub mod random;
pub mod region;
pub mod route_table;
pub mod security_group;
pub mod selector;
pub mod service;
pub mod settle;
pub mod spot;
pub mod subnet;
pub mod subnet_cidr_reservation;
pub mod table;
pub mod tag;
pub mod traffic;
pub mod transit_gateway;
pub mod vpc;

pub use address::Address;
pub use claim::Claim;
pub use container::{ContainerImage, ContainerSpec, Volume};
pub use context::{Context, Timestamp};
pub use dhcp_options::DhcpOptions;
pub use ebs::{EbsSnapshot, EbsVolume};
pub use endpoint::VpcEndpoint;
pub use error::{ApiError, ErrorCode};
pub use flow_log::FlowLog;
pub use gateway::{EgressOnlyInternetGateway, InternetGateway};
pub use guest::{Guest, Listener, OutsideHost};
pub use id::*;
pub use image::Image;
pub use instance::{Instance, InstanceState};
pub use key_pair::KeyPair;
pub use lan::Lan;
pub use launch_template::LaunchTemplate;
pub use model::Model;
pub use moment::Moment;
pub use nat_gateway::NatGateway;
pub use network_acl::NetworkAcl;
pub use network_interface::NetworkInterface;
pub use origin::Origin;
pub use peering::VpcPeeringConnection;
pub use prefix_list::PrefixList;
pub use probe::{Probe, ProbePacket};
pub use region::{AvailabilityZone, Region};
pub use route_table::{Destination, Route, RouteTable, RouteTarget};
pub use security_group::{Peer, SecurityGroup, SecurityGroupRule};
pub use selector::Selector;
pub use spot::SpotInstanceRequest;
pub use subnet::Subnet;
pub use subnet_cidr_reservation::SubnetCidrReservation;
pub use transit_gateway::{TransitGateway, TransitGatewayAttachment, TransitGatewayRouteTable};
pub use table::Table;
pub use tag::Tags;
pub use traffic::{IcmpMatch, PortRange, TrafficMatch};
pub use vpc::Vpc;

/// The types of this room as one number: two programs that agree on it read each other's models in any form.
pub const SHAPE: &str = env!("MODEL_SHAPE");
