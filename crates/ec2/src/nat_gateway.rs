//! NAT gateways (NAT-1 … NAT-22).

use model::nat_gateway::NatGatewayState;
use model::operation;
use model::{ApiError, ErrorCode, Model, NatGateway, NatGatewayId};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssignPrivateNatGatewayAddress", assign_private_nat_gateway_address),
    ("AssociateNatGatewayAddress", associate_nat_gateway_address),
    ("CreateNatGateway", create_nat_gateway),
    ("DeleteNatGateway", delete_nat_gateway),
    ("DescribeNatGateways", describe_nat_gateways),
    ("DisassociateNatGatewayAddress", disassociate_nat_gateway_address),
    ("UnassignPrivateNatGatewayAddress", unassign_private_nat_gateway_address),
];

fn create_nat_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["SecondaryAllocationIds", "SecondaryPrivateIpAddresses", "SecondaryPrivateIpAddressCount"])?;
        a.refuse(&["AvailabilityZoneAddresses", "VpcId"])?;
        if let Some(mode) = a.text("AvailabilityMode")?.filter(|mode| *mode != "zonal") {
            // NAT-22.
            let message = format!("NAT gateways of availability mode {mode} are not supported.");
            return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
        }
        let is_public = match a.text("ConnectivityType")? {
            None | Some("public") => true,
            Some("private") => false,
            Some(other) => return Err(a.invalid("ConnectivityType", &other.into(), "Either public or private was expected.")),
        };
        Ok(operation::CreateNatGateway {
            subnet_id: a.required_id("SubnetId")?,
            is_public,
            allocation_id: a.id("AllocationId")?,
            private_ip_address: a.address("PrivateIpAddress")?,
            tags: a.tags("natgateway")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_nat_gateway(model, request)?;
    Ok(json!({"NatGateway": shape(model, model.nat_gateway(&id)?)}))
}

fn delete_nat_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("NatGatewayId"))?;
    operation::delete_nat_gateway(model, &id)?;
    Ok(json!({"NatGatewayId": text(id)}))
}

fn shape(model: &Model, gateway: &NatGateway) -> Value {
    let allocation = gateway.allocation_id.as_ref().and_then(|id| model.addresses.get(id));
    // The address is the gateway's only while it is associated with its interface.
    let is_own = |address: &&model::Address| {
        address.association.as_ref().is_some_and(|a| Some(&a.network_interface_id) == gateway.network_interface_id.as_ref())
    };
    let own = allocation.filter(is_own);
    let association = own.and_then(|address| address.association.as_ref());
    let shown = present(json!({
        "AllocationId": gateway.allocation_id.as_ref().map(text),
        "NetworkInterfaceId": gateway.network_interface_id.as_ref().map(text),
        "PrivateIp": gateway.private_ip.map(text),
        "PublicIp": own.map(|address| text(address.public_ip)),
        "AssociationId": association.map(|a| text(&a.id)),
        "IsPrimary": true,
        "Status": if gateway.state == NatGatewayState::Failed { "failed" } else { "succeeded" },
    }));
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("CreateTime", time(gateway.create_time));
    if let Some(moment) = gateway.delete_time {
        put("DeleteTime", time(moment));
    }
    if let (NatGatewayState::Failed, Some((code, message))) = (gateway.state, &gateway.failure) {
        put("FailureCode", code.as_str().into());
        put("FailureMessage", message.clone().into());
    }
    let further = further_addresses(model, gateway);
    put("NatGatewayAddresses", std::iter::once(shown).chain(further).collect());
    put("NatGatewayId", text(&gateway.id));
    put("State", gateway.state.as_str().into());
    put("SubnetId", text(&gateway.subnet_id));
    put("VpcId", text(&gateway.vpc_id));
    put("Tags", tags(&gateway.tags));
    put("ConnectivityType", if gateway.is_public { "public" } else { "private" }.into());
    put("AvailabilityMode", "zonal".into());
    Value::Object(fields)
}

