//! `traceroute`: who answers on the way, and below it who was seen to be passed in silence; where it ends, which stage did it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use fabric::dock::way::{self, Asked};
use fabric::dock::{Fate, Step as Stage};
use ipnet::IpNet;
use linux::runtime::trace::{self, Request, Step};
use model::selector::End;
use serde_json::json;

use super::ends::{Ends, Names, milliseconds, question};
use super::from_within::{Between, between, source_address};
use super::lan_ends::{self, running_or_simulated};
use super::running::Running;
use super::simulated::quiet;
use super::within;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `traceroute`.
#[derive(Debug, Args)]
pub struct TracerouteArgs {
    /// FROM TO [PROTO/PORT], such as: web-1 internet, web-1 db-1 tcp/3306, or web-1/site db-1 from a container
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
    /// Over IPv6: interfaces at their IPv6 addresses, `internet` at one of its own
    #[arg(short = '6', long)]
    pub ipv6: bool,
}

/// Exit 0 when the destination answered, else 1.
pub fn run(arguments: &TracerouteArgs, global: &Global, output: &Output) -> Result {
    if !(0.05..=60.0).contains(&arguments.wait) {
        return Err(Failure::usage(format!("--wait {}: 0.05 to 60 seconds", arguments.wait)));
    }
    let probe = question(&arguments.words, "icmp/echo")?;
    let running = match running_or_simulated(&probe, global, output)? {
        lan_ends::Asked::Running(running) => running,
        lan_ends::Asked::Simulated(target) => {
            let asked = super::sim::TracerouteArgs { words: arguments.words.clone(), show: quiet() };
            return super::sim::ask::traceroute(&asked, &target, output);
        }
    };
    let within = between(&probe, "traceroute", &running)?;
    let ends = match &within {
        Some(between) => between.ends.clone(),
        None => Ends::over(&probe, &running, arguments.ipv6)?,
    };
    let from = match &within {
        Some(between) => between.place.clone(),
        None => super::from_within::sender_of(&ends, &running)?,
    };
    let inside = Inside::of(&running, &ends, within.as_ref())?;
    if within.is_some()
        && let IpAddr::V4(to) = ends.address
        && source_address(&running.holder()?, &from.namespace, to).is_none()
    {
        return without_route(&ends, within.as_ref(), arguments, output);
    }
    let request = Request {
        from,
        to: ends.address,
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
    let name = |address: IpAddr| names.name(address).or_else(|| inside.name(address));
    let answered: BTreeSet<&str> = seen.steps.iter().flatten().filter_map(|step| name(step.from?)).collect();
    let mut unseen: Vec<&str> = Vec::new();
    for hop in &seen.passed {
        let is_end = seen.arrived && seen.passed.last() == Some(hop);
        if !is_end && !answered.contains(hop.name.as_str()) && !unseen.contains(&hop.name.as_str()) {
            unseen.push(&hop.name);
        }
    }
    // A probe of another port of the instance's own says nothing of what a container sends.
    let is_plain = within.as_ref().is_none_or(|between| between.source.is_none() && !between.is_inside);
    let loss = if seen.reached || !is_plain { None } else { ends.loss(&running)? };
    if output.format == Format::Json {
        let answer = |step: &Step| {
            json!({
                "address": step.from,
                "name": step.from.and_then(name),
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
            "inside": inside.stages().map(|step| json!({"stage": step.stage, "at": step.at, "fate": step.fate, "cause": step.cause, "text": step.text})).collect::<Vec<_>>(),
            "lost": loss.as_ref().map(|l| json!({"what": l.what, "at": l.at, "code": l.code})),
        }))?;
    } else {
        output.line(format!("traceroute from {} to {}, {}", ends.from, ends.receiver(), ends.packet));
        for step in &inside.before {
            output.line(told(step));
        }
        let described = |address: IpAddr| match (address == ends.address, name(address)) {
            // An address that was named is called by that name.
            (true, _) => ends.receiver(),
            (false, Some(name)) => format!("{name} ({address})"),
            (false, None) => address.to_string(),
        };
        for (number, steps) in seen.steps.iter().enumerate() {
            output.line(line(number + 1, steps, &described));
        }
        for step in &inside.after {
            output.line(told(step));
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
                (None, false) if !is_plain => "not reached".to_owned(),
                (None, false) => "not reached; a single packet more came through".to_owned(),
            });
            if let Some(between) = within.as_ref().filter(|_| !is_plain) {
                output.hint(between.hint(&arguments.words));
            }
            loss.iter().filter_map(|loss| loss.hint.as_ref()).for_each(|hint| output.hint(hint));
        }
    }
    Ok(if seen.reached { ExitCode::SUCCESS } else { exit::NO.into() })
}

