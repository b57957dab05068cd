//! Actions of scripts: programs that begin, links that fail, files that change the rules; what a line means, and doing it.

use std::path::Path;
use std::sync::Arc;

use fabric::Fabric;
use model::Model;
use sim::app::AppId;
use sim::host::Host;
use sim::{LinkId, NodeId, Simulator, Time};

use super::super::source;
use super::client::{self, Client, Program};
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
    /// Which one that is.
    pub client: &'static Client,
    /// Whether nobody waits for its end.
    pub stays: bool,
}

impl Started {
    /// Whether it is not done and somebody waits for it.
    pub fn goes_on(&self, simulator: &Simulator) -> bool {
        !self.stays && simulator.get(self.node).is_some_and(|host: &Host| host.outcome(self.app).is_none())
    }

    /// How it is with it, as lines.
    pub fn said(&self, simulator: &Simulator) -> Vec<String> {
        let Some(host) = simulator.get::<Host>(self.node) else { return Vec::new() };
        self.client.tell(host, &self.client.progress(host, self.app)).text(&self.text)
    }
}

impl<'t> Step<'t> {
    /// An action without a time, as it is typed.
    pub fn typed(line: &'t str) -> Self {
        Self { at: Time::ZERO, number: 1, line, words: line.split_whitespace().collect() }
    }
}

/// A line that makes no sense, with a caret below the word.
pub fn misread(step: &Step<'_>, name: &str, word: &str, message: &str) -> Failure {
    // A word of the line itself is where it is; the same letters may stand before it.
    let within = (word.as_ptr() as usize).checked_sub(step.line.as_ptr() as usize);
    let within = within.filter(|at| step.line.get(*at..).is_some_and(|rest| rest.starts_with(word)));
    let at = within.or_else(|| step.line.find(word)).unwrap_or_default();
    let column = step.line[..at].chars().count();
    let number = step.number.to_string();
    let (gutter, carets) = (" ".repeat(number.len()), "^".repeat(word.chars().count().max(1)));
    let place = format!("{gutter}┌─ {name}:{number}:{}", column + 1);
    Failure::usage(format!("{message}\n{place}\n{number}│ {}\n{gutter}│ {}{carets}", step.line, " ".repeat(column)))
}

/// What a line does, with names made out.
pub enum Action {
    /// A program begins.
    Program(Program),
    /// The first of these that is not so already.
    Link {
        /// Links between the two ends.
        links: Vec<LinkId>,
        /// Whether it works from now on.
        is_up: bool,
    },
    /// The cloud becomes another one.
    Apply {
        /// That one.
        fabric: Arc<Fabric>,
    },
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

/// The forms of actions that start no program.
const OTHERS: &str = "link down|up A B, apply FILE";

/// The grammar of actions, for help.
pub fn grammar() -> String {
    format!("{}  {OTHERS}", client::grammar())
}

/// What a line means. `model` is the cloud as the lines before leave it; `name` is the script's, for errors: a word that means
/// nothing, with a caret below it.
pub fn action(stage: &mut Stage, model: &mut Arc<Model>, step: &Step<'_>, name: &str, output: &Output) -> Result<Action> {
    let wrong = |word: &str, message: &str| misread(step, name, word, message);
    let usage = |word: &str| {
        let words: Vec<&str> = client::CLIENTS.iter().map(|client| client.word).collect();
        wrong(word, "this line is no action").hint(format!("{}, {OTHERS}; vpclab sim run --help has their forms", words.join(", ")))
    };
    if let Some(program) = client::read(stage, step, name) {
        return program.map(Action::Program);
    }
    match step.words.as_slice() {
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

/// A failure about a word, with its place.
pub fn placed(step: &Step<'_>, name: &str, word: &str, failure: Failure) -> Failure {
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
        Action::Program(program) => {
            let (node, client, stays) = (program.node, program.client(), program.stays);
            let app = stage.world.simulator().with(node, |host: &mut Host, context| program.start(host, context));
            let app = app.ok_or_else(|| Failure::environment(format!("line {}: the sender is no host", step.number)))?;
            started.push(Started { text, node, app, client, stays });
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
