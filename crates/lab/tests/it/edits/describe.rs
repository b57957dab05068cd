//! A cloud as its serialised form shows it, ids exchanged for names, without what is drawn or chosen.
//!
//! Written apart from what the product compares by, so that each checks the other.

use std::collections::{BTreeMap, BTreeSet};

use model::transit_gateway::AttachedTo;
use model::{Model, tag};
use serde_json::Value;

/// What is drawn, or tells the time, or is only for a moment; and what no file has a word for.
const LEFT_OUT: [&str; 32] = [
    "disable_api_termination",
    "disable_api_stop",
    "id",
    "association_id",
    "allocation_id",
    "mac_address",
    "settles_at",
    "checks_pass_at",
    "available_at",
    "launch_time",
    "attach_time",
    "create_time",
    "delete_time",
    "expiration_time",
    "reservation_id",
    "state_transition_reason",
    "settles",
    "version",
    "is_modified",
    "auto_public_ip",
    "auto_public_ip_due",
    "public_ip",
    "network_interface_ids",
    "network_interface_id",
    "reboots",
    "status_message",
    "delete_on_termination",
    "description",
    "ami_launch_index",
    "association",
    "attachment",
    "key_fingerprint",
];

/// Collections of the model, one line for each thing in them.
const KINDS: [&str; 20] = [
    "vpcs",
    "subnets",
    "route_tables",
    "internet_gateways",
    "egress_only_internet_gateways",
    "vpn_gateways",
    "nat_gateways",
    "addresses",
    "network_interfaces",
    "security_groups",
    "network_acls",
    "instances",
    "key_pairs",
    "vpc_peering_connections",
    "vpc_endpoints",
    "prefix_lists",
    "dhcp_options",
    "transit_gateways",
    "transit_gateway_attachments",
    "transit_gateway_route_tables",
];

pub fn describe(model: &Model) -> BTreeSet<String> {
    let words = words(model);
    let whole = serde_json::to_value(model).unwrap();
    let mut lines = BTreeSet::new();
    for kind in KINDS {
        for (id, thing) in whole[kind].as_object().unwrap() {
            let state = thing.get("state").or(thing.get("status")).and_then(Value::as_str).unwrap_or_default();
            if ["terminated", "shutting-down", "deleted", "deleting", "failed"].contains(&state) || is_unused(model, kind, id) {
                continue;
            }
            let mut thing = thing.clone();
            plain(&mut thing, &words);
            let name = words.get(id).cloned().unwrap_or_else(|| match kind {
                "dhcp_options" | "key_pairs" | "prefix_lists" => String::new(),
                _ => format!("?{kind}"),
            });
            lines.insert(format!("{kind} {name} {thing}"));
        }
    }
    for (id, guest) in &model.guests {
        let empty = *guest == model::Guest::default();
        if let Some(name) = words.get(id.as_str()).filter(|_| !empty) {
            lines.insert(format!("guest {name} {}", serde_json::to_value(guest).unwrap()));
        }
    }
    for (id, containers) in &model.containers {
        let home = words.get(id.as_str()).cloned().unwrap_or_default();
        for (name, spec) in containers {
            lines.insert(format!("container {home}/{name} {}", serde_json::to_value(spec).unwrap()));
        }
    }
    for (name, volume) in &model.volumes {
        lines.insert(format!("volume {name} {}", serde_json::to_value(volume).unwrap()));
    }
    for (name, image) in &model.container_images {
        lines.insert(format!("image {name} {}", serde_json::to_value(image).unwrap()));
    }
    for (name, host) in &model.outside {
        lines.insert(format!("outside {name} {}", serde_json::to_value(host).unwrap()));
    }
    for interface in model.network_interfaces.values() {
        let publics: Vec<_> =
            interface.private_ip_addresses.iter().map(|a| model.public_ip_of(interface, *a).is_some()).collect();
        let elastic: Vec<_> =
            interface.private_ip_addresses.iter().map(|a| model.elastic_ip_of(&interface.id, *a).is_some()).collect();
        lines.insert(format!("public {} {publics:?} {elastic:?}", words.get(interface.id.as_str()).cloned().unwrap_or_default()));
    }
    lines.insert(format!("region {} {}", model.region, serde_json::to_value(&model.quotas).unwrap()));
    lines
}

