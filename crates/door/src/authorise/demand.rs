//! What a call touches (EC2A-2, EC2A-3).
//!
//! The rule: what is made, as `TYPE/*`, and whatever is named by an id among the parameters. [`members`] holds the calls
//! that are asked for less than they name, [`run_instances`] the one that is asked for more.

use model::security_group::SecurityGroup;
use model::{Model, Tags, instance_type};
use serde_json::Value;

use super::{Request, kind};

/// A resource that a call touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// `vpc`, `security-group`.
    pub kind: &'static str,
    /// Its id, or a key pair's name; none for one that is made and for any of a kind.
    pub id: Option<String>,
    /// Whether the call makes it.
    pub is_made: bool,
    /// The VPC that it is made in.
    pub vpc: Option<String>,
    /// The subnet that it is made in.
    pub subnet: Option<String>,
    /// The zone that it is made in.
    pub zone: Option<String>,
    /// The type of an instance that is made.
    pub instance_type: Option<String>,
}

impl Resource {
    /// One that is there.
    pub fn there(kind: &'static str, id: &str) -> Self {
        Self { kind, id: Some(id.to_owned()), ..Self::default() }
    }

    /// One that is made.
    pub fn made(kind: &'static str) -> Self {
        Self { kind, is_made: true, ..Self::default() }
    }

    fn any(kind: &'static str) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// Everything that a call touches, each once; empty for calls that take no resource.
pub fn resources(request: &Request<'_>) -> Vec<Resource> {
    let operation = request.operation;
    if super::is_reading(operation) {
        return Vec::new();
    }
    let mut touched = match operation {
        "RunInstances" => run_instances(request),
        "CreateKeyPair" | "ImportKeyPair" => {
            let name = text(request.parameters, "KeyName");
            vec![Resource { id: name.map(str::to_owned), ..Resource::made("key-pair") }]
        }
        _ => made_and_named(request),
    };
    let mut seen: Vec<Resource> = Vec::with_capacity(touched.len());
    touched.retain(|resource| {
        let is_new = !seen.contains(resource);
        if is_new {
            seen.push(resource.clone());
        }
        is_new
    });
    touched
}

fn made_and_named(request: &Request<'_>) -> Vec<Resource> {
    let parameters = request.parameters;
    let place = |name| text(parameters, name).map(str::to_owned);
    let made = kind::made_by(request.operation).iter().map(|kind| Resource {
        vpc: place("VpcId"),
        subnet: place("SubnetId"),
        zone: place("AvailabilityZone"),
        ..Resource::made(kind)
    });
    let mut touched: Vec<Resource> = made.collect();
    match members(request.operation) {
        Some(only) => only.iter().for_each(|name| named(request.network, name, &parameters[*name], &mut touched)),
        None => named(request.network, "", parameters, &mut touched),
    }
    touched.extend(request.network.into_iter().flat_map(|network| by_name(network, parameters)));
    touched
}

/// The parameters that count, for calls that name more than they are asked for.
pub(super) fn members(operation: &str) -> Option<&'static [&'static str]> {
    Some(match operation {
        // Not what a route leads to.
        "CreateRoute" | "DeleteRoute" | "ReplaceRoute" => &["RouteTableId"],
        // Not whom a rule lets in.
        "AuthorizeSecurityGroupEgress"
        | "AuthorizeSecurityGroupIngress"
        | "ModifySecurityGroupRules"
        | "RevokeSecurityGroupEgress"
        | "RevokeSecurityGroupIngress"
        | "UpdateSecurityGroupRuleDescriptionsEgress"
        | "UpdateSecurityGroupRuleDescriptionsIngress" => &["GroupId"],
        // Not what a launch by it would use.
        "CreateLaunchTemplate" => &[],
        "CreateLaunchTemplateVersion" => &["LaunchTemplateId"],
        // Not what a route leads to.
        "CreateTransitGatewayRoute" | "DeleteTransitGatewayRoute" | "ReplaceTransitGatewayRoute" => &["TransitGatewayRouteTableId"],
        // The other side accepts, or not, for itself.
        "CreateVpcPeeringConnection" => &["VpcId"],
        _ => return None,
    })
}

/// Collects what is named by ids under names that hold ids, however deep.
fn named(network: Option<&Model>, name: &str, value: &Value, touched: &mut Vec<Resource>) {
    let holds_ids = name.ends_with("Id") || name.ends_with("Ids") || matches!(name, "Groups" | "Resources");
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| *name != "TagSpecifications") {
                named(network, name, value, touched);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(network, name, item, touched)),
        Value::String(id) if holds_ids => touched.extend(by_id(network, id)),
        _ => {}
    }
}

