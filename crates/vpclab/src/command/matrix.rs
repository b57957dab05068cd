//! `matrix`: who reaches whom, asked of every ordered pair at once.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use conformance::EngineName;
use model::selector::End;
use model::{Model, ProbePacket, TrafficMatch};
use serde_json::json;

use super::grid::{Cell, Grid};
use super::probing::{Pair, Place, Prober, Seen, packets};
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
    /// Which engine answers: linux (real packets), proof (the stages asked one by one), or both, to see where they differ
    #[arg(long, value_delimiter = ',', num_args = 1, default_value = "linux", value_parser = engine())]
    pub engine: Vec<EngineName>,
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
    output.only(&[Format::Table, Format::Wide, Format::Csv, Format::Json, Format::Markdown])?;
    let packets = match arguments.traffic.as_slice() {
        [] => named_by_rules(&target.model),
        words => spelled(words)?,
    };
    let mut engines = arguments.engine.clone();
    engines.dedup();
    let [first, others @ ..] = engines.as_slice() else { return Err(Failure::usage("--engine names no engine")) };
    let mut prober = Prober::start(target, *first)?;
    let places = prober.places();
    if places.iter().filter(|place| matches!(place.end, End::Interface { .. })).count() == 0 {
        return Err(Failure::usage("the lab has no running instance to ask"));
    }
    let asked = ask(&places, &packets, &prober)?;
    let tries: Vec<_> = asked.iter().map(|answer| (&answer.pair, answer.packet)).collect();
    let seen = prober.probe_all(&tries)?;
    match others {
        [] => print(&places, &packets, &asked, &seen, &prober, output),
        [second] => {
            let mut other = Prober::start(target, *second)?;
            let seen = seen.into_iter().zip(other.probe_all(&tries)?).collect::<Vec<_>>();
            compare([*first, *second], &asked, &seen, &prober, output)
        }
        _ => Err(Failure::usage("--engine names more than two engines").hint("--engine proof,linux")),
    }
}

fn spelled(words: &[String]) -> Result<Vec<ProbePacket>> {
    let mut all = BTreeSet::new();
    for word in words {
        let traffic = lab::sentence::parse_traffic(word).map_err(|e| {
            let failure = Failure::usage(format!("`{word}`: {}", e.message));
            failure.hint(e.hint.unwrap_or_else(|| "such as tcp/22,80 udp/53 icmp/echo".to_owned()))
        })?;
        all.extend(packets(&traffic.0).map_err(|why| Failure::usage(why).hint("such as tcp/22,80 udp/53 icmp/echo"))?);
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
fn ask(places: &[Place], packets: &[ProbePacket], prober: &Prober) -> Result<Vec<Answer>> {
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
            for pair in prober.pairs(&source.selector, sources, destinations)?.into_iter().filter(Pair::is_ipv4) {
                asked.extend(packets.iter().map(|packet| Answer { from, to, pair: pair.clone(), packet: *packet }));
            }
        }
    }
    Ok(asked)
}

fn is_outside(end: &End) -> bool {
    matches!(end, End::Outside(_) | End::Internet)
}

fn print(places: &[Place], packets: &[ProbePacket], asked: &[Answer], seen: &[Seen], prober: &Prober, output: &Output) -> Result {
    match output.format {
        Format::Json => {
            let rows = asked.iter().zip(seen).map(|(asked, seen)| row(places, asked, seen, prober));
            output.json(&rows.collect::<Vec<_>>())?;
        }
        Format::Csv => {
            let rows = asked.iter().zip(seen).map(|(asked, seen)| {
                let at = seen.at().map_or_else(String::new, |at| at.label(prober.fabric()));
                let to = (places[asked.to].name.clone(), asked.pair.to.map_or_else(String::new, |to| to.to_string()));
                vec![places[asked.from].name.clone(), to.0, to.1, asked.packet.to_string(), seen.result().to_owned(), at]
            });
            output.table(&["from", "to", "address", "packet", "result", "at"], &rows.collect::<Vec<_>>());
        }
        format => {
            let names: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
            let mut grids: Vec<(ProbePacket, Grid)> = packets.iter().map(|packet| (*packet, Grid::new(&names))).collect();
            for (asked, seen) in asked.iter().zip(seen) {
                let of_packet = grids.iter_mut().find(|(packet, _)| *packet == asked.packet);
                of_packet.into_iter().for_each(|(_, grid)| grid.add(asked.from, asked.to, cell(seen)));
            }
            for (packet, grid) in &grids {
                let title = packet.to_string();
                output.line(if format == Format::Markdown { grid.markdown(&title) } else { grid.table(&title, width(format)) });
            }
            let used = Cell::ALL.into_iter().filter(|cell| grids.iter().any(|(_, grid)| grid.has(*cell)));
            output.line(format!("{}; rows send, columns receive", used.map(Cell::meaning).collect::<Vec<_>>().join("  ")));
        }
    }
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
        Seen::Dropped { .. } | Seen::NoPublicAddress => Cell::Filtered,
    }
}

/// Columns to print in: those of the terminal where it tells; `-o wide` knows no limit.
fn width(format: Format) -> Option<usize> {
    let terminal = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    if format == Format::Wide { None } else { Some(terminal.unwrap_or(100)) }
}

/// Where two engines differ: every answer that one has and the other has not.
fn compare(engines: [EngineName; 2], asked: &[Answer], seen: &[(Seen, Seen)], prober: &Prober, output: &Output) -> Result {
    let engines = engines.map(EngineName::as_str);
    let differ: Vec<_> = asked.iter().zip(seen).filter(|(_, (one, other))| one != other).collect();
    let text = |seen: &Seen| match seen {
        Seen::Open(source) => format!("open from {source}"),
        other => other.text(prober.fabric()),
    };
    if output.format == Format::Json {
        let row = |(asked, (one, other)): &(&Answer, &(Seen, Seen))| {
            json!({"from": asked.pair.from, "to": asked.pair.to_text(), "packet": asked.packet.to_string(), engines[0]: text(one), engines[1]: text(other)})
        };
        output.json(&json!({"probes": asked.len(), "disagreements": differ.iter().map(row).collect::<Vec<_>>()}))?;
    } else {
        let row = |(asked, (one, other)): &(&Answer, &(Seen, Seen))| {
            vec![asked.pair.from.clone(), asked.pair.to_text(), asked.packet.to_string(), text(one), text(other)]
        };
        if !differ.is_empty() || output.format == Format::Csv {
            output.table(&["from", "to", "packet", engines[0], engines[1]], &differ.iter().map(row).collect::<Vec<_>>());
        }
        if output.format != Format::Csv {
            output.line(format!("{} and {} disagree on {} of {} probes", engines[0], engines[1], differ.len(), asked.len()));
        }
    }
    Ok(if differ.is_empty() { ExitCode::SUCCESS } else { exit::DISAGREEMENT.into() })
}
