//! What a network and an account have of each type of resource, by id and by name: what people mean when they name a thing.

use iam::Kind;
use iam::account::Account;
use model::{Model, Tags};

/// A thing with what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// Its id; a key pair's and an identity's name; an identity's resource name stands for itself.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
}

fn named(id: impl ToString, tags: &Tags) -> Thing {
    Thing { id: id.to_string(), name: model::tag::name(tags).map(str::to_owned) }
}

/// All things of a type of EC2's.
pub fn of_network(network: &Model, kind: &str) -> Vec<Thing> {
    macro_rules! all {
        ($map:ident) => {
            network.$map.iter().map(|(id, thing)| named(id, &thing.tags)).collect()
        };
    }
    match kind {
        "vpc" => all!(vpcs),
        "subnet" => all!(subnets),
        "route-table" => all!(route_tables),
        "internet-gateway" => all!(internet_gateways),
        "egress-only-internet-gateway" => all!(egress_only_internet_gateways),
        "vpn-gateway" => all!(vpn_gateways),
        "transit-gateway" => all!(transit_gateways),
        "transit-gateway-attachment" => all!(transit_gateway_attachments),
        "transit-gateway-route-table" => all!(transit_gateway_route_tables),
        "natgateway" => all!(nat_gateways),
        "elastic-ip" => all!(addresses),
        "network-interface" => all!(network_interfaces),
        "network-acl" => all!(network_acls),
        "vpc-peering-connection" => all!(vpc_peering_connections),
        "vpc-endpoint" => all!(vpc_endpoints),
        "prefix-list" => all!(prefix_lists),
        "dhcp-options" => all!(dhcp_options),
        "instance" => {
            let live = network.instances.values().filter(|instance| instance.state != model::InstanceState::Terminated);
            live.map(|instance| named(&instance.id, &instance.tags)).collect()
        }
        "security-group" => {
            let thing = |group: &model::SecurityGroup| Thing { id: group.id.to_string(), name: Some(group.group_name.clone()) };
            network.security_groups.values().map(thing).collect()
        }
        "key-pair" => network.key_pairs.values().map(|pair| Thing { id: pair.key_name.clone(), name: Some(pair.key_name.clone()) }).collect(),
        "image" => vec![Thing { id: model::image::default_for(&network.region, model::instance_type::Architecture::X86_64).to_string(), name: None }],
        _ => Vec::new(),
    }
}

/// Whether a network has the thing of a type and id; `None` where nobody here knows what there is of the type.
pub fn is_there(network: &Model, kind: &str, id: &str) -> Option<bool> {
    match kind {
        "volume" => Some(network.ebs_volumes.keys().any(|known| known.as_str() == id)),
        "snapshot" => {
            let offered = model::image::offered(&network.region);
            let of_images = offered.iter().flat_map(|image| &image.block_devices).filter_map(|device| device.snapshot_id.as_ref());
            Some(network.ebs_snapshots.keys().chain(of_images).any(|known| known.as_str() == id))
        }
        "image" => {
            let offered = model::image::offered(&network.region);
            Some(network.images.keys().chain(offered.iter().map(|image| &image.id)).any(|known| known.as_str() == id))
        }
        "launch-template" => Some(network.launch_templates.keys().any(|known| known.as_str() == id)),
        _ if BY_ID.contains(&kind) => Some(of_network(network, kind).iter().any(|thing| thing.id == id)),
        _ => None,
    }
}

/// Types of which [`of_network`] has all, by the ids that resource names have.
const BY_ID: &[&str] = &[
    "vpc", "subnet", "route-table", "internet-gateway", "egress-only-internet-gateway", "vpn-gateway", "transit-gateway",
    "transit-gateway-attachment", "transit-gateway-route-table", "natgateway", "elastic-ip", "network-interface", "network-acl",
    "vpc-peering-connection", "vpc-endpoint", "prefix-list", "dhcp-options", "instance", "security-group", "key-pair",
];

/// All things of a type of IAM's, with their resource names for ids.
pub fn of_account(account: &Account, kind: &str) -> Vec<Thing> {
    let entities = |kind| account.entities(kind).map(|entity| Thing { id: account.arn(entity), name: Some(entity.name.clone()) }).collect();
    match kind {
        "user" => entities(Kind::User),
        "group" => entities(Kind::Group),
        "role" => entities(Kind::Role),
        "policy" => account.own_policies().map(|(arn, policy)| Thing { id: arn.to_owned(), name: Some(policy.name.clone()) }).collect(),
        "instance-profile" => {
            account.profiles().map(|profile| Thing { id: account.profile_arn(profile), name: Some(profile.name.clone()) }).collect()
        }
        _ => Vec::new(),
    }
}
