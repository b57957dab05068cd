//! Route tables of transit gateways: associations, announcements, routes (TGW-2, TGW-3).

use ipnet::IpNet;
use model::operation;
use model::{ApiError, ErrorCode, Model, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId, TransitGatewayRouteTable, TransitGatewayRouteTableId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::{Describe, FilterTable, Filters};
use crate::identifier::form;
use crate::shape::{tags, text, time};
use crate::transit_gateway::resource;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssociateTransitGatewayRouteTable", associate),
    ("CreateTransitGatewayRoute", create_route),
    ("CreateTransitGatewayRouteTable", create),
    ("DeleteTransitGatewayRoute", delete_route),
    ("DeleteTransitGatewayRouteTable", delete),
    ("DescribeTransitGatewayRouteTables", describe),
    ("DisableTransitGatewayRouteTablePropagation", |m, a| set_propagation(m, a, false)),
    ("DisassociateTransitGatewayRouteTable", disassociate),
    ("EnableTransitGatewayRouteTablePropagation", |m, a| set_propagation(m, a, true)),
    ("GetTransitGatewayRouteTableAssociations", associations),
    ("GetTransitGatewayRouteTablePropagations", propagations),
    ("ReplaceTransitGatewayRoute", replace_route),
    ("SearchTransitGatewayRoutes", search_routes),
];

type Pair = (TransitGatewayRouteTableId, TransitGatewayAttachmentId);

fn pair(a: &Arguments<'_>) -> Result<Pair, ApiError> {
    Ok((a.required_id("TransitGatewayRouteTableId")?, a.required_id("TransitGatewayAttachmentId")?))
}

fn create(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (gateway, tags): (TransitGatewayId, _) =
        read(arguments, |a| Ok((a.required_id("TransitGatewayId")?, a.tags("transit-gateway-route-table")?)))?;
    let id = operation::create_transit_gateway_route_table(model, &gateway, tags, Default::default())?;
    Ok(json!({"TransitGatewayRouteTable": shape(model, model.transit_gateway_route_table(&id)?)}))
}

fn delete(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("TransitGatewayRouteTableId"))?;
    operation::delete_transit_gateway_route_table(model, &id)?;
    let gone = model.gone_transit.route_tables.get(&id);
    Ok(json!({"TransitGatewayRouteTable": gone.map(|table| shape(model, table))}))
}

fn shape(model: &Model, table: &TransitGatewayRouteTable) -> Value {
    let gateway = model.transit_gateways.get(&table.transit_gateway_id);
    let is_default = gateway.is_some_and(|gateway| gateway.default_route_table.as_ref() == Some(&table.id));
    json!({
        "TransitGatewayRouteTableId": text(&table.id),
        "TransitGatewayId": text(&table.transit_gateway_id),
        "State": table.state.as_str(model.context.now),
        "DefaultAssociationRouteTable": is_default,
        "DefaultPropagationRouteTable": is_default,
        "CreationTime": time(gateway.map(|gateway| gateway.settings.create_time).unwrap_or_default()),
        "Tags": tags(&table.tags),
    })
}

const DESCRIBE: Describe = Describe {
    ids: "TransitGatewayRouteTableIds",
    id_path: "TransitGatewayRouteTableId",
    answer: "TransitGatewayRouteTables",
    filters: &[
        ("default-association-route-table", &["DefaultAssociationRouteTable"]),
        ("default-propagation-route-table", &["DefaultPropagationRouteTable"]),
        ("state", &["State"]),
        ("transit-gateway-id", &["TransitGatewayId"]),
        ("transit-gateway-route-table-id", &["TransitGatewayRouteTableId"]),
    ],
    form: form::<TransitGatewayRouteTableId>,
    not_found: TransitGatewayRouteTableId::not_found,
};

fn describe(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let all = model.transit_gateway_route_tables.values().chain(model.gone_transit.route_tables.values());
    DESCRIBE.serve(arguments, all.map(|table| shape(model, table)))
}

/// A table and an attachment as answers name the two.
fn joined(model: &Model, (table, attachment): &Pair, state: &str) -> Result<Value, ApiError> {
    let (kind, id) = resource(model.transit_gateway_attachment(attachment)?);
    Ok(json!({
        "TransitGatewayRouteTableId": text(table),
        "TransitGatewayAttachmentId": text(attachment),
        "ResourceId": id,
        "ResourceType": kind,
        "State": state,
    }))
}

fn associate(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let pair = read(arguments, pair)?;
    operation::associate_transit_gateway_route_table(model, &pair.0, &pair.1)?;
    Ok(json!({"Association": joined(model, &pair, "associating")?}))
}

