//! Internet gateways, egress-only internet gateways, virtual private gateways (IGW-1 … IGW-11, EIGW-1, VPN-1).

use model::gateway::VpnGateway;
use model::operation;
use model::{ApiError, EgressOnlyInternetGateway, EgressOnlyInternetGatewayId, InternetGateway, InternetGatewayId, Model, VpcId, VpnGatewayId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{Describe, Known};
use crate::identifier::form;
use crate::shape::{done, tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AttachInternetGateway", attach_internet_gateway),
    ("AttachVpnGateway", attach_vpn_gateway),
    ("CreateEgressOnlyInternetGateway", create_egress_only_internet_gateway),
    ("CreateInternetGateway", create_internet_gateway),
    ("CreateVpnGateway", create_vpn_gateway),
    ("DeleteEgressOnlyInternetGateway", delete_egress_only_internet_gateway),
    ("DeleteInternetGateway", delete_internet_gateway),
    ("DeleteVpnGateway", delete_vpn_gateway),
    ("DescribeEgressOnlyInternetGateways", describe_egress_only_internet_gateways),
    ("DescribeInternetGateways", describe_internet_gateways),
    ("DescribeVpnGateways", describe_vpn_gateways),
    ("DetachInternetGateway", detach_internet_gateway),
    ("DetachVpnGateway", detach_vpn_gateway),
];

fn create_internet_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let tags = read(arguments, |a| a.tags("internet-gateway"))?;
    let request = operation::CreateInternetGateway { tags, ..Default::default() };
    let id = operation::create_internet_gateway(model, request)?;
    Ok(json!({"InternetGateway": internet_gateway(model, model.internet_gateway(&id)?)}))
}

fn attach_internet_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, vpc) = read(arguments, |a| Ok((a.required_id("InternetGatewayId")?, a.required_id("VpcId")?)))?;
    operation::attach_internet_gateway(model, &id, &vpc)?;
    Ok(done())
}

fn detach_internet_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, vpc) = read(arguments, |a| Ok((a.required_id("InternetGatewayId")?, a.required_id("VpcId")?)))?;
    operation::detach_internet_gateway(model, &id, &vpc)?;
    Ok(done())
}

fn delete_internet_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("InternetGatewayId"))?;
    operation::delete_internet_gateway(model, &id)?;
    Ok(done())
}

/// The state of an internet gateway's attachment is `available`, whatever the SDK's documentation says; the other
/// gateways say `attached`.
fn attachments(vpc: Option<&VpcId>, state: &str) -> Value {
    vpc.into_iter().map(|vpc| json!({"State": state, "VpcId": text(vpc)})).collect()
}

fn internet_gateway(model: &Model, gateway: &InternetGateway) -> Value {
    json!({
        "Attachments": attachments(gateway.vpc_id.as_ref(), "available"),
        "InternetGatewayId": text(&gateway.id),
        "OwnerId": model.account_id,
        "Tags": tags(&gateway.tags),
    })
}

const INTERNET_GATEWAYS: Describe = Describe {
    ids: "InternetGatewayIds",
    id_path: "InternetGatewayId",
    answer: "InternetGateways",
    filters: &[
        ("attachment.state", &["Attachments.State"]),
        ("attachment.vpc-id", &["Attachments.VpcId"]),
        ("internet-gateway-id", &["InternetGatewayId"]),
        ("owner-id", &["OwnerId"]),
    ],
    form: form::<InternetGatewayId>,
    not_found: InternetGatewayId::not_found,
};

fn known(gateway: &InternetGateway) -> Known<'_, 1> {
    Known { texts: [("InternetGatewayId", gateway.id.as_str())], tags: &gateway.tags }
}

fn describe_internet_gateways(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    INTERNET_GATEWAYS.serve_rows(arguments, model.internet_gateways.values(), known, |g| internet_gateway(model, g))
}

