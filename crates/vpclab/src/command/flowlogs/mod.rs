//! `flowlogs`: records of flow logs, as they are written or as objects.

mod filter;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use control::flow_log::{Entry, Journal, Tail, journals};
use fabric::flow_log::Line;
use fabric::{Entity, Fabric};
use model::flow_log::{FlowLog, LogDestination, LogFormat, TrafficType};
use model::{FlowLogId, Model, NetworkInterfaceId, Timestamp, tag};
use serde_json::{Map, Value, json};

use self::filter::Filter;
use super::running::Running;
use super::source::did_you_mean;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `flowlogs`.
#[derive(Debug, Args)]
pub struct FlowlogsArgs {
    /// Lab, flow log by id or name, or both
    #[arg(num_args = 0..=2, value_name = "LAB|LOG")]
    pub words: Vec<String>,
    /// Only of this interface: id, name of the instance or gateway, or address
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Only of interfaces in this subnet
    #[arg(long, value_name = "NAME")]
    pub subnet: Option<String>,
    /// Only of interfaces in this VPC
    #[arg(long, value_name = "NAME")]
    pub vpc: Option<String>,
    /// Only records whose field has this value: action=REJECT, dstport=22, srcaddr=10.0.0.0/8, packets!=1; may be given several times
    #[arg(long, value_name = "FIELD=VALUE")]
    pub filter: Vec<String>,
    /// What windows hold that are not over, too
    #[arg(long, conflicts_with = "follow")]
    pub open: bool,
    /// Go on printing until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Only the last records of each flow log
    #[arg(long, short = 'n', value_name = "RECORDS")]
    pub tail: Option<usize>,
}

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// A flow log that is read.
struct Read {
    id: FlowLogId,
    format: LogFormat,
    tail: Option<Tail>,
}

/// Which records are shown.
struct Wanted {
    interfaces: Option<BTreeSet<NetworkInterfaceId>>,
    filters: Vec<Filter>,
}

/// Prints records. Exit 0.
pub fn run(arguments: &FlowlogsArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let (running, only) = lab_and_log(&arguments.words, global)?;
    let view = running.daemon().flow_logs(&running.name)?;
    let known = journals(&view.folder);
    if running.model.flow_logs.is_empty() && known.is_empty() {
        let failure = Failure::usage(format!("lab {} has no flow logs", running.name));
        return Err(failure.hint("`flow_logs:` in the lab file, or: aws ec2 create-flow-logs --resource-type VPC …"));
    }
    let only = only.map(|word| find_log(&word, &running, &known)).transpose()?;
    let wanted = Wanted {
        interfaces: interfaces(arguments, &running.fabric)?,
        filters: arguments.filter.iter().map(|text| Filter::parse(text)).collect::<Result<_>>()?,
    };
    let mut logs = reads(&running.model, &known, only.as_ref());
    for log in &logs {
        wanted.filters.iter().try_for_each(|filter| filter.check(log.id.as_str(), &log.format))?;
    }
    let mut printer = Printer { output, fabric: &running.fabric, headed: None, objects: Vec::new(), at_once: arguments.follow, any: false };
    for log in &mut logs {
        let mut entries = log.read()?;
        if arguments.open {
            let of_log = view.open.iter().filter(|window| window.log == log.id);
            entries.extend(of_log.flat_map(|window| window.entries.iter().cloned()));
        }
        let mut kept: Vec<(Entry, Line)> = wanted.keep(entries, &log.format);
        let first = arguments.tail.map_or(0, |most| kept.len().saturating_sub(most));
        printer.print(log, kept.drain(first..))?;
    }
    if !arguments.follow {
        if !printer.any {
            output.note(nothing(&running, &logs, arguments.open));
        }
        printer.finish()?;
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        std::thread::sleep(PAUSE);
        // Asking has windows that are over written.
        let view = running.daemon().flow_logs(&running.name)?;
        let known = journals(&view.folder);
        for new in reads(&running.model, &known, only.as_ref()) {
            match logs.iter_mut().find(|log| log.id == new.id) {
                Some(log) => log.tail = log.tail.take().or(new.tail),
                None => logs.push(new),
            }
        }
        for log in &mut logs {
            let kept = wanted.keep(log.read()?, &log.format);
            printer.print(log, kept.into_iter())?;
        }
    }
}

