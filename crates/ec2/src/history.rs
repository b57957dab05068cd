//! What AWS has let go and clients still ask about: ClassicLink; and what belongs to services that this cloud does not have:
//! pools of IPAM, services of others that endpoints lead to.

use model::{ApiError, ErrorCode, Model, VpcId};
use serde_json::Value;

use crate::Operation;
use crate::arguments::read;
use crate::filter::Describe;
use crate::shape::done;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AcceptVpcEndpointConnections", accept_vpc_endpoint_connections),
    ("DescribeVpcEndpointServiceConfigurations", describe_vpc_endpoint_service_configurations),
    ("DisableVpcClassicLink", disable),
    ("DisableVpcClassicLinkDnsSupport", disable),
    ("EnableVpcClassicLink", enable),
    ("EnableVpcClassicLinkDnsSupport", enable),
    ("GetIpamPoolAllocations", get_ipam_pool_allocations),
];

fn vpc(arguments: &Value) -> Result<VpcId, ApiError> {
    read(arguments, |a| a.required_id("VpcId"))
}

/// It is off everywhere, so that switching it off is done.
fn disable(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    model.vpc(&vpc(arguments)?)?;
    Ok(done())
}

/// Errors: `UnsupportedOperation`, as in every account since EC2-Classic ended.
fn enable(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    model.vpc(&vpc(arguments)?)?;
    let message = "The functionality you requested is not available in this region: EC2-Classic was retired.";
    Err(ApiError::new(ErrorCode::UnsupportedOperation, message))
}

/// Errors: `InvalidIpamPoolId.NotFound`: there is no pool.
fn get_ipam_pool_allocations(_: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let pool = read(arguments, |a| {
        a.ignore(&["IpamPoolAllocationId", "Filters"]);
        Ok(a.required_text("IpamPoolId")?.to_owned())
    })?;
    Err(ApiError::new(ErrorCode::InvalidIpamPoolIdNotFound, format!("The pool ID '{pool}' does not exist")))
}

fn no_service(id: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidVpcEndpointServiceIdNotFound, format!("The VpcEndpointService Id '{id}' does not exist"))
}

/// Errors: `InvalidVpcEndpointServiceId.NotFound`: no service here waits for anybody to accept.
fn accept_vpc_endpoint_connections(_: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| {
        a.ids::<model::VpcEndpointId>("VpcEndpointIds")?;
        Ok(a.required_text("ServiceId")?.to_owned())
    })?;
    Err(no_service(&id))
}

const SERVICES: Describe = Describe {
    ids: "ServiceIds",
    id_path: "ServiceId",
    answer: "ServiceConfigurations",
    filters: &[
        ("service-id", &["ServiceId"]),
        ("service-name", &["ServiceName"]),
        ("service-state", &["ServiceState"]),
        ("supported-ip-address-types", &["SupportedIpAddressTypes"]),
    ],
    form: |_| Ok(()),
    not_found: no_service,
};

/// The account offers none.
fn describe_vpc_endpoint_service_configurations(_: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    SERVICES.serve(arguments, std::iter::empty::<Value>())
}
