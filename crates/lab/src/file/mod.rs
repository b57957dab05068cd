//! The lab file as it is written: one type for each mapping, every value with its place.
//!
//! A field is a key. The same declaration makes the reader, the list of known keys and the JSON Schema.
//! What names mean is resolved one step later, in `resolve`.

mod container;
mod flow_log;
mod gateway;
mod iam;
mod instance;
mod lan;
mod network;
mod phrase;
mod promise;
mod rules;
mod schema;
mod security;
mod transit;

pub use container::{
    Bytes, Capability, CommandLine, Container, Containers, Cpus, Dependencies, HealthCheck, HealthCommand, ImageName, ImagePhrase,
    Milliseconds, MountPhrase, PublishPhrase, Settings, Volume,
};
pub use flow_log::FlowLog;
pub use self::iam::{Group, Iam, InstanceProfile, ManagedPolicy, Policies, Policy, Role, Trust, User};
pub use gateway::{Endpoint, NatGateway, Peering, RouteTable, RouteWord, SubnetRoute};
pub use instance::{ElasticIp, Instance, Interface, Ipv6Addresses, Metadata, PublicIp, SecondaryAddresses, UserData};
pub use lan::{Balancer, Devices, Host, InterfaceAddress, Lan, LanInterface, LinkPhrase, Mac, Rate, Repeater, Router, Switch};
pub use network::{Dhcp, DhcpChoice, InternetGatewayChoice, Subnet, SubnetIpv6, SubnetSize, Vpc, VpcIpv6};
pub use phrase::{ClaimPhrase, ListenPhrase, Phrase};
pub use promise::{Promise, RightPhrase};
pub use rules::{AclPhrase, RulePhrase};
pub use schema::schema;
pub use security::{Acl, PrefixList, SecurityGroup};
pub use transit::{AttachmentWord, TransitAttachment, TransitGateway, TransitPeering, TransitRoute, TransitRouteTable};

use std::net::IpAddr;

use crate::decode::{Named, OneOrMany, Pairs};
use crate::source::Located;

/// Declares a mapping of the lab file.
macro_rules! document {
    ($(#[$meta:meta])* $name:ident: $what:literal $(, short $short:ident)? { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Debug, Clone, Default, PartialEq, Eq, schemars::JsonSchema)]
        $(#[$meta])*
        #[schemars(default, deny_unknown_fields)]
        $(#[schemars(transform = $crate::file::schema::Shorten(stringify!($short)))])?
        pub struct $name {
            /// Where the mapping stands.
            #[schemars(skip)]
            pub span: $crate::source::Span,
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// The keys of this mapping.
            pub const KEYS: &[&str] = &[$($crate::file::key(stringify!($field)),)*];
        }

        impl $crate::decode::Decode for $name {
            fn decode(node: &$crate::yaml::Node, decoder: &mut $crate::decode::Decoder) -> Option<Self> {
                $(if !matches!(node.value, $crate::yaml::Value::Mapping(_)) {
                    // The short form: the value of one key stands for the whole mapping.
                    let mut read = Self { span: node.span, ..Self::default() };
                    read.$short = $crate::decode::Decode::decode(node, decoder)?;
                    return Some(read);
                })?
                let entries = decoder.mapping(node, $what)?;
                let mut read = Self { span: node.span, ..Self::default() };
                for (key, value) in entries {
                    match key.text().unwrap_or_default() {
                        $(word if word == $crate::file::key(stringify!($field)) => {
                            if let Some(value) = $crate::decode::Decode::decode(value, decoder) {
                                read.$field = value;
                            }
                        })*
                        _ => decoder.unknown_key(key, Self::KEYS),
                    }
                }
                Some(read)
            }
        }
    };
}
pub(crate) use document;

/// A field's key: `type` is written `r#type` in Rust.
pub(crate) const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

document! {
    /// A lab: VPCs, what runs in them, and what is expected of their traffic.
    LabFile: "a mapping such as `vpcs:`" {
        /// Name of the lab. Default: the file's name without its endings.
        name: Option<Located<String>>,
        /// AWS region. Default: ap-northeast-2.
        region: Option<Located<String>>,
        /// Files below this one: mappings are merged by key; lists and single values here replace theirs.
        include: OneOrMany<Located<String>>,
        /// Named places on the internet: an address or a list of addresses each.
        outside: Named<OneOrMany<Located<IpAddr>>>,
        /// VPCs by name.
        vpcs: Named<Vpc>,
        /// Security groups by name: a list of rules, or a mapping with `vpc` and `rules`.
        security_groups: Named<SecurityGroup>,
        /// Network ACLs by name: a list of entries, or a mapping with `vpc` and `rules`.
        acls: Named<Acl>,
        /// Prefix lists by name: blocks, or a mapping with `entries` and `max_entries`.
        prefix_lists: Named<PrefixList>,
        /// Peering connections by name.
        peerings: Named<Peering>,
        /// Transit gateways by name: the list of the VPCs that are attached, or a mapping.
        transit_gateways: Named<TransitGateway>,
        /// VPC endpoints by name.
        endpoints: Named<Endpoint>,
        /// Flow logs by name.
        flow_logs: Named<FlowLog>,
        /// Instances by name.
        instances: Named<Instance>,
        /// Key pairs by name: a public key in OpenSSH's form each.
        key_pairs: Named<Located<String>>,
        /// Limits that differ from AWS's defaults, by name; up to a hundred times as much.
        quotas: Pairs<Located<u64>>,
        /// Promises about the lab's traffic, and about who may do what.
        expect: Vec<Promise>,
        /// Volumes of containers by name. What is in one outlives the containers, and edits of this file.
        volumes: Named<Volume>,
        /// Images that containers call by a name of their own: pull REFERENCE, archive PATH, or build DIR each.
        images: Named<ImagePhrase>,
        /// Small networks of hubs, switches, routers, hosts and links, by name. The simulator plays them.
        lans: Named<Lan>,
        /// Who may do what with the lab's API: users, groups, roles, policies. Without it identities stay as they are.
        iam: Option<Iam>,
    }
}