/// Which of one or two words is the lab, and which the flow log.
fn lab_and_log(words: &[String], global: &Global) -> Result<(Running, Option<String>)> {
    let of = |lab: &String| Running::open(&Global { lab: Some(lab.clone()), ..global.clone() });
    match words {
        [] => Ok((Running::open(global)?, None)),
        [word] if word.starts_with("fl-") => Ok((Running::open(global)?, Some(word.clone()))),
        [word] => match Running::find(word)? {
            Some(running) => Ok((running, None)),
            None => Ok((Running::open(global)?, Some(word.clone()))),
        },
        [lab, log, ..] => Ok((of(lab)?, Some(log.clone()))),
    }
}

fn find_log(word: &str, running: &Running, known: &[Journal]) -> Result<FlowLogId> {
    let logs = || running.model.flow_logs.values();
    let named = logs().find(|log| tag::name(&log.tags) == Some(word)).map(|log| log.id.clone());
    let by_id = || logs().map(|log| &log.id).chain(known.iter().map(|journal| &journal.log)).find(|id| id.as_str() == word).cloned();
    named.or_else(by_id).ok_or_else(|| {
        let names: Vec<&str> = logs().map(|log| tag::name(&log.tags).unwrap_or(log.id.as_str())).collect();
        let failure = Failure::usage(format!("lab {} has no flow log `{word}`", running.name));
        failure.hint(did_you_mean(word, "flow log", &names))
    })
}

/// Flow logs that are there, and those that are deleted and have left records.
fn reads(model: &Model, known: &[Journal], only: Option<&FlowLogId>) -> Vec<Read> {
    let journal = |id: &FlowLogId| known.iter().find(|journal| journal.log == *id).map(Tail::of);
    let mut reads: Vec<Read> = model
        .flow_logs
        .values()
        .map(|log| Read { id: log.id.clone(), format: log.format.clone(), tail: journal(&log.id) })
        .collect();
    let gone = known.iter().filter(|journal| !model.flow_logs.contains_key(&journal.log));
    reads.extend(gone.map(|of| Read { id: of.log.clone(), format: of.format.clone(), tail: Some(Tail::of(of)) }));
    reads.retain(|read| only.is_none_or(|only| *only == read.id));
    reads
}

impl Read {
    fn read(&mut self) -> Result<Vec<Entry>> {
        let id = &self.id;
        let unreadable = |e: std::io::Error| Failure::environment(format!("reading the records of {id}: {e}"));
        self.tail.as_mut().map_or(Ok(Vec::new()), |tail| tail.read().map_err(unreadable))
    }
}

impl Wanted {
    fn keep(&self, entries: Vec<Entry>, format: &LogFormat) -> Vec<(Entry, Line)> {
        let is_wanted = |entry: &Entry| self.interfaces.as_ref().is_none_or(|wanted| wanted.contains(&entry.interface));
        let read = |entry: Entry| {
            // A disk that was full may have cut a line off.
            let line = Line::parse(&entry.line, format).ok()?;
            self.filters.iter().all(|filter| filter.keeps(&line)).then_some((entry, line))
        };
        entries.into_iter().filter(is_wanted).filter_map(read).collect()
    }
}

