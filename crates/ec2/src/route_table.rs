//! Route tables and routes (RT-1 … RT-22).

use model::operation::{self, CreateRoute};
use model::route_table::{Associated, RouteOrigin, RouteState, RouteTableAssociation};
use model::{ApiError, Destination, ErrorCode, InternetGatewayId, Model, Route, RouteTable, RouteTableId, RouteTarget, VpnGatewayId};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::{Describe, Known};
use crate::identifier::{Identifier, form};
use crate::shape::{done, tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssociateRouteTable", associate_route_table),
    ("CreateRoute", create_route),
    ("CreateRouteTable", create_route_table),
    ("DeleteRoute", delete_route),
    ("DeleteRouteTable", delete_route_table),
    ("DescribeRouteTables", describe_route_tables),
    ("DisableVgwRoutePropagation", disable_vgw_route_propagation),
    ("DisassociateRouteTable", disassociate_route_table),
    ("EnableVgwRoutePropagation", enable_vgw_route_propagation),
    ("ReplaceRoute", replace_route),
    ("ReplaceRouteTableAssociation", replace_route_table_association),
];

fn create_route_table(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        Ok(operation::CreateRouteTable {
            vpc_id: a.required_id("VpcId")?,
            tags: a.tags("route-table")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_route_table(model, request)?;
    Ok(json!({"RouteTable": shape(model, model.route_table(&id)?)}))
}

fn delete_route_table(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("RouteTableId"))?;
    operation::delete_route_table(model, &id)?;
    Ok(done())
}

fn associate_route_table(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["PublicIpv4Pool"])?;
        let subnet = a.id("SubnetId")?.map(Associated::Subnet);
        let gateway = a.text("GatewayId")?.map(associated_gateway).transpose()?;
        let given = [subnet, gateway].into_iter().flatten().collect();
        Ok(operation::AssociateRouteTable {
            route_table_id: a.required_id("RouteTableId")?,
            to: a.exactly_one("SubnetId or GatewayId", given)?,
        })
    })?;
    let id = operation::associate_route_table(model, request)?;
    Ok(json!({"AssociationId": text(id), "AssociationState": {"State": "associated"}}))
}

fn associated_gateway(id: &str) -> Result<Associated, ApiError> {
    match id.starts_with(VpnGatewayId::PREFIX) {
        true => VpnGatewayId::parse(id).map(Associated::VpnGateway),
        false => InternetGatewayId::parse(id).map(Associated::InternetGateway),
    }
}

fn replace_route_table_association(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (association, table) =
        read(arguments, |a| Ok((a.required_id("AssociationId")?, a.required_id("RouteTableId")?)))?;
    let id = operation::replace_route_table_association(model, &association, &table)?;
    Ok(json!({"NewAssociationId": text(id), "AssociationState": {"State": "associated"}}))
}

fn disassociate_route_table(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("AssociationId"))?;
    operation::disassociate_route_table(model, &id)?;
    Ok(done())
}

fn create_route(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = route_request(model, arguments)?;
    operation::create_route(model, request)?;
    Ok(done())
}

fn replace_route(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = route_request(model, arguments)?;
    operation::replace_route(model, request)?;
    Ok(done())
}

fn route_request(model: &Model, arguments: &Value) -> Result<CreateRoute, ApiError> {
    read(arguments, |a| {
        a.refuse(&["CarrierGatewayId", "CoreNetworkArn", "LocalGatewayId", "OdbNetworkArn"])?;
        let instance = a.id("InstanceId")?.map(|id| operation::route_target_of_instance(model, &id)).transpose()?;
        let given = [
            a.text("GatewayId")?.map(gateway_target).transpose()?,
            a.id("NatGatewayId")?.map(RouteTarget::NatGateway),
            a.id("NetworkInterfaceId")?.map(RouteTarget::NetworkInterface),
            a.id("VpcPeeringConnectionId")?.map(RouteTarget::VpcPeeringConnection),
            a.id("EgressOnlyInternetGatewayId")?.map(RouteTarget::EgressOnlyInternetGateway),
            a.id("VpcEndpointId")?.map(RouteTarget::VpcEndpoint),
            a.id("TransitGatewayId")?.map(RouteTarget::TransitGateway),
            a.boolean("LocalTarget")?.filter(|wanted| *wanted).map(|_| RouteTarget::Local),
            instance,
        ];
        let names = "GatewayId, NatGatewayId, NetworkInterfaceId, InstanceId, VpcPeeringConnectionId, \
                     EgressOnlyInternetGatewayId, VpcEndpointId or TransitGatewayId";
        Ok(CreateRoute {
            route_table_id: a.required_id("RouteTableId")?,
            destination: destination(a)?,
            target: a.exactly_one(names, given.into_iter().flatten().collect())?,
            origin: Default::default(),
        })
    })
}

