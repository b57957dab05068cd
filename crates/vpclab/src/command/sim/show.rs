//! What is shown of a simulation: events or layers, what the program says, tables, a capture.

use std::collections::BTreeSet;
use std::io::{BufWriter, IsTerminal};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sim::app::{AppId, End};
use sim::host::Host;
use sim::view::{Filter, List, View, capture, layers::Layers, tables::Tables};
use sim::{FrameId, NodeId, Reason, Simulator, Stop, Time, TraceEvent, Verb};

use super::super::capture_file;
use super::ShowArgs;
use super::ends::Stage;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Events that a command may take before it ends with a word about it.
pub const BUDGET: u64 = 3_000_000;
/// What is left over after a program's end: connections that close, answers under way.
const AFTERMATH: sim::Span = sim::Span::milliseconds(300);
/// Longest time that a program is waited for.
const LONGEST: sim::Span = sim::Span::seconds(600);

/// Version of the JSON form; its keys stay.
const SCHEMA: &str = "vpclab-sim/1";

/// Runs until a program is done, or to the time that was asked for; whether the budget sufficed. `least` is how long the program
/// takes if all goes well.
pub fn play(simulator: &mut Simulator, node: NodeId, app: AppId, show: &ShowArgs, least: sim::Span) -> Stop {
    let until = show.until.map(|until| simulator.now() + until);
    let limit = until.unwrap_or(simulator.now() + LONGEST + least);
    let is_over = |simulator: &Simulator| simulator.get(node).is_some_and(|host: &Host| host.outcome(app).is_some());
    for _ in 0..BUDGET {
        if until.is_none() && is_over(simulator) {
            let after = simulator.now() + AFTERMATH;
            return match simulator.run_quiet(after, BUDGET) {
                Stop::Budget => Stop::Budget,
                _ => Stop::Quiet,
            };
        }
        if !simulator.step(limit) {
            return Stop::Time;
        }
    }
    Stop::Budget
}

/// Whether nothing at all came of a program for as long as anybody waits: that is no answer. It may go on asking, as who has no lease.
pub fn is_hopeless(host: &Host, app: AppId, stop: Stop, show: &ShowArgs) -> bool {
    let outcome = host.progress(app);
    let is_silent = outcome.replies.is_empty() && outcome.bytes_received == 0 && host.acknowledged(app) == 0;
    outcome.end == End::Running && stop == Stop::Time && show.until.is_none() && is_silent
}

/// Says that a program was not done when its simulation ended. Where too much happened, [`storm`] has said so.
pub fn unfinished(stage: &mut Stage, stop: Stop, show: &ShowArgs, output: &Output) {
    stage.is_unfinished = true;
    let now = stage.world.simulator().now();
    match (stop, show.until) {
        (Stop::Budget, _) => {}
        (_, Some(until)) => output.note(format!("--until {until} was over before the program was done")),
        (_, None) => output.note(format!("ended at {now}: nobody waits longer for a program that goes on")),
    }
}

/// Says that a simulation was ended because too much happened in it.
pub fn storm(simulator: &Simulator, stop: Stop, output: &Output) {
    if stop == Stop::Budget {
        output.note(too_much(simulator));
        output.hint(LESS);
    }
}

/// What to do where too much happens.
pub const LESS: &str = "give the switches spanning_tree: true, take a link down, or ask for less with --until";

/// What is said where too much happened.
pub fn too_much(simulator: &Simulator) -> String {
    let (events, now) = (simulator.happened(), simulator.now());
    let last = simulator.trace().events().iter().rev().take(10_000);
    let why = match last.filter(|event| event.verb == Verb::Flood).count() > 1_000 {
        true => "frames multiply; a loop of switches does that (a broadcast storm)",
        false => "more is sent than one command plays",
    };
    format!("ended after {events} events, at {now}: {why}")
}