/// The resource of an id; ids of associations and attachments stand for what they belong to.
fn by_id(network: Option<&Model>, id: &str) -> Option<Resource> {
    match (kind::of_id(id), network) {
        // Names of key pairs have the pair's name in them, not its id.
        (Some("key-pair"), Some(network)) => {
            let pair = network.key_pairs.values().find(|pair| pair.id.as_str() == id)?;
            Some(Resource::there("key-pair", &pair.key_name))
        }
        (Some(kind), _) => Some(Resource::there(kind, id)),
        (None, Some(network)) => by_association(network, id),
        (None, None) => None,
    }
}

fn by_association(network: &Model, id: &str) -> Option<Resource> {
    let there = |kind, id: Option<&str>| id.map(|id| Resource::there(kind, id));
    match id.rsplit_once('-')?.0 {
        "eipassoc" => {
            let has = |address: &&model::Address| address.association.as_ref().is_some_and(|a| a.id.as_str() == id);
            there("elastic-ip", network.addresses.values().find(has).map(|address| address.allocation_id.as_str()))
        }
        "rtbassoc" => {
            let has = |table: &&model::RouteTable| table.associations.iter().any(|a| a.id.as_str() == id);
            there("route-table", network.route_tables.values().find(has).map(|table| table.id.as_str()))
        }
        "aclassoc" => {
            let has = |acl: &&model::NetworkAcl| acl.associations.iter().any(|a| a.id.as_str() == id);
            there("network-acl", network.network_acls.values().find(has).map(|acl| acl.id.as_str()))
        }
        "iip-assoc" => {
            let has = |instance: &&model::Instance| instance.iam_instance_profile.as_ref().is_some_and(|a| a.id.as_str() == id);
            there("instance", network.instances.values().find(has).map(|instance| instance.id.as_str()))
        }
        "eni-attach" => {
            let has = |eni: &&model::NetworkInterface| eni.attachment.as_ref().is_some_and(|a| a.id.as_str() == id);
            there("network-interface", network.network_interfaces.values().find(has).map(|eni| eni.id.as_str()))
        }
        "subnet-cidr-assoc" => {
            let has = |subnet: &&model::Subnet| subnet.ipv6_cidr_blocks.iter().any(|b| b.association_id.as_str() == id);
            there("subnet", network.subnets.values().find(has).map(|subnet| subnet.id.as_str()))
        }
        "vpc-cidr-assoc" => {
            let has = |vpc: &&model::Vpc| {
                let four = vpc.cidr_blocks.iter().map(|block| &block.association_id);
                four.chain(vpc.ipv6_cidr_blocks.iter().map(|block| &block.association_id)).any(|a| a.as_str() == id)
            };
            there("vpc", network.vpcs.values().find(has).map(|vpc| vpc.id.as_str()))
        }
        _ => None,
    }
}

/// What is named otherwise: addresses by themselves, groups and key pairs by name.
fn by_name(network: &Model, parameters: &Value) -> Vec<Resource> {
    let mut found = Vec::new();
    if let Some(ip) = text(parameters, "PublicIp") {
        let address = network.addresses.values().find(|address| address.public_ip.to_string() == ip);
        found.extend(address.map(|address| Resource::there("elastic-ip", address.allocation_id.as_str())));
    }
    if text(parameters, "GroupId").is_none()
        && let Some(name) = text(parameters, "GroupName")
    {
        found.extend(group_by_name(network, name).map(|group| Resource::there("security-group", group.id.as_str())));
    }
    found.extend(text(parameters, "KeyName").map(|name| Resource::there("key-pair", name)));
    found.extend(text(parameters, "LaunchTemplateName").and_then(|name| template_by_name(network, name)));
    found
}

/// A group of the default VPC: elsewhere groups go by id.
fn group_by_name<'m>(network: &'m Model, name: &str) -> Option<&'m SecurityGroup> {
    let in_default_vpc = |group: &&SecurityGroup| network.vpcs.get(&group.vpc_id).is_some_and(|vpc| vpc.is_default);
    network.security_groups.values().filter(in_default_vpc).find(|group| group.group_name == name)
}