fn gateway_target(id: &str) -> Result<RouteTarget, ApiError> {
    match id.split('-').next() {
        Some("local") => Ok(RouteTarget::Local),
        Some(VpnGatewayId::PREFIX) => Identifier::parse(id).map(RouteTarget::VpnGateway),
        Some(model::VpcEndpointId::PREFIX) => Identifier::parse(id).map(RouteTarget::VpcEndpoint),
        Some(InternetGatewayId::PREFIX) => Identifier::parse(id).map(RouteTarget::InternetGateway),
        _ => Err(ApiError::new(ErrorCode::InvalidGatewayIdNotFound, format!("The gateway ID '{id}' does not exist"))),
    }
}

fn destination(a: &Arguments<'_>) -> Result<Destination, ApiError> {
    let given = [
        a.ipv4_net("DestinationCidrBlock")?.map(Destination::Ipv4),
        a.ipv6_net("DestinationIpv6CidrBlock")?.map(Destination::Ipv6),
        a.id("DestinationPrefixListId")?.map(Destination::PrefixList),
    ];
    let names = "DestinationCidrBlock, DestinationIpv6CidrBlock or DestinationPrefixListId";
    a.exactly_one(names, given.into_iter().flatten().collect())
}

fn delete_route(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (table, destination) = read(arguments, |a| Ok((a.required_id("RouteTableId")?, destination(a)?)))?;
    operation::delete_route(model, &table, &destination)?;
    Ok(done())
}

fn enable_vgw_route_propagation(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (table, gateway) = read(arguments, |a| Ok((a.required_id("RouteTableId")?, a.required_id("GatewayId")?)))?;
    operation::enable_vgw_route_propagation(model, &table, &gateway)?;
    Ok(done())
}

fn disable_vgw_route_propagation(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (table, gateway) = read(arguments, |a| Ok((a.required_id("RouteTableId")?, a.required_id("GatewayId")?)))?;
    operation::disable_vgw_route_propagation(model, &table, &gateway)?;
    Ok(done())
}

fn shape(model: &Model, table: &RouteTable) -> Value {
    json!({
        "Associations": table.associations.iter().map(|a| association(table, a)).collect::<Value>(),
        "PropagatingVgws": table.propagating_vgws.iter().map(|id| json!({"GatewayId": text(id)})).collect::<Value>(),
        "RouteTableId": text(&table.id),
        "Routes": table.routes.iter().map(|r| route(model, table, r)).collect::<Value>(),
        "Tags": tags(&table.tags),
        "VpcId": text(&table.vpc_id),
        "OwnerId": model.account_id,
    })
}

/// RT-12: only explicit associations and the main mark are listed.
fn association(table: &RouteTable, association: &RouteTableAssociation) -> Value {
    let mut fields = Map::new();
    fields.insert("Main".into(), (association.to == Associated::Main).into());
    fields.insert("RouteTableAssociationId".into(), text(&association.id));
    fields.insert("RouteTableId".into(), text(&table.id));
    match &association.to {
        Associated::Main => None,
        Associated::Subnet(id) => fields.insert("SubnetId".into(), text(id)),
        Associated::InternetGateway(id) => fields.insert("GatewayId".into(), text(id)),
        Associated::VpnGateway(id) => fields.insert("GatewayId".into(), text(id)),
    };
    fields.insert("AssociationState".into(), json!({"State": "associated"}));
    Value::Object(fields)
}

