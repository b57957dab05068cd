//! `sim run`: a script of timed actions. A line is a time and an action; `#` begins a comment.
//!
//! ```text
//! 0s     ping pc-1 pc-2 3
//! 1s     connect pc-1 web-1 tcp/80
//! 1.5s   send pc-1 pc-2 udp/53 hello
//! 2s     link down sw-1 r-1
//! 4s     link up sw-1 r-1
//! 5s     apply other.yaml
//! ```

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fabric::Fabric;
use model::{Model, ProbePacket, Selector};
use serde_json::json;
use sim::app::http::GetSpec;
use sim::app::traceroute::{Method, TracerouteSpec};
use sim::app::{AppId, ConnectSpec, DatagramSpec, PingSpec};
use sim::host::Host;
use sim::{LinkId, NodeId, Simulator, Span, Stop, Time};

use super::super::source;
use super::super::target::Target;
use super::RunArgs;
use super::ask::PATIENCE;
use super::ends::Stage;
use super::show::{BUDGET, losses, show, storm};
use crate::exit::{self, Failure, Result};
use crate::output::Output;

/// Longest script, lines.
const MOST_LINES: usize = 10_000;
/// How long is played after the last program's end, when no end is asked for.
pub const AFTERMATH: Span = Span::milliseconds(300);
/// How often it is looked whether programs are done.
pub const TICK: Span = Span::milliseconds(100);
/// Longest time that programs are waited for.
pub const LONGEST: Span = Span::seconds(20_000);

/// A line of a script.
pub struct Step<'t> {
    /// When, from the beginning of the script.
    pub at: Time,
    /// The line's number.
    pub number: usize,
    /// The whole line.
    pub line: &'t str,
    /// The action's words.
    pub words: Vec<&'t str>,
}

/// What a line started.
pub struct Started {
    /// The action.
    pub text: String,
    node: NodeId,
    app: AppId,
}

impl Started {
    /// Whether the program is not done.
    pub fn goes_on(&self, simulator: &Simulator) -> bool {
        simulator.get(self.node).is_some_and(|host: &Host| host.outcome(self.app).is_none())
    }

    /// `ping pc-1 pc-2: answered (1 sent, 1 answered)`.
    pub fn said(&self, simulator: &Simulator) -> Option<String> {
        let outcome = simulator.get::<Host>(self.node)?.progress(self.app);
        Some(format!("{}: {} ({} sent, {} answered)", self.text, outcome.end, outcome.sent, outcome.replies.len()))
    }
}

/// Exit 0 when every program of the script got an answer, else 1.
pub fn run(arguments: &RunArgs, target: &Target, output: &Output) -> Result {
    let text = read(&arguments.script)?;
    let name = arguments.script.display().to_string();
    let steps = steps(&text, &name)?;
    let mut stage = Stage::new(target, &arguments.show, output)?;
    // Every line is looked at before any is played: a slip in the last one shows at once.
    let mut model = Arc::clone(&target.model);
    let checked = steps.iter().map(|step| action(&mut stage, &mut model, step, &name, output)).collect::<Result<Vec<_>>>()?;
    let (mut started, mut stop) = (Vec::new(), Stop::Time);
    // Times of a script count from its beginning.
    let begin = stage.world.simulator().now();
    let end = arguments.show.until.map(|until| begin + until);
    for (step, action) in steps.iter().zip(checked) {
        if end.is_some_and(|end| begin + step.at.since(Time::ZERO) > end) {
            output.note(format!("line {} and what follows come after --until", step.number));
            break;
        }
        stop = stage.world.simulator().run_until(begin + step.at.since(Time::ZERO), BUDGET);
        if stop == Stop::Budget {
            break;
        }
        perform(&mut stage, step, action, &mut started)?;
    }
    if stop != Stop::Budget {
        let simulator = stage.world.simulator();
        let last = simulator.now() + LONGEST;
        let goes_on = |simulator: &Simulator| started.iter().any(|program: &Started| program.goes_on(simulator));
        stop = Stop::Time;
        while end.is_none() && stop == Stop::Time && goes_on(simulator) && simulator.now() < last {
            stop = simulator.run_until(simulator.now() + TICK, BUDGET);
        }
        if stop != Stop::Budget {
            let aftermath = simulator.now() + AFTERMATH;
            stop = simulator.run_until(end.unwrap_or(aftermath), BUDGET);
        }
    }
    storm(stage.world.simulator(), stop, output);
    let (mut said, mut rows, mut all) = (Vec::new(), Vec::new(), true);
    for program in &started {
        let simulator = &stage.world.cloud.simulator;
        let Some(host) = simulator.get::<Host>(program.node) else { continue };
        let outcome = host.progress(program.app);
        let answered = !outcome.replies.is_empty() || outcome.hops.iter().any(|hop| hop.is_destination);
        all &= answered;
        let (sent, came) = (outcome.sent, outcome.replies.len());
        said.extend(program.said(simulator));
        rows.push(json!({"line": program.text, "end": outcome.end.to_string(), "sent": sent, "answered": came}));
    }
    if !all {
        said.extend(losses(&stage, None, None));
    }
    show(&stage, &arguments.show, &said, json!({"programs": rows}), output)?;
    Ok(if all { ExitCode::SUCCESS } else { exit::NO.into() })
}

