//! Transit gateways in a plan of Terraform: attachments, tables, what each serves and knows, and the routes of the VPCs.

use lab::aws::{DumpFile, Import, NoteKind};
use lab::terraform;
use model::transit_gateway::AttachedTo;
use model::{Model, Timestamp, tag};
use serde_json::{Map, Value, json};

/// Type, name, values, and which keys lead to which resources.
type Resource = (&'static str, &'static str, Value, Value);

/// A plan of resources. Nothing exists yet.
fn plan(resources: &[Resource]) -> String {
    let address = |kind: &str, name: &str| format!("{kind}.{name}");
    let (mut planned, mut changes, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, name, values, references) in resources {
        let address = address(kind, name);
        let references = references.as_object().cloned().unwrap_or_default();
        let unknown: Map<String, Value> = references.keys().map(|key| (key.clone(), true.into())).chain([("id".to_owned(), true.into())]).collect();
        let expressions: Map<String, Value> = references.iter().map(|(key, to)| (key.clone(), json!({ "references": to }))).collect();
        planned.push(json!({ "address": address, "mode": "managed", "type": kind, "name": name, "values": values }));
        changes.push(json!({ "address": address, "mode": "managed", "type": kind, "name": name, "change": { "actions": ["create"], "after": values, "after_unknown": unknown } }));
        written.push(json!({ "address": address, "mode": "managed", "type": kind, "name": name, "expressions": expressions }));
    }
    json!({
        "format_version": "1.2",
        "planned_values": { "root_module": { "resources": planned } },
        "resource_changes": changes,
        "configuration": { "root_module": { "resources": written } },
    })
    .to_string()
}

fn read(resources: &[Resource]) -> Import {
    let file = DumpFile { name: "plan.json".to_owned(), text: plan(resources) };
    terraform::read(file, Timestamp(0)).unwrap_or_else(|e| panic!("{e}"))
}

fn hub() -> Vec<Resource> {
    let to = |what: &str| json!([format!("{what}.id"), what]);
    let mut all = Vec::new();
    for (name, number) in [("core", 0), ("app", 1), ("dev", 2)] {
        let vpc = format!("aws_vpc.{name}");
        let values = json!({ "cidr_block": format!("10.{number}.0.0/16"), "tags": { "Name": name } });
        all.push(("aws_vpc", name, values, json!({})));
        let values = json!({ "cidr_block": format!("10.{number}.0.0/24"), "availability_zone": "ap-northeast-2a", "tags": { "Name": format!("{name}-a") } });
        all.push(("aws_subnet", name, values, json!({ "vpc_id": to(&vpc) })));
        let references = json!({ "vpc_id": to(&vpc), "subnet_ids": to(&format!("aws_subnet.{name}")), "transit_gateway_id": to("aws_ec2_transit_gateway.hub") });
        let is_spoke = name != "core";
        let mut values = json!({ "transit_gateway_default_route_table_association": !is_spoke, "tags": {} });
        if !is_spoke {
            values["ipv6_support"] = json!("enable");
        }
        all.push(("aws_ec2_transit_gateway_vpc_attachment", name, values, references));
        all.push(("aws_route_table", name, json!({ "route": [] }), json!({ "vpc_id": to(&vpc) })));
        let references = json!({ "route_table_id": to(&format!("aws_route_table.{name}")), "transit_gateway_id": to("aws_ec2_transit_gateway.hub") });
        all.push(("aws_route", name, json!({ "destination_cidr_block": "10.0.0.0/8" }), references));
        if is_spoke {
            let references = json!({
                "transit_gateway_attachment_id": to(&format!("aws_ec2_transit_gateway_vpc_attachment.{name}")),
                "transit_gateway_route_table_id": to("aws_ec2_transit_gateway_route_table.spokes"),
            });
            all.push(("aws_ec2_transit_gateway_route_table_association", name, json!({}), references));
        }
    }
    let values = json!({ "description": "the hub", "amazon_side_asn": 64600, "dns_support": "disable", "tags": { "Name": "hub" } });
    all.push(("aws_ec2_transit_gateway", "hub", values, json!({})));
    all.push(("aws_ec2_transit_gateway_route_table", "spokes", json!({ "tags": { "Name": "spokes" } }), json!({ "transit_gateway_id": to("aws_ec2_transit_gateway.hub") })));
    let core = json!({
        "transit_gateway_attachment_id": to("aws_ec2_transit_gateway_vpc_attachment.core"),
        "transit_gateway_route_table_id": to("aws_ec2_transit_gateway_route_table.spokes"),
    });
    all.push(("aws_ec2_transit_gateway_route_table_propagation", "core", json!({}), core.clone()));
    all.push(("aws_ec2_transit_gateway_route", "out", json!({ "destination_cidr_block": "0.0.0.0/0" }), core));
    let table = json!({ "transit_gateway_route_table_id": to("aws_ec2_transit_gateway_route_table.spokes") });
    all.push(("aws_ec2_transit_gateway_route", "lost", json!({ "destination_cidr_block": "10.9.0.0/16", "blackhole": true }), table));
    let default = json!(["aws_ec2_transit_gateway.hub.association_default_route_table_id", "aws_ec2_transit_gateway.hub"]);
    all.push(("aws_ec2_transit_gateway_route", "default", json!({ "destination_cidr_block": "10.8.0.0/16", "blackhole": true }), json!({ "transit_gateway_route_table_id": default })));
    all
}