/// The interfaces that flags name; all flags must fit. `None`: no flag was given.
fn interfaces(arguments: &FlowlogsArgs, fabric: &Fabric) -> Result<Option<BTreeSet<NetworkInterfaceId>>> {
    type Fits = fn(&Fabric, Entity, fabric::InterfaceIndex) -> bool;
    let flags: [(&Option<String>, &str, Fits); 3] = [
        (&arguments.interface, "interface", |fabric, found, index| match found {
            Entity::Interface(own) => own == index,
            Entity::Instance(instance) => fabric.interfaces[index].instance() == Some(instance),
            Entity::NatGateway(nat) => fabric.nat_gateways[nat].interface == Some(index),
            _ => false,
        }),
        (&arguments.subnet, "subnet", |fabric, found, index| found == Entity::Subnet(fabric.interfaces[index].subnet)),
        (&arguments.vpc, "VPC", |fabric, found, index| found == Entity::Vpc(fabric.interfaces[index].vpc)),
    ];
    let mut wanted: Option<BTreeSet<NetworkInterfaceId>> = None;
    for (given, kind, fits) in flags {
        let Some(word) = given else { continue };
        let mut found = fabric.find_all(word).to_vec();
        found.extend(word.parse().ok().and_then(|address| fabric.find_address(address)));
        let all = fabric.interfaces.iter();
        let fitting = all.filter(|(index, _)| found.iter().any(|entity| fits(fabric, *entity, *index)));
        let mut ids: BTreeSet<NetworkInterfaceId> = fitting.map(|(_, interface)| interface.id.clone()).collect();
        // One that is gone may have left records.
        ids.extend(word.parse().ok().filter(|_| kind == "interface"));
        if ids.is_empty() {
            let names: Vec<&str> = fabric.names().collect();
            return Err(Failure::usage(format!("there is no {kind} `{word}`, or nothing is in it")).hint(did_you_mean(word, kind, &names)));
        }
        wanted = Some(wanted.map_or(ids.clone(), |wanted| wanted.intersection(&ids).cloned().collect()));
    }
    Ok(wanted)
}

/// Why nothing was printed.
fn nothing(running: &Running, logs: &[Read], open: bool) -> String {
    let asked: Vec<&FlowLog> = logs.iter().filter_map(|log| running.model.flow_logs.get(&log.id)).collect();
    match logs.iter().any(|log| log.tail.is_some()) || asked.is_empty() {
        true => "no record fits".to_owned(),
        false => no_records(&asked, open, control::host::now()),
    }
}

/// Why flow logs of which there is one at least have no record at all.
fn no_records(logs: &[&FlowLog], open: bool, now: Timestamp) -> String {
    let windows_over = |log: &FlowLog| now.0.saturating_sub(log.creation_time.0) / u64::from(log.interval.seconds());
    let over = logs.iter().map(|log| windows_over(log)).max().unwrap_or_default();
    let shortest = logs.iter().map(|log| log.interval.seconds()).min().unwrap_or_default();
    let counted = match logs.iter().map(|log| log.traffic_type).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()[..] {
        [TrafficType::Accept] => "accepted",
        [TrafficType::Reject] => "rejected",
        _ => "counted",
    };
    match over {
        0 if open => format!("nothing was {counted} yet"),
        0 => format!("no window is over yet: the first lasts {shortest} s; --open shows what it holds so far, --follow waits"),
        over => {
            let windows = if over == 1 { "the window that is".to_owned() } else { format!("the {over} windows that are") };
            let since = if open { ", nor since" } else { "" };
            format!("nothing was {counted} in {windows} over{since}")
        }
    }
}

struct Printer<'a> {
    output: &'a Output,
    fabric: &'a Fabric,
    /// Whose names of fields stand above what is printed.
    headed: Option<FlowLogId>,
    objects: Vec<Value>,
    /// Whether objects are printed one a line as they come.
    at_once: bool,
    any: bool,
}

impl Printer<'_> {
    fn print(&mut self, log: &Read, records: impl Iterator<Item = (Entry, Line)>) -> Result<()> {
        for (entry, line) in records {
            self.any = true;
            if self.output.format == Format::Json {
                let object = self.object(log, &entry, &line);
                match self.at_once {
                    true => self.output.line(object.to_string()),
                    false => self.objects.push(object),
                }
                continue;
            }
            let is_wide = self.output.format == Format::Wide;
            if self.headed.as_ref() != Some(&log.id) {
                let names = if is_wide { "log interface " } else { "" };
                self.output.line(format!("{names}{}", log.format.header()));
                self.headed = Some(log.id.clone());
            }
            let names = if is_wide { format!("{} {} ", log.id, self.name(&entry.interface)) } else { String::new() };
            self.output.line(format!("{names}{}", entry.line));
        }
        Ok(())
    }

    fn object(&self, log: &Read, entry: &Entry, line: &Line) -> Value {
        let mut object = Map::new();
        object.insert("flow_log".to_owned(), log.id.as_str().into());
        object.insert("interface".to_owned(), entry.interface.as_str().into());
        object.insert("name".to_owned(), self.name(&entry.interface).into());
        for (field, value) in line.fields() {
            let is_number = field.as_str() != "account-id" && value.bytes().all(|byte| byte.is_ascii_digit());
            let number = value.parse::<u64>().ok().filter(|_| is_number);
            object.insert(field.as_str().replace('-', "_"), number.map_or_else(|| json!(value), |number| json!(number)));
        }
        Value::Object(object)
    }

    fn name(&self, id: &NetworkInterfaceId) -> String {
        self.fabric.interface_by_id(id).map_or_else(|| "-".to_owned(), |index| self.fabric.interfaces[index].name.clone())
    }

    fn finish(self) -> Result<()> {
        if self.output.format == Format::Json { self.output.json(&self.objects) } else { Ok(()) }
    }
}