/// Instances, their interfaces and volumes, and all that a launch uses: image, subnets, groups, key pair.
fn run_instances(request: &Request<'_>) -> Vec<Resource> {
    let network = request.network;
    // One whose template is not there is refused for that.
    let resolved = network.and_then(|network| ec2::launch_parameters(network, request.parameters).ok());
    let (parameters, template) = resolved.unwrap_or_else(|| (request.parameters.clone(), None));
    let parameters = &parameters;
    let interfaces: Vec<&Value> = parameters["NetworkInterfaces"].as_array().into_iter().flatten().collect();
    let launches: &[&Value] = if interfaces.is_empty() { &[parameters] } else { &interfaces };
    let zone = parameters["Placement"]["AvailabilityZone"].as_str().map(str::to_owned);
    let subnet = launches.iter().find_map(|launch| text(launch, "SubnetId")).or_else(|| text(parameters, "SubnetId"));
    let instance_type = text(parameters, "InstanceType").unwrap_or(instance_type::DEFAULT);
    let mut touched = vec![Resource {
        subnet: subnet.map(str::to_owned),
        zone: zone.clone(),
        instance_type: Some(instance_type.to_owned()),
        ..Resource::made("instance")
    }];
    touched.extend(text(parameters, "ImageId").map(|id| Resource::there("image", id)));
    for launch in launches {
        if let Some(id) = text(launch, "NetworkInterfaceId") {
            touched.push(Resource::there("network-interface", id));
            continue;
        }
        let subnet = text(launch, "SubnetId").or_else(|| text(parameters, "SubnetId"));
        touched.push(subnet.map_or(Resource::any("subnet"), |id| Resource::there("subnet", id)));
        let interface = Resource { subnet: subnet.map(str::to_owned), ..Resource::made("network-interface") };
        touched.push(Resource { zone: zone.clone(), ..interface });
        touched.extend(groups_of_launch(network, launch, subnet));
    }
    touched.extend(text(parameters, "KeyName").map(|name| Resource::there("key-pair", name)));
    touched.extend(snapshots(parameters));
    touched.push(Resource { zone, ..Resource::made("volume") });
    if !parameters["InstanceMarketOptions"].is_null() {
        touched.push(Resource::made("spot-instances-request"));
    }
    touched.extend(template.map(|(id, _)| Resource::there("launch-template", id.as_str())));
    touched
}

/// The snapshots that disks of a launch begin as.
fn snapshots(parameters: &Value) -> impl Iterator<Item = Resource> + '_ {
    let disks = parameters["BlockDeviceMappings"].as_array().into_iter().flatten();
    disks.filter_map(|disk| text(&disk["Ebs"], "SnapshotId")).map(|id| Resource::there("snapshot", id))
}

/// A launch template by name.
fn template_by_name(network: &Model, name: &str) -> Option<Resource> {
    let template = network.launch_templates.values().find(|template| template.name == name)?;
    Some(Resource::there("launch-template", template.id.as_str()))
}

/// The groups of an interface: those given, or the default one of its VPC.
fn groups_of_launch(network: Option<&Model>, launch: &Value, subnet: Option<&str>) -> Vec<Resource> {
    let mut groups = Vec::new();
    for name in ["SecurityGroupIds", "Groups"] {
        named(network, "Groups", &launch[name], &mut groups);
    }
    let names = launch["SecurityGroups"].as_array().into_iter().flatten().filter_map(Value::as_str);
    groups.extend(names.map(|name| match network.and_then(|network| group_by_name(network, name)) {
        Some(group) => Resource::there("security-group", group.id.as_str()),
        None => Resource::any("security-group"),
    }));
    if groups.is_empty() {
        let default = network.and_then(|network| {
            let subnet = network.subnets.get(&subnet?.parse().ok()?)?;
            network.security_groups.values().find(|group| group.vpc_id == subnet.vpc_id && group.is_default())
        });
        groups.push(default.map_or(Resource::any("security-group"), |group| Resource::there("security-group", group.id.as_str())));
    }
    groups
}

/// The tags that come with a call, by the type of what gets them; without types that no id has.
pub fn tag_specifications(parameters: &Value) -> Vec<(&'static str, Tags)> {
    let specifications = parameters["TagSpecifications"].as_array().into_iter().flatten();
    let read = |specification: &Value| {
        let kind = kind::named(text(specification, "ResourceType")?)?;
        Some((kind, tags(&specification["Tags"])))
    };
    specifications.filter_map(read).filter(|(_, tags)| !tags.is_empty()).collect()
}

/// A list of `{"Key", "Value"}`.
pub fn tags(list: &Value) -> Tags {
    let tags = list.as_array().into_iter().flatten();
    tags.filter_map(|tag| Some((text(tag, "Key")?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()))).collect()
}

/// A text that is there: an empty one is not (as `ec2` has it).
fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value[name].as_str().filter(|text| !text.is_empty())
}