pub fn read(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(failed)
}

pub fn steps<'t>(text: &'t str, name: &str) -> Result<Vec<Step<'t>>> {
    let mut steps: Vec<Step<'t>> = Vec::new();
    for (index, line) in text.lines().enumerate().take(MOST_LINES) {
        let code = line.split('#').next().unwrap_or_default();
        let mut words = code.split_whitespace();
        let Some(time) = words.next() else { continue };
        let step = Step { at: Time::ZERO, number: index + 1, line, words: words.collect() };
        let at = lab::sentence::parse_time(time).map_err(|error| {
            misread(&step, name, time, &error.message).hint(error.hint.unwrap_or_else(|| "a line is a time and an action: 1s ping pc-1 pc-2".to_owned()))
        })?;
        let at = Time(at);
        if steps.last().is_some_and(|last| last.at > at) {
            return Err(misread(&step, name, time, "this time is before the line above").hint("times only grow"));
        }
        steps.push(Step { at, ..step });
    }
    match steps.is_empty() {
        true => Err(Failure::usage(format!("{name}: the script does nothing")).hint("a line is a time and an action: 1s ping pc-1 pc-2")),
        false => Ok(steps),
    }
}

/// A line that makes no sense, with a caret below the word.
fn misread(step: &Step<'_>, name: &str, word: &str, message: &str) -> Failure {
    let at = step.line.find(word).unwrap_or_default();
    let column = step.line[..at].chars().count();
    let number = step.number.to_string();
    let (gutter, carets) = (" ".repeat(number.len()), "^".repeat(word.chars().count().max(1)));
    let place = format!("{gutter}┌─ {name}:{number}:{}", column + 1);
    Failure::usage(format!("{message}\n{place}\n{number}│ {}\n{gutter}│ {}{carets}", step.line, " ".repeat(column)))
}

/// What a line does, with names made out.
pub enum Action {
    /// A host starts a program.
    Program { node: NodeId, program: Program },
    /// The first of these that is not so already.
    Link { links: Vec<LinkId>, is_up: bool },
    /// The cloud becomes this.
    Apply { fabric: Arc<Fabric> },
}

/// What a host runs.
pub enum Program {
    /// Echo requests.
    Ping(PingSpec),
    /// A connection.
    Connect(ConnectSpec),
    /// A datagram.
    Send(DatagramSpec),
    /// Who answers on the way.
    Traceroute(TracerouteSpec),
    /// A page, served by what listens there under its name.
    Get(GetSpec),
}

/// The links between two ends, each `DEVICE` or `DEVICE:INTERFACE`. Errors: the word that names nothing.
fn links<'w>(simulator: &Simulator, (a, b): (&'w str, &'w str)) -> std::result::Result<Vec<LinkId>, &'w str> {
    let end = |word: &'w str| -> std::result::Result<(NodeId, Option<u16>), &'w str> {
        if let Some(node) = simulator.find(word) {
            return Ok((node, None));
        }
        let (device, interface) = word.split_once(':').ok_or(word)?;
        let node = simulator.find(device).ok_or(word)?;
        let port = simulator.ports(node).iter().position(|port| &*port.name == interface).ok_or(word)?;
        Ok((node, Some(port as u16)))
    };
    let (a, b) = (end(a)?, end(b)?);
    let is = |(node, port): (NodeId, u16), wanted: (NodeId, Option<u16>)| node == wanted.0 && wanted.1.is_none_or(|wanted| wanted == port);
    let joins = |link: &sim::link::Link| {
        let [one, other] = link.ends();
        is(one, a) && is(other, b) || is(one, b) && is(other, a)
    };
    Ok(simulator.links().filter(|(_, link)| joins(link)).map(|(id, _)| id).collect())
}

