//! Flow logs: how they are looked at, taken away and made. Nothing about one can change but its tags (FL-1).

use model::flow_log::{FlowLogResource, LogDestination};
use model::operation::{CreateFlowLog, create_flow_log, delete_flow_log};
use model::{FlowLog, Model, NetworkInterfaceId, tag};

use super::transition::{Step, Transition};
use super::view::{Kind, Reader, Thing, View};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::names::{Names, device_text};

/// What a flow log watches, in the file's words, and what that lives in.
pub(crate) enum Watched {
    /// A VPC by name.
    Vpc(String),
    /// A subnet by `vpc/name`.
    Subnet(String),
    /// An interface of an instance.
    Device(String, u32),
    /// A NAT gateway's, by `vpc/name`.
    Nat(String),
    /// An interface that no file can name.
    Other(String),
}

impl Watched {
    /// What this flow log watches.
    pub fn of(model: &Model, names: &Names, log: &FlowLog) -> Self {
        match &log.resource {
            FlowLogResource::Vpc(id) => Self::Vpc(names.vpcs.name(id).unwrap_or(id.as_str()).to_owned()),
            FlowLogResource::Subnet(id) => Self::Subnet(names.subnets.name(id).unwrap_or(id.as_str()).to_owned()),
            FlowLogResource::NetworkInterface(id) => {
                let gateway = model.nat_gateways.values().find(|gateway| gateway.network_interface_id.as_ref() == Some(id));
                let gateway = gateway.and_then(|gateway| names.nat_gateways.name(&gateway.id));
                match (names.device(model, id), gateway) {
                    (Some((instance, index)), _) => Self::Device(instance, index),
                    (None, Some(gateway)) => Self::Nat(gateway.to_owned()),
                    (None, None) => Self::Other(id.to_string()),
                }
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Vpc(name) => format!("vpc {name}"),
            Self::Subnet(name) => format!("subnet {name}"),
            Self::Device(instance, index) => format!("instance {}", device_text(instance, *index)),
            Self::Nat(name) => format!("nat gateway {name}"),
            Self::Other(id) => id.clone(),
        }
    }

    fn home(&self) -> Option<(Kind, &str)> {
        match self {
            Self::Vpc(name) => Some((Kind::Vpc, name)),
            Self::Subnet(name) => Some((Kind::Subnet, name)),
            Self::Device(instance, _) => Some((Kind::Instance, instance)),
            Self::Nat(name) => Some((Kind::NatGateway, name)),
            Self::Other(_) => None,
        }
    }
}

/// A destination in words.
pub(crate) fn destination_text(destination: &LogDestination) -> String {
    match destination {
        LogDestination::CloudWatchLogs { log_group } => format!("log group {log_group}"),
        LogDestination::S3 { bucket, prefix, hive_compatible, per_hour } => {
            let folder = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
            let words = [(*hive_compatible, ", folders as in Hive"), (*per_hour, ", a folder an hour")];
            let words: String = words.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word).collect();
            format!("bucket {bucket}{folder}{words}")
        }
    }
}

impl Reader<'_> {
    pub(super) fn flow_logs(&self, view: &mut View) {
        for (name, id) in self.names.flow_logs.iter() {
            let Some(log) = self.model.flow_logs.get(id) else { continue };
            let watched = Watched::of(self.model, self.names, log);
            let mut thing = Thing::default()
                .fixed("watches", watched.text())
                .fixed("traffic", log.traffic_type.as_str())
                .fixed("interval", format!("{} s", log.interval.seconds()))
                .fixed("format", &log.format)
                .fixed("destination", destination_text(&log.destination))
                .fixed("role", log.deliver_logs_permission_arn.as_deref().unwrap_or("none"))
                .summary(watched.text());
            if let Some((kind, home)) = watched.home() {
                thing = thing.lives_in(kind, home);
            }
            view.add(Kind::FlowLog, name, thing.tags(&log.tags).at(&log.origin));
        }
    }
}

impl Transition<'_> {
    /// Before what they watch goes, and takes them along.
    pub(super) fn remove_flow_logs(&mut self) -> Step {
        for name in self.going(Kind::FlowLog) {
            let Some(id) = self.names.flow_logs.id(&name).cloned() else { continue };
            let result = delete_flow_log(self.model, &id);
            self.op(&name, result)?;
        }
        Ok(())
    }

    pub(super) fn make_flow_logs(&mut self) -> Step {
        let target = self.target;
        for (name, id) in target.names.flow_logs.iter() {
            let Some(wanted) = target.model.flow_logs.get(id) else { continue };
            let known = self.model.flow_logs.values().find(|log| tag::name(&log.tags) == Some(name));
            if let Some((id, tags)) = known.map(|log| (log.id.to_string(), log.tags.clone())) {
                self.set_tags(id, &tags, &wanted.tags)?;
                continue;
            }
            let request = CreateFlowLog {
                resource: self.own_resource(wanted)?,
                traffic_type: wanted.traffic_type,
                interval: wanted.interval,
                format: wanted.format.clone(),
                destination: wanted.destination.clone(),
                deliver_logs_permission_arn: wanted.deliver_logs_permission_arn.clone(),
                tags: wanted.tags.clone(),
                origin: wanted.origin.clone(),
            };
            let result = create_flow_log(self.model, request);
            let id = self.op(name, result)?;
            self.names.flow_logs.add(Some(name.to_owned()), &id);
        }
        Ok(())
    }

    /// What has here the name of what a flow log watches there.
    fn own_resource(&self, wanted: &FlowLog) -> Step<FlowLogResource> {
        Ok(match &wanted.resource {
            FlowLogResource::Vpc(id) => FlowLogResource::Vpc(self.own_vpc(id)?),
            FlowLogResource::Subnet(id) => FlowLogResource::Subnet(self.own_subnet(id)?),
            FlowLogResource::NetworkInterface(_) => {
                let watched = Watched::of(&self.target.model, &self.target.names, wanted);
                let found = self.own_interface(&watched);
                FlowLogResource::NetworkInterface(found.ok_or_else(|| {
                    let message = format!("the running lab cannot become what the file says: no interface of {}", watched.text());
                    Box::new(Diagnostic::general(Code::NotDescribable, message))
                })?)
            }
        })
    }

    fn own_interface(&self, watched: &Watched) -> Option<NetworkInterfaceId> {
        match watched {
            Watched::Device(instance, index) => {
                let id = self.names.instances.id(instance)?;
                let mut interfaces = self.model.interfaces_of(id).into_iter();
                let has_index = |eni: &&model::NetworkInterface| eni.attachment.as_ref().is_some_and(|a| a.device_index == *index);
                interfaces.find(has_index).map(|eni| eni.id.clone())
            }
            Watched::Nat(name) => {
                let id = self.names.nat_gateways.id(name)?;
                self.model.nat_gateways.get(id)?.network_interface_id.clone()
            }
            _ => None,
        }
    }
}
