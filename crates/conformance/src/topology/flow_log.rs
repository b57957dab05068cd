//! The delta that makes a flow log.

use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogFormat, MalformedFormat, TrafficType};
use model::operation as op;
use model::{ApiError, ErrorCode, Origin, Tags};

use super::World;
use super::apply::Outcome;
use crate::scenario::delta::FlowLogTraffic;

/// A flow log of an interface: ten minutes, the default format and these fields.
pub(super) fn make(world: &mut World, log: &str, eni: &str, traffic: FlowLogTraffic, fields: &[String]) -> Outcome {
    world.names.flow_logs.check_free(log)?;
    let interface = world.names.interfaces.find(eni)?;
    let malformed = |error: MalformedFormat| ApiError::new(ErrorCode::InvalidParameter, error.to_string());
    let fields = fields.iter().map(|field| field.parse()).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    let request = op::CreateFlowLog {
        resource: FlowLogResource::NetworkInterface(interface),
        traffic_type: match traffic {
            FlowLogTraffic::All => TrafficType::All,
            FlowLogTraffic::Accept => TrafficType::Accept,
            FlowLogTraffic::Reject => TrafficType::Reject,
        },
        interval: AggregationInterval::TenMinutes,
        format: LogFormat::default_and(fields).map_err(malformed)?,
        destination: LogDestination::CloudWatchLogs { log_group: log.to_owned() },
        deliver_logs_permission_arn: None,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let id = op::create_flow_log(&mut world.model, request)?;
    world.names.flow_logs.add(log, id)
}
