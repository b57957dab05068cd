//! Flow logs of a cloud, as the file has them.

use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogFormat, TrafficType};
use model::{FlowLog, NetworkInterfaceId};

use super::Writer;
use super::yaml::{key, quoted};

impl Writer<'_> {
    pub(super) fn flow_logs(&mut self) {
        let model = self.model;
        let mut lines = Vec::new();
        for log in model.flow_logs.values() {
            let Some(name) = self.called.flow_logs.get(&log.id).cloned() else { continue };
            let Some(watched) = self.watched(log) else {
                self.unsaid(format!("{}: a flow log of an interface of no instance and no NAT gateway", log.id));
                continue;
            };
            let mut parts = vec![watched];
            if log.traffic_type != TrafficType::All {
                parts.push(format!("traffic: {}", log.traffic_type.as_str().to_ascii_lowercase()));
            }
            if log.interval != AggregationInterval::TenMinutes {
                parts.push(format!("interval: {}", log.interval.seconds()));
            }
            if log.format != LogFormat::default() {
                parts.push(format!("format: {}", quoted(&log.format.to_string())));
            }
            match &log.destination {
                LogDestination::CloudWatchLogs { log_group } if *log_group == name => {}
                LogDestination::CloudWatchLogs { log_group } => parts.push(format!("log_group: {}", quoted(log_group))),
                LogDestination::S3 { bucket, prefix, hive_compatible, per_hour } => {
                    let folder = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
                    parts.push(format!("bucket: {}", quoted(&format!("{bucket}{folder}"))));
                    parts.extend(hive_compatible.then(|| "hive: true".to_owned()));
                    parts.extend(per_hour.then(|| "hourly: true".to_owned()));
                }
            }
            parts.extend(log.deliver_logs_permission_arn.as_ref().map(|role| format!("role: {}", quoted(role))));
            parts.extend(self.tags(&log.tags));
            lines.push((name.clone(), format!("{}: {{ {} }}", key(&name), parts.join(", "))));
        }
        if lines.is_empty() {
            return;
        }
        lines.sort();
        self.line(0, "flow_logs:");
        lines.iter().for_each(|(_, line)| self.line(1, line));
    }

    fn watched(&self, log: &FlowLog) -> Option<String> {
        match &log.resource {
            FlowLogResource::Vpc(id) => Some(format!("vpc: {}", key(self.called.vpcs.get(id)?))),
            FlowLogResource::Subnet(id) => Some(format!("subnet: {}", self.called.subnet(self.model.subnets.get(id)?))),
            FlowLogResource::NetworkInterface(id) => self.watched_interface(id),
        }
    }

    fn watched_interface(&self, id: &NetworkInterfaceId) -> Option<String> {
        let model = self.model;
        if let Some((name, index)) = model.network_interfaces.get(id).and_then(|interface| self.device(interface)) {
            let place = if index == 0 { key(&name) } else { format!("{name}/{index}") };
            return Some(format!("instance: {place}"));
        }
        let gateway = model.nat_gateways.values().find(|gateway| gateway.network_interface_id.as_ref() == Some(id))?;
        let (vpc, name) = (self.called.vpcs.get(&gateway.vpc_id)?, self.called.nat_gateways.get(&gateway.id)?);
        Some(format!("nat: {vpc}/{name}"))
    }
}
