//! Flow logs: made and deleted, never changed (FL-1, FL-14).

use super::tag;
use crate::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogFormat, TrafficType};
use crate::*;

/// Parameters of CreateFlowLogs for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFlowLog {
    /// Whose traffic.
    pub resource: FlowLogResource,
    /// Which of it.
    pub traffic_type: TrafficType,
    /// How long packets of one flow are counted together.
    pub interval: AggregationInterval,
    /// What a record says.
    pub format: LogFormat,
    /// Where records go.
    pub destination: LogDestination,
    /// The role that delivers them.
    pub deliver_logs_permission_arn: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Creates a flow log. Errors: `InvalidVpcID.NotFound`, `InvalidSubnetID.NotFound`, `InvalidNetworkInterfaceID.NotFound`,
/// `InvalidParameterValue` (a name that no log group or bucket can have), `FlowLogAlreadyExists` (the same resource,
/// traffic, format and destination, FL-14), `FlowLogsLimitExceeded` (QUO-1: a resource has two at most).
pub fn create_flow_log(model: &mut Model, request: CreateFlowLog) -> Result<FlowLogId, ApiError> {
    check_destination(&request.destination)?;
    tag::check(&request.tags)?;
    match &request.resource {
        FlowLogResource::Vpc(id) => drop(model.vpc(id)?),
        FlowLogResource::Subnet(id) => drop(model.subnet(id)?),
        FlowLogResource::NetworkInterface(id) => drop(model.network_interface(id)?),
    }
    let others = || model.flow_logs.values().filter(|log| log.resource == request.resource);
    let is_same = |log: &FlowLog| {
        (log.traffic_type, &log.format, &log.destination) == (request.traffic_type, &request.format, &request.destination)
    };
    if others().any(is_same) {
        let message = "Error. There is an existing Flow Log with the same configuration and log destination.";
        return Err(ApiError::new(ErrorCode::FlowLogAlreadyExists, message));
    }
    let limit = model.quotas.flow_logs_per_resource;
    if others().count() >= limit {
        let message = format!("The maximum number of flow logs for {} has been reached: {limit}.", request.resource.id());
        return Err(ApiError::new(ErrorCode::FlowLogsLimitExceeded, message));
    }
    let id: FlowLogId = model.context.next_id();
    let log = FlowLog {
        id: id.clone(),
        resource: request.resource,
        traffic_type: request.traffic_type,
        interval: request.interval,
        format: request.format,
        destination: request.destination,
        deliver_logs_permission_arn: request.deliver_logs_permission_arn,
        creation_time: model.context.now,
        tags: request.tags,
        origin: request.origin,
    };
    model.flow_logs.insert(id.clone(), log);
    model.generation += 1;
    Ok(id)
}

/// Deletes a flow log; what it wrote stays. Errors: `InvalidFlowLogId.NotFound`.
pub fn delete_flow_log(model: &mut Model, id: &FlowLogId) -> Result<(), ApiError> {
    model.flow_log(id)?;
    model.flow_logs.remove(id);
    model.generation += 1;
    Ok(())
}

/// A resource that goes takes its flow logs along.
pub(crate) fn remove_of(model: &mut Model, resource: &FlowLogResource) {
    model.flow_logs.retain(|_, log| log.resource != *resource);
}

/// Names as CloudWatch Logs and S3 have them; they are folders here, so nothing else may be in them.
fn check_destination(destination: &LogDestination) -> Result<(), ApiError> {
    let refuse = |what: &str, text: &str, why: &str| {
        Err(ApiError::new(ErrorCode::InvalidParameterValue, format!("Value ({text}) for parameter {what} is invalid. {why}")))
    };
    let climbs = |path: &str| path.split('/').any(|part| part == "." || part == "..");
    match destination {
        LogDestination::CloudWatchLogs { log_group } => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
            match (1..=512).contains(&log_group.len()) && log_group.chars().all(fits) && !climbs(log_group) {
                true => Ok(()),
                false => refuse("LogGroupName", log_group, "A log group's name has 1 to 512 of a-z, A-Z, 0-9, '_', '-', '/', '.' and '#'."),
            }
        }
        LogDestination::S3 { bucket, prefix, .. } => {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
            if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(fits) || climbs(bucket) {
                return refuse("LogDestination", bucket, "A bucket's name has 3 to 63 of a-z, 0-9, '.' and '-'.");
            }
            let fits = |c: char| c.is_ascii_alphanumeric() || "!-_.*'()/=".contains(c);
            let is_tidy = prefix.len() <= 512 && prefix.chars().all(fits) && !climbs(prefix) && !prefix.contains("//");
            if !is_tidy || prefix.starts_with('/') || prefix.ends_with('/') {
                return refuse("LogDestination", prefix, "A folder in a bucket has letters, digits and !-_.*'()=, parted by single slashes.");
            }
            // AWS keeps the name for its own folders.
            match prefix.split('/').any(|part| part == "AWSLogs") {
                true => refuse("LogDestination", prefix, "AWSLogs is a reserved folder name."),
                false => Ok(()),
            }
        }
    }
}