/// The sender's own system knows no way: nothing is sent, and the answer is no.
fn without_route(ends: &Ends, within: Option<&Between>, arguments: &TracerouteArgs, output: &Output) -> Result {
    let why = format!("{} has no route to {}", ends.from, ends.address);
    if output.format == Format::Json {
        output.json(&json!({
            "from": ends.from,
            "to": ends.to,
            "address": ends.address,
            "packet": ends.packet.to_string(),
            "reached": false,
            "refused": false,
            "hops": Vec::<()>::new(),
            "passed": Vec::<()>::new(),
            "unseen": Vec::<()>::new(),
            "inside": Vec::<()>::new(),
            "lost": {"what": why, "at": ends.from, "code": null},
        }))?;
    } else {
        output.line(format!("traceroute from {} to {}, {}", ends.from, ends.receiver(), ends.packet));
        output.line(format!("not reached: {why}"));
        within.iter().for_each(|between| output.hint(between.hint(&arguments.words)));
    }
    Ok(exit::NO.into())
}

/// What no hop answers for: the stages inside the instances, where a container has a part in it.
#[derive(Default)]
struct Inside {
    /// Before the first hop.
    before: Vec<Stage>,
    /// Behind the last.
    after: Vec<Stage>,
    /// Bridges that the sender is at: `docker0 of web-1`.
    bridges: Vec<(IpNet, String)>,
}

impl Inside {
    fn of(running: &Running, ends: &Ends, within: Option<&Between>) -> Result<Inside> {
        let docks = within::Docks::of(&running.model, Some(running))?;
        let mut inside = Inside::default();
        let asked = within::asked(ends.packet);
        if let Some(source) = within.and_then(|between| between.source.as_ref()) {
            let dock = docks.dock(&source.instance)?.unwrap_or_default();
            let bridges = dock.networks.iter().filter_map(|network| Some((network.subnet?, format!("{} of {}", network.bridge, dock.instance))));
            inside.bridges = bridges.collect();
            if let Some(container) = dock.container(&source.container)
                && !within.is_some_and(|between| between.is_inside)
            {
                inside.before = way::leave(&dock, container, Some(ends.address), asked);
            }
        }
        // What one instance has inside is between the hops and not behind them.
        let Asked::Port(protocol, port) = asked else { return Ok(inside) };
        if within.is_some_and(|between| between.is_inside) {
            return Ok(inside);
        }
        let Some(instance) = docks.instance_of(&running.fabric, &End::Address(ends.address)) else { return Ok(inside) };
        if let Some(dock) = docks.dock(&instance)?.filter(|dock| way::concerns(dock, protocol, port)) {
            inside.after = way::enter(&dock, dock.address, protocol, port);
        }
        Ok(inside)
    }

    fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.before.iter().chain(&self.after)
    }

    /// The bridge whose address answered.
    fn name(&self, address: IpAddr) -> Option<&str> {
        self.bridges.iter().find(|(subnet, _)| subnet.contains(&address)).map(|(_, name)| name.as_str())
    }
}

/// A stage as a line.
fn told(step: &Stage) -> String {
    let mark = if step.blocks() { "NO" } else if step.fate == Fate::Unknown { "??" } else { "ok" };
    format!("    {mark}  {}  {}", step.stage.as_str(), step.text)
}

/// A hop as traceroute prints it: each answerer once, its times behind it.
fn line(number: usize, steps: &[Step], described: &dyn Fn(IpAddr) -> String) -> String {
    let (mut line, mut before) = (format!("{number:2} "), None);
    for step in steps {
        let Some(from) = step.from else {
            line.push_str(" *");
            continue;
        };
        if before != Some(from) {
            line.push_str(&format!(" {}", described(from)));
            before = Some(from);
        }
        if let Some(time) = step.time {
            line.push_str(&format!("  {:.3} ms", time.as_secs_f64() * 1_000.0));
        }
    }
    line
}
