//! Flow logs of the file (FL-1).

use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogField, LogFormat, MalformedFormat, TrafficType};
use model::operation::{CreateFlowLog, create_flow_log};
use model::tag;

use super::{Build, path, tags};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, possible_words};
use crate::file::FlowLog;
use crate::source::{Located, Span};

impl Build<'_, '_> {
    pub(super) fn flow_logs(&mut self) {
        let logs: Vec<_> = self.lab.file.flow_logs.iter().collect();
        for (name, log) in logs {
            if self.gives_up() {
                return;
            }
            let Some(resource) = self.watched(name, log) else { continue };
            let (traffic_type, interval) = (self.traffic_type(log), self.interval(log));
            let (format, destination) = (self.log_format(log), self.log_destination(name, log));
            let (Some(traffic_type), Some(interval), Some(format), Some(destination)) = (traffic_type, interval, format, destination)
            else {
                continue;
            };
            let request = CreateFlowLog {
                resource,
                traffic_type,
                interval,
                format,
                destination,
                deliver_logs_permission_arn: log.role.as_ref().map(|role| role.value.clone()),
                tags: tags(&name.value, &log.tags),
                origin: self.origin(name.span),
            };
            let result = create_flow_log(self.model, request);
            let at = log.bucket.as_ref().or(log.log_group.as_ref()).map_or(name.span, |word| word.span);
            if let Some(id) = self.op(at, result) {
                self.names.flow_logs.add(Some(name.value.clone()), &id);
            }
        }
    }

    /// Whose traffic: one of four keys, or the only VPC's.
    fn watched(&mut self, name: &Located<String>, log: &FlowLog) -> Option<FlowLogResource> {
        let given = [("vpc", &log.vpc), ("subnet", &log.subnet), ("instance", &log.instance), ("nat", &log.nat)];
        let given: Vec<_> = given.into_iter().filter_map(|(key, word)| Some((key, word.as_ref()?))).collect();
        match given.as_slice() {
            [] => self.vpc_of(None, name.span, "flow log").map(FlowLogResource::Vpc),
            [("vpc", word)] => self.vpc_of(Some(word), name.span, "flow log").map(FlowLogResource::Vpc),
            [("subnet", word)] => self.subnet(word).map(FlowLogResource::Subnet),
            [("instance", word)] => self.logged_device(word),
            [(_, word)] => self.nat_interface(word),
            [.., (key, word)] => {
                let problem = Diagnostic::new(Code::Conflict, word.span, format!("flow log `{}` watches several things", name.value));
                self.problem(problem.label(format!("`{key}` too")).hint("one flow log each: a VPC's holds what is in it"));
                None
            }
        }
    }

    /// The interface of an instance, by `NAME` or `NAME/INDEX`.
    fn logged_device(&mut self, word: &Located<String>) -> Option<FlowLogResource> {
        let (name, index) = match word.value.rsplit_once('/').and_then(|(name, index)| Some((name, index.parse::<usize>().ok()?))) {
            Some((name, index)) => (name, index),
            None => (word.value.as_str(), 0),
        };
        let Some(id) = self.names.instances.id(name).cloned() else {
            let known: Vec<String> = self.names.instances.iter().map(|(name, _)| name.to_owned()).collect();
            return self.unknown(Code::UnknownInstance, "instance", word, known);
        };
        let interfaces = self.model.interfaces_of(&id);
        match interfaces.get(index) {
            Some(interface) => Some(FlowLogResource::NetworkInterface(interface.id.clone())),
            None => {
                let message = format!("instance `{name}` has no interface {index}");
                let hint = format!("its interfaces are numbered from 0; it has {}", interfaces.len());
                self.problem(Diagnostic::new(Code::OutOfRange, word.span, message).label("too high").hint(hint));
                None
            }
        }
    }

    /// The interface of a NAT gateway, by `NAME` or `VPC/NAME`.
    fn nat_interface(&mut self, word: &Located<String>) -> Option<FlowLogResource> {
        let (vpc, own) = path(&word.value);
        let is_meant = |gateway: &&model::NatGateway| {
            let called = tag::name(&gateway.tags) == Some(own);
            let there = vpc.is_none_or(|vpc| self.names.vpcs.name(&gateway.vpc_id) == Some(vpc));
            called && there && crate::names::is_live_nat(gateway)
        };
        let found: Vec<_> = self.model.nat_gateways.values().filter(is_meant).filter_map(|gateway| gateway.network_interface_id.clone()).collect();
        match found.as_slice() {
            [one] => Some(FlowLogResource::NetworkInterface(one.clone())),
            [] => {
                let gateways = self.model.nat_gateways.values();
                let known = gateways.filter_map(|gateway| tag::name(&gateway.tags).map(str::to_owned)).collect();
                self.unknown(Code::UnknownNat, "NAT gateway", word, known)
            }
            _ => {
                let problem = Diagnostic::new(Code::AmbiguousName, word.span, format!("several VPCs have a NAT gateway `{own}`"));
                self.problem(problem.label("which one?").hint(format!("write `VPC/{own}`")));
                None
            }
        }
    }

