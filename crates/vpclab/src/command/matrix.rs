//! `matrix`: who reaches whom, asked of every ordered pair at once.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use conformance::EngineName;
use fabric::Fabric;
use model::selector::End;
use model::{Model, ProbePacket, TrafficMatch};
use proof::TrafficSet;
use serde_json::json;

use super::gaps::{Gaps, marked};
use super::grid::Cell;
use super::heatmap;
use super::lan_ends::note_left_out;
use super::probing::{Pair, Place, Prober, Seen, packets};
use super::sheet::Sheet;
use super::target::Target;
use crate::cli::engine;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Ranges of a rule up to so many ports are asked port by port; of wider ones the first port stands for all.
const NARROW: u32 = 8;
/// Probes of one matrix, at most: half an hour of them.
const MAX_PROBES: usize = 4_000_000;

/// `matrix`.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// What is sent, such as tcp/22,80 icmp/echo; default: every port that a rule of the lab names, and icmp/echo
    #[arg(value_name = "PROTO/PORTS")]
    pub traffic: Vec<String>,
    /// Which engine answers: linux (real packets), proof (the stages asked one by one), or two, such as proof,linux, to see where they differ
    #[arg(long, value_delimiter = ',', num_args = 1, default_value = "linux", value_parser = engine())]
    pub engine: Vec<EngineName>,
    /// A row for every place, also for those that nobody can tell apart
    #[arg(long)]
    pub expand: bool,
    /// Over IPv6, between those that have it; the engine proof asks both families at once
    #[arg(short = '6', long)]
    pub ipv6: bool,
}

/// What one packet from one place to another found.
struct Answer {
    from: usize,
    to: usize,
    pair: Pair,
    packet: ProbePacket,
}

/// Asks and prints. Exit 5 when two engines disagree.
pub fn run(arguments: &MatrixArgs, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Csv, Format::Json, Format::Markdown, Format::Html])?;
    note_left_out(&target.model, output);
    let mut engines = arguments.engine.clone();
    engines.dedup();
    let is_for_programs = matches!(output.format, Format::Csv | Format::Json);
    if engines == [EngineName::Proof] && arguments.ipv6 && !(is_for_programs && arguments.expand) {
        return Err(Failure::usage("the engine proof asks both families at once").hint("leave --ipv6 out"));
    }
    if engines == [EngineName::Proof] && !(is_for_programs && arguments.expand) {
        return prove(arguments, target, output);
    }
    let packets = match arguments.traffic.as_slice() {
        [] => named_by_rules(&target.model),
        words => spelled(words)?,
    };
    let [first, others @ ..] = engines.as_slice() else { return Err(Failure::usage("--engine names no engine")) };
    let mut prober = Prober::start(target, *first)?;
    let places = prober.places();
    if places.iter().filter(|place| matches!(place.end, End::Interface { .. })).count() == 0 {
        return Err(nobody());
    }
    if others.len() == 1 && output.format == Format::Html {
        return Err(Failure::usage("two engines are compared as a table").hint("-o table, csv or json; or name one engine"));
    }
    if prober.fabric().ipv6_representative().is_some() && !arguments.ipv6 {
        output.note("over IPv4 alone: --ipv6 asks over IPv6, --engine proof both");
    }
    let asked = ask(&places, &packets, &prober, arguments.ipv6)?;
    let tries: Vec<_> = asked.iter().map(|answer| (&answer.pair, answer.packet)).collect();
    let seen = prober.probe_all(&tries)?;
    match others {
        [] if is_for_programs && arguments.expand => print(&places, &asked, &seen, &prober, &target.gaps, output),
        [] => {
            let known = asked.iter().zip(&seen).filter_map(|(asked, seen)| {
                let title = packets.iter().position(|packet| *packet == asked.packet)?;
                Some((asked.from, asked.to, title, cell(seen)))
            });
            let names: Vec<(String, bool)> = places.iter().map(|place| (place.name.clone(), is_outside(&place.end))).collect();
            let sheet = Sheet::new(&names, packets.iter().map(ToString::to_string).collect()).filled(known);
            show(&if arguments.expand { sheet } else { sheet.grouped() }, target, output)
        }
        [second] => {
            let mut other = Prober::start(target, *second)?;
            let compared = Comparison::of(&asked, seen, other.probe_all(&tries)?, prober.fabric());
            compared.print([first.as_str(), second.as_str()], &target.gaps, output)?;
            Ok(compared.code())
        }
        _ => Err(Failure::usage("--engine names more than two engines").hint("--engine proof,linux")),
    }
}