/// Prints a simulation that was played: what happened, then what the program says.
pub fn show(stage: &Stage, arguments: &ShowArgs, said: &[String], result: Value, output: &Output) -> Result<()> {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let simulator = &stage.world.cloud.simulator;
    let view = View::new(simulator).with_fabric(&stage.fabric);
    let addresses = |name: &str| match simulator.find(name) {
        Some(node) => stage.world.place(node).addresses,
        None => Vec::new(),
    };
    let filter = Filter::parse(&arguments.filter, &view, &addresses).map_err(|misread| Failure::usage(format!("--filter: {misread}")))?;
    let capture = arguments.pcap.as_deref().map(|path| Capture::open(path, arguments.force)).transpose()?;
    let tables = arguments.tables.as_deref().map(|name| Tables::new(simulator, simulator.nodes(), Some(name).filter(|name| !name.is_empty())));
    if let (Some(wanted), Some(shown)) = (arguments.tables.as_deref().filter(|name| !name.is_empty()), &tables)
        && shown.nodes.iter().all(|of| of.tables.is_empty())
    {
        let all = simulator.nodes().flat_map(|node| simulator.inspect(node)).map(|table| table.name);
        let known: Vec<&str> = all.collect::<BTreeSet<_>>().into_iter().collect();
        return Err(Failure::usage(format!("--tables: no node has a table `{wanted}`")).hint(format!("there are: {}", known.join(", "))));
    }
    match capture {
        // A reader behind a pipe gets the capture alone.
        Some(Capture::StandardOutput) => return Capture::StandardOutput.write(&view, &filter, output),
        Some(file) => file.write(&view, &filter, output)?,
        None => {}
    }
    if arguments.quiet {
        return match output.format {
            Format::Json => output.json(&result),
            _ => {
                said.iter().for_each(|line| output.line(line));
                Ok(())
            }
        };
    }
    if output.format == Format::Json {
        let shown = if arguments.layers {
            json!({"layers": Layers::new(&view, &filter)})
        } else {
            json!({"events": List::new(&view, &filter, arguments.all).events})
        };
        let mut all = json!({
            "schema": SCHEMA,
            "seed": arguments.seed,
            "ended_nanoseconds": simulator.now().0,
            "cut": simulator.trace().is_cut() || stage.is_unfinished,
            "trace_hash": format!("{:016x}", simulator.trace_hash()),
            "result": result,
        });
        if let (Some(all), Value::Object(shown)) = (all.as_object_mut(), shown) {
            all.extend(shown);
            if let Some(tables) = tables {
                all.insert("tables".to_owned(), json!(tables));
            }
        }
        return output.json(&all);
    }
    if arguments.layers {
        output.line(Layers::new(&view, &filter).text().trim_end());
    } else {
        let list = List::new(&view, &filter, arguments.all);
        paced(&list, arguments.speed, output);
    }
    if !said.is_empty() {
        output.line("");
        said.iter().for_each(|line| output.line(line));
    }
    if let Some(tables) = tables {
        output.line("");
        output.line(tables.text().trim_end());
    }
    if simulator.trace().is_cut() {
        output.note("the trace is full: what came later happened, but is not shown");
    }
    Ok(())
}

/// The events, as fast as they can be printed or as slowly as they happened.
fn paced(list: &List, speed: Option<f64>, output: &Output) {
    let text = list.text();
    let Some(speed) = speed else { return output.line(text.trim_end()) };
    let mut last = 0;
    let times = std::iter::once(0).chain(list.events.iter().map(|event| event.time_nanoseconds));
    for (line, time) in text.lines().zip(times) {
        let wait = time.saturating_sub(last) as f64 / 1e9 / speed;
        // A day is as long as anybody watches.
        std::thread::sleep(Duration::from_secs_f64(wait.min(86_400.0)));
        last = last.max(time);
        output.line(line);
    }
}

/// Where the frames of `--pcap` go.
enum Capture<'a> {
    StandardOutput,
    File(&'a Path, bool),
}

impl<'a> Capture<'a> {
    /// Of what was asked for; a terminal gets no pcapng.
    fn open(path: &'a Path, force: bool) -> Result<Self> {
        if path != Path::new("-") {
            return Ok(Self::File(path, force));
        }
        if std::io::stdout().is_terminal() {
            return Err(Failure::usage("pcapng is not for a terminal").hint("--pcap FILE, or a reader behind it: | tcpdump -r -"));
        }
        Ok(Self::StandardOutput)
    }

    fn write(&self, view: &View<'_>, filter: &Filter, output: &Output) -> Result<()> {
        let &Self::File(path, force) = self else {
            let written = capture::write(view, filter, BufWriter::new(std::io::stdout().lock()));
            return match written {
                // A reader that has seen enough, such as `head`, is no failure.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                written => written.map(drop).map_err(|error| Failure::environment(format!("standard output: {error}"))),
            };
        };
        let packets = capture_file::write(path, force, |out| capture::write(view, filter, out))?;
        output.note(format!("{packets} frames in {}", path.display()));
        Ok(())
    }
}

/// What was lost on the way.
#[derive(Debug, Default)]
pub struct Losses {
    /// Where, a line each.
    pub lines: Vec<String>,
    /// Whether the first of it was an answer: the question had arrived.
    pub is_reply: bool,
}