/// Rows of `ls flow-logs`.
pub fn listing(model: &Model) -> Vec<Vec<String>> {
    let row = |log: &FlowLog| {
        let destination = match &log.destination {
            LogDestination::CloudWatchLogs { log_group } => log_group.clone(),
            LogDestination::S3 { bucket, prefix, .. } if prefix.is_empty() => format!("s3://{bucket}"),
            LogDestination::S3 { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}"),
        };
        vec![
            tag::name(&log.tags).unwrap_or(log.id.as_str()).to_owned(),
            name_of(model, log),
            log.traffic_type.as_str().to_owned(),
            format!("{} s", log.interval.seconds()),
            destination,
            log.id.to_string(),
            log.format.header(),
        ]
    };
    model.flow_logs.values().map(row).collect()
}

fn name_of(model: &Model, log: &FlowLog) -> String {
    use model::flow_log::FlowLogResource::{NetworkInterface, Subnet, Vpc};
    let tags = match &log.resource {
        Vpc(id) => model.vpcs.get(id).map(|vpc| &vpc.tags),
        Subnet(id) => model.subnets.get(id).map(|subnet| &subnet.tags),
        NetworkInterface(id) => model.network_interfaces.get(id).and_then(|eni| {
            let of_instance = eni.instance_id().and_then(|id| model.instances.get(id)).map(|instance| &instance.tags);
            of_instance.or(Some(&eni.tags))
        }),
    };
    tags.and_then(tag::name).unwrap_or(log.resource.id()).to_owned()
}

#[cfg(test)]
mod tests {
    use model::flow_log::{AggregationInterval, FlowLogResource};

    use super::*;

    #[test]
    fn a_log_without_records_says_how_many_windows_held_nothing() {
        let log = |traffic_type, interval| FlowLog {
            id: "fl-1".parse().unwrap(),
            resource: FlowLogResource::Vpc("vpc-1".parse().unwrap()),
            traffic_type,
            interval,
            format: LogFormat::default(),
            destination: LogDestination::CloudWatchLogs { log_group: "flows".to_owned() },
            deliver_logs_permission_arn: None,
            creation_time: Timestamp(1_000),
            tags: Default::default(),
            origin: Default::default(),
        };
        let minute = log(TrafficType::Reject, AggregationInterval::OneMinute);
        let accepted = log(TrafficType::Accept, AggregationInterval::OneMinute);
        let long = log(TrafficType::Reject, AggregationInterval::TenMinutes);
        for (logs, open, now, expected) in [
            (vec![&minute], false, 1_059, "no window is over yet: the first lasts 60 s; --open shows what it holds so far, --follow waits"),
            (vec![&long, &minute], false, 1_010, "no window is over yet: the first lasts 60 s; --open shows what it holds so far, --follow waits"),
            (vec![&minute], true, 1_059, "nothing was rejected yet"),
            (vec![&minute], false, 1_060, "nothing was rejected in the window that is over"),
            (vec![&minute], false, 1_185, "nothing was rejected in the 3 windows that are over"),
            (vec![&minute], true, 1_185, "nothing was rejected in the 3 windows that are over, nor since"),
            (vec![&accepted], false, 1_185, "nothing was accepted in the 3 windows that are over"),
            (vec![&accepted, &minute], false, 1_185, "nothing was counted in the 3 windows that are over"),
            (vec![&long], false, 1_185, "no window is over yet: the first lasts 600 s; --open shows what it holds so far, --follow waits"),
            // The clock that creations are told by may be ahead.
            (vec![&minute], true, 990, "nothing was rejected yet"),
        ] {
            assert_eq!(no_records(&logs, open, Timestamp(now)), expected, "{now}");
        }
    }
}
