//! Flow logs (FL-1 … FL-14).

use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogFormat};
use model::operation::{self, CreateFlowLog};
use model::{ApiError, ErrorCode, FlowLog, FlowLogId, Model};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::identifier::{Identifier, form};
use crate::shape::{tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateFlowLogs", create_flow_logs),
    ("DeleteFlowLogs", delete_flow_logs),
    ("DescribeFlowLogs", describe_flow_logs),
];

/// A log for each resource. Those that can be made are; what is wrong with the others is listed. Where none can be made, the
/// call is refused as the first was.
fn create_flow_logs(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (requests, token) = read(arguments, |a| {
        a.refuse(&["DeliverCrossAccountRole"])?;
        let kind = a.required_text("ResourceType")?;
        let ids = a.texts("ResourceIds")?;
        if ids.is_empty() {
            return Err(crate::arguments::missing("ResourceIds"));
        }
        let traffic_type = a.parsed("TrafficType", "Either ACCEPT, REJECT or ALL was expected.")?;
        let traffic_type = a.required("TrafficType", traffic_type)?;
        let (format, tags, interval) = (format(a)?, a.tags("vpc-flow-log")?, interval(a)?);
        let (destination, deliver_logs_permission_arn) = destination(a)?;
        // Last: what a log is to be like comes before whose it is.
        let resources = ids.iter().map(|id| resource(a, kind, id)).collect::<Result<Vec<_>, _>>()?;
        let request = CreateFlowLog {
            resource: resources[0].clone(),
            traffic_type,
            interval,
            format,
            destination,
            deliver_logs_permission_arn,
            tags,
            origin: Default::default(),
        };
        let requests = resources.into_iter().map(|resource| CreateFlowLog { resource, ..request.clone() });
        Ok((requests.collect::<Vec<_>>(), a.text("ClientToken")?.map(str::to_owned)))
    })?;
    let (mut made, mut unsuccessful, mut first) = (Vec::new(), Vec::new(), None);
    for request in requests {
        let id = request.resource.id().to_owned();
        match operation::create_flow_log(model, request) {
            Ok(id) => made.push(text(id)),
            Err(error) => {
                let shown = json!({"Code": error.code.as_str(), "Message": error.message});
                unsuccessful.push(json!({"Error": shown, "ResourceId": id}));
                first = first.or(Some(error));
            }
        }
    }
    if let (true, Some(error)) = (made.is_empty(), first) {
        return Err(error);
    }
    let token = token.unwrap_or_else(|| format!("{:016x}{:016x}", model.context.next_u64(), model.context.next_u64()));
    Ok(json!({"ClientToken": token, "FlowLogIds": made, "Unsuccessful": unsuccessful}))
}

fn resource(a: &Arguments<'_>, kind: &str, id: &str) -> Result<FlowLogResource, ApiError> {
    match kind {
        "VPC" => Ok(FlowLogResource::Vpc(Identifier::parse(id)?)),
        "Subnet" => Ok(FlowLogResource::Subnet(Identifier::parse(id)?)),
        "NetworkInterface" => Ok(FlowLogResource::NetworkInterface(Identifier::parse(id)?)),
        "TransitGateway" | "TransitGatewayAttachment" | "RegionalNatGateway" => {
            let message = format!("Flow logs for resources of type {kind} are not supported.");
            Err(ApiError::new(ErrorCode::UnsupportedOperation, message))
        }
        other => Err(a.invalid("ResourceType", &other.into(), "Either VPC, Subnet or NetworkInterface was expected.")),
    }
}

fn interval(a: &Arguments<'_>) -> Result<AggregationInterval, ApiError> {
    match a.integer::<u32>("MaxAggregationInterval")? {
        None => Ok(AggregationInterval::TenMinutes),
        Some(seconds) => AggregationInterval::of_seconds(seconds).ok_or_else(|| {
            let error = ApiError::new(ErrorCode::InvalidParameter, "Invalid Flow Log Max Aggregation Interval");
            error.with_hint("it is 60 or 600 seconds")
        }),
    }
}

fn format(a: &Arguments<'_>) -> Result<LogFormat, ApiError> {
    match a.text("LogFormat")? {
        None => Ok(LogFormat::default()),
        Some(format) => format.parse().map_err(|error: model::flow_log::MalformedFormat| {
            ApiError::new(ErrorCode::InvalidParameter, format!("Invalid Flow Log format: {error}"))
        }),
    }
}