fn create_egress_only_internet_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        Ok(operation::CreateEgressOnlyInternetGateway {
            vpc_id: a.required_id("VpcId")?,
            tags: a.tags("egress-only-internet-gateway")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_egress_only_internet_gateway(model, request)?;
    Ok(json!({"EgressOnlyInternetGateway": egress_only(model.egress_only_internet_gateway(&id)?)}))
}

fn delete_egress_only_internet_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("EgressOnlyInternetGatewayId"))?;
    operation::delete_egress_only_internet_gateway(model, &id)?;
    Ok(json!({"ReturnCode": true}))
}

fn egress_only(gateway: &EgressOnlyInternetGateway) -> Value {
    json!({
        "Attachments": attachments(Some(&gateway.vpc_id), "attached"),
        "EgressOnlyInternetGatewayId": text(&gateway.id),
        "Tags": tags(&gateway.tags),
    })
}

const EGRESS_ONLY: Describe = Describe {
    ids: "EgressOnlyInternetGatewayIds",
    id_path: "EgressOnlyInternetGatewayId",
    answer: "EgressOnlyInternetGateways",
    filters: &[],
    form: form::<EgressOnlyInternetGatewayId>,
    not_found: EgressOnlyInternetGatewayId::not_found,
};

fn describe_egress_only_internet_gateways(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    EGRESS_ONLY.serve(arguments, model.egress_only_internet_gateways.values().map(egress_only))
}

fn create_vpn_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let tags = read(arguments, |a| {
        a.ignore(&["AvailabilityZone", "AmazonSideAsn"]);
        if let Some(other) = a.text("Type")?.filter(|kind| *kind != "ipsec.1") {
            return Err(crate::arguments::invalid("type", other, "The only type is ipsec.1."));
        }
        a.tags("vpn-gateway")
    })?;
    let id = operation::create_vpn_gateway(model, operation::CreateVpnGateway { tags, ..Default::default() })?;
    Ok(json!({"VpnGateway": vpn_gateway(model.vpn_gateway(&id)?)}))
}

fn attach_vpn_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, vpc) = read(arguments, |a| Ok((a.required_id("VpnGatewayId")?, a.required_id("VpcId")?)))?;
    operation::attach_vpn_gateway(model, &id, &vpc)?;
    Ok(json!({"VpcAttachment": {"State": "attached", "VpcId": text(vpc)}}))
}

fn detach_vpn_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, vpc) = read(arguments, |a| Ok((a.required_id("VpnGatewayId")?, a.required_id("VpcId")?)))?;
    operation::detach_vpn_gateway(model, &id, &vpc)?;
    Ok(done())
}

fn delete_vpn_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("VpnGatewayId"))?;
    operation::delete_vpn_gateway(model, &id)?;
    Ok(done())
}

fn vpn_gateway(gateway: &VpnGateway) -> Value {
    let mut all = attachments(gateway.vpc_id.as_ref(), "attached");
    if let (Some(list), Some(before)) = (all.as_array_mut(), &gateway.detached_vpc_id) {
        list.push(json!({"State": "detached", "VpcId": text(before)}));
    }
    json!({
        "AmazonSideAsn": 64512,
        "State": "available",
        "Type": "ipsec.1",
        "VpcAttachments": all,
        "VpnGatewayId": text(&gateway.id),
        "Tags": tags(&gateway.tags),
    })
}

const VPN_GATEWAYS: Describe = Describe {
    ids: "VpnGatewayIds",
    id_path: "VpnGatewayId",
    answer: "VpnGateways",
    filters: &[
        ("amazon-side-asn", &["AmazonSideAsn"]),
        ("attachment.state", &["VpcAttachments.State"]),
        ("attachment.vpc-id", &["VpcAttachments.VpcId"]),
        ("availability-zone", &["AvailabilityZone"]),
        ("state", &["State"]),
        ("type", &["Type"]),
        ("vpn-gateway-id", &["VpnGatewayId"]),
    ],
    form: form::<VpnGatewayId>,
    not_found: VpnGatewayId::not_found,
};

fn describe_vpn_gateways(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    VPN_GATEWAYS.serve(arguments, model.vpn_gateways.values().map(vpn_gateway))
}
