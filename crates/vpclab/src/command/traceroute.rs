//! `traceroute`: who answers on the way, and below it who was seen to be passed in silence; where it ends, which stage did it.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use fabric::dock::way::{self, Asked};
use linux::runtime::trace::{self, Request, Step};
use model::selector::End;
use serde_json::json;

use super::ends::{Ends, Names, milliseconds};
use super::running::Running;
use super::within;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `traceroute`.
#[derive(Debug, Args)]
pub struct TracerouteArgs {
    /// FROM TO [PROTO/PORT], such as: web-1 internet, or web-1 db-1 tcp/3306
    #[arg(required = true, num_args = 1.., value_name = "FROM TO [PROTO/PORT]")]
    pub words: Vec<String>,
    /// The largest number of hops
    #[arg(short, long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub most: u8,
    /// Probes a hop
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=10))]
    pub queries: u8,
    /// Seconds to wait for answers
    #[arg(short, long, default_value_t = 1.0, value_name = "SECONDS")]
    pub wait: f64,
}

/// Exit 0 when the destination answered, else 1.
pub fn run(arguments: &TracerouteArgs, global: &Global, output: &Output) -> Result {
    if !(0.05..=60.0).contains(&arguments.wait) {
        return Err(Failure::usage(format!("--wait {}: 0.05 to 60 seconds", arguments.wait)));
    }
    let running = Running::open(global)?;
    let ends = Ends::parse(&arguments.words, "icmp/echo", &running)?;
    let request = Request {
        from: ends.sender.clone(),
        to: ends.address.into(),
        traffic: ends.traffic()?,
        most: arguments.most,
        queries: arguments.queries,
        wait: Duration::from_secs_f64(arguments.wait),
    };
    let seen = trace::trace(&running.holder()?, &running.fabric, &request).map_err(|e| match e {
        fabric::engine::EngineError::Failed(why) => Failure::environment(why),
        other => Failure::usage(other.to_string()),
    })?;
    let names = Names::of(&running.fabric);
    let answered: BTreeSet<&str> = seen.steps.iter().flatten().filter_map(|step| names.name(step.from?.into())).collect();
    let mut unseen: Vec<&str> = Vec::new();
    for hop in &seen.passed {
        let is_end = seen.arrived && seen.passed.last() == Some(hop);
        if !is_end && !answered.contains(hop.name.as_str()) && !unseen.contains(&hop.name.as_str()) {
            unseen.push(&hop.name);
        }
    }
    let loss = if seen.reached { None } else { ends.loss(&running)? };
    if output.format == Format::Json {
        let answer = |step: &Step| {
            json!({
                "address": step.from,
                "name": step.from.and_then(|from| names.name(from.into())),
                "milliseconds": step.time.map(milliseconds),
            })
        };
        let hop = |(number, steps): (usize, &Vec<Step>)| json!({"hop": number + 1, "answers": steps.iter().map(answer).collect::<Vec<_>>()});
        output.json(&json!({
            "from": ends.from,
            "to": ends.to,
            "address": ends.address,
            "packet": ends.packet.to_string(),
            "reached": seen.reached,
            "refused": seen.refused,
            "hops": seen.steps.iter().enumerate().map(hop).collect::<Vec<_>>(),
            "passed": seen.passed.iter().map(|hop| &hop.name).collect::<Vec<_>>(),
            "unseen": unseen,
            "lost": loss.as_ref().map(|l| json!({"what": l.what, "at": l.at, "code": l.code})),
        }))?;
    } else {
        output.line(format!("traceroute from {} to {}, {}", ends.from, ends.receiver(), ends.packet));
        for (number, steps) in seen.steps.iter().enumerate() {
            output.line(line(number + 1, steps, &names, &ends));
        }
        for line in behind(&running, &ends)? {
            output.line(line);
        }
        if !unseen.is_empty() {
            let text = format!("passed unseen: {}", unseen.join(", "));
            output.line(if output.colour() { format!("    \u{1b}[2m{text}\u{1b}[0m") } else { format!("    {text}") });
        }
        if seen.refused {
            output.line("    reached; nothing listens at that port");
        }
        if !seen.reached {
            output.line(match (&loss, seen.arrived) {
                (Some(loss), _) => format!("not reached: {loss}"),
                (None, true) => "arrived, and nobody answered".to_owned(),
                (None, false) => "not reached; a single packet more came through".to_owned(),
            });
            loss.iter().filter_map(|loss| loss.hint.as_ref()).for_each(|hint| output.hint(hint));
        }
    }
    Ok(if seen.reached { ExitCode::SUCCESS } else { exit::NO.into() })
}

/// What is behind the port that was asked, where a container has a part in it: no hop answers there, the stages are told.
fn behind(running: &Running, ends: &Ends) -> Result<Vec<String>> {
    let Asked::Port(protocol, port) = within::asked(ends.packet) else { return Ok(Vec::new()) };
    let docks = within::Docks::of(&running.model, Some(running))?;
    let Some(instance) = docks.instance_of(&running.fabric, &End::Address(ends.address.into())) else { return Ok(Vec::new()) };
    let Some(dock) = docks.dock(&instance)?.filter(|dock| way::concerns(dock, protocol, port)) else { return Ok(Vec::new()) };
    let steps = way::enter(&dock, dock.address, protocol, port);
    let mark = |step: &fabric::dock::Step| if step.blocks() { "NO" } else if step.fate == fabric::dock::Fate::Unknown { "??" } else { "ok" };
    Ok(steps.iter().map(|step| format!("    {}  {}  {}", mark(step), step.stage.as_str(), step.text)).collect())
}

/// A hop as traceroute prints it: each answerer once, its times behind it.
fn line(number: usize, steps: &[Step], names: &Names, ends: &Ends) -> String {
    let (mut line, mut before) = (format!("{number:2} "), None);
    for step in steps {
        let Some(from) = step.from else {
            line.push_str(" *");
            continue;
        };
        if before != Some(from) {
            // An address that was named is called by that name.
            let described = if from == ends.address { ends.receiver() } else { names.described(from.into()) };
            line.push_str(&format!(" {described}"));
            before = Some(from);
        }
        if let Some(time) = step.time {
            line.push_str(&format!("  {:.3} ms", time.as_secs_f64() * 1_000.0));
        }
    }
    line
}