const ACTIONS: &str =
    "ping A B [COUNT], check A B PROTO/PORT, connect A B tcp/PORT, send A B udp/PORT [TEXT], traceroute A B [udp|icmp|tcp/PORT], http A B[:PORT][/PATH], link down|up A B, apply FILE";

/// `model` is the cloud as the lines before leave it.
pub fn action(stage: &mut Stage, model: &mut Arc<Model>, step: &Step<'_>, name: &str, output: &Output) -> Result<Action> {
    let wrong = |word: &str, message: &str| misread(step, name, word, message);
    let usage = |word: &str| wrong(word, "this line is no action").hint(ACTIONS);
    match step.words.as_slice() {
        ["ping", from, to, rest @ ..] => {
            let count = match rest {
                [] => 1,
                [count] => count.parse().map_err(|_| wrong(count, "this is no number of requests"))?,
                [_, more, ..] => return Err(usage(more)),
            };
            let (node, source, to) = ends(stage, step, name, from, to)?;
            Ok(Action::Program { node, program: Program::Ping(PingSpec { source, count, ..PingSpec::new(to) }) })
        }
        ["connect", from, to, port] => match lab::sentence::parse_probe(&["a", "b", *port]).map(|probe| probe.packet) {
            Ok(ProbePacket::Tcp(port)) => {
                let (node, source, to) = ends(stage, step, name, from, to)?;
                Ok(Action::Program { node, program: Program::Connect(ConnectSpec { source, timeout: PATIENCE, ..ConnectSpec::new(to, port) }) })
            }
            _ => Err(wrong(port, "connect takes tcp/PORT")),
        },
        ["check", from, to, port] => {
            let packet = lab::sentence::parse_probe(&["a", "b", *port]).map(|probe| probe.packet);
            if !matches!(packet, Ok(ProbePacket::Tcp(_) | ProbePacket::Udp(_) | ProbePacket::Icmp { icmp_type: 8, code: 0 })) {
                return Err(wrong(port, "check takes tcp/PORT, udp/PORT or icmp/echo"));
            }
            let (node, source, to) = ends(stage, step, name, from, to)?;
            let program = match packet {
                Ok(ProbePacket::Tcp(port)) => Program::Connect(ConnectSpec { source, timeout: PATIENCE, ..ConnectSpec::new(to, port) }),
                Ok(ProbePacket::Udp(port)) => Program::Send(DatagramSpec { source, timeout: PATIENCE, ..DatagramSpec::new(to, port, b"vpclab") }),
                _ => Program::Ping(PingSpec { source, count: 1, ..PingSpec::new(to) }),
            };
            Ok(Action::Program { node, program })
        }
        ["send", from, to, port, words @ ..] => match lab::sentence::parse_probe(&["a", "b", *port]).map(|probe| probe.packet) {
            Ok(ProbePacket::Udp(port)) => {
                let (node, source, to) = ends(stage, step, name, from, to)?;
                let text = if words.is_empty() { "vpclab".to_owned() } else { words.join(" ") };
                Ok(Action::Program { node, program: Program::Send(DatagramSpec { source, timeout: PATIENCE, ..DatagramSpec::new(to, port, text.as_bytes()) }) })
            }
            _ => Err(wrong(port, "send takes udp/PORT")),
        },
        ["traceroute", from, to, rest @ ..] => {
            let port = |word: &&str| lab::sentence::parse_probe(&["a", "b", word]).map(|probe| probe.packet);
            let method = match rest {
                [] | ["icmp"] => Method::Icmp,
                ["udp"] => Method::Udp,
                [word] => match port(word) {
                    Ok(ProbePacket::Tcp(port)) => Method::Tcp(port),
                    _ => return Err(wrong(word, "traceroute sends icmp, udp, or tcp/PORT")),
                },
                [_, more, ..] => return Err(usage(more)),
            };
            let (node, source, to) = ends(stage, step, name, from, to)?;
            Ok(Action::Program { node, program: Program::Traceroute(TracerouteSpec { source, method, ..TracerouteSpec::new(to) }) })
        }
        ["http", from, page] => {
            let (host, port, path) = super::ask::page(page).map_err(|failure| placed(step, name, page, failure))?;
            let (node, source, to) = ends(stage, step, name, from, host)?;
            Ok(Action::Program { node, program: Program::Get(GetSpec { source, host: host.to_owned(), path, ..GetSpec::new(to, port) }) })
        }
        ["link", state @ ("down" | "up"), a, b] => {
            let is_up = *state == "up";
            let links = links(&stage.world.cloud.simulator, (a, b)).map_err(|word| wrong(word, "no node has this name"))?;
            if links.is_empty() {
                return Err(wrong(b, &format!("no link leads from {a} to {b}")).hint("a hub's cables are one medium, and stay; ends are written DEVICE or DEVICE:INTERFACE"));
            }
            Ok(Action::Link { links, is_up })
        }
        ["apply", file] => {
            // As `up` does: the cloud that is becomes what the file says, and keeps its names and addresses.
            let lab = source::load(Path::new(file), output).map_err(|failure| placed(step, name, file, failure))?;
            let mut next = Model::clone(model);
            lab.apply(&mut next).map_err(|error| wrong(file, &error.to_string()))?;
            if next.lans != model.lans {
                return Err(wrong(file, "apply changes the cloud; the lans of this file are others")
                    .hint("links of lans: link down|up A B; another lan is another lab"));
            }
            *model = Arc::new(next);
            Ok(Action::Apply { fabric: Arc::new(Fabric::compile(model)) })
        }
        [verb, ..] => Err(usage(verb)),
        [] => Err(usage(step.line.trim())),
    }
}