fn route(model: &Model, table: &RouteTable, route: &Route) -> Value {
    let mut fields = Map::new();
    let destination = match &route.destination {
        Destination::Ipv4(_) => "DestinationCidrBlock",
        Destination::Ipv6(_) => "DestinationIpv6CidrBlock",
        Destination::PrefixList(_) => "DestinationPrefixListId",
    };
    fields.insert(destination.into(), text(&route.destination));
    let target = match &route.target {
        RouteTarget::Local
        | RouteTarget::InternetGateway(_)
        | RouteTarget::VpnGateway(_)
        | RouteTarget::VpcEndpoint(_) => "GatewayId",
        RouteTarget::NatGateway(_) => "NatGatewayId",
        RouteTarget::NetworkInterface(_) => "NetworkInterfaceId",
        RouteTarget::VpcPeeringConnection(_) => "VpcPeeringConnectionId",
        RouteTarget::EgressOnlyInternetGateway(_) => "EgressOnlyInternetGatewayId",
        RouteTarget::TransitGateway(_) => "TransitGatewayId",
    };
    fields.insert(target.into(), text(&route.target));
    if let RouteTarget::NetworkInterface(id) = &route.target
        && let Some(instance) = model.network_interfaces.get(id).and_then(|eni| eni.instance_id())
    {
        fields.insert("InstanceId".into(), text(instance));
        fields.insert("InstanceOwnerId".into(), model.account_id.clone().into());
    }
    let origin = match route.created_by {
        RouteOrigin::CreateRouteTable => "CreateRouteTable",
        RouteOrigin::CreateRoute => "CreateRoute",
        RouteOrigin::EnableVgwRoutePropagation => "EnableVgwRoutePropagation",
    };
    fields.insert("Origin".into(), origin.into());
    let state = match model.route_state(table, route) {
        RouteState::Active => "active",
        RouteState::Blackhole => "blackhole",
    };
    fields.insert("State".into(), state.into());
    Value::Object(fields)
}

const DESCRIBE: Describe = Describe {
    ids: "RouteTableIds",
    id_path: "RouteTableId",
    answer: "RouteTables",
    filters: &[
        ("association.gateway-id", &["Associations.GatewayId"]),
        ("association.main", &["Associations.Main"]),
        ("association.route-table-association-id", &["Associations.RouteTableAssociationId"]),
        ("association.route-table-id", &["Associations.RouteTableId"]),
        ("association.subnet-id", &["Associations.SubnetId"]),
        ("owner-id", &["OwnerId"]),
        ("route-table-id", &["RouteTableId"]),
        ("route.destination-cidr-block", &["Routes.DestinationCidrBlock"]),
        ("route.destination-ipv6-cidr-block", &["Routes.DestinationIpv6CidrBlock"]),
        ("route.destination-prefix-list-id", &["Routes.DestinationPrefixListId"]),
        ("route.egress-only-internet-gateway-id", &["Routes.EgressOnlyInternetGatewayId"]),
        ("route.gateway-id", &["Routes.GatewayId"]),
        ("route.instance-id", &["Routes.InstanceId"]),
        ("route.nat-gateway-id", &["Routes.NatGatewayId"]),
        ("route.origin", &["Routes.Origin"]),
        ("route.state", &["Routes.State"]),
        ("route.transit-gateway-id", &["Routes.TransitGatewayId"]),
        ("route.vpc-peering-connection-id", &["Routes.VpcPeeringConnectionId"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<RouteTableId>,
    not_found: RouteTableId::not_found,
};

fn known(table: &RouteTable) -> Known<'_, 2> {
    Known { texts: [("RouteTableId", table.id.as_str()), ("VpcId", table.vpc_id.as_str())], tags: &table.tags }
}

fn describe_route_tables(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve_rows(arguments, model.route_tables.values(), known, |table| shape(model, table))
}
