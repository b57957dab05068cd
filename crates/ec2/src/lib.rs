//! The EC2 API as data: operation names, parameters and answers in the JSON shape of the AWS SDKs, turned into
//! operations on a model. No policy of its own: what is legal is decided in `model::operation`.
//!
//! Start at [`call`]. Each family of resources has a file with its `OPERATIONS` table; [`arguments`] reads
//! parameters, [`filter`] chooses what Describe calls show, [`shape`] holds what answers have in common.
#![forbid(unsafe_code)]

mod address;
pub mod arguments;
pub mod console;
mod dhcp_options;
pub mod filter;
mod flow_log;
mod gateway;
mod history;
pub mod identifier;
mod image;
mod instance;
mod instance_filter;
mod instance_option;
mod instance_profile;
mod instance_shape;
mod instance_type;
pub mod key_pair;
mod launch_template;
mod nat_gateway;
mod network_acl;
mod network_interface;
mod peering;
mod prefix_list;
mod region;
mod route_table;
mod security_group;
pub mod shape;
mod snapshot;
mod spot;
mod subnet;
mod subnet_cidr_reservation;
mod tag;
mod traffic;
mod transit_gateway;
mod transit_gateway_route_table;
mod volume;
mod vpc;
mod vpc_endpoint;

pub use instance_shape::{Ingredient, Showing};
pub use launch_template::resolve as launch_parameters;

use model::{ApiError, ErrorCode, Model};
use serde_json::Value;

/// One entry of a family's table: the API's name and what serves it.
pub type Operation = (&'static str, Serve);

/// Serves one call: parameters in, answer out.
pub type Serve = fn(&mut Model, &Value) -> Result<Value, ApiError>;

/// Families in the order they are searched.
const FAMILIES: &[&[Operation]] = &[
    address::OPERATIONS,
    console::OPERATIONS,
    dhcp_options::OPERATIONS,
    flow_log::OPERATIONS,
    gateway::OPERATIONS,
    history::OPERATIONS,
    image::OPERATIONS,
    instance::OPERATIONS,
    instance_option::OPERATIONS,
    instance_profile::OPERATIONS,
    instance_shape::OPERATIONS,
    instance_type::OPERATIONS,
    key_pair::OPERATIONS,
    launch_template::OPERATIONS,
    nat_gateway::OPERATIONS,
    network_acl::OPERATIONS,
    network_interface::OPERATIONS,
    peering::OPERATIONS,
    prefix_list::OPERATIONS,
    region::OPERATIONS,
    route_table::OPERATIONS,
    security_group::OPERATIONS,
    snapshot::OPERATIONS,
    spot::OPERATIONS,
    subnet::OPERATIONS,
    subnet_cidr_reservation::OPERATIONS,
    tag::OPERATIONS,
    transit_gateway::OPERATIONS,
    transit_gateway_route_table::OPERATIONS,
    volume::OPERATIONS,
    vpc::OPERATIONS,
    vpc_endpoint::OPERATIONS,
];

/// Serves one call. `arguments` has the shape of `aws … --cli-input-json`, the answer that of boto3.
/// `DryRun: true` is served here for every operation: all checks run, on a copy.
///
/// Errors: what the operation says, or `InvalidAction` for a name that nobody serves, or `DryRunOperation`
/// (status 412) when a dry run would have succeeded.
pub fn call(model: &mut Model, operation: &str, arguments: &Value) -> Result<Value, ApiError> {
    let Some(serve) = find(operation) else {
        return Err(ApiError::new(
            ErrorCode::InvalidAction,
            format!("The action {operation} is not valid for this web service."),
        ));
    };
    if arguments.get("DryRun").is_none() {
        return serve(model, arguments);
    }
    let mut arguments = arguments.clone();
    let flag = arguments.as_object_mut().and_then(|fields| fields.shift_remove("DryRun"));
    let is_dry = arguments::read(&serde_json::json!({"DryRun": flag}), |a| a.boolean("DryRun"))?.unwrap_or(false);
    if !is_dry {
        return serve(model, &arguments);
    }
    serve(&mut model.clone(), &arguments)?;
    let message = "Request would have succeeded, but DryRun flag is set.";
    Err(ApiError::new(ErrorCode::DryRunOperation, message))
}

/// Names of all operations served, sorted.
pub fn operations() -> Vec<&'static str> {
    let mut names: Vec<_> = FAMILIES.iter().flat_map(|family| family.iter()).map(|(name, _)| *name).collect();
    names.sort_unstable();
    names
}

fn find(operation: &str) -> Option<Serve> {
    FAMILIES.iter().flat_map(|family| family.iter()).find(|(name, _)| *name == operation).map(|(_, serve)| *serve)
}
