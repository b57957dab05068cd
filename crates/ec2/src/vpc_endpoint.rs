//! VPC endpoints and the services that they lead to (VPCE-1 … VPCE-6).

use model::endpoint::{VpcEndpointKind, VpcEndpointState};
use model::operation::{self, CreateVpcEndpointKind, ModifyVpcEndpoint};
use model::{ApiError, ErrorCode, Model, VpcEndpoint, VpcEndpointId};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::identifier::{Identifier, form};
use crate::shape::{done, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateVpcEndpoint", create_vpc_endpoint),
    ("DeleteVpcEndpoints", delete_vpc_endpoints),
    ("DescribeVpcEndpointServices", describe_vpc_endpoint_services),
    ("DescribeVpcEndpoints", describe_vpc_endpoints),
    ("ModifyVpcEndpoint", modify_vpc_endpoint),
];

/// Full access, as the API writes it out (VPCE-6).
const FULL_ACCESS: &str = concat!(
    "{\"Version\":\"2008-10-17\",\"Statement\":",
    "[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}"
);

fn create_vpc_endpoint(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["ResourceConfigurationArn", "ServiceNetworkArn", "ServiceRegion"])?;
        common(a)?;
        let tables = a.ids("RouteTableIds")?;
        let (subnet_ids, security_group_ids) = (a.ids("SubnetIds")?, a.ids("SecurityGroupIds")?);
        let private_dns = a.boolean("PrivateDnsEnabled")?;
        let kind = match a.text("VpcEndpointType")? {
            None | Some("Gateway") => {
                if !subnet_ids.is_empty() || !security_group_ids.is_empty() || private_dns == Some(true) {
                    return Err(misplaced("Subnets, security groups and private DNS", "Gateway"));
                }
                CreateVpcEndpointKind::Gateway { route_table_ids: tables }
            }
            Some("Interface") if !tables.is_empty() => return Err(misplaced("Route tables", "Interface")),
            Some("Interface") => CreateVpcEndpointKind::Interface {
                subnet_ids,
                security_group_ids,
                private_dns_enabled: private_dns.unwrap_or(true),
            },
            Some(other) => {
                let message = format!("Endpoints of type {other} are not supported.");
                return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
            }
        };
        Ok(operation::CreateVpcEndpoint {
            vpc_id: a.required_id("VpcId")?,
            service_name: a.required_text("ServiceName")?.to_owned(),
            kind,
            policy_document: a.text("PolicyDocument")?.map(str::to_owned),
            tags: a.tags("vpc-endpoint")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_vpc_endpoint(model, request)?;
    Ok(json!({"VpcEndpoint": shape(model, model.vpc_endpoint(&id)?)}))
}

/// Parameters that both calls have and that ask for nothing here.
fn common(a: &Arguments<'_>) -> Result<(), ApiError> {
    a.ignore(&["DnsOptions"]);
    a.refuse(&["SubnetConfigurations"])?;
    match a.text("IpAddressType")?.filter(|kind| *kind != "ipv4") {
        None => Ok(()),
        Some(other) => Err(a.invalid("IpAddressType", &other.into(), "Endpoints have IPv4 addresses only.")),
    }
}

fn misplaced(what: &str, kind: &str) -> ApiError {
    let message = format!("{what} cannot be specified for an endpoint of type {kind}.");
    ApiError::new(ErrorCode::InvalidParameter, message)
}

fn modify_vpc_endpoint(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        common(a)?;
        Ok(ModifyVpcEndpoint {
            add_route_table_ids: a.ids("AddRouteTableIds")?,
            remove_route_table_ids: a.ids("RemoveRouteTableIds")?,
            add_subnet_ids: a.ids("AddSubnetIds")?,
            remove_subnet_ids: a.ids("RemoveSubnetIds")?,
            add_security_group_ids: a.ids("AddSecurityGroupIds")?,
            remove_security_group_ids: a.ids("RemoveSecurityGroupIds")?,
            private_dns_enabled: a.boolean("PrivateDnsEnabled")?,
            policy_document: a.text("PolicyDocument")?.map(str::to_owned),
            reset_policy: a.boolean("ResetPolicy")?.unwrap_or(false),
            ..ModifyVpcEndpoint::new(a.required_id("VpcEndpointId")?)
        })
    })?;
    operation::modify_vpc_endpoint(model, request)?;
    Ok(done())
}

/// Each endpoint goes or stays on its own; what could not go is listed.
fn delete_vpc_endpoints(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids: Vec<String> =
        read(arguments, |a| Ok(a.texts("VpcEndpointIds")?.into_iter().map(str::to_owned).collect()))?;
    let mut unsuccessful = Vec::new();
    for id in ids {
        let deleted = VpcEndpointId::parse(&id).and_then(|id| operation::delete_vpc_endpoint(model, &id));
        if let Err(error) = deleted {
            unsuccessful.push(json!({
                "Error": {"Code": error.code.as_str(), "Message": error.message}, "ResourceId": id,
            }));
        }
    }
    Ok(json!({"Unsuccessful": unsuccessful}))
}

