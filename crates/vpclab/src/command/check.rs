//! `check`: one probe from every sender to every receiver that its ends mean.

use std::process::ExitCode;

use conformance::EngineName;
use serde_json::json;

use super::advice;
use super::lan_ends::{self, LanEnd};
use super::probing::{Pair, Prober, Seen};
use super::sim::ask::Tried;
use super::target::Target;
use super::within::Docks;
use crate::cli::CheckArgs;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Exit 0 when every pair is open, else 1.
pub fn run(arguments: &CheckArgs, target: &Target, output: &Output) -> Result {
    let probe = lab::sentence::parse_probe(&arguments.words).map_err(|e| {
        let failure = Failure::usage(e.message);
        match e.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    if let Some(running) = target.running.as_ref().filter(|_| matches!(arguments.engine, None | Some(EngineName::Linux)))
        && let Some(code) = super::devices::check(&probe, running, output)?
    {
        return Ok(code);
    }
    if let Some(end) = lan_ends::of_probe(&target.model, &probe) {
        match arguments.engine {
            None | Some(EngineName::Sim) => return simulated(&probe, end, target, output),
            // What lies behind a gateway can be proved up to there.
            Some(EngineName::Proof) if lan_ends::out_of_sight(&target.model, &probe, &arguments.words).is_none() => {}
            Some(engine) => return Err(lan_ends::not_of(engine, &end, &arguments.words)),
        }
    }
    if let Some(code) = from_or_to_container(&probe, arguments, target, output)? {
        return Ok(code);
    }
    let mut prober = Prober::start(target, arguments.engine.unwrap_or(EngineName::Linux))?;
    let (sources, destinations) = (prober.ends(&probe.source)?, prober.ends(&probe.destination)?);
    let is_ipv6_typed = destinations.iter().all(super::ends::is_ipv6);
    let pairs = match arguments.ipv6 {
        false => prober.pairs(&probe.source, &sources, &destinations)?,
        true => prober.ipv6_pairs(&probe.source, &sources, &destinations)?,
    };
    if pairs.is_empty() && is_ipv6_typed && sources != destinations {
        return Err(Failure::usage(format!("{} has no IPv6 address", probe.source)));
    }
    if pairs.is_empty() && arguments.ipv6 {
        let message = format!("`{}` and `{}` have no IPv6 addresses that reach each other", probe.source, probe.destination);
        return Err(Failure::usage(message).hint("without --ipv6 they are asked at their IPv4 addresses"));
    }
    if pairs.is_empty() {
        let docks = Docks::of(&target.model, target.running.as_deref())?;
        return Err(super::why::containers::itself(&docks, &target.model, prober.fabric(), &probe));
    }
    let tries: Vec<_> = pairs.iter().map(|pair| (pair, probe.packet)).collect();
    let answers: Vec<_> = pairs.iter().zip(prober.probe_all(&tries)?).collect();
    if output.format == Format::Json {
        let row = |(pair, seen): &(&Pair, Seen)| {
            let at = seen.at().map(|at| at.label(prober.fabric()));
            json!({"from": pair.from, "to": pair.to_text(), "result": seen.result(), "at": at})
        };
        output.json(&answers.iter().map(row).collect::<Vec<_>>())?;
    } else {
        for (pair, seen) in &answers {
            output.line(format!("{}: {}", pair.text(), seen.text(prober.fabric())));
        }
    }
    let mut hints: Vec<String> = Vec::new();
    for (pair, seen) in answers.iter().filter(|(_, seen)| !matches!(seen, Seen::Open(_))) {
        let fabric = prober.fabric();
        hints.extend(advice::stopped_end(fabric, &pair.sender));
        hints.extend(pair.interface().and_then(|id| advice::stopped(fabric, id)));
        hints.extend(advice::own_system(fabric, seen.at()));
    }
    hints.sort_unstable();
    hints.dedup();
    hints.iter().for_each(|hint| output.hint(hint));
    target.gaps.note(output);
    let all_open = answers.iter().all(|(_, seen)| matches!(seen, Seen::Open(_)));
    Ok(if all_open { ExitCode::SUCCESS } else { exit::NO.into() })
}

/// The same by the simulator.
fn simulated(probe: &model::Probe, end: LanEnd, target: &Target, output: &Output) -> Result {
    lan_ends::simulated(&end, output);
    let answers = super::simulated::check(target, &probe.source, &probe.destination, probe.packet, output)?;
    if output.format == Format::Json {
        let row = |(from, to, answer): &(model::Selector, model::Selector, Tried)| {
            json!({"from": from.to_string(), "to": to.to_string(), "result": answer.word, "at": answer.why.first(), "engine": "sim"})
        };
        output.json(&answers.iter().map(row).collect::<Vec<_>>())?;
    } else {
        for (from, to, answer) in &answers {
            output.line(format!("{from} -> {to}: {}", answer.word));
            answer.why.iter().for_each(|why| output.line(format!("  {why}")));
        }
    }
    let is_open = |answer: &Tried| matches!(answer.word, "open" | "delivered, no answer");
    Ok(if answers.iter().all(|(.., answer)| is_open(answer)) { ExitCode::SUCCESS } else { exit::NO.into() })
}

/// The same where a container is at an end; `None` where none is.
fn from_or_to_container(probe: &model::Probe, arguments: &CheckArgs, target: &Target, output: &Output) -> Result<Option<ExitCode>> {
    let docks = Docks::of(&target.model, target.running.as_deref())?;
    let from = docks.end(&probe.source)?;
    if from.is_none() && docks.end(&probe.destination)?.is_none() {
        return Ok(None);
    }
    let Some(running) = target.running.as_ref().filter(|_| arguments.engine.is_none_or(|engine| engine == EngineName::Linux)) else {
        let failure = Failure::usage("containers send and answer in a lab that is up");
        return Err(failure.hint(format!("vpclab up; or vpclab why {}", arguments.words.join(" "))));
    };
    let fabric = fabric::Fabric::compile(&target.model);
    let seen = super::why::containers::check(target, running, &docks, &fabric, probe, from.as_ref())?;
    if output.format == Format::Json {
        output.json(&[json!({"from": probe.source.to_string(), "to": probe.destination.to_string(), "result": seen.result(), "at": None::<String>})])?;
    } else {
        output.line(format!("{} -> {}: {}", probe.source, probe.destination, seen.result()));
    }
    let is_open = matches!(seen, Seen::Open(_));
    if !is_open {
        output.hint(format!("vpclab why {}", arguments.words.join(" ")));
    }
    Ok(Some(if is_open { ExitCode::SUCCESS } else { exit::NO.into() }))
}