/// Every pair and every port, without sending anything.
fn prove(arguments: &MatrixArgs, target: &Target, output: &Output) -> Result {
    let single = |packet: ProbePacket| (packet.to_string(), TrafficSet::packet(packet));
    let asked: Vec<(String, TrafficSet)> = match arguments.traffic.as_slice() {
        [] => named_by_rules(&target.model).into_iter().map(single).collect(),
        words => {
            let mut all = Vec::new();
            for word in words {
                let traffic = parsed(word)?;
                match packets(&traffic) {
                    Ok(packets) => all.extend(packets.into_iter().map(single)),
                    // A range is one table: open where all of it is.
                    Err(_) => all.push((word.clone(), TrafficSet::of_any(&traffic))),
                }
            }
            all.sort_by(|one, other| one.1.lowest().cmp(&other.1.lowest()).then(one.0.cmp(&other.0)));
            all.dedup();
            all
        }
    };
    let fabric = Fabric::compile(&target.model);
    if !fabric.instances.values().any(|instance| instance.state == model::InstanceState::Running) {
        return Err(nobody());
    }
    show(&Sheet::proved(&target.model, &fabric, &asked, arguments.expand)?, target, output)
}

fn nobody() -> Failure {
    Failure::usage("the lab has no running instance to ask")
}

