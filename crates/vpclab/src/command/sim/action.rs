//! Actions of scripts: programs that begin, links that fail, files that change the rules; what a line means, and doing it.

use std::path::Path;
use std::sync::Arc;

use fabric::Fabric;
use model::{Model, ProbePacket, Selector};
use sim::app::{AppId, ConnectSpec, DatagramSpec, PingSpec};
use sim::host::Host;
use sim::{LinkId, NodeId, Simulator, Time};

use super::super::source;
use super::ask::PATIENCE;
use super::ends::Stage;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// A line of a script, or one that is typed.
pub struct Step<'t> {
    /// When, from the beginning.
    pub at: Time,
    /// Counted from 1.
    pub number: usize,
    /// The whole line.
    pub line: &'t str,
    /// The action's words.
    pub words: Vec<&'t str>,
}

/// What a line started.
pub struct Started {
    /// The line.
    pub text: String,
    /// The host.
    pub node: NodeId,
    /// Its program.
    pub app: AppId,
}

impl<'t> Step<'t> {
    /// An action without a time, as it is typed.
    pub fn typed(line: &'t str) -> Self {
        Self { at: Time::ZERO, number: 1, line, words: line.split_whitespace().collect() }
    }
}

/// A line that makes no sense, with a caret below the word.
pub fn misread(step: &Step<'_>, name: &str, word: &str, message: &str) -> Failure {
    let at = step.line.find(word).unwrap_or_default();
    let column = step.line[..at].chars().count();
    let number = step.number.to_string();
    let (gutter, carets) = (" ".repeat(number.len()), "^".repeat(word.chars().count().max(1)));
    let place = format!("{gutter}┌─ {name}:{number}:{}", column + 1);
    Failure::usage(format!("{message}\n{place}\n{number}│ {}\n{gutter}│ {}{carets}", step.line, " ".repeat(column)))
}

/// What a line does, with names made out.
pub enum Action {
    Program { node: NodeId, program: Program },
    /// The first of these that is not so already.
    Link { links: Vec<LinkId>, is_up: bool },
    Apply { fabric: Arc<Fabric> },
}

pub enum Program {
    Ping(PingSpec),
    Connect(ConnectSpec),
    Send(DatagramSpec),
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

/// The grammar of actions.
pub const ACTIONS: &str = "ping A B [COUNT], connect A B tcp/PORT, send A B udp/PORT [TEXT], link down|up A B, apply FILE";

/// What a line means. `model` is the cloud as the lines before leave it; `name` is the script's, for errors: a word that means
/// nothing, with a caret below it.
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
        ["send", from, to, port, words @ ..] => match lab::sentence::parse_probe(&["a", "b", *port]).map(|probe| probe.packet) {
            Ok(ProbePacket::Udp(port)) => {
                let (node, source, to) = ends(stage, step, name, from, to)?;
                let text = if words.is_empty() { "vpclab".to_owned() } else { words.join(" ") };
                Ok(Action::Program { node, program: Program::Send(DatagramSpec { source, timeout: PATIENCE, ..DatagramSpec::new(to, port, text.as_bytes()) }) })
            }
            _ => Err(wrong(port, "send takes udp/PORT")),
        },
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

/// Does it; a program that begins is added to `started`.
pub fn perform(stage: &mut Stage, step: &Step<'_>, action: Action, started: &mut Vec<Started>) -> Result<()> {
    let text = step.words.join(" ");
    match action {
        Action::Program { node, program } => {
            let app = stage.world.simulator().with(node, |host: &mut Host, context| match program {
                Program::Ping(spec) => host.ping(context, spec),
                Program::Connect(spec) => host.connect(context, spec),
                Program::Send(spec) => host.datagram(context, spec),
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