/// Lists that AWS keeps stay when the endpoint that needed them is gone; the region's option set stays likewise.
fn is_unused(model: &Model, kind: &str, id: &str) -> bool {
    match kind {
        "prefix_lists" => model.prefix_lists.values().any(|list| list.id.as_str() == id && list.is_aws_managed),
        "dhcp_options" => model.dhcp_options.values().any(|set| set.id.as_str() == id && !set.origin.is_known()),
        _ => false,
    }
}

/// What stands for an id or for an address that may have been chosen.
fn words(model: &Model) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    let name = |tags: &model::Tags, otherwise: &str| tag::name(tags).unwrap_or(otherwise).to_owned();
    for vpc in model.vpcs.values() {
        words.insert(vpc.id.to_string(), format!("vpc:{}", name(&vpc.tags, "?")));
        words.extend(vpc.ipv6_blocks().map(|block| (block.to_string(), format!("IPv6 block of {}", name(&vpc.tags, "?")))));
    }
    let vpc = |words: &BTreeMap<String, String>, id: &model::VpcId| words.get(id.as_str()).cloned().unwrap_or_default();
    for subnet in model.subnets.values() {
        let path = format!("{}/{}", vpc(&words, &subnet.vpc_id), name(&subnet.tags, "?"));
        words.insert(subnet.cidr_block.to_string(), format!("block of {path} /{}", subnet.cidr_block.prefix_len()));
        words.extend(subnet.ipv6_block().map(|block| (block.to_string(), format!("IPv6 block of {path}"))));
        words.insert(subnet.id.to_string(), format!("subnet:{path}"));
    }
    for table in model.route_tables.values() {
        words.insert(table.id.to_string(), format!("table:{}/{}", vpc(&words, &table.vpc_id), name(&table.tags, "main")));
    }
    for gateway in model.vpn_gateways.values() {
        words.insert(
            gateway.id.to_string(),
            format!("vgw:{}", gateway.vpc_id.as_ref().map_or(String::new(), |id| vpc(&words, id))),
        );
    }
    for gateway in model.internet_gateways.values() {
        words.insert(
            gateway.id.to_string(),
            format!("igw:{}", gateway.vpc_id.as_ref().map_or(String::new(), |id| vpc(&words, id))),
        );
    }
    for gateway in model.egress_only_internet_gateways.values() {
        words.insert(gateway.id.to_string(), format!("eigw:{}", vpc(&words, &gateway.vpc_id)));
    }
    for gateway in model.nat_gateways.values().filter(|gateway| gateway.state.as_str() == "available") {
        let path = format!("nat:{}/{}", vpc(&words, &gateway.vpc_id), name(&gateway.tags, "?"));
        if let (Some(interface), Some(address)) = (&gateway.network_interface_id, gateway.private_ip) {
            words.insert(interface.to_string(), path.clone());
            words.insert(address.to_string(), format!("address of {path}"));
        }
        words.insert(gateway.id.to_string(), path);
    }
    for gateway in model.transit_gateways.values() {
        words.insert(gateway.id.to_string(), format!("tgw:{}", name(&gateway.tags, "?")));
    }
    for attachment in model.transit_gateway_attachments.values() {
        let gateway = words.get(attachment.transit_gateway_id.as_str()).cloned().unwrap_or_default();
        let to = match &attachment.to {
            AttachedTo::Vpc { vpc_id, .. } => vpc(&words, vpc_id),
            AttachedTo::Peering { accepter } => words.get(accepter.as_str()).cloned().unwrap_or_default(),
        };
        words.insert(attachment.id.to_string(), format!("attachment:{gateway}/{to}"));
    }
    for table in model.transit_gateway_route_tables.values() {
        let gateway = words.get(table.transit_gateway_id.as_str()).cloned().unwrap_or_default();
        let is_default = model.transit_gateways.values().any(|gateway| gateway.default_route_table.as_ref() == Some(&table.id));
        words.insert(table.id.to_string(), format!("transit table:{gateway}/{} {is_default}", name(&table.tags, "?")));
    }
    for group in model.security_groups.values() {
        words.insert(group.id.to_string(), format!("sg:{}/{}", vpc(&words, &group.vpc_id), group.group_name));
    }
    for acl in model.network_acls.values() {
        words.insert(acl.id.to_string(), format!("acl:{}/{}{}", vpc(&words, &acl.vpc_id), name(&acl.tags, "?"), acl.is_default));
    }
    for instance in model.instances.values().filter(|i| !["terminated", "shutting-down"].contains(&i.state.as_str())) {
        let called = name(&instance.tags, "?");
        for (index, interface) in model.interfaces_of(&instance.id).into_iter().enumerate() {
            words.insert(interface.id.to_string(), format!("eni:{called}/{index}"));
            for (n, address) in interface.private_ip_addresses.iter().enumerate() {
                words.insert(address.to_string(), format!("address {n} of {called}/{index}"));
            }
            for (n, address) in interface.ipv6_addresses.iter().enumerate() {
                words.insert(address.to_string(), format!("IPv6 address {n} of {called}/{index}"));
            }
        }
        words.insert(instance.id.to_string(), format!("instance:{called}"));
    }
    for peering in model.vpc_peering_connections.values().filter(|p| p.status.as_str() == "active") {
        words.insert(peering.id.to_string(), format!("peering:{}", name(&peering.tags, "?")));
    }
    for endpoint in model.vpc_endpoints.values() {
        let path = format!("endpoint:{}", name(&endpoint.tags, "?"));
        for interface in model.network_interfaces_of_endpoint(&endpoint.id) {
            let subnet = words.get(interface.subnet_id.as_str()).cloned().unwrap_or_default();
            words.insert(interface.id.to_string(), format!("{path} in {subnet}"));
            words.insert(interface.primary_address().to_string(), format!("address of {path} in {subnet}"));
        }
        words.insert(endpoint.id.to_string(), path);
    }
    for list in model.prefix_lists.values() {
        words.insert(list.id.to_string(), format!("pl:{}", list.name));
    }
    for set in model.dhcp_options.values() {
        words.insert(set.id.to_string(), format!("dhcp:{:?}", (&set.domain_name, &set.domain_name_servers, &set.ntp_servers)));
    }
    for address in model.addresses.values() {
        let to = address.association.as_ref().map(|a| (&a.network_interface_id, a.private_ip_address.to_string()));
        let to = to.map(|(interface, private)| format!("{:?} {:?}", words.get(interface.as_str()), words.get(&private)));
        words.insert(address.allocation_id.to_string(), format!("elastic for {}", to.unwrap_or_default()));
    }
    words
}

/// Exchanges, leaves out, and sorts lists whose order means nothing.
fn plain(value: &mut Value, words: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(word) = words.get(text.as_str()) {
                text.clone_from(word);
            } else if ["eni-", "nat-", "igw-", "pcx-", "eigw-", "tgw-"].iter().any(|kind| text.starts_with(kind)) {
                // A target that is gone, whatever it was.
                "gone".clone_into(text);
            }
        }
        Value::Array(all) => {
            all.iter_mut().for_each(|value| plain(value, words));
            // Blocks that left a VPC are shown for a while.
            all.retain(|value| value.get("state").and_then(Value::as_str) != Some("disassociated"));
            all.sort_by_key(Value::to_string);
        }
        Value::Object(map) => {
            map.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
            map.values_mut().for_each(|value| plain(value, words));
            // Every kind of gone target looks the same.
            if let Some(target) =
                map.get_mut("target").filter(|target| target.as_object().is_some_and(|t| t.values().any(|v| v == "gone")))
            {
                *target = Value::from("gone");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