fn ends(stage: &mut Stage, step: &Step<'_>, name: &str, from: &str, to: &str) -> Result<(NodeId, Option<std::net::IpAddr>, std::net::IpAddr)> {
    let selector = |word: &str| -> Result<Selector> {
        lab::sentence::parse_selector(word).map_err(|error| misread(step, name, word, &error.message))
    };
    let sender = stage.from(&selector(from)?).map_err(|failure| placed(step, name, from, failure))?;
    let address = stage.to(&selector(to)?, &sender).map_err(|failure| placed(step, name, to, failure))?;
    let source = sender.source.filter(|source| source.is_ipv4() == address.is_ipv4());
    Ok((sender.node, source, address))
}

/// A failure about a word, with its place.
fn placed(step: &Step<'_>, name: &str, word: &str, failure: Failure) -> Failure {
    let hint = failure.hint.clone();
    let failure = misread(step, name, word, &failure.message);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

pub fn perform(stage: &mut Stage, step: &Step<'_>, action: Action, started: &mut Vec<Started>) -> Result<()> {
    let text = step.words.join(" ");
    match action {
        Action::Program { node, program } => {
            if let Program::Get(spec) = &program {
                super::ask::serve_page(stage, spec.destination, spec.port, &spec.host);
            }
            let app = stage.world.simulator().with(node, |host: &mut Host, context| match program {
                Program::Ping(spec) => host.ping(context, spec),
                Program::Connect(spec) => host.connect(context, spec),
                Program::Send(spec) => host.datagram(context, spec),
                Program::Traceroute(spec) => host.traceroute(context, spec),
                Program::Get(spec) => host.http_get(context, spec),
            });
            let app = app.ok_or_else(|| Failure::environment(format!("line {}: the sender is no host", step.number)))?;
            started.push(Started { text, node, app });
        }
        Action::Link { links, is_up } => {
            let simulator = stage.world.simulator();
            let other = simulator.links().find(|(id, link)| links.contains(id) && link.is_up() != is_up).map(|(id, _)| id);
            if let Some(link) = other {
                simulator.set_link(link, is_up);
            }
        }
        Action::Apply { fabric } => {
            stage.world.cloud.apply(Arc::clone(&fabric));
            stage.fabric = fabric;
        }
    }
    Ok(())
}