fn shape(model: &Model, endpoint: &VpcEndpoint) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("VpcEndpointId", text(&endpoint.id));
    put("VpcId", text(&endpoint.vpc_id));
    put("ServiceName", endpoint.service_name.clone().into());
    put("State", endpoint.state.as_str().into());
    put("PolicyDocument", endpoint.policy_document.as_deref().unwrap_or(FULL_ACCESS).into());
    put("RequesterManaged", false.into());
    put("CreationTimestamp", time(endpoint.create_time));
    put("OwnerId", model.account_id.clone().into());
    put("IpAddressType", "ipv4".into());
    put("Tags", tags(&endpoint.tags));
    match &endpoint.kind {
        VpcEndpointKind::Gateway { route_table_ids, .. } => {
            put("VpcEndpointType", "Gateway".into());
            put("RouteTableIds", route_table_ids.iter().map(text).collect());
            for empty in ["SubnetIds", "Groups", "NetworkInterfaceIds", "DnsEntries"] {
                put(empty, json!([]));
            }
            put("PrivateDnsEnabled", false.into());
        }
        VpcEndpointKind::Interface { subnet_ids, network_interface_ids, private_dns_enabled } => {
            put("VpcEndpointType", "Interface".into());
            put("RouteTableIds", json!([]));
            put("SubnetIds", subnet_ids.iter().map(text).collect());
            let first = network_interface_ids.first().and_then(|id| model.network_interfaces.get(id));
            put("Groups", first.map_or_else(|| json!([]), |eni| crate::network_interface::groups(model, eni)));
            put("NetworkInterfaceIds", network_interface_ids.iter().map(text).collect());
            put("PrivateDnsEnabled", (*private_dns_enabled).into());
            let service = model.region.endpoint_service(&endpoint.service_name).filter(|_| *private_dns_enabled);
            put("DnsEntries", service.into_iter().map(|s| json!({"DnsName": s.private_dns_name, "HostedZoneId": ""})).collect());
        }
    }
    Value::Object(fields)
}

const DESCRIBE: Describe = Describe {
    ids: "VpcEndpointIds",
    id_path: "VpcEndpointId",
    answer: "VpcEndpoints",
    filters: &[
        ("ip-address-type", &["IpAddressType"]),
        ("service-name", &["ServiceName"]),
        ("service-region", &["ServiceRegion"]),
        ("vpc-endpoint-id", &["VpcEndpointId"]),
        ("vpc-endpoint-state", &["State"]),
        ("vpc-endpoint-type", &["VpcEndpointType"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<VpcEndpointId>,
    not_found: VpcEndpointId::not_found,
};

fn describe_vpc_endpoints(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let shown = model.vpc_endpoints.values().filter(|endpoint| endpoint.state != VpcEndpointState::Deleted);
    DESCRIBE.serve(arguments, shown.map(|endpoint| shape(model, endpoint)))
}

const SERVICES: Describe = Describe {
    ids: "ServiceNames",
    id_path: "ServiceName",
    answer: "ServiceDetails",
    filters: &[
        ("owner", &["Owner"]),
        ("service-name", &["ServiceName"]),
        ("service-region", &["ServiceRegion"]),
        ("service-type", &["ServiceType.ServiceType"]),
        ("supported-ip-address-types", &["SupportedIpAddressTypes"]),
    ],
    form: |_| Ok(()),
    not_found: |name| {
        ApiError::new(ErrorCode::InvalidServiceName, format!("The Vpc Endpoint Service '{name}' does not exist"))
    },
};

fn describe_vpc_endpoint_services(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let zones: Value = model.region.zones().into_iter().map(|zone| zone.name).collect();
    let details = model.region.endpoint_services().into_iter().flat_map(|service| {
        let kinds = [("Gateway", service.has_gateway), ("Interface", service.has_interface)];
        let zones = zones.clone();
        kinds.into_iter().filter(|(_, has)| *has).map(move |(kind, _)| {
            json!({
                "ServiceName": service.name,
                "ServiceType": [{"ServiceType": kind}],
                "AvailabilityZones": zones,
                "Owner": "amazon",
                "BaseEndpointDnsNames": [service.private_dns_name],
                "PrivateDnsName": service.private_dns_name,
                "VpcEndpointPolicySupported": true,
                "AcceptanceRequired": false,
                "ManagesVpcEndpoints": false,
                "Tags": [],
                "SupportedIpAddressTypes": ["ipv4"],
            })
        })
    });
    let mut answer = SERVICES.serve_with(arguments, details, |a| {
        a.ignore(&["ServiceRegions"]);
        Ok(())
    })?;
    let mut names: Vec<Value> =
        answer["ServiceDetails"].as_array().into_iter().flatten().map(|s| s["ServiceName"].clone()).collect();
    names.dedup();
    answer["ServiceNames"] = names.into();
    Ok(answer)
}