/// Where records go, and who brings them there.
fn destination(a: &Arguments<'_>) -> Result<(LogDestination, Option<String>), ApiError> {
    let wrong = |message: &str| ApiError::new(ErrorCode::InvalidParameter, message);
    let (group, arn) = (a.text("LogGroupName")?, a.text("LogDestination")?);
    let role = a.text("DeliverLogsPermissionArn")?;
    let options = a.within("DestinationOptions", |options| {
        let format = options.text("FileFormat")?;
        let hive_compatible = options.boolean("HiveCompatiblePartitions")?.unwrap_or(false);
        Ok((format, hive_compatible, options.boolean("PerHourPartition")?.unwrap_or(false)))
    })?;
    if group.is_some() && arn.is_some() {
        return Err(wrong("Please only provide LogGroupName or only provide LogDestination."));
    }
    let part = |arn: &str, before: &str| arn.strip_prefix("arn:aws:").and_then(|rest| Some(rest.split_once(before)?.1.to_owned()));
    match a.text("LogDestinationType")?.unwrap_or("cloud-watch-logs") {
        "cloud-watch-logs" => {
            let role = role.ok_or_else(|| wrong("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs."))?;
            if !role.starts_with("arn:") {
                return Err(a.invalid("DeliverLogsPermissionArn", &role.into(), "The ARN of a role was expected."));
            }
            if options.is_some() {
                return Err(wrong("DestinationOptions can only be specified if LogDestinationType is s3."));
            }
            let log_group = match (group, arn) {
                (Some(group), _) => group.to_owned(),
                (None, Some(arn)) => {
                    let name = part(arn, ":log-group:").map(|name| name.strip_suffix(":*").unwrap_or(&name).to_owned());
                    name.ok_or_else(|| a.invalid("LogDestination", &arn.into(), "The ARN of a log group was expected."))?
                }
                (None, None) => return Err(wrong("LogDestination can't be empty if LogGroupName is not provided.")),
            };
            Ok((LogDestination::CloudWatchLogs { log_group }, Some(role.to_owned())))
        }
        "s3" => {
            if group.is_some() {
                return Err(wrong("LogGroupName can only be specified if LogDestinationType is cloud-watch-logs."));
            }
            let arn = arn.ok_or_else(|| wrong("LogDestination can't be empty if LogDestinationType is s3."))?;
            let path = part(arn, "s3:::").ok_or_else(|| a.invalid("LogDestination", &arn.into(), "The ARN of a bucket was expected."))?;
            let (bucket, prefix) = path.split_once('/').unwrap_or((&path, ""));
            let (format, hive_compatible, per_hour) = options.unwrap_or_default();
            match format {
                None | Some("plain-text") => {}
                Some("parquet") => {
                    let message = "Flow logs in the format parquet are not supported.";
                    return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
                }
                Some(other) => {
                    return Err(a.invalid("DestinationOptions.FileFormat", &other.into(), "Either plain-text or parquet was expected."));
                }
            }
            let prefix = prefix.trim_end_matches('/').to_owned();
            Ok((LogDestination::S3 { bucket: bucket.to_owned(), prefix, hive_compatible, per_hour }, role.map(str::to_owned)))
        }
        "kinesis-data-firehose" => {
            let message = "Flow logs to the destination kinesis-data-firehose are not supported.";
            Err(ApiError::new(ErrorCode::UnsupportedOperation, message))
        }
        other => Err(a.invalid("LogDestinationType", &other.into(), "Either cloud-watch-logs or s3 was expected.")),
    }
}

fn delete_flow_logs(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids = read(arguments, |a| {
        let ids: Vec<FlowLogId> = a.ids("FlowLogIds")?;
        if ids.is_empty() { Err(crate::arguments::missing("FlowLogIds")) } else { Ok(ids) }
    })?;
    let absent: Vec<&str> = ids.iter().filter(|id| !model.flow_logs.contains_key(id)).map(FlowLogId::as_str).collect();
    if !absent.is_empty() {
        let message = format!("These flow log ids in the input list are not found: [TotalCount: {}] {}", absent.len(), absent.join(" "));
        return Err(ApiError::new(ErrorCode::InvalidFlowLogIdNotFound, message));
    }
    for id in ids {
        // One may be named twice.
        if model.flow_logs.contains_key(&id) {
            operation::delete_flow_log(model, &id)?;
        }
    }
    Ok(json!({"Unsuccessful": []}))
}

fn shape(model: &Model, log: &FlowLog) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("CreationTime", time(log.creation_time));
    if let Some(role) = &log.deliver_logs_permission_arn {
        put("DeliverLogsPermissionArn", role.clone().into());
    }
    put("DeliverLogsStatus", "SUCCESS".into());
    put("FlowLogId", text(&log.id));
    put("FlowLogStatus", "ACTIVE".into());
    put("ResourceId", log.resource.id().into());
    put("TrafficType", log.traffic_type.as_str().into());
    put("LogDestinationType", log.destination.kind().into());
    match &log.destination {
        LogDestination::CloudWatchLogs { log_group } => {
            put("LogGroupName", log_group.clone().into());
            put("LogDestination", format!("arn:aws:logs:{}:{}:log-group:{log_group}", model.region, model.account_id).into());
        }
        LogDestination::S3 { bucket, prefix, hive_compatible, per_hour } => {
            let folder = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
            put("LogDestination", format!("arn:aws:s3:::{bucket}{folder}").into());
            let options = json!({
                "FileFormat": "plain-text", "HiveCompatiblePartitions": hive_compatible, "PerHourPartition": per_hour,
            });
            put("DestinationOptions", options);
        }
    }
    put("LogFormat", text(&log.format));
    put("Tags", tags(&log.tags));
    put("MaxAggregationInterval", log.interval.seconds().into());
    Value::Object(fields)
}

const DESCRIBE: Describe = Describe {
    ids: "FlowLogIds",
    id_path: "FlowLogId",
    answer: "FlowLogs",
    filters: &[
        ("deliver-log-status", &["DeliverLogsStatus"]),
        ("flow-log-id", &["FlowLogId"]),
        ("log-destination-type", &["LogDestinationType"]),
        ("log-group-name", &["LogGroupName"]),
        ("resource-id", &["ResourceId"]),
        ("traffic-type", &["TrafficType"]),
    ],
    form: form::<FlowLogId>,
    not_found: FlowLogId::not_found,
};

fn describe_flow_logs(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve(arguments, model.flow_logs.values().map(|log| shape(model, log)))
}