fn disassociate(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let pair = read(arguments, pair)?;
    operation::disassociate_transit_gateway_route_table(model, &pair.0, &pair.1)?;
    Ok(json!({"Association": joined(model, &pair, "disassociating")?}))
}

fn set_propagation(model: &mut Model, arguments: &Value, enabled: bool) -> Result<Value, ApiError> {
    let pair = read(arguments, |a| {
        a.refuse(&["TransitGatewayRouteTableAnnouncementId"])?;
        pair(a)
    })?;
    let has = |model: &Model| model.transit_gateway_route_table(&pair.0).map(|table| table.propagations.contains(&pair.1));
    if enabled && has(model)? {
        let message = format!("Propagation {} is already enabled in {}.", pair.1, pair.0);
        return Err(ApiError::new(ErrorCode::TransitGatewayRouteTablePropagationDuplicate, message));
    }
    operation::set_transit_gateway_route_table_propagation(model, &pair.0, &pair.1, enabled)?;
    Ok(json!({"Propagation": joined(model, &pair, if enabled { "enabled" } else { "disabled" })?}))
}

const PARTNERS: FilterTable = &[
    ("resource-id", &["ResourceId"]),
    ("resource-type", &["ResourceType"]),
    ("transit-gateway-attachment-id", &["TransitGatewayAttachmentId"]),
];

fn partners<'m>(
    model: &'m Model,
    arguments: &Value,
    state: &str,
    of: impl FnOnce(&'m TransitGatewayRouteTable) -> Vec<&'m TransitGatewayAttachmentId>,
) -> Result<Value, ApiError> {
    let (id, filters): (TransitGatewayRouteTableId, _) =
        read(arguments, |a| Ok((a.required_id("TransitGatewayRouteTableId")?, Filters::read(a, PARTNERS)?)))?;
    let attachments = of(model.transit_gateway_route_table(&id)?).into_iter();
    let shape = |attachment: &TransitGatewayAttachment| {
        let (kind, id) = resource(attachment);
        json!({"TransitGatewayAttachmentId": text(&attachment.id), "ResourceId": id, "ResourceType": kind, "State": state})
    };
    let shown = attachments.filter_map(|id| model.transit_gateway_attachments.get(id)).map(shape);
    Ok(shown.filter(|item| filters.keep(item)).collect())
}

fn associations(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    Ok(json!({"Associations": partners(model, arguments, "associated", |table| table.associations.iter().collect())?}))
}

fn propagations(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    Ok(json!({"TransitGatewayRouteTablePropagations": partners(model, arguments, "enabled", |table| table.propagations.iter().collect())?}))
}

type RouteWish = (TransitGatewayRouteTableId, IpNet, Option<TransitGatewayAttachmentId>);

fn route(a: &Arguments<'_>) -> Result<RouteWish, ApiError> {
    let destination = a.required("DestinationCidrBlock", a.ip_net("DestinationCidrBlock")?)?;
    let (attachment, blackhole) = (a.id("TransitGatewayAttachmentId")?, a.boolean("Blackhole")?.unwrap_or(false));
    if attachment.is_some() == blackhole {
        let message = "Either TransitGatewayAttachmentId or Blackhole must be given";
        return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
    }
    Ok((a.required_id("TransitGatewayRouteTableId")?, destination, attachment))
}

fn create_route(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (table, destination, to) = read(arguments, route)?;
    operation::create_transit_gateway_route(model, &table, destination, to.as_ref())?;
    Ok(json!({"Route": static_route(model, destination.trunc(), to.as_ref())}))
}

fn replace_route(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (table, destination, to) = read(arguments, route)?;
    // Both or none.
    let mut changed = model.clone();
    operation::delete_transit_gateway_route(&mut changed, &table, destination)?;
    operation::create_transit_gateway_route(&mut changed, &table, destination, to.as_ref())?;
    *model = changed;
    Ok(json!({"Route": static_route(model, destination.trunc(), to.as_ref())}))
}

fn delete_route(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (table, destination): (TransitGatewayRouteTableId, IpNet) = read(arguments, |a| {
        Ok((a.required_id("TransitGatewayRouteTableId")?, a.required("DestinationCidrBlock", a.ip_net("DestinationCidrBlock")?)?))
    })?;
    let to = model.transit_gateway_route_table(&table)?.routes.get(&destination.trunc()).cloned().flatten();
    operation::delete_transit_gateway_route(model, &table, destination)?;
    let mut shown = static_route(model, destination.trunc(), to.as_ref());
    shown["State"] = "deleted".into();
    Ok(json!({"Route": shown}))
}

fn static_route(model: &Model, destination: IpNet, to: Option<&TransitGatewayAttachmentId>) -> Value {
    shown_route(destination, "static", to.and_then(|id| model.transit_gateway_attachments.get(id)))
}