const DESCRIBE: Describe = Describe {
    ids: "NatGatewayIds",
    id_path: "NatGatewayId",
    answer: "NatGateways",
    filters: &[
        ("connectivity-type", &["ConnectivityType"]),
        ("nat-gateway-id", &["NatGatewayId"]),
        ("state", &["State"]),
        ("subnet-id", &["SubnetId"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<NatGatewayId>,
    not_found: NatGatewayId::not_found,
};

fn describe_nat_gateways(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve(arguments, model.nat_gateways.values().map(|gateway| shape(model, gateway)))
}

/// Addresses beside the first one; they go with the gateway's interface.
fn further_addresses(model: &Model, gateway: &NatGateway) -> Vec<Value> {
    let interface = gateway.network_interface_id.as_ref().and_then(|id| model.network_interfaces.get(id));
    let further = interface.into_iter().flat_map(|interface| interface.private_ip_addresses.iter().skip(1).map(move |ip| (interface, ip)));
    let shape = |(interface, ip): (&model::NetworkInterface, &std::net::Ipv4Addr)| {
        let address = model.elastic_ip_of(&interface.id, *ip);
        present(json!({
            "AllocationId": address.map(|address| text(&address.allocation_id)),
            "NetworkInterfaceId": text(&interface.id),
            "PrivateIp": text(ip),
            "PublicIp": address.map(|address| text(address.public_ip)),
            "AssociationId": address.and_then(|address| address.association.as_ref()).map(|association| text(&association.id)),
            "IsPrimary": false,
            "Status": "succeeded",
        }))
    };
    further.map(shape).collect()
}

/// All addresses, as calls that change them answer.
fn addresses(model: &Model, id: &NatGatewayId) -> Result<Value, ApiError> {
    let shown = shape(model, model.nat_gateway(id)?);
    Ok(json!({"NatGatewayId": text(id), "NatGatewayAddresses": shown["NatGatewayAddresses"]}))
}

const WHAT_IS_NO_ADDRESS: &str = "This is not a valid IP address.";

fn associate_nat_gateway_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, allocations, private) = read(arguments, |a| {
        a.refuse(&["AvailabilityZone", "AvailabilityZoneId"])?;
        let allocations = Some(a.ids("AllocationIds")?).filter(|ids| !ids.is_empty());
        let private = a.parsed_list("PrivateIpAddresses", WHAT_IS_NO_ADDRESS)?;
        Ok((a.required_id("NatGatewayId")?, a.required("AllocationIds", allocations)?, private))
    })?;
    operation::associate_nat_gateway_address(model, &id, &allocations, &private)?;
    addresses(model, &id)
}

/// Connections are not waited for: those that used the address end.
fn disassociate_nat_gateway_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, associations) = read(arguments, |a| {
        a.ignore(&["MaxDrainDurationSeconds"]);
        let associations = Some(a.ids("AssociationIds")?).filter(|ids| !ids.is_empty());
        Ok((a.required_id("NatGatewayId")?, a.required("AssociationIds", associations)?))
    })?;
    operation::disassociate_nat_gateway_address(model, &id, &associations)?;
    addresses(model, &id)
}

fn assign_private_nat_gateway_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, named, count) = read(arguments, |a| {
        let named: Vec<std::net::Ipv4Addr> = a.parsed_list("PrivateIpAddresses", WHAT_IS_NO_ADDRESS)?;
        let count: Option<usize> = a.integer("PrivateIpAddressCount")?;
        let given = [!named.is_empty(), count.is_some()].into_iter().filter(|is_given| *is_given).collect();
        a.exactly_one("PrivateIpAddresses or PrivateIpAddressCount", given)?;
        Ok((a.required_id("NatGatewayId")?, named, count.unwrap_or(0)))
    })?;
    operation::assign_private_nat_gateway_address(model, &id, &named, count)?;
    addresses(model, &id)
}

fn unassign_private_nat_gateway_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, named) = read(arguments, |a| {
        a.ignore(&["MaxDrainDurationSeconds"]);
        let named: Vec<std::net::Ipv4Addr> = a.parsed_list("PrivateIpAddresses", WHAT_IS_NO_ADDRESS)?;
        Ok((a.required_id("NatGatewayId")?, a.required("PrivateIpAddresses", Some(named).filter(|named| !named.is_empty()))?))
    })?;
    operation::unassign_private_nat_gateway_address(model, &id, &named)?;
    addresses(model, &id)
}