    fn traffic_type(&mut self, log: &FlowLog) -> Option<TrafficType> {
        let Some(word) = &log.traffic else { return Some(TrafficType::All) };
        let known = word.value.to_ascii_uppercase().parse().ok();
        known.or_else(|| self.no_choice(word.span, &word.value, "kind of traffic", &["accept", "reject", "all"]))
    }

    fn interval(&mut self, log: &FlowLog) -> Option<AggregationInterval> {
        let Some(seconds) = &log.interval else { return Some(AggregationInterval::TenMinutes) };
        let known = AggregationInterval::of_seconds(seconds.value);
        known.or_else(|| self.no_choice(seconds.span, &seconds.value.to_string(), "interval in seconds", &["60", "600"]))
    }

    fn log_format(&mut self, log: &FlowLog) -> Option<LogFormat> {
        let words: Vec<&str> = LogField::ALL.iter().map(|field| field.as_str()).collect();
        let Some(text) = &log.format else {
            let mut fields = Vec::new();
            for word in &log.fields.0 {
                match word.value.parse() {
                    Ok(field) => fields.push(field),
                    Err(_) => return self.no_choice(word.span, &word.value, "field of flow logs", &words),
                }
            }
            let span = log.fields.0.first().map_or(log.span, |word| word.span);
            return LogFormat::default_and(fields).map_err(|error| self.wrong_format(span, &error)).ok();
        };
        if let Some(word) = log.fields.0.first() {
            let problem = Diagnostic::new(Code::Conflict, word.span, "`format` and `fields` both say what a record says");
            self.problem(problem.label("one of them").hint("`fields` come behind those of the default format; `format` names all"));
            return None;
        }
        match text.value.parse() {
            Ok(format) => Some(format),
            Err(MalformedFormat::Unknown(word)) => self.no_choice(text.span, &word, "field of flow logs", &words),
            Err(error) => {
                self.wrong_format(text.span, &error);
                None
            }
        }
    }

    fn wrong_format(&mut self, span: Span, error: &MalformedFormat) {
        let problem = Diagnostic::new(Code::NotAChoice, span, error.to_string());
        self.problem(problem.label("not a format").hint("such as `format: \"${srcaddr} ${dstaddr} ${action}\"`"));
    }

    fn log_destination(&mut self, name: &Located<String>, log: &FlowLog) -> Option<LogDestination> {
        let Some(bucket) = &log.bucket else {
            let misplaced = log.hive.as_ref().map(|word| word.span).or(log.hourly.as_ref().map(|word| word.span));
            if let Some(span) = misplaced {
                let problem = Diagnostic::new(Code::Conflict, span, "a log group has no folders");
                return self.refused(problem.label("for buckets only").hint("add `bucket: NAME`, or remove this"));
            }
            let log_group = log.log_group.as_ref().map_or(&name.value, |group| &group.value).clone();
            return Some(LogDestination::CloudWatchLogs { log_group });
        };
        if let Some(group) = &log.log_group {
            let problem = Diagnostic::new(Code::Conflict, group.span, "a flow log has one destination, and this has a bucket too");
            return self.refused(problem.label("one of them").hint("a second flow log may go to the other"));
        }
        let (bucket, prefix) = bucket.value.split_once('/').unwrap_or((&bucket.value, ""));
        let is_set = |flag: &Option<Located<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
        Some(LogDestination::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            hive_compatible: is_set(&log.hive),
            per_hour: is_set(&log.hourly),
        })
    }

    fn refused<T>(&mut self, problem: Diagnostic) -> Option<T> {
        self.problem(problem);
        None
    }

    fn no_choice<T>(&mut self, span: Span, word: &str, what: &str, known: &[&str]) -> Option<T> {
        let hint = possible_words(word, known);
        let problem = Diagnostic::new(Code::NotAChoice, span, format!("`{word}` is no {what}"));
        self.refused(problem.label("not possible").hint(hint))
    }
}