fn shown_route(destination: IpNet, kind: &str, to: Option<&TransitGatewayAttachment>) -> Value {
    let attachments = to.map(|attachment| {
        let (kind, id) = resource(attachment);
        json!({"ResourceId": id, "TransitGatewayAttachmentId": text(&attachment.id), "ResourceType": kind})
    });
    json!({
        "DestinationCidrBlock": text(destination),
        "TransitGatewayAttachments": attachments.into_iter().collect::<Value>(),
        "Type": kind,
        "State": if to.is_some_and(|to| destination.addr().is_ipv4() || to.carries_ipv6()) { "active" } else { "blackhole" },
    })
}

/// Static routes and announced ones; where both have a destination, the static one counts (TGW-2).
fn routes(model: &Model, table: &TransitGatewayRouteTable) -> Vec<(IpNet, Value)> {
    let mut all: Vec<(IpNet, Value)> =
        table.routes.iter().map(|(destination, to)| (*destination, static_route(model, *destination, to.as_ref()))).collect();
    for attachment in table.propagations.iter().filter_map(|id| model.transit_gateway_attachments.get(id)) {
        let vpc = attachment.vpc_id().and_then(|id| model.vpcs.get(id));
        let ipv6 = vpc.filter(|_| attachment.carries_ipv6()).into_iter().flat_map(|vpc| vpc.ipv6_blocks()).map(IpNet::V6);
        for block in vpc.into_iter().flat_map(|vpc| vpc.ipv4_blocks()).map(IpNet::V4).chain(ipv6) {
            if !table.routes.contains_key(&block) {
                all.push((block, shown_route(block, "propagated", Some(attachment))));
            }
        }
    }
    all.sort_by_key(|(destination, _)| *destination);
    all
}

const ROUTES: FilterTable = &[
    ("attachment.resource-id", &["TransitGatewayAttachments.ResourceId"]),
    ("attachment.resource-type", &["TransitGatewayAttachments.ResourceType"]),
    ("attachment.transit-gateway-attachment-id", &["TransitGatewayAttachments.TransitGatewayAttachmentId"]),
    ("prefix-list-id", &["PrefixListId"]),
    ("state", &["State"]),
    ("type", &["Type"]),
];

/// How a destination is looked for.
fn search(kind: &str, routes: &[(IpNet, Value)], wanted: IpNet) -> Vec<IpNet> {
    let all = routes.iter().map(|(destination, _)| *destination);
    match kind {
        "exact-match" => all.filter(|destination| *destination == wanted).collect(),
        "longest-prefix-match" => {
            all.filter(|destination| destination.contains(&wanted)).max_by_key(IpNet::prefix_len).into_iter().collect()
        }
        "subnet-of-match" => all.filter(|destination| wanted.contains(destination)).collect(),
        _ => all.filter(|destination| destination.contains(&wanted)).collect(),
    }
}

fn search_routes(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    const SEARCHES: [&str; 4] = ["exact-match", "longest-prefix-match", "subnet-of-match", "supernet-of-match"];
    let searched = |filter: &Value| {
        let name = filter["Name"].as_str().and_then(|name| name.strip_prefix("route-search."));
        name.and_then(|name| SEARCHES.into_iter().find(|known| *known == name))
    };
    // Those that look for a destination are no comparison of texts.
    let (searches, others): (Vec<Value>, Vec<Value>) =
        arguments["Filters"].as_array().cloned().unwrap_or_default().into_iter().partition(|filter| searched(filter).is_some());
    let mut rest = arguments.clone();
    if arguments["Filters"].is_array() {
        rest["Filters"] = others.into();
    }
    let (id, filters): (TransitGatewayRouteTableId, _) = read(&rest, |a| {
        a.required("Filters", a.value("Filters"))?;
        Ok((a.required_id("TransitGatewayRouteTableId")?, Filters::read(a, ROUTES)?))
    })?;
    let mut found = routes(model, model.transit_gateway_route_table(&id)?);
    for filter in &searches {
        let kind = searched(filter).unwrap_or_default();
        let mut kept = Vec::new();
        for value in filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let address = || value.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
            let wanted = value.parse().ok().or_else(address).ok_or_else(|| {
                let message = format!("Value ({value}) for parameter Filters is invalid. This is not a valid CIDR block.");
                ApiError::new(ErrorCode::InvalidParameterValue, message)
            })?;
            kept.extend(search(kind, &found, wanted));
        }
        found.retain(|(destination, _)| kept.contains(destination));
    }
    let shown: Vec<Value> = found.into_iter().map(|(_, route)| route).filter(|route| filters.keep(route)).collect();
    Ok(json!({"Routes": shown, "AdditionalRoutesAvailable": false}))
}