/// Where something was lost, the first place of each kind: `dropped at sw-1: …`. Of a question to an address, what was lost of
/// it and its answer until it was given up; neighbours that are looked for are part of it.
pub fn losses(stage: &Stage, to: Option<IpAddr>, until: Option<Time>) -> Losses {
    const MOST: usize = 3;
    let simulator = &stage.world.cloud.simulator;
    let view = View::new(simulator).with_fabric(&stage.fabric);
    // What a station ignores because it is for another one is no loss, nor what routers and switches tell each other.
    let is_loss = |reason: Reason| {
        !matches!(
            reason,
            Reason::OtherMac
                | Reason::ArpOther
                | Reason::ArpGratuitous
                | Reason::MulticastMac
                | Reason::ReservedMac
                | Reason::SamePort
                | Reason::GroupRouter
                | Reason::SpanningTree
                | Reason::Runt
        )
    };
    let delivered: BTreeSet<FrameId> = simulator.trace().events().iter().filter(|event| event.verb == Verb::Deliver).map(|event| event.frame).collect();
    // Nor is what was for many, and what bystanders ignored while somebody took it.
    let is_ignored = |event: &TraceEvent| {
        let is_to_many = view.bytes(event.frame).first().is_some_and(|first| first & 1 == 1);
        matches!(event.reason, Reason::PortUnreachable | Reason::NotMember) && is_to_many && delivered.contains(&event.frame)
    };
    let asked = to.map(|to| addresses_of(stage, to)).unwrap_or_default();
    let is_about = |event: &TraceEvent| {
        let packet = sim::view::summary::packet(view.bytes(event.frame), view.framing(event.frame));
        match (packet.ip(), to) {
            (Some(ip), Some(_)) => {
                asked.contains(&ip.source) || asked.contains(&ip.destination) || ip.quoted().is_some_and(|quoted| asked.contains(&quoted.destination))
            }
            (Some(ip), None) => !ip.destination.is_multicast(),
            (None, _) => event.frame == FrameId::NONE || view.bytes(event.frame).get(12..14) == Some(&[0x08, 0x06]),
        }
    };
    let events = simulator.trace().events().iter();
    // Who took a question and cannot grant it is where its answer is missing.
    let is_lost = |event: &TraceEvent| event.verb == Verb::Drop || (event.verb, event.reason) == (Verb::Note, Reason::AddressesExhausted);
    let drops = events.filter(|event| is_lost(event) && until.is_none_or(|until| event.time <= until));
    let mut lines: Vec<String> = Vec::new();
    let mut is_reply = false;
    for event in drops.filter(|event| is_loss(event.reason) && is_about(event) && !is_ignored(event)) {
        if lines.is_empty() {
            let packet = sim::view::summary::packet(view.bytes(event.frame), view.framing(event.frame));
            is_reply = packet.ip().is_some_and(|ip| asked.contains(&ip.source));
        }
        let what = if event.verb == Verb::Drop { "dropped at" } else { "not granted at" };
        let line = format!("{what} {}: {}", view.place(event.node, event.port), sim::view::why::sentence(&view, &event));
        if !lines.contains(&line) {
            lines.push(line);
        }
        if lines.len() == MOST {
            break;
        }
    }
    Losses { lines, is_reply }
}

/// An address that is asked, and the private one that it stands for: behind an internet gateway packets have that (IGW-2).
fn addresses_of(stage: &Stage, to: IpAddr) -> Vec<IpAddr> {
    let mut all = vec![to];
    if let Some(fabric::Entity::Interface(interface)) = stage.fabric.find_address(to) {
        let own = stage.fabric.interfaces[interface].addresses.iter();
        all.extend(own.filter(|own| own.public.map(IpAddr::V4) == Some(to)).map(|own| IpAddr::V4(own.private)));
    }
    all
}

/// Whether what was asked reached a program or a service at an address.
pub fn is_delivered(stage: &Stage, to: IpAddr) -> bool {
    let simulator = &stage.world.cloud.simulator;
    let view = View::new(simulator);
    let asked = addresses_of(stage, to);
    let reached = |event: &TraceEvent| {
        let packet = sim::view::summary::packet(view.bytes(event.frame), view.framing(event.frame));
        packet.ip().is_some_and(|ip| asked.contains(&ip.destination))
    };
    simulator.trace().events().iter().any(|event| event.verb == Verb::Deliver && reached(&event))
}

/// The stage of the cloud that dropped something first.
pub fn dropping_stage(stage: &Stage) -> Option<fabric::Stage> {
    let trace = stage.world.cloud.simulator.trace();
    trace.events().iter().filter(|event| event.verb == Verb::Drop).find_map(|event| match trace.detail(&event) {
        Some(sim::Detail::Stage(reason)) => Some(reason.stage),
        _ => None,
    })
}
