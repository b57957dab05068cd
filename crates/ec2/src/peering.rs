//! VPC peering connections (PCX-1 … PCX-8, DNS-8).

use model::operation::{self, ModifyVpcPeeringConnectionOptions};
use model::peering::PeeringStatus;
use model::{ApiError, ErrorCode, Model, VpcId, VpcPeeringConnection, VpcPeeringConnectionId};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{done, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AcceptVpcPeeringConnection", accept_vpc_peering_connection),
    ("CreateVpcPeeringConnection", create_vpc_peering_connection),
    ("DeleteVpcPeeringConnection", delete_vpc_peering_connection),
    ("DescribeVpcPeeringConnections", describe_vpc_peering_connections),
    ("ModifyVpcPeeringConnectionOptions", modify_vpc_peering_connection_options),
    ("RejectVpcPeeringConnection", reject_vpc_peering_connection),
];

fn create_vpc_peering_connection(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let own = |given: Option<&str>, own: &str| given.is_none_or(|given| given == own);
        if !own(a.text("PeerOwnerId")?, &model.account_id) || !own(a.text("PeerRegion")?, &model.region.0) {
            let message = "Peering with another account or region is not supported.";
            return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
        }
        Ok(operation::CreateVpcPeeringConnection {
            vpc_id: a.required_id("VpcId")?,
            peer_vpc_id: a.required_id("PeerVpcId")?,
            tags: a.tags("vpc-peering-connection")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_vpc_peering_connection(model, request)?;
    Ok(json!({"VpcPeeringConnection": shape(model, model.vpc_peering_connection(&id)?)}))
}

fn accept_vpc_peering_connection(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("VpcPeeringConnectionId"))?;
    operation::accept_vpc_peering_connection(model, &id)?;
    Ok(json!({"VpcPeeringConnection": shape(model, model.vpc_peering_connection(&id)?)}))
}

fn reject_vpc_peering_connection(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("VpcPeeringConnectionId"))?;
    operation::reject_vpc_peering_connection(model, &id)?;
    Ok(done())
}

fn delete_vpc_peering_connection(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("VpcPeeringConnectionId"))?;
    operation::delete_vpc_peering_connection(model, &id)?;
    Ok(done())
}

fn modify_vpc_peering_connection_options(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let option = |o: &Arguments<'_>| {
            o.ignore(&["AllowEgressFromLocalClassicLinkToRemoteVpc", "AllowEgressFromLocalVpcToRemoteClassicLink"]);
            o.boolean("AllowDnsResolutionFromRemoteVpc")
        };
        Ok(ModifyVpcPeeringConnectionOptions {
            vpc_peering_connection_id: a.required_id("VpcPeeringConnectionId")?,
            requester_allows_dns_resolution: a.within("RequesterPeeringConnectionOptions", option)?.flatten(),
            accepter_allows_dns_resolution: a.within("AccepterPeeringConnectionOptions", option)?.flatten(),
        })
    })?;
    let given = (request.requester_allows_dns_resolution, request.accepter_allows_dns_resolution);
    operation::modify_vpc_peering_connection_options(model, request)?;
    let mut answer = Map::new();
    for (name, value) in [("RequesterPeeringConnectionOptions", given.0), ("AccepterPeeringConnectionOptions", given.1)] {
        if let Some(value) = value {
            answer.insert(name.to_owned(), json!({"AllowDnsResolutionFromRemoteVpc": value}));
        }
    }
    Ok(Value::Object(answer))
}

fn side(model: &Model, vpc: &VpcId, allows: bool) -> Value {
    let mut fields = Map::new();
    if let Some(found) = model.vpcs.get(vpc) {
        fields.insert("CidrBlock".into(), text(found.primary_cidr_block()));
        fields.insert("Ipv6CidrBlockSet".into(), found.ipv6_blocks().map(|b| json!({"Ipv6CidrBlock": text(b)})).collect());
        fields.insert("CidrBlockSet".into(), found.ipv4_blocks().map(|b| json!({"CidrBlock": text(b)})).collect());
    }
    fields.insert("OwnerId".into(), model.account_id.clone().into());
    fields.insert(
        "PeeringOptions".into(),
        json!({
            "AllowDnsResolutionFromRemoteVpc": allows,
            "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
            "AllowEgressFromLocalVpcToRemoteClassicLink": false,
        }),
    );
    fields.insert("VpcId".into(), text(vpc));
    fields.insert("Region".into(), text(&model.region));
    Value::Object(fields)
}

fn shape(model: &Model, connection: &VpcPeeringConnection) -> Value {
    let message = match (connection.status, connection.status_message.as_str()) {
        (_, message) if !message.is_empty() => message.to_owned(),
        (PeeringStatus::InitiatingRequest, _) => format!("Initiating Request to {}", model.account_id),
        (PeeringStatus::PendingAcceptance, _) => format!("Pending Acceptance by {}", model.account_id),
        (PeeringStatus::Provisioning, _) => "Provisioning".to_owned(),
        (PeeringStatus::Active, _) => "Active".to_owned(),
        (PeeringStatus::Deleting, _) => "Deleting".to_owned(),
        (PeeringStatus::Deleted, _) => format!("Deleted by {}", model.account_id),
        (PeeringStatus::Rejected, _) => format!("Rejected by {}", model.account_id),
        (PeeringStatus::Expired, _) => "Expired".to_owned(),
        (PeeringStatus::Failed, _) => "Failed".to_owned(),
    };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("AccepterVpcInfo", side(model, &connection.accepter_vpc_id, connection.accepter_allows_dns_resolution));
    if matches!(connection.status, PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance) {
        put("ExpirationTime", time(connection.expiration_time));
    }
    put("RequesterVpcInfo", side(model, &connection.requester_vpc_id, connection.requester_allows_dns_resolution));
    put("Status", json!({"Code": connection.status.as_str(), "Message": message}));
    put("Tags", tags(&connection.tags));
    put("VpcPeeringConnectionId", text(&connection.id));
    Value::Object(fields)
}

const DESCRIBE: Describe = Describe {
    ids: "VpcPeeringConnectionIds",
    id_path: "VpcPeeringConnectionId",
    answer: "VpcPeeringConnections",
    filters: &[
        ("accepter-vpc-info.cidr-block", &["AccepterVpcInfo.CidrBlock"]),
        ("accepter-vpc-info.owner-id", &["AccepterVpcInfo.OwnerId"]),
        ("accepter-vpc-info.vpc-id", &["AccepterVpcInfo.VpcId"]),
        ("expiration-time", &["ExpirationTime"]),
        ("requester-vpc-info.cidr-block", &["RequesterVpcInfo.CidrBlock"]),
        ("requester-vpc-info.owner-id", &["RequesterVpcInfo.OwnerId"]),
        ("requester-vpc-info.vpc-id", &["RequesterVpcInfo.VpcId"]),
        ("status-code", &["Status.Code"]),
        ("status-message", &["Status.Message"]),
        ("vpc-peering-connection-id", &["VpcPeeringConnectionId"]),
    ],
    form: form::<VpcPeeringConnectionId>,
    not_found: VpcPeeringConnectionId::not_found,
};

fn describe_vpc_peering_connections(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve(arguments, model.vpc_peering_connections.values().map(|connection| shape(model, connection)))
}