fn show(sheet: &Sheet, target: &Target, output: &Output) -> Result {
    match output.format {
        Format::Html => output.line(heatmap::page(&format!("Who reaches whom in {}", target.name), sheet, &target.gaps).trim_end()),
        format => sheet.print(width(format), &target.gaps, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parsed(word: &str) -> Result<Vec<TrafficMatch>> {
    let traffic = lab::sentence::parse_traffic(word).map_err(|e| {
        let failure = Failure::usage(format!("`{word}`: {}", e.message));
        failure.hint(e.hint.unwrap_or_else(|| "such as tcp/22,80 udp/53 icmp/echo".to_owned()))
    })?;
    Ok(traffic.0)
}

fn spelled(words: &[String]) -> Result<Vec<ProbePacket>> {
    let mut all = BTreeSet::new();
    for word in words {
        all.extend(packets(&parsed(word)?).map_err(|why| Failure::usage(why).hint("such as tcp/22,80 udp/53 icmp/echo; --engine proof knows every port"))?);
    }
    Ok(all.into_iter().collect())
}

/// What the rules of security groups and network ACLs speak of in particular, and an echo request.
fn named_by_rules(model: &Model) -> Vec<ProbePacket> {
    let groups = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
    let lists = model.network_acls.values().flat_map(|acl| acl.ingress.iter().chain(&acl.egress));
    let traffic = groups.map(|rule| rule.traffic).chain(lists.map(|entry| entry.traffic));
    let mut all = BTreeSet::from([ProbePacket::ECHO]);
    for traffic in traffic {
        match traffic {
            TrafficMatch::Tcp(range) => all.extend(standing_for(range).map(ProbePacket::Tcp)),
            TrafficMatch::Udp(range) => all.extend(standing_for(range).map(ProbePacket::Udp)),
            TrafficMatch::Other(number) => {
                all.insert(ProbePacket::Other(number));
            }
            TrafficMatch::All | TrafficMatch::Icmp(_) | TrafficMatch::Icmpv6(_) => {}
        }
    }
    all.into_iter().collect()
}

fn standing_for(range: model::PortRange) -> std::ops::RangeInclusive<u16> {
    let count = u32::from(range.to) - u32::from(range.from) + 1;
    match (count, range.to) {
        (..=NARROW, _) => range.from..=range.to,
        // Up to the last port: ports of replies, or no choice at all.
        #[expect(clippy::reversed_empty_ranges, reason = "no port is wanted")]
        (_, u16::MAX) => 1..=0,
        _ => range.from..=range.from,
    }
}

/// Every packet from every place to every other.
fn ask(places: &[Place], packets: &[ProbePacket], prober: &Prober, ipv6: bool) -> Result<Vec<Answer>> {
    if places.len().pow(2) * packets.len() > MAX_PROBES {
        let hint = format!("name {} or fewer ports, such as: vpclab matrix tcp/22", MAX_PROBES / places.len().pow(2));
        return Err(Failure::usage(format!("{} places and {} packets are more than {MAX_PROBES} probes", places.len(), packets.len())).hint(hint));
    }
    let mut asked = Vec::new();
    for (from, source) in places.iter().enumerate() {
        for (to, destination) in places.iter().enumerate().filter(|(to, _)| *to != from) {
            let (sources, destinations) = (std::slice::from_ref(&source.end), std::slice::from_ref(&destination.end));
            // How one outside place reaches another is not the lab's affair.
            if is_outside(&source.end) && is_outside(&destination.end) {
                continue;
            }
            let pairs = match ipv6 {
                false => prober.pairs(&source.selector, sources, destinations)?,
                true => prober.ipv6_pairs(&source.selector, sources, destinations)?,
            };
            for pair in pairs.into_iter().filter(|pair| pair.to.is_none_or(|to| to.is_ipv6() == ipv6)) {
                asked.extend(packets.iter().map(|packet| Answer { from, to, pair: pair.clone(), packet: *packet }));
            }
        }
    }
    Ok(asked)
}

fn is_outside(end: &End) -> bool {
    matches!(end, End::Outside(_) | End::Internet)
}

/// A row for every pair and packet, with its address and what dropped it.
fn print(places: &[Place], asked: &[Answer], seen: &[Seen], prober: &Prober, gaps: &Gaps, output: &Output) -> Result {
    if output.format == Format::Json {
        let rows = asked.iter().zip(seen).map(|(asked, seen)| row(places, asked, seen, prober));
        output.json(&marked(rows, &gaps.listed()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = asked.iter().zip(seen).map(|(asked, seen)| {
        let at = seen.at().map_or_else(String::new, |at| at.label(prober.fabric()));
        let to = (places[asked.to].name.clone(), asked.pair.to.map_or_else(String::new, |to| to.to_string()));
        vec![places[asked.from].name.clone(), to.0, to.1, asked.packet.to_string(), seen.result().to_owned(), at]
    });
    output.table(&["from", "to", "address", "packet", "result", "at"], &rows.collect::<Vec<_>>());
    gaps.note(output);
    Ok(ExitCode::SUCCESS)
}

fn row(places: &[Place], asked: &Answer, seen: &Seen, prober: &Prober) -> serde_json::Value {
    json!({
        "from": places[asked.from].name,
        "to": places[asked.to].name,
        "address": asked.pair.to,
        "packet": asked.packet.to_string(),
        "result": seen.result(),
        "at": seen.at().map(|at| at.label(prober.fabric())),
    })
}

fn cell(seen: &Seen) -> Cell {
    match seen {
        Seen::Open(_) => Cell::Open,
        Seen::Refused => Cell::Refused,
        Seen::Dropped { at: None, .. } => Cell::Unknown,
        Seen::Dropped { is_reply: true, .. } => Cell::OneWay,
        Seen::Dropped { .. } | Seen::NoPublicAddress => Cell::Filtered,
    }
}

/// Columns to print in: those of the terminal where it tells; `-o wide` knows no limit.
fn width(format: Format) -> Option<usize> {
    let terminal = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    if format == Format::Wide { None } else { Some(terminal.unwrap_or(100)) }
}

/// Where two engines differ: every answer that one has and the other has not.
struct Comparison {
    probes: usize,
    /// Sender, receiver, packet, what one says, what the other says.
    differ: Vec<[String; 5]>,
}

impl Comparison {
    fn of(asked: &[Answer], one: Vec<Seen>, other: Vec<Seen>, fabric: &Fabric) -> Comparison {
        let text = |seen: &Seen| match seen {
            Seen::Open(source) => format!("open from {source}"),
            other => other.text(fabric),
        };
        let both = asked.iter().zip(one.iter().zip(&other)).filter(|(_, (one, other))| one != other);
        let row = |(asked, (one, other)): (&Answer, (&Seen, &Seen))| {
            [asked.pair.from.clone(), asked.pair.to_text(), asked.packet.to_string(), text(one), text(other)]
        };
        Comparison { probes: asked.len(), differ: both.map(row).collect() }
    }

    fn code(&self) -> ExitCode {
        if self.differ.is_empty() { ExitCode::SUCCESS } else { exit::DISAGREEMENT.into() }
    }

    fn json(&self, engines: [&str; 2]) -> serde_json::Value {
        let row = |[from, to, packet, one, other]: &[String; 5]| json!({"from": from, "to": to, "packet": packet, engines[0]: one, engines[1]: other});
        json!({"probes": self.probes, "disagreements": self.differ.iter().map(row).collect::<Vec<_>>()})
    }

    fn print(&self, engines: [&str; 2], gaps: &Gaps, output: &Output) -> Result<()> {
        if output.format == Format::Json {
            let mut all = self.json(engines);
            all["incomplete"] = (!gaps.is_empty()).into();
            all["gaps"] = json!(gaps.all());
            return output.json(&all);
        }
        gaps.note(output);
        if !self.differ.is_empty() || output.format == Format::Csv {
            let rows: Vec<Vec<String>> = self.differ.iter().map(|row| row.to_vec()).collect();
            output.table(&["from", "to", "packet", engines[0], engines[1]], &rows);
        }
        if output.format != Format::Csv {
            output.line(self.summary(engines));
        }
        Ok(())
    }

    fn summary(&self, engines: [&str; 2]) -> String {
        format!("{} and {} disagree on {} of {} probes", engines[0], engines[1], self.differ.len(), self.probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fabric::{Stage, Walker};

    fn compared(stage: Option<Stage>) -> Comparison {
        let target = Target::of_example("shop");
        let turned = stage.map_or_else(Walker::new, |stage| Walker::new().with_inverted(stage));
        let mut right = Prober::on(Box::new(Walker::new()), &target).unwrap();
        let mut wrong = Prober::on(Box::new(turned), &target).unwrap();
        let asked = ask(&right.places(), &[ProbePacket::Tcp(3306)], &right, false).unwrap();
        let tries: Vec<_> = asked.iter().map(|answer| (&answer.pair, answer.packet)).collect();
        let (one, other) = (right.probe_all(&tries).unwrap(), wrong.probe_all(&tries).unwrap());
        Comparison::of(&asked, one, other, right.fabric())
    }

    #[test]
    fn an_engine_with_a_stage_turned_around_disagrees_and_says_where() {
        let same = compared(None);
        assert_eq!((same.code(), same.differ.len()), (ExitCode::SUCCESS, 0));
        assert_eq!(same.summary(["proof", "linux"]), format!("proof and linux disagree on 0 of {} probes", same.probes));
        let turned = compared(Some(Stage::SecurityGroup));
        assert_eq!(turned.code(), exit::DISAGREEMENT.into());
        let wanted = ["web-1", "192.168.0.132", "tcp/3306", "open from 192.168.0.4", "filtered at sg-out:web-1"].map(str::to_owned);
        assert!(turned.differ.contains(&wanted), "{:?}", turned.differ);
        assert_eq!(turned.summary(["proof", "linux"]), format!("proof and linux disagree on {} of {} probes", turned.differ.len(), turned.probes));
        let json = turned.json(["proof", "linux"]);
        assert_eq!(json["disagreements"].as_array().unwrap().len(), turned.differ.len());
        let row = json!({"from": "web-1", "to": "192.168.0.132", "packet": "tcp/3306", "proof": "open from 192.168.0.4", "linux": "filtered at sg-out:web-1"});
        assert!(json["disagreements"].as_array().unwrap().contains(&row), "{json}");
    }
}
