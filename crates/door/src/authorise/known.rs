//! What is known of a resource: its tags and its place, as condition keys (IAM-15).

use iam::Facts;
use model::{InstanceId, Model, SubnetId, Tags, VpcId};

use super::demand::{Resource, tag_specifications};
use super::{Request, name};

/// What a network says of one of its resources.
#[derive(Debug, Default)]
struct Known<'m> {
    tags: Option<&'m Tags>,
    vpc: Option<&'m VpcId>,
    subnet: Option<&'m SubnetId>,
    zone: Option<&'m str>,
    instance_type: Option<&'m str>,
    profile: Option<&'m str>,
}

/// Says all that is known of a resource.
pub fn describe(request: &Request<'_>, resource: &Resource, facts: &mut Facts) {
    let mut known = match (request.network, &resource.id) {
        (Some(network), Some(id)) => find(network, resource.kind, id).unwrap_or_default(),
        _ => Known::default(),
    };
    if let (true, Some(network)) = (resource.is_made, request.network) {
        known.vpc = resource.vpc.as_ref().and_then(|id| network.vpcs.row(&id.parse::<VpcId>().ok()?)).map(|row| &row.0);
        let subnet = resource.subnet.as_ref().and_then(|id| network.subnets.get(&id.parse().ok()?));
        if let Some(subnet) = subnet {
            known.vpc = Some(&subnet.vpc_id);
            known.zone = Some(&subnet.availability_zone);
            known.subnet = (resource.kind == "network-interface").then_some(&subnet.id);
        }
    }
    let arn = |kind, id: &str| name(request, &Resource::there(kind, id));
    if let Some(vpc) = known.vpc {
        facts.set("ec2:Vpc", arn("vpc", vpc.as_str()));
    }
    if let Some(subnet) = known.subnet {
        facts.set("ec2:Subnet", arn("subnet", subnet.as_str()));
    }
    if let Some(zone) = known.zone.or(resource.zone.as_deref()) {
        facts.set("ec2:AvailabilityZone", zone);
    }
    if let Some(instance_type) = known.instance_type.or(resource.instance_type.as_deref()) {
        facts.set("ec2:InstanceType", instance_type);
    }
    if let Some(profile) = known.profile {
        facts.set("ec2:InstanceProfile", profile);
    }
    for (key, value) in known.tags.into_iter().flatten() {
        facts.set(&format!("aws:ResourceTag/{key}"), value);
        facts.set(&format!("ec2:ResourceTag/{key}"), value);
    }
    if let Some((key, id)) = [("vpc", "ec2:VpcID"), ("subnet", "ec2:SubnetID"), ("instance", "ec2:InstanceID")]
        .into_iter()
        .find(|(kind, _)| *kind == resource.kind)
        .and_then(|(_, key)| Some((key, resource.id.as_ref()?)))
    {
        facts.set(key, id);
    }
    if resource.is_made {
        let of_kind = tag_specifications(request.parameters).into_iter().filter(|(kind, _)| *kind == resource.kind);
        describe_tags(&of_kind.flat_map(|(_, tags)| tags).collect(), facts);
    } else if matches!(request.operation, "CreateTags" | "DeleteTags") {
        describe_tags(&super::demand::tags(&request.parameters["Tags"]), facts);
    }
}

/// Says which tags come with a request.
pub fn describe_tags(tags: &Tags, facts: &mut Facts) {
    if !tags.is_empty() {
        facts.set_all("aws:TagKeys", tags.keys().cloned());
    }
    for (key, value) in tags {
        facts.set(&format!("aws:RequestTag/{key}"), value);
    }
}

fn find<'m>(network: &'m Model, kind: &str, id: &str) -> Option<Known<'m>> {
    macro_rules! of {
        ($map:ident) => {
            Known { tags: Some(&network.$map.get(&id.parse().ok()?)?.tags), ..Known::default() }
        };
        ($map:ident in vpc) => {{
            let found = network.$map.get(&id.parse().ok()?)?;
            Known { tags: Some(&found.tags), vpc: Some(&found.vpc_id), ..Known::default() }
        }};
    }
    Some(match kind {
        "vpc" => of!(vpcs),
        "subnet" => {
            let subnet = network.subnets.get(&id.parse().ok()?)?;
            Known { zone: Some(&subnet.availability_zone), ..of!(subnets in vpc) }
        }
        "route-table" => of!(route_tables in vpc),
        "internet-gateway" => of!(internet_gateways),
        "egress-only-internet-gateway" => of!(egress_only_internet_gateways in vpc),
        "vpn-gateway" => of!(vpn_gateways),
        "transit-gateway" => of!(transit_gateways),
        "transit-gateway-attachment" => of!(transit_gateway_attachments),
        "transit-gateway-route-table" => of!(transit_gateway_route_tables),
        "natgateway" => of!(nat_gateways in vpc),
        "elastic-ip" => of!(addresses),
        "network-interface" => {
            let interface = network.network_interfaces.get(&id.parse().ok()?)?;
            let zone = network.subnets.get(&interface.subnet_id).map(|subnet| subnet.availability_zone.as_str());
            Known { subnet: Some(&interface.subnet_id), zone, ..of!(network_interfaces in vpc) }
        }
        "security-group" => of!(security_groups in vpc),
        "security-group-rule" => {
            let rules = |group: &'m model::SecurityGroup| group.ingress.iter().chain(&group.egress);
            let mut all = network.security_groups.values().flat_map(|group| rules(group).map(move |rule| (group, rule)));
            let (group, rule) = all.find(|(_, rule)| rule.id.as_str() == id)?;
            Known { tags: Some(&rule.tags), vpc: Some(&group.vpc_id), ..Known::default() }
        }
        "network-acl" => of!(network_acls in vpc),
        "instance" => {
            let id: InstanceId = id.parse().ok()?;
            let instance = network.instances.get(&id)?;
            let vpc = network.interfaces_of(&id).first().map(|interface| &interface.vpc_id);
            Known {
                tags: Some(&instance.tags),
                vpc,
                zone: Some(&instance.availability_zone),
                instance_type: Some(&instance.instance_type),
                profile: instance.iam_instance_profile.as_ref().map(|profile| profile.arn.as_str()),
                ..Known::default()
            }
        }
        "key-pair" => Known { tags: Some(&network.key_pairs.get(id)?.tags), ..Known::default() },
        "vpc-peering-connection" => of!(vpc_peering_connections),
        "vpc-endpoint" => of!(vpc_endpoints in vpc),
        "prefix-list" => of!(prefix_lists),
        "dhcp-options" => of!(dhcp_options),
        "vpc-flow-log" => of!(flow_logs),
        "volume" => {
            let volume = network.ebs_volumes.get(&id.parse().ok()?)?;
            Known { tags: Some(&volume.tags), zone: Some(&volume.availability_zone), ..Known::default() }
        }
        "snapshot" => of!(ebs_snapshots),
        "image" => of!(images),
        "launch-template" => of!(launch_templates),
        "spot-instances-request" => of!(spot_instance_requests),
        "subnet-cidr-reservation" => of!(subnet_cidr_reservations),
        _ => return None,
    })
}
