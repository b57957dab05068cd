//! Tags of resources that exist.

use model::operation::{self, CreateTags, DeleteTags};
use model::{ApiError, Model, Tags};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{FilterTable, Filters};
use crate::shape::done;

/// What this file serves.
pub const OPERATIONS: &[Operation] =
    &[("CreateTags", create_tags), ("DeleteTags", delete_tags), ("DescribeTags", describe_tags)];

fn create_tags(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let resources = a.texts("Resources")?.into_iter().map(str::to_owned).collect();
        Ok(CreateTags { resources, tags: a.tag_list("Tags")?.into_iter().collect() })
    })?;
    operation::create_tags(model, request)?;
    Ok(done())
}

fn delete_tags(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let resources = a.texts("Resources")?.into_iter().map(str::to_owned).collect();
        let tags = a.each("Tags", |tag| {
            // A key without a value goes whatever its value; with an empty one only if that is empty.
            let value = if tag.is_given("Value") { Some(tag.text("Value")?.unwrap_or_default().to_owned()) } else { None };
            Ok((tag.required_text("Key")?.to_owned(), value))
        })?;
        Ok(DeleteTags { resources, tags })
    })?;
    operation::delete_tags(model, request)?;
    Ok(done())
}

const FILTERS: FilterTable = &[
    ("key", &["Key"]),
    ("resource-id", &["ResourceId"]),
    ("resource-type", &["ResourceType"]),
    ("tag", &["Value"]),
    ("value", &["Value"]),
];

fn describe_tags(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let filters = read(arguments, |a| Filters::read(a, FILTERS))?;
    Ok(json!({"Tags": all(model).into_iter().filter(|tag| filters.keep(tag)).collect::<Value>()}))
}

/// Every tag there is, by resource.
fn all(model: &Model) -> Vec<Value> {
    let mut shown = Vec::new();
    let mut add = |id: &str, kind: &str, tags: &Tags| {
        shown.extend(tags.iter().map(|(key, value)| {
            json!({"Key": key, "ResourceId": id, "ResourceType": kind, "Value": value})
        }));
    };
    macro_rules! add_all {
        ($($map:ident as $kind:literal by $id:ident;)*) => {$(
            model.$map.values().for_each(|resource| add(resource.$id.as_str(), $kind, &resource.tags));
        )*};
    }
    add_all! {
        vpcs as "vpc" by id;
        subnets as "subnet" by id;
        route_tables as "route-table" by id;
        internet_gateways as "internet-gateway" by id;
        egress_only_internet_gateways as "egress-only-internet-gateway" by id;
        vpn_gateways as "vpn-gateway" by id;
        nat_gateways as "natgateway" by id;
        addresses as "elastic-ip" by allocation_id;
        network_interfaces as "network-interface" by id;
        security_groups as "security-group" by id;
        network_acls as "network-acl" by id;
        instances as "instance" by id;
        key_pairs as "key-pair" by id;
        vpc_peering_connections as "vpc-peering-connection" by id;
        vpc_endpoints as "vpc-endpoint" by id;
        prefix_lists as "prefix-list" by id;
        dhcp_options as "dhcp-options" by id;
        flow_logs as "vpc-flow-log" by id;
        transit_gateways as "transit-gateway" by id;
        transit_gateway_attachments as "transit-gateway-attachment" by id;
        transit_gateway_route_tables as "transit-gateway-route-table" by id;
        ebs_volumes as "volume" by id;
        ebs_snapshots as "snapshot" by id;
        images as "image" by id;
        launch_templates as "launch-template" by id;
        subnet_cidr_reservations as "subnet-cidr-reservation" by id;
        spot_instance_requests as "spot-instances-request" by id;
    }
    for group in model.security_groups.values() {
        for rule in group.ingress.iter().chain(&group.egress) {
            add(rule.id.as_str(), "security-group-rule", &rule.tags);
        }
    }
    shown
}