/// A table: whom it serves, whom it knows, and its routes.
fn table(model: &Model, name: Option<&str>) -> (Vec<String>, Vec<String>, Vec<String>) {
    let table = model.transit_gateway_route_tables.values().find(|table| tag::name(&table.tags) == name).unwrap();
    let called = |id: &model::TransitGatewayAttachmentId| {
        let vpc = model.transit_gateway_attachments[id].vpc_id().unwrap();
        tag::name(&model.vpcs[vpc].tags).unwrap().to_owned()
    };
    let names = |ids: &std::collections::BTreeSet<_>| {
        let mut names: Vec<String> = ids.iter().map(called).collect();
        names.sort();
        names
    };
    let routes = table.routes.iter().map(|(block, to)| format!("{block} {}", to.as_ref().map_or("blackhole".to_owned(), called)));
    (names(&table.associations), names(&table.propagations), routes.collect())
}

#[test]
fn a_plan_with_a_transit_gateway_is_a_cloud_with_one() {
    let import = read(&hub());
    let model = &import.model;
    assert!(!import.is_incomplete(), "{:#?}", import.notes);
    let gateway = model.transit_gateways.values().next().unwrap();
    assert_eq!((gateway.settings.amazon_side_asn, gateway.settings.description.as_str(), gateway.settings.dns_support), (64_600, "the hub", false));
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(table(model, Some("spokes")), (words(&["app", "dev"]), words(&["core"]), words(&["0.0.0.0/0 core", "10.9.0.0/16 blackhole"])));
    assert_eq!(table(model, None), (words(&["core"]), words(&["app", "core", "dev"]), words(&["10.8.0.0/16 blackhole"])));
    for attachment in model.transit_gateway_attachments.values() {
        assert!(matches!(&attachment.to, AttachedTo::Vpc { subnet_ids, .. } if subnet_ids.len() == 1), "{attachment:?}");
        let vpc = &model.vpcs[attachment.vpc_id().unwrap()];
        assert_eq!(attachment.carries_ipv6(), tag::name(&vpc.tags) == Some("core"), "the provider's default is none");
    }
    let exported = lab::export(model, "hub");
    assert!(exported.unsaid.is_empty() && exported.text.contains("10.0.0.0/8: tgw hub"), "{}", exported.text);
}

#[test]
fn what_is_not_known_of_a_transit_gateway_opens_nothing() {
    let mut resources = hub();
    let of = |resources: &mut Vec<Resource>, kind: &str, name: &str, key: &str| {
        let found = resources.iter_mut().find(|(own, called, ..)| *own == kind && *called == name).unwrap();
        found.3[key] = json!(["local.something"]);
    };
    of(&mut resources, "aws_ec2_transit_gateway_route", "out", "transit_gateway_attachment_id");
    of(&mut resources, "aws_ec2_transit_gateway_route_table_association", "dev", "transit_gateway_route_table_id");
    let import = read(&resources);
    for unknown in ["aws_ec2_transit_gateway_route.out", "aws_ec2_transit_gateway_route_table_association.dev"] {
        assert!(import.notes.iter().any(|note| note.kind == NoteKind::Unknown && note.text.starts_with(unknown)), "{unknown}: {:#?}", import.notes);
    }
    let (serves, _, routes) = table(&import.model, Some("spokes"));
    assert_eq!((serves, routes[0].as_str()), (vec!["app".to_owned()], "0.0.0.0/0 blackhole"));
}
